"""
The values that travel down the pipeline: an event, its exceptions, their frames.

Plain Python: no Django, no database, no reference to a live object, so that an event
can wait in a journal and cross a process. Nothing changes one of these values: a copy
is made (``dataclasses.replace``). An event and a fold are not frozen, because one of
each is made for every failure in a storm: Python takes five times as long to make a
frozen object, which for an event is a tenth of what a repeated failure costs.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import struct
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

from .subjects import CLASSES, subject_of

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
# Of the innermost frames: a cycle of ten functions goes round three times in them.
RECURSION_FRAMES = 30

#: Names of exceptions that mean that something could not be reached.
OUTAGE = re.compile(
    r"(operational|interface|connect\w*|timeout|unavailable|brokenpipe|gai)(error"
    r"|exception)?$",
    re.IGNORECASE,
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
        if self.module in {"", "builtins"}:
            return self.type
        return f"{self.module}.{self.type}"

    def without_vars(self) -> ExceptionInfo:
        """Return the same without local variables."""
        return dataclasses.replace(
            self,
            frames=tuple(dataclasses.replace(each, vars={}) for each in self.frames),
        )

    @property
    def culprit(self) -> str:
        """
        Return ``module.function`` of the innermost in-app frame, or ``""``.

        Endless recursion strikes anywhere in its cycle: its culprit is where it began.
        """
        frames = self.recursion_cycle if self.is_recursion else self.frames[::-1]
        for frame in frames:
            if frame.in_app:
                return f"{frame.module}.{frame.function}"
        return ""

    @property
    def place(self) -> str:
        """Return the culprit, else the template or a library's innermost function."""
        if self.culprit or not self.frames:
            return self.culprit
        for frame in reversed(self.frames):
            if frame.module == frame.filename:  # a template's module is its name
                return frame.filename
        innermost = self.frames[-1]
        for frame in reversed(self.frames):
            # How Python imports is never the place: who imported is.
            if frame.module.partition(".")[0] != "importlib":
                innermost = frame
                break
        # Functions that Cython compiled have the name of their module, too.
        function = innermost.function.removeprefix(f"{innermost.module}.")
        return f"{innermost.module}.{function}"

    @property
    def subject(self) -> str:
        """Return what the message names: "column shop_order.total"."""
        return subject_of(self.type, self.message) if self.type in CLASSES else ""

    @property
    def is_recursion(self) -> bool:
        """Return whether this is endless recursion."""
        return self.type == "RecursionError"

    @property
    def recursion_cycle(self) -> list[Frame]:
        """
        Return the first frame of each function that endless recursion goes round in.

        Those are the functions that occur more than once among the innermost frames.
        Where the limit struck, and how deep the recursion began, differs each time.
        """
        names = [(frame.module, frame.function) for frame in self.frames]
        counts = Counter(names[-RECURSION_FRAMES:])
        cycle: dict[tuple[str, str], Frame] = {}
        for name, frame in zip(names, self.frames, strict=True):
            if counts[name] > 1:
                cycle.setdefault(name, frame)
        return list(cycle.values())


@dataclasses.dataclass(slots=True, kw_only=True)
class Event:
    """
    One thing that went wrong, scrubbed and fingerprinted, just captured.

    ``timestamp`` is seconds since the epoch; ``exceptions`` starts with the one
    that was raised, its causes follow. ``client`` is a keyed hash that tells
    clients apart and identifies nobody; ``is_evidence`` says that a client error
    shows a fault of the site (linked from this host, or a signed-in user).
    ``has_own_origin`` says of a CSRF failure that its ``Origin`` names this host.
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
    has_own_origin: bool = False
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
        what its message names (a column, table or host), else where it was raised: a
        place in the site's own code, or one where a library could not reach
        something. What else a library raises has many causes.
        """
        chain = list(
            itertools.takewhile(
                lambda info: info.relation in {"", "cause"}, self.exceptions
            )
        )
        if not chain or not chain[-1].frames:
            return ""
        kind, innermost = chain[-1].qualified_type, chain[-1].frames[-1]
        subjects = [info.subject for info in chain if info.subject]
        if subjects:
            # One missing column fails in many places: it is the cause, not they.
            return f"{kind}: {subjects[-1]}"
        if not innermost.in_app and not OUTAGE.search(kind):
            return ""
        return f"{kind} in {innermost.module}.{innermost.function}"

    def to_bytes(self) -> bytes:
        """
        Return the event as UTF-8 of at most ``EVENT_BYTES``.

        What is largest goes first.

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
            data = "\n".join(
                map(_encode, (head, event.exceptions, event.request, event.context))
            ).encode()
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
        """Return the event without its payload: enough to count it."""
        return dataclasses.replace(
            self,
            request={"truncated": True},
            context={},
            traceback="",
            exceptions=tuple(
                dataclasses.replace(info, frames=()) for info in self.exceptions[:1]
            ),
        )


#: The fields that are no payload.
HEAD = tuple(
    sorted(
        {field.name for field in dataclasses.fields(Event)}
        - {"exceptions", "request", "context"}
    )
)


@dataclasses.dataclass(slots=True, kw_only=True)
class Fold:
    """
    Up to ``MOST`` events that are counted only.

    The one with ``event_id`` was stored whole and represents them.

    ``timestamp`` is seconds since the epoch, exact to the millisecond.
    """

    event_id: str
    fingerprint: str
    timestamp: float
    error_type: str
    status_code: int = 0
    client: str = ""
    is_evidence: bool = False
    has_own_origin: bool = False
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
            | self.has_own_origin << 15
        )
        ids = (
            bytes.fromhex(self.event_id.replace("-", "")),
            bytes.fromhex(self.fingerprint),
        )
        return self.LAYOUT.pack(
            *ids, high, low, bytes.fromhex(self.client or "00"), flags, self.count
        )

    @classmethod
    def peek(cls, data: bytes) -> tuple[int, bytes]:
        """
        Return when the fold happened in milliseconds, and its other bytes.

        The others are equal for folds that differ in time and count only.

        Raises:
            ValueError: *data* is no fold.
        """
        if len(data) != cls.LAYOUT.size:
            raise ValueError(f"not a fold: {len(data)} bytes")
        return int.from_bytes(data[34:38] + data[32:34], "little"), data[:32] + data[
            38:48
        ]

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
                has_own_origin=bool(flags >> 15 & 1),
                count=count,
            )
        except (struct.error, IndexError) as error:
            raise ValueError(f"not a fold: {error}") from error


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    How an event ended that was captured as handled: its exception was raised again.

    Corrects what is stored of the event with ``event_id``, and is no event itself.
    """

    event_id: str
    fingerprint: str
    timestamp: float
    error_type: str
    status_code: int = 0
    status_before: int = 0

    LAYOUT = struct.Struct("<16s16sQBHH")

    @classmethod
    def of(cls, event: Event, status_code: int) -> Self:
        """Return the outcome of *event*, which was answered with *status_code*."""
        return cls(
            event_id=event.event_id,
            fingerprint=event.fingerprint,
            timestamp=event.timestamp,
            error_type=event.error_type,
            status_code=status_code,
            status_before=event.status_code,
        )

    def to_bytes(self) -> bytes:
        """Return the outcome as 45 bytes."""
        return self.LAYOUT.pack(
            bytes.fromhex(self.event_id.replace("-", "")),
            bytes.fromhex(self.fingerprint),
            int(self.timestamp * 1_000),
            KINDS.index(self.error_type),
            self.status_code,
            self.status_before,
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """
        Return the outcome that :meth:`to_bytes` wrote.

        Raises:
            ValueError: *data* is no outcome.
        """
        try:
            key, fingerprint, moment, kind, status, before = cls.LAYOUT.unpack(data)
            return cls(
                event_id=str(uuid.UUID(bytes=key)),
                fingerprint=fingerprint.hex(),
                timestamp=moment / 1_000,
                error_type=KINDS[kind],
                status_code=status,
                status_before=before,
            )
        except (struct.error, IndexError) as error:
            raise ValueError(f"not an outcome: {error}") from error


def _fields(value: ExceptionInfo | Frame) -> dict[str, Any]:
    """
    Return the fields of *value* by name.

    ``dataclasses.asdict`` would copy each of them deeply.
    """
    return {name: getattr(value, name) for name in value.__slots__}


# Spaced as Django does it, whose lookups compare text.
_encode = json.JSONEncoder(ensure_ascii=False, default=_fields).encode
