"""
For how long nothing could be stored, and who was told: the log, then ADMINS, by one mail of each machine's leader.

Touches no database, for that is what is away, and waits for no mail server.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from typing import TYPE_CHECKING

from django.core.mail import mail_admins

from error_tracking import conf

from .drain import is_contention

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("error_tracking")

MAIL_AFTER_SECONDS = 60.0
CONTENTION_TOLD = 50
CONTENTION_SECONDS = 0.5
LOCK_SECONDS = 5.0  # so long may a lock be held before it counts as an outage
BACK_OFF_SECONDS = 0.1
MAX_BACK_OFF_SECONDS = 30.0
STANDSTILL_SECONDS = 60.0  # pruning and a slow gate take seconds


class Outage:
    """
    What a writer knows of the rounds that have failed, or stand still.

    Attributes:
        failures: How many rounds have failed in a row.

    """

    def __init__(self) -> None:
        """Start with a database that works."""
        self.failures = 0
        self._reason = ""
        self._since = self._begun_at = 0.0
        self._has_mailed = self._is_contention = False

    def delay(self) -> float:
        """Return how long to wait after a failure: doubling, less for a lock, with jitter against trying in step."""
        longest = CONTENTION_SECONDS if self._is_contention else MAX_BACK_OFF_SECONDS
        doubled: float = BACK_OFF_SECONDS * 2 ** min(self.failures, 10)
        return min(longest, doubled) * random.uniform(0.5, 1.0)  # noqa: S311  jitter, no secret

    def seconds(self) -> float:
        """Return for how long nothing could be stored, 0 when that works or somebody has a lock for a moment."""
        start = self._since or (self._begun_at if self._stands_still() else 0.0)
        seconds = time.monotonic() - start if start else 0.0
        return 0.0 if self._is_contention and seconds < LOCK_SECONDS else seconds

    @property
    def reason(self) -> str:
        """Return why nothing can be stored, empty when that works."""
        return self._reason or ("the database gives no answer" if self._stands_still() else "")

    def _stands_still(self) -> bool:
        return self._begun_at > 0 and time.monotonic() - self._begun_at > STANDSTILL_SECONDS

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Watch a round, which may never end: a connection may be gone without a word."""
        self._begun_at = time.monotonic()
        try:
            yield
        finally:
            self._begun_at = 0.0

    def end(self) -> None:
        """Note that everything could be stored."""
        if self._has_mailed:
            logger.warning("the database is back: seconds=%.0f", self.seconds())
        self._reason, self._since, self._has_mailed, self._is_contention = "", 0.0, False, False

    def add(self, error: Exception, pending: int, *, is_leader: bool) -> None:
        """Note that a round has failed with *error* while *pending* events wait; of a machine the leader tells."""
        self.failures += 1
        self._reason = f"{type(error).__name__}: {error}"[:300]
        self._since = self._since or time.monotonic()
        self._is_contention = is_contention(error)
        if self.failures == (CONTENTION_TOLD if self._is_contention else 1) or self.failures % 100 == 0:
            logger.error("events wait: pending=%d failures=%d", pending, self.failures, exc_info=error)
        if is_leader and not self._has_mailed and self.seconds() >= MAIL_AFTER_SECONDS:
            self._has_mailed = True
            if conf.host("ADMINS") and not conf.host("DEBUG"):
                # A thread of its own: a mail server that never answers would stop the writer for ever.
                with contextlib.suppress(RuntimeError):  # the interpreter is shutting down
                    threading.Thread(target=_tell_admins, args=(self._reason, pending), daemon=True).start()


def _tell_admins(reason: str, pending: int) -> None:
    text = (
        f"Errors of this site have not been written to the database for {MAIL_AFTER_SECONDS:.0f} seconds.\n\n"
        f"Server: {conf.get_settings().server_name}\nWaiting: {pending} events of this process\nReason: {reason}\n\n"
        "Nothing is lost while the process runs, or its journal is on a disk that lasts. There is no second mail."
    )
    try:
        mail_admins("error_tracking cannot reach its database", text)
    except Exception as error:  # noqa: BLE001  a mail backend may be the project's own
        logger.warning("the admins could not be told: error=%r", error)
