"""
Recognises secrets by their form.

Random tokens, password hashes, card numbers; and people by e-mail or IP address.

Every function takes time linear in the length of its text. None knows a name:
what stands before a value is read in ``scrub_text``.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from typing import TYPE_CHECKING

from error_tracking.utils import masked_ip

from .keys import words

if TYPE_CHECKING:
    from collections.abc import Iterator

FILTERED = "[Filtered]"
EMAIL = "[email]"
ADDRESS = "[ip]"

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
    return is_random(piece) or (
        len(piece) > 4
        and len(_CHUNK.findall(piece)) > 2
        and not any(is_word(chunk) for chunk in _CHUNK.findall(piece))
    )


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
    Return where the random parts of *run* begin and end.

    And whether each is one hexadecimal number.
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


# What vendors put before shorter keys, and hashes of passwords in the forms that
# libraries store: each behind a sign and the literals it begins with, without which it
# is not tried. Most texts lack most of the signs.
_OF_HASH = r"(?:[^\s'\",;)]|,(?=[a-z]=))"
_ISSUED: tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...] = (
    (
        "A",
        ("AKIA", "ASIA", "AROA", "AIDA"),
        re.compile(r"A(?:KI|SI|RO|ID)A[0-9A-Z]{12,}"),
    ),
    ("A", ("AIza",), re.compile(r"AIza[\w-]{20,}+")),
    (
        "_",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        re.compile(r"gh[pousr]_\w{10,}+"),
    ),
    (
        "_",
        ("github_pat_", "npm_", "whsec_", "dop_v1_", "shpat_", "hf_"),
        re.compile(r"(?:github_pat|npm|whsec|dop_v1|shpat|hf)_[\w-]{10,}+"),
    ),
    ("_", ("k_live_", "k_test_"), re.compile(r"[srp]k_(?:live|test)_\w{8,}+")),
    ("-", ("glpat-", "pypi-"), re.compile(r"(?:glpat|pypi)-[\w-]{10,}+")),
    ("-", ("xox", "xapp-"), re.compile(r"x(?:ox[a-z]|app)-[\w-]{6,}+")),
    ("-", ("sk-", "pk-", "rk-"), re.compile(r"\b[spr]k-[\w-]{16,}+")),
    ("q", ("sq0",), re.compile(r"sq0...[_-][\w-]{10,}+")),
    (".", ("SG.",), re.compile(r"SG\.[\w-]{10,}\.[\w-]{10,}+")),
    (".", ("eyJ",), re.compile(r"eyJ[\w-]{5,}+(?:\.[\w-]*+){1,4}")),
    (".", ("ya29.",), re.compile(r"ya29\.[\w.-]{10,}+")),
    (
        "/",
        ("hooks.slack.com/",),
        re.compile(r"(?<=hooks\.slack\.com/)services/[\w/]{10,}+"),
    ),
    ("/", ("/webhooks/",), re.compile(r"(?<=/)webhooks/\d+/[\w-]{10,}+")),
    (
        "$",
        ("$",),
        re.compile(
            r"\$(?:2[abxy]?|argon2\w{0,3}|[156y]|scrypt|pbkdf2[\w-]{0,20}|[PHS]|apr1"
            r"|md5|sha1|7|bcrypt-sha256)"
            rf"\${_OF_HASH}{{6,}}+"
        ),
    ),
    (
        "$",
        (
            *("pbkdf2", "argon2", "bcrypt", "scrypt", "unsalted", "crypt$"),
            *("sha", "md5$", "SCRAM-SHA"),
        ),
        re.compile(
            r"(?:pbkdf2|argon2|bcrypt|scrypt|unsalted|crypt|django_|sha(?:1|256|512)"
            r"|md5|ssha|SCRAM-SHA-)[\w:-]{0,40}+"
            rf"\${_OF_HASH}{{3,}}+"
        ),
    ),
    (
        "{",
        ("{S", "{M", "{C", "{B", "{P", "{A"),
        re.compile(
            r"\{(?:S?SHA\d{0,3}|S?MD5|CRYPT|BCRYPT|BLF-CRYPT|PBKDF2[\w-]{0,20}"
            r"|ARGON2\w{0,3}|SCRAM[\w-]{0,20})\}"
            rf"{_OF_HASH}{{6,}}+"
        ),
    ),
    ("*", ("*",), re.compile(r"\*[0-9A-F]{40}(?!\w)")),
)
# django.core.signing: a payload, its time and a signature; or a text and a signature.
_SIGNATURE = re.compile(
    r":(?:[0-9A-Za-z]{6}:)?[\w-]{43}(?![\w-])|:[0-9A-Za-z]{6}:[\w-]{27}(?![\w-])"
)
_SIGNED = re.compile(r"[\w=.-]++")
SIGNED_CHARS = 2_000


def issued_spans(text: str) -> Iterator[Span]:
    """Yield keys with a known beginning, JWTs, password hashes and signed values."""
    for sign, literals, pattern in _ISSUED:
        if sign not in text:
            continue
        for literal in literals:  # a generator would cost more than the search
            if literal in text:
                for found in pattern.finditer(text):
                    yield found.start(), found.end(), FILTERED
                break
    if ":" in text and len(text) > 27:
        last = 0
        for found in _SIGNATURE.finditer(text):
            before = text[max(last, found.start() - SIGNED_CHARS) : found.start()]
            # Read from its end: a search for where it begins would try each character.
            signed = _SIGNED.match(before[::-1])
            start = found.start() - (signed.end() if signed else 0)
            last = found.end()
            yield start, last, FILTERED


_BEGIN = re.compile(r"-{4,5} ?BEGIN [A-Z0-9 ]{1,60}-{4,5}")
_END = re.compile(r"-{4,5} ?END [A-Z0-9 ]{1,60}-{4,5}")


def key_block_spans(text: str) -> Iterator[Span]:
    """
    Yield blocks between ``-----BEGIN X-----`` and its end.

    Whatever stands in them, or to the end of *text*.
    """
    position = 0
    while found := _BEGIN.search(text, position):
        end = _END.search(text, found.end())
        position = end.end() if end else len(text)
        yield found.start(), position, FILTERED


_LUHN = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_DIGITS = re.compile(r"[0-9](?:[ \u00a0-]?[0-9]){12,}+")
_GROUP = re.compile(r"[0-9]+")
# First digits of issued cards: Visa, Mastercard, American Express, Discover, Diners,
# JCB, UnionPay, Maestro.
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3[0689]\d{12}"
    r"|35\d{14}|6(?:011|5\d\d|4[4-9]\d)\d{12,15}|"
    r"62\d{14,17}|(?:5[06-9]|6[0-9])\d{11,17}"
)
MOST_CARD_DIGITS = 19


def is_card(digits: str) -> bool:
    """
    Return whether *digits* are a card number.

    An issuer's first digits, and Luhn's sum (ISO/IEC 7812-1).
    """
    if not _ISSUERS.fullmatch(digits):
        return False
    total = 0
    for index, char in enumerate(reversed(digits)):
        digit = ord(char) - 48
        total += _LUHN[digit] if index % 2 else digit
    return total % 10 == 0


def card_spans(text: str) -> Iterator[Span]:
    """Yield card numbers, in one piece or in groups between spaces or dashes."""
    for run in _DIGITS.finditer(text):
        groups = [
            (found.start(), found.end())
            for found in _GROUP.finditer(text, run.start(), run.end())
        ]
        position = 0
        while position < len(groups):
            end = _card_from(text, groups, position)
            if end:
                yield groups[position][0], groups[end - 1][1], FILTERED
            position = end or position + 1


def _card_from(text: str, groups: list[tuple[int, int]], first: int) -> int:
    """
    Return behind which group the card number ends that begins with *first*.

    0 if none begins there.
    """
    digits = ""
    # A card has at most five groups, or nineteen if somebody spaced every digit.
    for index in range(first, min(len(groups), first + MOST_CARD_DIGITS)):
        start, end = groups[index]
        if end - start > MOST_CARD_DIGITS:
            return 0
        digits += text[start:end]
        if len(digits) > MOST_CARD_DIGITS or not digits.isascii():
            return 0
        if len(digits) >= 13 and is_card(digits):
            return index + 1
    return 0


_IBAN = re.compile(
    r"[A-Z][A-Z]\d\d(?<!\w....)(?: ?[A-Z0-9]{4}){2,7}+(?: ?[A-Z0-9]{1,3})?(?!\w)"
)


def iban_spans(text: str) -> Iterator[Span]:
    """Yield bank account numbers whose check digits are right (ISO 13616)."""
    for found in _IBAN.finditer(text):
        compact = found[0].replace(" ", "")
        moved = compact[4:] + compact[:4]
        if int("".join(str(int(char, 36)) for char in moved)) % 97 == 1:
            yield found.start(), found.end(), FILTERED


_AT = r"(?:@|\uff20|%(?:25){0,2}40|&#(?:64|[xX]40);|&commat;|\\{1,4}(?:u00|x)40)"
_AT_SIGN = re.compile(_AT)
_LOCAL = re.compile(
    r"(?:\"[^\"\n@]{1,64}\"|(?:[\w.+'-]|%(?:25){0,2}(?!40|25|3[dD]|26|2[fF]|20|22|27"
    r"|3[aA])[0-9a-fA-F]{2})++)\Z"
)
_LAST_OF_LOCAL = re.compile(r"[\w.+'\"-]")
# Also URL-encoded: letters outside ASCII, and the dot.
_LABEL = r"(?:[\w-]|%(?:25){0,2}[89a-fA-F][0-9a-fA-F])++"
_DOMAIN = re.compile(
    rf"{_LABEL}(?:(?:\.|%(?:25){{0,2}}2[eE]){_LABEL})++|\[(?:IPv6:)?[0-9a-fA-F:.]++\]"
)
_LAST_LABEL = re.compile(r"(?:\.|2[eE])[^\W\d_][\w%-]*\Z|\]\Z")
# A forwarded address has another one in it: "ann=example.org@lists.example" (VERP).
_FORWARDED = re.compile(r"[\w.+-]++=\Z")
# "git@github.com:shop/web.git" is a repository.
_NOBODY = frozenset({"git", "hg", "svn"})
LOCAL_CHARS = 100


def email_spans(text: str) -> Iterator[Span]:
    """Yield e-mail addresses, also URL-encoded and with letters outside ASCII."""
    has_sign = "@" in text or "40" in text or "\uff20" in text
    if not (has_sign or "&#64;" in text or "&commat;" in text):
        return
    last = 0
    for sign in _AT_SIGN.finditer(text):
        # Most signs in a text that is full of them have nothing in front: the search
        # below would look for it a hundred times.
        if not _LAST_OF_LOCAL.match(text, max(last, sign.start() - 1), sign.start()):
            continue
        domain = _DOMAIN.match(text, sign.end())
        if domain is None or not _LAST_LABEL.search(domain[0]):
            continue
        local = _LOCAL.search(text, max(last, sign.start() - LOCAL_CHARS), sign.start())
        if local is None:
            continue
        if local[0] in _NOBODY and text[domain.end() : domain.end() + 1] in {":", "/"}:
            continue
        start = local.start()
        if text[start - 1 : start] == "%":  # the rest of another escape: "%3Dann@…"
            start += 2
        if text[start - 1 : start] == "=" and _LAST_LABEL.search(local[0]):
            forwarded = _FORWARDED.search(text, max(last, start - LOCAL_CHARS), start)
            if forwarded:
                start = forwarded.start()
        last = domain.end()
        yield start, last, EMAIL


_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z]|\.[0-9])")
#: Names of hosts that are made of an address: ``ip-192-0-2-7``,
#: ``192-0-2-7.dsl.example``; and addresses in reverse.
_IPV4_DASHED = re.compile(r"[0-9]{1,3}(?:-[0-9]{1,3}){3}(?![0-9]|-[0-9])")
_REST_OF_HOST = re.compile(r"\.[A-Za-z][\w-]{0,60}\.[A-Za-z]")
_REVERSE = re.compile(
    r"(?:[0-9]{1,3}\.){4}(?=in-addr\.arpa)|(?:[0-9a-fA-F]\.){8,32}(?=ip6\.arpa)",
    re.IGNORECASE,
)
_IPV6 = re.compile(
    r":(?:[0-9a-fA-F]{0,4}+:){1,8}+(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
    r"|[0-9a-fA-F]{0,4}+)(?![0-9A-Za-z:]|\.[0-9])"
)
_IPV6_ENCODED = re.compile(
    r"(?:(?<![0-9A-Za-z%])|(?<=%5B)|(?<=%5b))(?:[0-9a-fA-F]{1,4}"
    r"|%(?:25){0,2}3[aA]){4,50}+(?![0-9A-Za-z])"
)
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_FIRST_GROUP = re.compile(r"[0-9a-fA-F]{1,4}\Z")
_LONG_GROUP = re.compile(r"(?:^|:)[0-9a-fA-F]{3,4}::")
# Each costs some microseconds to read: what comes after so many in one text is masked
# unread.
MOST_ADDRESSES = 40


def address_spans(text: str, mode: str) -> Iterator[Span]:
    """Yield IP addresses with what stays of them in *mode*, as in ``masked_ip()``."""
    if ".arpa" in text:
        for found in _REVERSE.finditer(text):
            yield found.start(), found.end() - 1, ADDRESS
    left = MOST_ADDRESSES
    for start, end in _addresses(text):
        left -= 1
        kept = _masked(text[start:end], mode) if left > 0 else ADDRESS
        if kept is not None:
            yield start, end, kept
    if text.count("-") > 2:
        for found in _IPV4_DASHED.finditer(text):
            start, end = found.span()
            before = text[max(0, start - 3) : start]
            is_host = before == "ip-" or (
                not before[-1:].isalnum()
                and before[-1:] != "-"
                and _REST_OF_HOST.match(text, end)
            )
            if is_host:
                yield start, end, "x-x-x-x"


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of what may be an address."""
    if text.count(":") > 1:
        for found in _IPV6.finditer(text):
            start = found.start()
            if text[max(0, start - 4) : start].lower() == "ipv6":
                start += 1
            else:
                group = _FIRST_GROUP.search(text, max(0, start - 4), start)
                if group:
                    start = group.start()
                before = text[start - 1 : start]
                if before.isalnum() or before in {":", "."}:
                    continue
            address = text[start : found.end()]
            # Not "10:30:45" or "items[1::2]".
            if address.count(":") > 2 or _LONG_GROUP.search(address):
                yield start, found.end()
    if "%" in text and ("3A" in text or "3a" in text):
        for found in _IPV6_ENCODED.finditer(text):
            if found[0].lower().count("3a") > 1 and "%" in found[0]:
                yield found.start(), found.end()
    if text.count(".") > 2:
        for found in _IPV4.finditer(text):
            before = text[max(0, found.start() - 3) : found.start()]
            is_inside = before[-1:].isalnum() or before[-1:] == "."
            is_named = before[-2:].lower() == "ip"
            if not is_inside or is_named or _ESCAPE.fullmatch(before):
                yield found.start(), found.end()


_ENCODED_COLON = re.compile(r"%(?:25){0,2}3a", re.IGNORECASE)
_ZEROS = re.compile(r"(?<![0-9])0{1,2}(?=[0-9])")


@functools.lru_cache(maxsize=1_024)
def _masked(text: str, mode: str) -> str | None:
    """
    Return what stays of the address *text*, None for all.

    It is no address, or every machine's own.
    """
    plain = _ENCODED_COLON.sub(":", text)
    if ":" not in plain:
        plain = _ZEROS.sub("", plain)
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified:
        return None
    return masked_ip(plain, mode=mode) or ADDRESS


_DIGEST_NAME = re.compile(
    r"commit|sha\d*|rev|revision|release|digest|checksum|md5|etag|version|trace_?id"
    r"|span_?id|request_?id|head",
    re.IGNORECASE,
)
_DIGEST = re.compile(r"[0-9a-f]{7,128}")


def names_digest(name: str, value: str) -> bool:
    """
    Return whether *value* is the hexadecimal number that *name* says.

    Of a commit, a digest, a trace.
    """
    return (
        _DIGEST.fullmatch(value) is not None and _DIGEST_NAME.search(name) is not None
    )
