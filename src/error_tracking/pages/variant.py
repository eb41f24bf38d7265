"""What one cached rendering of a page is for."""

from __future__ import annotations

from typing import NamedTuple


class Variant(NamedTuple):
    """
    What one cached rendering is for: everything that has words of its own.

    A tuple, because each page makes one and looks for it among those that are cached.

    Attributes:
        shown: Which of the values that differ from page to page there are.

    """

    kind: str
    form: str
    language: str
    state: str
    shown: tuple[str, ...]
    processed: str
    is_own_link: bool
    is_recorded: bool
    has_session: bool

    @property
    def has_since(self) -> bool:
        """Return whether it is known since when."""
        return "since" in self.shown

    @property
    def has_until(self) -> bool:
        """Return whether it is known until when."""
        return "until" in self.shown

    @property
    def has_limit(self) -> bool:
        """Return whether the limit that was exceeded is known."""
        return "limit" in self.shown
