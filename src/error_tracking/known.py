"""
What this process knows of the open bugs, for the error page: no database, no lock.

The writer publishes a snapshot; a request looks a fingerprint up in it. Empty
until the first snapshot: then a page is merely less specific.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class PublicState:
    """What the error page may say of a bug."""

    bug_id: str
    status: str
    public_message: str = ""


_snapshot: dict[str, PublicState | None] = {}


def publish(states: dict[str, PublicState | None]) -> None:
    """Replace the snapshot: fingerprint → state of its bug, None for a group without an open one."""
    global _snapshot  # noqa: PLW0603  one reference swapped at once: readers need no lock
    _snapshot = states


def snapshot() -> dict[str, PublicState | None]:
    """Return what was published last."""
    return _snapshot


def lookup(fingerprint: str) -> PublicState | None:
    """Return what is known of the bug with *fingerprint*, None for an unknown or resolved one."""
    return _snapshot.get(fingerprint)
