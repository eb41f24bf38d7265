"""
Reads one word or number of a message: what is generated in it, and what says something.

``cus_9s6XKzkNRiz8i3`` is a value, ``get_token_2`` a name. A number is mostly a value,
but not where it is an error code, an HTTP status or a part of a name: ``errno 111``,
``404 Not Found``, ``utf-8``.
"""

from __future__ import annotations

import re
from http import HTTPStatus

# Characters before a value that say what it is.
NEARBY_CHARS = 32

# --- error codes and statuses, which stay

_PHRASES = "|".join(re.escape(status.phrase) for status in HTTPStatus)
# "404 Client Error" of requests, "404 Not Found" of httpx, "404: Not Found" of urllib.
_AFTER_A_STATUS = re.compile(
    rf" (?:Client|Server) Error\b|(?:: |, message=['\"]?| )(?:{_PHRASES})\b"
)
_STATUS_AND_PHRASE = re.compile(rf"[1-5]\d\d (?:{_PHRASES})")
#: Words before an HTTP status, in small letters: "status code 503", "HTTP 404".
_STATUS_WORDS = (
    "http",
    "http error",
    "http code",
    "http response",
    "http/1.0",
    "http/1.1",
    "http/2",
    "status",
    "status code",
    "status-code",
    "status_code",
    "statuscode",
)
_BEFORE_AN_ANSWER = re.compile(
    r"\b(?:returned|responded(?: with)?|answered(?: with)?|replied(?: with)?) $"
)
_AFTER_AN_ANSWER = re.compile(r"[.,;:)\]]|\Z| (?:for|from|on|at|to|in|after|instead)\b")


def _code_words() -> tuple[str, ...]:
    """Return words before an error code, in small letters: "errno 111"."""
    found = ["errno", "winerror", "sqlcode", "sqlstate", "signal"]
    found += ["exitcode", "exit code", "exit_code", "exit status"]
    for word in ("return", "error", "result", "response", "reason", "close"):
        for kind in ("code", "number", "no", "no."):
            # "error code", "error_code", "error-code", "errorcode"
            found += [f"{word}{separator}{kind}" for separator in (" ", "_", "-", "")]
    return tuple(found)


_CODE_WORDS = _code_words()
# What may stand between such a word and its code.
_JOINERS = " =:#(['\"-"
_CODE = re.compile(r"-?\d{1,5}|(?=[A-Z-]{0,11}\d)[A-Z0-9-]{2,12}")
# Oracle, Azure, DB2
_VENDOR_CODE = re.compile(
    r"(?:ORA|TNS|PLS|DPI|DPY|NJS|RMAN|SP2)-\d{3,6}|(?:AADSTS|SQL)\d{3,6}[A-Z]?"
)
_CHECK_ID = re.compile(r"[EWCID]\d{3}")  # "fields.E300" of Django's system checks
_ODBC_STATE = re.compile(r"(?=[0-9A-Z]{0,4}[A-Z])[0-9A-Z]{5}")  # "[42S02]"
_AFTER_AMQP_CODE = re.compile(r"\) [A-Z]{2,20}[_ ]")  # "(403) ACCESS_REFUSED"
#: Encodings, digests, protocols and types: their number is part of the name.
_TECHNICAL = re.compile(
    r"(?:utf|ucs|iso|cp|windows|latin|koi)[-_]?\d{1,5}(?:-\d{1,2})?"
    r"|(?:sha|md|crc|blake|aes|rsa|base|ipv|u?int|float|oauth|https?|tls"
    r"|ssl)[-_]?\d{1,4}",
    re.IGNORECASE,
)

# --- words and numbers

_CURRENCY = (
    "EUR|USD|GBP|CHF|JPY|CNY|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|TRY|INR|BRL"
    "|MXN|ZAR|KRW|SGD|HKD|ILS|AED|SAR|THB|UAH"
)
_UNIT = "|".join(
    (
        "[kKMGTP]i?[bB]|bytes?|[bB]|[kKMG]?bit/s|[kMGT]?Hz|[kKMG]?bits?",
        "ms|us|\u00b5s|ns|s|m|h|d|secs?|seconds?|milliseconds?|minutes?|mins?|hours?",
        "hrs?|days?|weeks?|months?|years?|percent|px|km|cm|mm|kg",
        "[$\u20ac\u00a3\u00a5%\u2030\u00b0]",
        _CURRENCY,
    )
)
_SIGN = "[-+\u2212]"
_NUMBER = (
    rf"(?:(?:{_CURRENCY})\s?(?=[-+\u2212\d]))?{_SIGN}?"
    rf"(?:[$\u20ac\u00a3\u00a5]\s?)?{_SIGN}?"
    # 1,234.56 · 1.234,56 · 1'234.50
    r"\d{1,60}+(?:[.,'\u2019\u00a0\u202f_]\d{1,40}+){0,8}+(?:[eE][-+]?\d{1,4})?"
    rf"(?:\s?(?:{_UNIT})(?!\w))?"
)
_RELEASE = r"(?:[-.]?(?:a|b|c|rc|alpha|beta|dev|post|pre|final)[-.]?\d{0,9})"
_VERSION = (
    rf"(?:v\d{{1,9}}(?:\.\d{{1,9}}){{1,4}}{_RELEASE}{{0,3}}"
    rf"|\d{{1,9}}(?:\.\d{{1,9}}){{2,4}}{_RELEASE}{{0,3}}"
    rf"|\d{{1,9}}\.\d{{1,9}}{_RELEASE}{{1,3}})(?:\+[\w.]{{1,40}})?"
)
#: Words with a digit, and long ones that may be random.
_WORD = re.compile(
    rf"(?<![\w.}}])(?P<version>{_VERSION})(?![\w-]|\.\d)"
    rf"|(?<![\w}}])(?P<number>{_NUMBER})(?![\w-])"
    r"|(?P<word>(?<![^\W_])(?=[A-Za-z_-]{0,200}\d"
    r"|[A-Za-z]{12})[A-Za-z0-9_]++(?:-[A-Za-z0-9_]++)*+)"
)
_PIECES = re.compile(r"([-_])")
_DIGIT = re.compile(r"\d")
_LIKE_A_WORD = re.compile(r"[a-z]+|[A-Z]?[a-z]{2,}(?:[A-Z][a-z]{2,})*|[A-Z]{2,}")
_NAME_AND_NUMBER = re.compile(r"([A-Za-z]{1,40})\d{1,40}")
_SHORT_HEX = re.compile(r"[0-9a-f]{7,12}|[0-9A-F]{7,12}")
_CHANGES = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])")
_DIGIT_GROUPS = re.compile(r"\d+")

# A random letter follows one of another class (small, capital, digit) far more often
# than the words of a name do: getElementById changes every 3.5 letters.
LETTERS_PER_CHANGE = 3.4
# A shorter word is no identifier unless it has several groups of digits.
RANDOM_CHARS = 10
RANDOM_LETTERS = 12


def without_values_in_words(text: str) -> str:
    """Return *text* with a kind in the place of each number and generated word."""
    return _WORD.sub(_kind_of_word, text)


def is_status_and_phrase(text: str) -> bool:
    """Return whether *text* is an HTTP status with its phrase: ``404 Not Found``."""
    return _STATUS_AND_PHRASE.fullmatch(text) is not None


def text_before(match: re.Match[str]) -> str:
    """Return the ``NEARBY_CHARS`` characters before *match*."""
    start = match.start()
    return match.string[max(0, start - NEARBY_CHARS) : start]


def _kind_of_word(match: re.Match[str]) -> str:
    """Return the kind of a number or of a word with digits; error codes as they are."""
    word = match["word"]
    if _is_code(match):
        return match[0]
    if word is None:
        return "{number}"
    return _pattern_of_word(word)


def _is_code(match: re.Match[str]) -> bool:
    """
    Return whether *match* is an error code, a status or a technical name.

    Some are recognised by themselves, the others by what is around them.
    """
    text = match[0]
    if _CODE.fullmatch(text) is None:
        return _TECHNICAL.fullmatch(text) is not None
    before = text_before(match)
    if _is_after_code_word(before) or _VENDOR_CODE.fullmatch(text):
        return True
    if text.isdigit():
        return len(text) == 3 and _is_status(match, before)
    if before.endswith(".") and _CHECK_ID.fullmatch(text):
        return True
    if before.endswith("[") and _ODBC_STATE.fullmatch(text):
        return match.string[match.end() : match.end() + 1] == "]"
    return _TECHNICAL.fullmatch(text) is not None


def _words_at_end(text: str) -> str:
    """Return *text* without what joins its last words to a code: ``error code =``."""
    return text.rstrip(_JOINERS).removesuffix(" is").removesuffix(" was")


def _is_after_code_word(before: str) -> bool:
    if before.endswith(("rror ", "Msg ")):
        return True
    words = _words_at_end(before)
    if words.endswith("]"):  # SQLSTATE[HY000] [2002]
        return before.endswith("[") and words[-7:-6] == "["
    return words != before and words.lower().endswith(_CODE_WORDS)


def _is_status(match: re.Match[str], before: str) -> bool:
    """Return whether three digits are an HTTP status or a reply code of AMQP."""
    if _AFTER_A_STATUS.match(match.string, match.end()):
        return True
    if before.endswith("(") and _AFTER_AMQP_CODE.match(match.string, match.end()):
        return True
    words = _words_at_end(before)
    if words != before and words.lower().endswith(_STATUS_WORDS):
        return "1" <= match[0][0] <= "5"
    if match[0][0] not in "45" or not _BEFORE_AN_ANSWER.search(before):
        return False
    return _AFTER_AN_ANSWER.match(match.string, match.end()) is not None


def _pattern_of_word(word: str) -> str:
    """
    Return *word*, which may have hyphens and underscores, without generated parts.

    ``cus_9s6XKzkNRiz8i3`` is ``cus_{token}``, ``INV-2026-00017`` is ``INV-{number}``.
    """
    if word.isalpha():
        return "{token}" if _is_random(word) else word
    # Every second piece is a separator.
    pieces = _PIECES.split(word)
    for position, piece in enumerate(pieces):
        if _is_generated(piece):
            return _with_token(pieces[:position], pieces[position + 1 :])
    return "".join(_without_digits(piece) for piece in pieces)


def _with_token(before: list[str], after: list[str]) -> str:
    """Return a word in which a generated piece stands between *before* and *after*."""
    if not _are_words(before):
        # A random text with hyphens in it: what stands around is random, too.
        return "{token}"
    # A separator follows the token, then every second piece is a word.
    rest_is_words = all(_LIKE_A_WORD.fullmatch(piece) for piece in after[1::2])
    if len(before) <= 3 or not rest_is_words:
        after = []
    return "".join([*before, "{token}", *after])


def _are_words(pieces: list[str]) -> bool:
    return all(_LIKE_A_WORD.fullmatch(each) for each in pieces[::2] if each)


def _without_digits(piece: str) -> str:
    return _DIGIT_GROUPS.sub("{number}", piece)


def _is_generated(piece: str) -> bool:
    """Return whether *piece* mixes letters and digits as no name does."""
    if piece.isdigit() or _NAME_AND_NUMBER.fullmatch(piece):
        return False
    if not _DIGIT.search(piece):
        return _is_random(piece)
    if _SHORT_HEX.fullmatch(piece) or piece[0].isdigit():
        return True
    if len(_DIGIT_GROUPS.findall(piece)) > 1:
        return True
    if len(piece) < RANDOM_CHARS:
        return False
    return piece.islower() or piece.isupper() or _changes_often(piece)


def _is_random(letters: str) -> bool:
    """Return whether small and capital *letters* follow each other as in no word."""
    if len(letters) < RANDOM_LETTERS:
        return False
    return _changes_often(letters)


def _changes_often(text: str) -> bool:
    changes = len(_CHANGES.findall(text))
    return len(text) / (changes + 1) < LETTERS_PER_CHANGE
