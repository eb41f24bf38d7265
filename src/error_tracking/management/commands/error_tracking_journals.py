"""``error_tracking_journals``: journals that wait for a database the project left."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from error_tracking.management import base
from error_tracking.management.base import counted
from error_tracking.recorder import leftovers
from error_tracking.recorder.leftovers import Leftover, LeftoverError
from error_tracking.recorder.machine import Machine


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """What became of one folder: how many journals, or why it was left alone."""

    path: str
    journals: int
    error: str


class Command(base.Command):
    """The command."""

    help = (
        "Lists folders on this machine with events for a database or environment "
        "that this project no longer uses. Moves the events to the current "
        "database (adopt), or deletes them (discard). Run it as the user that "
        "the site runs as."
    )
    needs_tables = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the sub-commands."""
        super().add_arguments(parser)
        parser.add_argument(
            "action", nargs="?", choices=["list", "adopt", "discard"], default="list"
        )
        parser.add_argument(
            "folders",
            nargs="*",
            metavar="FOLDER",
            help="name or path of a folder that list shows",
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="list also folders in use and those of this user's other projects",
        )
        parser.add_argument(
            "--no-input", action="store_true", help="do not ask for confirmation"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do what was asked; all folders are looked up before anything is changed."""
        machine = Machine()
        action = options["action"]
        if action == "list":
            if options["folders"]:
                raise base.wrong_usage("list takes no folder.")
            found = leftovers.find(machine, every=options["all"])
            self.answer([folder.as_dict() for folder in found], _lines(found))
            return
        if not options["folders"]:
            raise base.wrong_usage(f"Name at least one folder to {action}.")
        every = leftovers.find(machine, every=True)
        chosen = [_chosen(name, every) for name in options["folders"]]
        if not options["no_input"]:
            self._confirm(action, chosen)
        if action == "adopt":
            self._adopt(machine, chosen)
        else:
            self._discard(chosen)

    def _confirm(self, action: str, chosen: list[Leftover]) -> None:
        """
        Ask whether to go on.

        Raises:
            CommandError: The answer is no, or nobody can answer.
        """
        if self.is_json or not sys.stdin.isatty():
            raise base.wrong_usage(
                "Cannot ask for confirmation without a "
                "terminal: add --no-input to continue."
            )
        events = counted(sum(folder.events for folder in chosen), "event")
        what = "delete"
        if action == "adopt":
            what = "store them in this project's database"
        answer = input(f"{action.capitalize()} {events} ({what})? [y/N] ")
        if answer.strip().lower() not in {"y", "yes"}:
            raise CommandError("Nothing was changed.", returncode=base.PROBLEM_FOUND)

    def _adopt(self, machine: Machine, chosen: list[Leftover]) -> None:
        done = [_adopt_one(machine, folder) for folder in chosen]
        lines = _lines_of(done, "Adopted")
        if any(each.journals for each in done):
            lines.append(
                "A process of the site stores them within a minute, or when the next "
                "one starts."
            )
        self._report(done, lines)

    def _discard(self, chosen: list[Leftover]) -> None:
        done = [_discard_one(folder) for folder in chosen]
        self._report(done, _lines_of(done, "Deleted"))

    def _report(self, done: list[Done], lines: list[str]) -> None:
        self.answer([dataclasses.asdict(each) for each in done], lines)
        refused = [each for each in done if each.error]
        if refused:
            folders = counted(len(refused), "folder")
            verb = "was" if len(refused) == 1 else "were"
            message = f"{folders} {verb} left unchanged."
            raise CommandError(message, returncode=base.PROBLEM_FOUND)


def _adopt_one(machine: Machine, folder: Leftover) -> Done:
    try:
        journals = leftovers.adopt(machine, folder)
    except LeftoverError as refusal:
        return Done(str(folder.path), 0, str(refusal))
    return Done(str(folder.path), journals, "")


def _discard_one(folder: Leftover) -> Done:
    try:
        journals = leftovers.discard(folder)
    except LeftoverError as refusal:
        return Done(str(folder.path), 0, str(refusal))
    return Done(str(folder.path), journals, "")


def _lines_of(done: Iterable[Done], verb: str) -> list[str]:
    lines = []
    for each in done:
        journals = counted(each.journals, "journal")
        lines.append(each.error or f"{verb} {journals} of {each.path}.")
    return lines


def _chosen(name: str, every: list[Leftover]) -> Leftover:
    """
    Return the folder called *name*, which may be a path.

    Raises:
        CommandError: There is none.
    """
    path = Path(name).absolute()
    for folder in every:
        if folder.name == name or folder.path.absolute() == path:
            return folder
    raise base.wrong_usage(
        f"There is no folder {name!r} with journals: "
        "'error_tracking_journals list --all' shows all."
    )


def _lines(found: list[Leftover]) -> Iterator[str]:
    for folder in found:
        written = dt.datetime.fromtimestamp(folder.written_at, tz=dt.UTC)
        events = counted(folder.events, "event")
        journals = counted(folder.journals, "journal")
        yield (
            f"{folder.path}: {folder.state}, {events} in {journals} "
            f"({filesizeformat(folder.size)}), last written "
            f"{written:%Y-%m-%d %H:%M} UTC"
        )
        about = ", ".join(f"{name} {value}" for name, value in folder.about.items())
        if about:
            yield f"  {about}"
        if folder.unreadable:
            files = counted(folder.unreadable, "file")
            yield f"  {files} cannot be read as journals"
    if any(folder.state is leftovers.State.ORPHANED for folder in found):
        yield (
            "To store these events in the current database: "
            "error_tracking_journals adopt FOLDER"
        )
        yield "To delete them: error_tracking_journals discard FOLDER"
    elif not found:
        yield "No journals wait for another database."
