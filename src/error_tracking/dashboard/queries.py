"""
What breaks, how often and since when: numbers from groups and counts.

Reads groups, hourly counts, bugs and the outbox; of the error logs only the latest 500
with the status 404, by an index.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Q, Sum
from django.utils import timezone

from error_tracking import conf
from error_tracking.filing.waiting import WaitingBugs, waiting_bugs
from error_tracking.models import (
    ErrorGroup,
    ErrorLog,
    Filing,
    HourlyTotal,
    KnownBug,
    Release,
)
from error_tracking.models.known_bug import KnownBugQuerySet
from error_tracking.utils import hour_of

from .bug_rows import BugRow, bug_lists
from .dead_links import DeadLink, dead_links
from .spans import HOUR, span_of

PERIODS: dict[str, dt.timedelta] = {
    "24h": dt.timedelta(hours=24),
    "7d": dt.timedelta(days=7),
    "30d": dt.timedelta(days=30),
    "90d": dt.timedelta(days=90),
}
DEFAULT_PERIOD = "24h"
# What fits on a screen; the admin lists the rest.
LISTED = 10
# A chart with more lines than that is grey.
MOST_RELEASES = 30


@dataclasses.dataclass(frozen=True, slots=True)
class Bucket:
    """One bar of the chart: when it starts and how often each kind was seen in it."""

    start: dt.datetime
    counts: dict[str, int]

    @property
    def total(self) -> int:
        """The sum over all kinds."""
        return sum(self.counts.values())

    def as_json(self) -> dict[str, Any]:
        """Return the bar as plain data."""
        return {"start": self.start.isoformat(), "counts": self.counts}


@dataclasses.dataclass(frozen=True, slots=True)
class SomeBugs:
    """The first bugs of a list, and how many it has."""

    bugs: Sequence[KnownBug]
    count: int


@dataclasses.dataclass(frozen=True, slots=True)
class Suppressed:
    """Groups that are no bugs for one reason: how many, and their count of all time."""

    reason: str
    groups: int
    times: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """
    All numbers of one look at one environment.

    Attributes:
        period: A key of ``PERIODS``.
        environment: The environment that they are of.
        environments: Those to choose from.
        since: When the period began.
        previous_total: The total of the period before, None if that is not stored.
        buckets: The bars of the chart, the oldest first.
        by_severity: How many bugs are open or in progress.
        needs: The most urgent bugs of those that need somebody.
        needs_count: How many need somebody.
        top_bugs: The bugs seen most in the period.
        new: Bugs that were found in the period.
        regressed: Bugs that came back in it.
        resolved: Bugs that were resolved in it.
        routes: Those with the most errors, and how many.
        dead_links: Links to addresses that do not exist.
        releases: Releases that began in the period, the oldest first.
        running: The release of this process, None if nothing of it is stored.
        new_in_release: How many bugs occurred first in it.
        regressed_in_release: How many bugs came back since it runs.
        unfiled: State, tracker, reason and number of what is not filed.
        waiting: Bugs that are filed later, because enough were filed now.
        suppressed: Groups that are no bugs, by reason.
        is_empty: Whether nothing was ever seen.

    """

    period: str
    environment: str
    environments: Sequence[str]
    since: dt.datetime
    previous_total: int | None
    buckets: Sequence[Bucket]
    by_severity: dict[str, int]
    needs: Sequence[BugRow]
    needs_count: int
    top_bugs: Sequence[BugRow]
    new: SomeBugs
    regressed: SomeBugs
    resolved: SomeBugs
    routes: Sequence[tuple[str, int]]
    dead_links: Sequence[DeadLink]
    releases: Sequence[Release]
    running: Release | None
    new_in_release: int
    regressed_in_release: int
    unfiled: Sequence[tuple[str, str, str, int]]
    waiting: WaitingBugs | None
    suppressed: Sequence[Suppressed]
    is_empty: bool

    @property
    def total(self) -> int:
        """How many errors were seen in the period."""
        return sum(bucket.total for bucket in self.buckets)

    @property
    def by_kind(self) -> dict[str, int]:
        """How often each kind of error was seen, in the order of the kinds."""
        counts = Counter[str]()
        for bucket in self.buckets:
            counts.update(bucket.counts)
        return {
            kind: counts[kind] for kind in ErrorLog.ErrorType.values if counts[kind]
        }

    @property
    def open_bugs(self) -> int:
        """How many bugs are open or in progress."""
        return sum(self.by_severity.values())

    @property
    def change(self) -> int | None:
        """By how many per cent the total differs from the period before."""
        if not self.previous_total:
            return None
        return round((self.total - self.previous_total) * 100 / self.previous_total)

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as plain data for a script."""
        return {
            "period": self.period,
            "environment": self.environment,
            "total": self.total,
            "previous_total": self.previous_total,
            "by_kind": self.by_kind,
            "open_bugs": self.open_bugs,
            "open_bugs_by_severity": self.by_severity,
            "buckets": [bucket.as_json() for bucket in self.buckets],
            "needs_attention": [row.as_json() for row in self.needs],
            "top_bugs": [row.as_json() for row in self.top_bugs],
            "new_bugs": [bug.bug_id for bug in self.new.bugs],
            "regressions": [bug.bug_id for bug in self.regressed.bugs],
            "resolved_bugs": [bug.bug_id for bug in self.resolved.bugs],
            "waiting_bugs": self.waiting.count if self.waiting else 0,
        }


def look(
    period: str = DEFAULT_PERIOD,
    environment: str = "",
    *,
    now: dt.datetime | None = None,
    shows_messages: bool = True,
) -> Dashboard:
    """
    Return the numbers of the *period* that ends *now*.

    Args:
        period: A key of ``PERIODS``; any other text means the default.
        environment: Which environment; by default this process's own.
        now: The end, by default the present.
        shows_messages: Whether the values in messages may be seen.
    """
    if period not in PERIODS:
        period = DEFAULT_PERIOD
    environment = environment or conf.get_settings().environment
    now = now or timezone.now()
    length = PERIODS[period]
    since = hour_of(now - length) + HOUR
    buckets = _buckets(environment, since, now, is_daily=period != "24h")
    bugs = KnownBug.objects.filter(environment=environment)
    by_severity = _by_severity(bugs)
    has_counts = any(bucket.counts for bucket in buckets) or any(by_severity.values())
    previous_total = _previous_total(environment, since, length)
    is_compared = previous_total is not None
    lists = bug_lists(
        environment,
        since,
        now,
        length=length if is_compared else None,
        shows_messages=shows_messages,
    )
    running = _running_release()
    new_in_release, regressed_in_release = _counts_of_release(running, bugs)
    return Dashboard(
        period=period,
        environment=environment,
        environments=_environments(environment),
        since=since,
        previous_total=previous_total,
        buckets=buckets,
        by_severity=by_severity,
        needs=lists.needs,
        needs_count=lists.needs_count,
        top_bugs=lists.top_bugs,
        new=_new(bugs, since),
        regressed=_regressed(bugs, since),
        resolved=_resolved(bugs, since),
        routes=lists.routes,
        dead_links=dead_links(environment, since, number=LISTED),
        releases=_releases(since),
        running=running,
        new_in_release=new_in_release,
        regressed_in_release=regressed_in_release,
        unfiled=_unfiled(environment),
        waiting=waiting_bugs(environment),
        suppressed=_suppressed(environment, since),
        is_empty=not has_counts and not _has_groups(environment),
    )


def error_stats(environment: str = "") -> dict[str, Any]:
    """Return the numbers above the list of error logs: last day and week, open bugs."""
    environment = environment or conf.get_settings().environment
    now = timezone.now()
    totals = HourlyTotal.objects.filter(environment=environment)
    day = totals.filter(hour__gt=now - PERIODS["24h"])
    bugs = KnownBug.objects.filter(environment=environment)
    by_kind = dict(day.values_list("error_type").annotate(seen=Sum("count")).order_by())
    return {
        "environment": environment,
        "last_24_hours": sum(by_kind.values()),
        "by_kind": by_kind,
        "last_7_days": totals.filter(hour__gt=now - PERIODS["7d"]).aggregate(
            seen=Sum("count", default=0)
        )["seen"],
        "open_bugs": bugs.open_or_in_progress().count(),
    }


def values_of_late(column: str, period: dt.timedelta) -> list[Any]:
    """Return the values of a *column* of ``HourlyTotal`` in the *period*, sorted."""
    rows = HourlyTotal.objects.filter(hour__gte=timezone.now() - period).order_by(
        column
    )
    return list(rows.values_list(column, flat=True).distinct())


def _buckets(
    environment: str, since: dt.datetime, now: dt.datetime, *, is_daily: bool
) -> list[Bucket]:
    """Return every hour of the period, or every day of the viewer's time zone."""
    starts = set()
    moment = since
    while moment <= now:
        starts.add(_start_of(moment, is_daily=is_daily))
        moment += HOUR
    buckets = [Bucket(start, {}) for start in sorted(starts)]
    totals = HourlyTotal.objects.filter(
        hour__gte=since, hour__lte=now, environment=environment
    )
    span = span_of("hour", [bucket.start for bucket in buckets])
    counted = totals.order_by().values_list(span, "error_type")
    for number, kind, seen in counted.annotate(seen=Sum("count")):
        buckets[number].counts[kind] = seen
    return buckets


def _start_of(moment: dt.datetime, *, is_daily: bool) -> dt.datetime:
    local = moment
    if timezone.is_aware(moment):
        local = timezone.localtime(moment)
    hour = hour_of(local)
    if is_daily:
        return hour.replace(hour=0, fold=0)
    return hour


def _previous_total(
    environment: str, since: dt.datetime, length: dt.timedelta
) -> int | None:
    """Return the total of the *length* of time before; None if nothing was stored then."""
    before = HourlyTotal.objects.filter(
        hour__gte=since - length, hour__lt=since, environment=environment
    )
    total: int | None = before.aggregate(seen=Sum("count"))["seen"]
    return total


def _environments(environment: str) -> list[str]:
    return sorted({*values_of_late("environment", PERIODS["30d"]), environment})


def _by_severity(bugs: KnownBugQuerySet) -> dict[str, int]:
    counted = bugs.open_or_in_progress().order_by().values_list("severity")
    found = dict(counted.annotate(count=Count("pk")))
    return {name: found.get(name, 0) for name in KnownBug.Severity.values}


def _has_groups(environment: str) -> bool:
    return ErrorGroup.objects.filter(environment=environment).exists()


def _new(bugs: KnownBugQuerySet, since: dt.datetime) -> SomeBugs:
    return _some(bugs.filter(created__gte=since), "-number")


def _regressed(bugs: KnownBugQuerySet, since: dt.datetime) -> SomeBugs:
    found = bugs.open_or_in_progress().filter(regressed_at__gte=since)
    return _some(found, "-regressed_at")


def _resolved(bugs: KnownBugQuerySet, since: dt.datetime) -> SomeBugs:
    resolved = bugs.filter(status=KnownBug.Status.RESOLVED)
    return _some(resolved.filter(resolved_at__gte=since), "-resolved_at")


def _some(bugs: KnownBugQuerySet, order: str) -> SomeBugs:
    return SomeBugs(list(bugs.order_by(order, "-pk")[:LISTED]), bugs.count())


def _running_release() -> Release | None:
    version = conf.get_settings().release
    if not version:
        return None
    return Release.objects.filter(version=version).first()


def _counts_of_release(
    release: Release | None, bugs: KnownBugQuerySet
) -> tuple[int, int]:
    """Return how many bugs are new in *release*, and how many regressed since it runs."""
    if release is None:
        return 0, 0
    open_ones = Q(status__in=(KnownBug.Status.OPEN, KnownBug.Status.IN_PROGRESS))
    regressed = open_ones & Q(regressed_at__gte=release.first_seen)
    counts = bugs.aggregate(
        new=Count("pk", filter=Q(first_release=release.version)),
        regressed=Count("pk", filter=regressed),
    )
    return counts["new"], counts["regressed"]


def _releases(since: dt.datetime) -> list[Release]:
    began = Release.objects.filter(first_seen__gte=since)
    # The latest ones, where a site deploys more often than a chart can show.
    return list(began.order_by("-first_seen")[:MOST_RELEASES])[::-1]


def _unfiled(environment: str) -> list[tuple[str, str, str, int]]:
    rows = Filing.objects.wanted(environment).unfinished()
    return [row for row in rows if row[2] or row[0] == Filing.State.FAILED][:LISTED]


def _suppressed(environment: str, since: dt.datetime) -> list[Suppressed]:
    # What somebody hid is not shown again here either.
    groups = ErrorGroup.objects.without_bug().filter(
        environment=environment, last_seen__gte=since
    )
    groups = groups.exclude(verdict_reason="")
    counted = (
        groups.order_by()
        .values_list("verdict_reason")
        .annotate(groups=Count("pk"), times=Sum("times_seen"))
    )
    rows = [Suppressed(*row) for row in counted]
    return sorted(rows, key=lambda row: (-row.groups, row.reason))[:LISTED]
