"""
``Filing``: the outbox. One row per bug and tracker says what is still to do.

A worker claims a row for the time of a lease; a row whose lease has run out is
anybody's again. Nothing here talks to a tracker.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .base import TimestampedModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .known_bug import KnownBug

LEASE_SECONDS = 300  # longer than a tracker's slowest attempt: five calls of 30 seconds
REASON_CHARS = 500


class FilingQuerySet(models.QuerySet["Filing"]):
    """Reads and changes of the outbox."""

    def due(self, now: dt.datetime) -> FilingQuerySet:
        """Return the rows that somebody should take now: waiting ones, and claims whose lease has run out."""
        waiting = Q(state=Filing.State.PENDING, next_attempt_at__lte=now)
        abandoned = Q(state=Filing.State.CLAIMED, claimed_until__lt=now)
        return self.filter(waiting | abandoned)

    def claim(self, now: dt.datetime) -> bool:
        """Claim this one row; return whether it is ours now."""
        until = now + dt.timedelta(seconds=LEASE_SECONDS)
        claimed = self.due(now).update(
            state=Filing.State.CLAIMED, claimed_until=until, attempts=F("attempts") + 1, modified=now
        )
        return bool(claimed)

    def request_for(self, bug: KnownBug, trackers: Iterable[str]) -> None:
        """Write the rows that *bug* lacks for *trackers*."""
        rows = [Filing(bug=bug, tracker=tracker) for tracker in trackers]
        self.bulk_create(rows, ignore_conflicts=True)

    def retry(self) -> int:
        """Make failed and waiting rows due at once; return how many."""
        states = (Filing.State.FAILED, Filing.State.PENDING)
        return self.filter(state__in=states).update(
            state=Filing.State.PENDING, next_attempt_at=timezone.now(), published_at=None, modified=timezone.now()
        )


class Filing(TimestampedModel):
    """What one tracker is to do for one bug, and how far it is."""

    class State(models.TextChoices):
        """How far the filing is."""

        PENDING = "pending", _("waiting")
        CLAIMED = "claimed", _("being filed")
        FILED = "filed", _("filed")
        FAILED = "failed", _("failed")

    bug = models.ForeignKey("error_tracking.KnownBug", on_delete=models.CASCADE, related_name="filings")
    tracker = models.CharField(_("tracker"), max_length=50)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), default=timezone.now)
    claimed_until = models.DateTimeField(_("claimed until"), null=True, blank=True)
    published_at = models.DateTimeField(_("given to the broker"), null=True, blank=True)
    filed_at = models.DateTimeField(_("filed at"), null=True, blank=True)
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
