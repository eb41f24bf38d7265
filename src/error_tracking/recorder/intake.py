"""
Accepts events into this process's journals, within their bounds.

Called in the project's requests, so it never waits. After an error of the disk events
wait in memory for a while; what no journal has room for is counted in memory, and
logged. Uses no database.
"""

from __future__ import annotations

import enum
import itertools
import logging
import shutil
import threading
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, NamedTuple

from error_tracking.events.event import CLIENT_KINDS, Event, Fold, Outcome

from . import leftovers
from .budget import Budget, shared_count
from .journal import COUNT, EVENT, OUTCOME, JournalFile, MemoryStorage
from .machine import Machine
from .memory_counts import MemoryCounts

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("error_tracking")

# Of one process. About 10,000 whole events, or a million counts.
BOUND_BYTES = 64 * 1024 * 1024
# Of all processes, dead ones included: eight full ones. Otherwise a site whose workers
# die and start again while its database is away would fill the disk with journals.
MACHINE_BOUND_BYTES = 512 * 1024 * 1024
# At most half of what the disk has left, for the site needs it more. A tiny disk gets
# this much.
LEAST_MACHINE_BYTES = 1024 * 1024
# Measuring reads the size of every file, which takes about a millisecond.
MEASURED_EACH_BYTES = 1024 * 1024
# A few megabytes of fingerprints. A forgotten group only counts as new again.
REMEMBERED_GROUPS = 10_000
# Without a disk. Small enough for a container with little memory.
MEMORY_BOUND_BYTES = 8 * 1024 * 1024
# A full disk stays full for a while, and each attempt costs a request some time.
DISK_PAUSE_SECONDS = 30.0
# Each adopted journal is an open file of the project's process.
ADOPTED_AT_ONCE = 100


class Stage(enum.IntEnum):
    """How much room the journals have, and so what is given up."""

    #: Nothing is given up.
    ROOMY = 0
    #: Payloads. They are most of an event: a tenth or less is left of it.
    TIGHT = 1
    #: Groups of new refused requests, which strangers can cause without end.
    CROWDED = 2
    #: Durability: events are counted in memory only.
    FULL = 3


# How full the journals are when a stage begins. The last tenth is for crashes.
_BEGINS = ((1.0, Stage.FULL), (0.9, Stage.CROWDED), (0.75, Stage.TIGHT))
_DESCRIPTIONS = {
    Stage.TIGHT: "the journals are %s full: events lose their payload",
    Stage.CROWDED: "the journals are %s full: new refused requests share one group",
    Stage.FULL: "the journals are %s full: events are counted in memory only",
}


def _stage_at(fill: float) -> Stage:
    """Return the stage in which journals are that are so full: 1 is full."""
    for begins_at, stage in _BEGINS:
        if fill >= begins_at:
            return stage
    return Stage.ROOMY


class _LogLine(NamedTuple):
    level: int
    message: str
    value: object


class Intake:
    """
    The journals of one process, own and adopted.

    "Not reported" means that it is not in the row of a journal yet.

    Args:
        on_append: Called after each record.

    Attributes:
        budget: Decides which events are stored whole.

        journals: Those to drain. New records go to the last open one of our own.

        memory_counts: Events that no journal had room for.

        bare: The number of events that lost their payload, not reported.

        merged: The number of events that lost their group, not reported.

        bare_total: The number of events that lost their payload, reported.

        merged_total: The number of events that lost their group, reported.

        swallowed: The number of our own errors that were swallowed, not reported.

        failed_at: When the last of them happened, in seconds since the epoch, or 0.

    """

    def __init__(self, on_append: Callable[[], None]) -> None:
        self.budget = Budget()
        self.journals: list[JournalFile] = []
        self.memory_counts = MemoryCounts()
        self.bare = 0
        self.merged = 0
        self.bare_total = 0
        self.merged_total = 0
        self.swallowed = 0
        self.failed_at = 0.0
        self._on_append = on_append
        self._machine: Machine | None = None
        # The groups that this process has seen, the latest last.
        self._groups: OrderedDict[str, None] = OrderedDict()
        self._stage = Stage.ROOMY
        # The worst stage that was logged since there was room.
        self._worst_stage = Stage.ROOMY
        self._machine_fill = 0.0
        self._measured_at_bytes = 0
        self._disk_again_at = 0.0
        # Reentrant: a ``__del__`` that runs meanwhile may capture an error. Its record
        # is deferred until the current one is complete.
        self._lock = threading.RLock()
        self._is_appending = False
        self._deferred: deque[tuple[int, bytes]] = deque()
        self._logged_problem = ""
        self._pending_logs: deque[_LogLine] = deque()

    @property
    def machine(self) -> Machine:
        """What this process shares with the others; created when it is first needed."""
        if self._machine is None:
            with self._lock:
                self._machine = self._machine or Machine()
        return self._machine

    @property
    def known_machine(self) -> Machine | None:
        """The same, or None while nothing needed it: creating it creates folders."""
        return self._machine

    # Called in the project's requests.

    def submit(self, event: Event) -> None:
        """Accept *event*, without its payload or only counted if room is short."""
        stage = self._update_stage()
        is_new = event.fingerprint not in self._groups
        if stage is Stage.FULL:
            self._count_in_memory(Fold.of(event), is_new=is_new)
            return
        is_refused = event.error_type in CLIENT_KINDS
        if stage is Stage.CROWDED and is_new and is_refused:
            self.merged += 1
            self._append(COUNT, shared_count(event).to_bytes())
            return
        self._groups[event.fingerprint] = None
        if len(self._groups) > REMEMBERED_GROUPS:
            self._groups.popitem(last=False)
        if stage is not Stage.ROOMY:
            self.bare += 1
            event = event.bare()
        self._append(EVENT, event.to_bytes())

    def fold(self, fold: Fold) -> None:
        """Count an event that a stored one represents."""
        if self._update_stage() is Stage.FULL:
            is_new = fold.fingerprint not in self._groups
            self._count_in_memory(fold, is_new=is_new)
        else:
            self._append(COUNT, fold.to_bytes())

    def correct(self, outcome: Outcome) -> None:
        """Accept how an event ended. If there is no room, the event stays as it was."""
        if self._update_stage() is not Stage.FULL:
            self._append(OUTCOME, outcome.to_bytes())

    def _update_stage(self) -> Stage:
        """Return how much room there is, and log if that has changed."""
        fill = self.fill()
        stage = _stage_at(fill)
        if stage is self._stage:
            return stage
        with self._lock:
            previous = self._stage
            self._stage = stage
            # Each stage is logged once, however often it is entered and left.
            if stage > previous and stage > self._worst_stage:
                self._worst_stage = stage
                self._log_later(logging.ERROR, _DESCRIPTIONS[stage], f"{fill:.0%}")
            elif stage is Stage.ROOMY and self._worst_stage is not Stage.ROOMY:
                self._worst_stage = Stage.ROOMY
                message = "the journals have room again: %s"
                self._log_later(logging.WARNING, message, self._given_up())
        self._emit_pending_logs()
        return stage

    def _given_up(self) -> str:
        bare = self.bare_total + self.bare
        merged = self.merged_total + self.merged
        return f"bare={bare} merged={merged} at_risk={self.at_risk}"

    def _count_in_memory(self, fold: Fold, *, is_new: bool) -> None:
        with self._lock:
            self.merged += self.memory_counts.add(fold, is_new=is_new)
        self._emit_pending_logs()

    @property
    def at_risk(self) -> int:
        """How many events are counted in memory only."""
        return self.memory_counts.total

    def report_to(self, journal: JournalFile) -> None:
        """Add what was swallowed or given up since the last time to *journal*'s row."""
        with self._lock:
            if self.swallowed:
                journal.failed_at = self.failed_at
            journal.failures += self.swallowed
            self.swallowed = 0
            journal.at_risk = self.at_risk
            journal.bare += self.bare
            self.bare_total += self.bare
            self.bare = 0
            journal.merged += self.merged
            self.merged_total += self.merged
            self.merged = 0

    @property
    def room(self) -> str:
        """What is given up now for lack of room, with numbers; empty if nothing is."""
        if self._stage is Stage.ROOMY:
            return ""
        description = _DESCRIPTIONS[self._stage] % f"{self.fill():.0%}"
        return f"{description}: {self._given_up()}"

    def count_failure(self) -> None:
        """Count an error of our own that was swallowed."""
        self.swallowed += 1
        self.failed_at = time.time()

    def fill(self) -> float:
        """Return how full the journals of this process or machine are: 1 is full."""
        # Once through the journals: this is called for every event.
        on_disk = 0
        in_memory = 0
        for journal in tuple(self.journals):
            if journal.is_adopted:
                continue
            if journal.storage.is_durable:
                on_disk += journal.pending_bytes
            else:
                in_memory += journal.pending_bytes
        if on_disk - self._measured_at_bytes > MEASURED_EACH_BYTES:
            self.measure()
        return max(
            on_disk / BOUND_BYTES,
            in_memory / MEMORY_BOUND_BYTES,
            self._machine_fill,
        )

    def measure(self) -> None:
        """Measure how full the journals of all processes of this machine are."""
        self._measured_at_bytes = 0
        for journal in tuple(self.journals):
            if journal.storage.is_durable and not journal.is_adopted:
                self._measured_at_bytes += journal.pending_bytes
        self._machine_fill = 0.0
        machine = self._machine
        if machine is None or machine.directory is None:
            return
        try:
            free = shutil.disk_usage(machine.directory).free
        except OSError:
            return  # the disk is gone: the next record fails, and is logged
        used = machine.bytes_on_disk()
        half_of_the_disk = max(LEAST_MACHINE_BYTES, (used + free) // 2)
        self._machine_fill = used / min(MACHINE_BOUND_BYTES, half_of_the_disk)

    @property
    def pending(self) -> int:
        """How many records of this process wait, in journals and in memory."""
        total = self.at_risk
        for journal in tuple(self.journals):
            if not journal.is_adopted:
                total += journal.pending
        return total

    @property
    def undurable(self) -> int:
        """How many records would be lost with this process: they are not on a disk."""
        total = self.at_risk
        for journal in tuple(self.journals):
            if not journal.storage.is_durable:
                total += journal.pending
        return total

    @property
    def has_pending(self) -> bool:
        """Whether anything waits, adopted journals included."""
        if self.at_risk:
            return True
        return any(journal.pending for journal in tuple(self.journals))

    # Called by the worker.

    def settle(self, *, is_last: bool = False) -> None:
        """
        Move what is counted in memory into a journal that has room again.

        Args:
            is_last: Whether this process ends, so that the bound does not matter.
        """
        while self.memory_counts.total and (is_last or self.fill() < 1):
            with self._lock:
                folds = self.memory_counts.take()
            for fold in folds:
                self._append(COUNT, fold.to_bytes())

    def current(self) -> JournalFile:
        """Return the journal for new records, and begin one if there is none."""
        with self._lock:
            for journal in reversed(self.journals):
                if not journal.is_open:
                    continue
                if journal.storage.is_durable or not self._has_disk():
                    return journal
                # It is in memory, and the disk works again.
                journal.is_retired = True
            journal = self._new_journal()
            self.journals.append(journal)
            return journal

    def _has_disk(self) -> bool:
        is_paused = time.monotonic() < self._disk_again_at
        return not is_paused and self.machine.directory is not None

    def adopt(self) -> None:
        """Adopt journals of dead processes, a few at a time."""
        adopted = [journal for journal in self.journals if journal.is_adopted]
        room = max(0, ADOPTED_AT_ONCE - len(adopted))
        orphans = list(itertools.islice(self.machine.orphans(), room))
        with self._lock:
            self.journals[:0] = orphans
        leftovers.check_folders(self.machine)

    def renew(self) -> None:
        """
        Begin a new journal if that was requested.

        The old one is deleted as soon as it is drained, with the data of the person
        that somebody wants to erase.
        """
        requested_at = self.machine.renewed_at()
        self._emit_pending_logs()
        with self._lock:
            for journal in self.journals:
                if journal.created_at < requested_at:
                    journal.is_retired = True

    def drop(self, journal: JournalFile, error: OSError) -> None:
        """Give up a *journal* that cannot be read; its file stays where it is."""
        logger.error(
            "a journal cannot be read: id=%s pending=%d",
            journal.id,
            journal.pending,
            exc_info=error,
        )
        with self._lock:
            self.journals.remove(journal)
            journal.storage.close(unlink=False)
            self.machine.leave_alone(journal.id)

    def remove_drained(self) -> list[JournalFile]:
        """Delete the drained journals that are not needed any more, and return them."""
        removed = []
        if self._stage is not Stage.ROOMY:
            self.measure()  # what was drained just now has made room
        with self._lock:
            for journal in tuple(self.journals):
                if not journal.is_adopted and not journal.storage.is_linked():
                    # A cleaner of temporary files has deleted its name: nobody would
                    # adopt it.
                    journal.is_retired = True
                if journal.pending:
                    continue
                if journal.is_open:
                    journal.rest()
                else:
                    self.journals.remove(journal)
                    journal.close()
                    removed.append(journal)
        return removed

    def close(self) -> None:
        """Close all files at the end; drained journals are deleted."""
        with self._lock:
            journals = self.journals
            self.journals = []
            for journal in journals:
                journal.close()
            if self._machine is not None:
                self._machine.let_go()

    def abandon(self) -> None:  # pragma: no cover  in a forked child
        """Close the files that a forked child inherited, for they keep the locks."""
        for journal in self.journals:
            journal.storage.close(unlink=False)
        if self._machine is not None:
            self._machine.let_go()

    # Appending.

    def _append(self, kind: int, payload: bytes) -> None:
        """Append a record, also while another one is being appended."""
        with self._lock:
            if self._is_appending:
                self._deferred.append((kind, payload))
                return
            self._is_appending = True
            try:
                self._append_now(kind, payload)
                while self._deferred:
                    self._append_now(*self._deferred.popleft())
            finally:
                self._is_appending = False
        self._emit_pending_logs()
        self._on_append()

    def _append_now(self, kind: int, payload: bytes) -> None:
        journal = self.current()
        try:
            if journal.storage.is_resting:
                # Its file is created again, in a folder that another user may have
                # replaced meanwhile.
                with self.machine.trusted():
                    journal.append(kind, payload)
            else:
                journal.append(kind, payload)
        except OSError as error:
            message = "the journal cannot be written, events wait in memory: error=%r"
            self._log_later(logging.WARNING, message, error)
            self._disk_again_at = time.monotonic() + DISK_PAUSE_SECONDS
            for each in self.journals:
                if each.storage.is_durable:
                    each.is_retired = True
            self.current().append(kind, payload)

    def _new_journal(self) -> JournalFile:
        if time.monotonic() >= self._disk_again_at:
            try:
                return self.machine.new_journal()
            except OSError as error:
                self._disk_again_at = time.monotonic() + DISK_PAUSE_SECONDS
                if self.machine.directory is not None:
                    # Otherwise the machine's problem is logged, which says more.
                    message = (
                        "no journal can be created, events wait in memory: error=%r"
                    )
                    self._log_later(logging.WARNING, message, error)
        return JournalFile(MemoryStorage(), self.machine.identity)

    def _log_later(self, level: int, message: str, value: object) -> None:
        """Log when the lock is free: a handler of the project may capture, and wait."""
        self._pending_logs.append(_LogLine(level, message, value))

    def _emit_pending_logs(self) -> None:
        self._log_problem_of_machine()
        while self._pending_logs:
            line = self._pending_logs.popleft()
            logger.log(line.level, line.message, line.value)

    def _log_problem_of_machine(self) -> None:
        machine = self._machine
        if machine is None or machine.problem == self._logged_problem:
            return
        self._logged_problem = machine.problem
        if machine.problem:
            logger.warning(
                "%s; or set ERROR_TRACKING['JOURNAL_DIR'] to a directory that this "
                "user may write to",
                machine.problem,
            )
