"""
Sums per span of time, added up by the database: a row per span, not one per hour.

A span is an hour or longer, and begins where the one before it ends.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db.models import Case, IntegerField, Value, When

from error_tracking.utils import hour_of

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


def last_days(number: int, now: dt.datetime) -> list[dt.datetime]:
    """Return the first hours of the last *number* times 24 hours, the oldest first."""
    first = hour_of(now) + HOUR - number * DAY
    return [first + day * DAY for day in range(number)]


def span_of(column: str, starts: Sequence[dt.datetime]) -> Any:
    """
    Return the expression for the span in which the time in *column* lies.

    It halves the spans until one is left, so that a row of ninety days is compared
    seven times.

    Args:
        column: The name of the column; its times are not before the first span.
        starts: When each span begins, the oldest first.

    Returns:
        An expression whose value is a number: 0 for the first span.

    """
    return _half_of(column, starts, 0, len(starts))


def _half_of(column: str, starts: Sequence[dt.datetime], first: int, end: int) -> Any:
    if end - first == 1:
        return Value(first, output_field=IntegerField())
    middle = (first + end) // 2
    return Case(
        When(
            **{f"{column}__lt": starts[middle]},
            then=_half_of(column, starts, first, middle),
        ),
        default=_half_of(column, starts, middle, end),
        output_field=IntegerField(),
    )
