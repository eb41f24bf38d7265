"""
What our commands share: sentences and exit statuses instead of tracebacks.

Also JSON for scripts, progress for people, and one way to write numbers and private
files.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error
from django.utils.connection import ConnectionDoesNotExist

from error_tracking.database_problems import problem_for
from error_tracking.events.borders import TerminalStream
from error_tracking.models import ErrorLog
from error_tracking.models.base import alias_or_default
from error_tracking.setting_rules import LARGEST_NUMBER
from error_tracking.utils import clean_line

# The exit statuses that docs/reference/commands.md promises. argparse itself ends a
# process with 2.
PROBLEM_FOUND = 1
WRONG_USAGE = 2
NOT_AVAILABLE = 3
# 128 and the number of SIGINT, as shells report it.
INTERRUPTED = 130

# As much of an operating system's text as fits on a line.
REASON_CHARS = 200
# Moves the cursor to the start of the line and deletes the line.
REWRITE_LINE = "\r\033[K"


class Command(BaseCommand):
    """
    A command with ``--json``: its result is then all there is on standard output.

    Attributes:
        needs_tables: Whether all tables are read before the command begins, so that
            nothing is half done when one is missing.

    """

    needs_tables = True

    def __init__(
        self,
        stdout: IO[str] | None = None,
        stderr: IO[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write to *stdout* and *stderr* only what a terminal shows as text."""
        super().__init__(
            TerminalStream(stdout or sys.stdout),  # type: ignore[arg-type]
            TerminalStream(stderr or sys.stderr),  # type: ignore[arg-type]
            **kwargs,
        )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the option."""
        parser.add_argument(
            "--json", action="store_true", help="print the result as JSON"
        )

    def execute(self, *args: Any, **options: Any) -> Any:
        """
        Run the command.

        Raises:
            CommandError: Something known is in the way; the message says what to do.
        """
        for name in ("stdout", "stderr"):
            if options.get(name) is not None:
                options[name] = TerminalStream(options[name])
        self.is_json = options["json"]
        self.shows_progress = sys.stderr.isatty() and not self.is_json
        try:
            if self.needs_tables:
                require_tables()
            self._allow_colours(options)
            return super().execute(*args, **options)
        except BrokenPipeError:  # pragma: no cover  needs a process of its own
            # Whoever read our output has ended, as head does. Python would complain
            # again when it closes the stream.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(PROBLEM_FOUND)
        except KeyboardInterrupt:
            raise CommandError("Interrupted.", returncode=INTERRUPTED) from None
        except (Error, ConnectionDoesNotExist, ImproperlyConfigured) as error:
            problem = problem_for(error, alias_or_default(ErrorLog))
            if problem is None:
                raise
            raise CommandError(str(problem), returncode=NOT_AVAILABLE) from error

    def answer(self, result: object, lines: Iterable[str] = ()) -> None:
        """
        Print the result of the command.

        Args:
            result: For a script, as data that JSON can represent.
            lines: The same for people.
        """
        if self.is_json:
            self.stdout.write(json.dumps(result, cls=DjangoJSONEncoder))
            return
        for line in lines:
            self.stdout.write(line)

    def progress(self, what: str, count: int) -> None:
        """Show on a terminal how much is done; replaces what was shown before."""
        if self.shows_progress:
            self.stderr.write_control(REWRITE_LINE)
            self.stderr.write(f"{what}: {count}", ending="")

    def _allow_colours(self, options: dict[str, Any]) -> None:
        """Let our own colours pass to the terminal where ``BaseCommand`` uses some."""
        is_off = options.get("no_color")
        is_forced = options.get("force_color") and not is_off
        has_colour = self.style.ERROR("x") != "x" and not is_off
        streams: list[Any] = [self.stdout._out, self.stderr._out]
        streams += [options.get("stdout"), options.get("stderr")]
        for stream in streams:
            if stream is not None:
                stream.has_colour = bool(is_forced or has_colour)


def require_tables() -> None:
    """
    Read at most one row of each of our tables.

    Raises:
        django.db.Error: A table or column is missing, or the database cannot be read.
    """
    for model in apps.get_app_config("error_tracking").get_models():
        if not model._meta.proxy:
            list(model._default_manager.order_by()[:1])


def counted(count: int, noun: str, plural: str = "") -> str:
    """
    Return a number with its noun: "1 bug", "2 bugs", "1,200 bugs".

    Args:
        count: The number.
        noun: The noun in the singular.
        plural: The noun in the plural, where that is not *noun* and an "s".
    """
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {plural or noun + 's'}"


def wrong_usage(message: str) -> CommandError:
    """Return the exception for what only the person at the keyboard can correct."""
    return CommandError(message, returncode=WRONG_USAGE)


def open_private(path: str) -> IO[str]:
    """
    Open *path* for writing, readable by this user only.

    Raises:
        CommandError: It cannot be written to.
    """
    try:
        # An existing file would keep its mode, and be readable by others until that
        # is changed.
        Path(path).unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except (OSError, ValueError) as error:
        raise cannot_write(path, error) from error
    return os.fdopen(descriptor, "w", encoding="utf-8")


def cannot_write(path: str | Path, error: Exception) -> CommandError:
    """
    Return the exception for a file that was named and cannot be written to.

    Args:
        path: The file.
        error: An OSError, or the ValueError of a path with a NUL character.
    """
    reason = getattr(error, "strerror", None) or str(error)
    reason = clean_line(reason, REASON_CHARS)
    return wrong_usage(f"Cannot write {path}: {reason}. Name another file.")


# Types of arguments. argparse shows the function's name in its messages: "invalid
# number value: 'x'".


def number(text: str) -> int:
    """Return *text* as a number from 1 to what a column can hold."""
    return _limited(text, LARGEST_NUMBER)


def number_up_to(largest: int) -> Callable[[str], int]:
    """Return the type of a number from 1 to *largest*."""

    def number(text: str) -> int:
        return _limited(text, largest)

    return number


def _limited(text: str, largest: int) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    if value > largest:
        raise argparse.ArgumentTypeError(f"at most {largest:,} is possible")
    return value
