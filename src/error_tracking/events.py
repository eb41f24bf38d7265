"""
The values that travel down the pipeline: an event, its exceptions, their frames.

Frozen and plain Python: no Django, no database, no reference to a live object,
so that an event can wait in a journal and cross a process.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import struct
import uuid
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

EXCEPTION = "exception"
SERVER_ERROR = "http_5xx"
CLIENT_ERROR = "http_4xx"
CSRF = "csrf"
MESSAGE = "message"

CLIENT_KINDS = frozenset({CLIENT_ERROR, CSRF})
LEVELS = ("debug", "info", "warning", "error", "fatal")  # from harmless to worst

KINDS = (EXCEPTION, SERVER_ERROR, CLIENT_ERROR, CSRF, MESSAGE)

EVENT_BYTES = 65_536

#: What exceptions are called that say that something could not be reached.
OUTAGE = re.compile(
    r"(operational|interface|connect\w*|timeout|unavailable|brokenpipe|gai)(error|exception)?$", re.IGNORECASE
)


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
    vars: dict[str, Any] = dataclasses.field(default_factory=dict)


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

    def without_vars(self) -> ExceptionInfo:
        """Return the same without local variables."""
        return dataclasses.replace(self, frames=tuple(dataclasses.replace(each, vars={}) for each in self.frames))

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
    ``context`` is what is known besides the request: tags, breadcrumbs, extra
    values, the task or command, the trace it belongs to.
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
    context: dict[str, Any] = dataclasses.field(default_factory=dict)
    release: str = ""
    environment: str = ""
    server_name: str = ""

    @property
    def count(self) -> int:
        """Return 1: an event stands for itself."""
        return 1

    @property
    def cause(self) -> str:
        """
        Return what many errors at once may have in common, ``""`` for nothing.

        That is the type the exception comes from, by its explicit causes, and
        where it was raised: a place in the site's own code, or one where a library
        could not reach something. What else a library raises has many causes.
        """
        chain = list(itertools.takewhile(lambda info: info.relation in {"", "cause"}, self.exceptions))
        if not chain or not chain[-1].frames:
            return ""
        kind, innermost = chain[-1].qualified_type, chain[-1].frames[-1]
        if not innermost.in_app and not OUTAGE.search(kind):
            return ""
        return f"{kind} in {innermost.module}.{innermost.function}"

    def to_bytes(self) -> bytes:
        """
        Return the event as UTF-8 of at most ``EVENT_BYTES``; what is largest goes first.

        It is four lines of JSON: what an event is found and counted by, then
        exceptions, request and context, as they go into their columns.
        """
        data = b""
        for event in self._ever_smaller():
            raised = event.exceptions[0] if event.exceptions else None
            head = {name: getattr(event, name) for name in HEAD}
            head["cause"] = event.cause
            head["exception_type"] = raised.qualified_type if raised else ""
            head["exception_message"] = raised.message if raised else event.message
            data = "\n".join(map(_encode, (head, event.exceptions, event.request, event.context))).encode()
            if len(data) <= EVENT_BYTES:
                break
        return data

    def _ever_smaller(self) -> Iterator[Event]:
        smaller = self
        yield smaller
        for change in (
            {"exceptions": tuple(info.without_vars() for info in self.exceptions)},
            {"request": {"truncated": True}},
            {"context": {"truncated": True}},
            {"traceback": self.traceback[:8_000]},
            {"exceptions": tuple(info.without_vars() for info in self.exceptions[:1])},
        ):
            smaller = dataclasses.replace(smaller, **change)
            yield smaller
        yield self.bare()

    def bare(self) -> Event:
        """Return the event without its payload: what is needed to count it in the right place."""
        return dataclasses.replace(
            self,
            request={"truncated": True},
            context={},
            traceback="",
            exceptions=tuple(dataclasses.replace(info, frames=()) for info in self.exceptions[:1]),
        )


#: The fields that are no payload.
HEAD = tuple(sorted({field.name for field in dataclasses.fields(Event)} - {"exceptions", "request", "context"}))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """
    Up to ``MOST`` events that are counted only; the one with ``event_id`` was stored for them.

    ``timestamp`` is seconds since the epoch, exact to the millisecond.
    """

    event_id: str
    fingerprint: str
    timestamp: float
    error_type: str
    status_code: int = 0
    client: str = ""
    is_evidence: bool = False
    count: int = 1

    LAYOUT = struct.Struct("<16s16sHI8sHB")
    MOST = 255

    @classmethod
    def of(cls, event: Event) -> Self:
        """Return what is counted of *event*."""
        return cls(**{name: getattr(event, name) for name in cls.__slots__})

    def to_bytes(self) -> bytes:
        """Return the fold as 49 bytes."""
        high, low = divmod(int(self.timestamp * 1_000), 1 << 32)
        flags = (
            self.status_code % 1_024
            | KINDS.index(self.error_type) << 10
            | self.is_evidence << 13
            | bool(self.client) << 14
        )
        ids = bytes.fromhex(self.event_id.replace("-", "")), bytes.fromhex(self.fingerprint)
        return self.LAYOUT.pack(*ids, high, low, bytes.fromhex(self.client or "00"), flags, self.count)

    @classmethod
    def peek(cls, data: bytes) -> tuple[int, bytes]:
        """
        Return the milliseconds in a fold's bytes, and what they share with those that differ in time and count only.

        Raises:
            ValueError: *data* is no fold.
        """
        if len(data) != cls.LAYOUT.size:
            raise ValueError(f"not a fold: {len(data)} bytes")
        return int.from_bytes(data[34:38] + data[32:34], "little"), data[:32] + data[38:48]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """
        Return the fold that :meth:`to_bytes` wrote.

        Raises:
            ValueError: *data* is no fold.
        """
        try:
            key, fingerprint, high, low, client, flags, count = cls.LAYOUT.unpack(data)
            return cls(
                event_id=str(uuid.UUID(bytes=key)),
                fingerprint=fingerprint.hex(),
                timestamp=((high << 32) + low) / 1_000,
                error_type=KINDS[flags >> 10 & 7],
                status_code=flags & 1_023,
                client=client.hex() if flags >> 14 & 1 else "",
                is_evidence=bool(flags >> 13 & 1),
                count=count,
            )
        except (struct.error, IndexError) as error:
            raise ValueError(f"not a fold: {error}") from error


def _fields(value: ExceptionInfo | Frame) -> dict[str, Any]:
    """Return the fields of *value* by name; ``dataclasses.asdict`` would copy each of them deeply."""
    return {name: getattr(value, name) for name in value.__slots__}


# Spaced as Django does it, whose lookups compare text.
_encode = json.JSONEncoder(ensure_ascii=False, default=_fields).encode
