"""Finds what databases quote of the rows they refuse, and the values of statements."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .ends import end_of_bracket, read_opened
from .keys import AS_KEY, Names
from .values import FILTERED, Span, is_token_like

if TYPE_CHECKING:
    from collections.abc import Iterator

PARAMETER_CHARS = 2_000

_IDENTIFIER = re.compile(r"[A-Za-z_][\w.]*+")

#: Of Microsoft SQL Server: ``sp_addlogin 'ann', 'x'``.
_PROCEDURE = re.compile(
    r"\bsp_(?:addlogin|password|addlinkedsrvlogin)\s++([^\n;]{1,1000}+)"
)
_FAILING_ROW = re.compile(r"ailing row contains \(")

_KEY_OF_ROW = re.compile(r"\bKey \(([^\n]{1,500}?)\)=\(")

_KEY_OF_ROW_END = re.compile(
    r"\)(?=\s(?:already|is not|is still|conflicts|is duplicated)|\.?\s*(?:\n|\Z))"
)

_DUPLICATE = re.compile(r"uplicate entry '([^\n]{0,2000}?)' for key '?([^'\n]{1,200})")

_INSERT = re.compile(
    r"\b(?:INSERT|REPLACE)\s[^()]{1,200}\(([^()]{1,4000})\)\s*VALUES\s*", re.IGNORECASE
)

_ROW_OF_VALUES = re.compile(r"\s*,?\s*(\()")

_PARAMETERS = re.compile(
    r"(?:parameters|params|args)\W{1,4}(?=[\[({])|',\s(?=\()|\bwith\s(?=[\[(])"
)


def quoted_rows(text: str, lowered: str, names: Names) -> Iterator[Span]:
    """Yield what databases quote of refused rows, and the values of an ``INSERT``."""
    if "ailing row contains" in text:
        for row in _FAILING_ROW.finditer(text):
            end = text.find("\n", row.end())
            last = len(text) if end < 0 else end
            closing = text.rfind(")", row.end(), last)
            yield row.end(), closing if closing > 0 else last, FILTERED
            if closing < 0:
                break
    if "sp_" in lowered:
        for procedure in _PROCEDURE.finditer(lowered):
            yield procedure.start(1), procedure.end(1), FILTERED
    if ")=(" in text:
        yield from _keys_of_rows(text, names)
    if "uplicate entry" in text:
        for entry in _DUPLICATE.finditer(text):
            key = entry[2].rpartition(".")[2]
            if names.level(key) >= AS_KEY or is_token_like(entry[1]):
                yield entry.start(1), entry.end(1), FILTERED
    if "values" in lowered and ("insert" in lowered or "replace" in lowered):
        yield from _inserts(text, names)


def _keys_of_rows(text: str, names: Names) -> Iterator[Span]:
    """Yield the values in PostgreSQL's ``Key (token)=(x) already exists``."""
    position = 0
    while row := _KEY_OF_ROW.search(text, position):
        position = row.end()
        columns = _IDENTIFIER.findall(row[1])
        if any(names.level(column) >= AS_KEY for column in columns):
            end = _KEY_OF_ROW_END.search(text, position)
            last = end.start() if end else len(text)
            yield position, last, FILTERED
            position = last


def _inserts(text: str, names: Names) -> Iterator[Span]:
    """
    Yield the values that an ``INSERT`` puts into columns with a secret's name.

    Also its parameters, where they are printed behind the statement.
    """
    position = 0
    while insert := _INSERT.search(text, position):
        position = insert.end()
        columns = _IDENTIFIER.findall(insert[1])
        if not any(names.level(column) >= AS_KEY for column in columns):
            continue
        end = position
        while values := _ROW_OF_VALUES.match(text, end):
            end = end_of_bracket(text, values.start(1))
        if end > position:
            yield position, end, FILTERED
        parameters = _PARAMETERS.search(text, end, end + PARAMETER_CHARS)
        if parameters:
            found = read_opened(text, parameters.end())
            if found:
                yield (*found, FILTERED)
                end = found[1]
        position = max(position, end)
