"""What happens to events in a test run, and what a running site is not taken for."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.test import utils as django_utils

import error_tracking
from error_tracking import testing
from error_tracking.models import ErrorLog, Journal, KnownBug
from error_tracking.recorder import worker
from tests.factories import raised


def fail():
    raise ValueError("no")


@pytest.fixture
def _not_opted_in(monkeypatch):
    """A test of a project that knows nothing of us; this suite opts in for each of its tests."""
    monkeypatch.setattr(testing, "_opted_in", [])


@pytest.fixture
def _running_site(monkeypatch):
    """No test run, but all its side effects: a mail to memory, Django's test client."""
    monkeypatch.delattr(django_utils._TestState, "saved_data")
    assert mail.outbox == []


def test_a_test_run_is_what_django_has_set_up():
    assert testing.is_test_run()


@pytest.mark.usefixtures("_running_site")
def test_side_effects_of_tests_do_not_make_a_running_site_a_test_run():
    mail.send_mail("subject", "text", None, ["a@example.com"])
    assert not testing.is_test_run()


@pytest.mark.usefixtures("_running_site", "writer_thread")
def test_a_running_site_that_sends_mail_to_memory_loses_nothing(monkeypatch):
    monkeypatch.setattr(testing, "_opted_in", [])
    mail.send_mail("subject", "text", None, ["a@example.com"])
    error_tracking.capture_exception(raised(fail))
    assert error_tracking.flush()
    assert ErrorLog.objects.count() == 1
    assert "test run" not in str(error_tracking.health().problems)


@pytest.mark.parametrize("mode", ["thread", "immediate"])
@pytest.mark.django_db
@pytest.mark.usefixtures("_not_opted_in")
def test_events_of_a_test_run_go_nowhere(
    mode, configure, django_assert_num_queries, tmp_path, monkeypatch
):
    calls = []
    configure(
        RECORDER=mode,
        RUNNER="inline",
        GITHUB_REPO="acme/shop",
        JOURNAL_DIR=tmp_path / "journals",
        BEFORE_STORE=calls.append,
    )
    client = Client(raise_request_exception=False)
    threads = threading.enumerate()
    with django_assert_num_queries(0):
        assert client.get("/crash/").status_code == 500
        assert client.get("/nowhere/").status_code == 404
        assert error_tracking.capture_exception(raised(fail))
        error_tracking.capture_message("no", level="error")
        assert error_tracking.flush()
    assert testing.outbox == calls == []
    assert threading.enumerate() == threads
    assert not worker.get_worker().is_started
    assert not (tmp_path / "journals").exists()
    assert not list(tmp_path.rglob("*.md"))
    for model in (ErrorLog, KnownBug, Journal):
        assert not model.objects.exists()
    assert mail.outbox == []


@pytest.mark.django_db
@pytest.mark.usefixtures("_not_opted_in")
def test_changing_a_bug_in_a_test_run_reaches_nobody(bug, tmp_path, configure):
    configure(GITHUB_REPO="acme/shop")
    bug.resolve(by=User.objects.create(username="ann"))
    assert error_tracking.flush()
    assert not list(tmp_path.rglob("*.md"))
    assert mail.outbox == []


@pytest.mark.django_db
@pytest.mark.usefixtures("_not_opted_in")
def test_health_and_the_doctor_say_that_a_test_run_is_active(capsys):
    def problems():
        return str(error_tracking.health().problems)

    assert "test run is active" in problems()
    assert error_tracking.health().is_test_run
    with testing.recording():
        assert "test run" not in problems()
    with pytest.raises(CommandError):
        call_command("error_tracking_doctor")
    assert "a test run is active, so events are discarded" in capsys.readouterr().out


@pytest.mark.usefixtures("_not_opted_in")
def test_opting_in_collects_events_of_every_thread_and_ends_with_its_block():
    with testing.captured_events() as events:
        thread = threading.Thread(
            target=lambda: error_tracking.capture_message("thread")
        )
        thread.start()
        thread.join()
        with testing.captured_events() as inner:
            error_tracking.capture_message("inner")
        assert [event.message for event in inner] == ["inner"]
        assert events == testing.outbox
        error_tracking.capture_message("outer")
    error_tracking.capture_message("after")
    assert [event.message for event in events] == ["thread", "outer"]
    assert testing.outbox == []


@pytest.mark.django_db
@pytest.mark.usefixtures("_not_opted_in")
def test_of_nested_blocks_the_innermost_decides(configure):
    configure(RECORDER="immediate", RUNNER="inline")
    with testing.recording(), testing.captured_events() as events:
        error_tracking.capture_message("collected", level="error")
        assert (len(events), ErrorLog.objects.count()) == (1, 0)
        with testing.recording():
            error_tracking.capture_message("recorded", level="error")
        assert (len(events), ErrorLog.objects.count()) == (1, 1)


@pytest.mark.usefixtures("_not_opted_in")
def test_a_block_that_fails_opts_out():
    for opt_in in (testing.captured_events, testing.recording):
        with pytest.raises(ValueError, match="no"), opt_in():
            fail()
    assert testing.is_discarding()


@pytest.mark.django_db
@pytest.mark.usefixtures("_not_opted_in")
def test_events_can_be_recorded_as_on_a_running_site(configure):
    configure(RECORDER="immediate", RUNNER="inline")

    @testing.recording()
    def record():
        error_tracking.capture_exception(raised(fail))

    record()
    assert ErrorLog.objects.count() == KnownBug.objects.count() == 1


@pytest.mark.usefixtures("_not_opted_in")
def test_the_fixture_opts_in(request):
    events = request.getfixturevalue("error_tracking_outbox")
    error_tracking.capture_message("inside")
    assert [event.message for event in events] == ["inside"]
