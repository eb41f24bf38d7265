"""
Recognises exceptions that a time limit raises at whatever line is running.

The line says nothing about the cause, so such failures are grouped by what took too
long (a route, a task), not by where the limit caught it.
"""

from __future__ import annotations

import sys

from error_tracking.utils import bases_of, qualified_name

WORKER_TIMEOUT = "worker timeout"

#: Raised from a signal handler or into a thread, by the libraries that run jobs.
_CLASSES = frozenset(
    {
        "billiard.exceptions.SoftTimeLimitExceeded",
        "billiard.exceptions.TimeLimitExceeded",
        "dramatiq.middleware.time_limit.TimeLimitExceeded",
        "gevent.timeout.Timeout",
        "huey.exceptions.TaskTimeout",
        "rq.timeouts.BaseTimeoutException",
        "rq.timeouts.JobTimeoutException",
    }
)


def is_time_limit(exception: BaseException) -> bool:
    """Return whether a time limit of a job or worker raised *exception*."""
    if is_worker_timeout(exception):
        return True
    return any(qualified_name(base) in _CLASSES for base in bases_of(type(exception)))


def is_worker_timeout(exception: BaseException) -> bool:
    """
    Return whether gunicorn ended its worker because the request took too long.

    The arbiter sends SIGABRT, and the worker's handler raises ``SystemExit`` on top of
    the frame that was running.
    """
    if type(exception) is not SystemExit or "gunicorn" not in sys.modules:
        return False
    return innermost_module(exception) == "gunicorn.workers.base"


def innermost_module(exception: BaseException, besides: str = "") -> str:
    """
    Return the name of the module that raised *exception*, ``""`` if it was not raised.

    Args:
        exception: The exception, with its traceback.

        besides: A module that does not count.
    """
    innermost = ""
    traceback = exception.__traceback__
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if module != besides:
            innermost = module
        traceback = traceback.tb_next
    return innermost
