"""
Exceptions of Channels' consumers: WebSockets, channel layers and workers.

They end the connection and go to the server, which only logs them. Channels has no
hook for them; a wrapper in ``asgi.py`` would not know the consumer, and every project
would have to add it. ``AsyncConsumer.__call__`` runs each connection, also of
synchronous consumers: it is wrapped. A connection is a unit of work of its own.
"""

from __future__ import annotations

import functools
from typing import Any

from channels.consumer import AsyncConsumer

from error_tracking import conf
from error_tracking.capture import context
from error_tracking.capture.service import ErrorCaptureService

_service = ErrorCaptureService()


def connect() -> None:
    """Wrap ``AsyncConsumer.__call__``."""
    original = AsyncConsumer.__call__

    @functools.wraps(original)
    async def run(self: Any, scope: Any, receive: Any, send: Any) -> Any:
        with context.unit_of_work():
            try:
                return await original(self, scope, receive, send)
            except Exception as error:
                _capture(self, scope, error)
                raise

    AsyncConsumer.__call__ = run


def _capture(consumer: Any, scope: Any, error: Exception) -> None:
    if "channels" in conf.get_settings().DISABLE:
        return
    kind = type(consumer)
    name = f"{kind.__module__}.{kind.__qualname__}"
    _service.capture_exception(
        None,
        error,
        mechanism="channels",
        where=f"consumer {name}",
        more=lambda: {"connection": _connection_values(name, scope)},
    )


def _connection_values(name: str, scope: Any) -> dict[str, object]:
    """Return what is known of the connection; the user is lazy and is not woken."""
    values = scope if type(scope) is dict else {}
    return {
        "consumer": name,
        "type": values.get("type"),
        "path": values.get("path"),
        "subprotocols": values.get("subprotocols"),
    }
