"""The page comes in whatever order the middleware stands, and whatever else is broken."""

from __future__ import annotations

import gzip
import itertools
import json

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from error_tracking.bugs import known

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
OURS = "error_tracking.middleware.ErrorCaptureMiddleware"
GZIP = "django.middleware.gzip.GZipMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
LOCALE = "django.middleware.locale.LocaleMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
HERE = "tests.test_page_matrix"


def strict_policy(get_response):
    def middleware(request):
        response = get_response(request)
        response.headers.setdefault(
            "Content-Security-Policy", "default-src 'none'; style-src 'self'"
        )
        return response

    return middleware


def broken_session(get_response):
    def middleware(request):
        raise ConnectionError("the session store is away: hunter2secret")

    return middleware


def broken_user(get_response):
    def middleware(request):
        request.user = property(lambda self: 1 / 0)
        raise PermissionError("hunter2secret")

    return middleware


def crash(request):
    raise ValueError("hunter2secret")


def deep(request):
    return deep(request)


def query(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def refused(request):
    return HttpResponse(status=503, headers={"Retry-After": "60"})


def form(request):
    return HttpResponse("sent")


urlpatterns = [
    path("crash/", crash),
    path("deep/", deep),
    path("query/", query),
    path("refused/", refused),
    path("form/", form),
]

ORDERS = {
    "alone": [OURS],
    "gzip outside": [GZIP, OURS],
    "gzip inside": [OURS, GZIP],
    "conditional outside": [CONDITIONAL, OURS],
    "conditional inside": [OURS, CONDITIONAL],
    "policy outside": [f"{HERE}.strict_policy", OURS],
    "policy inside": [OURS, f"{HERE}.strict_policy"],
    "all": [GZIP, CONDITIONAL, f"{HERE}.strict_policy", OURS, LOCALE],
    "broken session": [OURS, f"{HERE}.broken_session"],
    "broken user": [OURS, f"{HERE}.broken_user"],
}
PLACES = {"/crash/": 500, "/deep/": 500, "/refused/": 503, "/none/": 404, "/form/": 403}
ACCEPTS = {
    HTML: "text/html; charset=utf-8",
    "application/json": "application/problem+json",
    "text/plain": "text/plain; charset=utf-8",
}
#: What visitors send and servers keep that no answer may show.
PLANTED = ("hunter2secret", "Traceback", "ValueError", "test_page_matrix")


def ask(place, accept, method="get", **headers):
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    address = f"{place}?token=hunter2secret"
    headers = {"accept": accept, "cookie": "sessionid=hunter2secret", **headers}
    return getattr(client, method)(address, headers=headers)


def body_of(response):
    content = response.content
    if response.get("Content-Encoding") == "gzip":
        content = gzip.decompress(content)
    return content.decode()


@pytest.fixture(autouse=True)
def _site(settings, outbox):
    settings.ROOT_URLCONF = __name__


@pytest.mark.parametrize(
    ("order", "place", "accept"), list(itertools.product(ORDERS, PLACES, ACCEPTS))
)
def test_page_comes_in_every_order(settings, outbox, order, place, accept):
    settings.MIDDLEWARE = [*ORDERS[order], CSRF]
    is_broken = order.startswith("broken")
    method = "post" if place == "/form/" else "get"
    response = ask(place, accept, method, **{"accept-encoding": "gzip"})
    text = body_of(response)
    assert response.status_code == (500 if is_broken else PLACES[place])
    if place == "/refused/" and not is_broken and accept != HTML:
        assert text == ""  # an empty answer is a page for browsers only
        return
    assert response["Content-Type"] == ACCEPTS[accept]
    assert response["Cache-Control"] == "no-store"
    assert not any(planted in text for planted in PLANTED)
    assert outbox[-1].reference in text
    if accept == HTML:
        assert text.count("<h1>") == 1
        nonce = text.partition('nonce="')[2].partition('"')[0]
        policy = response.get("Content-Security-Policy", "")
        assert not policy or f"'nonce-{nonce}'" in policy
    if accept == "application/json":
        assert json.loads(text)["status"] == response.status_code
    if "gzip" not in order and order != "all":
        length = response.get("Content-Length")
        assert length is None or int(length) == len(response.content)


@pytest.mark.parametrize("order", ["gzip inside", "gzip outside"])
def test_known_bug_replaces_the_compressed_page_of_the_project(settings, outbox, order):
    class Urls:
        urlpatterns = globals()["urlpatterns"]

        @staticmethod
        def handler500(request):
            return HttpResponse("our own page " * 100, status=500)

    settings.ROOT_URLCONF = Urls
    settings.MIDDLEWARE = [*ORDERS[order], CSRF]
    encoding = {"accept-encoding": "gzip"}
    own = ask("/crash/", HTML, **encoding)
    assert own["Content-Encoding"] == "gzip"
    assert int(own["Content-Length"]) == len(own.content)
    assert "our own page" in body_of(own)
    state = known.PublicState("B-012", "open")
    known.publish({outbox[-1].fingerprint: state})
    assert "We know about this problem" in body_of(ask("/crash/", HTML, **encoding))


@pytest.mark.parametrize("host", ["evil.example", "a b", "x" * 300, "[::1", ""])
def test_page_comes_for_an_invalid_host(settings, outbox, host):
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
    settings.MIDDLEWARE = [OURS, *settings.MIDDLEWARE]
    response = ask("/crash/", HTML, host=host)
    assert response.status_code in {400, 500}
    assert response.text.count("<h1>") == 1


def test_page_comes_while_the_database_is_away(settings, outbox, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise ConnectionError("no database: hunter2secret")

    monkeypatch.setattr(type(connection), "ensure_connection", refuse, raising=False)
    response = ask("/query/", HTML)
    assert response.status_code == 500
    assert "Something went wrong" in response.text
    assert "hunter2secret" not in response.text


def test_page_comes_while_the_cache_is_away(settings, outbox):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1",
        }
    }
    settings.MIDDLEWARE = [
        OURS,
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    response = ask("/crash/", HTML)
    assert response.status_code == 500
    assert "Something went wrong" in response.text


@pytest.mark.parametrize("language", ["xx", "de", "not a language", ""])
def test_page_comes_in_a_language_without_a_catalog(settings, outbox, language):
    from django.utils import translation

    token = translation.get_language()
    translation.trans_real._active.value = None
    try:
        translation.activate(language or "en")
        response = ask("/crash/", HTML)
    finally:
        translation.activate(token)
    assert response.status_code == 500
    assert response.text.count("<h1>") == 1
