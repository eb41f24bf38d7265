"""A log record to an event, for the handler, which must not import a model."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

from error_tracking import conf
from error_tracking.capture import context
from error_tracking.capture.service import ErrorCaptureService
from error_tracking.events.in_app import is_in_app
from error_tracking.events.message_pattern import without_long_lists
from error_tracking.events.object_text import LazyText

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEVELS = (
    (logging.CRITICAL, "fatal"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "request",
    "taskName",
}
# A log line is rarely longer, and reading more of it would cost more than it tells.
JSON_CHARS = 16_384
#: Where structlog, python-json-logger, Bunyan, ECS, GELF, Serilog and others put the
#: event's name; a template comes before the text that was made of it …
_EVENT_KEYS = (
    *("@mt", "message_template", "event", "message", "msg", "event_name", "@m"),
    *("event.action", "short_message", "textPayload", "action", "text", "title"),
    *("error.message", "error", "err.message", "err", "exception.message"),
    *("detail", "description", "reason"),
)
#: … and the class of an exception, or its code.
_ERROR_KEYS = (
    *("exception_type", "exc_type", "error_type", "error.type", "exception.type"),
    *("err.type", "error.code", "error_code"),
)
_FRAME_LINE = re.compile(
    r'^  File "([^"\n]{1,500})", line \d{1,9}, in (\S{1,200})', re.MULTILINE
)
# The last lines hold the class and the message, which may have several.
TRACEBACK_LINES = 40
_RAISED_LINE = re.compile(r"[A-Za-z_][\w.]{0,200}(?::|$)")

_service = ErrorCaptureService()


def capture_record(record: logging.LogRecord) -> None:
    """Capture *record* with its exception and what ``extra`` put on it."""
    found = getattr(record, "request", None)
    request = found if isinstance(found, HttpRequest) else context.current_request()
    level = _level_of(record)

    def more() -> Mapping[str, object]:
        extra = {
            name: value for name, value in vars(record).items() if name not in _STANDARD
        }
        return {"logger": record.name, "extra": extra}

    error = _exception_of(record)
    if error is not None:
        _service.capture_exception(
            request, error, handled=True, mechanism="logging", level=level, more=more
        )
        return
    values = [record.msg, record.args]
    if type(record) is not logging.LogRecord:
        values.append(record)  # its getMessage() may be the project's own
    _service.capture_message(
        LazyText(lambda: _message_of(record), values),
        level=level,
        request=request,
        logger_name=record.name,
        template=_template_of(record),
        place=f"{record.module}.{record.funcName}",
        more=more,
    )


def _level_of(record: logging.LogRecord) -> str:
    """Return our name for the level of *record*, which may be one of the project's own."""
    for least, name in _LEVELS:
        if record.levelno >= least:
            return name
    return "debug"


def _exception_of(record: logging.LogRecord) -> BaseException | None:
    """
    Return the exception of *record*, None if it has none.

    The logging functions make a tuple of ``exc_info``; a record made by hand has what
    its caller passed: True, 1, an exception, an empty tuple.
    """
    found: Any = record.exc_info
    if isinstance(found, tuple):
        found = found[1] if len(found) > 1 else None
    if isinstance(found, BaseException):
        return found
    return sys.exception() if found else None


def _message_of(record: logging.LogRecord) -> str:
    """
    Return the message without the arguments that its template names as secrets.

    With arguments that do not fit, the template and them.
    """
    template, arguments = record.msg, record.args
    if type(template) is str and arguments:
        template, arguments = conf.get_scrubber().format_and_arguments(
            template, arguments
        )
    has_own_message = type(record).getMessage is not logging.LogRecord.getMessage
    try:
        if has_own_message or not record.args:
            return record.getMessage()
        return str(template) % arguments
    except (TypeError, ValueError, KeyError, IndexError):
        return f"{template} {arguments!r}"


def _template_of(record: logging.LogRecord) -> str:
    """
    Return what similar records have in common, ``""`` if only their text can tell.

    That is the format string; of a line rendered as JSON the event's name, for its keys
    are the same in every line; of a record that went through a ``QueueHandler``, which
    has put the traceback into the message, the first line and where it was raised.
    """
    if type(record.msg) is dict:  # structlog hands its events to logging as they are
        return _event_of(record.msg)
    if type(record.msg) is not str:
        return ""
    text = record.msg
    if text.rstrip().endswith("}"):
        return _event_of_json(text) or text
    head, separator, traceback = text.partition("\nTraceback (most recent call last):")
    if not separator:
        return without_long_lists(text)
    return _raised_in_text(traceback) or head


def _event_of_json(text: str) -> str:
    """Return the event's name in the JSON that ends *text*, and what precedes it."""
    head, brace, rest = text[:JSON_CHARS].partition("{")
    try:
        values = json.loads(brace + rest)
    except (ValueError, RecursionError):
        return ""
    event = _event_of(values)
    return f"{head.strip()} {event}".strip() if event else ""


def _event_of(values: Mapping[str, Any]) -> str:
    """Return the event that *values* describe, and the class of its exception."""
    named = _first_of(values, _EVENT_KEYS)
    return f"{named} {_first_of(values, _ERROR_KEYS)}".strip()


def _first_of(values: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """
    Return the first text or number under *keys*.

    One with a dot may stand in a nested object.
    """
    for key in keys:
        found = values.get(key)
        if found is None and "." in key:
            outer, _, inner = key.partition(".")
            nested = values.get(outer)
            found = nested.get(inner) if type(nested) is dict else None
        if found and type(found) in {str, int}:
            return str(found)[:JSON_CHARS]
    return ""


def _raised_in_text(traceback: str) -> str:
    """
    Return "ValueError in pay.charge" for the text of a traceback, ``""`` if it is none.

    The place is the innermost one of the project's own, as for an exception. What was
    logged about it holds values by then, and counts as little as there.
    """
    lines = traceback.rstrip().rsplit("\n", TRACEBACK_LINES)
    raised = [line for line in lines if _RAISED_LINE.match(line)]
    if not raised:
        return ""
    kind = raised[-1].partition(":")[0]
    frames = _FRAME_LINE.findall(traceback[-JSON_CHARS:])
    own = [frame for frame in frames if is_in_app(frame[0])]
    if not frames:
        return kind
    path, function = own[-1] if own else frames[-1]
    return f"{kind} in {PurePath(path).stem}.{function}"
