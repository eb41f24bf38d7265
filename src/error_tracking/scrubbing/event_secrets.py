"""
Collects what the scrubber filters by name while one event is put together.

A token that a route took from the path is filtered as the argument it became, but may
stand in a message, too: ``events.redaction`` then takes it out of the other fields.
"""

from __future__ import annotations

import contextlib
import contextvars
import re
from typing import TYPE_CHECKING

from .values import FILTERED, is_mixed, is_word

if TYPE_CHECKING:
    from collections.abc import Iterator

# Shorter values are in too many other words.
SHORTEST = 6
# A longer one is unlikely to stand elsewhere word for word, and would cost more to look
# for.
LONGEST = 500
# Bounds the time: a form has few secrets.
MOST_VALUES = 30

_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")

_collected: contextvars.ContextVar[set[str] | None] = contextvars.ContextVar(
    "error_tracking_filtered_values", default=None
)


@contextlib.contextmanager
def collecting() -> Iterator[set[str]]:
    """Collect the values that are filtered by their names within the block."""
    values: set[str] = set()
    token = _collected.set(values)
    try:
        yield values
    finally:
        _collected.reset(token)


def note(value: object) -> None:
    """
    Remember *value*, which was filtered.

    Nothing is done outside of :func:`collecting`.
    """
    values = _collected.get()
    if values is None or len(values) >= MOST_VALUES:
        return
    if type(value) is str:
        text = value[: LONGEST + 1].strip("\\\"'`,;()[]{} \n")
        if is_recognisable(text):
            values.add(text)


def note_all(values: object) -> None:
    """Remember *values*, a text or a list of them, as :func:`note` does."""
    if type(values) is list:
        for value in values[:MOST_VALUES]:
            note(value)
    else:
        note(values)


def is_recognisable(value: str) -> bool:
    """
    Return whether *value* stands for itself wherever it is.

    No word, no dotted name, no short number.
    """
    if not SHORTEST <= len(value) <= LONGEST or _NAME.fullmatch(value):
        return False
    if value.startswith("[") and FILTERED in value:
        return False
    if value.isdigit():
        return len(value) >= SHORTEST
    if value.isalpha():
        is_random_case = not (value.islower() or value.isupper() or value.istitle())
        return is_random_case or (len(value) >= 8 and not is_word(value))
    return is_mixed(value) or any(map(str.isdigit, value))
