"""
django-error-tracking: turns production errors into tracked bugs.

The functions for your own code are here; they import no model, so this package
and they can be imported before Django is set up. Until then, and where the app is
not installed, they do nothing.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any

from django.apps import apps as registry  # "apps" becomes our own module of that name

if TYPE_CHECKING:
    from .capture.api import (
        add_breadcrumb,
        capture_exception,
        capture_message,
        error_reference,
        set_tag,
        set_user,
    )
    from .capture.context import unit_of_work
    from .pages.degradation import degrade
    from .recorder import flush, health

__version__ = "0.1.0.dev0"
__all__ = ["__version__", "add_breadcrumb", "capture_exception", "capture_message"]
__all__ += [
    "degrade",
    "error_reference",
    "flush",
    "health",
    "set_tag",
    "set_user",
    "unit_of_work",
]

_HOMES = {
    **dict.fromkeys(
        (
            "add_breadcrumb",
            "capture_exception",
            "capture_message",
            "error_reference",
            "set_tag",
            "set_user",
        ),
        "capture.api",
    ),
    **dict.fromkeys(("flush", "health"), "recorder"),
    "unit_of_work": "capture.context",
    "degrade": "pages.degradation",
}
# These do their work also where the app is not ready or not installed.
_ALWAYS_THERE = {"degrade", "health", "unit_of_work"}


def __getattr__(name: str) -> Any:
    """Import a public function from its module when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name not in _ALWAYS_THERE and not (
        registry.apps_ready and registry.is_installed(__name__)
    ):
        return functools.partial(_call, name)
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def _call(name: str, *args: Any, **kwargs: Any) -> Any:
    """
    Call the function *name*, which was imported before Django was ready.

    If it still is not, do nothing, and return what the function returns then.
    """
    function = __getattr__(name)
    if isinstance(function, functools.partial):
        answers = {"flush": True}
        references = ("capture_exception", "capture_message", "error_reference")
        return {**answers, **dict.fromkeys(references, "")}.get(name)
    return function(*args, **kwargs)
