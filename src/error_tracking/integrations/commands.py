"""
Unhandled exceptions of management commands and scripts, through ``sys.excepthook``.

A ``CommandError`` is an answer to whoever typed the command, also with
``--traceback``, where Django lets it out; ``SystemExit`` never comes here. A
mistake typed into a shell is not an error of the site.
"""

from __future__ import annotations

import contextlib
import dataclasses
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
# What a shell gets from a script or from cron, and nobody types.
_ONE_COMMAND = frozenset({"-c", "--command"})


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
    call = _call_from(sys.argv)
    is_typed = hasattr(sys, "ps1") or call.is_interactive
    if is_typed or _is_answer(error) or "commands" in conf.get_settings().DISABLE:
        return
    _service.capture_exception(
        context.current_request(),
        error,
        mechanism="command",
        where=f"command {call.name}",
        more=lambda: {
            "command": {"name": call.name, **_values_of(call.arguments, error)}
        },
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Call:
    """
    What was called.

    Attributes:
        name: The management command, or the file of a script.
        arguments: What came after it.
        is_interactive: Whether a person types what runs in it.

    """

    name: str
    arguments: list[str]
    is_interactive: bool


def _call_from(argv: list[str]) -> _Call:
    """Return what was called with *argv*, which an embedded Python may have left empty."""
    script = Path(argv[0] if argv else "")
    arguments = argv[1:]
    is_module = script.parts[-2:] == ("django", "__main__.py")
    if script.name not in _MANAGERS and not is_module:
        return _Call(script.name, arguments, is_interactive=False)
    if not arguments:
        return _Call("", [], is_interactive=False)
    name, *arguments = arguments
    options = {argument.partition("=")[0] for argument in arguments}
    runs_code = name.startswith("shell") and not _ONE_COMMAND.isdisjoint(options)
    is_interactive = name in _INTERACTIVE and not runs_code
    return _Call(name, arguments, is_interactive)


def _is_answer(error: BaseException) -> bool:
    """Return whether *error* tells whoever called something, and is no failure."""
    # Not isinstance(), which asks the exception's own __class__.
    kind = type(error)
    if not issubclass(kind, Exception):
        return True
    # A reader that has seen enough (`manage.py dumpdata | head`) closes the pipe.
    return issubclass(kind, CommandError | BrokenPipeError)


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
