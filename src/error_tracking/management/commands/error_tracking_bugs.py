"""``error_tracking_bugs``: look at known bugs, and do to them what the admin can do."""

from __future__ import annotations

import argparse
import datetime as dt
import difflib
import getpass
import re
import shutil
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from error_tracking import conf, filing
from error_tracking.filing import BugCreationService
from error_tracking.management import base
from error_tracking.models import Filing, KnownBug
from error_tracking.models.base import committed, moment_from, write_alias
from error_tracking.models.known_bug import format_bug_id
from error_tracking.recorder.machine import user
from error_tracking.utils import clean_line, clean_text

ACTIONS = {  # what each does, and the status that a bug gets
    "list": ("list bugs, the newest first", ""),
    "show": ("show all that is known of bugs", ""),
    "resolve": ("resolve bugs, in the next release", KnownBug.Status.RESOLVED),
    "reopen": ("open resolved bugs again", KnownBug.Status.OPEN),
    "start": ("mark open bugs as in progress", KnownBug.Status.IN_PROGRESS),
    "mute": ("count on, but file and send nothing", KnownBug.Status.MUTED),
    "unmute": ("open muted bugs", KnownBug.Status.OPEN),
    "merge": ("make one bug of several", KnownBug.Status.RESOLVED),
    "file": ("file what is not filed, also what was given up", ""),
}
FACTS = (
    *("bug_id", "title", "severity", "status", "environment", "kind", "occurrence_count", "first_occurrence"),
    *("last_occurrence", "first_release", "resolved_at", "resolved_in_release", "regressed_at", "muted_until"),
    *("muted_until_count", "github_issue_url", "file_name", "fingerprint", "cause", "uuid", "is_deleted"),
)
COLUMNS = ("bug_id", "severity", "status", "occurrence_count", "last_occurrence", "title")
NEAR_AMONG = 5_000
_BUG_ID = re.compile(r"(?:([A-Za-z0-9]{1,8})-)?(\d{1,9})")


class Command(base.Command):
    """The command."""

    help = "Lists known bugs, shows and changes them. A bug is named B-012, b-12 or 12."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add a sub-command per action."""
        parsers = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for name, (text, _) in ACTIONS.items():
            action = parsers.add_parser(name, help=text, description=f"{text.capitalize()}.")
            super().add_arguments(action)
            if name == "list":
                action.add_argument("--status", choices=KnownBug.Status.values, help="only these")
                action.add_argument("--severity", choices=KnownBug.Severity.values, help="only these")
                action.add_argument("--environment", help="only those of this environment")
                action.add_argument("--all", action="store_true", help="resolved ones too")
                action.add_argument("--deleted", action="store_true", help="deleted ones instead")
                action.add_argument("--limit", type=base.number, default=50, metavar="N", help="at most so many (50)")
                continue
            action.add_argument("bugs", nargs="+", metavar="BUG", help="B-012, b-12 or 12")
            if name == "resolve":
                action.add_argument("--release", help="the release that has the fix, by default the next one")
            elif name == "mute":
                end = action.add_mutually_exclusive_group()
                end.add_argument("--until", type=date, metavar="DATE", help="2030-01-31, or with T12:00")
                end.add_argument("--events", type=base.number, metavar="N", help="until N more occurrences")
            elif name == "merge":
                action.add_argument("--into", required=True, metavar="BUG", help="the one that stays")

    @committed(KnownBug)
    def handle(self, *_args: Any, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Do what was asked for; nothing, when one of the bugs is not there."""
        action = options["action"]
        if action == "list":
            self._list(options)
        elif action == "show":
            self._show(find(options["bugs"], with_deleted=True))
        elif action == "file":
            self._file(find(options["bugs"]))
        else:
            self._change(action, find(options["bugs"]), options)

    def _list(self, options: dict[str, Any]) -> None:
        rows = KnownBug.all_objects.filter(is_deleted=options["deleted"])
        for name in ("status", "severity", "environment"):
            rows = rows.filter(**{name: options[name]}) if options[name] else rows
        if not (options["all"] or options["status"] or options["deleted"]):
            rows = rows.open()
        bugs = list(rows.order_by("-pk")[: options["limit"]])
        table = [[_word(getattr(bug, name)) for name in COLUMNS] for bug in bugs]
        lines = self._table([["bug", "severity", "status", "seen", "last", "title"], *table]) if bugs else ["No bugs."]
        count = rows.count()
        more = [f"{len(bugs)} of {count}: --limit {count} shows all."] if count > len(bugs) else []
        self.answer([_facts(bug) for bug in bugs], [*lines, *more])

    def _show(self, bugs: Iterable[KnownBug]) -> None:
        details = [_details(bug) for bug in bugs]
        self.answer(details, (line for known in details for line in self._page(dict(known))))

    def _page(self, known: dict[str, Any]) -> Iterator[str]:
        yield self.style.MIGRATE_HEADING(_word(f"{known.pop('bug_id')} {known.pop('title')}"))
        tables = {name: known.pop(name) for name in ("groups", "filings", "history")}
        description = known.pop("description")
        yield from self._table([["", name.replace("_", " "), _word(value)] for name, value in known.items() if value])
        if description:
            yield clean_text(description, 4_000)
        for name, rows in tables.items():
            yield self.style.MIGRATE_LABEL(name.capitalize())
            yield from self._table([["", *map(_word, row.values())] for row in rows])

    def _change(self, action: str, bugs: list[KnownBug], options: dict[str, Any]) -> None:
        rows = KnownBug.objects.filter(pk__in=[bug.pk for bug in bugs])
        values = {name: options[name] for name in ("release", "until", "events") if options.get(name) is not None}
        with transaction.atomic(using=write_alias(KnownBug)):
            if action == "merge":
                [survivor] = find([options["into"]])
                if survivor in bugs:
                    raise CommandError(f"{survivor.bug_id} cannot be merged into itself.")
                try:
                    changed = rows.merge_into(survivor, by=_who())
                except ValueError as error:
                    raise CommandError(f"{error}.") from error
            else:
                changed = getattr(rows, action)(by=_who(), **values)
        keys = {bug.pk for bug in changed}
        for bug in bugs:
            bug.refresh_from_db()
        unchanged = {bug.bug_id: _why_unchanged(bug, action) for bug in bugs if bug.pk not in keys}
        lines = [unchanged.get(bug.bug_id) or _state(bug) for bug in bugs]
        self.answer({"changed": [bug.bug_id for bug in bugs if bug.pk in keys], "unchanged": unchanged}, lines)

    def _file(self, bugs: list[KnownBug]) -> None:
        here = conf.get_settings().environment
        foreign = [f"{bug.bug_id} is of environment {bug.environment!r}" for bug in bugs if bug.environment != here]
        if foreign:
            raise CommandError(f"{', '.join(foreign)}: only a process of that one files it, this is {here!r}.")
        for bug in bugs:
            filing.request(bug, is_retry=True)
            BugCreationService().file(bug.pk)
        rows = [row for bug in bugs for row in bug.filings.order_by("tracker")]
        result = [{"bug_id": row.bug.bug_id, **_filing(row)} for row in rows]
        self.answer(result, self._table([[*row.values()] for row in result]))
        if any(row.attempts and row.state in {Filing.State.FAILED, Filing.State.PENDING} for row in rows):
            raise CommandError("Not all could be filed.")

    def _table(self, rows: list[list[str]]) -> Iterator[str]:
        """Yield *rows* in columns; the last one is cut where a terminal ends."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        end = shutil.get_terminal_size().columns if self.stdout.isatty() else None
        for row in rows:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            yield line if end is None or len(line) <= end else f"{line[: end - 1]}…"


def find(names: Iterable[str], *, with_deleted: bool = False) -> list[KnownBug]:
    """
    Return the bugs that *names* name, each once.

    Raises:
        CommandError: One is not there, or deleted.
    """
    found: dict[int, KnownBug] = {}
    problems = []
    for name in names:
        match = _BUG_ID.fullmatch(name.strip())
        wanted = format_bug_id(int(match[2]), match[1] or conf.get_settings().BUG_PREFIX).upper() if match else name
        bug = KnownBug.all_objects.filter(bug_id__iexact=wanted).first()
        if bug is None:
            known = KnownBug.objects.order_by("-pk").values_list("bug_id", flat=True)[:NEAR_AMONG]
            near = ", ".join(difflib.get_close_matches(wanted.upper(), known, n=3))
            hint = f"near it are {near}" if near else "'error_tracking_bugs list --all' lists them"
            problems.append(f"There is no bug {wanted}: {hint}.")
        elif bug.is_deleted and not with_deleted:
            problems.append(f"{bug.bug_id} is deleted: restore it in the admin first.")
        else:
            found[bug.pk] = bug
    if problems:
        raise CommandError("\n".join(problems))
    return list(found.values())


def _state(bug: KnownBug) -> str:
    into = f" and part of {bug.merged_into.bug_id}" if bug.merged_into else ""
    return f"{bug.bug_id} is {bug.get_status_display()}{into} now."


def _why_unchanged(bug: KnownBug, action: str) -> str:
    if bug.merged_into:
        return f"{bug.bug_id} was merged into {bug.merged_into.bug_id} already."
    if bug.status == ACTIONS[action][1]:
        return f"{bug.bug_id} is {bug.get_status_display()} already."
    return f"{bug.bug_id} is {bug.get_status_display()}: there is nothing to {action}."


def _facts(bug: KnownBug) -> dict[str, Any]:
    merged_into = bug.merged_into.bug_id if bug.merged_into else ""
    return {**{name: getattr(bug, name) for name in FACTS}, "merged_into": merged_into}


def _details(bug: KnownBug) -> dict[str, Any]:
    names = ("last_seen", "times_seen", "title", "culprit", "last_release")
    return {
        **_facts(bug),
        "description": bug.description,
        "groups": list(bug.groups.order_by("-last_seen").values(*names)),
        "filings": [_filing(row) for row in bug.filings.order_by("tracker")],
        "history": list(bug.activities.values("created", "verb", "by", "text")),
    }


def _filing(row: Filing) -> dict[str, str]:
    """Return where the bug is, or why not."""
    text = row.reason or row.url or row.reference
    if row.state in {Filing.State.PENDING, Filing.State.PAUSED} and row.bug.status in {"muted", "resolved"}:
        text = text or f"the bug is {row.bug.get_status_display()}"
    return {"tracker": row.tracker, "state": str(row.get_state_display()), "where": text}


def _word(value: object) -> str:
    """Return *value* for a line of a terminal, which shows no control characters of anybody's."""
    if isinstance(value, dt.datetime):
        return f"{timezone.localtime(value) if timezone.is_aware(value) else value:%Y-%m-%d %H:%M}"
    return clean_line("" if value is None else str(value), 300)


def date(text: str) -> dt.datetime:
    """Return *text* as a moment to come; argparse puts this function's name into what it says."""
    moment = moment_from(dt.datetime.fromisoformat(text).timestamp())
    if moment <= timezone.now():
        raise argparse.ArgumentTypeError(f"{text} is over")
    return moment


def _who() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have a number only
        name = str(user())
    return f"command line: {name}"[:150]
