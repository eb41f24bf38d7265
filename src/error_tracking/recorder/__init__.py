"""
Events to the database: where an event goes, and how to wait for it.

The budget says what is stored whole, the journal queues, the writer drains it,
the store makes one transaction of a batch. Nothing here builds an event.
"""

from __future__ import annotations

import contextlib
import contextvars
import time
from typing import TYPE_CHECKING, Any

from django.db import transaction

from error_tracking import conf, known, sweep, testing
from error_tracking.events import Event, Fold
from error_tracking.models import ErrorLog
from error_tracking.models.base import write_alias

from . import store as storage
from . import writer
from .budget import overflow_fingerprint
from .vitals import Health, health

__all__ = [
    "Health",
    "count_failure",
    "flush",
    "fold",
    "health",
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

FLUSH_SECONDS = 10.0

_stores_nothing: contextvars.ContextVar[bool] = contextvars.ContextVar("error_tracking_stores_nothing", default=False)


@contextlib.contextmanager
def nothing_stored() -> Iterator[None]:
    """Have what is captured in the ``with`` block, in this context, stored nowhere and counted nowhere."""
    token = _stores_nothing.set(True)
    try:
        yield
    finally:
        _stores_nothing.reset(token)


def fold(head: dict[str, Any], now: float) -> str:
    """
    Count the event that *head* begins, where an equal one was stored already.

    One of too many new groups at once gets the fingerprint and title that they
    share; *head* is changed.

    Args:
        head: Fields of :class:`~error_tracking.events.Event`, before its payload is built.

        now: When it happened, in seconds since the epoch.

    Returns:
        The id of the event that stands for it, ``""`` when it is to be submitted.
    """
    if not _is_queued():
        return ""
    intake = writer.get_writer().intake
    budget, kind = intake.budget, head["error_type"]
    if not budget.admits_group(head["fingerprint"], now, is_known=head["fingerprint"] in known.snapshot()):
        head |= {"fingerprint": overflow_fingerprint(kind), "title": "Too many new errors at once", "culprit": ""}
    status, level = head.get("status_code", 0), head.get("level", "error")
    key = (head["fingerprint"], status, level, head.get("handled", False))
    representative = budget.representative_for(key, now, conf.get_settings().EVENTS_PER_MINUTE)
    if representative:
        counted = {name: head[name] for name in Fold.__slots__ if name in head}
        intake.fold(Fold(event_id=representative, timestamp=now, **counted))
    return representative


def submit(event: Event) -> None:
    """
    Take *event* over.

    It goes to ``error_tracking.testing.outbox`` under Django's test
    environment; is stored at once with ``RECORDER = "immediate"``, unless the
    connection is in a broken transaction; else it is queued for the writer.
    """
    is_immediate = conf.get_settings().RECORDER == "immediate"
    if _stores_nothing.get():
        return
    if not is_immediate and testing.is_test_environment():
        testing.deliver(event)
    elif is_immediate and _is_usable():
        storage.store([event])
        sweep.run()
    else:
        intake = writer.get_writer().intake
        intake.submit(event)
        intake.budget.keep((event.fingerprint, event.status_code, event.level, event.handled), event.event_id)


def count_failure() -> None:
    """Count an error of our own that was swallowed."""
    writer.get_writer().intake.swallowed += 1


def _is_queued() -> bool:
    is_queued = conf.get_settings().RECORDER == "thread" and not testing.is_test_environment()
    return is_queued and not _stores_nothing.get()


def _is_usable() -> bool:
    connection = transaction.get_connection(write_alias(ErrorLog))
    return not (connection.in_atomic_block and connection.needs_rollback)


def is_started() -> bool:
    """Return whether this process's writer has been started."""
    return writer._writer.is_started


def start() -> None:
    """Start this process's writer, so that it knows the open bugs before the first error."""
    if _is_queued():
        writer.get_writer().start()


def stop(**_kwargs: object) -> None:
    """Store what waits, within a few seconds, and end this process's writer; a receiver of signals too."""
    writer.get_writer().stop()


def sweep_soon() -> None:
    """Have the gate and the outbox looked at now, by the writer and not by the caller's request."""
    if conf.get_settings().RECORDER == "immediate":
        sweep.run()
    elif not testing.is_test_environment():
        writer.get_writer().sweep_soon()


def flush(timeout: float = FLUSH_SECONDS) -> bool:
    """
    Wait until everything captured so far is stored, and filed where it became a bug.

    Args:
        timeout: The longest wait, in seconds.

    Returns:
        Whether all was done in time.
    """
    if writer.get_writer().is_started:
        return writer.get_writer().flush(timeout)
    return True


def renew_journals(timeout: float, on_wait: Callable[[int], None]) -> list[str]:
    """
    Have every journal of this machine stored and deleted, and new ones begun, so that none holds what is erased.

    Args:
        timeout: The longest wait, in seconds.

        on_wait: Called once with the number of journals, when there are any.

    Returns:
        The names of the journals that are still there.
    """
    machine = writer.get_writer().intake.machine
    machine.renew()
    paths, deadline = set(machine.paths()), time.monotonic() + timeout
    if paths:
        on_wait(len(paths))
    start()
    while paths and time.monotonic() < deadline:
        writer.get_writer().flush(FLUSH_SECONDS)
        paths &= set(machine.paths())
        time.sleep(0.2 if paths else 0)
    return sorted(path.name for path in paths)
