"""``error_tracking_erase``: erase or export what is stored about one person."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from error_tracking import recorder
from error_tracking.bugs.erasure import SHORTEST, Eraser, ErasureSummary, Person
from error_tracking.management import base
from error_tracking.management.base import counted
from error_tracking.models import ErrorLog
from error_tracking.models.base import write_alias
from error_tracking.utils import clean_line

# A process begins a new journal with its next event or within a minute; the rest is
# for a machine that is busy.
JOURNAL_SECONDS = 90
# As much of a wrong value as is repeated.
SHOWN_CHARS = 100


class Command(base.Command):
    """The command."""

    help = (
        "Erases the data of one person from all text columns and from the "
        "journals of this machine. With --dry-run, only counts it. Lists the "
        "GitHub issues and bug files of the affected bugs, which you have to "
        "check yourself."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument("--user", default="", help="primary key of the user")
        parser.add_argument(
            "--email",
            default="",
            help="an e-mail address, or a name to look for in texts",
        )
        parser.add_argument(
            "--ip",
            default="",
            help="an IP address; also matches masked addresses of its network",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="show what would be erased, change nothing",
        )
        parser.add_argument(
            "--export",
            metavar="FILE",
            help="write the error logs found to FILE, one JSON document per line",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Erase, and show what was found; fail where nothing was."""
        person = person_from(options["user"], options["email"], options["ip"])
        is_dry = options["dry_run"]
        journals_in_use = []
        if not is_dry:
            # Before the wait for journals, which may take a minute and a half.
            _require_write_privileges()
            journals_in_use = recorder.renew_journals(
                JOURNAL_SECONDS, self._show_waiting
            )
        with _opened(options["export"]) as file:
            summary = self._erase(person, file, is_dry=is_dry)
        result = {
            **dataclasses.asdict(summary),
            "journals": journals_in_use,
            "dry_run": is_dry,
        }
        lines = _lines(summary, journals_in_use, options["export"], is_dry=is_dry)
        self.answer(result, lines)
        if not _has_found(summary):
            verb = "would be erased" if is_dry else "was erased"
            raise CommandError(
                f"Nothing is stored about {person}, so nothing {verb}.",
                returncode=base.PROBLEM_FOUND,
            )

    def _erase(
        self, person: Person, file: IO[str] | None, *, is_dry: bool
    ) -> ErasureSummary:
        def export(row: dict[str, Any]) -> None:
            print(json.dumps(row, default=str), file=file)

        eraser = Eraser(
            person,
            is_dry=is_dry,
            export=export if file is not None else None,
            on_progress=self.progress,
        )
        return eraser.run()

    def _show_waiting(self, count: int) -> None:
        processes = counted(count, "process", "processes")
        self.stderr.write(
            f"Waiting for {processes} of this machine to begin a new journal ..."
        )


def _opened(path: str | None) -> contextlib.AbstractContextManager[IO[str] | None]:
    """Open the file of the export, if there is to be one."""
    if path is None:
        return contextlib.nullcontext()
    return base.open_private(path)


def person_from(user: str, email: str, ip: str) -> Person:
    """
    Return the person that the options name.

    Raises:
        CommandError: They name nobody, or a value is not a key or an address.
    """
    user, email, ip = user.strip(), email.strip(), ip.strip()
    person = Person(user, email, ip)
    if not (person.user or person.search_terms):
        raise base.wrong_usage(
            "Name the person: --user, --email or --ip, the latter two with at least "
            f"{SHORTEST} characters."
        )
    for option, text in (("--email", email), ("--ip", ip)):
        if text and len(text) < SHORTEST:
            raise base.wrong_usage(
                f"{option} {text} is too short: at least {SHORTEST} characters are "
                "needed, or half of all texts would match."
            )
    if ip:
        _require_address(ip)
    if user:
        _require_user_key(user)
    return person


def _require_address(ip: str) -> None:
    try:
        ipaddress.ip_address(ip)
    except ValueError:
        raise base.wrong_usage(
            f"--ip {clean_line(ip, SHOWN_CHARS)} is not an IP address: write it as "
            "192.0.2.7 or 2001:db8::7."
        ) from None


def _require_user_key(text: str) -> None:
    """
    Check that *text* can be the primary key of a user.

    Raises:
        CommandError: It has another type, or is larger than the column.
    """
    field = ErrorLog._meta.get_field("user")
    try:
        key = field.target_field.to_python(text)
        field.get_prep_value(key)
        field.target_field.run_validators(key)
    except (ValidationError, ValueError, TypeError):
        kind = str(field.target_field.description % {"max_length": ""})
        raise base.wrong_usage(
            f"--user {clean_line(text, SHOWN_CHARS)} is not the primary key of a user "
            f"({clean_line(kind, SHOWN_CHARS)}): look it up in the admin, or name the "
            "person with --email."
        ) from None


def _require_write_privileges() -> None:
    """
    Change and delete no row, as erasing does with some.

    Raises:
        django.db.Error: The database is read-only, or the user lacks a privilege.
    """
    with transaction.atomic(using=write_alias(ErrorLog)):
        none = ErrorLog.objects.filter(pk=-1)
        none.update(personal_data_removed=True)
        none.delete()


def _has_found(summary: ErasureSummary) -> bool:
    return bool(summary.logs or summary.rows or summary.clients)


def _lines(
    summary: ErasureSummary,
    journals_in_use: list[str],
    path: str | None,
    *,
    is_dry: bool,
) -> Iterator[str]:
    if _has_found(summary):
        verb = "Would erase" if is_dry else "Erased"
        logs = counted(summary.logs, "error log")
        rows = counted(summary.rows, "other row")
        hashes = counted(summary.clients, "client hash", "client hashes")
        yield f"{verb}: {logs}, {rows}, {hashes}."
    if path:
        yield f"Exported to {Path(path).resolve()}, readable by this user only."
    for place in summary.beyond:
        yield f"Cannot be reached from here, check it yourself: {place}"
    for name in journals_in_use:
        yield f"Still in use, run this again when its process has ended: {name}"
