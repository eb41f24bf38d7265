"""Functions that raise messages with a text in them, apart from what the tests expect to be shown."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import json
import sqlite3
import uuid
from pathlib import Path

from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.http import QueryDict
from django.template import Context, Template
from django.urls import reverse
from django.utils.module_loading import import_string
from rest_framework import serializers


class Order:
    """A class of the project, as far as these tests are one."""

    def pay(self, amount, currency):
        return amount, currency


class OrderSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=5)
    quantity = serializers.IntegerField()


def sentence(value):
    raise ValueError(f"order {value} has no owner")


def with_percent(value):
    raise RuntimeError("cannot charge %s for %s" % (value, 7))  # noqa: UP031


def chained(value):
    try:
        raise LookupError(f"no price for {value}")
    except LookupError as error:
        raise ValueError(f"cannot pay: {error}") from error


def no_owner():
    raise ImproperlyConfigured("Set the SHOP_OWNER setting.")


def noted(text):
    error = ValueError("no price")
    error.add_note(text)
    raise error


def throw(error):
    raise error


#: Each raises an exception whose message has the text that it gets.


def ask_sqlite(query):
    """Fail with SQLite, and leave no connection open."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute(query)


WITH_VALUE = {
    "KeyError": lambda text: {}[text],
    "MultiValueDictKeyError": lambda text: QueryDict()[text],
    "int": lambda text: int(f"x{text}"),
    "float": lambda text: float(f"x{text}"),
    "strptime": lambda text: dt.datetime.strptime(text, "%Y-%m-%d"),
    "isoformat": dt.datetime.fromisoformat,
    "open": lambda text: Path(f"/nonexistent/{text}").read_text(),
    "list.index": [1].index,
    "attribute": lambda text: getattr(None, text),
    "keyword": lambda text: Order().pay(**{text: 1}),
    "ascii": lambda text: f"ä{text}".encode("ascii"),
    "import": lambda text: import_string(f"django.{text}.x"),
    "f-string": sentence,
    "%": with_percent,
    "chain": chained,
    "only the value": lambda text: throw(ValueError(text)),
    "a list": lambda text: throw(ValueError([text, None, ""])),
    "UUID": uuid.UUID,
    "JSON": lambda text: json.loads(text + "}"),
    "sqlite": lambda text: ask_sqlite(f'select * from "{text[:9]}"'),
    "reverse": lambda text: reverse("nowhere", kwargs={"pk": "", "slug": text}),
    "field lookup": lambda text: User.objects.filter(**{text: 1}),
    "DRF": lambda text: OrderSerializer(data={"name": text, "quantity": text}).is_valid(
        raise_exception=True
    ),
    "full_clean": lambda text: User(username=f"{text} #", email=text).full_clean(),
    "ValidationError": lambda text: throw(
        ValidationError("“%(value)s” is no colour", params={"value": text})
    ),
    "template": lambda text: Template("{% load nothing %}" + text).render(Context()),
    "block tag": lambda text: Template("{% " + text.replace("%", "") + " %}"),
    "two lines": lambda text: throw(ValueError(f"no price\n{text}\n{text}")),
    "note": noted,
}

#: Each raises an exception whose message is code as a whole.
WITHOUT_VALUE = {
    "key": lambda: {}["too_short"],
    "comparison": lambda: dt.datetime(2026, 1, 1) > None,
    "operator": lambda: decimal.Decimal(1) * 1.5,
    "missing arguments": lambda: Order().pay(),
    "too many arguments": lambda: Order().pay(1, 2, 3),
    "attribute": lambda: Order().city,
    "None": lambda: None.email,
    "not JSON": lambda: json.dumps(Order()),
    "index": lambda: "".rsplit(maxsplit=1)[-1],
    "join": lambda: " ".join([1]),
    "division": lambda: 1 / 0,
    "max": lambda: max([]),
    "module": lambda: import_string("django.nowhere.x"),
    "namespace": lambda: reverse("shop:nowhere"),
    "field": lambda: User.objects.filter(nowhere=1),
    "lookup": lambda: User.objects.filter(username__nowhere=1),
    "model": lambda: User(nowhere=1),
    "filter": lambda: Template("{{ x|nowhere }}"),
    "setting": no_owner,
}
