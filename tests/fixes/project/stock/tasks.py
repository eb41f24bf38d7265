"""Work in the background."""

from __future__ import annotations

from celery import shared_task

from .models import Order, Partner


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
