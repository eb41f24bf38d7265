"""
What needs somebody: bugs that came back, are new or far more frequent than usual.

Each with its reasons in words. Bugs that somebody works on need nobody, unless they are
far more frequent than usual.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from error_tracking import conf
from error_tracking.models import HourlyCount, KnownBug
from error_tracking.utils import hour_of

from .relative_time import age_text

#: Rows that fit on the first screen.
SHOWN = 8
# More are not weighed against each other: people work on the first ones.
WEIGHED = 100
NEW_FOR = dt.timedelta(hours=24)
REGRESSED_FOR = dt.timedelta(days=7)
# A reason outweighs a severity of the next lower reason, but not two of them.
WEIGHTS = {"spiking": 100, "regressed": 60, "new": 40, "critical": 30}
SEVERITIES = {"critical": 50, "high": 20, "medium": 5, "low": 0}


@dataclasses.dataclass(frozen=True, slots=True)
class Spike:
    """How often a bug happened in an hour, and how often it usually does."""

    count: int
    usual: float


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """A bug that needs somebody, and the kinds of its reasons (keys of ``WEIGHTS``)."""

    bug: KnownBug
    kinds: tuple[str, ...]
    spike: Spike | None

    @property
    def weight(self) -> int:
        """How urgent it is, compared with others."""
        weights = [WEIGHTS[kind] for kind in self.kinds]
        return sum(weights) + SEVERITIES.get(self.bug.severity, 0)


def needs(environment: str, now: dt.datetime) -> tuple[list[Need], int]:
    """
    Return the bugs of *environment* that need somebody.

    Returns:
        The most urgent ones first, ``WEIGHED`` at most; and how many there are.

    """
    spikes = _spikes(environment, now)
    bugs = KnownBug.objects.filter(environment=environment)
    chosen = bugs.filter(_condition(now, spikes))
    found = []
    for bug in chosen.order_by("-last_occurrence", "-pk")[:WEIGHED]:
        spike = spikes.get(bug.pk)
        found.append(Need(bug, _kinds(bug, spike, now), spike))
    count = len(found)
    if count == WEIGHED:
        count = chosen.count()
    # Sorting is stable: of two that weigh the same, the latest comes first.
    return sorted(found, key=lambda need: -need.weight), count


def condition(environment: str, now: dt.datetime) -> Q:
    """Return the condition for the bugs of *environment* that need somebody."""
    return _condition(now, _spikes(environment, now)) & Q(environment=environment)


def _condition(now: dt.datetime, spiking: Collection[int]) -> Q:
    """Return the condition for bugs that have one of the kinds that :func:`_kinds` finds."""
    status = KnownBug.Status
    is_new = Q(created__gte=now - NEW_FOR)
    release = conf.get_settings().release
    if release:
        is_new |= Q(first_release=release)
    is_critical = Q(severity=KnownBug.Severity.CRITICAL)
    waits_for_somebody = Q(assignee=None) & (is_new | is_critical)
    is_regressed = Q(regressed_at__gte=now - REGRESSED_FOR)
    waits = Q(status=status.OPEN) & (is_regressed | waits_for_somebody)
    in_work = Q(status__in=(status.OPEN, status.IN_PROGRESS))
    spikes = in_work & Q(pk__in=list(spiking))
    return Q(is_deleted=False) & (waits | spikes)


def _spikes(environment: str, now: dt.datetime) -> dict[int, Spike]:
    """Return the bugs that spike, also those of the hour before: it may just have ended."""
    this_hour = hour_of(now)
    spikes: dict[int, Spike] = {}
    for hour in (this_hour, this_hour - dt.timedelta(hours=1)):
        for group, count, usual in HourlyCount.objects.spiking(environment, hour):
            if group.bug_id is None:
                continue
            known = spikes.get(group.bug_id)
            if known is None or count > known.count:
                spikes[group.bug_id] = Spike(count, usual)
    return spikes


def _kinds(bug: KnownBug, spike: Spike | None, now: dt.datetime) -> tuple[str, ...]:
    is_open = bug.status == KnownBug.Status.OPEN
    regressed_at = bug.regressed_at
    is_regressed = regressed_at is not None and regressed_at >= now - REGRESSED_FOR
    waits_for_somebody = is_open and bug.assignee_id is None
    is_new = bug.created >= now - NEW_FOR or _is_of_running_release(bug)
    kinds = []
    if spike is not None:
        kinds.append("spiking")
    if is_open and is_regressed:
        kinds.append("regressed")
    # One that came back is known already, also if it was found this morning.
    if waits_for_somebody and is_new and not is_regressed:
        kinds.append("new")
    if waits_for_somebody and bug.severity == KnownBug.Severity.CRITICAL:
        kinds.append("critical")
    return tuple(kinds)


def _is_of_running_release(bug: KnownBug) -> bool:
    release = conf.get_settings().release
    return bool(release) and bug.first_release == release


def reasons_of(need: Need, people: int, now: dt.datetime) -> list[str]:
    """Return why *need* is one, in words; the most urgent reason first."""
    bug = need.bug
    texts = []
    if need.spike is not None:
        usual = max(1, round(need.spike.usual))
        values = {"count": f"{need.spike.count:,}", "usual": f"{usual:,}"}
        texts.append(_("%(count)s times in an hour, usually %(usual)s") % values)
    if "regressed" in need.kinds and bug.regressed_at is not None:
        span = age_text(bug.regressed_at, now)
        texts.append(_("Regressed %(time)s ago") % {"time": span})
    if "new" in need.kinds:
        texts.append(_new_text(bug, now))
    if "critical" in need.kinds:
        span = age_text(bug.created, now)
        texts.append(_("Unassigned for %(time)s") % {"time": span})
    if people > 1:
        met = ngettext("%(count)s person", "%(count)s people", people)
        texts.append(met % {"count": f"{people:,}"})
    return texts


def _new_text(bug: KnownBug, now: dt.datetime) -> str:
    if _is_of_running_release(bug):
        values = {"release": bug.first_release}
        return _("New in %(release)s, which runs now") % values
    return _("New %(time)s ago") % {"time": age_text(bug.created, now)}
