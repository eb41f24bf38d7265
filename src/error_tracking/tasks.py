"""
``create_bug_task``: file one bug in the background.

A Celery task where Celery is installed, the same function without it. Takes an
id and no payload: what is in a broker can be read, lost and repeated, the row
in the database cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .filing import BugCreationService, request
from .models import Filing, KnownBug

try:
    from celery import current_app, shared_task
    from celery.signals import worker_process_shutdown
except ImportError:  # Celery is an extra
    current_app = None
    shared_task = None
    worker_process_shutdown = None

RETRY_SECONDS = 60
MAX_RETRIES = 3
#: One quick try: a broker that is away costs a thread milliseconds, neither the writer nor a request anything.
PUBLISH_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


def run(known_bug_id: int) -> int:
    """File the bug with this primary key; return how many trackers filed it now."""
    bug = KnownBug.all_objects.filter(pk=known_bug_id).first()
    if bug is None:
        return 0
    request(bug)
    return BugCreationService().file(known_bug_id)


if shared_task is not None:

    @shared_task(  # type: ignore[untyped-decorator]
        bind=True,
        name="error_tracking.create_bug_task",
        ignore_result=True,
        acks_late=True,
        max_retries=MAX_RETRIES,
        default_retry_delay=RETRY_SECONDS,
    )
    def create_bug_task(self: Any, known_bug_id: int) -> int:  # noqa: ANN401  Celery's task, untyped
        """
        File the bug with this primary key; return how many trackers filed it now.

        Tried again three times, a minute apart, while a tracker or the database
        refuses; the outbox does the rest.
        """
        try:
            filed = run(known_bug_id)
        except Exception as error:
            raise self.retry(exc=error) from error
        refused = Filing.objects.filter(bug=known_bug_id, state=Filing.State.PENDING, attempts__gt=0)
        is_worth_it = not self.request.called_directly and self.request.retries < MAX_RETRIES
        if is_worth_it and refused.exists():
            raise self.retry(countdown=RETRY_SECONDS + RETRY_SECONDS // 6)  # the outbox adds some jitter to the minute
        return filed

else:
    create_bug_task = run


def at_worker_shutdown(function: Callable[..., None]) -> None:
    """Have *function* called at the end of each of Celery's worker processes, which run no ``atexit`` (FAULTS T13)."""
    if worker_process_shutdown is not None:
        worker_process_shutdown.connect(function, weak=False, dispatch_uid="error_tracking")


def has_celery() -> bool:
    """Return whether the project has a Celery app with a broker."""
    return current_app is not None and bool(current_app.conf.broker_url or current_app.conf.broker_write_url)


def publish(known_bug_id: int) -> None:
    """
    Ask a Celery worker to file the bug; never called in a request.

    Raises:
        Exception: The broker did not take it (any of several types, FAULTS T02).
    """
    create_bug_task.apply_async(args=[known_bug_id], retry=True, retry_policy=PUBLISH_POLICY)
