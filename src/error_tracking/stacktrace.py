"""
An exception to frames: the chain of causes, groups, source lines, what is in-app.

Reads Python's objects and the source cache only. Must not call anything of the
host's: no ``__repr__``, no ``__str__`` but through ``safe_text``.
"""

from __future__ import annotations

import linecache
import sys
import sysconfig
from functools import lru_cache
from typing import TYPE_CHECKING

from .events import ExceptionInfo, Frame
from .utils import clean_line, clean_text, safe_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

MESSAGE_CHARS = 4_000
TYPE_CHARS = 200
TRACEBACK_CHARS = 60_000
OUTER_FRAMES = 20
INNER_FRAMES = 40
CHAIN_LENGTH = 10
GROUP_MEMBERS = 3
CONTEXT_LINES = 5
LINE_CHARS = 200

_RELATIONS = {
    "cause": "The above exception was the direct cause of the following exception:",
    "context": "During handling of the above exception, another exception occurred:",
    "member": "In the group:",
}

_LIBRARY_PATHS = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")} | {sys.base_prefix + "/lib/"}
)


@lru_cache(maxsize=4096)
def is_in_app(abs_path: str) -> bool:
    """Return whether the file at *abs_path* is the project's own: not a library, not generated code."""
    if abs_path.startswith("<") or "/site-packages/" in abs_path or "/dist-packages/" in abs_path:
        return False
    return not abs_path.replace("\\", "/").startswith(_LIBRARY_PATHS)


def type_name(exception: BaseException) -> tuple[str, str]:
    """Return name and module of the exception's class; a metaclass cannot interfere (FAULTS C26)."""
    cls = type(exception)
    name = type.__dict__["__name__"].__get__(cls)
    module = type.__dict__["__dict__"].__get__(cls).get("__module__", "")
    return clean_line(name, TYPE_CHARS), clean_line(module, TYPE_CHARS) if isinstance(module, str) else ""


def exception_message(exception: BaseException) -> str:
    """Return the exception's text, cut before it is made where that is possible (FAULTS C22)."""
    args = exception.args
    if len(args) == 1 and type(args[0]) is str and type(exception).__str__ is BaseException.__str__:
        return clean_text(args[0], MESSAGE_CHARS)
    return safe_text(exception, MESSAGE_CHARS)


def exceptions_from(exception: BaseException) -> tuple[ExceptionInfo, ...]:
    """
    Return the chain, the raised exception first, then its causes.

    At most ``CHAIN_LENGTH`` links, cycles cut, ``__suppress_context__``
    honoured (FAULTS C24). A group with one member is that member, a larger one
    is followed by its first ``GROUP_MEMBERS`` (FAULTS C25).
    """
    chain: list[ExceptionInfo] = []
    seen: set[int] = set()
    current: BaseException | None = exception
    relation = ""
    while current is not None and id(current) not in seen and len(chain) < CHAIN_LENGTH:
        seen.add(id(current))
        outer_frames: tuple[Frame, ...] = ()
        while isinstance(current, BaseExceptionGroup) and len(current.exceptions) == 1:
            outer_frames = (*outer_frames, *frames_from(current.__traceback__))
            current = current.exceptions[0]
        chain.append(_info(current, relation, outer_frames))
        if isinstance(current, BaseExceptionGroup):
            chain.extend(_info(member, "member") for member in current.exceptions[:GROUP_MEMBERS])
        if current.__cause__ is not None:
            current, relation = current.__cause__, "cause"
        elif current.__context__ is not None and not current.__suppress_context__:
            current, relation = current.__context__, "context"
        else:
            current = None
    return tuple(chain)


def _info(exception: BaseException, relation: str, outer: tuple[Frame, ...] = ()) -> ExceptionInfo:
    name, module = type_name(exception)
    frames = (*outer, *frames_from(exception.__traceback__))
    return ExceptionInfo(name, module, exception_message(exception), frames, relation)


def frames_from(traceback: TracebackType | None) -> tuple[Frame, ...]:
    """Return the frames, outermost call first: the first ``OUTER_FRAMES``, the last ``INNER_FRAMES`` (FAULTS C23)."""
    head: list[tuple[FrameType, int]] = []
    tail: list[tuple[FrameType, int]] = []
    for frame, lineno in _walk(traceback):
        if len(head) < OUTER_FRAMES:
            head.append((frame, lineno))
        else:
            tail.append((frame, lineno))
            if len(tail) > 2 * INNER_FRAMES:
                del tail[:INNER_FRAMES]
    return tuple(_frame(frame, lineno) for frame, lineno in head + tail[-INNER_FRAMES:])


def _walk(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _frame(frame: FrameType, lineno: int) -> Frame:
    code = frame.f_code
    path = code.co_filename
    module = frame.f_globals.get("__name__", "")
    module = module if type(module) is str else ""
    in_app = is_in_app(path) and module.partition(".")[0] != "error_tracking"
    lines = linecache.getlines(path, frame.f_globals) if in_app else []
    index = lineno - 1
    context_line = linecache.getline(path, lineno, frame.f_globals)
    return Frame(
        filename=clean_line(_short(path, module), LINE_CHARS),
        abs_path=clean_line(path, LINE_CHARS),
        module=clean_line(module, LINE_CHARS),
        function=clean_line(code.co_qualname, LINE_CHARS),
        lineno=lineno,
        context_line=_source(context_line),
        pre_context=tuple(_source(line) for line in lines[max(0, index - CONTEXT_LINES) : index]),
        post_context=tuple(_source(line) for line in lines[index + 1 : index + 1 + CONTEXT_LINES]),
        in_app=in_app,
    )


def _source(line: str) -> str:
    return clean_text(line.rstrip("\r\n"), LINE_CHARS)


def _short(path: str, module: str) -> str:
    """Return *path* from the top package of *module* on: what is the same on every machine."""
    depth = module.count(".") + 1
    parts = path.replace("\\", "/").split("/")
    if parts[-1] == "__init__.py":
        depth += 1
    return "/".join(parts[-depth:])


def traceback_text(exceptions: tuple[ExceptionInfo, ...]) -> str:
    """Return the chain as Python prints it, from our frames, without locals."""
    blocks: list[str] = []
    for position, info in enumerate(exceptions):
        lines = ["Traceback (most recent call last):"] if info.frames else []
        for frame in info.frames:
            lines.append(f'  File "{frame.abs_path}", line {frame.lineno}, in {frame.function}')
            if frame.context_line:
                lines.append(f"    {frame.context_line.strip()}")
        lines.append(f"{info.qualified_type}: {info.message}" if info.message else info.qualified_type)
        blocks.append("\n".join(lines))
        following = exceptions[position + 1] if position + 1 < len(exceptions) else None
        if following is not None:
            blocks.append(_RELATIONS[following.relation])
    # Python prints causes first; a group's members come after the group.
    if any(info.relation == "member" for info in exceptions):
        return "\n\n".join(blocks)[:TRACEBACK_CHARS]
    return "\n\n".join(reversed(blocks))[-TRACEBACK_CHARS:]
