"""Finds secrets in XML and HTML: in elements, attributes and cells beside a name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .keys import AS_KEY, NO, Names
from .values import FILTERED, Span, is_mixed

if TYPE_CHECKING:
    from collections.abc import Iterator

_TAG = re.compile(
    r"(?:<|&lt;|%3C)(?:[\w.-]{1,40}:)?([\w.-]{1,80}+)((?:\s[^<>]*+)?)(?:>|&gt;|%3E)"
)

#: Elements whose text is the name of what the next element holds.
_CELLS = frozenset(("key", "name", "th", "dt", "td", "label", "member"))

_NAMING = re.compile(
    r"\b(?:name|key|id|field|property)\s?=\s?[\"']?([\w.-]{1,80})", re.IGNORECASE
)

_CELL = re.compile(r"\s*+([\w .-]{1,80}+):?\s*+</")

_NEXT_CELL = re.compile(
    r"[^<]{0,80}</[\w:]{1,20}>\s*+<[\w:]{1,20}[^<>]{0,200}>"
    # XML-RPC names the type inside of the cell: <value><string>x</string></value>.
    r"(?:\s*+<\w{1,20}>)?([^<]++)<"
)

_FIRST_WORD = re.compile(r"\s{0,200}[^\s<>&]{1,200}")


def elements(text: str, names: Names, *, is_cut: bool = False) -> Iterator[Span]:
    """
    Yield the contents of XML and HTML elements with a secret's name.

    The name may be the element's own or in an attribute.

    *is_cut* says that *text* is the beginning of a longer one: an element that is not
    closed in it may be closed behind it.
    """
    read = 0
    last_closing = _last_closing(text)
    for tag in _TAG.finditer(text):
        start = tag.end()
        if tag.start() < read:
            continue
        if tag[1].lower() in _CELLS:
            if _level_of_cell(text, tag, names) >= AS_KEY:
                cell = _NEXT_CELL.match(text, start)
                if cell:
                    yield cell.start(1), cell.end(1), FILTERED
            continue
        is_empty = tag[2].rstrip().endswith("/")
        if is_empty or _level_of_element(tag, names) < AS_KEY:
            continue
        is_open = start > last_closing
        if is_open and is_cut and text.find("<", start) < 0:
            end = read = len(text)
        elif is_open:
            word = _FIRST_WORD.match(text, start)
            end = word.end() if word and is_mixed(word[0].strip()) else start
        else:
            end = read = _end_of_element(text, start, tag[1])
        if end > start and text[start:end].strip():
            yield start, end, FILTERED


def _level_of_element(tag: re.Match[str], names: Names) -> int:
    level = names.level(tag[1])
    for attribute in _NAMING.finditer(tag[2]):
        level = max(level, names.level(attribute[1]))
    return level


def _level_of_cell(text: str, tag: re.Match[str], names: Names) -> int:
    content = _CELL.match(text, tag.end())
    return names.level(content[1].strip()) if content else NO


def _last_closing(text: str) -> int:
    """Return where the last closing tag of *text* begins, -1 where there is none."""
    last = max(text.rfind(sign) for sign in ("</", "&lt;/", "%3C/"))
    if last < 0 or _CLOSING.match(text, last):
        return last
    last = -1
    for closing in _CLOSING.finditer(text):
        last = closing.start()
    return last


_CLOSING = re.compile(r"(?:<|&lt;|%3C)/(?:[\w.-]{1,40}:)?([\w.-]{1,80})")

# Elements looked at to find the end of one: a secret has few inside of it.
INNER_ELEMENTS = 8


def _end_of_element(text: str, start: int, name: str) -> int:
    """
    Return where the element *name* that begins at *start* is closed.

    At the latest where the element around it is closed.
    """
    first = start
    for count, closing in enumerate(_CLOSING.finditer(text, start)):
        if closing[1] == name:
            return closing.start()
        if first == start:
            first = closing.start()
        if count > INNER_ELEMENTS:
            break
    return first
