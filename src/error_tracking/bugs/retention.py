"""
How long error logs are stored: by age, by rows per group, and by size.

What people sent is removed earlier than the rest. Each group keeps its first and its
latest log; groups, counts and bugs are never pruned. Rows are deleted in small batches,
so that no lock is held for long. The leader runs this for a second at a time, the
command until it is done.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Callable
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from error_tracking import conf
from error_tracking.models import ErrorGroup, ErrorLog, GroupClient
from error_tracking.models.base import write_alias

from .people import delete_clients
from .size_cap import SizeCap

# A person who reports an error does so within days, and a month is what most privacy
# policies promise for server logs.
REQUEST_DAYS = 30
# Nobody reads more examples of one error, and statistics come from the counts.
LOGS_PER_GROUP = 1_000
# About 10 ms of SQLite's lock.
BATCH_ROWS = 100
# A client hash is a tenth of an error log.
BATCH_CLIENTS = 500
# An UPDATE of many rows has a parameter per row and column, and SQLite bounds them.
UPDATE_ROWS = 50

Progress = Callable[[str, int], None]

# What strip_personal_data() writes.
STRIPPED_FIELDS = (
    "user",
    "user_label",
    "request_data",
    "context",
    "ip_address",
    "user_agent",
    "stacktrace",
    "personal_data_removed",
)


@dataclasses.dataclass(slots=True)
class Pruned:
    """
    What a run has done.

    Attributes:
        logs: Error logs that were deleted, for whatever reason.
        emptied: Error logs whose payload was deleted because too much is stored.
        capped: Those of ``logs`` that were deleted because too much is stored.
        is_over: Whether too much is stored, and only first and latest logs are left.
        stripped: Error logs that personal data was removed from, because of their age.
        clients: Client hashes that were deleted.
        is_complete: Whether there is nothing left to do.

    """

    logs: int = 0
    emptied: int = 0
    capped: int = 0
    is_over: bool = False
    stripped: int = 0
    clients: int = 0
    is_complete: bool = True


class Pruner:
    """
    One run over the tables.

    Args:
        days: How long error logs are stored, by default RETENTION_DAYS.
        is_dry: Only count what would be deleted.
        deadline: When to stop, on the monotonic clock.
        on_progress: Called with a noun and how many were done so far.

    """

    def __init__(
        self,
        *,
        days: int | None = None,
        is_dry: bool = False,
        deadline: float | None = None,
        on_progress: Progress = lambda _what, _count: None,
    ) -> None:
        self.days = days or conf.get_settings().RETENTION_DAYS
        self.is_dry = is_dry
        self.deadline = deadline
        self.on_progress = on_progress
        self.done = Pruned()

    def run(self) -> Pruned:
        """Prune, and return what was done."""
        now = timezone.now()
        oldest = now - dt.timedelta(days=self.days)
        # What people sent is never stored for longer than the rest.
        request_days = min(self.days, REQUEST_DAYS)
        self._delete_old(oldest)
        self._delete_surplus(oldest)
        self._delete_beyond_size()
        self._strip_old(now - dt.timedelta(days=request_days))
        self._delete_old_clients(oldest.date())
        self._delete_old_messages(oldest)
        return self.done

    def _is_late(self) -> bool:
        if self.deadline is None or time.monotonic() <= self.deadline:
            return False
        self.done.is_complete = False
        return True

    def _delete_old(self, oldest: dt.datetime) -> None:
        """Delete the logs before *oldest*."""
        old = ErrorLog.objects.filter(created__lt=oldest).order_by()
        groups = old.values("group").annotate(count=Count("pk"))
        # Two old logs are the first and the latest, unless there is a younger one.
        has_more = Q(count__gt=2) | Q(count=2, group__last_seen__gte=oldest)
        for group in list(groups.filter(has_more).values_list("group", flat=True)):
            self._delete_of_group(group, created__lt=oldest)

    def _delete_surplus(self, oldest: dt.datetime) -> None:
        """Delete what a group has beyond ``LOGS_PER_GROUP``, since *oldest*."""
        crowded = ErrorGroup.objects.filter(times_seen__gt=LOGS_PER_GROUP)
        groups = crowded.order_by("-last_seen").values_list("pk", flat=True)
        for group in list(groups):
            if self._is_late():
                return
            newest_first = ErrorLog.objects.filter(group=group)
            newest_first = newest_first.order_by("-created", "-pk")
            times = newest_first.values_list("created", flat=True)
            for created in times[LOGS_PER_GROUP : LOGS_PER_GROUP + 1]:
                self._delete_of_group(group, created__lte=created, created__gte=oldest)

    def _delete_of_group(self, group: int, **which: dt.datetime) -> None:
        """Delete those of the group's logs, but never its first and its latest."""
        if self._is_late():
            return
        logs = ErrorLog.objects.filter(group=group).order_by("created", "pk")
        keys = logs.values_list("pk", flat=True)
        first_and_latest = {*keys[:1], *keys.reverse()[:1]}
        rows = keys.filter(**which).exclude(pk__in=first_and_latest)
        if self.is_dry:
            self.done.logs += rows.count()
            return
        while not self._is_late():
            batch = list(rows[:BATCH_ROWS])
            if not batch:
                return
            deleted, _ = ErrorLog.objects.filter(pk__in=batch).delete()
            self.done.logs += deleted
            self.on_progress("error logs", self.done.logs)

    def _delete_beyond_size(self) -> None:
        """Keep within MAX_ERROR_LOGS and MAX_SIZE_MB, the loudest groups first."""
        size_cap = SizeCap(
            write_alias(ErrorLog),
            is_dry=self.is_dry,
            is_late=self._is_late,
            on_progress=self.on_progress,
        )
        capped = size_cap.run()
        self.done.emptied = capped.emptied
        self.done.capped = capped.deleted
        self.done.logs += capped.deleted
        self.done.is_over = capped.is_over

    def _strip_old(self, before: dt.datetime) -> None:
        """Remove personal data from the logs before that time."""
        old = ErrorLog.objects.filter(created__lt=before).order_by("created", "pk")
        self._strip(old.filter(personal_data_removed=False))
        # These were emptied earlier, for the sake of another person or of space: they
        # still name the user of the request.
        emptied = old.filter(personal_data_removed=True)
        self._strip(emptied.exclude(user=None, user_label=""))

    def _strip(self, rows: QuerySet[ErrorLog]) -> None:
        if self.is_dry:
            self.done.stripped += rows.count()
            return
        while not self._is_late():
            batch = list(rows.only("stacktrace")[:BATCH_ROWS])
            if not batch:
                return
            for log in batch:
                strip_personal_data(log)
            ErrorLog.objects.bulk_update(batch, STRIPPED_FIELDS, batch_size=UPDATE_ROWS)
            self.done.stripped += len(batch)
            self.on_progress("request data", self.done.stripped)

    def _delete_old_clients(self, oldest: dt.date) -> None:
        rows = GroupClient.objects.filter(day__lt=oldest)
        if self.is_dry:
            self.done.clients = rows.count()
            return
        while not self._is_late():
            batch = list(rows.values_list("pk", flat=True)[:BATCH_CLIENTS])
            if not batch:
                return
            self.done.clients += delete_clients(rows.filter(pk__in=batch))
            self.on_progress("client hashes", self.done.clients)

    def _delete_old_messages(self, oldest: dt.datetime) -> None:
        """Delete the messages that groups have from before then; their patterns stay."""
        groups = ErrorGroup.objects.filter(last_seen__lt=oldest).exclude(message="")
        if self.is_dry:
            return
        while not self._is_late():
            batch = list(groups.values_list("pk", flat=True)[:BATCH_ROWS])
            if not batch:
                return
            ErrorGroup.objects.filter(pk__in=batch, last_seen__lt=oldest).update(
                message=""
            )


class Schedule:
    """When the leader prunes: every hour for a second, until nothing is left to do."""

    EVERY_SECONDS = 3_600.0
    AT_ONCE_SECONDS = 1.0
    # A process that starts has more urgent things to do.
    FIRST_AFTER_SECONDS = 60.0

    def __init__(self) -> None:
        self._next = time.monotonic() + self.FIRST_AFTER_SECONDS

    def run(self) -> Pruned | None:
        """Prune if it is time, and return what was done."""
        now = time.monotonic()
        if now < self._next:
            return None
        self._next = now + self.EVERY_SECONDS
        done = Pruner(deadline=now + self.AT_ONCE_SECONDS).run()
        if not done.is_complete:
            # The next sweep goes on.
            self._next = now
        return done


schedule = Schedule()


def strip_personal_data(log: ErrorLog) -> None:
    """
    Remove from *log* for whom and with what it failed, and leave where.

    No user, request data, address, agent or variables: the first and the latest log of
    a group are stored without end, and personal data must not be.
    """
    strip_sent_data(log)
    log.user_id = None
    log.user_label = ""


def strip_sent_data(log: ErrorLog) -> None:
    """Remove from *log* what was sent, and the variables that the code made of it."""
    log.request_data = {}
    log.context = {}
    log.ip_address = None
    log.user_agent = ""
    log.stacktrace = without_variables(log.stacktrace)
    log.personal_data_removed = True


def without_variables(stacktrace: Any) -> Any:
    """Return the stored *stacktrace* without local variables."""
    if not isinstance(stacktrace, list):
        return []
    for exception in stacktrace:
        if not isinstance(exception, dict):
            continue
        for frame in exception.get("frames", ()):
            frame.pop("vars", None)
    return stacktrace
