"""From a bug to a file and an issue: once, with a whitelist's content, whatever the tracker does."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import subprocess
import sys
import threading
import time

import pytest
from django.test import Client
from django.utils import timezone

from error_tracking import conf, recorder, signals, tasks, trackers
from error_tracking.bugs.opening import open_bug
from error_tracking.events.kinds import Kind
from error_tracking.exceptions import TrackerError
from error_tracking.filing import allowance, broker, outbox, runner
from error_tracking.filing.outbox import retry_delay
from error_tracking.models import ErrorGroup, Filing, KnownBug
from error_tracking.recorder import store
from error_tracking.report.bug_report import BugReport
from error_tracking.report.builder import build_report
from error_tracking.services import BugCreationService
from error_tracking.trackers.base import Filed, Tracker
from error_tracking.trackers.markdown import MarkdownTracker
from error_tracking.trackers.memory import MemoryTracker
from tests.factories import make_event

REPORT = BugReport(
    bug_id="B-012",
    uuid="0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e",
    title="ValueError in shop.pay",
)


class Broken(Tracker):
    name = "memory"

    def file(self, report):
        raise RuntimeError("the project's own tracker failed")


class TestFiling:
    def service(self, tracker):
        return BugCreationService(trackers_by_name={"memory": tracker})

    @pytest.fixture
    def row(self, bug):
        Filing.objects.filter(bug=bug).delete()
        Filing.objects.request_for(bug, ["memory"])
        return Filing.objects.get(bug=bug)

    def test_second_run_makes_nothing_twice(self, bug, row):
        """FAULTS T06."""
        tracker = MemoryTracker()
        assert self.service(tracker).file(bug.pk) == 1
        assert self.service(tracker).file(bug.pk) == 0
        assert len(tracker.reports) == 1
        row.refresh_from_db()
        assert (row.state, row.attempts) == ("filed", 0)

    def test_service_without_a_tracker_files_nowhere(self, bug, row):
        assert outbox.able_trackers(Filing.objects.all(), {}) == {}
        assert BugCreationService(trackers_by_name={}).file(bug.pk) == 0

    def test_row_is_claimed_by_one(self, row):
        rows = Filing.objects.filter(pk=row.pk)
        assert rows.claim(timezone.now())
        assert not rows.claim(timezone.now())
        assert rows.claim(timezone.now() + dt.timedelta(minutes=11)), (
            "the lease has run out (FAULTS T05)"
        )

    def test_crash_between_making_and_storing_makes_nothing_twice(self, bug, row):
        """FAULTS X01."""
        tracker = MemoryTracker()
        tracker.file(build_report(bug))
        Filing.objects.update(
            state="claimed",
            attempts=1,
            next_attempt_at=timezone.now() - dt.timedelta(seconds=1),
        )
        assert self.service(tracker).file(bug.pk) == 1
        assert len(tracker.reports) == 1

    def test_failure_is_tried_again_later(self, bug, row):
        """FAULTS T07, T09."""
        tracker = MemoryTracker()
        tracker.failure = TrackerError("busy", retry_after=500)
        assert self.service(tracker).file(bug.pk) == 0
        row.refresh_from_db()
        assert (row.state, row.reason) == ("pending", "busy")
        assert row.next_attempt_at > timezone.now() + dt.timedelta(seconds=400)
        assert self.service(tracker).file(bug.pk) == 0
        Filing.objects.filter(pk=row.pk).retry()
        assert self.service(tracker).file(bug.pk) == 1

    def test_failure_of_a_lost_claim_changes_nothing(self, bug, row):
        """FAULTS T05: somebody else is at it."""

        class Slow(Broken):
            def file(self, report):
                Filing.objects.update(
                    state="filed", attempts=2, reference="made elsewhere"
                )
                raise TrackerError("too late")

        assert self.service(Slow()).file(bug.pk) == 0
        row.refresh_from_db()
        assert (row.state, row.reference, row.reason) == ("filed", "made elsewhere", "")

    @pytest.mark.parametrize(
        "error", [TrackerError("no", is_permanent=True), TrackerError("again")]
    )
    def test_failure_for_good_is_told(self, bug, row, error):
        """FAULTS T09."""
        Filing.objects.update(
            failures=0 if error.is_permanent else outbox.MAX_ATTEMPTS - 1
        )
        seen = []

        def receiver(sender, bug, tracker, reason, **kwargs):
            seen.append((tracker, reason))

        signals.filing_failed.connect(receiver)
        try:
            tracker = MemoryTracker()
            tracker.failure = error
            self.service(tracker).file(bug.pk)
        finally:
            signals.filing_failed.disconnect(receiver)
        row.refresh_from_db()
        assert row.state == "failed"
        assert seen == [("memory", str(error))]
        assert bug.activities.filter(verb="filing_failed").exists()

    def test_fault_of_a_foreign_tracker_stays_with_its_row(self, bug, row, swallowed):
        self.service(Broken()).file(bug.pk)
        row.refresh_from_db()
        assert "RuntimeError in the tracker" in row.reason
        assert len(swallowed) == 1
        assert Broken().find(REPORT) is None
        assert Broken().unavailable_reason() == ""

    def test_row_that_this_process_cannot_serve_is_left_to_others(
        self, bug, row, monkeypatch
    ):
        tracker = MemoryTracker()
        monkeypatch.setattr(tracker, "unavailable_reason", lambda: "not here")
        assert self.service(tracker).file(bug.pk) == 0
        row.refresh_from_db()
        assert (row.state, row.attempts, row.reason) == ("pending", 0, "not here")

    def test_bug_of_another_environment_is_left_alone(self, bug, row):
        KnownBug.objects.update(environment="staging")
        assert self.service(MemoryTracker()).file(bug.pk) == 0
        assert self.service(MemoryTracker()).file(0) == 0

    def test_delays_are_a_minute_three_times_then_double_up_to_an_hour(self):
        assert all(60 <= retry_delay(attempt) <= 66 for attempt in (1, 2, 3))
        assert 120 <= retry_delay(4) <= 132
        assert 3_600 <= retry_delay(100) <= 3_960
        assert retry_delay(1, retry_after=5) == 5
        assert retry_delay(1, retry_after=0) == outbox.SHORTEST_DELAY_SECONDS

    def test_missing_repository_is_told_once(self, bug, caplog):
        trackers.forget_logged()
        with caplog.at_level(logging.INFO, "error_tracking"):
            assert trackers.configured_names() == ["markdown"]
            trackers.configured_names()
        assert caplog.text.count("GITHUB_REPO is not set") == 1


class TestService:
    def test_next_bug_id_is_told_and_not_reserved(self, db):
        service = BugCreationService()
        assert service.get_next_bug_id() == service.get_next_bug_id() == "B-001"
        KnownBug.objects.create(title="a").hard_delete()
        assert service.get_next_bug_id() == "B-002"

    def test_bug_file_from_plain_data(self, db, tmp_path):
        path = BugCreationService().create_bug_file(
            "B-042", {"title": "It broke", "severity": "low"}
        )
        assert path == tmp_path / "planning" / "tasks" / "B-042-it-broke.md"
        assert "Severity: low" in path.read_text()

    def test_bug_file_of_a_known_bug_has_its_own_words(self, bug, tmp_path):
        path = BugCreationService().create_bug_file(bug.bug_id, {})
        assert bug.title in path.read_text()

    def test_issue_from_plain_data(self, db, github, configure):
        with pytest.raises(TrackerError, match="GITHUB_REPO"):
            BugCreationService().create_github_issue("B-042", {"title": "It broke"})
        configure(GITHUB_REPO="acme/shop")
        number, url = BugCreationService().create_github_issue(
            "B-042", {"title": "It broke"}
        )
        assert (number, url) == (1, "https://github.com/acme/shop/issues/1")


class TestTaskAndRunners:
    def test_task_files_what_the_outbox_says(self, bug, github, configure):
        configure(GITHUB_REPO="acme/shop")
        assert tasks.create_bug_task(bug.pk) == 2
        assert tasks.create_bug_task(bug.pk) == 0
        bug.refresh_from_db()
        assert bug.github_issue_number == 1
        assert bug.file_name.startswith("B-001-")
        assert tasks.create_bug_task(0) == 0

    def test_task_whose_database_is_away_is_tried_again(self, bug, monkeypatch):
        from celery.exceptions import Retry

        def away(pk):
            raise OSError("away")

        monkeypatch.setattr(tasks, "run", away)
        with pytest.raises((Retry, OSError)):
            tasks.create_bug_task(bug.pk)

    def test_task_that_a_tracker_refuses_is_tried_again(self, bug, monkeypatch):
        calls = []
        monkeypatch.setattr(tasks, "run", lambda pk: calls.append(pk) or 0)
        Filing.objects.update(state="pending", attempts=1)
        assert Filing.objects.exists()
        tasks.create_bug_task.apply(args=[bug.pk])
        assert calls == [bug.pk] * (tasks.MAX_RETRIES + 1)

    def test_everything_works_without_celery(self, tmp_path):
        """FAULTS T03."""
        script = (
            "import sys; sys.modules['celery'] = None\n"
            "import django; django.setup()\n"
            "from error_tracking import tasks\n"
            "from error_tracking.filing import broker, runner\n"
            "assert not broker.has_celery(); assert callable(tasks.create_bug_task)\n"
            "from django.core.management import call_command; call_command('migrate', verbosity=0)\n"
            "from error_tracking.models import KnownBug\n"
            "bug = KnownBug.objects.create(title='It broke')\n"
            "print(tasks.create_bug_task(bug.pk), bug.bug_id)\n"
        )
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.integration.site_settings",
            "STORY_DIR": str(tmp_path),
            "TEST_DATABASE": "sqlite",
            "TEST_SQLITE_FILE": str(tmp_path / "x.sqlite3"),
        }
        answer = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.stdout.split() == ["1", "B-001"], answer.stderr

    @pytest.fixture
    def published(self, monkeypatch):
        published = []
        monkeypatch.setattr(broker, "has_celery", lambda: True)
        monkeypatch.setattr(broker, "publish", published.append)
        return published

    def test_broker_is_asked_once_and_the_thread_steps_in_after_two_minutes(
        self, bug, published
    ):
        """FAULTS T01, T05."""
        runner.work_as_configured()
        runner.work_as_configured()
        assert published == [bug.pk]
        assert Filing.objects.get(bug=bug).state == "pending"
        Filing.objects.update(published_at=timezone.now() - dt.timedelta(minutes=3))
        runner.work_as_configured()
        assert published == [bug.pk]
        assert Filing.objects.get(bug=bug).state == "filed"

    def test_broker_that_is_away_leaves_it_to_the_thread(
        self, bug, published, monkeypatch
    ):
        """FAULTS T01, T02."""

        def refuse(pk):
            raise RuntimeError(
                "Retry limit exceeded while trying to reconnect to the Celery result store backend"
            )

        monkeypatch.setattr(broker, "publish", refuse)
        runner.work_as_configured()
        assert Filing.objects.get(bug=bug).state == "filed"

    def test_broker_that_never_answers_costs_a_second_once(
        self, bug, published, monkeypatch
    ):
        """FAULTS T01."""
        release = threading.Event()
        monkeypatch.setattr(runner, "PUBLISH_SECONDS", 0.5)
        monkeypatch.setattr(broker, "publish", lambda pk: release.wait(30))
        publisher = runner.Publisher()
        try:
            started = time.monotonic()
            assert [publisher.publish(bug.pk) for _ in range(20)] == [False] * 20
            assert time.monotonic() - started < 5
        finally:
            release.set()
        publisher._thread.join(5)
        monkeypatch.setattr(broker, "publish", lambda pk: None)
        assert publisher.publish(bug.pk)

    def test_an_eager_worker_files_outside_of_the_request(
        self, writer_thread, published, monkeypatch
    ):
        """FAULTS T08: what Celery does at once must not be done, nor fail, in the request."""
        threads = []

        def eagerly(pk):
            threads.append(threading.current_thread())
            assert tasks.create_bug_task(pk)

        monkeypatch.setattr(broker, "publish", eagerly)
        Client(raise_request_exception=False).get("/crash/")
        assert recorder.flush(20)
        assert [thread.name for thread in threads] == ["error_tracking.publisher"]
        assert Filing.objects.get().state == "filed"

    def test_publishing_reaches_the_task_with_an_id_only(self, bug, monkeypatch):
        """FAULTS T04: the outbox's row, which is committed, says what to do."""
        sent = []
        monkeypatch.setattr(
            tasks.create_bug_task, "apply_async", lambda **kwargs: sent.append(kwargs)
        )
        broker.publish(bug.pk)
        assert sent[0]["args"] == [bug.pk]

    def test_project_without_a_broker_has_no_celery(self, monkeypatch):
        """FAULTS T03."""
        monkeypatch.setattr(broker, "current_app", None)
        assert not broker.has_celery()

    def test_nothing_due_starts_nothing(self, db, monkeypatch):
        started = []
        monkeypatch.setattr(runner._filer, "start", lambda: started.append(True))
        runner.start_work()
        assert started == []

    def test_inline_files_in_place(self, bug, configure):
        configure(RUNNER="inline")
        runner.start_work()
        assert Filing.objects.get(bug=bug).state == "filed"

    @pytest.mark.django_db
    def test_paused_bugs_do_not_stop_what_comes_after_them(self, monkeypatch):
        """More than one batch has to wait for the allowance, and the rest has not."""
        monkeypatch.setattr(runner, "BATCH_BUGS", 3)
        monkeypatch.setitem(allowance.PER_HOUR, Kind.CRASH, 0)
        waiting, begun = [], []
        for number in range(8):
            bug = KnownBug.objects.create(title=f"Bug {number}", severity="critical")
            waiting.append(bug)
        for number in range(2):
            bug = KnownBug.objects.create(title=f"Begun {number}", severity="low")
            begun.append(bug)
        for bug in (*waiting, *begun):
            outbox.request(bug)
        # What was begun needs no allowance, and is filed last.
        Filing.objects.filter(bug__in=begun).update(attempts=1)
        outcomes = runner.file_all()
        results = [outcome.result for outcome in outcomes]
        assert results == ["paused"] * 8 + ["filed"] * 2
        states = Filing.objects.filter(bug__in=begun).values_list("state", flat=True)
        assert [*states] == ["filed"] * 2

    @pytest.mark.django_db
    def test_bug_that_cannot_be_filed_is_tried_once_in_a_round(self, monkeypatch):
        """A tracker that asks for no rest at all must not keep a round going."""
        bug = KnownBug.objects.create(title="It broke")
        outbox.request(bug)
        calls = []

        def refuse(self, report):
            calls.append(report.bug_id)
            raise TrackerError("not now", retry_after=0)

        monkeypatch.setattr(MarkdownTracker, "file", refuse)
        monkeypatch.setattr(outbox, "SHORTEST_DELAY_SECONDS", 0.0)
        [outcome] = runner.file_all()
        assert (outcome.result, outcome.text) == ("failed", "not now")
        assert len(calls) == 1

    def test_inline_reads_the_issues_back(self, bug, configure, monkeypatch):
        followed = []
        monkeypatch.setattr(runner.issue_sync, "is_due", lambda: True)
        monkeypatch.setattr(
            runner.issue_sync, "sync_issues", lambda: followed.append(True)
        )
        configure(RUNNER="inline")
        runner.start_work()
        assert followed == [True]

    @pytest.mark.django_db(transaction=True)
    def test_thread_files_and_ends(self, bug, configure):
        configure(RUNNER="thread")
        assert runner.wait(0)
        runner.start_work()
        assert runner.wait(10)
        assert Filing.objects.get(bug=bug).state == "filed"

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_thread_that_could_not_start_or_died_is_replaced(self, monkeypatch):
        def no_thread(self):
            raise RuntimeError("can't start new thread")

        def dies():
            raise SystemExit

        done = threading.Event()
        filer = runner.FilerThread()
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_thread)
            with pytest.raises(RuntimeError, match="can't start"):
                filer.start()
        assert filer.wait(0)
        monkeypatch.setattr(runner, "work_as_configured", dies)
        filer.start()
        assert filer.wait(10)
        monkeypatch.setattr(runner, "work_as_configured", done.set)
        filer.start()
        assert done.wait(10)
        assert filer.wait(10)

    @pytest.mark.django_db(transaction=True)
    def test_thread_survives_what_fails_in_it(
        self, bug, configure, monkeypatch, swallowed
    ):
        configure(RUNNER="thread")

        def broken():
            raise OSError("away")

        monkeypatch.setattr(runner, "file_all", broken)
        runner.start_work()
        assert runner.wait(10)
        assert "filing stopped" in swallowed[0].getMessage()

    def test_deleted_or_muted_bug_waits(self, bug):
        assert [row.bug_id for row in runner.due()] == [bug.pk]
        bug.mute()
        assert not runner.due().exists()
        assert tasks.create_bug_task(bug.pk) == 0
        bug.unmute()
        bug.delete()
        assert not runner.due().exists()
        assert tasks.create_bug_task(bug.pk) == 0
        bug.restore()
        assert tasks.create_bug_task(bug.pk) == 1


def test_memory_tracker_is_a_test_double():
    tracker = MemoryTracker()
    assert tracker.find(REPORT) is None
    assert tracker.file(REPORT) == Filed("B-012")
    assert tracker.find(REPORT) == Filed("B-012")
    assert json.dumps(REPORT.labels) == '["bug", "error-tracking", "medium"]'


class TestNews:
    """What happens to a bug reaches its trackers by the same outbox."""

    class Watching(MemoryTracker):
        def __init__(self):
            super().__init__()
            self.updates = []

        def update(self, report, reference):
            if self.failure is not None:
                failure, self.failure = self.failure, None
                raise failure
            self.updates.append([news.verb for news in report.news])

    @pytest.fixture
    def filed(self, bug):
        Filing.objects.filter(bug=bug).delete()
        Filing.objects.request_for(bug, ["memory"])
        tracker = self.Watching()
        service = BugCreationService(trackers_by_name={"memory": tracker})
        assert service.file(bug.pk) == 1
        return bug, tracker, service

    def test_each_change_is_told_once(self, filed):
        bug, tracker, service = filed
        assert service.file(bug.pk) == 0
        bug.start(by="ada")
        bug.resolve(by="ada")
        assert service.file(bug.pk) == 1
        assert service.file(bug.pk) == 0
        assert tracker.updates == [["in_progress", "resolved"]]
        store.store([make_event(timestamp=time.time() + 5)])
        assert service.file(bug.pk) == 1
        assert tracker.updates[1:] == [["regressed"]]

    def test_what_happens_while_it_is_told_is_told_after(self, filed, monkeypatch):
        bug, tracker, service = filed
        bug.start()
        update = tracker.update

        def meanwhile(report, reference):
            KnownBug.objects.get().resolve()
            update(report, reference)

        monkeypatch.setattr(tracker, "update", meanwhile)
        service.file(bug.pk)
        monkeypatch.setattr(tracker, "update", update)
        service.file(bug.pk)
        assert tracker.updates == [["in_progress"], ["resolved"]]

    def test_news_that_could_not_be_told_are_tried_again(self, filed):
        bug, tracker, service = filed
        bug.start()
        tracker.failure = TrackerError("busy")
        assert service.file(bug.pk) == 0
        row = Filing.objects.get()
        assert (row.state, row.attempts, row.reference) == ("pending", 1, "B-001")
        Filing.objects.update(next_attempt_at=timezone.now())
        assert service.file(bug.pk) == 1
        assert tracker.updates == [["in_progress"]]
        assert len(tracker.reports) == 1, "an update never files anew"

    def test_muted_bug_is_told_of_later(self, filed):
        bug, tracker, service = filed
        bug.mute()
        assert service.file(bug.pk) == 0
        bug.unmute()
        assert service.file(bug.pk) == 1
        assert tracker.updates == [["muted", "open"]]

    def test_bug_that_is_resolved_while_it_is_filed_is_closed_after(self, bug):
        Filing.objects.filter(bug=bug).delete()
        Filing.objects.request_for(bug, ["memory"])
        Filing.objects.update(attempts=1)
        bug.resolve()
        tracker = self.Watching()
        service = BugCreationService(trackers_by_name={"memory": tracker})
        assert [service.file(bug.pk) for _ in range(3)] == [1, 1, 0]
        assert tracker.updates == [["resolved"]]

    def test_process_without_means_leaves_the_row_to_others_at_once(self, filed):
        """No delay for whoever can: only the reason is written."""
        bug, _, service = filed
        Filing.objects.all().delete()
        Filing.objects.request_for(bug, ["memory"])

        class Without(MemoryTracker):
            def unavailable_reason(self):
                return "no token here"

        assert (
            BugCreationService(trackers_by_name={"memory": Without()}).file(bug.pk) == 0
        )
        assert Filing.objects.get().reason == "no token here"
        assert service.file(bug.pk) == 1
        assert Filing.objects.get().reason == ""

    def test_tracker_that_wants_a_rest_gets_it_from_all(self, filed):
        """FAULTS X07."""
        bug, tracker, service = filed
        store.store([make_event(fingerprint="2" * 32)])
        other, _ = open_bug(ErrorGroup.objects.get(fingerprint="2" * 32))
        Filing.objects.request_for(other, ["memory"])
        bug.start()
        tracker.failure = TrackerError("rate limit", retry_after=600)
        service.file(bug.pk)
        assert service.file(other.pk) == 0
        assert all(
            row.next_attempt_at > timezone.now()
            for row in Filing.objects.filter(tracker="memory")
        )

    @pytest.mark.parametrize("kind", ["is_rate_limit", "is_outage"])
    def test_rate_limits_and_outages_never_give_up_a_filing(self, filed, kind):
        bug, tracker, service = filed
        bug.start()
        for _ in range(outbox.MAX_ATTEMPTS * 2):
            tracker.failure = TrackerError("busy", **{kind: True})
            assert service.file(bug.pk) == 0
            row = Filing.objects.get()
            assert (row.state, row.failures) == ("pending", 0)
            Filing.objects.update(next_attempt_at=timezone.now())
        Filing.objects.update(attempts=32_766)
        tracker.failure = TrackerError("busy", **{kind: True})
        service.file(bug.pk)
        assert Filing.objects.get().attempts < 2_000, "a small integer ends at 32,767"

    def test_failures_between_rate_limits_are_counted(self, filed):
        bug, tracker, service = filed
        bug.start()
        states = []
        for _ in range(outbox.MAX_ATTEMPTS):
            for error in (TrackerError("busy", retry_after=0), TrackerError("broken")):
                tracker.failure = error
                service.file(bug.pk)
                states.append(Filing.objects.get().state)
                Filing.objects.update(next_attempt_at=timezone.now())
        assert states == ["pending"] * (2 * outbox.MAX_ATTEMPTS - 1) + ["failed"]
        Filing.objects.all().retry()
        assert Filing.objects.get().failures == 0, "whoever asks again gets all of them"

    def test_rate_limit_without_a_time_holds_the_others_and_an_outage_does_not(
        self, filed
    ):
        bug, tracker, service = filed
        store.store([make_event(fingerprint="2" * 32)])
        other, _ = open_bug(ErrorGroup.objects.get(fingerprint="2" * 32))
        Filing.objects.request_for(other, ["memory"])
        bug.start()
        row = Filing.objects.filter(bug=other, tracker="memory")
        for error, waits in (
            (TrackerError("502", is_outage=True), False),
            (TrackerError("too quickly", is_rate_limit=True), True),
        ):
            Filing.objects.update(next_attempt_at=timezone.now())
            tracker.failure = error
            service.file(bug.pk)
            wait = row.get().next_attempt_at - timezone.now()
            assert (wait.total_seconds() > 55) is waits

    def test_file_names_the_issue_that_was_made_later(self, bug, configure, github):
        configure(GITHUB_REPO="acme/shop")
        only_file = {"markdown": MarkdownTracker(conf.get_settings().planning_dir)}
        BugCreationService(trackers_by_name=only_file).file(bug.pk)
        outbox.request(bug)
        assert len(runner.file_all()) >= 2
        bug.refresh_from_db()
        text = (conf.get_settings().planning_dir / bug.file_name).read_text()
        assert f'issue: "{bug.github_issue_url}"' in text
        assert bug.github_issue_url
