"""Views that answer, fail twelve frames deep, are not there, or refuse."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt


def deep(levels: int) -> None:
    """Raise after *levels* calls, so that there are frames to read."""
    if levels == 0:
        raise ValueError("the benchmark's error")
    deep(levels - 1)


def fine(_request: object) -> HttpResponse:
    """Answer."""
    return HttpResponse(b"fine")


@csrf_exempt
def fail(request: Any) -> None:
    """Read the form, then fail."""
    request.POST.get("field_1")
    deep(9)


def missing(_request: object) -> None:
    """Raise a 404."""
    raise Http404


class RareCrashError(Exception):
    """What the project has to learn of, in the middle of a storm."""


def rare(_request: object) -> None:
    """Fail once."""
    raise RareCrashError("the project's own")


def form(_request: object) -> HttpResponse:
    """Accept a form; without its token it is refused."""
    return HttpResponse(b"sent")


@csrf_exempt
def read(request: Any) -> HttpResponse:
    """Read a form; one with too many fields is refused."""
    return HttpResponse(b"%d" % len(request.POST))


urlpatterns = [
    path("fine", fine),
    path("fail", fail),
    path("missing", missing),
    path("rare", rare),
    path("form", form),
    path("read", read),
]
