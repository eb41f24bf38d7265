"""
Which groups and bugs were seen most in a period, without adding up everything.

A group was never seen more often in the period than in all its time, which its row
knows. So the counts are added up for the most frequent groups of all time first, and
for the others only if one of them could still be among the first. Whole days are read
as such, and the beginning of the period by its hours.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db.models import Count, Q, Sum

from error_tracking.models import DailyCount, ErrorGroup, GroupClient, HourlyCount
from error_tracking.models.base import day_of, start_of_day

from .spans import DAY, HOUR, last_days, span_of

# Reading one count from its index takes under a microsecond: about 20 ms.
ROWS_READ_FIRST = 40_000
# A flood of invented addresses may have made more groups than anybody looks at.
MOST_GROUPS = 5_000
# The people of a longer time are many rows, and say little about today.
PEOPLE_DAYS = 7
DAYS_OF_SPARK = 14
# An incident may have hundreds of groups; its first ones have its shape.
SPARK_GROUPS = 200


@dataclasses.dataclass(frozen=True, slots=True)
class SeenGroup:
    """A group that was seen in the period; ``most`` is its count of all time."""

    pk: int
    bug_id: int | None
    route: str
    most: int


def groups_seen(environment: str, since: dt.datetime) -> list[SeenGroup]:
    """Return the groups that were seen *since* then, the most frequent ones first."""
    groups = ErrorGroup.objects.filter(environment=environment, last_seen__gte=since)
    rows = groups.order_by("-times_seen", "pk").values_list(
        "pk", "bug_id", "route", "times_seen"
    )
    return [SeenGroup(*row) for row in rows[:MOST_GROUPS]]


def most_frequent_bugs(
    groups: Sequence[SeenGroup], since: dt.datetime, now: dt.datetime, *, number: int
) -> tuple[dict[int, int], dict[int, int]]:
    """
    Return how often the most frequent bugs were seen, and the groups that were counted.

    Args:
        groups: What :func:`groups_seen` found.
        since: When the period begins.
        now: When it ends.
        number: How many bugs are wanted.

    Returns:
        The counts of bugs, the highest first, by primary key; and the counts of groups.

    """
    most: Counter[int] = Counter()
    for group in groups:
        if group.bug_id is not None:
            most[group.bug_id] += group.most
    ranked = [pk for pk, _count in most.most_common()]
    counted_first = max(2 * number, ROWS_READ_FIRST // _rows_of_group(since, now))
    first, others = ranked[:counted_first], ranked[counted_first:]
    counts = _counts_of_bugs(groups, first, since)
    bugs = _by_bug(groups, counts)
    if others and most[others[0]] > _least_of_first(bugs, number):
        # That many in the period would be enough to be among the first.
        counts |= _counts_of_bugs(groups, others, since)
        bugs = _by_bug(groups, counts)
    return dict(bugs.most_common(number)), counts


def _counts_of_bugs(
    groups: Iterable[SeenGroup], bugs: Iterable[int], since: dt.datetime
) -> dict[int, int]:
    """Return how often the groups of *bugs* were seen since then, by group."""
    wanted = set(bugs)
    return counts_of([group.pk for group in groups if group.bug_id in wanted], since)


def _by_bug(groups: Iterable[SeenGroup], counts: Mapping[int, int]) -> Counter[int]:
    bugs: Counter[int] = Counter()
    for group in groups:
        if group.bug_id is not None and group.pk in counts:
            bugs[group.bug_id] += counts[group.pk]
    return bugs


def _least_of_first(bugs: Counter[int], number: int) -> int:
    """Return the count of the last of the first *number* bugs, 0 if there are fewer."""
    if len(bugs) < number:
        return 0
    _pk, count = bugs.most_common(number)[-1]
    return count


def _first_whole_day(since: dt.datetime) -> dt.date:
    day = day_of(since)
    if start_of_day(day) < since:
        day += DAY
    return day


def _rows_of_group(since: dt.datetime, now: dt.datetime) -> int:
    """Return how many counts of one group are read at most."""
    whole_days = start_of_day(_first_whole_day(since))
    if now < whole_days:
        return (now - since) // HOUR + 1
    return (whole_days - since) // HOUR + (now - whole_days) // DAY + 1


def counts_of(
    groups: Collection[int], since: dt.datetime, until: dt.datetime | None = None
) -> dict[int, int]:
    """
    Return how often each of *groups* was seen in a period.

    Args:
        groups: Primary keys of groups.
        since: When the period begins, with an hour.
        until: When it ends, with the hour before; None for the present.

    Returns:
        The counts by primary key, of groups that were seen.

    """
    in_days, in_hours = _days_and_hours(since, until)
    keys = list(groups)
    days = DailyCount.objects.filter(in_days, group__in=keys)
    hours = HourlyCount.objects.filter(in_hours, group__in=keys)
    sums_of_days = days.order_by().values_list("group").annotate(seen=Sum("count"))
    sums_of_hours = hours.order_by().values_list("group").annotate(seen=Sum("count"))
    counts: Counter[int] = Counter()
    for group, seen in sums_of_days.union(sums_of_hours, all=True):
        counts[group] += seen
    return dict(counts)


def _days_and_hours(since: dt.datetime, until: dt.datetime | None) -> tuple[Q, Q]:
    """Return the conditions for the whole days of a period, and for its other hours."""
    first_day = _first_whole_day(since)
    in_days = Q(day__gte=first_day)
    in_hours = Q(hour__gte=since, hour__lt=start_of_day(first_day))
    if until is None:
        return in_days, in_hours
    last_day = day_of(until)
    in_days &= Q(day__lt=last_day)
    if last_day < first_day:
        # It begins and ends within one day.
        in_hours &= Q(hour__lt=until)
    else:
        in_hours |= Q(hour__gte=start_of_day(last_day), hour__lt=until)
    return in_days, in_hours


def counts_before(
    bugs: Collection[int], since: dt.datetime, length: dt.timedelta
) -> dict[int, int]:
    """Return how often each of *bugs* was seen in the *length* of time before *since*."""
    groups = ErrorGroup.objects.filter(bug__in=list(bugs))
    bug_of = dict(groups.values_list("pk", "bug_id"))
    counts: Counter[int] = Counter()
    for group, seen in counts_of(bug_of.keys(), since - length, since).items():
        counts[bug_of[group]] += seen
    return dict(counts)


def routes_failing(
    groups: Iterable[SeenGroup], counts: Mapping[int, int], *, number: int
) -> list[tuple[str, int]]:
    """Return the routes with the most errors among the counted groups."""
    routes: Counter[str] = Counter()
    for group in groups:
        if group.route and group.pk in counts:
            routes[group.route] += counts[group.pk]
    return routes.most_common(number)


def people_of(bugs: Collection[int], since: dt.datetime) -> dict[int, int]:
    """
    Return how many people met each of *bugs*, in ``PEOPLE_DAYS`` at most.

    People are users, or addresses of those who are not signed in. More than a thousand
    a day and group are not stored.
    """
    met = GroupClient.objects.filter(group__bug__in=list(bugs), day__gte=since.date())
    counted = met.order_by().values_list("group__bug")
    return dict(counted.annotate(people=Count("hash", distinct=True)))


def sparks_of(bugs: Collection[int], now: dt.datetime) -> dict[int, list[int]]:
    """Return the counts of the last 14 times 24 hours of each of *bugs*, oldest first."""
    groups = ErrorGroup.objects.filter(bug__in=list(bugs)).order_by("-times_seen", "pk")
    bug_of = dict(groups.values_list("pk", "bug_id")[:SPARK_GROUPS])
    starts = last_days(DAYS_OF_SPARK, now)
    rows = HourlyCount.objects.filter(
        group__in=list(bug_of), hour__gte=starts[0], hour__lte=now
    )
    days = rows.order_by().values_list("group", span_of("hour", starts))
    sparks = {pk: [0] * DAYS_OF_SPARK for pk in bugs}
    for group, day, count in days.annotate(seen=Sum("count")):
        sparks[bug_of[group]][day] += count
    return sparks
