"""What depends on more than a bug file tells: on text, dates, lengths, other rows."""

from __future__ import annotations

import datetime as dt

from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from .imports import table_of
from .models import Order

SIGNS = {"credit": -1, "debit": 1}


@csrf_exempt
@require_POST
def bookings(request):
    total = 0
    for row in table_of(request.FILES["bookings"]):
        sign = SIGNS.get(row["sort"], 0)
        if sign < 0:
            total += int(row["pieces"] or 0)
    return HttpResponse(total)


def only_order(request):
    numbers = list(Order.objects.values_list("number", flat=True))
    if len(numbers) < 2:
        return HttpResponse("at most one")
    first = numbers[0] if numbers else ""
    return HttpResponse(first.partition("-")[2] or "no part")


def part_number(request):
    code = request.GET["code"]
    if "-" not in code:
        return HttpResponse("a whole one")
    part = code.split("-")[1]
    return HttpResponse(int(part) if part.isdigit() else 0)


def next_year(request):
    day = dt.date.fromisoformat(request.GET["day"])
    if (day.month, day.day) == (2, 29):
        day -= dt.timedelta(days=1)
    return HttpResponse(day.replace(year=day.year + 1).isoformat())


def language(request):
    accepted = request.headers.get("Accept-Language", "")
    if ";q=" not in accepted:
        return HttpResponse(accepted)
    quality = accepted.split(";q=")[1]
    return HttpResponse(float(quality if quality.isdecimal() else 1))


def label(request):
    title = request.GET["title"]
    if len(title) <= 20:
        return HttpResponse(title)
    words = title.split()
    return HttpResponse(words[5] if len(words) > 5 else words[-1])
