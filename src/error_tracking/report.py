"""
A known bug as plain values, for trackers: what may leave the site, and nothing else.

Only what is on the whitelist leaves: kind, route, the project's own frames,
counts, releases, names of fields; more of it where PUBLISH says so. Reads the
database, never writes it; the words are in ``wording``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from . import conf
from .fingerprint import normalize_route
from .models import Activity, ErrorGroup, ErrorLog, GroupClient, KnownBug
from .samples import Shape, argument_like, kind_of, known_kind, shape_of
from .utils import clean_line, clean_text

TITLE_CHARS = 200
SLUG_CHARS = 60
TEXT_CHARS = 300
DESCRIPTION_CHARS = 6_000
FRAMES = 20
FIELDS = 50
ZERO_WIDTH_SPACE = "\u200b"
_FIELD_NAME = re.compile(r"[A-Za-z_][\w.\[\]-]{0,60}", re.ASCII)
_BUG_ID = re.compile(r"[A-Za-z0-9]{1,8}-[0-9]{1,9}")
#: Headers that views ask for, with what they are told by; nothing else of a header leaves.
_HEADERS = (("Accept", "application/json"), ("Hx-Request", "true"), ("X-Requested-With", "XMLHttpRequest"))
_CSRF_REASON = re.compile(r"(CSRF cookie|CSRF token|Origin checking|Referer checking) (not set|missing|failed|)")

_STREAM = ("error_tracking.middleware", "_watch_sync", "_watch_async")

Fields = dict[str, Shape]
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
    raising one last, ``source`` are the numbered lines around that one. ``query``,
    ``body`` and ``kwargs`` are shapes: names with kinds of values; ``arguments``
    are made up. ``count`` and the times are those of the moment; ``users`` are the
    clients that were told apart. ``details`` is what PUBLISH lets out besides.
    ``news`` is what the tracker was not told of yet, and ``told`` where it will be
    when it has heard it. ``is_reduced`` says that retention has taken the request
    out of the log. What stands from ``admin_path`` on is known here only.
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
    is_reduced: bool = False
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
        text = clean_line(f"{self.bug_id}: {clean_line(self.title, TITLE_CHARS) or 'error'}", TITLE_CHARS)
        return re.sub(r"([@#]|\bGH-)(?=\S)", rf"\1{ZERO_WIDTH_SPACE}", text, flags=re.IGNORECASE)[:TITLE_CHARS].rstrip()

    @property
    def path_name(self) -> str:
        """Return the name of the bug's file: the one it has, else one made from the title."""
        return self.file_name or f"{self.bug_id}-{slug_from(self.title)}.md"

    def to_json(self) -> str:
        """Return what :func:`report_from_json` needs, as JSON that ends no HTML comment."""
        values = {name: value for name in _PUBLISHED if (value := getattr(self, name))}
        text = json.dumps(values, ensure_ascii=True)
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("--", "-\\u002d")


_NAMES = [field.name for field in dataclasses.fields(BugReport)]
_PUBLISHED, _LOCAL = _NAMES[: _NAMES.index("admin_path")], _NAMES[_NAMES.index("admin_path") :]
#: What a report has as the bug has it.
_SAME = (
    *("bug_id", "title", "severity", "status", "kind", "cause", "environment", "description", "fingerprint"),
    *("first_release", "resolved_in_release", "file_name"),
)


def slug_from(title: str) -> str:
    """Return *title* as 1 to 60 characters of ``a-z0-9-``."""
    text = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", text)[:SLUG_CHARS].strip("-") or "error"


def report_for(bug: KnownBug, *, told: int = 0) -> BugReport:
    """Return the report of *bug*, from its own columns and the latest whole error log, with news since *told*."""
    logs = ErrorLog.objects.filter(group__bug_id=bug.pk).order_by("is_reduced", "-created")
    # A row that a fold has made has no payload, one that is reduced no request; those before it tell more.
    log = logs.exclude(mechanism="").first() or logs.first()
    groups = ErrorGroup.objects.filter(bug_id=bug.pk).order_by("first_seen", "pk")
    seen = groups.order_by("-last_seen").values_list("last_release", flat=True).first()
    news = Activity.objects.filter(bug_id=bug.pk, pk__gt=told, pk__lte=bug.news, verb__in=Activity.NEWS).order_by("pk")
    return BugReport(
        **{name: getattr(bug, name) for name in _SAME},
        uuid=str(bug.uuid),
        groups=tuple(groups.values_list("title", flat=True)[:FRAMES]) if bug.kind == bug.Kind.INCIDENT else (),
        count=bug.occurrence_count,
        users=GroupClient.objects.filter(group__bug_id=bug.pk).values("group", "hash").distinct().count(),
        first_seen=_time(bug.first_occurrence),
        last_seen=_time(bug.last_occurrence),
        last_release=seen or "",
        merged_into=bug.merged_into.bug_id if bug.merged_into else "",
        admin_path=f"error_tracking/knownbug/{bug.pk}/change/",
        issue_number=bug.github_issue_number,
        issue_url=bug.github_issue_url,
        issue_state=bug.github_issue_state,
        news=tuple(News(each.pk, each.verb, each.by, each.text, _time(each.created)) for each in news),
        told=bug.news,
        **(_details_from(log) if log is not None else {}),
    )


def _details_from(log: ErrorLog) -> dict[str, Any]:
    request, context = _mapping(log.request_data), _mapping(log.context)
    headers, task = _mapping(request.get("headers")), context.get("task")
    frames = log.stacktrace[0]["frames"] if log.stacktrace else []
    own = [frame for frame in frames if frame["in_app"]][-FRAMES:]
    body = request.get("body") if task is None else _mapping(task).get("arguments")
    fields = _shape(body if isinstance(body, (dict, list)) else {})
    files = [each["field"] for each in request.get("files") or () if _is_field_name(each["field"])]
    reason = _CSRF_REASON.match(log.exception_message)
    same = ("error_type", "mechanism", "exception_type", "status_code", "method", "is_reduced")
    return {
        **{name: getattr(log, name) for name in same},
        "reason": " ".join(reason[0].split()) if log.error_type == log.ErrorType.CSRF and reason else "",
        "route": log.url_pattern,
        "view": _view_of(log.url_pattern) if log.url_pattern.startswith("/") and not own else "",
        "is_json": "json" in str(headers.get("Content-Type", "")),
        "is_signed_in": log.user_id is not None,
        "is_streamed": any(each["module"] == _STREAM[0] and each["function"] in _STREAM[1:] for each in frames),
        "headers": tuple(each for each in _HEADERS if str(headers.get(each[0], "")).startswith(each[1])),
        "query": _shape(_mapping(request.get("query"))),
        "body": {**fields, **dict.fromkeys(files, "file")} if isinstance(fields, dict) else fields,
        "kwargs": _shape(_mapping(request.get("kwargs"))),
        "arguments": tuple(map(argument_like, _mapping(context.get("command")).get("arguments") or ())),
        "frames": tuple((each["filename"], each["lineno"], each["function"], each["context_line"]) for each in own),
        "source": _source_of(own[-1]) if own else (),
        "details": _published(log, request, own),
    }


def _published(log: ErrorLog, request: dict[str, Any], frames: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what PUBLISH lets out, as it was stored: without secrets."""
    found = {
        "message": log.exception_message,
        "request": {"url": log.full_url, **request} if log.full_url or request else {},
        "user": {"id": str(log.user_id or ""), "name": log.user_label, "address": log.ip_address or ""},
        "locals": [frame["vars"] for frame in frames if frame.get("vars")],
    }
    return {name: value for name, value in found.items() if value and name in conf.get_settings().PUBLISH}


def _mapping(value: Any) -> dict[str, Any]:  # noqa: ANN401  JSON
    return value if isinstance(value, dict) else {}


def _shape(value: Any, leaf: Callable[[str, object], str] = kind_of) -> Any:  # noqa: ANN401  JSON
    """Return the shape of *value* with the names that read like names of fields, so many at most."""
    left = iter(range(FIELDS))
    return shape_of(value, lambda name: _is_field_name(name) and next(left, None) is not None, leaf)


def _is_field_name(name: Any) -> bool:  # noqa: ANN401  JSON
    """Return whether *name* may leave: a client may send anything as one."""
    text = str(name)
    return _FIELD_NAME.fullmatch(text) is not None and conf.get_scrubber().text(text) == text


def _view_of(route: str) -> str:
    """Return the dotted name of the view at *route*, where no frame tells the place."""

    def views(patterns: list[Any], prefix: str) -> Iterator[str]:
        for each in patterns:
            text = prefix + str(each.pattern).removeprefix("^")
            if isinstance(each, URLResolver):
                yield from views(each.url_patterns, text)
            elif isinstance(each, URLPattern) and normalize_route(text) == route:
                yield each.lookup_str

    try:
        return next(views(get_resolver().url_patterns, ""), "")
    except Exception:  # noqa: BLE001  the project's own URLs, which this process may be the first to import
        return ""


def _source_of(frame: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the lines around *frame* with their numbers, without blank ones at the ends."""
    before = frame["pre_context"]
    first = frame["lineno"] - len(before)
    lines = list(enumerate([*before, frame["context_line"], *frame["post_context"]], first))
    written = [number for number, line in lines if line.strip()]
    shown = [each for each in lines if written and written[0] <= each[0] <= written[-1]]
    return tuple(f"{'>' if number == frame['lineno'] else ' '} {number:4} {line}".rstrip() for number, line in shown)


def _time(moment: dt.datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""


def report_from(bug_id: str, data: Mapping[str, Any]) -> BugReport:
    """
    Return the report of *bug_id* from plain *data*, each value checked and cut; other keys are left out.

    Raises:
        ValueError: *bug_id* is no bug id, or a value is none for its key.
    """
    if not _BUG_ID.fullmatch(bug_id):
        raise ValueError(f"{bug_id!r} is no bug id; write it like 'B-012'")
    values: dict[str, Any] = {"uuid": bug_id, "title": ""}
    for field in dataclasses.fields(BugReport):
        if field.name in _PUBLISHED and field.name in data:
            try:
                values[field.name] = _checked(field.name, str(field.type), data[field.name])
            except (TypeError, ValueError, KeyError, RecursionError) as error:
                msg = f"{field.name} of {bug_id} is not what a report has: {type(error).__name__}"
                raise ValueError(msg) from error
    return BugReport(**{**values, "bug_id": bug_id})


def report_from_json(text: str) -> BugReport:
    """
    Return the report that :meth:`BugReport.to_json` wrote; what somebody has made of it is checked again.

    Raises:
        ValueError: It is no report.
    """
    try:
        raw = json.loads(text)
        values = {**raw, "uuid": str(uuid.UUID(raw["uuid"]))}
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("not a report") from error
    return report_from(str(values.get("bug_id")), values)


_CHOICES = {
    "severity": set(KnownBug.Severity.values),
    "status": set(KnownBug.Status.values),
    "kind": set(KnownBug.Kind.values),
    "error_type": {"", *ErrorLog.ErrorType.values},
}


def _checked(name: str, kind: str, value: Any) -> Any:  # noqa: ANN401  JSON
    """
    Return *value* as the field *name* has it, whose type is written *kind*.

    Raises:
        ValueError: It is none; also TypeError, KeyError and RecursionError.
    """
    if name in _CHOICES:
        return {each: each for each in _CHOICES[name]}[value]
    if name in {"first_seen", "last_seen"}:
        return _time(dt.datetime.fromisoformat(value)) if value else ""
    if name == "headers":
        return tuple(each for each in _HEADERS if list(each) in map(list, value))
    if name == "details":
        return json.loads(json.dumps(dict(value)))
    if kind in {"Fields", "Shape"}:
        is_plain = isinstance(value, dict) or (kind == "Shape" and isinstance(value, list))
        return _shape(value if is_plain else {}, known_kind)
    if kind == "tuple[Frame, ...]":
        frames = [(file, _checked("", "int", line), function, source) for file, line, function, source in value]
        return tuple((_text(file), line, _text(function), _text(source)) for file, line, function, source in frames)[
            -FRAMES:
        ]
    if kind == "tuple[str, ...]":
        words = map(argument_like, map(_text, value)) if name == "arguments" else map(_text, value)
        return tuple(words)[:FIELDS]
    if kind == "bool":
        return value is True
    if kind.startswith("int"):
        return None if value is None else min(max(int(value), 0), 2**53)
    return _text(value, DESCRIPTION_CHARS if name == "description" else TEXT_CHARS)


def _text(value: Any, limit: int = TEXT_CHARS) -> str:  # noqa: ANN401  JSON
    if not isinstance(value, str):
        raise TypeError("not a text")
    return clean_text(value, limit)
