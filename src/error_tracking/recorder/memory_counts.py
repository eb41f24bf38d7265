"""
Counts in memory the events that no journal has room for, within a bound.

They are lost if the process is killed, so they return to a journal as soon as one has
room. Not safe for threads: the intake holds its lock.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from error_tracking.events.event import CLIENT_KINDS, Fold

from .budget import shared_count

if TYPE_CHECKING:
    from collections.abc import Iterator

# A few megabytes. A day of a hundred groups that fail each minute would need more.
MOST_COUNTS = 10_000

#: Fingerprint, status and minute. Charts have hours, and a minute is in one hour of
#: every time zone.
_Key = tuple[str, int, int]


@dataclasses.dataclass(slots=True)
class _Count:
    first: Fold
    number: int


class MemoryCounts:
    """
    Counts per group, status and minute.

    Over the bound it gives up the groups of refused requests, which strangers can cause
    without end, before those of crashes: their counts join the group that refused
    requests share.

    Attributes:
        total: How many events are counted.

    """

    def __init__(self) -> None:
        self.total = 0
        self._crashes: dict[_Key, _Count] = {}
        self._refused: dict[_Key, _Count] = {}
        # The groups that events share. Few: one for each kind and status.
        self._shared: dict[_Key, _Count] = {}

    def __len__(self) -> int:
        return len(self._crashes) + len(self._refused) + len(self._shared)

    def add(self, fold: Fold, *, is_new: bool) -> int:
        """
        Count *fold*.

        Args:
            fold: What is counted of one event or more.

            is_new: Whether its group was not seen before in this process.

        Returns:
            How many events have lost their own group for it.
        """
        self.total += fold.count
        key = (fold.fingerprint, fold.status_code, int(fold.timestamp) // 60)
        is_refused = fold.error_type in CLIENT_KINDS
        own = self._crashes
        if is_refused:
            own = self._refused
        if key in own:
            own[key].number += fold.count
            return 0
        if is_refused and is_new:
            # No room for whole events means none for new groups of strangers either.
            return self._share(fold, fold.count)
        merged = 0
        if len(self) >= MOST_COUNTS:
            if is_refused or not self._refused:
                return self._share(fold, fold.count)
            merged = self._give_up_refused_group()
        own[key] = _Count(fold, fold.count)
        return merged

    def _give_up_refused_group(self) -> int:
        """Share the oldest count of a refused request, for a crash needs its place."""
        oldest = next(iter(self._refused))
        count = self._refused.pop(oldest)
        return self._share(count.first, count.number)

    def _share(self, fold: Fold, number: int) -> int:
        shared = shared_count(fold)
        key = (shared.fingerprint, shared.status_code, 0)
        count = self._shared.setdefault(key, _Count(shared, 0))
        count.number += number
        return number

    def take(self) -> list[Fold]:
        """Remove one count, of a crash if there is any. Return it as folds."""
        for counts in (self._crashes, self._refused, self._shared):
            if counts:
                count = counts.pop(next(iter(counts)))
                self.total -= count.number
                return list(_folds(count))
        return []


def _folds(count: _Count) -> Iterator[Fold]:
    """Yield folds of the largest size that a record has room for."""
    left = count.number
    while left > 0:
        part = min(left, Fold.MOST)
        yield dataclasses.replace(count.first, count=part)
        left -= part
