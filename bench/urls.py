"""Three views: one that answers, one that fails twelve frames deep, one that is not there."""

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
def fail(request: Any) -> None:  # noqa: ANN401
    """Read the form, then fail."""
    request.POST.get("field_1")
    deep(9)


def missing(_request: object) -> None:
    """Raise a 404."""
    raise Http404


urlpatterns = [path("fine", fine), path("fail", fail), path("missing", missing)]
