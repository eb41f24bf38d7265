"""
Failures of RQ's jobs, in the process that runs the job.

RQ takes exception handlers per worker, from its command line or the project's RQ
settings, and has none for all workers. ``handle_exception`` is called by every worker
class for a job that failed: it is wrapped. A job that will be retried is no error yet.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from error_tracking import conf, recorder
from error_tracking.capture import context
from error_tracking.capture.guard import guard
from error_tracking.capture.service import ErrorCaptureService
from error_tracking.utils import named_arguments

# The process of one job ends with os._exit() right after it: what it captured would
# wait for another process of this project on this machine to adopt its journal.
HORSE_FLUSH_SECONDS = 3.0

_service = ErrorCaptureService()


def connect() -> None:
    """
    Wrap the two methods in the worker classes that define them.

    RQ 3 has moved them.
    """
    # Not "import rq.worker": rq itself may be in the middle of importing it.
    for worker_class in vars(importlib.import_module("rq.worker")).values():
        if not isinstance(worker_class, type):
            continue
        if "handle_exception" in vars(worker_class):
            _wrap_handle_exception(worker_class)
        if "perform_job" in vars(worker_class):
            _wrap_perform_job(worker_class)


def _wrap_handle_exception(worker_class: Any) -> None:
    original = worker_class.handle_exception

    @functools.wraps(original)
    def handle_exception(self: Any, job: Any, *exc_info: Any) -> Any:
        _capture(self, job, exc_info)
        return original(self, job, *exc_info)

    worker_class.handle_exception = handle_exception


def _wrap_perform_job(worker_class: Any) -> None:
    original = worker_class.perform_job

    @functools.wraps(original)
    def perform_job(self: Any, *args: Any, **kwargs: Any) -> Any:
        guard(context.begin_task)()  # a job is a unit of work of its own
        try:
            return original(self, *args, **kwargs)
        finally:
            guard(context.end_task)()

    worker_class.perform_job = perform_job


def _capture(worker: Any, job: Any, exc_info: tuple[Any, ...]) -> None:
    error = exc_info[1] if len(exc_info) > 1 else None
    if error is None or "rq" in conf.get_settings().DISABLE or _will_retry(job):
        return
    _service.capture_exception(
        None,
        error,
        mechanism="rq",
        where=f"job {_name(job) or 'that cannot be read'}",
        more=lambda: {"task": _job_values(job)},
    )
    if getattr(worker, "is_horse", False):
        guard(recorder.flush)(HORSE_FLUSH_SECONDS)


def _will_retry(job: Any) -> bool:
    """Return whether RQ will run *job* again; it counts down after this hook."""
    return bool(getattr(job, "retries_left", None))


def _name(job: Any) -> str:
    """Return the function's name, ``""`` for a job that cannot be deserialised."""
    try:
        return str(job.func_name)
    except Exception:  # noqa: BLE001  whatever the project's serializer raises
        return ""


def _job_values(job: Any) -> dict[str, object]:
    """
    Return what is known of *job*.

    After a deploy its arguments may be of a class that is gone, and its function, too.
    """
    values: dict[str, object] = {"id": job.id, "queue": job.origin}
    name = _name(job)
    if name:
        values["name"] = name
    try:
        arguments = named_arguments(job.func, job.args or (), job.kwargs or {})
    except Exception:  # noqa: BLE001  whatever the import and the serializer raise
        return values
    return {**values, "arguments": arguments}
