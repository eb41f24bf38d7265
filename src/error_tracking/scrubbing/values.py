"""
Tells random and mixed values, which are mostly secrets, from words and numbers.

``token_spans()`` finds random tokens in a text, whoever issued them. Forms that are
known exactly have modules of their own: ``issued``, ``account_numbers`` and
``addresses``. No function knows a name, which is read in ``text``, and each takes time
linear in the length of its text.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from .keys import words

if TYPE_CHECKING:
    from collections.abc import Iterator

FILTERED = "[Filtered]"

Span = tuple[int, int, str]

# Shorter, random and generated identifiers cannot be told from each other.
TOKEN_CHARS = 20

# The pairs of letters that make up 95 % of English, German, French, Spanish,
# Portuguese, Italian and Dutch words in Django's own translations, and of the names in
# its source. A random word has 43 % of its pairs here.
_FOLLOWERS = (
    "aabcdgiklmnoprstuvwxy baeijlorsuy cacehiklmorstu dabdeilorstu "
    "eabcdefgiklmnopqrstuvwxyz faefilorstu gaeghilnorsu "
    "haeiortu iabcdefglmnoprstvxz jaeu keils lacdeilopstuy mabdeimopsu "
    "nacdefgiklnopstuv oabcdefgiklmnoprstuvw "
    "paehiloprstuy qu racdefgiklmnoprstuvy saceghiklmnopstuy tacdefhilmnoprstuy "
    "uabcdefgilmnoprst vaeio waeinors xeipt "
    "ynpst zaei"
)
_COMMON_PAIRS = frozenset(
    letters[0] + letter for letters in _FOLLOWERS.split() for letter in letters[1:]
)
# Between random (0.43) and real words (1.0); 99 of 100 words of twelve letters are
# above, 98 of 100 random ones below.
WORD_SHARE = 0.72

# Of twenty random hexadecimal digits, eleven differ. "aaaa…" and "0101…" hide nothing.
FEWEST_SIGNS = 6

_RUN = re.compile(r"(?<![\w+/=~%])[\w+/=~.%-]{20,}+")
# Runs of short words and numbers, as paths and dotted names are: most of them, and no
# secrets.
_OF_WORDS = re.compile(
    r"(?:[/._=~-]*+(?:[A-Z]?[a-z]{1,12}+|[A-Z]{1,8}+|\d{1,12}+)(?=[/._=~-]"
    r"|\Z))++[/._=~-]*+"
)
_SHORT_RANDOM = re.compile(r"\d[a-z]|[a-z]\d|[a-z][A-Z]")
_PIECE = re.compile(r"[^\W_]+")
_CHUNK = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_]")
_UUID = re.compile(
    r"(?<![0-9a-zA-Z])"
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"(?![0-9a-zA-Z])",
    re.IGNORECASE,
)
_HEX = re.compile(r"[0-9a-f]{7,}|[0-9A-F]{7,}")
_OF_DIGESTS = re.compile(
    r"(?:commits?|sha|sha_?\d{1,3}|rev|revs|revision|releases?|digest|checksum|md5|git"
    r"|head|build|version|etag|blob|"
    r"(?:trace|span|request|correlation)_?-?id|traceparent|x-request-id|integrity)"
    r"(?:[\"'\]]{0,2}\s{0,2}[-:=@/\s(,'\"]{0,4}(?:(?:of|at|is|in|to|id|hash"
    r"|from)\s)?[\"'(]?|\W{1,3})\Z",
    re.IGNORECASE,
)
_PHRASE_BEFORE = 40


def is_word(chunk: str) -> bool:
    """Return whether *chunk*, letters only, reads like a European word."""
    size = len(chunk)
    if size < 4:
        return False
    lowered = chunk.lower()
    if not lowered.isascii():
        return True
    common = sum(1 for at in range(size - 1) if lowered[at : at + 2] in _COMMON_PAIRS)
    # Of few letters one unusual pair is too much to ask for.
    share = 0.6 if size < 6 else WORD_SHARE
    return common >= share * (size - 1)


@functools.lru_cache(maxsize=4_096)
def is_random(piece: str) -> bool:
    """
    Return whether most letters of *piece* are in no word: ``wJalrXUtnFEMI``.

    *piece* has letters and digits only.
    """
    if piece.isdigit() or len(piece) < 4:
        return False
    if len(piece) >= TOKEN_CHARS and len(set(piece)) < FEWEST_SIGNS:
        return False
    if not piece.isascii():
        return False
    in_words = letters = 0
    chunks = _CHUNK.findall(piece)
    for chunk in chunks:
        if chunk.isdigit():
            continue
        letters += len(chunk)
        # Among many short chunks, four letters read like a word by chance.
        is_lucky = len(chunk) == 4 and len(chunks) > 2 and not _is_fluent(chunk)
        if (is_word(chunk) and not is_lucky) or chunk.lower() in _SHORT_WORDS:
            in_words += len(chunk)
    if letters <= 3 and letters * 4 < len(piece):  # a timestamp: 20260102T120000Z
        return False
    if len(chunks) <= 2 and letters < 6:  # "web24", "256gb", "utf16"
        return False
    if len(chunks) <= 2 and len(piece) < 12:  # an unusual name, and its number
        return False
    return in_words * 2 < letters


def _is_fluent(chunk: str) -> bool:
    lowered = chunk.lower()
    return all(lowered[at : at + 2] in _COMMON_PAIRS for at in range(len(chunk) - 1))


_SHORT_WORDS = words(
    "the and for not get set has was api url http csv pdf xml sql css log key app web "
    "new old add del all "
    "any max min sum avg mean day end out map img pic jpg png gif svg txt src lib bin "
    "dev tmp var usr opt "
    "etc env cfg www com org net auth user test data item code name type file path "
    "date time page form "
    "view view html json"
)


def is_token_like(value: str) -> bool:
    """
    Return whether *value* looks issued, not chosen or counted.

    ``k9Zx81qQ``, ``s3cr3t``, ``493021``.
    """
    size = len(value)
    if size < 6 or size > 4_000:
        return False
    if value.isdigit():
        return size <= 8
    if not value.isascii() or _UUID.fullmatch(value) or _PLAIN_VALUE.fullmatch(value):
        return False
    pieces = _PIECE.findall(value)
    odd = sum(len(piece) for piece in pieces if _is_odd(piece))
    return odd * 2 >= sum(map(len, pieces))


def _is_odd(piece: str) -> bool:
    if is_random(piece):
        return True
    if len(piece) <= 4:
        return False
    chunks = _CHUNK.findall(piece)
    return len(chunks) > 2 and not any(map(is_word, chunks))


# Dates, times, versions, numbers with a unit.
_PLAIN_VALUE = re.compile(
    r"[\d.:,+TZ/-]+(?:ms|s|m|h|d|kb|mb|gb|px|em|%)?|0x[0-9a-f]+|v?\d+(?:\.\w+)+"
    r"|[a-z]{1,3}\d{1,5}",
    re.IGNORECASE,
)


def is_mixed(value: str) -> bool:
    """
    Return whether *value* mixes letters with digits or signs.

    ``hunter2``, ``p@ss!``: no word has these.
    """
    if len(value) < 4 or _PLAIN_VALUE.fullmatch(value):
        return False
    has_letter = any(map(str.isalpha, value))
    has_digit = any(map(str.isdigit, value))
    has_sign = any(sign in value[:-1] for sign in "!@#$%^&*+~")
    return has_letter and (has_digit or has_sign)


def token_spans(text: str, release: str = "") -> Iterator[Span]:
    """
    Yield the random-looking tokens in *text*, whoever issued them.

    Those of ``TOKEN_CHARS`` characters or more; others cannot be told from names.
    """
    for run in _RUN.finditer(text):
        word = run[0]
        has_words = _OF_WORDS.fullmatch(word) and not _SHORT_RANDOM.search(word)
        if has_words and (len(word) < 2 * TOKEN_CHARS or _is_plain(word)):
            continue
        yield from _tokens_of(text, run.start(), word, release)


@functools.lru_cache(maxsize=2_048)
def _is_plain(word: str) -> bool:
    return not any(map(is_random, _PIECE.findall(word)))


def _tokens_of(text: str, offset: int, run: str, release: str) -> Iterator[Span]:
    """Yield what is random of *run*, judged piece by piece between its separators."""
    for first, last, has_only_hex in _random_parts(run):
        if release and release in run:
            continue
        start, end = offset + first, offset + last
        if has_only_hex and _OF_DIGESTS.search(
            text[max(0, start - _PHRASE_BEFORE) : start]
        ):
            continue
        yield start, end, FILTERED


# "web-7d9f8b6c5d-x2x4z", a pod's name, has fifteen random characters.
FEWEST_RANDOM = 16

# What an encoding of bytes never has inside of it.
_FIELD = re.compile(r"[^.%~=]+=*+")
_SEGMENT = re.compile(r"[^/]+")


@functools.lru_cache(maxsize=2_048)
def _random_parts(run: str) -> tuple[tuple[int, int, bool], ...]:
    """
    Return where each random part of *run* begins and ends.

    The third value says whether it is one hexadecimal number.
    """
    uuids = [(found.start(), found.end()) for found in _UUID.finditer(run)]
    plain = run
    for first, last in uuids:
        plain = plain[:first] + "." * (last - first) + plain[last:]
    parts: list[tuple[int, int, bool]] = []
    for field in _FIELD.finditer(plain):
        if len(field[0]) >= TOKEN_CHARS:
            parts += _parts_of_field(plain, field.start(), field.end())
    return tuple(parts)


def _parts_of_field(run: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Yield the random parts of a field, in which Base64 may have its slashes."""
    if _is_base64(run[start:end]):
        yield start, end, False
        return
    first: int | None = None
    last = start
    for segment in _SEGMENT.finditer(run, start, end):
        at, to = segment.start(), segment.end()
        if _is_mostly_random(segment[0]):
            if first is None:
                first = at
            last = to
        else:
            if first is not None and last - first >= TOKEN_CHARS:
                yield first, last, _HEX.fullmatch(run, first, last) is not None
            first = None
            yield from _long_pieces(run, at, to)
    if first is not None and last - first >= TOKEN_CHARS:
        yield first, last, _HEX.fullmatch(run, first, last) is not None


def _is_base64(field: str) -> bool:
    """
    Return whether *field* is random with a slash or two in it, and no path.

    None of its segments is a word.
    """
    slashes = field.count("/")
    if not slashes or field[0] == "/" or slashes * 8 > len(field):
        return False
    for segment in field.split("/"):
        if segment.islower() and is_word(segment):
            return False
    return is_random(field.replace("/", "").replace("+", "").rstrip("="))


@functools.lru_cache(maxsize=4_096)
def _is_mostly_random(segment: str) -> bool:
    """
    Return whether most of *segment* is in pieces of no words.

    Urlsafe Base64, groups of a licence key.
    """
    size = random = mixed = 0
    has_plain_piece = False
    for piece in _PIECE.findall(segment):
        size += len(piece)
        has_plain_piece = has_plain_piece or piece.isdigit() or piece.islower()
        if is_random(piece):
            random += len(piece)
        elif len(_CHUNK.findall(piece)) > 2 and not is_word(piece):
            mixed += len(piece)
    if has_plain_piece and random + mixed < FEWEST_RANDOM:
        return False
    return size > 0 and (random + mixed) * 5 >= size * 3


def _long_pieces(run: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """
    Yield random pieces beside words, as behind a prefix.

    Long ones, and some that follow each other.
    """
    first: int | None = None
    last = start
    count = 0
    for piece in _PIECE.finditer(run, start, end):
        if is_random(piece[0]):
            if first is None:
                first = piece.start()
            last, count = piece.end(), count + 1
            continue
        if first is not None and last - first >= TOKEN_CHARS:
            yield (
                first,
                last,
                count == 1 and _HEX.fullmatch(run, first, last) is not None,
            )
        first, count = None, 0
    if first is not None and last - first >= TOKEN_CHARS:
        while last < end and run[last] in "=+-_":
            last += 1
        yield first, last, count == 1 and _HEX.fullmatch(run, first, last) is not None


_DIGEST_NAME = re.compile(
    r"commit|sha\d*|rev|revision|release|digest|checksum|md5|etag|version|trace_?id"
    r"|span_?id|request_?id|head",
    re.IGNORECASE,
)
_DIGEST = re.compile(r"[0-9a-f]{7,128}")


def names_digest(name: str, value: str) -> bool:
    """
    Return whether *value* is the hexadecimal number that its *name* says.

    It is then that of a commit, a digest or a trace, and no secret.
    """
    return (
        _DIGEST.fullmatch(value) is not None and _DIGEST_NAME.search(name) is not None
    )
