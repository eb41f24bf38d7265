"""
The fixture ``error_tracking_outbox`` for a project's own tests; pytest finds it by itself.

Under Django's test environment events go to a list, never to a database, a
tracker or the network; the fixture gives the list, empty at the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from error_tracking.events import Event


@pytest.fixture
def error_tracking_outbox() -> Iterator[list[Event]]:
    """Give the events captured in this test, oldest first."""
    from error_tracking import testing  # noqa: PLC0415  settings may not be there when pytest loads this

    with testing.captured_events():
        yield testing.outbox
