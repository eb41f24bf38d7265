"""
Takes the secrets out of texts, mappings, headers, paths and command lines.

A value goes because of its name (``keys``) or because of its form (``values``); in a
text, names are found whatever syntax they stand in (``text``). Pure and bounded: every
text is cut before a pattern sees it, and no quantifier is nested, so no text makes a
pattern slow.
"""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import math
import re
import uuid
from itertools import islice
from typing import TYPE_CHECKING, Any

from error_tracking.utils import PLAIN, clean_line, clean_text

from .account_numbers import card_spans, iban_spans, is_card
from .addresses import address_spans, email_spans
from .commands import NEXT_WORD, short_option_value
from .descriptions import KEY_CHARS, MAX_INT_BITS, described
from .event_secrets import note, note_all
from .formats import without_secrets
from .issued import issued_spans, key_block_spans
from .keys import AS_KEY, BY_VALUE, NO, Names, words
from .prose import has_noun
from .text import TextReader, is_name, is_row_name, is_row_value
from .values import FILTERED as FILTERED  # noqa: PLC0414  imported from here
from .values import (
    TOKEN_CHARS,
    Span,
    is_mixed,
    is_token_like,
    names_digest,
    token_spans,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: What replaces values that are too deep, or too many.
TRUNCATED = "[Truncated]"
#: How deep and wide a tree is kept. What people read of an event is near the top, and
#: the whole event has 64 KiB.
MAX_DEPTH = 6
MAX_BREADTH = 50
MAX_STRING = 1_000
MAX_NODES = 2_500
#: Local variables are many, and only the first things in each are read by people.
MAX_VARIABLE_NODES = 400
MAX_VARIABLE_STRING = 200
VARIABLE_DEPTH = 3
#: How far a text is read beyond what is kept of it, so that a secret that the cut would
#: split is recognised.
WINDOW_CHARS = 4_096
#: JavaScript, and so many readers of JSON, have exact integers up to here.
MAX_SAFE_INT = 2**53
#: A card number has thirteen digits or more.
MAX_SHORT_INT = 10**12
NAME_CHARS = 200
HEADER_CHARS = 300
PATH_CHARS = 2_000

# Types whose ``str()`` is Python's own.
_AS_TEXT = frozenset(
    {decimal.Decimal, dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID}
)

#: Headers that help to repeat a request and say nothing about who sent it. All others
#: are left out: any proxy or library may put a credential into one of its own.
KEPT_HEADERS = words(
    "accept accept-language accept-encoding content-type content-length host "
    "user-agent referer origin x-request-id traceparent hx-request x-requested-with "
    "sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user"
)


# Without one of these signs a text has no pairs, addresses, numbers, commands or tables
# in it.
_SIGNS = re.compile(r"[=@\uff1a\uff20$:%*<&'\"0-9|\t\u2502\u2503\u2551-]")


# A letter outside ASCII as JSON writes it, or bytes of it: "contrase\\u00f1a",
# b"contrase\\xc3\\xb1a".
_LETTER = re.compile(
    r"\\{1,16}(?:u00([c-f][0-9a-f])|x(c[3-5])\\{1,16}x([89ab][0-9a-f])"
    r"|x([c-f][0-9a-f]))",
    re.IGNORECASE,
)
_ESCAPED_NAME = re.compile(
    rf"(?<![\w-])[\w-]*+(?:(?:{_LETTER.pattern})[\w-]*+){{1,20}}+", re.IGNORECASE
)


def _letter(escape: re.Match[str]) -> str:
    code, first, second, byte = escape.groups()
    if first:
        return bytes.fromhex(first + second).decode()
    return chr(int(code or byte, 16))


class Scrubber:
    """
    Scrubs by the shipped names and the project's own additions.

    Stateless and shared.
    """

    def __init__(
        self,
        extra_keys: Iterable[str] = (),
        *,
        keep_emails: bool = False,
        ip_addresses: str = "masked",
        release: str = "",
    ) -> None:
        """
        Prepare the rules.

        Args:
            extra_keys: Names of the project's own, matched anywhere in a name.

            keep_emails: Whether e-mail addresses in texts stay.

            ip_addresses: What stays of IP addresses in texts: "full", "masked" or
                "none".

            release: The project's release, which stays even if it looks random.

        """
        self._names = Names(extra_keys)
        self._reader = TextReader(self._names)
        self._keep_emails = keep_emails
        self._ip_addresses = ip_addresses
        self._release = release
        # A site has few names, and each many times.
        self._read_key = functools.lru_cache(maxsize=2_048)(self._key)

    def is_secret_key(self, key: str) -> bool:
        """Return whether the value under *key* must not be kept."""
        return self._names.level(key) >= AS_KEY

    def text(self, value: str, limit: int = MAX_STRING) -> str:
        """
        Return *value* cleaned, without secrets and cut to *limit* characters.

        It is read ``WINDOW_CHARS`` further than *limit*, so that a secret that the
        cut would split is recognised; one that reaches the end of what was read
        goes whole. Nothing that stood behind *limit* moves before it.
        """
        text = clean_text(value, limit + WINDOW_CHARS)
        return self._scrub(text, limit)

    def _scrub(self, text: str, limit: int) -> str:
        # A quick look first: most texts have nothing that could be a secret.
        if _SIGNS.search(text) is None and not _may_matter(text):
            return text[:limit]
        if "\\u00" in text or "\\x" in text:
            text = _ESCAPED_NAME.sub(self._plain_name, text)
        spans = sorted(self._spans(text, is_cut=len(text) > limit), key=_order)
        if not spans:
            return text[:limit]
        return _without(text, spans, limit)

    def _plain_name(self, word: re.Match[str]) -> str:
        """Return an escaped *word* with its letters if it is then a secret's name."""
        plain = _LETTER.sub(_letter, word[0])
        return plain if self._names.level(plain) > NO else word[0]

    def _spans(self, text: str, *, is_cut: bool) -> Iterator[Span]:
        """Yield what must go from *text*, in no order, and what stands in its place."""
        if "-BEGIN" in text or "- BEGIN" in text:
            yield from key_block_spans(text)
        for span in self._reader.spans(text, is_cut=is_cut):
            note(text[span[0] : span[1]])
            yield span
        yield from issued_spans(text)
        if len(text) >= TOKEN_CHARS:
            yield from token_spans(text, self._release)
            yield from iban_spans(text)
        if len(text) > 12:
            yield from card_spans(text)
        if not self._keep_emails:
            yield from email_spans(text)
        if self._ip_addresses != "full":
            yield from address_spans(text, self._ip_addresses)

    def format_and_arguments(self, template: str, arguments: Any) -> tuple[str, Any]:
        """Return a %-format and its *arguments* without those it names as secrets."""
        return without_secrets(template, arguments, self._names, note)

    def line(self, value: str, limit: int) -> str:
        """Return *value* as :meth:`text` does, on one line."""
        return self._scrub(clean_line(value, limit + WINDOW_CHARS), limit)

    def tree(self, value: object) -> Any:
        """
        Return *value* as plain JSON data without secrets.

        Only dict, list, str, int, float, bool and None come out, with text keys,
        at most ``MAX_DEPTH`` deep and ``MAX_BREADTH`` wide; cycles are cut and
        what is of no known type is named, never printed: its ``repr()`` may run a
        query, raise, or show a secret.
        """
        return self._node(value, MAX_DEPTH, _Walk(MAX_NODES))

    def variables(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Return local variables as :meth:`tree` does, but flatter and shorter."""
        walk = _Walk(MAX_VARIABLE_NODES, string=MAX_VARIABLE_STRING)
        found: dict[str, Any] = {}
        for name, value in values.items():
            kept_name = clean_line(name, NAME_CHARS)
            if value is FILTERED:
                found[kept_name] = FILTERED
            else:
                level = self._names.level(name)
                found[kept_name] = self._value(name, level, value, VARIABLE_DEPTH, walk)
        return found

    def arguments(self, words: Iterable[str]) -> list[str]:
        """Return the *words* of a command line without the values of secret options."""
        kept = list(islice(words, MAX_BREADTH))
        secret = self._secret_arguments(kept)
        scrubbed: list[str] = []
        for index, word in enumerate(kept):
            if index in secret:
                scrubbed.append(secret[index])
            else:
                scrubbed.append(self.line(word, MAX_STRING))
        return scrubbed

    def _secret_arguments(self, words: list[Any]) -> dict[int, str]:
        """Return what replaces those *words* that hold a secret, by their position."""
        found: dict[int, str] = {}
        command = ""
        if words and type(words[0]) is str:
            command = words[0].rpartition("/")[2]
        for index, word in enumerate(words):
            if type(word) is not str or word[:1] != "-":
                continue
            name, equals, _value = word.partition("=")
            if self.is_secret_key(name):
                if equals:
                    found[index] = f"{clean_line(name, KEY_CHARS)}={FILTERED}"
                elif _is_value_at(words, index + 1):
                    found[index + 1] = FILTERED
            short = short_option_value(command, word)
            if short == NEXT_WORD:
                found[index + 1] = FILTERED
            elif short:
                found[index] = short
        return found

    def _value(
        self, name: str, level: int, value: object, depth: int, walk: _Walk
    ) -> Any:
        """Return what is kept of the *value* under *name*, a name of that *level*."""
        if level >= AS_KEY:
            if value is None or type(value) is bool:
                return value
            note_all(value)
            return FILTERED
        if level == BY_VALUE and type(value) is str and is_token_like(value):
            note(value)
            return FILTERED
        if type(value) is str and names_digest(name, value):
            return clean_line(value, walk.string)
        return self._node(value, depth, walk)

    def _node(self, value: object, depth: int, walk: _Walk) -> Any:
        walk.left -= 1
        if walk.left < 0:
            return TRUNCATED
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return self.text(value, walk.string)  # type: ignore[arg-type]
        if kind is int:
            return _number(value)  # type: ignore[arg-type]
        if kind is float:
            return _float(value)  # type: ignore[arg-type]
        if kind is decimal.Decimal:
            # It may have the digits of a card.
            return self.text(str(value)[:MAX_STRING], MAX_STRING)
        if kind in _AS_TEXT:
            return str(value)[:MAX_STRING]
        if kind in {bytes, bytearray, memoryview}:
            return f"<{kind.__name__}>"
        # Of the type: isinstance() would ask the value for its __class__, which wakes a
        # lazy one.
        if not issubclass(kind, (dict, list, tuple, set, frozenset)):
            return self.line(described(value), MAX_STRING)
        return self._container(value, depth, walk)

    def _container(self, value: Any, depth: int, walk: _Walk) -> Any:
        kind = type(value)
        if depth == 0 or id(value) in walk.seen:
            return TRUNCATED
        walk.seen.add(id(value))
        try:
            if issubclass(kind, dict):
                return self._mapping(value, depth - 1, walk)
            return self._sequence(value, depth - 1, walk)
        except Exception:  # noqa: BLE001
            # A foreign container may raise or change while it is walked
            return f"<{kind.__name__}>"
        finally:
            walk.seen.discard(id(value))

    def _sequence(self, value: Any, depth: int, walk: _Walk) -> list[Any]:
        items = list(islice(value, MAX_BREADTH))
        if not items:
            return items
        if len(items) == 2 and type(items[0]) is str and items[0][:1] != "-":
            # A name and its value, as dict.items() and headers have them.
            name, _level = self._key_of(items[0])
            level = self._names.level(items[0][:KEY_CHARS])
            if level != NO:
                walk.left -= 1
                return [name, self._value(items[0], level, items[1], depth, walk)]
        secret: dict[int, str] = {}
        is_command_line = any(type(item) is str and item[:1] == "-" for item in items)
        if is_command_line:
            secret = self._secret_arguments(items)
        found: list[Any] = []
        for index, item in enumerate(items):
            if index in secret:
                found.append(secret[index])
            else:
                found.append(self._node(item, depth, walk))
        return found

    def _mapping(self, value: Any, depth: int, walk: _Walk) -> dict[str, Any]:
        items = list(islice(value.items(), MAX_BREADTH))
        row_level = self._level_of_row(items)
        is_row = any(is_row_value(key) for key, _item in items)
        found: dict[str, Any] = {}
        for key, item in items:
            name, level = self._key_of(key)
            if row_level and is_row_value(key):
                level = max(level, row_level)
            elif is_row and level == AS_KEY and is_row_name(key):
                level = NO  # "key" is a secret's name, but here one of a row
            found[name] = self._value(name, level, item, depth, walk)
        return found

    def _level_of_row(self, items: list[tuple[object, object]]) -> int:
        """
        Return how secret the value of a row is, by the name that the row gives it.

        Such as ``{"name": "password", "value": "x"}``.
        """
        level = NO
        for key, item in items:
            if type(item) is str and is_row_name(key) and is_name(item[:KEY_CHARS]):
                level = max(level, self._names.level(item))
        return level

    def _key_of(self, key: object) -> tuple[str, int]:
        """
        Return *key* as text without secrets, and how secret its value is.

        Of no plain type it is named only.
        """
        if type(key) is str:
            return self._read_key(key[:KEY_CHARS])
        parts = key if type(key) is tuple else (key,)
        if all(type(part) in PLAIN or type(part) in _AS_TEXT for part in parts):
            return self._read_key(f"<{type(key).__name__}> {str(key)[:50]}")
        return described(key), NO

    def _key(self, key: str) -> tuple[str, int]:
        return self.line(key, KEY_CHARS), self._names.level(key)

    def query(self, pairs: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
        """
        Return query or form *pairs* by name, the values of secret names filtered.

        A name that comes again has a list of its values, in their order.
        """
        found: dict[str, str | list[str]] = {}
        for key, value in islice(pairs, MAX_BREADTH):
            name, level = self._key_of(key)
            is_credential = level == BY_VALUE and is_mixed(value) and len(value) > 4
            is_token = level == BY_VALUE and is_token_like(value)
            if value and (level >= AS_KEY or is_credential or is_token):
                note(value)
                kept = FILTERED
            else:
                kept = self.text(value)
            earlier = found.get(name)
            if earlier is None:
                found[name] = kept
            elif isinstance(earlier, list):
                earlier.append(kept)
            else:
                found[name] = [earlier, kept]
        return found

    def path(self, path: str, kwargs: Mapping[str, object] | None = None) -> str:
        """
        Return *path* without long random segments, and without secret *kwargs*.

        These are what the matched route took out of the path, by name.
        """
        text = clean_line(path, PATH_CHARS)
        for name, value in (kwargs or {}).items():
            if type(value) is str and value and self.is_secret_key(name):
                note(value)
                text = _without_segments(text, value)
        return self.line(text, PATH_CHARS)

    def headers(self, headers: Iterable[tuple[str, str]]) -> dict[str, str]:
        """
        Return the *headers* of the allow-list.

        A Referer keeps its origin and path only.
        """
        found: dict[str, str] = {}
        for name, value in headers:
            lowered = name.lower()
            if lowered not in KEPT_HEADERS:
                continue
            if lowered == "referer":
                found[name] = self.path(re.split("[?#]", value)[0])
            elif lowered in _TRACING_HEADERS and _TRACE.fullmatch(value):
                found[name] = value
            else:
                found[name] = self.line(value, HEADER_CHARS)
        return found


# Random by nature, and what two systems' logs are compared by: hexadecimal numbers of
# the usual form only.
_TRACING_HEADERS = frozenset({"x-request-id", "traceparent"})
_TRACE = re.compile(r"[0-9a-f-]{16,60}")


def _without_segments(path: str, value: str) -> str:
    """Return *path* without *value*, a segment or several of it."""
    return re.sub(rf"(?<=/){re.escape(value)}(?=/|\Z)", FILTERED, path)


class _Walk:
    """One walk through a tree: the nodes it is inside of, and how many are left."""

    def __init__(self, left: int, *, string: int = MAX_STRING) -> None:
        self.left = left
        self.string = string
        self.seen: set[int] = set()


def _is_value_at(words: list[Any], index: int) -> bool:
    """Return whether the word at *index* is a value, not another option."""
    if index >= len(words):
        return False
    word = words[index]
    return not (type(word) is str and word[:1] == "-")


def _may_matter(text: str) -> bool:
    """
    Return whether *text*, which has no signs, may hold a secret.

    It may if it has a noun that a secret follows, or a word as long as a token.
    """
    if has_noun(text.lower()):
        return True
    if len(text) < TOKEN_CHARS:
        return False
    longest = max(map(len, text.split()), default=0)
    return longest >= TOKEN_CHARS


def _order(span: Span) -> tuple[int, int]:
    return span[0], -span[1]


def _without(text: str, spans: list[Span], limit: int) -> str:
    """
    Return *text* without *spans*, which are ordered.

    Where they overlap, what is secret to either goes.
    """
    pieces: list[str] = []
    kept = 0
    for start, end, instead in _merged(spans):
        if start >= limit:
            break
        pieces += (text[kept:start], instead)
        kept = end
    pieces.append(text[kept:limit])
    return "".join(pieces)[:limit]


def _merged(spans: list[Span]) -> Iterator[Span]:
    """Yield ordered *spans* with those that overlap as one."""
    start, end, instead = spans[0]
    for next_start, next_end, next_instead in spans[1:]:
        if next_start >= end:
            yield start, end, instead
            start, end, instead = next_start, next_end, next_instead
        elif next_end > end:
            end = next_end
            # An address that is a part of a secret is no address.
            if instead != FILTERED:
                instead = next_instead
    yield start, end, instead


def _float(value: float) -> float | str:
    """Return *value* as JSON takes it, without the card number of a spreadsheet."""
    if not math.isfinite(value):
        # JSON has no word for infinity.
        return str(value)
    if value > MAX_SHORT_INT and value.is_integer() and value < MAX_SAFE_INT:
        kept = _number(int(value))
        return FILTERED if kept == FILTERED else value
    return value


def _number(value: int) -> int | str:
    """Return *value* as JSON takes it; a card number is filtered as in a text."""
    if value.bit_length() >= MAX_INT_BITS:
        return "<int>"
    if value > MAX_SHORT_INT and is_card(str(value)):
        return FILTERED
    if abs(value) < MAX_SAFE_INT:
        return value
    return str(value)
