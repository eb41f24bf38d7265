"""
Small tools without a domain word: text that any column takes, identifiers, time.

A leaf: imports nothing of ours and knows nothing of errors or bugs.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt

UNPRINTABLE = "<unprintable>"

# C0 and C1 controls except tab and newline, bidirectional and zero-width controls (FAULTS S06, A03, X18).
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")


def clean_text(value: str, limit: int) -> str:
    """
    Return *value* cut to *limit* characters and storable in every database.

    Controls except tab and newline become U+FFFD, lone surrogates a question
    mark. The cut comes first, so that the cost is bounded.
    """
    value = value[:limit]
    if value.isascii() and value.isprintable():
        return value
    value = value.replace("\r\n", "\n").encode("utf-8", "replace").decode()
    return _UNSAFE.sub("\ufffd", value)


def clean_line(value: str, limit: int) -> str:
    """Return *value* as :func:`clean_text` does, on one line with single spaces."""
    return " ".join(clean_text(value, limit).split())


def safe_text(value: object, limit: int) -> str:
    """
    Return ``str(value)`` cleaned and cut, whatever ``__str__`` does.

    A foreign ``__str__`` may raise anything, ``SystemExit`` included, or return
    what is not text (FAULTS C20); then ``<unprintable>`` is returned.
    """
    try:
        text = str(value)
        if type(text) is not str:
            text = str.__str__(text)
    except BaseException:  # noqa: BLE001  a foreign __str__ may raise SystemExit
        return UNPRINTABLE
    return clean_text(text, limit)


def uuid7() -> uuid.UUID:
    """Return a new UUID version 7 (RFC 9562, 5.7): 48 bits of milliseconds, then random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return uuid.UUID(int=value)


def hour_of(moment: dt.datetime) -> dt.datetime:
    """Return the start of the hour that *moment* lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)
