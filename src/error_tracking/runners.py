"""
How background work runs: on a thread (default), on Celery, or inline.

The outbox says what is due; a runner only decides where it is done. What a
broker was given and nobody did in two minutes is done on the thread. Trackers
and brokers are talked to on threads of their own, by the writer only with RUNNER
inline.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import threading
from collections.abc import Collection

from django.db import connections
from django.utils import timezone

from . import conf, following, tasks
from .exceptions import TrackerError
from .filing import BugCreationService
from .models import Filing
from .models.base import committed, write_alias
from .models.filing import FilingQuerySet

logger = logging.getLogger("error_tracking")

BROKER_PATIENCE_SECONDS = 120
PUBLISH_SECONDS = 1.0
BATCH_BUGS = 50


class FilerThread:
    """Does what is due on a daemon thread that ends when nothing is left."""

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
        return thread is None or not thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._wants_more:
                    self._thread = None
                    return
                self._wants_more = False
            try:
                _work()
            except Exception:  # the guard of this thread: the next sweep tries again
                logger.exception("filing stopped until the next sweep")
            finally:
                connections[write_alias(Filing)].close()


class Publisher:
    """Gives bugs to the broker, on a thread that is left behind when the broker does not answer (FAULTS T01)."""

    def __init__(self) -> None:
        """Start with no thread."""
        self._thread: threading.Thread | None = None

    def publish(self, pk: int) -> bool:
        """Give the bug *pk* to the broker; return whether that was done within ``PUBLISH_SECONDS``."""
        if self._thread is not None and self._thread.is_alive():
            return False
        taken: list[int] = []
        self._thread = threading.Thread(
            target=_ask_broker, args=(pk, taken), name="error_tracking.publisher", daemon=True
        )
        self._thread.start()
        self._thread.join(PUBLISH_SECONDS)
        return bool(taken)


def _ask_broker(pk: int, taken: list[int]) -> None:
    try:
        tasks.publish(pk)
        taken.append(pk)
    except Exception as error:  # noqa: BLE001  kombu, Redis and AMQP raise types of their own (FAULTS T02)
        logger.warning("the broker did not take a bug: error=%r", error)
    finally:
        connections.close_all()  # an eager Celery runs the task here


_filer, _publisher = FilerThread(), Publisher()


def due() -> FilingQuerySet:
    """Return the rows of this environment that somebody should take now."""
    return Filing.objects.due(timezone.now()).wanted(conf.get_settings().environment)


def _bugs_of(rows: FilingQuerySet) -> list[int]:
    keys = rows.urgent_first().values_list("bug_id", flat=True)[: BATCH_BUGS * 2]
    return list(dict.fromkeys(keys))[:BATCH_BUGS]


def file_due(besides: Collection[int] = ()) -> int:
    """File what is due and can be filed here, in this thread; return how many trackers did something."""
    service, rows = BugCreationService(), due()
    able = rows.filter(tracker__in=service.able_trackers(rows))
    return sum(service.file(pk) for pk in _bugs_of(able) if pk not in besides)


def file_all() -> int:
    """Do all that can be done here and now, in this thread; return how many trackers did something."""
    done = 0
    while more := file_due():
        done += more
    return done


def run_due() -> None:
    """Have everything that is due done, where RUNNER says; waits for nothing but the database, unless it is inline."""
    if conf.get_settings().RUNNER == "inline":
        file_due()
        _follow()
    elif due().exists() or following.is_due():
        _filer.start()


def _follow() -> None:
    if following.is_due():
        try:
            following.follow()
        except TrackerError as error:
            logger.warning("the issues could not be read: reason=%r", str(error))


@committed(Filing)
def _work() -> None:
    """Do what is due: ask Celery where RUNNER says so, file what is left, look at the issues."""
    runner = conf.get_settings().RUNNER
    if runner == "celery" or (runner == "auto" and tasks.has_celery()):
        file_due(besides=[pk for pk in _bugs_of(due()) if _publish(pk)])
    else:
        file_all()
    _follow()


def _publish(pk: int) -> bool:
    """Give the bug to the broker once; return False when this process should do it itself."""
    now = timezone.now()
    rows = due().filter(bug=pk)
    patience = dt.timedelta(seconds=BROKER_PATIENCE_SECONDS)
    if rows.filter(published_at__lt=now - patience).exists():
        return False
    unpublished = Filing.objects.filter(pk__in=list(rows.filter(published_at=None).values_list("pk", flat=True)))
    if not unpublished.filter(published_at=None).update(published_at=now, modified=now):
        return True
    if _publisher.publish(pk):
        return True
    Filing.objects.filter(published_at=now, bug=pk).update(published_at=now - 2 * patience)
    return False


def wait(timeout: float) -> bool:
    """Wait until what the thread is filing is filed; return whether it is."""
    return _filer.wait(timeout)


def _reset() -> None:
    """Start anew in a forked child, which has no thread of its parent's."""
    global _filer, _publisher
    _filer, _publisher = FilerThread(), Publisher()


getattr(os, "register_at_fork", lambda **_: None)(after_in_child=_reset)  # Windows does not fork
