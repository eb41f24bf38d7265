"""
What breaks, how often and since when: numbers from groups and counts.

Reads groups, hourly counts, bugs and the outbox; of the error logs only the latest 500
with the status 404, by an index.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth import get_user_model
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

from . import attention, frequent
from .dead_links import DeadLink, dead_links
from .spans import HOUR, span_of
from .trend import Trend, trend_of

PERIODS: dict[str, dt.timedelta] = {
    "24h": dt.timedelta(hours=24),
    "7d": dt.timedelta(days=7),
    "30d": dt.timedelta(days=30),
    "90d": dt.timedelta(days=90),
}
DEFAULT_PERIOD = "24h"
# What fits on a screen; the admin lists the rest.
TOP_BUGS = 10
LISTED = 10
# A chart with more lines than that is grey.
MOST_RELEASES = 30
# As many as are stored per group and day.
CLIENTS_SHOWN = 1_000


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
class BugRow:
    """
    A bug as a row of the dashboard.

    Attributes:
        bug: The bug.
        headline: Its message, or its title where there is none.
        route: The route of its most frequent group.
        count: How often it was seen in the period.
        previous_count: How often in the period before; None if nothing was stored then.
        people: How many people met it, in the last seven days at most.
        who: The name of the assignee, empty without one.
        spark: Its counts of the last 14 times 24 hours, the oldest first.
        reasons: Why it needs somebody; empty in the other lists.

    """

    bug: KnownBug
    headline: str
    route: str
    count: int
    people: int
    who: str
    spark: Sequence[int]
    reasons: Sequence[str] = ()
    previous_count: int | None = None

    @property
    def trend(self) -> Trend | None:
        """Whether it was seen more often than in the period before, where that is known."""
        if self.previous_count is None:
            return None
        return trend_of(self.count, self.previous_count)

    @property
    def people_label(self) -> str:
        """How many people met it. More than a thousand a day are not stored."""
        if self.people >= CLIENTS_SHOWN:
            return f"{CLIENTS_SHOWN:,}+"
        return str(self.people)

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return {
            "bug": self.bug.bug_id,
            "title": self.bug.title,
            "count": self.count,
            "previous_count": self.previous_count,
            "people": self.people,
        }


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

    ``since`` is when the period began. ``previous_total`` is that of the period before,
    None if that is not stored.
    ``needs`` are the bugs that need somebody, and ``needs_count`` how many those are.
    ``releases`` began in the period. ``unfiled`` has state, tracker, reason and number
    of what is not filed, and ``waiting`` the bugs that are filed later because enough
    were filed now. ``is_empty`` is true if nothing was ever seen.
    """

    period: str
    environment: str
    environments: Sequence[str]
    since: dt.datetime
    total: int
    previous_total: int | None
    by_kind: dict[str, int]
    buckets: Sequence[Bucket]
    open_bugs: int
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
    def change(self) -> int | None:
        """Return by how many per cent the total differs from the period before."""
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
    period = period if period in PERIODS else DEFAULT_PERIOD
    environment = environment or conf.get_settings().environment
    now = now or timezone.now()
    since = hour_of(now - PERIODS[period]) + dt.timedelta(hours=1)
    buckets = _buckets(environment, since, now, is_daily=period != "24h")
    by_kind = _by_kind(buckets)
    bugs = KnownBug.objects.filter(environment=environment)
    by_severity = _by_severity(bugs)
    running = _running_release()
    previous_total = _previous_total(environment, since, period)
    return Dashboard(
        period=period,
        environment=environment,
        environments=_environments(environment),
        since=since,
        total=sum(bucket.total for bucket in buckets),
        previous_total=previous_total,
        by_kind=by_kind,
        buckets=buckets,
        open_bugs=sum(by_severity.values()),
        by_severity=by_severity,
        **_lists_of_bugs(
            environment,
            since,
            now,
            length=None if previous_total is None else PERIODS[period],
            shows_messages=shows_messages,
        ),
        new=_some(bugs.filter(created__gte=since), "-number"),
        regressed=_some(
            bugs.open_or_in_progress().filter(regressed_at__gte=since), "-regressed_at"
        ),
        resolved=_some(
            bugs.filter(status=KnownBug.Status.RESOLVED, resolved_at__gte=since),
            "-resolved_at",
        ),
        dead_links=dead_links(environment, since, number=LISTED),
        releases=_releases(since),
        running=running,
        **_in_release(running, bugs),
        unfiled=_unfiled(environment),
        waiting=waiting_bugs(environment),
        suppressed=_suppressed(environment, since),
        is_empty=not by_kind
        and not any(by_severity.values())
        and not ErrorGroup.objects.filter(environment=environment).exists(),
    )


def _by_kind(buckets: Sequence[Bucket]) -> dict[str, int]:
    """Return how often each kind of error was seen, in the order of the kinds."""
    counts = Counter[str]()
    for bucket in buckets:
        counts.update(bucket.counts)
    return {kind: counts[kind] for kind in ErrorLog.ErrorType.values if counts[kind]}


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


def _previous_total(environment: str, since: dt.datetime, period: str) -> int | None:
    """Return the total of the period before; None if nothing was stored then."""
    before = HourlyTotal.objects.filter(
        hour__gte=since - PERIODS[period], hour__lt=since, environment=environment
    )
    total: int | None = before.aggregate(seen=Sum("count"))["seen"]
    return total


def _environments(environment: str) -> list[str]:
    return sorted({*values_of_late("environment", PERIODS["30d"]), environment})


def _by_severity(bugs: KnownBugQuerySet) -> dict[str, int]:
    counted = bugs.open_or_in_progress().order_by().values_list("severity")
    found = dict(counted.annotate(count=Count("pk")))
    return {name: found.get(name, 0) for name in KnownBug.Severity.values}


def _some(bugs: KnownBugQuerySet, order: str) -> SomeBugs:
    return SomeBugs(list(bugs.order_by(order, "-pk")[:LISTED]), bugs.count())


def _running_release() -> Release | None:
    version = conf.get_settings().release
    return Release.objects.filter(version=version).first() if version else None


def _in_release(release: Release | None, bugs: KnownBugQuerySet) -> dict[str, Any]:
    """Return how many bugs are new in *release*, and how many regressed since it runs."""
    if release is None:
        return {"new_in_release": 0, "regressed_in_release": 0}
    open_ones = Q(status__in=(KnownBug.Status.OPEN, KnownBug.Status.IN_PROGRESS))
    regressed = open_ones & Q(regressed_at__gte=release.first_seen)
    return bugs.aggregate(
        new_in_release=Count("pk", filter=Q(first_release=release.version)),
        regressed_in_release=Count("pk", filter=regressed),
    )


def _releases(since: dt.datetime) -> list[Release]:
    began = Release.objects.filter(first_seen__gte=since)
    # The latest ones, where a site deploys more often than a chart can show.
    return list(began.order_by("-first_seen")[:MOST_RELEASES])[::-1]


def _lists_of_bugs(
    environment: str,
    since: dt.datetime,
    now: dt.datetime,
    *,
    length: dt.timedelta | None,
    shows_messages: bool,
) -> dict[str, Any]:
    """
    Return the bugs that need somebody, those seen most, and the routes that fail.

    Args:
        environment: Which environment.
        since: When the period begins.
        now: When it ends.
        length: Of the period before, with which counts are compared; None if nothing
            was stored then.
        shows_messages: Whether the values in messages may be seen.

    """
    groups = frequent.groups_seen(environment, since)
    counts, counted = frequent.most_frequent_bugs(groups, since, now, number=TOP_BUGS)
    needs, needs_count = attention.needs(environment, now)
    shown = needs[: attention.SHOWN]
    bugs = KnownBug.all_objects.in_bulk(counts)
    bugs |= {need.bug.pk: need.bug for need in shown}
    details = _details_of(bugs, since, now, shows_messages=shows_messages)
    rows = []
    for need in shown:
        row = details.row(need.bug, counts.get(need.bug.pk, 0))
        reasons = attention.reasons_of(need, row.people, now)
        rows.append(dataclasses.replace(row, reasons=tuple(reasons)))
    top_bugs = [
        details.row(bugs[pk], count) for pk, count in counts.items() if pk in bugs
    ]
    if length is not None:
        before = frequent.counts_before(counts, since, length)
        top_bugs = [
            dataclasses.replace(row, previous_count=before.get(row.bug.pk, 0))
            for row in top_bugs
        ]
    return {
        "needs": rows,
        "needs_count": needs_count,
        "top_bugs": top_bugs,
        "routes": frequent.routes_failing(groups, counted, number=LISTED),
    }


@dataclasses.dataclass(frozen=True, slots=True)
class _Details:
    """What rows show besides the bug, by its primary key."""

    people: dict[int, int]
    sparks: dict[int, list[int]]
    headlines: dict[int, str]
    routes: dict[int, str]
    names: dict[Any, str]

    def row(self, bug: KnownBug, count: int) -> BugRow:
        """Return the row of *bug*."""
        return BugRow(
            bug=bug,
            headline=self.headlines.get(bug.pk) or bug.title,
            route=self.routes.get(bug.pk, ""),
            count=count,
            people=self.people.get(bug.pk, 0),
            who=self.names.get(bug.assignee_id, ""),
            spark=self.sparks.get(bug.pk, ()),
        )


def _details_of(
    bugs: Mapping[int, KnownBug],
    since: dt.datetime,
    now: dt.datetime,
    *,
    shows_messages: bool,
) -> _Details:
    met_since = max(since, now - dt.timedelta(days=frequent.PEOPLE_DAYS))
    groups = ErrorGroup.objects.filter(bug__in=list(bugs)).order_by("times_seen", "-pk")
    headlines = {}
    routes = {}
    # The most frequent group of a bug comes last, and stays.
    for group in groups:
        if group.bug_id is not None:
            headlines[group.bug_id] = _headline(group, shows_messages=shows_messages)
            routes[group.bug_id] = group.route
    return _Details(
        people=frequent.people_of(bugs.keys(), met_since),
        sparks=frequent.sparks_of(bugs.keys(), now),
        headlines=headlines,
        routes=routes,
        names=_names_of(bugs.values()),
    )


def _names_of(bugs: Iterable[KnownBug]) -> dict[Any, str]:
    """Return the names of the assignees, who may be in another database, or gone."""
    keys = {bug.assignee_id for bug in bugs if bug.assignee_id is not None}
    if not keys:
        return {}
    users: Any = get_user_model()._default_manager
    return {user.pk: str(user) for user in users.filter(pk__in=keys)}


def _headline(group: ErrorGroup, *, shows_messages: bool) -> str:
    """Return what went wrong; without its values for whoever may not see them."""
    if shows_messages:
        return group.message
    return group.message_pattern


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
