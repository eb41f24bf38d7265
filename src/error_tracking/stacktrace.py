"""
An exception to frames: the chain of causes, groups, source lines, what is in-app.

Reads Python's objects and the source cache only. Must not call anything of the
host's: no ``__repr__``, no ``__str__`` but through ``safe_text``.
"""

from __future__ import annotations

import dataclasses
import linecache
import sys
import sysconfig
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from .events import ExceptionInfo, Frame
from .utils import PLAIN, UNPRINTABLE, bases_of, clean_line, clean_text, safe_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

Scrub = Callable[[str, int], str]
Line = Callable[[str], str]

MESSAGE_CHARS = 4_000
NOTES = 10
NOTES_CHARS = 1_000
TYPE_CHARS = 200
TRACEBACK_CHARS = 60_000
OUTER_FRAMES = 20
INNER_FRAMES = 40
CHAIN_LENGTH = 10
GROUP_MEMBERS = 3
GROUP_DEPTH = 1_000
CONTEXT_LINES = 5
LINE_CHARS = 200
LOCALS_FRAMES = 3
COMPARED_MEMBERS = 50
INSTRUCTION_NUMBERS = 128
_RENDER = "render_annotated"

# Python's own attributes, which a hostile subclass cannot shadow.
_OWN: dict[str, Any] = {**vars(BaseException)}
_ARGS, _TRACEBACK, _CAUSE, _CONTEXT, _SUPPRESS = (
    _OWN[name] for name in ("args", "__traceback__", "__cause__", "__context__", "__suppress_context__")
)
_NAME, _NAMESPACE = type.__dict__["__name__"].__get__, type.__dict__["__dict__"].__get__
_MEMBERS: Any = vars(BaseExceptionGroup)["exceptions"]
_ATTRIBUTES: Any = vars(BaseException)["__dict__"]

_RELATIONS = {
    "cause": "The above exception was the direct cause of the following exception:",
    "context": "During handling of the above exception, another exception occurred:",
    "member": "In the group:",
}

_LIBRARY_PATHS = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")} | {sys.base_prefix + "/lib/"}
)


@lru_cache(maxsize=4096)
def is_in_app(abs_path: str, module: str = "", rules: tuple[str, ...] = ()) -> bool:
    """
    Return whether the code at *abs_path* is the project's own: not a library, not generated.

    *rules* come first: a dotted name says that its modules are, a path that the
    files below it are, with ``-`` in front that they are not.
    """
    for rule in rules:
        name = rule.removeprefix("-")
        if abs_path.startswith(name) if "/" in name or "\\" in name else f"{module}.".startswith(f"{name}."):
            return not rule.startswith("-")
    if abs_path.startswith("<") or "/site-packages/" in abs_path or "/dist-packages/" in abs_path:
        return False
    return not abs_path.replace("\\", "/").startswith(_LIBRARY_PATHS)


def type_name(exception: BaseException) -> tuple[str, str]:
    """Return name and module of the exception's class; a metaclass cannot interfere (FAULTS C26)."""
    cls = type(exception)
    module = _NAMESPACE(cls).get("__module__", "")
    return clean_line(_NAME(cls), TYPE_CHARS), clean_line(module, TYPE_CHARS) if isinstance(module, str) else ""


def exception_message(exception: BaseException) -> str:
    """Return the exception's text; long arguments are cut before it is made (FAULTS C22)."""
    args = _ARGS.__get__(exception)
    if any(type(arg) not in PLAIN and type(arg) is not bytes for arg in args) or _has_foreign_str(type(exception)):
        return safe_text(exception, MESSAGE_CHARS)
    if any(type(arg) in {str, bytes} and len(arg) > MESSAGE_CHARS for arg in args):
        return clean_text(" ".join(_cut(arg) for arg in args[:10]), MESSAGE_CHARS)
    try:
        return clean_text(str(exception), MESSAGE_CHARS)
    except ValueError:  # an int of more digits than Python prints
        return UNPRINTABLE


def _cut(arg: object) -> str:
    return str(arg[:MESSAGE_CHARS] if isinstance(arg, (str, bytes)) else arg)[:MESSAGE_CHARS]


def _notes_of(exception: BaseException) -> str:
    """Return what ``add_note`` has left on *exception*, each on a line; anything may stand there (FAULTS C22)."""
    notes = _ATTRIBUTES.__get__(exception).get("__notes__")
    texts = [note for note in notes[:NOTES] if type(note) is str] if type(notes) is list else []
    return clean_text("\n".join(note[:NOTES_CHARS] for note in texts), NOTES_CHARS)


def is_group(exception: BaseException) -> bool:
    """Return whether *exception* is a group, by its type: ``isinstance`` would ask the instance (FAULTS C26)."""
    return issubclass(type(exception), BaseExceptionGroup)


def _has_foreign_str(cls: type) -> bool:
    """Return whether ``str()`` of an instance would run Python code, found without asking the class (FAULTS C26)."""
    own = next(names["__str__"] for base in bases_of(cls) if "__str__" in (names := _NAMESPACE(base)))
    return isinstance(own, FunctionType)


@dataclasses.dataclass(frozen=True, slots=True)
class Reader:
    """
    How frames are read.

    Messages go through *scrub_text*, source lines through *scrub_line*;
    *in_app* are rules of :func:`is_in_app`; *locals_of* gives the variables of
    the innermost in-app frames.
    """

    scrub_text: Scrub = clean_text
    scrub_line: Line = str
    in_app: tuple[str, ...] = ()
    locals_of: Callable[[FrameType], dict[str, Any]] | None = None


_PLAIN_READER = Reader()


def exceptions_from(exception: BaseException, reader: Reader = _PLAIN_READER) -> tuple[ExceptionInfo, ...]:
    """
    Return the chain, the raised exception first, then its causes.

    At most ``CHAIN_LENGTH`` links, cycles cut, ``__suppress_context__``
    honoured (FAULTS C24). Notes follow the message. A group with one member is that member, a larger one
    is followed by its first ``GROUP_MEMBERS`` (FAULTS C25). Only the raised one
    has local variables.
    """
    without_locals = dataclasses.replace(reader, locals_of=None)

    def info(error: BaseException, relation: str, outer: tuple[Frame, ...] = ()) -> ExceptionInfo:
        message = reader.scrub_text(exception_message(error), MESSAGE_CHARS)
        if notes := _notes_of(error):
            message += "\n" + reader.scrub_text(notes, NOTES_CHARS)
        frames = frames_from(_TRACEBACK.__get__(error), without_locals if relation else reader)
        return ExceptionInfo(*type_name(error), message, (*outer, *frames), relation)

    chain: list[ExceptionInfo] = []
    seen: set[int] = set()
    current: BaseException | None = exception
    relation = ""
    while current is not None and id(current) not in seen and len(chain) < CHAIN_LENGTH:
        seen.add(id(current))
        current, wrappers = _unwrapped(current)
        outer = tuple(
            frame for wrapper in wrappers for frame in frames_from(_TRACEBACK.__get__(wrapper), without_locals)
        )
        chain.append(info(current, relation, outer[:OUTER_FRAMES]))
        if is_group(current):
            chain.extend(info(member, "member") for member in _MEMBERS.__get__(current)[:GROUP_MEMBERS])
        cause, is_cut = _CAUSE.__get__(current), _SUPPRESS.__get__(current)
        relation = "context" if cause is None else "cause"
        current = cause if cause is not None or is_cut else _CONTEXT.__get__(current)
    return tuple(chain)


def outlines_from(exception: BaseException, reader: Reader = _PLAIN_READER) -> tuple[ExceptionInfo, ...]:
    """
    Return just what the fingerprint of *exception* needs, the raised one first, then the members of a group.

    No surroundings of lines, and a message only where it counts.
    """
    raised, wrappers = _unwrapped(exception)
    members = _MEMBERS.__get__(raised)[:COMPARED_MEMBERS] if is_group(raised) else ()
    return _outline(raised, reader, wrappers), *(_outline(_unwrapped(each)[0], reader, []) for each in members)


def _outline(raised: BaseException, reader: Reader, wrappers: list[BaseException]) -> ExceptionInfo:
    errors = (*wrappers, raised)
    frames = tuple(frame for each in errors for frame in frames_from(_TRACEBACK.__get__(each), reader, is_outline=True))
    message = ""
    if not any(frame.in_app for frame in frames) or is_integrity_error(raised):
        message = reader.scrub_text(exception_message(raised), MESSAGE_CHARS)
    return ExceptionInfo(*type_name(raised), message, frames)


def is_integrity_error(exception: BaseException) -> bool:
    """Return whether a database refused a row, whichever library says so: its message names the constraint."""
    return "IntegrityError" in map(_NAME, bases_of(type(exception)))


def instructions_of(exception: BaseException) -> tuple[int, ...]:
    """
    Return what two exceptions of the same instructions of the same code have in common, ``()`` where texts count.

    Numbers that are quick to find and to compare: no line is looked up. They
    name something else once the objects of :func:`code_of` are gone.
    """
    if is_group(exception) or is_integrity_error(exception):
        return ()
    numbers = [id(type(exception))]
    traceback = _TRACEBACK.__get__(exception)
    while traceback is not None:
        code = traceback.tb_frame.f_code
        numbers += (id(code), traceback.tb_lasti)
        if code.co_name == _RENDER and (place := _template_place(traceback.tb_frame)) is not None:
            numbers.append(hash(place))
        if len(numbers) > INSTRUCTION_NUMBERS:
            return ()
        traceback = traceback.tb_next
    return tuple(numbers)


def code_of(exception: BaseException) -> list[object]:
    """Return the objects that :func:`instructions_of` names."""
    return [type(exception), *(frame.f_code for frame, _ in _walk(_TRACEBACK.__get__(exception)))]


def _unwrapped(exception: BaseException) -> tuple[BaseException, list[BaseException]]:
    """Return the one member of groups of one, however deep they are nested, and the first of those groups."""
    wrappers: list[BaseException] = []
    for _ in range(GROUP_DEPTH):
        if not is_group(exception) or len(_MEMBERS.__get__(exception)) != 1:
            break
        wrappers.append(exception)
        exception = _MEMBERS.__get__(exception)[0]
    return exception, wrappers[:CHAIN_LENGTH]


def frames_from(
    traceback: TracebackType | None, reader: Reader = _PLAIN_READER, *, is_outline: bool = False
) -> tuple[Frame, ...]:
    """
    Return the frames, outermost call first: the first ``OUTER_FRAMES``, the last ``INNER_FRAMES`` (FAULTS C23).

    The innermost node of a Django template has the place of the engine's frame.
    """
    found = list(_walk(traceback))
    found[OUTER_FRAMES:-INNER_FRAMES] = ()
    frames = [_frame(frame, lineno, reader, is_outline=is_outline) for frame, lineno in found]
    for index in range(len(frames) - 1, -1, -1):
        node = _template_frame(found[index][0], reader)
        if node is not None:
            frames[index] = node
            break
    if reader.locals_of is not None and not is_outline:
        innermost = [index for index, frame in enumerate(frames) if frame.in_app][-LOCALS_FRAMES:]
        for index in innermost:
            frames[index] = dataclasses.replace(frames[index], vars=reader.locals_of(found[index][0]))
    return tuple(frames)


def _template_place(frame: FrameType) -> tuple[str, str, int, str] | None:
    """Return name, path, line and text of the template node that *frame* renders, None where it renders none."""
    if frame.f_code.co_name != _RENDER or frame.f_globals.get("__name__") != "django.template.base":
        return None
    try:
        node = frame.f_locals["self"]
        return str(node.origin.template_name), str(node.origin.name), node.token.lineno, str(node.token.contents)
    except (KeyError, AttributeError):  # a node that was made by hand
        return None


def _template_frame(frame: FrameType, reader: Reader) -> Frame | None:
    place = _template_place(frame)
    if place is None:
        return None
    name, path, lineno, text = place
    node = clean_line(reader.scrub_line(clean_line(text, LINE_CHARS)), LINE_CHARS)
    in_app = is_in_app(path, "", reader.in_app)
    name, path = clean_line(name, LINE_CHARS), clean_line(path, LINE_CHARS)
    return Frame(name, path, name, node.partition(" ")[0], lineno, node, in_app=in_app)


def _walk(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _frame(frame: FrameType, lineno: int, reader: Reader, *, is_outline: bool) -> Frame:
    code = frame.f_code
    path = code.co_filename
    module = frame.f_globals.get("__name__", "")
    place = _place(path, module if type(module) is str else "", code.co_qualname, reader.in_app)
    in_app, line = place[-1], reader.scrub_line
    lines = linecache.getlines(path, frame.f_globals) if in_app or not is_outline else []
    raising = _source(lines[lineno - 1], line) if 0 < lineno <= len(lines) else ""
    if is_outline or not in_app:
        return Frame(*place[:4], lineno, raising, in_app=in_app)
    before = tuple(_source(each, line) for each in lines[max(0, lineno - 1 - CONTEXT_LINES) : lineno - 1])
    after = tuple(_source(each, line) for each in lines[lineno : lineno + CONTEXT_LINES])
    return Frame(*place[:4], lineno, raising, before, after, in_app)


@lru_cache(maxsize=4096)
def _place(path: str, module: str, function: str, rules: tuple[str, ...]) -> tuple[str, str, str, str, bool]:
    """Return file name, path, module, function and whether it is in-app: the same for every error that passes."""
    in_app = is_in_app(path, module, rules) and module.partition(".")[0] != "error_tracking"
    if "/" in module or "\\" in module:  # a Jinja template's is its file, wherever that lies
        module = "/".join(path.replace("\\", "/").split("/")[-2:])
    texts = (_short(path, module), path, module, function)
    return (*(clean_line(text, LINE_CHARS) for text in texts), in_app)  # type: ignore[return-value]


def _source(text: str, line: Line) -> str:
    return line(clean_text(text.rstrip("\r\n"), LINE_CHARS))


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
