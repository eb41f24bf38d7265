from __future__ import annotations

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Orders what will be sold out; fails, it is part of the zoo."

    def add_arguments(self, parser):
        parser.add_argument("--days", type=int, default=7)

    def handle(self, *_args, **options):
        raise ValueError(f"no supplier delivers within {options['days']} days")
