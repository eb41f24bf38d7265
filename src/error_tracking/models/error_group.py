"""``ErrorGroup``: all events with one fingerprint in one environment, counted exactly; what the gate decides on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from error_tracking.events import CLIENT_KINDS
from error_tracking.utils import hour_of

from .base import TimestampedModel

SPIKE_EVENTS = 100
SPIKE_TIMES = 10
USUAL_HOURS = 24 * 7


class ErrorGroup(TimestampedModel):
    """All events with one fingerprint in one environment; never pruned."""

    class Verdict(models.TextChoices):
        """What the gate decided for good."""

        UNDECIDED = "", _("not decided")
        NEVER = "never", _("never a bug")

    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    fingerprint_version = models.PositiveSmallIntegerField(_("fingerprint version"), default=1)
    environment = models.CharField(_("environment"), max_length=50)
    error_type = models.CharField(_("kind"), max_length=20)
    status_code = models.PositiveSmallIntegerField(_("status code"), null=True, blank=True)
    title = models.CharField(_("title"), max_length=255)
    culprit = models.CharField(_("culprit"), max_length=255, blank=True)
    route = models.CharField(_("route"), max_length=255, blank=True)
    cause = models.CharField(_("cause"), max_length=255, blank=True)
    level = models.CharField(_("level"), max_length=10, default="error")
    handled = models.BooleanField(_("handled"), default=False)
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    first_release = models.CharField(_("first release"), max_length=100, blank=True)
    last_release = models.CharField(_("last release"), max_length=100, blank=True)
    times_seen = models.PositiveBigIntegerField(_("times seen"), default=0)
    has_evidence = models.BooleanField(_("has evidence"), default=False)
    bug = models.ForeignKey(
        "error_tracking.KnownBug",
        verbose_name=_("bug"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="groups",
    )
    verdict = models.CharField(_("verdict"), max_length=10, choices=Verdict, default=Verdict.UNDECIDED, blank=True)
    verdict_reason = models.CharField(_("why"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("error group")
        verbose_name_plural = _("error groups")
        constraints = [models.UniqueConstraint(fields=["fingerprint", "environment"], name="et_group_fingerprint_env")]
        indexes = [
            models.Index(fields=["environment", "verdict", "last_seen"], name="et_group_gate"),
            models.Index(fields=["last_seen"], name="et_group_last_seen"),
            models.Index(fields=["environment", "first_seen"], name="et_group_first_seen"),
        ]

    def __str__(self) -> str:
        """Return the title."""
        return self.title

    @property
    def is_client_error(self) -> bool:
        """Return whether the client's request was refused, rather than the site having failed."""
        return self.error_type in CLIENT_KINDS


class GroupClient(models.Model):
    """One client that met a group on one day, as a keyed hash that identifies nobody."""

    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="clients")
    day = models.DateField()
    hash = models.CharField(max_length=16)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "day", "hash"], name="et_groupclient_unique")]

    def __str__(self) -> str:
        """Return the hash."""
        return self.hash


class HourlyCountQuerySet(models.QuerySet["HourlyCount"]):
    """Reads for the gate and for what is told of bugs."""

    def spiking(self, environment: str) -> Iterator[tuple[ErrorGroup, int, float]]:
        """
        Yield the groups of *environment* far more frequent than usual, with this hour's count and the usual one.

        Usual is the mean of the hours of the last week, far more is ten times that,
        and a hundred at least.
        """
        hour = hour_of(timezone.now())
        rows = self.filter(hour=hour, count__gte=SPIKE_EVENTS, group__environment=environment)
        counts = dict(rows.values_list("group_id", "count"))
        week = self.filter(group__in=counts, hour__lt=hour, hour__gte=hour - dt.timedelta(hours=USUAL_HOURS))
        sums = dict(week.values_list("group_id").annotate(total=models.Sum("count")).order_by())
        for group in ErrorGroup.objects.filter(pk__in=counts).order_by("pk"):
            usual = sums.get(group.pk, 0) / USUAL_HOURS
            if counts[group.pk] >= SPIKE_TIMES * usual:
                yield group, counts[group.pk], usual


class HourlyCount(models.Model):
    """How often a group was seen in one hour."""

    group = models.ForeignKey(ErrorGroup, on_delete=models.CASCADE, related_name="hourly")
    hour = models.DateTimeField()
    count = models.PositiveBigIntegerField(default=0)

    objects = HourlyCountQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "hour"], name="et_hourlycount_unique")]
        indexes = [models.Index(fields=["hour"], name="et_hourlycount_hour")]

    def __str__(self) -> str:
        """Return hour and count."""
        return f"{self.hour:%Y-%m-%d %H}h: {self.count}"


class HourlyTotal(models.Model):
    """How often a kind and status was seen in one hour, over all groups."""

    hour = models.DateTimeField()
    environment = models.CharField(max_length=50)
    error_type = models.CharField(max_length=20)
    status_code = models.PositiveSmallIntegerField(default=0)
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "environment", "error_type", "status_code"], name="et_hourlytotal_unique"
            )
        ]

    def __str__(self) -> str:
        """Return hour, kind and count."""
        return f"{self.hour:%Y-%m-%d %H}h {self.error_type} {self.status_code}: {self.count}"


class ReleaseQuerySet(models.QuerySet["Release"]):
    """Notes releases."""

    def see(self, *versions: str) -> None:
        """Note the first sight of *versions*, unless they were seen before."""
        rows = [Release(version=version[:100], first_seen=timezone.now()) for version in sorted(set(versions))]
        known = set(self.filter(version__in=[row.version for row in rows]).values_list("version", flat=True))
        self.bulk_create([row for row in rows if row.version not in known], ignore_conflicts=True)


class Release(models.Model):
    """A release of the host; hashes have no order, so the first sight is the order."""

    version = models.CharField(max_length=100, unique=True)
    first_seen = models.DateTimeField()

    objects = ReleaseQuerySet.as_manager()

    def __str__(self) -> str:
        """Return the version."""
        return self.version
