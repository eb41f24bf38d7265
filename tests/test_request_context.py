"""A request is read in whatever state it is, and nothing of it is woken."""

from __future__ import annotations

import json
import random
import types

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils.functional import SimpleLazyObject
from django.views.debug import SafeExceptionReporterFilter
from django.views.decorators.debug import sensitive_post_parameters

from error_tracking.capture import request_context as rc
from error_tracking.events.size_budget import CRASH, Share, Size
from error_tracking.scrubbing.scrubber import FILTERED, TRUNCATED


def url_of(request):
    return rc.columns_for(request, Share(CRASH.request))["url"]


def test_body_nobody_read_is_not_read(rf):
    """FAULTS C12."""

    class Untouchable:
        def read(self, *args):
            raise AssertionError("read")

        readline = read

    request = rf.post("/", data={"a": "1"})
    request._stream = Untouchable()
    assert "body" not in rc.context_for(request)


def test_form_the_view_parsed_is_kept(rf):
    request = rf.post("/", data={"a": "1", "b": ["2", "3"], "password": "x"})
    assert request.POST["a"] == "1"
    assert rc.context_for(request)["body"] == {
        "a": "1",
        "b": ["2", "3"],
        "password": FILTERED,
    }


@pytest.mark.parametrize(
    ("names", "expected"),
    [(("a",), {"a": FILTERED, "b": "2"}), ((), {"a": FILTERED, "b": FILTERED})],
)
def test_sensitive_post_parameters_are_honoured(rf, names, expected):
    """FAULTS V06."""
    request = rf.post("/", data={"a": "1", "b": "2"})

    @sensitive_post_parameters(*names)
    def view(request):
        return request.POST["a"]

    view(request)
    assert rc.context_for(request)["body"] == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a": 1, "token": "x"}', {"a": 1, "token": FILTERED}),
        (b"[" * 100_00, rc.FAILED),
        (b"[" + b"1" * 5_000 + b"]", rc.FAILED),
        (b'{"a": 1e400}', {"a": "inf"}),
        (b"not json", rc.FAILED),
        (b'"' + b"x" * rc.JSON_BODY_BYTES + b'"', TRUNCATED),
    ],
    ids=["fine", "deep", "long number", "infinite", "broken", "large"],
)
def test_json_body_that_was_read_is_kept_or_named(rf, body, expected):
    """FAULTS C16."""
    request = rf.post("/", data=body, content_type="application/json")
    assert request.body == body
    assert rc.context_for(request)["body"] == expected


def test_upload_is_its_name_size_and_type(rf):
    """FAULTS C15."""
    upload = SimpleUploadedFile("a\x00.txt", b"content", content_type="text/plain")
    request = rf.post("/", data={"file": upload})
    assert request.FILES
    context = rc.context_for(request)
    assert context["files"] == [
        {
            "field": "file",
            "name": context["files"][0]["name"],
            "size": 7,
            "content_type": "text/plain",
        }
    ]
    assert "content'" not in json.dumps(context)


def lazy(*_):
    raise AssertionError("evaluated")


def test_lazy_user_is_not_evaluated(rf):
    """FAULTS C08, C09."""
    request = rf.get("/")
    request.user = SimpleLazyObject(lazy)
    assert rc.user_for(request) == ("", "")


def test_user_already_there_is_used(rf):
    """FAULTS C08, C09."""
    user = User(pk=7, username="ada")
    request = rf.get("/")
    request.user = SimpleLazyObject(lambda: user)
    assert str(request.user) == "ada"
    assert rc.user_for(request) == ("7", "ada")
    for name in ("_cached_user", "_acached_user"):
        other = rf.get("/")
        other.__dict__[name] = user
        assert rc.user_for(other) == ("7", "ada")


def test_user_of_a_loaded_session_is_used(rf):
    request = rf.get("/")

    class Session:
        _session_cache = {"_auth_user_id": "9"}

    request.session = Session()
    assert rc.user_for(request) == ("9", "")
    request.session = object()
    assert rc.user_for(request) == ("", "")


def test_invalid_host_is_text(rf):
    """FAULTS C07."""
    assert url_of(rf.get("/a/", HTTP_HOST="evil example\n")) == "http://evil example/a/"


@pytest.mark.parametrize("separator", ["&", "&&", "&x&"])
def test_of_many_parameters_the_first_are_kept(rf, settings, separator):
    """FAULTS C13."""
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    query = separator.join(f"a{n}=1" for n in range(300))
    request = rf.get(f"/?{query}", HTTP_ACCEPT="text/html")
    context = rc.context_for(request)
    assert context["query"]["a1"] == "1"
    assert len(context["query"]) > 20
    assert "headers" in context
    assert url_of(request).startswith("http://testserver/?a0=1")


def test_a_parameter_that_comes_again_keeps_each_value(rf):
    request = rf.get("/?id=3&page=1&id=&id=5")
    assert rc.context_for(request)["query"] == {"id": ["3", "", "5"], "page": "1"}
    assert url_of(request) == "http://testserver/?id=3&id=&id=5&page=1"


def test_a_request_that_django_refuses_for_its_parameters_keeps_its_url(outbox):
    query = "&".join(f"a{n}=1" for n in range(1_100))
    Client().get(f"/parameters/?{query}")
    [event] = outbox
    assert (event.status_code, event.route) == (400, "/parameters/")
    assert event.url.startswith("http://testserver/parameters/?a0=1&a1=1")


def test_request_without_anything_is_readable():
    """FAULTS C11."""
    request = HttpRequest()
    assert rc.context_for(request) == {}
    assert rc.user_for(request) == ("", "")
    assert rc.route_for(request) == ""
    assert rc.ip_for(request) == ""


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "1.2.3.4", "9.9.9.9"),
        (1, "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (2, "6.6.6.6, 1.2.3.4, 10.0.0.1", "1.2.3.4"),
        (3, "1.2.3.4", "1.2.3.4"),
        (1, "", "9.9.9.9"),
        (1, " , ,", "9.9.9.9"),
        (1, "6.6.6.6,,1.2.3.4", "1.2.3.4"),
        (1, "6" * 60_000 + ", 1.2.3.4", "1.2.3.4"),
        (1, "6.6.6.6," * 7_000 + "1.2.3.4", "1.2.3.4"),
        (2, "6.6.6.6, " * 7_000 + "1.2.3.4, 10.0.0.1", "1.2.3.4"),
        (2, "6" * 60_000 + ", 1.2.3.4, 10.0.0.1", "1.2.3.4"),
        (1, "6.6.6.6, [2001:db8::7]:4711", "[2001:db8::7]:4711"),
    ],
)
def test_proxies_are_believed_as_far_as_the_setting_says(
    rf, configure, proxies, forwarded, expected
):
    """FAULTS B05."""
    configure(TRUSTED_PROXIES=proxies)
    request = rf.get("/", REMOTE_ADDR="9.9.9.9", HTTP_X_FORWARDED_FOR=forwarded)
    assert rc.client_address(request) == expected


@pytest.mark.parametrize("hops", range(1, 6))
def test_whatever_a_client_writes_it_does_not_choose_its_address(rf, configure, hops):
    configure(TRUSTED_PROXIES=hops)
    longest = "[2001:db8:1111:2222:3333:4444:255.255.255.255%interface-name00]:65535"
    trusted = ["203.0.113.9:1234", *[longest] * (hops - 1)]
    chance = random.Random(hops)
    for _ in range(200):
        forged = "".join(chance.choices("6.,: [x", k=chance.randrange(3_000)))
        header = ", ".join([forged, *trusted])
        request = rf.get("/", HTTP_X_FORWARDED_FOR=header)
        assert rc.client_address(request) == trusted[0], header


SUBSCRIBERS = [
    ["177.139.233.139", "177.139.233.139:17000", "::ffff:177.139.233.139"],
    ["[::ffff:198.51.100.4]:80", "198.51.100.4:1", "::FFFF:c633:6404"],
    ["2001:db8::7", "[2001:db8::7]:443", "2001:DB8:0:0:ffff::1", "[2001:db8::9%eth0]"],
    ["2001:db8:0:1::7", "2001:0db8:0000:0001:0000:0000:0000:0001"],
    ["2002:c000:204::1", "2002:c000:204:ffff::1", "192.0.2.4"],
    ["unknown", " unknown "],
]


def test_one_subscriber_is_one_client_however_its_address_is_written(rf):
    hashes = []
    for addresses in SUBSCRIBERS:
        found = {
            rc.client_hash(rf.get("/", REMOTE_ADDR=address), "", "f")
            for address in addresses
        }
        assert len(found) == 1, addresses
        hashes += found
    assert len(set(hashes)) == len(SUBSCRIBERS)


def test_stored_address_has_no_port(rf, configure):
    configure(IP_ADDRESSES="full")
    assert rc.ip_for(rf.get("/", REMOTE_ADDR="[2001:db8::7]:443")) == "2001:db8::7"
    assert rc.ip_for(rf.get("/", REMOTE_ADDR="::ffff:192.0.2.7")) == "192.0.2.7"
    assert rc.ip_for(rf.get("/", REMOTE_ADDR="unix:/run/socket")) == ""


@pytest.mark.parametrize(
    ("referer", "origin", "is_linked"),
    [
        ("https://x.example/a", None, True),
        ("http://X.example:8443/a", None, True),
        ("https://x.example/a", "https://x.example", True),
        ("https://x.example/a", "null", True),
        ("https://x.example/a", "https://evil.example", False),
        ("https://x.example.evil/a", None, False),
        ("https://x.example@evil.example/a", None, False),
        ("ftp://x.example/a", None, False),
        ("//x.example/a", None, False),
        ("x.example", None, False),
        ("https://[x.example/a", None, False),
        ("", None, False),
    ],
)
def test_link_from_this_host_is_told_from_others(
    rf, settings, referer, origin, is_linked
):
    settings.ALLOWED_HOSTS = ["x.example"]
    headers = {"HTTP_HOST": "x.example", "HTTP_REFERER": referer}
    if origin is not None:
        headers["HTTP_ORIGIN"] = origin
    assert rc.is_linked_from_host(rf.get("/", **headers)) is is_linked


@pytest.mark.parametrize(
    ("origin", "is_own"),
    [
        ("http://x.example", True),
        ("https://x.example", True),
        ("https://X.Example:8443", True),
        ("x.example", False),
        ("null", False),
        ("https://sub.x.example", False),
        ("https://x.example.evil", False),
        ("javascript://x.example", False),
    ],
)
def test_own_origin_may_differ_in_scheme_and_port(rf, settings, origin, is_own):
    settings.ALLOWED_HOSTS = ["x.example"]
    request = rf.post("/", HTTP_HOST="x.example:8000", HTTP_ORIGIN=origin)
    assert rc.is_from_own_origin(request) is is_own


def test_forwarded_host_counts_as_django_s_settings_say(rf, settings):
    settings.ALLOWED_HOSTS = ["x.example", "internal"]
    headers = {
        "HTTP_HOST": "internal:8000",
        "HTTP_X_FORWARDED_HOST": "x.example",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_REFERER": "https://x.example/",
        "HTTP_ORIGIN": "https://x.example",
    }
    assert url_of(rf.get("/a/", **headers)) == "http://internal:8000/a/"
    assert not rc.is_linked_from_host(rf.get("/a/", **headers))
    settings.USE_X_FORWARDED_HOST = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert url_of(rf.get("/a/", **headers)) == "https://x.example/a/"
    assert rc.is_linked_from_host(rf.get("/a/", **headers))
    assert rc.is_from_own_origin(rf.get("/a/", **headers))


def test_host_that_is_not_allowed_is_no_evidence(rf):
    request = rf.get("/", HTTP_HOST="evil.example", HTTP_REFERER="http://evil.example/")
    assert not rc.is_linked_from_host(request)


@pytest.mark.parametrize("prefixes_default", [True, False])
def test_a_bug_is_the_same_in_every_language(settings, outbox, prefixes_default):
    def missing(request, **kwargs):
        return HttpResponse(status=404)

    module = types.ModuleType("urls_in_languages")
    module.urlpatterns = [
        *i18n_patterns(
            path("shop/<int:pk>/", missing), prefix_default_language=prefixes_default
        ),
        path("denmark/", missing),
    ]
    settings.ROOT_URLCONF, settings.LANGUAGES = (
        module,
        [("en", "English"), ("de", "Deutsch")],
    )
    settings.MIDDLEWARE = [
        "error_tracking.middleware.ErrorCaptureMiddleware",
        "django.middleware.locale.LocaleMiddleware",
    ]
    for url in (
        "/en/shop/1/" if prefixes_default else "/shop/1/",
        "/de/shop/2/",
        "/denmark/",
    ):
        Client().get(url)
    assert [event.route for event in outbox] == [
        "/shop/{pk}/",
        "/shop/{pk}/",
        "/denmark/",
    ]
    assert outbox[0].fingerprint == outbox[1].fingerprint


def test_client_hash_differs_per_group_and_client(rf):
    first = rf.get("/", REMOTE_ADDR="9.9.9.9")
    assert rc.client_hash(first, "", "f1") == rc.client_hash(first, "", "f1")
    assert (
        len(
            {
                rc.client_hash(first, "", "f1"),
                rc.client_hash(first, "", "f2"),
                rc.client_hash(first, "7", "f1"),
            }
        )
        == 3
    )


class HidesBasket(SafeExceptionReporterFilter):
    """A project's own filter, which leaves one value out and changes another."""

    def get_post_parameters(self, request):
        shown = request.POST.copy()
        del shown["basket"]
        shown["till"] = "some till"
        return shown


def test_what_the_projects_own_filter_hides_is_hidden(rf):
    request = rf.post("/", data={"basket": "7 eggs", "till": "3", "shop": "north"})
    assert request.POST["till"] == "3"
    request.exception_reporter_filter = HidesBasket()
    assert rc.context_for(request)["body"] == {
        "basket": FILTERED,
        "till": FILTERED,
        "shop": "north",
    }


def test_of_many_fields_of_a_form_the_first_are_kept(rf):
    request = rf.post("/", {f"a{number}": "1" for number in range(rc.FORM_FIELDS + 9)})
    assert request.POST
    body = rc.context_for(request)["body"]
    assert list(body)[-2:] == [f"a{rc.FORM_FIELDS - 1}", "…"]
    assert "9 more fields" in body["…"]


def test_small_share_is_for_the_query_first(rf):
    request = rf.post(
        "/?first=1&second=2&third=" + "x" * 90,
        {"scan": SimpleUploadedFile("scan" * 30, b"x")},
        HTTP_ACCEPT="text/html" * 20,
    )
    assert request.FILES
    context = rc.context_for(request, Share(Size(characters=40, items=9)))
    assert list(context["query"]) == ["first", "second", "…"]
    assert context["headers"]["Accept"] == "… 180 more characters"
    assert "files" not in context
