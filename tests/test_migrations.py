"""Migrations keep the data, forwards and backwards, on every database."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

LABEL = "error_tracking"


def migrate(name):
    """Migrate to *name*, and return the models of that time."""
    executor = MigrationExecutor(connection)
    executor.migrate([(LABEL, name)])
    executor.loader.build_graph()
    return executor.loader.project_state([(LABEL, name)]).apps


@pytest.fixture
def at_last(transactional_db):
    [(_, newest)] = MigrationExecutor(connection).loader.graph.leaf_nodes(LABEL)
    yield
    migrate(newest)


def indexes_of(table):
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table)
    return {name for name, each in constraints.items() if each["index"]}


def test_renamed_columns_keep_their_data(at_last):
    apps = migrate("0008_view_request_data")
    now = timezone.now()
    bug = apps.get_model(LABEL, "KnownBug").objects.create(
        number=7, bug_id="B-007", uuid=uuid.uuid4(), title="It broke", news=42
    )
    apps.get_model(LABEL, "Filing").objects.create(bug=bug, tracker="github", told=41)
    group = apps.get_model(LABEL, "ErrorGroup").objects.create(
        fingerprint="f" * 32, environment="production", first_seen=now, last_seen=now
    )
    apps.get_model(LABEL, "ErrorLog").objects.create(
        event_id=uuid.uuid4(), group=group, is_reduced=True
    )

    apps = migrate("0009_plain_column_names")
    assert apps.get_model(LABEL, "KnownBug").objects.get().latest_activity_id == 42
    assert apps.get_model(LABEL, "Filing").objects.get().synced_activity_id == 41
    assert apps.get_model(LABEL, "ErrorLog").objects.get().personal_data_removed
    indexes = indexes_of("error_tracking_errorlog")
    assert "et_log_stripped" in indexes
    assert "et_log_reduced" not in indexes

    apps = migrate("0008_view_request_data")
    assert apps.get_model(LABEL, "KnownBug").objects.get().news == 42
    assert apps.get_model(LABEL, "Filing").objects.get().told == 41
    assert apps.get_model(LABEL, "ErrorLog").objects.get().is_reduced
    assert "et_log_reduced" in indexes_of("error_tracking_errorlog")


def test_digest_bug_becomes_an_ordinary_one(at_last):
    apps = migrate("0009_plain_column_names")
    bugs = apps.get_model(LABEL, "KnownBug").objects
    for number, kind in enumerate(("error", "incident", "digest"), 1):
        bugs.create(
            number=number,
            bug_id=f"B-{number:03d}",
            uuid=uuid.uuid4(),
            title=kind,
            kind=kind,
        )
    series = apps.get_model(LABEL, "Sequence").objects
    series.create(name="digest:production", value=1)
    series.create(name="bug:B", value=3)

    apps = migrate("0010_digest_bugs_become_ordinary")
    bugs = apps.get_model(LABEL, "KnownBug").objects
    kinds = bugs.order_by("number").values_list("title", "kind")
    assert [*kinds] == [
        ("error", "error"),
        ("incident", "incident"),
        ("digest", "error"),
    ]
    names = apps.get_model(LABEL, "Sequence").objects.values_list("name", flat=True)
    assert [*names] == ["bug:B"]

    migrate("0009_plain_column_names")


def test_days_are_filled_from_the_hours_that_were_counted_before(at_last):
    apps = migrate("0016_daily_counts")
    group_model = apps.get_model(LABEL, "ErrorGroup")
    hour_model = apps.get_model(LABEL, "HourlyCount")
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    expected = {}
    for number in range(120):
        group = group_model.objects.create(
            fingerprint=f"{number:032d}",
            environment="production",
            first_seen=midnight,
            last_seen=midnight,
        )
        for hours in (-25, -1, 0, 23):
            hour = midnight + timezone.timedelta(hours=hours)
            hour_model.objects.create(group=group, hour=hour, count=number + 1)
        today = midnight.date()
        for days, hours_of_day in ((2, 1), (1, 1), (0, 2)):
            day = today - timezone.timedelta(days=days)
            expected[group.pk, day] = hours_of_day * (number + 1)
    # What an earlier run has left is replaced.
    apps.get_model(LABEL, "DailyCount").objects.create(
        group=group, day=midnight.date(), count=7
    )

    apps = migrate("0017_fill_daily_counts")
    rows = apps.get_model(LABEL, "DailyCount").objects.all()
    found = {(row.group_id, row.day): row.count for row in rows}
    assert found == expected


def test_index_of_the_user_alone_is_replaced_and_comes_back(at_last):
    apps = migrate("0017_fill_daily_counts")
    table = apps.get_model(LABEL, "ErrorLog")._meta.db_table
    before = indexes_that_begin_with(table, "user_id")
    assert list(before.values()) == [["user_id"]]

    migrate("0018_error_logs_of_a_user")
    assert indexes_that_begin_with(table, "user_id") == {
        "et_log_user": ["user_id", "created"],
        "et_log_user_group": ["user_id", "group_id"],
    }

    migrate("0017_fill_daily_counts")
    assert list(indexes_that_begin_with(table, "user_id").values()) == [["user_id"]]


def indexes_that_begin_with(table, column):
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table)
    return {
        name: each["columns"]
        for name, each in constraints.items()
        if each["index"] and each["columns"][:1] == [column]
    }
