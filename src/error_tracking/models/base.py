"""
What the tables share: how times are stored, and the database they live in.

Knows no table.
"""

from __future__ import annotations

import datetime as dt
from typing import TypeVar

from django.conf import settings as django_settings
from django.db import DEFAULT_DB_ALIAS, models, router
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

Model_co = TypeVar("Model_co", bound=models.Model, covariant=True)

# A stored time this far after our clock was written while a clock was ahead. Less may
# be the difference between the clocks of two servers.
CLOCK_SKEW_SECONDS = 60


def moment_from(timestamp: float) -> dt.datetime:
    """
    Return a time as the project stores times, aware or naive (USE_TZ).

    Args:
        timestamp: Seconds since the epoch.

    """
    moment = dt.datetime.fromtimestamp(timestamp, tz=dt.UTC)
    if django_settings.USE_TZ:
        return moment
    return timezone.make_naive(moment)


def day_of(hour: dt.datetime) -> dt.date:
    """
    Return the day that a stored *hour* is counted for.

    That is a day in UTC, or in the project's time zone without ``USE_TZ``.
    """
    if timezone.is_aware(hour):
        # A database with a time zone of its own returns its times in that one.
        hour = hour.astimezone(dt.UTC)
    return hour.date()


def start_of_day(day: dt.date) -> dt.datetime:
    """Return the first hour of a *day* of :func:`day_of`, as the project stores it."""
    zone = dt.UTC if django_settings.USE_TZ else None
    return dt.datetime.combine(day, dt.time(), tzinfo=zone)


def moment_text(moment: dt.datetime) -> str:
    """Return *moment* in the project's time zone: ``2026-11-28 09:30 CET``."""
    if timezone.is_naive(moment):
        moment = timezone.make_aware(moment)
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M %Z}"


def write_alias(model: type[models.Model]) -> str:
    """Return the alias of the database that *model* is written to."""
    return router.db_for_write(model)


def alias_or_default(model: type[models.Model]) -> str:
    """
    Return the alias of the database that *model* is written to.

    The default database if the project's router fails, for what must not fail with it.
    """
    try:
        return write_alias(model)
    except Exception:  # noqa: BLE001  a router is the project's own code
        return DEFAULT_DB_ALIAS


class OwnQuerySet(models.QuerySet[Model_co]):
    """
    Reads from the database that it writes to, unless ``using()`` names another one.

    A project's router may read from replicas. What we read decides what we write, and a
    replica may be seconds behind.
    """

    @property
    def db(self) -> str:
        """The alias of the database this query is executed on."""
        self._for_write = True
        alias: str = super().db
        return alias


class OwnManager(models.Manager[Model_co]):
    """The manager of a table that has no queries with names."""

    def get_queryset(self) -> OwnQuerySet[Model_co]:
        """Return the rows of the database that they are written to."""
        hints = self._hints  # type: ignore[attr-defined]
        return OwnQuerySet(self.model, using=self._db, hints=hints)


class TimestampedModel(models.Model):
    """Adds ``created`` and ``modified``."""

    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    modified = models.DateTimeField(_("modified"), auto_now=True, editable=False)

    class Meta:
        abstract = True
