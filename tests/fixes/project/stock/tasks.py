"""Work in the background."""

from __future__ import annotations

from celery import shared_task

from .models import Order, Partner, Product


@shared_task
def send_order(number, *, express=False):
    order = Order.objects.filter(number=number).first()
    if order is None:
        return "gone"
    return order.user.email if order.user else "guest"


@shared_task
def sync_partner(code, payload):
    partner, _ = Partner.objects.get_or_create(code=code)
    name = payload.get("name") or ""
    return f"{partner.pk} {name.strip()}"


@shared_task
def rate(score, *, scale):
    return score / (scale or 1)


@shared_task
def weigh(product_id, attempt=1):
    product = Product.objects.get(pk=product_id)
    return 1000 / (product.weight or 1)


@shared_task
def release(pk, *, percent):
    product = Product.objects.filter(pk=pk).first()
    if product is None or percent < 25:
        return "nothing to release"
    day = product.released.date() if product.released else None
    return str(day)


@shared_task
def pair(items):
    if len(items) != 2:
        return "no pair"
    one, other = items
    return one["size"] / (other["size"] or 1)
