"""
``Filing``: the outbox. One row per bug and tracker says what is still to do.

Whoever claims a row owns it until ``next_attempt_at``, the end of the lease; after that
anybody may claim it. What was filed is due again when the bug has an activity that its
tracker has not seen. Nothing here calls a tracker.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db import models
from django.db.models import Case, Exists, F, IntegerField, OuterRef, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from error_tracking.events.kinds import Kind

from .base import OwnQuerySet, TimestampedModel
from .error_group import ErrorGroup
from .known_bug import KnownBug

# Longer than the slowest attempt of a tracker: twelve calls of half a minute.
LEASE_SECONDS = 600
# As wide as the column: the first sentences of an answer, which name the reason.
REASON_CHARS = 500
_RANKS = {
    KnownBug.Severity.CRITICAL: 0,
    KnownBug.Severity.HIGH: 1,
    KnownBug.Severity.MEDIUM: 2,
}
_LOWEST_RANK = 3


class FilingQuerySet(OwnQuerySet["Filing"]):
    """Queries and changes of the outbox."""

    def due(self, now: dt.datetime) -> FilingQuerySet:
        """
        Return the rows that somebody should claim now.

        They wait, or their bug has an activity that the tracker has not seen, or the
        lease of whoever claimed them is over.
        """
        state = Filing.State
        waits = Q(state__in=(state.PENDING, state.PAUSED, state.CLAIMED))
        is_behind = Q(
            state__in=(state.FILED, state.LOCAL),
            synced_activity_id__lt=F("bug__latest_activity_id"),
        )
        return self.filter(waits | is_behind, next_attempt_at__lte=now)

    def wanted(self, environment: str) -> FilingQuerySet:
        """
        Return the rows of bugs that may be filed from *environment*.

        Nothing of deleted and muted bugs; of resolved ones only what was begun.
        """
        rows = self.filter(bug__environment=environment, bug__is_deleted=False)
        rows = rows.exclude(bug__status=KnownBug.Status.MUTED)
        return rows.exclude(
            bug__status=KnownBug.Status.RESOLVED, reference="", attempts=0
        )

    def urgent_first(self) -> FilingQuerySet:
        """
        Return the rows in the order in which they are filed.

        Crashes come before what strangers can cause, whatever its severity: a log
        message of level critical may have a visitor's words in it. Then by the severity
        of the bugs, then by number.
        """
        by_severity = [
            When(bug__severity=severity, then=Value(rank))
            for severity, rank in _RANKS.items()
        ]
        rank = Case(
            *by_severity, default=Value(_LOWEST_RANK), output_field=IntegerField()
        )
        groups = ErrorGroup.objects.filter(bug=OuterRef("bug"))
        crashes = groups.of_kind(Kind.CRASH)
        is_behind_crashes = Case(
            When(Exists(groups) & ~Exists(crashes), then=Value(1)),
            default=Value(0),
            output_field=IntegerField(),
        )
        return self.order_by(is_behind_crashes, rank, "bug__number", "pk")

    def claim(self, now: dt.datetime) -> bool:
        """
        Claim the one row of this query, if it is due and unchanged.

        Returns:
            Whether the caller owns it now, for ``LEASE_SECONDS``.

        """
        # On the row alone: through a join the condition moves into a subquery, which
        # nobody checks again after waiting for the lock, and two would claim it.
        current = self.due(now).values("pk", "state", "attempts").first()
        if current is None:
            return False
        claimed = Filing.objects.filter(**current).update(
            state=Filing.State.CLAIMED,
            attempts=F("attempts") + 1,
            next_attempt_at=now + dt.timedelta(seconds=LEASE_SECONDS),
            modified=now,
        )
        return claimed > 0

    def request_for(self, bug: KnownBug, trackers: Iterable[str]) -> None:
        """Create the rows that *bug* lacks for *trackers*, which are names."""
        rows = [Filing(bug=bug, tracker=tracker) for tracker in trackers]
        self.bulk_create(rows, ignore_conflicts=True)

    def retry(self) -> int:
        """Make failed, paused and waiting rows due at once. Return how many."""
        state = Filing.State
        unfinished = self.filter(state__in=(state.FAILED, state.PAUSED, state.PENDING))
        now = timezone.now()
        return unfinished.update(
            state=state.PENDING,
            failures=0,
            next_attempt_at=now,
            published_at=None,
            modified=now,
        )

    def store_reason(self, reason: str, now: dt.datetime) -> None:
        """
        Store why this process does not serve these rows.

        A process that can serve them claims them all the same.
        """
        reason = reason[:REASON_CHARS]
        untried = self.due(now).filter(state=Filing.State.PENDING, attempts=0)
        untried.exclude(reason=reason).update(reason=reason)

    def unfinished(self) -> list[tuple[str, str, str, int]]:
        """Return state, tracker, reason and number of what is not filed, most first."""
        rows = self.exclude(state__in=(Filing.State.FILED, Filing.State.LOCAL))
        counted = (
            rows.order_by()
            .values_list("state", "tracker", "reason")
            .annotate(count=models.Count("pk"))
        )
        return sorted(counted, key=lambda row: (-row[3], *row[:3]))

    def hold_until(self, moment: dt.datetime) -> int:
        """Try nothing before *moment*, because the tracker asked for a rest."""
        state = Filing.State
        waiting = self.filter(
            state__in=(state.PENDING, state.FILED, state.LOCAL),
            next_attempt_at__lt=moment,
        )
        return waiting.update(next_attempt_at=moment)

    def refile(self) -> int:
        """Make what was filed due again, without a new activity. Return how many."""
        filed = self.filter(state__in=(Filing.State.FILED, Filing.State.LOCAL))
        return filed.update(state=Filing.State.PENDING, next_attempt_at=timezone.now())


class Filing(TimestampedModel):
    """What one tracker has to do for one bug, and how far it is."""

    class State(models.TextChoices):
        """How far the filing is."""

        PENDING = "pending", _("waiting")
        CLAIMED = "claimed", _("being filed")
        FILED = "filed", _("filed")
        LOCAL = "local", _("local only")
        PAUSED = "paused", _("paused")
        FAILED = "failed", _("failed")

    bug = models.ForeignKey(KnownBug, on_delete=models.CASCADE, related_name="filings")
    tracker = models.CharField(_("tracker"), max_length=50)
    state = models.CharField(
        _("state"), max_length=10, choices=State, default=State.PENDING
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    # Of the attempts since the last success those that count: not what a rate limit or
    # an outage of the tracker has refused.
    failures = models.PositiveSmallIntegerField(_("failures"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), default=timezone.now)
    published_at = models.DateTimeField(_("given to the broker"), null=True, blank=True)
    filed_at = models.DateTimeField(_("filed at"), null=True, blank=True)
    # The latest activity of the bug that this tracker has seen.
    synced_activity_id = models.PositiveBigIntegerField(_("synced activity"), default=0)
    reference = models.CharField(_("reference"), max_length=200, blank=True)
    url = models.TextField(_("URL"), blank=True)
    reason = models.CharField(_("reason"), max_length=REASON_CHARS, blank=True)

    objects = FilingQuerySet.as_manager()

    class Meta:
        verbose_name = _("filing")
        verbose_name_plural = _("filings")
        constraints = [
            models.UniqueConstraint(fields=["bug", "tracker"], name="et_filing_unique")
        ]
        indexes = [
            models.Index(fields=["state", "next_attempt_at"], name="et_filing_due")
        ]

    def __str__(self) -> str:
        return f"{self.tracker}: {self.get_state_display()}"
