"""A log record to an event, for the handler, which must not import a model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.http import HttpRequest

from error_tracking import context
from error_tracking.capture import ErrorCaptureService

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEVELS = ((logging.CRITICAL, "fatal"), (logging.ERROR, "error"), (logging.WARNING, "warning"), (logging.INFO, "info"))
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request", "taskName"}
_service = ErrorCaptureService()


class _Text:
    """The text of a log record, made only where a foreign ``__str__`` can do no harm."""

    def __init__(self, record: logging.LogRecord) -> None:
        self._record = record

    def __str__(self) -> str:
        return self._record.getMessage()


def capture_record(record: logging.LogRecord) -> None:
    """Capture *record*, with its exception where it has one, and what ``extra`` put on it."""
    found = getattr(record, "request", None)
    request = found if isinstance(found, HttpRequest) else context.current_request()
    level = next((name for least, name in _LEVELS if record.levelno >= least), "debug")

    def more() -> Mapping[str, object]:
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        return {"logger": record.name, "extra": extra}

    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        _service.capture_exception(request, error, handled=True, mechanism="logging", level=level, more=more)
        return
    template = record.msg if type(record.msg) is str else ""
    _service.capture_message(
        _Text(record), level=level, request=request, logger_name=record.name, template=template, more=more
    )
