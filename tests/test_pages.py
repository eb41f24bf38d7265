"""The page: always there, in the client's own form, and silent about what went wrong."""

from __future__ import annotations

import gzip
import json
import re

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from django.utils.functional import SimpleLazyObject, empty

from error_tracking.bugs import known
from error_tracking.pages import page, rendering
from tests import urls

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


def get(path="/crash/", **extra):
    return Client(raise_request_exception=False).get(
        path, **{"HTTP_ACCEPT": HTML, **extra}
    )


def make_known(outbox, path="/crash/", **state):
    get(path)
    values = {"bug_id": "B-012", "status": "open", **state}
    known.publish({outbox[-1].fingerprint: known.PublicState(**values)})


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/crash/", 500, "Something went wrong"),
        ("/missing/", 404, "This page is not here"),
        ("/no/such/page/", 404, "This page is not here"),
        ("/denied/", 403, "You cannot see this page"),
        ("/suspicious/", 400, "We could not understand that request"),
    ],
)
def test_bare_page_is_replaced(outbox, path, status, title):
    """FAULTS P08."""
    response = get(path)
    assert response.status_code == status
    assert title in response.text
    assert outbox[0].reference in response.text
    assert response["Cache-Control"] == "no-store"


def test_known_bug_is_told_without_its_number(outbox):
    make_known(outbox, public_message="We are on it until 5 pm")
    text = get().text
    assert "We know about this problem" in text
    assert "We are on it until 5 pm" in text
    assert outbox[-1].reference in text
    assert "B-012" not in text


def test_public_message_stays_on_the_page_in_any_script_and_however_long_its_words(
    outbox,
):
    make_known(outbox, public_message="https://status.example/" + "x" * 200)
    text = get().text
    assert '<p dir="auto">https://status.example/' in text
    assert re.search(
        r"^main \{[^}]*min-width: 0;[^}]*overflow-wrap: anywhere;", text, re.MULTILINE
    )


def test_bug_id_is_shown_by_setting(outbox, configure):
    """FAULTS P10."""
    configure(SHOW_BUG_ID=True)
    make_known(outbox)
    assert "B-012" in get().text
    assert "\n\nBug: B-012\n\n" in get(HTTP_ACCEPT="text/plain").text


def test_public_message_never_becomes_markup(outbox):
    make_known(outbox, public_message="<script>alert(1)</script> %%et-reference%%")
    text = get().text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert text.count(outbox[-1].reference) == 1


@pytest.mark.parametrize(
    "path", ["/returned/404/", "/returned/500/", "/api/503/", "/api/404/"]
)
def test_response_a_view_chose_is_left_alone(outbox, path):
    assert "chosen" in get(path).text


def test_page_says_nothing_of_the_error_or_the_request(outbox):
    """FAULTS P07."""
    text = get("/crash/", HTTP_USER_AGENT="agent-x").text
    assert not any(
        word in text for word in ("pet", "ValueError", "crash", "agent-x", "Traceback")
    )


def test_json_client_gets_problem_details(outbox):
    """FAULTS P05."""
    response = get(HTTP_ACCEPT="application/json")
    assert response["Content-Type"] == "application/problem+json"
    problem = json.loads(response.content)
    assert problem["status"] == 500
    assert problem["reference"] == outbox[0].reference


def test_script_without_accept_header_for_html_gets_json(outbox):
    response = get(HTTP_ACCEPT="*/*", HTTP_X_REQUESTED_WITH="XMLHttpRequest")
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json, text/html;q=0.1", "application/problem+json"),
        ("text/html;q=0, */*", "application/problem+json"),
        ("text/html;q=0.2, text/plain", "text/plain; charset=utf-8"),
        ("application/json;q=0.2, text/html", "text/html; charset=utf-8"),
        ("image/avif, image/webp", "text/plain; charset=utf-8"),
    ],
)
def test_client_gets_what_it_prefers(outbox, accept, kind):
    assert get(HTTP_ACCEPT=accept)["Content-Type"] == kind


def test_status_that_has_no_name_is_an_error(outbox, settings):
    """Proxies such as Cloudflare's have statuses of their own."""

    class Proxy(OwnHandler):
        handler500 = staticmethod(lambda _: HttpResponse(status=520))

    settings.ROOT_URLCONF = Proxy
    make_known(outbox)
    problem = json.loads(get(HTTP_ACCEPT="application/json").content)
    assert (problem["title"], problem["status"]) == ("Error", 520)


def test_htmx_client_gets_a_fragment(outbox):
    text = get(HTTP_HX_REQUEST="true").text
    assert text.lstrip().startswith("<div")
    assert "<html" not in text


def test_text_client_gets_text(outbox):
    response = get(HTTP_ACCEPT="text/plain")
    assert response["Content-Type"].startswith("text/plain")
    assert f"Reference: {outbox[0].reference}" in response.text


def test_public_message_reaches_every_kind_of_client(outbox):
    make_known(outbox, public_message="Pay by <phone>")
    assert (
        json.loads(get(HTTP_ACCEPT="application/json").content)["public_message"]
        == "Pay by <phone>"
    )
    assert "\n\nPay by <phone>\n\nReference: " in get(HTTP_ACCEPT="text/plain").text
    assert "Pay by &lt;phone&gt;" in get(HTTP_HX_REQUEST="true").text


def test_head_request_has_the_headers_of_the_page_and_no_body(outbox):
    """FAULTS P06."""
    head = Client(raise_request_exception=False).head("/crash/", HTTP_ACCEPT=HTML)
    page = get(HTTP_ACCEPT=HTML)
    assert head.content == b""
    for name in ("Cache-Control", "Content-Type", "Vary"):
        assert head[name] == page[name]


def test_pages_can_be_switched_off(outbox, configure):
    configure(ERROR_PAGES=False)
    assert "Server Error (500)" in get().text


def site_500(request):
    response = HttpResponse("<h1>our own page</h1>", status=500)
    response["X-Kept"] = "yes"
    response.set_cookie("kept", "1")
    return response


class OwnHandler:
    urlpatterns = urls.urlpatterns
    handler500 = staticmethod(site_500)


def test_site_s_own_500_page_stays_for_an_unknown_bug(outbox, settings):
    settings.ROOT_URLCONF = OwnHandler
    assert "our own page" in get().text


def test_known_bug_replaces_the_site_s_own_500_page_and_keeps_its_headers(
    outbox, settings
):
    """FAULTS P03."""
    settings.ROOT_URLCONF = OwnHandler
    make_known(outbox)
    response = get()
    assert "We know about this problem" in response.text
    assert response["X-Kept"] == "yes"
    assert response.cookies["kept"].value == "1"


def test_problem_has_the_status_that_the_site_gave_it(outbox, settings):
    class Busy(OwnHandler):
        handler500 = staticmethod(lambda _: HttpResponse(status=503))

    settings.ROOT_URLCONF = Busy
    make_known(outbox)
    response = get(HTTP_ACCEPT="application/json")
    assert (response.status_code, json.loads(response.content)["status"]) == (503, 503)


def test_bare_mode_leaves_the_site_s_own_page_also_for_a_known_bug(
    outbox, settings, configure
):
    configure(ERROR_PAGES="bare")
    settings.ROOT_URLCONF = OwnHandler
    make_known(outbox)
    assert "our own page" in get().text


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/missing/", "The address may be mistyped"),
        ("/denied/", "not for everybody"),
        ("/suspicious/", "Something in the request"),
    ],
)
@pytest.mark.parametrize("accepts", ["text/html", "application/json", "text/plain"])
def test_client_error_has_its_own_page_also_when_one_of_its_kind_is_a_bug(
    outbox, configure, path, words, accepts
):
    """One 404 that is a bug does not make "we know about this problem" true of the others."""
    configure(SHOW_BUG_ID=True)
    fresh = get(path, HTTP_ACCEPT=accepts).text
    make_known(outbox, path, public_message="We are on it")
    text = get(path, HTTP_ACCEPT=accepts).text
    assert words in text
    assert "We are on it" not in text
    assert "B-" not in text
    reference = re.compile(r"[0-9a-f]{10}|et-nonce-\S+|nonce=\S+")
    assert reference.sub("", text) == reference.sub("", fresh)


def test_known_server_error_and_csrf_failure_say_that_they_are_known(outbox):
    make_known(outbox, "/crash/", public_message="We are on it")
    assert "We are on it" in get("/crash/").text
    client = Client(enforce_csrf_checks=True)
    client.post("/form/", headers={"accept": HTML})
    state = known.PublicState("B-013", "open", "Forms are being fixed")
    known.publish({outbox[-1].fingerprint: state})
    response = client.post("/form/", headers={"accept": HTML})
    assert response.status_code == 403
    assert "Forms are being fixed" in response.text


def test_page_speaks_the_request_s_language(outbox, settings):
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.middleware.locale.LocaleMiddleware",
    ]
    assert 'lang="de"' in get(HTTP_ACCEPT_LANGUAGE="de").text
    assert 'lang="fr"' in get(HTTP_ACCEPT_LANGUAGE="fr-ca").text


def test_stale_headers_go(outbox):
    """FAULTS P04."""
    response = page.bare_response()
    response["ETag"] = '"old"'
    response["Content-Length"] = "3"
    page.replace(
        RequestFactory().get("/", HTTP_ACCEPT=HTML), response, None, is_unhandled=True
    )
    assert "ETag" not in response
    assert "Content-Length" not in response
    assert b"Something went wrong" in response.content
    assert b"Reference" not in response.content


@pytest.mark.parametrize(
    "response",
    [
        StreamingHttpResponse([b"x"], status=500),
        HttpResponse(page.FALLBACK, status=500, content_type="application/json"),
        HttpResponse(page.FALLBACK, status=500, headers={"Content-Encoding": "gzip"}),
        HttpResponse(
            gzip.compress(page.FALLBACK.encode())[:-4],
            status=500,
            headers={"Content-Encoding": "gzip"},
        ),
    ],
    ids=["streaming", "json", "gzip", "half of a gzip"],
)
def test_what_cannot_be_replaced_is_left_alone(response):
    """FAULTS P04, P05, P06."""
    before = None if response.streaming else response.content
    page.replace(RequestFactory().get("/"), response, None, is_unhandled=True)
    assert "Cache-Control" not in response
    if before is not None:
        assert response.content == before


def test_nonce_already_given_out_is_on_the_page():
    request = RequestFactory().get("/", HTTP_ACCEPT=HTML)
    request._csp_nonce = "abc123=="
    response = page.bare_response()
    page.replace(request, response, None, is_unhandled=True)
    assert b'nonce="abc123=="' in response.content


def test_nonce_that_a_middleware_around_ours_makes_when_asked_is_asked_for():
    class LazyNonce(SimpleLazyObject):
        """As Django 6 has it: false until it is made, for the policy is written without it then."""

        def __bool__(self):
            return self._wrapped is not empty

    request = RequestFactory().get("/", HTTP_ACCEPT=HTML)
    request._csp_nonce = LazyNonce(lambda: "made-now")
    response = page.bare_response()
    page.replace(request, response, None, is_unhandled=True)
    assert b'<style nonce="made-now">' in response.content
    assert request._csp_nonce


@pytest.mark.parametrize(
    ("policy", "after"),
    [
        (
            "script-src 'none'; style-src 'self'; script-src *; style-src *",
            "script-src 'none'; style-src 'self' {}",
        ),
        (
            "default-src 'none'; img-src 'self'",
            "default-src 'none'; img-src 'self'; style-src {}",
        ),
        (
            "script-src; Style-Src 'self' https:;",
            "script-src; style-src 'self' https: {}",
        ),
        (
            "style-src 'self'; style-src-elem 'none'",
            "style-src 'self'; style-src-elem {}",
        ),
    ],
)
def test_policy_that_is_written_already_allows_the_page_s_style(policy, after):
    response = page.bare_response()
    response["Content-Security-Policy"] = policy
    page.replace(
        RequestFactory().get("/", HTTP_ACCEPT=HTML), response, None, is_unhandled=True
    )
    nonce = re.search(r'<style nonce="([\w-]{16,})">', response.text)[1]
    assert response["Content-Security-Policy"] == after.format(f"'nonce-{nonce}'")


@pytest.mark.parametrize(
    "policy",
    [
        "img-src 'self'",
        "style-src 'unsafe-inline'",
        "default-src 'none', img-src *",
        "",
    ],
)
def test_policy_that_allows_the_style_or_is_not_one_stays(policy):
    response = page.bare_response()
    response["Content-Security-Policy"] = policy
    page.replace(
        RequestFactory().get("/", HTTP_ACCEPT=HTML), response, None, is_unhandled=True
    )
    assert response["Content-Security-Policy"] == policy
    assert '<style nonce="">' in response.text


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_ACCEPT": "application/json"},
        {"HTTP_ACCEPT": "text/plain"},
        {"HTTP_HX_REQUEST": "true"},
    ],
)
def test_policy_of_an_answer_without_a_style_stays(headers):
    response = page.bare_response()
    response["Content-Security-Policy"] = "default-src 'none'"
    page.replace(
        RequestFactory().get("/", **headers), response, None, is_unhandled=True
    )
    assert response["Content-Security-Policy"] == "default-src 'none'"


def test_broken_template_gives_the_fallback(outbox, settings, tmp_path, swallowed):
    """FAULTS P01: the page always comes."""
    folder = tmp_path / "templates" / "error_tracking"
    folder.mkdir(parents=True)
    (folder / "error.html").write_text("{% no_such_tag %}")
    settings.TEMPLATES = [
        {**settings.TEMPLATES[0], "DIRS": [str(tmp_path / "templates")]}
    ]
    response = get()
    assert response.status_code == 500
    assert "Something went wrong" in response.text
    assert len(swallowed) == 1


@pytest.mark.parametrize(
    "templates", [[], [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]]
)
def test_project_without_our_templates_in_its_engines_has_the_page(
    outbox, settings, templates
):
    settings.TEMPLATES = templates
    response = get()
    assert (response.status_code, outbox[0].reference in response.text) == (500, True)
    assert "It has been recorded." in response.text


def test_page_is_rendered_once_per_variant(outbox):
    for _ in range(5):
        get()
    assert rendering._rendered.cache_info().misses == 1


def test_closing_the_replaced_response_closes_what_it_held(kept_connections, outbox):
    """FAULTS P11."""
    closed = []

    class Held:
        def close(self):
            closed.append(True)

    response = page.bare_response()
    response._resource_closers.append(Held().close)
    page.replace(
        RequestFactory().get("/", HTTP_ACCEPT=HTML), response, None, is_unhandled=True
    )
    response.close()
    assert closed == [True]


urlpatterns = [path("", urls.fine)]
