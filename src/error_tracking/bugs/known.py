"""
Keeps what this process knows about bugs, for the error page: no database, no lock.

The worker publishes a snapshot; a request looks a fingerprint up in it. Until the first
snapshot it is empty, and pages are merely less specific.
"""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class PublicState:
    """
    What the error page may say of a bug.

    Attributes:
        bug_id: Its name, such as ``"B-012"``.
        status: One of ``KnownBug.Status``.
        public_message: What staff wrote for the visitors who meet it.
        since: When it first happened, in seconds of the epoch; 0 where that is unknown.
        in_progress_since: When somebody began to work on it, likewise.
        resolved_in_release: The release that has the fix, where that is known.
        workaround: What visitors can do in the meantime.
        link: Where they find more: a page of the project's, such as a status page.

    """

    bug_id: str
    status: str
    public_message: str = ""
    since: float = 0.0
    in_progress_since: float = 0.0
    resolved_in_release: str = ""
    workaround: str = ""
    link: str = ""

    @classmethod
    def from_list(cls, values: list[Any]) -> PublicState:
        """Return the state from :meth:`as_list`, also that of another release."""
        return cls(*values[: len(dataclasses.fields(cls))])

    def as_list(self) -> list[Any]:
        """
        Return plain values for the snapshot that processes share.

        New fields come last.
        """
        return list(dataclasses.astuple(self))


_snapshot: dict[str, PublicState | None] = {}


def publish(states: dict[str, PublicState | None]) -> None:
    """
    Replace the snapshot.

    Args:
        states: For each fingerprint the state of its bug; None for a group without one.

    """
    # One reference is swapped at once, so readers need no lock.
    global _snapshot  # noqa: PLW0603
    _snapshot = states


def snapshot() -> dict[str, PublicState | None]:
    """Return what was published last."""
    return _snapshot


def lookup(fingerprint: str) -> PublicState | None:
    """Return the bug with *fingerprint*, None for an unknown or resolved one."""
    return _snapshot.get(fingerprint)
