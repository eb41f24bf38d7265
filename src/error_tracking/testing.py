"""
Decides what happens to events in a test run, and gives a project's tests theirs.

In a test run, which Django's runner and pytest-django begin with
``setup_test_environment()``, events are discarded: no thread, database, file, mail or
network is used. A test that wants them opts in, with :func:`captured_events` or the
pytest fixture ``error_tracking_outbox``.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .events.event import Event

#: The events captured while a test asks for them, oldest first.
outbox: list[Event] = []

OUTBOX_EVENTS = 10_000  # a test that captures more looks at its last ones

# What the open blocks of captured_events() and recording() asked for, innermost last.
# Of the process, not of a context: a live server answers on a thread of its own.
_opted_in: list[_Block] = []


class _Block:
    """An open block; without a list its events are recorded."""

    def __init__(self, events: list[Event] | None = None) -> None:
        self.events = events


def is_test_run() -> bool:
    """
    Return whether events are not stored because a test run is active.

    That is the state that only ``setup_test_environment()`` sets. Its side effects,
    such as ``django.core.mail.outbox``, also appear on running sites: the first mail of
    the locmem backend makes it.
    """
    utils = sys.modules.get("django.test.utils")
    state = getattr(utils, "_TestState", None)
    is_recording = bool(_opted_in) and _opted_in[-1].events is None
    return hasattr(state, "saved_data") and not is_recording


def is_discarding() -> bool:
    """Return whether events go nowhere, so that little of them needs to be built."""
    return not _opted_in and is_test_run()


def deliver(event: Event) -> None:
    """
    Append *event* to the outbox if a test has opted in.

    If the outbox is full, the oldest event is removed.
    """
    if not _opted_in or _opted_in[-1].events is None:
        return
    for events in (outbox, _opted_in[-1].events):
        events.append(event)
        if len(events) > OUTBOX_EVENTS:
            del events[0]


def correct(event: Event, corrected: Event) -> None:
    """Put *corrected* in the place of *event*, where a test collects events."""
    collected = [outbox, *(block.events for block in _opted_in if block.events)]
    for events in collected:
        events[:] = [corrected if each is event else each for each in events]


@contextlib.contextmanager
def captured_events() -> Iterator[list[Event]]:
    """
    Collect the events of a ``with`` block of a test, also those of other threads.

    They are in the given list and in :data:`outbox` at once. After the block the list
    keeps them, and the outbox is as it was before. Of nested blocks the innermost
    decides.
    """
    before = list(outbox)
    outbox.clear()
    events: list[Event] = []
    try:
        with _opted_into(_Block(events)):
            yield events
    finally:
        outbox[:] = before


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """
    Record errors in a ``with`` block of a test as a running site does.

    For a test of the whole path: rows, bugs, files and trackers are real. Use it with
    ``RECORDER = "immediate"`` and a test database.
    """
    with _opted_into(_Block()):
        yield


@contextlib.contextmanager
def _opted_into(block: _Block) -> Iterator[None]:
    blocks = _opted_in
    blocks.append(block)
    try:
        yield
    finally:
        blocks.remove(block)
