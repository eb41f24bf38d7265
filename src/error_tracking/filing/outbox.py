"""
The outbox: claims a row, calls its tracker, stores the result.

A row of ``Filing`` is claimed with a conditional UPDATE and a lease. From the second
attempt on the tracker is first asked for what an earlier attempt already created, so a
crash between creating and storing files nothing twice. What was filed is updated when
the bug has a newer activity. No tracker is known by name here.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import logging
import random
from collections.abc import Mapping

from django.utils import timezone

from error_tracking import conf, own_connections, signals, trackers
from error_tracking.checkout import Checkout, checkout_root
from error_tracking.exceptions import TrackerError
from error_tracking.models import Activity, Filing, KnownBug
from error_tracking.models.filing import REASON_CHARS, FilingQuerySet
from error_tracking.report.bug_report import BugReport
from error_tracking.report.builder import build_report
from error_tracking.report.recent_changes import with_recent_changes
from error_tracking.trackers import Filed, IssueTracker, Tracker
from error_tracking.utils import clean_line

from . import allowance, issue_sync

logger = logging.getLogger("error_tracking")

# With the delays below filing is given up after about two hours. Attempts that met a
# rate limit or an outage of the tracker do not count, so neither gives up a filing.
MAX_ATTEMPTS = 10
# The column is a small integer, and nobody needs to know how many more there were.
MAX_STORED_ATTEMPTS = 1_000
# A minute is what GitHub asks for where a rate limit names no time.
FIRST_DELAY_SECONDS = 60.0
# Most failures last for a moment: three attempts a minute apart, then the delay
# doubles.
STEADY_ATTEMPTS = 3
# Somebody who fixes the cause should not have to wait for longer than this.
LONGEST_DELAY_SECONDS = 3_600.0
# A server that asks for no delay at all would be asked again and again without any.
SHORTEST_DELAY_SECONDS = 5.0
# The width of the column.
REFERENCE_CHARS = 200


class Result(enum.StrEnum):
    """What one attempt to file one bug with one tracker led to."""

    FILED = "filed"
    UPDATED = "updated"
    PAUSED = "paused"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """
    One attempt to file one bug with one tracker.

    Attributes:
        text: Where it was filed, or why it was not.

    """

    bug_id: str
    tracker: str
    result: Result
    text: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the tracker has the current state of the bug."""
        return self.result in {Result.FILED, Result.UPDATED}

    @property
    def line(self) -> str:
        """The attempt in one line, for people."""
        return f"{self.bug_id} {self.tracker}: {self.text}"


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    """What a tracker returned, and the activity up to which it knows the bug."""

    filed: Filed
    report: BugReport
    synced_activity_id: int


def request(bug: KnownBug, *, is_retry: bool = False) -> None:
    """
    Create the outbox rows that *bug* lacks.

    Args:
        bug: The bug to file.
        is_retry: Whether failed, paused and waiting rows are due at once.

    """
    Filing.objects.request_for(bug, trackers.configured_names())
    if is_retry:
        Filing.objects.filter(bug=bug).retry()


def file_bug(
    known_bug_id: int, *, trackers_by_name: Mapping[str, Tracker] | None = None
) -> tuple[Outcome, ...]:
    """
    Do what is due for one bug, with each tracker that this process can serve.

    A bug of another environment is left to the processes of that one; a muted or
    deleted bug waits until it is neither.

    Args:
        known_bug_id: The primary key of the bug.
        trackers_by_name: The trackers to use, by default the configured ones.

    Returns:
        One outcome per attempt. Nothing for a row that another process has claimed.

    """
    if trackers_by_name is None:
        trackers_by_name = trackers.configured()
    wanted = Filing.objects.wanted(conf.get_settings().environment)
    rows = wanted.filter(bug=known_bug_id)
    outcomes = []
    for name, tracker in able_trackers(rows, trackers_by_name).items():
        if not rows.filter(tracker=name).claim(timezone.now()):
            continue
        bugs_and_rows = Filing.objects.select_related("bug")
        row = bugs_and_rows.get(bug=known_bug_id, tracker=name)
        outcomes.append(_file_claimed(row, tracker, trackers_by_name))
    return tuple(outcomes)


def able_trackers(
    rows: FilingQuerySet, trackers_by_name: Mapping[str, Tracker] | None = None
) -> dict[str, Tracker]:
    """
    Return the trackers that this process can serve, by name.

    The due *rows* of the others get the reason why they wait.
    """
    if trackers_by_name is None:
        trackers_by_name = trackers.configured()
    able = {}
    for name, tracker in trackers_by_name.items():
        reason = tracker.unavailable_reason()
        if reason:
            rows.filter(tracker=name).store_reason(reason, timezone.now())
            trackers.log_hourly(f"cannot file with {name}: {reason}")
        else:
            able[name] = tracker
    return able


def _file_claimed(
    row: Filing, tracker: Tracker, trackers_by_name: Mapping[str, Tracker]
) -> Outcome:
    pause = _pause_for(row)
    if pause is not None:
        return _store_pause(row, pause)
    try:
        answer = _call(tracker, row)
    except TrackerError as error:
        return _store_failure(row, error)
    except Exception as error:  # a tracker may be the project's own code
        logger.exception(
            "a tracker failed: bug=%s tracker=%s", row.bug.bug_id, row.tracker
        )
        message = f"{type(error).__name__} in the tracker: {error}"
        return _store_failure(row, TrackerError(message))
    return _store_success(row, tracker, answer, trackers_by_name)


def _pause_for(row: Filing) -> allowance.Pause | None:
    """Return why *row* has to wait; what was begun is always finished."""
    is_begun = row.attempts > 1 or row.reference != ""
    if is_begun:
        return None
    return allowance.take(row.tracker, row.bug)


def _call(tracker: Tracker, row: Filing) -> _Answer:
    """
    Let *tracker* file or update the bug of the claimed *row*.

    Raises:
        TrackerError: The tracker could not do it.
    """
    report = dataclasses.replace(
        build_report(row.bug, synced_activity_id=row.synced_activity_id),
        requested_at=row.created.isoformat(),
    )
    # A tracker may take half a minute: without a connection that a request may need.
    own_connections.release()
    root = checkout_root(conf.base_dir())
    if tracker.shows_changes and root is not None:
        report = with_recent_changes(report, Checkout(root))
    latest = report.latest_activity_id
    if row.reference:
        updated = tracker.update(report, row.reference)
        nothing_to_update = Filed(row.reference, row.url)
        return _Answer(updated or nothing_to_update, report, latest)
    if row.attempts > 1:
        found = tracker.find(report)
        if found is not None:
            # It was created from an older state of the bug, so what happened since is
            # still to be synced.
            return _Answer(found, report, row.synced_activity_id)
    return _Answer(tracker.file(report), report, latest)


def _store_pause(row: Filing, pause: allowance.Pause) -> Outcome:
    _give_back(
        row,
        state=Filing.State.PAUSED,
        attempts=0,
        next_attempt_at=pause.ends_at,
        reason=pause.reason,
    )
    return Outcome(row.bug.bug_id, row.tracker, Result.PAUSED, pause.reason)


def _store_success(
    row: Filing,
    tracker: Tracker,
    answer: _Answer,
    trackers_by_name: Mapping[str, Tracker],
) -> Outcome:
    """Store what the tracker created or updated, in the bug and in the *row*."""
    bug = row.bug
    filed = answer.filed
    is_new = not row.reference
    place = filed.url or filed.reference
    _store_in_bug(bug, tracker, answer)
    is_stored = _give_back(row, **_values_for(row, answer, is_new=is_new))
    if is_stored and is_new:
        if isinstance(tracker, IssueTracker):
            _refile_where_issue_is_named(bug, trackers_by_name)
        rows = KnownBug.all_objects.filter(pk=bug.pk)
        rows.record_activity(Activity.Verb.FILED, text=f"{row.tracker}: {place}")
        logger.info(
            "filed: bug=%s tracker=%s reference=%s",
            bug.bug_id,
            row.tracker,
            filed.reference,
        )
    if is_new:
        return Outcome(bug.bug_id, row.tracker, Result.FILED, place)
    return Outcome(bug.bug_id, row.tracker, Result.UPDATED, place)


def _store_in_bug(bug: KnownBug, tracker: Tracker, answer: _Answer) -> None:
    """Store the name of the bug's file, and its issue with the state of that."""
    filed = answer.filed
    if filed.file_name:
        rows = KnownBug.all_objects.filter(pk=bug.pk)
        rows.update(file_name=filed.file_name)
    if isinstance(tracker, IssueTracker) and filed.number:
        issue_sync.store_issue(bug, answer.report, filed)


def _values_for(row: Filing, answer: _Answer, *, is_new: bool) -> dict[str, object]:
    """Return the columns of *row* after a success."""
    filed = answer.filed
    now = timezone.now()
    synced_activity_id = answer.synced_activity_id
    if is_new and answer.report.is_closed:
        # It was resolved while it was being filed, but what was filed is open: one
        # activity less makes the row due once more, to be closed.
        synced_activity_id = max(0, synced_activity_id - 1)
    state = Filing.State.LOCAL if filed.is_local else Filing.State.FILED
    values = {
        "state": state,
        "synced_activity_id": synced_activity_id,
        "attempts": 0,
        "failures": 0,
        "reason": clean_line(filed.note, REASON_CHARS),
        "next_attempt_at": now,
        "reference": filed.reference[:REFERENCE_CHARS],
        "url": filed.url or row.url,
    }
    if is_new:
        values["filed_at"] = now
    return values


def _refile_where_issue_is_named(
    bug: KnownBug, trackers_by_name: Mapping[str, Tracker]
) -> None:
    """Make what names the bug's issue due again: it was filed before the issue was."""
    names = [name for name, each in trackers_by_name.items() if each.names_issue]
    rows = Filing.objects.filter(bug=bug, tracker__in=names)
    rows.exclude(reference="").refile()


def _store_failure(row: Filing, error: TrackerError) -> Outcome:
    """Store why *row* was not filed, and when or whether it is tried again."""
    bug = row.bug
    reason = clean_line(str(error), REASON_CHARS)
    failures = row.failures
    if error.is_counted:
        failures += 1
    is_given_up = error.is_permanent or failures >= MAX_ATTEMPTS
    delay = retry_delay(row.attempts, retry_after=error.retry_after)
    next_attempt_at = timezone.now() + dt.timedelta(seconds=delay)
    if error.is_rate_limit:
        # The limit is the tracker's, so every other row would meet it too.
        of_tracker = Filing.objects.filter(
            tracker=row.tracker, bug__environment=bug.environment
        )
        of_tracker.hold_until(next_attempt_at)
    is_stored = _give_back(
        row,
        state=Filing.State.FAILED if is_given_up else Filing.State.PENDING,
        attempts=min(row.attempts, MAX_STORED_ATTEMPTS),
        failures=failures,
        next_attempt_at=next_attempt_at,
        reason=reason,
    )
    if is_stored:
        _report_failure(bug, row.tracker, reason, is_given_up=is_given_up)
    return Outcome(bug.bug_id, row.tracker, Result.FAILED, reason)


def _report_failure(
    bug: KnownBug, tracker: str, reason: str, *, is_given_up: bool
) -> None:
    """Log that filing failed; what is given up is also in the bug's history."""
    logger.warning(
        "not filed: bug=%s tracker=%s reason=%r", bug.bug_id, tracker, reason
    )
    if is_given_up:
        rows = KnownBug.all_objects.filter(pk=bug.pk)
        rows.record_activity(Activity.Verb.FILING_FAILED, text=f"{tracker}: {reason}")
        signals.send(signals.filing_failed, bug, tracker=tracker, reason=reason)


def _give_back(row: Filing, **values: object) -> bool:
    """
    Set *values* on the claimed *row*, which this ends.

    Returns:
        False if the lease has run out and another process has claimed the row.

    """
    own_claim = Filing.objects.filter(
        pk=row.pk, state=Filing.State.CLAIMED, attempts=row.attempts
    )
    changed = own_claim.update(published_at=None, modified=timezone.now(), **values)
    return changed > 0


def retry_delay(attempt: int, *, retry_after: float | None = None) -> float:
    """
    Return how long to wait before filing is tried again, in seconds.

    A minute three times, then doubling up to an hour, with a tenth of jitter so that
    servers do not retry in step. A delay that the tracker asked for wins, but is at
    least ``SHORTEST_DELAY_SECONDS``.

    GitHub asks for the same where a rate limit names no time: at least a minute, then
    longer and longer (REST API, *Best practices*, "Handle rate limit errors").

    Args:
        attempt: Number of attempts so far, starting at 1.
        retry_after: Seconds from the tracker's ``Retry-After`` (RFC 9110, 10.2.3).

    """
    if retry_after is not None:
        return max(retry_after, SHORTEST_DELAY_SECONDS)
    # Twenty doublings are far beyond the longest delay, and still a small number.
    doublings = min(max(0, attempt - STEADY_ATTEMPTS), 20)
    delay: float = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**doublings)
    return delay * random.uniform(1.0, 1.1)  # noqa: S311  jitter, no secret
