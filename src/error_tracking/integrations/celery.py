"""
What runs on Celery beside filing: the capture of failed tasks, the task that sweeps.

Celery sends ``task_failure`` when retries are exhausted, never for ``Retry``,
``Ignore`` and ``Reject``; what a task ``throws`` is expected and left out.
"""

from __future__ import annotations

import logging
import math
import re
import sys
import time
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import current_app, shared_task, signals
from celery.utils.serialization import UnpickleableExceptionWrapper

from error_tracking import conf, recorder
from error_tracking.capture import context
from error_tracking.capture.guard import guard
from error_tracking.capture.service import ErrorCaptureService
from error_tracking.events.time_limits import innermost_module
from error_tracking.sync import sync as sync_now
from error_tracking.utils import named_arguments

logger = logging.getLogger("error_tracking")

OWN_TASKS = "error_tracking."
# The process is killed at once and collected within a second; a task that is delivered
# again needs at least its own time limit to run into it a second time.
SAME_TIMEOUT_SECONDS = 10.0
TIMEOUTS_REMEMBERED = 1_000
# A process that ends runs no exit handlers: what it captured would wait until another
# one adopts its journal.
EXIT_FLUSH_SECONDS = 3.0
EXIT_CODE = re.compile(r"exitcode -?\d+")

_timed_out: dict[str, float] = {}


def connect() -> None:
    """Connect to the signals of Celery."""
    uid = "error_tracking"
    signals.worker_init.connect(log_problems, weak=False, dispatch_uid=uid)
    signals.task_prerun.connect(context.begin_task, weak=False, dispatch_uid=uid)
    signals.task_failure.connect(capture_failure, weak=False, dispatch_uid=uid)
    signals.task_internal_error.connect(capture_failure, weak=False, dispatch_uid=uid)
    signals.task_postrun.connect(capture_exit, weak=False, dispatch_uid=uid)
    # One name per receiver of a signal: a second one of the same name is not connected.
    end = f"{uid}.end"
    signals.task_postrun.connect(context.end_task, weak=False, dispatch_uid=end)


def log_problems(**_kwargs: object) -> None:
    """Log what is wrong with the settings when a worker starts; a receiver."""
    conf.log_problems()


def capture_failure(
    sender: Any = None,
    task_id: str = "",
    exception: BaseException | None = None,
    args: Any = (),
    kwargs: Any = None,
    **_rest: object,
) -> None:
    """Capture the failure of a task; a receiver, so it never raises."""
    if exception is None or _is_off(sender):
        return
    error = _raised(exception)
    is_expected = issubclass(type(error), tuple(getattr(sender, "throws", None) or ()))
    if is_expected or _is_reported_already(error, task_id):
        return
    _capture(sender, task_id, error, args, kwargs)


def capture_exit(
    sender: Any = None,
    task_id: str = "",
    args: Any = (),
    kwargs: Any = None,
    **_rest: object,
) -> None:
    """
    Capture ``sys.exit(1)`` in a task, which ends the worker and sends no failure.

    ``task_postrun`` is sent while the exception is on its way out of the task.
    """
    error = sys.exception()
    if not isinstance(error, SystemExit) or error.code in (None, 0):
        return
    # The pool ends its processes by a signal, whose handler calls sys.exit() too. In
    # its processes that is a function of billiard.pool, whoever calls it.
    caller = innermost_module(error, besides="billiard.pool")
    is_shutdown = caller.startswith(("billiard.", "celery."))
    if not is_shutdown and not _is_off(sender):
        _capture(sender, task_id, error, args, kwargs)
        guard(recorder.flush)(EXIT_FLUSH_SECONDS)


def _is_off(sender: Any) -> bool:
    is_ours = str(getattr(sender, "name", "")).startswith(OWN_TASKS)
    return is_ours or "celery" in conf.get_settings().DISABLE


def _raised(exception: BaseException) -> BaseException:
    """
    Return what the task raised, where Celery has replaced it by what can be pickled.

    Celery sends the signal while it handles the original, and replaces that by an
    ``UnpickleableExceptionWrapper`` or by an instance of its nearest base class.
    """
    handled = sys.exception()
    if handled is None:
        return exception
    is_wrapped = isinstance(exception, UnpickleableExceptionWrapper)
    if is_wrapped or isinstance(handled, type(exception)):
        return handled
    return exception


def _is_reported_already(error: BaseException, task_id: str) -> bool:
    """
    Return whether this failure was or will be captured by another signal.

    Celery 5.7 sends ``task_failure`` twice for a hard time limit: when it is noticed
    and when the killed process is collected, a moment later. A worker that is lost
    with an exit code ran into ``sys.exit()``, which ``capture_exit`` has captured in
    it; one that was killed by a signal is captured here.
    """
    if isinstance(error, WorkerLostError):
        return EXIT_CODE.search(str(error)) is not None
    if not isinstance(error, TimeLimitExceeded):
        return False
    now = time.monotonic()
    is_second = now - _timed_out.pop(task_id, -math.inf) < SAME_TIMEOUT_SECONDS
    if not is_second:
        _timed_out[task_id] = now
        if len(_timed_out) > TIMEOUTS_REMEMBERED:
            del _timed_out[next(iter(_timed_out))]
    return is_second


def _capture(
    sender: Any, task_id: str, error: BaseException, args: Any, kwargs: Any
) -> None:
    name = str(getattr(sender, "name", ""))
    ErrorCaptureService().capture_exception(
        context.current_request(),
        error,
        mechanism="celery",
        where=f"task {name}",
        more=lambda: {
            "task": {"name": name, **_task_values(sender, task_id, args, kwargs)}
        },
    )


def _task_values(
    sender: Any, task_id: str, args: Any, kwargs: Any
) -> dict[str, object]:
    """Return what is known of the task."""
    request = sender.request
    arguments = named_arguments(sender.run, args or (), kwargs or {})
    queue = (request.delivery_info or {}).get("routing_key", "")
    return {
        "id": task_id,
        "arguments": arguments,
        "queue": queue,
        "retries": request.retries,
    }


def answering_workers(seconds: float) -> list[str]:
    """
    Return the names of the workers that answer a ping within *seconds*.

    Raises:
        Exception: The broker is away (each transport has types of its own); one that
            accepts and says nothing may keep the caller waiting for longer.
    """
    with current_app.connection_for_write(connect_timeout=seconds) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        answers = current_app.control.ping(timeout=seconds, connection=connection)
    return [name for answer in answers for name in answer]


def broker_address() -> str:
    """Return where the project's broker is, without its password."""
    address: str = current_app.connection_for_write().as_uri()
    return address


@shared_task(name=f"{OWN_TASKS}sync", ignore_result=True)  # type: ignore[untyped-decorator]
def sync() -> None:
    """Do what ``error_tracking_sync`` does, for Celery beat."""
    done = sync_now()
    logger.info("sync: %s", done.summary())
