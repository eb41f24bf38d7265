"""What the staff uploads: tables and JSON."""

from __future__ import annotations

import csv
import io
import json
import math

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from .dashboard import staff_only
from .models import Product


def table_of(upload):
    text = upload.read().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text), delimiter=";"))


@staff_only
@require_POST
def weights(request):
    rows = table_of(request.FILES["weights"])
    total = sum(int(row["weight"] or 0) for row in rows)
    return HttpResponse(total)


@staff_only
@require_POST
def amounts(request):
    feed = json.load(request.FILES["feed"])
    roots = [math.sqrt(max(item["amount"], 0)) for item in feed["items"]]
    return HttpResponse(str(roots))


@staff_only
@require_POST
def names(request):
    text = request.FILES["names"].read().decode("utf-8", "replace")
    return HttpResponse(len(text.splitlines()))


@staff_only
@require_POST
def first_price(request):
    rows = table_of(request.FILES["prices"])
    first = rows[0] if rows else {"price": "0"}
    return HttpResponse(first["price"])


@staff_only
@require_POST
def actions(request):
    for row in table_of(request.FILES["actions"]):
        if row["action"] == "remove":
            product = Product.objects.filter(upc=row["upc"]).first()
            title = product.title if product else "not there"
            return HttpResponse(title)
    return HttpResponse("nothing to remove")


@staff_only
@require_POST
def margin(request):
    rows = table_of(request.FILES["margins"])
    shares = [int(row["margin"]) // (int(row["pieces"]) or 1) for row in rows]
    return HttpResponse(str(shares))
