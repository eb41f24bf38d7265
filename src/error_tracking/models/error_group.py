"""
``ErrorGroup``: all events with one fingerprint in one environment, counted exactly.

The gate decides for each group whether it is a bug. The counts per hour and per day,
the clients and the releases that it and the charts need are here too.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from error_tracking.events.event import (
    CLIENT_ERROR,
    CLIENT_KINDS,
    CSRF,
    EXCEPTION,
    MESSAGE,
    SERVER_ERROR,
)
from error_tracking.events.kinds import Kind

from .base import OwnManager, OwnQuerySet, TimestampedModel, day_of, start_of_day

# A smaller site's busiest hour must not be a spike.
SPIKE_EVENTS = 100
# Well above the daily rhythm of a site: its busiest hour has a few times the mean.
SPIKE_FACTOR = 10
# A week has every hour and every day once.
USUAL_HOURS = 24 * 7
# Locked at once while their days are corrected: some milliseconds.
GROUPS_AT_ONCE = 50
# The hash of a commit has 40 characters; a tag or the name of an image may be longer.
VERSION_CHARS = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Counted:
    """What some groups have counted together; no times without groups."""

    count: int
    first: dt.datetime | None
    last: dt.datetime | None


class ErrorGroupQuerySet(OwnQuerySet["ErrorGroup"]):
    """Queries of the gate and of the outbox."""

    def due(self, environment: str) -> ErrorGroupQuerySet:
        """Return the groups of *environment* to decide on, the oldest first."""
        undecided = self.filter(bug=None, verdict=ErrorGroup.Verdict.UNDECIDED)
        return undecided.filter(environment=environment, is_due=True).order_by(
            "first_seen", "pk"
        )

    def lock(self, keys: Collection[int]) -> None:
        """Lock the groups with these primary keys until the transaction ends."""
        rows = self.select_for_update().filter(pk__in=keys).order_by("pk")
        list(rows.values_list("pk"))

    def counted(self) -> Counted:
        """Return how often these groups were seen, and when first and last."""
        sums = self.aggregate(
            count=models.Sum("times_seen", default=0),
            first=models.Min("first_seen"),
            last=models.Max("last_seen"),
        )
        return Counted(**sums)

    def without_bug(self) -> ErrorGroupQuerySet:
        """Return the groups that are no bug, and that nobody has hidden."""
        return self.filter(bug=None).exclude(verdict=ErrorGroup.Verdict.HIDDEN)

    def hide(self) -> int:
        """
        Never show these again among what is no bug, and never make a bug of them.

        A group that has a bug stays as it is.

        Returns:
            How many groups that changed.

        """
        groups = self.without_bug()
        return groups.update(
            verdict=ErrorGroup.Verdict.HIDDEN,
            verdict_reason="hidden by hand",
            is_due=False,
            modified=timezone.now(),
        )

    def show_again(self) -> int:
        """
        Undo ``hide()``: the gate decides again.

        Returns:
            How many groups that changed.

        """
        hidden = self.filter(bug=None, verdict=ErrorGroup.Verdict.HIDDEN)
        return hidden.update(
            verdict=ErrorGroup.Verdict.UNDECIDED,
            verdict_reason="",
            is_due=True,
            modified=timezone.now(),
        )

    def of_kind(self, kind: Kind) -> ErrorGroupQuerySet:
        """Return the groups of *kind*, by the rule of ``kinds.kind_of``."""
        exceptions = models.Q(error_type=EXCEPTION)
        conditions = {
            Kind.CRASH: models.Q(error_type=SERVER_ERROR)
            | (exceptions & ~models.Q(culprit="")),
            Kind.LIBRARY: exceptions & models.Q(culprit=""),
            Kind.MESSAGE: models.Q(error_type=MESSAGE),
            Kind.CSRF: models.Q(error_type=CSRF),
            Kind.REFUSED: models.Q(error_type=CLIENT_ERROR),
        }
        return self.filter(conditions[kind])


class ErrorGroup(TimestampedModel):
    """All events with one fingerprint in one environment; never pruned."""

    class Verdict(models.TextChoices):
        """What the gate, or a person, decided for good."""

        UNDECIDED = "", _("not decided")
        NEVER = "never", _("never a bug")
        HIDDEN = "hidden", _("hidden by hand")

    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    fingerprint_version = models.PositiveSmallIntegerField(
        _("fingerprint version"), default=1
    )
    environment = models.CharField(_("environment"), max_length=50)
    error_type = models.CharField(_("kind"), max_length=20)
    status_code = models.PositiveSmallIntegerField(
        _("status code"), null=True, blank=True
    )
    title = models.CharField(_("title"), max_length=255)
    culprit = models.CharField(_("culprit"), max_length=255, blank=True)
    route = models.CharField(_("route"), max_length=255, blank=True)
    cause = models.CharField(_("cause"), max_length=255, blank=True)
    # Of one of the latest events: type and first line. It goes when that event's log
    # does; the pattern, which has no values of people, stays.
    message = models.CharField(_("message"), max_length=255, blank=True, db_default="")
    message_pattern = models.CharField(
        _("message without values"), max_length=255, blank=True, db_default=""
    )
    level = models.CharField(_("level"), max_length=10, default="error")
    handled = models.BooleanField(_("handled"), default=False)
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    first_release = models.CharField(_("first release"), max_length=100, blank=True)
    last_release = models.CharField(_("last release"), max_length=100, blank=True)
    times_seen = models.PositiveBigIntegerField(_("times seen"), default=0)
    has_evidence = models.BooleanField(_("has evidence"), default=False)
    has_own_origin = models.BooleanField(
        _("refused a form of this site"), default=False
    )
    bug = models.ForeignKey(
        "error_tracking.KnownBug",
        verbose_name=_("bug"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="groups",
    )
    verdict = models.CharField(
        _("verdict"),
        max_length=10,
        choices=Verdict,
        default=Verdict.UNDECIDED,
        blank=True,
    )
    verdict_reason = models.CharField(_("why"), max_length=255, blank=True)
    # Set by whatever may change the gate's decision, and cleared when it has decided: a
    # group that is held back costs nothing until then, however often it is seen.
    is_due = models.BooleanField(default=True, editable=False)
    look_at_count = models.PositiveBigIntegerField(default=0, editable=False)

    objects = ErrorGroupQuerySet.as_manager()

    class Meta:
        verbose_name = _("error group")
        verbose_name_plural = _("error groups")
        constraints = [
            models.UniqueConstraint(
                fields=["fingerprint", "environment"], name="et_group_fingerprint_env"
            )
        ]
        indexes = [
            models.Index(
                fields=["environment", "is_due", "first_seen"], name="et_group_due"
            ),
            models.Index(fields=["last_seen"], name="et_group_last_seen"),
            models.Index(
                fields=["environment", "first_seen"], name="et_group_first_seen"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_client_error(self) -> bool:
        """Whether a request was refused, rather than the site having failed."""
        return self.error_type in CLIENT_KINDS

    def clients_since_yesterday(self) -> int:
        """
        Count the distinct clients that met this group since yesterday.

        Clients are stored per day, so this approximates 24 hours.
        """
        since = (timezone.now() - dt.timedelta(hours=24)).date()
        clients = GroupClient.objects.filter(group=self, day__gte=since)
        return clients.values("hash").distinct().count()


class GroupClient(models.Model):
    """A client that met a group on a day: a keyed hash, which identifies nobody."""

    group = models.ForeignKey(
        ErrorGroup, on_delete=models.CASCADE, related_name="clients"
    )
    day = models.DateField()
    hash = models.CharField(max_length=16)

    objects = OwnManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["group", "day", "hash"], name="et_groupclient_unique"
            )
        ]

    def __str__(self) -> str:
        return self.hash


class HourlyCountQuerySet(OwnQuerySet["HourlyCount"]):
    """Adds up hours, and finds what happens far more often than usual."""

    def of_day(self, day: dt.date) -> HourlyCountQuerySet:
        """Return the hours that are counted for *day*."""
        end = start_of_day(day + dt.timedelta(days=1))
        return self.filter(hour__gte=start_of_day(day), hour__lt=end)

    def sums(self) -> dict[int, int]:
        """Return how often each group was seen in these hours, by primary key."""
        counted = self.order_by().values_list("group")
        return dict(counted.annotate(total=models.Sum("count")))

    def spiking(
        self, environment: str, hour: dt.datetime
    ) -> Iterator[tuple[ErrorGroup, int, float]]:
        """
        Yield the groups of *environment* that occur far more often than usual in *hour*.

        Usual is the mean of the hours of the week before. Far more is ten times that,
        and at least a hundred.

        Yields:
            A group, its count of that hour, and the usual count.

        """
        rows = self.filter(
            hour=hour, count__gte=SPIKE_EVENTS, group__environment=environment
        )
        counts = dict(rows.values_list("group_id", "count"))
        week = self.filter(
            group__in=counts,
            hour__lt=hour,
            hour__gte=hour - dt.timedelta(hours=USUAL_HOURS),
        )
        sums = week.sums()
        for group in ErrorGroup.objects.filter(pk__in=counts).order_by("pk"):
            usual = sums.get(group.pk, 0) / USUAL_HOURS
            if counts[group.pk] >= SPIKE_FACTOR * usual:
                yield group, counts[group.pk], usual


class HourlyCount(models.Model):
    """How often a group was seen in one hour."""

    group = models.ForeignKey(
        ErrorGroup, on_delete=models.CASCADE, related_name="hourly"
    )
    hour = models.DateTimeField()
    count = models.PositiveBigIntegerField(default=0)

    objects = HourlyCountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["group", "hour"], name="et_hourlycount_unique"
            )
        ]
        indexes = [
            models.Index(fields=["hour"], name="et_hourlycount_hour"),
            # Has the count, too: the dashboard adds up tens of thousands of these, and
            # must not look each of them up in the table.
            models.Index(fields=["group", "hour", "count"], name="et_hourlycount_sums"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}h: {self.count}"


class DailyCountQuerySet(OwnQuerySet["DailyCount"]):
    """Adds up the hours of a day."""

    def add_up(self, changed_hours: Iterable[tuple[int, dt.datetime]]) -> None:
        """
        Set the days of *changed_hours* to the sums of all their hours.

        A sum that is computed again cannot drift away from its parts, whatever was
        lost, restored or counted by an older version of this app.

        The caller is in the transaction that changed the hours and has locked the
        groups, so that no other process changes these days meanwhile.

        Args:
            changed_hours: Primary keys of groups, each with an hour.

        """
        groups_by_day: dict[dt.date, set[int]] = defaultdict(set)
        for group, hour in changed_hours:
            groups_by_day[day_of(hour)].add(group)
        for day, groups in sorted(groups_by_day.items()):
            self._add_up_day(day, groups)

    def correct_recent(self) -> int:
        """
        Add up again what is wrong of today and yesterday.

        While the site is upgraded, processes of a version that knows no days may count
        hours for some more minutes. Otherwise this changes nothing.

        Returns:
            How many days of groups were wrong.

        """
        today = day_of(timezone.now())
        corrected = 0
        for day in (today - dt.timedelta(days=1), today):
            sums = HourlyCount.objects.of_day(day).sums()
            counts = dict(self.filter(day=day).values_list("group", "count"))
            wrong = [group for group in sums if sums[group] != counts.get(group)]
            for start in range(0, len(wrong), GROUPS_AT_ONCE):
                batch = sorted(wrong[start : start + GROUPS_AT_ONCE])
                with transaction.atomic(using=self.db):
                    ErrorGroup.objects.lock(batch)
                    self._add_up_day(day, set(batch))
            corrected += len(wrong)
        return corrected

    def _add_up_day(self, day: dt.date, groups: set[int]) -> None:
        hours = HourlyCount.objects.of_day(day).filter(group=models.OuterRef("group"))
        sums = hours.order_by().values("group").annotate(total=models.Sum("count"))
        total = models.Subquery(sums.values("total"))
        rows = self.filter(day=day, group__in=sorted(groups))
        if rows.update(count=total) == len(groups):
            return
        missing = groups - set(rows.values_list("group", flat=True))
        self.bulk_create(
            [DailyCount(group_id=group, day=day) for group in sorted(missing)],
            ignore_conflicts=True,
        )
        rows.filter(group__in=missing).update(count=total)


class DailyCount(models.Model):
    """
    How often a group was seen on one day: the sum of its hours.

    Days begin at midnight UTC; without ``USE_TZ`` at midnight in the project's time
    zone, as hours do.
    """

    # The constraint's index begins with this column, so it needs none of its own.
    group = models.ForeignKey(
        ErrorGroup, on_delete=models.CASCADE, related_name="daily", db_index=False
    )
    day = models.DateField()
    count = models.PositiveBigIntegerField(default=0)

    objects = DailyCountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["group", "day"], name="et_dailycount_unique"
            )
        ]
        indexes = [
            # Has the count, too: what is added up is not looked up in the table.
            models.Index(fields=["group", "day", "count"], name="et_dailycount_sums"),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.count}"


class HourlyTotal(models.Model):
    """How often a kind and status was seen in one hour, over all groups."""

    hour = models.DateTimeField()
    environment = models.CharField(max_length=50)
    error_type = models.CharField(max_length=20)
    status_code = models.PositiveSmallIntegerField(default=0)
    count = models.PositiveBigIntegerField(default=0)

    objects = OwnManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "environment", "error_type", "status_code"],
                name="et_hourlytotal_unique",
            )
        ]

    def __str__(self) -> str:
        hour = f"{self.hour:%Y-%m-%d %H}h"
        return f"{hour} {self.error_type} {self.status_code}: {self.count}"


class ReleaseQuerySet(OwnQuerySet["Release"]):
    """Stores which releases were seen."""

    def see(self, *versions: str) -> None:
        """Store that *versions* were seen now, unless they were seen before."""
        names = {version[:VERSION_CHARS] for version in versions}
        known = self.filter(version__in=names).values_list("version", flat=True)
        now = timezone.now()
        new = sorted(names - set(known))
        rows = [Release(version=version, first_seen=now) for version in new]
        self.bulk_create(rows, ignore_conflicts=True)


class Release(models.Model):
    """
    A release of the project.

    Hashes of commits have no order, so the order is that of their first sight.
    """

    version = models.CharField(max_length=VERSION_CHARS, unique=True)
    first_seen = models.DateTimeField()

    objects = ReleaseQuerySet.as_manager()

    def __str__(self) -> str:
        return self.version
