"""Exceptions that something other than Django answers: middleware, REST framework, ninja, GraphQL."""

from __future__ import annotations

import pytest
from django.http import HttpResponseRedirect, JsonResponse
from django.test import Client
from django.urls import path

from error_tracking.events.event import CLIENT_ERROR, EXCEPTION


def fail(request):
    raise LookupError("no such basket")


def refuse(request):
    from django.http import Http404

    raise Http404("nothing")


def leave(request):
    raise SystemExit(int(request.GET.get("code", "1")))


class Answering:
    """A middleware of a project that answers every exception of a view."""

    status = 500

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, exception):
        if self.status in {301, 302}:
            return HttpResponseRedirect("/")
        return JsonResponse({"ok": False}, status=self.status)


def answering(status):
    return type("AnsweringMiddleware", (Answering,), {"status": status})


urlpatterns = [
    path("fail/", fail),
    path("refuse/", refuse),
    path("leave/", leave),
]

OURS = "error_tracking.middleware.ErrorCaptureMiddleware"


@pytest.fixture
def answered_with(settings, monkeypatch, outbox):
    """A function that requests *url* of a site whose middleware answers with *status*."""
    settings.ROOT_URLCONF = __name__

    def ask(status, url="/fail/"):
        monkeypatch.setattr(f"{__name__}.chosen", answering(status), raising=False)
        settings.MIDDLEWARE = [OURS, f"{__name__}.chosen"]
        return Client(raise_request_exception=False).get(url)

    return ask


@pytest.mark.parametrize("status", [500, 502, 503])
def test_exception_that_a_middleware_answers_is_known(answered_with, outbox, status):
    assert answered_with(status).status_code == status
    [event] = outbox
    assert (event.error_type, event.status_code) == (EXCEPTION, status)
    assert event.title == "LookupError in tests.test_answered.fail"
    assert event.exceptions[0].frames[-1].function == "fail"


def test_exception_answered_as_a_refusal_is_a_refused_request(answered_with, outbox):
    answered_with(400)
    [event] = outbox
    assert event.error_type == CLIENT_ERROR
    assert event.exceptions[0].type == "LookupError"


def test_exception_in_an_envelope_is_an_error(answered_with, outbox):
    answered_with(200)
    [event] = outbox
    assert (event.error_type, event.level, event.handled) == (EXCEPTION, "error", True)


def test_exception_answered_by_a_redirect_is_a_warning(answered_with, outbox):
    answered_with(302)
    [event] = outbox
    assert event.level == "warning"


def test_refusal_in_an_envelope_is_no_error(answered_with, outbox):
    answered_with(200, "/refuse/")
    assert not outbox


def test_exit_in_a_view_is_captured_and_goes_on(answered_with, outbox):
    with pytest.raises(SystemExit):
        answered_with(500, "/leave/")
    [event] = outbox
    assert event.title == "SystemExit in tests.test_answered.leave"
    assert event.status_code == 500


def test_orderly_exit_is_no_error(answered_with, outbox):
    with pytest.raises(SystemExit):
        answered_with(500, "/leave/?code=0")
    assert not outbox
