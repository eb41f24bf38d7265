"""
Keeps the error logs below MAX_ERROR_LOGS and MAX_SIZE_MB, the loudest groups first.

Payloads go before rows, the oldest before the younger. The first and the latest
log of each group, groups, counts and bugs always stay. Bounded: the caller says
when time is up, and the next round goes on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import Count, Q, QuerySet

from error_tracking import conf
from error_tracking.events.event import EVENT_BYTES
from error_tracking.models import ErrorLog

from . import table_size
from .table_size import PAYLOAD_COLUMNS, ROW_BYTES, payload_bytes

# About 10 ms of SQLite's lock.
BATCH_ROWS = 100
# How far below the cap a round goes, so that not every round has something to do.
LOW_WATER = 0.95
MEGABYTE = 1_000_000
# The first and the latest of a group.
LEAST_KEPT = 2

Progress = Callable[[str, int], None]


@dataclasses.dataclass(slots=True)
class Capped:
    """
    What a round has done.

    Attributes:
        emptied: Logs whose payload was deleted.

        deleted: Logs that were deleted.

        is_over: Whether more is stored than the settings allow, and only first and
            latest logs are left.
    """

    emptied: int = 0
    deleted: int = 0
    is_over: bool = False


class SizeCap:
    """One round over the error logs of the database *alias*."""

    def __init__(
        self,
        alias: str,
        *,
        is_dry: bool = False,
        is_late: Callable[[], bool] = lambda: False,
        on_progress: Progress = lambda _what, _count: None,
    ) -> None:
        """
        Prepare a round.

        Args:
            alias: The database.
            is_dry: Only count what would be deleted.
            is_late: Says when to stop.
            on_progress: Called with a noun and how many were done so far.

        """
        self.is_dry = is_dry
        self.is_late = is_late
        self.on_progress = on_progress
        self.alias = alias
        self.logs = ErrorLog.objects.using(alias)
        self.done = Capped()
        self._rows_to_go = 0
        self._bytes_to_go = 0

    def run(self) -> Capped:
        """Delete what is too much, and return what was done."""
        self._measure()
        if self._rows_to_go <= 0 and self._bytes_to_go <= 0:
            return self.done
        groups = list(self._loudest())
        for group in groups:
            if self._bytes_to_go <= 0 or self.is_late():
                break
            self._empty(group)
        for group in groups:
            if not self._is_too_much() or self.is_late():
                break
            self._delete(group)
        self.done.is_over = self._is_too_much() and not self.is_late()
        if self.done.emptied or self.done.deleted:
            table_size.forget()
        return self.done

    def _is_too_much(self) -> bool:
        return self._rows_to_go > 0 or self._bytes_to_go > 0

    def _measure(self) -> None:
        """Count and weigh the rows if the index's ends allow that they are too many."""
        settings = conf.get_settings()
        most_bytes = settings.MAX_SIZE_MB * MEGABYTE
        most = table_size.most_logs(self.alias)
        may_be_too_many = most > settings.MAX_ERROR_LOGS
        may_be_too_big = most * (EVENT_BYTES + ROW_BYTES) > most_bytes
        if not may_be_too_many and not may_be_too_big:
            return
        count = self.logs.count()
        if count > settings.MAX_ERROR_LOGS:
            self._rows_to_go = count - int(settings.MAX_ERROR_LOGS * LOW_WATER)
        size = table_size.content_bytes(self.alias, count) if may_be_too_big else 0
        if size > most_bytes:
            self._bytes_to_go = size - int(most_bytes * LOW_WATER)

    def _loudest(self) -> Iterator[int]:
        """Yield groups with logs between the first and the latest, largest first."""
        rows = self.logs.order_by().values("group").annotate(count=Count("pk"))
        crowded = rows.filter(count__gt=LEAST_KEPT)
        yield from crowded.order_by("-group__times_seen", "group").values_list(
            "group", flat=True
        )

    def _middle(self, group: int) -> QuerySet[ErrorLog]:
        """Return the group's logs without its first and latest, the oldest first."""
        ordered = self.logs.filter(group=group).order_by("created", "pk")
        keys = ordered.values_list("pk", flat=True)
        kept = {*keys[:1], *keys.reverse()[:1]}
        return self.logs.filter(group=group).exclude(pk__in=kept).order_by("pk")

    def _empty(self, group: int) -> None:
        """Delete the payloads of the group's logs, until enough is gone."""
        has_payload = Q(personal_data_removed=False) | ~Q(traceback="")
        rows = self._middle(group).filter(has_payload).values("pk", *PAYLOAD_COLUMNS)
        last = 0
        while self._bytes_to_go > 0 and not self.is_late():
            batch = list(rows.filter(pk__gt=last)[:BATCH_ROWS])
            if not batch:
                return
            last = batch[-1]["pk"]
            batch = self._enough(batch)
            if not self.is_dry:
                keys = [row["pk"] for row in batch]
                self.logs.filter(pk__in=keys).update(**without_payload())
            self.done.emptied += len(batch)
            self.on_progress("payloads", self.done.emptied)

    def _enough(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return as much of the start of *batch* as is needed, and note its weight."""
        for number, row in enumerate(batch, 1):
            self._bytes_to_go -= payload_bytes(row)
            if self._bytes_to_go <= 0:
                return batch[:number]
        return batch

    def _delete(self, group: int) -> None:
        """Delete the group's logs, until enough is gone."""
        rows = self._middle(group).values_list("pk", flat=True)
        last = 0
        while self._is_too_much() and not self.is_late():
            batch = list(rows.filter(pk__gt=last)[:BATCH_ROWS])
            if self._bytes_to_go <= 0:
                batch = batch[: self._rows_to_go]
            if not batch:
                return
            last = batch[-1]
            if not self.is_dry:
                self.logs.filter(pk__in=batch).delete()
            self._rows_to_go -= len(batch)
            # Where bytes are too many, all payloads are gone by now.
            self._bytes_to_go -= ROW_BYTES * len(batch)
            self.done.deleted += len(batch)
            self.on_progress("error logs", self.done.deleted)


def without_payload() -> dict[str, Any]:
    """
    Return the values of an error log without its details.

    It still says what failed and when, but no longer how.
    """
    return {
        "request_data": {},
        "context": {},
        "traceback": "",
        "stacktrace": [],
        "ip_address": None,
        "user_agent": "",
        "personal_data_removed": True,
    }
