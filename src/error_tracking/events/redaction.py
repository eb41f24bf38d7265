"""Takes what was filtered in one field of an event out of its other fields."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from error_tracking.scrubbing.values import FILTERED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .event import Event, ExceptionInfo

_TEXTS = ("title", "message", "url", "route", "traceback", "user_agent")


def without_values(event: Event, values: set[str]) -> Event:
    """
    Return *event* without *values* in its texts.

    Source lines are the project's own, and stay.
    """
    spellings = values | {quote(value, safe="") for value in values}
    # Most stand nowhere else, which is quick to see in all texts at once.
    everything = "\n".join(_texts_of(event))
    found = [value for value in spellings if value in everything]
    if not found:
        return event
    found.sort(key=len, reverse=True)
    changes: dict[str, Any] = {}
    for name in _TEXTS:
        changes[name] = _without_in_text(getattr(event, name), found)
    for name in ("request", "context"):
        changes[name] = _without(getattr(event, name), found)
    changes["exceptions"] = tuple(
        _without_in_exception(info, found) for info in event.exceptions
    )
    return dataclasses.replace(event, **changes)


def _texts_of(event: Event) -> Iterator[str]:
    """Yield the texts that :func:`without_values` reads."""
    for name in _TEXTS:
        yield getattr(event, name)
    yield from _texts_in(event.request)
    yield from _texts_in(event.context)
    for info in event.exceptions:
        yield info.message
        for frame in info.frames:
            yield from _texts_in(frame.vars)


def _texts_in(value: Any) -> Iterator[str]:
    """Yield the texts and names in plain data."""
    if type(value) is str:
        yield value
    elif type(value) is dict:
        for key, item in value.items():
            yield str(key)
            yield from _texts_in(item)
    elif type(value) is list:
        for item in value:
            yield from _texts_in(item)


def _without_in_exception(info: ExceptionInfo, values: list[str]) -> ExceptionInfo:
    frames = info.frames
    if any(frame.vars for frame in frames):
        frames = tuple(
            dataclasses.replace(frame, vars=_without(frame.vars, values))
            if frame.vars
            else frame
            for frame in frames
        )
    message = _without_in_text(info.message, values)
    return dataclasses.replace(info, message=message, frames=frames)


def _without(value: Any, values: list[str]) -> Any:
    """Return plain data without *values* in its texts and names."""
    if type(value) is str:
        return _without_in_text(value, values)
    if type(value) is dict:
        return {
            _without(key, values): _without(item, values) for key, item in value.items()
        }
    if type(value) is list:
        return [_without(item, values) for item in value]
    return value


def _without_in_text(text: str, values: list[str]) -> str:
    """
    Return *text* without *values* where they are words of their own.

    "abc123" is not in "xabc1234".

    One pattern of all of them would take milliseconds to compile, for each event anew.
    """
    for value in values:
        if value in text:
            text = _without_word(text, value)
    return text


def _without_word(text: str, value: str) -> str:
    pieces: list[str] = []
    kept_from = 0
    start = text.find(value)
    while start >= 0:
        end = start + len(value)
        is_inside = text[start - 1 : start].isalnum() or text[end : end + 1].isalnum()
        if is_inside:
            start = text.find(value, start + 1)
            continue
        pieces += [text[kept_from:start], FILTERED]
        kept_from = end
        start = text.find(value, end)
    return "".join([*pieces, text[kept_from:]])
