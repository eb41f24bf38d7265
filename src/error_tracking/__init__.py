"""
django-error-tracking: production errors become tracked bugs by themselves.

The functions for your own code are here; they import no model, so this package
can be imported before Django is set up.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import add_breadcrumb, capture_exception, capture_message, set_tag, set_user
    from .recorder import flush, health

__version__ = "0.1.0.dev0"
__all__ = [
    "__version__",
    "add_breadcrumb",
    "capture_exception",
    "capture_message",
    "flush",
    "health",
    "set_tag",
    "set_user",
]

_HOMES = {
    **dict.fromkeys(("add_breadcrumb", "capture_exception", "capture_message", "set_tag", "set_user"), "api"),
    **dict.fromkeys(("flush", "health"), "recorder"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  a module's attribute may be anything
    """Import a public function from its module when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
