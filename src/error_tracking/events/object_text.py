"""
Reads the text of the project's objects, whatever their ``__str__`` does.

A ``__str__`` or ``__repr__`` may raise anything, run a query, or never return. It
runs on a thread of our own, so nothing that other code sees is changed, and it is
waited for only briefly. Must not call anything of the project's on the caller's
thread. Knows no Django: what protects the thread is registered by
:func:`before_reading`.
"""

from __future__ import annotations

import contextvars
import datetime as dt
import decimal
import threading
import time
import uuid
from types import WrapperDescriptorType
from typing import TYPE_CHECKING, Any

from error_tracking import forks
from error_tracking.utils import (
    PLAIN,
    UNPRINTABLE,
    bases_of,
    clean_text,
    qualified_name,
    type_ids,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

THREAD_NAME = "error_tracking.text"

# Long enough for a text on a busy machine, short enough for a visitor not to notice.
TEXT_SECONDS = 0.25
# After a hang: a text that is ready at once is still read, one that hangs costs little.
HASTY_SECONDS = 0.02
# For how long one hang makes us hasty with the same class.
HASTE_SECONDS = 5.0
# Threads of one class that may hang at the same time: one proves little about the next
# object.
HANGING_OF_ONE_CLASS = 4
# Threads that may be reading or hanging at the same time, of all classes together.
THREADS = 32
# Classes that are remembered, each for HASTE_SECONDS or while a thread of it hangs.
CLASSES = 64

# A tree with more values or characters than these is printed on a thread, where it can
# be left behind.
TREE_VALUES = 200
TREE_CHARS = 10_000

_LEAVES = type_ids(
    *PLAIN, bytes, complex, decimal.Decimal, uuid.UUID, dt.date, dt.timedelta
)
_TEXTS = type_ids(str, bytes)
_CONTAINERS = type_ids(dict, list, tuple, set, frozenset)
_NAMESPACE = type.__dict__["__dict__"].__get__
_ARGS: Any = vars(BaseException)["args"]  # a subclass cannot shadow it


class LazyText:
    """
    A text that is made only where the project's code can do no harm.

    Args:
        make: Returns the text; may fail in any way.

        values: What it is made of. A hang counts against their classes.

    """

    def __init__(self, make: Callable[[], str], values: Iterable[object]) -> None:
        self.make = make
        self.values = list(values)

    def __str__(self) -> str:
        return self.make()


def is_plain(value: object) -> bool:
    """Return whether printing *value* runs Python's own code only, and is quick."""
    return _first_foreign([value]) is None


def has_foreign_str(cls: type) -> bool:
    """
    Return whether ``str()`` of an instance of *cls* runs Python code.

    A metaclass cannot interfere.
    """
    own = next(
        namespace["__str__"]
        for namespace in map(_NAMESPACE, bases_of(cls))
        if "__str__" in namespace
    )
    return type(own) is not WrapperDescriptorType


def safe_text(value: object, limit: int) -> str:
    """
    Return ``str(value)`` without control characters.

    ``<unprintable>`` where ``str()`` fails.

    Where that runs code of the project's, it runs on a thread of our own, without
    a database, for at most ``TEXT_SECONDS``. A thread that is not done by then is
    left behind. For a few seconds other objects of the same class then get
    ``HASTY_SECONDS``, so that a storm does not wait for each of them; the number of
    threads left behind is bounded.

    Args:
        value: Any object.

        limit: The length of the text, in characters.
    """
    if type(value) is LazyText:
        is_safe = is_plain(value.values)
    else:
        is_safe = is_plain(value)
    if is_safe:
        return _printed(value, limit)
    return _threads.read(value, limit)


def before_reading(prepare: Callable[[], None]) -> None:
    """Call *prepare* on each of our threads before it reads a text."""
    global _prepare  # noqa: PLW0603  set once, at start-up
    _prepare = prepare


class _Trouble:
    """What is remembered of a class that hung."""

    def __init__(self) -> None:
        self.hasty_until = 0.0
        self.hanging: list[threading.Thread] = []


class _Threads:
    """The threads that read texts, in this process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may capture, too
        self._running = 0
        self._troubles: dict[str, _Trouble] = {}

    def read(self, value: object, limit: int) -> str:
        """Return the text of *value*, ``<unprintable>`` when it takes too long."""
        source = _source_of(value)
        patience = self._patience(source)
        if patience == 0.0:
            return UNPRINTABLE
        texts: list[str] = []
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run,
            args=(self._work, value, limit, texts),
            name=THREAD_NAME,
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError:  # no thread to be had, or the interpreter is ending
            with self._lock:
                self._running -= 1
            return UNPRINTABLE
        thread.join(patience)
        if texts:
            return texts[0]
        self._abandon(source, thread)
        return UNPRINTABLE

    def _work(self, value: object, limit: int, texts: list[str]) -> None:
        try:
            if _prepare is not None:
                _prepare()
            texts.append(_printed(value, limit))
        finally:
            with self._lock:
                self._running -= 1

    def _patience(self, source: str) -> float:
        """
        Take a place for a thread.

        Return for how many seconds to wait for it, 0 when there is none.
        """
        now = time.monotonic()
        with self._lock:
            self._forget(now)
            trouble = self._troubles.get(source)
            hanging = sum(len(each.hanging) for each in self._troubles.values())
            if self._running >= THREADS:
                return 0.0
            if trouble is not None and len(trouble.hanging) >= HANGING_OF_ONE_CLASS:
                return 0.0
            self._running += 1
        if trouble is not None or hanging >= HANGING_OF_ONE_CLASS:
            return HASTY_SECONDS
        return TEXT_SECONDS

    def _abandon(self, source: str, thread: threading.Thread) -> None:
        with self._lock:
            if source not in self._troubles and len(self._troubles) >= CLASSES:
                return  # its thread is counted as running all the same
            trouble = self._troubles.setdefault(source, _Trouble())
            trouble.hasty_until = time.monotonic() + HASTE_SECONDS
            trouble.hanging.append(thread)

    def _forget(self, now: float) -> None:
        """Forget what has passed: threads that have ended, and haste that is over."""
        for source, trouble in tuple(self._troubles.items()):
            trouble.hanging = [each for each in trouble.hanging if each.is_alive()]
            if not trouble.hanging and now >= trouble.hasty_until:
                del self._troubles[source]


def _printed(value: object, limit: int) -> str:
    try:
        text = str(value)
        return clean_text(text if type(text) is str else str.__str__(text), limit)
    except BaseException:  # noqa: BLE001  the project's __str__ may raise SystemExit
        return UNPRINTABLE


def _source_of(value: object) -> str:
    """
    Return the name of the class whose code is about to run.

    As far as that can be seen from outside.
    """
    cls = type(value)
    if type(value) is LazyText:
        found = _first_foreign(value.values)
    elif issubclass(cls, BaseException) and not has_foreign_str(cls):
        found = _first_foreign(_ARGS.__get__(value))
    else:
        found = _first_foreign([value])
    return qualified_name(found or cls)


def _first_foreign(values: Iterable[object]) -> type | None:
    """
    Return the first class in the tree of *values* whose text is not Python's own.

    A tree that is too large counts as foreign itself: printing it takes time.
    """
    todo: list[Any] = list(values)
    seen = chars = 0
    while todo:
        value = todo.pop()
        cls = type(value)
        seen += 1
        if id(cls) in _TEXTS:
            chars += len(value)
        elif id(cls) in _CONTAINERS and len(value) <= TREE_VALUES:
            try:
                if cls is dict:
                    todo.extend(value.values())
                todo.extend(value)
            except RuntimeError:  # pragma: no cover  another thread is changing it
                return cls
        elif id(cls) not in _LEAVES:
            return cls
        if seen > TREE_VALUES or chars > TREE_CHARS:
            return cls
    return None


def _reset() -> None:  # pragma: no cover  in a forked child
    """Begin again in a forked child, which has none of its parent's threads."""
    global _threads  # noqa: PLW0603  one per process
    _threads = _Threads()


_prepare: Callable[[], None] | None = None
_threads = _Threads()
forks.on_fork(_reset)
