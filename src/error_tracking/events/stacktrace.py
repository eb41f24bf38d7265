"""
Turns an exception into our frames: its chain of causes, groups, source lines, locals.

There are two ways to read one. ``outlines_from()`` reads what a fingerprint needs,
which is quick; ``exceptions_from()`` reads what is stored. Both read Python's objects
and the source cache only. They must not call anything of the project's: no
``__repr__``, and no ``__str__`` but through ``exception_text``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from error_tracking.scrubbing.descriptions import class_name
from error_tracking.utils import bases_of, clean_line, clean_text

from .event import ExceptionInfo, Frame
from .exception_text import exception_text, is_secret_name, notes_of
from .in_app import is_in_app
from .raised import (
    INNER_FRAMES,
    OUTER_FRAMES,
    entries_of,
    is_group,
    members_of,
    module_of,
    next_in_chain,
    shown_entries,
    type_name,
    unwrapped,
)
from .size_budget import CRASH, Share
from .source_code import source_lines
from .subjects import CLASSES
from .template_frames import TEMPLATE_FUNCTIONS, template_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

Scrub = Callable[[str, int], str]
Line = Callable[[str], str]

#: Of the raised exception's message.
MESSAGE_CHARS = 4_000
#: Of causes and members of groups: what failed is the raised exception.
OTHER_MESSAGE_CHARS = 1_000
#: As much of a message as a fingerprint is made of.
OUTLINE_MESSAGE_CHARS = 1_000
TRACEBACK_CHARS = 60_000
#: Links of a chain of causes. Longer ones are loops or retries of the same failure.
CHAIN_LENGTH = 10
#: Members of a group that are shown. A group of many tasks mostly fails for one reason.
GROUP_MEMBERS = 3
#: Members of a group that its fingerprint is made of, and how many frames of them are
#: read: this is done before it is known whether the error is a repeated one.
COMPARED_MEMBERS = 50
OUTLINE_FRAMES = 300
#: Lines of source before and after the one that raised.
CONTEXT_LINES = 5
LINE_CHARS = 200
#: The innermost frames of the project whose local variables are stored.
LOCALS_FRAMES = 3
#: Stacks with more numbers than this are not remembered: endless recursion.
INSTRUCTION_NUMBERS = 128
# Their top level and main() only start the program.
_ENTRY_FILES = frozenset({"manage.py", "wsgi.py", "asgi.py", "__main__.py"})

# What Python prints between two exceptions.
_RELATIONS = {
    "cause": "The above exception was the direct cause of the following exception:",
    "context": "During handling of the above exception, another exception occurred:",
    "member": "In the group:",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Reader:
    """
    How exceptions are read.

    Attributes:
        scrub_text: Takes a message and how much of it to keep.
        scrub_line: Takes a line of source.
        in_app: Rules of :func:`is_in_app`.
        locals_of: Returns the variables of a frame; called for the innermost frames of
            the project. None stores no variables.
        is_secret_key: Says what an exception must not print of what it holds by name.
        frames: How many frames of all exceptions together are read.
        messages: The share of the event's budget that is left for messages.
    """

    scrub_text: Scrub = clean_text
    scrub_line: Line = str
    in_app: tuple[str, ...] = ()
    locals_of: Callable[[FrameType], dict[str, Any]] | None = None
    is_secret_key: Callable[[str], bool] = is_secret_name
    frames: int = CRASH.frames
    messages: Share = dataclasses.field(default_factory=lambda: Share(CRASH.messages))


# What is stored


def exceptions_from(
    exception: BaseException, reader: Reader | None = None
) -> tuple[ExceptionInfo, ...]:
    """
    Return the chain, the raised exception first, then its causes.

    At most ``CHAIN_LENGTH`` links, cycles cut, ``__suppress_context__``
    honoured. Notes follow the message. A group with one member is that member,
    a larger one is followed by its first ``GROUP_MEMBERS``. Only the raised one
    has local variables. It is read first, so that its causes get what it leaves of the
    frames and characters.
    """
    return tuple(_Chain(reader or Reader()).infos(exception))


class _Link(NamedTuple):
    """One exception of a chain; *relation* says what it is to the one before it."""

    error: BaseException
    relation: str
    wrappers: list[BaseException]


def _links_of(exception: BaseException) -> Iterator[_Link]:
    current: BaseException | None = exception
    relation = ""
    seen: set[int] = set()
    for _ in range(CHAIN_LENGTH):
        if current is None or id(current) in seen:
            return
        seen.add(id(current))
        current, wrappers = unwrapped(current)
        yield _Link(current, relation, wrappers)
        if is_group(current):
            for member in members_of(current)[:GROUP_MEMBERS]:
                yield _Link(member, "member", [])
        current, relation = next_in_chain(current)


class _Chain:
    """One walk along a chain of exceptions."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._without_locals = dataclasses.replace(reader, locals_of=None)
        self._frames_left = reader.frames

    def infos(self, exception: BaseException) -> list[ExceptionInfo]:
        links = list(_links_of(exception))
        # All messages come before any frame: the first time that a frame is read, its
        # source file is too, which may use up the event's time.
        messages = [self._message(link) for link in links]
        found = []
        for link, message in zip(links, messages, strict=True):
            outer = self._frames_of_wrappers(link.wrappers)
            frames = (*outer, *self._frames(link))
            name, module = type_name(link.error)
            found.append(ExceptionInfo(name, module, message, frames, link.relation))
        return found

    def _message(self, link: _Link) -> str:
        limit = OTHER_MESSAGE_CHARS if link.relation else MESSAGE_CHARS
        return message_of(link.error, self._reader, limit)

    def _frames(self, link: _Link) -> tuple[Frame, ...]:
        reader = self._without_locals if link.relation else self._reader
        frames = frames_from(link.error, reader, most=self._frames_left)
        self._frames_left -= len(frames)
        return frames

    def _frames_of_wrappers(self, wrappers: list[BaseException]) -> tuple[Frame, ...]:
        """Return the frames around an exception: of what gathered or copied it."""
        frames: list[Frame] = []
        for wrapper in wrappers:
            room = min(OUTER_FRAMES, self._frames_left) - len(frames)
            frames += frames_from(wrapper, self._without_locals, most=room)
        self._frames_left -= len(frames)
        return tuple(frames)


def message_of(error: BaseException, reader: Reader, limit: int) -> str:
    """
    Return the message of *error* with its notes, at most *limit* characters.

    Shorter, or empty, where the reader's share is used up.
    """
    room = reader.messages.granted(limit)
    if room == 0:
        return ""
    meter = _Meter(reader.scrub_text)
    message = exception_text(error, meter.scrub, room, reader.is_secret_key)
    # What was read counts, however short it has become.
    reader.messages.settle(room, max(len(message), meter.characters))
    notes = notes_of(error)
    room = reader.messages.granted(len(notes))
    if room:
        message += "\n" + reader.scrub_text(notes, room)
    return message


class _Meter:
    """Counts the characters that are given to *scrub*."""

    def __init__(self, scrub: Scrub) -> None:
        self.characters = 0
        self._scrub = scrub

    def scrub(self, text: str, limit: int) -> str:
        self.characters += len(text)
        return self._scrub(text, limit)


def frames_from(
    exception: BaseException,
    reader: Reader | None = None,
    *,
    most: int = OUTER_FRAMES + INNER_FRAMES,
) -> tuple[Frame, ...]:
    """
    Return the frames with lines of source and local variables, outermost call first.

    At most *most*: the first ``OUTER_FRAMES`` and the last ``INNER_FRAMES``.
    """
    reader = reader or Reader()
    entries = shown_entries(exception, most)
    frames = [_frame(entry, reader) for entry in entries]
    _mark_places(frames, entries, exception, reader)
    if reader.locals_of is not None:
        in_app = [index for index, frame in enumerate(frames) if frame.in_app]
        # The innermost first: its variables say most, and the share may not be enough
        # for all.
        for index in reversed(in_app[-LOCALS_FRAMES:]):
            variables = reader.locals_of(entries[index].tb_frame)
            frames[index] = dataclasses.replace(frames[index], vars=variables)
    return tuple(frames)


def _frame(entry: TracebackType, reader: Reader) -> Frame:
    """Return the frame of *entry* with the lines around the one that raised."""
    code = entry.tb_frame.f_code
    place = _place_of(entry.tb_frame, reader)
    lines, lineno = source_lines(code, entry.tb_lineno, entry.tb_frame.f_globals)
    raising = _line_at(lines, lineno, reader)
    if not place.in_app:
        return Frame(*place.names, lineno, raising, in_app=False)
    before = lines[max(0, lineno - 1 - CONTEXT_LINES) : lineno - 1]
    after = lines[lineno : lineno + CONTEXT_LINES]
    return Frame(
        *place.names,
        lineno,
        raising,
        tuple(_clean_source(line, reader) for line in before),
        tuple(_clean_source(line, reader) for line in after),
        in_app=True,
    )


def _line_at(lines: list[str], lineno: int, reader: Reader) -> str:
    if not 0 < lineno <= len(lines):
        return ""
    return _clean_source(lines[lineno - 1], reader)


def _clean_source(line: str, reader: Reader) -> str:
    return reader.scrub_line(clean_text(line.rstrip("\r\n"), LINE_CHARS))


def _mark_places(
    frames: list[Frame],
    entries: list[TracebackType],
    exception: BaseException,
    reader: Reader,
) -> None:
    """
    Change *frames* that are not what they seem.

    The innermost node of a Django template is shown instead of the engine's frame, and
    what only starts the program is not the project's code that failed.
    """
    for index in range(len(frames) - 1, -1, -1):
        node = _template_frame(entries[index].tb_frame, exception, reader)
        if node is not None:
            frames[index] = node
            break
    for index, frame in enumerate(frames[:-1]):
        if frame.in_app and _is_entry_point(frame):
            frames[index] = dataclasses.replace(frame, in_app=False)


def _is_entry_point(frame: Frame) -> bool:
    """
    Return whether *frame* only starts the program: ``manage.py`` runs every command.

    Functions of a script are its own code, but every error of it comes through its top
    level and ``main()``.
    """
    name = frame.filename.rpartition("/")[2]
    starts_program = name in _ENTRY_FILES or frame.module == "__main__"
    return starts_program and frame.function in {"<module>", "main"}


def _template_frame(
    frame: FrameType, exception: BaseException, reader: Reader
) -> Frame | None:
    """Return the node of a template that *frame* renders or compiles as a frame."""
    place = template_place(frame, exception)
    if place is None:
        return None
    text = reader.scrub_line(clean_line(place.text, LINE_CHARS))
    node = clean_line(text, LINE_CHARS)
    name = clean_line(place.name, LINE_CHARS)
    return Frame(
        filename=name,
        abs_path=clean_line(place.path, LINE_CHARS),
        module=name,
        function=node.partition(" ")[0],
        lineno=place.lineno,
        context_line=node,
        in_app=is_in_app(place.path, "", reader.in_app),
    )


# What a fingerprint needs


def outlines_from(
    exception: BaseException, reader: Reader | None = None
) -> tuple[ExceptionInfo, ...]:
    """
    Return what the fingerprint of *exception* needs.

    The raised one comes first, then the members of a group. Frames have no lines around
    the one that raised, and messages are read only where they count.
    """
    reader = reader or Reader()
    raised, wrappers = unwrapped(exception)
    frames: list[Frame] = []
    for each in (*wrappers, raised):
        frames += _outline_frames(each, reader)
    message = _outline_message(raised, frames, reader)
    outlines = [ExceptionInfo(*type_name(raised), message, tuple(frames))]
    if is_group(raised):
        outlines += _outlines_of_members(raised, reader)
    return tuple(outlines)


def _outlines_of_members(
    group: BaseException, reader: Reader
) -> Iterator[ExceptionInfo]:
    """Yield the members without messages: they differ by type and place alone."""
    read = 0
    for member in members_of(group)[:COMPARED_MEMBERS]:
        error, _wrappers = unwrapped(member)
        frames = tuple(_outline_frames(error, reader))
        yield ExceptionInfo(*type_name(error), "", frames)
        read += len(frames)
        if read > OUTLINE_FRAMES:
            break


def _outline_message(raised: BaseException, frames: list[Frame], reader: Reader) -> str:
    """Return the message where the title or the fingerprint contains a part of it."""
    # A title names the column or table that is missing, a fingerprint the constraint.
    names_a_thing = not CLASSES.isdisjoint(map(class_name, bases_of(type(raised))))
    is_in_library = not any(frame.in_app for frame in frames)
    if not names_a_thing and not is_in_library:
        return ""
    return exception_text(
        raised, reader.scrub_text, OUTLINE_MESSAGE_CHARS, reader.is_secret_key
    )


def _outline_frames(exception: BaseException, reader: Reader) -> list[Frame]:
    entries = shown_entries(exception, OUTER_FRAMES + INNER_FRAMES)
    frames = [_outline_frame(entry, reader) for entry in entries]
    _mark_places(frames, entries, exception, reader)
    return frames


def _outline_frame(entry: TracebackType, reader: Reader) -> Frame:
    """Return the frame of *entry* with the line that raised, if it is the project's."""
    code = entry.tb_frame.f_code
    place = _place_of(entry.tb_frame, reader)
    if not place.in_app:
        return Frame(*place.names, entry.tb_lineno, "", in_app=False)
    lines, lineno = source_lines(code, entry.tb_lineno, entry.tb_frame.f_globals)
    raising = _line_at(lines, lineno, reader)
    return Frame(*place.names, lineno, raising, in_app=True)


class _CodePlace(NamedTuple):
    """Where code is: the same for every error that passes."""

    names: tuple[str, str, str, str]  # filename, abs_path, module and function
    in_app: bool


def _place_of(frame: FrameType, reader: Reader) -> _CodePlace:
    code = frame.f_code
    module = module_of(frame)
    return _code_place(code.co_filename, module, code.co_qualname, reader.in_app)


@lru_cache(maxsize=4096)
def _code_place(
    path: str, module: str, function: str, rules: tuple[str, ...]
) -> _CodePlace:
    is_ours = module.partition(".")[0] == "error_tracking"
    in_app = not is_ours and is_in_app(path, module, rules)
    if "/" in module or "\\" in module:
        # The module of a Jinja template is its file, wherever that lies.
        module = "/".join(path.replace("\\", "/").split("/")[-2:])
    names = (
        clean_line(_short_path(path, module), LINE_CHARS),
        clean_line(path, LINE_CHARS),
        clean_line(module, LINE_CHARS),
        clean_line(function, LINE_CHARS),
    )
    return _CodePlace(names, in_app)


def _short_path(path: str, module: str) -> str:
    """Return *path* from the top package of *module* on: the same on every machine."""
    depth = module.count(".") + 1
    parts = path.replace("\\", "/").split("/")
    if parts[-1] == "__init__.py":
        depth += 1
    return "/".join(parts[-depth:])


# What makes two errors of one process the same at a glance


def is_told_by_text(exception: BaseException) -> bool:
    """
    Return whether two exceptions of the same code may still be two bugs.

    Groups differ by their members, refused rows by the constraint in the message.
    """
    return is_group(exception) or is_integrity_error(exception)


def is_integrity_error(exception: BaseException) -> bool:
    """Return whether a database refused a row, whichever library raised it."""
    return "IntegrityError" in map(class_name, bases_of(type(exception)))


def instructions_of(exception: BaseException) -> tuple[int, ...]:
    """
    Return numbers that are equal for exceptions of the same instructions of one code.

    They are quick to find and to compare: no line is looked up, and the class is one of
    the numbers. They are ``id()`` of objects, so they mean something else once the
    objects of :func:`code_of` are gone. ``()`` for very deep stacks.
    """
    raised, wrappers = unwrapped(exception)
    numbers = [id(type(raised))]
    for each in (*wrappers, raised):
        for entry in entries_of(each):
            frame = entry.tb_frame
            code = frame.f_code
            numbers += (id(code), entry.tb_lasti)
            if code.co_name in TEMPLATE_FUNCTIONS:
                place = template_place(frame, each)
                if place is not None:
                    numbers.append(hash(place))
            if len(numbers) > INSTRUCTION_NUMBERS:
                return ()
    return tuple(numbers)


def code_of(exception: BaseException) -> list[object]:
    """Return the objects that the numbers of :func:`instructions_of` stand for."""
    raised, wrappers = unwrapped(exception)
    found: list[object] = [type(raised)]
    for each in (*wrappers, raised):
        found += [entry.tb_frame.f_code for entry in entries_of(each)]
    return found


# As text


def traceback_text(exceptions: tuple[ExceptionInfo, ...]) -> str:
    """Return the chain as Python prints it, from our frames, without locals."""
    blocks: list[str] = []
    for position, info in enumerate(exceptions):
        if position > 0:
            blocks.append(_RELATIONS[info.relation])
        blocks.append(_block_of(info))
    has_members = any(info.relation == "member" for info in exceptions)
    if has_members:
        return "\n\n".join(blocks)[:TRACEBACK_CHARS]
    # Python prints causes first, and the end of the text is what was raised.
    return "\n\n".join(reversed(blocks))[-TRACEBACK_CHARS:]


def _block_of(info: ExceptionInfo) -> str:
    lines: list[str] = []
    if info.frames:
        lines.append("Traceback (most recent call last):")
    for frame in info.frames:
        place = f'File "{frame.abs_path}", line {frame.lineno}, in {frame.function}'
        lines.append(f"  {place}")
        if frame.context_line:
            lines.append(f"    {frame.context_line.strip()}")
    if info.message:
        lines.append(f"{info.qualified_type}: {info.message}")
    else:
        lines.append(info.qualified_type)
    return "\n".join(lines)
