"""
Decides how many records of a journal are stored in one transaction.

PostgreSQL, MySQL and MariaDB lock rows, so a batch is always whole. SQLite has one
lock for the whole database: a request of the project that writes has to wait for our
transaction. There the batch is as large as can be stored in about 20 ms.
"""

from __future__ import annotations

import dataclasses

from error_tracking.own_connections import SQLITE_LOCK_SECONDS

from .journal import BATCH_COUNTS, BATCH_EVENTS

# 20 events: a slow disk stores them in about 20 ms too. Fast machines grow from there.
FIRST_SHARE = 0.1
# 5 events. With fewer, the fixed cost of a transaction is larger than that of its rows.
SMALLEST_SHARE = 0.025
# 12 of the 20 ms: the next batch may have larger events than this one.
TARGET_SECONDS = 0.6 * SQLITE_LOCK_SECONDS
# Grow slowly, for one fast batch may have met a warm cache. Shrink by half at most, for
# one slow batch may only show that the machine stalled once.
MOST_GROWTH = 1.25
MOST_SHRINKAGE = 0.5
# The clock may show 0 for a small batch.
SHORTEST_SECONDS = 0.001


@dataclasses.dataclass(frozen=True, slots=True)
class BatchLimits:
    """The largest number of events, and of counts, in one batch."""

    events: int
    counts: int


WHOLE_BATCH = BatchLimits(BATCH_EVENTS, BATCH_COUNTS)


class BatchSize:
    """
    Adapts the size of a batch to the time for which SQLite's lock was held.

    Attributes:
        share: The part of a whole batch that is stored at once in SQLite, from
            ``SMALLEST_SHARE`` to 1.

    """

    def __init__(self, share: float = FIRST_SHARE) -> None:
        self.share = share

    def limits(self, vendor: str) -> BatchLimits:
        """Return the limits for a database of *vendor*, as Django names it."""
        if vendor != "sqlite":
            return WHOLE_BATCH
        return BatchLimits(
            events=int(BATCH_EVENTS * self.share),
            counts=int(BATCH_COUNTS * self.share),
        )

    def adapt(self, locked_seconds: float, *, is_full: bool) -> None:
        """
        Choose the next size.

        Args:
            locked_seconds: How long the last batch held the lock.

            is_full: Whether that batch was as large as its limits. A smaller one that
                was fast does not show that a larger one would be.
        """
        change = TARGET_SECONDS / max(locked_seconds, SHORTEST_SECONDS)
        change = max(MOST_SHRINKAGE, min(MOST_GROWTH, change))
        if change >= 1 and not is_full:
            return
        share = self.share * change
        self.share = min(1.0, max(SMALLEST_SHARE, share))
