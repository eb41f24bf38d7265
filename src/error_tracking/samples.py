"""The shape of what somebody has sent, and a made-up value of that shape; values in, values out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

#: A kind that ``made_up`` knows, or a list or a mapping of shapes.
Shape = str | list["Shape"] | dict[str, "Shape"]


class Code(str):
    """A value that is written as this Python."""

    __slots__ = ()


_KINDS: dict[str, Any] = {
    "int": 1,
    "zero": 0,
    "negative": -1,
    "float": 1.5,
    "bool": True,
    "none": None,
    "text": "example",
    "blank": "",
    "unicode": "Beispiel für Ä",
    "digits": "1",
    "zero digits": "0",
    "year": "2026",
    "decimal": "1.5",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "user@example.com",
    "date": "2026-01-31",
    "datetime": "2026-01-31T12:30:00",
    "time": "12:30",
    "url": "https://example.com/",
    "file": Code('SimpleUploadedFile("example.txt", b"example")'),
}
DEPTH = 6
_TEXTS = (
    ("blank", r""),
    ("uuid", r"(?i)[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}"),
    ("date", r"\d{4}-\d\d-\d\d"),
    ("datetime", r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.{0,30}"),
    ("time", r"\d\d:\d\d(:\d\d)?"),
    ("year", r"(19|20)\d\d"),
    ("zero digits", r"0+"),
    ("digits", r"-?\d{1,30}"),
    ("decimal", r"-?\d{1,30}\.\d{1,30}"),
    ("email", r"\[email\]|[^@\s]{1,64}@[^@\s]{1,190}"),
    ("url", r"https?://.{0,200}"),
)
HIDDEN = ("[Filtered]", "[Truncated]")  # what stands for a value that must not be kept
_NAMES = (
    ("year", r"year"),
    ("uuid", r".*uuid"),
    ("email", r".*mail.*"),
    ("digits", r"(.*_)?(id|pk|number|count|amount|quantity|month|day|page|size|limit|offset|price|total)"),
)
_OPTION = re.compile(r"(--[a-z][a-z0-9-]{0,30}|-[A-Za-z])(?:=(.*))?", re.DOTALL)


def kind_of(name: str, value: object) -> str:
    """Return the kind of a single *value*; where it was filtered, its *name* tells."""
    if isinstance(value, bool) or value is None:
        return "none" if value is None else "bool"
    if isinstance(value, int):
        return "int" if value > 0 else "negative" if value else "zero"
    if isinstance(value, float):
        return "float"
    text = str(value)[:200]
    text, rules = (name.lower(), _NAMES) if text in HIDDEN else (text, _TEXTS)
    found = next((kind for kind, pattern in rules if re.fullmatch(pattern, text, re.ASCII)), "text")
    return found if found != "text" or text.isascii() else "unicode"


def shape_of(value: object, is_name: Callable[[str], bool], names: Iterator[int], name: str = "") -> Shape:
    """
    Return the shape of *value*, which is plain JSON.

    Names that *is_name* refuses are left out, and those that come when *names* is
    used up. Of equal objects in a row one is enough.
    """
    if isinstance(value, dict):
        items = ((key, each) for key, each in value.items() if is_name(key) and next(names, None) is not None)
        return {key: shape_of(each, is_name, names, key) for key, each in items}
    if isinstance(value, (list, tuple)):
        shapes = [shape_of(each, is_name, names, name) for each in value]
        pairs = itertools.pairwise([None, *shapes])
        return [each for before, each in pairs if each is not None and not (each == before and isinstance(each, dict))]
    return kind_of(name, value)


def checked_shape(value: Any, is_name: Callable[[str], bool], names: Iterator[int], depth: int = DEPTH) -> Shape:  # noqa: ANN401
    """Return the shape that *value*, which came from outside, says it is: *depth* levels, no kind that is not known."""
    if isinstance(value, (dict, list)) and not depth:
        return {}
    if isinstance(value, dict):
        items = ((key, each) for key, each in value.items() if is_name(key) and next(names, None) is not None)
        return {key: checked_shape(each, is_name, names, depth - 1) for key, each in items}
    if isinstance(value, list):
        return [checked_shape(each, is_name, names, depth - 1) for each in value if next(names, None) is not None]
    return value if isinstance(value, str) and value in _KINDS else "text"


def made_up(shape: Shape) -> Any:  # noqa: ANN401  a value of any kind
    """Return a harmless value of *shape*; text for a kind that is not known."""
    if isinstance(shape, dict):
        return {name: made_up(each) for name, each in shape.items()}
    if isinstance(shape, list):
        return [made_up(each) for each in shape]
    return _KINDS.get(shape, "example")


def argument_like(word: str) -> str:
    """Return a made-up argument of a command line like *word*: an option keeps its name."""
    option = _OPTION.fullmatch(word)
    if option is None:
        return str(made_up(kind_of("", word)))
    return option[1] if option[2] is None else f"{option[1]}={made_up(kind_of(option[1][2:], option[2]))}"
