"""What our commands share: their result as JSON where a script asks, and progress where a person looks on."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder


class Command(BaseCommand):
    """A command with ``--json``; with it the result is all there is on standard output."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the option."""
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def execute(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401  Django's signature
        """Note how the result is wanted."""
        self.is_json = options["json"]
        self.shows_progress = sys.stderr.isatty() and not self.is_json
        return super().execute(*args, **options)

    def answer(self, result: object, lines: Iterable[str] = ()) -> None:
        """Print *result* for a script, or for a person the *lines* that say the same."""
        for line in [json.dumps(result, cls=DjangoJSONEncoder)] if self.is_json else lines:
            self.stdout.write(line)

    def progress(self, what: str, count: int) -> None:
        """Show on a terminal how far it is, in the place of what was shown before."""
        if self.shows_progress:
            self.stderr.write(f"\r\033[K{what}: {count}", ending="")


def number(text: str) -> int:
    """Return *text* as a number above 0; argparse puts this function's name into what it says."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value
