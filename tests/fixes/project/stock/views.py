"""The shop as visitors see it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views import View

import error_tracking

from .models import Category, Order, Partner, Product, Profile, StockRecord


def category(request, slug):
    shelf = get_object_or_404(Category, slug=slug)
    return HttpResponse(shelf.path())


def product(request, pk):
    item = Product.objects.filter(pk=pk).first()
    return render(request, "stock/product.html", {"product": item})


def weight(request, pk):
    item = get_object_or_404(Product, pk=pk)
    return HttpResponse(1000 // (item.weight or 1))


def stock(request, pk):
    item = get_object_or_404(Product, pk=pk)
    record = StockRecord.objects.filter(product=item).first()
    return HttpResponse(str(record.price) if record else "not in stock")


def age(request, pk):
    item = get_object_or_404(Product, pk=pk, status=Product.Status.LIVE)
    now = timezone.now()
    age = now - item.released if item.released else None
    return HttpResponse(str(age))


def search(request):
    words = request.GET.get("q", "").split()
    if not words:
        return HttpResponse("nothing to search for")
    page = request.GET.get("page", "1")
    number = int(page) if page.isdigit() else 1
    return HttpResponse(f"page {number}")


def profile(request):
    if not request.user.is_authenticated:
        return redirect("login")
    return HttpResponse(request.user.get_full_name())


@login_required
def company(request):
    try:
        own = request.user.profile
    except Profile.DoesNotExist:
        return HttpResponse("no profile")
    return HttpResponse(own.company)


def basket(request):
    lines = request.session.get("lines", [])
    if not lines:
        return HttpResponse("empty")
    total = sum(line["quantity"] for line in lines)
    return HttpResponse(total)


def add_to_basket(request):
    size = request.POST.get("size", "M")
    quantity = int(request.POST.get("quantity") or 1)
    return JsonResponse({"size": size, "quantity": quantity})


def order(request, number):
    found = get_object_or_404(Order, number=number)
    first = found.lines.select_related("product").first()
    return HttpResponse(first.product.title if first else "no lines")


def coupon(request, number):
    found = get_object_or_404(Order, number=number)
    return HttpResponse((found.coupon or "").upper())


def rows_of(order):
    for line in order.lines.all():
        yield f"{line.price / line.quantity if line.quantity else 0}\n"


def export(request, number):
    found = get_object_or_404(Order, number=number)
    return StreamingHttpResponse(rows_of(found))


def partners(request):
    names = [len(each.api_url or "") for each in Partner.objects.all()]
    return HttpResponse(str(names))


def offer(request):
    tenant = request.get_host().split(".")[0]
    if tenant == "testserver":
        return HttpResponse("all offers")
    partner = Partner.objects.filter(code=tenant).first()
    return HttpResponse(partner.name if partner else "no such partner")


def checkout(request):
    if not request.is_secure():
        return redirect("https://" + request.get_host() + request.get_full_path())
    reference = request.GET.get("reference", "")
    return HttpResponse(reference[:1])


def mounted(request):
    script = request.META["SCRIPT_NAME"]
    if not script:
        return HttpResponse("at the root of the host")
    above = script.split("/")[1:-1]
    return HttpResponse(above[-1] if above else "below the root")


def help_pages(request):
    address = reverse("category", args=["help"])
    page = {"/en/category/help/": "en"}.get(address, "below a script")
    return HttpResponse(page)


def newest(request):
    item = Product.objects.order_by("-pk").first()
    return HttpResponse(item.title if item else "none yet")


def colours(request):
    amount = Decimal(request.GET.get("amount") or 0)
    try:
        share = 100 / amount if amount else 0
    except ArithmeticError:
        error_tracking.capture_exception()
        share = 0
    return HttpResponse(share)


class Report(LoginRequiredMixin, View):
    """What a customer ordered since a day."""

    def get(self, request):
        since = request.GET.get("since", "")
        day = self.day(since)
        found = Order.objects.filter(user=request.user, placed__gte=day)
        return HttpResponse(found.count())

    def day(self, text):
        if not text:
            return timezone.now()
        day = dt.datetime.fromisoformat(text)
        return timezone.make_aware(day)
