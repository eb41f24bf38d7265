"""Every kind of failure gives exactly one event of the right type; the host's own tools see what they always saw."""

from __future__ import annotations

import asyncio
import logging

import django
import pytest
from asgiref.sync import iscoroutinefunction
from django.core import mail
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.utils.log import AdminEmailHandler

from error_tracking import middleware
from error_tracking.middleware import ErrorCaptureMiddleware

OURS = "error_tracking.middleware.ErrorCaptureMiddleware"
SECURITY = "django.middleware.security.SecurityMiddleware"
REST = [
    "tests.site_middleware.inner",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
PLACES = {"first": [OURS, SECURITY, *REST], "after security": [SECURITY, OURS, *REST]}


@pytest.fixture(params=list(PLACES))
def place(request, settings):
    settings.MIDDLEWARE = PLACES[request.param]
    return request.param


def send(path, *, is_async, method="get", **extra):
    if is_async:
        client = AsyncClient(raise_request_exception=False)
        headers = {
            name.removeprefix("HTTP_").replace("_", "-"): value
            for name, value in extra.items()
        }
        return asyncio.run(getattr(client, method)(path, headers=headers))
    return getattr(Client(raise_request_exception=False), method)(path, **extra)


FAILURES = [
    ("/crash/", 500, "exception", "ValueError"),
    ("/pets/12/", 500, "exception", "ValueError"),
    ("/nested/", 500, "exception", "RuntimeError"),
    ("/nothing/", 500, "exception", "ValueError"),
    ("/template/", 500, "exception", "ZeroDivisionError"),
    ("/async/", 500, "exception", "ValueError"),
    ("/failing/x/", 500, "exception", "RuntimeError"),
    ("/missing/", 404, "http_4xx", "Http404"),
    ("/async-missing/", 404, "http_4xx", "Http404"),
    ("/denied/", 403, "http_4xx", "PermissionDenied"),
    ("/bad/", 400, "http_4xx", "BadRequest"),
    ("/suspicious/", 400, "http_4xx", "SuspiciousOperation"),
    ("/no/such/page", 404, "http_4xx", None),
    ("/returned/404/", 404, "http_4xx", None),
    ("/returned/500/", 500, "http_5xx", None),
    ("/api/503/", 503, "http_5xx", None),
    ("/api/422/", 422, "http_4xx", None),
]


@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
@pytest.mark.parametrize(("path", "status", "kind", "exception"), FAILURES)
def test_each_failure_gives_exactly_one_event(
    place, outbox, path, status, kind, exception, is_async
):
    """FAULTS C01, C05, C10."""
    response = send(path, is_async=is_async)
    assert response.status_code == status
    [event] = outbox
    assert (event.error_type, event.status_code) == (kind, status)
    assert (event.exceptions[0].type if event.exceptions else None) == exception
    assert event.method == "GET"
    assert len(event.reference) == 10


@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["outer", "inner"])
def test_error_in_another_middleware_gives_exactly_one_event(
    settings, outbox, name, when, is_async
):
    """FAULTS C01: also outside of ours and in the response phase."""
    settings.MIDDLEWARE = ["tests.site_middleware.outer", *PLACES["first"]]
    response = send(
        "/fine/",
        is_async=is_async,
        **{f"HTTP_X_{name.upper()}_{when.upper()}": "crash"},
    )
    assert response.status_code == 500
    [event] = outbox
    assert (event.error_type, event.exceptions[0].type) == ("exception", "LookupError")


def test_outer_middleware_that_fails_after_a_captured_404_is_an_event_of_its_own(
    settings, outbox
):
    settings.MIDDLEWARE = ["tests.site_middleware.outer", *PLACES["first"]]
    send("/missing/", is_async=False, HTTP_X_OUTER_AFTER="crash")
    assert [event.error_type for event in outbox] == ["http_4xx", "exception"]


def test_new_error_with_the_id_of_one_that_is_gone_is_an_event_of_its_own(rf, outbox):
    request, error = rf.get("/"), ValueError("its id is given again")

    def get_response(request):
        request.__dict__[middleware.STATE].exception = error
        return HttpResponse(status=404)

    ErrorCaptureMiddleware(get_response)(request)
    try:
        raise error
    except ValueError:
        middleware.remember_exception(request=request)
    assert [event.error_type for event in outbox] == ["http_4xx", "exception"]


@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
def test_4xx_raised_in_a_middleware_is_recorded_by_its_status(place, outbox, is_async):
    """FAULTS C06, C11."""
    response = send("/fine/", is_async=is_async, HTTP_X_INNER_BEFORE="deny")
    assert response.status_code == 403
    [event] = outbox
    assert (event.error_type, event.status_code, event.route) == (
        "http_4xx",
        403,
        "/fine/",
    )


def test_short_circuit_of_an_inner_middleware_is_recorded(place, outbox):
    """FAULTS C11."""
    assert (
        send("/fine/", is_async=False, HTTP_X_INNER_BEFORE="teapot").status_code == 418
    )
    assert [event.status_code for event in outbox] == [418]


def test_500_that_another_middleware_made_good_is_still_an_event(settings, outbox):
    settings.MIDDLEWARE = [OURS, "tests.site_middleware.swallowing", *REST]
    assert send("/crash/", is_async=False).status_code == 200
    [event] = outbox
    assert event.exceptions[0].type == "ValueError"


@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
def test_csrf_failure_is_its_own_kind(place, outbox, is_async):
    if is_async:
        response = asyncio.run(AsyncClient(enforce_csrf_checks=True).post("/form/"))
    else:
        response = Client(enforce_csrf_checks=True).post(
            "/form/", HTTP_HOST="testserver", HTTP_ORIGIN="http://testserver"
        )
    assert response.status_code == 403
    [event] = outbox
    assert (event.error_type, event.status_code) == ("csrf", 403)
    assert "CSRF" in event.message
    assert event.is_evidence is not is_async
    assert b"Your form could not be sent" in response.content


def test_csrf_failure_with_a_foreign_origin_is_no_evidence(outbox):
    Client(enforce_csrf_checks=True).post("/form/", HTTP_ORIGIN="http://evil.example")
    assert not outbox[0].is_evidence


def test_invalid_host_is_recorded(outbox):
    """FAULTS C07."""
    response = send("/host/", is_async=False, HTTP_HOST="evil.example")
    assert response.status_code == 400
    [event] = outbox
    assert event.status_code == 400
    assert "evil.example" in event.url


def test_streaming_body_that_fails_half_way_is_one_event(place, outbox):
    """FAULTS C18."""
    response = Client().get("/streaming/")
    with pytest.raises(ValueError, match="half-way"):
        b"".join(response.streaming_content)
    [event] = outbox
    assert (event.error_type, event.exceptions[0].message) == ("exception", "half-way")


def test_async_streaming_body_that_fails_half_way_is_one_event(place, outbox):
    """FAULTS C18."""

    async def read():
        response = await AsyncClient().get("/streaming-async/")
        return [part async for part in response.streaming_content]

    with pytest.raises(ValueError, match="half-way"):
        asyncio.run(read())
    [event] = outbox
    assert event.exceptions[0].message == "half-way"


def test_file_response_is_not_wrapped(place, outbox):
    """FAULTS C18: wsgi.file_wrapper must go on working."""
    response = Client().get("/download/")
    assert b"".join(response.streaming_content) == b"data"
    assert not outbox


@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
def test_request_without_an_error_leaves_no_trace(place, outbox, is_async):
    assert send("/fine/", is_async=is_async).content == b"fine"
    assert not outbox


def test_system_exit_is_captured_and_goes_on(place, outbox):
    with pytest.raises(SystemExit):
        Client(raise_request_exception=False).get("/interrupted/")
    [event] = outbox
    assert event.title.startswith("SystemExit in ")


def test_excluded_path_and_status_give_no_event(configure, outbox):
    configure(EXCLUDE_STATUS_CODES=[404])
    send("/health/crash/", is_async=False)
    send("/missing/", is_async=False)
    assert not outbox


def test_disabled_captures_nothing_and_changes_no_page(configure, outbox):
    configure(ENABLED=False)
    response = send("/crash/", is_async=False)
    assert b"Server Error (500)" in response.content
    assert not outbox


# What others see.


def test_test_client_raises_the_host_s_exception(outbox):
    """FAULTS C02."""
    with pytest.raises(ValueError, match="the pet is gone"):
        Client().get("/crash/")
    assert len(outbox) == 1


def test_got_request_exception_reaches_other_receivers(outbox):
    """FAULTS C02."""
    seen = []

    def receiver(sender, request, **kwargs):
        seen.append(request.path)

    got_request_exception.connect(receiver)
    try:
        send("/crash/", is_async=False)
    finally:
        got_request_exception.disconnect(receiver)
    assert seen == ["/crash/"]


def test_django_request_record_has_its_traceback(caplog, outbox):
    """FAULTS C02."""
    with caplog.at_level(logging.ERROR, "django.request"):
        send("/crash/", is_async=False)
    [record] = [record for record in caplog.records if record.name == "django.request"]
    assert record.exc_info[0] is ValueError


@pytest.mark.filterwarnings("ignore:Django 2028 will not have a default mailer")
def test_admins_still_get_their_mail(settings, outbox):
    """FAULTS C02."""
    settings.ADMINS = (
        ["ada@example.com"]
        if django.VERSION >= (6, 0)
        else [("Ada", "ada@example.com")]
    )
    handler = AdminEmailHandler()
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        send("/crash/", is_async=False)
    finally:
        logger.removeHandler(handler)
    assert "the pet is gone" in mail.outbox[0].body


@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
def test_debug_keeps_the_technical_page_and_records_all_the_same(
    settings, outbox, is_async
):
    """FAULTS P09."""
    settings.DEBUG = True
    response = send("/crash/", is_async=is_async)
    assert b"the pet is gone" in response.content
    assert [event.environment for event in outbox] == ["development"]


# What goes wrong in us.


def test_failing_capture_leaves_the_host_s_response_as_it_was(
    monkeypatch, swallowed, outbox
):
    """FAULTS C03."""

    def broken(*args, **kwargs):
        raise RuntimeError("inside the tracker")

    monkeypatch.setattr("error_tracking.capture.service.capture", broken)
    response = send("/crash/", is_async=False)
    assert response.status_code == 500
    assert [record.exc_info[1].args for record in swallowed] == [
        ("inside the tracker",)
    ]


def test_failing_page_leaves_the_host_s_page(monkeypatch, swallowed, outbox):
    """FAULTS P01."""

    def broken(*args, **kwargs):
        raise RuntimeError("inside the page")

    monkeypatch.setattr("error_tracking.pages.page.replace", broken)
    assert b"Server Error (500)" in send("/crash/", is_async=False).content
    assert len(swallowed) == 1


def test_signal_receiver_cannot_raise(monkeypatch, rf):
    """FAULTS C04: Django sends this signal unprotected."""

    class Hostile:
        @property
        def __dict__(self):
            raise RuntimeError("no dict")

    try:
        raise ValueError("any")
    except ValueError:
        assert middleware.remember_exception(request=Hostile()) is None


def test_signal_without_request_or_exception_does_nothing(rf, outbox):
    middleware.remember_exception(request=None)
    middleware.remember_exception(request=rf.get("/"))
    assert not outbox


def test_without_the_middleware_the_signal_still_captures(settings, outbox):
    settings.MIDDLEWARE = REST
    send("/crash/", is_async=False)
    [event] = outbox
    assert event.exceptions[0].type == "ValueError"


def failing_500_handler(request):
    raise OSError("the 500 page is broken")


class UrlsWithBrokenHandler:
    from tests.urls import urlpatterns

    handler500 = staticmethod(failing_500_handler)


@pytest.fixture
def broken_handler(settings):
    settings.ROOT_URLCONF = UrlsWithBrokenHandler


@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
def test_page_comes_even_when_the_500_handler_fails(
    broken_handler, outbox, is_async, caplog
):
    """FAULTS P01, C05: one event, the first exception wins."""
    response = send("/crash/", is_async=is_async)
    assert response.status_code == 500
    assert b"Something went wrong" in response.content
    [event] = outbox
    assert event.exceptions[0].type == "ValueError"


def test_broken_500_handler_is_left_alone_when_pages_are_off(
    broken_handler, configure, outbox
):
    configure(ERROR_PAGES=False)
    with pytest.raises(OSError, match="500 page is broken"):
        Client().get("/crash/")
    assert [event.exceptions[0].type for event in outbox] == ["ValueError"]


def test_propagated_exception_is_captured_and_goes_on(settings, outbox):
    settings.DEBUG_PROPAGATE_EXCEPTIONS = True
    with pytest.raises(ValueError, match="the pet is gone"):
        Client(raise_request_exception=False).get("/crash/")
    assert [event.exceptions[0].type for event in outbox] == ["ValueError"]


def test_middleware_is_a_coroutine_function_only_under_asgi():
    """FAULTS C10."""

    async def get_response(request):
        return HttpResponse()

    assert iscoroutinefunction(ErrorCaptureMiddleware(get_response))
    assert not iscoroutinefunction(
        ErrorCaptureMiddleware(lambda request: HttpResponse())
    )


def test_exception_is_not_kept_after_the_response(outbox):
    """FAULTS C28."""
    request = RequestFactory().get("/")
    error = ValueError("big locals")

    def get_response(request):
        request.__dict__[middleware.STATE].exception = error
        return HttpResponse(status=500)

    ErrorCaptureMiddleware(get_response)(request)
    assert request.__dict__[middleware.STATE].exception is None
    assert len(outbox) == 1


def test_installing_twice_connects_once():
    receivers = len(got_request_exception.receivers)
    middleware.install()
    assert len(got_request_exception.receivers) == receivers


def test_wsgi_application_answers_when_the_database_is_away(kept_connections, outbox):
    """The page needs no database (FAULTS P02): the test has no access to one."""
    environ = RequestFactory()._base_environ(PATH_INFO="/crash/")
    seen = []
    body = b"".join(WSGIHandler()(environ, lambda status, headers: seen.append(status)))
    assert seen == ["500 Internal Server Error"]
    assert b"Something went wrong" in body


class ProjectExit(BaseException):
    """As some libraries end a worker."""


@pytest.mark.parametrize(
    ("error", "is_failure"),
    [
        (SystemExit(3), True),
        (ProjectExit(), True),
        (SystemExit(0), False),
        (SystemExit(), False),
        (KeyboardInterrupt(), False),
        (asyncio.CancelledError(), False),
        (type("GreenletExit", (BaseException,), {})(), False),
    ],
    ids=repr,
)
@pytest.mark.parametrize("is_async", [False, True])
def test_end_of_the_process_is_captured_where_it_is_a_failure(
    rf, outbox, error, is_failure, is_async
):
    """What passes Django's own handling, as the end of a server does."""

    def view(request):
        raise error

    async def async_view(request):
        raise error

    with pytest.raises(type(error)):
        if is_async:
            coroutine = ErrorCaptureMiddleware(async_view)(rf.get("/"))
            # By hand: a loop would take some of these for its own end.
            coroutine.send(None)
        else:
            ErrorCaptureMiddleware(view)(rf.get("/"))
    assert len(outbox) == is_failure
