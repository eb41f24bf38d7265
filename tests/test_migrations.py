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
