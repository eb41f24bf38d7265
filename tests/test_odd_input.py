"""Odd exceptions, odd calls and odd requests: the event comes all the same, and the host notices nothing."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import logging
import sys
import threading
import types

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.core.management import CommandError
from django.db import connections
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import path, re_path
from django.utils.functional import SimpleLazyObject

import error_tracking
from error_tracking import testing
from error_tracking.capture import context
from error_tracking.events.object_text import safe_text
from error_tracking.integrations import commands
from error_tracking.integrations.logging import ErrorLogHandler
from error_tracking.utils import UNPRINTABLE

from .factories import raised


def fail(text="the till is empty"):
    raise ValueError(text)


class ClasslessError(Exception):
    """Asked for its class it fights back."""

    @property
    def __class__(self):
        raise RuntimeError("no class for you")


class AlienError(Exception):
    """Says that it is of another class."""

    __class__ = BaseExceptionGroup


class DictlessError(Exception):
    """Has slots, and looks its attributes up in its own way."""

    def __getattribute__(self, name):
        raise RuntimeError("no attributes for you")


class EqualError(Exception):
    """Compares and hashes by raising."""

    def __eq__(self, other):
        raise RuntimeError("no comparing")

    def __hash__(self):
        raise RuntimeError("no hashing")

    def __bool__(self):
        raise RuntimeError("no truth")


@pytest.mark.parametrize(
    "kind", [ClasslessError, AlienError, DictlessError, EqualError]
)
def test_a_hostile_class_costs_nothing(outbox, kind):
    """FAULTS C20, C26: what an exception is, its type says, not the exception."""

    def explode():
        raise kind("boom")

    error_tracking.capture_exception(raised(explode))
    [event] = outbox
    assert event.exceptions[0].type == kind.__name__
    assert event.culprit.endswith("explode")
    assert event.traceback


class BrokenList(list):
    def __getitem__(self, index):
        raise RuntimeError("no items for you")


ODD_VALUES = {
    "lazy": lambda: SimpleLazyObject(fail),
    "broken": lambda: BrokenList(["x"]),
    "list": lambda: [SimpleLazyObject(fail)],
}


@pytest.mark.parametrize("kind", ODD_VALUES)
@pytest.mark.parametrize("name", ["fingerprint", "request", "tags", "extra", "level"])
def test_an_odd_argument_of_a_capture_costs_no_event(outbox, name, kind):
    odd = ODD_VALUES[kind]()
    error_tracking.capture_exception(raised(fail), **{name: odd})
    error_tracking.capture_message("empty", **{"level": "error", name: odd})
    assert len(outbox) == 2
    assert error_tracking.error_reference(odd) == ""


def test_notes_follow_the_message_and_anything_may_stand_there(outbox):
    """FAULTS C22."""
    noted = raised(fail)
    noted.add_note("try again with password=hunter2")
    noted.add_note("x" * 10_000_000)
    odd, strange, subclassed = raised(fail), raised(fail), raised(fail)
    odd.__notes__ = 5
    strange.__notes__ = ["one", 2, object()]
    subclassed.__notes__ = type("Notes", (list,), {"__getitem__": lambda *_: 1 / 0})(
        ["x"]
    )
    plain = raised(fail)
    for error in (noted, odd, strange, subclassed, plain):
        error_tracking.capture_exception(error)
    texts = [event.exceptions[0].message for event in outbox]
    assert texts[0].startswith(
        "the till is empty\ntry again with password=[Filtered]\nxxx"
    )
    assert len(texts[0]) < 1_100
    assert texts[0].splitlines()[1] in outbox[0].traceback
    assert texts[1:] == [
        "the till is empty",
        "the till is empty\none",
        "the till is empty",
        "the till is empty",
    ]
    assert len({event.fingerprint for event in outbox}) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: error_tracking.capture_exception(raised(fail), fingerprint=None),
        lambda: error_tracking.capture_exception(raised(fail), fingerprint=5),
        lambda: error_tracking.capture_exception(
            raised(fail), fingerprint=["a", 5, object()]
        ),
        lambda: error_tracking.capture_exception(
            raised(fail), tags="no mapping", extra=[1]
        ),
        lambda: error_tracking.capture_exception(
            raised(fail), tags={1: object()}, extra={None: {1}}
        ),
        lambda: error_tracking.capture_exception(raised(fail), level=None),
        lambda: error_tracking.capture_exception(raised(fail), level=["error"]),
        lambda: error_tracking.capture_message(None, level=5, fingerprint=None),
        lambda: error_tracking.capture_message(
            "x", extra=SimpleLazyObject(lambda: 1 / 0)
        ),
    ],
)
def test_odd_arguments_do_not_raise_and_cost_no_stacktrace(outbox, call):
    assert call() == outbox[0].reference
    assert outbox[0].traceback or not outbox[0].exceptions


@pytest.mark.parametrize(
    "call",
    [
        lambda: error_tracking.add_breadcrumb("x", data=[1]),
        lambda: error_tracking.add_breadcrumb("x", data="text"),
        lambda: error_tracking.add_breadcrumb(
            "x", data=SimpleLazyObject(lambda: 1 / 0)
        ),
        lambda: error_tracking.add_breadcrumb(None, category=None, level=None),
        lambda: error_tracking.set_tag(None, None),
        lambda: error_tracking.set_user(object(), object()),
        lambda: error_tracking.set_user(SimpleLazyObject(lambda: 1 / 0)),
    ],
)
def test_odd_context_does_not_raise(outbox, call):
    context.begin()
    assert call() is None
    error_tracking.capture_message("x")
    assert outbox[0].to_bytes()


@pytest.mark.parametrize("wrong", ["text", ValueError, 5])
def test_what_is_no_exception_is_refused(outbox, swallowed, wrong):
    assert error_tracking.capture_exception(wrong) == ""
    assert not outbox
    assert len(swallowed) == 1


def test_a_failing_part_costs_that_part(outbox, swallowed):
    """FAULTS B04, C13: what the host gives cannot be read, the stacktrace is there."""

    class Broken(dict):
        def items(self):
            raise RuntimeError("changed while it was read")

    service = error_tracking.capture.api.ErrorCaptureService()
    service.capture_exception(None, raised(fail), more=lambda: 1 / 0)
    error_tracking.capture_exception(raised(fail), tags=Broken(a=1))
    assert all(event.traceback and event.exceptions[0].frames for event in outbox)
    assert len(outbox) == 2
    assert len(swallowed) == 1


class Shouting(logging.Handler):
    def emit(self, record):
        raise RuntimeError("a handler of the host's that raises")


def test_our_own_log_line_cannot_raise_and_does_not_tell_what_the_host_raised(
    outbox, swallowed, caplog
):
    """FAULTS C03, V05: the line is about us; the host's exception is not printed with it."""
    service = error_tracking.capture.api.ErrorCaptureService()
    logger, handler = logging.getLogger("error_tracking"), Shouting()
    try:
        fail("password=hunter2 of ann")
    except ValueError as error:
        service.capture_exception(None, error, more=lambda: 1 / 0)
        logger.addHandler(handler)
        try:
            service.capture_exception(None, raised(fail), more=lambda: 1 / 0)
        finally:
            logger.removeHandler(handler)
    assert len(outbox) == 2
    assert "ZeroDivisionError" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_text_of_an_exception_runs_no_query(outbox):
    """FAULTS C21: ``str()`` of a QuerySet would, on a connection that nobody closes."""
    asked = []

    def ask(*args, **kwargs):
        asked.append(threading.current_thread().name)
        raise AssertionError("a query")

    def explode():
        raise ValueError(User.objects.all(), SimpleLazyObject(User.objects.get))

    before = connections["default"].__class__.connect
    connections["default"].__class__.connect = ask
    try:
        error_tracking.capture_exception(raised(explode))
    finally:
        connections["default"].__class__.connect = before
    assert asked == []
    assert outbox[0].exceptions[0].message == UNPRINTABLE
    assert outbox[0].traceback


def test_a_running_loop_is_as_it_was_after_a_text():
    class Quiet:
        def __str__(self):
            return "quiet"

    async def main():
        loop = asyncio.get_running_loop()
        assert safe_text(Quiet(), 10) == "quiet"
        assert asyncio.get_running_loop() is loop

    asyncio.run(main())


def test_huge_arguments_of_any_plain_type_are_cut_first(outbox):
    """FAULTS C22."""
    for argument in ("x" * 50_000_000, b"\xff" * 50_000_000):
        error_tracking.capture_exception(raised(fail, argument))
    messages = [event.exceptions[0].message for event in outbox]
    assert max(map(len, messages)) <= 4_000
    assert messages[0].endswith(" more characters")
    assert messages[1].endswith(" more bytes")


def test_cycles_of_causes_and_groups_end(outbox):
    """FAULTS C24, C25."""
    first, second = raised(fail), raised(fail, "two")
    first.__cause__, second.__context__ = second, first
    first.__context__ = first
    group = ExceptionGroup("one", [ExceptionGroup("two", [first])])
    second.__cause__ = group
    error_tracking.capture_exception(group)
    assert outbox[0].exceptions[0].type == "ValueError"
    assert len(outbox[0].exceptions) <= 10


# Who sees an exception first.


def test_a_pool_that_logs_and_a_view_that_raises_are_one_event(outbox, settings):
    """FAULTS C05: the thread has no unit of its own, the view's request has."""
    log, handler = logging.getLogger("shop.pool"), ErrorLogHandler()
    log.addHandler(handler)

    def work():
        try:
            fail()
        except ValueError:
            log.exception("in the pool")
            raise

    def view(request):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return HttpResponse(pool.submit(work).result())

    settings.ROOT_URLCONF = urls(path("pool/", view))
    try:
        assert Client(raise_request_exception=False).get("/pool/").status_code == 500
    finally:
        log.removeHandler(handler)
    assert [event.mechanism for event in outbox] == ["logging"]


def test_each_exception_has_its_own_reference(outbox, settings):
    def view(request):
        first = raised(fail)
        error_tracking.capture_exception(first)
        error_tracking.capture_exception(raised(fail, "another"))
        raise first

    settings.ROOT_URLCONF = urls(path("two/", view))
    content = (
        Client(raise_request_exception=False)
        .get("/two/", headers={"accept": "text/html"})
        .content.decode()
    )
    first, second = outbox
    assert first.reference in content
    assert second.reference not in content


def test_a_unit_keeps_only_a_few_events(outbox):
    unit = context.begin()
    for number in range(100):
        error_tracking.capture_exception(raised(fail, str(number)))
    assert len(outbox) == 100
    assert len(unit.events) <= context.EVENTS


@pytest.mark.parametrize("status", [404, 418, 200])
def test_a_crash_that_a_middleware_turns_into_another_answer_stays_a_crash(
    outbox, settings, status
):
    """FAULTS C01: else a real error would wait for evidence like a scanner's 404."""

    def soften(get_response):
        def call(request):
            answer = get_response(request)
            return (
                HttpResponse("hm", status=status)
                if answer.status_code == 500
                else answer
            )

        return call

    settings.MIDDLEWARE = [
        "error_tracking.middleware.ErrorCaptureMiddleware",
        "tests.test_odd_input.soften",
    ]
    sys.modules[__name__].soften = soften
    response = Client(raise_request_exception=False).get("/crash/")
    assert response.status_code == status
    [event] = outbox
    assert (event.error_type, event.status_code) == ("exception", 500)


def test_an_excluded_disconnect_is_not_counted(outbox, configure, settings):
    from django.http import UnreadablePostError

    def gone(request):
        raise UnreadablePostError("connection reset")

    configure(EXCLUDE_STATUS_CODES=[499])
    settings.ROOT_URLCONF = urls(path("gone/", gone))
    Client(raise_request_exception=False).post("/gone/")
    assert outbox == []


# Commands.


@pytest.mark.parametrize(
    "error", [CommandError("no such file"), KeyboardInterrupt(), SystemExit(1)]
)
def test_an_answer_of_a_command_is_no_error_also_with_traceback(
    outbox, monkeypatch, error
):
    monkeypatch.setattr(sys, "argv", ["manage.py", "loaddata", "x", "--traceback"])
    commands.capture_failure(error)
    assert outbox == []


def test_a_package_that_is_run_has_no_command_and_no_secret_for_a_name(
    outbox, monkeypatch
):
    monkeypatch.setattr(sys, "argv", ["/srv/shop/__main__.py", "--token=abc"])
    commands.capture_failure(raised(fail))
    monkeypatch.setattr(sys, "argv", ["/venv/django/__main__.py", "import_pets"])
    commands.capture_failure(raised(fail))
    assert [event.context["command"]["name"] for event in outbox] == [
        "__main__.py",
        "import_pets",
    ]
    assert outbox[0].context["command"]["arguments"] == ["--token=[Filtered]"]


# Requests in odd states.


def urls(*patterns):
    module = types.ModuleType("odd_urls")
    module.urlpatterns = list(patterns)
    return module


def reads(request):
    request.POST.get("a")
    raise ValueError("after the form")


def reads_json(request):
    json.loads(request.body)
    raise ValueError("after the body")


def streams(request):
    request.upload_handlers.insert(0, MemoryFileUploadHandler(request))
    return HttpResponse(request.read())


def needs_host(request):
    return HttpResponse(request.get_host())


ODD_BODIES = {
    "nothing": (b"", "application/x-www-form-urlencoded"),
    "nul and surrogates": (
        b"a=%00%ED%A0%80&password=x",
        "application/x-www-form-urlencoded",
    ),
    "no such charset": (b"a=1", "application/x-www-form-urlencoded; charset=x-none"),
    "multipart without boundary": (b"a=1", "multipart/form-data"),
    "broken multipart": (
        b"--x\r\nContent-Disposition: form-data; name",
        "multipart/form-data; boundary=x",
    ),
    "bad boundary": (b"a=1", "multipart/form-data; boundary=\xff\xfe"),
    "binary": (bytes(range(256)) * 100, "application/octet-stream"),
    "many fields": (
        b"&".join(b"a%d=1" % n for n in range(5_000)),
        "application/x-www-form-urlencoded",
    ),
    "huge": (b"a=" + b"x" * 3_000_000, "application/x-www-form-urlencoded"),
}


@pytest.mark.parametrize("name", ODD_BODIES)
def test_any_body_gives_one_event(outbox, settings, name):
    """FAULTS C12, C13, B04."""
    body, kind = ODD_BODIES[name]
    settings.ROOT_URLCONF = urls(path("reads/", reads))
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
    Client(raise_request_exception=False).generic(
        "POST", "/reads/?a=%00%ff&a=2", body, content_type=kind
    )
    [event] = outbox
    assert event.status_code in {400, 413, 500}
    assert len(event.to_bytes()) <= 65_536
    assert event.url.startswith("http://testserver/reads/")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 900 + b"]" * 900,
        b'{"a": NaN}',
        b'"' + b"\\ud800" * 50 + b'"',
        b"\xff\xfe",
        b'{"": {"": 1}}',
    ],
)
def test_any_json_gives_one_event_that_can_be_stored(outbox, settings, body):
    """FAULTS C16, S06, S08."""
    settings.ROOT_URLCONF = urls(path("json/", reads_json))
    Client(raise_request_exception=False).generic(
        "POST", "/json/", body, content_type="application/json"
    )
    [event] = outbox
    json.dumps(
        [json.loads(line) for line in event.to_bytes().splitlines()], allow_nan=False
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_HOST": "x" * 9_000},
        {"HTTP_HOST": "a:b:c"},
        {"HTTP_REFERER": "http://[bad"},
        {"HTTP_ORIGIN": "http://[bad"},
        {"REMOTE_ADDR": "\x00<script>"},
        {"HTTP_USER_AGENT": "\ud800\x1b[31m" * 500},
        {"HTTP_TRACEPARENT": "00-" + "g" * 32},
        {"HTTP_X_FORWARDED_FOR": "," * 5_000},
        {"REQUEST_METHOD": "<B>" * 50},
        {"QUERY_STRING": "%" * 5_000},
        {"CONTENT_LENGTH": "nonsense"},
    ],
)
def test_any_header_gives_one_event(outbox, configure, headers):
    """FAULTS A03, B04, C07, C13, S11."""
    configure(TRUSTED_PROXIES=1)
    Client(raise_request_exception=False).get("/crash/", **headers)
    [event] = outbox
    assert "\x1b" not in event.to_bytes().decode()
    assert "\\u001b" not in event.to_bytes().decode()


def test_the_body_is_the_views_own(outbox, settings):
    """FAULTS C14: nothing is read before the view; it may stream, and set upload handlers."""
    settings.ROOT_URLCONF = urls(path("streams/", streams))
    body = b"--x\r\nnot parsed by anybody"
    response = Client().generic(
        "POST", "/streams/", body, content_type="multipart/form-data; boundary=x"
    )
    assert response.content == body
    assert outbox == []


def test_what_resolves_is_no_noise(outbox, settings):
    def missing(request, **kwargs):
        return HttpResponse(status=404)

    own = path("jenkins/<int:pk>/", missing)
    settings.ROOT_URLCONF = urls(
        own, path("shop/<slug:slug>/", missing), re_path(r"^(?P<page>.*)$", missing)
    )
    for url in (
        "/jenkins/3/",
        "/shop/wp-1200-filter/",
        "/wp-login.php",
        "/php/",
        "/.env",
    ):
        Client().get(url)
    # What resolves is the site's own, also by a route that matches every path.
    assert not any(event.title.endswith("for scanners") for event in outbox)


def test_streams_are_left_alone(settings, outbox):
    class Closing:
        closed = 0

        def __iter__(self):
            return iter([b"a", b"b"])

        def close(self):
            self.closed += 1

    content = Closing()

    def view(request):
        return StreamingHttpResponse(content)

    async def later(request):
        async def parts():
            yield b"a"
            raise asyncio.CancelledError

        return StreamingHttpResponse(parts())

    settings.ROOT_URLCONF = urls(path("s/", view), path("later/", later))
    response = Client().get("/s/")
    assert b"".join(response) == b"ab"
    response.close()
    assert content.closed == 1

    async def read():
        with pytest.raises(asyncio.CancelledError):
            [part async for part in await AsyncClient().get("/later/")]

    asyncio.run(read())
    assert outbox == []


def test_an_answer_of_a_machine_keeps_its_body(outbox, settings):
    settings.ROOT_URLCONF = urls(
        path("api/", lambda request: JsonResponse({"a": 1}, status=422))
    )
    assert Client().get("/api/").json() == {"a": 1}
    assert testing.outbox[0].status_code == 422
