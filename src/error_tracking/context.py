"""
What the host's code tells of the unit of work at hand: tags, a user, breadcrumbs.

A unit is one request, task or command, and lives in a context variable: it
crosses ``await`` and whatever carries the context to another thread, and two
units never mix. Must not read anything lazy: values are taken as they are.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
import weakref
from collections import deque
from contextvars import ContextVar
from itertools import islice
from typing import TYPE_CHECKING, Any

from . import conf
from .utils import PLAIN, clean_line, clean_text, safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.http import HttpRequest

    from .events import Event
    from .scrubbing import Scrubber

STATE = "_error_tracking"
BREADCRUMBS = 30
BREADCRUMB_CHARS = 300
TAGS = 30
TAG_NAME_CHARS = 50
TAG_CHARS = 200
DATA_ITEMS = 20
EVENTS = 10


class Unit:
    """One request, task or command; ``key`` tells it apart from every other one."""

    # Of the class: a request that neither fails nor tells anything sets nothing.
    is_begun = False
    is_over = False
    tags: dict[str, str] | None = None
    user: tuple[str, str] | None = None
    breadcrumbs: deque[tuple[float, str, str, str, Any]] | None = None
    events: dict[str, Event] | None = None
    _key = ""

    @property
    def key(self) -> str:
        """Return what an exception is marked with that was captured in this unit."""
        self._key = self._key or f"{os.getpid()}.{next(_numbers)}.{_started}"
        return self._key


# A unit, or the request that carries it: what outlives the request must not keep it.
_current: ContextVar[Unit | Callable[[], HttpRequest | None] | None] = ContextVar("error_tracking_unit", default=None)
_MARKS: Any = vars(BaseException)["__dict__"]  # a class of the host's cannot shadow it
_numbers = itertools.count()
_started = time.time_ns()


def begin(unit: Unit | None = None) -> Unit:
    """Begin a unit of work; what was told before is not of it."""
    unit = unit or Unit()
    unit.is_begun = True
    _current.set(unit)
    return unit


def begin_request(request: HttpRequest) -> None:
    """Begin the unit of *request*, which carries it under ``STATE``."""
    _current.set(weakref.ref(request))


def begin_task(**_kwargs: object) -> None:
    """Begin the unit of a background task, unless it runs inside a request; a receiver of signals."""
    if current_request() is None:
        begin()


def current() -> Unit:
    """Return the unit at hand; outside any it is one of this context's own."""
    found = _current.get()
    if isinstance(found, Unit):
        return found
    request = found() if found is not None else None
    unit: Unit | None = request.__dict__.get(STATE) if request is not None else None
    if unit is None:
        unit = Unit()
        _current.set(unit)
    return unit


def current_request() -> HttpRequest | None:
    """Return the request at hand, None outside any: one that was answered may still be alive."""
    found = _current.get()
    request = None if found is None or isinstance(found, Unit) else found()
    unit: Unit | None = request.__dict__.get(STATE) if request is not None else None
    return None if unit is not None and unit.is_over else request


def mark(exception: BaseException, event: Event | None = None) -> None:
    """Say of *exception* that it needs no capture any more in the unit at hand; *event* is what it has become."""
    unit = current()
    if event is not None:
        if unit.events is None or len(unit.events) >= EVENTS:  # a command may have any number
            unit.events = {}
        unit.events[event.reference] = event
    _MARKS.__get__(exception)[STATE] = unit.key, unit.is_begun, event.reference if event is not None else ""


def seen(exception: BaseException, *, is_direct: bool) -> tuple[bool, Event | None]:
    """
    Return whether *exception* was captured before, in this unit or outside any, and the event if it is of this unit.

    Outside any unit an object that is raised for ever is an error each time,
    for whoever captures it *directly* (FAULTS C05).
    """
    marks, unit = _MARKS.__get__(exception), current()
    key, was_begun, reference = marks.get(STATE, ("", True, ""))
    if not (unit.is_begun or not is_direct) if key == unit.key else (was_begun or not unit.is_begun):
        return False, None
    marks[STATE] = unit.key, unit.is_begun, reference
    return True, (unit.events or {}).get(reference)


def set_tag(name: str, value: object) -> None:
    """Tell something short of the unit at hand, such as the tenant; stored with each of its errors. Never raises."""
    unit = current()
    tags = unit.tags = unit.tags if unit.tags is not None else {}
    name = clean_line(safe_text(name, TAG_NAME_CHARS), TAG_NAME_CHARS)
    if name in tags or len(tags) < TAGS:
        tags[name] = clean_line(safe_text(value, TAG_CHARS), TAG_CHARS)


def set_user(user_id: object, label: str = "") -> None:
    """Tell who the user of the unit at hand is, where the request does not know it; None takes it back."""
    current().user = None if user_id is None else (safe_text(user_id, 64), safe_text(label, 150))


def add_breadcrumb(
    message: str, *, category: str = "", level: str = "info", data: Mapping[str, object] | None = None
) -> None:
    """
    Leave a trace that is stored with the next errors of the unit at hand; the last 30 are kept.

    Args:
        message: What happened.

        category: What it is about, such as ``"payment"``.

        level: ``"debug"``, ``"info"``, ``"warning"``, ``"error"`` or ``"fatal"``.

        data: Up to 20 values; of what is not text or a number only the type is kept.

    """
    if "breadcrumbs" in conf.get_settings().DISABLE:
        return
    given = {} if data is None else data if issubclass(type(data), dict) else {"data": data}
    kept = {safe_text(key, 50): _plain(value) for key, value in islice(given.items(), DATA_ITEMS)}
    _leave(time.time(), safe_text(category, 100), safe_text(level, 10), safe_text(message, BREADCRUMB_CHARS), kept)


def leave_record(record: logging.LogRecord) -> None:
    """Leave a log record as a breadcrumb; what its arguments are made of is not called."""
    if record.levelno < logging.INFO or not record.name or record.name.startswith(("error_tracking", "django.request")):
        return
    args = record.args if isinstance(record.args, tuple) else ()
    kept = tuple(map(_plain, args))
    message = record.msg[:BREADCRUMB_CHARS] if type(record.msg) is str else f"<{type(record.msg).__name__}>"
    _leave(record.created, record.name, record.levelname.lower(), message, kept)


def _leave(*crumb: Any) -> None:  # noqa: ANN401  the parts of one breadcrumb
    unit = current()
    if unit.breadcrumbs is None:
        unit.breadcrumbs = deque(maxlen=BREADCRUMBS)
    unit.breadcrumbs.append(crumb)


def _plain(value: object) -> object:
    if type(value) is str:
        return value[:BREADCRUMB_CHARS]
    return value if type(value) in PLAIN else f"<{type(value).__name__}>"


def told(scrubber: Scrubber) -> dict[str, Any]:
    """Return the tags and breadcrumbs of the unit at hand as plain data without secrets."""
    unit = current()
    found: dict[str, Any] = {}
    if unit.tags:
        found["tags"] = scrubber.tree(dict(unit.tags))
    if unit.breadcrumbs:
        found["breadcrumbs"] = [_crumb_from(scrubber, crumb) for crumb in tuple(unit.breadcrumbs)]
    return found


def _crumb_from(scrubber: Scrubber, parts: tuple[float, str, str, str, Any]) -> dict[str, Any]:
    timestamp, category, level, message, data = parts
    crumb: dict[str, Any] = {"timestamp": round(timestamp, 3), "category": clean_line(category, 100), "level": level}
    if isinstance(data, tuple):  # a log record's arguments
        try:
            message = message % data if data else message
        except (TypeError, ValueError):
            message = f"{message} {data}"
    elif data:
        crumb["data"] = scrubber.tree(data)
    crumb["message"] = scrubber.text(clean_text(message, BREADCRUMB_CHARS), BREADCRUMB_CHARS)
    return crumb
