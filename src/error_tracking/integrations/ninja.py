"""
Exceptions that a handler of django-ninja answers.

Handlers are registered per API (``@api.exception_handler(Exception)``) and there is no
hook for all of them: adding a handler of ours would replace the project's. Every
exception goes through ``NinjaAPI.on_exception``: it is wrapped, and only notes the
exception. What is captured is decided by the response, in the middleware.
"""

from __future__ import annotations

import functools
from typing import Any

from ninja.main import NinjaAPI

from error_tracking import conf
from error_tracking.capture import context
from error_tracking.capture.guard import guard


def connect() -> None:
    """Wrap ``NinjaAPI.on_exception``."""
    api_class: Any = NinjaAPI
    original = api_class.on_exception

    @functools.wraps(original)
    def on_exception(self: Any, request: Any, exc: Any) -> Any:
        guard(_remember)(exc)
        return original(self, request, exc)

    api_class.on_exception = on_exception


def _remember(error: BaseException) -> None:
    if "ninja" not in conf.get_settings().DISABLE:
        context.remember_answered(error)
