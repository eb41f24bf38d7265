"""The tables, one module per noun."""

from __future__ import annotations

from .activity import Activity
from .dashboard import Dashboard
from .error_group import (
    DailyCount,
    ErrorGroup,
    GroupClient,
    HourlyCount,
    HourlyTotal,
    Release,
)
from .error_log import ErrorLog
from .filing import Filing
from .journal import Journal
from .known_bug import KnownBug
from .pull_request import PullRequest
from .sequence import Sequence

__all__ = [
    "Activity",
    "DailyCount",
    "Dashboard",
    "ErrorGroup",
    "ErrorLog",
    "Filing",
    "GroupClient",
    "HourlyCount",
    "HourlyTotal",
    "Journal",
    "KnownBug",
    "PullRequest",
    "Release",
    "Sequence",
]
