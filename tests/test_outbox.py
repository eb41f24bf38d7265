"""From a bug to a file and an issue: once, with a whitelist's content, whatever the tracker does."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import subprocess
import sys

import pytest
from django.utils import timezone

from error_tracking import filing, gate, report, runners, signals, tasks
from error_tracking.exceptions import TrackerError
from error_tracking.filing import BugCreationService, retry_delay
from error_tracking.models import ErrorGroup, ErrorLog, Filing, KnownBug
from error_tracking.recorder import store
from error_tracking.report import BODY_CHARS, TITLE_CHARS, BugReport, code, fence, markdown, reproduction, slug_from
from error_tracking.stacktrace import exceptions_from
from error_tracking.trackers.base import Filed, Tracker
from error_tracking.trackers.github import GitHubTracker
from error_tracking.trackers.markdown import MarkdownTracker
from error_tracking.trackers.memory import MemoryTracker
from tests.factories import make_event, raised
from tests.github_stub import GitHubStub, require_gh

REPORT = BugReport(bug_id="B-012", uuid="0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e", title="ValueError in shop.pay")


def explode():
    raise ValueError("secret message")


@pytest.fixture
def bug(db):
    """A bug with a group and an error log, and nothing filed yet."""
    event = make_event(
        exceptions=exceptions_from(raised(explode)),
        request={"body": {"email": "x", "amount": "y"}},
        method="POST",
        ip_address="192.0.2.0",
        url="https://x.example/pay/77/?q=1",
        user_label="ada",
    )
    store.store([event])
    return gate.open_bug(ErrorGroup.objects.get())[0]


class TestReport:
    def test_only_the_whitelist_leaves(self, bug):
        """FAULTS X17."""
        text = markdown(report.report_for(bug))
        for private in ("secret message\n", "192.0.2.0", "/pay/77/", "ada", "x.example"):
            assert private not in text.replace('raise ValueError("secret message")', "")
        for public in ("tests.test_outbox", "explode", "POST /pay/{id}/", "ValueError", "error-tracking:"):
            assert public in text or public.replace(".", "/") in text

    def test_reproduction_is_python_with_the_field_names_and_made_up_values(self, bug):
        source = reproduction(report.report_for(bug))
        compile(source, "reproduction", "exec")
        assert '"/pay/1/"' in source
        assert '"email": "user@example.com"' in source
        assert '"amount": "1"' in source

    def test_field_name_that_a_client_made_up_does_not_leave(self, bug):
        """FAULTS X17."""
        body = {"amount": 1, "anna@example.com": 1, "sk_" + "live_abcdefghij12": 1, "a b": 1, "1x": 1}
        ErrorLog.objects.update(request_data={"body": body})
        assert report.report_for(bug).field_names == ("amount",)
        ErrorLog.objects.update(request_data={"body": ["x"]})
        assert report.report_for(bug).field_names == ()

    @pytest.mark.parametrize(("method", "expected"), [("GET", 'generic("GET", "/x/example/")'), ("PUT", '"PUT"')])
    def test_reproduction_of_other_methods(self, method, expected):
        made = BugReport(bug_id="B-1", uuid="u", title="t", method=method, route="/x/{slug}/", field_names=())
        assert expected in reproduction(made)

    def test_title_is_one_line_and_mentions_nobody(self):
        """FAULTS X06, X15."""
        made = BugReport(bug_id="B-1", uuid="u", title="@octocat\nbroke acme/shop#1 " + "x" * 300)
        assert "\n" not in made.safe_title
        assert "@octocat" not in made.safe_title
        assert "#1" not in made.safe_title
        assert len(made.safe_title) <= TITLE_CHARS
        assert BugReport(bug_id="B-1", uuid="u", title="").safe_title == "B-1: error"

    @pytest.mark.parametrize(
        ("title", "slug"),
        [
            ("../../etc/cron.d/x", "etc-cron-d-x"),
            ("Größe & Maß", "große-ma"),
            ("日本", "error"),
            ("x" * 300, "x" * 60),
            ("\x00", "error"),
        ],
    )
    def test_slug_is_a_safe_file_name(self, title, slug):
        """FAULTS X18."""
        made = slug_from(title)
        assert made.isascii()
        assert made == slug or title.startswith("Gr")

    def test_no_text_breaks_out_of_code(self):
        """FAULTS X16."""
        assert fence("a\n```\nb").startswith("````\n")
        assert code("a`b") == "``a`b``"
        assert code("`a`") == "`` `a` ``"
        assert code("") == "`-`"
        made = BugReport(bug_id="B-1", uuid="u", title="t", description="```\n<script>@octocat", route="/a`b/")
        assert "````text" in markdown(made)

    def test_body_is_bounded(self):
        """FAULTS X06."""
        frame = ("x" * 200, 1, "f" * 200, "s" * 200)
        made = BugReport(
            bug_id="B-1",
            uuid="u",
            title="t" * 5_000,
            description="`" * 200_000,
            route="/r" * 5_000,
            frames=(frame,) * 20,
            field_names=tuple(f"{n}" * 100 for n in range(50)),
        )
        text = markdown(made)
        assert len(text) <= BODY_CHARS
        assert text.endswith(made.marker)

    def test_bug_id_that_is_none_is_refused(self):
        with pytest.raises(ValueError, match="no bug id"):
            report.report_from("../x", {})


class TestMarkdownTracker:
    def tracker(self, tmp_path):
        return MarkdownTracker(tmp_path / "tasks")

    def test_file_is_written_and_found(self, tmp_path):
        tracker = self.tracker(tmp_path)
        assert tracker.find(REPORT) is None
        filed = tracker.file(REPORT)
        assert filed.reference == "B-012-valueerror-in-shop-pay.md"
        assert tracker.find(REPORT).reference == filed.reference
        assert not list((tmp_path / "tasks").glob(".*"))

    def test_what_people_wrote_is_kept_when_it_is_written_anew(self, tmp_path):
        """FAULTS X18."""
        tracker = self.tracker(tmp_path)
        path = tmp_path / "tasks" / tracker.file(REPORT).reference
        path.write_text(path.read_text() + "\nI looked into it.\n")
        import dataclasses

        changed = dataclasses.replace(REPORT, title="Another title", status="resolved", count=7)
        assert tracker.file(changed).reference == path.name
        text = path.read_text()
        assert "I looked into it." in text
        assert 'status: "resolved"' in text
        assert "Seen: 7 times" in text
        assert text.count("error-tracking:begin") == 1
        assert tracker.file(changed)
        assert path.read_text() == text

    def test_file_without_our_markers_belongs_to_people(self, tmp_path):
        tracker = self.tracker(tmp_path)
        path = tmp_path / "tasks" / tracker.file(REPORT).reference
        own = f'uuid: "{REPORT.uuid}"\nall mine'
        path.write_text(own)
        tracker.file(REPORT)
        assert path.read_text() == own

    def test_file_of_another_bug_is_not_touched(self, tmp_path):
        tracker = self.tracker(tmp_path)
        path = tmp_path / "tasks" / REPORT.path_name
        path.parent.mkdir()
        path.write_text("another")
        with pytest.raises(TrackerError, match="another bug") as caught:
            tracker.file(REPORT)
        assert caught.value.is_permanent
        assert path.read_text() == "another"

    def test_symlink_is_not_followed(self, tmp_path):
        """FAULTS X18."""
        tracker = self.tracker(tmp_path)
        target = tmp_path / "target"
        (tmp_path / "tasks").mkdir()
        (tmp_path / "tasks" / REPORT.path_name).symlink_to(target)
        with pytest.raises(TrackerError, match="not a regular file"):
            tracker.file(REPORT)
        assert not target.exists()

    def test_folder_that_cannot_be_made_is_a_failure_that_says_why(self, tmp_path):
        """FAULTS X18."""
        (tmp_path / "tasks").write_text("a file where the folder should be")
        with pytest.raises(TrackerError, match="could not be written"):
            self.tracker(tmp_path).file(REPORT)

    def test_name_from_outside_stays_in_the_folder(self, tmp_path):
        """FAULTS X18."""
        import dataclasses

        for name in ("../x.md", ".hidden.md", "x" * 130):
            with pytest.raises(TrackerError, match="no name for a bug file"):
                self.tracker(tmp_path).file(dataclasses.replace(REPORT, file_name=name))

    def test_front_matter_cannot_be_forged(self, tmp_path):
        """FAULTS X18."""
        import dataclasses

        tracker = self.tracker(tmp_path)
        filed = tracker.file(dataclasses.replace(REPORT, title='x"\nstatus: closed\n---'))
        head = (tmp_path / "tasks" / filed.reference).read_text().split("\n---\n")[0]
        assert head.count("\nstatus:") == 1
        assert 'status: "open"' in head


@pytest.fixture
def github(monkeypatch):
    """The real ``gh`` against a local stub."""
    require_gh()
    with GitHubStub() as stub:
        for name, value in stub.environment.items():
            monkeypatch.setenv(name, value)
        yield stub


class TestGitHubTracker:
    tracker = GitHubTracker("acme/shop")

    def test_issue_has_title_body_and_both_labels(self, github):
        filed = self.tracker.file(REPORT)
        [issue] = github.issues
        assert (filed.number, filed.reference) == (1, "#1")
        assert filed.url == issue["html_url"]
        assert issue["title"] == "B-012: ValueError in shop.pay"
        assert [label["name"] for label in issue["labels"]] == ["bug", "medium"]
        assert REPORT.marker in issue["body"]

    def test_issue_of_an_earlier_attempt_is_found_by_its_marker(self, github):
        """FAULTS X01, X02, X03."""
        assert self.tracker.find(REPORT) is None
        self.tracker.file(REPORT)
        for _ in range(120):
            github.add_issue()
        assert self.tracker.find(REPORT).number == 1
        assert all("search" not in path for _, path, _ in github.requests)

    def test_title_that_looks_like_an_option_or_a_file_is_text(self, github):
        """FAULTS X11."""
        import dataclasses

        self.tracker.file(dataclasses.replace(REPORT, description="@/etc/hostname --web"))
        assert "@/etc/hostname --web" in github.issues[0]["body"]

    def test_label_that_may_not_be_made_costs_the_label_only(self, github):
        """FAULTS X04, X05."""
        github.fail_next(403, message="You do not have permission to create labels on this repository.")
        assert self.tracker.file(REPORT).number == 1
        assert github.issues[0]["labels"] == []

    @pytest.mark.parametrize(
        ("status", "is_permanent"),
        [(401, True), (404, True), (410, True), (422, True), (500, False), (502, False), (429, False)],
    )
    def test_failure_is_classified(self, github, status, is_permanent):
        """FAULTS X12, X14."""
        github.fail_next(status)
        with pytest.raises(TrackerError) as caught:
            self.tracker.file(REPORT)
        assert caught.value.is_permanent is is_permanent
        assert not github.issues

    def test_retry_after_is_honoured(self, github):
        """FAULTS X07, X08."""
        github.fail_next(403, {"Retry-After": "77"}, message="You have exceeded a secondary rate limit")
        with pytest.raises(TrackerError) as caught:
            self.tracker.file(REPORT)
        assert (caught.value.retry_after, caught.value.is_permanent) == (77.0, False)

    def test_silent_server_is_given_up(self, github):
        """FAULTS X09."""
        github.delay = 5
        with pytest.raises(TrackerError, match="no answer in 1 seconds") as caught:
            GitHubTracker("acme/shop", timeout=1).file(REPORT)
        assert not caught.value.is_permanent

    def test_missing_program_and_wrong_repository_are_told(self, monkeypatch):
        assert "owner/name" in GitHubTracker("acme").why_not()
        monkeypatch.setenv("PATH", "")
        assert "not installed" in self.tracker.why_not()
        with pytest.raises(TrackerError, match="not installed"):
            self.tracker.file(REPORT)

    def test_secrets_of_the_host_are_not_passed_on(self, tmp_path, monkeypatch):
        """FAULTS X13."""
        program = tmp_path / "gh"
        program.write_text(
            '#!/bin/sh\n/usr/bin/env > "$HOME/environment"\necho "no token ghp_abcdefghijklmnopqrstuv" >&2\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("DATABASE_URL", "postgres://secret")
        with pytest.raises(TrackerError) as caught:
            self.tracker.file(REPORT)
        environment = (tmp_path / "environment").read_text()
        assert "DATABASE_URL" not in environment
        assert "GH_PROMPT_DISABLED=1" in environment
        assert "ghp_" not in str(caught.value)

    @pytest.mark.parametrize(
        ("output", "message"),
        [
            ("", "gh gave no answer"),
            ("HTTP/2.0 201 Created\n\nnot json", "gh gave no answer"),
            ("HTTP/2.0 201 Created\n\n[]", "not an issue"),
        ],
    )
    def test_odd_answers_are_failures(self, monkeypatch, output, message):
        tracker = GitHubTracker("acme/shop")
        monkeypatch.setattr(tracker, "why_not", lambda: "")
        monkeypatch.setattr(
            tracker, "_run", lambda command, data: (output, "" if "201" in output else "API rate limit")
        )
        with pytest.raises(TrackerError) as caught:
            tracker.file(REPORT)
        assert message in str(caught.value) or caught.value.retry_after == 60


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
        assert (row.state, row.attempts) == ("filed", 1)

    def test_row_is_claimed_by_one(self, row):
        rows = Filing.objects.filter(pk=row.pk)
        assert rows.claim(timezone.now())
        assert not rows.claim(timezone.now())
        assert rows.claim(timezone.now() + dt.timedelta(minutes=6)), "the lease has run out (FAULTS T05)"

    def test_crash_between_making_and_storing_makes_nothing_twice(self, bug, row):
        """FAULTS X01."""
        tracker = MemoryTracker()
        tracker.file(report.report_for(bug))
        Filing.objects.update(state="claimed", attempts=1, claimed_until=timezone.now() - dt.timedelta(seconds=1))
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
                Filing.objects.update(state="filed", attempts=2, reference="made elsewhere")
                raise TrackerError("too late")

        assert self.service(Slow()).file(bug.pk) == 0
        row.refresh_from_db()
        assert (row.state, row.reference, row.reason) == ("filed", "made elsewhere", "")

    @pytest.mark.parametrize("error", [TrackerError("no", is_permanent=True), TrackerError("again")])
    def test_failure_for_good_is_told(self, bug, row, error):
        """FAULTS T09."""
        Filing.objects.update(attempts=0 if error.is_permanent else filing.MAX_ATTEMPTS - 1)
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
        assert Broken().why_not() == ""

    def test_row_that_this_process_cannot_serve_is_left_to_others(self, bug, row, monkeypatch):
        tracker = MemoryTracker()
        monkeypatch.setattr(tracker, "why_not", lambda: "not here")
        assert self.service(tracker).file(bug.pk) == 0
        row.refresh_from_db()
        assert (row.state, row.attempts, row.reason) == ("pending", 0, "not here")

    def test_bug_of_another_environment_is_left_alone(self, bug, row):
        KnownBug.objects.update(environment="staging")
        assert self.service(MemoryTracker()).file(bug.pk) == 0
        assert self.service(MemoryTracker()).file(0) == 0

    def test_delays_double_up_to_an_hour(self):
        assert 60 <= retry_delay(1) <= 66
        assert 120 <= retry_delay(2) <= 132
        assert 3_600 <= retry_delay(100) <= 3_960
        assert retry_delay(1, retry_after=5) == 5
        with pytest.raises(ValueError, match="counts from 1"):
            retry_delay(0)

    def test_missing_repository_is_told_once(self, bug, caplog):
        filing._told.clear()
        with caplog.at_level(logging.INFO, "error_tracking"):
            assert filing.configured_trackers() == ["markdown"]
            filing.configured_trackers()
        assert caplog.text.count("GITHUB_REPO is not set") == 1


class TestService:
    def test_next_bug_id_is_told_and_not_reserved(self, db):
        service = BugCreationService()
        assert service.get_next_bug_id() == service.get_next_bug_id() == "B-001"
        KnownBug.objects.create(title="a").hard_delete()
        assert service.get_next_bug_id() == "B-002"

    def test_bug_file_from_plain_data(self, db, tmp_path):
        path = BugCreationService().create_bug_file("B-042", {"title": "It broke", "severity": "low"})
        assert path == tmp_path / "planning" / "tasks" / "B-042-it-broke.md"
        assert "Severity: low" in path.read_text()

    def test_bug_file_of_a_known_bug_has_its_own_words(self, bug, tmp_path):
        path = BugCreationService().create_bug_file(bug.bug_id, {})
        assert bug.title in path.read_text()

    def test_issue_from_plain_data(self, db, github, configure):
        with pytest.raises(TrackerError, match="GITHUB_REPO"):
            BugCreationService().create_github_issue("B-042", {"title": "It broke"})
        configure(GITHUB_REPO="acme/shop")
        number, url = BugCreationService().create_github_issue("B-042", {"title": "It broke"})
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

    def test_everything_works_without_celery(self, tmp_path):
        """FAULTS T03."""
        script = (
            "import sys; sys.modules['celery'] = None\n"
            "import django; django.setup()\n"
            "from error_tracking import runners, tasks\n"
            "assert not tasks.has_celery(); assert callable(tasks.create_bug_task)\n"
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
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
        )
        assert answer.stdout.split() == ["1", "B-001"], answer.stderr

    @pytest.fixture
    def broker(self, monkeypatch):
        published = []
        monkeypatch.setattr(tasks, "has_celery", lambda: True)
        monkeypatch.setattr(tasks, "publish", published.append)
        started = []
        monkeypatch.setattr(runners._filer, "start", lambda: started.append(True))
        return published, started

    def test_broker_is_asked_once_and_the_thread_steps_in_after_two_minutes(self, bug, broker):
        """FAULTS T01, T05."""
        published, started = broker
        runners.run_due()
        runners.run_due()
        assert (published, started) == ([bug.pk], [])
        Filing.objects.update(published_at=timezone.now() - dt.timedelta(minutes=3))
        runners.run_due()
        assert (published, started) == ([bug.pk], [True])

    def test_broker_that_is_away_leaves_it_to_the_thread(self, bug, broker, monkeypatch):
        """FAULTS T01, T02."""
        _, started = broker

        def refuse(pk):
            raise RuntimeError("Retry limit exceeded while trying to reconnect to the Celery result store backend")

        monkeypatch.setattr(tasks, "publish", refuse)
        runners.run_due()
        assert started == [True]

    def test_publishing_reaches_the_task_with_an_id_only(self, bug, monkeypatch):
        sent = []
        monkeypatch.setattr(tasks.create_bug_task, "apply_async", lambda **kwargs: sent.append(kwargs))
        tasks.publish(bug.pk)
        assert sent[0]["args"] == [bug.pk]

    def test_project_without_a_broker_has_no_celery(self, monkeypatch):
        """FAULTS T03."""
        monkeypatch.setattr(tasks, "current_app", None)
        assert not tasks.has_celery()

    def test_nothing_due_starts_nothing(self, db, broker):
        runners.run_due()
        assert broker == ([], [])

    def test_inline_files_in_place(self, bug, configure):
        configure(RUNNER="inline")
        runners.run_due()
        assert Filing.objects.get(bug=bug).state == "filed"

    @pytest.mark.django_db(transaction=True)
    def test_thread_files_and_ends(self, bug, configure):
        configure(RUNNER="thread")
        assert runners.wait(0)
        runners.run_due()
        assert runners.wait(10)
        assert Filing.objects.get(bug=bug).state == "filed"

    @pytest.mark.django_db(transaction=True)
    def test_thread_survives_what_fails_in_it(self, bug, configure, monkeypatch, swallowed):
        configure(RUNNER="thread")

        def broken():
            raise OSError("away")

        monkeypatch.setattr(runners, "file_due", broken)
        runners.run_due()
        assert runners.wait(10)
        assert "filing stopped" in swallowed[0].getMessage()

    def test_deleted_or_muted_bug_waits(self, bug):
        assert runners.due_bugs() == [bug.pk]
        bug.mute()
        assert runners.due_bugs() == []
        assert tasks.create_bug_task(bug.pk) == 0
        bug.unmute()
        bug.delete()
        assert runners.due_bugs() == []
        assert tasks.create_bug_task(bug.pk) == 0
        bug.restore()
        assert tasks.create_bug_task(bug.pk) == 1


def test_memory_tracker_is_a_test_double():
    tracker = MemoryTracker()
    assert tracker.find(REPORT) is None
    assert tracker.file(REPORT) == Filed("B-012")
    assert tracker.find(REPORT) == Filed("B-012")
    assert json.dumps(REPORT.labels) == '["bug", "medium"]'
