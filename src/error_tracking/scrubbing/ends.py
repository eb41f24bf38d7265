"""
Reads where a value ends: in quotes, in brackets, in a block, URL-encoded, or in none.

Knows no name. Every function takes time linear in what it reads, and what it has
read is skipped by its callers.
"""

from __future__ import annotations

import re

from .values import is_mixed

# How far the beginning of a line is looked for.
INDENT_CHARS = 200

# Quotes of one line that are matched with each other: a header has few.
QUOTES_IN_LINE = 40

QUOTED_CHARS = 1_000

_OPENS = re.compile(
    r"([bBrRuUfF]{0,2})(\\*+)(\"\"\"|'''|\"\"(?=[^\s\",;:)\]}|])|[\"'`])|([\[({])"
    r"|(<)(?!\s)|(&(?:quot|\#39|\#x27|\#34|apos);)|(%(?:25){0,2}2[27])|"
    r"([A-Za-z_][\w.]{0,80}+)([(\[])"
)


def read_opened(text: str, position: int) -> tuple[int, int] | None:
    """
    Return where a value in quotes or brackets begins and ends.

    It goes to the closing sign, or to the end of *text* where there is none. None for a
    value that is in neither.
    """
    opens = _OPENS.match(text, position)
    if opens is None:
        return None
    _prefix, slashes, quote, bracket, angle, entity, encoded, _callee, call = (
        opens.groups()
    )
    if quote:
        end = _end_of_quoted(text, opens.end(), quote, len(slashes))
        return position, _end_of_rest(text, end)
    if bracket:
        return position, _end_of_rest(text, end_of_bracket(text, opens.end() - 1))
    if call:
        return position, end_of_bracket(text, opens.end() - 1)
    if angle:
        found = _ANGLES.match(text, position)
        return (position, found.end()) if found else None
    return position, _end_of_entity(text, opens.end(), entity or encoded)


# Whatever follows a quoted value without a space is short.
REST_CHARS = 200
_ANGLES = re.compile(r"<[^<>\n]*+>")


def _end_of_rest(text: str, end: int) -> int:
    """
    Return *end*, or where a value ends that goes on behind a closing sign.

    ``(a)b1``, ``"a"b1`` in a shell.
    """
    if text[end : end + 1].isalnum():
        return end_of_unquoted(text, end, min(len(text), end + REST_CHARS))
    return end


def _end_of_entity(text: str, position: int, entity: str) -> int:
    """
    Return where a value between two of *entity* ends.

    A backslash before one says that it is the value's own.
    """
    for found in _ENTITY_ENDS[entity].finditer(text, position):
        if len(found[1]) % 2 == 0:
            return found.end(1)
    return len(text)


_ENTITIES = (
    *("&quot;", "&#39;", "&#x27;", "&#34;", "&apos;"),
    *("%22", "%27", "%2522", "%2527", "%252522", "%252527"),
)
_ENTITY_ENDS = {
    entity: re.compile(rf"(?<!\\)(\\*+){re.escape(entity)}") for entity in _ENTITIES
}


_QUOTE_ENDS = {
    sign: re.compile(rf"(?<!\\)(\\*+){sign}")
    for sign in ('"', "'", "`", '"""', "'''", '""')
}


def _end_of_quoted(text: str, position: int, quote: str, slashes: int) -> int:
    """
    Return where a value ends whose opening *quote* has so many *slashes*.

    More of them escape one inside of it.
    """
    skip = -1
    for found in _QUOTE_ENDS[quote].finditer(text, position):
        if found.end() == skip:
            continue
        before = len(found[1])
        if (slashes and before <= slashes) or (not slashes and before % 2 == 0):
            is_doubled = text[found.end() : found.end() + 1] == quote and quote in "'\""
            if is_doubled and found.start() > position and not slashes:
                # SQL, CSV and connection strings write a quote inside of a text twice.
                skip = found.end() + 1
                continue
            return found.end() if before >= slashes else found.start()
    return len(text)


_BRACKET = re.compile(r"[\[\](){}]|\"(?:[^\"\\\n]|\\.)*+\"|'(?:[^'\\\n]|\\.)*+'")

_OPENING = frozenset("([{")


def end_of_bracket(text: str, position: int) -> int:
    """
    Return where the bracket at *position* is closed.

    Quoted texts are skipped. The end of *text* if it is closed nowhere.
    """
    depth = 0
    for found in _BRACKET.finditer(text, position):
        sign = found[0]
        if len(sign) > 1:
            continue
        depth += 1 if sign in _OPENING else -1
        if depth <= 0:
            return found.end()
    return len(text)


# Where a value without quotes ends, within a line. It begins with one set of signs,
# which the search skips to; then it is looked which of them it was.
UNQUOTED_END = re.compile(
    r"[\s\\\"'`&,;|<)\]}](?:"
    r"(?<=\s)|"
    r"(?<=[\"'`])(?=[\s,;:)\]}>\\]|\Z)|"
    r"(?<=\\)(?:\\*+[\"'`](?=[\s,;:)\]}>\\]|\Z)|[nr](?=[\w-]{1,60}+\\*[\"']?[=:]|\\r"
    r"|\\n|\Z|--))|"
    r"(?<=&)(?:(?=[\w.%\[\]-]{1,60}+=)|(?:quot|apos|lt|gt|\#39|\#34|\#x27);)|"
    r"(?<=[,;|])(?=\\*[\"']?[\w.-]{1,60}+\\*[\"']?\s?[=:])|"
    r"(?<=<)/|"
    r"(?<=[)\]}])(?=[,;)\]}]{0,3}\Z|[,;)\]}]{0,3}\s|[,;]\s?[\w\"'\[{(])"
    r")"
)

_CLOSERS = ")]},;:.>!?"


def end_of_unquoted(text: str, position: int, last: int | None = None) -> int:
    """
    Return the end of a value without quotes, *last* at the latest.

    Punctuation of the text around it is left.
    """
    if last is None:
        last = len(text)
    found = UNQUOTED_END.search(text, position, last)
    end = found.start() if found else last
    while end > position and text[end - 1] in _CLOSERS:
        end -= 1
    return end


_LINE_END = re.compile(r"\n|\\r\\n|\\n|\\*+[\"'](?=\s?[,}\])]|\Z)|>(?=[,\]\s]|\Z)")


def end_of_line(text: str, position: int) -> int:
    """
    Return the end of the line, or of the quoted text that the line stands in.

    At a quote that opened before it.
    """
    for count, end in enumerate(_LINE_END.finditer(text, position)):
        sign = end[0][-1]
        is_opened_here = sign in "\"'" and text.count(sign, position, end.start()) % 2
        if not is_opened_here or count > QUOTES_IN_LINE:
            return end.start()
    return len(text)


BLOCK = re.compile(r"(?:![\w-]{1,20} )?[|>][+-]?\d?[+-]?[ \t]*(?=\n)")


def read_block(text: str, position: int, start: int) -> tuple[int, int] | None:
    """
    Return where the lines behind a name begin and end that are indented deeper.

    So YAML writes a long value. Where there are none, the next line counts if it is one
    word that looks like a secret.

    Args:
        text: The whole text.
        position: Behind the separator.
        start: Where the name begins.
    """
    begin = text.find("\n", position)
    if begin < 0:
        return None
    end = _end_of_deeper_lines(text, begin, _indent_of_line(text, start))
    if text[begin:end].strip():
        first = begin + 1
        while text[first] in " \t\n":
            first += 1
        return first, end
    row = text[begin + 1 : _line_break(text, begin + 1)].strip()
    if row and " " not in row and ":" not in row and is_mixed(row):
        at = text.index(row, begin)
        return at, at + len(row)
    return None


#: A service shows ten or sixteen codes.
MOST_CODES = 50
# A bullet or a number may stand before a code.
_CODE_LINE = re.compile(
    r"[ \t]*+(?:[-*+\u2022][ \t]++|\d{1,2}[.):][ \t]++)?"
    r"([A-Za-z0-9]{3,16}(?:[ \t-]{1,4}[A-Za-z0-9]{3,16}){0,7}+)[ \t\r]*+(?=\n|\Z)"
)
_GROUP = re.compile(r"[A-Za-z0-9]+")


def read_codes(text: str, begin: int) -> tuple[int, int] | None:
    """
    Return where a list of codes begins and ends, one or more on each line.

    Such as those for a day without the second factor: each has digits, or all have
    groups of the same length. None where fewer than two lines are.

    Args:
        text: The whole text.
        begin: The line break before the list.
    """
    position = begin + 1
    if text[position : position + 1] == "\n":
        position += 1
    first = last = -1
    shape: list[int] = []
    for count in range(MOST_CODES):
        line = _CODE_LINE.match(text, position)
        if line is None or not _has_codes(line[1], shape):
            break
        if not count:
            first = line.start(1)
            shape = [len(group) for group in _GROUP.findall(line[1])]
        last = line.end(1)
        position = line.end() + 1
        if count and position > len(text):
            break
    is_list = first >= 0 and text.find("\n", first, last) >= 0
    return (first, last) if is_list else None


def _has_codes(line: str, shape: list[int]) -> bool:
    """Return whether *line* has codes; *shape* is the length of the groups above."""
    groups = _GROUP.findall(line)
    sizes = [len(group) for group in groups]
    if shape and sizes == shape and len(sizes) > 1:
        return True
    digits = sum(map(str.isdigit, line))
    # "this that" has groups of one length as well.
    is_no_prose = digits > 0 or "-" in line or line.isupper()
    is_even = len(groups) > 1 and len(set(sizes)) == 1
    if is_even and is_no_prose and (not shape or "-" in line):
        return True
    return digits > 0 and (len(groups) == 1 or not shape or sizes == shape)


def _indent_of_line(text: str, start: int) -> int:
    """Return how many blanks begin the line that *start* is in."""
    line = text.rfind("\n", max(0, start - INDENT_CHARS), start) + 1
    before = text[line:start]
    return len(before) - len(before.lstrip(" \t"))


def _end_of_deeper_lines(text: str, begin: int, indent: int) -> int:
    """Return the end of the lines from *begin* on that have more than *indent* blanks."""
    end = begin
    while end < len(text):
        following = _line_break(text, end + 1)
        row = text[end + 1 : following]
        content = row.lstrip(" \t")
        if content and len(row) - len(content) <= indent:
            break
        end = following
    return end


def _line_break(text: str, position: int) -> int:
    found = text.find("\n", position)
    if found < 0:
        return len(text)
    return found


_ENCODED_OPENS = [
    re.compile(rf"(?:%{'25' * depth}(?:20|22|27|7B|5B)|\+)+", re.IGNORECASE)
    for depth in range(3)
]

_ENCODED_ENDS = [
    re.compile(
        rf"[\s&\"'<>]|%{'25' * depth}(?:22|26|2C|7D|0A|0D|27%|3B)", re.IGNORECASE
    )
    for depth in range(3)
]


def read_encoded(text: str, position: int, separator: str) -> tuple[int, int]:
    """
    Return where the value behind an encoded separator begins and ends.

    It ends at a delimiter that is encoded as often.
    """
    depth = separator.count("25")
    ends = _ENCODED_ENDS[min(depth, 2)]
    start = position
    opened = _ENCODED_OPENS[min(depth, 2)].match(text, position)
    if opened:
        start = opened.end()
    end = ends.search(text, start)
    return start, end.start() if end else len(text)
