"""
An event as a journal has it: four lines of JSON, three of which are columns of its row already.

Only the first is read again on the way to the database; stacktrace, request
and context go there as the text that they are. Knows no journal and no table.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from error_tracking.events import EVENT_BYTES, Event, ExceptionInfo, plain

_NAMES = {field.name for field in dataclasses.fields(Event)}
_HEAD = tuple(sorted(_NAMES - {"exceptions", "request", "context"}))
_FIELDS = {*_HEAD, "exception_type", "exception_message"}
_encode = json.JSONEncoder(ensure_ascii=False).encode  # spaced as Django does it, whose lookups compare text


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PackedEvent(Event):
    """
    An event whose payload is JSON text: ``stacktrace``, ``request_data``, ``request_context``.

    ``exceptions``, ``request`` and ``context`` are empty until it is unpacked.
    """

    exception_type: str = ""
    exception_message: str = ""
    stacktrace: str = "[]"
    request_data: str = "{}"
    request_context: str = "{}"

    def unpacked(self) -> Event:
        """Return the event as it was captured; frames are dicts."""
        values = {name: getattr(self, name) for name in _HEAD}
        exceptions = tuple(ExceptionInfo(**each) for each in json.loads(self.stacktrace))
        request, context = json.loads(self.request_data), json.loads(self.request_context)
        return Event(**values, exceptions=exceptions, request=request, context=context)

    def bare(self) -> Event:
        """Return the event without its payload."""
        return self.unpacked().bare()


def to_bytes(event: Event) -> bytes:
    """Return *event* for a journal; one that is too long as :meth:`Event.to_bytes` cuts it, in one line."""
    data = "\n".join(_lines(event)).encode()
    return data if len(data) <= EVENT_BYTES else event.to_bytes()


def from_bytes(data: bytes) -> Event:
    """
    Return the event that :func:`to_bytes` wrote, packed unless it is in one line; frames are dicts.

    Raises:
        ValueError: *data* is no event.
    """
    lines = data.decode().split("\n")
    return Event.from_bytes(data, is_plain=True) if len(lines) == 1 else _packed(lines)


def packed(event: Event) -> PackedEvent:
    """Return *event* with its payload as text."""
    return event if isinstance(event, PackedEvent) else _packed(_lines(event))


def _lines(event: Event) -> list[str]:
    head: dict[str, Any] = {name: getattr(event, name) for name in _HEAD}
    raised = event.exceptions[0] if event.exceptions else None
    head["exception_type"] = raised.qualified_type if raised else ""
    head["exception_message"] = raised.message if raised else event.message
    return [_encode(part) for part in (head, [plain(info) for info in event.exceptions], event.request, event.context)]


def _packed(lines: list[str]) -> PackedEvent:
    head = json.loads(lines[0])
    try:
        values = {name: head[name] for name in _FIELDS & head.keys()}
        values["stacktrace"], values["request_data"], values["request_context"] = lines[1:]
        return PackedEvent(**values)
    except (TypeError, AttributeError) as error:
        msg = f"not an event: {error}"
        raise ValueError(msg) from error
