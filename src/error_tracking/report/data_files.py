"""
Turns what was recorded of a file into a file like it for a generated test.

Names of columns and keys are public names, cells and values are placeholders. What is
stored may be anything. Values in, text out.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from typing import Any

from .known_names import PublicNames
from .placeholders import (
    NAME_CELL,
    Kind,
    Shape,
    file_kind,
    file_name,
    known_kind,
    placeholder_for,
)

ROWS = 20
COLUMNS = 50
_ENDING = re.compile(r"\.[a-z0-9]{1,5}", re.ASCII)
_ENCODINGS = frozenset({"utf-8", "utf-8-sig", "latin-1"})
_DELIMITERS = frozenset(",;\t|")


def kind_of_file(stored: Mapping[str, Any], names: PublicNames) -> Kind:
    """
    Return the kind of an uploaded file, which has its content.

    Args:
        stored: What was recorded of it.
        names: Which names may leave.
    """
    name = str(stored.get("name") or "")
    return file_kind(name, content_like(stored, names), encoding_of(stored))


def like_name(stored: Mapping[str, Any]) -> str:
    """Return a name like that of the file of a command."""
    ending = str(stored.get("ending") or "").lower()
    if _ENDING.fullmatch(ending) is None:
        ending = ""
    return file_name(ending, is_ascii=stored.get("is_ascii") is not False)


def encoding_of(stored: Mapping[str, Any]) -> str:
    """Return the encoding that a generated file has."""
    encoding = str(stored.get("encoding"))
    return encoding if encoding in _ENCODINGS else "utf-8"


def content_like(stored: Mapping[str, Any], names: PublicNames) -> str | None:
    """Return a text like the content of a file, None where nothing is known of it."""
    if stored.get("size") == 0:
        return ""
    columns = stored.get("columns")
    if isinstance(columns, list) and columns:
        return _table(stored, columns[:COLUMNS], names)
    if "shape" in stored:
        public = names.kinds(_words(stored["shape"]))
        return json.dumps(placeholder_for(public), ensure_ascii=False)
    is_json = str(stored.get("name") or stored.get("ending")).lower().endswith(".json")
    if is_json and not stored.get("is_malformed"):
        # Longer than what is read: valid, at least.
        return "{}"
    return None


def _words(shape: Any) -> Any:
    """Return a stored *shape* with its kinds checked: stored JSON may be anything."""
    if isinstance(shape, dict):
        return {name: _words(item) for name, item in shape.items()}
    if isinstance(shape, list):
        return [_words(item) for item in shape]
    return _checked(shape)


def _checked(kind: Any) -> Any:
    """Return a stored *kind*; a text that is kept is a text again, which may be hidden."""
    kind = known_kind("", kind)
    if kind.startswith("known:"):
        return kind.removeprefix("known:")
    return Kind(kind)


def _table(stored: Mapping[str, Any], columns: list[Any], names: PublicNames) -> str:
    public = [_column(name, number, names) for number, name in enumerate(columns)]
    delimiter = str(stored.get("delimiter"))
    if delimiter not in _DELIMITERS:
        delimiter = ","
    rows = stored.get("rows")
    if isinstance(rows, list) and rows:
        lines = [_cells(row, columns, names) for row in rows[:ROWS]]
        for number, name in enumerate(public[: len(lines[0])]):
            # Not every table begins with names.
            if rows[0][number] in {NAME_CELL, "text"}:
                lines[0][number] = name
    else:
        # One row, so that there is something to read.
        lines = [public, ["1"] * len(public)]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _column(name: Any, number: int, names: PublicNames) -> str:
    """Return how the column *name* may leave; one without a name gets one."""
    if name == "…":
        name = f"… {number}"
    return names.name(str(name))


def _cells(row: Any, columns: list[Any], names: PublicNames) -> list[str]:
    """Return placeholders for the cells of a stored *row*."""
    found = []
    for number, kind in enumerate(list(row)[:COLUMNS] if isinstance(row, list) else ()):
        name = str(columns[number]) if number < len(columns) else ""
        public = names.kinds(_checked(kind), name=name)
        found.append(str(placeholder_for(public)))
    return found


def cell_kinds(files: Any) -> dict[str, Shape]:
    """Return the kinds of the cells of uploaded tables, named as links of rows are."""
    found: dict[str, Shape] = {}
    for number, stored in enumerate(files if isinstance(files, list) else ()):
        columns, rows = stored.get("columns"), stored.get("rows")
        if not isinstance(columns, list) or not isinstance(rows, list):
            continue
        for row, kinds in enumerate(rows):
            known = kinds if isinstance(kinds, list) else ()
            for column, kind in zip(columns, known, strict=False):
                found[f"{number}.{row}.{column}"] = known_kind("", kind)
    return found
