"""
The values that travel down the pipeline: an event, its exceptions, their frames.

Frozen and plain Python: no Django, no database, no reference to a live object,
so that an event can wait in a journal and cross a process.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Self

EXCEPTION = "exception"
SERVER_ERROR = "http_5xx"
CLIENT_ERROR = "http_4xx"
CSRF = "csrf"
MESSAGE = "message"

CLIENT_KINDS = frozenset({CLIENT_ERROR, CSRF})
LEVELS = ("debug", "info", "warning", "error", "fatal")  # from harmless to worst

EVENT_BYTES = 65_536


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a stacktrace; the keys are Sentry's names."""

    filename: str
    abs_path: str
    module: str
    function: str
    lineno: int
    context_line: str = ""
    pre_context: tuple[str, ...] = ()
    post_context: tuple[str, ...] = ()
    in_app: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class ExceptionInfo:
    """One exception of a chain: its type, message and frames, outermost call first."""

    type: str
    module: str
    message: str
    frames: tuple[Frame, ...] = ()
    relation: str = ""  # "cause", "context" or "member" of the exception before it

    @property
    def qualified_type(self) -> str:
        """Return the type with its module, as Python prints it: builtins have none."""
        return self.type if self.module in {"", "builtins"} else f"{self.module}.{self.type}"

    @property
    def culprit(self) -> str:
        """Return ``module.function`` of the innermost in-app frame, or ``""``."""
        for frame in reversed(self.frames):
            if frame.in_app:
                return f"{frame.module}.{frame.function}"
        return ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    One thing that went wrong, scrubbed and fingerprinted, just captured.

    ``timestamp`` is seconds since the epoch; ``exceptions`` starts with the one
    that was raised, its causes follow. ``client`` is a keyed hash that tells
    clients apart and identifies nobody; ``is_evidence`` says that a client error
    shows a fault of the site (linked from this host, or a signed-in user).
    """

    event_id: str
    reference: str
    timestamp: float
    error_type: str
    mechanism: str
    fingerprint: str
    fingerprint_version: int
    title: str
    handled: bool = False
    level: str = "error"
    status_code: int = 0
    method: str = ""
    route: str = ""
    url: str = ""
    message: str = ""
    culprit: str = ""
    exceptions: tuple[ExceptionInfo, ...] = ()
    traceback: str = ""
    user_id: str = ""
    user_label: str = ""
    ip_address: str = ""
    user_agent: str = ""
    client: str = ""
    is_evidence: bool = False
    request: dict[str, Any] = dataclasses.field(default_factory=dict)
    release: str = ""
    environment: str = ""
    server_name: str = ""

    def to_bytes(self) -> bytes:
        """Return the event as UTF-8 JSON of at most ``EVENT_BYTES``; what is largest goes first."""
        data = _encode(self)
        if len(data) <= EVENT_BYTES:
            return data
        first = self.exceptions[:1]
        for smaller in (
            dataclasses.replace(self, request={"truncated": True}),
            dataclasses.replace(self, request={"truncated": True}, traceback=self.traceback[:8_000]),
            dataclasses.replace(self, request={"truncated": True}, traceback=self.traceback[:8_000], exceptions=first),
        ):
            data = _encode(smaller)
            if len(data) <= EVENT_BYTES:
                return data
        return _encode(self.bare())

    def bare(self) -> Event:
        """Return the event without its payload: what is needed to count it in the right place."""
        return dataclasses.replace(
            self,
            request={"truncated": True},
            traceback="",
            exceptions=tuple(dataclasses.replace(info, frames=()) for info in self.exceptions[:1]),
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """
        Return the event that :meth:`to_bytes` wrote, also one of another release.

        Fields that this release does not know are left out; missing ones have
        their defaults.

        Raises:
            ValueError: *data* is no event.
        """
        raw = json.loads(data)
        if not isinstance(raw, dict):
            msg = "an event is a JSON object"
            raise ValueError(msg)  # noqa: TRY004  the caller's contract: what cannot be read is a ValueError
        names = {field.name for field in dataclasses.fields(cls)}
        values = {name: value for name, value in raw.items() if name in names}
        values["exceptions"] = tuple(_exception_from(item) for item in raw.get("exceptions", ()))
        try:
            return cls(**values)
        except TypeError as error:
            msg = f"not an event: {error}"
            raise ValueError(msg) from error


def _encode(event: Event) -> bytes:
    return json.dumps(event, default=_fields, ensure_ascii=False, separators=(",", ":")).encode()


def _fields(value: Event | ExceptionInfo | Frame) -> dict[str, Any]:
    """Return the fields of *value* by name; ``dataclasses.asdict`` would copy each of them deeply."""
    return {name: getattr(value, name) for name in value.__slots__}


def _exception_from(raw: dict[str, Any]) -> ExceptionInfo:
    frames = tuple(
        Frame(**{**frame, "pre_context": tuple(frame["pre_context"]), "post_context": tuple(frame["post_context"])})
        for frame in raw["frames"]
    )
    return ExceptionInfo(**{**raw, "frames": frames})
