"""``manage.py sample_data``: fills the tracker with what a shop has after some months."""

from __future__ import annotations

import dataclasses

from django.core.management.base import BaseCommand, CommandError

from error_tracking.models import ErrorGroup
from shop.sample_data import Size, fill


class Command(BaseCommand):
    """Fill the empty tables of error_tracking."""

    help = "Fills the empty tables of error_tracking with errors, bugs and counts."

    def add_arguments(self, parser):
        for field in dataclasses.fields(Size):
            parser.add_argument(f"--{field.name}", type=int, default=field.default)
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *_args, **options):
        if ErrorGroup.objects.exists():
            raise CommandError("There are errors already: this fills empty tables.")
        names = [field.name for field in dataclasses.fields(Size)]
        size = Size(**{name: options[name] for name in names})
        fill(size, seed=options["seed"])
        self.stdout.write(
            f"{size.logs} error logs of {size.bugs} bugs over {size.days} days."
        )
