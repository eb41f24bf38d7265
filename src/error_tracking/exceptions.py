"""
The errors our public functions raise.

None of them ever reaches a visitor of the site.
"""

from __future__ import annotations

from .utils import clean_text

REASON_CHARS = 2_000


class ErrorTrackingError(Exception):
    """Base of all errors that error_tracking raises on purpose."""


class TrackerError(ErrorTrackingError):
    """
    A tracker could not file a bug.

    Args:
        reason: A sentence for the people who look after the project.

        is_permanent: Trying again is pointless until a person changes something.

        retry_after: How long the tracker asked to be left alone, in seconds.
            Implies *is_rate_limit*.

        is_rate_limit: The tracker wants fewer requests. Everything that waits for
            it waits longer, and the attempt is not counted.

        is_outage: The tracker's service itself is out of order, such as an answer
            of status 502. The attempt is not counted.
    """

    def __init__(
        self,
        reason: str,
        *,
        is_permanent: bool = False,
        retry_after: float | None = None,
        is_rate_limit: bool = False,
        is_outage: bool = False,
    ) -> None:
        """Keep the *reason* and what follows from it."""
        # It may have another server's words, which are shown on terminals and in logs.
        super().__init__(clean_text(reason, REASON_CHARS))
        self.is_permanent = is_permanent
        self.retry_after = retry_after
        self.is_rate_limit = is_rate_limit or retry_after is not None
        self.is_outage = is_outage

    @property
    def is_counted(self) -> bool:
        """
        Return whether the attempt counts as a failure.

        After a number of failures filing is given up.
        """
        return not (self.is_rate_limit or self.is_outage)


class StaleJournalError(ErrorTrackingError):
    """
    Another writer has moved the journal's position on.

    Nothing of the batch was stored.
    """
