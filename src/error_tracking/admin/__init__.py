"""The admin: what broke, the bugs made of it, and what people do with them."""

from __future__ import annotations

from .base import link_to
from .bugs import KnownBugAdmin
from .logs import DashboardAdmin, ErrorGroupAdmin, ErrorLogAdmin

__all__ = [
    "DashboardAdmin",
    "ErrorGroupAdmin",
    "ErrorLogAdmin",
    "KnownBugAdmin",
    "link_to",
]
