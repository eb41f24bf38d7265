"""
Unhandled exceptions of threads, through ``threading.excepthook``.

A thread that ends by ``SystemExit`` is none.
"""

from __future__ import annotations

import contextlib
import threading

from error_tracking import conf
from error_tracking.capture import context
from error_tracking.capture.service import ErrorCaptureService


def connect() -> None:
    """Chain a hook before the one that is there."""
    previous = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        with contextlib.suppress(Exception):  # the hook that comes next must be reached
            capture_failure(args)
        previous(args)

    threading.excepthook = hook


def capture_failure(args: threading.ExceptHookArgs) -> None:
    """Capture what ended the thread, unless it is one of our own."""
    name, error = args.thread.name if args.thread is not None else "", args.exc_value
    if (
        error is None
        or not issubclass(args.exc_type, Exception)
        or name.startswith("error_tracking")
    ):
        return
    if "threads" not in conf.get_settings().DISABLE:
        request = context.current_request()
        _service.capture_exception(
            request, error, mechanism="thread", more=lambda: {"thread": {"name": name}}
        )


_service = ErrorCaptureService()
