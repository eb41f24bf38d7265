"""Asks Celery whether there is a broker, and a worker of it to file a bug."""

from __future__ import annotations

from collections.abc import Callable

try:
    from celery import current_app
    from celery.signals import worker_process_shutdown
except ImportError:  # pragma: no cover  Celery is an extra
    current_app = None
    worker_process_shutdown = None

#: What a broker calls ``error_tracking.tasks.create_bug_task``.
TASK_NAME = "error_tracking.create_bug_task"
#: One retry at once: a broker that is away costs milliseconds of a thread of ours.
PUBLISH_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}


def at_worker_shutdown(function: Callable[..., None]) -> None:
    """
    Call *function* at the end of each of Celery's worker processes.

    They end without running the functions that were registered with ``atexit``.
    """
    if worker_process_shutdown is not None:
        worker_process_shutdown.connect(
            function, weak=False, dispatch_uid="error_tracking"
        )


def has_celery() -> bool:
    """Return whether the project has a Celery app with a broker."""
    if current_app is None:
        return False
    settings = current_app.conf
    return bool(settings.broker_url or settings.broker_write_url)


def publish(known_bug_id: int) -> None:
    """
    Ask a Celery worker to file the bug. Never called in a request.

    Raises:
        Exception: The broker did not accept it. Each transport of kombu raises types of
            its own.

    """
    current_app.tasks[TASK_NAME].apply_async(
        args=[known_bug_id], retry=True, retry_policy=PUBLISH_POLICY
    )
