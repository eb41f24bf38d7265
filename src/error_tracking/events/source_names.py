"""
Reads the names that a source file has for fields: constants, keywords, attributes.

Comments and docstrings do not count, and neither does a sentence: a name is one word
of code. Python is read as tokens, templates by the ``name`` of their inputs. Knows no
Django and runs none of the project's code.
"""

from __future__ import annotations

import dataclasses
import keyword
import re
from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from pathlib import Path
from stat import S_ISREG

# The bounds of one file: reading one takes at most a fifth of a second on a slow
# machine. Longer ones are generated, and a name that is not found is only replaced by a
# neutral one.
FILE_CHARS = 512 * 1024
TOKENS = 200_000
NAME_CHARS = 60

#: What may be a name at all: a letter first, and no blank, so no sentence.
FIELD_NAME = re.compile(rf"[A-Za-z_][\w.\[\]-]{{0,{NAME_CHARS}}}", re.ASCII)

# Possessive, and what is never closed is taken to its end: else each quotation mark in
# it would read the rest of the text again.
_TOKEN = re.compile(
    r"(?P<comment>\#[^\n]*+)"
    r"|(?P<string>[rRbBuUfF]{0,2}(?:"
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:""")?'
    r"|'''(?:[^'\\]|\\.|'(?!''))*+(?:''')?"
    r'|"(?:[^"\\\n]|\\.)*+"?'
    r"|'(?:[^'\\\n]|\\.)*+'?))"
    r"|(?P<name>[^\W\d]\w*+)"
    r"|(?P<sign>[=!<>:]=|\*\*|[^\s\w])",
    re.DOTALL,
)
_QUOTED = re.compile(r"[rRbBuU]{0,2}(['\"])(.*)\1", re.DOTALL)
_TEMPLATE_NAME = re.compile(
    rf"\bname\s{{0,5}}=\s{{0,5}}[\"']([\w.\[\]-]{{1,{NAME_CHARS}}})[\"']"
)
_HIDING = frozenset({"sensitive_post_parameters", "sensitive_variables"})


@dataclasses.dataclass(frozen=True, slots=True)
class SourceNames:
    """
    The names of one file or of several.

    Attributes:
        words: Each name as it is written.

        sensitive: What ``sensitive_post_parameters`` and ``sensitive_variables`` name;
            nothing below such a name is known.

    """

    words: frozenset[str] = frozenset()
    sensitive: frozenset[str] = frozenset()

    def __or__(self, other: SourceNames) -> SourceNames:
        """Return the names of both."""
        return SourceNames(self.words | other.words, self.sensitive | other.sensitive)


def names_in_file(path: str, is_secret: Callable[[str], bool]) -> SourceNames:
    """
    Return the names in the file at *path*, cached until the file changes.

    A file that is missing, not a regular file or too long has no names.

    Args:
        path: An absolute path.

        is_secret: Whether the value under a name is a secret. A constant that is
            assigned to such a name is no name of a field.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return SourceNames()
    if not S_ISREG(status.st_mode) or status.st_size > FILE_CHARS:
        return SourceNames()
    return _read(path, status.st_mtime_ns, status.st_size, is_secret)


# A bug's frames and what lies beside them are some tens of files.
@lru_cache(maxsize=256)
def _read(
    path: str, _modified_at: int, _size: int, is_secret: Callable[[str], bool]
) -> SourceNames:
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            text = file.read(FILE_CHARS)
    except OSError:
        return SourceNames()
    if path.endswith(".py"):
        return names_in_python(text, is_secret)
    return SourceNames(frozenset(_TEMPLATE_NAME.findall(text)))


def names_in_python(text: str, is_secret: Callable[[str], bool]) -> SourceNames:
    """
    Return the names in *text*, Python source which need not be valid.

    See :func:`names_in_file`.
    """
    reader = _TokenReader(is_secret)
    for match in islice(_TOKEN.finditer(text), TOKENS):
        if match.lastgroup != "comment":
            reader.take(match.lastgroup or "", match[0])
    reader.take("sign", "\n")
    return SourceNames(frozenset(reader.words), frozenset(reader.sensitive))


class _TokenReader:
    """Takes the tokens of a file one by one and keeps the names of fields."""

    def __init__(self, is_secret: Callable[[str], bool]) -> None:
        self.words: set[str] = set()
        self.sensitive: set[str] = set()
        self._is_secret = is_secret
        self._depth = 0
        self._parameters_at: int | None = None  # depth of the brackets of a def
        self._hiding_at: int | None = None  # depth of those of a sensitive_… decorator
        # The two tokens before, and the name that a value would be assigned to.
        self._before, self._last = ("", ""), ("", "")
        self._target = ""

    def take(self, kind: str, text: str) -> None:
        """Take the next token; a name is decided by the token that follows it."""
        if self._last[0] == "name":
            self._take_name(self._last[1], before=self._before[1], after=text)
        if kind == "string":
            self._take_string(text)
        elif kind == "sign":
            self._take_sign(text)
        self._before, self._last = self._last, (kind, text)

    def _take_name(self, name: str, *, before: str, after: str) -> None:
        if keyword.iskeyword(name):
            return
        is_attribute = before == "."
        is_keyword = after in {"=", ":"}
        is_parameter = self._parameters_at == self._depth and before in {
            "(",
            ",",
            "*",
            "**",
        }
        if is_attribute or is_keyword or is_parameter:
            self._add(name)
        if is_keyword:
            self._target = name

    def _take_string(self, text: str) -> None:
        quoted = _QUOTED.fullmatch(text)
        if quoted is None or FIELD_NAME.fullmatch(quoted[2]) is None:
            return
        name = quoted[2]
        if self._hiding_at is not None:
            self.sensitive.add(name)
        is_value = self._last[1] in {"=", ":"}
        if is_value and self._is_secret(self._target):
            return
        self._target = name
        self._add(name)

    def _take_sign(self, text: str) -> None:
        if text in "([{":
            self._depth += 1
            if self._last[0] == "name" and self._before[1] == "def":
                self._parameters_at = self._depth
            if self._last[1] in _HIDING:
                self._hiding_at = self._depth
        elif text in ")]}":
            if self._depth == self._parameters_at:
                self._parameters_at = None
            if self._depth == self._hiding_at:
                self._hiding_at = None
            self._depth = max(0, self._depth - 1)

    def _add(self, name: str) -> None:
        if FIELD_NAME.fullmatch(name):
            self.words.add(name)
