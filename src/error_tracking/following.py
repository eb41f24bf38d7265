"""
What people do to the issues, read back: a closed issue resolves or mutes its bug, a reopened one reopens it.

The list of changed issues is read from the last change that was read on, so
nothing is missed while no process ran. Touches no issue.
"""

from __future__ import annotations

import datetime as dt
import time

from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone

from . import conf, trackers
from .exceptions import TrackerError
from .models import Activity, Filing, KnownBug
from .models.base import committed, moment_from, write_alias
from .models.life_cycle import KnownBugQuerySet
from .report import BugReport
from .trackers import Filed
from .trackers.github import BY, SKEW, GitHubTracker

GRACE = dt.timedelta(hours=1)  # a fix that closed the issue is merged, and not yet running everywhere
UNPLANNED = {"not planned", "duplicate"}  # nobody will mend it here, so it must not come back
POLL_SECONDS = 120.0
OVERLAP = dt.timedelta(minutes=1)

_next_poll = 0.0


def is_due() -> bool:
    """Return whether this process should look at the issues now, and can."""
    if time.monotonic() < _next_poll:
        return False
    tracker = trackers.configured().get(GitHubTracker.name)
    return tracker is not None and not tracker.why_not() and _bugs().exists()


@committed(KnownBug)
def follow() -> int:
    """
    Read what has changed and have the bugs follow; return how many did.

    The newest bug keeps how far the list was read: in a busy repository most
    changed issues are none of ours. What we push ourselves does not count as read.

    Raises:
        TrackerError: GitHub could not be asked.
    """
    global _next_poll  # noqa: PLW0603  one clock per process
    _next_poll = time.monotonic() + POLL_SECONDS
    tracker = trackers.configured().get(GitHubTracker.name)
    found = _bugs().aggregate(read=Max("github_issue_updated_at"), first=Min("created"), newest=Max("pk"))
    if not isinstance(tracker, GitHubTracker) or tracker.why_not() or found["first"] is None:
        return 0
    since = found["read"] - OVERLAP if found["read"] else found["first"] - SKEW
    followed, read = 0, None
    try:
        for issue in tracker.changed_since(since):
            bug = _bugs().filter(github_issue_number=issue.number, github_issue_url=issue.url).first()
            followed += bug is not None and not _is_ours(bug, issue) and _follow(bug, issue)
            read = issue.updated_at or read
    except TrackerError as error:
        _next_poll += error.retry_after or 0.0
        raise
    finally:
        if read is not None:
            _bugs().filter(pk=found["newest"]).update(github_issue_updated_at=moment_from(read.timestamp()))
    return followed


def keep_issue(bug: KnownBug, report: BugReport, issue: Filed) -> None:
    """Keep what is known of the issue of *bug*; where a person has closed or reopened it, the bug follows."""
    rows = KnownBug.all_objects.filter(pk=bug.pk)
    is_new = not bug.github_issue_number
    rows.update(github_issue_number=issue.number, github_issue_url=issue.url)
    wanted = "closed" if report.is_closed else "open"
    if issue.state == wanted or (is_new and issue.state == "open"):
        rows.update(github_issue_state=issue.state)
    else:
        _follow(bug, issue)


def _is_ours(bug: KnownBug, issue: Filed) -> bool:
    """Return whether we may have given the *issue* its state, in an update whose end is not stored yet."""
    if issue.state in {bug.github_issue_state, ""} or issue.state != issue.pushed_state:
        return False
    muted_by = bug.activities.filter(verb=Activity.Verb.MUTED).values_list("by", flat=True).last()
    if bug.status == KnownBug.Status.MUTED and muted_by == BY:
        return False  # since the issue was closed nothing has been pushed
    untold = Filing.objects.filter(bug=bug, tracker=GitHubTracker.name, told__lt=bug.news)
    return untold.exclude(state=Filing.State.FAILED).exists()


def _follow(bug: KnownBug, issue: Filed) -> bool:
    """Give *bug* the state of its *issue*, once: whoever notes the new state does it, or neither is done."""
    rows = KnownBug.all_objects.filter(pk=bug.pk)
    known = bug.github_issue_state
    with transaction.atomic(using=write_alias(KnownBug)):
        if issue.state == known or not rows.filter(github_issue_state=known).update(github_issue_state=issue.state):
            return False
        if issue.state == "closed" and issue.reason in UNPLANNED:
            rows.filter(status=KnownBug.Status.MUTED).update(muted_until=None, muted_until_count=None)
            return bool(rows.mute(by=BY, text=f"the issue was closed as {issue.reason}"))
        if issue.state == "closed":
            return bool(rows.resolve(by=BY, grace_until=timezone.now() + GRACE))
        return bool(known and (rows.reopen(by=BY) or rows.unmute(by=BY)))


def _bugs() -> KnownBugQuerySet:
    return KnownBug.all_objects.filter(environment=conf.get_settings().environment).exclude(github_issue_number=None)
