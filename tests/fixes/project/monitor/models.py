"""Checks that report that they are alive."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class Project(models.Model):
    name = models.CharField(max_length=60)
    api_key = models.CharField(max_length=40, unique=True)


class Check(models.Model):
    class Status(models.TextChoices):
        NEW = "new"
        UP = "up"
        DOWN = "down"
        PAUSED = "paused"

    project = models.ForeignKey(Project, on_delete=models.CASCADE)
    code = models.UUIDField(default=uuid.uuid4, unique=True)
    name = models.CharField(max_length=60)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.NEW)
    timeout = models.IntegerField(default=3600)
    last_ping = models.DateTimeField(null=True)
    success_at = models.DateTimeField(null=True)


class Flip(models.Model):
    owner = models.ForeignKey(Check, related_name="flips", on_delete=models.CASCADE)
    created = models.DateTimeField()
    new_status = models.CharField(max_length=10)
