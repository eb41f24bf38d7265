"""
How background work runs: on a thread (default), on Celery, or inline.

The outbox says what is due; a runner only decides where it is done. What a
broker was given and nobody did in two minutes is done on the thread.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import threading

from django.db import connections, models
from django.utils import timezone

from . import conf, tasks
from .filing import BugCreationService
from .models import Filing, KnownBug
from .models.base import write_alias

logger = logging.getLogger("error_tracking")

BROKER_PATIENCE_SECONDS = 120
BATCH_BUGS = 50


class FilerThread:
    """Files what is due on a daemon thread that ends when nothing is left."""

    def __init__(self) -> None:
        """Start with no thread."""
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._wants_more = False

    def start(self) -> None:
        """Make sure that a thread looks at the outbox after this call."""
        with self._lock:
            self._wants_more = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="error_tracking.filer", daemon=True)
                self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Wait until the thread is done, at most *timeout* seconds; return whether it is."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
            return not thread.is_alive()
        return True

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._wants_more:
                    self._thread = None
                    return
                self._wants_more = False
            try:
                while file_due():
                    pass
            except Exception:  # the guard of this thread: the next sweep tries again
                logger.exception("filing stopped until the next sweep")
            finally:
                connections[write_alias(Filing)].close()


_filer = FilerThread()


def due_bugs() -> list[int]:
    """Return the primary keys of the bugs of this environment that have something due."""
    environment = conf.get_settings().environment
    rows = Filing.objects.due(timezone.now()).filter(bug__environment=environment, bug__is_deleted=False)
    rows = rows.exclude(bug__status=KnownBug.Status.MUTED)
    return list(dict.fromkeys(rows.order_by("bug__number").values_list("bug_id", flat=True)[: BATCH_BUGS * 2]))[
        :BATCH_BUGS
    ]


def file_due() -> int:
    """File what is due in this thread; return how many trackers filed something."""
    return sum(BugCreationService().file(pk) for pk in due_bugs())


def run_due() -> None:
    """Have everything that is due done, where RUNNER says; called by the writer after each batch."""
    runner = conf.get_settings().RUNNER
    if runner == "auto":
        runner = "celery" if tasks.has_celery() else "thread"
    bugs = due_bugs()
    if not bugs:
        return
    if runner == "inline":
        file_due()
        return
    published = [_publish(pk) for pk in bugs] if runner == "celery" else [False]
    if not all(published):
        _filer.start()


def _publish(pk: int) -> bool:
    """Give the bug to the broker once; return False when this process should do it itself."""
    now = timezone.now()
    rows = Filing.objects.due(now).filter(bug=pk)
    patience = now - dt.timedelta(seconds=BROKER_PATIENCE_SECONDS)
    if rows.filter(published_at__lt=patience).exists():
        return False
    unpublished = rows.filter(published_at=None)
    if not unpublished.update(published_at=now, modified=now):
        return True
    try:
        tasks.publish(pk)
    except Exception as error:  # noqa: BLE001  kombu, Redis and AMQP raise types of their own (FAULTS T02)
        logger.warning("the broker did not take a bug: error=%r", error)
        Filing.objects.filter(models.Q(published_at=now), bug=pk).update(published_at=now - 2 * (now - patience))
        return False
    return True


def wait(timeout: float) -> bool:
    """Wait until what the thread is filing is filed; return whether it is."""
    return _filer.wait(timeout)


def _reset() -> None:
    """Start anew in a forked child, which has no thread of its parent's."""
    global _filer  # noqa: PLW0603  one filer per process
    _filer = FilerThread()


getattr(os, "register_at_fork", lambda **_: None)(after_in_child=_reset)  # Windows does not fork
