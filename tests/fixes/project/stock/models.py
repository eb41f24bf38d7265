"""What the shop sells, to whom, and from where."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.utils import timezone


class Category(models.Model):
    """A shelf, perhaps on another one."""

    name = models.CharField(max_length=60)
    slug = models.SlugField(unique=True)
    parent = models.ForeignKey("self", null=True, on_delete=models.SET_NULL)

    def path(self):
        if self.parent is None or self.parent_id == self.pk:
            return self.name
        return f"{self.parent.path()} / {self.name}"


class Partner(models.Model):
    """A supplier."""

    name = models.CharField(max_length=60)
    code = models.SlugField(unique=True)
    api_url = models.URLField(null=True)


class Product(models.Model):
    """Something to sell."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        LIVE = "live"
        GONE = "gone"

    title = models.CharField(max_length=80)
    upc = models.CharField(max_length=20, unique=True)
    category = models.ForeignKey(Category, null=True, on_delete=models.SET_NULL)
    status = models.CharField(max_length=10, choices=Status, default=Status.LIVE)
    weight = models.IntegerField(default=1)
    released = models.DateTimeField(null=True)


class StockRecord(models.Model):
    """What a partner has of a product."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE)
    sku = models.CharField(max_length=40)
    price = models.DecimalField(max_digits=9, decimal_places=2)
    amount = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["partner", "sku"], name="one_sku")
        ]


class Order(models.Model):
    """What somebody ordered; guests have no user."""

    class Status(models.TextChoices):
        OPEN = "open"
        PAID = "paid"
        SENT = "sent"

    number = models.CharField(max_length=20, unique=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    placed = models.DateTimeField(default=timezone.now)
    coupon = models.CharField(max_length=20, null=True)


class Line(models.Model):
    """A product in an order."""

    order = models.ForeignKey(Order, related_name="lines", on_delete=models.CASCADE)
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    quantity = models.PositiveIntegerField(default=1)
    price = models.DecimalField(max_digits=9, decimal_places=2, default=Decimal(1))


class Profile(models.Model):
    """What a customer told about himself."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    company = models.CharField(max_length=60, null=True)
