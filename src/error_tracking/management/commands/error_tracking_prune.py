"""``error_tracking_prune``: delete old error logs now, and what people have sent from younger ones."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.core.management.base import CommandParser

from error_tracking import conf, retention
from error_tracking.management import base
from error_tracking.models import KnownBug
from error_tracking.models.base import committed


class Command(base.Command):
    """The command."""

    help = (
        "Deletes error logs older than RETENTION_DAYS, keeping the first and the latest of each group, and takes "
        "request data, addresses and variables out of those older than 30 days. Groups, counts and bugs stay. "
        "The site does this by itself every hour; run it for a first, long clean-up or from cron."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument("--days", type=base.number, help="keep error logs this long (default: RETENTION_DAYS)")
        parser.add_argument("--dry-run", action="store_true", help="say what would go, delete nothing")

    @committed(KnownBug)
    def handle(self, *_args: Any, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Prune and say what went."""
        days = options["days"]
        done = retention.Pruner(days=days, is_dry=options["dry_run"], on_progress=self.progress).run()
        verb = "Would delete" if options["dry_run"] else "Deleted"
        kept = days or conf.get_settings().RETENTION_DAYS
        text = (
            f"{verb} {done.logs} error logs older than {kept} days or beyond {retention.LOGS_PER_GROUP} of a group, "
            f"the request data of {done.reduced} and {done.clients} client hashes."
        )
        self.answer({**dataclasses.asdict(done), "dry_run": options["dry_run"]}, [text])
