"""``error_tracking_prune``: delete old error logs and personal data now."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from error_tracking import conf
from error_tracking.bugs import retention
from error_tracking.bugs.retention import Pruned
from error_tracking.management import base
from error_tracking.management.base import counted
from error_tracking.setting_rules import LONGEST_RETENTION_DAYS


class Command(base.Command):
    """The command."""

    help = (
        "Deletes error logs older than RETENTION_DAYS, except the first and the latest "
        "of each group, and removes request data, addresses and variables from those "
        "older than 30 days. Above MAX_ERROR_LOGS or MAX_SIZE_MB, payloads and then "
        "error logs of the groups seen most often are deleted as well. Groups, counts "
        "and bugs remain. The site does this automatically every hour; run it for a "
        "first, long clean-up or from cron."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--days",
            type=base.number_up_to(LONGEST_RETENTION_DAYS),
            help="keep error logs for this many days (default: RETENTION_DAYS)",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="show what would be deleted, delete nothing",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Prune, and show what was deleted."""
        days = options["days"]
        is_dry = options["dry_run"]
        pruner = retention.Pruner(days=days, is_dry=is_dry, on_progress=self.progress)
        pruned = pruner.run()
        days_kept = days or conf.get_settings().RETENTION_DAYS
        result = {**dataclasses.asdict(pruned), "dry_run": is_dry}
        self.answer(result, _lines(pruned, days_kept, is_dry=is_dry))


def _lines(pruned: Pruned, days_kept: int, *, is_dry: bool) -> Iterator[str]:
    verb = "Would delete" if is_dry else "Deleted"
    logs = counted(pruned.logs, "error log")
    stripped = counted(pruned.stripped, "error log")
    hashes = counted(pruned.clients, "client hash", "client hashes")
    yield (
        f"{verb} {logs} older than {counted(days_kept, 'day')} or beyond "
        f"{retention.LOGS_PER_GROUP:,} of a group, the request data of {stripped}, "
        f"and {hashes}."
    )
    if pruned.capped or pruned.emptied:
        payloads = counted(pruned.emptied, "payload")
        yield (
            f"{pruned.capped:,} of these error logs and {payloads} because more is "
            "stored than MAX_ERROR_LOGS or MAX_SIZE_MB allow."
        )
    if pruned.is_over:
        yield (
            "Still too much is stored, but only the first and the latest error log of "
            "each group are left: raise MAX_ERROR_LOGS or MAX_SIZE_MB."
        )
