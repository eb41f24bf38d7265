"""
An event as it was read from a journal: its payload is still JSON text.

A journal has four lines of JSON per event, and three of them are columns of its row
already. Only the first is decoded again on the way to the database. Knows no journal
and no table.
"""

from __future__ import annotations

import dataclasses
import json

from error_tracking.events.event import HEAD, Event


@dataclasses.dataclass(slots=True, kw_only=True)
class PackedEvent(Event):
    """
    An event whose payload is JSON text, in the fields added here.

    Its ``exceptions``, ``request`` and ``context`` are empty.
    """

    cause: str = ""
    exception_type: str = ""
    exception_message: str = ""
    stacktrace: str = "[]"
    request_data: str = "{}"
    context_json: str = "{}"

    def bare(self) -> Event:
        """Return the event without its payload."""
        raised = json.loads(self.stacktrace)[:1]
        without_frames = [{**exception, "frames": []} for exception in raised]
        return dataclasses.replace(
            self,
            traceback="",
            stacktrace=json.dumps(without_frames),
            request_data='{"truncated": true}',
            context_json="{}",
        )


_FIELDS = {*HEAD, "cause", "exception_type", "exception_message"}


def event_from_bytes(data: bytes) -> PackedEvent:
    """
    Return the event that :meth:`Event.to_bytes` wrote, perhaps in another release.

    Fields that this release does not know are left out; missing ones have their
    defaults.

    Raises:
        ValueError: *data* is no event.
    """
    head, *payload = data.decode().split("\n")
    values = json.loads(head)
    try:
        known = {name: values[name] for name in _FIELDS & values.keys()}
        stacktrace, request_data, context_json = payload
        return PackedEvent(
            **known,
            stacktrace=stacktrace,
            request_data=request_data,
            context_json=context_json,
        )
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not an event: {error}") from error


def packed(event: Event) -> PackedEvent:
    """Return *event* with its payload as text."""
    if isinstance(event, PackedEvent):
        return event
    return event_from_bytes(event.to_bytes())
