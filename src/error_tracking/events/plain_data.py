"""
Turns any value into bounded plain data, without running a line of the project's code.

Only exact built-in types are read by value. Subclasses of them are read through
the methods of the built-in type itself, so that nothing a class overrides is
called; everything else is named by its class. ``isinstance()`` and ``getattr()``
are not used on values: both may run code of theirs.
"""

from __future__ import annotations

import enum
import types
from itertools import islice
from typing import TYPE_CHECKING, Any

from error_tracking.scrubbing.descriptions import (
    KEY_CHARS,
    MAX_INT_BITS,
    class_attribute,
    class_name,
    described,
    full_name,
    key_text,
)
from error_tracking.scrubbing.scrubber import (
    MAX_BREADTH,
    MAX_DEPTH,
    MAX_STRING,
    TRUNCATED,
)
from error_tracking.utils import bases_of, type_ids

from .size_budget import LOOKAHEAD_CHARS, Share, more, scrubbed_beginning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from error_tracking.scrubbing.scrubber import Scrubber

    Scrub = Callable[[str, int], str]

KEY_PARTS = 5
# What graphql-core gives each resolver: the whole schema and request, and a path whose
# steps it calls "key", as secrets are called.
_NAMED_ONLY = frozenset(
    {"graphql.type.definition.GraphQLResolveInfo", "graphql.pyutils.path.Path"}
)

_BYTES = type_ids(bytes, bytearray, memoryview)
# Text types of Django and MarkupSafe that override __str__ or __repr__, but hide
# nothing with it.
_HARMLESS_TEXTS = frozenset({"django.utils.safestring.SafeString", "markupsafe.Markup"})


class PlainReader:
    """Turns values into plain JSON data, as far as a share of the budget goes."""

    def __init__(
        self, share: Share, scrub: Scrub, *, string: int, depth: int, breadth: int
    ) -> None:
        """
        Prepare to read with *share*.

        Args:
            share: What may still be read.

            scrub: Takes the secrets out of a text and cuts it to a length.

            string: Characters kept of one text.

            depth: How many containers deep values are read.

            breadth: How many items of one container are read.

        """
        self._share = share
        self._scrub = scrub
        self._string = string
        self._depth = depth
        self._breadth = breadth
        self._inside: set[int] = set()

    def read(self, value: object) -> Any:
        """
        Return *value* as plain data.

        Texts that were cut are scrubbed, all others are as they were.
        """
        return self._node(value, self._depth)

    def read_mapping(self, values: dict[str, Any]) -> dict[Any, Any]:
        """
        Return our own dict *values* as plain data.

        Always a dict, though perhaps with little in it.
        """
        return self._mapping(values, self._depth - 1)

    def _node(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if value is None or kind is bool or kind is float:
            return value
        if not self._share.take_item():
            return f"<{class_name(kind)}>"
        if kind is str:
            return self._text(value)
        if kind is int:
            return _bounded_int(value)
        text = key_text(value)
        if text is not None:
            return text
        if issubclass(type(kind), enum.EnumType):
            return described(value)
        if issubclass(kind, (str, int, float)):
            return self._of_subclass(value)
        if issubclass(kind, (dict, list, tuple, set, frozenset)):
            return self._container(value, depth)
        if id(kind) in _BYTES:
            return f"<{kind.__name__}>"
        return described(value)

    def _of_subclass(self, value: Any) -> Any:
        """
        Return a text or number of a subclass as one of the built-in type.

        Unless the class hides its value.
        """
        kind = type(value)
        if _hides_value(kind):
            return f"<{class_name(kind)}>"
        if issubclass(kind, int):
            return _bounded_int(int.__int__(value))
        if issubclass(kind, float):
            return float.__float__(value)
        return self._text(value)

    def _text(self, text: str) -> str:
        length = str.__len__(text)
        if length <= self._string:
            if not self._share.take_characters(length):
                return f"<{length:,} characters>"
            if type(text) is str:
                return text
            return str.__getitem__(text, slice(None))
        read = min(length, self._string + LOOKAHEAD_CHARS)
        if not self._share.take_characters(read):
            return f"<{length:,} characters>"
        left_out = more(length - self._string, "characters")
        return scrubbed_beginning(text, self._string, self._scrub) + left_out

    def _container(self, value: Any, depth: int) -> Any:
        if depth <= 0 or id(value) in self._inside:
            return TRUNCATED
        self._inside.add(id(value))
        try:
            if issubclass(type(value), dict):
                return self._mapping(value, depth - 1)
            return self._sequence(value, depth - 1)
        except RuntimeError:  # another thread changes it while we read
            return f"<{class_name(type(value))}>"
        finally:
            self._inside.discard(id(value))

    def _mapping(self, value: dict[Any, Any], depth: int) -> dict[Any, Any]:
        is_multi = _is_multi_value_dict(type(value))
        found: dict[Any, Any] = {}
        for key, item in islice(dict.items(value), self._breadth):
            if self._share.items <= 0:
                break
            if is_multi and type(item) is list and len(item) == 1:
                item = item[0]  # noqa: PLW2901  as Django shows it
            found[self._key(key)] = self._node(item, depth)
        left_out = more(dict.__len__(value) - len(found), "items")
        if left_out:
            found["…"] = left_out
        return found

    def _key(self, key: Any) -> Any:
        """Return *key* if it can be printed, else what it is."""
        if issubclass(type(key), str) and type(key) is not str:
            if _hides_value(type(key)):
                return f"<{class_name(type(key))}>"
            key = str.__getitem__(key, slice(KEY_CHARS))
        parts = key if type(key) is tuple else (key,)
        if len(parts) <= KEY_PARTS:
            texts = [key_text(part) for part in parts]
            if all(text is not None for text in texts):
                self._share.granted(sum(len(text) for text in texts if text))
                return _cut_key(key)
        return described(key)

    def _sequence(self, value: Any, depth: int) -> Any:
        kind = type(value)
        names = _field_names(kind)
        if names and full_name(kind) in _NAMED_ONLY:
            return described(value)
        if names and len(names) <= self._breadth:
            items = zip(names, tuple.__iter__(value), strict=False)
            return {name: self._node(item, depth) for name, item in items}
        found: list[Any] = []
        for item in islice(_iterated(value), self._breadth):
            if self._share.items <= 0:
                break
            found.append(self._node(item, depth))
        left_out = more(_length(value) - len(found), "items")
        if left_out:
            found.append(left_out)
        return found


def tree_reader(share: Share, scrubber: Scrubber) -> PlainReader:
    """
    Return a reader with the limits of the scrubber's ``tree()``.

    It leaves room for our notes within them.
    """
    return PlainReader(
        share,
        scrubber.text,
        string=MAX_STRING - 40,
        depth=MAX_DEPTH,
        breadth=MAX_BREADTH - 1,
    )


def _bounded_int(value: int) -> int | str:
    if value.bit_length() < MAX_INT_BITS:
        return value
    return f"<int of {value.bit_length():,} bits>"


def _hides_value(kind: type) -> bool:
    """
    Return whether *kind* prints itself in its own way.

    So do texts that must not be seen.
    """
    printed = class_attribute(kind, "__repr__")
    is_own = type(printed) is not types.WrapperDescriptorType
    return is_own and full_name(kind) not in _HARMLESS_TEXTS


def _cut_key(key: Any) -> Any:
    if type(key) is str:
        return key[:KEY_CHARS]
    if type(key) is tuple:
        return tuple(_cut_key(part) for part in key)
    return key


def _is_multi_value_dict(kind: type) -> bool:
    if kind is dict:
        return False
    name = "django.utils.datastructures.MultiValueDict"
    return any(full_name(base) == name for base in bases_of(kind))


def _field_names(kind: type) -> tuple[str, ...]:
    """
    Return the names of a named tuple's items.

    They say which of them are secret; ``()`` for anything else.
    """
    if kind is tuple or not issubclass(kind, tuple):
        return ()
    names = class_attribute(kind, "_fields")
    if type(names) is not tuple or any(type(name) is not str for name in names):
        return ()
    return names


def _iterated(value: Any) -> Iterable[Any]:
    """Return the items of a container as its built-in type holds them."""
    for base in (list, tuple, set):
        if issubclass(type(value), base):
            return base.__iter__(value)
    return frozenset.__iter__(value)


def _length(value: Any) -> int:
    for base in (list, tuple, set):
        if issubclass(type(value), base):
            return base.__len__(value)
    return frozenset.__len__(value)
