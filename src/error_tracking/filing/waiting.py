"""
Reports the bugs that wait because enough were filed in this hour or day.

The dashboard, ``health()`` and one mail a day say how many they are, why, and until
when.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging

from django.db.models import Count, Min
from django.utils import timezone

from error_tracking import conf, trackers
from error_tracking.exceptions import TrackerError
from error_tracking.models import Filing, KnownBug, Sequence
from error_tracking.models.base import moment_text
from error_tracking.models.filing import FilingQuerySet
from error_tracking.report import links
from error_tracking.trackers import mail

logger = logging.getLogger("error_tracking")

# A mail names the first ones; the admin lists all.
NAMED_BUGS = 20
EXPLANATION = (
    "There are more new bugs than are filed in an hour or a day. They are stored "
    "and counted, and filed automatically later. This mail is sent at most once "
    "a day."
)


@dataclasses.dataclass(frozen=True, slots=True)
class WaitingBugs:
    """
    The bugs that wait.

    Attributes:
        count: How many.
        reasons: Why, one sentence per reason, the most frequent first.
        until: When the first of them are tried again.

    """

    count: int
    reasons: tuple[str, ...]
    until: dt.datetime

    def __str__(self) -> str:
        bugs = "1 bug waits" if self.count == 1 else f"{self.count} bugs wait"
        return f"{bugs} to be filed, until {moment_text(self.until)} at the earliest."


def waiting_bugs(environment: str) -> WaitingBugs | None:
    """Return the bugs of *environment* that wait, None if there are none."""
    rows = _paused(environment)
    by_reason = rows.order_by().values_list("tracker", "reason")
    counted = list(by_reason.annotate(count=Count("pk"), until=Min("next_attempt_at")))
    if not counted:
        return None
    counted.sort(key=lambda row: (-row[2], row[0], row[1]))
    reasons = tuple(f"{tracker}: {reason}" for tracker, reason, _, _ in counted)
    until = min(row[3] for row in counted)
    # A bug may wait for several trackers.
    count = rows.aggregate(bugs=Count("bug", distinct=True))["bugs"]
    return WaitingBugs(count, reasons, until)


def must_mail() -> bool:
    """Return whether ADMINS should get today's mail about waiting bugs."""
    settings = conf.get_settings()
    if mail.MailTracker.name not in trackers.configured():
        return False
    if not _paused(settings.environment).exists():
        return False
    sent = Sequence.objects.filter(name=_series(), value__gt=0)
    return not sent.exists()


def mail_once_a_day() -> None:
    """
    Mail to ADMINS that bugs wait, once a day on all servers together.

    A mail that could not be sent is tried again in the next round.
    """
    if not must_mail():
        return
    environment = conf.get_settings().environment
    waiting = waiting_bugs(environment)
    series = _series()
    if waiting is None or not Sequence.take(series, most=1):
        return
    subject = f"Bugs wait to be filed in {environment}: {waiting.count}"
    try:
        mail.send_to_admins(subject, _text_of(waiting, environment))
    except TrackerError as error:
        Sequence.objects.filter(name=series).delete()
        trackers.log_hourly(
            f"no mail about waiting bugs: reason={error}", logging.WARNING
        )


def _paused(environment: str) -> FilingQuerySet:
    return Filing.objects.wanted(environment).filter(state=Filing.State.PAUSED)


def _series() -> str:
    """Return the name of the series that has one number per mail."""
    # It begins like the counts of the allowance, which are deleted after some days.
    name = f"filed:mail:{timezone.now():%Y%m%d}:{conf.get_settings().environment}"
    return name[:50]


def _text_of(waiting: WaitingBugs, environment: str) -> str:
    bugs = KnownBug.objects.filter(
        environment=environment, filings__state=Filing.State.PAUSED
    )
    first_bugs = bugs.distinct().order_by("number")[:NAMED_BUGS]
    lines = [str(waiting), "", *waiting.reasons, ""]
    lines += [f"{bug.bug_id} {bug.title}" for bug in first_bugs]
    if waiting.count > NAMED_BUGS:
        lines.append(f"and {waiting.count - NAMED_BUGS} more")
    overview = links.admin_url("knownbug_changelist")
    if overview:
        lines += ["", overview]
    lines += ["", EXPLANATION]
    return "\n".join(lines)
