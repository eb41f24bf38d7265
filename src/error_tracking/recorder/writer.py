"""
The writer: one daemon thread per process that takes journals to the database.

Starts at the first request or event, and again after a fork. Nothing waits for
it but ``flush()``. Database errors are logged, waited out with a growing delay
and never reach the host. The leader of the machine also adopts, sweeps, and shows
other machines that it lives.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from django.core.signals import request_finished
from django.db import connections

from error_tracking import known, runners, sweep
from error_tracking.exceptions import StaleJournalError
from error_tracking.models import ErrorLog
from error_tracking.models import Journal as JournalRow
from error_tracking.models.base import write_alias

from . import store
from .drain import write
from .intake import Intake
from .journal import BATCH_COUNTS, BATCH_EVENTS, Journal
from .outage import Outage

logger = logging.getLogger("error_tracking")

THREAD_NAME = "error_tracking.writer"
FLUSH_INTERVAL_SECONDS = 0.5
BUSY_TICK_SECONDS = 5.0
QUIET_TICK_SECONDS = 60.0
EXIT_SECONDS = 3.0
AGAIN_SECONDS = 0.05
IDLE_CONNECTION_SECONDS = 10.0
PATIENCE_ROUNDS = 8  # about half a minute of waiting for what may pass
CONNECT_SECONDS = 10  # psycopg by itself waits for ever (FAULTS S17)
SQLITE_LOCK_SECONDS = 0.02  # how long we hold SQLite's lock, and wait for somebody else's
FIRST_SHARE, SMALLEST_SHARE = 0.1, 0.025  # of a batch, on SQLite: 20 and 5 events

if TYPE_CHECKING:
    from collections.abc import Sequence


class Writer:
    """
    Drains the journals of this process on a thread of its own.

    Attributes:
        intake: Where events come in.

        is_leader: Whether it looks after its machine.

        outage: Since when nothing could be stored, and why.

    """

    def __init__(self) -> None:
        """Start with no thread."""
        self.intake = Intake(self._on_append)
        self.is_started = self.is_leader = False
        self.outage = Outage()
        self._wake = threading.Condition(threading.RLock())
        self._round_lock = threading.Lock()
        self._sleeps = self._wants_flush = self._is_stopping = False
        self._has_stored = self._wants_tick = False
        self._is_idle = True
        self._thread: threading.Thread | None = None
        self._used_at = self._ticked_at = self._stop_by = 0.0
        self._next_tick = self._swept_at = 0.0
        self._share = FIRST_SHARE

    def start(self) -> None:
        """Start the thread unless it runs; without threads (uWSGI) the end of each request does its work."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._wake:
            if self._is_stopping or (self._thread is not None and self._thread.is_alive()):
                return
            if not self.is_started:
                self.is_started = True
                _stop_with_process()
            if not has_threads():
                request_finished.connect(_work_after_request, dispatch_uid=THREAD_NAME)
                return
            self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is shutting down; stop() writes what waits
                self._thread = None

    def _on_append(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self.start()
        if self._sleeps:
            with self._wake:
                self._sleeps = False
                self._wake.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until everything submitted so far is stored and filed, at most *timeout* seconds; return whether."""
        deadline = time.monotonic() + timeout
        self.start()
        while self._thread is None:
            self._aside(max(0.0, deadline - time.monotonic()), is_flush=True)
            if not self.intake.pending or time.monotonic() > deadline - AGAIN_SECONDS:
                break
            time.sleep(AGAIN_SECONDS)  # somebody held SQLite's lock
        with self._wake:
            self._wants_flush, self._is_idle = self._thread is not None, self._thread is None
            self._wake.notify_all()
            while self.intake.pending or not self._is_idle:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._wake.wait(left)
        return runners.wait(max(0.0, deadline - time.monotonic()))

    def sweep_soon(self) -> None:
        """Have the thread look at the gate and the outbox without waiting for its time."""
        with self._wake:
            self._next_tick, self._wants_tick = 0.0, True
            self._wake.notify_all()
        self.start()

    def stop(self, timeout: float = EXIT_SECONDS) -> None:
        """Store what waits within *timeout* seconds and end; what is left on disk another process adopts."""
        thread = self._thread
        with self._wake:
            if self._is_stopping:
                return
            self._is_stopping, self._stop_by = True, time.monotonic() + timeout - AGAIN_SECONDS
            self._wake.notify_all()
        if thread is not None:
            thread.join(timeout)
        elif self.intake.has_pending:
            self._aside(timeout, is_stopping=True)
        if self.intake.perishable:
            logger.error("lost at exit: events=%d", self.intake.perishable)
        if thread is None or not thread.is_alive():
            self.intake.close()

    def _aside(self, timeout: float, *, is_stopping: bool = False, is_flush: bool = False) -> None:
        """Do one round on a thread of its own, so that the caller's connection is not used."""

        def work() -> None:
            self._store_last() if is_stopping else self._work(is_flush=is_flush)
            connections[write_alias(ErrorLog)].close()
            del connections[write_alias(ErrorLog)]  # what it was told is not for the caller's

        thread = threading.Thread(target=work, name=THREAD_NAME, daemon=True)
        try:
            thread.start()
            thread.join(timeout)
        except RuntimeError:  # the interpreter is shutting down
            work()

    def _store_last(self) -> bool:
        """Store what waits; again until ``stop()`` has to end where it would be lost, for a lock passes."""
        while not (is_done := self._work(is_stopping=True)):
            if not self.intake.perishable or time.monotonic() > self._stop_by:
                break
            time.sleep(AGAIN_SECONDS)
        return is_done

    def _run(self) -> None:
        delay = 0.0
        while True:
            with self._wake:
                if delay and not self._is_stopping:
                    self._wake.wait(delay)
                elif not self._is_stopping and not self._wants_flush:
                    self._sleeps = True  # before the look: whoever appends after it sees that it has to wake us
                    has_pending = self.intake.has_pending
                    self._sleeps = not has_pending
                    self._wake.wait(FLUSH_INTERVAL_SECONDS if has_pending else self._until_tick())
                    is_called = self._is_stopping or self._wants_flush or self._wants_tick
                    if not has_pending and self.intake.has_pending and not is_called:
                        self._sleeps = False
                        self._wake.wait(FLUSH_INTERVAL_SECONDS)  # let a batch come together
                self._sleeps = False
                is_stopping, is_flush = self._is_stopping, self._wants_flush
                self._wants_flush = False
            is_done = self._store_last() if is_stopping else self._work(is_flush=is_flush)
            delay = 0.0 if is_done else self.outage.delay()
            with self._wake:
                self._wants_flush = self._wants_flush or (is_flush and not is_done)
                self._is_idle = is_done and not self._wants_flush
                self._wake.notify_all()
                if is_stopping:
                    return

    def _until_tick(self) -> float:
        return max(0.0, self._next_tick - time.monotonic())

    def _work(self, *, is_stopping: bool = False, is_flush: bool = False) -> bool:
        """Do one round; return False when the database is away."""
        with self._round_lock, self.outage.watched():
            alias = write_alias(ErrorLog)
            connection = connections[alias]
            try:
                _be_polite(connection)
                connection.close_if_unusable_or_obsolete()
                self.intake.settle(is_last=is_stopping)
                self._drain(is_stopping=is_stopping)
                if self.outage.failures and not is_stopping:
                    self._beat(self.intake.current())  # nothing may have waited: only a write tells that it is over
                self.outage.end()
                if not is_stopping and (is_flush or self._wants_tick or self._until_tick() == 0.0):
                    is_forced, self._wants_tick = is_flush or self._wants_tick, False
                    self._tick(is_forced=is_forced)
                    self._drain(is_stopping=False)  # what was adopted just now
                    self._next_tick *= not self._wants_tick  # and what it made new is decided on at once
                if is_stopping:
                    self._close_rows(alias, [each for each in self.intake.journals if not each.pending])
                self.outage.failures = 0
            except Exception as error:  # noqa: BLE001  the guard of this thread: the next round tries again
                self.is_leader = self.intake.machine.lead()
                self.outage.add(error, self.intake.pending, is_leader=self.is_leader)
                connection.close()
                return False
            now = time.monotonic()
            if is_stopping or now - self._used_at > IDLE_CONNECTION_SECONDS:
                connection.close()
            return True

    def _drain(self, *, is_stopping: bool) -> None:
        """
        Store a batch of each journal in turn until all that waited is stored; those of others not at the end.

        What arrives meanwhile waits for the next round: in a storm batches would
        be small, and the thread never idle.
        """
        alias, has_more = write_alias(ErrorLog), True
        while has_more:
            has_more = False
            for journal in tuple(self.intake.journals):
                if is_stopping and journal.is_adopted:
                    continue
                share = self._share if connections[alias].vendor == "sqlite" else 1.0
                most = {"events": int(BATCH_EVENTS * share), "counts": int(BATCH_COUNTS * share)}
                try:
                    batch = journal.read(**most)
                except OSError as error:  # a disk that is broken: the other journals go on
                    self.intake.drop(journal, error)
                    continue
                if batch is None:
                    continue
                self._has_stored = True
                has_more = has_more or not batch.is_last or journal.is_adopted
                if not journal.is_adopted:
                    self._note(journal)
                try:
                    if write(journal, batch, is_patient=self.outage.failures < PATIENCE_ROUNDS):
                        self._wants_tick = True  # a new error becomes a bug now, not when the leader looks
                    self._adapt(journal.locked_seconds, is_full=not batch.is_last)
                except StaleJournalError:
                    has_more = True
                self._used_at = time.monotonic()
        self._close_rows(alias, self.intake.tidy())

    def _note(self, journal: Journal) -> None:
        """Have the next row of *journal* tell what this process has swallowed, and what is at risk."""
        journal.failures += self.intake.swallowed
        self.intake.swallowed, journal.at_risk = 0, self.intake.at_risk

    def _beat(self, journal: Journal) -> None:
        """Show other machines that this process lives, also when it has had no error: nothing is stored, now."""
        self._note(journal)
        with contextlib.suppress(StaleJournalError):
            store.store([], journal=journal, position=journal.position)

    def _adapt(self, seconds: float, *, is_full: bool) -> None:
        """
        Choose the size of SQLite's next batch by how long its lock was held.

        By half at most, for a machine that stalled once says little.
        """
        change = min(1.25, max(0.5, 0.6 * SQLITE_LOCK_SECONDS / max(seconds, 0.001)))
        if is_full or change < 1:
            self._share = min(1.0, max(SMALLEST_SHARE, self._share * change))

    @staticmethod
    def _close_rows(alias: str, journals: Sequence[Journal]) -> None:
        if journals:
            JournalRow.objects.using(alias).filter(pk__in=[each.id for each in journals]).close()

    def _tick(self, *, is_forced: bool) -> None:
        """Do a leader's work or take over what the leader has published."""
        machine = self.intake.machine
        now = time.monotonic()
        if self._has_stored:
            machine.call_leader()
        self.is_leader = machine.lead()
        self.intake.renew()
        self._next_tick = now + BUSY_TICK_SECONDS
        if not self.is_leader and not is_forced:
            self._has_stored = False
            states = machine.read_known()
            if states is not None:
                known.publish(states)
            return
        is_called = self._has_stored or machine.called_at() > self._swept_at
        age = now - self._ticked_at
        if not is_forced and age < (BUSY_TICK_SECONDS if is_called else QUIET_TICK_SECONDS):
            return
        self._has_stored = False
        self._ticked_at, self._swept_at = now, time.time()
        if self.is_leader:
            self.intake.adopt()
            self._beat(self.intake.current())
        self._used_at = now
        if sweep.run():
            self._swept_at = 0.0  # look again when the machine is busy, not when it is quiet
        machine.write_known(known.snapshot())


def _be_polite(connection: Any) -> None:  # noqa: ANN401  stubs know no settings_dict
    """
    Have our own thread's connection commit, and never wait long for a silent server or for SQLite's lock.

    With the host's AUTOCOMMIT off a transaction of ours would be a savepoint
    that nobody commits (FAULTS S02).
    """
    settings = connection.settings_dict
    options = dict(settings["OPTIONS"])
    if connection.vendor == "sqlite":
        options["timeout"] = SQLITE_LOCK_SECONDS
    elif connection.vendor in {"postgresql", "mysql"}:
        options.setdefault("connect_timeout", CONNECT_SECONDS)
    polite = {**settings, "AUTOCOMMIT": True, "OPTIONS": options}
    if polite != settings:
        connection.close()
        connection.settings_dict = polite


def has_threads() -> bool:
    """Return whether threads run here between requests: not in a uWSGI without ``enable-threads`` (FAULTS T12)."""
    uwsgi = sys.modules.get("uwsgi")
    options = getattr(uwsgi, "opt", {})
    return uwsgi is None or "enable-threads" in options or "threads" in options


def _work_after_request(**_kwargs: object) -> None:
    """Do the thread's work where there is none, after the response has gone out."""
    if _writer.intake.has_pending or _writer._until_tick() == 0.0:
        _writer._aside(EXIT_SECONDS)


_writer = Writer()


def get_writer() -> Writer:
    """Return this process's writer."""
    return _writer


def _stop() -> None:
    _writer.stop()  # the writer of then, not of now


def _stop_with_process() -> None:
    """Stop at the end of a child of multiprocessing too: it runs no ``atexit`` (FAULTS T13)."""
    module: Any = sys.modules.get("multiprocessing.util")
    if module is not None:
        module.Finalize(None, _stop, exitpriority=10)


def _reset() -> None:
    """After a fork the child starts anew: no thread, lock, file or event of its parent (FAULTS T10, T11)."""
    global _writer  # noqa: PLW0603  one writer per process
    with contextlib.suppress(OSError):
        _writer.intake.abandon()
    _writer = Writer()


getattr(os, "register_at_fork", lambda **_: None)(after_in_child=_reset)  # Windows does not fork
atexit.register(_stop)
