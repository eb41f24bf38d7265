"""``Sequence``: numbers that are given once, on any number of processes."""

from __future__ import annotations

from django.db import connections, models, transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from .base import OwnManager, write_alias


class Sequence(models.Model):
    """One row per series of numbers; its lock orders those who take one."""

    name = models.CharField(primary_key=True, max_length=50)
    value = models.PositiveIntegerField(default=0)
    made_at = models.DateTimeField(default=timezone.now)

    objects = OwnManager()

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"

    @classmethod
    def take(cls, name: str, *, floor: int = 0, most: int | None = None) -> int:
        """
        Return the next number of a series.

        Must be called in the transaction that stores the number: a rollback gives it
        back before anybody has seen it.

        Args:
            name: The series, at most 50 characters.
            floor: The number is above this one.
            most: The highest number of the series.

        Returns:
            The number, or 0 if the series has reached *most*.

        """
        with transaction.atomic(using=write_alias(cls)):
            rows = cls.objects.filter(name=name)
            free = rows
            if most is not None:
                free = rows.filter(value__lt=most)
            next_value = Greatest(F("value"), models.Value(floor)) + 1
            is_taken = free.update(value=next_value) > 0
            if not is_taken:
                if not rows.exists():
                    cls._create(name)
                # Also if another process has just created it.
                is_taken = free.update(value=next_value) > 0
            if not is_taken:
                return 0
            return int(rows.values_list("value", flat=True).get())

    @classmethod
    def change(cls, name: str, value: int) -> bool:
        """
        Set the number of a series.

        Returns:
            Whether it was another number before. Of several processes that set it at
            the same time only one gets True.

        """
        rows = cls.objects.filter(name=name)
        current = rows.values_list("value", flat=True).first()
        if current == value:
            return False
        if current is None:
            cls._create(name)
        return rows.exclude(value=value).update(value=value) > 0

    @classmethod
    def _create(cls, name: str) -> None:
        """
        Create the row of a new series, whoever else does so too.

        By an upsert, not by ignoring the conflict: on MariaDB an insert that is ignored
        takes a shared lock, and two that then update wait for each other.
        """
        features = connections[write_alias(cls)].features
        unique_fields = None
        if features.supports_update_conflicts_with_target:  # pragma: no branch  MySQL
            unique_fields = ["name"]
        Sequence.objects.bulk_create(
            [Sequence(name=name, value=0)],
            update_conflicts=True,
            update_fields=["made_at"],
            unique_fields=unique_fields,
        )
