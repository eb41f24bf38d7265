"""``error_tracking_export B-012``: print the file of one bug, wherever the database is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from error_tracking.exceptions import TrackerError
from error_tracking.management import base
from error_tracking.report import report_for
from error_tracking.wording import bug_file

from .error_tracking_bugs import find


class Command(base.Command):
    """The command."""

    help = "Prints the file of one bug as it would be written to PLANNING_DIR, or its report as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument("bug", help="the bug's id, for example B-012")
        parser.add_argument("--output", metavar="FILE", default="-", help="write to FILE; '-' is standard output")

    def handle(self, *_args: Any, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Print the bug."""
        [bug] = find([options["bug"]])
        report = report_for(bug)
        try:
            text = json.dumps(json.loads(report.to_json()), indent=2) if self.is_json else bug_file(report)
            if options["output"] == "-":
                self.stdout.write(text)
            else:
                Path(options["output"]).write_text(text.rstrip("\n") + "\n", encoding="utf-8")
        except (OSError, TrackerError) as error:
            raise CommandError(str(error)) from error
