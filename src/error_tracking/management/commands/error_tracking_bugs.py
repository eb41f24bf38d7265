"""``error_tracking_bugs``: show known bugs, and change them as in the admin."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import getpass
import shutil
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from error_tracking import conf
from error_tracking.filing import outbox
from error_tracking.management import base
from error_tracking.management.bug_facts import (
    cell,
    details_of,
    facts_of,
    filing_facts,
    table,
)
from error_tracking.management.bug_lookup import find_bugs
from error_tracking.models import Filing, KnownBug
from error_tracking.models.base import moment_from, moment_text, write_alias
from error_tracking.recorder.machine import user
from error_tracking.setting_rules import RELEASE_LENGTH
from error_tracking.utils import clean_text


@dataclasses.dataclass(frozen=True, slots=True)
class Action:
    """One sub-command; ``status`` is what a changed bug has afterwards."""

    help: str
    status: str = ""


ACTIONS = {
    "list": Action("list bugs, the newest first"),
    "show": Action("show bugs with their error groups, filings and history"),
    "resolve": Action("resolve bugs in the next release", KnownBug.Status.RESOLVED),
    "reopen": Action("open resolved bugs again", KnownBug.Status.OPEN),
    "start": Action("mark open bugs as in progress", KnownBug.Status.IN_PROGRESS),
    "mute": Action(
        "mute bugs: they are counted, but nothing is filed or sent",
        KnownBug.Status.MUTED,
    ),
    "unmute": Action("open muted bugs", KnownBug.Status.OPEN),
    "merge": Action("merge bugs into another one", KnownBug.Status.RESOLVED),
    "note": Action("add a note to the history of bugs"),
    "file": Action("file bugs now, and retry failed filings"),
}
COLUMNS = {
    "bug": "bug_id",
    "severity": "severity",
    "status": "status",
    "seen": "occurrence_count",
    "last": "last_occurrence",
    "title": "title",
}
FILTERS = ("status", "severity", "environment")
# The lists of a bug's details, each shown as a table of its own.
TABLES = ("groups", "filings", "history")
# A screen or two.
DEFAULT_LIMIT = 50
DESCRIPTION_CHARS = 4_000
# The column that stores who changed a bug.
BY_CHARS = 150


class Command(base.Command):
    """The command."""

    help = (
        "Lists, shows and changes known bugs. Name a bug by its id (B-012, b-12 "
        "or 12), or by the reference of one of its errors, which the error page "
        "shows."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add a sub-command per action."""
        parsers = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for name, action in ACTIONS.items():
            description = f"{action.help.capitalize()}."
            subparser = parsers.add_parser(
                name, help=action.help, description=description
            )
            super().add_arguments(subparser)
            if name == "list":
                _add_list_options(subparser)
                continue
            subparser.add_argument(
                "bugs",
                nargs="+",
                metavar="BUG",
                help="id of a bug (B-012, b-12 or 12), or reference of an error",
            )
            if name == "note":
                subparser.add_argument("text", metavar="TEXT", help="the note")
                subparser.add_argument(
                    "--to-issue",
                    action="store_true",
                    help="also comment on the issues of the bugs",
                )
            elif name == "resolve":
                subparser.add_argument(
                    "--release",
                    type=release,
                    help="the release that has the fix, by default the next one",
                )
            elif name == "mute":
                _add_mute_options(subparser)
            elif name == "merge":
                subparser.add_argument(
                    "--into", required=True, metavar="BUG", help="the bug to keep"
                )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do one action; nothing is changed when one of the bugs does not exist."""
        action = options["action"]
        if action == "list":
            self._list(options)
        elif action == "show":
            self._show(find_bugs(options["bugs"], with_deleted=True))
        elif action == "file":
            self._file(find_bugs(options["bugs"]))
        elif action == "note":
            self._note(find_bugs(options["bugs"]), options)
        else:
            self._change(action, find_bugs(options["bugs"]), options)

    def _list(self, options: dict[str, Any]) -> None:
        rows = KnownBug.all_objects.filter(is_deleted=options["deleted"])
        filters = {name: options[name] for name in FILTERS if options[name]}
        rows = rows.filter(**filters)
        if not (options["all"] or options["status"] or options["deleted"]):
            rows = rows.unresolved()
        bugs = list(rows.order_by("-pk")[: options["limit"]])
        is_filtered = bool(filters) or options["deleted"]
        lines = [_why_none(is_filtered=is_filtered)]
        if bugs:
            rows_of_cells = [_cells(bug) for bug in bugs]
            lines = list(self._table([list(COLUMNS), *rows_of_cells]))
            count = rows.count()
            if count > len(bugs):
                lines.append(f"{len(bugs)} of {count}: --limit {count} shows all.")
        self.answer([facts_of(bug) for bug in bugs], lines)

    def _show(self, bugs: Iterable[KnownBug]) -> None:
        details = [details_of(bug) for bug in bugs]
        lines: list[str] = []
        for known in details:
            lines.extend(self._page(known))
        self.answer(details, lines)

    def _page(self, known: dict[str, Any]) -> Iterator[str]:
        """Yield the lines of one bug's page."""
        heading = cell(f"{known['bug_id']} {known['title']}")
        yield self.style.MIGRATE_HEADING(heading)
        elsewhere = {"bug_id", "title", "description", *TABLES}
        facts = []
        for name, value in known.items():
            if value and name not in elsewhere:
                facts.append(["", name.replace("_", " "), cell(value)])
        yield from self._table(facts)
        if known["description"]:
            yield clean_text(known["description"], DESCRIPTION_CHARS)
        for name in TABLES:
            yield self.style.MIGRATE_LABEL(name.capitalize())
            rows = [["", *map(cell, row.values())] for row in known[name]]
            yield from self._table(rows)

    def _change(
        self, action: str, bugs: list[KnownBug], options: dict[str, Any]
    ) -> None:
        # One transaction: all of them are changed, or none.
        with transaction.atomic(using=write_alias(KnownBug)):
            changed = _apply(action, bugs, options)
        keys = {bug.pk for bug in changed}
        lines = []
        result: dict[str, Any] = {"changed": [], "unchanged": {}}
        for bug in bugs:
            bug.refresh_from_db()
            if bug.pk in keys:
                line = _state(bug)
                result["changed"].append(bug.bug_id)
            else:
                line = _why_unchanged(bug, action)
                result["unchanged"][bug.bug_id] = line
            lines.append(line)
        self.answer(result, lines)

    def _note(self, bugs: list[KnownBug], options: dict[str, Any]) -> None:
        rows = KnownBug.objects.filter(pk__in=[bug.pk for bug in bugs])
        try:
            rows.add_note(options["text"], by=_who(), to_issue=options["to_issue"])
        except ValueError as error:
            raise base.wrong_usage(f"{error}.") from error
        names = [bug.bug_id for bug in bugs]
        sentence = f"Note added to {', '.join(names)}."
        if options["to_issue"]:
            sentence = f"{sentence} It will be a comment on the issue within a minute."
        self.answer({"noted": names}, [sentence])

    def _file(self, bugs: list[KnownBug]) -> None:
        _require_own_environment(bugs)
        filings: list[Filing] = []
        for bug in bugs:
            outbox.request(bug, is_retry=True)
            outbox.file_bug(bug.pk)
            filings.extend(bug.filings.order_by("tracker"))
        result = [{"bug_id": row.bug.bug_id, **filing_facts(row)} for row in filings]
        self.answer(result, self._table([list(row.values()) for row in result]))
        unfinished = {Filing.State.FAILED, Filing.State.PENDING}
        # One that waits without an attempt belongs to another process, or has time.
        failed = [row for row in filings if row.attempts and row.state in unfinished]
        if failed:
            count = base.counted(len(failed), "filing")
            raise CommandError(f"{count} of {len(filings)} failed.")

    def _table(self, rows: list[list[str]]) -> Iterator[str]:
        """Yield *rows* in columns; only a terminal needs them cut."""
        width = None
        if self.stdout.isatty():
            width = shutil.get_terminal_size().columns
        return table(rows, width=width)


def _cells(bug: KnownBug) -> list[str]:
    return [cell(getattr(bug, name)) for name in COLUMNS.values()]


def _add_list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--status", choices=KnownBug.Status.values, help="only bugs with this status"
    )
    parser.add_argument(
        "--severity",
        choices=KnownBug.Severity.values,
        help="only bugs of this severity",
    )
    parser.add_argument("--environment", help="only bugs of this environment")
    parser.add_argument("--all", action="store_true", help="include resolved bugs")
    parser.add_argument(
        "--deleted", action="store_true", help="list deleted bugs instead"
    )
    parser.add_argument(
        "--limit",
        type=base.number,
        default=DEFAULT_LIMIT,
        metavar="N",
        help=f"list at most N bugs (default: {DEFAULT_LIMIT})",
    )


def _add_mute_options(parser: argparse.ArgumentParser) -> None:
    end = parser.add_mutually_exclusive_group()
    end.add_argument(
        "--until",
        type=date,
        metavar="DATE",
        help="mute until this date or time, such as 2030-01-31 or 2030-01-31T12:00",
    )
    end.add_argument(
        "--events", type=base.number, metavar="N", help="mute for N more occurrences"
    )
    end.add_argument(
        "--people",
        type=base.number,
        metavar="N",
        help="mute until N more people are affected",
    )


def date(text: str) -> dt.datetime:
    """Parse a future date; argparse shows this function's name in its messages."""
    try:
        moment = moment_from(dt.datetime.fromisoformat(text).timestamp())
    except OverflowError as error:
        raise argparse.ArgumentTypeError(f"{text} is too far away") from error
    if moment <= timezone.now():
        raise argparse.ArgumentTypeError(f"{text} is in the past")
    return moment


def release(text: str) -> str:
    """Parse the name of a release; argparse shows this function's name."""
    if len(text) > RELEASE_LENGTH:
        message = f"a release has at most {RELEASE_LENGTH} characters"
        raise argparse.ArgumentTypeError(message)
    return text


def _apply(
    action: str, bugs: list[KnownBug], options: dict[str, Any]
) -> Iterable[KnownBug]:
    """
    Change *bugs*, and return those that have changed.

    Raises:
        CommandError: They cannot be merged into the bug that was named.
    """
    rows = KnownBug.objects.filter(pk__in=[bug.pk for bug in bugs])
    changed: Iterable[KnownBug]
    if action == "start":
        changed = rows.start(by=_who())
    elif action == "reopen":
        changed = rows.reopen(by=_who())
    elif action == "unmute":
        changed = rows.unmute(by=_who())
    elif action == "resolve":
        changed = rows.resolve(by=_who(), **_given(options, "release"))
    elif action == "mute":
        end = _given(options, "until", "events", "people")
        changed = rows.mute(by=_who(), **end)
    else:
        [survivor] = find_bugs([options["into"]])
        if survivor in bugs:
            raise base.wrong_usage(f"{survivor.bug_id} cannot be merged into itself.")
        try:
            changed = rows.merge_into(survivor, by=_who())
        except ValueError as error:
            raise base.wrong_usage(f"{error}.") from error
    return changed


def _given(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if options[name] is not None}


def _who() -> str:
    """Return who runs this command, for the history."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):
        # The user of a container may have a number only.
        name = str(user())
    return f"command line: {name}"[:BY_CHARS]


def _require_own_environment(bugs: list[KnownBug]) -> None:
    """
    Check that this process may file *bugs*.

    Raises:
        CommandError: One is of another environment.
    """
    current = conf.get_settings().environment
    foreign = [bug for bug in bugs if bug.environment != current]
    if foreign:
        names = [
            f"{bug.bug_id} is of environment {bug.environment!r}" for bug in foreign
        ]
        raise base.wrong_usage(
            f"{', '.join(names)}: only a process of that environment files it, and "
            f"this is {current!r}."
        )


def _why_none(*, is_filtered: bool) -> str:
    """Return that there are no bugs, and why no new ones appear here."""
    settings = conf.get_settings()
    if is_filtered:
        return "No bugs match."
    if settings.creates_bugs:
        return "No bugs."
    why = "AUTO_CREATE_BUGS is False"
    if settings.AUTO_CREATE_BUGS == "auto":
        why = "DEBUG is on"
    return (
        f"No bugs: errors do not become bugs here, because {why}. To create bugs, "
        'set ERROR_TRACKING["AUTO_CREATE_BUGS"] to True.'
    )


def _state(bug: KnownBug) -> str:
    """Return what has become of a bug that was changed."""
    status = f"{bug.get_status_display()}{_end_of_muting(bug)}"
    if bug.merged_into:
        return f"{bug.bug_id} is now {status} and part of {bug.merged_into.bug_id}."
    return f"{bug.bug_id} is now {status}."


def _why_unchanged(bug: KnownBug, action: str) -> str:
    """Return why *action* has not changed this bug."""
    if bug.merged_into:
        return f"{bug.bug_id} was already merged into {bug.merged_into.bug_id}."
    status = bug.get_status_display()
    if bug.status != ACTIONS[action].status:
        return f"{bug.bug_id} is {status}: there is nothing to {action}."
    end = _end_of_muting(bug)
    if end:
        return (
            f"{bug.bug_id} is already {status}{end}; unmute it first to mute it for "
            "ever."
        )
    return f"{bug.bug_id} is already {status}."


def _end_of_muting(bug: KnownBug) -> str:
    """Return when muting ends, with a leading space; ``""`` where it does not."""
    if bug.status != KnownBug.Status.MUTED:
        return ""
    if bug.muted_until:
        return f" until {moment_text(bug.muted_until)}"
    if bug.muted_until_count:
        more = max(0, bug.muted_until_count - bug.occurrence_count)
        return f" for {base.counted(more, 'more occurrence')}"
    if bug.muted_until_people:
        more = max(0, bug.muted_until_people - bug.count_people())
        return f" for {base.counted(more, 'more person', 'more people')}"
    return ""
