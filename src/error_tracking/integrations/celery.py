"""
What runs on Celery beside filing: the capture of failed tasks, the task that sweeps.

Celery sends ``task_failure`` when retries are exhausted, never for ``Retry``,
``Ignore`` and ``Reject``; what a task ``throws`` is expected and left out.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import current_app, shared_task, signals

from error_tracking import conf, context, following, sweep
from error_tracking.capture import ErrorCaptureService
from error_tracking.exceptions import TrackerError
from error_tracking.utils import named_arguments

logger = logging.getLogger("error_tracking")

OWN_TASKS = "error_tracking."


def connect() -> None:
    """Connect to the signals of Celery."""
    uid = "error_tracking"
    signals.task_prerun.connect(context.begin_task, weak=False, dispatch_uid=uid)
    signals.task_failure.connect(capture_failure, weak=False, dispatch_uid=uid)
    signals.task_internal_error.connect(capture_failure, weak=False, dispatch_uid=uid)


def capture_failure(
    sender: Any = None,  # noqa: ANN401  Celery's task, untyped
    task_id: str = "",
    exception: BaseException | None = None,
    args: Any = (),  # noqa: ANN401
    kwargs: Any = None,  # noqa: ANN401
    **_rest: object,
) -> None:
    """Capture the failure of a task; a receiver, so it never raises."""
    name = str(getattr(sender, "name", ""))
    if exception is None or name.startswith(OWN_TASKS) or "celery" in conf.get_settings().DISABLE:
        return
    if issubclass(type(exception), tuple(getattr(sender, "throws", None) or ())):
        return
    ErrorCaptureService().capture_exception(
        context.current_request(),
        exception,
        mechanism="celery",
        where=f"task {name}",
        more=lambda: {"task": {"name": name, **_task_values(sender, task_id, args, kwargs)}},
    )


def _task_values(sender: Any, task_id: str, args: Any, kwargs: Any) -> dict[str, object]:  # noqa: ANN401
    """Return what is known of the task."""
    request = sender.request
    arguments = named_arguments(sender.run, args or (), kwargs or {})
    queue = (request.delivery_info or {}).get("routing_key", "")
    return {"id": task_id, "arguments": arguments, "queue": queue, "retries": request.retries}


def answering_workers(seconds: float) -> list[str]:
    """
    Return the names of the workers that answer a ping within *seconds*.

    Raises:
        Exception: The broker is away (any of several types, FAULTS T02); one that
            accepts and says nothing may keep the caller waiting for longer.
    """
    with current_app.connection_for_write(connect_timeout=seconds) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        answers = current_app.control.ping(timeout=seconds, connection=connection)
    return [name for answer in answers for name in answer]


@shared_task(name=f"{OWN_TASKS}sync", ignore_result=True)  # type: ignore[untyped-decorator]
def sync() -> None:
    """Do what ``error_tracking_sync`` does: one round of everything that is not an event."""
    sweep.run(is_waiting=True)
    try:
        following.follow()
    except TrackerError as error:
        logger.warning("the issues could not be read: reason=%r", str(error))
