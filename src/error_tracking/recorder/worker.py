"""
The worker: one daemon thread per process, from the journals to the database.

It starts with the first request or event, and again after a fork. Nothing waits for it
except ``flush()`` and ``stop()``. A database error is logged and the round repeated
after a growing delay; it never reaches the project.
"""

from __future__ import annotations

import atexit
import contextlib
import enum
import logging
import sys
import threading
import time
import uuid
from typing import Any

from django.apps import apps
from django.core.signals import request_finished
from django.db import connections

from error_tracking import forks, own_connections
from error_tracking.database_problems import noting_statements
from error_tracking.filing import runner
from error_tracking.models import ErrorLog
from error_tracking.models.base import write_alias

from .connection import WorkerConnection
from .drain import Drainer
from .intake import Intake
from .leader import BUSY_SECONDS, Leader
from .outage import Outage

logger = logging.getLogger("error_tracking")

THREAD_NAME = "error_tracking.worker"
# Short enough for a dashboard that is being watched, and long enough for a storm to
# become a few transactions instead of thousands.
FLUSH_INTERVAL_SECONDS = 0.5
# Servers kill their workers some seconds after they asked them to stop: 10 seconds for
# Docker and Celery's children, 30 for gunicorn. The project needs its share of that.
EXIT_SECONDS = 3.0
# Another process holds SQLite's lock for about 20 ms.
RETRY_SECONDS = 0.05


class State(enum.Enum):
    """What the worker's thread is doing."""

    NOT_STARTED = "not started"
    #: Nothing waits. Whoever appends the next event has to wake the thread.
    ASLEEP = "asleep"
    #: Something waits, and the thread lets a batch come together.
    COLLECTING = "collecting"
    WORKING = "working"
    #: The last round failed, and the next one follows after a delay.
    BACKING_OFF = "backing off"
    STOPPED = "stopped"


class Request(enum.IntEnum):
    """What others ask the worker to do in its next round; the larger one wins."""

    NOTHING = 0
    FLUSH = 1
    STOP = 2


class Worker:
    """
    Stores this process's events, on a thread of its own.

    Attributes:
        intake: Accepts events into the journals of this process.

        drainer: Moves them from the journals to the database.

        leader: Does the work of the machine's leader when it is due.

        outage: How long nothing could be stored, and why.

        upkeep: The same for everything else: creating and filing bugs, pruning.

        state: What the thread is doing.

        is_started: Whether :meth:`start` was called, also where no thread can run.

    """

    def __init__(self) -> None:
        self.intake = Intake(self._on_append)
        self.connection = WorkerConnection()
        self.drainer = Drainer(self.intake, self.connection)
        self.leader = Leader(self.intake, self.drainer, self.connection)
        self.outage = Outage()
        self.upkeep = Outage("new bugs and their filing wait")
        self.state = State.NOT_STARTED
        self.is_started = False
        self._request = Request.NOTHING
        self._stop_by = 0.0
        self._thread: threading.Thread | None = None
        # Reentrant: a signal handler or a finalizer may capture an error while this
        # thread holds the lock.
        self._changed = threading.Condition(threading.RLock())
        # A round may be done by the thread, at the end of a request, or by a command.
        self._round_lock = threading.Lock()

    @property
    def has_thread(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    # Called from the project's threads.

    def start(self) -> None:
        """
        Start the thread unless it runs.

        Where threads do not run between requests (uWSGI without ``enable-threads``),
        the end of each request does the work instead.
        """
        if self.has_thread:
            return
        if not apps.ready:
            # An app's ready() failed. Django warns about every query now, and what the
            # journal has is safe on disk.
            return
        with self._changed:
            if self._request is Request.STOP or self.has_thread:
                return
            if not self.is_started:
                self.is_started = True
                _stop_with_process()
            if has_threads():
                self._start_thread()
            else:
                request_finished.connect(_work_after_request, dispatch_uid=THREAD_NAME)

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        self._thread = thread
        try:
            thread.start()
        except RuntimeError:
            # The interpreter is shutting down; stop() stores what waits.
            self._thread = None

    def _on_append(self) -> None:
        """Wake the thread if it sleeps; called in the project's requests."""
        if not self.has_thread:
            self.start()
        # Read without the lock, which a request should not wait for. While the thread
        # is in another state it looks into the journals before it falls asleep.
        if self.state is State.ASLEEP:
            with self._changed:
                if self.state is State.ASLEEP:
                    self.state = State.COLLECTING
                self._changed.notify_all()

    def sweep_soon(self) -> None:
        """Let the thread create and file bugs now, without waiting for its time."""
        with self._changed:
            self.leader.request_sweep()
            self._changed.notify_all()
        self.start()

    def flush(self, timeout: float) -> bool:
        """
        Wait until everything submitted so far is stored and filed.

        Args:
            timeout: The longest wait, in seconds.

        Returns:
            Whether all of it was done in time.
        """
        deadline = time.monotonic() + timeout
        self.start()
        if self._thread is None:
            self._flush_without_thread(deadline)
            is_stored = not self.intake.pending
        else:
            is_stored = self._wait_for_flush(deadline)
        if not is_stored:
            return False
        return runner.wait(_seconds_left(deadline))

    def _flush_without_thread(self, deadline: float) -> None:
        while True:
            self._work_aside(Request.FLUSH, timeout=_seconds_left(deadline))
            is_time_over = time.monotonic() > deadline - RETRY_SECONDS
            if not self.intake.pending or is_time_over:
                return
            time.sleep(RETRY_SECONDS)  # another process holds SQLite's lock

    def _wait_for_flush(self, deadline: float) -> bool:
        with self._changed:
            self._request = max(self._request, Request.FLUSH)
            self._changed.notify_all()
            while self.intake.pending or not self._is_flushed():
                seconds_left = deadline - time.monotonic()
                if seconds_left <= 0:
                    return False
                self._changed.wait(seconds_left)
        return True

    def _is_flushed(self) -> bool:
        """Return whether no flush is requested or running."""
        return self._request is not Request.FLUSH and self.state is not State.WORKING

    def stop(self, timeout: float = EXIT_SECONDS) -> None:
        """
        Store what waits and end the thread.

        What is still on disk after *timeout* seconds is adopted by another process.
        """
        thread = self._thread
        with self._changed:
            if self._request is Request.STOP:
                return
            self._request = Request.STOP
            self._stop_by = time.monotonic() + timeout - RETRY_SECONDS
            self._changed.notify_all()
        if thread is not None:
            thread.join(timeout)
        elif self.intake.has_pending and (apps.ready or self.intake.undurable):
            self._work_aside(Request.STOP, timeout=timeout)
        if self.intake.undurable:
            logger.error("lost at exit: events=%d", self.intake.undurable)
        if thread is None or not thread.is_alive():
            self.intake.close()

    # The thread.

    def _run(self) -> None:
        delay = 0.0
        while True:
            request = self._next_request(delay)
            is_done = self._work(request)
            delay = 0.0
            if not is_done:
                delay = self._retry_delay()
            with self._changed:
                self._end_round(request, is_done=is_done)
                if self.state is State.STOPPED:
                    return

    def _next_request(self, delay: float) -> Request:
        """Wait until there is something to do, and return what it is."""
        with self._changed:
            if self._request is not Request.STOP:
                if delay:
                    self.state = State.BACKING_OFF
                    self._changed.wait(delay)
                elif self._request is Request.NOTHING:
                    self._wait_for_events()
            self.state = State.WORKING
            request = self._request
            if request is Request.FLUSH:
                self._request = Request.NOTHING
            return request

    def _wait_for_events(self) -> None:
        """Sleep until the leader's time or an event, and let a batch come together."""
        # The state changes before the look into the journals: whoever appends after
        # the look finds that the thread has to be woken.
        self.state = State.ASLEEP
        if not self.intake.has_pending:
            self._changed.wait(self.leader.seconds_until_due())
            is_called = self._request is not Request.NOTHING or self.leader.wants_sweep
            if is_called or not self.intake.has_pending:
                return
        self.state = State.COLLECTING
        self._changed.wait(FLUSH_INTERVAL_SECONDS)

    def _end_round(self, request: Request, *, is_done: bool) -> None:
        if request is Request.STOP:
            self.state = State.STOPPED
        elif is_done:
            self.state = State.ASLEEP
        else:
            self.state = State.BACKING_OFF
            # Whoever waits for a flush goes on waiting.
            self._request = max(self._request, request)
        self._changed.notify_all()

    def _retry_delay(self) -> float:
        """Return how long to wait after a round that failed, in seconds."""
        if self.outage.failures:
            return self.outage.delay()
        return min(self.upkeep.delay(), BUSY_SECONDS)

    # One round, in reading order. Each guard below keeps this thread alive: whatever a
    # driver, a router or a hook of the project raises, the next round tries again.

    def _work(self, request: Request) -> bool:
        """Do what was requested. Return whether all of it is done."""
        is_done = self._do_round(request)
        if request is not Request.STOP:
            return is_done
        # At the end a lock is waited for only if events would be lost with the process:
        # what is on disk another process adopts.
        while not is_done and self.intake.undurable:
            if time.monotonic() > self._stop_by:
                break
            time.sleep(RETRY_SECONDS)
            is_done = self._do_round(request)
        return is_done

    def _do_round(self, request: Request) -> bool:
        """
        Store what waits, then do what is due besides.

        Returns:
            Whether everything that waited is stored, and swept where requested.
        """
        is_stopping = request is Request.STOP
        is_flush = request is Request.FLUSH
        with self._round_lock, self.outage.watched(), own_connections.may_release():
            is_done = self._store_waiting(is_stopping=is_stopping)
            if is_stopping:
                self._hand_over()
            elif is_done and (is_flush or self.leader.is_due()):
                is_done = self._look_after_machine(is_flush=is_flush)
            self.connection.give_back(is_last=is_stopping or not is_done)
        return is_done

    def _store_waiting(self, *, is_stopping: bool) -> bool:
        """Store what waits in the journals. Return False if it has to go on waiting."""
        try:
            self.connection.open()
            with noting_statements(write_alias(ErrorLog)):
                self.intake.measure()
                self.intake.settle(is_last=is_stopping)
                self.drainer.drain_all(is_stopping=is_stopping)
                if is_stopping:
                    self.drainer.close_own_rows()
                elif self.outage.failures:
                    # Perhaps nothing waited: only a write shows that it is over.
                    self.drainer.beat()
        except Exception as error:  # noqa: BLE001  tried again
            is_leader = self.leader.stand_for_election()
            self.outage.add(error, self.intake.pending, is_leader=is_leader)
            return False
        self.outage.end()
        return True

    def _look_after_machine(self, *, is_flush: bool) -> bool:
        """Do what is due besides storing. A sweep that fails keeps no event waiting."""
        wants_sweep = self.leader.accept_request()
        try:
            is_sweep_due = self.leader.look(is_forced=is_flush or wants_sweep)
        except Exception as error:  # noqa: BLE001  tried again
            is_leader = self.leader.is_leader
            self.outage.add(error, self.intake.pending, is_leader=is_leader)
            self.leader.sweep_again()
            return False
        try:
            if is_sweep_due:
                self.leader.sweep()
        except Exception as error:  # noqa: BLE001  tried again
            self.upkeep.add(error, self.intake.pending, is_leader=False)
            self.leader.sweep_again(after_seconds=self.upkeep.delay())
            return False
        self.upkeep.end()
        self.leader.look_again_if_wanted()
        return True

    def _hand_over(self) -> None:
        """Leave the bugs to the machine's leader at the end of this process."""
        if not self.drainer.has_stored:
            return
        try:
            self.leader.hand_over()
        except Exception as error:  # noqa: BLE001  the next process sweeps
            self.upkeep.add(error, self.intake.pending, is_leader=False)

    # Work on a thread that ends with it.

    def _work_aside(self, request: Request, *, timeout: float) -> None:
        """Do one round without using the caller's connection."""

        def work() -> None:
            self._work(request)
            own_connections.close_all()
            # If no thread could be started, this one is the caller's. It goes on with
            # new connections, which have the project's settings.
            for connection in connections.all(initialized_only=True):
                del connections[connection.alias]

        thread = threading.Thread(target=work, name=THREAD_NAME, daemon=True)
        try:
            thread.start()
            thread.join(timeout)
        except RuntimeError:
            work()  # the interpreter is shutting down

    def work_after_request(self) -> None:
        """Do a round if one is due, where the thread cannot run between requests."""
        if self.intake.has_pending or self.leader.seconds_until_due() == 0.0:
            self._work_aside(Request.NOTHING, timeout=EXIT_SECONDS)

    def store_orphans(self) -> int:
        """
        Store what dead processes of this machine left, on a thread of its own.

        Returns:
            How many journals that were.

        Raises:
            Exception: The reason why the rest has to wait.
        """
        adopted: list[int] = []
        failures: list[Exception] = []

        def work() -> None:
            try:
                adopted.append(self._adopt_all())
            except Exception as error:  # noqa: BLE001  raised below
                failures.append(error)
            finally:
                own_connections.close_all()

        thread = threading.Thread(target=work, name=THREAD_NAME, daemon=True)
        thread.start()
        thread.join()
        if failures:
            raise failures[0]
        return adopted[0]

    def _adopt_all(self) -> int:
        """Adopt and drain until no orphan is left: few are adopted at once."""
        adopted: set[uuid.UUID] = set()
        with self._round_lock, own_connections.may_release():
            while True:
                self.intake.adopt()
                orphans = {each.id for each in self.intake.journals if each.is_adopted}
                # A file that cannot be deleted is adopted again, although it is stored.
                if orphans <= adopted:
                    return len(adopted)
                adopted |= orphans
                alias = write_alias(ErrorLog)
                own_connections.prepare(alias, waits_for_lock=True)
                with noting_statements(alias):
                    self.drainer.drain_all()


def _seconds_left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def has_threads() -> bool:
    """Return whether threads run between requests: not in uWSGI by default."""
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None:
        return True
    options = getattr(uwsgi, "opt", {})
    return "enable-threads" in options or "threads" in options


def _work_after_request(**_kwargs: object) -> None:
    """Receive ``request_finished``, which is sent when the response has gone out."""
    get_worker().work_after_request()


_worker = Worker()


def get_worker() -> Worker:
    """Return this process's worker."""
    forks.check()
    return _worker


def is_started() -> bool:
    """Return whether this process's worker was started."""
    forks.check()
    return _worker.is_started


def _stop() -> None:
    # Looked up when it is called: a fork may have replaced the worker.
    get_worker().stop()


def _stop_with_process() -> None:
    """Stop at the end of a child of multiprocessing too, which runs no ``atexit``."""
    module: Any = sys.modules.get("multiprocessing.util")
    if module is not None:
        module.Finalize(None, _stop, exitpriority=10)


def _reset() -> None:  # pragma: no cover  in a forked child
    """Start afresh in a forked child: no thread, lock, file or event of its parent."""
    global _worker  # noqa: PLW0603  one worker per process
    with contextlib.suppress(OSError):
        _worker.intake.abandon()
    _worker = Worker()


forks.on_fork(_reset)
atexit.register(_stop)
