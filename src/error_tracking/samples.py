"""The shape of what somebody has sent, and a made-up value of that shape; values in, values out."""

from __future__ import annotations

import re
from collections.abc import Callable
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
DEPTH, ITEMS = 6, 50  # of a shape
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


def known_kind(_name: str, value: object) -> str:
    """Return *value*, which came from outside, where it is a kind that is known."""
    return value if isinstance(value, str) and value in _KINDS else "text"


def shape_of(
    value: object,
    takes: Callable[[str], bool],
    leaf: Callable[[str, object], str] = kind_of,
    name: str = "",
    depth: int = DEPTH,
) -> Shape:
    """
    Return the shape of *value*, which is plain JSON: so many levels deep, the first fifty of a list.

    Names that *takes* refuses are left out. Of equal objects in a row one is
    enough. *leaf* gives the kind of a single value with its name.
    """
    if isinstance(value, dict):
        items = value.items() if depth else ()
        return {key: shape_of(each, takes, leaf, key, depth - 1) for key, each in items if takes(key)}
    if isinstance(value, list):
        shapes = [shape_of(each, takes, leaf, name, depth - 1) for each in (value[:ITEMS] if depth else ())]
        pairs = zip(shapes, [None, *shapes], strict=False)
        return [each for each, before in pairs if each != before or not isinstance(each, dict)]
    return leaf(name, value)


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
