"""
Events to the database: where an event goes, and how to wait for it.

The journal queues, the writer drains it, the store makes one transaction of a
batch. Nothing here builds or changes an event.
"""

from __future__ import annotations

from django.db import transaction

from error_tracking import conf, testing
from error_tracking.events import Event
from error_tracking.models import ErrorLog
from error_tracking.models.base import write_alias

from . import store as storage
from . import writer

__all__ = ["flush", "is_started", "start", "submit", "sweep_soon"]

FLUSH_SECONDS = 10.0


def submit(event: Event) -> None:
    """
    Take *event* over.

    It goes to ``error_tracking.testing.outbox`` under Django's test
    environment; is stored at once with ``RECORDER = "immediate"``, unless the
    connection is in a broken transaction; else it is queued for the writer.
    """
    is_immediate = conf.get_settings().RECORDER == "immediate"
    if not is_immediate and testing.is_test_environment():
        testing.deliver(event)
    elif is_immediate and _is_usable():
        storage.store([Event.from_bytes(event.to_bytes())])
        writer.tick()
    else:
        writer.get_writer().submit(event)


def _is_usable() -> bool:
    connection = transaction.get_connection(write_alias(ErrorLog))
    return not (connection.in_atomic_block and connection.needs_rollback)


def is_started() -> bool:
    """Return whether this process's writer has been started."""
    return writer.get_writer().is_started


def start() -> None:
    """Start this process's writer, so that it knows the open bugs before the first error."""
    if conf.get_settings().RECORDER == "thread" and not testing.is_test_environment():
        writer.get_writer().start()


def sweep_soon() -> None:
    """Have the gate and the outbox looked at now, by the writer and not by the caller's request."""
    if conf.get_settings().RECORDER == "immediate":
        writer.tick()
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
