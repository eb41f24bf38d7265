"""
The writer: one daemon thread per process that takes the journal to the database.

Starts at the first request or event, and again after a fork. Nothing waits for
it but ``flush()``. Database errors are logged, waited out with a growing delay
and never reach the host.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from django.db import DatabaseError, InterfaceError, connections

from error_tracking import conf, gate, known, runners
from error_tracking.events import Event
from error_tracking.exceptions import StaleJournalError
from error_tracking.models import ErrorLog, Journal
from error_tracking.models.base import write_alias

from . import store as storage
from .journal import MemoryJournal

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger("error_tracking")

FLUSH_INTERVAL_SECONDS = 0.5
BUSY_TICK_SECONDS = 5.0
QUIET_TICK_SECONDS = 60.0
BACK_OFF_SECONDS = 0.5
MAX_BACK_OFF_SECONDS = 30.0
EXIT_SECONDS = 3.0
PATIENCE_ROUNDS = 8  # about a minute of waiting for what may pass


class Writer:
    """Takes events into this process's journal and, on its thread, from there to the database."""

    def __init__(self) -> None:
        """Start with an empty journal and no thread."""
        self.journal = MemoryJournal()
        self.failures = 0
        self.is_started = False
        self._wake = threading.Condition(threading.RLock())
        self._wants_flush = False
        self._is_stopping = False
        self._is_idle = True
        self._thread: threading.Thread | None = None
        self._next_tick = 0.0

    def submit(self, event: Event) -> None:
        """Put *event* into the journal; a journal half full takes it without its payload."""
        self.journal.append(event.bare().to_bytes() if self.journal.is_half_full else event.to_bytes())
        self.start()
        with self._wake:
            self._wake.notify_all()

    def start(self) -> None:
        """Start the thread unless it runs."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._wake:
            if self._is_stopping or (self._thread is not None and self._thread.is_alive()):
                return
            self._thread = threading.Thread(target=self._run, name="error_tracking.writer", daemon=True)
            self.is_started = True
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is shutting down; stop() writes what waits
                self._thread = None

    def flush(self, timeout: float) -> bool:
        """Wait until everything submitted so far is stored and filed, at most *timeout* seconds; return whether."""
        deadline = time.monotonic() + timeout
        self.start()
        with self._wake:
            self._wants_flush, self._is_idle = True, False
            self._wake.notify_all()
            while self.journal.pending or not self._is_idle:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._wake.wait(left)
        return runners.wait(max(0.0, deadline - time.monotonic()))

    def sweep_soon(self) -> None:
        """Have the thread look at the gate and the outbox without waiting for its time."""
        with self._wake:
            self._next_tick = 0.0
            self._wake.notify_all()
        self.start()

    def stop(self, timeout: float = EXIT_SECONDS) -> None:
        """Store what waits, within *timeout* seconds, and end the thread; runs at exit."""
        thread = self._thread
        with self._wake:
            self._is_stopping = True
            self._wake.notify_all()
        if thread is not None:
            thread.join(timeout)
        elif self.journal.pending:
            self._drain()
        if self.journal.pending:
            logger.error("not stored at exit: events=%d", self.journal.pending)

    def _run(self) -> None:
        delay = 0.0
        while True:
            with self._wake:
                if not self._is_stopping and not self._wants_flush:
                    wait = delay or (FLUSH_INTERVAL_SECONDS if self.journal.pending else self._until_tick())
                    self._wake.wait(wait)
                if self.journal.pending and not self._is_stopping and not self._wants_flush and not delay:
                    self._wake.wait(FLUSH_INTERVAL_SECONDS)
                is_stopping, wants_flush = self._is_stopping, self._wants_flush
                self._wants_flush = False
            is_done = self._work(is_stopping=is_stopping, wants_flush=wants_flush)
            delay = 0.0 if is_done else min(MAX_BACK_OFF_SECONDS, BACK_OFF_SECONDS * 2 ** min(self.failures - 1, 10))
            with self._wake:
                self._is_idle = is_done and not self._wants_flush
                self._wake.notify_all()
                if is_stopping:
                    return

    def _until_tick(self) -> float:
        return max(0.0, self._next_tick - time.monotonic())

    def _work(self, *, is_stopping: bool, wants_flush: bool) -> bool:
        """Do one round; return False when the database is away."""
        had_events = bool(self.journal.pending)
        try:
            self._drain()
            if not is_stopping and (had_events or wants_flush or self._until_tick() == 0.0):
                tick()
                self._next_tick = time.monotonic() + (BUSY_TICK_SECONDS if had_events else QUIET_TICK_SECONDS)
            self.failures = 0
        except Exception:  # the guard of this thread: whatever fails in a round, the next one tries again
            self.failures += 1
            if self.failures == 1 or self.failures % 20 == 0:
                logger.exception("events wait: pending=%d failures=%d", self.journal.pending, self.failures)
            return False
        finally:
            connections[write_alias(ErrorLog)].close()
        return True

    def _drain(self) -> None:
        while batch := self.journal.read():
            try:
                write(self.journal, batch, is_patient=self.failures < PATIENCE_ROUNDS)
            except StaleJournalError:
                continue


def write(journal: MemoryJournal, batch: Sequence[tuple[int, bytes]], *, is_patient: bool = True) -> None:
    """
    Store *batch* of *journal*, split in halves until a poisoned event is alone.

    That one is stored without its payload. An error that may pass is waited
    for, but without patience only while the database does not answer.

    Raises:
        StaleJournalError: Somebody else has moved the journal on.

        DatabaseError: The database is away; nothing of the batch was stored.
    """
    position = batch[-1][0]
    events = [event for _, payload in batch if (event := _event_from(journal, payload)) is not None]
    try:
        storage.store(events, journal=journal, position=position)
    except (StaleJournalError, InterfaceError):
        raise
    except (DatabaseError, ValueError, TypeError) as error:
        if is_passing(error) and (is_patient or not _answers()):
            raise
        if len(batch) > 1:
            middle = len(batch) // 2
            write(journal, batch[:middle], is_patient=is_patient)
            write(journal, batch[middle:], is_patient=is_patient)
            return
        logger.warning("an event is stored without its payload: error=%r", error)
        storage.store([event.bare() for event in events], journal=journal, position=position)
    journal.move_to(position)


def _answers() -> bool:
    """Return whether our tables can be read."""
    try:
        return Journal.objects.using(write_alias(Journal)).count() >= 0
    except DatabaseError:
        return False


def _event_from(journal: MemoryJournal, payload: bytes) -> Event | None:
    try:
        return Event.from_bytes(payload)
    except (ValueError, KeyError, TypeError):
        journal.lost += 1
        logger.exception("an event could not be read")
        return None


def is_passing(error: Exception) -> bool:
    """Return whether trying again may help: a lock, a deadlock, a server that is away, a table not there yet."""
    name = type(error).__name__
    return name in {"OperationalError", "InterfaceError", "ProgrammingError"}


def tick() -> None:
    """Let the gate decide, have due filings done, and publish the state of the known bugs."""
    if conf.get_settings().creates_bugs:
        gate.sweep()
    runners.run_due()
    known.publish(gate.public_states())


_writer = Writer()


def get_writer() -> Writer:
    """Return this process's writer."""
    return _writer


def _reset() -> None:
    """After a fork the child starts anew: no thread, no lock and no event of its parent (FAULTS T10, T11)."""
    global _writer  # noqa: PLW0603  one writer per process
    _writer = Writer()


os.register_at_fork(after_in_child=_reset)
atexit.register(lambda: _writer.stop())  # noqa: PLW0108  the writer of then, not of now
