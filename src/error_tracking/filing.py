"""
The outbox at work: claim a row, let its tracker file the bug, keep the result.

A row is claimed with a conditional UPDATE and a lease. From the second attempt
on the tracker is first asked for what an earlier one already made, so a crash
between making and storing makes nothing twice. What was filed is brought up to
date when the bug has news.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.utils import timezone

from . import allowance, conf, following, signals, trackers
from .exceptions import TrackerError
from .models import Activity, Filing, KnownBug
from .models.base import committed
from .models.filing import REASON_CHARS, FilingQuerySet
from .models.known_bug import format_bug_id
from .report import BugReport, report_for, report_from
from .trackers import Filed, Tracker
from .trackers.github import GitHubTracker
from .trackers.markdown import MarkdownTracker

logger = logging.getLogger("error_tracking")

MAX_ATTEMPTS = 10
FIRST_DELAY_SECONDS = 60.0
STEADY_ATTEMPTS = 3  # these are a minute apart, then the pause doubles
LONGEST_DELAY_SECONDS = 3_600.0


class BugCreationService:
    """Files bugs with their trackers; stateless."""

    def __init__(self, *, trackers_by_name: Mapping[str, Tracker] | None = None) -> None:
        """Use *trackers_by_name* in place of the configured ones."""
        self._trackers = trackers_by_name

    def get_next_bug_id(self) -> str:
        """Return the bug id that the next bug would get; tells, reserves nothing."""
        prefix = conf.get_settings().BUG_PREFIX
        return format_bug_id(KnownBug.highest_number() + 1, prefix)

    def create_bug_file(self, bug_id: str, data: Mapping[str, Any]) -> Path:
        """
        Write the Markdown file of *bug_id* from *data* and return its path.

        *data* has the keys of :class:`~error_tracking.report.BugReport`:
        ``title``, ``severity``, ``description``, ``route``, …

        Raises:
            ValueError: *bug_id* is no bug id.

            TrackerError: The file could not be written.
        """
        report = self._report(bug_id, data)
        tracker = MarkdownTracker(conf.get_settings().planning_dir)
        return tracker.directory / tracker.file(report).reference

    def create_github_issue(self, bug_id: str, data: Mapping[str, Any]) -> tuple[int, str]:
        """
        Create the GitHub issue of *bug_id* from *data*; return its number and URL.

        Raises:
            ValueError: *bug_id* is no bug id.

            TrackerError: GITHUB_REPO is not set, or GitHub did not take it.
        """
        report = self._report(bug_id, data)
        repo = conf.get_settings().GITHUB_REPO
        if not repo:
            msg = 'no repository to file in: set ERROR_TRACKING["GITHUB_REPO"] to "owner/name"'
            raise TrackerError(msg, is_permanent=True)
        filed = GitHubTracker(repo).file(report)
        return filed.number or 0, filed.url

    @staticmethod
    def _report(bug_id: str, data: Mapping[str, Any]) -> BugReport:
        bug = KnownBug.all_objects.filter(bug_id=bug_id).first()
        known = {"uuid": str(bug.uuid), "title": bug.title, "severity": bug.severity} if bug is not None else {}
        return report_from(bug_id, {**known, **data})

    @committed(Filing)
    def file(self, known_bug_id: int) -> int:
        """
        Do what is due for the bug with this primary key; return how many trackers did something.

        A bug of another environment is left to the processes of that one; a
        muted or deleted one waits until it is neither. What this process cannot
        serve is left to others, with the reason.
        """
        done = 0
        rows = Filing.objects.wanted(conf.get_settings().environment).filter(bug=known_bug_id)
        for name, tracker in self.able_trackers(rows).items():
            if rows.filter(tracker=name).claim(timezone.now()):
                claimed = Filing.objects.select_related("bug").get(bug=known_bug_id, tracker=name)
                done += self._takes_allowance(claimed) and self._attempt(claimed, tracker)
        return done

    def able_trackers(self, rows: FilingQuerySet) -> dict[str, Tracker]:
        """Return the trackers that this process can serve; the due *rows* of the others say why it cannot."""
        able = {}
        for name, tracker in (trackers.configured() if self._trackers is None else self._trackers).items():
            if why_not := tracker.why_not():
                rows.filter(tracker=name).say_why(why_not, timezone.now())
                trackers.tell_once(f"cannot file with {name}: {why_not}")
            else:
                able[name] = tracker
        return able

    def _takes_allowance(self, row: Filing) -> bool:
        """Take one of the allowance for the claimed *row*; where there is none pause the row and return False."""
        is_begun = row.attempts > 1 or row.reference
        refused = None if is_begun else allowance.take(row.tracker, row.bug)
        if refused is None:
            return True
        goes_on, reason = refused
        self._give_back(row, state=Filing.State.PAUSED, attempts=0, next_attempt_at=goes_on, reason=reason)
        return False

    @staticmethod
    def _give_back(row: Filing, **values: object) -> int:
        """Set *values* on the claimed *row*, unless its lease has run out and somebody else is at it."""
        ours = Filing.objects.filter(pk=row.pk, state=Filing.State.CLAIMED, attempts=row.attempts)
        return ours.update(published_at=None, modified=timezone.now(), **values)

    def _attempt(self, row: Filing, tracker: Tracker) -> bool:
        bug = row.bug
        try:
            report = dataclasses.replace(report_for(bug, told=row.told), requested_at=row.created.isoformat())
            if row.reference:
                result = tracker.update(report, row.reference)
            elif row.attempts > 1 and (result := tracker.find(report)) is not None:
                # Made of what was known then: what has happened since is still to be told.
                report = dataclasses.replace(report, told=row.told)
            else:
                result = tracker.file(report)
        except TrackerError as error:
            self._keep_failure(row, error)
            return False
        except Exception as error:  # a tracker may be the project's own code: its fault stays with its row
            logger.exception("a tracker failed: bug=%s tracker=%s", bug.bug_id, row.tracker)
            self._keep_failure(row, TrackerError(f"{type(error).__name__} in the tracker: {error}"))
            return False
        self._keep_result(row, report, result or Filed(row.reference, row.url))  # nothing was to do
        return True

    def _keep_result(self, row: Filing, report: BugReport, result: Filed) -> None:
        bug, is_new, now = row.bug, not row.reference, timezone.now()
        if row.tracker == MarkdownTracker.name:
            KnownBug.all_objects.filter(pk=bug.pk).update(file_name=result.reference)
        if row.tracker == GitHubTracker.name and result.number:
            following.keep_issue(bug, report, result)
        state = Filing.State.LOCAL if result.is_local else Filing.State.FILED
        values = {"state": state, "told": report.told, "attempts": 0, "reason": "", "next_attempt_at": now}
        values |= {"reference": result.reference[:200], "url": result.url or row.url}
        if is_new:
            # What was resolved while it was being filed is due once more, to be closed.
            values |= {"filed_at": now, "told": max(0, report.told - report.is_closed)}
        if self._give_back(row, **values) and is_new:
            if row.tracker == GitHubTracker.name:  # a file that was written before names the issue now
                Filing.objects.filter(bug=bug, tracker=MarkdownTracker.name).exclude(reference="").refile()
            place = f"{row.tracker}: {result.url or result.reference}"
            KnownBug.all_objects.filter(pk=bug.pk).note(Activity.Verb.FILED, text=place)
            logger.info("filed: bug=%s tracker=%s reference=%s", bug.bug_id, row.tracker, result.reference)

    def _keep_failure(self, row: Filing, error: TrackerError) -> None:
        bug, reason = row.bug, str(error)[:REASON_CHARS]
        has_failed = error.is_permanent or row.attempts >= MAX_ATTEMPTS
        delay = retry_delay(row.attempts, retry_after=error.retry_after)
        next_attempt_at = timezone.now() + dt.timedelta(seconds=delay)
        if error.retry_after is not None:
            Filing.objects.filter(tracker=row.tracker, bug__environment=bug.environment).hold_until(next_attempt_at)
        state = Filing.State.FAILED if has_failed else Filing.State.PENDING
        if not self._give_back(row, state=state, next_attempt_at=next_attempt_at, reason=reason):
            return
        logger.warning("not filed: bug=%s tracker=%s reason=%r", bug.bug_id, row.tracker, reason)
        if has_failed:
            failed = f"{row.tracker}: {reason}"
            KnownBug.all_objects.filter(pk=bug.pk).note(Activity.Verb.FILING_FAILED, text=failed)
            signals.send(signals.filing_failed, bug, tracker=row.tracker, reason=reason)


def retry_delay(attempt: int, *, retry_after: float | None = None) -> float:
    """
    Return how long to wait before filing is tried again, in seconds.

    A minute three times, then doubling up to an hour, with a tenth of jitter so
    that servers do not try in step. What the tracker asked for wins.

    Args:
        attempt: How many times it has been tried, from 1.

        retry_after: Seconds from the tracker's ``Retry-After`` (RFC 9110, 10.2.3).
    """
    if retry_after is not None:
        return retry_after
    delay = float(min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** min(max(0, attempt - STEADY_ATTEMPTS), 20)))
    return delay * random.uniform(1.0, 1.1)  # noqa: S311  jitter, no secret


def configured_trackers() -> list[str]:
    """Return the names of the trackers that new bugs are filed with; tells once that GitHub is not among them."""
    names = list(trackers.configured())
    if GitHubTracker.name not in names:
        trackers.tell_once("GITHUB_REPO is not set: bugs get a file and no GitHub issue")
    return names


def request(bug: KnownBug, *, is_retry: bool = False) -> None:
    """Write the outbox rows that *bug* lacks; with *is_retry* what failed or waits is due at once."""
    Filing.objects.request_for(bug, configured_trackers())
    if is_retry:
        Filing.objects.filter(bug=bug).retry()
