"""
The stack of a bug as lines of text: each exception of the chain, the raised one first.

Shows the project's own frames, with the innermost functions of libraries by name, and
writes paths as the checkout has them. Endless recursion is shown once around, after the
frames that led to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from django.conf import settings as django_settings

from error_tracking.checkout import Checkout, checkout_root

from .bug_report import FRAMES

# Of a cause: where it was raised, and how the code got there.
CAUSE_FRAMES = 6
# Functions of libraries below the project's own.
LIBRARY_FRAMES = 3
# Frames that recursion goes round in: more have not been seen.
CYCLE = 10
# Fewer runs in a row may be two calls that look the same.
RUNS = 3

Frame = Mapping[str, Any]
#: Says what belongs together, below the exception that is shown before.
_RELATIONS = {
    "cause": "It was raised because of:",
    "context": "It happened while this was handled:",
    "member": "A member of the group:",
}


def own_frames(exception: Frame) -> list[dict[str, Any]]:
    """
    Return the project's own frames of a stored *exception*, with paths of the checkout.

    Recursion is folded. Of more than ``FRAMES`` the outermost one stays: it is where the
    project's code was entered.
    """
    own = [frame for frame in exception.get("frames") or () if frame.get("in_app")]
    folded = [frame for frame in fold(own) if frame is not None]
    if len(folded) > FRAMES:
        folded = [folded[0], *folded[1 - FRAMES :]]
    return [{**frame, "filename": checkout_path(frame)} for frame in folded]


def fold(frames: Sequence[Frame]) -> list[Frame | None]:
    """Return *frames* with each recursion once around and None after it."""
    found: list[Frame | None] = []
    position = 0
    while position < len(frames):
        length = _cycle_at(frames, position)
        if length == 0:
            found.append(frames[position])
            position += 1
            continue
        cycle = frames[position : position + length]
        found += [*cycle, None]
        places = {_place(frame) for frame in cycle}
        # Storing a deep stack leaves out its middle, so another run may begin anywhere.
        while position < len(frames) and _place(frames[position]) in places:
            position += 1
        if position == len(frames):
            # What raised is always last.
            found.append(frames[-1])
    return found


def _cycle_at(frames: Sequence[Frame], position: int) -> int:
    """Return how many frames are repeated from *position* on, 0 for none."""
    for length in range(1, CYCLE + 1):
        end = position + RUNS * length
        if end > len(frames):
            return 0
        places = [_place(each) for each in frames[position:end]]
        if places == places[:length] * RUNS:
            return length
    return 0


def _place(frame: Frame) -> tuple[Any, Any, Any]:
    return frame.get("abs_path"), frame.get("lineno"), frame.get("function")


def stack_lines(
    exceptions: Sequence[Frame], messages: Sequence[str], source: Iterable[str]
) -> tuple[str, ...]:
    """
    Return the stack as lines of text.

    Args:
        exceptions: A stored stacktrace, the raised exception first.
        messages: The public message of each of them.
        source: The numbered lines around the raising one.
    """
    lines: list[str] = []
    before = ""
    for position, (each, message) in enumerate(zip(exceptions, messages, strict=True)):
        is_first = position == 0
        if is_first:
            lines += _frame_lines(each, FRAMES, source)
        elif message == before and not _has_own_frames(each):
            # Django raises the exceptions of database drivers again as its own.
            continue
        else:
            lines += ["", _RELATIONS.get(str(each.get("relation")), "")]
            lines += _frame_lines(each, CAUSE_FRAMES, ())
        lines.append(exception_line(exception_name(each), message))
        before = message
    return tuple(lines)


def _has_own_frames(exception: Frame) -> bool:
    return any(frame.get("in_app") for frame in exception.get("frames") or ())


def exception_line(name: str, message: str) -> str:
    """Return type and message as Python prints them."""
    if message:
        return f"{name}: {message}"
    return name


def exception_name(exception: Frame) -> str:
    """Return the class of a stored *exception* with its module, as Python prints it."""
    name = str(exception.get("type") or "")
    module = str(exception.get("module") or "")
    if module in {"", "builtins"}:
        return name
    return f"{module}.{name}"


def _frame_lines(exception: Frame, limit: int, source: Iterable[str]) -> list[str]:
    """Return at most *limit* own frames, with *source* for the last of them."""
    frames = exception.get("frames") or ()
    own = [frame for frame in frames if frame.get("in_app")]
    shown = fold(own)
    left_out = len(shown) - limit
    if left_out > 0:
        shown = [shown[0], *shown[left_out + 1 :]]
    lines: list[str] = []
    for number, frame in enumerate(shown):
        if frame is None:
            lines.append("(these frames repeat)")
            continue
        is_last = number == len(shown) - 1
        lines += _lines_of_frame(frame, source if is_last else ())
        if number == 0 and left_out > 0:
            lines.append(f"({left_out} more)")
    return lines + _library_lines(frames)


def _lines_of_frame(frame: Frame, source: Iterable[str]) -> list[str]:
    """Return where *frame* is, with *source* or else the line that it was in."""
    place = f"{checkout_path(frame)}:{frame.get('lineno')} in {frame.get('function')}"
    if source:
        return [place, *source]
    line = str(frame.get("context_line") or "").strip()
    if line:
        return [place, f"    {line}"]
    return [place]


def _library_lines(frames: Sequence[Frame]) -> list[str]:
    """Return the innermost functions of libraries, below the last own frame."""
    below: list[Frame] = []
    for frame in reversed(frames):
        if frame.get("in_app") or len(below) == LIBRARY_FRAMES:
            break
        below.insert(0, frame)
    return [f"in {each.get('module')}.{each.get('function')}" for each in below]


def checkout_path(frame: Frame) -> str:
    """
    Return the path of a stored *frame* from the root of the project's checkout on.

    Where BASE_DIR is in no checkout, or it has no such file, it is the path that the
    frame was stored with, from the top package on.
    """
    filename = str(frame.get("filename") or "")
    base = getattr(django_settings, "BASE_DIR", None)
    if not base or not frame.get("in_app"):
        return filename
    return _path_in_checkout(str(base), str(frame.get("abs_path") or ""), filename)


# A bug has twenty frames, and a project some thousand files.
@lru_cache(maxsize=2_048)
def _path_in_checkout(base: str, abs_path: str, filename: str) -> str:
    root = checkout_root(Path(base))
    if root is None:
        return filename
    path = PurePath(abs_path)
    for folder in (root, root.resolve()):
        if path.is_relative_to(folder) and "site-packages" not in path.parts:
            return path.relative_to(folder).as_posix()
    # Installed from a build: the checkout may have the file in a folder like src/.
    return Checkout(root).path_of(filename) or filename
