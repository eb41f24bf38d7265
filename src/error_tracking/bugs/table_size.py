"""
How big the tables are and how fast they grow, measured cheaply.

Asks the database's catalogue and the ends of an index, never the rows, and
remembers the answer for some minutes. Sizes on disk do not shrink when rows are
deleted, so the size cap uses :func:`content_bytes`, which looks at some rows.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from typing import Any

from django.apps import apps
from django.db import connections
from django.utils import timezone

from error_tracking.models import ErrorLog
from error_tracking.models.base import write_alias

REMEMBERED_SECONDS = 300.0
GROWTH_DAYS = 7
# 40 places and 10 rows at each: the mean is within some percent, and at most 4 MB are
# read in an hour.
SAMPLE_PLACES = 40
SAMPLE_ROWS = 10
ROW_BYTES = 1_000  # the short columns of one error log and its entries in nine indexes
PAYLOAD_COLUMNS = ("request_data", "context", "traceback", "stacktrace")


@dataclasses.dataclass(frozen=True, slots=True)
class TableSize:
    """
    What the tables of error_tracking take.

    Attributes:
        bytes_on_disk: Of tables and indexes, on SQLite of the whole file without its
            free pages;
            None where the database does not say.

        error_logs: How many error logs there are at most.

        logs_per_day: How many were added a day, over the last week.

        bytes_per_day: About how much that is on disk; None where the size is not known.
    """

    bytes_on_disk: int | None
    error_logs: int
    logs_per_day: int
    bytes_per_day: int | None


_remembered: tuple[float, TableSize] | None = None


def measure() -> TableSize:
    """
    Return the size, not older than ``REMEMBERED_SECONDS``.

    Raises:
        django.db.DatabaseError: The database cannot be asked.
    """
    global _remembered  # noqa: PLW0603  one answer per process
    now = time.monotonic()
    if _remembered is None or now - _remembered[0] > REMEMBERED_SECONDS:
        _remembered = (now, _measured())
    return _remembered[1]


def forget() -> None:
    """Measure again the next time, because much was deleted."""
    global _remembered  # noqa: PLW0603  one answer per process
    _remembered = None


def _measured() -> TableSize:
    alias = write_alias(ErrorLog)
    size = bytes_on_disk(alias)
    count = most_logs(alias)
    logs_per_day = _logs_per_day(alias)
    bytes_per_day = None
    if size is not None and count:
        bytes_per_day = size * logs_per_day // count
    return TableSize(size, count, logs_per_day, bytes_per_day)


def bytes_on_disk(alias: str) -> int | None:
    """
    Return the size of our tables and indexes in the database *alias*.

    None where the database does not report it.
    """
    connection = connections[alias]
    models = apps.get_app_config("error_tracking").get_models()
    tables = sorted({model._meta.db_table for model in models})
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # pragma: no cover  of one database
            marks = ", ".join(["pg_total_relation_size(to_regclass(%s))"] * len(tables))
            cursor.execute(f"SELECT {marks}", tables)
            return sum(size or 0 for size in cursor.fetchone())
        if connection.vendor == "mysql":  # pragma: no cover  of one database
            marks = ", ".join(["%s"] * len(tables))
            cursor.execute(
                # Marks only
                "SELECT SUM(data_length + index_length) FROM information_schema.tables "  # noqa: S608
                f"WHERE table_schema = DATABASE() AND table_name IN ({marks})",
                tables,
            )
            return int(cursor.fetchone()[0] or 0)
        if connection.vendor == "sqlite":  # pragma: no branch  of one database
            values = []
            for name in ("page_count", "freelist_count", "page_size"):
                cursor.execute(f"PRAGMA {name}")
                values.append(cursor.fetchone()[0])
            pages, free, page_bytes = values
            return int((pages - free) * page_bytes)
    return None


def most_logs(alias: str) -> int:
    """
    Return how many error logs there are at most.

    What lies between the first key and the last.
    """
    keys = ErrorLog.objects.using(alias).values_list("pk", flat=True)
    first = keys.order_by("pk").first()
    last = keys.order_by("-pk").first()
    if first is None or last is None:
        return 0
    return last - first + 1


def _logs_per_day(alias: str) -> int:
    """
    Return how many logs were added a day.

    From the keys of the first one of the last week and of the last one.
    """
    now = timezone.now()
    logs = ErrorLog.objects.using(alias)
    recent = logs.filter(created__gte=now - dt.timedelta(days=GROWTH_DAYS))
    first = recent.order_by("created").values_list("pk", "created").first()
    last = logs.order_by("-pk").values_list("pk", flat=True).first()
    if first is None or last is None:
        return 0
    key, created = first
    # A site of two days has grown for two days; one that had its first error just now,
    # for one.
    days = max(1.0, (now - created).total_seconds() / 86_400)
    return round(max(0, last - key + 1) / days)


def payload_bytes(row: dict[str, Any]) -> int:
    """Return about how much the payload of *row*, with ``PAYLOAD_COLUMNS``, takes."""
    total = 0
    for name in PAYLOAD_COLUMNS:
        value = row[name]
        text = value if isinstance(value, str) else json.dumps(value)
        total += len(text)
    return total


def content_bytes(alias: str, count: int) -> int:
    """
    Return about how much *count* error logs take.

    From rows at evenly spread places.
    """
    logs = ErrorLog.objects.using(alias)
    keys = logs.values_list("pk", flat=True)
    first, last = keys.order_by("pk").first(), keys.order_by("-pk").first()
    if first is None or last is None:
        return 0
    sizes = []
    for place in range(SAMPLE_PLACES):
        start = first + (last - first) * place // SAMPLE_PLACES
        rows = logs.filter(pk__gte=start).order_by("pk").values(*PAYLOAD_COLUMNS)
        sizes += [payload_bytes(row) for row in rows[:SAMPLE_ROWS]]
    mean = sum(sizes) / len(sizes) if sizes else 0
    return int(count * (ROW_BYTES + mean))
