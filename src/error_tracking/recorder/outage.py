"""
Tracks how long the database has been unavailable, and reports it.

First to the log, then by one mail of each machine's leader to ADMINS. Uses no
database, for that is what is unavailable, and waits for no mail server.
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
from error_tracking.database_problems import problem_for
from error_tracking.models import ErrorLog
from error_tracking.models.base import alias_or_default
from error_tracking.utils import clean_line

from .failures import is_contention

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("error_tracking")

# A restart of a database server takes seconds, and needs nobody's attention.
MAIL_AFTER_SECONDS = 60.0
# About 20 seconds of failing for a lock: longer than a transaction should last.
CONTENTION_LOGGED_AFTER = 50
# With the longest pause between two rounds, one line in the log every 50 minutes.
REMIND_EACH_FAILURES = 100
# A lock is free again soon, so ask often.
MAX_CONTENTION_DELAY_SECONDS = 0.5
# A lock that is held longer counts as an outage.
LOCK_SECONDS = 5.0
FIRST_DELAY_SECONDS = 0.1
# A site that comes back should store what waits within half a minute.
MAX_DELAY_SECONDS = 30.0
# 2 to the 10th tenths of a second is more than the longest delay.
MOST_DOUBLINGS = 10
# A round that lasts longer stands still. Pruning and a slow gate take seconds.
STANDSTILL_SECONDS = 60.0
# An error text of a driver may quote a whole statement.
LONGEST_TEXT = 300


class Outage:
    """
    The failed rounds of a worker since its last successful one.

    Args:
        what: What is logged when a round fails.

    Attributes:
        failures: The number of rounds that failed in a row.

    """

    def __init__(self, what: str = "events wait") -> None:
        self.failures = 0
        self._what = what
        self._reason = ""
        # The kind of problem that was logged last; empty if the log knows of none.
        self._logged_kind = ""
        self._failing_since: float | None = None
        self._round_began_at: float | None = None
        self._is_contention = False
        self._has_mailed = False
        self._mail_thread: threading.Thread | None = None

    def delay(self) -> float:
        """
        Return how long to wait before the next round, in seconds.

        Doubles with each failure. Contention for a lock has a shorter limit, and
        jitter keeps processes from asking in step.
        """
        longest = MAX_DELAY_SECONDS
        if self._is_contention:
            longest = MAX_CONTENTION_DELAY_SECONDS
        doublings = min(self.failures, MOST_DOUBLINGS)
        doubled: float = FIRST_DELAY_SECONDS * 2**doublings
        jitter = random.uniform(0.5, 1.0)  # noqa: S311  no secret
        return min(longest, doubled) * jitter

    def seconds(self) -> float:
        """Return how long nothing could be stored, 0 if that works."""
        since = self._failing_since
        if since is None and self._stands_still():
            since = self._round_began_at
        if since is None:
            return 0.0
        seconds = time.monotonic() - since
        if self._is_contention and seconds < LOCK_SECONDS:
            return 0.0
        return seconds

    @property
    def reason(self) -> str:
        """Why nothing can be stored; empty if that works."""
        if not self._reason and self._stands_still():
            return "the database does not answer"
        return self._reason

    def _stands_still(self) -> bool:
        if self._round_began_at is None:
            return False
        return time.monotonic() - self._round_began_at > STANDSTILL_SECONDS

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Watch a round, which may never end: a connection can be cut silently."""
        self._round_began_at = time.monotonic()
        try:
            yield
        finally:
            self._round_began_at = None

    def end(self) -> None:
        """Note that a round succeeded."""
        if self._logged_kind:
            logger.warning("the database is back: seconds=%.0f", self.seconds())
        self.failures = 0
        self._reason = ""
        self._logged_kind = ""
        self._failing_since = None
        self._is_contention = False
        self._has_mailed = False

    def add(self, error: Exception, pending: int, *, is_leader: bool) -> None:
        """
        Note that a round failed, and report it.

        Args:
            error: What the round raised.

            pending: How many events wait.

            is_leader: Whether this process leads its machine. Only leaders send mail.
        """
        self.failures += 1
        if self._failing_since is None:
            self._failing_since = time.monotonic()
        self._is_contention = is_contention(error)
        problem = problem_for(error, alias_or_default(ErrorLog))
        if problem is not None:
            self._reason = str(problem)
            # A known problem needs no traceback, which would bury the project's own.
            self._log(problem.kind, pending, traceback_of=None)
        else:
            text = clean_line(str(error), LONGEST_TEXT)
            self._reason = f"{type(error).__name__}: {text}"
            self._log(self._reason, pending, traceback_of=error)
        if is_leader:
            self._mail_once(pending)

    def _log(self, kind: str, pending: int, *, traceback_of: Exception | None) -> None:
        """Log each new kind of problem, and then a reminder now and then."""
        is_news = kind != self._logged_kind
        if self._is_contention:
            is_news = self.failures == CONTENTION_LOGGED_AFTER
        is_reminder = self.failures % REMIND_EACH_FAILURES == 0
        if not is_news and not is_reminder:
            return
        self._logged_kind = kind
        logger.error(
            "%s: pending=%d failures=%d reason=%s",
            self._what,
            pending,
            self.failures,
            self._reason,
            exc_info=traceback_of,
        )

    def _mail_once(self, pending: int) -> None:
        """Send one mail per outage, after a minute."""
        if self._has_mailed or self.seconds() < MAIL_AFTER_SECONDS:
            return
        if self._mail_thread is not None and self._mail_thread.is_alive():
            # The mail of an earlier outage hangs. One thread that waits for a silent
            # mail server is enough; this mail follows when it has ended.
            return
        self._has_mailed = True
        if not conf.get_settings().mails_admins:
            return
        # A thread of its own: a silent mail server would stop the worker for ever.
        thread = threading.Thread(
            target=_mail_admins, args=(self._reason, pending), daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            return  # the interpreter is shutting down
        self._mail_thread = thread


def _mail_admins(reason: str, pending: int) -> None:
    text = (
        "Errors of this site have not been written to the database for "
        f"{MAIL_AFTER_SECONDS:.0f} seconds.\n\n"
        f"Server: {conf.get_settings().server_name}\n"
        f"Waiting: {pending} events of this process\n"
        f"Reason: {reason}\n\n"
        "No events are lost while the process keeps running or its journal is on "
        "persistent storage. You will not be mailed again about this outage."
    )
    try:
        mail_admins("error_tracking cannot reach its database", text)
    except Exception as error:  # noqa: BLE001  a mail backend may be the project's
        logger.warning("the mail to ADMINS could not be sent: error=%r", error)
