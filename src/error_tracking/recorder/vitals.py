"""
What was lost or is at risk: the recorder's own state, for code, monitors and the dashboard.

Reads the journals' rows, this process's writer and this machine's folder;
changes nothing and never raises.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from django.db import DatabaseError
from django.db.models import Count, Max, Sum
from django.utils import timezone

from error_tracking.models import Journal

from . import writer

SILENT_SECONDS = 300


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    """
    How the recorder is.

    ``problems`` says in words what is wrong, and is empty when all is well.
    ``pending``, ``is_durable``, ``is_leader`` and ``away_seconds`` are of this
    process; ``waiting_bytes`` is what all processes of this machine have in
    their folder; ``lost``, ``at_risk`` and ``failures`` are summed over all servers
    and the last month; ``stored_at`` is when something was stored last.
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

    @property
    def is_healthy(self) -> bool:
        """Return whether nothing was lost, is at risk or stands still."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Return the values as plain data."""
        return {**dataclasses.asdict(self), "is_healthy": self.is_healthy}


def health() -> Health:
    """Return how the recorder is, seen from this process; asks the database one question."""
    process = writer.get_writer()
    intake, problems = process.intake, []
    rows: dict[str, Any] = {}
    try:
        month = timezone.now() - dt.timedelta(days=30)
        sums = {name: Sum(name) for name in ("lost", "at_risk", "failures")}
        recent = Journal.objects.filter(heartbeat__gte=month)
        rows = recent.aggregate(**sums, stored_at=Max("heartbeat"), processes=Count("id"))
    except DatabaseError as error:
        problems.append(f"The database cannot be read: {str(error)[:200]}")
    lost = (rows.get("lost") or 0) + sum(journal.lost for journal in intake.journals)
    at_risk = max(rows.get("at_risk") or 0, intake.at_risk)
    failures = (rows.get("failures") or 0) + intake.swallowed
    away = process.outage.seconds()
    if away:
        problems.append(f"Nothing could be stored for {away:.0f} s: {process.outage.reason}")
    if lost:
        problems.append(f"{lost} events were lost in the last 30 days: they were damaged on disk or had no room.")
    if at_risk:
        problems.append(f"{at_risk} events are counted in memory only: the journal is full.")
    if failures:
        problems.append(f"{failures} errors of error_tracking itself were swallowed in 30 days: see its log.")
    machine = intake.known_machine
    if machine is not None and machine.problem:
        problems.append(f"This process has no journal on disk: {machine.problem}")
    return Health(
        pending=intake.pending,
        is_durable=all(journal.storage.is_durable for journal in intake.journals),
        is_leader=process.is_leader,
        away_seconds=away,
        waiting_bytes=machine.bytes_on_disk() if machine is not None else 0,
        lost=lost,
        at_risk=at_risk,
        failures=failures,
        processes=rows.get("processes") or 0,
        stored_at=rows.get("stored_at"),
        problems=tuple(problems),
    )
