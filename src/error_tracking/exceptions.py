"""The errors our public functions raise; none of them ever reaches a visitor of the host site."""

from __future__ import annotations


class ErrorTrackingError(Exception):
    """Base of all errors that error_tracking raises on purpose."""


class TrackerError(ErrorTrackingError):
    """
    A tracker could not file a bug.

    ``is_permanent`` says that trying again without a change by a person is
    pointless; ``retry_after`` is what the tracker asked for, in seconds.
    """

    def __init__(self, reason: str, *, is_permanent: bool = False, retry_after: float | None = None) -> None:
        """Keep the *reason*, told in words to the people who look after the project."""
        super().__init__(reason)
        self.is_permanent = is_permanent
        self.retry_after = retry_after


class StaleJournalError(ErrorTrackingError):
    """Another writer has moved the journal's position on: nothing of the batch was stored."""
