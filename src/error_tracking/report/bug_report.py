"""
A known bug as plain values, and which of them may leave the site.

Trackers receive a :class:`BugReport` and never a model. ``PUBLISHED`` is the privacy
list: what is not on it appears in no issue, bug file or webhook. ``report_builder``
fills reports from the database, ``bug_markdown`` renders them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from error_tracking import conf
from error_tracking.events.borders import TITLE_CHARS, file_slug, issue_title
from error_tracking.events.source_names import FIELD_NAME
from error_tracking.models import ErrorLog, KnownBug
from error_tracking.utils import clean_line, clean_text

from .placeholders import Shape, known_kind, placeholder_argument, shape_of
from .setup import NO_SETUP, Setup

# A sentence or a path; longer ones are data, which has no place in a report.
TEXT_CHARS = 300
# The description of a bug that a person adds: a page of text.
DESCRIPTION_CHARS = 6_000
# The innermost frames of the project. Deeper stacks repeat a recursion.
FRAMES = 20
# Names of fields in one part of a request, and lines in one list of texts.
FIELDS = 50
# What every database and JSON reader holds exactly: JavaScript's largest integer.
LARGEST_COUNT = 2**53

BUG_ID = re.compile(r"[A-Za-z0-9]{1,8}-[0-9]{1,9}")
#: Headers that views check, each with the start of the value that they check for.
#: No other header, and nothing else of these, leaves the site.
HEADERS = (
    ("Accept", "application/json"),
    ("Hx-Request", "true"),
    ("X-Requested-With", "XMLHttpRequest"),
)

Fields = dict[str, Shape]

#: The privacy list: the fields of :class:`BugReport` that may leave the site.
PUBLISHED = frozenset(
    {
        # Which bug it is, and its life.
        "bug_id",
        "uuid",
        "title",
        "description",
        "severity",
        "status",
        "kind",
        "merged_into",
        "issue_number",
        "issue_url",
        "file_name",
        "file_url",
        "published_admin_url",
        # What failed.
        "fingerprint",
        "error_type",
        "mechanism",
        "exception_type",
        "message",
        "cause",
        "reason",
        "groups",
        "frames",
        "source",
        "stack",
        "commits",
        # What a test needs: kinds of users and rows, names and digests of functions.
        "setup",
        # Where it failed.
        "environment",
        "status_code",
        "method",
        "route",
        "view",
        # The request as a shape: known names of fields and kinds of values.
        "is_json",
        "is_signed_in",
        "is_streamed",
        "headers",
        "query",
        "body",
        "kwargs",
        "arguments",
        # How often, when, and in which releases.
        "count",
        "users",
        "first_seen",
        "last_seen",
        "first_release",
        "last_release",
        "healthy_release",
        "failing_release",
        "resolved_in_release",
        # Empty unless the setting PUBLISH names what it has.
        "details",
    }
)
#: The other fields, which only this site uses. A new field belongs to one of the two.
LOCAL = frozenset(
    {
        # Mails and chat messages have it, which go to the team alone.
        "admin_url",
        "admin_path",
        "has_automatic_description",
        "personal_data_removed",
        "issue_state",
        "requested_at",
        "news",
        "synced_activity_id",
        "latest_activity_id",
    }
)


class ReportFrame(NamedTuple):
    """One of the project's own frames."""

    filename: str
    lineno: int
    function: str
    source: str


@dataclasses.dataclass(frozen=True, slots=True)
class News:
    """Something that happened to a bug and that its tracker does not know yet."""

    id: int
    verb: str
    by: str = ""
    text: str = ""
    when: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BugReport:
    """
    A bug as a tracker sees it; plain values, no model.

    Attributes:
        has_automatic_description: Whether nobody has edited the description: it says
            what the other fields say.
        message: The message of the exception as far as it is code.
        frames: The project's own frames, the raising one last.
        stack: Each exception of the chain with its frames, as lines of text.
        source: The numbered lines around the raising line.
        setup: What a generated test needs besides the request.
        query: Shape of the query string, as ``body`` and ``kwargs``: names of fields
            with the kinds of their values.
        arguments: Placeholders for the arguments of a management command.
        healthy_release: The release before ``failing_release``.
        failing_release: Where the bug occurred first, or came back.
        count: Occurrences up to now, as ``first_seen`` and ``last_seen`` (ISO 8601).
        users: Distinct clients.
        details: What the setting PUBLISH adds.
        file_url: The address of the bug's file on GitHub, where it is known.
        admin_url: The address of the bug in the admin, for people of the team.
        published_admin_url: The same where issues and bug files may have it.
        personal_data_removed: Whether retention has removed the request.
        requested_at: When filing was first requested (ISO 8601).
        news: The activities after ``synced_activity_id``, which this tracker does not
            know yet, up to ``latest_activity_id``.

    """

    bug_id: str
    uuid: str
    title: str
    severity: str = "medium"
    status: str = "open"
    kind: str = "error"
    environment: str = ""
    description: str = ""
    has_automatic_description: bool = False
    fingerprint: str = ""
    error_type: str = ""
    mechanism: str = ""
    exception_type: str = ""
    message: str = ""
    cause: str = ""
    reason: str = ""
    status_code: int | None = None
    method: str = ""
    route: str = ""
    view: str = ""
    is_json: bool = False
    is_signed_in: bool = False
    is_streamed: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    query: Fields = dataclasses.field(default_factory=dict)
    body: Shape = dataclasses.field(default_factory=dict)
    kwargs: Fields = dataclasses.field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    frames: tuple[ReportFrame, ...] = ()
    source: tuple[str, ...] = ()
    stack: tuple[str, ...] = ()
    setup: Setup = NO_SETUP
    groups: tuple[str, ...] = ()
    count: int = 0
    users: int = 0
    first_seen: str = ""
    last_seen: str = ""
    first_release: str = ""
    last_release: str = ""
    healthy_release: str = ""
    failing_release: str = ""
    resolved_in_release: str = ""
    merged_into: str = ""
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    admin_path: str = ""
    admin_url: str = ""
    published_admin_url: str = ""
    personal_data_removed: bool = False
    issue_number: int | None = None
    issue_url: str = ""
    issue_state: str = ""
    file_name: str = ""
    file_url: str = ""
    requested_at: str = ""
    commits: tuple[str, ...] = ()
    news: tuple[News, ...] = ()
    synced_activity_id: int = 0
    latest_activity_id: int = 0

    @property
    def marker(self) -> str:
        """The hidden comment by which a retry finds what an attempt already made."""
        return f"<!-- error-tracking:{self.uuid} -->"

    @property
    def labels(self) -> list[str]:
        """The labels of the issue."""
        return ["bug", "error-tracking", self.severity]

    @property
    def is_closed(self) -> bool:
        """Whether nobody has to work on it."""
        return self.status == "resolved" or bool(self.merged_into)

    @property
    def safe_title(self) -> str:
        """The title of the issue, ``B-012: …``: one line that mentions nobody."""
        return issue_title_for(self.bug_id, self.title)

    @property
    def path_name(self) -> str:
        """The name of the bug's file: its present one, or a new one from the title."""
        return self.file_name or f"{self.bug_id}-{file_slug(self.title)}.md"


def issue_title_for(bug_id: str, title: str) -> str:
    """Return the title of an issue; it is never blank and refers to nothing."""
    line = clean_line(title, TITLE_CHARS) or "error"
    return issue_title(f"{bug_id}: {line}")


def published_fields(report: BugReport) -> dict[str, Any]:
    """Return the fields of *report* that may leave the site, in their usual order."""
    fields = {
        field.name: getattr(report, field.name)
        for field in dataclasses.fields(report)
        if field.name in PUBLISHED
    }
    # As plain values: exports are JSON.
    fields["setup"] = {}
    if report.setup != NO_SETUP:
        fields["setup"] = dataclasses.asdict(report.setup)
    return fields


def field_shapes(
    value: object, kind: Callable[[str, object], str] | None = None
) -> Shape:
    """
    Return the shape of *value* with its first ``FIELDS`` names that may leave.

    Args:
        value: Plain JSON, with names that are public already.
        kind: Gives the kind of a single value with its name.
    """
    names_left = FIELDS

    def accepts(name: object) -> bool:
        nonlocal names_left
        if names_left == 0 or not _is_field_name(name):
            return False
        names_left -= 1
        return True

    if kind is None:
        return shape_of(value, accepts)
    return shape_of(value, accepts, kind)


def _is_field_name(name: object) -> bool:
    text = str(name)
    if FIELD_NAME.fullmatch(text) is None:
        return False
    # A client may send a secret as a name.
    return conf.get_scrubber().text(text) == text


def time_text(moment: dt.datetime | None) -> str:
    """Return *moment* in ISO 8601, to the second; ``""`` for None."""
    if moment is None:
        return ""
    return moment.isoformat(timespec="seconds")


# Reports from plain data: the specified methods ``create_bug_file`` and
# ``create_github_issue`` get a mapping from the project's own code.


def report_from_data(bug_id: str, data: Mapping[str, Any]) -> BugReport:
    """
    Return the report of *bug_id* from plain *data*, each value checked and cut.

    Args:
        bug_id: For example ``B-012``.
        data: Published fields of :class:`BugReport`. Other keys are ignored.

    Raises:
        ValueError: *bug_id* is no bug id, or a value does not fit its key.
    """
    if not BUG_ID.fullmatch(bug_id):
        raise ValueError(f"{bug_id!r} is no bug id; write it like 'B-012'")
    values: dict[str, Any] = {"uuid": bug_id, "title": ""}
    for name, check in _CHECKS.items():
        if name not in data:
            continue
        try:
            values[name] = check(data[name])
        except (TypeError, ValueError, KeyError, RecursionError) as error:
            msg = f"{name} of {bug_id} does not fit a report: {type(error).__name__}"
            raise ValueError(msg) from error
    return BugReport(**{**values, "bug_id": bug_id})


def _text(value: Any, limit: int = TEXT_CHARS) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return clean_text(value, limit)


def _description(value: Any) -> str:
    return _text(value, DESCRIPTION_CHARS)


def one_of(choices: list[str]) -> Callable[[Any], str]:
    """Return a check for one of *choices*, which raises ValueError."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError("not one of the choices")
        return value

    return check


def _time(value: Any) -> str:
    if not value:
        return ""
    return time_text(dt.datetime.fromisoformat(value))


def _is_true(value: Any) -> bool:
    return value is True


def _count(value: Any) -> int:
    return min(max(int(value), 0), LARGEST_COUNT)


def _optional_count(value: Any) -> int | None:
    if value is None:
        return None
    return _count(value)


def _fields(value: Any) -> Shape:
    if not isinstance(value, dict):
        return {}
    return field_shapes(value, known_kind)


def _body(value: Any) -> Shape:
    if not isinstance(value, dict | list):
        return {}
    return field_shapes(value, known_kind)


def _headers(value: Any) -> tuple[tuple[str, str], ...]:
    given = [list(header) for header in value]
    return tuple(header for header in HEADERS if list(header) in given)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(each) for each in list(value)[:FIELDS])


def _arguments(value: Any) -> tuple[str, ...]:
    return tuple(placeholder_argument(each) for each in _texts(value))


def _frames(value: Any) -> tuple[ReportFrame, ...]:
    frames = []
    for filename, lineno, function, source in value:
        line = _count(lineno)
        frames.append(
            ReportFrame(_text(filename), line, _text(function), _text(source))
        )
    return tuple(frames[-FRAMES:])


def _details(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(dict(value)))
    return plain


# What may be given for each field. A field that is not here cannot be given:
# ``issue_url`` and ``file_name`` are known only after filing.
_CHECKS: dict[str, Callable[[Any], Any]] = {
    "uuid": _text,
    "title": _text,
    "severity": one_of(KnownBug.Severity.values),
    "status": one_of(KnownBug.Status.values),
    "kind": one_of(KnownBug.Kind.values),
    "environment": _text,
    "description": _description,
    "fingerprint": _text,
    "error_type": one_of(["", *ErrorLog.ErrorType.values]),
    "mechanism": _text,
    "exception_type": _text,
    "message": _text,
    "cause": _text,
    "reason": _text,
    "status_code": _optional_count,
    "method": _text,
    "route": _text,
    "view": _text,
    "is_json": _is_true,
    "is_signed_in": _is_true,
    "is_streamed": _is_true,
    "headers": _headers,
    "query": _fields,
    "body": _body,
    "kwargs": _fields,
    "arguments": _arguments,
    "frames": _frames,
    "source": _texts,
    "stack": _texts,
    "groups": _texts,
    "count": _count,
    "users": _count,
    "first_seen": _time,
    "last_seen": _time,
    "first_release": _text,
    "last_release": _text,
    "healthy_release": _text,
    "failing_release": _text,
    "resolved_in_release": _text,
    "merged_into": _text,
    "details": _details,
}
