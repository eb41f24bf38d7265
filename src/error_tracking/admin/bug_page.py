"""
What the page of a bug answers: what broke, since when, for whom, where, with what.

The pages of an error group and of an error log are the same without what only a bug
has. Reads groups and counts and at most the latest 500 error logs, in a number of
queries that does not grow with the data.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db.models import Count, Q, Sum
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from error_tracking import conf
from error_tracking.dashboard.relative_time import age_text, ago_text
from error_tracking.dashboard.trend import Trend, trend_of
from error_tracking.events.message_pattern import message_pattern
from error_tracking.models import (
    Activity,
    ErrorGroup,
    ErrorLog,
    GroupClient,
    HourlyCount,
    KnownBug,
    PullRequest,
    Release,
)
from error_tracking.report import links
from error_tracking.utils import hour_of

from . import evidence
from .base import is_web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from django.db.models import QuerySet

#: How many of the latest error logs the shares are taken from: enough for whole per cents.
SAMPLE_LOGS = 500
SHARES_SHOWN = 4
PEOPLE_SHOWN = 5
HISTORY_SHOWN = 50
LINKS_SHOWN = 10
NOT_FOUND = 404
GROUPS_SHOWN = 20
PULL_REQUESTS_SHOWN = 10
HOURS_SHOWN = 24
# Nobody steps further; behind a reference may be the oldest of 50,000.
POSITIONS_COUNTED = 1_000
DAYS_SHOWN = 30


@dataclasses.dataclass(frozen=True, slots=True)
class Badge:
    """A short word beside the bug's name; *kind* chooses its colour."""

    text: str
    kind: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Fact:
    """One of the facts at the top of the page: a label, the answer, and a note under it."""

    label: str
    value: str
    note: str = ""
    url: str = ""
    trend: Trend | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """How much of the sample has one value."""

    label: str
    percent: int


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """One bar of a chart: its share of the highest one, and what it stands for."""

    label: str
    count: int
    percent: int
    releases: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        """Return the height of the bar, in a chart that is 300 high."""
        return self.percent * 3

    @property
    def top(self) -> int:
        """Return where the bar begins."""
        return 300 - self.height


@dataclasses.dataclass(frozen=True, slots=True)
class Occurrence:
    """
    The occurrence that is shown, and its neighbours.

    Attributes:
        position: Which one it is of those that are kept, the latest being 1; None
            beyond the first thousand.

    """

    log: ErrorLog
    position: int | None
    message: str
    location: str
    location_url: str
    exceptions: list[evidence.ExceptionView]
    request: evidence.RequestView | None
    breadcrumbs: list[evidence.Crumb]
    tags: list[tuple[str, str]]
    work: str
    details: list[tuple[str, str]]
    newer: str
    older: str


@dataclasses.dataclass(frozen=True, slots=True)
class DeadLink:
    """An address that does not exist, the page that links to it, and how often."""

    address: str
    referrer: str
    count: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BugPage:
    """
    What the template shows.

    Attributes:
        bug: The bug; None on the page of what is not one.
        group: The group, where the page is not that of a bug.
        name: What stands before the badges.
        own_title: The title of the bug, where a person has given it one.
        notes: What must not be overlooked, one sentence each: that it regressed, or
            that it is still seen though it is resolved.
        twins: The bugs of the same error in other environments, with these.
        history: The latest activities; equal ones that follow each other are one, with
            their number.
        why_no_bug: Why the gate holds the group back.

    """

    bug: KnownBug | None
    group: ErrorGroup | None
    name: str
    own_title: str
    notes: list[str]
    twins: list[tuple[str, KnownBug]]
    why_no_bug: str
    message: str
    location: str
    location_url: str
    route: str
    badges: list[Badge]
    facts: list[Fact]
    pull_requests: list[PullRequest]
    occurrence: Occurrence | None
    kept: int
    hours: list[Point]
    days: list[Point]
    shares: list[tuple[str, list[Share]]]
    sample: int
    people: list[tuple[str, str, int]]
    history: list[tuple[Activity, int]]
    groups: list[tuple[ErrorGroup, int]]
    grouping: str
    dead_links: list[DeadLink]
    visitor_words: str
    shows_request: bool

    @property
    def busiest_hour(self) -> int:
        """Return the count of the highest bar of the last hours."""
        return max(point.count for point in self.hours)

    @property
    def busiest_day(self) -> int:
        """Return the count of the highest bar of the last days."""
        return max(point.count for point in self.days)


def bug_page_for(bug: KnownBug, *, reference: str, shows_request: bool) -> BugPage:
    """
    Return what the page of *bug* shows.

    Args:
        bug: The bug.
        reference: The occurrence to show; the latest one where it is not of this bug.
        shows_request: Whether request data, variables and people may be seen.
    """
    groups = list(bug.groups.order_by("-last_seen")[:GROUPS_SHOWN])
    keys = [group.pk for group in groups]
    occurrence = _occurrence(
        keys, _log_with(keys, reference), _step_on_page, shows_request=shows_request
    )
    total = max(bug.occurrence_count, 1)
    activities = list(bug.activities.order_by("-pk")[:HISTORY_SHOWN])
    by_count = sorted(groups, key=lambda group: -group.times_seen)
    return _page(
        groups,
        occurrence,
        shows_request=shows_request,
        bug=bug,
        name=bug.bug_id,
        title=bug.title,
        own_title=_own_title(bug, groups),
        notes=_notes(bug, activities),
        twins=_twins(bug, groups),
        badges=_badges(bug),
        facts=_facts(bug, groups),
        pull_requests=_pull_requests(bug),
        history=_without_repetitions(activities),
        groups=[(each, round(each.times_seen * 100 / total)) for each in by_count],
        visitor_words=_visitor_words(bug),
    )


def group_page_for(
    group: ErrorGroup, *, reference: str, shows_request: bool
) -> BugPage:
    """Return what the page of *group* shows; the arguments are those of a bug's page."""
    keys = [group.pk]
    occurrence = _occurrence(
        keys, _log_with(keys, reference), _step_on_page, shows_request=shows_request
    )
    return _page_of_group(group, occurrence, _("Error group"), shows_request)


def log_page_for(
    log: ErrorLog, *, address: Callable[[int], str], shows_request: bool
) -> BugPage:
    """
    Return what the page of *log* shows: its group, with this occurrence.

    Args:
        log: The error log.
        address: Returns the address of the page of another one, from its primary key.
        shows_request: Whether request data, variables and people may be seen.

    """
    occurrence = _occurrence(
        [log.group_id],
        log,
        lambda pk, _reference: address(pk),
        shows_request=shows_request,
    )
    return _page_of_group(log.group, occurrence, log.reference, shows_request)


def _page_of_group(
    group: ErrorGroup, occurrence: Occurrence | None, name: str, shows_request: bool
) -> BugPage:
    return _page(
        [group],
        occurrence,
        shows_request=shows_request,
        group=group,
        name=name,
        title=group.title,
        badges=_badges_of_group(group),
        facts=_facts_of_group(group),
        why_no_bug=why_no_bug(group),
    )


def _page(
    own_groups: list[ErrorGroup],
    occurrence: Occurrence | None,
    *,
    shows_request: bool,
    title: str,
    **values: Any,
) -> BugPage:
    """Return a page with the evidence of *own_groups*, and *values* besides."""
    keys = [group.pk for group in own_groups]
    logs = ErrorLog.objects.filter(group__in=keys)
    start_of_days = _first_day_shown()
    counts = _counts_since(keys, start_of_days)
    sample = _sample(keys, counts)
    latest = own_groups[0] if own_groups else None
    location = latest.culprit if latest else ""
    location_url = ""
    route = latest.route if latest else ""
    message = title
    if occurrence is not None:
        message = occurrence.message
        location = occurrence.location or location
        location_url = occurrence.location_url
        route = f"{occurrence.log.method} {occurrence.log.url_pattern}".strip() or route
    rest: dict[str, Any] = {
        "bug": None,
        "group": None,
        "own_title": "",
        "notes": [],
        "twins": [],
        "why_no_bug": "",
        "history": [],
        "groups": [],
        "visitor_words": "",
        "pull_requests": [],
    }
    return BugPage(
        **{**rest, **values},
        message=message,
        location=location,
        location_url=location_url,
        route=route,
        occurrence=occurrence,
        kept=logs.count(),
        hours=_hours(counts),
        days=_days(counts, start_of_days),
        shares=_shares(sample),
        sample=len(sample),
        people=_people(sample) if shows_request else [],
        grouping=_grouping(latest) if latest else "",
        dead_links=_dead_links(own_groups, logs) if shows_request else [],
        shows_request=shows_request,
    )


def why_no_bug(group: ErrorGroup) -> str:
    """Return why the gate holds the group back, ``""`` where it has a bug."""
    if group.bug_id is not None:
        return ""
    if group.verdict_reason:
        return group.verdict_reason
    if group.environment != conf.get_settings().environment:
        text = _("a process of the environment “%s” decides")
        return text % group.environment
    return _("not decided yet")


def _grouping(group: ErrorGroup) -> str:
    """Return in one sentence what events have in common that are in *group*."""
    if group.error_type == ErrorLog.ErrorType.MESSAGE:
        text = _("Messages that differ in their values only: %s")
        return text % (group.message_pattern or group.title)
    if group.error_type == ErrorLog.ErrorType.EXCEPTION and group.culprit:
        text = _(
            "The same type of exception, raised by the same line of %s, called the same way."
        )
        return text % group.culprit
    if group.error_type == ErrorLog.ErrorType.EXCEPTION:
        return _("The same type of exception, raised in the same place of a library.")
    text = _("The same kind, status and route: %s")
    return text % f"{group.status_code or ''} {group.route}".strip()


def _dead_links(groups: Sequence[ErrorGroup], logs: Any) -> list[DeadLink]:
    """Return which addresses are missing, and the pages that link to them."""
    if not any(group.status_code == NOT_FOUND for group in groups):
        return []
    counter: Counter[tuple[str, str]] = Counter()
    rows = logs.order_by("-created", "-pk").values_list(
        "full_url", "request_data", "occurrences"
    )
    for url, data, occurrences in rows[:SAMPLE_LOGS]:
        headers = data.get("headers") if isinstance(data, dict) else None
        referrer = headers.get("Referer", "") if isinstance(headers, dict) else ""
        counter[url, str(referrer)] += occurrences
    return [
        DeadLink(address, referrer, count)
        for (address, referrer), count in counter.most_common(LINKS_SHOWN)
    ]


def _badges_of_group(group: ErrorGroup) -> list[Badge]:
    kinds = dict(ErrorLog.ErrorType.choices)
    badges = [Badge(str(kinds.get(group.error_type, group.error_type)))]
    if group.status_code:
        badges.append(Badge(str(group.status_code)))
    if group.environment:
        badges.append(Badge(group.environment))
    if group.verdict == ErrorGroup.Verdict.HIDDEN:
        badges.append(Badge(_("hidden"), "muted"))
    return badges


def _facts_of_group(group: ErrorGroup) -> list[Fact]:
    now = timezone.now()
    in_a_day, day_before, people = _seen_lately([group.pk], now)
    return [
        _seen(group.times_seen, in_a_day, day_before),
        Fact(_("People"), f"{people:,}", _("users or addresses, 30 days")),
        _since(group.first_seen, group.first_release, now),
        Fact(
            _("Last"), ago_text(group.last_seen, now), _in_release(group.last_release)
        ),
        Fact(_("Level"), group.level, _("handled") if group.handled else ""),
    ]


def _badges(bug: KnownBug) -> list[Badge]:
    badges = [
        Badge(_status(bug), bug.status),
        Badge(str(bug.get_severity_display()), bug.severity),
    ]
    running = conf.get_settings().release
    is_new_here = bool(running) and bug.first_release == running
    if is_new_here and not bug.is_regression:
        text = _("new in %(release)s, which runs now") % {"release": running}
        badges.append(Badge(text, "alert"))
    if bug.is_regression:
        badges.append(Badge(_("regressed"), "alert"))
    if bug.is_deleted:
        badges.append(Badge(_("deleted"), "muted"))
    if bug.merged_into_id is not None:
        badges.append(Badge(_("merged"), "muted"))
    if bug.environment:
        badges.append(Badge(bug.environment))
    return badges


def _status(bug: KnownBug) -> str:
    """Return the status; of a muted bug also until when it is muted."""
    status = str(bug.get_status_display())
    if bug.status != KnownBug.Status.MUTED:
        return status
    if bug.muted_until is not None:
        end = formats.date_format(_local(bug.muted_until), "SHORT_DATETIME_FORMAT")
        return _("%(status)s until %(time)s") % {"status": status, "time": end}
    if bug.muted_until_count is not None:
        more = max(bug.muted_until_count - bug.occurrence_count, 0)
        times = ngettext("for %(count)s more time", "for %(count)s more times", more)
        return f"{status} {times % {'count': f'{more:,}'}}"
    if bug.muted_until_people is not None:
        more = max(bug.muted_until_people - bug.count_people(), 0)
        people = ngettext(
            "for %(count)s more person", "for %(count)s more people", more
        )
        return f"{status} {people % {'count': f'{more:,}'}}"
    return status


def _own_title(bug: KnownBug, groups: Sequence[ErrorGroup]) -> str:
    """Return the title of *bug* if it is not that of one of its groups."""
    if not groups or any(group.title == bug.title for group in groups):
        return ""
    return bug.title


def _notes(bug: KnownBug, activities: Sequence[Activity]) -> list[str]:
    """Return how it regressed, or how often it was seen since it was resolved."""
    if bug.is_regression:
        return [_regression_text(bug, activities)]
    if bug.is_resolved and bug.resolved_at is not None:
        # Not the hour in which it was resolved: that has occurrences from before.
        counts = HourlyCount.objects.filter(
            group__bug=bug.pk, hour__gt=hour_of(bug.resolved_at)
        )
        seen = counts.aggregate(sum=Sum("count", default=0))["sum"]
        if seen:
            text = ngettext(
                "Seen %(count)s time since it was resolved, in older releases.",
                "Seen %(count)s times since it was resolved, in older releases.",
                seen,
            )
            return [text % {"count": f"{seen:,}"}]
    return []


def _regression_text(bug: KnownBug, activities: Sequence[Activity]) -> str:
    """Return when *bug* regressed, where, and who had resolved it in which release."""
    when = _("Regressed %(ago)s") % {"ago": ago_text(bug.regressed_at)}
    parts = [when]
    resolved = None
    for activity in activities:
        if activity.verb == Activity.Verb.REGRESSED and activity.text:
            parts[0] = f"{when} {activity.text}"
        if activity.verb == Activity.Verb.RESOLVED:
            resolved = activity
            break
    if resolved is not None:
        text = _("resolved %(ago)s") % {"ago": ago_text(resolved.created)}
        if resolved.by:
            names = {"ago": ago_text(resolved.created), "name": resolved.by}
            text = _("resolved %(ago)s by %(name)s") % names
        release = _in_release(bug.resolved_in_release)
        parts.append(f"{text} {release}".strip())
    return ", ".join(parts) + "."


def _twins(bug: KnownBug, groups: Sequence[ErrorGroup]) -> list[tuple[str, KnownBug]]:
    """Return the bugs of the same error in other environments, each once."""
    fingerprints = [group.fingerprint for group in groups]
    others = ErrorGroup.objects.filter(
        fingerprint__in=fingerprints, bug__is_deleted=False
    )
    others = others.exclude(environment=bug.environment).select_related("bug")
    twins = {}
    for group in others.order_by("environment", "pk")[:GROUPS_SHOWN]:
        if group.bug is not None:
            twins[group.bug.pk] = (group.environment, group.bug)
    return list(twins.values())


def _without_repetitions(activities: Iterable[Activity]) -> list[tuple[Activity, int]]:
    """Return *activities*; equal ones that follow each other once, with their number."""
    rows: list[tuple[Activity, int]] = []
    for activity in activities:
        if rows:
            last, times = rows[-1]
            is_same = (last.verb, last.by, last.text) == (
                activity.verb,
                activity.by,
                activity.text,
            )
            if is_same:
                rows[-1] = (last, times + 1)
                continue
        rows.append((activity, 1))
    return rows


def _facts(bug: KnownBug, groups: Sequence[ErrorGroup]) -> list[Fact]:
    now = timezone.now()
    # Of all groups, not only of those that the page lists.
    every_group = bug.groups.values_list("pk", flat=True)
    in_a_day, day_before, people = _seen_lately(every_group, now)
    last_release = groups[0].last_release if groups else ""
    who, who_note = _who(bug)
    filed = _("not filed")
    filed_note = _filing_note(bug)
    filed_url = bug.github_issue_url
    if bug.github_issue_number:
        filed = f"#{bug.github_issue_number}"
    elif bug.file_name:
        filed = _("bug file")
        filed_note = filed_note or bug.file_name
        filed_url = links.file_url(bug.file_name)
    return [
        _seen(bug.occurrence_count, in_a_day, day_before),
        Fact(_("People"), f"{people:,}", _("users or addresses, 30 days")),
        _since(bug.first_occurrence, bug.first_release, now),
        Fact(_("Last"), ago_text(bug.last_occurrence, now), _in_release(last_release)),
        Fact(_("Who"), who, who_note),
        Fact(_("Filed"), filed, filed_note, filed_url if is_web(filed_url) else ""),
    ]


def _pull_requests(bug: KnownBug) -> list[PullRequest]:
    """Return the pull requests that fix the bug, then those that mention it."""
    pull_requests = bug.pull_requests.order_by("-closes_issue", "-pk")
    found = list(pull_requests[:PULL_REQUESTS_SHOWN])
    return [each for each in found if is_web(each.url)]


def _seen_lately(groups: Iterable[int], now: dt.datetime) -> tuple[int, int, int]:
    """Return the occurrences of 24 hours and of those before, and the clients of 30 days."""
    day_ago = hour_of(now) - dt.timedelta(hours=23)
    two_days_ago = day_ago - dt.timedelta(hours=24)
    counts = HourlyCount.objects.filter(group__in=groups, hour__gte=two_days_ago)
    seen = counts.aggregate(
        in_a_day=Sum("count", filter=Q(hour__gte=day_ago), default=0),
        day_before=Sum("count", filter=Q(hour__lt=day_ago), default=0),
    )
    since = now.date() - dt.timedelta(days=DAYS_SHOWN - 1)
    clients = GroupClient.objects.filter(group__in=groups, day__gte=since)
    people = clients.aggregate(count=Count("hash", distinct=True))["count"]
    return seen["in_a_day"], seen["day_before"], people


def _seen(count: int, in_a_day: int, day_before: int) -> Fact:
    times = ngettext("%(count)s time", "%(count)s times", count)
    return Fact(
        _("Seen"),
        times % {"count": f"{count:,}"},
        _("%(count)s in 24 hours") % {"count": f"{in_a_day:,}"},
        trend=trend_of(in_a_day, day_before),
    )


def _since(moment: dt.datetime | None, release: str, now: dt.datetime) -> Fact:
    return Fact(_("Since"), age_text(moment, now), _in_release(release))


def _in_release(release: str) -> str:
    if not release:
        return ""
    return _("in %(release)s") % {"release": release}


def _who(bug: KnownBug) -> tuple[str, str]:
    """Return who works on the bug, here or on GitHub, and a note under it."""
    status = str(bug.get_status_display())
    on_github = bug.github_issue_assignees
    if bug.assignee_id is None:
        if on_github:
            where = _("on GitHub")
            return on_github, f"{status} · {where}"
        return _("nobody yet"), status
    who = str(bug.assignee) if _has_assignee(bug) else _("somebody who is gone")
    if on_github:
        others = _("on GitHub: %(people)s") % {"people": on_github}
        status = f"{status} · {others}"
    return who, status


def _has_assignee(bug: KnownBug) -> bool:
    """Return whether the user is still there: the key has no constraint."""
    users: Any = get_user_model()._default_manager
    return bool(users.filter(pk=bug.assignee_id).exists())


def _filing_note(bug: KnownBug) -> str:
    """Return the state of the filing that people ask about first: one that failed."""
    filings = list(bug.filings.order_by("tracker"))
    for filing in filings:
        if filing.reason:
            return f"{filing.tracker}: {filing.reason}"
    states = {str(filing.get_state_display()) for filing in filings}
    return ", ".join(sorted(states))


def _log_with(groups: Sequence[int], reference: str) -> ErrorLog | None:
    """Return the error log called *reference*, else the latest."""
    if reference:
        named = ErrorLog.objects.filter(group__in=groups, reference=reference)
        log = named.order_by("-created", "-pk").first()
        if log is not None:
            return log
    return ErrorLog.objects.first_of(groups, "-created", "-pk")


def _step_on_page(_pk: int, reference: str) -> str:
    return f"?occurrence={reference}"


def _occurrence(
    groups: Sequence[int],
    log: ErrorLog | None,
    address: Callable[[int, str], str],
    *,
    shows_request: bool,
) -> Occurrence | None:
    """
    Return the occurrence *log* of *groups*.

    Args:
        groups: The primary keys of the groups whose occurrences are stepped through.
        log: The one that is shown.
        address: Returns where another one is shown, from its key and reference.
        shows_request: Whether request data, variables and people may be seen.

    """
    if log is None:
        return None
    logs = ErrorLog.objects.all()
    # The first condition of each says nothing new, but an index begins with it.
    newer = Q(created__gte=log.created) & (
        Q(created__gt=log.created) | Q(pk__gt=log.pk)
    )
    older = Q(created__lte=log.created) & (
        Q(created__lt=log.created) | Q(pk__lt=log.pk)
    )
    message = evidence.message_of(log)
    if not shows_request:
        message = message_pattern(message)
    location, location_url = evidence.location_of(log)
    return Occurrence(
        log=log,
        position=_position(logs.filter(newer, group__in=groups)),
        message=message,
        location=location,
        location_url=location_url,
        exceptions=evidence.exceptions_of(log, shows_variables=shows_request),
        request=evidence.request_of(log) if shows_request else None,
        breadcrumbs=evidence.breadcrumbs_of(log) if shows_request else [],
        tags=evidence.tags_of(log) if shows_request else [],
        work=evidence.work_of(log) if shows_request else "",
        details=evidence.details_of(log),
        newer=_step(logs.filter(newer).first_of(groups, "created", "pk"), address),
        older=_step(logs.filter(older).first_of(groups, "-created", "-pk"), address),
    )


def _position(newer: QuerySet[ErrorLog]) -> int | None:
    """Return the position of the log that has the *newer* ones before it."""
    count = newer.order_by()[:POSITIONS_COUNTED].count()
    return count + 1 if count < POSITIONS_COUNTED else None


def _step(log: ErrorLog | None, address: Callable[[int, str], str]) -> str:
    return address(log.pk, log.reference) if log is not None else ""


def _sample(
    groups: Sequence[int], counts: dict[dt.datetime, int]
) -> list[dict[str, Any]]:
    """
    Return the latest error logs of *groups*.

    Args:
        groups: The primary keys of the groups.
        counts: Their occurrences per hour, which say how far back these reach.

    """
    names = (
        *("method", "url_pattern", "release", "environment", "user_agent"),
        *("server_name", "user_id", "user_label", "occurrences"),
    )
    logs = ErrorLog.objects.filter(group__in=groups)
    since = None
    seen = 0
    for hour in sorted(counts, reverse=True):
        seen += counts[hour]
        if seen >= SAMPLE_LOGS:
            since = hour
            break
    # An index has the order of one group; of several all rows would be sorted.
    if since is not None and len(groups) > 1:
        logs = logs.filter(created__gte=since)
    return list(logs.order_by("-created", "-pk").values(*names)[:SAMPLE_LOGS])


def _shares(sample: Sequence[dict[str, Any]]) -> list[tuple[str, list[Share]]]:
    """Return where it happens: per question the most frequent answers."""
    counters: dict[str, Counter[str]] = {
        _("Route"): Counter(),
        _("Release"): Counter(),
        _("Browser"): Counter(),
        _("Server"): Counter(),
    }
    routes, releases, browsers, servers = counters.values()
    for log in sample:
        weight = log["occurrences"]
        routes[f"{log['method']} {log['url_pattern']}".strip()] += weight
        releases[log["release"]] += weight
        browsers[evidence.browser_of(log["user_agent"])] += weight
        servers[log["server_name"]] += weight
    found = []
    for name, counter in counters.items():
        total = sum(counter.values())
        shares = [
            Share(label, round(count * 100 / total))
            for label, count in counter.most_common(SHARES_SHOWN)
            if label
        ]
        if shares:
            found.append((name, shares))
    return found


def _people(sample: Iterable[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """Return key, name and count of the users who met it most."""
    counter: Counter[tuple[str, str]] = Counter()
    for log in sample:
        if log["user_id"] is not None or log["user_label"]:
            counter[str(log["user_id"] or ""), log["user_label"]] += log["occurrences"]
    return [
        (key, label or key, count)
        for (key, label), count in counter.most_common(PEOPLE_SHOWN)
    ]


def _local(moment: dt.datetime) -> dt.datetime:
    """Return *moment* in the viewer's time zone; without USE_TZ all times are local."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


def _first_day_shown() -> dt.datetime:
    """Return when the first of the days that are shown began."""
    today = _local(timezone.now()).replace(hour=0, minute=0, second=0, microsecond=0)
    # Midnight, also where a clock was changed since.
    day = (today - dt.timedelta(days=DAYS_SHOWN - 1)).replace(tzinfo=None)
    return timezone.make_aware(day) if timezone.is_aware(today) else day


def _hours(counts: dict[dt.datetime, int]) -> list[Point]:
    """Return the last 24 hours, the current one last."""
    current = hour_of(timezone.now())
    first = current - dt.timedelta(hours=HOURS_SHOWN - 1)
    starts = [first + dt.timedelta(hours=number) for number in range(HOURS_SHOWN)]
    totals = [counts.get(start, 0) for start in starts]
    labels = [f"{_local(start):%H:%M}" for start in starts]
    return _points(labels, totals, [()] * HOURS_SHOWN)


def _days(counts: dict[dt.datetime, int], start: dt.datetime) -> list[Point]:
    """Return the last 30 days in the site's time zone, with the releases first seen on each."""
    first = _local(start).date()
    days = [first + dt.timedelta(days=number) for number in range(DAYS_SHOWN)]
    per_day: Counter[dt.date] = Counter()
    for hour, count in counts.items():
        per_day[_local(hour).date()] += count
    releases: dict[dt.date, list[str]] = {}
    for release in Release.objects.filter(first_seen__gte=start).order_by("first_seen"):
        day = _local(release.first_seen).date()
        releases.setdefault(day, []).append(release.version)
    return _points(
        [formats.date_format(day, "j M") for day in days],
        [per_day[day] for day in days],
        [tuple(releases.get(day, ())) for day in days],
    )


def _counts_since(groups: Sequence[int], start: dt.datetime) -> dict[dt.datetime, int]:
    rows = HourlyCount.objects.filter(group__in=groups, hour__gte=start)
    return dict(rows.values_list("hour").annotate(sum=Sum("count")).order_by())


def _points(
    labels: Sequence[str], totals: Sequence[int], releases: Sequence[tuple[str, ...]]
) -> list[Point]:
    highest = max(totals, default=0) or 1
    points = []
    for label, count, versions in zip(labels, totals, releases, strict=True):
        # A bar of one occurrence beside one of thousands is still seen.
        percent = max(round(count * 100 / highest), 2) if count else 0
        points.append(Point(label, count, percent, versions))
    return points


def _visitor_words(bug: KnownBug) -> str:
    """Return what the error page says to the people who meet this bug."""
    if bug.status == KnownBug.Status.IN_PROGRESS:
        words = _("We are working on this")
    elif bug.status == KnownBug.Status.RESOLVED:
        words = _("This is fixed and on its way")
    else:
        words = _("We know about this problem")
    own = [bug.public_message, bug.public_workaround, bug.public_link]
    return " · ".join([words, *(text for text in own if text)])
