"""
From an event to its rows in the database, exactly once.

The budget decides what is stored whole, the journal is the queue, the worker drains it,
and the store writes a batch in one transaction. Here are the functions for everybody
else. Nothing in this package builds an event.
"""

from __future__ import annotations

import contextlib
import contextvars
import time
from typing import TYPE_CHECKING

from django.db import transaction

from error_tracking import conf, testing
from error_tracking.bugs import known, sweep
from error_tracking.events.event import Event, Fold, Outcome
from error_tracking.events.kinds import kind_of
from error_tracking.models import ErrorLog
from error_tracking.models.base import write_alias

from . import store as storage
from . import worker
from .health_report import Health, health
from .worker import is_started

__all__ = [
    "Health",
    "correct",
    "count_failure",
    "flush",
    "fold",
    "health",
    "in_shared_group",
    "is_discarding",
    "is_started",
    "nothing_stored",
    "renew_journals",
    "start",
    "stop",
    "submit",
    "sweep_soon",
]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from error_tracking.events.summary import Client, Summary

# The width of the column.
TITLE_CHARS = 255
# As long as a deploy or a test is likely to wait.
FLUSH_SECONDS = 10.0
# Journals are deleted by other processes. Their folder is read again this often.
RENEWAL_CHECK_SECONDS = 0.2

_stores_nothing: contextvars.ContextVar[list[Event] | None] = contextvars.ContextVar(
    "error_tracking_stores_nothing", default=None
)


@contextlib.contextmanager
def nothing_stored() -> Iterator[list[Event]]:
    """
    Collect the events that are captured in the ``with`` block, and store none.

    Applies to the current context only, such as one request of the doctor.
    """
    captured: list[Event] = []
    token = _stores_nothing.set(captured)
    try:
        yield captured
    finally:
        _stores_nothing.reset(token)


def in_shared_group(summary: Summary, now: float) -> Summary:
    """
    Return *summary*, in a group that it shares if too many new groups begin at once.

    Args:
        summary: A failure that is about to be counted.

        now: When, in seconds since the epoch.
    """
    if not _is_queued():
        return summary
    fingerprint = summary.fingerprint
    found = worker.get_worker().intake.budget.overflow_for(
        fingerprint,
        kind_of(summary.error_type, summary.culprit),
        summary.place,
        now,
        is_known=fingerprint in known.snapshot(),
    )
    if found is None:
        return summary
    shared = summary._replace(
        fingerprint=found.fingerprint,
        title=found.title[:TITLE_CHARS],
        # Whoever meets many groups at once would be many clients of this one, and
        # evidence of one of them is none of the others.
        is_noise=True,
    )
    if not found.place:
        shared = shared._replace(culprit="")
    return shared


def fold(summary: Summary, client: Client, now: float) -> str:
    """
    Count an event instead of storing it, if an equal one was stored recently.

    Args:
        summary: What happened.

        client: Who met it.

        now: When it happened, in seconds since the epoch.

    Returns:
        The id of the event that represents it; ``""`` if it has to be submitted.
    """
    if not _is_queued():
        return ""
    intake = worker.get_worker().intake
    key = (summary.fingerprint, summary.status_code, summary.level, summary.handled)
    kind = kind_of(summary.error_type, summary.culprit)
    limit = conf.get_settings().EVENTS_PER_MINUTE
    representative = intake.budget.representative_for(key, kind, now, limit)
    if representative:
        intake.fold(
            Fold(
                event_id=representative,
                fingerprint=summary.fingerprint,
                timestamp=now,
                error_type=summary.error_type,
                status_code=summary.status_code,
                client=client.client,
                is_evidence=client.is_evidence,
                has_own_origin=client.has_own_origin,
            )
        )
    return representative


def submit(event: Event) -> None:
    """
    Accept *event* for storing.

    In a test run it goes to ``error_tracking.testing.outbox``. With
    ``RECORDER = "immediate"`` it is stored now, unless the connection is in a broken
    transaction. Otherwise it is queued for the worker.
    """
    is_immediate = conf.get_settings().RECORDER == "immediate"
    captured = _stores_nothing.get()
    if captured is not None:
        captured.append(event)
        return
    if testing.is_test_run():
        testing.deliver(event)
    elif is_immediate and _is_usable():
        storage.store([event])
        sweep.sweep()
    else:
        intake = worker.get_worker().intake
        intake.submit(event)
        intake.budget.remember(
            (event.fingerprint, event.status_code, event.level, event.handled),
            event.event_id,
        )


def correct(event: Event, corrected: Event) -> None:
    """
    Correct what is stored of *event*, whose exception was raised again after all.

    The event itself was submitted when it was captured: a process that is killed
    between the two loses the correction and not the event.
    """
    captured = _stores_nothing.get()
    if captured is not None:
        captured[:] = [corrected if each is event else each for each in captured]
        return
    if testing.is_test_run():
        testing.correct(event, corrected)
        return
    outcome = Outcome.of(event, corrected.status_code)
    if conf.get_settings().RECORDER == "immediate" and _is_usable():
        storage.store([outcome])
    else:
        worker.get_worker().intake.correct(outcome)


def count_failure() -> None:
    """Count an error of our own that was swallowed."""
    worker.get_worker().intake.count_failure()


def _is_queued() -> bool:
    is_queued = conf.get_settings().RECORDER == "thread" and not testing.is_test_run()
    return is_queued and _stores_nothing.get() is None


def is_discarding() -> bool:
    """Return whether events are discarded, so that no payload has to be built."""
    return testing.is_discarding() and _stores_nothing.get() is None


def _is_usable() -> bool:
    connection = transaction.get_connection(write_alias(ErrorLog))
    return not (connection.in_atomic_block and connection.needs_rollback)


def store_orphans() -> int:
    """
    Store the events in the journals of dead processes of this machine.

    Returns:
        How many journals there were.

    Raises:
        django.db.Error: They have to wait; nothing is lost.
    """
    if testing.is_test_run():
        return 0
    return worker.get_worker().store_orphans()


def start() -> None:
    """Start this process's worker, so that pages know the bugs early."""
    if _is_queued():
        worker.get_worker().start()


def stop(**_kwargs: object) -> None:
    """
    Store what waits, within a few seconds, and end this process's worker.

    Can be connected to a signal.
    """
    worker.get_worker().stop()


def sweep_soon() -> None:
    """Create and file bugs now, on the worker's thread and not in the request."""
    if testing.is_test_run():
        return
    if conf.get_settings().RECORDER == "immediate":
        sweep.sweep()
    else:
        worker.get_worker().sweep_soon()


def flush(timeout: float = FLUSH_SECONDS) -> bool:
    """
    Wait until everything captured so far is stored, and filed where it became a bug.

    Args:
        timeout: The longest wait, in seconds.

    Returns:
        Whether all was done in time.
    """
    if worker.get_worker().is_started:
        return worker.get_worker().flush(timeout)
    return True


def renew_journals(timeout: float, on_wait: Callable[[int], None]) -> list[str]:
    """
    Wait until every journal of this machine is stored and deleted.

    All processes begin new ones. So no journal has the data of a person that is to be
    erased.

    Args:
        timeout: The longest wait, in seconds.

        on_wait: Called once with the number of journals, if there are any.

    Returns:
        The names of the journals that still exist.
    """
    deadline = time.monotonic() + timeout
    machine = worker.get_worker().intake.machine
    machine.renew()
    paths = set(machine.paths())
    if paths:
        on_wait(len(paths))
    start()
    while paths and time.monotonic() < deadline:
        worker.get_worker().flush(FLUSH_SECONDS)
        paths &= set(machine.paths())
        if paths:
            time.sleep(RENEWAL_CHECK_SECONDS)
    return sorted(path.name for path in paths)
