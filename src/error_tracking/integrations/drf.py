"""
Exceptions that Django REST framework answers, also through the project's own handler.

An ``EXCEPTION_HANDLER`` may answer any exception, and then Django never sees it. DRF
sends no signal. Its one hook is that handler itself, which the project chooses in
REST_FRAMEWORK or per view with ``get_exception_handler()``, so using it would mean
replacing the project's choice. ``APIView.handle_exception`` is where all of them come
by: it is wrapped, and only notes the exception. What is captured is decided by the
response, in the middleware.
"""

from __future__ import annotations

import functools
from typing import Any

from rest_framework.views import APIView

from error_tracking import conf
from error_tracking.capture import context
from error_tracking.capture.guard import guard


def connect() -> None:
    """Wrap ``APIView.handle_exception``."""
    original = APIView.handle_exception

    @functools.wraps(original)
    def handle_exception(self: Any, exc: Exception) -> Any:
        guard(_remember)(exc)
        return original(self, exc)

    APIView.handle_exception = handle_exception


def _remember(error: Exception) -> None:
    if "drf" not in conf.get_settings().DISABLE:
        context.remember_answered(error)
