"""The generated reproduction and test of real failures: they fail as the bug says, and pass with the fix."""

from __future__ import annotations

import functools
import io
import json
import re
import sys
import types
import unittest
import warnings
from pathlib import Path
from unittest import mock

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.test import Client
from django.urls import get_resolver, path, re_path
from django.views.decorators.csrf import csrf_exempt

import error_tracking
from error_tracking import testing
from error_tracking.bugs.opening import open_bug
from error_tracking.capture import context
from error_tracking.integrations import commands
from error_tracking.models import ErrorGroup
from error_tracking.recorder import store
from error_tracking.replay import failure
from error_tracking.replay.failure import NotReproducedError
from error_tracking.report.builder import build_report
from error_tracking.report.markdown import bug_file

EXAMPLE = Path(__file__).resolve().parent.parent / "example"
if str(EXAMPLE) not in sys.path:
    sys.path.insert(0, str(EXAMPLE))
from shop.zoo import ANIMALS  # noqa: E402  the example is no installed package

BUGS = [animal for animal in ANIMALS if animal.is_bug]
REQUESTS = [animal for animal in BUGS if not animal.command]


@pytest.fixture
def zoo(immediate, settings):
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "shop"]
    settings.ROOT_URLCONF = "shop.urls"


def ask(animal):
    """Send the request as the page of the zoo does."""
    client = Client(
        raise_request_exception=False,
        enforce_csrf_checks=animal.title.startswith("CSRF"),
    )
    headers = {
        "origin": "http://testserver",
        "accept": "application/json" if animal.accepts_json else "text/html",
    }
    values = {"data": dict(animal.form)}
    if animal.json is not None:
        values = {"data": json.dumps(animal.json), "content_type": "application/json"}
    if animal.upload:
        upload = io.BytesIO(b"GIF89a, not a PNG")
        upload.name = "pony.gif"
        values["data"][animal.upload] = upload
    if animal.method == "GET":
        values = {}
    response = getattr(client, animal.method.lower())(
        animal.path, headers=headers, **values
    )
    if response.streaming:
        with pytest.raises(OSError):
            b"".join(response)
    assert response.status_code == animal.status


def bug_of(title):
    group = ErrorGroup.objects.get(title=title)
    return build_report(open_bug(group)[0])


def block(made, heading):
    """Return the Python below *heading* in the bug file, as whoever works from it would copy it."""
    found = re.search(
        rf"^### {heading}\n(?:(?!^##)[^\n]*\n)*?^(```+)python\n(.*?)^\1$",
        bug_file(made),
        re.MULTILINE | re.DOTALL,
    )
    return found[2]


def as_in_a_project(function):
    """Run *function* as a test of a project is run: nothing is recorded unless it asks for it."""

    @functools.wraps(function)
    def run(made):
        with mock.patch.object(testing, "_opted_in", []):
            return function(made)

    return run


@as_in_a_project
def run_reproduction(made):
    exec(compile(block(made, "How to reproduce it"), "reproduction", "exec"), {})


@as_in_a_project
def run_test(made):
    """Run the generated test; what it raises comes out."""
    names = {}
    exec(compile(block(made, "A failing test"), "test", "exec"), names)
    [case] = [
        each
        for each in names.values()
        if isinstance(each, type) and each.__module__ == "builtins"
    ]
    result = _Result()
    with mock.patch.object(
        connection, "close"
    ):  # the test around this one still needs it
        unittest.TestSuite(unittest.TestLoader().loadTestsFromTestCase(case)).run(
            result
        )
    assert result.testsRun == 1
    if result.caught is not None:
        raise result.caught


class _Result(unittest.TestResult):
    caught = None

    def addError(self, test, err):
        self.caught = err[1]

    addFailure = addError


def fails_as(made, run):
    with pytest.raises(BaseException) as caught:
        run(made)
    kind = type(caught.value)
    if made.exception_type and made.mechanism != "api":
        assert made.exception_type in {
            kind.__qualname__,
            f"{kind.__module__}.{kind.__qualname__}",
        }
    else:
        assert kind is AssertionError
        assert str(made.status_code or made.title) in str(caught.value)


def patterns(found, prefix=""):
    for each in found:
        if hasattr(each, "url_patterns"):
            yield from patterns(each.url_patterns)
        else:
            yield each


def mend(monkeypatch, made, view):
    for pattern in patterns(get_resolver().url_patterns):
        callback = pattern.callback
        if made.view and pattern.lookup_str != made.view:
            continue
        exempt = getattr(callback, "csrf_exempt", False)
        monkeypatch.setattr(pattern, "callback", csrf_exempt(view) if exempt else view)


def fine(request, *args, **kwargs):
    get_token(request)
    return HttpResponse("fine")


def prove(made, configure, mend):
    """Have the reproduction and the test fail as the bug says, then pass with the fix."""
    configure(RECORDER="thread")
    fails_as(made, run_test)
    fails_as(made, run_reproduction)
    mend()
    run_reproduction(made)
    if made.error_type == "csrf":
        run_test(made)
        return
    # The source is the same: nobody knows whether it got to the failure.
    with pytest.raises(NotReproducedError):
        run_test(made)
    with mock.patch.object(failure, "_is_fixed", return_value=True):
        run_test(made)


@pytest.mark.parametrize("animal", REQUESTS, ids=[animal.name for animal in REQUESTS])
def test_reproduction_of_the_zoo_fails_as_the_bug_says_and_passes_with_the_fix(
    zoo, configure, monkeypatch, animal
):
    ask(animal)
    made = bug_of(animal.title)
    prove(made, configure, lambda: mend(monkeypatch, made, fine))


def test_command_of_the_zoo_fails_as_the_bug_says_and_passes_with_the_fix(
    zoo, configure, monkeypatch
):
    [animal] = [animal for animal in BUGS if animal.command]
    context.begin()
    monkeypatch.setattr(sys, "argv", ["manage.py", *animal.command])
    with pytest.raises(ValueError) as caught:
        call_command(*animal.command)
    commands.capture_failure(caught.value)
    made = bug_of(animal.title)
    assert made.arguments == ("--days=1",)
    from shop.management.commands import restock

    prove(
        made,
        configure,
        lambda: monkeypatch.setattr(
            restock.Command, "handle", lambda *_args, **_options: None
        ),
    )


@pytest.mark.parametrize(
    "arguments", [((7, "12.50"), {"currency": "CHF"}), ((), {}), ((1, 2, 3, 4), {})]
)
def test_task_of_the_zoo_fails_as_the_bug_says_and_passes_with_the_fix(
    zoo, configure, monkeypatch, arguments
):
    """The last two have arguments that do not fit, which is why they fail."""
    celery = pytest.importorskip("celery")
    app = celery.Celery("shop", set_as_current=True)
    app.config_from_object({"include": ["shop.tasks"]})
    from shop import tasks

    args, kwargs = arguments
    context.begin()
    tasks.charge.apply(args, kwargs)
    made = build_report(open_bug(ErrorGroup.objects.get())[0])
    assert made.route == "task shop.tasks.charge"

    prove(
        made,
        configure,
        lambda: monkeypatch.setattr(
            tasks.charge, "run", lambda *_args, **_kwargs: None
        ),
    )


def charge(order_id, amount, *, currency):
    raise RuntimeError(f"order {order_id} could not be charged")


def charge_as_it_should(order_id, amount, *, currency):
    return order_id


def test_django_task_fails_as_the_bug_says_and_passes_with_the_fix(
    immediate, settings, configure, monkeypatch
):
    """Django 6.0 and later."""
    tasks = pytest.importorskip("django.tasks")
    settings.TASKS = {
        "default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}
    }
    monkeypatch.setattr(sys.modules[__name__], "charge", tasks.task(charge))
    context.begin()
    charge.enqueue(7, "12.50", currency="CHF")
    made = build_report(open_bug(ErrorGroup.objects.get())[0])
    fixed = tasks.task(charge_as_it_should)
    prove(
        made,
        configure,
        lambda: monkeypatch.setattr(sys.modules[__name__], "charge", fixed),
    )


class TestRequests:
    """What the zoo has no exhibit for: each is captured from a real request."""

    def made(self, settings, view, send, title, route="thing/", kind=path):
        module = types.ModuleType("made_urls")
        module.urlpatterns = [kind(route, view)]
        settings.ROOT_URLCONF = module
        send(Client(raise_request_exception=False, enforce_csrf_checks=True))
        return bug_of(title)

    def prove(self, made, configure, monkeypatch):
        prove(made, configure, lambda: mend(monkeypatch, made, fine))

    def test_json_client_without_a_token_is_refused_until_a_page_gives_one(
        self, immediate, settings, configure, monkeypatch
    ):
        def send(client):
            client.put(
                "/thing/",
                {"a": 1},
                "application/json",
                headers={"referer": "http://testserver/"},
            )

        made = self.made(
            settings, lambda _request: HttpResponse(), send, "CSRF failure on /thing/"
        )
        assert made.reason == "CSRF cookie not set"
        self.prove(made, configure, monkeypatch)

    def test_foreign_origin_is_told_and_not_faked(self, immediate, settings, configure):
        def send(client):
            client.post(
                "/thing/",
                headers={
                    "origin": "https://testserver",
                    "referer": "http://testserver/",
                },
            )

        made = self.made(
            settings, lambda _request: HttpResponse(), send, "CSRF failure on /thing/"
        )
        assert made.reason == "Origin checking failed"
        assert "https://testserver" not in bug_file(made)
        configure(RECORDER="thread")
        with pytest.raises(AssertionError, match="Origin checking failed"):
            run_test(made)

    def test_visitor_who_was_signed_in_is_signed_in_again(
        self, immediate, settings, configure, monkeypatch
    ):
        def view(request):
            if not request.user.is_authenticated:
                return HttpResponse("please sign in")
            raise ValueError

        def send(client):
            client.force_login(User.objects.create_user("annabel-lee"))
            client.get("/thing/")

        made = self.made(
            settings, view, send, f"ValueError in {__name__}.{view.__qualname__}"
        )
        assert "annabel" not in bug_file(made).replace('create_user("annabel-lee")', "")
        self.prove(made, configure, monkeypatch)

    def test_values_without_a_name_are_of_their_kind(
        self, immediate, settings, configure, monkeypatch
    ):
        def view(request, year, slug):
            raise ValueError(slug)

        title = f"ValueError in {__name__}.{view.__qualname__}"
        made = self.made(
            settings,
            view,
            lambda client: client.get("/old/1999/may/"),
            title,
            r"^old/(\d+)/(\w+)/$",
            re_path,
        )
        assert "/old/2026/example/" in bug_file(made)
        self.prove(made, configure, monkeypatch)

    def test_htmx_is_told_of(self, immediate, settings, configure, monkeypatch):
        def view(request):
            if "Hx-Request" not in request.headers:
                return HttpResponse("the whole page")
            raise ValueError

        def send(client):
            client.get("/thing/", headers={"hx-request": "true", "hx-target": "secret"})

        made = self.made(
            settings, view, send, f"ValueError in {__name__}.{view.__qualname__}"
        )
        self.prove(made, configure, monkeypatch)

    def test_async_stream_is_read_to_its_end(
        self, immediate, settings, configure, monkeypatch
    ):
        async def parts():
            yield b"1"
            raise OSError

        async def view(request):
            return StreamingHttpResponse(parts())

        def send(client):
            # One that writes at once cannot in a coroutine.
            with (
                testing.captured_events() as events,
                pytest.warns(Warning, match="asynchronous iterators"),
                pytest.raises(OSError),
            ):
                b"".join(client.get("/thing/"))
            store.store(events)

        made = self.made(
            settings, view, send, f"OSError in {parts.__module__}.{parts.__qualname__}"
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.prove(made, configure, monkeypatch)

    def test_list_as_a_body_and_what_is_in_it_are_kept(
        self, immediate, settings, configure, monkeypatch
    ):
        @csrf_exempt
        def view(request):
            first, second, *_ = json.loads(request.body)
            return HttpResponse(first["path"].split("/") + second["at"])

        def send(client):
            changes = [
                {"path": None, "ann@example.org": 1},
                {"at": [1, ""]},
                {"at": [1, ""]},
            ]
            client.patch("/thing/", json.dumps(changes), "application/json-patch+json")

        made = self.made(
            settings, view, send, f"AttributeError in {__name__}.{view.__qualname__}"
        )
        first, second = made.body
        assert (first["path"], list(first.values())) == ("none", ["none", "int"])
        assert "ann@example.org" not in first
        assert second == {"at": ["int", "blank"]}
        self.prove(made, configure, monkeypatch)

    def test_template_that_is_not_there(
        self, immediate, settings, configure, monkeypatch
    ):
        def view(request):
            return render(request, "lost.html")

        title = f"TemplateDoesNotExist (template lost.html) in {__name__}.{view.__qualname__}"
        made = self.made(settings, view, lambda client: client.get("/thing/"), title)
        self.prove(made, configure, monkeypatch)

    def test_message_of_a_view_that_answered_well(
        self, immediate, settings, configure, monkeypatch
    ):
        def view(request):
            error_tracking.capture_message("more was sold than there is", level="error")
            return HttpResponse()

        made = self.made(
            settings,
            view,
            lambda client: client.get("/thing/"),
            "more was sold than there is",
        )
        self.prove(made, configure, monkeypatch)

    def test_other_methods_and_formats_are_sent_as_they_came(
        self, immediate, settings, configure, monkeypatch
    ):
        @csrf_exempt
        def view(request, year):
            raise ValueError if request.method == "PURGE" else LookupError

        def send(client):
            client.generic("PURGE", "/thing/2026/")

        title = f"ValueError in {__name__}.{view.__qualname__}"
        made = self.made(settings, view, send, title, "thing/<int:year>/")
        self.prove(made, configure, monkeypatch)


def test_failure_that_nobody_knows_how_to_make_again_says_what_to_do(
    immediate, configure
):
    """A thread, a script, a message of a logger outside any request."""
    context.begin()
    error_tracking.capture_message("the queue is full", level="error")
    made = build_report(open_bug(ErrorGroup.objects.get())[0])
    assert "How to reproduce it" not in bug_file(made)
    configure(RECORDER="thread")
    with pytest.raises(AssertionError, match="Not written yet: "):
        run_test(made)
