"""Why a form was refused: one constant reason for each check of Django's, whatever the client sends."""

from __future__ import annotations

import asyncio
import itertools
import logging
import types

import pytest
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBadRequest, HttpResponseForbidden
from django.middleware import csrf as django_csrf
from django.middleware.csrf import CsrfViewMiddleware
from django.test import AsyncClient, Client
from django.urls import path
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt, csrf_protect

import error_tracking
from error_tracking.capture import csrf
from error_tracking.events import fingerprint
from error_tracking.models import ErrorGroup, KnownBug

COOKIE = "c" * 32
INSECURE = django_csrf.REASON_INSECURE_REFERER
OWN = {"HTTP_ORIGIN": "http://testserver"}
SECURE = {"secure": True}
BAD_ORIGIN = "Origin checking failed - does not match any trusted origins."
BAD_REFERER = "Referer checking failed - does not match any trusted origins."
HEADER = "CSRF token from the 'X-Csrftoken' HTTP header"

# What makes Django refuse a form, the reason, and whether a page of this site sent it.
REFUSED = {
    "cookie missing": ({}, "", {}, django_csrf.REASON_NO_CSRF_COOKIE),
    "cookie missing, own": (OWN, "", {}, django_csrf.REASON_NO_CSRF_COOKIE),
    "cookie too long": ({}, "c" * 40, {}, "CSRF cookie has incorrect length."),
    "cookie of signs": ({}, "?" * 32, {}, "CSRF cookie has invalid characters."),
    "token missing": ({}, COOKIE, {}, django_csrf.REASON_CSRF_TOKEN_MISSING),
    "token too short": ({}, COOKIE, {"t": "x"}, "CSRF token from POST has incorrect length."),
    "token of signs": ({}, COOKIE, {"t": "?" * 32}, "CSRF token from POST has invalid characters."),
    "token wrong": ({}, COOKIE, {"t": "d" * 32}, "CSRF token from POST incorrect."),
    "header wrong": ({"HTTP_X_CSRFTOKEN": "d" * 32}, COOKIE, {}, f"{HEADER} incorrect."),
    "header too short": ({"HTTP_X_CSRFTOKEN": "d"}, COOKIE, {}, f"{HEADER} has incorrect length."),
    "origin foreign": ({"HTTP_ORIGIN": "http://evil.example"}, COOKIE, {}, BAD_ORIGIN),
    "origin null": ({"HTTP_ORIGIN": "null"}, COOKIE, {}, BAD_ORIGIN),
    "origin empty": ({"HTTP_ORIGIN": ""}, COOKIE, {}, BAD_ORIGIN),
    "origin long": ({"HTTP_ORIGIN": "o" * 9_000}, COOKIE, {}, BAD_ORIGIN),
    "origin a template": ({"HTTP_ORIGIN": "%s %(a)s {0}"}, COOKIE, {}, BAD_ORIGIN),
    "origin secure": ({"HTTP_ORIGIN": "https://testserver"}, COOKIE, {}, BAD_ORIGIN),
    "origin of a port": ({"HTTP_ORIGIN": "http://testserver:81"}, COOKIE, {}, BAD_ORIGIN),
    "no referer": (SECURE, COOKIE, {}, django_csrf.REASON_NO_REFERER),
    "referer malformed": (SECURE | {"HTTP_REFERER": "x"}, COOKIE, {}, django_csrf.REASON_MALFORMED_REFERER),
    "referer no address": (SECURE | {"HTTP_REFERER": "https://[x"}, COOKIE, {}, django_csrf.REASON_MALFORMED_REFERER),
    "referer insecure": (SECURE | {"HTTP_REFERER": "http://testserver/"}, COOKIE, {}, INSECURE),
    "referer foreign": (SECURE | {"HTTP_REFERER": "https://evil.example/a"}, COOKIE, {}, BAD_REFERER),
    "referer long": (SECURE | {"HTTP_REFERER": "https://e.example/" + "a" * 9_000}, COOKIE, {}, BAD_REFERER),
}  # fmt: skip


@pytest.fixture(params=["quiet", "off", "as Django has it"])
def logging_of_the_project(request):
    logger = logging.getLogger("django.security.csrf")
    level, disabled = logger.level, logger.disabled
    if request.param == "quiet":
        logger.setLevel(logging.CRITICAL)
    logger.disabled = request.param == "off"
    yield
    logger.setLevel(level)
    logger.disabled = disabled


def send(extra, cookie="", form=None, url="/form/"):
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    if cookie:
        client.cookies["csrftoken"] = cookie
    fields = {
        {"t": "csrfmiddlewaretoken"}.get(k, k): v for k, v in (form or {}).items()
    }
    return client.post(url, fields, **extra)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.usefixtures("logging_of_the_project")
def test_each_check_has_its_constant_reason(outbox, name):
    extra, cookie, form, reason = REFUSED[name]
    response = send(extra, cookie, form)
    assert response.status_code == 403
    [event] = outbox
    assert (event.error_type, event.title) == ("csrf", "CSRF failure on /form/")
    assert b"Your form could not be sent" in response.content
    assert event.fingerprint == fingerprint.fingerprint_for_response(
        "csrf", 403, "/form/", reason
    )


@pytest.mark.parametrize("name", REFUSED)
def test_only_an_origin_of_this_host_shows_a_fault_at_once(outbox, name):
    send(*REFUSED[name][:3])
    is_own = name in {"cookie missing, own", "origin secure", "origin of a port"}
    assert outbox[0].has_own_origin is is_own
    assert outbox[0].is_evidence is is_own or "HTTP_REFERER" in REFUSED[name][0]


def test_whatever_headers_a_client_makes_up_reasons_are_few(outbox):
    words = [f"{a}{b}" for a, b in itertools.product("ghijkl", "mnopqr")]
    for word in words:
        send({"HTTP_ORIGIN": word}, COOKIE)
        send({"HTTP_ORIGIN": f"https://{word}.example"}, COOKIE)
        send({"HTTP_REFERER": f"https://{word}.example/{word}", **SECURE}, COOKIE)
        send({"HTTP_X_CSRFTOKEN": word}, COOKIE)
        send({"HTTP_X_FORWARDED_HOST": word, "HTTP_USER_AGENT": word}, word)
        send({}, COOKIE, {"t": word, word: word}, url=f"/form/?{word}={word}")
    assert len(outbox) == 6 * len(words)
    assert len({event.fingerprint for event in outbox}) == 5
    assert {event.title for event in outbox} == {"CSRF failure on /form/"}


def test_accepted_form_and_other_refusals_are_none(outbox, settings):
    send({}, COOKIE, {"t": COOKIE}, url="/denied/")
    send({}, COOKIE, {"t": COOKIE}, url="/returned/403/")
    Client(enforce_csrf_checks=True).get("/returned/403/")
    Client(enforce_csrf_checks=True).get("/denied/")
    assert [event.error_type for event in outbox] == ["http_4xx"] * 4


def use_urls(settings, **views):
    module = types.ModuleType("urls_of_forms")
    module.urlpatterns = [path(f"{name}/", view) for name, view in views.items()]
    settings.ROOT_URLCONF = module


def test_view_that_is_exempt_and_refuses_is_no_csrf_failure(settings, outbox):
    def refuses(request):
        return HttpResponseForbidden("no")

    def raises(request):
        raise PermissionDenied

    use_urls(settings, refuses=csrf_exempt(refuses), raises=csrf_exempt(raises))
    send({}, url="/refuses/")
    send({}, url="/raises/")
    assert [event.error_type for event in outbox] == ["http_4xx"] * 2


def test_view_that_is_protected_by_a_decorator(settings, outbox):
    settings.MIDDLEWARE = [
        each for each in settings.MIDDLEWARE if "CsrfView" not in each
    ]
    view = csrf_protect(lambda request: HttpResponse("sent"))
    use_urls(settings, protected=view, open=lambda request: HttpResponse(status=403))
    assert send({}, url="/protected/").status_code == 403
    assert send({}, url="/open/").status_code == 403
    assert [event.error_type for event in outbox] == ["csrf", "http_4xx"]


def test_middleware_that_refuses_before_the_check(settings, outbox):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.test_csrf.banned"]
    assert send({"HTTP_X_BANNED": "1"}).status_code == 403
    assert [event.error_type for event in outbox] == ["http_4xx"]


@pytest.mark.parametrize("cookie", ["", COOKIE])
def test_middleware_that_refuses_a_view_before_the_check(settings, outbox, cookie):
    settings.MIDDLEWARE = [
        settings.MIDDLEWARE[0],
        "tests.test_csrf.Bouncer",
        *settings.MIDDLEWARE[1:],
    ]
    assert send({"HTTP_X_BANNED": "1"}, cookie).status_code == 403
    assert [event.error_type for event in outbox] == ["http_4xx"]
    assert outbox[0].status_code == 403


class Bouncer:
    """Refuses before Django checks the form."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request, callback, callback_args, callback_kwargs):
        if "HTTP_X_BANNED" in request.META:
            return HttpResponseForbidden("banned")
        return None


def banned(get_response):
    def middleware(request):
        if "HTTP_X_BANNED" in request.META:
            return HttpResponseForbidden("banned")
        return get_response(request)

    return middleware


def own_page(request, reason=""):
    return HttpResponseBadRequest(f"Bitte laden Sie die Seite neu. {reason}")


def test_failure_view_of_the_project_s_own(settings, outbox):
    settings.CSRF_FAILURE_VIEW = "tests.test_csrf.own_page"
    response = send({"HTTP_ORIGIN": "http://evil.example"})
    assert b"Seite neu" in response.content
    assert (outbox[0].error_type, outbox[0].status_code) == ("csrf", 400)


class Translated(CsrfViewMiddleware):
    """A check of the project's own, with a reason in the visitor's language."""

    def process_view(self, request, callback, callback_args, callback_kwargs):
        if "HTTP_X_FOREIGN" in request.META:
            return self._reject(request, gettext_lazy("Forbidden"))
        return super().process_view(request, callback, callback_args, callback_kwargs)


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_check_of_the_project_s_own_and_its_language(settings, outbox, language):
    settings.LANGUAGE_CODE = language
    settings.MIDDLEWARE = [
        "tests.test_csrf.Translated" if "CsrfView" in each else each
        for each in settings.MIDDLEWARE
    ]
    send({"HTTP_X_FOREIGN": language}, COOKIE, {"t": COOKIE})
    send({})
    assert [event.message for event in outbox] == [
        csrf.OTHER_REASON,
        django_csrf.REASON_NO_CSRF_COOKIE,
    ]


def test_body_that_nobody_parsed_is_not_read(outbox):
    class Untouchable:
        def read(self, *args):
            raise AssertionError("read")

        readline = read

    client = Client(enforce_csrf_checks=True)
    response = client.post(
        "/form/",
        CONTENT_LENGTH="900",
        HTTP_ORIGIN="null",
        **{"wsgi.input": Untouchable()},
    )
    assert (response.status_code, outbox[0].error_type) == (403, "csrf")


def test_trusted_origins_that_change_are_noticed(settings, outbox):
    origin = {"HTTP_ORIGIN": "https://shop.example"}
    assert send(origin, COOKIE, {"t": COOKIE}).status_code == 403
    settings.CSRF_TRUSTED_ORIGINS = ["https://shop.example"]
    assert send(origin, COOKIE, {"t": COOKIE}).status_code == 200
    assert send(origin, COOKIE).status_code == 403
    assert [event.message for event in outbox] == [
        "Origin checking failed - https://shop.example does not match any trusted origins.",
        django_csrf.REASON_CSRF_TOKEN_MISSING,
    ]


def test_under_asgi(outbox):
    client = AsyncClient(enforce_csrf_checks=True)
    asyncio.run(client.post("/form/", headers={"origin": "https://testserver"}))
    assert (outbox[0].error_type, outbox[0].has_own_origin) == ("csrf", True)


@pytest.mark.usefixtures("writer_thread", "logging_of_the_project")
@pytest.mark.parametrize(
    "origin",
    ["https://testserver", "https://testserver:8443", "http://testserver:8080"],
)
def test_proxy_without_trusted_origins_is_one_bug_at_once(origin):
    """The case this was made for: TLS ends at a proxy, and CSRF_TRUSTED_ORIGINS is missing."""
    browser = {
        "HTTP_ORIGIN": origin,
        "HTTP_REFERER": f"{origin}/form/",
        "HTTP_X_FORWARDED_PROTO": "https",
    }
    send(browser, COOKIE, {"t": COOKIE})
    assert error_tracking.flush(10)
    bug = KnownBug.objects.get()
    assert (bug.title, bug.severity) == ("CSRF failure on /form/", "medium")
    for _ in range(5):
        send(browser, COOKIE, {"t": COOKIE})
    assert error_tracking.flush(10)
    bug.refresh_from_db()
    assert (KnownBug.objects.count(), bug.occurrence_count) == (1, 6)


@pytest.mark.usefixtures("writer_thread")
def test_forged_headers_make_no_bug_and_one_group_for_each_reason():
    for number in range(40):
        word = f"{'ghijkl'[number % 6]}{'mnopqrstuv'[number // 6]}"
        address = f"203.0.113.{number}"
        own = {"HTTP_REFERER": "http://testserver/form/", "REMOTE_ADDR": address}
        send({"HTTP_ORIGIN": word, **own}, COOKIE)
        send({"HTTP_ORIGIN": f"http://testserver.{word}", **own}, COOKIE)
    assert error_tracking.flush(20)
    assert list(KnownBug.objects.values_list("title", "fingerprint")) == []
    group = ErrorGroup.objects.get()
    assert (group.times_seen, group.has_evidence) == (80, False)
