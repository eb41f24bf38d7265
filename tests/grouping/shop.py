"""
A shop's own code, which fails inside many libraries: each ``@bug`` is one bug, its rows are ways to meet it.

Loaded as two deploys: as it lies here, and moved to another folder with lines
added, which must change no group. Bugs of one family look alike and must stay
apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import io
import json
import re
import uuid
from decimal import Decimal

BUGS = []


def bug(family, *rows):
    """Note a function that fails, and the arguments with which it fails for the same reason."""

    def note(function):
        BUGS.append((family, function.__name__, function, rows or ((),)))
        return function

    return note


# --- plain Python: the same type, often the same message, in other places


def price_of(basket, name):
    return basket[name]["price"]


@bug("lookup", ({}, "apple"), ({"x": 1}, "pear"), ({}, "order-8821"))
def missing_price(basket, name):
    return price_of(basket, name)


@bug("lookup", ({}, "apple"), ({}, "pear"))
def missing_stock(basket, name):
    return basket[name]


@bug("lookup", ([], 0), ([1], 7))
def missing_row(rows, number):
    return rows[number]


@bug("attribute", (None,), (None,))
def no_customer(customer):
    return customer.name


@bug("attribute", (None,), ("text",))
def no_address(customer):
    return customer.address


@bug("number", ("twelve",), ("0x1",), ("19.99 EUR",))
def bad_quantity(text):
    return int(text)


@bug("number", ("twelve",), ("",))
def bad_weight(text):
    return float(text)


@bug("number", ("1,5",), ("abc",))
def bad_amount(text):
    return Decimal(text)


@bug("number", (1, 0), (7, 0))
def no_share(total, count):
    return total / count


@bug("date", ("2026-13-01",), ("tomorrow",))
def bad_day(text):
    return dt.date.fromisoformat(text)


@bug("date", ("12.1.26",), ("later",))
def bad_hour(text):
    return dt.datetime.strptime(text, "%Y-%m-%d %H:%M")


@bug("text", (b"\xff",), (b"\xfe\xfa",))
def bad_encoding(data):
    return data.decode("utf-8")


@bug("text", ("{",), ('{"a":',), ("[1,2",))
def bad_json(text):
    return json.loads(text)


@bug("text", ("",), ("no",))
def bad_webhook(text):
    return json.loads(text)


@bug("text", ("(",), ("[a",))
def bad_pattern(text):
    return re.compile(text)


@bug("text", ("abc",), ("1234-zz",))
def bad_uuid(text):
    return uuid.UUID(text)


@bug("file", ("/no/such/a.csv",), ("/no/such/b/c.csv",))
def no_report(path):
    with open(path) as file:
        return file.read()


@bug("file", ("/no/such/logo.png",), ("/no/such/big.png",))
def no_logo(path):
    with open(path, "rb") as file:
        return file.read()


# --- shapes of code: recursion, decorators, generated names, causes, groups


@bug("recursion", (3,), (30,), (150,))
def walk_tree(depth):
    if depth == 0:
        raise LookupError("leaf")
    return walk_tree(depth - 1)


def ping(depth):
    return pong(depth - 1)


def pong(depth):
    if depth <= 0:
        raise LookupError("leaf")
    return ping(depth - 1)


@bug("recursion", (4,), (40,), (90,))
def play(depth):
    return ping(depth)


def retried(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


def audited(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)

    return inner


def reserve(stock):
    raise RuntimeError(f"only {stock} left")


@bug("decorator", (reserve, 3), (retried(reserve), 4), (audited(retried(reserve)), 5))
def reserve_item(how, stock):
    return how(stock)


@bug("decorator", (reserve, 3), (audited(reserve), 1))
def reserve_bundle(how, stock):
    return how(stock)


@bug("generated", (17_331,), (90_210,), (uuid.UUID(int=5).hex,))
def dynamic_class(number):
    kind = type(f"Timeout_{number}", (Exception,), {"__module__": "shop.generated"})
    raise kind("dynamic")


@bug("generated", (1,), (2,))
def failing_lambda(number):
    return (lambda value: value.missing)(number)


@bug("generated", (1,), (2,))
def failing_generator(number):
    return list(item / 0 for item in range(number, number + 2))


def charge(amount):
    raise ConnectionError(f"terminal {amount}")


class PaymentError(Exception):
    """Wraps what went wrong below."""


@bug("cause", (1,), (2,))
def wrapped_charge(amount):
    try:
        charge(amount)
    except ConnectionError as error:
        raise PaymentError("could not charge") from error


@bug("cause", (1,), (2,))
def wrapped_refund(amount):
    try:
        charge(-amount)
    except ConnectionError:
        raise PaymentError("could not charge") from None


async def fetch_price(number):
    raise TimeoutError(f"price {number}")


async def fetch_stock(number):
    raise TimeoutError(f"stock {number}")


def in_a_group(*coroutines):
    async def main():
        async with asyncio.TaskGroup() as group:
            for coroutine, number in coroutines:
                group.create_task(coroutine(number))

    asyncio.run(main())


@bug("group", ((fetch_price, 1),), ((fetch_price, 2),))
def price_task(first):
    in_a_group(first)


@bug("group", ((fetch_stock, 1),), ((fetch_stock, 2),))
def stock_task(first):
    in_a_group(first)


@bug(
    "group", ((fetch_price, 1), (fetch_stock, 2)), ((fetch_stock, 3), (fetch_price, 4))
)
def both_tasks(first, second):
    in_a_group(first, second)


@bug(
    "group",
    ((fetch_price, 1), (charge_later := fetch_price, 2)),
    ((fetch_price, 3), (fetch_price, 5)),
)
def two_prices(first, second):
    in_a_group(first, second)


# --- libraries: the library's own frames are the same, the shop's differ


@bug("requests", ("http://127.0.0.1:1/a",), ("http://127.0.0.1:9/b?x=1",))
def call_bank(url):
    import requests

    return requests.get(url, timeout=1)


@bug("requests", ("http://127.0.0.1:1/a",), ("http://127.0.0.1:9/c",))
def call_carrier(url):
    import requests

    return requests.get(url, timeout=1)


@bug("requests", ("not a url",), ("also not one",))
def call_nothing(url):
    import requests

    return requests.post(url, timeout=1)


@bug("httpx", ("http://127.0.0.1:1/a",), ("http://127.0.0.1:9/b",))
def ask_weather(url):
    import httpx

    return httpx.get(url, trust_env=False)


@bug("httpx", ("http://127.0.0.1:1/a",), ("http://127.0.0.1:9/b",))
def ask_traffic(url):
    import httpx

    return httpx.get(url, trust_env=False)


def jinja(text):
    import jinja2

    return jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(text)


@bug("jinja", ("Dear {{ name }}",), ("Hello {{ person.name }}",))
def render_mail(text):
    return jinja(text).render()


@bug("jinja", ("Dear {{ name }}",), ("Hi {{ who }}",))
def render_invoice(text):
    return jinja(text).render()


@bug("jinja", ("{% for x in %}",), ("{% if %}",))
def compile_mail(text):
    return jinja(text)


@bug("pillow", (b"not an image",), (b"GIF",))
def thumbnail(data):
    from PIL import Image

    return Image.open(io.BytesIO(data))


@bug("pillow", (b"not an image",), (b"\x89PNG",))
def avatar(data):
    from PIL import Image

    return Image.open(io.BytesIO(data))


@bug("pillow", ((0, -1),), ((-5, 3),))
def resize(size):
    from PIL import Image

    return Image.new("RGB", (2, 2)).resize(size).load()


@bug("pydantic", ({"size": "x"},), ({"size": None},))
def parse_order(data):
    import pydantic

    return pydantic.create_model("Order", size=(int, ...)).model_validate(data)


@bug("pydantic", ({"size": "x"},), ({},))
def parse_return(data):
    import pydantic

    return pydantic.create_model("Return", size=(int, ...)).model_validate(data)


def engine():
    import sqlalchemy

    return sqlalchemy.create_engine("sqlite://")


@bug("sqlalchemy", ("SELECT * FROM orders",), ("SELECT 1 FROM bills",))
def legacy_orders(statement):
    import sqlalchemy

    with engine().connect() as connection:
        return connection.execute(sqlalchemy.text(statement))


@bug("sqlalchemy", ("SELECT * FROM orders",), ("SELEC 1",))
def legacy_stock(statement):
    import sqlalchemy

    with engine().connect() as connection:
        return connection.execute(sqlalchemy.text(statement))


@bug("psycopg", ("host=127.0.0.1 port=1 user=a",), ("host=127.0.0.1 port=2 user=b",))
def warehouse(conninfo):
    import psycopg

    return psycopg.connect(conninfo, connect_timeout=2)


@bug("psycopg", ("host=127.0.0.1 port=1 user=a",), ("host=127.0.0.1 port=2 user=c",))
def archive(conninfo):
    import psycopg

    return psycopg.connect(conninfo, connect_timeout=2)


@bug("psycopg", ("host",), ("a=b=c",))
def broken_conninfo(conninfo):
    import psycopg

    return psycopg.connect(conninfo)


@bug("pymysql", (1,), (2,))
def old_shop(port):
    import pymysql

    return pymysql.connect(host="127.0.0.1", port=port, connect_timeout=2)


@bug("pymysql", (1,), (2,))
def old_forum(port):
    import pymysql

    return pymysql.connect(host="127.0.0.1", port=port, connect_timeout=2)


def redis_at(port):
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis(port=port, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))


@bug("redis", (1,), (2,))
def cart_cache(port):
    return redis_at(port).get("cart:17")


@bug("redis", (1,), (2,))
def price_cache(port):
    return redis_at(port).get("price:4")


@bug("redis", (1,), (2,))
def clear_cache(port):
    return redis_at(port).flushdb()


@bug("yaml", ("a: [",), ("b: {",))
def load_menu(text):
    import yaml

    return yaml.safe_load(text)


@bug("yaml", ("a: [",), ("- - {",))
def load_rules(text):
    import yaml

    return yaml.safe_load(text)


@bug("jwt", ("a.b.c",), ("d.e.f",))
def sign_in(token):
    import jwt

    return jwt.decode(token, "k" * 32, algorithms=["HS256"])


@bug("jwt", ("a.b.c",), ("x.y.z",))
def sign_out(token):
    import jwt

    return jwt.decode(token, "k" * 32, algorithms=["HS256"])


@bug("lxml", ("<a>",), ("<b><c></b>",))
def import_feed(text):
    from lxml import etree

    return etree.fromstring(text)


@bug("lxml", ("<a>",), ("<z><y>",))
def import_catalog(text):
    from lxml import etree

    return etree.fromstring(text)


@bug("marshmallow", ({"n": "x"},), ({"n": []},))
def load_customer(data):
    from marshmallow import Schema, fields

    return Schema.from_dict({"n": fields.Int()})().load(data)


@bug("marshmallow", ({"n": "x"},), ({"m": 1},))
def load_supplier(data):
    from marshmallow import Schema, fields

    return Schema.from_dict({"n": fields.Int()})().load(data)


@bug("jsonschema", (5,), ([],))
def check_event(data):
    import jsonschema

    jsonschema.validate(data, {"type": "string"})


@bug("jsonschema", (5,), ({},))
def check_hook(data):
    import jsonschema

    jsonschema.validate(data, {"type": "string"})


@bug("dateutil", ("not a day",), ("31-31-31",))
def delivery_day(text):
    from dateutil import parser

    return parser.parse(text)


@bug("dateutil", ("not a day",), ("99/99/99",))
def return_day(text):
    from dateutil import parser

    return parser.parse(text)


@bug("openpyxl", (b"PK no",), (b"xx",))
def import_sheet(data):
    import openpyxl

    return openpyxl.load_workbook(io.BytesIO(data))


@bug("openpyxl", (b"PK no",), (b"yy",))
def import_prices(data):
    import openpyxl

    return openpyxl.load_workbook(io.BytesIO(data))


@bug("drf", ({"n": "x"},), ({"n": ""},))
def api_order(data):
    from rest_framework import serializers

    kind = type("Order", (serializers.Serializer,), {"n": serializers.IntegerField()})
    kind(data=data).is_valid(raise_exception=True)


@bug("drf", ({"n": "x"},), ({},))
def api_bill(data):
    from rest_framework import serializers

    kind = type("Bill", (serializers.Serializer,), {"n": serializers.IntegerField()})
    kind(data=data).is_valid(raise_exception=True)


@bug("drf", ({"a": 1},), ({"b": 2},))
def api_field(data):
    from rest_framework import serializers

    kind = type("Pet", (serializers.Serializer,), {"name": serializers.CharField()})
    return kind(data).data


@bug("celery", (1,), (2,))
def send_later(number):
    from celery import Celery

    app = Celery(broker=f"redis://127.0.0.1:{number}/0", set_as_current=False)
    app.send_task("x", retry_policy=ONCE)


@bug("celery", (1,), (2,))
def report_later(number):
    from celery import Celery

    app = Celery(broker=f"redis://127.0.0.1:{number}/0", set_as_current=False)
    app.send_task("x", retry_policy=ONCE)


ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}

# --- Django itself


@bug("orm", (1,), (2_000,))
def get_user(pk):
    from django.contrib.auth.models import User

    return User.objects.get(pk=-pk)


@bug("orm", (1,), (2,))
def get_group(pk):
    from django.contrib.auth.models import Group

    return Group.objects.get(pk=-pk)


@bug("orm", ("nme",), ("titel",))
def filter_group(name):
    from django.contrib.auth.models import Group

    return Group.objects.filter(**{name: 1})


def save(model, **values):
    from django.db import transaction

    with transaction.atomic():
        model.objects.create(**values)


@bug("constraint", ("a",), ("b",))
def same_name_twice(name):
    from django.contrib.auth.models import Group

    save(Group, name=name)
    save(Group, name=name)


@bug("constraint", ("a",), ("b",))
def same_permission_twice(name):
    from django.contrib.auth.models import Permission

    save(Permission, name=name, codename=name, content_type_id=1)
    save(Permission, name=name, codename=name, content_type_id=1)


@bug("constraint", ("a",), ("b",))
def no_name(name):
    from django.contrib.auth.models import Permission

    save(Permission, name=None, codename=name, content_type_id=1)


@bug("constraint", ("a",), ("b",))
def no_type(name):
    from django.contrib.auth.models import Permission

    save(Permission, name=name, codename=name, content_type_id=None)


def page(name, context):
    from pathlib import Path

    from django.template import Engine

    folder = Path(__file__).parent / "templates"
    return Engine(dirs=[str(folder)]).render_to_string(name, context)


class Broken:
    """A value whose attribute fails, as a model's method may."""

    def __init__(self, text):
        self.text = text

    def __getattr__(self, name):
        raise ArithmeticError(object.__getattribute__(self, "__dict__").get("text"))


def failing(text):
    def fail():
        raise ArithmeticError(text)

    return fail


@bug("template", ("a",), ("b",))
def first_page(text):
    return page("first.html", {"number": text, "how": "x"})


@bug("template", ("a",), ("b",))
def second_page(text):
    return page("second.html", {"number": text, "how": "x"})


@bug("template", ("a",), ("b",))
def other_node(text):
    return page("first.html", {"number": 3, "how": text, "is_long": True})


@bug("template", ("nothing.html",), ("nowhere.html",))
def no_template(name):
    return page(name, {})


@bug("url", ("nowhere",), ("nothing",))
def reverse_link(name):
    from django.urls import reverse

    return reverse(name)


@bug("url", ("nowhere",), ("elsewhere",))
def redirect_link(name):
    from django.shortcuts import resolve_url
    from django.urls import reverse

    return resolve_url(reverse(name))


# --- hard ones: one function with two bugs, one helper under two callers, generated code


def open_till(number, drawer):
    if number < 0:
        raise LookupError("no such till")
    if drawer < 0:
        raise LookupError("no such drawer")


@bug("two in one", (-1, 1), (-7, 2))
def no_till(number, drawer):
    return open_till(number, drawer)


@bug("two in one", (1, -1), (2, -9))
def no_drawer(number, drawer):
    return open_till(number, drawer)


@bug("comprehension", ([1, 0],), ([3, 2, 0],))
def shares(counts):
    return [10 / count for count in counts]


@bug("comprehension", ([1, 0],), ([5, 0],))
def named_shares(counts):
    return {
        count: 10 / count
        for count in counts
    }  # fmt: skip


@bug("comprehension", ([1, 0],), ([2, 0],))
def lazy_shares(counts):
    return sum(10 / count for count in counts)


@bug("comprehension", ([1, None],), ([None],))
def nested_shares(counts):
    return [[abs(count) for count in [each]] for each in counts]


class Shelf:
    """A class whose subclasses inherit what fails."""

    def take(self, count):
        raise IndexError(f"{count} is too many for {type(self).__name__}")


class TopShelf(Shelf):
    """Fails where its parent does."""


@bug("inherited", (Shelf, 3), (TopShelf, 5))
def take_from_shelf(kind, count):
    return kind().take(count)


@bug("inherited", (Shelf, 3), (type("Shelf_17331", (Shelf,), {}), 5))
def take_from_any(kind, count):
    return Shelf.take(kind(), count)


def jinja_page(name, **values):
    from pathlib import Path

    import jinja2

    folder = Path(__file__).parent / "templates"
    loader = jinja2.FileSystemLoader(folder)
    return jinja2.Environment(loader=loader).get_template(name).render(**values)


@bug("jinja file", (1,), (2,))
def jinja_first(total):
    return jinja_page("jinja/first.txt", total=total, count=0)


@bug("jinja file", (1,), (2,))
def jinja_second(total):
    return jinja_page("jinja/second.txt", total=total, count=0)


def jinja_any(name, total):
    return jinja_page(name, total=total, count=0)


@bug("jinja file", ("jinja/first.txt", 1), ("jinja/first.txt", 2))
def jinja_by_name(name, total):
    return jinja_any(name, total)


@bug("jinja file", ("jinja/second.txt", 1), ("jinja/second.txt", 2))
def jinja_by_other_name(name, total):
    return jinja_any(name, total)


def generated(name, body):
    """Make a function as an attribute library does, from text."""
    values = {}
    exec(
        compile(f"def {name}(x):\n    return {body}", f"<generated {name}>", "exec"),
        values,
    )
    return values[name]


@bug(
    "exec",
    (generated("init_a1b2c3d4", "x.size"), 1),
    (generated("init_ffee0011", "x.size"), 2),
)
def call_generated(function, value):
    return function(value)


@bug("exec", (generated("init", "x.weight"), 1), (generated("init", "x.weight"), 2))
def weigh_generated(function, value):
    return function(value)


@contextlib.contextmanager
def opened(number):
    if number < 0:
        raise OSError("shut")
    yield number


@bug("context", (1,), (2,))
def fails_inside(number):
    with opened(number):
        raise OSError("shut")


@bug("context", (-1,), (-2,))
def fails_at_opening(number):
    with opened(number):
        return number


@functools.singledispatch
def pack(thing):
    raise NotImplementedError(f"cannot pack {thing!r}")


@pack.register
def _(thing: int):
    raise NotImplementedError(f"cannot pack {thing!r}")


@bug("dispatch", ("a",), (1.5,))
def pack_any(thing):
    return pack(thing)


@bug("dispatch", (1,), (22,))
def pack_number(thing):
    return pack(thing)


async def first_of(delay):
    await asyncio.sleep(0)
    raise TimeoutError(f"after {delay} s")


@bug("async", (0.1,), (0.25,))
def gathered(delay):
    async def main():
        await asyncio.gather(first_of(delay), asyncio.sleep(0))

    asyncio.run(main())


@bug("async", (0.1,), (0.2,))
def waited_for(delay):
    async def main():
        await asyncio.wait_for(first_of(delay), 5)

    asyncio.run(main())


@bug("form", ({"age": "x"},), ({"age": "-"},))
def form_clean(data):
    from django import forms

    class Form(forms.Form):
        age = forms.CharField()

        def clean_age(self):
            return int(self.cleaned_data["age"])

    return Form(data).is_valid()


@bug("form", ({"size": "x"},), ({"size": "+-"},))
def form_size(data):
    from django import forms

    class Form(forms.Form):
        size = forms.CharField()

        def clean_size(self):
            return int(self.cleaned_data["size"])

    return Form(data).is_valid()


@bug("celery task", (1,), (2,))
def eager_task(number):
    return run_eagerly("shop.pay", number)


@bug("celery task", (1,), (2,))
def eager_refund(number):
    return run_eagerly("shop.refund", number)


def run_eagerly(name, number):
    from celery import Celery

    app = Celery("shop", set_as_current=False)
    app.conf.task_always_eager = app.conf.task_eager_propagates = True

    @app.task(name=name, shared=False)
    def task(value):
        return pay_or_refund[name](value)

    return task.delay(number)


def pay(value):
    raise PaymentError(f"not paid: {value}")


def refund(value):
    raise PaymentError(f"not refunded: {value}")


pay_or_refund = {"shop.pay": pay, "shop.refund": refund}


# --- one line of one function, and yet two bugs: told apart by what the database, the template or the group says


def same_line(family, function, **bugs):
    """Note several bugs of one function, each with the arguments that meet it."""
    for name, rows in bugs.items():
        BUGS.append((family, name, function, rows))


def save_permission(number, **changes):
    from django.contrib.auth.models import Permission

    values = {
        "name": f"n{number}",
        "codename": f"c{number}",
        "content_type_id": 1,
        **changes,
    }
    for _ in range(2):
        save(Permission, **values)


same_line(
    "one constraint of many",
    lambda number, changes: save_permission(number, **changes),
    unique_permission=((11, {}), (12, {})),
    permission_without_name=((13, {"name": None}), (14, {"name": None})),
    permission_without_type=(
        (15, {"content_type_id": None}),
        (16, {"content_type_id": None}),
    ),
    permission_without_code=((17, {"codename": None}), (18, {"codename": None})),
)

same_line(
    "one template of many",
    lambda name, values: page(name, {"number": 3, "how": "x", **values}),
    first_template=(("first.html", {"number": "a"}), ("first.html", {"number": "b"})),
    other_node_of_first=(
        ("first.html", {"is_long": True, "how": "a"}),
        ("first.html", {"is_long": True, "how": "b"}),
    ),
    second_template=(
        ("second.html", {"number": "a"}),
        ("second.html", {"number": "b"}),
    ),
)

same_line(
    "one template language of two",
    lambda name, total: jinja_page(name, total=total, count=0),
    first_text=(("jinja/first.txt", 1), ("jinja/first.txt", 2)),
    second_text=(("jinja/second.txt", 1), ("jinja/second.txt", 2)),
)

same_line(
    "one group of many",
    in_a_group,
    prices_only=(
        ((fetch_price, 1), (fetch_price, 2)),
        ((fetch_price, 3), (fetch_price, 4), (fetch_price, 5)),
    ),
    price_and_stock=(
        ((fetch_price, 1), (fetch_stock, 2)),
        ((fetch_stock, 3), (fetch_price, 4)),
    ),
)
