"""
The fields of a report that come from a stored error log, and which log is the best one.

Reads the database and never writes it. Values become kinds and names become public
names here, so that nothing later has to hide anything.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from django.urls import URLPattern

from error_tracking import conf
from error_tracking.events.in_app import is_in_app
from error_tracking.models import ErrorLog

from .bug_report import HEADERS, Fields, ReportFrame, field_shapes
from .data_files import cell_kinds, kind_of_file
from .known_names import KnownNames, PublicNames, known_names, module_path
from .placeholders import Shape, placeholder_argument
from .public_title import names_something, public_title
from .published_details import published_details
from .schema_names import names_in_schema_of
from .setup_builder import mapping, setup_from
from .stack import own_frames, stack_lines
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
# The begin of Django's reasons; what follows may quote what was sent.
_CSRF_REASON = re.compile(
    r"(CSRF cookie|CSRF token|Origin checking|Referer checking) "
    r"(not set|missing|failed|)"
)


def complete_log(groups: Any) -> ErrorLog | None:
    """
    Return the latest error log that has most of what a report needs, None without any.

    Args:
        groups: Primary keys of groups, or a query for them.
    """
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


def values_from(log: ErrorLog, *, reads_libraries: bool = True) -> dict[str, Any]:
    """Return the fields of a report that come from *log*."""
    request = mapping(log.request_data)
    context = mapping(log.context)
    exceptions = exceptions_of(log)
    frames = frames_of(exceptions)
    pattern = pattern_of(log.url_pattern)
    view = ""
    if pattern is not None and not frames:
        view = pattern.lookup_str
    known = _known_names(frames, view, pattern)
    names = PublicNames(known)
    messages = public_messages(exceptions, known, reads_libraries=reads_libraries)
    source = _source_of(frames)
    # The body comes first: public names are numbered in order of occurrence.
    body = _body_shape(request, context, names)
    query = _fields_shape(request.get("query"), names)
    kwargs = _fields_shape(request.get("kwargs"), names)
    shapes = {
        "body": body,
        "query": query,
        "kwargs": kwargs,
        **_shapes_of_parts(body, request, names),
    }
    return {
        "body": body,
        "query": query,
        "kwargs": kwargs,
        "setup": setup_from(log, frames, names, shapes, pattern, view),
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
        "is_signed_in": log.user_id is not None,
        "arguments": _arguments(context, known),
        "frames": tuple(_report_frame(frame) for frame in frames),
        "source": source,
        "stack": stack_lines(exceptions, messages, source),
        "details": published_details(log, request, frames, names),
        **_facts_of_transport(request, context),
    }


def frames_of(exceptions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the project's own frames of the exception that was raised."""
    if not exceptions:
        return []
    return own_frames(exceptions[0])


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


def _shapes_of_parts(
    body: Shape, request: dict[str, Any], names: PublicNames
) -> dict[str, Shape]:
    """Return the shapes of a GraphQL query's parts, and of uploaded tables."""
    variables = body.get("variables", {}) if isinstance(body, dict) else {}
    return {
        "variables": variables,
        "literals": dict(names.query_arguments),
        "files": cell_kinds(request.get("files")),
    }


def _facts_of_transport(
    request: dict[str, Any], context: dict[str, Any]
) -> dict[str, Any]:
    """Return the fields of a report that say how request and response were sent."""
    headers = mapping(request.get("headers"))
    response = mapping(context.get("response"))
    return {
        "headers": _known_headers(headers),
        "is_json": "json" in str(headers.get("Content-Type", "")),
        "is_streamed": response.get("is_streamed") is True,
    }


def _arguments(context: dict[str, Any], known: KnownNames) -> tuple[str, ...]:
    """Return the arguments of a command, with placeholders for their values."""
    words = mapping(context.get("command")).get("arguments") or ()
    return tuple(placeholder_argument(word, known.kind_of) for word in words)


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
        body = mapping(task).get("arguments")
    if not isinstance(body, dict | list):
        body = {}
    query = mapping(context.get("setup")).get("query")
    if query and isinstance(body, dict):
        # One that is too long for the body as it is stored.
        body = {**body, "query": query}
    shape = field_shapes(names.kinds(body))
    if isinstance(shape, dict):
        for file in request.get("files") or ():
            shape[names.name(file["field"])] = str(kind_of_file(file, names))
    return shape


def _fields_shape(part: Any, names: PublicNames) -> Fields:
    shape = field_shapes(names.kinds(mapping(part)))
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
    numbered = list(enumerate(sources, start=first))
    written = [number for number, source in numbered if source.strip()]
    if not written:
        return ()
    lines = []
    for number, source in numbered:
        if written[0] <= number <= written[-1]:
            sign = ">" if number == raising else " "
            lines.append(f"{sign} {number:4} {source}".rstrip())
    return tuple(lines)


def known_title(title: str, log: ErrorLog | None) -> str:
    """Return *title* with what the project knows, as far as *log* shows its code."""
    if not names_something(title):
        return title
    exceptions = exceptions_of(log) if log is not None else []
    known = _known_names(frames_of(exceptions), "", None)
    vocabulary = vocabulary_for(exceptions, known, reads_libraries=False)
    return public_title(title, vocabulary)
