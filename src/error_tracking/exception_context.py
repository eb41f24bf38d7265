"""
An exception to what is stored of it: quick for its fingerprint, whole for its payload, without secrets in either.

Keeps what was found for the same lines of the same code. Must not run code of
the host's but under the guards of ``stacktrace`` and ``frame_locals``.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from django.core.signals import setting_changed

from . import conf, stacktrace
from .events import ExceptionInfo
from .fingerprint import fingerprint_for_exception
from .frame_locals import locals_of
from .request_context import guarded
from .scrubbing import Scrubber

if TYPE_CHECKING:
    from types import FrameType

    from django.http import HttpRequest

OUTLINES = 1_000
Outline = tuple[ExceptionInfo, str, str]
_identity = Scrubber()
_outlines: dict[tuple[int, ...], tuple[Outline, list[object]]] = {}


def outline_of(exception: BaseException, route: str) -> Outline:
    """
    Return *exception* without its frames, its fingerprint and its culprit.

    What was found for the same lines of the same code is kept: in a storm it
    is most of what a repeated error costs. Not where the message counts.
    """
    instructions = stacktrace.instructions_of(exception)
    found = _outlines.get(instructions) if instructions else None
    if found is not None:
        return found[0]
    # By rules of its own, never the project's: to scrub more must not make new bugs of the old ones.
    reader = stacktrace.Reader(scrub_text=_identity.text, in_app=tuple(conf.get_settings().IN_APP))
    raised, *members = stacktrace.outlines_from(exception, reader)
    culprit = raised.culprit
    bare = dataclasses.replace(
        raised, frames=(), message=conf.get_scrubber().text(raised.message, stacktrace.MESSAGE_CHARS)
    )
    outline = bare, fingerprint_for_exception(raised, route, members), culprit
    if instructions and culprit:
        if len(_outlines) >= OUTLINES:
            _outlines.clear()
        _outlines[instructions] = outline, stacktrace.code_of(exception)
    return outline


def exception_values(exception: BaseException, request: HttpRequest | None) -> dict[str, Any]:
    """Return the stacktrace without secrets in messages, source lines and local variables (FAULTS V05, V07)."""
    scrubber, settings = conf.get_scrubber(), conf.get_settings()

    def variables(frame: FrameType) -> dict[str, Any]:
        found: dict[str, Any] = guarded(locals_of, frame, scrubber, request, default={})
        return found

    wanted = None if "locals" in settings.DISABLE else variables
    reader = stacktrace.Reader(scrubber.text, _scrubbed_line, tuple(settings.IN_APP), wanted)
    exceptions = stacktrace.exceptions_from(exception, reader)
    return {"exceptions": exceptions, "traceback": stacktrace.traceback_text(exceptions)}


@functools.lru_cache(maxsize=4_096)
def _scrubbed_line(line: str) -> str:
    """Return a source line without secrets; the same lines come with every error, so they are kept."""
    return conf.get_scrubber().text(line, stacktrace.LINE_CHARS)


def _forget(*, setting: str, **_kwargs: object) -> None:
    """Forget what was found under other settings."""
    if setting == conf.NAME:
        _outlines.clear()
        _scrubbed_line.cache_clear()


setting_changed.connect(_forget, dispatch_uid="error_tracking.exception_context")
