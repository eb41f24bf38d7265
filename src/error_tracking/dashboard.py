"""
What breaks, how often and since when: numbers from groups and counts.

Reads groups, hourly counts, bugs and the outbox; never scans error logs.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Sum
from django.utils import timezone

from . import conf
from .models import ErrorGroup, ErrorLog, Filing, GroupClient, HourlyCount, HourlyTotal, KnownBug
from .utils import hour_of

PERIODS: dict[str, dt.timedelta] = {
    "24h": dt.timedelta(hours=24),
    "7d": dt.timedelta(days=7),
    "30d": dt.timedelta(days=30),
}
DEFAULT_PERIOD = "24h"
TOP_GROUPS = 10
LISTED = 10
CLIENTS_SHOWN = 1_000


@dataclasses.dataclass(frozen=True, slots=True)
class Bucket:
    """One bar of the chart: when it starts and how often each kind was seen in it."""

    start: dt.datetime
    counts: dict[str, int]

    @property
    def total(self) -> int:
        """Return the sum over all kinds."""
        return sum(self.counts.values())


@dataclasses.dataclass(frozen=True, slots=True)
class TopGroup:
    """One of the groups seen most in the period; ``clients`` is those of the period's days."""

    group: ErrorGroup
    count: int
    clients: int

    @property
    def clients_label(self) -> str:
        """Return how many clients met it; what is stored per day is bounded."""
        return f"{CLIENTS_SHOWN:,}+" if self.clients >= CLIENTS_SHOWN else str(self.clients)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """
    All numbers of one look at one environment.

    ``unfiled`` has state, tracker, reason and number of what is not filed and says
    why not; ``is_empty`` is true where nothing was ever seen.
    """

    period: str
    environment: str
    environments: Sequence[str]
    total: int
    by_kind: dict[str, int]
    buckets: Sequence[Bucket]
    open_bugs: int
    by_severity: dict[str, int]
    top_groups: Sequence[TopGroup]
    new_bugs: Sequence[KnownBug]
    new_bugs_count: int
    regressions: Sequence[KnownBug]
    regressions_count: int
    unfiled: Sequence[tuple[str, str, str, int]]
    held_back: Sequence[ErrorGroup]
    is_empty: bool

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as plain data for a script."""
        return {
            **{name: getattr(self, name) for name in ("period", "environment", "total", "by_kind", "open_bugs")},
            "open_bugs_by_severity": self.by_severity,
            "buckets": [{"start": bucket.start.isoformat(), "counts": bucket.counts} for bucket in self.buckets],
            "top_groups": [
                {
                    "title": top.group.title,
                    "fingerprint": top.group.fingerprint,
                    "bug": top.group.bug.bug_id if top.group.bug else None,
                    "count": top.count,
                    "clients": top.clients,
                }
                for top in self.top_groups
            ],
            "new_bugs": [bug.bug_id for bug in self.new_bugs],
            "regressions": [bug.bug_id for bug in self.regressions],
        }


def look(period: str = DEFAULT_PERIOD, environment: str = "", *, now: dt.datetime | None = None) -> Dashboard:
    """
    Return the numbers of the *period* that ends *now*.

    Args:
        period: A key of ``PERIODS``; any other text means the default.

        environment: Which environment; by default this process's own.

        now: The end, by default the present.
    """
    period = period if period in PERIODS else DEFAULT_PERIOD
    environment = environment or conf.get_settings().environment
    now = now or timezone.now()
    since = hour_of(now - PERIODS[period]) + dt.timedelta(hours=1)
    totals = HourlyTotal.objects.filter(hour__gte=since, hour__lte=now, environment=environment)
    rows = list(totals.values_list("hour", "error_type").annotate(seen=Sum("count")))
    by_kind = Counter[str]()
    for _, kind, seen in rows:
        by_kind[kind] += seen
    bugs = KnownBug.objects.filter(environment=environment)
    to_mend = bugs.open().exclude(status=KnownBug.Status.MUTED)
    by_severity = dict(to_mend.values_list("severity").annotate(count=Count("pk")).order_by())
    new_bugs = bugs.filter(created__gte=since)
    regressions = to_mend.filter(regressed_at__gte=since)
    return Dashboard(
        period=period,
        environment=environment,
        environments=sorted({*values_of_late("environment", PERIODS["30d"]), environment}),
        total=by_kind.total(),
        by_kind={kind: by_kind[kind] for kind in ErrorLog.ErrorType.values if by_kind[kind]},
        buckets=_buckets(rows, since, now, is_daily=period != "24h"),
        open_bugs=sum(by_severity.values()),
        by_severity={severity: by_severity.get(severity, 0) for severity in KnownBug.Severity.values},
        top_groups=_top_groups(environment, since),
        new_bugs=list(new_bugs.order_by("-number")[:LISTED]),
        new_bugs_count=new_bugs.count(),
        regressions=list(regressions.order_by("-regressed_at")[:LISTED]),
        regressions_count=regressions.count(),
        unfiled=_unfiled(environment),
        held_back=_held_back(environment, since),
        is_empty=not rows and not by_severity and not ErrorGroup.objects.filter(environment=environment).exists(),
    )


def error_stats(environment: str = "") -> dict[str, Any]:
    """Return the few numbers above the list of error logs: the last day and week, and the open bugs."""
    environment = environment or conf.get_settings().environment
    now = timezone.now()
    totals = HourlyTotal.objects.filter(environment=environment)
    day = totals.filter(hour__gt=now - PERIODS["24h"])
    by_kind = dict(day.values_list("error_type").annotate(seen=Sum("count")).order_by())
    return {
        "environment": environment,
        "last_24_hours": sum(by_kind.values()),
        "by_kind": by_kind,
        "last_7_days": totals.filter(hour__gt=now - PERIODS["7d"]).aggregate(seen=Sum("count", default=0))["seen"],
        "open_bugs": KnownBug.objects.filter(environment=environment, status__in=("open", "in_progress")).count(),
    }


def values_of_late(column: str, period: dt.timedelta) -> list[Any]:
    """Return the values that a *column* of ``HourlyTotal`` has had in the *period*, in their order."""
    rows = HourlyTotal.objects.filter(hour__gte=timezone.now() - period).order_by(column)
    return list(rows.values_list(column, flat=True).distinct())


def _buckets(
    rows: Sequence[tuple[dt.datetime, str, int]], since: dt.datetime, now: dt.datetime, *, is_daily: bool
) -> list[Bucket]:
    """Return every hour, or every day of the viewer's time zone, of the period: also those without an error."""
    counts: dict[dt.datetime, Counter[str]] = {}
    moment = since
    while moment <= now:
        counts.setdefault(_start_of(moment, is_daily=is_daily), Counter())
        moment += dt.timedelta(hours=1)
    for hour, kind, seen in rows:
        counts.setdefault(_start_of(hour, is_daily=is_daily), Counter())[kind] += seen
    return [Bucket(start, dict(counts[start])) for start in sorted(counts)]


def _start_of(moment: dt.datetime, *, is_daily: bool) -> dt.datetime:
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return hour_of(local).replace(hour=0) if is_daily else hour_of(local)


def _top_groups(environment: str, since: dt.datetime) -> list[TopGroup]:
    counted = HourlyCount.objects.filter(hour__gte=since, group__environment=environment)
    rows = dict(counted.values_list("group").annotate(seen=Sum("count")).order_by("-seen", "group")[:TOP_GROUPS])
    groups = ErrorGroup.objects.select_related("bug").in_bulk(rows)
    met = GroupClient.objects.filter(group__in=rows, day__gte=since.date()).order_by()
    clients = dict(met.values_list("group").annotate(count=Count("hash", distinct=True)))
    return [TopGroup(groups[pk], seen, clients.get(pk, 0)) for pk, seen in rows.items() if pk in groups]


def _unfiled(environment: str) -> list[tuple[str, str, str, int]]:
    rows = Filing.objects.wanted(environment).unfinished()
    return [row for row in rows if row[2] or row[0] == Filing.State.FAILED][:LISTED]


def _held_back(environment: str, since: dt.datetime) -> list[ErrorGroup]:
    groups = ErrorGroup.objects.filter(environment=environment, bug=None, last_seen__gte=since)
    return list(groups.exclude(verdict_reason="").order_by("-times_seen")[:LISTED])
