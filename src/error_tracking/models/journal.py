"""``Journal``: how far a process's journal has been stored; its conditional move fences writers."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Journal(models.Model):
    """One row per journal; ``position`` is the sequence number of the last stored event."""

    id = models.UUIDField(primary_key=True)
    position = models.PositiveBigIntegerField(default=0)
    server_name = models.CharField(max_length=100, blank=True)
    pid = models.PositiveIntegerField(default=0)
    lost = models.PositiveBigIntegerField(default=0)
    heartbeat = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "journal"

    def __str__(self) -> str:
        """Return server and process."""
        return f"{self.server_name}/{self.pid} at {self.position}"
