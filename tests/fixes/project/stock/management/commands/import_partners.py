from __future__ import annotations

import csv
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from stock.models import Partner


class Command(BaseCommand):
    """Imports partners from a CSV file."""

    def add_arguments(self, parser):
        parser.add_argument("file")

    def handle(self, *, file, **options):
        try:
            with Path(file).open() as stream:
                rows = list(csv.DictReader(stream))
        except OSError as error:
            raise CommandError(f"{file} does not exist") from error
        for row in rows:
            self.add(row)

    def add(self, row):
        Partner.objects.create(name=row.get("name") or "", code=row["code"])
