from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.core.management.base import BaseCommand

from stock.models import StockRecord


class Command(BaseCommand):
    """Changes prices."""

    def add_arguments(self, parser):
        parser.add_argument("mode", choices=["raise", "lower"])
        parser.add_argument("--percent", type=int, default=0)
        parser.add_argument("--since", default="")
        parser.add_argument("--note", default="")
        parser.add_argument("--dry-run", action="store_true")

    def handle(self, *, mode, percent, since, dry_run, **options):
        factor = Decimal(1)
        if mode == "lower":
            factor = Decimal(100) / percent if percent else Decimal(1)
        day = dt.date.fromisoformat(since) if since else dt.date.today()
        for record in StockRecord.objects.all():
            record.price = self.price(record, factor)
            if dry_run:
                self.stdout.write(self.describe(record, day))
            else:
                record.save()

    def price(self, record, factor):
        return record.price * factor

    def describe(self, record, day):
        released = record.product.released
        if released is None:
            return "not released"
        return str(day - released.date())
