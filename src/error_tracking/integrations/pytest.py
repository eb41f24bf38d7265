"""
The fixture ``error_tracking_outbox`` for a project's own tests.

Pytest finds it by itself.

In a test run events are discarded, unless a test asks for them: the fixture gives a
list of those captured in the test, empty at the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from error_tracking.events.event import Event


@pytest.fixture
def error_tracking_outbox() -> Iterator[list[Event]]:
    """Give the events captured in this test, oldest first."""
    from error_tracking import testing

    with testing.captured_events():
        yield testing.outbox
