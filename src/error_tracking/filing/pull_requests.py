"""
Follows the state of a fix: pull requests that close or mention the issue of a bug.

One that closes a bug's issue starts the work on the bug, closing it without a merge
takes that back, and merging it into the default branch resolves the bug. One that only
mentions the issue is a link. Nothing is changed on GitHub.

A row of ``PullRequest`` stores what was seen last. Only the process whose UPDATE
changes that row changes the bug, in the same transaction.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

from django.db import transaction
from django.utils import timezone

from error_tracking.models import Activity, KnownBug, PullRequest
from error_tracking.models.base import CLOCK_SKEW_SECONDS, moment_from, write_alias
from error_tracking.models.known_bug import KnownBugQuerySet
from error_tracking.models.pull_request import (
    AUTHOR_CHARS,
    BRANCH_CHARS,
    TITLE_CHARS,
    URL_CHARS,
)
from error_tracking.trackers import ChangedPullRequest, IssueTracker, Merge
from error_tracking.trackers.github import GITHUB_ACTOR

# A fix that was merged may not run on every server yet.
DEPLOY_GRACE = dt.timedelta(hours=1)

State = PullRequest.State
_REOPENING = (Activity.Verb.OPEN, Activity.Verb.REGRESSED)


def follow_pull_request(
    tracker: IssueTracker, change: ChangedPullRequest, bugs: KnownBugQuerySet
) -> int:
    """
    Store how *change* is now, and change the bugs it is about accordingly.

    Anybody may open a pull request: that of a stranger is linked to no bug. One that
    was linked while its author was trusted is followed to its end.

    Args:
        tracker: Where it was read.
        change: The pull request.
        bugs: The bugs that may change.

    Returns:
        Number of bugs whose status changed.

    Raises:
        TrackerError: It was merged, and the tracker could not be asked about that.

    """
    if len(change.url) > URL_CHARS:
        return 0
    links = _links_of(change, bugs)
    merge = _merge_of(tracker, change, links)
    changed = 0
    for link in links:
        closes_issue = link.closes_issue
        if change.is_trusted:
            closes_issue = link.bug.github_issue_url in change.closes
        if _follow(link, change, merge, closes_issue=closes_issue):
            changed += 1
    return changed


def _links_of(change: ChangedPullRequest, bugs: KnownBugQuerySet) -> list[PullRequest]:
    """Return the links of *change*, with new ones, which are not stored yet."""
    stored = PullRequest.objects.filter(url=change.url, bug__in=bugs)
    links = list(stored.select_related("bug"))
    if not change.is_trusted:
        return links
    linked = {link.bug_id for link in links}
    issues = change.closes | change.mentions
    unlinked = bugs.filter(github_issue_url__in=issues).exclude(pk__in=linked)
    links.extend(
        PullRequest(bug=bug, url=change.url, number=change.number)
        for bug in unlinked.order_by("pk")
    )
    return links


def _merge_of(
    tracker: IssueTracker, change: ChangedPullRequest, links: list[PullRequest]
) -> Merge | None:
    """Return what the merge did, where that is news and may be read."""
    if change.state != State.MERGED:
        return None
    is_news = any(link.state != State.MERGED for link in links)
    if not is_news:
        return None
    return tracker.merge_of(change)


def _follow(
    link: PullRequest,
    change: ChangedPullRequest,
    merge: Merge | None,
    *,
    closes_issue: bool,
) -> bool:
    """Store *change* in *link*. Return whether the status of its bug changed."""
    before = _Seen.of(link)
    now = _Seen(change.state, closes_issue)
    if before == now:
        return False
    with transaction.atomic(using=write_alias(PullRequest)):
        if not _store(link, change, merge, before, now):
            return False
        text = _what_happened(link, before)
        rows = KnownBug.all_objects.filter(pk=link.bug_id)
        if now.is_merged and closes_issue:
            changed = _resolve(rows, change, merge, text)
        elif now.is_active:
            changed = _start(link, rows, text)
        elif before.is_active and not now.is_merged:
            changed = _take_back(link, rows, text)
        else:
            changed = False
        if not changed:
            # The bug keeps its status, and people see what happened all the same.
            verb = Activity.Verb.PULL_REQUEST
            rows.record_activity(verb, by=GITHUB_ACTOR, text=text)
    return changed


@dataclasses.dataclass(frozen=True, slots=True)
class _Seen:
    """What matters of a pull request to a bug."""

    state: str
    closes_issue: bool

    @classmethod
    def of(cls, link: PullRequest) -> _Seen:
        return cls(link.state, link.closes_issue)

    @property
    def is_active(self) -> bool:
        return self.state == State.OPEN and self.closes_issue

    @property
    def is_merged(self) -> bool:
        return self.state == State.MERGED


def _store(
    link: PullRequest,
    change: ChangedPullRequest,
    merge: Merge | None,
    before: _Seen,
    now: _Seen,
) -> bool:
    """
    Store what was seen in the row of *link*, which is created if it is new.

    Returns:
        False if another process has stored something else meanwhile.

    """
    if link._state.adding:
        stored, _ = PullRequest.objects.get_or_create(
            bug_id=link.bug_id, url=link.url, defaults={"number": link.number}
        )
        link.pk = stored.pk
    values: dict[str, object] = {
        "state": now.state,
        "closes_issue": now.closes_issue,
        "title": change.title[:TITLE_CHARS],
        "author": change.author[:AUTHOR_CHARS],
    }
    if change.merged_at is not None:
        values["merged_at"] = moment_from(change.merged_at.timestamp())
    if merge is not None:
        values["merge_commit"] = merge.commit
        values["branch"] = merge.branch[:BRANCH_CHARS]
    rows = PullRequest.objects.filter(
        pk=link.pk, state=before.state, closes_issue=before.closes_issue
    )
    if not rows.update(modified=timezone.now(), **values):
        return False
    link.refresh_from_db()
    return True


def _start(link: PullRequest, rows: KnownBugQuerySet, text: str) -> bool:
    """Start the work on the bug, and store by which activity."""
    started = rows.start(by=GITHUB_ACTOR, text=text)
    if not started:
        return False
    own = PullRequest.objects.filter(pk=link.pk)
    own.update(start_activity_id=started[0].latest_activity_id)
    return True


def _take_back(link: PullRequest, rows: KnownBugQuerySet, text: str) -> bool:
    """Open the bug again, if only pull requests that are over had started the work."""
    of_bug = PullRequest.objects.filter(bug=link.bug_id)
    if of_bug.active().exists():
        return False
    started = of_bug.exclude(start_activity_id=0)
    starts = Activity.objects.filter(bug=link.bug_id, verb=Activity.Verb.IN_PROGRESS)
    latest_start = starts.order_by("-pk").values_list("pk", flat=True).first()
    if latest_start not in started.values_list("start_activity_id", flat=True):
        # A person works on it.
        return False
    return bool(rows.stop(by=GITHUB_ACTOR, text=text))


def _resolve(
    rows: KnownBugQuerySet, change: ChangedPullRequest, merge: Merge | None, text: str
) -> bool:
    """Resolve the bug, if the merge has brought the fix into the default branch."""
    if merge is None or not merge.is_default_branch or change.merged_at is None:
        return False
    merged_at = moment_from(change.merged_at.timestamp())
    # GitHub's times are whole seconds, of a clock of its own.
    just_after = merged_at + dt.timedelta(seconds=CLOCK_SKEW_SECONDS)
    reopened = Activity.objects.filter(
        bug__in=rows, verb__in=_REOPENING, created__gt=just_after
    )
    if reopened.exists():
        # It was merged long ago, and has not fixed the bug.
        return False
    now = timezone.now()
    resolved = rows.resolve(
        by=GITHUB_ACTOR,
        text=text,
        fixed_at=min(merged_at, now),
        grace_until=now + DEPLOY_GRACE,
    )
    return bool(resolved)


def _what_happened(link: PullRequest, before: _Seen) -> str:
    """Return what became of the pull request; its title is the author's own text."""
    name = f"pull request #{link.number}"
    if link.author:
        name = f"{name} by {link.author}"
    if link.state == State.MERGED:
        commit = f" as {link.short_commit}" if link.merge_commit else ""
        branch = f" into {link.branch}" if link.branch else ""
        return f"{name} was merged{branch}{commit}"
    if link.state == State.CLOSED:
        return f"{name} was closed without a merge"
    if link.closes_issue:
        return f"{name} closes the issue"
    if before.closes_issue:
        return f"{name} no longer closes the issue"
    return f"{name} mentions the issue"
