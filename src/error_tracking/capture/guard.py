"""The one guard around capturing: whatever fails in it, the project goes on."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from error_tracking import recorder

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("error_tracking")

_is_capturing: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "error_tracking_is_capturing", default=False
)

P = ParamSpec("P")
R = TypeVar("R")


def guard(function: Callable[P, R]) -> Callable[P, R | None]:
    """
    Make *function* return None when it fails, or when it is called by itself.

    Capturing may cause what it captures: a log record of ours, a ``__str__`` of the
    project that logs. Without the second rule it would then never end.
    """

    @functools.wraps(function)
    def guarded_function(*args: P.args, **kwargs: P.kwargs) -> R | None:
        if _is_capturing.get():
            return None
        token = _is_capturing.set(True)
        try:
            return function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  whatever is wrong with us
            count_failure("an error could not be captured", error)
            return None
        finally:
            _is_capturing.reset(token)

    return guarded_function


def count_failure(what: str, error: Exception) -> None:
    """Count an *error* of our own that was swallowed, and log *what* it prevented."""
    recorder.count_failure()
    # Its context is the project's exception: not ours to print, and its ``__str__``
    # may raise.
    error.__suppress_context__ = True
    # A handler of the project's may raise, too.
    with contextlib.suppress(Exception):
        logger.error(what, exc_info=error)
