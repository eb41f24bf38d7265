"""What only the staff sees."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

from django import forms
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.decorators import permission_required, user_passes_test
from django.contrib.auth.mixins import PermissionRequiredMixin, UserPassesTestMixin
from django.db import transaction
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect
from django.views import View
from django.views.decorators.http import require_POST
from django.views.generic import FormView

from .models import Category, Order, Partner, Product, StockRecord

staff_only = staff_member_required(login_url="login")


@staff_only
def import_stock(request):
    if request.POST.get("action") != "add_products":
        return HttpResponse("choose an action")
    text = request.FILES["file"].read().decode()
    partner = Partner.objects.get(code=request.POST["partner"])
    records = []
    for row in csv.DictReader(io.StringIO(text)):
        product = Product.objects.filter(upc=row["upc"]).first()
        if product is not None:
            price = row.get("price") or "0"
            records.append(record_of(partner, product, price))
    with transaction.atomic():
        StockRecord.objects.bulk_create(records)
    return redirect("/en/dashboard/stock/")


def record_of(partner, product, price):
    return StockRecord(partner=partner, product=product, sku=product.upc, price=price)


class OrderDetail(UserPassesTestMixin, View):
    """An order with its actions."""

    def test_func(self):
        return self.request.user.is_staff

    def post(self, request, pk):
        order = get_object_or_404(Order, pk=pk)
        if request.POST.get("action") == "refund":
            return self.refund(order, request.POST)
        return HttpResponse("nothing done")

    def refund(self, order, data):
        line = order.lines.get(pk=data["line"])
        if int(data["quantity"]) > line.quantity:
            return HttpResponseBadRequest("more than was sold")
        return HttpResponse(line.price * Decimal("0.9"))


@staff_only
@require_POST
def upload_image(request):
    name = request.FILES["image"].name
    return HttpResponse(name.encode("utf-8"))


@staff_only
@require_POST
def upload_feed(request):
    feed = json.load(request.FILES["feed"])
    return HttpResponse(len(feed.get("items", [])))


@permission_required("stock.change_stockrecord")
@require_POST
def upload_prices(request):
    rows = list(csv.reader(io.StringIO(request.FILES["prices"].read().decode())))
    columns = {name.strip().lower(): number for number, name in enumerate(rows[0])}
    column = columns.get("price", 0)
    return HttpResponse(str([row[column] for row in rows[1:]]))


class PartnerForm(forms.Form):
    name = forms.CharField(max_length=60)
    code = forms.SlugField()
    url = forms.URLField(required=False)


class PartnerCreate(PermissionRequiredMixin, FormView):
    """A form for one permission."""

    permission_required = "stock.add_partner"
    form_class = PartnerForm
    template_name = "stock/product.html"
    success_url = "/en/dashboard/partner/"

    def form_valid(self, form):
        url = form.cleaned_data["url"]
        host = url.split("/")[2] if url else ""
        Partner.objects.create(
            name=form.cleaned_data["name"], code=form.cleaned_data["code"], api_url=host
        )
        return super().form_valid(form)


@staff_only
@require_POST
def set_status(request, pk):
    product = get_object_or_404(Product, pk=pk)
    status = request.POST["status"]
    if status == "gone":
        shelf = product.category
        product.title = f"{shelf.name if shelf else ''} {product.title}"
    product.status = status
    product.save()
    return HttpResponse(product.status)


@user_passes_test(lambda user: user.is_superuser)
@require_POST
def purge(request):
    days = int(request.POST["days"])
    if days < 30:
        return HttpResponseBadRequest("too many")
    kept = Product.objects.exclude(status=Product.Status.GONE)
    average = sum(each.weight for each in kept) / max(len(kept), 1)
    return HttpResponse(average)


@staff_only
@require_POST
def settle(request):
    orders = Order.objects.filter(status=Order.Status.PAID)
    partner = Partner.objects.filter(code=request.POST["code"]).first()
    if partner is None:
        partner = Partner.objects.create(code=request.POST["code"])
    return HttpResponse(f"{orders.count()} for {partner.code}")


class SaleForm(forms.Form):
    percent = forms.IntegerField(min_value=20, max_value=70)


@staff_only
@require_POST
def sale(request):
    form = SaleForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest("not between the limits")
    shelf = Category.objects.filter(slug="sale").first()
    name = shelf.name if shelf else "no shelf for the sale"
    return HttpResponse(f"{form.cleaned_data['percent']} % on {name}")


NEW_DAYS = 14
OLD_DAYS = 60


@staff_only
def age_of_orders(request):
    days = int(request.GET["days"])
    if days < NEW_DAYS:
        return HttpResponse("new")
    if days > OLD_DAYS:
        return HttpResponse("old")
    latest = Order.objects.order_by("placed").last()
    return HttpResponse(str(latest.placed.date()) if latest else "none")
