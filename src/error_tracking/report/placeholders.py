"""
Shapes of what somebody sent, and placeholder values of that shape.

A shape has the names and the kinds of values. A kind keeps what decides how the code
goes on: the sign and the order of magnitude of a number, the ending of a file's name,
and a text that the project's code has itself. Values in, values out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

#: A kind that ``placeholder_for`` knows, or a list or a mapping of shapes.
Shape = str | list["Shape"] | dict[str, "Shape"]

# Nested deeper than any form or serializer that we have seen.
DEPTH = 6
# Items of one list. More of them repeat what the first ones show.
ITEMS = 50
# Enough to recognise every kind below.
VALUE_CHARS = 200
# The placeholders of 4 KiB of a file that has one character in each cell.
FILE_CHARS = 8_000
#: In the first row of a table: the cell has a name, which is among the columns.
NAME_CELL = "name"
#: What scrubbing leaves in place of a value.
HIDDEN = ("[Filtered]", "[Truncated]")


class PythonSource(str):
    """A placeholder that is written as this Python, without quotes."""

    __slots__ = ()


class Kind(str):
    """A kind that was decided already, in place of the value it is the kind of."""

    __slots__ = ()


def known_text(value: str) -> Kind:
    """Return the kind of *value*, a text that the project's code has."""
    return Kind(f"known:{value}")


def choice_of(count: int) -> Kind:
    """Return the kind of a choice that says something about a person."""
    return Kind(f"one of {count} choices")


_PLACEHOLDERS: dict[str, Any] = {
    "int": 1,
    "zero": 0,
    "negative": -1,
    "float": 1.5,
    "zero float": 0.0,
    "negative float": -1.5,
    "bool": True,
    "false": False,
    "none": None,
    "text": "example",
    "blank": "",
    "unicode": "Beispiel für Ä",
    "digits": "1",
    "zero digits": "0",
    "negative digits": "-1",
    "year": "2026",
    "decimal": "1.5",
    "zero decimal": "0.0",
    "negative decimal": "-1.5",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "user@example.com",
    "date": "2026-01-31",
    "datetime": "2026-01-31T12:30:00",
    "time": "12:30",
    "url": "https://example.com/",
    "file": PythonSource('SimpleUploadedFile("example.txt", b"example")'),
}
# The first pattern that matches a text decides its kind.
_KINDS_BY_TEXT = (
    ("blank", r""),
    ("uuid", r"(?i)[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}"),
    ("date", r"\d{4}-\d\d-\d\d"),
    ("datetime", r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.{0,30}"),
    ("time", r"\d\d:\d\d(:\d\d)?"),
    ("year", r"(19|20)\d\d"),
    ("zero digits", r"0+"),
    ("digits", r"\d{1,30}"),
    ("negative digits", r"-\d{1,30}"),
    ("zero decimal", r"-?0{1,30}\.0{1,30}"),
    ("decimal", r"\d{1,30}\.\d{1,30}"),
    ("negative decimal", r"-\d{1,30}\.\d{1,30}"),
    ("email", r"\[email\]|[^@\s]{1,64}@[^@\s]{1,190}"),
    ("url", r"https?://.{0,200}"),
)
_NUMBER_NAMES = (
    *("id", "pk", "number", "count", "amount", "quantity", "month", "day", "page"),
    *("size", "limit", "offset", "price", "total"),
)
# Where the value is hidden, its name is all there is.
_KINDS_BY_NAME = (
    ("year", r"year"),
    ("uuid", r".*uuid"),
    ("email", r".*mail.*"),
    ("digits", rf"(.*_)?({'|'.join(_NUMBER_NAMES)})"),
)
# Kinds of numbers with one like it: "int:100" is one of 100 to 999, where the project's
# code compares with none of them.
_NUMBER = re.compile(
    r"(int|negative|float|negative float|digits|negative digits|year|decimal"
    r"|negative decimal):(\d{1,19}(?:\.\d{1,6})?)",
    re.ASCII,
)
#: What the kind of a GraphQL query begins with; the rest is the query that may leave.
PREFIX_OF_GRAPHQL = "graphql:"
_KNOWN = re.compile(r"known:([A-Za-z_][\w.\[\]-]{0,60})", re.ASCII)
_CHOICE = re.compile(r"one of \d{1,4} choices", re.ASCII)
# "file:.csv:unicode": the ending of the name, its alphabet; then, where they are known,
# the encoding and a content like the recorded one.
_FILE = re.compile(
    r"file:(\.[a-z0-9]{1,5})?:(ascii|unicode)"
    r"(?::(utf-8|utf-8-sig|latin-1):(.{0,8000}))?",
    re.DOTALL,
)
_ENDING = re.compile(r".*(\.[A-Za-z0-9]{1,5})", re.ASCII | re.DOTALL)
_OPTION = re.compile(r"(--[a-z][a-z0-9-]{0,30}|-[A-Za-z])(?:=(.*))?", re.DOTALL)


def kind_of(name: str, value: object) -> str:
    """Return the kind of a single *value*; *name* decides when the value is hidden."""
    if isinstance(value, Kind):
        return str(value)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "bool" if value else "false"
    if isinstance(value, int | float):
        return _kind_of_number(value)
    text = str(value)[:VALUE_CHARS]
    if text in HIDDEN:
        kind = _first_match(name.lower(), _KINDS_BY_NAME)
        return kind or "text"
    kind = _first_match(text, _KINDS_BY_TEXT)
    if kind in {"digits", "negative digits", "decimal", "negative decimal"}:
        return kind + _magnitude(text)
    if kind:
        return kind
    if text.isascii():
        return "text"
    return "unicode"


def _kind_of_number(value: float) -> str:
    is_float = isinstance(value, float)
    if value == 0:
        return "zero float" if is_float else "zero"
    text = f"{value:f}" if is_float else str(value)
    if value > 0:
        kind = "float" if is_float else "int"
    else:
        kind = "negative float" if is_float else "negative"
    return kind + _magnitude(text)


def _magnitude(number: str) -> str:
    """Return the order of magnitude of *number*, ``:100`` for 100 to 999."""
    whole, point, _fraction = number.lstrip("-").partition(".")
    digits = whole.lstrip("0")
    if point and not digits:
        return ":0.5"
    if len(digits) < 2 or not digits.isdigit():
        return ""
    return ":1" + "0" * min(len(digits) - 1, 18)


def _first_match(text: str, patterns: tuple[tuple[str, str], ...]) -> str:
    for kind, pattern in patterns:
        if re.fullmatch(pattern, text, re.ASCII):
            return kind
    return ""


def known_kind(_name: str, value: object) -> str:
    """Return *value*, which came from outside, if it is a known kind; else ``text``."""
    if not isinstance(value, str):
        return "text"
    if value in _PLACEHOLDERS:
        return value
    for pattern in (_NUMBER, _KNOWN, _CHOICE):
        if pattern.fullmatch(value):
            return value
    file = _FILE.fullmatch(value)
    if file is not None:
        # Its content may be anything.
        return f"file:{file[1] or ''}:{file[2]}"
    return "text"


def file_kind(name: str, content: str | None = None, encoding: str = "utf-8") -> Kind:
    """
    Return the kind of an uploaded file.

    Args:
        name: The name it was sent with. Its ending and its alphabet are kept.
        content: What a test may send in its place, None for anything.
        encoding: Of *content*.
    """
    found = _ENDING.fullmatch(name)
    ending = found[1].lower() if found else ""
    alphabet = "ascii" if name.isascii() else "unicode"
    kind = f"file:{ending}:{alphabet}"
    if content is not None and len(content) <= FILE_CHARS:
        return Kind(f"{kind}:{encoding}:{content}")
    if kind == "file::ascii":
        return Kind("file")
    return Kind(kind)


def file_name(ending: str, *, is_ascii: bool) -> str:
    """Return a name of a file with *ending*, in letters like the recorded one's."""
    return f"example{ending}" if is_ascii else f"Beispiel-ä{ending}"


def bytes_source(content: str, encoding: str = "utf-8") -> PythonSource:
    """Return Python for the bytes of *content*."""
    text = json.dumps(content, ensure_ascii=False)
    if content.isascii() and encoding == "utf-8":
        return PythonSource(f"b{text}")
    if encoding == "utf-8":
        return PythonSource(f"{text}.encode()")
    return PythonSource(f'{text}.encode("{encoding}")')


def shape_of(
    value: object,
    accepts: Callable[[str], bool],
    kind: Callable[[str, object], str] = kind_of,
    name: str = "",
    depth: int = DEPTH,
) -> Shape:
    """
    Return the shape of *value*, which is plain JSON.

    Of equal objects in a row one is enough.

    Args:
        value: Any plain JSON.
        accepts: Whether a name may be used; other names are left out.
        kind: Gives the kind of a single value with its name.
        name: The name of *value*.
        depth: Levels that are followed.
    """
    if isinstance(value, dict):
        mapping: dict[str, Shape] = {}
        if depth == 0:
            return mapping
        for key, item in value.items():
            if accepts(key):
                mapping[key] = shape_of(item, accepts, kind, key, depth - 1)
        return mapping
    if isinstance(value, list):
        shapes: list[Shape] = []
        if depth == 0:
            return shapes
        before: Shape | None = None
        for item in value[:ITEMS]:
            shape = shape_of(item, accepts, kind, name, depth - 1)
            is_repeated = isinstance(shape, dict) and shape == before
            if not is_repeated:
                shapes.append(shape)
            before = shape
        return shapes
    return kind(name, value)


def placeholder_for(shape: Shape) -> Any:
    """Return a harmless value of *shape*; a text for an unknown kind."""
    if isinstance(shape, dict):
        return {name: placeholder_for(each) for name, each in shape.items()}
    if isinstance(shape, list):
        return [placeholder_for(each) for each in shape]
    if shape in _PLACEHOLDERS:
        return _PLACEHOLDERS[shape]
    known = _KNOWN.fullmatch(shape)
    if known is not None:
        return known[1]
    if _CHOICE.fullmatch(shape):
        return shape
    file = _FILE.fullmatch(shape)
    if file is not None:
        content = "example" if file[4] is None else file[4]
        return _file(file[1] or "", file[2], file[3] or "utf-8", content)
    number = _NUMBER.fullmatch(shape)
    if number is not None:
        return _number(number[1], number[2])
    if shape.startswith(PREFIX_OF_GRAPHQL):
        return shape.removeprefix(PREFIX_OF_GRAPHQL)
    return "example"


def _number(kind: str, size: str) -> Any:
    """Return a number of *kind*, as large as *size* without its sign."""
    sign = "-" if kind.startswith("negative") else ""
    if kind.endswith(("digits", "year")):
        return sign + size
    if kind.endswith(("decimal", "float")):
        if "." not in size:
            size = f"{size}.5"
        text = sign + size
        return float(text) if kind.endswith("float") else text
    return int(sign + size.partition(".")[0])


def _file(ending: str, alphabet: str, encoding: str, content: str) -> PythonSource:
    name = file_name(ending, is_ascii=alphabet == "ascii")
    return PythonSource(
        f'SimpleUploadedFile("{name}", {bytes_source(content, encoding)})'
    )


def placeholder_argument(
    word: str, kind: Callable[[str, object], str] = kind_of
) -> str:
    """
    Return a placeholder for an argument of a command line.

    The name of an option stays, and what *kind* keeps: ``--days=7`` becomes
    ``--days=1``.
    """
    option = _OPTION.fullmatch(word)
    if option is None:
        return str(placeholder_for(kind("", word)))
    name, value = option[1], option[2]
    if value is None:
        return name
    return f"{name}={placeholder_for(kind(name.lstrip('-'), value))}"
