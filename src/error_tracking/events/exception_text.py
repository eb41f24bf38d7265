"""
Prints the message of an exception in bounded time, however large its arguments are.

Python's own ``str()`` of an exception prints all of its arguments: three
seconds for three million numbers. Here what is not kept is not printed either.
Code of the project's runs only through :func:`~error_tracking.object_text.safe_text`.
"""

from __future__ import annotations

import builtins
import datetime as dt
import decimal
import re
import types
import uuid
from itertools import islice
from typing import TYPE_CHECKING, Any

from error_tracking.scrubbing.descriptions import (
    MAX_INT_BITS,
    class_attribute,
    class_name,
    instance_dict,
    key_text,
)
from error_tracking.scrubbing.event_secrets import is_recognisable, note
from error_tracking.scrubbing.keys import AS_KEY, level_of
from error_tracking.scrubbing.values import FILTERED
from error_tracking.utils import UNPRINTABLE, clean_text, type_ids

from .object_text import LazyText, safe_text
from .size_budget import LOOKAHEAD_CHARS, more, scrubbed_beginning

if TYPE_CHECKING:
    from collections.abc import Callable

    Scrub = Callable[[str, int], str]

NOTES = 10
NOTES_CHARS = 1_000
# Values printed of one exception: a list of more says no more.
PRINTED_VALUES = 100
# Containers in containers: as deep as anybody reads.
PRINTED_DEPTH = 5
# Exceptions in the arguments of exceptions, as ``raise X(error)`` makes them.
NESTED_EXCEPTIONS = 5
# Room for "… 1,234,567 more characters" within the limit of a message.
MARK_CHARS = 40
# Containers in each other that are cut each need room for their mark.
NESTED_MARKS = 2
# Longer items of a list say little and hide the others.
ITEM_CHARS = 1_000

# Attributes and parameters of exceptions that are looked at: more are no form's.
HELD_VALUES = 50
#: Where Django's ``ValidationError`` keeps the errors it is made of.
_ERRORS = ("error_list", "error_dict")
_ARGS: Any = vars(BaseException)["args"]  # a subclass cannot shadow it
# By the identity of the class: to look one up by itself would call its metaclass's
# ``__hash__``.
_BRACKETS: dict[int, tuple[str, str]] = {
    id(list): ("[", "]"),
    id(tuple): ("(", ")"),
    id(set): ("{", "}"),
    id(frozenset): ("frozenset({", "})"),
}
_BUILT_IN = type_ids(*(each for each in vars(builtins).values() if type(each) is type))
_BYTES = type_ids(bytes, bytearray)
# What ``repr()`` shows otherwise than ``str()``; both are Python's own.
_PRINTED_BY_REPR = type_ids(dt.date, dt.timedelta, decimal.Decimal, uuid.UUID)
# Attributes that these classes print, besides their arguments.
_PRINTED: dict[type, tuple[str, ...]] = {
    OSError: ("errno", "strerror", "filename", "filename2"),
    SyntaxError: ("msg", "filename", "lineno"),
    ImportError: ("msg",),
}


class _ForeignError(Exception):
    """A value that only code of the project's can print."""


def is_secret_name(name: str) -> bool:
    """Return whether *name* stands before a secret, by the shipped words alone."""
    return level_of(name) >= AS_KEY


def exception_text(
    exception: BaseException,
    scrub: Scrub,
    limit: int,
    is_secret: Callable[[str], bool] = is_secret_name,
) -> str:
    """
    Return the text of *exception* without secrets, at most *limit* characters.

    What was left out is noted. A ``__str__`` or ``__repr__`` of the project's is
    called under the time-out of ``safe_text``.

    Args:
        exception: Any exception.

        scrub: Takes the secrets out of a text and cuts it to a length.

        limit: Length of the result, in characters.

        is_secret: Says of which names the values that *exception* holds are secret.
    """
    held = _held_secrets(exception, is_secret)
    if held:
        scrub = _without_held(held, scrub)
    printer = _Printer(scrub, limit)
    if not _prints_itself(type(exception)):
        try:
            text = printer.message(exception)
        except _ForeignError:
            pass
        else:
            return _cut(text, len(text) + printer.left_out, scrub, limit)
    return _text_by_project(exception, scrub, limit)


def _without_held(values: set[str], scrub: Scrub) -> Scrub:
    """
    Return a *scrub* that first takes *values* out.

    As they are, and as ``repr()`` writes them.
    """
    spellings = values | {repr(value)[1:-1] for value in values}
    longest_first = sorted(spellings, key=len, reverse=True)
    alternatives = "|".join(map(re.escape, longest_first))
    pattern = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)")

    def scrub_without(text: str, limit: int) -> str:
        return scrub(pattern.sub(FILTERED, text), limit)

    return scrub_without


def _held_secrets(
    exception: BaseException, is_secret: Callable[[str], bool]
) -> set[str]:
    """
    Return the secrets that *exception* holds by name, and may print without it.

    Django's ``ValidationError`` formats its message with ``params``; an exception of
    the project's may have an attribute ``password`` and a sentence with its value.
    """
    found: set[str] = set()
    todo: list[Any] = [exception]
    seen: set[int] = set()  # an error may be in a list of its own
    while todo and len(seen) < HELD_VALUES:
        value = todo.pop()
        kind = type(value)
        if id(value) in seen:
            continue
        seen.add(id(value))
        if kind is list:
            todo += value[:HELD_VALUES]
        elif kind is dict:
            todo += list(islice(value.values(), HELD_VALUES))
        elif issubclass(kind, BaseException):
            own = instance_dict(value)
            todo += [own[name] for name in _ERRORS if name in own]
            found |= _named_secrets(own.get("params"), is_secret, is_printed=True)
            found |= _named_secrets(own, is_secret, is_printed=False)
    return found


def _named_secrets(
    values: Any, is_secret: Callable[[str], bool], *, is_printed: bool
) -> set[str]:
    found: set[str] = set()
    if type(values) is not dict:
        return found
    for name, value in islice(values.items(), HELD_VALUES):
        if type(name) is not str or type(value) not in {str, int}:
            continue
        if not value or (type(value) is int and value.bit_length() > MAX_INT_BITS):
            continue
        text = str(value)[:ITEM_CHARS]
        # An attribute may be an everyday word, which stands in the message for itself.
        if (is_printed or is_recognisable(text)) and is_secret(name):
            note(text)
            found.add(text)
    return found


def notes_of(exception: BaseException) -> str:
    """
    Return what ``add_note`` has left on *exception*, each on a line.

    Anything may stand there.
    """
    notes = instance_dict(exception).get("__notes__")
    if type(notes) is not list:
        return ""
    texts = [note[:NOTES_CHARS] for note in notes[:NOTES] if type(note) is str]
    return clean_text("\n".join(texts), NOTES_CHARS)


def _prints_itself(cls: type) -> bool:
    """Return whether ``str()`` of an instance runs code that is not Python's own."""
    return not _is_of_python(class_attribute(cls, "__str__"))


def _is_printed_by_python(cls: type) -> bool:
    """Return whether ``repr()`` of an instance is Python's own."""
    return _is_of_python(class_attribute(cls, "__repr__"))


def _is_of_python(method: Any) -> bool:
    """
    Return whether *method* is one of Python's own exceptions.

    Those of a library in C or Rust look the same but for the class they belong to:
    pydantic's ``ValidationError`` keeps nothing in its arguments.
    """
    if type(method) is not types.WrapperDescriptorType:
        return False
    return id(method.__objclass__) in _BUILT_IN


def _text_by_project(exception: BaseException, scrub: Scrub, limit: int) -> str:
    read = limit + LOOKAHEAD_CHARS
    printer = _Printer(scrub, limit, calls_project=True)
    length = 0

    def make() -> str:
        nonlocal length
        if _prints_itself(type(exception)):
            text = str(exception)
        else:
            text = printer.message(exception)
        length = str.__len__(text) + printer.left_out
        return str.__getitem__(text, slice(read))

    if _prints_itself(type(exception)):
        values: tuple[object, ...] = (exception,)
    else:
        values = _ARGS.__get__(exception)[:PRINTED_VALUES]
    text = safe_text(LazyText(make, values), read)
    if text == UNPRINTABLE:
        return UNPRINTABLE
    return _cut(text, max(length, len(text)), scrub, limit)


def _cut(text: str, length: int, scrub: Scrub, limit: int) -> str:
    """Return *text* scrubbed; it is the beginning of one of *length* characters."""
    if length <= limit:
        return scrub(clean_text(text, limit), limit)
    kept = max(0, limit - MARK_CHARS)
    beginning = clean_text(text, kept + LOOKAHEAD_CHARS)
    left_out = more(length - kept, "characters")
    return scrubbed_beginning(beginning, kept, scrub) + left_out


class _Printer:
    """
    Prints values as ``str()`` and ``repr()`` do, within bounds.

    Attributes:
        left_out: Characters at the end of the text that were not read.

    """

    def __init__(
        self, scrub: Scrub, limit: int, *, calls_project: bool = False
    ) -> None:
        self.left_out = 0
        self._scrub = scrub
        self._limit = limit
        self._calls_project = calls_project
        self._left = PRINTED_VALUES
        self._characters = limit - NESTED_MARKS * MARK_CHARS

    def message(self, exception: BaseException, depth: int = NESTED_EXCEPTIONS) -> str:
        """
        Return what ``str(exception)`` is, bounded.

        Raises:
            _ForeignError: It takes code of the project's, and that may not be called.
        """
        kind = type(exception)
        for cls, names in _PRINTED.items():
            if issubclass(kind, cls):
                values = [getattr(cls, name).__get__(exception) for name in names]
                if values[0] is not None:
                    return self._of_attributes(exception, values)
        if issubclass(kind, (UnicodeError, BaseExceptionGroup)):
            return str(exception)[
                : self._limit
            ]  # Python's words around one of its own texts
        args = _ARGS.__get__(exception)
        if not args:
            return ""
        if len(args) > 1:
            return self._repr(args, PRINTED_DEPTH)
        if issubclass(kind, KeyError):
            return self._repr(args[0], PRINTED_DEPTH)
        return self._str(args[0], depth)

    def _of_attributes(self, exception: BaseException, values: list[Any]) -> str:
        """
        Return the text that Python makes of an exception's first attributes.

        Some exceptions keep these instead of their arguments.
        """
        texts = [value if type(value) is str else key_text(value) for value in values]
        if all(text is not None and len(text) < ITEM_CHARS for text in texts):
            return str(exception)
        if not issubclass(type(exception), OSError):
            return self._str(values[0], 0)
        number, reason, *names = values
        text = f"[Errno {self._str(number, 0)}] {self._str(reason, 0)[:ITEM_CHARS]}"
        named = [self._repr(name, 1) for name in names if name is not None]
        if named:
            text += ": " + " -> ".join(named)
        return text

    def _str(self, value: Any, depth: int) -> str:
        kind = type(value)
        if kind is str:
            text: str = value[: self._limit + LOOKAHEAD_CHARS]
            self.left_out = len(value) - len(text)
            return text
        if issubclass(kind, BaseException) and depth and not _prints_itself(kind):
            return self.message(value, depth - 1)
        if id(kind) in _BRACKETS or kind is dict or id(kind) in _BYTES:
            return self._repr(value, PRINTED_DEPTH)
        printed = key_text(value)
        if printed is not None:
            return printed
        if kind is int:
            return "<int>"
        if not self._calls_project:
            raise _ForeignError
        return str(value)

    def _repr(self, value: Any, depth: int) -> str:
        kind = type(value)
        self._left -= 1
        if kind is str or kind is bytes or kind is bytearray:
            return self._quoted(value)
        if kind is dict or id(kind) in _BRACKETS:
            return self._container(value, depth)
        printed = key_text(value)
        if printed is not None:
            if id(kind) in _PRINTED_BY_REPR:
                printed = repr(value)
            return self._counted(printed)
        if kind is int:
            return self._counted("<int>")
        if (
            issubclass(kind, BaseException)
            and depth > 0
            and _is_printed_by_python(kind)
        ):
            args = _ARGS.__get__(value)
            items = (self._repr(arg, depth - 1) for arg in args)
            return f"{class_name(kind)}({self._joined(items, len(args))})"
        if not self._calls_project:
            raise _ForeignError
        text = repr(value)
        read = str.__getitem__(text, slice(ITEM_CHARS))
        return self._counted(read)

    def _container(self, value: Any, depth: int) -> str:
        if not value:
            return repr(value)
        if depth == 0:
            return "…"
        if type(value) is dict:
            pairs = (
                f"{self._repr(key, depth - 1)}: {self._repr(item, depth - 1)}"
                for key, item in value.items()
            )
            return "{" + self._joined(pairs, len(value)) + "}"
        opening, closing = _BRACKETS[id(type(value))]
        if type(value) is tuple and len(value) == 1:
            closing = ",)"
        items = (self._repr(item, depth - 1) for item in value)
        return opening + self._joined(items, len(value)) + closing

    def _joined(self, items: Any, total: int) -> str:
        """
        Return the *items* with commas until there is no room for more.

        How many are left out is noted.
        """
        parts: list[str] = []
        for part in items:
            parts.append(part)
            self._characters -= len(", ")
            if self._characters <= 0 or self._left <= 0:
                break
        left_out = more(total - len(parts), "items")
        if left_out:
            parts.append(left_out)
        return ", ".join(parts)

    def _quoted(self, value: Any) -> str:
        room = min(ITEM_CHARS, max(self._characters, 0))
        if type(value) is str:
            kept: str | bytes = value[:room]
            if len(value) > room:
                kept = scrubbed_beginning(value, room, self._scrub)
                # What was read counts, not what is left of it: else any number of
                # arguments that become "[Filtered]" would be read.
                read = min(len(value), room + LOOKAHEAD_CHARS)
                self._characters -= max(0, read - len(kept))
            left_out = more(len(value) - room, "characters")
        else:
            room //= 4  # one byte may be printed as \xff
            kept = bytes(value[:room])
            left_out = more(len(value) - room, "bytes")
        return self._counted(repr(kept)) + left_out

    def _counted(self, text: str) -> str:
        self._characters -= len(text)
        return text
