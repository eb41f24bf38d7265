"""
What changes about bugs with time and numbers: muting that ends, milestones, severity, the digest.

Each is a condition on rows that is looked at again and again, so nothing is lost
when a process ends in the middle.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import Count, F
from django.utils import timezone

from . import conf, filing
from .models import Activity, Filing, GroupClient, KnownBug, Sequence
from .models.base import write_alias
from .models.known_bug import next_milestone

AT_ONCE = 100
RECENT = dt.timedelta(hours=2)
MANY_USERS = 100
DIGEST_LINES = 50
_WORSE = {"low": "medium", "medium": "high", "high": "critical"}


def run() -> None:
    """Look at everything once."""
    bugs = KnownBug.objects.filter(environment=conf.get_settings().environment)
    bugs.wake()
    for bug in bugs.open().filter(occurrence_count__gte=F("next_milestone")).order_by("pk")[:AT_ONCE]:
        upcoming = next_milestone(bug.occurrence_count)
        row = KnownBug.all_objects.filter(pk=bug.pk, next_milestone=bug.next_milestone)
        row.note(Activity.Verb.MILESTONE, text=f"{upcoming // 10} occurrences", next_milestone=upcoming)
    _worsen()
    keep_digest()


def _worsen() -> None:
    """Raise the severity of a bug that many people meet, once; what a person has set stays."""
    today = timezone.now().date()
    bugs = KnownBug.objects.open().filter(
        environment=conf.get_settings().environment,
        has_manual_severity=False,
        is_worsened=False,
        occurrence_count__gte=MANY_USERS,
        last_occurrence__gte=timezone.now() - RECENT,
    )
    met = GroupClient.objects.filter(group__bug__in=bugs, day=today).order_by()
    many = met.values("group__bug").annotate(users=Count("hash", distinct=True)).filter(users__gte=MANY_USERS)
    for pk, severity, users in many.values_list("group__bug", "group__bug__severity", "users"):
        if severity in _WORSE:
            row = KnownBug.all_objects.filter(pk=pk, severity=severity, is_worsened=False)
            text = f"severity {_WORSE[severity]}: {users} users or addresses met it today"
            row.note(Activity.Verb.EDITED, text=text, severity=_WORSE[severity], is_worsened=True)


def keep_digest() -> None:
    """Keep one bug that says what waits for the allowance, and resolve it when nothing does."""
    environment = conf.get_settings().environment
    waiting = KnownBug.objects.filter(environment=environment, filings__state=Filing.State.PAUSED).distinct()
    digests = KnownBug.all_objects.filter(environment=environment, kind=KnownBug.Kind.DIGEST)
    count = waiting.count()
    if not count:
        digests.open().resolve()
        return
    lines = [f"{bug.bug_id} {bug.title}" for bug in waiting.order_by("number")[:DIGEST_LINES]]
    if count > len(lines):
        lines.append(f"and {count - len(lines)} more")
    text = "\n".join([f"{count} bugs wait to be filed: more were found than are filed in an hour or a day.", *lines])
    digest = digests.order_by("pk").first() or _new_digest(environment, text)
    if digest is None:
        return
    rows = KnownBug.all_objects.filter(pk=digest.pk)
    rows.exclude(description=text).update(description=text, occurrence_count=count, last_occurrence=timezone.now())
    rows.filter(status=KnownBug.Status.RESOLVED).regress(timezone.now())


def _new_digest(environment: str, text: str) -> KnownBug | None:
    """Return the digest made now, None when another process makes it."""
    alias = write_alias(KnownBug)
    now = timezone.now()
    with transaction.atomic(using=alias):
        if not Sequence.take(f"digest:{environment}"[:50], most=1):
            return None
        digest = KnownBug(
            kind=KnownBug.Kind.DIGEST,
            environment=environment,
            title="New bugs wait: more were found than may be filed",
            description=text,
            first_occurrence=now,
        )
        digest.save(using=alias)
        Activity.objects.using(alias).create(bug=digest, verb=Activity.Verb.CREATED)
        filing.request(digest)
    return digest
