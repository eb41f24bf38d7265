"""Views that fail in the way the search for expensive requests asks for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SuspiciousOperation
from django.db import IntegrityError
from django.http import Http404, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest


class Plan:
    """
    What the next request fails with.

    Attributes:
        fail: Makes an exception and raises it.
        make: Makes a local variable of the view.

    """

    fail: Callable[[], None] = staticmethod(lambda: None)
    make: Callable[[], object] = staticmethod(lambda: None)


def _read(request: HttpRequest) -> None:
    """Read the body as a project would."""
    if request.content_type == "application/json":
        try:
            json.loads(request.body)
        except ValueError:
            pass
    elif request.method == "POST":
        len(request.POST)


@csrf_exempt
def crash(request: HttpRequest, rest: str = "") -> None:
    """Fail with what the plan says."""
    variable = Plan.make()  # noqa: F841  it is what is captured
    _read(request)
    Plan.fail()


@csrf_exempt
def refuse(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Refuse the request after it was read."""
    _read(request)
    return HttpResponse(status=400)


@csrf_exempt
def suspect(request: HttpRequest, rest: str = "") -> None:
    """Refuse the request with an exception that has a text of the client."""
    variable = Plan.make()
    _read(request)
    raise SuspiciousOperation(variable)


def form(request: HttpRequest) -> HttpResponse:
    """Accept a form; without its token it is refused."""
    return HttpResponse("sent")


def missing(request: HttpRequest, rest: str = "") -> None:
    """Answer that there is nothing."""
    raise Http404(rest)


urlpatterns = [
    path("crash", crash),
    path("crash/<path:rest>", crash),
    path("refuse", refuse),
    path("suspect", suspect),
    path("form", form),
    path("missing/<path:rest>", missing),
]


def failing(kind: str, text: str, count: int) -> Callable[[], None]:
    """
    Return a function that raises the exception that is named *kind*.

    Args:
        kind: One of ``FAILURES``.
        text: What a client has put into it.
        count: How many arguments, causes, members or notes it has.

    """

    def fail() -> None:
        raise FAILURES[kind](text, count)

    return fail


def _with_causes(text: str, count: int) -> Exception:
    error = ValueError(text)
    for number in range(min(count, 200)):
        outer = RuntimeError(f"{number} {text}")
        if number % 2:
            outer.__cause__ = error
        else:
            outer.__context__ = error
        error = outer
    return error


def _nested_group(text: str, count: int) -> Exception:
    group = ExceptionGroup(text, [ValueError(text)])
    for _ in range(min(count, 200)):
        group = ExceptionGroup(text, [group, KeyError(text)])
    return group


def _with_notes(text: str, count: int) -> Exception:
    error = ValueError(text)
    for _ in range(min(count, 10_000)):
        error.add_note(text)
    return error


def _generated(text: str, _count: int) -> Exception:
    made: Exception = type(text.replace("\0", "")[:100_000] or "x", (Exception,), {})(
        text
    )
    return made


FAILURES: dict[str, Callable[[str, int], Exception]] = {
    "message": lambda text, _count: ValueError(text),
    "arguments": lambda text, count: ValueError(*[text] * min(count, 100_000)),
    "numbers": lambda text, count: ValueError(text, *range(count)),
    "mapping": lambda text, count: ValueError(
        {f"{text[:50]}{number}": text for number in range(min(count, 50_000))}
    ),
    "key": lambda text, _count: KeyError(text),
    "bytes": lambda text, _count: ValueError(text.encode()),
    "causes": _with_causes,
    "group": lambda text, count: ExceptionGroup(
        text, [ValueError(text) for _ in range(min(count, 5_000) + 1)]
    ),
    "nested group": _nested_group,
    "notes": _with_notes,
    "integrity": lambda text, _count: IntegrityError(text),
    "class": _generated,
    "decoding": lambda text, _count: UnicodeDecodeError(
        "utf-8", text.encode(), 0, 1, text
    ),
}

SHAPES: dict[str, Callable[[str, int], Any]] = {
    "none": lambda _text, _count: None,
    "text": lambda text, _count: text,
    "bytes": lambda text, _count: text.encode(),
    "list": lambda text, count: [text] * min(count, 50_000),
    "words": lambda text, _count: text.split(" "),
    "mapping": lambda text, count: {
        f"{text[:100]}{number}": text for number in range(min(count, 50_000))
    },
    "nested": lambda text, count: _nested(text, min(count, 300)),
    "wide": lambda text, count: [
        {f"{text[:30]}{column}": text for column in range(20)}
        for _ in range(min(count, 2_000))
    ],
    "number": lambda text, count: 7 ** min(count, 50_000),
    "set": lambda text, count: {f"{text}{number}" for number in range(min(count, 900))},
}


def _nested(text: str, depth: int) -> Any:
    value: Any = text
    for level in range(depth):
        value = {text[:40]: value, "next": text} if level % 2 else [value, text]
    return value
