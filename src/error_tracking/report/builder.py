"""
Builds the report of a bug from its own row and its latest complete error log.

Reads the database and never writes it.
"""

from __future__ import annotations

import dataclasses

from error_tracking import conf
from error_tracking.models import (
    Activity,
    ErrorGroup,
    ErrorLog,
    GroupClient,
    KnownBug,
    Release,
)

from . import links
from .automatic_texts import automatic_title
from .bug_report import FRAMES, BugReport, News, time_text
from .log_values import complete_log, known_title, values_from


def build_report(bug: KnownBug, *, synced_activity_id: int = 0) -> BugReport:
    """Return the report of *bug*; what came after *synced_activity_id* is news."""
    report = _report_of_bug(bug, synced_activity_id)
    log = complete_log(ErrorGroup.objects.filter(bug_id=bug.pk).values("pk"))
    report = dataclasses.replace(report, cause=known_title(report.cause, log))
    if log is None:
        return report
    return dataclasses.replace(report, **values_from(log))


def _report_of_bug(bug: KnownBug, synced_activity_id: int) -> BugReport:
    admin_url = links.bug_url(bug.pk)
    published_admin_url = ""
    if "admin_link" in conf.get_settings().PUBLISH:
        published_admin_url = admin_url
    merged_into = ""
    if bug.merged_into is not None:
        merged_into = bug.merged_into.bug_id
    failing_release = _failing_release(bug)
    return BugReport(
        bug_id=bug.bug_id,
        uuid=str(bug.uuid),
        title=bug.title,
        severity=bug.severity,
        status=bug.status,
        kind=bug.kind,
        environment=bug.environment,
        description=bug.description,
        has_automatic_description=bug.has_automatic_description,
        fingerprint=bug.fingerprint,
        cause=bug.cause,
        groups=_group_lines(bug),
        count=bug.occurrence_count,
        users=_count_clients(bug),
        first_seen=time_text(bug.first_occurrence),
        last_seen=time_text(bug.last_occurrence),
        first_release=bug.first_release,
        last_release=_last_release(bug),
        healthy_release=_release_before(failing_release),
        failing_release=failing_release,
        resolved_in_release=bug.resolved_in_release,
        merged_into=merged_into,
        admin_path=f"error_tracking/knownbug/{bug.pk}/change/",
        admin_url=admin_url,
        published_admin_url=published_admin_url,
        issue_number=bug.github_issue_number,
        issue_url=bug.github_issue_url,
        issue_state=bug.github_issue_state,
        file_name=bug.file_name,
        file_url=links.file_url(bug.file_name),
        news=_news_of(bug, synced_activity_id),
        synced_activity_id=synced_activity_id,
        latest_activity_id=bug.latest_activity_id,
    )


def _group_lines(bug: KnownBug) -> tuple[str, ...]:
    """Return title and route of each group; only an incident lists its groups."""
    if bug.kind != KnownBug.Kind.INCIDENT:
        return ()
    lines = []
    groups = ErrorGroup.objects.filter(bug_id=bug.pk).order_by("first_seen", "pk")
    for group in groups[:FRAMES]:
        title = automatic_title(group)
        if group.route and group.route not in title:
            lines.append(f"{title} on {group.route}")
        else:
            lines.append(title)
    return tuple(lines)


def _count_clients(bug: KnownBug) -> int:
    clients = GroupClient.objects.filter(group__bug_id=bug.pk)
    # A client has one row per day.
    return clients.values("group", "hash").distinct().count()


def _last_release(bug: KnownBug) -> str:
    groups = ErrorGroup.objects.filter(bug_id=bug.pk).order_by("-last_seen")
    return groups.values_list("last_release", flat=True).first() or ""


def _failing_release(bug: KnownBug) -> str:
    """Return the release in which *bug* occurred first, or came back."""
    if not bug.is_regression:
        return bug.first_release
    logs = ErrorLog.objects.filter(
        group__bug_id=bug.pk, created__gte=bug.regressed_at
    ).order_by("created")
    return logs.values_list("release", flat=True).first() or ""


def _release_before(version: str) -> str:
    """Return the release that was there before *version*, ``""`` where none is known."""
    release = Release.objects.filter(version=version).first()
    if release is None:
        return ""
    earlier = Release.objects.filter(first_seen__lt=release.first_seen)
    latest = earlier.order_by("-first_seen", "-pk").first()
    return latest.version if latest is not None else ""


def _news_of(bug: KnownBug, synced_activity_id: int) -> tuple[News, ...]:
    activities = Activity.objects.filter(
        bug_id=bug.pk,
        pk__gt=synced_activity_id,
        pk__lte=bug.latest_activity_id,
        verb__in=Activity.NEWS,
    )
    return tuple(_news_from(each) for each in activities.order_by("pk"))


def _news_from(activity: Activity) -> News:
    text = activity.text
    if activity.verb == Activity.Verb.COMMENT:
        # Its author may have pasted a secret, and it leaves the site.
        text = conf.get_scrubber().text(text)
    when = time_text(activity.created)
    return News(activity.pk, activity.verb, activity.by, text, when)
