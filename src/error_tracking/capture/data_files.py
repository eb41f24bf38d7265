"""
Describes a file of data: columns and kinds of cells of a table, the shape of JSON.

Of files that were uploaded, and of those that a command was given. No content is kept,
only what kind of text is where, and which texts the failing functions have themselves.
Reads at most 4 KiB, never through the project's own objects, and leaves a file's
position where it is. Of a longer file, only the header is read.
"""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from itertools import islice
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

from django.core.files.uploadedfile import TemporaryUploadedFile

from error_tracking import conf
from error_tracking.events.source_names import FIELD_NAME
from error_tracking.report.placeholders import (
    NAME_CELL,
    kind_of,
    known_text,
    shape_of,
)
from error_tracking.scrubbing.scrubber import FILTERED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from error_tracking.events.size_budget import Share

TABLE_ENDINGS = (".csv", ".tsv")
JSON_ENDING = ".json"
BYTES = 4_096
DELIMITERS = (",", ";", "\t", "|")
COLUMNS = 50
NAME_CHARS = 100
# More rows repeat what the first ones show; how many there are is not kept beyond.
ROWS = 20
BOM = b"\xef\xbb\xbf"
# Arguments of a command line that may be paths, and characters of one.
ARGUMENTS = 50
PATH_CHARS = 1_000
ENDING_CHARS = 8
# Of a file that is not there.
DATA_ENDINGS = (
    *(".csv", ".tsv", ".json", ".jsonl", ".xml", ".txt", ".xls", ".xlsx", ".ods"),
    *(".yaml", ".yml", ".zip", ".gz", ".pdf", ".html", ".sql", ".png", ".jpg"),
)
# Functions of one stack, with code inside them.
CODES = 200
CONSTANTS = 2_000


class DataFileReader:
    """
    Reads what files are like, for one failure.

    Args:
        exception: What was raised, if anything: its functions may have texts of a file.
        share: What may still be read, None for no limit.

    """

    def __init__(
        self, exception: BaseException | None, share: Share | None = None
    ) -> None:
        self._exception = exception
        self._share = share

    def of_upload(self, upload: Any) -> dict[str, Any]:
        """Return what a file is like that Django holds as *upload*."""
        name = str(upload.name)
        if not _is_data(name):
            return {}
        return self._values(name, _beginning_of(upload), upload.size)

    def of_arguments(
        self, arguments: list[str], scrubbed: list[str]
    ) -> dict[str, dict[str, Any]]:
        """
        Return which of a command's *arguments* are paths and what is there, by position.

        Args:
            arguments: As they were given.
            scrubbed: The same without secrets, of which nothing is looked at.
        """
        found = {}
        pairs = zip(arguments, scrubbed, strict=False)
        for position, (word, shown) in enumerate(islice(pairs, ARGUMENTS)):
            if FILTERED in shown:
                continue
            try:
                values = self._of_path(path_in(word))
            except (OSError, ValueError):
                continue
            if values:
                found[str(position)] = values
        return found

    def _of_path(self, path: str) -> dict[str, Any]:
        """Return what is at *path*, nothing where the text is rather something else."""
        if not 0 < len(path) <= PATH_CHARS or "://" in path:
            return {}
        has_ending = path.lower().endswith(DATA_ENDINGS)
        is_place = os.sep in path or path in {".", ".."}
        if not has_ending and not is_place:
            return {}
        name = Path(path).name
        try:
            status = Path(path).stat()
        except OSError:
            is_missing = has_ending or Path(path).parent.is_dir()
            return {"kind": "missing", **_name_values(name)} if is_missing else {}
        if stat.S_ISDIR(status.st_mode):
            with os.scandir(path) as entries:
                return {"kind": "folder", "is_empty": next(entries, None) is None}
        if not stat.S_ISREG(status.st_mode):
            return {}
        size = status.st_size
        values = {"kind": "file", "size": size, **_name_values(name)}
        if _is_data(name):
            values |= self._values(name, _beginning_at(path), size)
        return values

    def _values(self, name: str, beginning: bytes, size: int) -> dict[str, Any]:
        """Return the table or the shape that a file begins with."""
        is_whole = size == len(beginning)
        first, newline, _rest = beginning.partition(b"\n")
        is_json = name.lower().endswith(JSON_ENDING)
        if is_json and is_whole and self._take(size):
            return _json_values(beginning, _texts_of(self._exception))
        if is_json or not newline or not self._take(len(first)):
            return {}
        header = _Header(first)
        found = header.values()
        if is_whole and self._take(size):
            found["encoding"] = _encoding_of(beginning)
            found["rows"] = _rows(beginning, header, _texts_of(self._exception))
        return found

    def _take(self, size: int) -> bool:
        return self._share is None or self._share.take_characters(size)


def cells_of(upload: Any) -> Iterator[tuple[int, str, str]]:
    """Yield the cells of an uploaded table: number of the row, column, text."""
    name = str(upload.name).lower()
    if not name.endswith(TABLE_ENDINGS):
        return
    content = _beginning_of(upload)
    if upload.size != len(content):
        return
    header = _Header(content.partition(b"\n")[0])
    for number, cells in enumerate(_lines(content, header)):
        for column, cell in zip(header.columns, cells, strict=False):
            yield number, column, cell


def path_in(word: str) -> str:
    """Return what may be a path in an argument: the value of an option, or all of it."""
    if not word.startswith("-"):
        return word
    return word.partition("=")[2]


def _is_data(name: str) -> bool:
    return name.lower().endswith((*TABLE_ENDINGS, JSON_ENDING))


def _name_values(name: str) -> dict[str, Any]:
    """Return the ending of a file's *name* and its alphabet, nothing else of it."""
    return {"ending": Path(name).suffix[:ENDING_CHARS], "is_ascii": name.isascii()}


def _beginning_at(path: str) -> bytes:
    # Not to wait for anything, should the path be another file meanwhile.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        return os.read(descriptor, BYTES)
    finally:
        os.close(descriptor)


def _beginning_of(upload: Any) -> bytes:
    """Return the first bytes of a file as Django holds it; its position stays."""
    if type(upload.file) is io.BytesIO:
        with upload.file.getbuffer() as view:
            return bytes(view[:BYTES])
    if issubclass(type(upload), TemporaryUploadedFile):
        return os.pread(upload.file.fileno(), BYTES, 0)
    return b""


# Tables


class _Header:
    """The first row of a table, which mostly names its columns."""

    def __init__(self, row: bytes) -> None:
        text = row.decode("utf-8-sig", errors="replace").strip()
        self.encoding = _encoding_of(row)
        self.delimiter = max(DELIMITERS, key=text.count)
        cells = text.split(self.delimiter, COLUMNS)
        self.columns = [cell.strip().strip("\"'") for cell in cells[:COLUMNS]]

    def values(self) -> dict[str, Any]:
        """Return it as plain data; cells that are no names are left out."""
        line = conf.get_scrubber().line
        shown = [
            line(cell, NAME_CHARS) if FIELD_NAME.fullmatch(cell) else "…"
            for cell in self.columns
        ]
        return {
            "columns": shown,
            "delimiter": self.delimiter,
            "encoding": self.encoding,
        }


def _encoding_of(content: bytes) -> str:
    try:
        content.decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig" if content.startswith(BOM) else "utf-8"


def _lines(content: bytes, header: _Header) -> Iterable[list[str]]:
    text = content.decode("utf-8-sig", errors="replace")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=header.delimiter)
    return islice(lines, ROWS)


def _rows(content: bytes, header: _Header, texts: frozenset[str]) -> list[list[str]]:
    """Return the kinds of the cells, with ``NAME_CELL`` for a name in the first row."""
    is_secret = conf.get_scrubber().is_secret_key
    columns = header.columns
    hidden = [is_secret(column) for column in columns]
    found: list[list[str]] = []
    for cells in _lines(content, header):
        kinds = []
        for position, cell in enumerate(cells[:COLUMNS]):
            name = columns[position] if position < len(columns) else ""
            if not found and FIELD_NAME.fullmatch(cell.strip()):
                kinds.append(NAME_CELL)
            elif name and hidden[position]:
                kinds.append(kind_of(name, FILTERED))
            else:
                kinds.append(_kind(name, cell, texts))
        found.append(kinds)
    return found


def _kind(name: str, value: object, texts: frozenset[str]) -> str:
    """Return the kind of a cell; a text that the failing functions have is kept."""
    if type(value) is str and value in texts:
        return known_text(value)
    return kind_of(name, value)


# JSON


def _json_values(content: bytes, texts: frozenset[str]) -> dict[str, Any]:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return {"is_malformed": True}
    is_secret = conf.get_scrubber().is_secret_key

    def kind(name: str, value: object) -> str:
        if is_secret(name):
            return kind_of(name, FILTERED)
        return _kind(name, value, texts)

    return {"shape": shape_of(data, _is_name, kind)}


def _is_name(name: str) -> bool:
    is_kept = FIELD_NAME.fullmatch(name) is not None
    return is_kept and bool(conf.get_scrubber().text(name) == name)


# What the code has


def _texts_of(exception: BaseException | None) -> frozenset[str]:
    """Return the short texts that the functions of a stack have as constants."""
    found: set[str] = set()
    waiting: list[Any] = []
    traceback = exception.__traceback__ if exception is not None else None
    while traceback is not None and len(waiting) < CODES:
        waiting.append(traceback.tb_frame.f_code)
        traceback = traceback.tb_next
    for _ in range(CONSTANTS):
        if not waiting:
            break
        constant = waiting.pop()
        if type(constant) is CodeType:
            waiting += constant.co_consts
        elif type(constant) is tuple or type(constant) is frozenset:
            waiting += constant
        elif type(constant) is str and FIELD_NAME.fullmatch(constant):
            found.add(constant)
    return frozenset(found)
