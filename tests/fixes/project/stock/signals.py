"""What follows the creation of a record."""

from __future__ import annotations

from django.db.models.signals import post_save
from django.dispatch import receiver

from .models import StockRecord


@receiver(post_save, sender=StockRecord)
def note_margin(sender, instance, created, raw=False, **kwargs):
    if not instance.amount:
        return
    instance.margin = instance.price / instance.amount
