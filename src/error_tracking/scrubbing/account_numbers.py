"""
Finds numbers of payment cards and bank accounts, by their check digits.

Takes time linear in the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .values import FILTERED, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

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


# Other signs may as well stand in a number, a date or a version, so all four groups
# have to be there.
_FOURS = re.compile(r"(?<![\w.])[0-9]{4}([._/])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?!\w)")


def card_spans(text: str) -> Iterator[Span]:
    """Yield card numbers, in one piece or in groups between spaces or dashes."""
    for fours in _FOURS.finditer(text):
        if is_card(fours[0].replace(fours[1], "")):
            yield fours.start(), fours.end(), FILTERED
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
    r"|[a-z][a-z]\d\d(?<!\w....)(?: ?[a-z0-9]{4}){2,7}+(?: ?[a-z0-9]{1,3})?(?!\w)"
)


def iban_spans(text: str) -> Iterator[Span]:
    """Yield bank account numbers whose check digits are right (ISO 13616)."""
    for found in _IBAN.finditer(text):
        compact = found[0].replace(" ", "")
        moved = compact[4:] + compact[:4]
        if int("".join(str(int(char, 36)) for char in moved)) % 97 == 1:
            yield found.start(), found.end(), FILTERED
