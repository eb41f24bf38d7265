"""Health: our own errors age, belong to one environment, and can be acknowledged; what was lost stays until then."""

from __future__ import annotations

import datetime as dt
import io
import json
import uuid

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from error_tracking import health, recorder
from error_tracking.models import Journal as JournalRow
from error_tracking.recorder import worker
from tests.factories import make_event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _writer(writer_thread):
    """A writer without state of earlier tests."""


def row(minutes_ago=0.0, environment="production", **values):
    moment = timezone.now() - dt.timedelta(minutes=minutes_ago)
    return JournalRow.objects.create(
        id=uuid.uuid4(), environment=environment, heartbeat=moment, **values
    )


def failed(minutes_ago, **values):
    moment = timezone.now() - dt.timedelta(minutes=minutes_ago)
    return row(failures=4, failed_at=moment, **values)


def acknowledge(*options):
    out = io.StringIO()
    call_command("error_tracking_doctor", "--acknowledge", *options, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("minutes", "is_healthy"), [(1, False), (59, False), (61, True)]
)
def test_swallowed_error_is_a_problem_for_an_hour(minutes, is_healthy):
    failed(minutes)
    state = health()
    assert (state.is_healthy, state.failures) == (is_healthy, 4)
    assert state.failed_at is not None
    assert is_healthy or "itself had an error at" in state.problems[0]


def test_new_error_after_an_old_one_is_a_problem_again():
    failed(600)
    assert health().is_healthy
    failed(0)
    assert (health().is_healthy, health().failures) == (False, 8)


@pytest.mark.parametrize("name", ["lost", "at_risk", "failures"])
def test_another_environment_is_none_of_ours(name, configure):
    row(environment="staging", **{name: 3})
    state = health()
    assert (state.is_healthy, getattr(state, name), state.processes) == (True, 0, 0)
    configure(ENVIRONMENT="staging")
    assert (health().is_healthy, getattr(health(), name)) == (False, 3)


def test_row_of_an_earlier_release_counts_everywhere():
    row(environment="", lost=1)
    assert not health().is_healthy


def test_what_was_lost_stays_a_problem_until_it_is_acknowledged():
    row(60 * 24 * 20, lost=2)
    assert "2 events were lost" in health().problems[0]
    assert (
        acknowledge() == "Acknowledged: 2 lost events, 0 internal errors in 30 days.\n"
    )
    assert (health().is_healthy, health().lost) == (True, 2)
    row(lost=1)
    assert (health().is_healthy, health().lost) == (False, 3)


def test_acknowledged_errors_are_counted_and_no_problem():
    failed(1)
    row(at_risk=2)
    assert len(health().problems) == 2
    found = json.loads(acknowledge("--json"))
    assert found == {"lost": 0, "failures": 4, "problems": []}
    assert (health().is_healthy, health().failures) == (True, 4)
    failed(0)
    assert not health().is_healthy


def test_acknowledging_is_of_one_environment(configure):
    failed(1)
    failed(1, environment="staging")
    acknowledge()
    assert health().is_healthy
    configure(ENVIRONMENT="staging")
    assert not health().is_healthy


def test_own_error_of_this_process_is_seen_before_and_after_it_is_stored():
    recorder.submit(make_event())
    assert recorder.flush(10)
    assert health().is_healthy
    recorder.count_failure()
    before = health()
    assert (before.is_healthy, before.failures) == (False, 1)
    recorder.submit(make_event())
    assert recorder.flush(10)
    stored = JournalRow.objects.get(failures=1)
    assert (stored.environment, stored.failed_at is not None) == ("production", True)
    assert (health().failures, health().is_healthy) == (1, False)
    earlier = timezone.now() - dt.timedelta(hours=1, seconds=1)
    JournalRow.objects.update(failed_at=earlier)
    assert (health().failures, health().is_healthy) == (1, True)


def test_lost_events_of_a_batch_are_dated():
    JournalRow.objects.move(uuid.uuid4(), 0, 5, {"lost": 2})
    first = JournalRow.objects.get()
    assert first.lost_at is not None
    JournalRow.objects.move(first.pk, 5, 6, {"lost": 0})
    second = JournalRow.objects.get()
    assert (second.lost, second.lost_at) == (2, first.lost_at)
    assert second.heartbeat > first.heartbeat


def test_health_asks_two_questions(django_assert_num_queries):
    health()  # measures the size, which is remembered for some minutes
    with django_assert_num_queries(2):
        health()


def test_database_that_fails_in_any_way_is_a_problem_and_no_exception(monkeypatch):
    """A router or a database backend may be the project's."""

    def fail(environment):
        raise LookupError("no such shard")

    monkeypatch.setattr("error_tracking.recorder.health_report.waiting_bugs", fail)
    state = health()
    assert not state.is_healthy
    assert "The database cannot be read: no such shard" in state.problems


def test_database_problem_that_has_a_name_is_a_problem_in_plain_words(monkeypatch):
    def fail(environment):
        raise OperationalError("database is locked")

    monkeypatch.setattr("error_tracking.recorder.health_report.waiting_bugs", fail)
    assert any("is locked by another process" in text for text in health().problems)


def test_journals_that_have_little_room_left_are_a_problem(monkeypatch, swallowed):
    writer = worker.get_worker()
    monkeypatch.setattr(writer.intake, "fill", lambda: 0.8)
    recorder.submit(make_event(traceback="t"))
    assert any("have little room left: " in text for text in health().problems)
