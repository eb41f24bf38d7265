"""The doctor tells what is broken, on a line that really is, within its time, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path

import django
import pytest
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from celery import Celery, _state, signals
from celery.contrib.testing.worker import start_worker
from django.apps import apps
from django.core import mail
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.core.signals import got_request_exception
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils.decorators import sync_and_async_middleware

from error_tracking import conf, recorder, testing
from error_tracking.bugs.opening import open_bug
from error_tracking.events.summary import Client, Summary
from error_tracking.exceptions import TrackerError
from error_tracking.filing import broker
from error_tracking.management import doctor
from error_tracking.management.doctor import (
    Limits,
    State,
    Step,
    filing_steps,
    htmx_script,
    site_request,
    site_steps,
    storage_steps,
)
from error_tracking.management.doctor.findings import Answer
from error_tracking.models import ErrorGroup, Filing, HourlyTotal, Journal, KnownBug
from error_tracking.recorder import machine, store
from error_tracking.recorder.machine import Machine
from error_tracking.trackers.mail import MailTracker
from error_tracking.utils import uuid7

from . import urls
from .factories import make_event

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = [
    *(
        "settings",
        "middleware",
        "capture",
        "site_request",
        "journal_file",
        "database",
        "gate",
        "bug_file",
        "github",
        "notices",
    ),
    *("broker", "page", "release", "links", "mail", "leader", "outbox", "size"),
]
ADMINS = (
    ["ada@example.org"] if django.VERSION >= (6, 0) else [("Ada", "ada@example.org")]
)
TOKEN = "ghp_" + "made0up1" * 4


@pytest.fixture(autouse=True)
def _site(configure, settings, tmp_path, monkeypatch):
    """A site with a journal of its own, wherever the tests run, and no token of anybody's."""
    settings.SILENCED_SYSTEM_CHECKS = ["error_tracking.W006"]
    configure(JOURNAL_DIR=tmp_path / "journals", PLANNING_DIR="planning/tasks")
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GH_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ERROR_TRACKING_RELEASE", "abc123")
    # Journals that other test runs left in the temporary folder are none of this site.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # A command does not run inside of tests; there the doctor would say that nothing is stored.
    with testing.recording():
        yield


class Hub(BaseHTTPRequestHandler):
    """As much of GitHub as the doctor asks for; ``answers`` are status and body by method and end of path."""

    def serve(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append(
            (self.command, self.path, self.headers["Authorization"])
        )
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
        "GET /pulls": (200, []),
        "POST /labels": (
            422,
            {"message": "Validation Failed", "errors": [{"code": "missing_field"}]},
        ),
    }
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("PATH", str(tmp_path))  # no gh that could step in
    configure(
        GITHUB_REPO=f"http://127.0.0.1:{server.server_port}/acme/shop",
        GITHUB_TOKEN=TOKEN,
    )
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


def look(limits=None):
    found = doctor.examine(limits=limits or Limits())
    return {finding.step: finding for finding in found}


def tables():
    """Return every row of every table of ours."""
    models = apps.get_app_config("error_tracking").get_models()
    return {
        model: list(model._base_manager.order_by("pk").values()) for model in models
    }


def test_all_is_well(hub, configure):
    configure(WEBHOOK_URL="https://chat.example/hook", SITE_URL="https://shop.example")
    site = Machine()
    assert site.lead()
    found = look()
    assert list(found) == STEPS
    assert {
        step: each.found
        for step, each in found.items()
        if each.state not in {"ok", "skip"}
    } == {}
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
        open_bug(ErrorGroup.objects.first())

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
        before = {
            model: rows for model, rows in tables().items() if model is not HourlyTotal
        }
        with connection.schema_editor() as editor:
            editor.delete_model(HourlyTotal)
        try:
            found = look()["database"]
            after = {
                model: list(model._base_manager.order_by("pk").values())
                for model in before
            }
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
            summary = Summary("exception", "middleware", "a" * 32, "ValueError")
            assert not recorder.fold(summary, Client(), time.time())
        assert not writer_thread.intake.journals

    def test_no_other_process_finds_its_journal(self, monkeypatch, tmp_path):
        """Should this one be killed, the leader would adopt it and make a bug of the test error."""
        there = []
        append = storage_steps.JournalFile.append

        def look_and_append(*args):
            there.append(list(tmp_path.rglob("*.journal")))
            append(*args)

        monkeypatch.setattr(storage_steps.JournalFile, "append", look_and_append)
        assert look()["database"].state == "ok"
        assert there == [[]]

    def test_no_sweep_sees_the_test_error(self, monkeypatch):
        """What the site would do at the worst moment: look between the event and its removal."""
        seen = []
        real = storage_steps.write_batch

        def write_and_sweep(*args):
            answer = real(*args)
            thread = threading.Thread(
                target=lambda: (
                    seen.append(ErrorGroup.objects.count()),
                    connection.close(),
                )
            )
            thread.start()
            thread.join()
            return answer

        monkeypatch.setattr(storage_steps, "write_batch", write_and_sweep)
        assert look()["database"].state == "ok"
        assert seen == [2]


class TestDatabase:
    def away(self, monkeypatch, port):
        """Have new connections go nowhere."""
        where = (
            {"NAME": "/nowhere/x.sqlite3"}
            if connection.vendor == "sqlite"
            else {"HOST": "127.0.0.1", "PORT": port}
        )
        for name, value in where.items():
            monkeypatch.setitem(connections.settings["default"], name, value)

    def test_that_is_away_stops_nothing_else(self, monkeypatch, closed):
        self.away(monkeypatch, closed)
        found = look()
        assert found["database"].state == "fail"
        assert "Database 'default'" in found["database"].found
        assert [step for step, each in found.items() if each.state == "fail"] == [
            "database"
        ]
        assert (
            found["gate"].found == "a crash becomes a bug in environment 'production'"
        )
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
        assert (found.state, found.advice) == (
            "fail",
            "Run manage.py migrate --database default.",
        )
        assert f"error_tracking.{last.name}" in found.found

    def test_with_incomplete_tables(self):
        column = ErrorGroup._meta.get_field("message")
        with connection.schema_editor() as editor:
            editor.remove_field(ErrorGroup, column)
        try:
            found = look()["database"]
        finally:
            with connection.schema_editor() as editor:
                editor.add_field(ErrorGroup, column)
        assert found.state == "fail"
        assert "error_tracking_errorgroup.message" in found.found
        assert "do not run migrate --prune" in found.advice

    def test_without_an_index(self):
        indexes = {index.name: index for index in ErrorGroup._meta.indexes}
        index = indexes["et_group_due"]
        with connection.schema_editor() as editor:
            editor.remove_index(ErrorGroup, index)
        try:
            steps = look()
        finally:
            with connection.schema_editor() as editor:
                editor.add_index(ErrorGroup, index)
        assert steps["database"].state == "warn"
        assert "Missing: et_group_due." in steps["database"].found
        assert steps["size"].state == "ok"

    def test_whose_clock_is_wrong(self, monkeypatch):
        real = storage_steps.timezone.now
        monkeypatch.setattr(
            storage_steps.timezone, "now", lambda: real() + dt.timedelta(minutes=62)
        )
        found = look()["database"]
        assert found.state == "warn"
        assert "differs by 120 seconds" in found.found

    def test_that_cannot_keep_the_payload(self, monkeypatch):
        """What the store does where a column takes no emoji: the event bare."""
        real = storage_steps.ErrorLog.objects.update
        write = storage_steps.write_batch
        monkeypatch.setattr(
            storage_steps,
            "write_batch",
            lambda *args: (write(*args), real(exception_message="")),
        )
        assert "utf8mb4" in look()["database"].advice


class TestCapture:
    def test_that_is_switched_off(self, configure):
        configure(ENABLED=False)
        found = look()
        assert (found["capture"].state, found["database"].state) == ("fail", "skip")

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
        configure(
            BEFORE_STORE=lambda event: replace(event, message=str(sys.exception()))
        )
        found = look()["capture"]
        assert (found.state, found.found) == (
            "fail",
            "a test password was not scrubbed",
        )

    def test_is_of_a_secret_wherever_one_is_sent(self, configure, monkeypatch):
        """Without the scrubber each of them would be found: the test error is a test."""
        kept = []
        configure(BEFORE_STORE=lambda event: kept.append(event) or event)
        look()
        data = kept[0].to_bytes().decode()
        assert data.count("[Filtered]") >= 5
        assert {"password", "token"} <= set(data.replace('"', " ").split())


class Redirecting:
    """A middleware that keeps every request to itself."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return HttpResponseRedirect("/login/")


class Asking(Redirecting):
    """One that lets the request in, and answers in place of the view."""

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        return HttpResponse(status=402)


class AskingLater(Redirecting):
    """One of an ASGI site that answers in place of the view, or lets it answer."""

    sync_capable = False
    async_capable = True
    answer = HttpResponse(status=402)

    def __init__(self, get_response):
        super().__init__(get_response)
        markcoroutinefunction(self)

    async def __call__(self, request):
        return await self.get_response(request)

    async def process_view(self, request, view, args, kwargs):
        return self.answer


class PassingLater(AskingLater):
    answer = None


class OtherUrls(Redirecting):
    """One that chooses the URLs by the host, as django-hosts does."""

    def __call__(self, request):
        request.urlconf = "tests.urls"
        return self.get_response(request)


@sync_and_async_middleware
def both_ways(get_response):
    if iscoroutinefunction(get_response):

        async def middleware(request):
            return await get_response(request)

        return middleware
    return get_response


class Answering(Redirecting):
    """One that makes an answer of its own of every exception."""

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, exception):
        return JsonResponse({"error": "sorry"}, status=500)


class TestSiteRequest:
    """A request that fails goes through the whole of MIDDLEWARE."""

    def with_middleware(self, settings, name, at=1):
        paths = list(settings.MIDDLEWARE)
        paths.insert(at, f"{__name__}.{name}")
        settings.MIDDLEWARE = paths

    @pytest.mark.parametrize("is_async", [False, True], ids=["WSGI", "ASGI"])
    def test_is_captured(self, settings, is_async):
        settings.ASGI_APPLICATION = "site.asgi.application" if is_async else None
        before = tables()
        found = look()["site_request"]
        assert found.state == "ok"
        number = len(settings.MIDDLEWARE)
        assert f"through {number} middleware classes answered 500" in found.found
        assert tables() == before

    @pytest.mark.parametrize("is_async", [False, True], ids=["WSGI", "ASGI"])
    @pytest.mark.parametrize(
        ("name", "status"),
        [("Redirecting", 302), ("Asking", 402), ("AskingLater", 402)],
    )
    def test_that_a_middleware_answers_first(self, settings, name, status, is_async):
        settings.ASGI_APPLICATION = "site.asgi.application" if is_async else None
        self.with_middleware(settings, name)
        found = look()
        assert found["site_request"].state == "warn"
        assert found["site_request"].found == (
            f"cannot tell: {__name__}.{name} answered {status}"
        )
        conclusion = doctor.conclude(found.values())
        assert conclusion.captured is None
        assert "captured: cannot tell" in str(conclusion)

    @pytest.mark.parametrize("is_async", [False, True], ids=["WSGI", "ASGI"])
    def test_through_middleware_of_both_kinds(self, settings, is_async):
        settings.ASGI_APPLICATION = "site.asgi.application" if is_async else None
        self.with_middleware(settings, "both_ways", at=3)
        assert look()["site_request"].state == "ok"

    def test_through_middleware_whose_process_view_is_a_coroutine(self, settings):
        settings.ASGI_APPLICATION = "site.asgi.application"
        self.with_middleware(settings, "PassingLater")
        assert look()["site_request"].state == "ok"

    def test_that_other_urls_answer(self, settings):
        self.with_middleware(settings, "OtherUrls")
        passage = site_request.send()
        assert not passage.has_reached_view
        assert passage.answered_by == ""
        found = look()["site_request"]
        assert found.state == "warn"
        assert "something behind the middleware answered 404" in found.found

    @pytest.mark.parametrize("is_async", [False, True], ids=["WSGI", "ASGI"])
    def test_that_leaves_the_whole_stack_is_captured(self, settings, is_async):
        settings.ASGI_APPLICATION = "site.asgi.application" if is_async else None
        settings.DEBUG_PROPAGATE_EXCEPTIONS = True
        assert site_request.send().status == 0
        assert look()["site_request"].state == "ok"

    def test_that_a_middleware_makes_an_answer_of(self, settings):
        self.with_middleware(settings, "Answering", at=len(settings.MIDDLEWARE))
        assert look()["site_request"].state == "ok"

    def test_passes_a_wall_of_logins(self, settings):
        settings.MIDDLEWARE = [
            *settings.MIDDLEWARE,
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
        ]
        settings.SECURE_SSL_REDIRECT = True
        settings.ALLOWED_HOSTS = [".shop.example"]
        settings.USE_X_FORWARDED_HOST = True
        assert look()["site_request"].state == "ok"

    def test_behind_a_proxy_that_ends_tls(self, settings):
        settings.SECURE_SSL_REDIRECT = True
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        settings.ALLOWED_HOSTS = ["*"]
        assert look()["site_request"].state == "ok"

    def test_sees_the_projects_own_error_page(self, settings):
        class Urls:
            urlpatterns = urls.urlpatterns
            handler500 = staticmethod(lambda request: HttpResponse(status=503))

        settings.ROOT_URLCONF = Urls
        assert site_request.send().status == 503

    def test_with_urls_that_cannot_be_loaded(self, settings):
        settings.ROOT_URLCONF = "no.such.urls"
        found = look()["site_request"]
        assert (found.state, "no" in found.found) == ("fail", True)

    def test_with_middleware_that_cannot_be_loaded(self, settings):
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "no.such.Middleware"]
        found = look()["site_request"]
        assert found.state == "fail"
        assert "no.such.Middleware" in found.found

    def test_that_nothing_captures(self, configure):
        configure(EXCLUDE_PATHS=[f"/{site_request.PATH}"])
        found = look()["site_request"]
        assert (found.state, "was not captured" in found.found) == ("fail", True)

    def test_is_heard_by_nobody_else(self, settings, caplog, mailoutbox):
        heard = []

        def tracker(**kwargs):
            heard.append(kwargs)

        got_request_exception.connect(tracker)
        try:
            with caplog.at_level("DEBUG"):
                passage = site_request.send()
            assert (passage.status, len(passage.events)) == (500, 1)
            assert heard == []
            assert not [
                each for each in caplog.records if "doctor" in each.getMessage()
            ]
            assert mailoutbox == []
            got_request_exception.send(sender=None, request=None)
            assert len(heard) == 1, "everything is as before"
            assert logging.root.manager.disable == 0
        finally:
            got_request_exception.disconnect(tracker)

    def test_is_not_sent_by_sentry(self):
        sentry_sdk = pytest.importorskip("sentry_sdk")
        sent = []

        class Transport(sentry_sdk.transport.Transport):
            def capture_envelope(self, envelope):
                sent.append(envelope)

        # The default integrations patch threads and processes for all tests after this.
        quiet = {"default_integrations": False, "auto_session_tracking": False}
        sentry_sdk.init(
            dsn="https://key@sentry.example/1", transport=Transport, **quiet
        )
        try:
            with site_request._silence():
                sentry_sdk.capture_exception(ValueError("x"))
            assert sent == []
            sentry_sdk.capture_exception(ValueError("x"))
            assert len(sent) == 1
        finally:
            sentry_sdk.init(**quiet)


NEW_SITE = """
import importlib.util

INSTALLED_APPS += ["error_tracking"]
MIDDLEWARE.insert(1, "error_tracking.middleware.ErrorCaptureMiddleware")
MIDDLEWARE.append("django.contrib.auth.middleware.LoginRequiredMiddleware")
if importlib.util.find_spec("django.middleware.csp"):  # from Django 6.0 on
    MIDDLEWARE.append("django.middleware.csp.ContentSecurityPolicyMiddleware")
DEBUG = False
ALLOWED_HOSTS = ["shop.example"]
SECURE_SSL_REDIRECT = True
DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE"}
"""


@pytest.mark.parametrize("application", ["WSGI", "ASGI"])
def test_on_a_new_project_of_this_django(tmp_path, application):
    """As a person does who adds the app to a project made by startproject."""

    def manage(*args):
        return subprocess.run(
            [sys.executable, "manage.py", *args],
            cwd=tmp_path,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "shop.settings",
                "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    # In a process of its own: here a test may have loaded a module of that name.
    startproject = ["-m", "django", "startproject", "shop", "."]
    subprocess.run([sys.executable, *startproject], cwd=tmp_path, check=True)
    settings = tmp_path / "shop" / "settings.py"
    lines = f'{application}_APPLICATION = "shop.{application.lower()}.application"\n'
    settings.write_text(settings.read_text() + NEW_SITE + lines)
    assert manage("migrate", "-v0").returncode == 0
    answer = manage("error_tracking_doctor", "--json")
    assert (answer.returncode, answer.stderr) == (0, "")
    told = json.loads(answer.stdout)
    steps = {step["step"]: step for step in told["steps"]}
    assert steps["site_request"]["state"] == "ok", steps["site_request"]
    assert "answered 500 and was captured" in steps["site_request"]["found"]
    assert (told["captured"], told["stored"], told["filed"]) == (True,) * 3


class TestNothingCaptured:
    """Exit status 1 and a line that says so."""

    @pytest.mark.parametrize("cause", ["ENABLED", "middleware", "test run"])
    def test_ends_with_status_1(self, configure, settings, monkeypatch, cause):
        if cause == "ENABLED":
            configure(ENABLED=False)
        elif cause == "middleware":
            settings.MIDDLEWARE = settings.MIDDLEWARE[1:]
        else:
            monkeypatch.setattr(testing, "_opted_in", [])
        out = StringIO()
        with pytest.raises(CommandError) as caught:
            call_command("error_tracking_doctor", stdout=out)
        assert caught.value.returncode == 1
        last = out.getvalue().splitlines()[-1]
        assert last.startswith("Errors of this site are captured: no (")
        assert cause in last
        assert "stored: no, filed: no" in last

    def test_a_script_gets_the_same(self, configure):
        configure(ENABLED=False)
        out = StringIO()
        with pytest.raises(CommandError):
            call_command("error_tracking_doctor", "--json", stdout=out)
        told = json.loads(out.getvalue())
        assert (told["captured"], told["stored"], told["filed"]) == (False,) * 3
        assert "ENABLED" in told["reasons"]["captured"]


class TestAdvice:
    """Each message names setting, value and remedy."""

    def test_of_a_repository_that_is_none(self, configure):
        configure(GITHUB_REPO="acme")
        found = look()["github"]
        assert "'acme'" in found.found
        assert 'GITHUB_REPO as "owner/name"' in found.advice

    def test_of_a_token_file_that_is_missing(self, configure, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        path = tmp_path / "no-token"
        configure(GITHUB_REPO="acme/shop", GITHUB_TOKEN=path)
        found = look()["github"]
        assert found.state == "fail"
        assert (
            f"GITHUB_TOKEN names the file {path}, which does not exist" in found.advice
        )

    def test_of_a_broker_that_is_dead(self, celery_app, closed):
        celery_app(f"redis://:hunter2@127.0.0.1:{closed}/0")
        found = look()["broker"]
        assert f"the broker at redis://:**@127.0.0.1:{closed}/0" in found.found
        assert "broker_url" in found.advice

    def test_of_a_relative_journal_folder(self, configure, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        configure(JOURNAL_DIR="journals")
        found = look()["settings"]
        assert (found.state, "'journals'" in found.found) == ("warn", True)
        assert "absolute path" in found.advice

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_of_a_journal_folder_of_somebody_else(self, configure, tmp_path):
        folder = tmp_path / "theirs"
        folder.mkdir()
        os.chown(folder, 12345, -1)
        configure(JOURNAL_DIR=folder)
        found = look()["journal_file"]
        assert found.state == "warn"
        assert str(folder) in found.found
        assert f"JOURNAL_DIR is {folder}" in found.advice

    def test_where_no_folder_can_be_written(self, configure, monkeypatch):
        """A root file system that is read-only: neither the checks nor a step of the doctor raises."""
        configure(JOURNAL_DIR=None)

        def gettempdir():
            raise FileNotFoundError(
                2, "No usable temporary directory found in ['/tmp']"
            )

        monkeypatch.setattr("tempfile.gettempdir", gettempdir)
        monkeypatch.setattr(machine, "FALLBACK_FOLDER", "/proc/nowhere")
        found = look()
        assert "events wait in memory only" in found["journal_file"].found
        assert "JOURNAL_DIR is not set" in found["journal_file"].advice
        assert [name for name, each in found.items() if each.state == "fail"] == []
        assert run_checks(include_deployment_checks=True), "they do not raise"


def test_the_value_of_an_abandoned_step_is_given_to_nobody():
    is_over = threading.Event()
    given = []

    def late():
        is_over.wait(5)
        return Answer(State.OK, "too late", value="late")

    def ask(value):
        is_over.set()
        time.sleep(0.2)
        given.append(value)
        return Answer(State.OK, "asked")

    steps = [
        Step("late", late),
        Step("ask", ask, needs=("late",)),
        Step("ask again", ask, needs=("late",)),
    ]
    found = list(doctor.examine(steps, Limits(step=0.5)))
    assert [each.state for each in found] == ["fail", "ok", "ok"]
    assert given == [None, None]


class TestPlaces:
    def test_journal_without_a_disk(self, configure, tmp_path):
        (tmp_path / "file").touch()
        configure(JOURNAL_DIR=tmp_path / "file" / "journals")
        found = look()
        assert found["journal_file"].state == "warn"
        assert "vents wait in memory only" in found["journal_file"].found
        assert "is not a directory" in found["journal_file"].found
        assert "JOURNAL_DIR" in found["journal_file"].advice
        assert found["database"].state == "ok"

    def test_journal_in_a_container(self, settings, monkeypatch, configure, tmp_path):
        from error_tracking import checks

        settings.SILENCED_SYSTEM_CHECKS = []
        monkeypatch.setattr(checks, "is_container_layer", lambda place: True)
        found = look()["journal_file"]
        assert (found.state, "layer of the container" in found.found) == ("warn", True)

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

    def test_bug_files_outside_a_checkout_are_no_problem_where_issues_are_filed(
        self, hub, configure, tmp_path
    ):
        configure(PLANNING_DIR=tmp_path / "tasks")
        found = look()["bug_file"]
        assert (found.state, "error_tracking_pull" in found.found) == ("ok", True)


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
        assert (found["middleware"].state, found["settings"].state) == ("fail", "ok")

    @pytest.mark.parametrize(
        ("values", "state", "text"),
        [
            ({"AUTO_CREATE_BUGS": False}, "warn", "AUTO_CREATE_BUGS is off"),
            (
                {"BUG_THRESHOLD": 3, "ENVIRONMENT": "staging"},
                "ok",
                "'staging', later: seen 1 of 3",
            ),
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

    def test_with_a_page_of_the_projects_own_that_fails(self, settings, tmp_path):
        (tmp_path / "error_tracking").mkdir()
        (tmp_path / "error_tracking" / "error.html").write_text("{% nonsense %}")
        settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
        found = look()["page"]
        assert found.state == "fail"
        assert "error.html: TemplateSyntaxError" in found.found
        assert "of error_tracking is used" in found.advice

    def test_with_a_page_that_takes_its_time(self, monkeypatch):
        monkeypatch.setattr(site_steps, "SLOW_PAGE_SECONDS", 0)
        assert look()["page"].state == "warn"

    @pytest.mark.parametrize(
        ("template", "is_told"),
        [
            ("<script src=\"{% static 'error_tracking/htmx.js' %}\"></script>", False),
            ('<script src="/static/htmx.js"></script>', True),
            ("x" * 600_000 + "error_tracking/htmx.js", True),
        ],
    )
    @pytest.mark.parametrize("use", ["app", "middleware"])
    def test_of_htmx_without_our_script(
        self, settings, tmp_path, use, template, is_told
    ):
        folder = tmp_path / "templates" / "shop"
        folder.mkdir(parents=True)
        (folder / "base.html").write_text(template)
        os.mkfifo(folder / "pipe.html")
        settings.TEMPLATES = [
            {**settings.TEMPLATES[0], "DIRS": [tmp_path / "templates"]}
        ]
        assert look()["page"].advice == ""
        if use == "app":
            settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django_htmx"]
        else:
            middleware = "django_htmx.middleware.HtmxMiddleware"
            settings.MIDDLEWARE = [*settings.MIDDLEWARE, middleware]
        found = look()["page"]
        assert found.state == "ok"
        assert ("{% static 'error_tracking/htmx.js' %}" in found.advice) == is_told

    @pytest.mark.parametrize("fault", ["slow", "unreadable"])
    def test_of_htmx_where_templates_cannot_be_read(
        self, settings, tmp_path, monkeypatch, fault
    ):
        (tmp_path / "base.html").write_text("error_tracking/htmx.js")
        settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
        middleware = "django_htmx.middleware.HtmxMiddleware"
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, middleware]
        assert not htmx_script.is_missing()

        def fail(*_args):
            raise OSError("I/O error")

        if fault == "slow":
            (tmp_path / "base.html").write_text("nothing")
            monkeypatch.setattr(htmx_script, "SECONDS", -1.0)
        else:
            monkeypatch.setattr(htmx_script.Path, "read_bytes", fail)
        assert htmx_script.is_missing() == (fault == "unreadable")

    def test_that_cannot_be_rendered(self, monkeypatch, swallowed):
        def fail(*_args):
            raise RecursionError

        monkeypatch.setattr(site_steps.rendering, "_text_for", fail)
        found = look()["page"]
        assert found.state == "fail"
        assert "text/html could not be rendered" in found.found

    def test_without_a_release(self, monkeypatch):
        monkeypatch.delenv("ERROR_TRACKING_RELEASE")
        conf._release_found.cache_clear()
        assert look()["release"].state == "warn"

    def test_with_a_mail_for_every_error(self, settings):
        settings.ADMINS = (
            ["ada@example.org"]
            if django.VERSION >= (6, 0)
            else [("Ada", "ada@example.org")]
        )
        found = look()
        assert found["mail"].state == "warn"
        assert "Django sends a mail to ADMINS for every error" in found["mail"].found
        assert found["settings"].state == "ok"
        assert found["notices"].found == "notified of new bugs: mail (ADMINS)"

    def test_with_a_tracker_of_ones_own(self, configure):
        configure(TRACKERS=["error_tracking.trackers.memory.MemoryTracker"])
        assert look()["notices"].found == "notified of new bugs: memory"

    def test_message_that_is_refused(self, monkeypatch):
        class Closed(MailTracker):
            def send_test(self, report):
                raise TrackerError("no such address")

        answer = filing_steps.send_test(Closed())
        assert answer.state == "fail"
        assert "no such address" in answer.found

    @pytest.mark.parametrize(
        ("values", "found"),
        [
            ({}, "every environment mails ada@example.org; this one (production) does"),
            (
                {"MAIL_ENVIRONMENTS": ["production", "staging"]},
                (
                    "of the environments only these mail: production, staging. They mail "
                    "ada@example.org; this one (production) does"
                ),
            ),
            (
                {"MAIL_ENVIRONMENTS": ["production"], "ENVIRONMENT": "staging"},
                (
                    "of the environments only these mail: production. They mail "
                    "ada@example.org; this one (staging) does not"
                ),
            ),
            (
                {"MAIL_ENVIRONMENTS": []},
                (
                    "of the environments only these mail: no environment. They mail "
                    "ada@example.org; this one (production) does not"
                ),
            ),
            (
                {"DISABLE": ["mail"]},
                (
                    "every environment mails ada@example.org; this one (production) mails "
                    "outages only, by DISABLE"
                ),
            ),
        ],
    )
    def test_shows_which_environments_mail_whom(
        self, configure, settings, monkeypatch, values, found
    ):
        settings.ADMINS = ADMINS
        configure(**values)
        monkeypatch.setattr(logging.getLogger("django"), "handlers", [])
        answer = site_steps.check_mail([])
        assert (answer.state, answer.found) == ("ok", found)


class TestGitHub:
    def test_without_token_and_gh(self, configure, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        configure(GITHUB_REPO="acme/shop")
        found = look()["github"]
        assert (found.state, "no token" in found.found) == ("fail", True)

    @pytest.mark.parametrize(
        ("call", "status", "body", "text"),
        [
            (
                "GET ",
                401,
                {"message": "Bad credentials"},
                "set GITHUB_TOKEN or GH_TOKEN",
            ),
            ("GET ", 404, {"message": "Not Found"}, "check GITHUB_REPO"),
            ("GET ", 200, {"archived": True}, "the repository is archived"),
            ("GET ", 200, {"has_issues": False}, "issues are switched off"),
            ("GET ", 500, {}, "GitHub answered 500"),
            (
                "POST /labels",
                403,
                {"message": "Resource not accessible"},
                "'Issues: read and write'",
            ),
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
        assert found.found.endswith(
            "private, issues may be written; labels to be created: critical, error-tracking, low, medium"
        )
        assert "over the API with a token" in found.found
        assert [
            (method, path.partition("?")[0].rpartition("/")[2])
            for method, path, _ in hub.seen
        ] == [
            ("GET", "shop"),
            ("GET", "labels"),
            ("POST", "labels"),
            ("GET", "pulls"),
        ]
        assert {token for *_, token in hub.seen} == {f"Bearer {TOKEN}"}

    def test_that_fails_while_pull_requests_are_read(self, hub):
        hub.answers["GET /pulls"] = 422, {"message": "Unprocessable"}
        assert look()["github"].state == "fail"

    @pytest.mark.parametrize("status", [403, 404])
    def test_that_shows_no_pull_requests(self, hub, status):
        hub.answers["GET /pulls"] = status, {"message": "Resource not accessible"}
        found = look()["github"]
        assert found.state == "warn"
        assert "pull requests may not be read" in found.found
        assert "Pull requests: read" in found.advice

    def test_with_all_labels(self, hub):
        hub.answers["GET /labels"] = (
            200,
            [{"name": name} for name in filing_steps.LABELS],
        )
        assert look()["github"].found.endswith("all labels exist")

    def test_that_never_answers_costs_seconds(
        self, configure, silent, monkeypatch, tmp_path
    ):
        configure(
            GITHUB_REPO=f"http://127.0.0.1:{silent}/acme/shop", GITHUB_TOKEN=TOKEN
        )
        started = time.monotonic()
        found = look(Limits(step=1.0))["github"]
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
        celery_app(f"redis://127.0.0.1:{silent}/0")
        started = time.monotonic()
        found = look(Limits(step=2.0))["broker"]
        assert (found.state, found.found) == ("fail", "no answer in 2.0 seconds")
        assert time.monotonic() - started < 6

    def test_with_nobody_at_work(self, celery_app):
        celery_app("memory://")
        found = look()["broker"]
        assert (found.state, found.found) == (
            "warn",
            "the broker answers, but no worker does",
        )

    def test_with_a_worker(self, celery_app):
        app = celery_app("memory://")
        app.conf.result_backend = "cache+memory://"

        def leave_logging_alone(**kwargs):
            pass

        signals.setup_logging.connect(leave_logging_alone)
        with start_worker(app, perform_ping_check=False):
            found = look()["broker"]
        assert (found.state, found.found) == ("ok", "the broker answers, and 1 worker")

    def test_that_is_not_there_though_it_is_wanted(self, configure):
        configure(RUNNER="celery")
        assert not broker.has_celery()
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
        Journal.objects.filter(pk=row.pk).update(
            heartbeat=row.heartbeat - dt.timedelta(minutes=6)
        )
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
        assert (look()["outbox"].state, look()["outbox"].found) == (
            "ok",
            "1 waiting, github",
        )
        Filing.objects.create(
            bug=bug, tracker="markdown", state="failed", reason="no room"
        )
        found = look()["outbox"]
        assert (found.state, found.found) == (
            "warn",
            "1 failed, markdown: no room; 1 waiting, github",
        )


class TestCommand:
    def run(self, *args):
        out = StringIO()
        with contextlib.suppress(CommandError):
            call_command("error_tracking_doctor", *args, stdout=out)
        return out.getvalue()

    def test_prints_one_line_per_step_with_what_to_do(self, configure):
        configure(AUTO_CREATE_BUGS=False)
        lines = self.run().splitlines()
        assert [line.split()[1] for line in lines[:-1]] == STEPS
        assert lines[-1] == (
            "Errors of this site are captured: yes, stored: yes, filed: no (errors do not "
            "become bugs in environment 'production': AUTO_CREATE_BUGS is off)."
        )
        [line] = [line for line in lines if " gate " in line]
        assert line.startswith("warn  gate")
        assert line.endswith(
            "AUTO_CREATE_BUGS is off -> To create bugs here, set AUTO_CREATE_BUGS to True."
        )

    def test_has_failed_when_a_step_has(self, hub, configure):
        hub.answers["GET "] = 404, {}
        with pytest.raises(CommandError, match=r"^Failed: github\.$") as caught:
            call_command("error_tracking_doctor", stdout=StringIO())
        assert caught.value.returncode == 1
        told = json.loads(self.run("--json"))
        assert told["is_ok"] is False
        assert {step["step"]: step["state"] for step in told["steps"]}[
            "github"
        ] == "fail"
        assert TOKEN not in json.dumps(told)

    def test_is_well_when_no_step_has_failed(self):
        out = StringIO()
        call_command("error_tracking_doctor", "--json", stdout=out)
        assert json.loads(out.getvalue())["is_ok"] is True


def test_reason_of_a_broken_step_has_no_secret():
    def step():
        raise OSError("cannot connect: password=hunter2 host=db")

    [finding] = doctor.examine([Step("broken", step)])
    assert finding.state == "fail"
    assert finding.found.startswith("OSError: cannot connect")
    assert "hunter2" not in finding.found


def test_all_steps_together_have_a_deadline():
    is_over = threading.Event()

    def slow():
        is_over.wait(5)
        return Answer(State.OK, "too late")

    steps = [Step(f"slow {number}", slow) for number in range(4)]
    started = time.monotonic()
    try:
        found = list(doctor.examine(steps, Limits(step=0.4, total=0.5, least=0.05)))
        duration = time.monotonic() - started
    finally:
        is_over.set()
    assert [each.found for each in found[2:]] == ["no answer in 0.1 seconds"] * 2
    assert duration < 2


def test_each_system_check_belongs_to_one_step():
    """By its whole id: a new check is reported with the settings."""
    assert not set(site_steps.MIDDLEWARE_CHECKS) & set(site_steps.JOURNAL_CHECKS)
    documented = Path(__file__).parents[1] / "docs" / "reference" / "checks.md"
    named = set(re.findall(r"error_tracking\.[EW]\d+", documented.read_text()))
    assert {*site_steps.MIDDLEWARE_CHECKS, *site_steps.JOURNAL_CHECKS} <= named


class TestConclusion:
    """What is not captured is not stored, and what is not stored is not filed."""

    def conclude(self, **states):
        every = {
            "middleware": "ok",
            "capture": "ok",
            "site_request": "ok",
            "database": "ok",
            "gate": "ok",
            "bug_file": "ok",
            "github": "skip",
            "notices": "skip",
            **states,
        }
        return doctor.conclude(
            doctor.Finding(step, State(state), f"{step} says", "")
            for step, state in every.items()
        )

    @pytest.mark.parametrize(
        ("states", "line"),
        [
            ({}, "captured: yes, stored: yes, filed: yes."),
            (
                {"database": "fail"},
                "captured: yes, stored: no (database says), filed: no.",
            ),
            (
                {"middleware": "fail"},
                "captured: no (middleware says), stored: no, filed: no.",
            ),
            (
                {"gate": "warn"},
                "captured: yes, stored: yes, filed: no (gate says).",
            ),
            (
                {"bug_file": "fail"},
                "captured: yes, stored: yes, filed: no (no tracker can file).",
            ),
            (
                {"github": "fail"},
                "captured: yes, stored: yes, filed: yes (but not by github).",
            ),
        ],
    )
    def test_is_one_line(self, states, line):
        assert str(self.conclude(**states)) == f"Errors of this site are {line}"
