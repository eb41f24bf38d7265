"""How often groups happen in this hour, and usually: read from the hourly counts, never from error logs."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator

from django.db.models import Sum
from django.utils import timezone

from .models import ErrorGroup, HourlyCount
from .utils import hour_of

SPIKE_EVENTS = 100
SPIKE_TIMES = 10
USUAL_HOURS = 24 * 7


def spiking_groups(environment: str) -> Iterator[tuple[ErrorGroup, int, float]]:
    """
    Yield the groups of *environment* that happen far more often than usual, with this hour's count and the usual one.

    Usual is the mean of the hours of the last week, far more is ten times that,
    and a hundred at least.
    """
    hour = hour_of(timezone.now())
    rows = HourlyCount.objects.filter(hour=hour, count__gte=SPIKE_EVENTS, group__environment=environment)
    counts = dict(rows.values_list("group_id", "count"))
    if not counts:
        return
    week = HourlyCount.objects.filter(
        group_id__in=counts, hour__lt=hour, hour__gte=hour - dt.timedelta(hours=USUAL_HOURS)
    )
    sums = defaultdict(int, week.values_list("group_id").annotate(total=Sum("count")).order_by())
    for group in ErrorGroup.objects.filter(pk__in=counts).order_by("pk"):
        usual = sums[group.pk] / USUAL_HOURS
        if counts[group.pk] >= SPIKE_TIMES * usual:
            yield group, counts[group.pk], usual
