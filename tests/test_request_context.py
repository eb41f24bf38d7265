"""A request is read in whatever state it is, and nothing of it is woken."""

from __future__ import annotations

import json
import types

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils.functional import SimpleLazyObject
from django.views.decorators.debug import sensitive_post_parameters

from error_tracking import request_context as rc
from error_tracking.scrubbing import FILTERED, TRUNCATED


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
    assert rc.context_for(request)["body"] == {"a": "1", "b": ["2", "3"], "password": FILTERED}


@pytest.mark.parametrize(
    ("names", "expected"), [(("a",), {"a": FILTERED, "b": "2"}), ((), {"a": FILTERED, "b": FILTERED})]
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
        {"field": "file", "name": context["files"][0]["name"], "size": 7, "content_type": "text/plain"}
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
    assert rc.url_for(rf.get("/a/", HTTP_HOST="evil example\n")) == "http://evil example/a/"


def test_too_many_parameters_cost_the_query_only(rf, settings):
    """FAULTS C13."""
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    request = rf.get("/?" + "&".join(f"a{n}=1" for n in range(300)), HTTP_ACCEPT="text/html")
    context = rc.context_for(request)
    assert context["query"] == rc.FAILED
    assert "headers" in context


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
    ],
)
def test_proxies_are_believed_as_far_as_the_setting_says(rf, configure, proxies, forwarded, expected):
    """FAULTS B05."""
    configure(TRUSTED_PROXIES=proxies)
    request = rf.get("/", REMOTE_ADDR="9.9.9.9", HTTP_X_FORWARDED_FOR=forwarded)
    assert rc.client_address(request) == expected


def test_link_from_this_host_is_told_from_others(rf):
    request = rf.get("/", HTTP_HOST="x.example", HTTP_REFERER="https://x.example/a")
    assert rc.is_linked_from_host(request)
    assert not rc.is_linked_from_host(rf.get("/", HTTP_HOST="x.example", HTTP_REFERER="https://x.example.evil/a"))


@pytest.mark.parametrize("prefixes_default", [True, False])
def test_a_bug_is_the_same_in_every_language(settings, outbox, prefixes_default):
    def missing(request, **kwargs):
        return HttpResponse(status=404)

    module = types.ModuleType("urls_in_languages")
    module.urlpatterns = [
        *i18n_patterns(path("shop/<int:pk>/", missing), prefix_default_language=prefixes_default),
        path("denmark/", missing),
    ]
    settings.ROOT_URLCONF, settings.LANGUAGES = module, [("en", "English"), ("de", "Deutsch")]
    settings.MIDDLEWARE = [
        "error_tracking.middleware.ErrorCaptureMiddleware",
        "django.middleware.locale.LocaleMiddleware",
    ]
    for url in ("/en/shop/1/" if prefixes_default else "/shop/1/", "/de/shop/2/", "/denmark/"):
        Client().get(url)
    assert [event.route for event in outbox] == ["/shop/{pk}/", "/shop/{pk}/", "/denmark/"]
    assert outbox[0].fingerprint == outbox[1].fingerprint


def test_client_hash_differs_per_group_and_client(rf):
    first = rf.get("/", REMOTE_ADDR="9.9.9.9")
    assert rc.client_hash(first, "", "f1") == rc.client_hash(first, "", "f1")
    assert (
        len({rc.client_hash(first, "", "f1"), rc.client_hash(first, "", "f2"), rc.client_hash(first, "7", "f1")}) == 3
    )
