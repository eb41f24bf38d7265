"""
The current unit of work: its tags and user, and which exceptions were captured in it.

A unit is one request, one task, or a block of ``unit_of_work()``. It is held by a
context variable, so it crosses ``await`` and whatever carries the context to
another thread, and two units never mix.

Outside any unit nothing may be put into a context variable, because whoever copies
the context later would inherit it. There an asyncio task and the main thread of a script
each have a unit that nobody else can see. Other threads, whose jobs cannot be
distinguished, and callbacks of an event loop keep nothing.

Must not read anything lazy: values are taken as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
import threading
import time
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from error_tracking import forks
from error_tracking.events.object_text import safe_text
from error_tracking.events.plain_data import tree_reader
from error_tracking.events.raised import CAPTURED_MARK
from error_tracking.utils import clean_line

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator

    from django.http import HttpRequest

    from error_tracking.events.event import Event
    from error_tracking.events.size_budget import Share
    from error_tracking.scrubbing.scrubber import Scrubber

STATE = CAPTURED_MARK
# What one page of an error shows: more tags are values that belong elsewhere.
TAGS = 30
TAG_NAME_CHARS = 50
TAG_CHARS = 200
# How much longer texts are kept until their secrets are taken out: half a token is not
# recognised as one.
MARGIN_CHARS = 100
# Captured exceptions that are found again in one unit; a command may have any number.
EVENTS = 10
# Tasks inside tasks, where a broker runs them at once; more are ends that never came.
TASKS_DEPTH = 20


#: Time in seconds since the epoch, category, level, message or template, and data of a
#: breadcrumb or arguments of a log record. A plain tuple: each log record makes one.
Crumb = tuple[float, str, str, str, Any]


class Unit:
    """
    One request, task or block; ``key`` distinguishes it from every other one.

    Attributes:
        is_begun: Whether somebody began it; otherwise it is what happens outside any.

        is_over: Whether the request was answered.

        is_kept: Whether tags, user and breadcrumbs are kept.

        outer: What was current before it began.

    """

    # Of the class: a request that neither fails nor sets a tag stores nothing.
    is_begun = False
    is_over = False
    is_kept = True
    tags: dict[str, str] | None = None
    user: tuple[str, str] | None = None
    breadcrumbs: deque[Crumb] | None = None
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
    """Begin a unit of work; what was set before does not belong to it."""
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
    """Receive the start of a background task: begin its unit, unless in a request."""
    if current_request() is not None:
        return
    outer = _current.get()
    unit = begin()
    if isinstance(outer, Unit) and outer.depth < TASKS_DEPTH:
        unit.outer, unit.depth = outer, outer.depth + 1


def end_task(**_kwargs: object) -> None:
    """Receive the end of a background task: end what :func:`begin_task` began."""
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
    Return the current request, None outside any.

    A request that was answered may still be alive, but is not current.
    """
    found = _current.get()
    if found is None or isinstance(found, Unit):
        return None
    request = found()
    if request is None:
        return None
    unit: Unit | None = request.__dict__.get(STATE)
    if unit is not None and unit.is_over:
        return None
    return request


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
    Note that *exception* was captured in the current unit, and needs no more capture.

    Args:
        exception: Gets the key of the unit as an attribute.
        event: What it has become, to be found again; None for nothing.
    """
    unit = current()
    if event is not None:
        if unit.events is None or len(unit.events) >= EVENTS:
            unit.events = {}
        unit.events[event.reference] = event
    _MARKS.__get__(exception)[STATE] = (
        unit.key,
        unit.is_begun,
        event.reference if event is not None else "",
    )


def already_captured(
    exception: BaseException, *, is_direct: bool
) -> tuple[bool, Event | None]:
    """
    Return whether *exception* was captured before, and its event if known.

    Before means in this unit or outside any; the event is known if it is of this unit.

    Args:
        exception: What was raised. It is marked with the current unit from now on.
        is_direct: Whether the project itself calls for the capture. Outside any unit,
            each call then counts, also for one object that is raised again and again.
    """
    marks, unit = _MARKS.__get__(exception), current()
    key, was_begun, reference = marks.get(STATE, ("", True, ""))
    if key == unit.key:
        is_captured = unit.is_begun or not is_direct
    else:
        # Captured elsewhere: it is the same failure only if that was outside any unit.
        is_captured = unit.is_begun and not was_begun
    if not is_captured:
        return False, None
    marks[STATE] = unit.key, unit.is_begun, reference
    return True, (unit.events or {}).get(reference)


def set_tag(name: str, value: object) -> None:
    """
    Tag the current unit of work with something short, such as the tenant.

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

    Args:
        user_id: The key of the user; None removes what was set.
        label: The user's name.
    """
    unit = current()
    if not unit.is_kept:
        return
    if user_id is None:
        unit.user = None
    else:
        unit.user = safe_text(user_id, 64), safe_text(label, 150)


def scrubbed_tags(scrubber: Scrubber, share: Share) -> dict[str, str]:
    """Return the tags of the current unit without secrets, as far as *share* goes."""
    unit = current()
    if not unit.tags:
        return {}
    reader = tree_reader(share, scrubber)
    tags = scrubber.tree(reader.read_mapping(dict(unit.tags)))
    return {name: value[:TAG_CHARS] for name, value in tags.items()}


def _reset() -> None:
    """Begin again in a forked child: its parent's threads are not its own."""
    global _of_thread  # noqa: PLW0603  one per process
    _of_thread = _OfThread()


forks.on_fork(_reset)
