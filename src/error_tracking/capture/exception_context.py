"""
Reads an exception twice: ``outline_of()`` to count it, ``exception_values()`` to store it.

The outline is quick, and remembered for the same lines of the same code. The values
have frames, source lines and local variables; neither has secrets. Must not run code of
the project's but under the guards of ``stacktrace`` and ``frame_locals``.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.signals import setting_changed

from error_tracking import conf
from error_tracking.events import stacktrace
from error_tracking.events.event import ExceptionInfo
from error_tracking.events.fingerprint import fingerprint_for_exception
from error_tracking.events.time_limits import is_time_limit
from error_tracking.scrubbing.scrubber import Scrubber
from error_tracking.setting_rules import NAME as SETTINGS_NAME

from .frame_locals import locals_of
from .request_context import guarded
from .rows import RowReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from django.http import HttpRequest

    from error_tracking.events.size_budget import EventBudget

# Places in the code that raise; a site in trouble has some tens.
OUTLINES = 1_000


class Outline(NamedTuple):
    """What is known of an exception before its payload is built: enough to count it."""

    raised: ExceptionInfo  # without frames
    fingerprint: str
    culprit: str
    place: str  # for the title: the culprit, else a template or a library's function
    is_time_limit: bool


_identity = Scrubber()
_outlines: dict[tuple[int, ...], tuple[Outline, list[object]]] = {}


def outline_of(exception: BaseException, route: str) -> Outline:
    """
    Return what is needed to count *exception*: its type, fingerprint and culprit.

    What was found for the same lines of the same code is remembered, as reading it is
    most of what a repeated error costs in a storm. Not where the message counts.

    Args:
        exception: What was raised.
        route: The route, task or command it happened in.
    """
    instructions = stacktrace.instructions_of(exception)
    found = _outlines.get(instructions) if instructions else None
    if found is not None:
        return found[0]
    is_kept = bool(instructions) and not stacktrace.is_told_by_text(exception)
    # By rules of its own, never the project's: to scrub more must not make new bugs of
    # the old ones.
    reader = stacktrace.Reader(
        scrub_text=_identity.text, in_app=tuple(conf.get_settings().IN_APP)
    )
    raised, *members = stacktrace.outlines_from(exception, reader)
    bare = dataclasses.replace(
        raised,
        frames=(),
        type=_scrubbed_line(raised.type),
        message=conf.get_scrubber().text(
            raised.message, stacktrace.OUTLINE_MESSAGE_CHARS
        ),
    )
    fingerprint = fingerprint_for_exception(raised, route, members)
    outline = Outline(
        bare, fingerprint, raised.culprit, raised.place, is_time_limit(exception)
    )
    if is_kept and outline.culprit:
        if len(_outlines) >= OUTLINES:
            _outlines.clear()
        _outlines[instructions] = outline, stacktrace.code_of(exception)
    return outline


def exception_values(
    exception: BaseException,
    request: HttpRequest | None,
    budget: EventBudget,
    arguments: Callable[[], object] = dict,
) -> dict[str, Any]:
    """
    Return the scrubbed stacktrace: messages, source lines, local variables.

    *arguments* returns those of the task that failed, by name.
    """
    scrubber, settings = conf.get_scrubber(), conf.get_settings()

    rows = RowReader(request, arguments)

    def read_rows(values: dict[str, Any]) -> None:
        guarded(rows.read, values)

    def variables(frame: FrameType) -> dict[str, Any]:
        found: dict[str, Any] = guarded(
            locals_of, frame, scrubber, request, budget.locals, read_rows, default={}
        )
        return found

    reader = stacktrace.Reader(
        scrub_text=scrubber.text,
        is_secret_key=scrubber.is_secret_key,
        scrub_line=_scrubbed_line,
        in_app=tuple(settings.IN_APP),
        locals_of=None if "locals" in settings.DISABLE else variables,
        frames=budget.frames,
        messages=budget.messages,
    )
    exceptions = tuple(
        dataclasses.replace(info, type=_scrubbed_line(info.type))
        for info in stacktrace.exceptions_from(exception, reader)
    )
    budget.rows = guarded(rows.rows, default=[])
    return {
        "exceptions": exceptions,
        "traceback": stacktrace.traceback_text(exceptions),
    }


@functools.lru_cache(maxsize=4_096)
def _scrubbed_line(line: str) -> str:
    """
    Return a source line without secrets.

    The same lines come with every error, so they are kept.
    """
    return conf.get_scrubber().text(line, stacktrace.LINE_CHARS)


def _forget(*, setting: str, **_kwargs: object) -> None:
    """Forget what was found under other settings."""
    if setting == SETTINGS_NAME:
        _outlines.clear()
        _scrubbed_line.cache_clear()


setting_changed.connect(_forget, dispatch_uid="error_tracking.exception_context")
