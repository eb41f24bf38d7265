"""
A known bug as plain values, for trackers: what may leave the site, and nothing else.

Only what is on the whitelist leaves: kind, route, the project's own frames,
counts, releases, names of fields; more of it where PUBLISH says so. Reads the
database, never writes it; the words are in ``wording``.
"""

from __future__ import annotations

import dataclasses
import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from . import conf
from .models import Activity, ErrorGroup, ErrorLog, GroupClient
from .samples import kind_of
from .utils import clean_line

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from .models import KnownBug

TITLE_CHARS = 200
SLUG_CHARS = 60
FRAMES = 20
FIELDS = 50
ZERO_WIDTH_SPACE = "\u200b"
_FIELD_NAME = re.compile(r"[A-Za-z_][\w.\[\]-]{0,60}", re.ASCII)

Fields = tuple[tuple[str, str], ...]  # names with the kind of their values
Frame = tuple[str, int, str, str]  # file, line, function, source line


@dataclasses.dataclass(frozen=True, slots=True)
class News:
    """Something that happened to a bug and that its tracker was not told of yet."""

    id: int
    verb: str
    by: str = ""
    text: str = ""
    when: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BugReport:
    """
    A bug as a tracker sees it; plain values, no model.

    ``frames`` are the project's own as (file, line, function, source line), the
    raising one last, ``source`` are the lines around that one. ``query``, ``body`` and
    ``kwargs`` are names with kinds of values. ``count`` and the times are those of
    the moment; ``users`` are the clients that were told apart. ``details`` is what
    PUBLISH lets out besides. ``news`` is what the tracker was not told of yet, and
    ``told`` where it will be when it has heard it.
    """

    bug_id: str
    uuid: str
    title: str
    severity: str = "medium"
    status: str = "open"
    kind: str = "error"
    environment: str = ""
    description: str = ""
    fingerprint: str = ""
    error_type: str = ""
    mechanism: str = ""
    exception_type: str = ""
    status_code: int | None = None
    method: str = ""
    route: str = ""
    is_json: bool = False
    accepts_json: bool = False
    query: Fields = ()
    body: Fields = ()
    kwargs: Fields = ()
    frames: tuple[Frame, ...] = ()
    source: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    count: int = 0
    users: int = 0
    first_seen: str = ""
    last_seen: str = ""
    first_release: str = ""
    last_release: str = ""
    resolved_in_release: str = ""
    merged_into: str = ""
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    admin_path: str = ""
    issue_number: int | None = None
    issue_url: str = ""
    issue_state: str = ""
    file_name: str = ""
    requested_at: str = ""
    commits: tuple[str, ...] = ()
    news: tuple[News, ...] = ()
    told: int = 0

    @property
    def marker(self) -> str:
        """Return the hidden comment by which a retry finds what was already made."""
        return f"<!-- error-tracking:{self.uuid} -->"

    @property
    def labels(self) -> list[str]:
        """Return the labels of the issue."""
        return ["bug", self.severity]

    @property
    def is_closed(self) -> bool:
        """Return whether nobody has to work on it."""
        return self.status == "resolved" or bool(self.merged_into)

    @property
    def safe_title(self) -> str:
        """Return ``B-012: …`` as an issue's title: one line, no mention, no reference, never blank."""
        text = clean_line(f"{self.bug_id}: {self.title or 'error'}", TITLE_CHARS)
        return re.sub(r"([@#])(?=\S)", rf"\1{ZERO_WIDTH_SPACE}", text)[:TITLE_CHARS]

    @property
    def path_name(self) -> str:
        """Return the name of the bug's file: the one it has, else one made from the title."""
        return self.file_name or f"{self.bug_id}-{slug_from(self.title)}.md"

    def to_json(self) -> str:
        """Return what :func:`report_from_json` needs, as JSON that ends no HTML comment."""
        values = {name: getattr(self, name) for name in _PUBLISHED}
        text = json.dumps({name: value for name, value in values.items() if value}, ensure_ascii=True)
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("--", "-\\u002d")


_LOCAL = {
    "news",
    "told",
    "requested_at",
    "issue_number",
    "issue_url",
    "issue_state",
    "file_name",
    "admin_path",
    "commits",
}
_PUBLISHED = [field.name for field in dataclasses.fields(BugReport) if field.name not in _LOCAL]


def slug_from(title: str) -> str:
    """Return *title* as 1 to 60 characters of ``a-z0-9-``."""
    text = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", text)[:SLUG_CHARS].strip("-") or "error"


def report_for(bug: KnownBug, *, told: int = 0) -> BugReport:
    """Return the report of *bug*, from its own columns and the latest whole error log, with news since *told*."""
    logs = ErrorLog.objects.filter(group__bug_id=bug.pk).order_by("-created")
    # A row that a fold has made has no payload; the one before it tells more.
    log = logs.exclude(mechanism="").first() or logs.first()
    groups = ErrorGroup.objects.filter(bug_id=bug.pk).order_by("first_seen", "pk")
    seen = groups.order_by("-last_seen").values_list("last_release", flat=True).first()
    news = Activity.objects.filter(bug_id=bug.pk, pk__gt=told, pk__lte=bug.news, verb__in=Activity.NEWS).order_by("pk")
    return BugReport(
        bug_id=bug.bug_id,
        uuid=str(bug.uuid),
        title=bug.title,
        severity=bug.severity,
        status=bug.status,
        kind=bug.kind,
        environment=bug.environment,
        description=bug.description,
        fingerprint=bug.fingerprint,
        groups=tuple(groups.values_list("title", flat=True)[:FRAMES]) if bug.kind == bug.Kind.INCIDENT else (),
        count=bug.occurrence_count,
        users=GroupClient.objects.filter(group__bug_id=bug.pk).values("group", "hash").distinct().count(),
        first_seen=_time(bug.first_occurrence),
        last_seen=_time(bug.last_occurrence),
        first_release=bug.first_release,
        last_release=seen or "",
        resolved_in_release=bug.resolved_in_release,
        merged_into=bug.merged_into.bug_id if bug.merged_into else "",
        admin_path=f"error_tracking/knownbug/{bug.pk}/change/",
        issue_number=bug.github_issue_number,
        issue_url=bug.github_issue_url,
        issue_state=bug.github_issue_state,
        file_name=bug.file_name,
        news=tuple(News(each.pk, each.verb, each.by, each.text, _time(each.created)) for each in news),
        told=bug.news,
        **(_details_from(log) if log is not None else {}),
    )


def _details_from(log: ErrorLog) -> dict[str, Any]:
    request = log.request_data if isinstance(log.request_data, dict) else {}
    headers = request.get("headers")
    headers = headers if isinstance(headers, dict) else {}
    task = log.context.get("task") if isinstance(log.context, dict) else None
    arguments = task.get("arguments") if isinstance(task, dict) else None
    frames = _own_frames(log.stacktrace)
    return {
        "error_type": log.error_type,
        "mechanism": log.mechanism,
        "exception_type": log.exception_type,
        "status_code": log.status_code,
        "method": log.method,
        "route": log.url_pattern,
        "is_json": "json" in str(headers.get("Content-Type", "")),
        "accepts_json": str(headers.get("Accept", "")).startswith("application/json"),
        "query": _fields(request.get("query")),
        "body": _fields(request.get("body") if task is None else arguments),
        "kwargs": _fields(request.get("kwargs")),
        "frames": tuple((each["filename"], each["lineno"], each["function"], each["context_line"]) for each in frames),
        "source": _source_of(frames[-1]) if frames else (),
        "details": _published(log, request),
    }


def _published(log: ErrorLog, request: dict[str, Any]) -> dict[str, Any]:
    """Return what PUBLISH lets out, as it was stored: without secrets."""
    wanted = conf.get_settings().PUBLISH
    found: dict[str, Any] = {}
    if "message" in wanted:
        found["message"] = log.exception_message
    if "request" in wanted:
        found["request"] = {"url": log.full_url, **request}
    if "user" in wanted:
        found["user"] = {"id": str(log.user_id or ""), "name": log.user_label, "address": log.ip_address or ""}
    if "locals" in wanted:
        found["locals"] = [frame["vars"] for frame in _own_frames(log.stacktrace) if frame.get("vars")]
    return {name: value for name, value in found.items() if value}


def _fields(values: Any) -> Fields:  # noqa: ANN401  JSON
    """Return the names in *values* that read like names of fields: a client may send anything as one."""
    scrub = conf.get_scrubber().text
    items = [(name, kind_of(name, value)) for name, value in values.items()] if isinstance(values, dict) else []
    return tuple(item for item in items if _FIELD_NAME.fullmatch(item[0]) and scrub(item[0]) == item[0])[:FIELDS]


def _own_frames(stacktrace: Any) -> list[dict[str, Any]]:  # noqa: ANN401  JSON
    frames = stacktrace[0]["frames"] if stacktrace else []
    return [frame for frame in frames if frame["in_app"]][-FRAMES:]


def _source_of(frame: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        *(f"  {line}" for line in frame["pre_context"]),
        f"> {frame['context_line']}",
        *(f"  {line}" for line in frame["post_context"]),
    )


def _time(moment: dt.datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""


def report_from(bug_id: str, data: Mapping[str, Any]) -> BugReport:
    """
    Return the report of *bug_id* from plain *data*; keys that a report has not are left out.

    Raises:
        ValueError: *bug_id* is no bug id.
    """
    if not re.fullmatch(r"[A-Za-z0-9]{1,8}-\d{1,9}", bug_id):
        msg = f"{bug_id!r} is no bug id; write it like 'B-012'"
        raise ValueError(msg)
    names = {field.name for field in dataclasses.fields(BugReport)} - {"bug_id", "file_name"}
    values = {name: value for name, value in data.items() if name in names}
    return BugReport(bug_id=bug_id, **{"uuid": bug_id, "title": "", **values})


def report_from_json(text: str) -> BugReport:
    """
    Return the report that :meth:`BugReport.to_json` wrote; what somebody has made of it is checked again.

    Raises:
        ValueError: It is no report.
    """
    raw = json.loads(text)
    if not isinstance(raw, dict) or not re.fullmatch(r"[0-9a-f-]{36}", str(raw.get("uuid"))):
        msg = "not a report"
        raise ValueError(msg)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(BugReport):
        if field.name in _PUBLISHED and field.name in raw:
            values[field.name] = _checked(str(field.type), raw[field.name])
    return report_from(str(values.pop("bug_id", "")), values)


def _checked(expected: str, value: Any) -> Any:  # noqa: ANN401  JSON
    """Return *value* as the *expected* type, by its name in ``BugReport``."""
    if expected == "Fields":
        return tuple((str(name), str(kind)) for name, kind in value)
    if expected == "tuple[Frame, ...]":
        return tuple((str(file), int(line), str(function), str(source)) for file, line, function, source in value)
    if expected == "tuple[str, ...]":
        return tuple(map(str, value))
    if expected == "bool":
        return bool(value)
    if expected.startswith("int"):
        return int(value)
    if expected.startswith("dict"):
        return dict(value)
    return str(value)
