"""
Takes events in: into this process's journals, within their bounds, whatever the disk does.

Called in the host's requests, so it never waits: a disk that fails is left
alone for a while and events wait in memory; what no journal has room for is
folded in memory and told. Touches no database.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from error_tracking.events import Event, Fold

from .budget import Budget
from .journal import COUNT, EVENT, Journal, MemoryStorage
from .machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("error_tracking")

BOUND_BYTES = 64 * 1024 * 1024
MEMORY_BOUND_BYTES = 8 * 1024 * 1024
DISK_PAUSE_SECONDS = 30.0
SPENT_BYTES = 1024 * 1024  # a drained file longer than this is deleted and a new one started
RISK_KEYS = 10_000
ADOPTED_AT_ONCE = 100
_FULL = "%s: events are counted in memory only, and lost if this process dies"


class Intake:
    """
    The journals of one process, own and adopted.

    Attributes:
        journals: Those to drain; an own one that is open is appended to.

        at_risk: How many events are counted in memory only.

        swallowed: How many errors of our own were swallowed and are not written down yet.

    """

    def __init__(self, on_append: Callable[[], None]) -> None:
        """Start with no journal; *on_append* is called after each record."""
        self.budget = Budget()
        self.journals: list[Journal] = []
        self.at_risk = self.swallowed = 0
        self._folds: dict[tuple[str, int, int], tuple[Fold, int]] = {}
        self._on_append = on_append
        self._machine: Machine | None = None
        self._lock = threading.RLock()
        self._is_appending = False
        self._deferred: deque[tuple[int, bytes]] = deque()
        self._disk_again_at = 0.0
        self._untold: deque[tuple[int, str, object]] = deque()

    @property
    def machine(self) -> Machine:
        """Return what this process shares with others, looked for when it is first needed."""
        if self._machine is None:
            with self._lock:
                self._machine = self._machine or Machine()
                if self._machine.problem:
                    hint = "%s; set ERROR_TRACKING['JOURNAL_DIR'] to a directory this user may write to"
                    self._untold.append((logging.WARNING, hint, self._machine.problem))
        return self._machine

    @property
    def known_machine(self) -> Machine | None:
        """Return the same, None while nothing needed it: looking makes folders."""
        return self._machine

    def submit(self, event: Event) -> None:
        """Take *event*: half full journals take it without its payload, full ones count it only."""
        fill = self.fill()
        if fill < 1:
            self._append(EVENT, (event if fill < 0.5 else event.bare()).to_bytes())  # noqa: PLR2004  half
        else:
            self._risk(Fold.of(event))

    def fold(self, fold: Fold) -> None:
        """Count an event that another one stands for."""
        if self.fill() < 1:
            self._append(COUNT, fold.to_bytes())
        else:
            self._risk(fold)

    def fill(self) -> float:
        """Return how full the journals are: 1 is full."""
        sizes = {True: 0, False: 0}
        for journal in tuple(self.journals):
            if not journal.is_adopted:
                sizes[journal.storage.is_durable] += journal.pending_bytes
        return max(sizes[True] / BOUND_BYTES, sizes[False] / MEMORY_BOUND_BYTES)

    @property
    def pending(self) -> int:
        """Return how many records of this process wait, in journals and in memory."""
        return sum(journal.pending for journal in tuple(self.journals) if not journal.is_adopted) + self.at_risk

    @property
    def perishable(self) -> int:
        """Return how many records would be lost with this process: those that are on no disk."""
        journals = (journal for journal in tuple(self.journals) if not journal.storage.is_durable)
        return sum(journal.pending for journal in journals) + self.at_risk

    @property
    def has_pending(self) -> bool:
        """Return whether anything waits, adopted journals included."""
        return bool(self.at_risk) or any(journal.pending for journal in tuple(self.journals))

    def settle(self, *, is_last: bool = False) -> None:
        """Bring what is counted in memory into a journal that has room again; at the end without asking for room."""
        while self._folds and (is_last or self.fill() < 1):
            with self._lock:
                fold, count = self._folds.pop(next(iter(self._folds)))
                self.at_risk -= count
            while count:
                part = min(count, Fold.MOST)
                self._append(COUNT, dataclasses.replace(fold, count=part).to_bytes())
                count -= part

    def current(self) -> Journal:
        """Return the journal that events go to, begun where there is none."""
        with self._lock:
            for journal in reversed(self.journals):
                if journal.is_open:
                    has_no_disk = time.monotonic() < self._disk_again_at or self.machine.directory is None
                    if journal.storage.is_durable or has_no_disk:
                        return journal
                    journal.is_retired = True
            journal = self._new()
            self.journals.append(journal)
            return journal

    def adopt(self) -> None:
        """Take over journals of processes that are gone: few at once, for each is an open file of the host's."""
        room = ADOPTED_AT_ONCE - sum(journal.is_adopted for journal in self.journals)
        orphans = list(itertools.islice(self.machine.orphans(), max(0, room)))
        with self._lock:
            self.journals[:0] = orphans

    def renew(self) -> None:
        """Begin a new journal where somebody has asked for it; the drained one is deleted with what it holds."""
        asked_at = self.machine.renewed_at()
        with self._lock:
            for journal in self.journals:
                journal.is_retired = journal.is_retired or journal.created_at < asked_at

    def drop(self, journal: Journal, error: OSError) -> None:
        """Leave alone a *journal* that cannot be read; its file stays where it is."""
        logger.error("a journal cannot be read: id=%s pending=%d", journal.id, journal.pending, exc_info=error)
        with self._lock:
            self.journals.remove(journal)
            journal.storage.close(unlink=False)
            self.machine.leave_alone(journal.id)

    def tidy(self) -> list[Journal]:
        """Delete the drained journals that are no longer needed and return them."""
        spent = []
        with self._lock:
            for journal in tuple(self.journals):
                if not journal.is_adopted and not journal.storage.is_linked():
                    journal.is_retired = True  # a cleaner has taken its name: nobody would adopt it
                is_needed = journal.is_open and journal.storage.size < SPENT_BYTES
                if journal.pending == 0 and not is_needed:
                    self.journals.remove(journal)
                    journal.close()
                    spent.append(journal)
        return spent

    def close(self) -> None:
        """Let go of everything at the end; the journals that were drained are deleted."""
        with self._lock:
            journals, self.journals = self.journals, []
            for journal in journals:
                journal.close()
            if self._machine is not None:
                self._machine.let_go()

    def abandon(self) -> None:
        """Close what a forked child has inherited: a lock would live on in it (FAULTS T11)."""
        for journal in self.journals:
            journal.storage.close(unlink=False)
        if self._machine is not None:
            self._machine.let_go()

    def _append(self, kind: int, payload: bytes) -> None:
        """Append a record; one that comes in the middle of another, from ``__del__``, follows it (FAULTS C30)."""
        with self._lock:
            self._deferred.append((kind, payload))
            if self._is_appending:
                return
            self._is_appending = True
            try:
                while self._deferred:
                    self._put(*self._deferred.popleft())
            finally:
                self._is_appending = False
        self._tell()
        self._on_append()

    def _tell(self) -> None:
        """Log what there is to tell, never under our lock: a host's handler may capture, with a lock of its own."""
        while self._untold:
            level, message, value = self._untold.popleft()
            logger.log(level, message, value)

    def _put(self, kind: int, payload: bytes) -> None:
        try:
            self.current().append(kind, payload)
        except OSError as error:
            self._untold.append(
                (logging.WARNING, "the journal cannot be written, events wait in memory: error=%r", error)
            )
            self._disk_again_at = time.monotonic() + DISK_PAUSE_SECONDS
            for journal in self.journals:
                journal.is_retired = journal.is_retired or journal.storage.is_durable
            self.current().append(kind, payload)

    def _new(self) -> Journal:
        if time.monotonic() >= self._disk_again_at:
            try:
                return self.machine.new_journal()
            except OSError as error:
                self._disk_again_at = time.monotonic() + DISK_PAUSE_SECONDS
                if self.machine.directory is not None:
                    self._untold.append(
                        (logging.WARNING, "no journal can be made, events wait in memory: error=%r", error)
                    )
        return Journal(MemoryStorage(), self.machine.identity)

    def _risk(self, fold: Fold) -> None:
        key = (fold.fingerprint, fold.status_code, int(fold.timestamp) // 60)
        with self._lock:
            if not self._folds:
                self._untold.append((logging.ERROR, _FULL, "the journal is full"))
            elif key not in self._folds and len(self._folds) >= RISK_KEYS:
                self.current().lost += 1  # the writer may have drained the last one since it was full
                return
            first, count = self._folds.get(key, (fold, 0))
            self._folds[key] = first, count + fold.count
            self.at_risk += fold.count
        self._tell()
