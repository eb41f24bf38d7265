"""
Finds secrets that show who issued them: keys with a known prefix, hashes, key files.

A new kind of key is a new row of ``_ISSUED``. Takes time linear in the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .values import FILTERED, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

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
