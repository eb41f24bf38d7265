"""Where harmless texts stand."""

from __future__ import annotations

import logging

from django.http import HttpResponse
from django.urls import path

from bench.secrets.planting import given, tracker, urlpatterns

log = logging.getLogger("shop")
PLACES = ("message", "local", "log", "breadcrumb")


def message(request):
    raise LookupError(given())


def local(request):
    text = given()
    raise LookupError(type(text))


def logged(request):
    log.error("%s", given())
    return HttpResponse("fine")


def breadcrumb(request):
    tracker.breadcrumb(given(), {})
    raise LookupError("after a breadcrumb")


urlpatterns += [
    path("harmless/message/", message),
    path("harmless/local/", local),
    path("harmless/log/", logged),
    path("harmless/breadcrumb/", breadcrumb),
]
