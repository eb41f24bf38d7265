"""
``Filing``: the outbox. One row per bug and tracker says what is still to do.

Whoever claims a row has it until ``next_attempt_at``, the end of the lease; then it
is anybody's again. What was filed is due anew when the bug has news that its tracker
was not told. Nothing here talks to a tracker.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Case, F, IntegerField, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .base import TimestampedModel
from .life_cycle import Status

if TYPE_CHECKING:
    from .known_bug import KnownBug

LEASE_SECONDS = 600  # longer than the slowest attempt of a tracker: twelve calls of half a minute
REASON_CHARS = 500
_URGENT_FIRST = {"critical": 0, "high": 1, "medium": 2}


class FilingQuerySet(models.QuerySet["Filing"]):
    """Reads and changes of the outbox."""

    def due(self, now: dt.datetime) -> FilingQuerySet:
        """Return the rows that somebody should take now: waiting ones, untold news, and claims whose lease is over."""
        state = Filing.State
        waits = Q(state__in=(state.PENDING, state.PAUSED, state.CLAIMED))
        has_news = Q(state__in=(state.FILED, state.LOCAL), told__lt=F("bug__news"))
        return self.filter(waits | has_news, next_attempt_at__lte=now)

    def wanted(self, environment: str) -> FilingQuerySet:
        """Return the rows of bugs that may be filed from *environment*; of a resolved bug only what was begun."""
        rows = self.filter(bug__environment=environment, bug__is_deleted=False).exclude(bug__status=Status.MUTED)
        return rows.exclude(bug__status=Status.RESOLVED, reference="", attempts=0)

    def urgent_first(self) -> FilingQuerySet:
        """Return the rows by the severity of their bugs, then by number."""
        whens = [When(bug__severity=severity, then=Value(rank)) for severity, rank in _URGENT_FIRST.items()]
        rank = Case(*whens, default=Value(len(whens)), output_field=IntegerField())
        return self.order_by(rank, "bug__number", "pk")

    def claim(self, now: dt.datetime) -> bool:
        """Claim this one row, as it is at this moment; return whether it is ours now."""
        lease = now + dt.timedelta(seconds=LEASE_SECONDS)
        claimed = {"state": Filing.State.CLAIMED, "next_attempt_at": lease, "modified": now}
        # On the row alone: through a join the condition moves into a subquery, which nobody checks again
        # after waiting for the lock, and two would claim it.
        seen = self.due(now).values("pk", "state", "attempts").first()
        return seen is not None and bool(Filing.objects.filter(**seen).update(attempts=F("attempts") + 1, **claimed))

    def request_for(self, bug: KnownBug, trackers: Iterable[str]) -> None:
        """Write the rows that *bug* lacks for *trackers*."""
        rows = [Filing(bug=bug, tracker=tracker) for tracker in trackers]
        self.bulk_create(rows, ignore_conflicts=True)

    def retry(self) -> int:
        """Make failed, paused and waiting rows due at once; return how many."""
        states = (Filing.State.FAILED, Filing.State.PAUSED, Filing.State.PENDING)
        now = timezone.now()
        values = {"state": Filing.State.PENDING, "next_attempt_at": now, "published_at": None, "modified": now}
        return self.filter(state__in=states).update(**values)

    def say_why(self, reason: str, now: dt.datetime) -> None:
        """Say why these rows are not served; a process that can serve them takes them all the same."""
        rows = self.due(now).filter(state=Filing.State.PENDING, attempts=0).exclude(reason=reason[:REASON_CHARS])
        rows.update(reason=reason[:REASON_CHARS])

    def unfinished(self) -> list[tuple[str, str, str, int]]:
        """Return state, tracker, reason and number of what is not filed, the most frequent first."""
        rows = self.exclude(state__in=(Filing.State.FILED, Filing.State.LOCAL)).order_by()
        counted = rows.values_list("state", "tracker", "reason").annotate(count=models.Count("pk"))
        return sorted(counted, key=lambda row: (-row[3], *row[:3]))

    def hold_until(self, moment: dt.datetime) -> int:
        """Have the waiting ones wait until *moment*, because the tracker wants a rest; return how many."""
        state = Filing.State
        waiting = self.filter(state__in=(state.PENDING, state.FILED, state.LOCAL), next_attempt_at__lt=moment)
        return waiting.update(next_attempt_at=moment)

    def refile(self) -> int:
        """Have what was filed brought up to date without news; return how many."""
        filed = self.filter(state__in=(Filing.State.FILED, Filing.State.LOCAL))
        return filed.update(state=Filing.State.PENDING, next_attempt_at=timezone.now())


class Filing(TimestampedModel):
    """What one tracker is to do for one bug, and how far it is."""

    class State(models.TextChoices):
        """How far the filing is."""

        PENDING = "pending", _("waiting")
        CLAIMED = "claimed", _("being filed")
        FILED = "filed", _("filed")
        LOCAL = "local", _("local only")
        PAUSED = "paused", _("paused")
        FAILED = "failed", _("failed")

    bug = models.ForeignKey("error_tracking.KnownBug", on_delete=models.CASCADE, related_name="filings")
    tracker = models.CharField(_("tracker"), max_length=50)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), default=timezone.now)
    published_at = models.DateTimeField(_("given to the broker"), null=True, blank=True)
    filed_at = models.DateTimeField(_("filed at"), null=True, blank=True)
    told = models.PositiveBigIntegerField(_("told of"), default=0)
    reference = models.CharField(_("reference"), max_length=200, blank=True)
    url = models.TextField(_("URL"), blank=True)
    reason = models.CharField(_("reason"), max_length=REASON_CHARS, blank=True)

    objects = FilingQuerySet.as_manager()

    class Meta:
        verbose_name = _("filing")
        verbose_name_plural = _("filings")
        constraints = [models.UniqueConstraint(fields=["bug", "tracker"], name="et_filing_unique")]
        indexes = [models.Index(fields=["state", "next_attempt_at"], name="et_filing_due")]

    def __str__(self) -> str:
        """Return tracker and state."""
        return f"{self.tracker}: {self.get_state_display()}"
