"""
Reads the value of a pair to its end: ``password = "x"``, ``token: |`` and what follows.

A pair is a match of ``PAIR``: a name, what closes it, blanks and a separator. Where its
value ends depends on what it begins with (a quote, a bracket, a YAML block) and,
without any of these, on what kind of text the pair stands in: a header, a line of
configuration, a form, prose. Nothing here decides whether the value is secret.

Every pattern is possessive or bounded, and what was read is skipped by the caller, so
the time is linear in the text.
"""

from __future__ import annotations

import re

from .ends import (
    BLOCK,
    INDENT_CHARS,
    QUOTED_CHARS,
    UNQUOTED_END,
    end_of_line,
    end_of_unquoted,
    read_block,
    read_codes,
    read_encoded,
    read_opened,
)
from .keys import ALWAYS, AS_KEY, BY_VALUE, NO, PHRASE
from .prose import NO_VALUES, SCHEMES
from .values import is_mixed, is_token_like

# What closes a name: a quote in any escape or encoding, or a bracket.
_CLOSE = (
    r"(?:\\*+[\"'`]|\\*+\]|%(?:25){0,2}(?:22|27|5[Dd])|&(?:quot|\#39|\#x27|\#34|apos);)"
)

#: Groups: the name, what closes it, blanks, the separator.
PAIR = re.compile(
    rf"""
    (?<![\w-])([\w-]++)
    ((?:{_CLOSE})*+)
    ([ \t]*+)
    (
        =>|->|:=|={{1,3}}+|::?|\uff1a
        |!={{1,2}}+(?=[ ]?[bru]?["'])           # in code, names are compared as well
        |%(?:25){{0,2}}3[ADad]                  # ":" or "=", URL-encoded
        |&\#(?:61|x3[dD]|58|x3[aA]);            # the same as entities of HTML
        |(?<=["'`]),                            # after a quoted name: ("name", "x")
    )
    """,
    re.VERBOSE,
)

#: How much of a value is read where only its form can say that it is secret. Most are
#: not, and would be read for nothing.
LOOK_CHARS = 80

# A line of configuration is looked for in a text of several lines, and the next line
# break has to be this near: without one, the text is a single line.
_NEXT_LINE_CHARS = 5_000

# What may stand before a name that begins a line: ``export``, a bullet, the path of a
# property.
_LEAD = re.compile(
    r"[ \t]*+"
    r"(?:(?:-|\+|\*|\#|>|export|set|SET|ENV|Environment=|[\"'])[ \t]*+)?"
    r"(?:[\w\[\]-]{1,60}+\.){0,12}+"
)

# A pair that follows on the same line. "a = b" may be part of the value.
_NEXT_PAIR = re.compile(r"[ \t]+(?=[\w.-]{1,60}+=)")

# What YAML has before a value: a tag, an anchor.
_YAML_TAG = re.compile(r"(?:(?:!{1,2}[\w/:.-]{0,40}|&\w{1,40})[ \t]++(?=\S)){1,2}+")

# PHP's var_dump() puts the type before the value, on the next line.
_PHP_TYPE = re.compile(r"\s{0,100}string\(\d{1,9}\)\s(?=[\"'])")

# Under "API keys:" stand their names.
_OF_CODES = re.compile(r"code|c[o\u00f3]dig|codic|kode|otp|tan|pin")
_TITLE_CHARS = 60
_BETWEEN_CODES = re.compile(r"[,;/]? |[,;](?=\w)")

# ODBC quotes a value with braces, and writes a closing one inside of it twice.
_BRACED = re.compile(r"\{(?:[^}\n]|\}\}){0,200}+\}")

# A password that Google makes for one application: four groups of four letters.
_GROUPS_OF_LETTERS = re.compile(r"[a-z]{4}(?: [a-z]{4}){3}(?!\w)")

# What may stand before the quote that a whole form stands in: data='user=ann&…'.
_BEFORE_QUOTE = frozenset(" =([,@\t")
_PARAMETER_ENDS = {sign: re.compile(rf"[&\n{sign}]") for sign in "\"'"}


def read_value(
    text: str, position: int, pair: re.Match[str], level: int = NO
) -> tuple[int, int] | None:
    """
    Return where the value of *pair* begins and ends, None where there is none.

    Args:
        text: The whole text.
        position: Where to begin to read, behind the separator.
        pair: A match of ``PAIR``.
        level: How secret the name is, a constant of ``keys``. A surer name
            takes more: to the end of the line in a header, for example.
    """
    separator = pair[4]
    while text[position : position + 1] in {" ", "\t"}:
        position += 1
    if position >= len(text):
        return None
    if separator[0] == "%":
        return read_encoded(text, position, separator)
    if separator[:2] == "&#":
        end = UNQUOTED_END.search(text, position)
        return position, end.start() if end else len(text)
    # A key of JSON or of a dict is quoted; a plain word may be prose.
    is_plain_weak_name = level in {BY_VALUE, AS_KEY} and not pair[2]
    is_bracket = text[position] in "([{"
    if is_bracket and (is_plain_weak_name or level == BY_VALUE):
        # Code: "code(x)", "access[0]".
        return None
    position = _skip_type(text, position, separator)
    if text[position] == "\n" or BLOCK.match(text, position):
        if level >= ALWAYS and text[position] == "\n" and _is_title(text, pair):
            codes = read_codes(text, position)
            if codes is not None:
                return codes
        return read_block(text, position, pair.start(1))
    braced = _read_braced(text, position, pair)
    if braced is not None:
        return braced
    is_bytes = text[position + 1 : position + 2] in {"'", '"'}
    is_word_of_prose = is_plain_weak_name and text[position].isalpha()
    if is_bytes or not is_word_of_prose:
        opened = read_opened(text, position)
        if opened is not None:
            return opened
    if separator == ",":
        return None
    if level < ALWAYS:
        return _read_beginning(text, position)
    return _read_unquoted(text, position, pair, level)


def _skip_type(text: str, position: int, separator: str) -> int:
    """Return *position*, or what is behind a type that is written before a value."""
    declared = None
    if separator == ":" and text[position] in "!&":
        declared = _YAML_TAG.match(text, position)
    elif separator == "=>":
        declared = _PHP_TYPE.match(text, position)
    if declared is None:
        return position
    return declared.end()


def _is_title(text: str, pair: re.Match[str]) -> bool:
    """Return whether the line of *pair* is about codes: "Your backup codes are:"."""
    line = text.rfind("\n", max(0, pair.start() - _TITLE_CHARS), pair.start()) + 1
    first = max(line, pair.start() - _TITLE_CHARS)
    return _OF_CODES.search(text[first : pair.end()].lower()) is not None


def _read_braced(
    text: str, position: int, pair: re.Match[str]
) -> tuple[int, int] | None:
    """Return a value in braces of a connection string: ``Pwd={a;b};``."""
    if pair[4] != "=" or text[position] != "{" or ";" not in text:
        return None
    braced = _BRACED.match(text, position)
    if braced is None:
        return None
    start = pair.start(1)
    is_ended = text[braced.end() : braced.end() + 1] == ";"
    is_preceded = text[max(0, start - 1) : start] == ";"
    if is_ended or is_preceded:
        return braced.span()
    return None


def _read_beginning(text: str, position: int) -> tuple[int, int] | None:
    """Return as much of a value as shows whether it is a token."""
    last = min(len(text), position + LOOK_CHARS)
    end = end_of_unquoted(text, position, last)
    if end > position:
        return position, end
    return None


def _read_unquoted(
    text: str, position: int, pair: re.Match[str], level: int
) -> tuple[int, int] | None:
    """Return a value without quotes whose name is surely secret."""
    end = end_of_unquoted(text, position)
    first = text[position:end]
    if _is_credential_header(text, pair, first):
        return position, end_of_line(text, position)
    whole = _end_of_whole_value(text, position, pair)
    if whole > end and _may_be_value(text[position:whole]):
        return position, whole
    if is_config_line(text, pair.start(1), pair):
        last = _end_of_config_value(text, position)
        # Behind ":" may stand prose: "password: must be longer".
        if pair[4] != ":" or _may_be_value(text[position:last]):
            return position, last
    groups = _GROUPS_OF_LETTERS.match(text, position)
    if groups:
        return groups.span()
    if level == PHRASE and first.lower() not in NO_VALUES:
        return position, end_of_line(text, position)
    is_scheme = first.lower() in SCHEMES and text[end : end + 1] == " "
    if is_scheme and text[end + 1 : end + 2].strip():
        # "token: Bearer abc"
        return position, end_of_unquoted(text, end + 1)
    if pair[1].lower().endswith("s"):
        end = _end_of_list(text, position, end)
    if end > position:
        return position, end
    return None


def _may_be_value(text: str) -> bool:
    """Return whether the first word of *text* is not one that prose goes on with."""
    return text.partition(" ")[0].lower() not in NO_VALUES


def _is_credential_header(text: str, pair: re.Match[str], first: str) -> bool:
    """Return whether *first* begins the value of a header, which is its whole line."""
    name = pair[1].lower()
    if not name.endswith(("cookie", "cookies", "authorization")):
        return False
    has_form = "=" in first or first.endswith(";") or first.lower() in SCHEMES
    if not has_form and not is_token_like(first):
        return False
    start = pair.start(1)
    is_in_query = start > 0 and text[start - 1] in "?&"
    return not is_in_query


def _end_of_config_value(text: str, position: int) -> int:
    last = end_of_line(text, position)
    further = _NEXT_PAIR.search(text, position, last)
    if further:
        return further.start()
    return last


def _end_of_list(text: str, start: int, end: int) -> int:
    """Return where a list of codes ends: ``codes: 1234-5678, 2345-6789``."""
    before = text[start:end]
    while between := _BETWEEN_CODES.match(text, end):
        further = end_of_unquoted(text, between.end())
        code = text[between.end() : further]
        if not is_mixed(code) and not code.replace("-", "").isdigit():
            break
        # With nothing but a space between, it may be another number of a sentence.
        if between[0].isspace() and len(code) != len(before):
            break
        before, end = code, further
    return end


def is_config_line(text: str, start: int, pair: re.Match[str]) -> bool:
    """
    Return whether the name at *start* begins a line of a text of several lines.

    The value then ends with the line.
    """
    if pair[4] not in {"=", ":", ":="}:
        return False
    line = text.rfind("\n", max(0, start - INDENT_CHARS), start)
    if line < 0:
        is_first_line = start <= INDENT_CHARS
        if not is_first_line or text.find("\n", start, start + _NEXT_LINE_CHARS) < 0:
            return False
    return _LEAD.fullmatch(text, line + 1, start) is not None


def _end_of_whole_value(text: str, position: int, pair: re.Match[str]) -> int:
    """
    Return where a value ends that may contain spaces, 0 where nothing shows that.

    It may in a quoted option or header (``"Authorization: a b"``), in a form in quotes,
    and in the rows of PHP's ``print_r()``.
    """
    start = pair.start(1)
    before = text[start - 1] if start else ""
    separator = pair[4]
    if before and before in "\"'" and separator in {"=", ":"}:
        closing = text.find(before, position, position + QUOTED_CHARS)
        is_on_line = closing > 0 and text.find("\n", position, closing) < 0
        return closing if is_on_line else 0
    if before == "&" and separator == "=":
        return _end_of_parameter(text, position, start)
    is_php_row = separator == "=>" and pair[2].endswith("]")
    if is_php_row:
        return end_of_line(text, position)
    return 0


def _end_of_parameter(text: str, position: int, start: int) -> int:
    """
    Return where the value of a form ends that stands in quotes, 0 where there is none.

    Such a value may have spaces: ``'user=ann&name=Ann Lee&'``.
    """
    first = max(0, start - QUOTED_CHARS)
    opening = max(text.rfind("'", first, start), text.rfind('"', first, start))
    if opening < 0:
        return 0
    if opening > 0 and text[opening - 1] not in _BEFORE_QUOTE:
        return 0
    # A query's values have no spaces: "GET /?a=1&b=2 HTTP/1.1".
    is_query = text.find("?", opening, start) >= 0
    if is_query or text.find("\n", opening, start) >= 0:
        return 0
    ends = _PARAMETER_ENDS[text[opening]]
    end = ends.search(text, position, position + QUOTED_CHARS)
    if end is None or end[0] == "\n":
        return 0
    return end.start()
