"""
The recorder's health: what was lost, what is at risk, and what stands still.

For code, monitors and the dashboard. Reads the rows of the journals, this process's
worker and this machine's folder; changes nothing and never raises.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from django.db.models import Count, Max, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from error_tracking import conf, testing
from error_tracking.bugs import table_size
from error_tracking.bugs.table_size import TableSize
from error_tracking.database_problems import problem_for
from error_tracking.filing.waiting import WaitingBugs, waiting_bugs
from error_tracking.models import Journal
from error_tracking.models.base import alias_or_default, moment_from, moment_text

from . import worker
from .intake import Intake
from .machine import Machine

# Five of the leader's rounds in quiet times: a machine may be busy, or start again.
SILENT_SECONDS = 300
# Long enough for whoever was on holiday, short enough for a number to mean something.
REMEMBERED = dt.timedelta(days=30)
# An error of ours costs nothing that was captured. If it does not come back within an
# hour it was a passing one; if it does, it is shown again.
FAILURE_SHOWN = dt.timedelta(hours=1)
ACKNOWLEDGE = "error_tracking_doctor --acknowledge"

DISCARDED = "A test run is active: events are discarded."
# What an unknown error of a driver says may be long, and a monitor shows one line.
LONGEST_DETAIL = 200
# As wide as the column.
ENVIRONMENT_LENGTH = 50


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    """
    The state of the recorder, in the current environment.

    ``problems`` describes in sentences what is wrong; empty if everything works.

    *This process*: ``pending`` records wait to be stored. ``is_durable``: they are on
    disk. ``is_leader``: this process leads its machine. ``away_seconds``: how long
    nothing could be stored. ``blocked``: why nothing can be stored now, and what to do;
    empty if that works. ``is_test_run``: nothing is recorded, because Django's test
    runner or pytest-django has begun a test run. ``waiting_bytes``: the size of the
    journals of all processes of this machine.

    *All servers of this environment*, over 30 days: ``lost`` events, a problem until
    somebody acknowledges them. ``at_risk`` events, which are in memory only.
    ``bare`` events were stored without their payload, and ``merged`` events counted in
    a group that they share: there was no room, or the database cannot accept them.
    ``failures``: swallowed errors of error_tracking itself. ``failed_at``: the time of
    the last one, which is a problem for an hour or until it is acknowledged.
    ``processes`` that stored something; ``stored_at``: the last time.

    ``stopped_seconds``: how long this process could create and file no bugs.
    ``new_loss_at``: the time of the last loss that nobody has acknowledged.

    ``waiting_bugs``: how many bugs wait because enough were filed in this hour or day;
    ``waiting_reasons``: why; ``waiting_until``: when the first of them are tried again.
    That is no problem: they are filed automatically.

    ``size``: what the tables need and how fast they grow; None if the database cannot
    be asked.
    """

    pending: int
    is_durable: bool
    is_leader: bool
    away_seconds: float
    waiting_bytes: int
    lost: int
    at_risk: int
    failures: int
    processes: int
    stored_at: dt.datetime | None
    problems: tuple[str, ...]
    failed_at: dt.datetime | None = None
    size: TableSize | None = None
    blocked: str = ""
    bare: int = 0
    merged: int = 0
    is_test_run: bool = False
    waiting_bugs: int = 0
    waiting_reasons: tuple[str, ...] = ()
    waiting_until: dt.datetime | None = None
    stopped_seconds: float = 0.0
    new_loss_at: dt.datetime | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether nothing was lost, is at risk or stands still."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Return the values as plain data."""
        return {**dataclasses.asdict(self), "is_healthy": self.is_healthy}


@dataclasses.dataclass(frozen=True, slots=True)
class _Stored:
    """The sums of the journals' rows; zeros if the database cannot be read."""

    lost: int = 0
    at_risk: int = 0
    bare: int = 0
    merged: int = 0
    failures: int = 0
    lost_at: dt.datetime | None = None
    at_risk_at: dt.datetime | None = None
    failed_at: dt.datetime | None = None
    acknowledged_at: dt.datetime | None = None
    stored_at: dt.datetime | None = None
    processes: int = 0

    def is_news(self, moment: dt.datetime | None) -> bool:
        """Return whether *moment* is later than the last acknowledgement."""
        if moment is None:
            return False
        return self.acknowledged_at is None or moment > self.acknowledged_at


@dataclasses.dataclass(frozen=True, slots=True)
class _Database:
    """What the database answered, or why it did not."""

    stored: _Stored
    size: TableSize | None
    waiting: WaitingBugs | None
    problem: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Unwritten:
    """What this process knows and has not written into its journal's row yet."""

    lost: int
    at_risk: int
    bare: int
    merged: int
    failures: int
    failed_at: dt.datetime | None


def health() -> Health:
    """
    Return the state of the recorder, seen from this process.

    Asks the database two queries, and now and then for the size of the tables.
    """
    process = worker.get_worker()
    intake = process.intake
    machine = intake.known_machine
    database = _read_database()
    stored = database.stored
    unwritten = _unwritten(intake)
    away_seconds = process.outage.seconds()
    blocked = ""
    if away_seconds:
        blocked = process.outage.reason
    waiting_bytes = 0
    if machine is not None:
        waiting_bytes = machine.bytes_on_disk()
    waiting = database.waiting
    return Health(
        waiting_bugs=waiting.count if waiting else 0,
        waiting_reasons=waiting.reasons if waiting else (),
        waiting_until=waiting.until if waiting else None,
        pending=intake.pending,
        is_durable=all(journal.storage.is_durable for journal in intake.journals),
        is_leader=process.leader.is_leader,
        away_seconds=away_seconds,
        waiting_bytes=waiting_bytes,
        lost=stored.lost + unwritten.lost,
        at_risk=max(stored.at_risk, unwritten.at_risk),
        failures=stored.failures + unwritten.failures,
        failed_at=_last_failure(stored, unwritten),
        processes=stored.processes,
        stored_at=stored.stored_at,
        problems=_problems(process, database, unwritten),
        size=database.size,
        blocked=blocked,
        bare=stored.bare + unwritten.bare,
        merged=stored.merged + unwritten.merged,
        is_test_run=testing.is_test_run(),
        stopped_seconds=process.upkeep.seconds(),
        new_loss_at=_new_loss(stored, unwritten),
    )


def _read_database() -> _Database:
    try:
        waiting = waiting_bugs(conf.get_settings().environment)
        return _Database(_sums(), table_size.measure(), waiting, problem="")
    except Exception as error:  # noqa: BLE001  this function never raises
        # Not only what a driver raises: a router or an alias may be the project's.
        problem = problem_for(error, alias_or_default(Journal))
        text = f"The database cannot be read: {str(error)[:LONGEST_DETAIL]}"
        if problem is not None:
            text = str(problem)
        return _Database(_Stored(), None, None, text)


def _sums() -> _Stored:
    """Return the sums over the journals of this environment."""
    environment = conf.get_settings().environment[:ENVIRONMENT_LENGTH]
    recent = Journal.objects.of_environment(environment).filter(
        heartbeat__gte=timezone.now() - REMEMBERED
    )
    # Rows of an earlier release have no times of their own; their heartbeat is later.
    # The names differ from those of the columns, as Django requires.
    sums = recent.aggregate(
        total_lost=Sum("lost", default=0),
        total_at_risk=Sum("at_risk", default=0),
        total_bare=Sum("bare", default=0),
        total_merged=Sum("merged", default=0),
        total_failures=Sum("failures", default=0),
        last_lost=Max(Coalesce("lost_at", "heartbeat"), filter=Q(lost__gt=0)),
        last_at_risk=Max("heartbeat", filter=Q(at_risk__gt=0)),
        last_failed=Max(Coalesce("failed_at", "heartbeat"), filter=Q(failures__gt=0)),
        last_acknowledged=Max("acknowledged_at"),
        last_stored=Max("heartbeat"),
        processes=Count("id"),
    )
    return _Stored(
        lost=sums["total_lost"],
        at_risk=sums["total_at_risk"],
        bare=sums["total_bare"],
        merged=sums["total_merged"],
        failures=sums["total_failures"],
        lost_at=sums["last_lost"],
        at_risk_at=sums["last_at_risk"],
        failed_at=sums["last_failed"],
        acknowledged_at=sums["last_acknowledged"],
        stored_at=sums["last_stored"],
        processes=sums["processes"],
    )


def _unwritten(intake: Intake) -> _Unwritten:
    failed_at = None
    if intake.swallowed:
        failed_at = moment_from(intake.failed_at)
    return _Unwritten(
        lost=sum(journal.lost for journal in intake.journals),
        at_risk=intake.at_risk,
        bare=intake.bare,
        merged=intake.merged,
        failures=intake.swallowed,
        failed_at=failed_at,
    )


def _new_loss(stored: _Stored, unwritten: _Unwritten) -> dt.datetime | None:
    """Return when the last loss was that nobody has acknowledged."""
    if unwritten.lost:
        return timezone.now()
    if stored.lost and stored.is_news(stored.lost_at):
        return stored.lost_at
    return None


def _last_failure(stored: _Stored, unwritten: _Unwritten) -> dt.datetime | None:
    moments = [stored.failed_at, unwritten.failed_at]
    return max((moment for moment in moments if moment is not None), default=None)


def _problems(
    process: worker.Worker, database: _Database, unwritten: _Unwritten
) -> tuple[str, ...]:
    """Return a sentence for each thing that is wrong, the most urgent first."""
    stored = database.stored
    problems = [
        _test_run_problem(),
        database.problem,
        _outage_problem(process),
        _upkeep_problem(process),
        _room_problem(process.intake),
        _lost_problem(stored, unwritten),
        _at_risk_problem(stored, unwritten),
        _failure_problem(stored, unwritten),
        _folder_problem(process.intake.known_machine),
        *(str(problem) for problem in conf.problems()),
    ]
    return tuple(problem for problem in problems if problem)


def _test_run_problem() -> str:
    if testing.is_test_run():
        return DISCARDED
    return ""


def _outage_problem(process: worker.Worker) -> str:
    seconds = process.outage.seconds()
    if not seconds:
        return ""
    return f"Nothing could be stored for {seconds:.0f} s: {process.outage.reason}"


def _upkeep_problem(process: worker.Worker) -> str:
    seconds = process.upkeep.seconds()
    if not seconds:
        return ""
    reason = process.upkeep.reason
    return f"No bugs could be created or filed for {seconds:.0f} s: {reason}"


def _room_problem(intake: Intake) -> str:
    if not intake.room:
        return ""
    return f"The journals have little room left: {intake.room}."


def _lost_problem(stored: _Stored, unwritten: _Unwritten) -> str:
    is_news = stored.lost > 0 and stored.is_news(stored.lost_at)
    if not is_news and not unwritten.lost:
        return ""
    lost = stored.lost + unwritten.lost
    return (
        f"{lost} events were lost in the last 30 days, because they were damaged "
        f"on disk. Run {ACKNOWLEDGE} to dismiss this message."
    )


def _at_risk_problem(stored: _Stored, unwritten: _Unwritten) -> str:
    is_news = stored.at_risk > 0 and stored.is_news(stored.at_risk_at)
    if not is_news and not unwritten.at_risk:
        return ""
    at_risk = max(stored.at_risk, unwritten.at_risk)
    return f"{at_risk} events are counted in memory only: the journal is full."


def _failure_problem(stored: _Stored, unwritten: _Unwritten) -> str:
    failed_at = _last_failure(stored, unwritten)
    if failed_at is None or not stored.is_news(failed_at):
        return ""
    if failed_at <= timezone.now() - FAILURE_SHOWN:
        return ""
    failures = stored.failures + unwritten.failures
    return (
        f"error_tracking itself had an error at {moment_text(failed_at)}, "
        f"{failures} in 30 days: see the log of the logger error_tracking. This "
        f"message disappears an hour after the last error, or with {ACKNOWLEDGE}."
    )


def _folder_problem(machine: Machine | None) -> str:
    if machine is None or not machine.problem:
        return ""
    return f"This process has no journal on disk: {machine.problem}"


def acknowledge() -> None:
    """
    Note that somebody knows what went wrong in this environment so far.

    It is still counted, but not a problem any more.
    """
    Journal.objects.acknowledge(conf.get_settings().environment[:ENVIRONMENT_LENGTH])
