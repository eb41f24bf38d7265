"""
Where background work runs: on a thread (default), on Celery, or inline.

The outbox says what is due. A runner only decides where it is done. What a broker
accepted and no worker did within two minutes is done on the thread. Trackers and
brokers are called on threads of their own, so they never delay storing errors; only
with RUNNER inline the caller waits for them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import threading
from collections.abc import Collection

from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone

from error_tracking import conf, forks, own_connections
from error_tracking.database_problems import problem_for
from error_tracking.exceptions import TrackerError
from error_tracking.models import Filing
from error_tracking.models.base import write_alias
from error_tracking.models.filing import FilingQuerySet

from . import broker, issue_sync, waiting
from .outbox import Outcome, able_trackers, file_bug

logger = logging.getLogger("error_tracking")

# A worker that is busy with another task for longer is as good as none.
BROKER_PATIENCE_SECONDS = 120
# A broker on the same network accepts a message in a few milliseconds.
PUBLISH_SECONDS = 1.0
# With RUNNER inline the caller waits for one batch: some seconds at most.
BATCH_BUGS = 50


@dataclasses.dataclass(frozen=True, slots=True)
class WorkDone:
    """
    What was done in this thread.

    Attributes:
        outcomes: The attempts to file bugs.
        followed: Number of bugs that changed because their issue did.
        issues_problem: Why the issues could not be read, ``""`` if they were.

    """

    outcomes: tuple[Outcome, ...] = ()
    followed: int = 0
    issues_problem: str = ""


class FilerThread:
    """Does what is due on a daemon thread, which ends when nothing is left."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._wants_more = False

    def start(self) -> None:
        """Make sure that a thread checks the outbox after this call."""
        with self._lock:
            self._wants_more = True
            if self._thread is not None and self._thread.is_alive():
                return
            thread = threading.Thread(
                target=self._run, name="error_tracking.filer", daemon=True
            )
            # Raises if no thread can be started now; then the next call tries again.
            thread.start()
            self._thread = thread

    def wait(self, timeout: float) -> bool:
        """
        Wait until the thread is done.

        Args:
            timeout: The longest wait, in seconds.

        Returns:
            Whether it is done.

        """
        thread = self._thread
        if thread is None:
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._wants_more:
                    self._thread = None
                    return
                self._wants_more = False
            try:
                with own_connections.may_release():
                    # Like a request it waits for SQLite's lock: the result of what was
                    # filed must be stored.
                    own_connections.prepare(write_alias(Filing), waits_for_lock=True)
                    work_as_configured()
            except Exception as error:  # noqa: BLE001  the guard of this thread
                # Nothing is lost: the next sweep tries again.
                _log_failure(error)
            finally:
                own_connections.close_all()


def _log_failure(error: Exception) -> None:
    """Log why filing stopped: in one line where the reason has a name."""
    problem = problem_for(error, DEFAULT_DB_ALIAS)
    if problem is None:
        logger.error("filing stopped until the next sweep", exc_info=error)
    else:
        logger.error("filing stopped until the next sweep: reason=%s", problem)


class Publisher:
    """
    Sends bugs to the broker, on a thread of its own.

    The thread is left behind when the broker does not answer: client libraries may
    wait for minutes, whatever their time limits say.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def publish(self, pk: int) -> bool:
        """
        Send the bug with the primary key *pk*.

        Returns:
            Whether the broker accepted it within ``PUBLISH_SECONDS``. False also while
            an earlier call still waits for the broker.

        """
        if self._thread is not None and self._thread.is_alive():
            return False
        own_connections.release()
        accepted: list[int] = []
        self._thread = threading.Thread(
            target=_call_broker,
            args=(pk, accepted),
            name="error_tracking.publisher",
            daemon=True,
        )
        self._thread.start()
        self._thread.join(PUBLISH_SECONDS)
        return bool(accepted)


def _call_broker(pk: int, accepted: list[int]) -> None:
    try:
        # An eager Celery runs the task here, in a thread of ours.
        with own_connections.may_release():
            broker.publish(pk)
        accepted.append(pk)
    except Exception as error:  # noqa: BLE001  each transport has types of its own
        logger.warning("the broker did not take a bug: error=%r", error)
    finally:
        connections.close_all()


_filer = FilerThread()
_publisher = Publisher()


def start_work() -> WorkDone:
    """
    Do everything that is due, where RUNNER says.

    Waits for nothing but the database, unless RUNNER is inline.

    Returns:
        What was done before this returns, which is nothing on a thread or on Celery.

    """
    forks.check()
    if conf.get_settings().RUNNER == "inline":
        return _finish(file_due())
    if due().exists() or issue_sync.is_due() or waiting.must_mail():
        _filer.start()
    return WorkDone()


def work_here() -> WorkDone:
    """File everything that is due and read the issues back, now and in this thread."""
    return _finish(file_all(), reads_issues=True)


def work_as_configured() -> WorkDone:
    """
    Do everything that is due: publish it if RUNNER is Celery, else file it here.

    What Celery did not accept is filed here too.
    """
    if _uses_celery():
        published = publish_due()
        return _finish(file_due(besides=published))
    return _finish(file_all())


def due() -> FilingQuerySet:
    """Return the rows of this environment that somebody should claim now."""
    return Filing.objects.due(timezone.now()).wanted(conf.get_settings().environment)


def file_due(besides: Collection[int] = ()) -> tuple[Outcome, ...]:
    """
    File one batch of what is due and can be filed here, in this thread.

    Args:
        besides: Primary keys of bugs that are left out.

    """
    outcomes: list[Outcome] = []
    for pk in _bugs_to_file(besides):
        outcomes += file_bug(pk)
    return tuple(outcomes)


def file_all() -> tuple[Outcome, ...]:
    """
    File everything that is due and can be filed here, in this thread.

    A bug that was filed may be due again at once, for example because it was resolved
    meanwhile. A bug that could not be filed is tried once, and waits for a later round.
    """
    outcomes: list[Outcome] = []
    not_filed: set[int] = set()
    while True:
        batch = _bugs_to_file(besides=not_filed)
        if not batch:
            return tuple(outcomes)
        for pk in batch:
            outcomes_of_bug = file_bug(pk)
            outcomes += outcomes_of_bug
            if not any(outcome.is_done for outcome in outcomes_of_bug):
                not_filed.add(pk)


def _bugs_to_file(besides: Collection[int]) -> list[int]:
    """Return the primary keys of the next bugs that this process can file."""
    rows = due()
    able = rows.filter(tracker__in=able_trackers(rows))
    return _bugs_of(able.exclude(bug__in=list(besides)))


def _bugs_of(rows: FilingQuerySet) -> list[int]:
    """Return the primary keys of the bugs of *rows*, the most urgent first."""
    # A bug has several rows, one per tracker. A bug of the batch that is missed because
    # others have more than two rows is in the next one.
    keys = rows.urgent_first().values_list("bug_id", flat=True)[: BATCH_BUGS * 2]
    distinct = list(dict.fromkeys(keys))
    return distinct[:BATCH_BUGS]


def publish_due() -> list[int]:
    """
    Send what is due to the broker, where RUNNER says so.

    Returns:
        The primary keys of the bugs that a Celery worker files.

    """
    if not _uses_celery():
        return []
    return [pk for pk in _bugs_of(due()) if _publish(pk)]


def _uses_celery() -> bool:
    runner = conf.get_settings().RUNNER
    return runner == "celery" or (runner == "auto" and broker.has_celery())


def _publish(pk: int) -> bool:
    """Send the bug to the broker, once. Return False if this process should file it."""
    now = timezone.now()
    patience = dt.timedelta(seconds=BROKER_PATIENCE_SECONDS)
    rows = due().filter(bug=pk)
    if rows.filter(published_at__lt=now - patience).exists():
        return False
    # On the rows alone: a condition that is reached through a join is not checked again
    # after waiting for the lock, and two processes would publish them.
    keys = list(rows.filter(published_at=None).values_list("pk", flat=True))
    unpublished = Filing.objects.filter(pk__in=keys, published_at=None)
    if not unpublished.update(published_at=now, modified=now):
        return True  # another process has just sent it
    if _publisher.publish(pk):
        return True
    # As if the broker's time was over: this process or the next one files it at once.
    mine = Filing.objects.filter(published_at=now, bug=pk)
    mine.update(published_at=now - 2 * patience)
    return False


def _finish(outcomes: tuple[Outcome, ...], *, reads_issues: bool = False) -> WorkDone:
    """
    Do what comes after filing: report bugs that wait, read the issues back.

    Args:
        outcomes: What was filed before.
        reads_issues: Whether to read the issues although that was done a moment ago.

    """
    waiting.mail_once_a_day()
    if not reads_issues and not issue_sync.is_due():
        return WorkDone(outcomes)
    try:
        followed = issue_sync.sync_issues()
    except TrackerError as error:
        logger.warning("the issues could not be read: reason=%r", str(error))
        return WorkDone(outcomes, issues_problem=str(error))
    return WorkDone(outcomes, followed)


def wait(timeout: float) -> bool:
    """
    Wait until what the thread is filing is filed.

    Args:
        timeout: The longest wait, in seconds.

    Returns:
        Whether it is done.

    """
    forks.check()
    return _filer.wait(timeout)


def _reset() -> None:  # pragma: no cover  in a forked child
    """Start again in a forked child, which has no thread of its parent."""
    global _filer, _publisher
    _filer, _publisher = FilerThread(), Publisher()


forks.on_fork(_reset)
