"""``error_tracking_erase``: take one person out of what is stored, or hand it over."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from error_tracking import recorder
from error_tracking.erasure import SHORTEST, Eraser, Person
from error_tracking.management import base
from error_tracking.models import KnownBug
from error_tracking.models.base import committed

JOURNAL_SECONDS = 90


class Command(base.Command):
    """The command."""

    help = (
        "Finds one person in every text column and in the journals: erases what is there, or with --dry-run only "
        "counts it. Names the GitHub issues and bug files of the bugs concerned, which it cannot reach."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument("--user", default="", help="primary key of the user")
        parser.add_argument("--email", default="", help="an e-mail address, or a name to look for in texts")
        parser.add_argument("--ip", default="", help="an IP address; stored masked ones that it falls under go too")
        parser.add_argument("--dry-run", action="store_true", help="say what would be erased, change nothing")
        parser.add_argument("--export", metavar="FILE", help="write the error logs found to FILE, one JSON a line")

    @committed(KnownBug)
    def handle(self, *_args: Any, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Erase and say what was found."""
        person = Person(options["user"].strip(), options["email"].strip(), options["ip"].strip())
        if not (person.user or person.words):
            msg = f"Say whom: --user, --email or --ip, the latter two with at least {SHORTEST} characters."
            raise CommandError(msg)
        left = [] if options["dry_run"] else recorder.renew_journals(JOURNAL_SECONDS, self._tell_waiting)
        path = options["export"]
        with Path(path).open("w", encoding="utf-8") if path else contextlib.nullcontext() as export:
            report = Eraser(
                person,
                is_dry=options["dry_run"],
                export=(lambda row: print(json.dumps(row, default=str), file=export)) if export else None,
                on_progress=self.progress,
            ).run()
        verb = "Would erase" if options["dry_run"] else "Erased"
        logs = f"{report.logs} error logs"
        lines = [
            f"{verb}: {logs}, {report.rows} other rows, {report.clients} client hashes.",
            *([f"Exported to {Path(path).resolve()}."] if path else []),
            *(f"Not reached from here, look yourself: {place}" for place in report.beyond),
            *(f"Still in use, run again when its process has ended: {name}" for name in left),
        ]
        self.answer({**dataclasses.asdict(report), "journals": left, "dry_run": options["dry_run"]}, lines)

    def _tell_waiting(self, count: int) -> None:
        self.stderr.write(f"Waiting for {count} processes of this machine to begin new journals ...")
