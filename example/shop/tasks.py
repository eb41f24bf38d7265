"""A task for Celery, where it is installed."""

from __future__ import annotations

from celery import shared_task


@shared_task
def charge(order_id, amount, *, currency="EUR"):
    raise RuntimeError(f"order {order_id} could not be charged")
