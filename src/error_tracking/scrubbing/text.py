"""
Finds the values of secret names in a text, whatever syntax they stand in.

One reader for everything that has a name, a separator and a value: assignments, JSON,
Python's repr, YAML, headers, queries, forms. ``pair_values`` reads a value to its
end; here it is decided whether the value is secret. Markup, command lines, sentences,
what databases quote and what has no name have modules of their own, which ``spans()``
calls where the text has a sign of them.

Every pattern is possessive or bounded and every value that was read is skipped, so the
time is linear in the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from .commands import MAY_BE_SHORT_OPTION, options, short_options, windows_shares
from .databases import quoted_rows
from .ends import INDENT_CHARS, end_of_unquoted, read_opened
from .keys import ALWAYS, AS_KEY, NAME_CHARS, NO, Names, may_follow_noun, words
from .markup import elements
from .pair_values import PAIR, is_config_line, read_value
from .places import nameless_spans
from .prose import (
    COPULAS,
    IDENTIFIER,
    LAST_WORD,
    NO_VALUES,
    PARTICIPLES,
    PLACEHOLDER,
    QUOTED,
    SENTENCE,
    TO,
    has_noun,
    is_code,
    phrases,
)
from .tables import cells, dashed, has_dash, has_lines
from .values import FILTERED, Span, is_mixed, is_token_like

if TYPE_CHECKING:
    from collections.abc import Iterator


#: How far the value of a row may stand from its name:
#: ``{"name": "password", …, "value": "x"}``.
ROW_CHARS = 300

#: How many backslashes before a quote are read: JSON in JSON doubles them each time.
ESCAPE_CHARS = 80

#: Longer lists of messages, and longer expressions, are filtered without being read.
HARMLESS_CHARS = 2_000

#: A value of a name that is not surely secret is read to its own end when it is this
#: long; what was read first is only as much as shows its form.
SHORT_CHARS = 60

#: More than any text of a site has: what comes behind so many is filtered unread.
MOST_SECRETS = 40

#: And more than any has of names that may be a secret's, each read in ten microseconds.
MOST_PAIRS = 1_000

# Names of what a row calls its name, and of what it calls its value.
_ROW_NAMES = words(
    "name type key field param parameter header variable var setting option label id "
    "property attribute column k env"
)
_ROW_VALUES = words(
    "value values val content data default text string v body input input_value "
    "current initial new old"
)

# What a name is, beside the levels of ``keys``. Negative, so that no level is
# equal to one and each is below every level.
_ROW_NAME = -1
_ROW_VALUE = -2
#: A noun that the words before it may make secret: "API key", "mot de passe".
_BY_WORDS_BEFORE = -3
#: The verb of a sentence, which may speak of a secret: "your password is now: x".
_COPULA = -4

_NOUNS_BY_THEIR_ADJECTIVE = words(
    "number phrase words answer id no value string passe ordine api secreta segreta privada "
    "privata"
)
# Nouns that all that follows them belongs to, and how many words that may be.
_NOUNS_OF_PHRASES = words("code codes código códigos codigo codigos codice codici")
NOUN_WORDS = 5
_OF = words("of de d da di del des du")
_OF_VERBS = COPULAS | PARTICIPLES
_BETWEEN_WORDS = frozenset(" -'\u2019")
_NO_LETTERS = re.compile(r"[ '\u2019-]")
#: How far words are looked for that belong to a noun.
ADJECTIVE_CHARS = 40
#: How far the subject of a sentence may stand from the end of its verb:
#: "has been changed to".
SUBJECT_CHARS = 60

# Signs that begin an escape, whose rest then stands before a name: "%22password",
# "\npassword".
_PREFIXES = frozenset("%\\")
_ESCAPED_START = re.compile(r"[nrt](?=\w{2})")
_ENCODED_START = re.compile(r"(?:25){0,2}[0-9A-Fa-f]{2}")
_NO_ASCII = re.compile(r"(?:25){0,2}[89A-Fa-f][0-9A-Fa-f]")
_ENCODED_NAME = re.compile(r"(?:[\w-]|%[0-9A-Fa-f]{2})++\Z")

_WORD_VALUE = re.compile(r"\s?\\*[\"'][A-Za-z_ ]{1,40}\\*[\"']")
_ROW_OF = re.compile(
    r"\s*+[bu]?\\*+[\"'`]?([\w .\[\]-]{1,80}?)(?=\\*[\"'`]|[,;}\n]|\s\w|\Z)"
)
_ITEM_OPENS = re.compile(r"[(\[]b?\\*[\"'`]\Z")
_ITEM_CLOSES = re.compile(r"\s?,?\s?[)\]]")
# Or something follows that is no text: texts alone may all be names of fields.
_OTHER_ITEM = r",\s?(?:[\d\[({:-]|[Tt]rue\b|[Ff]alse\b|None\b|null\b|nil\b)"
_ITEM_GOES_ON = re.compile(_OTHER_ITEM)
# ("password", "VARCHAR(128)", False), ("token", "too_short", {"min": 8})
_OF_SCHEMA = re.compile(
    r"[A-Za-z_]+\([^()]{0,40}\)|\w{0,40}Field|[a-z]{1,20}(?:_[a-z]{1,20}){1,5}"
)
_WORDS_OF_SCHEMAS = words(
    "uuid key user bearer json jsonb date datetime timestamp time inet smallint bigint "
    "decimal numeric blob bytea hash name value invalid unique created required"
)
_TUPLE = re.compile(r"\{ ?(?::?(\w{1,60}+)|([\"'])(\w{1,60}+)\2) ?, ?(?:<<)?(?=[\"'])")
_TUPLE_CLOSES = re.compile(r"(?:/utf8)?(?:>>)? ?(?:\}|(,))")

# The header of a part of a multipart form with its name, up to the empty line; line
# breaks may be escaped.
_LINE_BREAK = r"(?:\r?\n|\\r\\n|\\n)"
_PART = re.compile(
    r"form-data;(?:[^\n;]{0,200};){0,3}?\s{0,3}name=\\*\"?([^\"\\;\n]{1,80}+)\\*\"?"
    r"(?:;(?:[^\n\\]|\\(?![nr])){0,200}+)?"
    rf"(?:{_LINE_BREAK}[\w-]{{1,40}}:[^\n\\]{{0,100}}+)*+"
    rf"{_LINE_BREAK}{{2}}"
)
_PART_END = re.compile(rf"{_LINE_BREAK}--")

# What Django REST framework has beside each message: ErrorDetail(string="…", code="x").
_CODE_OF_DETAIL = re.compile(r", code='[a-z_]{1,40}'(?=\))")

# "PASS: 12 tests", "PASS: TestLogin (0.00s)": what a test runner writes.
_TEST_RESULT = re.compile(r" (?:\d{1,6} [a-z]|\w{1,100}+ \(\d)")

# What stands around a value and is no part of it.
_AROUND_VALUE = "\\\"'`,;()[]{} \n\t"
_HARMLESS_WORDS = words("[filtered] none null true false")


class _Name(NamedTuple):
    """
    The name of a pair, without the rest of an escape in front of it.

    Attributes:
        text: The name, its end if it is longer than ``NAME_CHARS``.
        start: Where it begins.
        kind: A level of ``keys``, or one of the negative constants above.
    """

    text: str
    start: int
    kind: int


class _Row:
    """
    What was seen so far of rows that have a name and a value beside each other.

    Attributes:
        until: A secret's name was seen, and values that begin before this are its own.
        value: A value that came before any name.
    """

    def __init__(self) -> None:
        self.until = -1
        self.value: re.Match[str] | None = None

    def value_before(self, start: int) -> re.Match[str] | None:
        """Return the value at most ``ROW_CHARS`` before the name at *start*."""
        if self.value is not None and start - self.value.end() < ROW_CHARS:
            return self.value
        return None


class TextReader:
    """Reads texts with the given *names*; stateless but for what it knows of names."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._kinds: dict[str, int] = {}

    def spans(self, text: str, *, is_cut: bool = False) -> Iterator[Span]:
        """
        Yield where each value is that its name, or the words around it, make a secret.

        Each kind of syntax is looked for only where the text has a sign of it: most
        texts have few, and a search for a sign costs a hundredth of reading.

        Args:
            text: What to read.
            is_cut: Whether *text* is the beginning of a longer one.
        """
        lowered = text.lower()
        if _may_have_pairs(text):
            yield from self._pairs(text)
        if "<" in text or "&lt;" in text or "%3C" in text:
            yield from elements(text, self._names, is_cut=is_cut)
        if "-" in text:
            yield from options(text, self._names)
            if MAY_BE_SHORT_OPTION.search(text) or "pass:" in text:
                yield from short_options(text)
        if "/user:" in text:
            yield from windows_shares(text)
        yield from nameless_spans(text, is_cut=is_cut)
        # A few letters become two in lower case; positions would then not be the same.
        has_same_positions = len(lowered) == len(text)
        has_any_noun = has_noun(lowered)
        if has_same_positions and has_any_noun:
            yield from phrases(text, lowered, self._names)
        is_drawn = "|" in text or "\t" in text
        if not is_drawn and not text.isascii():
            is_drawn = has_lines(text)
        if is_drawn or (has_any_noun and "\n" in text):
            yield from cells(text, self._names, is_drawn=is_drawn)
        if has_dash(text):
            yield from dashed(text, self._names)
        if "orm-data" in text:
            yield from _multipart(text, self._names)
        if "{" in text and "," in text:
            yield from self._tuples(text)
        yield from quoted_rows(text, lowered, self._names)

    # Pairs

    def _pairs(self, text: str) -> Iterator[Span]:
        """Yield the secret values of the pairs of a name and a value in *text*."""
        row = _Row()
        position = judged = secrets = 0
        # This loop runs for every name of every text, so what it calls is bound once.
        search, kind_of = PAIR.search, self._kinds.get
        while pair := search(text, position):
            position = pair.end()
            if kind_of(pair[1]) == NO:
                continue
            name = self._name_of(text, pair)
            if name.kind == NO:
                continue
            judged += 1
            if judged > MOST_PAIRS:
                yield position, len(text), FILTERED
                return
            if self._is_of_row(text, pair, name):
                found = self._read_row(text, pair, name, row)
            else:
                found = self._read_secret(text, pair, name)
                if found is not None:
                    secrets += 1
            if found is None:
                continue
            if secrets > MOST_SECRETS:
                yield found[0], len(text), FILTERED
                return
            yield (*found, FILTERED)
            position = max(position, found[1])

    def _name_of(self, text: str, pair: re.Match[str]) -> _Name:
        """Return the name of *pair*, and what kind of name it is."""
        name, start = pair[1], pair.start(1)
        if start and text[start - 1] in _PREFIXES:
            name, start = _without_prefix(text, name, start)
        if len(name) > NAME_CHARS:
            start += len(name) - NAME_CHARS
            name = name[-NAME_CHARS:]
        return _Name(name, start, self._kind(name))

    def _kind(self, name: str) -> int:
        """Return what kind of name *name* is; remembered, as most come again."""
        kind = self._kinds.get(name)
        if kind is None:
            kind = self._names.level(name)
            if kind == NO:
                kind = _kind_of_harmless(name.lower())
            if len(self._kinds) >= Names.CACHED:
                self._kinds.clear()
            self._kinds[name] = kind
        return kind

    # Rows: a name and a value that are values themselves

    def _is_of_row(self, text: str, pair: re.Match[str], name: _Name) -> bool:
        if name.kind == AS_KEY and name.text.lower() in _ROW_NAMES:
            # "key" is a secret's name, and what a row may call its name.
            return self._is_secret_row(text, pair.end())
        return name.kind in {_ROW_NAME, _ROW_VALUE}

    def _read_row(
        self, text: str, pair: re.Match[str], name: _Name, row: _Row
    ) -> tuple[int, int] | None:
        """Return the secret value that *pair*, a part of a *row*, completes."""
        if name.kind == _ROW_VALUE:
            return self._read_row_value(text, pair, name, row)
        earlier = None
        if self._is_secret_row(text, pair.end()):
            row.until = pair.end() + ROW_CHARS
            earlier = row.value_before(name.start)
        row.value = None
        if earlier is None:
            return None
        return read_value(text, earlier.end(), earlier, ALWAYS)

    def _is_secret_row(self, text: str, position: int) -> bool:
        """Return whether a secret's name is at *position*: ``"name": "password"``."""
        found = _ROW_OF.match(text, position)
        return found is not None and self._names.level(found[1]) >= AS_KEY

    def _read_row_value(
        self, text: str, pair: re.Match[str], name: _Name, row: _Row
    ) -> tuple[int, int] | None:
        """Return a value whose name came before; else note it for one that follows."""
        if name.start < row.until:
            row.until = -1
            return read_value(text, pair.end(), pair, ALWAYS)
        if pair[1].lower() == "input_value":
            found = read_value(text, pair.end(), pair, ALWAYS)
            if found and self._is_pydantic_secret(text, name.start, found):
                return found
        # A comma may be in the value itself: "a value", "b".
        if row.value is None or pair[4] != ",":
            row.value = pair
        return None

    def _is_pydantic_secret(
        self, text: str, start: int, found: tuple[int, int]
    ) -> bool:
        """
        Return whether Pydantic's ``input_value`` is the value of a secret field.

        The field is named on the line before. A container that Pydantic has shortened
        may have lost the names of its keys.
        """
        value = text[found[0] : found[1]]
        is_shortened = "..." in value and len(value) > 30
        if is_shortened and value[:1] in "{[(\"'":
            return True
        line = text.rfind("\n", max(0, start - 4 * INDENT_CHARS), start)
        if line >= 0:
            above = text.rfind("\n", max(0, line - INDENT_CHARS), line) + 1
            for field in IDENTIFIER.findall(text[above:line]):
                if self._names.level(field.rpartition(".")[2]) >= AS_KEY:
                    return True
        return is_token_like(value.strip("'\""))

    # Other names

    def _read_secret(
        self, text: str, pair: re.Match[str], name: _Name
    ) -> tuple[int, int] | None:
        """Return the value of *pair* if it is secret."""
        may_label_a_row = name.kind == AS_KEY and name.text.lower() in _ROW_NAMES
        if may_label_a_row and _WORD_VALUE.match(text, pair.end()):
            return None
        level = self._level_in(text, pair, name)
        if level <= NO:
            return None
        if pair[4] == "," and not _is_item(text, name.start, pair):
            return None
        if (
            pair[1] == "PASS"
            and pair[4] == ":"
            and _TEST_RESULT.match(text, pair.end())
        ):
            return None
        found = read_value(text, pair.end(), pair, level)
        if found is None or not self._is_secret(text, pair, name, level, found):
            return None
        start, end = found
        if level < ALWAYS and end - start > SHORT_CHARS:
            # Only its beginning was read, to see its form.
            end = max(end, end_of_unquoted(text, start))
        return start, end

    def _level_in(self, text: str, pair: re.Match[str], name: _Name) -> int:
        """Return the level of *name*, read with the words before it."""
        if name.kind == _COPULA:
            if pair[4] != ":" or pair[2]:
                return NO
            level = self._level_of_subject(text, pair.end(1))
            if level < ALWAYS:
                return NO
            return level
        if name.kind >= ALWAYS:
            return name.kind
        return self._level_with_words_before(text, name.start, name.text)

    def _level_with_words_before(self, text: str, start: int, name: str) -> int:
        """Return the level of ``API key``, ``mot de passe``, *name* being the last."""
        if text[start - 1 : start] not in _BETWEEN_WORDS:
            return self._names.level(name)
        parts = _NO_LETTERS.split(text[max(0, start - ADJECTIVE_CHARS) : start - 1])
        if not parts[-1].isalpha():
            return self._names.level(name)
        adjectives = parts[-2:]
        if parts[-1].lower() in _OF and len(parts) > 2:
            adjectives = parts[-3:]
        for count, part in enumerate(parts[-NOUN_WORDS:]):
            if part.lower() in _NOUNS_OF_PHRASES:
                # "code à usage unique", "código de inicio de sesión"
                adjectives = parts[-NOUN_WORDS:][count:]
        known = [part for part in adjectives if part.isalpha()]
        return self._names.level("_".join([*known, name]))

    def _level_of_subject(self, text: str, end: int) -> int:
        """
        Return the level of what a sentence speaks of, whose verb ends at *end*.

        ``your password is now: x`` speaks of a password.
        """
        parts = _NO_LETTERS.split(text[max(0, end - SUBJECT_CHARS) : end])
        if parts[-1].lower() in TO:
            parts.pop()
            if not parts or parts[-1].lower() not in PARTICIPLES:
                return NO  # "password mail to: ann"
        while parts and parts[-1].lower() in _OF_VERBS:
            parts.pop()
        if not parts:
            return NO
        noun = parts[-1].lower()
        is_noun_known = noun in _NOUNS_BY_THEIR_ADJECTIVE or not _OF.isdisjoint(parts)
        if self._names.level(noun) == NO and not is_noun_known:
            return NO
        return self._names.level("_".join(parts[-3:]))

    # Whether a value is secret

    def _is_secret(
        self,
        text: str,
        pair: re.Match[str],
        name: _Name,
        level: int,
        found: tuple[int, int],
    ) -> bool:
        """Return whether the value at *found* is not prose, code or a placeholder."""
        value = text[found[0] : found[1]]
        bare = value.strip(_AROUND_VALUE)
        if not bare:
            return False
        placeholder = PLACEHOLDER.match(text, found[0])
        if placeholder and placeholder.end() >= found[1]:
            return False
        if level >= ALWAYS:
            return not self._is_harmless(value, bare, name.text)
        if value[0] in "([{" and not pair[2]:
            return False
        if _is_in_query(text, name.start, pair):
            return _is_credential_in_query(bare, level)
        if level < AS_KEY:
            return is_token_like(bare)
        is_quoted_key = pair[2][-1:] in {'"', "'"} and pair[4] in {":", "=>", ","}
        if is_quoted_key:
            return not self._is_harmless(value, bare, name.text)
        if is_config_line(text, name.start, pair) and is_mixed(bare):
            return not self._is_harmless(value, bare, name.text)
        return is_token_like(bare)

    def _is_harmless(self, value: str, bare: str, name: str) -> bool:
        """Return whether *value* is prose, or code that says where the secret is."""
        if len(value) > HARMLESS_CHARS:
            return False
        lowered = bare.lower()
        is_quoted = value[:1] in {'"', "'", "\\", "`"}
        if lowered in NO_VALUES and not is_quoted:
            return True
        is_masked = not bare.strip("*•x")
        if lowered in _HARMLESS_WORDS or is_masked:
            return True
        if (is_quoted or value[:1] == "[") and _has_only_sentences(value, bare):
            return True
        return is_code(value, name, self._names)

    def _tuples(self, text: str) -> Iterator[Span]:
        """Yield the second item of Erlang's and Elixir's ``{password, "x", 1}``."""
        for first in _TUPLE.finditer(text):
            if self._names.level(first[1] or first[3]) < ALWAYS:
                continue
            found = read_opened(text, first.end())
            closes = found and _TUPLE_CLOSES.match(text, found[1])
            if not found or not closes:
                continue
            goes_on = closes[1] is not None
            bare = text[found[0] : found[1]].strip("\"'")
            if first[3] and not _ITEM_GOES_ON.match(text, closes.start(1)):
                # A set of texts, which may be names of fields.
                continue
            first_word = bare.partition(" ")[0].lower()
            if goes_on and (first_word in NO_VALUES or _is_of_schema(bare)):
                # The message of a validation: {:password, "is too short", []}
                continue
            yield (*found, FILTERED)


def _may_have_pairs(text: str) -> bool:
    """Return whether *text* has a separator of pairs; a search for each is quick."""
    return (
        "=" in text
        or "->" in text
        or ":" in text
        or "\uff1a" in text
        or "%3" in text
        or "'," in text
        or '",' in text
        or "&#" in text
    )


def _kind_of_harmless(lowered: str) -> int:
    """Return what else a name may be that is not secret by its own words."""
    if lowered in _ROW_NAMES:
        return _ROW_NAME
    if lowered in _ROW_VALUES:
        return _ROW_VALUE
    if lowered in _NOUNS_BY_THEIR_ADJECTIVE:
        return _BY_WORDS_BEFORE
    if lowered in COPULAS or lowered in TO:
        return _COPULA
    if may_follow_noun(lowered):
        return _BY_WORDS_BEFORE
    return NO


def _without_prefix(text: str, name: str, start: int) -> tuple[str, int]:
    """Return *name* and its start without the rest of an escape: ``%22password``."""
    if text[start - 1] == "%":
        if _NO_ASCII.match(name):
            return _decoded(text, name, start)
        prefix = _ENCODED_START.match(name)
    else:
        prefix = _ESCAPED_START.match(name)
    if prefix is None:
        return name, start
    return name[prefix.end() :], start + prefix.end()


def _decoded(text: str, name: str, start: int) -> tuple[str, int]:
    """
    Return the last word of a URL-encoded name that ends with *name*, and its start.

    Quotes and letters outside ASCII are encoded, so ``contrase%C3%B1a`` is cut in two.
    """
    end = start + len(name)
    encoded = _ENCODED_NAME.search(text, max(0, start - NAME_CHARS), end)
    word = encoded and LAST_WORD.search(unquote(unquote(encoded[0])))
    if not word:
        return name, start
    if len(word[0]) >= len(name):
        # In the middle of a query, what stands before says that the value is a
        # parameter's.
        return word[0], start
    return word[0], end - len(word[0])


def _is_item(text: str, start: int, pair: re.Match[str]) -> bool:
    """Return whether the quoted name at *start* is an option or the first of two."""
    before = text[max(0, start - 2) : start]
    if text[start : start + 1] == "-" or before.endswith("-"):
        return True
    opens = _ITEM_OPENS.search(text, max(0, start - ESCAPE_CHARS), start)
    if opens is None:
        return False
    position = pair.end()
    while text[position : position + 1] in {" ", "\n"}:
        position += 1
    if text[position : position + 1] in {"(", "[", "{"}:
        return True
    found = read_opened(text, position)
    if found is None:
        return False
    if _ITEM_CLOSES.match(text, found[1]):
        return True
    goes_on = _ITEM_GOES_ON.match(text, found[1]) is not None
    return goes_on and not _is_of_schema(text[found[0] : found[1]].strip("\"'"))


def _is_of_schema(value: str) -> bool:
    """Return whether *value* says of a field what it is, or what is wrong with it."""
    lowered = value.lower()
    is_word = lowered in NO_VALUES or lowered in _WORDS_OF_SCHEMAS
    return is_word or _OF_SCHEMA.fullmatch(value) is not None


def _is_in_query(text: str, start: int, pair: re.Match[str]) -> bool:
    is_parameter = start > 0 and text[start - 1] in "?&"
    return is_parameter or pair[4].startswith("%")


def _is_credential_in_query(bare: str, level: int) -> bool:
    """Return whether a parameter is secret whose name is not surely so."""
    if level >= AS_KEY:
        # "?key=de" chooses something.
        return len(bare) > 2
    return (is_mixed(bare) and len(bare) >= 5) or is_token_like(bare)


def _has_only_sentences(value: str, bare: str) -> bool:
    """Return whether *value* is a message or a list of them: of a failed validation."""
    plain = _CODE_OF_DETAIL.sub("", value.replace('\\"', '"'))
    quoted = QUOTED.findall(plain)
    texts = [double or single for double, single in quoted] or [bare]
    return all(text.count(" ") >= 2 and SENTENCE.fullmatch(text) for text in texts)


def _multipart(text: str, names: Names) -> Iterator[Span]:
    """Yield the parts of a multipart form with a secret's name."""
    position = 0
    while part := _PART.search(text, position):
        start = position = part.end()
        if names.level(part[1]) >= AS_KEY:
            end = _PART_END.search(text, start)
            position = end.start() if end else len(text)
            yield start, position, FILTERED


_NAME = re.compile(r"[\w .\[\]:-]{1,80}")


def is_name(text: str) -> bool:
    """Return whether *text* may be a name, not a text of its own."""
    return _NAME.fullmatch(text) is not None and text.count(" ") < 4


def is_row_name(key: object) -> bool:
    """Return whether *key* says that its value is a name: ``{"name": "password"}``."""
    return type(key) is str and key.lower() in _ROW_NAMES


def is_row_value(key: object) -> bool:
    """Return whether *key* stands beside such a name before the value."""
    return type(key) is str and key.lower() in _ROW_VALUES
