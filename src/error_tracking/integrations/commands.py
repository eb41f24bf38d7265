"""
Unhandled exceptions of management commands and scripts, through ``sys.excepthook``.

A ``CommandError`` is an answer to whoever typed the command, also with
``--traceback``, where Django lets it out; ``SystemExit`` never comes here. A
mistake typed into a shell is not an error of the site.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.management.base import CommandError

from error_tracking import conf
from error_tracking.capture import context
from error_tracking.capture.data_files import DataFileReader
from error_tracking.capture.request_context import guarded
from error_tracking.capture.service import ErrorCaptureService

if TYPE_CHECKING:
    from types import TracebackType

_MANAGERS = ("manage.py", "django-admin", "django-admin.py")
_INTERACTIVE = ("shell", "shell_plus", "dbshell", "test")
_ONE_COMMAND = frozenset({"-c", "--command"})  # not typed: run by a script or cron


def connect() -> None:
    """Chain a hook before the one that is there."""
    previous = sys.excepthook

    def hook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(Exception):  # the hook that comes next must be reached
            capture_failure(error)
        previous(kind, error, traceback)

    sys.excepthook = hook


def capture_failure(error: BaseException) -> None:
    """Capture what ends the process."""
    script, *arguments = [*sys.argv, ""] if len(sys.argv) < 2 else sys.argv
    is_command = Path(script).name in _MANAGERS or Path(script).parts[-2:] == (
        "django",
        "__main__.py",
    )
    name = arguments.pop(0) if is_command else Path(script).name
    runs_code = name.startswith("shell") and not _ONE_COMMAND.isdisjoint(
        argument.partition("=")[0] for argument in arguments
    )
    is_shell = is_command and name in _INTERACTIVE and not runs_code
    is_typed = hasattr(sys, "ps1") or is_shell
    # A reader that has seen enough (`manage.py dumpdata | head`) closes the pipe.
    is_answer = not issubclass(type(error), Exception) or issubclass(
        type(error), (CommandError, BrokenPipeError)
    )
    if is_typed or is_answer or "commands" in conf.get_settings().DISABLE:
        return
    _service.capture_exception(
        context.current_request(),
        error,
        mechanism="command",
        where=f"command {name}",
        more=lambda: {"command": {"name": name, **_values_of(arguments, error)}},
    )


def _values_of(arguments: list[str], error: BaseException) -> dict[str, object]:
    """Return the arguments without secrets, and what is at those that are paths."""
    scrubbed = conf.get_scrubber().arguments(arguments)
    values: dict[str, object] = {"arguments": scrubbed}
    reader = DataFileReader(error)
    paths = guarded(reader.of_arguments, arguments, scrubbed, default={})
    if paths:
        values["paths"] = paths
    return values


_service = ErrorCaptureService()
