"""
The work of a machine's leader, and the clock that says when it is due.

One worker per machine holds ``leader.lock``. It adopts the journals of dead processes,
shows other machines that this one lives, and sweeps: bugs are created and filed, old
rows are pruned, and what the error page may say about known bugs is published to the
other processes. The workers of those only read what was published.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from error_tracking import own_connections
from error_tracking.bugs import known, sweep
from error_tracking.database_problems import noting_statements
from error_tracking.models import ErrorLog
from error_tracking.models.base import write_alias

if TYPE_CHECKING:
    from .connection import WorkerConnection
    from .drain import Drainer
    from .intake import Intake

# While errors arrive: a visitor who meets an error should soon read that it is known.
BUSY_SECONDS = 5.0
# Otherwise: often enough to adopt what a killed process left, and to unmute on time.
QUIET_SECONDS = 60.0


class Leader:
    """
    Does what is due besides storing this process's own events.

    Attributes:
        is_leader: Whether this process leads its machine.

    """

    def __init__(
        self, intake: Intake, drainer: Drainer, connection: WorkerConnection
    ) -> None:
        self.is_leader = False
        self._is_sweep_requested = False
        self._intake = intake
        self._drainer = drainer
        self._connection = connection
        # Of the monotonic clock: when to look whether anything is due, and when this
        # process last swept.
        self._next_look = 0.0
        self._swept_at = 0.0
        # The same moment in seconds since the epoch. Other processes call the leader by
        # touching a file, and its time is compared with this one.
        self._swept_at_epoch = 0.0

    def seconds_until_due(self) -> float:
        """Return how long the worker may sleep if no event arrives."""
        return max(0.0, self._next_look - time.monotonic())

    def is_due(self) -> bool:
        """Return whether to look now if there is anything to do."""
        return self.wants_sweep or self.seconds_until_due() == 0.0

    @property
    def wants_sweep(self) -> bool:
        """Whether to sweep here and now, whoever leads this machine."""
        # The gate decides on a new group at once: waiting for the leader would cost
        # seconds and save nothing, for unique constraints decide between processes.
        return self._is_sweep_requested or self._drainer.has_new_groups

    def request_sweep(self) -> None:
        """Sweep in the worker's next round; the caller wakes the worker."""
        self._next_look = 0.0
        self._is_sweep_requested = True

    def accept_request(self) -> bool:
        """Return whether a sweep was wanted, which the caller does now."""
        wants_sweep = self.wants_sweep
        self._is_sweep_requested = False
        self._drainer.has_new_groups = False
        return wants_sweep

    def stand_for_election(self) -> bool:
        """Become the leader if there is none. Return whether this process leads."""
        self.is_leader = self._intake.machine.lead()
        return self.is_leader

    def look(self, *, is_forced: bool) -> bool:
        """
        Look after the journals of this machine. Return whether a sweep is due here.

        A process that does not lead accepts what the leader has published instead.

        Args:
            is_forced: Whether this process sweeps now, also if it is not the leader.

        Raises:
            Exception: The database cannot store anything now; everything waits.
        """
        is_sweep_due = self._is_sweep_due(is_forced=is_forced)
        with noting_statements(write_alias(ErrorLog)):
            if is_sweep_due and self.is_leader:
                self._intake.adopt()
                self._drainer.beat()
            self._drainer.drain_all()  # what was adopted just now
        return is_sweep_due

    def _is_sweep_due(self, *, is_forced: bool) -> bool:
        machine = self._intake.machine
        now = time.monotonic()
        if self._drainer.has_stored:
            machine.call_leader()
        self.stand_for_election()
        self._intake.renew()
        self._next_look = now + BUSY_SECONDS
        if not is_forced and not self.is_leader:
            self._drainer.has_stored = False
            self._accept_published_bugs()
            return False
        if not is_forced and now - self._swept_at < self._pause():
            return False
        self._drainer.has_stored = False
        self._swept_at = now
        self._swept_at_epoch = time.time()
        self._connection.mark_used()
        return True

    def _pause(self) -> float:
        """Return how long to wait between two sweeps, in seconds."""
        is_called = self._intake.machine.called_at() > self._swept_at_epoch
        if self._drainer.has_stored or is_called:
            return BUSY_SECONDS
        return QUIET_SECONDS

    def _accept_published_bugs(self) -> None:
        states = self._intake.machine.read_known()
        if states is not None:
            known.publish(states)

    def sweep(self) -> None:
        """
        Create and file bugs, prune, and publish the known bugs to this machine.

        Raises:
            Exception: Something of it failed, and has to be tried again.
        """
        alias = write_alias(ErrorLog)
        own_connections.prepare(alias)
        with noting_statements(alias):
            has_more = sweep.sweep().has_more
        if has_more:
            # As if somebody had called since: sweep again in 5 seconds, not in 60.
            self._swept_at_epoch = 0.0
        self._intake.machine.write_known(known.snapshot())

    def look_again_if_wanted(self) -> None:
        """Look at once if a sweep was requested while the last round was running."""
        if self.wants_sweep:
            self._next_look = 0.0

    def sweep_again(self, *, after_seconds: float | None = None) -> None:
        """Note that the last sweep is not done: the next look finds it due."""
        self._swept_at = 0.0
        if after_seconds is not None:
            self._next_look = time.monotonic() + after_seconds

    def hand_over(self) -> None:
        """
        At the end of this process make sure that somebody decides on what it stored.

        That is the leader of this machine, or this process if there is no other.

        Raises:
            Exception: It failed; the next process of this machine sweeps.
        """
        machine = self._intake.machine
        machine.call_leader()
        if self.wants_sweep and machine.lead():
            with noting_statements(write_alias(ErrorLog)):
                sweep.hand_over()
