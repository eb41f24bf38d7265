"""
The worker's own database connection: opened for a round, and given back soon.

A server has few connections, and the project's requests need them more than we do.
"""

from __future__ import annotations

import time
from typing import Any

from django.db import connections

from error_tracking import own_connections
from error_tracking.models import ErrorLog
from error_tracking.models.base import write_alias

# Opening a connection to PostgreSQL costs some milliseconds. While errors arrive there
# is a round each half second, and reconnecting for each would be a waste.
IDLE_SECONDS = 10.0
# In a storm a round may last for minutes. A request of the project that waits for the
# last free connection of a pool or server then gets it after a second.
HOLD_SECONDS = 1.0


class WorkerConnection:
    """Opens and closes the connections of the worker's thread."""

    def __init__(self) -> None:
        self._opened_at = 0.0
        self._used_at = 0.0

    def open(self) -> None:
        """Prepare this thread's connection to the database of the error logs."""
        connection: Any = own_connections.prepare(write_alias(ErrorLog))
        connection.close_if_unusable_or_obsolete()
        self._opened_at = time.monotonic()

    def mark_used(self) -> None:
        """Note that the connection was needed now, so that it is worth keeping open."""
        self._used_at = time.monotonic()

    def share(self) -> None:
        """Give the connection back for a moment if it has been held for long."""
        is_held_long = time.monotonic() - self._opened_at > HOLD_SECONDS
        if not is_held_long:
            return
        if connections[write_alias(ErrorLog)].vendor == "sqlite":
            # There is no server that runs out of connections, and closing the last one
            # would write SQLite's whole log back into the database file.
            return
        # Measured is the suite with SQLite.
        self.give_back(is_last=False)  # pragma: no cover
        self._opened_at = time.monotonic()  # pragma: no cover

    def give_back(self, *, is_last: bool) -> None:
        """
        Close the connections of this thread, unless they should stay open.

        They stay open if the project keeps its own open between requests
        (``CONN_MAX_AGE``) and ours was used in the last seconds.

        Args:
            is_last: Whether to close them in any case.
        """
        is_idle = time.monotonic() - self._used_at > IDLE_SECONDS
        if is_last or is_idle or not _project_keeps_connections_open():
            own_connections.close_all()


def _project_keeps_connections_open() -> bool:
    try:
        return own_connections.is_kept_open(write_alias(ErrorLog))
    except Exception:  # noqa: BLE001  a router is the project's code
        # It may be what made the round fail.
        return False
