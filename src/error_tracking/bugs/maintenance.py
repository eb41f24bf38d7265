"""
What time and numbers change about a bug: muting that ends, milestones, severity.

Each change is a condition on rows that every round checks again, so nothing is lost if
a process ends in the middle.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Count, F
from django.utils import timezone

from error_tracking import conf
from error_tracking.models import Activity, GroupClient, KnownBug
from error_tracking.models.known_bug import KnownBugQuerySet, next_milestone

# A round is short, and the next one follows within a minute.
MILESTONES_PER_ROUND = 100
# Only what happens now can have met more people than in the round before.
RECENT = dt.timedelta(hours=2)
# As many as a site with a thousand visitors a day has at its best hour.
MANY_USERS = 100
_RAISED: dict[str, str] = {
    KnownBug.Severity.LOW: KnownBug.Severity.MEDIUM,
    KnownBug.Severity.MEDIUM: KnownBug.Severity.HIGH,
    KnownBug.Severity.HIGH: KnownBug.Severity.CRITICAL,
}


def run() -> None:
    """Check every condition once."""
    bugs = KnownBug.objects.filter(environment=conf.get_settings().environment)
    bugs.unmute_expired()
    _record_milestones(bugs)
    _raise_severities(bugs)


def _record_milestones(bugs: KnownBugQuerySet) -> None:
    """Record which bugs have reached the next power of ten of occurrences."""
    reached = bugs.unresolved().filter(occurrence_count__gte=F("next_milestone"))
    for bug in reached.order_by("pk")[:MILESTONES_PER_ROUND]:
        upcoming = next_milestone(bug.occurrence_count)
        # On condition that no other process has recorded it meanwhile.
        row = KnownBug.all_objects.filter(pk=bug.pk, next_milestone=bug.next_milestone)
        row.record_activity(
            Activity.Verb.MILESTONE,
            text=f"{upcoming // 10} occurrences",
            next_milestone=upcoming,
        )


def _raise_severities(bugs: KnownBugQuerySet) -> None:
    """
    Raise the severity of each bug that many people meet, by one and once.

    What a person has set stays.
    """
    candidates = bugs.unresolved().filter(
        has_manual_severity=False,
        is_worsened=False,
        occurrence_count__gte=MANY_USERS,
        last_occurrence__gte=timezone.now() - RECENT,
    )
    for pk, severity, users in _met_by_many(candidates):
        if severity not in _RAISED:
            continue
        raised = _RAISED[severity]
        row = KnownBug.all_objects.filter(pk=pk, severity=severity, is_worsened=False)
        row.record_activity(
            Activity.Verb.EDITED,
            text=f"severity {raised}: {users} users or addresses met it today",
            severity=raised,
            is_worsened=True,
        )


def _met_by_many(bugs: KnownBugQuerySet) -> list[tuple[Any, str, int]]:
    """Return primary key, severity and number of today's clients of those with many."""
    today = timezone.now().date()
    clients = GroupClient.objects.filter(group__bug__in=bugs, day=today).order_by()
    counted = clients.values("group__bug").annotate(users=Count("hash", distinct=True))
    many = counted.filter(users__gte=MANY_USERS)
    rows = many.values_list("group__bug", "group__bug__severity", "users")
    return list(rows)
