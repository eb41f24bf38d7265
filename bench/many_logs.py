"""
Multiplies the sample data inside of the database: a million error logs in minutes.

Each error log that is there is copied many times, at other times of its group's life
and for other people. Then all counts are computed again from the error logs.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import Max, Min, Sum

from error_tracking.models import (
    DailyCount,
    ErrorGroup,
    ErrorLog,
    GroupClient,
    HourlyCount,
    HourlyTotal,
    KnownBug,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# Rows that are sent at once.
CHUNK = 20_000
COPIES = "bench_copies"
HOUR = {
    "sqlite": "strftime('%Y-%m-%d %H:00:00', created)",
    "postgresql": "date_trunc('hour', created)",
}
DAY = {"sqlite": "date(created)", "postgresql": "created::date"}
HASH = {
    "sqlite": "printf('%016x', user_id * 2654435761)",
    "postgresql": "lpad(to_hex(user_id * 2654435761), 16, '0')",
}


def multiply(wanted: int, *, seed: int = 2) -> None:
    """Copy the error logs until there are *wanted*, and count everything again."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            # Indexes that do not fit into the cache are written again and again.
            cursor.execute("PRAGMA cache_size=-300000")
            cursor.execute("PRAGMA synchronous=OFF")
    there = ErrorLog.objects.count()
    rng = random.Random(seed)  # noqa: S311  no secret
    _send_copies(_copies(rng, wanted - there))
    _insert_copies()
    _count_again()


def _copies(rng: random.Random, number: int) -> list[tuple[int, Any, str, int]]:
    """Return template, time, event id and user of *number* copies, by time."""
    spans = {}
    for group in ErrorGroup.objects.all():
        spans[group.pk] = group.first_seen.timestamp(), group.last_seen.timestamp()
    templates = list(ErrorLog.objects.values_list("pk", "group_id"))
    users = list(ErrorLog.objects.values_list("user_id", flat=True).distinct())
    found = []
    for chosen, group_id in rng.choices(templates, k=number):
        first, last = spans[group_id]
        moment = first + rng.random() * (last - first)
        identity = uuid.UUID(int=rng.getrandbits(128)).hex
        found.append((moment, chosen, identity, rng.choice(users)))
    found.sort()
    return [
        (chosen, dt.datetime.fromtimestamp(moment, tz=dt.UTC), identity, user)
        for moment, chosen, identity, user in found
    ]


def _send_copies(copies: list[tuple[int, Any, str, int]]) -> None:
    types = {"sqlite": "text", "postgresql": "timestamptz"}
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMP TABLE {COPIES} (number integer PRIMARY KEY, template bigint, "
            f"created {types[connection.vendor]}, event_id text, user_id bigint)"
        )
        for start in range(0, len(copies), CHUNK):
            rows = [
                (start + number, pk, _adapted(moment), identity, user)
                for number, (pk, moment, identity, user) in enumerate(
                    copies[start : start + CHUNK]
                )
            ]
            _send(cursor, rows)


def _adapted(moment: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def _send(cursor: Any, rows: list[tuple[Any, ...]]) -> None:
    if connection.vendor != "postgresql":
        cursor.executemany(
            f"INSERT INTO {COPIES} VALUES (%s, %s, %s, %s, %s)",  # noqa: S608
            rows,
        )
        return
    with cursor.copy(f"COPY {COPIES} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _insert_copies() -> None:
    """Insert the copies in the order of time, as they would have come."""
    table = ErrorLog._meta.db_table
    columns = [field.column for field in ErrorLog._meta.concrete_fields]
    columns.remove("id")
    sources = {name: f"log.{name}" for name in columns}
    event_id = "copy.event_id"
    if connection.vendor == "postgresql":
        event_id = "copy.event_id::uuid"
    sources |= {
        "event_id": event_id,
        "reference": "substr(copy.event_id, 23, 10)",
        "created": "copy.created",
        "user_id": "copy.user_id",
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608  our own names
            f"SELECT {', '.join(sources[name] for name in columns)} "
            # CROSS JOIN: SQLite then reads the copies in order, and sorts nothing.
            f"FROM {COPIES} copy CROSS JOIN {table} log "
            "WHERE log.id = copy.template ORDER BY copy.number"
        )


def _count_again() -> None:
    """Compute hours, days, totals, people, groups and bugs from the error logs."""
    for model in (HourlyCount, DailyCount, HourlyTotal, GroupClient):
        model.objects.all().delete()
    hour, day = HOUR[connection.vendor], DAY[connection.vendor]
    table = ErrorLog._meta.db_table
    hours = (
        f"INSERT INTO {HourlyCount._meta.db_table} (group_id, hour, count) "  # noqa: S608
        f"SELECT group_id, {hour}, SUM(occurrences) FROM {table} GROUP BY 1, 2"
    )
    days = (
        f"INSERT INTO {DailyCount._meta.db_table} (group_id, day, count) "  # noqa: S608
        f"SELECT group_id, {day}, SUM(occurrences) FROM {table} GROUP BY 1, 2"
    )
    totals = (
        f"INSERT INTO {HourlyTotal._meta.db_table} "  # noqa: S608
        "(hour, environment, error_type, status_code, count) "
        f"SELECT {hour}, environment, error_type, status_code, SUM(occurrences) "
        f"FROM {table} GROUP BY 1, 2, 3, 4"
    )
    people = (
        f"INSERT INTO {GroupClient._meta.db_table} (group_id, day, hash) "  # noqa: S608
        f"SELECT DISTINCT group_id, {day}, {HASH[connection.vendor]} FROM {table} "
        "WHERE user_id IS NOT NULL"
    )
    with connection.cursor() as cursor:
        for statement in (hours, days, totals, people):
            cursor.execute(statement)
    for group in _with_sums():
        group.save(update_fields=["times_seen", "first_seen", "last_seen"])
    sums = ErrorGroup.objects.exclude(bug=None).values_list("bug").order_by()
    for bug, times, last in sums.annotate(Sum("times_seen"), Max("last_seen")):
        rows = KnownBug.all_objects.filter(pk=bug)
        rows.update(occurrence_count=times, last_occurrence=last)


def _with_sums() -> Iterator[ErrorGroup]:
    groups = ErrorGroup.objects.in_bulk()
    logs = ErrorLog.objects.order_by().values_list("group")
    counted = logs.annotate(Sum("occurrences"), Min("created"), Max("created"))
    for pk, times, first, last in counted:
        group = groups[pk]
        group.times_seen, group.first_seen, group.last_seen = times, first, last
        yield group
