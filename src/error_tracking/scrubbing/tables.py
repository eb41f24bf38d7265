"""
Finds the secrets in tables: a row of a name and its value, a column under its name.

Tables are those of Markdown and of database clients, drawn with "|" or with lines of
Unicode, and those of tabs, commas or semicolons that programs export. A name that
stands above a column makes its cells secret; a name that begins a row, the cell behind
it. Prose has bars and tabs as well, so a cell beside a name has to look like a value,
and a list without bars needs a line that can only be its header.

People write such rows with a dash as well: "PIN — 471123".

Each line is read once, and only where a text has a separator and a secret's name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .keys import ALWAYS, NO, Names, words
from .prose import NO_VALUES, PLACEHOLDER
from .values import FILTERED, Span, is_mixed, is_token_like

if TYPE_CHECKING:
    from collections.abc import Iterator

#: More than a text has that is kept; further lines and cells go unread.
MOST_LINES = 5_000
MOST_CELLS = 60
#: Longer cells are no names.
NAME_CHARS = 60
#: More words are a sentence: "mot de passe actuel" has four.
MOST_WORDS = 5

_BARS = re.compile(r"[|\u2502\u2503\u2551]+")
_TABS = re.compile(r"\t")
# A line that only separates rows: "|---|:--:|", "+----+", "----+----", "├──┼──┤".
_RULE = re.compile(r"[ \t|+:]*+[=\u2500-\u257f-][ \t|+:=\u2500-\u257f-]*+")
# What Markdown puts around a word.
_MARKS = " \t\r*_`\"'~"
_NAME = re.compile(r"[^\W_][\w '\u2019./()-]*+")
_FIELD = re.compile(r"[A-Za-z_][\w.-]*+")
_NUMBER = re.compile(r"\d{1,9}[.)]?")
_TYPE = re.compile(r"[A-Za-z_]+\([^()]{0,40}\)|[A-Za-z_]+\[[^\[\]]{0,40}\]")
_LISTS = (re.compile(r","), re.compile(r";"))

# A dash between blanks, and one word that ends its line or its part of a sentence.
_DASHED_VALUE = re.compile(r" (?:--?|\u2013|\u2014) (\S{4,200}+)[ \t\r]*+(?=\n|\Z)")
# The name before the dash, at the beginning of a line or behind a sign.
_NAME_BEFORE = re.compile(
    r"(?:\A|[\n.:;,(>])[ \t*\u2022]{0,8}+([^\W\d_][\w '\u2019/-]{1,59}+)\Z"
)
_BEFORE_DASH = 70
_ENDS_OF_SENTENCES = ".,;)\"'"

# Secret as names of pairs, but what stands beside or below in a table is often a word
# about them: a test that passed, the purpose of a cookie, a kind of token.
_LOOSE = words(
    "token tokens tok cookie cookies card pan sas tan pac salt secret secrets"
)
_NO_NAMES = words("pass passes passed")
# "password reset" is something that happens.
_EVENTS = words(
    "reset resets recovery update updates request requests refresh link links mail email "
    "login hint"
)
_LAST_WORD = re.compile(r"[^\s_]*\Z")
# What columns beside a secret's are called, and no value.
_OTHER_FIELDS = words(
    "user username name email id login host url key value type field description note "
    "notes default required role status"
)
# The column of the values, in the languages of the names.
_VALUES = words("value values wert valeur valor valore waarde example beispiel")
# What became of a secret: "| password | correct |".
_STATES = words("correct right valid partial full prompted masked hidden rotated")
# "0.12s", "42", "3.5%": how long, how many. The shortest secret has three digits.
_AMOUNT = re.compile(r"\d{1,2}|\d{1,9}(?:\.\d{1,6})?\s?(?:ms|s|%)|\d{1,9}\.\d{1,6}")
# What is counted: "API keys", but not "backup codes".
_COUNTED = re.compile(
    r".*(?:password|token|secret|key|credential|login|session|cookie)s:?", re.IGNORECASE
)
# "AB-1234": an issue.
_ISSUE = re.compile(r"[A-Z]{1,9}-\d{1,9}")
# "invalid password" is counted: words that no value begins with, but articles.
_ADJECTIVES = NO_VALUES - words("la le il el der die das the your our")


class _Cell(NamedTuple):
    """A cell without the blanks and marks around it, and where it stands."""

    text: str
    start: int
    end: int


class _Header(NamedTuple):
    """The names of the columns that are secret, and how many columns there are."""

    columns: dict[int, bool]
    values: int
    size: int


def has_dash(text: str) -> bool:
    """Return whether *text* has a dash between blanks: most texts have none."""
    if " - " in text or " -- " in text:
        return True
    return not text.isascii() and (" \u2013 " in text or " \u2014 " in text)


def has_lines(text: str) -> bool:
    """Return whether *text* has the lines of Unicode that tables are drawn with."""
    return "\u2502" in text or "\u2503" in text or "\u2551" in text


def cells(text: str, names: Names, *, is_drawn: bool) -> Iterator[Span]:
    """
    Yield the cells of tables in *text* that a name beside or above makes secret.

    Args:
        text: What to read.
        names: Says which names are secret.
        is_drawn: Whether *text* has a bar, a line of Unicode or a tab.
    """
    if is_drawn:
        yield from _tables(text, names, _BARS)
        if "\t" in text:
            yield from _tables(text, names, _TABS)
    for separator in _LISTS:
        if separator.pattern in text:
            yield from _lists(text, names, separator)


def dashed(text: str, names: Names) -> Iterator[Span]:
    """
    Yield what stands behind a secret's name and a dash.

    Headings, titles and lists have dashes too, so only a number or what is no word
    counts as a value.
    """
    for found in _DASHED_VALUE.finditer(text):
        value = found[1].rstrip(_ENDS_OF_SENTENCES)
        if not (value.isdigit() or is_mixed(value) or is_token_like(value)):
            continue
        if "://" in value or _ISSUE.fullmatch(value):
            continue
        end = found.start()
        name = _NAME_BEFORE.search(text, max(0, end - _BEFORE_DASH), end)
        if name is None or _is_loose(name[1]):
            continue
        if _is_secret_name(name[1], names):
            start = found.start(1)
            yield start, start + len(value), FILTERED


def _tables(text: str, names: Names, separator: re.Pattern[str]) -> Iterator[Span]:
    """Yield the secret cells of each group of lines that have *separator* in them."""
    block: list[list[_Cell]] = []
    has_rule = False
    for start, end in _lines(text):
        if _RULE.fullmatch(text, start, end):
            has_rule = has_rule or len(block) == 1
            continue
        if separator.search(text, start, end) is None:
            yield from _block(text, block, names, has_rule=has_rule)
            block, has_rule = [], False
            continue
        block.append(_cells_of(text, start, end, separator))
    yield from _block(text, block, names, has_rule=has_rule)


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for _ in range(MOST_LINES):
        end = text.find("\n", start)
        if end < 0:
            yield start, len(text)
            return
        yield start, end
        start = end + 1


def _cells_of(
    text: str, start: int, end: int, separator: re.Pattern[str]
) -> list[_Cell]:
    """Return the cells of a line; the one before a bar that begins it is none."""
    found: list[_Cell] = []
    at = start
    for bar in separator.finditer(text, start, end):
        found.append(_cell(text, at, bar.start()))
        at = bar.end()
        if len(found) > MOST_CELLS:
            return found
    found.append(_cell(text, at, end))
    if separator is _BARS:
        if not found[0].text:
            found.pop(0)
        if found and not found[-1].text:
            found.pop()
    return found


def _cell(text: str, start: int, end: int) -> _Cell:
    raw = text[start:end]
    bare = raw.strip(_MARKS)
    first = start + len(raw) - len(raw.lstrip(_MARKS))
    return _Cell(bare, first, first + len(bare))


def _block(
    text: str, block: list[list[_Cell]], names: Names, *, has_rule: bool
) -> Iterator[Span]:
    if not block:
        return
    header = _header_of(block, names, has_rule=has_rule)
    for row in block[1:] if header else block:
        if header and len(row) == header.size:
            yield from _below(row, header)
        yield from _beside(text, row, header, names, is_alone=len(block) == 1)


def _header_of(
    block: list[list[_Cell]], names: Names, *, has_rule: bool
) -> _Header | None:
    """Return the header of a table, None where the first row is like the others."""
    first = block[0]
    if len(first) < 2 or len(block) < 2:
        return None
    columns: dict[int, bool] = {}
    for index, cell in enumerate(first):
        if _is_secret_name(cell.text, names):
            columns[index] = _is_loose(cell.text)
    if not has_rule:
        # Without a rule, only fields make a header, and a name that begins the
        # line may be that of a row.
        is_of_fields = all(_FIELD.fullmatch(cell.text) for cell in first)
        others = [cell.text.lower() for cell in first[1:]]
        is_of_row = 0 in columns and not _OTHER_FIELDS.intersection(others)
        if not is_of_fields or is_of_row or len(block[1]) != len(first):
            return None
        if not columns and _VALUES.isdisjoint(others):
            return None
    values = -1
    for index, cell in enumerate(first[1:], 1):
        if cell.text.lower() in _VALUES:
            values = index
    return _Header(columns, values, len(first))


def _below(row: list[_Cell], header: _Header) -> Iterator[Span]:
    """Yield the cells of a *row* that stand below a secret's name."""
    for index, is_loose in header.columns.items():
        cell = row[index]
        if _is_value(cell.text, is_sure=not is_loose):
            yield cell.start, cell.end, FILTERED


def _beside(
    text: str,
    row: list[_Cell],
    header: _Header | None,
    names: Names,
    *,
    is_alone: bool,
) -> Iterator[Span]:
    """Yield the cell of a *row* that stands behind a secret's name."""
    first = 0
    if len(row) > 2 and _NUMBER.fullmatch(row[0].text):
        first = 1
    if len(row) < first + 2:
        return
    name = row[first]
    if not _is_secret_name(name.text, names):
        return
    is_bare = False
    if is_alone and len(row) == 2:
        # "echo password | sha256sum" is a command: a row has a bar before it.
        has_bar = text[max(0, name.start - 4) : name.start].strip(_MARKS) != ""
        has_tab = "\t" in text[name.end : row[first + 1].start]
        is_bare = not has_bar and not has_tab
        if is_bare and " " in name.text:
            return
    if header and header.values > first and len(row) == header.size:
        cell, is_sure = row[header.values], True
    else:
        cell = row[first + 1]
        is_sure = len(row) == first + 2 and header is None and not is_bare
    if _is_loose(name.text):
        is_sure = False
    if _is_value(cell.text, is_sure=is_sure):
        yield cell.start, cell.end, FILTERED


def _is_loose(name: str) -> bool:
    """Return whether a word or a number beside *name* may say something about it."""
    return name.lower() in _LOOSE or _COUNTED.fullmatch(name) is not None


def _is_secret_name(text: str, names: Names) -> bool:
    """Return whether *text* is the name of a secret, not a sentence about one."""
    if len(text) > NAME_CHARS or not _NAME.fullmatch(text.rstrip(":")):
        return False
    parts = text.rstrip(":").lower().split()
    if len(parts) > MOST_WORDS or text.lower() in _NO_NAMES:
        return False
    if len(parts) > 1 and parts[0] in _ADJECTIVES:
        return False
    last = _LAST_WORD.search(text.rstrip(":").lower())
    if last is not None and last[0] in _EVENTS:
        return False
    return names.level("_".join(text.rstrip(":").split())) >= ALWAYS


def _is_value(text: str, *, is_sure: bool) -> bool:
    """
    Return whether a cell is a secret, not a word about one.

    Args:
        text: The cell.
        is_sure: Whether nothing but the value is expected here.
    """
    lowered = text.lower()
    if not lowered.strip("x") or not any(map(str.isalnum, text)):
        return False  # masked, ticked off or empty
    if lowered in _OTHER_FIELDS or lowered in _STATES or PLACEHOLDER.fullmatch(text):
        return False
    first = lowered.partition(" ")[0].strip(",.;:()")
    if first in NO_VALUES or _TYPE.fullmatch(text) or _AMOUNT.fullmatch(text):
        return False
    if " " in text:
        # A sentence, a type of a database: "character varying(128)".
        parts = text.split()
        is_short = len(parts) <= 3 and is_sure
        return is_short and (any(map(is_mixed, parts)) or _has_only_digits(text))
    if is_sure:
        return True
    return is_token_like(text) or is_mixed(text)


def _has_only_digits(text: str) -> bool:
    return text.replace(" ", "").replace("-", "").isdigit()


def _lists(text: str, names: Names, separator: re.Pattern[str]) -> Iterator[Span]:
    """Yield the secret cells of CSV: below a line that has only names of fields."""
    sign = separator.pattern
    header: _Header | None = None
    start = 0
    for line in text.split("\n", MOST_LINES):
        if sign not in line:
            header = None
        else:
            row: list[_Cell] = []
            if header is not None:
                row = _cells_of(text, start, start + len(line), separator)
            if header is not None and len(row) == header.size:
                yield from _below(row, header)
            elif " " in line:
                header = None
            else:
                header = _header_of_list(line.strip(), names, sign)
        start += len(line) + 1


def _header_of_list(line: str, names: Names, separator: str) -> _Header | None:
    """Return the header that *line* is: fields without a space, one of them secret."""
    fields = [field.strip("\"'") for field in line.split(separator, MOST_CELLS)]
    columns: dict[int, bool] = {}
    for index, field in enumerate(fields):
        if not _FIELD.fullmatch(field):
            return None
        if names.level(field) > NO and _is_secret_name(field, names):
            columns[index] = _is_loose(field)
    if not columns:
        return None
    return _Header(columns, -1, len(fields))
