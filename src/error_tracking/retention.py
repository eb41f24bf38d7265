"""
How long error logs are kept: by age, by rows of a group, and shorter what people have sent.

Each group keeps its first and its latest log; groups, counts and bugs are never
pruned. Small batches, so that no lock is held for long. The leader calls it
with a bound on its time, the command without.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Callable
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from . import conf
from .models import ErrorGroup, ErrorLog, GroupClient
from .models.base import write_alias

REQUEST_DAYS = 30
LOGS_PER_GROUP = 1_000
BATCH_ROWS = 100  # some 10 ms of SQLite's lock

Progress = Callable[[str, int], None]


@dataclasses.dataclass(slots=True)
class Pruned:
    """What a run has done; ``is_complete`` says that there is nothing left to do."""

    logs: int = 0
    reduced: int = 0
    clients: int = 0
    is_complete: bool = True


class Pruner:
    """One run over the tables, at most until *deadline* on the monotonic clock."""

    def __init__(
        self,
        *,
        days: int | None = None,
        is_dry: bool = False,
        deadline: float | None = None,
        on_progress: Progress = lambda _what, _count: None,
    ) -> None:
        """Keep logs for *days*, by default RETENTION_DAYS; *is_dry* counts only."""
        self.days = days or conf.get_settings().RETENTION_DAYS
        self.is_dry, self.deadline, self.on_progress = is_dry, deadline, on_progress
        self.alias = write_alias(ErrorLog)
        self.logs = ErrorLog.objects.using(self.alias)
        self.done = Pruned()

    def run(self) -> Pruned:
        """Prune, and return what was done."""
        now = timezone.now()
        before = now - dt.timedelta(days=self.days)
        self._drop_old(before)
        self._drop_surplus(before)
        self._reduce(now - dt.timedelta(days=min(self.days, REQUEST_DAYS)))
        self._drop_clients(before.date())
        return self.done

    def _is_late(self) -> bool:
        if self.deadline is not None and time.monotonic() > self.deadline:
            self.done.is_complete = False
            return True
        return False

    def _drop_old(self, before: dt.datetime) -> None:
        old = self.logs.filter(created__lt=before).order_by().values("group").annotate(count=Count("pk"))
        # Two are the first and the latest, unless there is a younger one.
        has_more = Q(count__gt=2) | Q(count=2, group__last_seen__gte=before)
        for group in list(old.filter(has_more).values_list("group", flat=True)):
            self._drop(group, created__lt=before)

    def _drop_surplus(self, before: dt.datetime) -> None:
        crowded = ErrorGroup.objects.using(self.alias).filter(times_seen__gt=LOGS_PER_GROUP).order_by("-last_seen")
        for group in list(crowded.values_list("pk", flat=True)):
            newest = self.logs.filter(group=group).order_by("-created", "-pk")
            edge = newest.values_list("created", flat=True)[LOGS_PER_GROUP : LOGS_PER_GROUP + 1]
            for created in () if self._is_late() else edge:
                self._drop(group, created__lte=created, created__gte=before)

    def _drop(self, group: int, **which: dt.datetime) -> None:
        """Delete those of the group's logs, but never its first and its latest."""
        if self._is_late():
            return
        keys = self.logs.filter(group=group).order_by("created", "pk").values_list("pk", flat=True)
        rows = keys.filter(**which).exclude(pk__in={*keys[:1], *keys.reverse()[:1]})
        if self.is_dry:
            self.done.logs += rows.count()
        while not self.is_dry and not self._is_late() and (batch := list(rows[:BATCH_ROWS])):
            self.done.logs += self.logs.filter(pk__in=batch).delete()[0]
            self.on_progress("error logs", self.done.logs)

    def _reduce(self, before: dt.datetime) -> None:
        """Take what people have sent out of the logs that stay."""
        rows = self.logs.filter(is_reduced=False, created__lt=before).order_by("created", "pk")
        if self.is_dry:
            self.done.reduced = rows.count()
            return
        while not self._is_late() and (batch := list(rows.only("stacktrace")[:BATCH_ROWS])):
            for log in batch:
                reduce(log)
            self.logs.bulk_update(batch, REDUCED_FIELDS, batch_size=50)
            self.done.reduced += len(batch)
            self.on_progress("request data", self.done.reduced)

    def _drop_clients(self, before: dt.date) -> None:
        rows = GroupClient.objects.using(self.alias).filter(day__lt=before)
        if self.is_dry:
            self.done.clients = rows.count()
            return
        while not self._is_late() and (batch := list(rows.values_list("pk", flat=True)[: BATCH_ROWS * 5])):
            self.done.clients += rows.filter(pk__in=batch).delete()[0]
            self.on_progress("client hashes", self.done.clients)


class Schedule:
    """When the leader prunes: every hour for a second, again in the next sweep where that was not enough."""

    EVERY_SECONDS = 3_600.0
    AT_ONCE_SECONDS = 1.0

    def __init__(self) -> None:
        """Start a minute after the process, which has better to do at first."""
        self._next = time.monotonic() + 60

    def run(self) -> Pruned | None:
        """Prune when it is time; return what was done."""
        now = time.monotonic()
        if now < self._next:
            return None
        self._next = now + self.EVERY_SECONDS
        done = Pruner(deadline=now + self.AT_ONCE_SECONDS).run()
        if not done.is_complete:
            self._next = now
        return done


schedule = Schedule()

REDUCED_FIELDS = ("request_data", "context", "ip_address", "user_agent", "stacktrace", "is_reduced")


def reduce(log: ErrorLog) -> None:
    """Leave of *log* what says where it failed, not what was sent: no request data, address, agent or variables."""
    log.request_data, log.context, log.ip_address, log.user_agent = {}, {}, None, ""
    log.stacktrace = without_variables(log.stacktrace)
    log.is_reduced = True


def without_variables(stacktrace: Any) -> Any:  # noqa: ANN401  stored JSON, of any release
    """Return the stored *stacktrace* without local variables."""
    if not isinstance(stacktrace, list):
        return []
    for info in stacktrace:
        for frame in info.get("frames", ()) if isinstance(info, dict) else ():
            frame.pop("vars", None)
    return stacktrace
