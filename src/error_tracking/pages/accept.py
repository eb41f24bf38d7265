"""
Which of the media types that we can send a client prefers, by its ``Accept`` header.

Pure text. Reads a bounded part of the header: Django's own
``get_preferred_type()`` reads all of it, and a client may send 64 kB.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

HEADER_CHARS = 1_000
EXACT, SUFFIX, TYPE, ANYTHING = 4, 2, 1, 0
WITH_PARAMETERS = (
    3  # text/html;level=1 says less of plain text/html than text/html does
)


@functools.lru_cache(maxsize=256)
def preferred(header: str, offers: tuple[str, ...]) -> str:
    """
    Return the offer that the client prefers (RFC 9110, 12.5.1).

    ``""`` where it accepts none.

    The quality of an offer is that of the most specific range which matches it.
    Of equal qualities the more specifically named one is preferred, then the
    earlier of *offers*.

    Args:
        header: The value of ``Accept``; an empty one accepts everything.

        offers: Media types in lower case, without parameters.

    The answers are kept: a few browsers send most headers.
    """
    ranges = _ranges(header[:HEADER_CHARS].lower())
    best, best_rank = "", (0.0, ANYTHING)
    for offer in offers:
        rank = _rank(offer, ranges)
        if rank[0] > 0 and (not best or rank > best_rank):
            best, best_rank = offer, rank
    return best


@dataclasses.dataclass(frozen=True, slots=True)
class _Range:
    """One element of the header, such as ``text/*;q=0.5``."""

    name: str
    quality: float
    has_parameters: bool


def _rank(offer: str, ranges: Sequence[_Range]) -> tuple[float, int]:
    """Return the quality of *offer*, and how specific the range is that says so."""
    if not ranges:
        return 1.0, ANYTHING
    found = (0.0, -1)
    for each in ranges:
        specificity = _specificity(each.name, offer, has_parameters=each.has_parameters)
        if specificity > found[1]:
            found = each.quality, specificity
    return found


def _specificity(name: str, offer: str, *, has_parameters: bool) -> int:
    """Return how specifically the range *name* means *offer*, -1 where it does not."""
    if name == offer:
        return WITH_PARAMETERS if has_parameters else EXACT
    main, _, sub = offer.partition("/")
    if name.endswith(f"+{sub}"):  # application/problem+json is JSON (RFC 6839)
        return SUFFIX
    if name == f"{main}/*":
        return TYPE
    if name in {"*/*", "*"}:
        return ANYTHING
    return -1


# Browsers of one kind send one header.
@functools.lru_cache(maxsize=64)
def _ranges(header: str) -> tuple[_Range, ...]:
    found = []
    for part in header.split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if not name:
            continue
        quality, has_parameters = 1.0, False
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                quality = _quality(value)
                break  # what follows is no part of the media type
            has_parameters = True
        found.append(_Range(name, quality, has_parameters))
    return tuple(found)


def _quality(value: str) -> float:
    """Return the number in *value*, between 0 and 1; 0 for what is no number."""
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    # NaN, for which no comparison holds, is no number either.
    return min(quality, 1.0) if quality > 0 else 0.0
