"""``Sequence``: numbers that are given once, on any number of processes."""

from __future__ import annotations

from django.db import connections, models, transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from .base import write_alias


class Sequence(models.Model):
    """One row per series of numbers; its lock orders those who take one."""

    name = models.CharField(primary_key=True, max_length=50)
    value = models.PositiveIntegerField(default=0)
    made_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        """Return name and last number."""
        return f"{self.name}: {self.value}"

    @classmethod
    def take(cls, name: str, *, floor: int = 0, most: int | None = None) -> int:
        """
        Return the next number of the series *name*, above *floor*; 0 when it has reached *most*.

        Must be called in the transaction that stores the number: a rollback
        gives it back before anybody has seen it.
        """
        alias = write_alias(cls)
        with transaction.atomic(using=alias):
            rows = cls.objects.using(alias).filter(name=name)
            free = rows if most is None else rows.filter(value__lt=most)
            step = Greatest(F("value"), models.Value(floor)) + 1
            if not free.update(value=step):
                if not rows.exists():
                    cls._make(alias, name)
                if not free.update(value=step):  # also where another process has just made it
                    return 0
            return int(rows.values_list("value", flat=True).get())

    @classmethod
    def _make(cls, alias: str, name: str) -> None:
        """
        Make the row of a new series, whoever else does so too.

        By an upsert, not by ignoring the conflict: on MariaDB an insert that is
        ignored takes a shared lock, and two that then update wait for each other.
        """
        has_target = connections[alias].features.supports_update_conflicts_with_target
        Sequence.objects.using(alias).bulk_create(
            [Sequence(name=name, value=0)],
            update_conflicts=True,
            update_fields=["made_at"],
            unique_fields=["name"] if has_target else None,
        )
