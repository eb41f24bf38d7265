"""The doctor tells what is broken, on a line that really is, within its time, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import socket
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO

import django
import pytest
from celery import Celery, _state, signals
from celery.contrib.testing.worker import start_worker
from django.apps import apps
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder

from error_tracking import doctor, gate, recorder, tasks
from error_tracking.doctor import Doctor
from error_tracking.models import ErrorGroup, Filing, HourlyTotal, Journal, KnownBug
from error_tracking.recorder import store
from error_tracking.recorder.machine import Machine
from error_tracking.utils import uuid7

from .factories import make_event

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = [
    *("settings", "middleware", "capture", "journal_file", "database", "gate", "bug_file", "github", "notices"),
    *("broker", "page", "release", "django_mail", "leader", "outbox"),
]
TOKEN = "ghp_" + "made0up1" * 4


@pytest.fixture(autouse=True)
def _site(configure, settings, tmp_path, monkeypatch):
    """A site with a journal of its own, wherever the tests run, and no token of anybody's."""
    settings.SILENCED_SYSTEM_CHECKS = ["error_tracking.W006"]
    configure(JOURNAL_DIR=tmp_path / "journals", PLANNING_DIR="planning/tasks")
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GH_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ERROR_TRACKING_RELEASE", "abc123")


class Hub(BaseHTTPRequestHandler):
    """As much of GitHub as the doctor asks for; ``answers`` are status and body by method and end of path."""

    def serve(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, self.headers["Authorization"]))
        key = f"{self.command} {self.path.removeprefix('/api/v3/repos/acme/shop').partition('?')[0]}"
        status, body = self.server.answers.get(key, (404, {"message": "Not Found"}))
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = serve

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(configure, monkeypatch, tmp_path):
    """A repository that the token may write to."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.seen = []
    server.answers = {
        "GET ": (200, {"private": True, "has_issues": True, "archived": False}),
        "GET /labels": (200, [{"name": "Bug"}, {"name": "high"}]),
        "POST /labels": (422, {"message": "Validation Failed", "errors": [{"code": "missing_field"}]}),
    }
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("PATH", str(tmp_path))  # no gh that could step in
    configure(GITHUB_REPO=f"http://127.0.0.1:{server.server_port}/acme/shop", GITHUB_TOKEN=TOKEN)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def silent():
    """The port of a server that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed():
    """A port that refuses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def celery_app(configure):
    """A function that gives the project a Celery app with this broker."""
    default, current = _state.default_app, _state._tls.current_app

    def use(url):
        configure(RUNNER="auto")
        app = Celery("site", broker=url, set_as_current=False)
        app.set_default()  # as Celery's own fixup for Django does
        return app

    yield use
    _state.set_default_app(default)
    _state._set_current_app(current)  # a worker on a thread becomes the app of this one


def look():
    return {finding.step: finding for finding in Doctor().examine()}


def tables():
    """Return every row of every table of ours."""
    models = apps.get_app_config("error_tracking").get_models()
    return {model: list(model._base_manager.order_by("pk").values()) for model in models}


def test_all_is_well(hub, configure):
    configure(WEBHOOK_URL="https://chat.example/hook")
    site = Machine()
    assert site.lead()
    found = look()
    assert list(found) == STEPS
    assert {step: each.found for step, each in found.items() if each.state not in {"ok", "skip"}} == {}
    assert [step for step, each in found.items() if each.state == "skip"] == ["broker"]
    assert all(not each.advice for each in found.values())
    assert found["release"].found == "this is abc123"
    assert "webhook" in found["notices"].found
    site.let_go()


class TestLeavesNothing:
    """The sums are as before, whatever became of the test error."""

    @pytest.fixture(autouse=True)
    def _site_with_errors(self):
        store.store([make_event(), make_event(fingerprint="e" * 32)])
        gate.open_bug(ErrorGroup.objects.first())

    @pytest.mark.parametrize("mode", ["thread", "immediate"])
    def test_when_all_goes_well(self, configure, tmp_path, mode, outbox):
        configure(RECORDER=mode, RUNNER="inline")
        before = tables()
        found = look()
        assert (found["capture"].state, found["database"].state) == ("ok", "ok")
        assert tables() == before
        assert not list(tmp_path.rglob("*.journal"))
        assert not list((tmp_path / "planning").glob("*/*"))
        assert (outbox, mail.outbox) == ([], [])

    def test_when_a_table_is_missing_in_the_middle(self):
        before = {model: rows for model, rows in tables().items() if model is not HourlyTotal}
        with connection.schema_editor() as editor:
            editor.delete_model(HourlyTotal)
        try:
            found = look()["database"]
            after = {model: list(model._base_manager.order_by("pk").values()) for model in before}
        finally:
            with connection.schema_editor() as editor:
                editor.create_model(HourlyTotal)
        assert found.state == "fail"
        assert "hourlytotal" in found.found
        assert after == before

    def test_in_the_recorder_of_a_running_process(self, writer_thread, monkeypatch):
        """No event is queued, folded or counted, also not by the doctor's own process."""
        before = tables()
        assert look()["capture"].state == "ok"
        assert not writer_thread.intake.journals
        assert not writer_thread.is_started
        assert tables() == before
        with recorder.nothing_stored():
            recorder.submit(make_event())
            assert not recorder.fold({"error_type": "exception", "fingerprint": "a" * 32}, time.time())
        assert not writer_thread.intake.journals

    def test_no_other_process_finds_its_journal(self, monkeypatch, tmp_path):
        """Should this one be killed, the leader would adopt it and make a bug of the test error."""
        there = []
        append = doctor.Journal.append

        def look_and_append(*args):
            there.append(list(tmp_path.rglob("*.journal")))
            append(*args)

        monkeypatch.setattr(doctor.Journal, "append", look_and_append)
        assert look()["database"].state == "ok"
        assert there == [[]]

    def test_no_sweep_sees_the_test_error(self, monkeypatch):
        """What the site would do at the worst moment: look between the event and its removal."""
        seen = []
        real = doctor.write

        def write_and_sweep(*args):
            answer = real(*args)
            thread = threading.Thread(target=lambda: (seen.append(ErrorGroup.objects.count()), connection.close()))
            thread.start()
            thread.join()
            return answer

        monkeypatch.setattr(doctor, "write", write_and_sweep)
        assert look()["database"].state == "ok"
        assert seen == [2]


class TestDatabase:
    def away(self, monkeypatch, port):
        """Have new connections go nowhere."""
        where = {"NAME": "/nowhere/x.sqlite3"} if connection.vendor == "sqlite" else {"HOST": "127.0.0.1", "PORT": port}
        for name, value in where.items():
            monkeypatch.setitem(connections.settings["default"], name, value)

    def test_that_is_away_stops_nothing_else(self, monkeypatch, closed):
        self.away(monkeypatch, closed)
        found = look()
        assert found["database"].state == "fail"
        assert "OperationalError" in found["database"].found
        assert [step for step, each in found.items() if each.state == "fail"] == ["database"]
        assert found["gate"].found == "a crash becomes a bug in environment 'production'"
        assert found["outbox"].state == "skip"
        assert found["leader"].state == "warn"

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite is no server")
    def test_that_never_answers_costs_seconds(self, monkeypatch, silent):
        self.away(monkeypatch, silent)
        started = time.monotonic()
        assert "no answer in 5.0 seconds" in look()["database"].found
        assert time.monotonic() - started < 15

    def test_without_our_migrations(self):
        rows = MigrationRecorder(connection).migration_qs.filter(app="error_tracking")
        last = rows.order_by("pk").last()
        rows.filter(pk=last.pk).delete()
        try:
            found = look()["database"]
        finally:
            MigrationRecorder(connection).record_applied("error_tracking", last.name)
        assert (found.state, found.advice) == ("fail", "Run manage.py migrate --database default.")
        assert f"error_tracking.{last.name}" in found.found

    def test_whose_clock_is_wrong(self, monkeypatch):
        real = doctor.timezone.now
        monkeypatch.setattr(doctor.timezone, "now", lambda: real() + dt.timedelta(minutes=62))
        found = look()["database"]
        assert found.state == "warn"
        assert "differs by 120 seconds" in found.found

    def test_that_cannot_keep_the_payload(self, monkeypatch):
        """What the store does where a column takes no emoji: the event bare."""
        real = doctor.ErrorLog.objects.update
        write = doctor.write
        monkeypatch.setattr(doctor, "write", lambda *args: (write(*args), real(exception_message="")))
        assert "utf8mb4" in look()["database"].advice


class TestCapture:
    def test_that_is_switched_off(self, configure):
        configure(ENABLED=False)
        found = look()
        assert (found["capture"].state, found["database"].state) == ("warn", "skip")

    @pytest.mark.parametrize(
        "values",
        [
            {"EXCLUDE_PATHS": ["/"]},
            {"EXCLUDE_STATUS_CODES": [500]},
            {"IGNORE_EXCEPTIONS": ["builtins.Exception"]},
            {"BEFORE_STORE": lambda event: None},
        ],
        ids=lambda values: next(iter(values)),
    )
    def test_that_a_setting_prevents(self, configure, values):
        configure(**values)
        found = look()["capture"]
        assert found.state == "fail"
        assert next(iter(values)) in found.advice

    def test_of_a_secret_that_a_hook_puts_back(self, configure):
        configure(BEFORE_STORE=lambda event: replace(event, message=str(sys.exception())))
        found = look()["capture"]
        assert (found.state, found.found) == ("fail", "a made-up password was not scrubbed")

    def test_is_of_a_secret_wherever_one_is_sent(self, configure, monkeypatch):
        """Without the scrubber each of them would be found: the test error is a test."""
        kept = []
        configure(BEFORE_STORE=lambda event: kept.append(event) or event)
        look()
        data = kept[0].to_bytes().decode()
        assert data.count("[Filtered]") >= 5
        assert {"password", "token"} <= set(data.replace('"', " ").split())


class TestPlaces:
    def test_journal_without_a_disk(self, configure, tmp_path):
        (tmp_path / "file").touch()
        configure(JOURNAL_DIR=tmp_path / "file" / "journals")
        found = look()
        assert found["journal_file"].state == "warn"
        assert "events wait in memory only" in found["journal_file"].found
        assert "JOURNAL_DIR" in found["journal_file"].advice
        assert found["database"].state == "ok"

    def test_journal_in_a_container(self, settings, monkeypatch, configure, tmp_path):
        from error_tracking import checks

        settings.SILENCED_SYSTEM_CHECKS = []
        monkeypatch.setattr(checks, "is_container_layer", lambda place: True)
        found = look()["journal_file"]
        assert (found.state, "container's own layer" in found.found) == ("warn", True)

    def test_bug_files_where_nobody_may_write(self, configure, tmp_path):
        (tmp_path / "file").touch()
        configure(PLANNING_DIR=tmp_path / "file" / "tasks")
        found = look()["bug_file"]
        assert (found.state, "PLANNING_DIR" in found.advice) == ("fail", True)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_bug_files_in_a_folder_that_is_read_only(self, configure, tmp_path):
        (tmp_path / "shut").mkdir(mode=0o500)
        configure(PLANNING_DIR=tmp_path / "shut" / "tasks")
        assert look()["bug_file"].state == "fail"

    def test_bug_files_outside_a_checkout(self, configure, tmp_path):
        configure(PLANNING_DIR=tmp_path / "elsewhere" / "tasks")
        found = look()["bug_file"]
        assert (found.state, "error_tracking_pull" in found.advice) == ("warn", True)
        assert not (tmp_path / "elsewhere").exists()


class TestSettings:
    def test_that_are_wrong(self, configure):
        configure(BUG_TRESHOLD=3, WEBHOOK_URL="http://chat.example/hook")
        found = look()
        assert found["settings"].state == "fail"
        assert "'BUG_THRESHOLD'" in found["settings"].advice
        assert (found["notices"].state, found["middleware"].state) == ("fail", "ok")

    def test_without_the_middleware(self, settings):
        settings.MIDDLEWARE = settings.MIDDLEWARE[1:]
        found = look()
        assert (found["middleware"].state, found["settings"].state) == ("warn", "ok")

    @pytest.mark.parametrize(
        ("values", "state", "text"),
        [
            ({"AUTO_CREATE_BUGS": False}, "warn", "AUTO_CREATE_BUGS is off"),
            ({"BUG_THRESHOLD": 3, "ENVIRONMENT": "staging"}, "ok", "'staging', later: seen 1 of 3"),
        ],
    )
    def test_that_the_gate_goes_by(self, configure, values, state, text):
        configure(**values)
        found = look()["gate"]
        assert found.state == state
        assert text in found.found

    def test_under_debug(self, settings):
        settings.DEBUG = True
        found = look()
        assert (found["gate"].state, found["page"].state) == ("warn", "skip")
        assert "environment 'development': DEBUG is on" in found["gate"].found

    def test_with_a_page_of_the_projects_own_that_fails(self, settings, tmp_path, swallowed):
        (tmp_path / "error_tracking").mkdir()
        (tmp_path / "error_tracking" / "error.html").write_text("{% nonsense %}")
        settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
        found = look()["page"]
        assert (found.state, found.found) == ("fail", "text/html could not be rendered")
        assert swallowed

    def test_with_a_page_that_takes_its_time(self, monkeypatch):
        monkeypatch.setattr(doctor, "PAGE_SECONDS", 0)
        assert look()["page"].state == "warn"

    def test_without_a_release(self, monkeypatch):
        monkeypatch.delenv("ERROR_TRACKING_RELEASE")
        doctor.conf._release_found.cache_clear()
        assert look()["release"].state == "warn"

    def test_with_a_mail_for_every_error(self, settings):
        settings.ADMINS = ["ada@example.org"] if django.VERSION >= (6, 0) else [("Ada", "ada@example.org")]
        found = look()
        assert (found["django_mail"].state, found["notices"].found) == ("warn", "told of new bugs: mail")


class TestGitHub:
    def test_without_token_and_gh(self, configure, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        configure(GITHUB_REPO="acme/shop")
        found = look()["github"]
        assert (found.state, "no token" in found.found) == ("fail", True)

    @pytest.mark.parametrize(
        ("call", "status", "body", "text"),
        [
            ("GET ", 401, {"message": "Bad credentials"}, "set GITHUB_TOKEN or GH_TOKEN"),
            ("GET ", 404, {"message": "Not Found"}, "check GITHUB_REPO"),
            ("GET ", 200, {"archived": True}, "the repository is archived"),
            ("GET ", 200, {"has_issues": False}, "issues are switched off"),
            ("GET ", 500, {}, "GitHub answered 500"),
            ("POST /labels", 403, {"message": "Resource not accessible"}, "'Issues: read and write'"),
            ("POST /labels", 404, {"message": "Not Found"}, "the token may not see it"),
        ],
    )
    def test_that_says_no(self, hub, call, status, body, text):
        hub.answers[call] = status, body
        found = look()["github"]
        assert found.state == "fail"
        assert text in found.found
        assert TOKEN not in str(found)

    def test_is_asked_for_no_issue_and_makes_no_label(self, hub):
        found = look()["github"]
        assert found.found.endswith("private, issues may be written; labels to be made: critical, low, medium")
        assert "over https" in found.found
        assert [(method, path.partition("?")[0].rpartition("/")[2]) for method, path, _ in hub.seen] == [
            ("GET", "shop"),
            ("GET", "labels"),
            ("POST", "labels"),
        ]
        assert {token for *_, token in hub.seen} == {f"Bearer {TOKEN}"}

    def test_with_all_labels(self, hub):
        hub.answers["GET /labels"] = 200, [{"name": name} for name in doctor.LABELS]
        assert look()["github"].found.endswith("all labels are there")

    def test_that_never_answers_costs_seconds(self, configure, silent, monkeypatch, tmp_path):
        monkeypatch.setattr(doctor, "STEP_SECONDS", 1.0)
        configure(GITHUB_REPO=f"http://127.0.0.1:{silent}/acme/shop", GITHUB_TOKEN=TOKEN)
        started = time.monotonic()
        found = look()["github"]
        assert (found.state, found.found) == ("fail", "no answer in 1.0 seconds")
        assert time.monotonic() - started < 5


class TestBroker:
    """FAULTS T01, T02."""

    def test_that_refuses(self, celery_app, closed):
        celery_app(f"redis://:hunter2@127.0.0.1:{closed}/0")
        found = look()["broker"]
        assert found.state == "fail"
        assert "hunter2" not in str(found)

    def test_that_never_answers_costs_seconds(self, celery_app, silent, monkeypatch):
        monkeypatch.setattr(doctor, "STEP_SECONDS", 2.0)
        celery_app(f"redis://127.0.0.1:{silent}/0")
        started = time.monotonic()
        found = look()["broker"]
        assert (found.state, found.found) == ("fail", "no answer in 2.0 seconds")
        assert time.monotonic() - started < 6

    def test_with_nobody_at_work(self, celery_app):
        celery_app("memory://")
        found = look()["broker"]
        assert (found.state, found.found) == ("warn", "the broker answers, no worker does")

    def test_with_a_worker(self, celery_app):
        app = celery_app("memory://")
        app.conf.result_backend = "cache+memory://"

        def leave_logging_alone(**kwargs):
            pass

        signals.setup_logging.connect(leave_logging_alone)
        with start_worker(app, perform_ping_check=False):
            found = look()["broker"]
        assert (found.state, found.found) == ("ok", "the broker answers, and 1 workers")

    def test_that_is_not_there_though_it_is_wanted(self, configure):
        configure(RUNNER="celery")
        assert not tasks.has_celery()
        assert look()["broker"].state == "fail"

    def test_that_the_settings_do_without(self, configure, celery_app):
        celery_app("memory://")
        configure(RUNNER="thread")
        assert look()["broker"].state == "skip"


class TestWhatWaits:
    def test_leader_of_another_machine(self):
        row = Journal.objects.create(id=uuid7(), server_name="web-2")
        found = look()["leader"]
        assert (found.state, "web-2 was seen" in found.found) == ("ok", True)
        Journal.objects.filter(pk=row.pk).update(heartbeat=row.heartbeat - dt.timedelta(minutes=6))
        found = look()["leader"]
        assert (found.state, "error_tracking_sync" in found.advice) == ("warn", True)

    def test_looking_for_the_leader_takes_its_place_from_nobody(self):
        look()
        site = Machine()
        assert site.lead()
        site.let_go()

    def test_without_a_leader_on_purpose(self, configure):
        configure(RECORDER="immediate")
        found = look()
        assert (found["leader"].state, found["journal_file"].state) == ("skip", "skip")

    def test_filings(self):
        bug = KnownBug.objects.create(title="x")
        Filing.objects.create(bug=bug, tracker="github")
        assert (look()["outbox"].state, look()["outbox"].found) == ("ok", "1 waiting, github")
        Filing.objects.create(bug=bug, tracker="markdown", state="failed", reason="no room")
        found = look()["outbox"]
        assert (found.state, found.found) == ("warn", "1 failed, markdown: no room; 1 waiting, github")


class TestCommand:
    def run(self, *args):
        out = StringIO()
        with contextlib.suppress(CommandError):
            call_command("error_tracking_doctor", *args, stdout=out)
        return out.getvalue()

    def test_prints_one_line_per_step_with_what_to_do(self, configure):
        configure(AUTO_CREATE_BUGS=False)
        lines = self.run().splitlines()
        assert [line.split()[1] for line in lines] == STEPS
        [line] = [line for line in lines if " gate " in line]
        assert line.startswith("warn  gate")
        assert line.endswith("AUTO_CREATE_BUGS is off -> Set AUTO_CREATE_BUGS to True where they should.")

    def test_has_failed_when_a_step_has(self, hub, configure):
        hub.answers["GET "] = 404, {}
        with pytest.raises(CommandError, match=r"^Failed: github\.$") as caught:
            call_command("error_tracking_doctor", stdout=StringIO())
        assert caught.value.returncode == 1
        told = json.loads(self.run("--json"))
        assert told["is_ok"] is False
        assert {step["step"]: step["state"] for step in told["steps"]}["github"] == "fail"
        assert TOKEN not in json.dumps(told)

    def test_is_well_when_no_step_has_failed(self):
        out = StringIO()
        call_command("error_tracking_doctor", "--json", stdout=out)
        assert json.loads(out.getvalue())["is_ok"] is True


def test_reason_of_a_broken_step_has_no_secret():
    def step():
        raise OSError("cannot connect: password=hunter2 host=db")

    answers = []
    doctor._take(step, answers)
    assert answers[0][0] == "fail"
    assert "hunter2" not in answers[0][1]


def test_all_steps_together_have_a_deadline(monkeypatch):
    monkeypatch.setattr(doctor, "ALL_SECONDS", 0.5)
    monkeypatch.setattr(doctor, "LEAST_SECONDS", 0.05)

    def _settings(self):
        time.sleep(0.6)

    def _github(self):
        time.sleep(0.6)

    monkeypatch.setattr(Doctor, "_settings", _settings)
    monkeypatch.setattr(Doctor, "_github", _github)
    started = time.monotonic()
    found = {each.step: each for each in Doctor().examine() if each.state == "fail"}
    assert time.monotonic() - started < 2
    assert {"settings", "github"} <= set(found)
