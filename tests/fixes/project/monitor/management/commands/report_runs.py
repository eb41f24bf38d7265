from __future__ import annotations

import datetime as dt

from django.core.management.base import BaseCommand
from django.utils import timezone

from monitor.models import Check


class Command(BaseCommand):
    """Prints which checks ran last."""

    def handle(self, **options):
        long_ago = timezone.now() - dt.timedelta(days=1)
        for check in Check.objects.exclude(status="paused"):
            if self.is_due(check, long_ago):
                self.stdout.write(check.name)

    def is_due(self, check, before):
        return check.success_at is None or check.success_at < before
