"""
Reads what people did to the issues, and changes the bugs accordingly.

A closed issue resolves or mutes its bug, a reopened one reopens it; pull requests are
followed in ``pull_requests``. Reading goes on after the last change that was read, so
nothing is missed while no process ran. No issue is changed here.
"""

from __future__ import annotations

import datetime as dt
import time

from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone

from error_tracking import conf, trackers
from error_tracking.exceptions import TrackerError
from error_tracking.models import Filing, KnownBug
from error_tracking.models.base import moment_from, write_alias
from error_tracking.models.known_bug import ASSIGNEES_CHARS, KnownBugQuerySet
from error_tracking.report.bug_report import BugReport
from error_tracking.trackers import ChangedPullRequest, Filed, IssueTracker
from error_tracking.trackers.github import CLOCK_SKEW, GITHUB_ACTOR, UNPLANNED
from error_tracking.trackers.issue_state import is_changed_by_person

from .pull_requests import DEPLOY_GRACE, follow_pull_request

# A person who closes an issue sees it in the admin two minutes later, and ten servers
# use 300 of the 5,000 requests that GitHub allows in an hour.
POLL_SECONDS = 120.0
# What changed while the last list was being read may be missing from it.
OVERLAP = dt.timedelta(minutes=1)

_next_poll = 0.0


def is_due() -> bool:
    """Return whether this process should read the issues now, and can."""
    if time.monotonic() < _next_poll:
        return False
    return _available_tracker() is not None and _bugs_with_issue().exists()


def sync_issues() -> int:
    """
    Read what has changed, and change the bugs accordingly.

    The newest bug stores how far the list was read: in a busy repository most changed
    issues are not about bugs of ours. Our own changes do not count as read.

    Returns:
        Number of bugs that changed.

    Raises:
        TrackerError: The tracker could not be asked.

    """
    global _next_poll  # noqa: PLW0603  one clock per process
    _next_poll = time.monotonic() + POLL_SECONDS
    tracker = _available_tracker()
    known = _bugs_with_issue().aggregate(
        read_until=Max("github_issue_updated_at"),
        first_created=Min("created"),
        newest=Max("pk"),
    )
    if tracker is None or known["newest"] is None:
        return 0
    since = known["first_created"] - CLOCK_SKEW
    if known["read_until"] is not None:
        since = known["read_until"] - OVERLAP
    followed = 0
    read_until = None
    closed: list[Filed] = []
    try:
        for change in tracker.changed_since(since):
            if isinstance(change, ChangedPullRequest):
                followed += follow_pull_request(tracker, change, _bugs_with_issue())
            elif change.state == "closed":
                closed.append(change)
            elif _sync_issue(tracker, change):
                followed += 1
            read_until = change.updated_at or read_until
    except TrackerError as error:
        _next_poll += error.retry_after or 0.0
        raise
    finally:
        # Also after a failure: the next time the rest of the list is read. After the
        # pull requests: the one that closed an issue says more about it.
        for issue in closed:
            if _sync_issue(tracker, issue):
                followed += 1
        if read_until is not None:
            moment = moment_from(read_until.timestamp())
            newest = _bugs_with_issue().filter(pk=known["newest"])
            newest.update(github_issue_updated_at=moment)
    return followed


def _sync_issue(tracker: IssueTracker, issue: Filed) -> bool:
    """Change the bug of *issue*, if a person has changed the issue."""
    bugs = _bugs_with_issue().filter(
        github_issue_number=issue.number, github_issue_url=issue.url
    )
    bug = bugs.first()
    if bug is None:
        return False
    _store_assignees(bug, issue)
    filing = Filing.objects.filter(bug=bug, tracker=tracker.name).first()
    synced_activity_id = 0
    if filing is not None:
        synced_activity_id = filing.synced_activity_id
    if is_changed_by_person(
        issue,
        known_state=bug.github_issue_state,
        synced_activity_id=synced_activity_id,
    ):
        return _follow(bug, issue)
    if issue.state != bug.github_issue_state:
        # Our own update, whose answer was lost. What differs from it later is a
        # person's.
        rows = KnownBug.all_objects.filter(
            pk=bug.pk, github_issue_state=bug.github_issue_state
        )
        rows.update(github_issue_state=issue.state)
    return False


def store_issue(bug: KnownBug, report: BugReport, issue: Filed) -> None:
    """
    Store number, URL and state of the issue of *bug*, which was just filed or updated.

    If a person has closed or reopened it meanwhile, the bug follows.
    """
    _store_assignees(bug, issue)
    rows = KnownBug.all_objects.filter(pk=bug.pk)
    is_new = not bug.github_issue_number
    rows.update(github_issue_number=issue.number, github_issue_url=issue.url)
    wanted = "closed" if report.is_closed else "open"
    # A new issue is open, whatever became of the bug while it was filed.
    is_as_filed = is_new and issue.state == "open"
    if issue.state == wanted or is_as_filed:
        rows.update(github_issue_state=issue.state)
    else:
        _follow(bug, issue)


def _store_assignees(bug: KnownBug, issue: Filed) -> None:
    """Store who works on the *issue*; people read it on the page of the bug."""
    assignees = ", ".join(issue.assignees)[:ASSIGNEES_CHARS]
    if assignees != bug.github_issue_assignees:
        rows = KnownBug.all_objects.filter(pk=bug.pk)
        rows.update(github_issue_assignees=assignees)


def _follow(bug: KnownBug, issue: Filed) -> bool:
    """
    Give *bug* the state of its *issue*.

    Only one process does it: the one whose UPDATE changes the stored state of the
    issue, in the same transaction.

    Returns:
        Whether the bug changed.

    """
    rows = KnownBug.all_objects.filter(pk=bug.pk)
    known_state = bug.github_issue_state
    if issue.state == known_state:
        return False
    with transaction.atomic(using=write_alias(KnownBug)):
        unchanged = rows.filter(github_issue_state=known_state)
        if not unchanged.update(github_issue_state=issue.state):
            return False
        if issue.state == "closed":
            return _close(rows, issue)
        if not known_state:
            # Nothing was known of the issue, so nobody has reopened it.
            return False
        return bool(rows.reopen(by=GITHUB_ACTOR) or rows.unmute(by=GITHUB_ACTOR))


def _close(rows: KnownBugQuerySet, issue: Filed) -> bool:
    """Resolve or mute the bug whose issue was closed. Return whether it changed."""
    if issue.reason not in UNPLANNED:
        grace_until = timezone.now() + DEPLOY_GRACE
        return bool(rows.resolve(by=GITHUB_ACTOR, grace_until=grace_until))
    already_muted = rows.filter(status=KnownBug.Status.MUTED)
    already_muted.update(
        muted_until=None, muted_until_count=None, muted_until_people=None
    )
    text = f"the issue was closed as {issue.reason}"
    return bool(rows.mute(by=GITHUB_ACTOR, text=text))


def _available_tracker() -> IssueTracker | None:
    """Return the issue tracker, if there is one that this process can ask."""
    for tracker in trackers.configured().values():
        if isinstance(tracker, IssueTracker) and not tracker.unavailable_reason():
            return tracker
    return None


def _bugs_with_issue() -> KnownBugQuerySet:
    bugs = KnownBug.all_objects.filter(environment=conf.get_settings().environment)
    return bugs.exclude(github_issue_number=None)
