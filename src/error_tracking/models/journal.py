"""``Journal``: how far a process's journal has been stored; its conditional move fences writers."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import models
from django.utils import timezone

CLOSED_SECONDS = 3_600  # a closed row still fences whoever has read its file before it was deleted
REMEMBERED_DAYS = 365


class JournalQuerySet(models.QuerySet["Journal"]):
    """What happens to many journals."""

    def move(self, key: uuid.UUID, start: int, position: int, *, lost: int, **values: object) -> int | None:
        """
        Move the journal *key* from *start* to *position*, and make its row where it has none.

        Args:
            key: Identity of the journal.

            start: Where the caller thinks it stands.

            position: Sequence number of the last record that this transaction stores.

            lost: How many records up to there are added as lost.

            values: Other columns of the row.

        Returns:
            None, or where it stands when that is not *start*: nothing was changed.
        """
        rows, changes = self.filter(pk=key), {"position": position, "heartbeat": timezone.now(), **values}
        if rows.filter(position=start).update(lost=models.F("lost") + lost, **changes):
            return None
        stored: int | None = rows.values_list("position", flat=True).first()
        if stored is None:
            self.create(id=key, lost=lost, **changes)
        return stored

    def close(self) -> int:
        """Say that these journals are drained, and their files deleted."""
        return self.update(closed_at=timezone.now(), at_risk=0)

    def prune(self) -> int:
        """Delete the rows that nothing needs: closed ones with nothing to tell soon, the others after a year."""
        now = timezone.now()
        told = self.filter(closed_at__lt=now - dt.timedelta(seconds=CLOSED_SECONDS), lost=0, failures=0)
        # A file may wait for years on a machine that is switched off; without its row it would be counted again.
        old = self.filter(heartbeat__lt=now - dt.timedelta(days=REMEMBERED_DAYS))
        return told.delete()[0] + old.delete()[0]


class Journal(models.Model):
    """One row per journal; ``position`` is the sequence number of the last stored record."""

    id = models.UUIDField(primary_key=True)
    position = models.PositiveBigIntegerField(default=0)
    server_name = models.CharField(max_length=100, blank=True)
    pid = models.PositiveIntegerField(default=0)
    is_durable = models.BooleanField(default=True)
    lost = models.PositiveBigIntegerField(default=0)
    at_risk = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveBigIntegerField(default=0)
    heartbeat = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = JournalQuerySet.as_manager()

    def __str__(self) -> str:
        """Return server and process."""
        return f"{self.server_name}/{self.pid} at {self.position}"
