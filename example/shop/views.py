"""The error zoo: one view per way to fail."""

from __future__ import annotations

import asyncio
import dataclasses

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template import engines
from django.template.response import TemplateResponse


@dataclasses.dataclass(frozen=True)
class Animal:
    """One exhibit: where it lives, how it is asked for, what comes of it."""

    name: str
    path: str
    says: str
    becomes: str
    status: int
    is_bug: bool
    method: str = "GET"
    is_api: bool = False


ANIMALS = [
    Animal("Exception", "/zoo/exception/7/", "a view raises ValueError", "a bug at once", 500, True),
    Animal("Nested cause", "/zoo/nested/", "an error while handling an error", "a bug with both tracebacks", 500, True),
    Animal("Async view", "/zoo/async/", "a coroutine view raises", "a bug at once", 500, True),
    Animal("View without answer", "/zoo/nothing/", "a view returns None", "a bug at once", 500, True),
    Animal("Broken template", "/zoo/template/", "a lazy template fails while rendering", "a bug at once", 500, True),
    Animal("Streaming", "/zoo/streaming/", "the body fails half-way, after a 200", "a bug at once", 200, True),
    Animal(
        "Returned 500",
        "/zoo/returned/",
        "a view returns a 500 of its own",
        "a bug; the answer stays as it is",
        500,
        True,
    ),
    Animal(
        "API",
        "/zoo/api/",
        "a JSON client meets an exception",
        "a bug; the client gets problem+json",
        500,
        True,
        is_api=True,
    ),
    Animal(
        "Checkout",
        "/zoo/checkout/",
        "a form with a password and a card fails",
        "a bug without the secrets",
        500,
        True,
        "POST",
    ),
    Animal(
        "CSRF",
        "/zoo/form/",
        "a form of this site has lost its token",
        "a bug: it is the site's own form",
        403,
        True,
        "POST",
    ),
    Animal(
        "No such page", "/no/such/page/", "a URL that does not resolve", "counted; a bug only with evidence", 404, False
    ),
    Animal("Http404", "/zoo/missing/", "a view raises Http404", "counted; a bug only with evidence", 404, False),
    Animal(
        "Forbidden",
        "/zoo/forbidden/",
        "a view raises PermissionDenied",
        "counted; a bug only with evidence",
        403,
        False,
    ),
    Animal(
        "Bad request",
        "/zoo/suspicious/",
        "a view raises SuspiciousOperation",
        "counted; a bug only with evidence",
        400,
        False,
    ),
]


def home(request):
    """Show the zoo."""
    return render(request, "home.html", {"animals": ANIMALS})


def exception(request, pet_id):
    raise ValueError(f"pet {pet_id} has no price")


def nested(request):
    try:
        {}["price"]
    except KeyError as error:
        raise RuntimeError("the price list could not be read") from error


async def asynchronous(request):
    await asyncio.sleep(0)
    raise TimeoutError("the warehouse did not answer")


def nothing(request):
    return None


def template(request):
    page = engines["django"].from_string("Total: {{ basket.total }}")
    return TemplateResponse(request, page, {"basket": Basket()})


class Basket:
    """Its total cannot be had."""

    @property
    def total(self):
        return 100 / self.items

    items = 0


def streaming(request):
    def rows():
        yield b"id,name\n"
        raise OSError("the export stopped half-way")

    return StreamingHttpResponse(rows(), content_type="text/csv")


def returned(request):
    return HttpResponse("The view itself chose this answer.", status=500, content_type="text/plain")


def api(request):
    return JsonResponse({"stock": {}["pets"]})


def checkout(request):
    amount = request.POST.get("amount")
    raise ConnectionError(f"the bank refused {amount}")


def form(request):
    return HttpResponse("Sent.")


def missing(request):
    raise Http404("no such pet")


def forbidden(request):
    raise PermissionDenied


def suspicious(request):
    raise SuspiciousOperation("the price came from the form")
