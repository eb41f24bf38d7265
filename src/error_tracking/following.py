"""
What people do to the issues, read back: a closed issue resolves its bug, a reopened one reopens it.

The list of changed issues is read from the last change that was seen on, so
nothing is missed while no process ran. Touches no issue.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

from django.db.models import Max, Min
from django.utils import timezone

from . import conf, trackers
from .models import KnownBug
from .models.base import moment_from
from .trackers.github import GitHubTracker

if TYPE_CHECKING:
    from .models.life_cycle import KnownBugQuerySet
    from .report import BugReport
    from .trackers import Filed

GRACE = dt.timedelta(hours=1)  # a fix that closed the issue is merged, and not yet running everywhere
POLL_SECONDS = 120.0
OVERLAP = dt.timedelta(minutes=1)
BY = "GitHub"

_next_poll = 0.0
_seen: dict[str, dt.datetime] = {}  # by repository: in a busy one most changed issues are none of ours


def is_due() -> bool:
    """Return whether this process should look at the issues now, and can."""
    if time.monotonic() < _next_poll:
        return False
    tracker = trackers.configured().get(GitHubTracker.name)
    return tracker is not None and not tracker.why_not() and _bugs().exists()


def follow() -> int:
    """
    Read what has changed and have the bugs follow; return how many did.

    Raises:
        TrackerError: GitHub could not be asked.
    """
    global _next_poll  # noqa: PLW0603  one clock per process
    _next_poll = time.monotonic() + POLL_SECONDS
    tracker = trackers.configured().get(GitHubTracker.name)
    found = _bugs().aggregate(seen=Max("github_issue_updated_at"), first=Min("created"))
    since = found["seen"] or found["first"]
    if not isinstance(tracker, GitHubTracker) or tracker.why_not() or since is None:
        return 0
    since = max(since - OVERLAP, _seen.get(tracker.repo, since - OVERLAP))
    followed = 0
    for issue in tracker.changed_since(since if timezone.is_aware(since) else timezone.make_aware(since)):
        updated_at = _moment(issue.updated_at)
        bug = _bugs().filter(github_issue_number=issue.number, github_issue_url=issue.url).first()
        if bug is not None:
            followed += _follow(bug, issue)
            KnownBug.all_objects.filter(pk=bug.pk).update(github_issue_updated_at=updated_at)
        if updated_at is not None:
            _seen[tracker.repo] = updated_at - OVERLAP
    return followed


def keep_issue(bug: KnownBug, report: BugReport, issue: Filed) -> None:
    """Keep what is known of the issue of *bug*; where a person has closed or reopened it, the bug follows."""
    wanted = "closed" if report.is_closed else "open"
    if bug.github_issue_number and issue.state and issue.state != wanted:
        _follow(bug, issue)
    values = {"github_issue_state": issue.state, "github_issue_updated_at": _moment(issue.updated_at)}
    names = {"github_issue_number": issue.number, "github_issue_url": issue.url}
    KnownBug.all_objects.filter(pk=bug.pk).update(**values, **(names if issue.number else {}))


def _follow(bug: KnownBug, issue: Filed) -> bool:
    """Give *bug* the state of its *issue*, once: whoever notes the new state does it."""
    rows = KnownBug.all_objects.filter(pk=bug.pk)
    known = bug.github_issue_state
    if issue.state == known or not rows.filter(github_issue_state=known).update(github_issue_state=issue.state):
        return False
    if issue.state == "closed":
        return bool(rows.resolve(by=BY, grace_until=timezone.now() + GRACE))
    return bool(known and rows.reopen(by=BY))


def _bugs() -> KnownBugQuerySet:
    rows: KnownBugQuerySet = KnownBug.all_objects.filter(environment=conf.get_settings().environment)
    return rows.exclude(github_issue_number=None)


def _moment(text: str) -> dt.datetime | None:
    try:
        return moment_from(dt.datetime.fromisoformat(text).timestamp())
    except ValueError:
        return None
