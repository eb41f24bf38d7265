"""
``create_bug_task``: file one bug in the background.

A Celery task if Celery is installed, otherwise the same function without it. It gets an
id and no payload: what is in a broker can be read, lost and repeated by others, and the
row in the database cannot.
"""

from __future__ import annotations

import contextlib
from typing import Any

from . import own_connections
from .filing.broker import TASK_NAME
from .filing.outbox import file_bug, request
from .models import Filing, KnownBug

try:
    from celery import shared_task
except ImportError:  # pragma: no cover  Celery is an extra
    shared_task = None

# The specified retries: three, a minute apart.
MAX_RETRIES = 3
RETRY_SECONDS = 60
# The outbox adds up to a tenth of jitter to its own minute. A retry that came earlier
# would find nothing due.
RETRY_AFTER_OUTBOX_SECONDS = RETRY_SECONDS + RETRY_SECONDS // 6


def run(known_bug_id: int) -> int:
    """
    File the bug with this primary key.

    Returns:
        How many trackers filed or updated it now.

    """
    bug = KnownBug.all_objects.filter(pk=known_bug_id).first()
    if bug is None:
        return 0
    request(bug)
    outcomes = file_bug(known_bug_id)
    return len([outcome for outcome in outcomes if outcome.is_done])


if shared_task is not None:

    @shared_task(  # type: ignore[untyped-decorator]
        bind=True,
        name=TASK_NAME,
        ignore_result=True,
        acks_late=True,
        max_retries=MAX_RETRIES,
        default_retry_delay=RETRY_SECONDS,
    )
    def create_bug_task(self: Any, known_bug_id: int) -> int:
        """
        File the bug with this primary key.

        Tried again three times, a minute apart, while a tracker or the database
        refuses. The outbox does the rest.

        Returns:
            How many trackers filed or updated it now.

        """
        is_called = self.request.called_directly
        is_in_worker = not (is_called or self.request.is_eager)
        releasing: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if is_in_worker:
            # Elsewhere the connection is the caller's.
            releasing = own_connections.may_release()
        try:
            with releasing:
                filed = run(known_bug_id)
        except Exception as error:
            raise self.retry(exc=error) from error
        refused = Filing.objects.filter(
            bug=known_bug_id, state=Filing.State.PENDING, attempts__gt=0
        )
        has_retries = not is_called and self.request.retries < MAX_RETRIES
        if has_retries and refused.exists():
            raise self.retry(countdown=RETRY_AFTER_OUTBOX_SECONDS)
        return filed

else:  # pragma: no cover  without Celery
    create_bug_task = run
