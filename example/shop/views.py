"""The views of the error zoo: one per way to fail. What each is there for is in ``zoo``."""

from __future__ import annotations

import asyncio
import json

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import transaction
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template import engines
from django.template.response import TemplateResponse

import error_tracking

from .zoo import ANIMALS


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
    return HttpResponse(
        "The view itself chose this answer.", status=500, content_type="text/plain"
    )


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


def parcel(request, number, carrier, **place):
    return HttpResponse(
        f"{number} is brought to {place['label']} by {User.objects.get(username=carrier).email}."
    )


def search(request):
    page = int(request.GET["page"])
    return HttpResponse(f"{request.GET['q']}: 100 found, {100 // page} on this page")


def order(request):
    wanted = json.loads(request.body)
    total = sum(item["amount"] * item["price"] for item in wanted["items"])
    return JsonResponse(
        {
            "to": wanted["customer"]["mail"],
            "total": round(total / len(wanted["vouchers"]), 2),
        }
    )


class BookingForm(forms.Form):
    mail = forms.EmailField()
    day = forms.DateField()
    nights = forms.IntegerField(min_value=1)


def booking(request):
    form = BookingForm(request.POST)
    if not form.is_valid():
        return HttpResponse(f"Please correct: {', '.join(form.errors)}.", status=422)
    return HttpResponse(
        f"You leave on {form.cleaned_data['day'] + form.cleaned_data['nights']}."
    )


def photo(request):
    header = request.FILES["photo"].read(8)
    return HttpResponse(
        f"Stored as {request.POST['name']}, {header.index(b'PNG')} bytes in front."
    )


def twice(request):
    with transaction.atomic():
        for _ in range(2):
            User.objects.create(username="ada")
    return HttpResponse("Welcome.")


def handled(request):
    try:
        raise ConnectionError("the newsletter could not be sent")
    except ConnectionError:
        error_tracking.capture_exception()
    return HttpResponse("Thank you, you will hear from us.")
