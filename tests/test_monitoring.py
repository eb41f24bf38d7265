"""The health endpoint: who may ask, what it says, and that it never waits for the database."""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError, connection
from django.utils import timezone

from error_tracking import recorder
from error_tracking.dashboard import monitoring
from error_tracking.models import ErrorLog, Filing
from error_tracking.models import Journal as JournalRow
from tests.factories import make_event

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.admin_urls"),
]

TOKEN = "a-long-token-that-nobody-guesses"
ADDRESS = "/errors/health.json"


@pytest.fixture(autouse=True)
def _writer(writer_thread, configure):
    configure(HEALTH_TOKEN=TOKEN)


def ask(client, token=TOKEN):
    return client.get(ADDRESS, headers={"authorization": f"Bearer {token}"})


def lose(minutes_ago):
    moment = timezone.now() - dt.timedelta(minutes=minutes_ago)
    return JournalRow.objects.create(
        id=uuid.uuid4(),
        environment="production",
        heartbeat=timezone.now(),
        lost=2,
        lost_at=moment,
    )


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], f"{TOKEN}x", "ä" * 20])
def test_wrong_token_is_refused(client, token):
    response = ask(client, token.encode().decode("latin-1"))
    assert response.status_code == 401
    assert response.json()["error"] == "wrong_token"
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_monitor_that_sends_no_token_is_asked_for_one(client):
    response = client.get(ADDRESS, headers={"accept": "*/*"})
    assert response.status_code == 401
    assert "HEALTH_TOKEN" in response.json()["detail"]
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_without_a_token_in_the_settings_no_token_opens(client, configure):
    configure(HEALTH_TOKEN=None)
    for token in ("", "None", TOKEN):
        assert ask(client, token).status_code == 401


def test_token_is_compared_in_constant_time(client, monkeypatch):
    compared = []

    def compare(*values):
        compared.append(values)
        return False

    monkeypatch.setattr(monitoring, "constant_time_compare", compare)
    assert ask(client, "wrong").status_code == 401
    assert compared == [("wrong", TOKEN)]


def test_short_token_is_a_wrong_setting(client, configure, swallowed):
    configure(HEALTH_TOKEN="short")
    assert ask(client, "short").status_code == 401


def test_staff_with_the_permission_of_the_dashboard_needs_no_token(client):
    assert client.get(ADDRESS).status_code == 401
    user = User.objects.create_user("ada", is_staff=True)
    client.force_login(user)
    assert client.get(ADDRESS).status_code == 403
    user.user_permissions.set(Permission.objects.filter(codename="view_dashboard"))
    assert client.get(ADDRESS).status_code == 200
    assert client.post(ADDRESS).status_code == 405


def test_state_has_counts_lag_last_error_and_filing(client):
    recorder.submit(make_event())
    assert recorder.flush(10)
    Filing.objects.update(state="failed", reason="HTTP 403")
    response = ask(client)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    state = response.json()
    assert (state["status"], state["environment"]) == ("ok", "production")
    assert state["counts"]["errors_24_hours"] == 1
    assert state["counts"]["open_bugs"] == 1
    assert state["lag"]["pending_events"] == 0
    assert state["lag"]["last_stored_at"] is not None
    assert state["last_error_at"] == ErrorLog.objects.get().created.isoformat()
    assert (state["filing"]["failed"], state["filing"]["reasons"]) == (1, ["HTTP 403"])


@pytest.mark.parametrize(("minutes", "status"), [(1, 503), (59, 503), (61, 200)])
def test_loss_in_the_last_hour_is_a_problem_until_it_is_acknowledged(
    client, minutes, status
):
    lose(minutes)
    response = ask(client)
    assert response.status_code == status
    assert response.json()["counts"]["lost"] == 2
    recorder.health_report.acknowledge()
    assert ask(client).status_code == 200


@pytest.mark.parametrize("part", ["outage", "upkeep"])
def test_processing_that_stands_still_is_a_problem(
    client, writer_thread, swallowed, part
):
    outage = getattr(writer_thread, part)
    # No round of the thread may come between, which would end what stands still.
    with writer_thread._round_lock:
        outage.add(OperationalError("database or disk is full"), 0, is_leader=False)
        time.sleep(0.01)
        response = ask(client)
        assert response.status_code == 503
        assert "Free some space" in " ".join(response.json()["problems"])
        outage.end()
        assert ask(client).status_code == 200


def test_answer_comes_within_a_second_while_the_database_hangs(client, monkeypatch):
    release = threading.Event()
    threads = []

    def hang():
        threads.append(threading.current_thread())
        release.wait(10)
        raise OperationalError("gone")

    monkeypatch.setattr(monitoring, "state_of", hang)
    try:
        for _ in range(3):
            start = time.monotonic()
            response = ask(client)
            assert time.monotonic() - start < 8
            assert response.status_code == 503
            assert "did not answer" in response.json()["problems"][0]
    finally:
        release.set()
    assert len(threads) == 1, "one thread hangs, however often monitors ask"
    threads[0].join(10)
    monkeypatch.undo()
    assert monitoring._Reader.read()["status"] == "ok"


def test_database_that_cannot_be_read_is_explained(client, monkeypatch):
    def fail(*_args):
        raise OperationalError("could not connect to server\nmore")

    monkeypatch.setattr(monitoring.queries, "error_stats", fail)
    response = ask(client)
    assert response.status_code == 503
    expected = "The database cannot be read (OperationalError)."
    assert response.json()["problems"] == [expected]


def test_staff_is_told_that_the_session_cannot_be_read(client):
    def fail(execute, sql, *_args):
        raise OperationalError("could not connect to server")

    client.force_login(User.objects.create_superuser("ada"))
    with connection.execute_wrapper(fail):
        response = client.get(ADDRESS)
    assert response.status_code == 503
    assert "The session cannot be read" in response.text


def test_process_without_threads_answers_all_the_same(client, monkeypatch):
    def fail(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patches:
        patches.setattr(threading.Thread, "start", fail)
        for _ in range(2):
            response = ask(client)
            assert response.status_code == 503
            assert "did not answer" in response.json()["problems"][0]
    assert ask(client).status_code == 200


def test_tables_that_are_missing_are_named_with_the_command_that_makes_them(
    client, monkeypatch
):
    def fail(*_args):
        raise OperationalError("no such table: error_tracking_hourlytotal")

    monkeypatch.setattr(monitoring.queries, "error_stats", fail)
    [problem] = ask(client).json()["problems"]
    assert "error_tracking_hourlytotal is missing" in problem
    assert "manage.py migrate" in problem


def test_problem_of_the_endpoint_is_no_error_of_the_site(client):
    lose(1)
    for _ in range(3):
        assert ask(client).status_code == 503
    assert recorder.flush(10)
    assert not ErrorLog.objects.exists()
