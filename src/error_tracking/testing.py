"""
For a host's tests: where events go instead of the database.

Under Django's test environment every captured event is appended to ``outbox``,
like ``django.core.mail.outbox``; no thread, database, file or network is used.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .events import Event

#: The events captured under the test environment, oldest first.
outbox: list[Event] = []

OUTBOX_EVENTS = 10_000


def is_test_environment() -> bool:
    """Return whether ``setup_test_environment()`` has been called: it gives ``django.core.mail`` its outbox."""
    mail = sys.modules.get("django.core.mail")
    return mail is not None and hasattr(mail, "outbox")


def deliver(event: Event) -> None:
    """Append *event* to the outbox; the oldest goes when it is full."""
    outbox.append(event)
    if len(outbox) > OUTBOX_EVENTS:
        del outbox[0]


@contextlib.contextmanager
def captured_events() -> Iterator[list[Event]]:
    """Give a list that the events captured inside the ``with`` block are in, and leave the outbox as it was."""
    before = list(outbox)
    outbox.clear()
    captured: list[Event] = []
    try:
        yield captured
    finally:
        captured.extend(outbox)
        outbox[:] = before
