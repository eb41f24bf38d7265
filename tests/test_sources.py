"""Where errors come from besides requests, and what the host's code can say of them."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import logging
import pickle
import subprocess
import sys
import threading
import time

import pytest
from django.core.management import call_command
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import path

import error_tracking
from error_tracking import conf
from error_tracking.capture import breadcrumbs, context
from error_tracking.checkout import Checkout
from error_tracking.integrations import commands, install, threads
from error_tracking.integrations.logging import ErrorLogHandler
from error_tracking.services import ErrorCaptureService

from .factories import raised

log = logging.getLogger("shop")
log.setLevel(logging.INFO)


def fail(text="the till is empty"):
    raise ValueError(text)


def reraises(request):
    try:
        fail()
    except ValueError as error:
        error_tracking.capture_exception(error, tags={"till": 7})
        raise


def logs_and_reraises(request):
    try:
        fail()
    except ValueError:
        log.exception("could not pay")
        raise


def swallows(request):
    error_tracking.set_tag("tenant", "acme")
    error_tracking.set_user(17, "ann")
    error_tracking.add_breadcrumb(
        "took the till", category="till", data={"coins": 3, "password": "hunter2"}
    )
    log.info("opening till %s of %s", 4, object())
    try:
        fail()
    except ValueError:
        error_tracking.capture_exception()
    return HttpResponse("fine")


async def swallows_async(request, number):
    error_tracking.set_tag("path", request.path)
    await asyncio.sleep(0.01)
    try:
        fail()
    except ValueError:
        error_tracking.capture_exception()
    return HttpResponse("fine")


def streams(request):
    def parts():
        error_tracking.capture_message("half way", level="error")
        yield b"done"

    return StreamingHttpResponse(parts())


urlpatterns = [
    path("reraises/", reraises),
    path("streams/", streams),
    path("logs/", logs_and_reraises),
    path("swallows/", swallows),
    path("async/<int:number>/", swallows_async),
]


@pytest.fixture
def client(settings):
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


@pytest.fixture
def handler():
    """The handler on a logger of the host's, as LOGGING would put it there."""
    handler = ErrorLogHandler()
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


class TestOneErrorIsOneEvent:
    """FAULTS C05: whoever sees an exception first counts it."""

    def test_captured_and_raised_again(self, client, outbox):
        response = client.get("/reraises/")
        assert response.status_code == 500
        [event] = outbox
        assert (event.mechanism, event.context["tags"]) == ("api", {"till": 7})
        assert event.reference in response.content.decode()

    def test_logged_and_raised_again(self, client, outbox, handler):
        client.get("/logs/")
        [event] = outbox
        assert (event.mechanism, event.route, event.context["logger"]) == (
            "logging",
            "/logs/",
            "shop",
        )

    def test_the_same_object_in_another_unit_counts_again(self, outbox):
        error = raised(fail)
        for _ in range(3):
            context.begin()
            error_tracking.capture_exception(error)
            error_tracking.capture_exception(error)
        assert len(outbox) == 3

    def test_the_mark_survives_pickling_and_breaks_nothing(self, outbox):
        error = raised(fail)
        error_tracking.capture_exception(error)
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), copy.args) == (ValueError, ("the till is empty",))

    @pytest.mark.parametrize(
        ("given", "stored"),
        [("critical", "fatal"), ("warning", "warning"), ("dreadful", "error")],
    )
    def test_level_is_one_of_ours_whatever_it_is_called(self, outbox, given, stored):
        error_tracking.capture_message("the till is on fire", level=given)
        error_tracking.capture_exception(raised(fail), level=given)
        assert [event.level for event in outbox] == [stored, stored]

    def test_outside_any_unit_an_object_that_is_raised_for_ever_counts_each_time(
        self, outbox
    ):
        error = raised(fail)
        for _ in range(3):
            error_tracking.capture_exception(error)
        assert len(outbox) == 3


class TestWhatTheHostTells:
    def test_tags_user_and_breadcrumbs_are_stored_without_secrets(self, client, outbox):
        client.get(
            "/swallows/",
            headers={
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            },
        )
        [event] = outbox
        assert (event.user_id, event.user_label, event.route) == (
            "17",
            "ann",
            "/swallows/",
        )
        assert event.context["tags"] == {"tenant": "acme"}
        assert event.context["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
        till, opened = event.context["breadcrumbs"]
        assert till["data"] == {"coins": 3, "password": "[Filtered]"}
        assert opened["message"] == "opening till 4 of <object>"

    def test_one_request_does_not_see_what_another_told(self, client, outbox):
        client.get("/swallows/")
        client.get("/reraises/")
        assert outbox[1].context["tags"] == {"till": 7}
        assert "breadcrumbs" not in outbox[1].context or "took" not in str(
            outbox[1].context["breadcrumbs"]
        )

    def test_concurrent_async_requests_do_not_mix(self, settings, outbox):
        settings.ROOT_URLCONF = __name__

        async def ask():
            await asyncio.gather(
                *(AsyncClient().get(f"/async/{number}/") for number in range(10))
            )

        asyncio.run(ask())
        assert {event.context["tags"]["path"] for event in outbox} == {
            f"/async/{number}/" for number in range(10)
        }

    def test_a_carried_context_crosses_to_a_thread_and_a_bare_thread_starts_empty(
        self, outbox
    ):
        context.begin()
        error_tracking.set_tag("tenant", "acme")

        def work():
            error_tracking.capture_exception(raised(fail))

        carried = contextvars.copy_context()
        for target in (lambda: carried.run(work), work):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        assert [event.context.get("tags") for event in outbox] == [
            {"tenant": "acme"},
            None,
        ]

    def test_a_request_is_not_kept_alive_by_its_unit(self, rf):
        request = rf.get("/")
        context.begin_request(request)
        assert context.current_request() is request
        del request
        assert context.current_request() is None
        assert context.current().tags is None

    def test_a_request_that_was_answered_is_not_at_hand(
        self, client, configure, outbox
    ):
        """It lives as long as somebody keeps its response, and may be excluded."""
        configure(EXCLUDE_PATHS=["/nowhere/"])
        kept = client.get("/nowhere/")
        assert error_tracking.capture_exception(raised(fail))
        assert (kept.status_code, [event.route for event in outbox]) == (404, [""])

    def test_a_request_is_at_hand_while_its_body_streams(self, client, outbox):
        assert b"".join(client.get("/streams/").streaming_content) == b"done"
        assert [event.route for event in outbox] == ["/streams/"]

    def test_so_many_are_kept_and_no_more(self, outbox):
        for number in range(context.TAGS + 1):
            error_tracking.set_tag(f"tag{number}", "x")
        for number in range(breadcrumbs.BREADCRUMBS + 1):
            error_tracking.add_breadcrumb(f"step {number}")
        error_tracking.capture_message("done", level="error")
        [event] = outbox
        assert len(event.context["tags"]) == context.TAGS
        crumbs = event.context["breadcrumbs"]
        assert (len(crumbs), crumbs[0]["message"]) == (
            breadcrumbs.BREADCRUMBS,
            "step 1",
        )

    def test_long_ones_are_cut(self, outbox):
        error_tracking.set_tag("tag", "x" * 500)
        error_tracking.add_breadcrumb("step " + "x" * 5_000)
        error_tracking.capture_message("done", level="error")
        [event] = outbox
        assert len(event.context["tags"]["tag"]) == context.TAG_CHARS
        [crumb] = event.context["breadcrumbs"]
        assert len(crumb["message"]) <= breadcrumbs.BREADCRUMB_CHARS

    def test_hostile_values_are_not_called(self, outbox):
        class Hostile:
            def __str__(self):
                raise SystemExit

            __repr__ = __str__

        error_tracking.set_tag(Hostile(), Hostile())
        error_tracking.set_user(Hostile())
        error_tracking.add_breadcrumb(Hostile(), data={"x": Hostile()})
        error_tracking.capture_exception(
            raised(fail), extra={"x": Hostile()}, fingerprint=["{{ default }}"]
        )
        assert outbox[0].context["extra"] == {"x": "<Hostile>"}

    def test_breadcrumbs_can_be_turned_off(self, configure, outbox):
        configure(DISABLE=["breadcrumbs"])
        error_tracking.add_breadcrumb("step")
        log.warning("step")
        error_tracking.capture_message("done")
        assert "breadcrumbs" not in outbox[0].context

    def test_a_fingerprint_of_the_hosts_own(self, outbox):
        for parts in (
            (),
            "{{ default }}",
            ["{{ default }}", "acme"],
            ["{{default}}", "acme"],
            "mine",
        ):
            error_tracking.capture_exception(raised(fail), fingerprint=parts)
        default, same, extended, again, own = (event.fingerprint for event in outbox)
        assert default == same
        assert extended == again
        assert len({default, extended, own}) == 3

    def test_none_takes_the_user_back(self, outbox):
        error_tracking.set_user(1, "ann")
        error_tracking.set_user(None)
        error_tracking.capture_message("x")
        assert outbox[0].user_id == ""


class TestHooks:
    def test_before_store_changes_and_drops(self, configure, outbox):
        import dataclasses

        def hook(event):
            return (
                None
                if "drop" in event.message
                else dataclasses.replace(event, server_name="hidden")
            )

        configure(BEFORE_STORE=hook)
        error_tracking.capture_message("drop this")
        error_tracking.capture_message("keep this")
        assert [(event.message, event.server_name) for event in outbox] == [
            ("keep this", "hidden")
        ]

    @pytest.mark.parametrize("answer", [5, ZeroDivisionError("x")])
    def test_a_hook_that_fails_costs_the_payload_not_the_event(
        self, configure, outbox, swallowed, answer
    ):
        def hook(event):
            if isinstance(answer, Exception):
                raise answer
            return answer

        configure(BEFORE_STORE=hook)
        error_tracking.capture_exception(raised(fail))
        assert [event.traceback for event in outbox] == [""]
        assert len(swallowed) == 1

    def test_a_hook_is_found_by_its_path(self, configure, outbox):
        configure(BEFORE_STORE="tests.test_sources.drop_all")
        error_tracking.capture_message("x")
        assert outbox == []

    @pytest.mark.parametrize("name", ["builtins.ValueError", "builtins.Exception"])
    def test_ignored_exceptions_and_their_subclasses(
        self, configure, outbox, client, name
    ):
        configure(IGNORE_EXCEPTIONS=[name])
        assert client.get("/reraises/").status_code == 500
        assert outbox == []

    @pytest.mark.parametrize(
        "name",
        ["django.http.Http404", "django.http.response.Http404", "tests.urls.Http404"],
    )
    def test_a_class_is_ignored_wherever_it_is_imported_from(
        self, configure, outbox, name
    ):
        configure(IGNORE_EXCEPTIONS=[name])
        error_tracking.capture_exception(Http404("none"))
        assert outbox == []

    def test_others_are_not_ignored(self, configure, outbox):
        configure(
            IGNORE_EXCEPTIONS=[
                "builtins.KeyError",
                "ValueError",
                "no.such.Error",
                "not a path",
            ]
        )
        error_tracking.capture_exception(raised(fail))
        assert len(outbox) == 1


def drop_all(event):
    return None


class TestLogging:
    def test_a_record_without_exception_is_a_message_grouped_by_its_template(
        self, handler, outbox
    ):
        log.error("order %s of %s failed", 1, "ann")
        log.error(
            "order %s of %s failed",
            2,
            "bob",
            extra={"basket": {"password": "x", "size": 3}},
        )
        first, second = outbox
        assert first.fingerprint == second.fingerprint
        assert (first.message, first.level) == ("order 1 of ann failed", "error")
        assert second.context["extra"] == {
            "basket": {"password": "[Filtered]", "size": 3}
        }

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            # A brace at the end, and no JSON before it.
            ("no till {7}", "no till {7}"),
            ('sold ["a", {}', 'sold ["a", {}'),
            # An object of which no key is the event's name.
            ('{"till": 7}', '{"till": 7}'),
            # The text of a traceback that names no file: only the class is known.
            (
                "failed 1\nTraceback (most recent call last):\nValueError: a",
                "failed 2\nTraceback (most recent call last):\nValueError: b",
            ),
            # One that ends before the class: the line before it is all there is.
            (
                "failed\nTraceback (most recent call last):\n  (cut off)",
                "failed\nTraceback (most recent call last):\n  (cut too)",
            ),
            # What is no text is grouped by where it was logged.
            (5, 6),
        ],
    )
    def test_lines_that_tell_little_are_grouped(self, handler, outbox, first, second):
        for message in (first, second):
            log.error(message)
        assert len({event.fingerprint for event in outbox}) == 1
        assert [event.message for event in outbox] == [str(first), str(second)]

    def test_record_of_the_projects_own_class_makes_its_own_text(self, handler, outbox):
        """As those of libraries for messages in the style of str.format()."""

        class Braces(logging.LogRecord):
            def getMessage(self):
                return self.msg.format(*self.args)

        handler.emit(
            Braces("shop", logging.ERROR, "", 1, "order {} failed", (7,), None)
        )
        assert [event.message for event in outbox] == ["order 7 failed"]

    @pytest.mark.parametrize(
        "name", ["django.request", "django.security.DisallowedHost", "celery.app.trace"]
    )
    def test_what_arrives_another_way_is_left_out(self, handler, outbox, name):
        """FAULTS C29."""
        handler.emit(logging.LogRecord(name, logging.ERROR, "", 1, "failed", (), None))
        assert outbox == []

    def test_our_own_errors_are_left_out(self, handler, outbox):
        handler.emit(
            logging.LogRecord(
                "error_tracking", logging.ERROR, "", 1, "failed", (), None
            )
        )
        handler.emit(
            logging.LogRecord(
                "error_tracking_shop", logging.ERROR, "", 1, "failed", (), None
            )
        )
        assert len(outbox) == 1

    def test_levels(self, outbox):
        handler = ErrorLogHandler(level="INFO")
        for level in (20, 30, 40, 50):
            handler.emit(
                logging.LogRecord("shop", level, "", 1, f"level {level}", (), None)
            )
        assert [event.level for event in outbox] == [
            "info",
            "warning",
            "error",
            "fatal",
        ]

    def test_arguments_that_do_not_fit_or_fight_back(self, handler, outbox):
        class Hostile:
            def __str__(self):
                raise SystemExit

        for args in ((1, 2), (Hostile(),)):
            handler.emit(
                logging.LogRecord(
                    "shop", logging.ERROR, "", 1, "order %s failed", args, None
                )
            )
        messages = [event.message for event in outbox]
        assert messages == ["order %s failed (1, 2)", "<unprintable>"]

    def test_it_can_be_named_in_logging_before_apps_are_ready(self):
        code = (
            "import django\nfrom django.conf import settings\n"
            "settings.configure(INSTALLED_APPS=['django.contrib.auth', 'django.contrib.contenttypes', "
            "'error_tracking'], DATABASES={'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}},"
            "LOGGING={'version': 1, 'handlers': {'et': {'class': "
            "'error_tracking.integrations.logging.ErrorLogHandler', 'level': 'ERROR'}}, 'root': {'handlers': ['et']}})"
            "\ndjango.setup()\nprint('ok')"
        )
        import subprocess

        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.stdout == "ok\n", done.stderr


class TestThreadsAndCommands:
    @pytest.fixture(autouse=True)
    def quiet(self, monkeypatch):
        monkeypatch.setattr(sys, "__excepthook__", lambda *_: None)

    def test_a_thread_that_dies_is_captured(self, outbox):
        error = raised(fail)
        threads.capture_failure(
            threading.ExceptHookArgs(
                (ValueError, error, None, threading.Thread(name="worker"))
            )
        )
        [event] = outbox
        assert (event.mechanism, event.context["thread"]) == (
            "thread",
            {"name": "worker"},
        )

    @pytest.mark.parametrize("name", ["error_tracking.worker", "ended"])
    def test_our_threads_and_exits_are_not(self, outbox, name):
        error = raised(sys.exit) if name == "ended" else raised(fail)
        threads.capture_failure(
            threading.ExceptHookArgs(
                (type(error), error, None, threading.Thread(name=name))
            )
        )
        assert outbox == []

    def test_a_command_is_captured_with_its_arguments_scrubbed(
        self, outbox, monkeypatch
    ):
        argv = [
            "manage.py",
            "import_pets",
            "--token=abc",
            "--password",
            "hunter2",
            "--file",
            "pets.csv",
            "ann@x.org",
        ]
        monkeypatch.setattr(sys, "argv", argv)
        commands.capture_failure(raised(fail))
        [event] = outbox
        assert (event.mechanism, event.route) == ("command", "command import_pets")
        expected = [
            "--token=[Filtered]",
            "--password",
            "[Filtered]",
            "--file",
            "pets.csv",
            "[email]",
        ]
        assert event.context["command"] == {
            "name": "import_pets",
            "arguments": expected,
            "paths": {"4": {"kind": "missing", "ending": ".csv", "is_ascii": True}},
        }

    @pytest.mark.parametrize(
        "argv", [["manage.py", "shell"], ["manage.py", "test"], []]
    )
    def test_what_is_typed_is_not(self, outbox, monkeypatch, argv):
        monkeypatch.setattr(sys, "argv", argv)
        if not argv:
            monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
        commands.capture_failure(raised(fail))
        assert outbox == []

    def test_a_script_has_its_name(self, outbox, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["/srv/tools/nightly.py"])
        commands.capture_failure(raised(fail))
        assert outbox[0].context["command"]["name"] == "nightly.py"

    @pytest.mark.parametrize("name", ["commands", "threads"])
    def test_each_can_be_turned_off(self, configure, outbox, monkeypatch, name):
        configure(DISABLE=["commands", "threads"])
        monkeypatch.setattr(sys, "argv", ["manage.py", "x"])
        commands.capture_failure(raised(fail))
        threads.capture_failure(
            threading.ExceptHookArgs((ValueError, raised(fail), None, None))
        )
        assert outbox == []

    def test_hooks_call_those_before_them(self, monkeypatch, outbox):
        called = []
        monkeypatch.setattr(sys, "excepthook", lambda *args: called.append("script"))
        monkeypatch.setattr(
            threading, "excepthook", lambda args: called.append("thread")
        )
        monkeypatch.setattr(sys, "argv", ["manage.py", "x"])
        commands.connect()
        threads.connect()
        sys.excepthook(ValueError, raised(fail), None)
        threading.excepthook(
            threading.ExceptHookArgs((ValueError, raised(fail), None, None))
        )
        assert called == ["script", "thread"]
        assert len(outbox) == 2


class TestCelery:
    @pytest.fixture
    def app(self):
        from celery import Celery

        app = Celery("eager", set_as_current=False)
        app.conf.update(task_always_eager=True, task_store_eager_result=False)
        return app

    def test_a_failure_is_captured_with_its_arguments_scrubbed_by_name(
        self, app, outbox
    ):
        @app.task(shared=False, name="shop.pay")
        def pay(order, card_number, *, token=""):
            fail()

        pay.delay(7, "4111 1111 1111 1111", token="abc")
        [event] = outbox
        task = event.context["task"]
        assert (event.mechanism, event.route, task["name"]) == (
            "celery",
            "task shop.pay",
            "shop.pay",
        )
        assert task["arguments"] == {
            "order": 7,
            "card_number": "[Filtered]",
            "token": "[Filtered]",
        }
        assert not event.handled

    def test_retries_count_only_when_they_are_exhausted(self, app, outbox):
        @app.task(
            shared=False,
            name="shop.retry",
            bind=True,
            max_retries=2,
            default_retry_delay=0,
        )
        def retry(self):
            try:
                fail()
            except ValueError as error:
                raise self.retry(exc=error) from error

        retry.delay()
        [event] = outbox
        assert (event.exceptions[0].type, event.context["task"]["retries"]) == (
            "ValueError",
            2,
        )

    def test_what_a_task_throws_ignores_and_rejects_is_expected(self, app, outbox):
        from celery.exceptions import Ignore, Reject

        for kind in (ValueError, Ignore, Reject):

            @app.task(shared=False, name=f"shop.{kind.__name__}", throws=(ValueError,))
            def expected(kind=kind):
                raise kind

            expected.delay()
        assert outbox == []

    def test_our_own_task_is_left_out_and_all_can_be_turned_off(
        self, app, outbox, configure
    ):
        @app.task(shared=False, name="error_tracking.create_bug_task2")
        def own():
            fail()

        own.delay()
        configure(DISABLE=["celery"])

        @app.task(shared=False, name="shop.off")
        def off():
            fail()

        off.delay()
        assert outbox == []

    def test_an_eager_task_in_a_request_is_one_event(
        self, app, client, outbox, monkeypatch
    ):
        app.conf.task_eager_propagates = True

        @app.task(shared=False, name="shop.eager")
        def eager():
            fail()

        monkeypatch.setitem(globals(), "fail", fail)
        monkeypatch.setattr(sys.modules[__name__], "swallows", None)

        def view(request):
            eager.delay()

        import types

        urls = types.ModuleType("eager_urls")
        urls.urlpatterns = [path("eager/", view)]
        monkeypatch.setitem(sys.modules, "eager_urls", urls)
        from django.test import override_settings

        with override_settings(ROOT_URLCONF="eager_urls"):
            client.get("/eager/")
        assert [event.mechanism for event in outbox] == ["celery"]


def test_django_tasks_are_captured(settings, outbox):
    tasks = pytest.importorskip("django.tasks")
    settings.TASKS = {
        "default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}
    }
    tasks.task(failing_task).enqueue(3, "hunter2")
    tasks.task(takes_context=True)(failing_task_in_context).enqueue("hunter2", number=3)
    first, second = outbox
    task = first.context["task"]
    assert (first.mechanism, task["name"]) == (
        "django.tasks",
        "tests.test_sources.failing_task",
    )
    expected = {"number": 3, "password": "[Filtered]"}
    assert task["arguments"] == second.context["task"]["arguments"] == expected


def failing_task(number, password=""):
    fail()


def failing_task_in_context(context, password, number):
    fail()


def test_library_that_is_imported_later_is_connected_once(tmp_path, monkeypatch):
    """The finder waits for one import, and the module does not show that it did."""
    (tmp_path / "till_library.py").write_text("OPEN = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    connected = []
    monkeypatch.setattr(install, "_connect", connected.append)
    monkeypatch.setattr(install, "_watcher", install._ImportWatcher())
    monkeypatch.setitem(install.SOURCES_ON_IMPORT, "ninja", "till_library")
    monkeypatch.setitem(install.SOURCES_ON_IMPORT, "drf", "no_such_library")
    monkeypatch.setitem(install.SOURCES_ON_IMPORT, "rq", "json")
    monkeypatch.setattr(sys, "meta_path", sys.meta_path.copy())
    for source in ("ninja", "drf", "rq"):
        assert install.install.__wrapped__(source) is True
    assert connected == ["rq"], "its library is there already"
    connected.clear()
    import till_library

    assert connected == ["ninja"]
    assert till_library.__loader__ is till_library.__spec__.loader
    assert type(till_library.__loader__).__module__ != install.__name__
    monkeypatch.delitem(sys.modules, "till_library")
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        importlib.import_module("no_such_library")
    assert connected == ["ninja"]
    assert install._watcher not in sys.meta_path


def test_disabled_sources_are_not_connected(monkeypatch):
    """Celery is: a worker needs the task that sweeps."""
    connected = []
    monkeypatch.setattr(install, "install", connected.append)
    install.install_all(disabled=["threads", "celery", "rq"])
    every = {*install.SOURCES, *install.SOURCES_ON_IMPORT}
    assert set(connected) == every - {"threads", "rq"}


def test_what_needs_a_missing_library_is_not_installed(monkeypatch):
    monkeypatch.setitem(install.SOURCES, "celery", "no_such_library")
    assert install.install.__wrapped__("celery") is False


def test_client_disconnects_are_no_errors_of_the_site(outbox, rf):
    """The client went away: counted as noise, never a crash."""
    from django.http import UnreadablePostError

    from error_tracking.middleware import ErrorCaptureMiddleware

    def gone(request):
        raise UnreadablePostError("connection reset")

    from django.core.handlers.exception import convert_exception_to_response

    ErrorCaptureMiddleware(convert_exception_to_response(gone))(rf.post("/upload/"))
    [event] = outbox
    assert (event.error_type, event.status_code, event.is_evidence) == (
        "http_4xx",
        499,
        False,
    )


def git(folder, *arguments):
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path, settings, monkeypatch):
    """A real checkout with one commit; BASE_DIR is a folder in it."""
    for name in conf.RELEASE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "checkout"
    (root / "site").mkdir(parents=True)
    git(tmp_path, "init", "-q", str(root))
    git(root, "commit", "-q", "--allow-empty", "-m", "one")
    settings.BASE_DIR = root / "site"
    return root


def release():
    conf._release_found.cache_clear()
    return conf.get_settings().release


def test_release_is_the_commit_that_is_checked_out(checkout):
    first = git(checkout, "rev-parse", "HEAD")
    assert release() == first[:12]
    git(checkout, "commit", "-q", "--allow-empty", "-m", "two")
    git(checkout, "pack-refs", "--all")
    assert release() == git(checkout, "rev-parse", "HEAD")[:12] != first[:12]
    git(checkout, "checkout", "-q", "--detach", first)
    assert release() == first[:12]


def test_release_of_a_worktree(checkout, tmp_path, settings):
    git(checkout, "worktree", "add", "-q", str(tmp_path / "work"))
    git(tmp_path / "work", "commit", "-q", "--allow-empty", "-m", "two")
    settings.BASE_DIR = tmp_path / "work"
    assert release() == git(tmp_path / "work", "rev-parse", "HEAD")[:12]
    (tmp_path / "work" / ".git").write_bytes(b"\xff\xfe")
    assert release() == ""


def test_checkout_of_another_user_has_a_release(checkout, monkeypatch):
    """A server often runs as another user than the one who deployed the code."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    refused = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"],
        check=False,
        capture_output=True,
    )
    assert b"dubious ownership" in refused.stderr
    assert len(release()) == 12


@pytest.mark.parametrize(
    "name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"]
)
def test_release_is_not_that_of_another_repository(
    checkout, tmp_path, monkeypatch, name
):
    """Hooks of git and deploy scripts set these variables."""
    expected = git(checkout, "rev-parse", "HEAD")[:12]
    git(tmp_path, "init", "-q", str(tmp_path / "other"))
    monkeypatch.setenv(name, str(tmp_path / "other" / ".git"))
    assert release() == expected


def test_no_release_without_git_and_without_a_commit(
    checkout, tmp_path, settings, monkeypatch
):
    git(tmp_path, "init", "-q", str(tmp_path / "empty"))
    settings.BASE_DIR = tmp_path / "empty"
    assert release() == ""
    settings.BASE_DIR = checkout
    monkeypatch.setenv("PATH", "")
    assert release() == ""


def test_git_that_gives_no_answer_is_given_up(checkout, tmp_path, monkeypatch):
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec /bin/sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(slow.parent))
    monkeypatch.setattr("error_tracking.checkout.HEAD_TIMEOUT_SECONDS", 0.2)
    began = time.monotonic()
    assert release() == ""
    assert time.monotonic() - began < 5


SIGNATURE = (
    "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n"
)


def test_program_that_the_repository_names_is_not_run(checkout):
    """Whoever can write to the configuration may not run programs as the server."""
    (checkout / "a.py").write_text("1\n")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "one file")
    commit = git(checkout, "cat-file", "commit", "HEAD") + "\n"
    signed = commit.replace("\n\n", f"\n{SIGNATURE}\n", 1)
    (checkout / "commit").write_text(signed)
    commit_id = git(checkout, "hash-object", "-t", "commit", "-w", "commit")
    git(checkout, "update-ref", "HEAD", commit_id)
    witness = checkout / "witness"
    script = checkout / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {witness}\n")
    script.chmod(0o755)
    for name in ("gpg.program", "core.fsmonitor", "core.pager", "diff.external"):
        git(checkout, "config", name, str(script))
    git(checkout, "config", "log.showSignature", "true")
    git(checkout, "log", "--", "a.py")
    assert witness.exists(), "git itself runs it"
    witness.unlink()
    assert release() == commit_id[:12]
    assert len(Checkout(checkout).changes_to(["a.py"])) == 1
    assert not witness.exists()


def test_service_takes_a_message_object(outbox):
    ErrorCaptureService().capture_message(5)
    assert outbox[0].message == "5"


def test_commands_have_help():
    for name in ("error_tracking_prune", "error_tracking_erase"):
        with pytest.raises(SystemExit):
            call_command(name, "--help")
