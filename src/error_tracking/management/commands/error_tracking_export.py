"""``error_tracking_export B-012``: print the file of one bug on any machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from error_tracking.exceptions import TrackerError
from error_tracking.management import base
from error_tracking.management.bug_lookup import find_bugs
from error_tracking.report.bug_report import BugReport, published_fields
from error_tracking.report.builder import build_report
from error_tracking.report.markdown import bug_file

STANDARD_OUTPUT = "-"


class Command(base.Command):
    """The command."""

    help = (
        "Prints the file of one bug as it would be written to PLANNING_DIR, or its "
        "report as JSON."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument("bug", help="the bug's id, for example B-012")
        parser.add_argument(
            "--output",
            metavar="FILE",
            default=STANDARD_OUTPUT,
            help="write to FILE instead of standard output",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print the bug."""
        [bug] = find_bugs([options["bug"]])
        report = build_report(bug)
        if self.is_json:
            text = json.dumps(_json_values(report), indent=2)
        else:
            try:
                text = bug_file(report)
            except TrackerError as error:
                raise CommandError(str(error)) from error
        if options["output"] == STANDARD_OUTPUT:
            self.stdout.write(text)
        else:
            _write(options["output"], text)


def _write(path: str, text: str) -> None:
    content = text.rstrip("\n") + "\n"
    try:
        Path(path).write_text(content, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise base.cannot_write(path, error) from error


def _json_values(report: BugReport) -> dict[str, Any]:
    """Return the fields that may leave the site and have a value."""
    return {name: value for name, value in published_fields(report).items() if value}
