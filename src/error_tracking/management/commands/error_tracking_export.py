"""``error_tracking_export B-012``: print the file of one bug, wherever the database is."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from error_tracking.exceptions import TrackerError
from error_tracking.models import KnownBug
from error_tracking.report import report_for
from error_tracking.wording import bug_file

NEAR_AMONG = 5_000


class Command(BaseCommand):
    """The command."""

    help = "Prints the file of one bug as it would be written to PLANNING_DIR, or its report as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("bug", help="the bug's id, for example B-012")
        parser.add_argument("--output", metavar="FILE", default="-", help="write to FILE; '-' is standard output")
        parser.add_argument("--json", action="store_true", help="print the report as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Print the bug."""
        bug = KnownBug.objects.filter(bug_id__iexact=options["bug"]).first()
        if bug is None:
            ids = list(KnownBug.objects.order_by("-number").values_list("bug_id", flat=True)[:NEAR_AMONG])
            near = difflib.get_close_matches(options["bug"].upper(), ids, n=3)
            hint = f" Did you mean {', '.join(near)}?" if near else ""
            raise CommandError(f"There is no bug {options['bug']!r}.{hint}")
        report = report_for(bug)
        try:
            text = json.dumps(json.loads(report.to_json()), indent=2) if options["json"] else bug_file(report)
            if options["output"] == "-":
                self.stdout.write(text)
            else:
                Path(options["output"]).write_text(text.rstrip("\n") + "\n", encoding="utf-8")
        except (OSError, TrackerError) as error:
            raise CommandError(str(error)) from error
