"""
``Journal``: the position up to which a process's journal is stored.

Its conditional UPDATE is the fence between processes that drain the same file.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Self

from django.db import models
from django.utils import timezone

from .base import OwnQuerySet

# A process may have read the file before it was deleted, and the row still stops it.
CLOSED_SECONDS = 3_600
# A file may wait for months on a machine that is switched off. Without its row it would
# be counted again.
REMEMBERED_DAYS = 365


class JournalQuerySet(OwnQuerySet["Journal"]):
    """Changes of the positions of journals."""

    def move(
        self,
        key: uuid.UUID,
        start: int,
        position: int,
        counts: Mapping[str, int],
        **values: object,
    ) -> int | None:
        """
        Move the journal *key* from *start* to *position*.

        A journal that has no row yet gets one.

        Args:
            key: Identity of the journal.
            start: The position that the caller has read.
            position: Sequence number of the last record that this transaction stores.
            counts: What is added to columns of the row, such as ``lost``.
            values: Other columns of the row.

        Returns:
            None, or the stored position if it is not *start*; nothing was changed then.

        """
        now = timezone.now()
        changes = {"position": position, "heartbeat": now, **values}
        if counts["lost"]:
            changes["lost_at"] = now
        added = {name: models.F(name) + more for name, more in counts.items()}
        row = self.filter(pk=key)
        if row.filter(position=start).update(**added, **changes):
            return None
        stored: int | None = row.values_list("position", flat=True).first()
        if stored is None:
            self.create(id=key, **counts, **changes)
        return stored

    def close(self) -> int:
        """Note that these journals are drained, and their files deleted."""
        return self.update(closed_at=timezone.now(), at_risk=0)

    def of_environment(self, environment: str) -> Self:
        """
        Return the rows of *environment*.

        Also those of an earlier release, which did not store the environment.
        """
        return self.filter(environment__in=(environment, ""))

    def acknowledge(self, environment: str) -> int:
        """
        Note that somebody knows what went wrong in *environment* so far.

        The counts stay. Returns how many rows that are.
        """
        rows = self.of_environment(environment)
        return rows.update(acknowledged_at=timezone.now())

    def prune(self) -> int:
        """
        Delete the rows that nothing needs.

        Closed ones that counted no loss go after an hour, the others after a year.

        Returns:
            How many rows were deleted.

        """
        now = timezone.now()
        harmless = self.filter(
            closed_at__lt=now - dt.timedelta(seconds=CLOSED_SECONDS),
            lost=0,
            bare=0,
            merged=0,
            failures=0,
        )
        forgotten = self.filter(heartbeat__lt=now - dt.timedelta(days=REMEMBERED_DAYS))
        deleted_harmless, _ = harmless.delete()
        deleted_forgotten, _ = forgotten.delete()
        return deleted_harmless + deleted_forgotten


class Journal(models.Model):
    """
    One row per journal; ``position`` is the sequence number of the last stored record.

    ``failed_at`` and ``lost_at``: when its process last swallowed an error of ours, and
    last lost an event. ``acknowledged_at``: when somebody last noted that they know.
    ``lost`` counts records that were damaged, ``bare`` events that were stored without
    their payload, ``merged`` events that were counted in a group that they share, for
    lack of room or because the database cannot accept them.
    """

    id = models.UUIDField(primary_key=True)
    position = models.PositiveBigIntegerField(default=0)
    environment = models.CharField(max_length=50, blank=True)
    server_name = models.CharField(max_length=100, blank=True)
    pid = models.PositiveIntegerField(default=0)
    is_durable = models.BooleanField(default=True)
    lost = models.PositiveBigIntegerField(default=0)
    bare = models.PositiveBigIntegerField(default=0)
    merged = models.PositiveBigIntegerField(default=0)
    at_risk = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveBigIntegerField(default=0)
    failed_at = models.DateTimeField(null=True, blank=True)
    lost_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    heartbeat = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = JournalQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.server_name}/{self.pid} at {self.position}"
