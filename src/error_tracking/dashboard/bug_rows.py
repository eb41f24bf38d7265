"""
The bugs that the dashboard shows as rows: those that need somebody, and those seen most.

Finds them, and reads for all rows at once what a row shows besides the bug.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth import get_user_model

from error_tracking.models import ErrorGroup, KnownBug

from . import attention, frequent
from .trend import Trend, trend_of

# What fits on a screen; the admin lists the rest.
TOP_BUGS = 10
TOP_ROUTES = 10
# As many as are stored per group and day.
CLIENTS_SHOWN = 1_000


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
class BugLists:
    """
    The lists of bugs on the dashboard that are rows.

    Attributes:
        needs: The most urgent ones of those that need somebody.
        needs_count: How many need somebody.
        top_bugs: Those seen most in the period, the most frequent one first.
        routes: Routes with the most errors in the period, and how many.

    """

    needs: Sequence[BugRow]
    needs_count: int
    top_bugs: Sequence[BugRow]
    routes: Sequence[tuple[str, int]]


def bug_lists(
    environment: str,
    since: dt.datetime,
    now: dt.datetime,
    *,
    length: dt.timedelta | None,
    shows_messages: bool,
) -> BugLists:
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
    urgent = needs[: attention.SHOWN]
    bugs = KnownBug.all_objects.in_bulk(counts)
    bugs |= {need.bug.pk: need.bug for need in urgent}
    details = _details_of(bugs, since, now, shows_messages=shows_messages)
    before: Mapping[int, int] | None = None
    if length is not None:
        before = frequent.counts_before(counts, since, length)
    return BugLists(
        needs=[_need_row(need, details, counts, now) for need in urgent],
        needs_count=needs_count,
        top_bugs=_top_rows(bugs, details, counts, before),
        routes=frequent.routes_failing(groups, counted, number=TOP_ROUTES),
    )


def _need_row(
    need: attention.Need, details: _Details, counts: Mapping[int, int], now: dt.datetime
) -> BugRow:
    row = details.row(need.bug, counts.get(need.bug.pk, 0))
    reasons = attention.reasons_of(need, row.people, now)
    return dataclasses.replace(row, reasons=tuple(reasons))


def _top_rows(
    bugs: Mapping[int, KnownBug],
    details: _Details,
    counts: Mapping[int, int],
    before: Mapping[int, int] | None,
) -> list[BugRow]:
    """Return the rows of *counts*; *before* are those of the period before, if known."""
    rows = []
    for pk, count in counts.items():
        if pk not in bugs:
            # Deleted from the table since it was counted.
            continue
        row = details.row(bugs[pk], count)
        if before is not None:
            row = dataclasses.replace(row, previous_count=before.get(pk, 0))
        rows.append(row)
    return rows


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
    assignees = {bug.assignee_id for bug in bugs.values() if bug.assignee_id}
    return _Details(
        people=frequent.people_of(bugs.keys(), met_since),
        sparks=frequent.sparks_of(bugs.keys(), now),
        headlines=headlines,
        routes=routes,
        names=names_of_users(assignees),
    )


def names_of_users(keys: Iterable[Any]) -> dict[Any, str]:
    """Return the names of users by primary key; they may be in another database, or gone."""
    users: Any = get_user_model()._default_manager
    return {pk: str(user) for pk, user in users.in_bulk(list(keys)).items()}


def _headline(group: ErrorGroup, *, shows_messages: bool) -> str:
    """Return what went wrong; without its values for whoever may not see them."""
    if shows_messages:
        return group.message
    return group.message_pattern
