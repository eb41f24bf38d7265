"""What the page says: of each state of a bug, each refusal, in each language, and nothing untrue."""

from __future__ import annotations

import datetime as dt
import email.utils
import itertools
import json
import re
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages import mofile, pofile
from django.http import (
    HttpResponse,
    HttpResponseForbidden,
    HttpResponseGone,
    HttpResponseNotAllowed,
)
from django.test import Client, RequestFactory
from django.urls import path
from django.utils import timezone, translation

from error_tracking.bugs import known
from error_tracking.pages import (
    page,
    policy,
    preview,
    rendering,
    site,
    situation,
    templates,
    times,
)

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
LOCALES = Path(rendering.__file__).parent.parent / "locale"
SHIPPED = ("de", "fr", "es")


def get(path="/crash/", method="get", **extra):
    client = Client(raise_request_exception=False)
    return getattr(client, method)(path, **{"HTTP_ACCEPT": HTML, **extra})


def publish(outbox, **state):
    values = {"bug_id": "B-012", "status": "open", **state}
    known.publish({outbox[-1].fingerprint: known.PublicState(**values)})


class TestStateOfTheBug:
    def test_open_bug_says_since_when_and_not_that_somebody_works_on_it(self, outbox):
        get()
        since = timezone.now() - dt.timedelta(days=2)
        publish(outbox, since=since.timestamp())
        text = get().text
        weekday = timezone.localtime(since).strftime("%A")
        assert "We know about this problem" in text
        assert f"It has been happening since {weekday}, " in text
        assert "working on it" not in text

    def test_muted_bug_is_known_and_nobody_works_on_it(self, outbox):
        get()
        publish(outbox, status="muted")
        assert "We know about this problem" in get().text
        assert "working" not in get().text.replace("not working", "")

    def test_bug_in_progress_says_since_when(self, outbox):
        get()
        publish(outbox, status="in_progress", in_progress_since=1_700_000_000.0)
        text = get().text
        assert "We are working on this" in text
        assert "working on it since Nov. 14, 2023" in text

    @pytest.mark.parametrize(
        ("resolved_in", "runs", "title"),
        [
            ("2.0", "1.9", "This is fixed and on its way"),
            ("2.0", "2.0", "Something went wrong"),
            ("", "1.9", "Something went wrong"),
        ],
    )
    def test_resolved_bug_is_on_its_way_only_to_another_release(
        self, outbox, configure, resolved_in, runs, title
    ):
        configure(RELEASE=runs)
        get()
        publish(outbox, status="resolved", resolved_in_release=resolved_in)
        assert f"<h1>{title}</h1>" in get().text

    def test_workaround_and_link_are_shown_and_never_become_a_script(self, outbox):
        get()
        publish(outbox, workaround="Pay by <phone>", link="https://status.example/1")
        text = get().text
        assert "Pay by &lt;phone&gt;" in text
        assert '<a href="https://status.example/1"' in text
        publish(outbox, link="javascript:alert(1)")
        assert "javascript" not in get().text

    def test_page_promises_no_recording_where_nothing_was_recorded(self, configure):
        response = page.bare_response()
        request = RequestFactory().get("/", HTTP_ACCEPT=HTML)
        page.replace(request, response, None, is_unhandled=True)
        assert "recorded" not in response.text

    def test_state_reaches_programs(self, outbox):
        get()
        publish(outbox, since=1_700_000_000.0, workaround="Call us")
        problem = json.loads(get(HTTP_ACCEPT="application/json").content)
        assert problem["title"] == "Internal Server Error"
        assert problem["state"] == "open"
        assert problem["since"] == "2023-11-14T22:13:20+00:00"
        assert problem["workaround"] == "Call us"
        assert "Nov. 14, 2023" in problem["detail"]


def empty(status, **headers):
    return lambda request: HttpResponse(status=status, headers=headers)


def only_get(request):
    return HttpResponseNotAllowed(["GET"])


urlpatterns = [
    path("gone/", lambda request: HttpResponseGone()),
    path("busy/", empty(503, **{"Retry-After": "120"})),
    path("busy/later/", empty(503, **{"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"})),
    path("busy/never/", empty(503, **{"Retry-After": "soon"})),
    path("slow/", empty(429, **{"Retry-After": "30"})),
    path("teapot/", empty(418)),
    path("gateway/", empty(502)),
    path("login/", empty(401, **{"WWW-Authenticate": "Basic"})),
    path("api/", empty(404, **{"Content-Type": "application/octet-stream"})),
    path("post/", only_get),
    path("crash/", lambda request: 1 / 0),
    path("forbidden/", lambda request: HttpResponseForbidden()),
]


class TestRefusals:
    @pytest.fixture(autouse=True)
    def _urls(self, settings, outbox):
        settings.ROOT_URLCONF = __name__

    @pytest.mark.parametrize(
        ("path", "status", "title"),
        [
            ("/gone/", 410, "This page is gone"),
            ("/busy/", 503, "Back soon"),
            ("/slow/", 429, "Too many requests"),
            ("/teapot/", 418, "We could not understand that request"),
            ("/gateway/", 502, "Something went wrong"),
            ("/login/", 401, "Please log in"),
            ("/post/", 405, "This address does not accept that"),
            ("/forbidden/", 403, "You cannot see this page"),
        ],
    )
    def test_empty_answer_gets_a_page(self, path, status, title):
        response = get(path)
        assert response.status_code == status
        assert f"<h1>{title}</h1>" in response.text
        assert f'<p class="status">{status}</p>' in response.text

    @pytest.mark.parametrize(
        "accept", ["*/*", "application/json", "", "image/png", "text/html;q=0"]
    )
    @pytest.mark.parametrize("path", ["/gone/", "/busy/", "/post/", "/teapot/"])
    def test_empty_answer_stays_for_a_program(self, path, accept):
        assert get(path, HTTP_ACCEPT=accept).content == b""

    def test_empty_answer_with_a_type_of_its_own_stays(self):
        assert get("/api/").content == b""
        assert get("/gone/", method="head").content == b""

    def test_headers_of_the_refusal_stay(self):
        assert get("/post/")["Allow"] == "GET"
        assert get("/busy/")["Retry-After"] == "120"
        assert get("/login/")["WWW-Authenticate"] == "Basic"

    def test_retry_after_is_shown_as_a_time_with_its_zone(self, settings):
        settings.TIME_ZONE = "Europe/Berlin"
        for address, words in (
            ("/busy/", "We expect to be back at"),
            ("/slow/", "Please wait until"),
        ):
            text = get(address).text
            assert re.search(
                rf"{words} [\d:]+( [ap]\.m\.)? CES?T \(\d\xa0minutes?\)\.", text
            )
        assert "Oct. 21, 2099" in get("/busy/later/").text or (
            "in a few minutes" in get("/busy/later/").text
        )
        assert "Please try again in a few minutes." in get("/busy/never/").text

    def test_retry_after_of_an_unknown_zone_is_in_utc(self):
        moment = timezone.now().replace(microsecond=0) + dt.timedelta(minutes=5)
        value = email.utils.format_datetime(moment.replace(tzinfo=None))
        assert value.endswith("-0000")
        assert situation._retry_time(value) == moment

    @pytest.mark.parametrize(
        "value",
        [
            "-1",
            "0",
            "1e9",
            "9" * 30,
            "x" * 10_000,
            "Wed, 21 Oct 1999 07:28:00 GMT",
            "٣",
        ],
    )
    def test_retry_after_that_says_nothing_is_left_out(self, value):
        assert situation._retry_time(value) is None or (
            situation._retry_time(value) <= timezone.now() + situation.LONGEST_WAIT
        )


class TestWhatWasSent:
    @pytest.mark.parametrize(
        ("path", "method", "words"),
        [
            ("/crash/", "post", "We cannot tell whether what you sent was processed."),
            ("/post/", "post", "What you sent was not processed."),
            ("/no/such/", "post", "What you sent was not processed."),
            ("/busy/", "post", "We cannot tell"),
            ("/crash/", "get", ""),
        ],
    )
    def test_page_says_what_it_can_of_what_was_sent(
        self, settings, outbox, path, method, words
    ):
        settings.ROOT_URLCONF = __name__
        text = get(path, method).text
        assert words in text
        assert ("processed" in text) == bool(words)

    def test_refused_form_was_not_processed(self, outbox):
        client = Client(enforce_csrf_checks=True)
        text = client.post("/form/", headers={"accept": HTML}).text
        assert "What you sent was not processed." in text
        assert "reload the page" in text

    @pytest.mark.parametrize("state", ["open", "in_progress", "resolved"])
    @pytest.mark.parametrize("accept", [HTML, "text/plain"])
    def test_refused_form_keeps_its_title_when_its_bug_is_known(
        self, outbox, state, accept
    ):
        """What helps the visitor is how to send it, not that it happens to others."""
        client = Client(enforce_csrf_checks=True)
        client.post("/form/", headers={"accept": accept})
        public = known.PublicState("B-012", state, resolved_in_release="2.0")
        known.publish({outbox[-1].fingerprint: public})
        text = client.post("/form/", headers={"accept": accept}).text
        titles = {
            HTML: "<h1>Your form could not be sent</h1>",
            "text/plain": "Your form could not be sent\n",
        }
        assert titles[accept] in text
        assert "What you sent was not processed." in text
        assert "Go back: what you typed is usually still there." in text

    def test_too_much_data_names_the_limit(self, settings, outbox):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2_000
        client = Client(raise_request_exception=False)
        response = client.post("/pay/", {"a": "b" * 3_000}, headers={"accept": HTML})
        assert response.status_code == 400
        assert "<h1>That is too large</h1>" in response.text
        assert "The limit is 2.0\xa0KB." in response.text

    @pytest.mark.parametrize(
        ("size", "content_type", "is_too_large"),
        [
            (3_000, "application/x-www-form-urlencoded", True),
            (3_000, "text/plain", False),
            (10, "application/x-www-form-urlencoded", False),
        ],
    )
    def test_form_that_is_too_large_for_the_csrf_check_was_not_processed(
        self, settings, outbox, size, content_type, is_too_large
    ):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2_000
        client = Client(raise_request_exception=False, enforce_csrf_checks=True)
        client.cookies[settings.CSRF_COOKIE_NAME] = "a" * 32
        response = client.post(
            "/form/", "a=" + "b" * size, content_type, headers={"accept": HTML}
        )
        assert ("<h1>That is too large</h1>" in response.text) == is_too_large
        assert "What you sent was not processed." in response.text
        assert response.status_code == (400 if is_too_large else 403)


class TestLinks:
    def test_dead_link_of_this_site_is_our_mistake(self, outbox):
        own = get("/no/such/", HTTP_REFERER="http://testserver/shop/").text
        other = get("/no/such/", HTTP_REFERER="http://other.example/").text
        assert "the mistake is ours" in own
        assert "the mistake is ours" not in other

    def test_session_decides_whether_logging_in_may_help(self, outbox, settings):
        assert "You may need to log in." in get("/denied/").text
        client = Client(raise_request_exception=False)
        client.cookies[settings.SESSION_COOKIE_NAME] = "anything"
        text = client.get("/denied/", HTTP_ACCEPT=HTML).text
        assert "Your account may not have access" in text


class TestModes:
    @pytest.fixture
    def own_page(self, settings, outbox):
        settings.ROOT_URLCONF = "tests.urls"
        from tests import urls

        class Urls:
            urlpatterns = urls.urlpatterns

            @staticmethod
            def handler500(request):
                return HttpResponse("our own page", status=500)

        settings.ROOT_URLCONF = Urls

    @pytest.mark.parametrize(
        ("mode", "unknown_is_ours", "known_is_ours"),
        [
            (True, False, True),
            ("known", False, True),
            ("all", True, True),
            ("bare", False, False),
            (False, False, False),
        ],
    )
    def test_mode_decides_about_the_projects_own_page(
        self, own_page, outbox, configure, mode, unknown_is_ours, known_is_ours
    ):
        configure(ERROR_PAGES=mode)
        assert ("our own page" not in get().text) == unknown_is_ours
        publish(outbox)
        assert ("our own page" not in get().text) == known_is_ours

    def test_page_a_view_chose_stays_also_with_all(self, configure, outbox):
        configure(ERROR_PAGES="all")
        assert "chosen" in get("/returned/500/").text
        assert "chosen" in get("/returned/404/").text


class TestForm:
    def test_vary_names_what_decided(self, outbox):
        assert {"Accept", "HX-Request"} <= set(get()["Vary"].split(", "))

    def test_htmx_gets_a_fragment_that_says_where_it_belongs(self, outbox):
        response = get(HTTP_HX_REQUEST="true")
        assert response["HX-Retarget"] == "body"
        assert response["HX-Reswap"] == "beforeend"
        assert json.loads(response["HX-Trigger"]) == {"error-tracking": {}}
        assert "<h2>" in response.text
        assert "<h1>" not in response.text
        assert 'role="alert"' in response.text

    def test_boosted_link_gets_the_whole_page(self, outbox):
        response = get(HTTP_HX_REQUEST="true", HTTP_HX_BOOSTED="true")
        assert response.text.startswith("<!doctype html>")
        assert "HX-Retarget" not in response

    @pytest.mark.parametrize(
        ("accept", "content_type"),
        [
            ("application/problem+json", "application/problem+json"),
            ("application/*", "application/problem+json"),
            ("text/*;q=0.5, application/json", "application/problem+json"),
            ("text/plain, text/html;q=0.9", "text/plain; charset=utf-8"),
        ],
    )
    def test_quality_decides(self, outbox, accept, content_type):
        assert get(HTTP_ACCEPT=accept)["Content-Type"] == content_type


class TestPolicy:
    @pytest.mark.parametrize(
        "names", [["django.middleware.csp.ContentSecurityPolicyMiddleware"], ["csp.X"]]
    )
    def test_page_brings_a_policy_where_a_middleware_around_it_writes_one(
        self, settings, names
    ):
        settings.MIDDLEWARE = [*names, *settings.MIDDLEWARE]
        rendering.forget()
        response = page.bare_response()
        request = RequestFactory().get("/", HTTP_ACCEPT=HTML)
        page.replace(request, response, None, is_unhandled=True)
        nonce = re.search(r'<style nonce="([\w-]{16,})">', response.text)[1]
        assert f"'nonce-{nonce}'" in response[policy.HEADER]
        assert "default-src 'self'" in response[policy.HEADER]

    def test_constant_page_allows_its_own_style(self):
        response = page.bare_response()
        assert "'sha256-" in response[policy.HEADER]


class TestSite:
    def test_page_shows_whose_site_it_is(self, outbox, configure, tmp_path):
        (tmp_path / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
        configure(
            SITE={
                "name": "Acme <Shop>",
                "logo": "logo.svg",
                "color": "#ffdd00",
                "home": "/de/",
                "support": "mailto:help@acme.example",
                "search": "/search/",
            }
        )
        text = get("/no/such/").text
        assert "Acme &lt;Shop&gt;" in text
        assert 'src="data:image/svg+xml;base64,' in text
        assert 'href="/de/"' in text
        assert 'href="mailto:help@acme.example"' in text
        assert 'href="/search/"' in text
        assert "/search/" not in get("/crash/").text

    @pytest.mark.parametrize("name", ["missing.svg", "logo.txt", "big.png"])
    def test_logo_that_cannot_be_used_is_left_out(
        self, outbox, configure, tmp_path, name, caplog
    ):
        (tmp_path / "logo.txt").write_text("no picture")
        (tmp_path / "big.png").write_bytes(b"x" * (site.LOGO_BYTES + 1))
        configure(SITE={"logo": name})
        assert "<img" not in get().text
        assert "logo" in caplog.text

    @pytest.mark.parametrize("background", [site.LIGHT_CARD, site.DARK_CARD])
    @pytest.mark.parametrize(
        "color",
        [f"#{a}{b}{c}" for a, b, c in itertools.product(("00", "7f", "ff"), repeat=3)],
    )
    def test_every_color_can_be_read(self, color, background):
        found = site.readable(color, background)
        behind = site._rgb(background)
        assert site._contrast(site._rgb(found), behind) >= site.LEAST_CONTRAST - 0.05


class TestLanguage:
    @pytest.mark.parametrize(
        ("active", "language", "words"),
        [
            ("de", "de", "Etwas ist schiefgelaufen"),
            ("de-at", "de", "Etwas ist schiefgelaufen"),
            ("fr", "fr", "Une erreur est survenue"),
            ("es-mx", "es", "Algo ha ido mal"),
            ("en-gb", "en", "Something went wrong"),
            ("ar", "en", "Something went wrong"),
            ("ja", "en", "Something went wrong"),
        ],
    )
    def test_lang_is_that_of_the_words(self, active, language, words):
        text = preview.page_for("new", active)
        assert f'<html lang="{language}">' in text
        assert f"<h1>{words}</h1>" in text

    def test_language_of_the_project_is_named_where_its_words_are_used(self, settings):
        settings.LANGUAGE_CODE = "de"
        translation.trans_real._translations.clear()
        try:
            text = preview.page_for("new", "ar")
        finally:
            translation.trans_real._translations.clear()
        assert '<html lang="de">' in text
        assert "Etwas ist schiefgelaufen" in text

    def test_times_are_in_the_language_of_the_words(self):
        text = preview.page_for("in_progress", "ar")
        sentence = re.search("working on it since ([^<]*)", text)[1]
        assert sentence.isascii()

    @pytest.mark.parametrize(
        ("code", "attributes"),
        [
            ("ar", 'lang="ar" dir="rtl"'),
            ("", 'lang="ar" dir="rtl"'),  # the name of the language is not translated
            ("tlh", 'lang="en"'),  # or to one that Django does not know
        ],
    )
    def test_translation_of_the_project_is_used_from_right_to_left(
        self, settings, tmp_path, code, attributes
    ):
        folder = tmp_path / "locale" / "ar" / "LC_MESSAGES"
        folder.mkdir(parents=True)
        source = (LOCALES / "de" / "LC_MESSAGES" / "django.po").read_bytes()
        catalog = pofile.read_po(iter(source.splitlines(keepends=True)))
        for message in catalog:
            if message.context:
                message.string = code
            elif message.id == "Something went wrong":
                message.string = "حدث خطأ ما"
        with (folder / "django.mo").open("wb") as file:
            mofile.write_mo(file, catalog)
        settings.LOCALE_PATHS = [str(tmp_path / "locale")]
        translation.trans_real._translations.clear()
        try:
            text = preview.page_for("new", "ar")
        finally:
            translation.trans_real._translations.clear()
        assert f"<html {attributes}>" in text
        assert "حدث خطأ ما" in text

    def test_pages_work_without_translations(self, settings):
        settings.USE_I18N = False
        translation._trans.__dict__.clear()
        try:
            text = preview.page_for("404", "en")
        finally:
            settings.USE_I18N = True
            translation._trans.__dict__.clear()
        assert "This page is not here" in text

    @pytest.mark.parametrize("language", SHIPPED)
    def test_every_word_is_translated_and_the_compiled_catalog_is_current(
        self, language
    ):
        folder = LOCALES / language / "LC_MESSAGES"
        source = (folder / "django.po").read_bytes()
        catalog = pofile.read_po(iter(source.splitlines(keepends=True)))
        with (folder / "django.mo").open("rb") as file:
            compiled = GNUTranslations(file)
        for message in catalog:
            if not message.id or isinstance(message.id, tuple):
                continue
            assert message.string, message.id
            found = (
                compiled.pgettext(message.context, message.id)
                if message.context
                else compiled.gettext(message.id)
            )
            assert found == message.string
        english = preview_texts("en")
        theirs = preview_texts(language)
        same = english & theirs
        assert same <= {"Payments by card fail at the moment.", "B-012"} | {
            text for text in same if not re.search("[a-zA-Z]{4}", text)
        }


def preview_texts(language):
    """Return every sentence of every example in *language*."""
    found = set()
    for name in preview.NAMES:
        text = preview.page_for(name, language)
        main = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
        main = main.partition("<main>")[2]
        without_bug = re.sub(r'<p dir="auto">.*?</p>', "", main)
        for piece in re.findall(r">([^<>]+)<", without_bug):
            found.update(part.strip() for part in re.split(r"(?<=\.) ", piece))
    return {piece for piece in found if piece and piece != preview.REFERENCE}


class TestTimes:
    @pytest.mark.parametrize(
        ("age", "expected"),
        [
            (dt.timedelta(minutes=5), r"^[\d:]+( [ap]\.m)?$|^noon$|^midnight$|day, "),
            (dt.timedelta(days=3), r"^\w+day, "),
            (dt.timedelta(days=9), r"^\w+\.? \d+, \d{4}$"),
        ],
    )
    def test_since(self, age, expected):
        moment = timezone.now() - age
        assert re.search(expected, times.since(moment.timestamp(), "en"))

    def test_until_rounds_up_and_never_promises_too_early(self):
        moment = timezone.now() + dt.timedelta(seconds=61)
        assert "2\xa0minutes" in times.until(moment, "en")

    @pytest.mark.parametrize(
        ("moment", "expected"),
        [
            ((1, 22, 0), "10 p.m. UTC (2\xa0hours)"),
            ((1, 22, 0, 1), "10:01 p.m. UTC (2\xa0hours)"),
            ((2, 6, 30), "May 2, 2026, 6:30 a.m. UTC (10\xa0hours)"),
        ],
    )
    def test_until_names_the_day_if_it_is_another_one(
        self, monkeypatch, moment, expected
    ):
        now = dt.datetime(2026, 5, 1, 20, tzinfo=dt.UTC)
        monkeypatch.setattr(timezone, "now", lambda: now)
        with timezone.override(dt.UTC):
            moment = dt.datetime(2026, 5, *moment, tzinfo=dt.UTC)
            assert times.until(moment, "en") == expected


class TestNothingBreaksIt:
    @pytest.mark.parametrize(
        "broken",
        ["{% nonsense %}", "{{ title.boom }}{% include 'none' %}", "{% extends 'x' %}"],
    )
    def test_template_of_the_project_that_fails_gives_way_to_ours(
        self, outbox, settings, tmp_path, swallowed, broken
    ):
        folder = tmp_path / "templates" / "error_tracking"
        folder.mkdir(parents=True)
        (folder / "error.html").write_text(broken)
        settings.TEMPLATES = [
            {**settings.TEMPLATES[0], "DIRS": [str(tmp_path / "templates")]}
        ]
        response = get()
        assert response.status_code == 500
        assert outbox[0].reference in response.text
        assert 'class="links"' in response.text
        assert len(swallowed) == 1
        assert templates.problem().startswith(f"{templates.PAGE}: ")

    def test_constant_page_is_left_when_all_else_fails(
        self, outbox, monkeypatch, swallowed
    ):
        def broken(*_args):
            raise RecursionError

        monkeypatch.setattr(rendering, "words_for", broken)
        response = get()
        assert response.content == rendering.FALLBACK.encode()
        assert response.status_code == 500

    @pytest.mark.parametrize("name", preview.NAMES)
    @pytest.mark.parametrize("language", ["en", *SHIPPED, "ar"])
    def test_every_page_is_whole(self, name, language):
        text = preview.page_for(name, language, nonce="abc")
        assert text.startswith("<!doctype html>")
        assert text.rstrip().endswith("</html>")
        assert "%%et-" not in text
        assert "%(" not in text
        assert preview.REFERENCE in text
        assert text.count("<h1>") == 1

    @pytest.mark.parametrize("name", preview.NAMES)
    @pytest.mark.parametrize(
        "form", [rendering.FRAGMENT, rendering.JSON, rendering.TEXT]
    )
    def test_every_other_form_is_whole(self, name, form):
        text = preview.page_for(name, "en", form=form)
        assert "%%et-" not in text
        assert preview.REFERENCE in text
        if form == rendering.JSON:
            assert json.loads(text)["reference"] == preview.REFERENCE


@pytest.mark.parametrize("state", ["new", "open", "in_progress", "resolved"])
def test_form_that_may_have_been_processed_is_not_simply_tried_again(state):
    known = preview.example("open" if state == "new" else state)
    situation = known._replace(state=state, processed="unknown")
    text = rendering.text_for(situation, rendering.TEXT)
    assert "check before you send it again" in text
    assert "not processed, send it again" in text
    assert "try again" not in text


ACCEPTS = (HTML, "application/json", "text/plain", "*/*", "")
METHODS = ("get", "post", "put", "delete")
PLACES = ("/crash/", "/no/such/", "/denied/", "/suspicious/")
SECRET = "hunter2secret"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize("is_known", [False, True])
def test_no_answer_shows_anything_of_the_request(
    outbox, place, method, accept, is_known
):
    def ask():
        return get(
            f"{place}?password={SECRET}",
            method,
            HTTP_ACCEPT=accept,
            HTTP_X_SECRET=SECRET,
            HTTP_COOKIE=f"sessionid={SECRET}",
        )

    status = ask().status_code
    if is_known:
        publish(outbox)
    response = ask()
    assert response.status_code == status
    assert response["Cache-Control"] == "no-store"
    text = response.text
    assert SECRET not in text
    assert not any(
        word in text for word in ("the pet is gone", "tampered", "Traceback")
    )
    assert outbox[-1].reference in text


@pytest.mark.django_db
class TestPreview:
    def test_staff_see_the_list_and_every_page(self, admin_client, settings):
        settings.ROOT_URLCONF = "tests.admin_urls"
        text = admin_client.get("/errors/pages/").text
        for name in preview.NAMES:
            assert f"?page={name}&amp;language=en" in text
        shown = admin_client.get("/errors/pages/?page=404&language=de")
        assert (shown.status_code, "Diese Seite gibt es hier nicht" in shown.text) == (
            200,
            True,
        )

    @pytest.mark.parametrize(
        ("code", "shown"), [("en-us", "en"), ("de-at", "de"), ("tlh", "af")]
    )
    def test_current_language_is_chosen_where_the_site_lists_it_without_its_country(
        self, admin_client, settings, code, shown
    ):
        """As in a new project: LANGUAGE_CODE is en-us, and LANGUAGES have en."""
        settings.ROOT_URLCONF = "tests.admin_urls"
        settings.LANGUAGES = [("af", "Afrikaans"), ("de", "German"), ("en", "English")]
        with translation.override(code):
            assert preview.current_language() == shown

    def test_nobody_else_does(self, client, settings):
        settings.ROOT_URLCONF = "tests.admin_urls"
        assert client.get("/errors/pages/?page=404").status_code == 302
