"""
Reads raised exceptions as Python holds them: causes, members of groups, tracebacks.

Exceptions may be of the project's own classes, which can override ``__class__``,
``__cause__`` or ``__getattribute__``. So every attribute is read through the descriptor
of ``BaseException``, and types are compared with ``type()``: none of the project's code
runs while its failure is captured.
"""

from __future__ import annotations

import dis
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from error_tracking.scrubbing.descriptions import class_name
from error_tracking.utils import dotted_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, TracebackType

#: The longest name of a class or module that is kept.
TYPE_CHARS = 200
#: Of endless recursion the outermost frames show how it began, the innermost what
#: repeats. Other stacks are rarely deeper than both together.
OUTER_FRAMES = 20
INNER_FRAMES = 40
#: Wrappers around one exception that are read for their frames.
MOST_WRAPPERS = 10
#: Left on exceptions that were captured.
CAPTURED_MARK = "_error_tracking"
# Other tools hide frames with a local variable of this name, too.
_HIDDEN = "__traceback_hide__"
# Groups of one member are unwrapped to this depth. Nobody nests them so deep on
# purpose, and the loop has to end.
_GROUP_DEPTH = 1_000
_RAISE = dis.opmap["RAISE_VARARGS"]
# The functions of Django's template backends that raise a copy of what they caught.
_COPYING_FUNCTIONS = {
    "django.template.backends.django": "reraise",
    "django.template.backends.jinja2": "get_template",
}

# Python's own attributes, which a class of the project's cannot shadow.
_OWN: dict[str, Any] = {**vars(BaseException)}
_traceback_of: Callable[[BaseException], Any] = _OWN["__traceback__"].__get__
_cause_of: Callable[[BaseException], Any] = _OWN["__cause__"].__get__
_context_of: Callable[[BaseException], Any] = _OWN["__context__"].__get__
_is_context_suppressed: Callable[[BaseException], bool] = _OWN[
    "__suppress_context__"
].__get__
_attributes_of: Callable[[BaseException], dict[str, Any]] = _OWN["__dict__"].__get__
_namespace_of = type.__dict__["__dict__"].__get__
_qualified_name_of = type.__dict__["__qualname__"].__get__

#: Return the members of an exception group.
members_of: Callable[[BaseException], tuple[BaseException, ...]] = vars(
    BaseExceptionGroup
)["exceptions"].__get__


def type_name(exception: BaseException) -> tuple[str, str]:
    """
    Return name and module of the exception's class; a metaclass cannot interfere.

    The name of a class inside another has both: ``Order.DoesNotExist``.
    """
    cls = type(exception)
    module = _namespace_of(cls).get("__module__", "")
    if type(module) is not str:
        module = ""
    if module:
        module = dotted_name(module, TYPE_CHARS)
    # What a function makes is named after the class alone.
    name = str.__str__(_qualified_name_of(cls)).rpartition("<locals>.")[2]
    return dotted_name(name, TYPE_CHARS), module


def is_group(exception: BaseException) -> bool:
    """Return whether *exception* is a group, by its type alone."""
    return issubclass(type(exception), BaseExceptionGroup)


def next_in_chain(error: BaseException) -> tuple[BaseException | None, str]:
    """
    Return what Python prints before *error*, and how the two belong together.

    That is ``"cause"`` or ``"context"``; ``(None, "")`` at the end of the chain.
    """
    cause = _cause_of(error)
    if cause is not None:
        return cause, "cause"
    if _is_context_suppressed(error):
        return None, ""
    return _context_of(error), "context"


def unwrapped(exception: BaseException) -> tuple[BaseException, list[BaseException]]:
    """
    Return the exception that says what failed, and the wrappers around it.

    Groups of one member, however deep they are nested, are that member. The copy that
    one of Django's template backends raises is its cause, which has the frames of the
    template.
    """
    wrappers: list[BaseException] = []
    for _ in range(_GROUP_DEPTH):
        inner = _wrapped_in(exception)
        if inner is None:
            break
        wrappers.append(exception)
        exception = inner
    return exception, wrappers[:MOST_WRAPPERS]


def _wrapped_in(exception: BaseException) -> BaseException | None:
    """Return what *exception* only wraps; None when it says itself what failed."""
    if is_group(exception):
        members = members_of(exception)
        if len(members) == 1:
            return members[0]
    cause: BaseException | None = _cause_of(exception)
    if cause is not None and _is_template_copy(exception, cause):
        return cause
    return None


def _is_template_copy(exception: BaseException, cause: BaseException) -> bool:
    """Return whether a template backend raised *exception* instead of *cause*."""
    if type(cause) is not type(exception):
        # Jinja's own class has the same name. (The copy of a missing template is of
        # another class, but its cause has no frames that would say more.)
        names = {class_name(type(exception)), class_name(type(cause))}
        if names != {"TemplateSyntaxError"}:
            return False
    innermost = deque(entries_of(exception), maxlen=1)
    if not innermost:
        return False
    frame = innermost[0].tb_frame
    function = frame.f_code.co_qualname.split(".")[-1]
    return _COPYING_FUNCTIONS.get(module_of(frame)) == function


def entries_of(exception: BaseException) -> Iterator[TracebackType]:
    """
    Yield the traceback's entries of this raise, outermost call first.

    Python puts a new raise in front of what an object's traceback has already, so one
    exception object that is raised again and again carries all its earlier raises.
    A ``raise`` statement calls nothing: what follows it is of an earlier raise. That
    is left out only if the object was captured before; else it may come from another
    thread, and its traceback shows where it was raised first.
    """
    is_reused = CAPTURED_MARK in _attributes_of(exception)
    entry: TracebackType | None = _traceback_of(exception)
    while entry is not None:
        yield entry
        entry = _entry_after(entry) if is_reused else entry.tb_next


def _entry_after(entry: TracebackType) -> TracebackType | None:
    """Return what follows *entry* in the latest raise, None at its end."""
    following = entry.tb_next
    if following is None or following.tb_frame is entry.tb_frame:
        return following
    if _is_raise_statement(entry):
        return None
    return following


def _is_raise_statement(entry: TracebackType) -> bool:
    code = entry.tb_frame.f_code.co_code
    return 0 <= entry.tb_lasti < len(code) and code[entry.tb_lasti] == _RAISE


def shown_entries(exception: BaseException, most: int) -> list[TracebackType]:
    """
    Return the entries that are shown: the first and the last, at most *most*.

    Endless recursion has very many between them. Frames with a local variable
    ``__traceback_hide__`` are left out, unless nothing would be left.
    """
    shown = (
        entry
        for entry in entries_of(exception)
        if _HIDDEN not in entry.tb_frame.f_code.co_varnames
    )
    return _ends_of(shown, most) or _ends_of(entries_of(exception), most)


def _ends_of(entries: Iterator[TracebackType], most: int) -> list[TracebackType]:
    """Return the first and last *entries*; the innermost get their room first."""
    inner = max(0, min(most, INNER_FRAMES))
    outer = max(0, min(most - inner, OUTER_FRAMES))
    first = list(islice(entries, outer))
    last = deque(entries, maxlen=inner)
    return [*first, *last]


def module_of(frame: FrameType) -> str:
    """
    Return the name of the module that *frame* is of.

    The frame's namespace may be a dict of the project's own class.
    """
    name = dict.get(frame.f_globals, "__name__")
    if type(name) is not str:
        return ""
    return name
