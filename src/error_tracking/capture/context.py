"""
What the project's code adds to the current unit of work: tags, a user, breadcrumbs.

A unit is one request, one task, or a block of ``unit_of_work()``. It is held by a
context variable, so it crosses ``await`` and whatever carries the context to
another thread, and two units never mix.

Outside any unit nothing may be put into a context, because whoever copies the
context later would inherit it. There an asyncio task and the main thread of a script
each have a unit that nobody else can see. Other threads, whose jobs nobody tells
apart, and callbacks of an event loop keep nothing.

Must not read anything lazy: values are taken as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import re
import sys
import threading
import time
import weakref
from collections import deque
from contextvars import ContextVar
from itertools import islice
from typing import TYPE_CHECKING, Any

from error_tracking import conf, forks
from error_tracking.events.object_text import safe_text
from error_tracking.events.plain_data import PlainReader, tree_reader
from error_tracking.events.raised import CAPTURED_MARK
from error_tracking.utils import PLAIN, clean_line, clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django.http import HttpRequest

    from error_tracking.events.event import Event
    from error_tracking.events.size_budget import Share
    from error_tracking.scrubbing.scrubber import Scrubber

STATE = CAPTURED_MARK
BREADCRUMBS = 30
BREADCRUMB_CHARS = 300
# How much longer texts are kept until their secrets are taken out: half a token is not
# recognised as one.
MARGIN_CHARS = 100
TAGS = 30
TAG_NAME_CHARS = 50
TAG_CHARS = 200
DATA_ITEMS = 20
EVENTS = 10
_WIDE_FIELD = re.compile(r"%[^a-zA-Z%]{0,20}(?:\d{4}|\*)")
# Tasks inside tasks, where a broker runs them at once; more are ends that never came.
TASKS_DEPTH = 20


class Unit:
    """
    One request, task or block; ``key`` tells it apart from every other one.

    Attributes:
        is_begun: Whether it has a beginning; otherwise it is what happens outside any.

        is_over: Whether the request was answered.

        is_kept: Whether tags, user and breadcrumbs are kept.

        outer: What was current before it began.

    """

    # Of the class: a request that neither fails nor tells anything sets nothing.
    is_begun = False
    is_over = False
    is_kept = True
    tags: dict[str, str] | None = None
    user: tuple[str, str] | None = None
    breadcrumbs: deque[tuple[float, str, str, str, Any]] | None = None
    events: dict[str, Event] | None = None
    outer: Unit | Callable[[], HttpRequest | None] | None = None
    depth = 0
    _key = ""

    @property
    def key(self) -> str:
        """Return what an exception is marked with that was captured in this unit."""
        self._key = self._key or f"{os.getpid()}.{next(_numbers)}.{_started}"
        return self._key


class _OfThread(threading.local):
    """What happens in one thread outside any unit; under gevent in one greenlet."""

    def __init__(self) -> None:
        self.script = Unit()
        self.jobs = Unit()
        self.jobs.is_kept = False


# A begun unit, or the request that carries it: what outlives the request must not keep
# it.
_current: ContextVar[Unit | Callable[[], HttpRequest | None] | None] = ContextVar(
    "error_tracking_unit", default=None
)
_of_thread = _OfThread()
_of_tasks: weakref.WeakKeyDictionary[asyncio.Task[Any], Unit] = (
    weakref.WeakKeyDictionary()
)
_MARKS: Any = vars(BaseException)["__dict__"]  # a project's class cannot shadow it
_numbers = itertools.count()
_started = time.time_ns()


def begin(unit: Unit | None = None) -> Unit:
    """Begin a unit of work; what was told before is not of it."""
    unit = unit or Unit()
    unit.is_begun = True
    _current.set(unit)
    return unit


@contextlib.contextmanager
def unit_of_work() -> Iterator[None]:
    """
    Make what happens in the ``with`` block a unit of work of its own.

    For each job of a loop or thread pool of your own, and each WebSocket connection:
    tags, user and breadcrumbs of the block are stored with errors of this block only.
    It crosses ``await``, and threads and tasks that get a copy of its context. May be
    used in coroutines, and as a decorator of functions that are not coroutines.
    """
    outer = _current.get()
    begin()
    try:
        yield
    finally:
        _current.set(outer)


def begin_request(request: HttpRequest) -> None:
    """Begin the unit of *request*, which carries it under ``STATE``."""
    _current.set(weakref.ref(request))


def begin_task(**_kwargs: object) -> None:
    """
    Begin the unit of a background task, unless it runs inside a request.

    A receiver of signals.
    """
    if current_request() is not None:
        return
    outer = _current.get()
    unit = begin()
    if isinstance(outer, Unit) and outer.depth < TASKS_DEPTH:
        unit.outer, unit.depth = outer, outer.depth + 1


def end_task(**_kwargs: object) -> None:
    """
    End what :func:`begin_task` began.

    What this thread does next is not of it; a receiver of signals.
    """
    unit = _current.get()
    if isinstance(unit, Unit):
        _current.set(unit.outer)


def current() -> Unit:
    """
    Return the current unit.

    Outside any it is one that only the running task or thread sees.
    """
    found = _current.get()
    if isinstance(found, Unit):
        return found
    request = found() if found is not None else None
    unit: Unit | None = request.__dict__.get(STATE) if request is not None else None
    if unit is None:
        return _outside()
    return unit


def _outside() -> Unit:
    """
    Return the unit of the running task or thread.

    No copy of a context can carry it elsewhere.
    """
    loop = asyncio._get_running_loop()  # as get_running_loop(), without raising
    if loop is None:
        if _is_script():
            return _of_thread.script
        return _of_thread.jobs
    task = asyncio.current_task(loop)
    if task is None:  # a callback, which may be of any connection
        return _of_thread.jobs
    unit = _of_tasks.get(task)
    if unit is None:
        unit = _of_tasks[task] = Unit()
    return unit


def _is_script() -> bool:
    """Return whether this is the main thread of a command or script."""
    if threading.get_ident() != threading.main_thread().ident:
        return False
    greenlet = sys.modules.get("greenlet")
    if greenlet is not None and greenlet.getcurrent().parent is not None:
        return False  # one of many that share the main thread
    processes = sys.modules.get("multiprocessing.process")
    is_child = processes is not None and processes.parent_process() is not None
    return not is_child  # a child does the jobs of a pool


def current_request() -> HttpRequest | None:
    """
    Return the request at hand, None outside any.

    One that was answered may still be alive.
    """
    found = _current.get()
    request = None if found is None or isinstance(found, Unit) else found()
    unit: Unit | None = request.__dict__.get(STATE) if request is not None else None
    return None if unit is not None and unit.is_over else request


def remember_answered(exception: BaseException) -> None:
    """
    Leave *exception* on the current request, for the middleware, if it is the first.

    For integrations of libraries that turn a view's exception into a response
    themselves, so that Django never sees it.
    """
    request = current_request()
    state = request.__dict__.get(STATE) if request is not None else None
    if state is not None and getattr(state, "exception", exception) is None:
        state.exception = exception


def mark(exception: BaseException, event: Event | None = None) -> None:
    """
    Say of *exception* that it needs no capture any more in the unit at hand.

    *event* is what it has become.
    """
    unit = current()
    if event is not None:
        if (
            unit.events is None or len(unit.events) >= EVENTS
        ):  # a command may have any number
            unit.events = {}
        unit.events[event.reference] = event
    _MARKS.__get__(exception)[STATE] = (
        unit.key,
        unit.is_begun,
        event.reference if event is not None else "",
    )


def seen(exception: BaseException, *, is_direct: bool) -> tuple[bool, Event | None]:
    """
    Return whether *exception* was captured before, and its event if known.

    Before means in this unit or outside any; the event is known if it is of this unit.

    Outside any unit an object that is raised again and again is an error each time, for
    whoever captures it *directly*.
    """
    marks, unit = _MARKS.__get__(exception), current()
    key, was_begun, reference = marks.get(STATE, ("", True, ""))
    if key == unit.key:
        is_seen = unit.is_begun or not is_direct
    else:
        is_seen = unit.is_begun and not was_begun
    if not is_seen:
        return False, None
    marks[STATE] = unit.key, unit.is_begun, reference
    return True, (unit.events or {}).get(reference)


def set_tag(name: str, value: object) -> None:
    """
    Tell something short of the unit at hand, such as the tenant.

    Stored with each of its errors. Never raises.
    """
    unit = current()
    if not unit.is_kept:
        return
    if unit.tags is None:
        unit.tags = {}
    tags = unit.tags
    name = clean_line(safe_text(name, TAG_NAME_CHARS), TAG_NAME_CHARS)
    if name in tags or len(tags) < TAGS:
        tags[name] = clean_line(
            safe_text(value, TAG_CHARS + MARGIN_CHARS), TAG_CHARS + MARGIN_CHARS
        )


def set_user(user_id: object, label: str = "") -> None:
    """
    Set the user of the current unit, where the request does not know it.

    None removes it.
    """
    unit = current()
    if not unit.is_kept:
        return
    if user_id is None:
        unit.user = None
    else:
        unit.user = safe_text(user_id, 64), safe_text(label, 150)


def add_breadcrumb(
    message: str,
    *,
    category: str = "",
    level: str = "info",
    data: Mapping[str, object] | None = None,
) -> None:
    """
    Leave a trace that is stored with the next errors of the unit at hand.

    The last 30 are kept.

    Args:
        message: What happened.

        category: What it is about, such as ``"payment"``.

        level: ``"debug"``, ``"info"``, ``"warning"``, ``"error"`` or ``"fatal"``.

        data: Up to 20 values; of what is not text or a number only the type is kept.

    """
    if "breadcrumbs" in conf.get_settings().DISABLE:
        return
    given = (
        {} if data is None else data if issubclass(type(data), dict) else {"data": data}
    )
    kept = {
        safe_text(key, 50): _plain(value)
        for key, value in islice(given.items(), DATA_ITEMS)
    }
    _leave(
        time.time(),
        safe_text(category, 100),
        safe_text(level, 10),
        safe_text(message, BREADCRUMB_CHARS + MARGIN_CHARS),
        kept,
    )


def leave_record(record: logging.LogRecord) -> None:
    """
    Leave a log record as a breadcrumb.

    What its arguments are made of is not called.
    """
    if (
        record.levelno < logging.INFO
        or not record.name
        or record.name.startswith(("error_tracking", "django.request"))
    ):
        return
    args = record.args if isinstance(record.args, tuple) else ()
    kept = tuple(map(_plain, args))
    message = (
        record.msg[: BREADCRUMB_CHARS + MARGIN_CHARS]
        if type(record.msg) is str
        else f"<{type(record.msg).__name__}>"
    )
    _leave(record.created, record.name, record.levelname.lower(), message, kept)


def _leave(*crumb: Any) -> None:
    unit = current()
    if not unit.is_kept:
        return
    if unit.breadcrumbs is None:
        unit.breadcrumbs = deque(maxlen=BREADCRUMBS)
    unit.breadcrumbs.append(crumb)


def _plain(value: object) -> object:
    if type(value) is str:
        return value[: BREADCRUMB_CHARS + MARGIN_CHARS]
    return value if type(value) in PLAIN else f"<{type(value).__name__}>"


def told(scrubber: Scrubber, share: Share) -> dict[str, Any]:
    """
    Return the scrubbed tags and breadcrumbs of the current unit.

    As far as *share* goes.
    """
    unit = current()
    found: dict[str, Any] = {}
    reader = tree_reader(share, scrubber)
    if unit.tags:
        tags = scrubber.tree(reader.read_mapping(dict(unit.tags)))
        found["tags"] = {name: value[:TAG_CHARS] for name, value in tags.items()}
    if unit.breadcrumbs:
        crumbs: list[dict[str, Any]] = []
        # The last ones first: they are closest to the error.
        for crumb in reversed(tuple(unit.breadcrumbs)):
            message = _message_of(crumb, scrubber)
            if not share.take_item() or not share.take_characters(len(message)):
                break
            crumbs.append(_crumb_from(scrubber, reader, crumb, message))
        found["breadcrumbs"] = crumbs[::-1]
    return found


def _message_of(parts: tuple[float, str, str, str, Any], scrubber: Scrubber) -> str:
    _timestamp, _category, _level, message, data = parts
    # A template that asks for a million blanks may be a text from outside, logged
    # without arguments of its own.
    if isinstance(data, tuple) and data and not _WIDE_FIELD.search(message):
        message, data = scrubber.format_and_arguments(message, data)
        try:
            message = message % data
        except (TypeError, ValueError):
            message = f"{message} {data}"
    return clean_text(message, BREADCRUMB_CHARS + MARGIN_CHARS)


def _crumb_from(
    scrubber: Scrubber,
    reader: PlainReader,
    parts: tuple[float, str, str, str, Any],
    message: str,
) -> dict[str, Any]:
    timestamp, category, level, _template, data = parts
    crumb: dict[str, Any] = {
        "timestamp": round(timestamp, 3),
        "category": clean_line(category, 100),
        "level": level,
    }
    if data and not isinstance(data, tuple):  # a tuple is a log record's arguments
        crumb["data"] = scrubber.tree(reader.read(data))
    crumb["message"] = scrubber.text(message, BREADCRUMB_CHARS)
    return crumb


def _reset() -> None:
    """Begin again in a forked child: what its parent's threads told is not of it."""
    global _of_thread  # noqa: PLW0603  one per process
    _of_thread = _OfThread()


forks.on_fork(_reset)
