"""
Lets one feature fail without the page: ``@degrade`` and ``{% degrade %}``.

What the failed part has written to a database is rolled back, the error is
captured as a handled one, and a fallback takes the part's place.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.apps import apps
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import connections, transaction
from django.http import Http404

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

P = ParamSpec("P")
R = TypeVar("R")

#: How a view answers: these are no failures, and Django turns them into responses.
ANSWERS = (Http404, PermissionDenied, SuspiciousOperation)

#: Where a unit of work begins. An exception that nobody handles is caught there, so
#: that the frames outside are no part of its traceback either.
BORDERS = frozenset(
    {
        "django.core.handlers.base",
        "django.core.management.base",
        "celery.app.trace",
        "error_tracking.middleware",
        "rq.job",
    }
)

#: Deeper stacks are recursions; the innermost frames tell where it happened.
OUTER_FRAMES = 200


def degrade(
    *,
    fallback: Any = None,
    exceptions: type[Exception] | tuple[type[Exception], ...] = Exception,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """
    Make a function or view return *fallback* when it fails.

    Works for sync and async ones.

    The function runs in a savepoint of every database connection that is inside
    ``atomic()``. When it fails, what it has written there is rolled back, and the
    exception is captured once, as handled, in the group it would have without us.
    Connections outside ``atomic()`` commit each statement, so that nothing can be
    taken back there.

    A template response or a generator that a function returns is rendered or read
    after it has returned, and so is not guarded.

    Args:
        fallback: What takes the place of the result. If it is callable, it is called
            with the function's arguments, and awaited if it gives an awaitable to an
            async function. Anything else is returned as it is.

        exceptions: The exceptions that degrade; by default every ``Exception``.
            ``Http404``, ``PermissionDenied`` and ``SuspiciousOperation`` always pass.

    Raises:
        Exception: That of the function, where the fallback fails as well.

    """
    expected = exceptions if isinstance(exceptions, tuple) else (exceptions,)
    for each in expected:
        if not (isinstance(each, type) and issubclass(each, Exception)):
            raise TypeError(f"exceptions: {each!r} is no class of exceptions")

    def decorator(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.iscoroutinefunction(function):
            guarded: Callable[P, R] = _async_guarded(function, fallback, expected)
        else:
            guarded = _guarded(function, fallback, expected)
        return guarded

    return decorator


def _guarded(
    function: Callable[P, R], fallback: Any, expected: tuple[type[Exception], ...]
) -> Callable[P, R]:
    @functools.wraps(function)
    def guarded_function(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with savepoints():
                return function(*args, **kwargs)
        except expected as error:
            if isinstance(error, ANSWERS):
                raise
            capture(error)
            result: R = fallback
            if callable(fallback):
                try:
                    result = fallback(*args, **kwargs)
                except Exception as failure:  # noqa: BLE001
                    # The original error is the one to see
                    reraise(error, failure)
            return result

    return guarded_function


def _async_guarded(
    function: Callable[..., Any], fallback: Any, expected: tuple[type[Exception], ...]
) -> Any:
    @functools.wraps(function)
    async def guarded_function(*args: Any, **kwargs: Any) -> Any:
        # Connections belong to threads. An async function reaches the database through
        # sync_to_async, in the thread whose connections are looked at here.
        open_savepoints = contextlib.ExitStack()
        await sync_to_async(open_savepoints.enter_context)(savepoints())
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            await sync_to_async(open_savepoints.__exit__)(*_details(error))
            if not isinstance(error, expected) or isinstance(error, ANSWERS):
                raise
            capture(error)
            result = fallback
            if callable(fallback):
                try:
                    result = fallback(*args, **kwargs)
                    if inspect.isawaitable(result):
                        result = await result
                except Exception as failure:  # noqa: BLE001
                    # The original error is the one to see
                    reraise(error, failure)
        else:
            await sync_to_async(open_savepoints.close)()
        return result

    return guarded_function


def _details(
    error: BaseException,
) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    return type(error), error, error.__traceback__


def reraise(error: Exception, failure: Exception) -> NoReturn:
    """Raise *error* because the fallback ended with *failure*, which is noted in it."""
    error.add_note(f"The fallback failed as well: {type(failure).__name__}")
    raise error from error.__cause__


@contextlib.contextmanager
def savepoints() -> Iterator[None]:
    """
    Open a savepoint on each connection that is inside ``atomic()``.

    Roll back on an exception.
    """
    with contextlib.ExitStack() as stack:
        for connection in connections.all(initialized_only=True):
            if connection.in_atomic_block and not connection.needs_rollback:
                stack.enter_context(transaction.atomic(using=connection.alias))
        yield


def capture(error: Exception) -> None:
    """Capture *error* as handled, in the group of one that nobody has caught."""
    if not (apps.ready and apps.is_installed("error_tracking")):
        return
    # Late: functions are decorated while the project's apps are still being imported.
    from error_tracking.capture import context
    from error_tracking.capture.service import ErrorCaptureService

    inner = error.__traceback__
    try:
        # 0 is this function, 1 the guard, in which the traceback begins.
        error.__traceback__ = _with_callers(inner, sys._getframe(2))
        ErrorCaptureService().capture_exception(
            context.current_request(), error, handled=True, mechanism="degrade"
        )
    finally:
        error.__traceback__ = inner


def _with_callers(
    traceback: TracebackType | None, caller: FrameType | None
) -> TracebackType | None:
    """
    Put *caller* and its callers before *traceback*.

    A traceback begins where the exception was caught. All frames of the project
    count for the fingerprint, so that without the callers a part which is guarded
    would be another bug than the same part before it was.
    """
    for _ in range(OUTER_FRAMES):
        if caller is None:
            break
        traceback = TracebackType(traceback, caller, caller.f_lasti, caller.f_lineno)
        if caller.f_globals.get("__name__") in BORDERS:
            break
        caller = caller.f_back
    return traceback
