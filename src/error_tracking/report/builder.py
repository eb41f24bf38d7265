"""
Builds the report of a bug from its own row and its latest complete error log.

Reads the database and never writes it. Values become kinds and names become public
names here, so that nothing later has to hide anything.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from django.urls import URLPattern

from error_tracking import conf
from error_tracking.events.in_app import is_in_app
from error_tracking.models import (
    Activity,
    ErrorGroup,
    ErrorLog,
    GroupClient,
    KnownBug,
    Release,
)

from . import links
from .bug_report import (
    FRAMES,
    HEADERS,
    BugReport,
    Fields,
    News,
    ReportFrame,
    field_shapes,
    time_text,
)
from .data_files import cell_kinds, kind_of_file
from .known_names import KnownNames, PublicNames, known_names, module_path
from .placeholders import Shape, placeholder_argument
from .public_title import names_something, public_title
from .schema_names import names_in_schema_of
from .setup_builder import setup_from
from .stack import exception_line, own_frames, stack_lines
from .thresholds import limits_of_code
from .views import pattern_of
from .vocabulary import public_messages, vocabulary_for

#: Of HTTP (RFC 9110, 5789) and WebDAV (RFC 4918). Anybody may send another word.
METHODS = frozenset(
    {
        *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"),
        *("CONNECT", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK"),
        *("UNLOCK", "REPORT", "SEARCH"),
    }
)
# The parts of a request whose names a client chooses, or a URL pattern.
_PARTS_WITH_NAMES = frozenset({"query", "body", "kwargs"})
_QUERY_NAME = re.compile(r"([?&])([^=&#]{1,300})")
_QUOTED = re.compile(r"(['\"])(.*)\1", re.DOTALL)
# The begin of Django's reasons; what follows may quote what was sent.
_CSRF_REASON = re.compile(
    r"(CSRF cookie|CSRF token|Origin checking|Referer checking) "
    r"(not set|missing|failed|)"
)


def build_report(bug: KnownBug, *, synced_activity_id: int = 0) -> BugReport:
    """Return the report of *bug*; what came after *synced_activity_id* is news."""
    report = _report_of_bug(bug, synced_activity_id)
    log = _latest_complete_log(bug)
    report = dataclasses.replace(report, cause=_public_title(report.cause, log))
    if log is None:
        return report
    return dataclasses.replace(report, **_values_from(log))


def automatic_description(group: ErrorGroup) -> str:
    """
    Return what a new bug of *group* is described by, before anybody has looked at it.

    The message as far as it is code, the route, the place and the first release.
    """
    values: dict[str, Any] = {}
    log = _log_of(group)
    if log is not None:
        # Made when a bug is found, perhaps while a process ends: no time for libraries.
        values = _values_from(log, reads_libraries=False)
    frames = values.get("frames") or ()
    place = group.culprit
    if frames:
        # Endless recursion has the place where it began.
        started = [each for each in frames if place.endswith(f".{each.function}")]
        frame = started[0] if started else frames[-1]
        place = f"{frame.filename} in {frame.function}"
    kind = values.get("exception_type", "")
    what = exception_line(kind, values.get("message", ""))
    if not kind:
        what = _public_title(group.title, log)
    facts = {
        "Route": f"{values.get('method', '')} {group.route}".strip(),
        "Place": place,
        "First release": group.first_release,
    }
    lines = [f"{label}: {text}" for label, text in facts.items() if text]
    return "\n".join([what, "", *lines]).strip()


def automatic_title(group: ErrorGroup) -> str:
    """Return the title of a new bug of *group*: its own, with known names only."""
    # Most titles name nothing, and need no query.
    if not names_something(group.title):
        return group.title
    return _public_title(group.title, _log_of(group))


def automatic_cause(group: ErrorGroup) -> str:
    """Return the cause of *group* with known names only."""
    if not names_something(group.cause):
        return group.cause
    return _public_title(group.cause, _log_of(group))


def _log_of(group: ErrorGroup) -> ErrorLog | None:
    return _complete_log([group.pk])


def _public_title(title: str, log: ErrorLog | None) -> str:
    """Return *title* with what the project knows, as far as *log* shows its code."""
    if not names_something(title):
        return title
    exceptions = exceptions_of(log) if log is not None else []
    frames = own_frames(exceptions[0]) if exceptions else []
    known = _known_names(frames, "", None)
    vocabulary = vocabulary_for(exceptions, known, reads_libraries=False)
    return public_title(title, vocabulary)


def _report_of_bug(bug: KnownBug, synced_activity_id: int) -> BugReport:
    admin_url = links.bug_url(bug.pk)
    published_admin_url = ""
    if "admin_link" in conf.get_settings().PUBLISH:
        published_admin_url = admin_url
    merged_into = ""
    if bug.merged_into is not None:
        merged_into = bug.merged_into.bug_id
    failing_release = _failing_release(bug)
    return BugReport(
        bug_id=bug.bug_id,
        uuid=str(bug.uuid),
        title=bug.title,
        severity=bug.severity,
        status=bug.status,
        kind=bug.kind,
        environment=bug.environment,
        description=bug.description,
        has_automatic_description=bug.has_automatic_description,
        fingerprint=bug.fingerprint,
        cause=bug.cause,
        groups=_group_lines(bug),
        count=bug.occurrence_count,
        users=_count_clients(bug),
        first_seen=time_text(bug.first_occurrence),
        last_seen=time_text(bug.last_occurrence),
        first_release=bug.first_release,
        last_release=_last_release(bug),
        healthy_release=_release_before(failing_release),
        failing_release=failing_release,
        resolved_in_release=bug.resolved_in_release,
        merged_into=merged_into,
        admin_path=f"error_tracking/knownbug/{bug.pk}/change/",
        admin_url=admin_url,
        published_admin_url=published_admin_url,
        issue_number=bug.github_issue_number,
        issue_url=bug.github_issue_url,
        issue_state=bug.github_issue_state,
        file_name=bug.file_name,
        file_url=links.file_url(bug.file_name),
        news=_news_of(bug, synced_activity_id),
        synced_activity_id=synced_activity_id,
        latest_activity_id=bug.latest_activity_id,
    )


def _group_lines(bug: KnownBug) -> tuple[str, ...]:
    """Return title and route of each group; only an incident lists its groups."""
    if bug.kind != KnownBug.Kind.INCIDENT:
        return ()
    lines = []
    groups = ErrorGroup.objects.filter(bug_id=bug.pk).order_by("first_seen", "pk")
    for group in groups[:FRAMES]:
        title = automatic_title(group)
        if group.route and group.route not in title:
            lines.append(f"{title} on {group.route}")
        else:
            lines.append(title)
    return tuple(lines)


def _count_clients(bug: KnownBug) -> int:
    clients = GroupClient.objects.filter(group__bug_id=bug.pk)
    # A client has one row per day.
    return clients.values("group", "hash").distinct().count()


def _last_release(bug: KnownBug) -> str:
    groups = ErrorGroup.objects.filter(bug_id=bug.pk).order_by("-last_seen")
    return groups.values_list("last_release", flat=True).first() or ""


def _failing_release(bug: KnownBug) -> str:
    """Return the release in which *bug* occurred first, or came back."""
    if not bug.is_regression:
        return bug.first_release
    logs = ErrorLog.objects.filter(
        group__bug_id=bug.pk, created__gte=bug.regressed_at
    ).order_by("created")
    return logs.values_list("release", flat=True).first() or ""


def _release_before(version: str) -> str:
    """Return the release that was there before *version*, ``""`` where none is known."""
    release = Release.objects.filter(version=version).first()
    if release is None:
        return ""
    earlier = Release.objects.filter(first_seen__lt=release.first_seen)
    latest = earlier.order_by("-first_seen", "-pk").first()
    return latest.version if latest is not None else ""


def _news_of(bug: KnownBug, synced_activity_id: int) -> tuple[News, ...]:
    activities = Activity.objects.filter(
        bug_id=bug.pk,
        pk__gt=synced_activity_id,
        pk__lte=bug.latest_activity_id,
        verb__in=Activity.NEWS,
    )
    return tuple(_news_from(each) for each in activities.order_by("pk"))


def _news_from(activity: Activity) -> News:
    text = activity.text
    if activity.verb == Activity.Verb.COMMENT:
        # Its author may have pasted a secret, and it leaves the site.
        text = conf.get_scrubber().text(text)
    when = time_text(activity.created)
    return News(activity.pk, activity.verb, activity.by, text, when)


def _latest_complete_log(bug: KnownBug) -> ErrorLog | None:
    """Return the latest log that has most of what a report needs."""
    return _complete_log(ErrorGroup.objects.filter(bug_id=bug.pk).values("pk"))


def _complete_log(groups: Any) -> ErrorLog | None:
    """Return the latest log of *groups*, primary keys, that has most."""
    logs = ErrorLog.objects.all()
    # A log that stands for folded events has no payload, and so no mechanism.
    with_payload = logs.exclude(mechanism="")
    # Retention removes the request of older logs, so an earlier one may have more.
    whole = with_payload.filter(personal_data_removed=False)
    for candidates in (whole, with_payload, logs):
        log = candidates.first_of(groups, "-created", "-pk")
        if log is not None:
            return log
    return None


def _values_from(log: ErrorLog, *, reads_libraries: bool = True) -> dict[str, Any]:
    """Return the fields of a report that come from *log*."""
    request = _mapping(log.request_data)
    context = _mapping(log.context)
    response = _mapping(context.get("response"))
    command = _mapping(context.get("command"))
    headers = _mapping(request.get("headers"))
    exceptions = exceptions_of(log)
    frames = own_frames(exceptions[0]) if exceptions else []
    view = ""
    if not frames and log.url_pattern.startswith("/"):
        view = _view_of(log.url_pattern)
    pattern = pattern_of(log.url_pattern) if log.url_pattern.startswith("/") else None
    known = _known_names(frames, view, pattern)
    names = PublicNames(known)
    messages = public_messages(exceptions, known, reads_libraries=reads_libraries)
    source = _source_of(frames)
    # The body comes first: public names are numbered in order of occurrence.
    shapes = {
        "body": _body_shape(request, context, names),
        "query": _fields_shape(request.get("query"), names),
        "kwargs": _fields_shape(request.get("kwargs"), names),
    }
    return {
        **shapes,
        "setup": setup_from(
            log, frames, view, names, _with_parts(shapes, request, names)
        ),
        "error_type": log.error_type,
        "mechanism": log.mechanism,
        "exception_type": log.exception_type,
        "message": messages[0] if messages else "",
        "reason": _csrf_reason(log),
        "status_code": log.status_code,
        "method": _known_method(log.method, known),
        "route": log.url_pattern,
        "view": view,
        "personal_data_removed": log.personal_data_removed,
        "is_json": "json" in str(headers.get("Content-Type", "")),
        "is_signed_in": log.user_id is not None,
        "is_streamed": response.get("is_streamed") is True,
        "headers": _known_headers(headers),
        "arguments": tuple(
            placeholder_argument(word, known.kind_of)
            for word in command.get("arguments") or ()
        ),
        "frames": tuple(_report_frame(frame) for frame in frames),
        "source": source,
        "stack": stack_lines(exceptions, messages, source),
        "details": _published_details(log, request, frames, names),
    }


def _mapping(value: Any) -> dict[str, Any]:
    """Return *value* if it is a mapping; stored JSON may be anything."""
    if isinstance(value, dict):
        return value
    return {}


def exceptions_of(log: ErrorLog) -> list[dict[str, Any]]:
    """Return the stored exceptions of *log*, the raised one first."""
    stored = log.stacktrace if isinstance(log.stacktrace, list) else []
    return [each for each in stored if isinstance(each, dict)]


def _report_frame(frame: Mapping[str, Any]) -> ReportFrame:
    return ReportFrame(
        frame["filename"], frame["lineno"], frame["function"], frame["context_line"]
    )


def _known_names(
    frames: list[dict[str, Any]], view: str, pattern: URLPattern | None
) -> KnownNames:
    paths = [str(frame.get("abs_path", "")) for frame in reversed(frames)]
    view_path = module_path(view)
    # The view of a library has names that are not the project's.
    if view_path and is_in_app(view_path, view, tuple(conf.get_settings().IN_APP)):
        paths.append(view_path)
    known = known_names(paths)
    return dataclasses.replace(
        known, schema=names_in_schema_of(pattern), limits=limits_of_code(frames)
    )


def _with_parts(
    shapes: dict[str, Shape], request: dict[str, Any], names: PublicNames
) -> dict[str, Shape]:
    """Return *shapes* with those of a GraphQL query's parts and of uploaded tables."""
    body = shapes["body"]
    variables = body.get("variables", {}) if isinstance(body, dict) else {}
    literals: Shape = dict(names.query_arguments)
    return {
        **shapes,
        "variables": variables,
        "literals": literals,
        "files": cell_kinds(request.get("files")),
    }


def _known_method(method: str, known: KnownNames) -> str:
    """Return *method*, which a client chooses, if it is one that a server may know."""
    if method in METHODS or known.has_text(method):
        return method
    return ""


def _csrf_reason(log: ErrorLog) -> str:
    if log.error_type != log.ErrorType.CSRF:
        return ""
    reason = _CSRF_REASON.match(log.exception_message)
    if reason is None:
        return ""
    return " ".join(reason[0].split())


def _known_headers(headers: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, start)
        for name, start in HEADERS
        if str(headers.get(name, "")).startswith(start)
    )


def _body_shape(
    request: dict[str, Any], context: dict[str, Any], names: PublicNames
) -> Shape:
    """Return the shape of a request's body and files, or of a task's arguments."""
    body = request.get("body")
    task = context.get("task")
    if task is not None:
        body = _mapping(task).get("arguments")
    if not isinstance(body, dict | list):
        body = {}
    query = _mapping(context.get("setup")).get("query")
    if query and isinstance(body, dict):
        # One that is too long for the body as it is stored.
        body = {**body, "query": query}
    shape = field_shapes(names.kinds(body))
    if isinstance(shape, dict):
        for file in request.get("files") or ():
            shape[names.name(file["field"])] = str(kind_of_file(file, names))
    return shape


def _fields_shape(part: Any, names: PublicNames) -> Fields:
    shape = field_shapes(names.kinds(_mapping(part)))
    assert isinstance(shape, dict)  # noqa: S101  the shape of a mapping is one
    return shape


def _source_of(frames: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return the numbered lines around the raising one, without blank ends."""
    if not frames:
        return ()
    frame = frames[-1]
    raising = frame["lineno"]
    first = raising - len(frame["pre_context"])
    sources = [*frame["pre_context"], frame["context_line"], *frame["post_context"]]
    numbers = range(first, first + len(sources))
    written = [
        number
        for number, source in zip(numbers, sources, strict=True)
        if source.strip()
    ]
    lines = []
    for number, source in zip(numbers, sources, strict=True):
        if written and written[0] <= number <= written[-1]:
            sign = ">" if number == raising else " "
            lines.append(f"{sign} {number:4} {source}".rstrip())
    return tuple(lines)


def _view_of(route: str) -> str:
    """Return the dotted name of the view at *route*, for a report without frames."""
    pattern = pattern_of(route)
    return pattern.lookup_str if pattern is not None else ""


# What the setting PUBLISH adds


def _published_details(
    log: ErrorLog,
    request: dict[str, Any],
    frames: list[dict[str, Any]],
    names: PublicNames,
) -> dict[str, Any]:
    """Return what PUBLISH names: scrubbed values as stored, with public names."""
    local_variables = []
    for frame in frames:
        if frame.get("vars"):
            public = {name: names.tree(each) for name, each in frame["vars"].items()}
            local_variables.append(public)
    found = {
        "message": _public_message(log, names),
        "request": _public_request(log, request, names),
        "user": {
            "id": str(log.user_id or ""),
            "name": log.user_label,
            "address": log.ip_address or "",
        },
        "locals": local_variables,
    }
    publish = conf.get_settings().PUBLISH
    return {name: value for name, value in found.items() if value and name in publish}


def _public_message(log: ErrorLog, names: PublicNames) -> str:
    # The message of a KeyError, and of Django's MultiValueDictKeyError, is a name.
    if not log.exception_type.endswith("KeyError"):
        return log.exception_message
    return _QUOTED.sub(lambda match: repr(names.name(match[2])), log.exception_message)


def _public_request(
    log: ErrorLog, request: dict[str, Any], names: PublicNames
) -> dict[str, Any]:
    public: dict[str, Any] = {}
    if log.full_url:
        public["url"] = _QUERY_NAME.sub(
            lambda match: match[1] + names.name(unquote_plus(match[2])), log.full_url
        )
    for name, part in request.items():
        if name in _PARTS_WITH_NAMES:
            public[name] = names.tree(part)
        elif name == "files":
            public[name] = [
                {**file, "field": names.name(file["field"])} for file in part
            ]
        else:
            public[name] = part
    return public
