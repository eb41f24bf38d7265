"""
``ErrorLogHandler``: log records of level ERROR and above as events, for ``LOGGING``.

Imports no model, so that Django can make it while it is set up. The loggers
whose errors arrive another way are left out: those of failed requests, of
Celery and of ``django.tasks``; ours, which would capture itself.
"""

from __future__ import annotations

import logging

from django.apps import apps

LEFT_OUT = (
    "error_tracking",
    "django.request",
    "django.security",
    "django.server",
    "django.tasks",
    "celery",
)


class ErrorLogHandler(logging.Handler):
    """Captures log records; never raises, never logs."""

    def __init__(self, level: int | str = logging.ERROR) -> None:
        """Take records of *level* and above."""
        super().__init__(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Capture *record*, with its exception where it has one."""
        if not apps.ready or f"{record.name}.".startswith(
            tuple(f"{name}." for name in LEFT_OUT)
        ):
            return
        from .records import capture_record

        capture_record(record)
