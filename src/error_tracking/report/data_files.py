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

# More would make the test hard to read; what is recorded of a file has fewer rows.
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
    if encoding in _ENCODINGS:
        return encoding
    return "utf-8"


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
    """Return a table with *columns* and rows like the first ones that were recorded."""
    header = [_column(name, number, names) for number, name in enumerate(columns)]
    rows = stored.get("rows")
    if isinstance(rows, list) and rows:
        lines = [_cells(row, columns, names) for row in rows[:ROWS]]
        lines[0] = _with_names(lines[0], rows[0], header)
    else:
        # One row, so that there is something to read.
        lines = [header, ["1"] * len(header)]
    delimiter = str(stored.get("delimiter"))
    if delimiter not in _DELIMITERS:
        delimiter = ","
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _with_names(cells: list[str], kinds: Any, header: list[str]) -> list[str]:
    """Return the first row: names where it had texts, as not every table begins with names."""
    found = list(cells)
    for number, name in enumerate(header[: len(cells)]):
        if str(kinds[number]) in {NAME_CELL, "text"}:
            found[number] = name
    return found


def _column(name: Any, number: int, names: PublicNames) -> str:
    """Return how the column *name* may leave; one without a name gets one."""
    if name == "…":
        name = f"… {number}"
    return names.name(str(name))


def _cells(row: Any, columns: list[Any], names: PublicNames) -> list[str]:
    """Return placeholders for the cells of a stored *row*."""
    kinds = row[:COLUMNS] if isinstance(row, list) else []
    found = []
    for number, kind in enumerate(kinds):
        # A row may have more cells than the table has columns.
        name = ""
        if number < len(columns):
            name = str(columns[number])
        public = names.kinds(_checked(kind), name=name)
        found.append(str(placeholder_for(public)))
    return found


def cell_kinds(files: Any) -> dict[str, Shape]:
    """
    Return the kinds of the cells of uploaded tables.

    Args:
        files: What was recorded of the files of a request.

    Returns:
        By the number of the file, the number of the row and the name of the column,
        joined by dots as in the links of rows: ``"0.2.price"``.
    """
    found: dict[str, Shape] = {}
    if not isinstance(files, list):
        return found
    for number, stored in enumerate(files):
        columns, rows = stored.get("columns"), stored.get("rows")
        if not isinstance(columns, list) or not isinstance(rows, list):
            continue
        for row_number, row in enumerate(rows):
            if not isinstance(row, list):
                continue
            for column, kind in zip(columns, row, strict=False):
                found[f"{number}.{row_number}.{column}"] = known_kind("", kind)
    return found
