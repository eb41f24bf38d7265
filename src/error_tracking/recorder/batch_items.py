"""
Reads the events, counts and outcomes in the records of a batch.

Equal counts become one, for in a storm they are nearly everything. Knows no database.
"""

from __future__ import annotations

import dataclasses
import time
from typing import NamedTuple, TypeVar

from error_tracking.events.event import Event, Fold, Outcome

from .journal import EVENT, OUTCOME, Batch
from .packed_event import event_from_bytes

Item = Event | Fold | Outcome

# Reading a whole batch at once would keep the interpreter from requests for 20 ms.
# After this many records, about a millisecond, another thread may run.
YIELD_EVENTS = 10
YIELD_COUNTS = 200
# No hour of any time zone begins within a quarter of an hour, so counts that become one
# belong to one hour of the charts.
QUARTER_MILLISECONDS = 15 * 60_000

_Timed = TypeVar("_Timed", Event, Fold)


@dataclasses.dataclass(frozen=True, slots=True)
class Unreadable:
    """Records that are none of ours, though their checksum is right."""

    #: The sequence number of the first one.
    sequence: int
    count: int
    error: Exception


@dataclasses.dataclass(frozen=True, slots=True)
class BatchItems:
    """What a batch stands for."""

    items: list[Item]
    unreadable: list[Unreadable]

    @property
    def lost(self) -> int:
        """How many records could not be read."""
        return sum(each.count for each in self.unreadable)


class _Count(NamedTuple):
    """A count that is not decoded yet. A tuple, for a storm sorts thousands by time."""

    milliseconds: int
    payload: bytes
    sequence: int

    @property
    def number(self) -> int:
        # The last byte of a count is the number of events that it stands for.
        return self.payload[-1]


def items_in(batch: Batch) -> BatchItems:
    """Return the items in the records of *batch*, ready to be stored."""
    now = time.time()
    items: list[Item] = []
    outcomes: list[Outcome] = []
    unreadable: list[Unreadable] = []
    counts: dict[tuple[bytes, int], list[_Count]] = {}
    for sequence, kind, payload in batch.records:
        try:
            if kind == EVENT:
                items.append(_not_in_future(event_from_bytes(payload), now))
            elif kind == OUTCOME:
                outcomes.append(Outcome.from_bytes(payload))
            else:
                milliseconds, what = Fold.peek(payload)
                key = (what, milliseconds // QUARTER_MILLISECONDS)
                count = _Count(milliseconds, payload, sequence)
                counts.setdefault(key, []).append(count)
        except (ValueError, KeyError, TypeError) as error:
            unreadable.append(Unreadable(sequence, 1, error))
        _let_others_run(sequence, kind)
    for equal_counts in counts.values():
        try:
            folds = _merged(equal_counts)
        except ValueError as error:
            first = min(count.sequence for count in equal_counts)
            unreadable.append(Unreadable(first, len(equal_counts), error))
            continue
        items += [_not_in_future(fold, now) for fold in folds]
    return BatchItems(_with_outcomes(items, outcomes), unreadable)


def _let_others_run(sequence: int, kind: int) -> None:
    records = YIELD_COUNTS
    if kind == EVENT:
        records = YIELD_EVENTS
    if sequence % records == 0:
        time.sleep(0)


def _merged(counts: list[_Count]) -> list[Fold]:
    """Return one fold for the first of *counts*, and one for all others."""
    first = Fold.from_bytes(min(counts).payload)
    last = Fold.from_bytes(max(counts).payload)
    others = sum(count.number for count in counts) - first.count
    if others == 0:
        return [first]
    return [first, dataclasses.replace(last, count=others)]


def _with_outcomes(items: list[Item], outcomes: list[Outcome]) -> list[Item]:
    """Apply *outcomes* to their events among *items*; append those of other events."""
    by_event: dict[str, Outcome] = {}
    others: list[Outcome] = []
    for outcome in outcomes:
        # The first one belongs to the event itself, later ones to events that were
        # folded into it.
        if outcome.event_id in by_event:
            others.append(outcome)
        else:
            by_event[outcome.event_id] = outcome
    corrected: list[Item] = []
    for item in items:
        if isinstance(item, Event) and item.event_id in by_event:
            status_code = by_event.pop(item.event_id).status_code
            corrected.append(
                dataclasses.replace(item, handled=False, status_code=status_code)
            )
        else:
            corrected.append(item)
    return [*corrected, *by_event.values(), *others]


def _not_in_future(item: _Timed, now: float) -> _Timed:
    """Return *item* at *now* if its clock was ahead when it was captured."""
    if 0 <= item.timestamp <= now:
        return item
    return dataclasses.replace(item, timestamp=now)
