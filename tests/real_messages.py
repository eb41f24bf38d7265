# ruff: noqa: PLW0108, PLE0643  each failure needs a frame of this file
"""
Code that fails with messages of Python, Django, its REST framework and SQLite.

Each function gets a text, which is a visitor's. What this file has as a constant, a name
or an attribute is code of the project; what must be shown is written elsewhere.
"""

from __future__ import annotations

import abc
import datetime as dt
import decimal
import enum
import importlib
import json
import sqlite3
import uuid
from pathlib import Path

from django import forms
from django.contrib.auth.models import Permission, User
from django.core import signing
from django.core.exceptions import ImproperlyConfigured
from django.core.validators import validate_ipv4_address, validate_slug
from django.http import HttpRequest, QueryDict
from django.shortcuts import get_object_or_404
from django.template import Template
from django.template.loader import get_template
from django.urls import reverse
from rest_framework import exceptions, serializers


class Colour(enum.Enum):
    RED = "red"


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...


class Order:
    def __init__(self, price=None):
        self.price = price

    def pay(self, amount, currency):
        return amount, currency


class OrderForm(forms.Form):
    quantity = forms.IntegerField()
    colour = forms.ChoiceField(choices=[("red", "Red")])


class OrderSerializer(serializers.Serializer):
    quantity = serializers.IntegerField()
    colour = serializers.ChoiceField(choices=["red"])
    user = serializers.PrimaryKeyRelatedField(queryset=User.objects.all())


def unpack(values):
    first, second = values
    return first, second


def unbound(text):
    if not text:
        total = 1
    return total


def undefined(_text):
    return order_total  # noqa: F821  it is what fails


def recursion(text):
    return recursion(text)


def disallowed_host(text):
    request = HttpRequest()
    request.META = {"HTTP_HOST": text, "SERVER_PORT": "80"}
    return request.get_host()


def unsaved(text):
    return Permission(content_type=None, name=text).user_set.all()


def setting(text):
    raise ImproperlyConfigured(f"Set the SHOP_OWNER setting to an address, not {text}.")


def chained(text):
    try:
        return {}[text]
    except KeyError as error:
        raise ValueError(f"cannot pay: no price for {error}") from error


def sqlite(statement, *parameters):
    database = sqlite3.connect(":memory:")
    try:
        database.execute(
            "create table shop_order (price integer not null unique check (price > 0))"
        )
        database.execute("insert into shop_order values (1)")
        return database.execute(statement, parameters)
    finally:
        database.close()


PYTHON = {
    "unknown key": lambda text: {"price": 1}[text],
    "key of the code": lambda text: {text: 1}["too_short"],
    "comparison": lambda _text: dt.datetime(2026, 1, 1) > None,
    "comparison of types": lambda text: text < 3,
    "operands": lambda _text: decimal.Decimal(1) * 1.5,
    "sum": lambda text: 1 + text,
    "concatenation": lambda text: text + 1,
    "negation": lambda text: -text,
    "attribute of None": lambda _text: Order().price.price,
    "attribute of a visitor": lambda text: getattr(Order(), text),
    "attribute of a type": lambda text: text.price,
    "attribute of a module": lambda _text: json.price,
    "too few arguments": lambda _text: Order().pay(),
    "too many arguments": lambda text: Order().pay(text, text, text),
    "argument of a visitor": lambda text: Order().pay(1, 2, **{text: 1}),
    "abstract class": lambda _text: Shape(),
    "length": lambda _text: len(None),
    "iteration": lambda _text: list(7),
    "subscript": lambda _text: Order().price["price"],
    "call": lambda text: text(),
    "unhashable": lambda text: {[text]: 1},
    "context manager": lambda text: exec("with text: pass", {"text": text}),
    "too few values": lambda text: unpack([text]),
    "index": lambda text: [text][3],
    "empty list": lambda _text: [].pop(),
    "empty sequence": lambda _text: max([]),
    "number": lambda text: int(text),
    "number of None": lambda _text: int(None),
    "float": lambda text: float(text),
    "decimal": lambda text: decimal.Decimal(text),
    "zero": lambda _text: 1 / 0,
    "join": lambda text: text.join([1]),
    "format": lambda text: "%d" % text,  # noqa: UP031
    "JSON": lambda text: json.loads(text),
    "not JSON": lambda _text: json.dumps(Order()),
    "date": lambda text: dt.date.fromisoformat(text),
    "format of a date": lambda text: dt.datetime.strptime(text, "%d.%m.%Y"),
    "aware": lambda _text: (
        dt.datetime(2026, 1, 1) < dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    ),
    "month": lambda _text: dt.date(2026, 13, 1),
    "encoding": lambda text: f"{text}ä".encode("ascii"),
    "decoding": lambda _text: b"\xff".decode(),
    "file": lambda text: Path(f"/nowhere/{text}").read_text(),
    "module": lambda text: importlib.import_module(text),
    "module of the code": lambda _text: importlib.import_module("shop_cellar"),
    "unbound": unbound,
    "undefined": undefined,
    "recursion": recursion,
    "UUID": lambda text: uuid.UUID(text),
    "enum": lambda text: Colour(text),
    "removal": lambda text: [].remove(text),
    "position": lambda text: [].index(text),
    "chained": chained,
}
DJANGO = {
    "no row": lambda text: User.objects.get(username=text),
    "no page": lambda text: get_object_or_404(User, username=text),
    "field of a visitor": lambda text: User.objects.filter(**{text: 1}),
    "field of the code": lambda _text: User.objects.filter(postcode=1),
    "number of a field": lambda text: User.objects.filter(pk=text),
    "date of a field": lambda text: User.objects.filter(date_joined=text),
    "constructor": lambda text: User(**{text: 1}),
    "unsaved": unsaved,
    "URL name": lambda _text: reverse("shop-cellar"),
    "URL arguments": lambda text: reverse("admin:index", kwargs={"slug": text}),
    "URL name of a visitor": reverse,
    "namespace": lambda _text: reverse("shop_cellar:index"),
    "template": lambda _text: get_template("shop_cellar/order.html"),
    "template of a visitor": get_template,
    "filter": lambda _text: Template("{{ price|cellar }}"),
    "tag": lambda _text: Template("{% cellar %}"),
    "tag of a visitor": lambda text: Template("{% " + text.split("-")[0] + " %}"),
    "parameter": lambda _text: QueryDict("")["price"],
    "parameter of a visitor": lambda text: QueryDict("")[text],
    "whole number": lambda text: forms.IntegerField().clean(text),
    "length": lambda text: forms.CharField(max_length=3).clean(text),
    "choice": lambda text: forms.ChoiceField(choices=[("red", "Red")]).clean(text),
    "slug": lambda text: validate_slug(f"{text} !"),
    "address": validate_ipv4_address,
    "model": lambda text: User(username=f"{text} !", email=text).full_clean(),
    "signature": signing.loads,
    "host": disallowed_host,
    "setting": setting,
}
REST = {
    "serializer": lambda text: OrderSerializer(
        data={"quantity": text, "colour": text, "user": text}
    ).is_valid(raise_exception=True),
    "missing": lambda _text: OrderSerializer(data={}).is_valid(raise_exception=True),
    "method": lambda text: raise_(exceptions.MethodNotAllowed(text)),
    "media type": lambda text: raise_(exceptions.UnsupportedMediaType(text)),
    "not authenticated": lambda _text: raise_(exceptions.NotAuthenticated()),
    "detail of a visitor": lambda text: raise_(exceptions.APIException(text)),
}
SQLITE = {
    "NULL": lambda _text: sqlite("insert into shop_order values (null)"),
    "unique": lambda _text: sqlite("insert into shop_order values (1)"),
    "check": lambda _text: sqlite("insert into shop_order values (-1)"),
    "table": lambda text: sqlite(f'select * from "{text}"'),
    "table of the code": lambda _text: sqlite("select * from shop_customer"),
    "column": lambda _text: sqlite("select postcode from shop_order"),
    "syntax": lambda text: sqlite(f"select * frm {text}"),
    "size": lambda _text: sqlite("insert into shop_order values (?)", 2**64),
    "bindings": lambda text: sqlite("select ?", text, text),
}


def raise_(error):
    raise error
