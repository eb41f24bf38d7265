"""
An event read from a journal: four lines of JSON, three of which are columns of its row already.

Only the first is read again on the way to the database; stacktrace, request
and context go there as the text that they are. Knows no journal and no table.
"""

from __future__ import annotations

import dataclasses
import json

from error_tracking.events import HEAD, Event


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PackedEvent(Event):
    """
    An event whose payload is JSON text: ``stacktrace``, ``request_data``, ``request_context``.

    ``exceptions``, ``request`` and ``context`` are empty.
    """

    cause: str = ""
    exception_type: str = ""
    exception_message: str = ""
    stacktrace: str = "[]"
    request_data: str = "{}"
    request_context: str = "{}"

    def bare(self) -> Event:
        """Return the event without its payload."""
        raised = json.dumps([{**info, "frames": []} for info in json.loads(self.stacktrace)[:1]])
        return dataclasses.replace(
            self, traceback="", stacktrace=raised, request_data='{"truncated": true}', request_context="{}"
        )


_FIELDS = {*HEAD, "cause", "exception_type", "exception_message"}


def from_bytes(data: bytes) -> PackedEvent:
    """
    Return the event that :meth:`Event.to_bytes` wrote, also one of another release.

    Fields that this release does not know are left out; missing ones have their
    defaults.

    Raises:
        ValueError: *data* is no event.
    """
    head, *payload = data.decode().split("\n")
    values = json.loads(head)
    try:
        values = {name: values[name] for name in _FIELDS & values.keys()}
        values["stacktrace"], values["request_data"], values["request_context"] = payload
        return PackedEvent(**values)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not an event: {error}") from error


def packed(event: Event) -> PackedEvent:
    """Return *event* with its payload as text."""
    return event if isinstance(event, PackedEvent) else from_bytes(event.to_bytes())
