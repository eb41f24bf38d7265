"""
What is in messages: texts of real libraries, and lines that a project logs.

A job of a thread pool has no frame of the project, so its message tells what failed.
The same call fails with other values, which is one bug, or for another reason.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import http.client
import http.server
import ipaddress
import json
import os
import secrets
import smtplib
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import tomllib
import urllib.request
import uuid
import xml.dom.minidom
import zoneinfo
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.utils.module_loading import import_string

from error_tracking.capture.service import ErrorCaptureService

from .pipeline import log
from .registry import Bugs

BUGS = Bugs()
WHERE = "task shop.import"


def in_pool(function, *arguments, **keywords):
    """Run a library's function as a job of its own; what it raises has no frame of the project."""
    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(function, *arguments, **keywords).exception()
    if error is None:
        raise AssertionError(f"{function} did not fail with {arguments}")
    ErrorCaptureService().capture_exception(None, error, where=WHERE)


def library(family, function, **bugs):
    """Note bugs of one function of a library."""
    BUGS.family(family, lambda *arguments: in_pool(function, *arguments), **bugs)


# --- Python's own libraries

library(
    "json",
    json.loads,
    no_value=("", "x", "[1, "),
    no_colon=('{"a" 1}', '{"name" 12, "b": 1}'),
    more_data=("1 2", '{"a": 1} {"b": 2}'),
    no_quotes=("{a: 1}", "{name: 2}"),
)
library(
    "decimal and dates",
    dt.date.fromisoformat,
    no_date=("tomorrow", "2026-13", "28.11.2026"),
    bad_month=("2026-13-01", "2025-99-11"),
)
library(
    "strptime",
    dt.datetime.strptime,
    not_of_format=(("tomorrow", "%Y-%m-%d"), ("x", "%Y-%m-%d")),
    something_left=(("2026-11-28 07:13", "%Y-%m-%d"), ("2026-01-02T1", "%Y-%m-%d")),
)
library(
    "addresses",
    ipaddress.ip_address,
    no_address=("300.1.1.1", "10.0.0", "fe80:::1"),
)
library("uuid", uuid.UUID, no_uuid=("abc", "17", "not-a-uuid"))
library(
    "time zones",
    zoneinfo.ZoneInfo,
    no_zone=("Mars/Phobos", "Europe/Nowhere"),
    bad_zone=("/etc/passwd", "/tmp/zone"),
)
library(
    "toml",
    tomllib.loads,
    no_toml=("a", "name"),
    no_toml_value=("a = ", "name = "),
    declared_twice=("a = 1\na = 2", "key = 'x'\n\nkey = 'y'"),
)
library(
    "xml",
    xml.dom.minidom.parseString,
    not_closed=("<a>", "<z><y>"),
    no_tokens=("a b", "1 < 2"),
)
library(
    "base64",
    base64.b64decode,
    bad_padding=("abc", "YWJjZGVmZw"),
    no_ascii=("\u00e4", "na\u00efve"),
)


PETS = """
CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT UNIQUE, tag TEXT UNIQUE);
INSERT INTO pets VALUES (1, 'a', 'b');
"""


def on_sqlite(statement):
    options = {"check_same_thread": False}
    with contextlib.closing(sqlite3.connect(":memory:", **options)) as database:
        database.executescript(PETS)
        in_pool(database.execute, statement)


def temporary(suffix):
    with tempfile.TemporaryDirectory() as folder:
        return str(Path(folder) / f"{secrets.token_hex(4)}{suffix}")


library(
    "files",
    os.stat,
    gone=(temporary(".csv"), temporary(".pdf"), "/srv/site/releases/20261128/a.txt"),
    no_folder=(f"{__file__}/x", f"{__file__}/y/z"),
)
library(
    "loops", os.readlink, no_link=(__file__, str(Path(__file__).with_name("site.py")))
)
library(
    "processes",
    subprocess.check_call,
    status_1=(
        ([sys.executable, "-c", "raise SystemExit(1)"],),
        ([sys.executable, "-c", "import sys; sys.exit(1)"],),
    ),
    status_2=(
        ([sys.executable, "-c", "raise SystemExit(2)"],),
        ([sys.executable, "-c", "import sys; sys.exit(2)"],),
    ),
    no_program=((["/no/such/convert", "a.png"],), (["/no/such/gs", "-b"],)),
)


# --- servers: statuses and addresses


class Refuses(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self):
        status = int(self.path.split("/")[1])
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        """Log nothing."""


@contextlib.contextmanager
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}"
        finally:
            httpd.shutdown()
            thread.join()


def with_requests(route):
    import requests

    with server() as address:
        in_pool(requests.get(address + route, timeout=5).raise_for_status)


def with_httpx(route):
    import httpx

    with server() as address:
        in_pool(httpx.get(address + route, trust_env=False).raise_for_status)


def with_urllib(route):
    with server() as address:
        in_pool(urllib.request.urlopen, address + route)


for name, client in (
    ("requests", with_requests),
    ("httpx", with_httpx),
    ("urllib", with_urllib),
):
    BUGS.family(
        f"statuses of {name}",
        client,
        **{
            f"{name}_404": ("/404/a?x=1", "/404/b/17"),
            f"{name}_403": ("/403/a", "/403/b"),
            f"{name}_500": ("/500/a", "/500/b?y"),
        },
    )


def refused_requests(port, route):
    import requests

    in_pool(requests.get, f"http://127.0.0.1:{port}{route}", timeout=1)


def slow_requests(route):
    import requests

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        in_pool(
            requests.get,
            f"http://127.0.0.1:{silent.getsockname()[1]}{route}",
            timeout=0.05,
        )


BUGS.family(
    "requests that never arrive",
    refused_requests,
    requests_refused=((1, "/a"), (2, "/b?x=1"), (9, "/c/17")),
)
BUGS.family(
    "requests that take too long",
    slow_requests,
    requests_slow=("/a", "/b?x=1"),
)


def refused_httpx(port):
    import httpx

    in_pool(httpx.get, f"http://127.0.0.1:{port}/", trust_env=False)


BUGS.family("httpx that is refused", refused_httpx, httpx_refused=(1, 2))
library(
    "sockets",
    socket.create_connection,
    socket_refused=((("127.0.0.1", 1),), (("127.0.0.1", 2),)),
)
library(
    "mail server",
    smtplib.SMTP,
    smtp_refused=(("127.0.0.1", 1), ("127.0.0.1", 2)),
)


def with_psycopg(conninfo):
    import psycopg

    in_pool(psycopg.connect, conninfo, connect_timeout=2)


BUGS.family(
    "psycopg",
    with_psycopg,
    pg_refused=("host=127.0.0.1 port=1 user=a", "host=127.0.0.1 port=2 user=b"),
    pg_option=("hots=127.0.0.1", "hots=db"),
    pg_other_option=("prot=1",),
    pg_socket=("host=/no/such/a", "host=/no/such/b"),
)


def with_pymysql(port):
    import pymysql

    in_pool(pymysql.connect, host="127.0.0.1", port=port, connect_timeout=2)


BUGS.family("pymysql", with_pymysql, mysql_refused=(1, 2))


def with_redis(port):
    from .shop import redis_at

    in_pool(redis_at(port).get, "cart:17")


BUGS.family("redis", with_redis, redis_refused=(1, 2))

# --- libraries that read what somebody sent


def reads(family, importer, **bugs):
    """Note bugs of a function that is imported when it runs."""
    BUGS.family(family, lambda *arguments: in_pool(importer(), *arguments), **bugs)


def yaml_load():
    import yaml

    return yaml.safe_load


def lxml_parse():
    from lxml import etree

    return etree.fromstring


def jwt_decode():
    import jwt

    return lambda token: jwt.decode(token, "k" * 32, algorithms=["HS256"])


def date_parse():
    from dateutil import parser

    return parser.parse


def babel_locale():
    from babel import Locale

    return Locale.parse


def babel_number():
    from babel.numbers import parse_decimal

    return parse_decimal


def cron_iterator():
    from croniter import croniter

    return croniter


def msgpack_unpack():
    import msgpack

    return msgpack.unpackb


def cbor_load():
    import cbor2

    return cbor2.loads


def ujson_load():
    import ujson

    return ujson.loads


def pem_load():
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key


def fernet():
    from cryptography.fernet import Fernet

    return Fernet


def requirement():
    from packaging.requirements import Requirement

    return Requirement


def version():
    from packaging.version import Version

    return Version


def sqlalchemy_url():
    from sqlalchemy import create_engine

    return create_engine


def color():
    from PIL import ImageColor

    return ImageColor.getrgb


def graphql_parse():
    from graphql import parse

    return parse


def schema_check():
    import jsonschema

    return jsonschema.validate


def idna_encode():
    import idna

    return idna.encode


reads("yaml", yaml_load, yaml_open=("a: [", "bcd: ["), yaml_tag=("!no x", "!nope y"))
reads(
    "lxml",
    lxml_parse,
    lxml_end=("<a>", "<a x='1'>"),
    lxml_start=("x", "text without a tag"),
)
reads("dateutil", date_parse, no_day=("not a day", "neither this"))
reads(
    "babel",
    babel_locale,
    no_locale=("xx_YY", "qq"),
    bad_locale=("1", "22"),
)
reads("babel numbers", babel_number, no_amount=("twelve", "1x2"))
reads(
    "croniter",
    cron_iterator,
    cron_columns=("* *", "* * *"),
    cron_range=("99 * * * *", "88 * * * *"),
)
reads(
    "msgpack",
    msgpack_unpack,
    msgpack_more=(b"\x01\x02", b"\x05\x06\x07"),
    msgpack_less=(b"\x92\x01",),
)
reads("cbor", cbor_load, cbor_end=(b"\x82\x01", b"\x19\x01"))
reads("ujson", ujson_load, ujson_value=("x", "zz"), ujson_end=("[1", "[22"))
reads("fernet", fernet, fernet_key=(b"short", b"x" * 16))
reads("packaging", version, no_version=("next", "the last one"))
reads("packaging names", requirement, no_requirement=("a b", "name and more"))
reads(
    "sqlalchemy",
    sqlalchemy_url,
    no_url=("nothing", "no url at all"),
    no_dialect=("nosql://a", "nosql://b/c"),
)
reads("pillow colours", color, no_colour=("#ggff00", "reddish"))
reads(
    "graphql",
    graphql_parse,
    graphql_end=("{ a", "{ bb"),
    graphql_name=("{ 1 }", "{ 22 }"),
)
reads("idna", idna_encode, idna_codepoint=("a\u2603", "b\u2603c"))
reads(
    "jsonschema",
    schema_check,
    wrong_type=((5, {"type": "string"}), (17, {"type": "string"})),
    too_short=(("a", {"minLength": 3}), ("bc", {"minLength": 3})),
    not_required=(({}, {"required": ["name"]}),),
)


def adapter(of):
    def importer():
        import pydantic

        return pydantic.TypeAdapter(of).validate_python

    return importer


reads(
    "pydantic",
    adapter(int),
    no_integer=("a", "bcd"),
    none_for_integer=(None,),
)
reads(
    "pydantic list",
    adapter(list[int]),
    no_integers=((["a"],), (["a", "b"],), ([1, 2, "c"],)),
    no_list=(("abc",), ("",)),
)
library(
    "django import",
    import_string,
    no_attribute=("django.nope", "django.nope"),
    no_other_attribute=("django.nada",),
    no_module_of_django=("django.nope.Name",),
)
BUGS.family(
    "statements",
    on_sqlite,
    sqlite_table=(("SELECT * FROM nope",), ("SELECT 1 FROM nope WHERE id = 17",)),
    sqlite_other_table=(("SELECT * FROM nada",),),
    sqlite_unique=(
        ("INSERT INTO pets VALUES (2, 'a', 'c')",),
        ("INSERT INTO pets VALUES (3, 'a', 'd')",),
    ),
    sqlite_other_unique=(("INSERT INTO pets VALUES (2, 'b', 'b')",),),
)

# --- lines that a project logs with values in them


def lines(family, template, values, *others):
    """Note one line with several values, and lines that look like it and mean something else."""
    name = family.replace(" ", "_")
    found = {name: tuple(template.format(value) for value in values)}
    for number, other in enumerate(others):
        found[f"{name}_other_{number}"] = (other,)
    BUGS.family(f"value: {family}", log, **found)


UUIDS = ("0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e", "0B7E3C52-2F3C-4A0A-9A52-3F3DDC4C3A3F")
lines("uuid", "order {} lost", UUIDS, f"parcel {UUIDS[0]} lost")
lines(
    "uuid of hex", "job {} died", (uuid.UUID(int=7**40).hex, uuid.UUID(int=9**38).hex)
)
lines(
    "uuid in braces",
    "device {} is offline",
    ("{" + UUIDS[0] + "}", "{" + UUIDS[1] + "}"),
)
lines(
    "ulid",
    "event {} lost",
    ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01BX5ZZKBKACTAV9WEVGEMMVS1"),
)
lines(
    "ksuid",
    "upload {} is gone",
    ("0ujtsYcgvSTl8PAuAdqWYSMnLOv", "0ujzPyRiIAffKhBux4PvQdDqMHY"),
)
lines(
    "nanoid",
    "cart {} expired",
    ("V1StGXR8_Z5jdHi6B-myT", "IRFa-VaY2b9kTz0qPx-3d", "aBc-DeF_9hIjK1mNoPqRs"),
)
lines(
    "objectid",
    "document {} not found",
    ("507f1f77bcf86cd799439011", "6565c3a1e4b0f2a1b8c9d0e1"),
)
lines("snowflake", "message {} deleted", ("1541815603606036480", "175928847299117063"))
lines(
    "customer id",
    "No such customer: {}",
    ("cus_9s6XKzkNRiz8i3", "cus_NffrFeUfNV2Hib", "cus_NffrFeUfNVxHib"),
    "No such coupon: cus_9s6XKzkNRiz8i3",
)
lines(
    "payment id",
    "payment {} refused",
    ("pi_3MtwBwLkdIwHu7ix28a3tqPa", "pi_1Gt0xYLkdIwHu7ixVEkdoSBa"),
    "payout pi_3MtwBwLkdIwHu7ix28a3tqPa refused",
)
lines(
    "account id",
    "no such account {}",
    ("AC" + "0" * 31 + "a", "AC5ef8732a3c49700934481addd5ce1659"),
)
lines("short id", "bucket {} is full", ("b_7f3a", "b_91cc", "b_0d2e"))
lines("pod name", "pod {} restarted", ("web-6d4cf56db6-abcde", "web-7f9c8b5d4f-x2k9q"))
lines(
    "commit",
    "deploy of {} failed",
    ("2fd4e1c", "9ab01ff7", "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"),
)
lines(
    "hash",
    "file with md5 {} is broken",
    ("d41d8cd98f00b204e9800998ecf8427e", "9e107d9d372bb6826bd81d3542a419d6"),
    "file with sha1 d41d8cd98f00b204e9800998ecf8427e is broken",
)
lines(
    "temporary file",
    "cannot read {}",
    ("/tmp/tmpa8s7d6f5/in.csv", "/var/folders/zz/T/tmpq1w2e3r4"),
)
lines("temporary name", "file {} is gone", ("tmpa8s7d6f5", "tmpz9x8c7v6"))
lines(
    "uploaded file",
    "cannot resize {}",
    ("avatars/anna.png", "avatars/2026/11/bob_2.jpeg", "C:\\fakepath\\me.png"),
)
lines(
    "report file", "cannot send {}", ("report-20261128-134501.pdf", "orders_2026.xlsx")
)
lines(
    "home path",
    "cannot open {} now",
    ("~/data/a.csv", "../media/2026/b.csv", "/srv/x/y.csv"),
)
lines(
    "template file",
    "cannot render shop/{}",
    ("list.html",),
    "cannot render shop/detail.html",
)
lines(
    "amount",
    "amount {} refused",
    ("$1,234.56", "-12", "+3.20", "1.234,56", "\u20ac7"),
    "balance $1 refused",
)
lines("currency", "charge of {} failed", ("12 EUR", "USD 1,234.56", "CHF 1'234.50"))
lines(
    "duration",
    "worker took {} to stop",
    ("3.2s", "250 ms", "1m30s", "0:00:03.12", "2 hours"),
)
lines("iso duration", "lease of {} is over", ("PT1H30M", "P3DT2S"))
lines(
    "size",
    "file of {} is too large",
    ("12 KB", "1.5 MB", "1536 bytes", "3GiB"),
    "file of 3GiB is too small",
)
lines(
    "version",
    "needs plugin {} or newer",
    ("1.2.3", "10.4", "v2.0.0-beta.4+build.5", "3.0rc1"),
)
lines("iso date", "no rate for {} yet", ("2026-11-28", "2026-11-29T07:13:50Z"))
lines(
    "written date",
    "no slot on {} left",
    ("28 Nov 2026", "Sat, 28 Nov 2026 07:13:50 GMT", "November 28, 2026"),
)
lines("numeric date", "no shift on {} left", ("28.11.2026", "11/28/2026"))
lines("time of day", "shop opens at {} only", ("07:13", "19:30:00", "7:13 PM"))
lines(
    "url",
    "cannot fetch {} today",
    ("https://a.example/x?y=1", "http://b.example:8080/"),
)
lines(
    "request",
    "GET {} was refused",
    ("/a", "/a/17/?x=1", "/b.html"),
    "POST /a was refused",
)
lines("base64", "cookie {} is broken", ("dGhpcyBpcyBhIHRva2Vu0A==", "aGVsbG8gd29ybGQ="))
lines("address", "blocked {} again", ("192.0.2.1", "203.0.113.77"))
lines(
    "ipv6 address", "blocked peer {} again", ("2001:db8::ff00:42:8329", "fe80::1%eth0")
)
lines("host and port", "peer 10.0.0.5:{} left", ("5432", "49152"))
lines("mac address", "device {} left", ("00:1B:44:11:3A:B7", "a4-5e-60-c2-9d-01"))
lines("hex address", "bad pointer {} freed", ("0x7f3a1c2d", "0xDEADBEEF"))
lines(
    "e-mail",
    "mail to {} bounced",
    ("anna@example.com", "b.c+d@mail.example.co.uk"),
    "mail to the shop bounced",
)
lines(
    "quoted name",
    "user {} is locked",
    ("'anna'", '"O\'Brien"', "'O'Brien'", "\u201cbob\u201d", "`eve`"),
    "group 'anna' is locked",
)
lines(
    "apostrophe",
    "can't open user's cart of {}",
    ("17 items", "3 items"),
    "can't close user's cart of 3 items",
)
lines(
    "list", "rows {} are wrong", ("[1]", "[1, 2, 3]", "[17, 18]", str(list(range(900))))
)
lines("list of names", "tags {} are unknown", ("['a']", "['a', 'b', 'c']", "[]"))
lines(
    "dict",
    "values {} are wrong",
    ("{'a': 1}", "{'a': 1, 'b': [2, 3]}", "{'a': None, 'c': {'d': 'e'}}"),
)
lines(
    "objects",
    "cannot delete {} now",
    ("<User: anna>", "<User: bob marley>"),
    "cannot delete <Group: anna> now",
)
lines(
    "queryset",
    "cannot lock {} now",
    ("<QuerySet [<User: anna>]>", "<QuerySet [<User: a>, <User: b>]>"),
)
lines("percentage", "disk is {} full", ("91%", "95.5 %"), "disk is 91% empty")
lines("scientific", "residual {} is too large", ("1.5e-07", "-2E+3", "0.1"))
lines("phone", "SMS to {} failed", ("+49 170 1234567", "+1 555 123 4567"))
lines("card", "card {} declined", ("4111 1111 1111 1111", "5500 0000 0000 0004"))
lines(
    "invoice",
    "invoice {} unpaid",
    ("INV-2026-00017", "INV-2025-4"),
    "invoice CRN-2026-00017 unpaid",
)
lines("thread", "{} died", ("Thread-3", "Thread-17"), "ForkPoolWorker-3 died")
lines("coordinates", "no map for {}", ("48.1372, 11.5756", "-33.9, 151.2"))
lines("colour", "no paint for {}", ("#ff00aa", "#112233"))

lines(
    "task of celery",
    "Task shop.pay[{}] raised unexpected",
    UUIDS,
    f"Task shop.refund[{UUIDS[0]}] raised unexpected",
)
lines(
    "statement",
    "slow query: SELECT * FROM shop_order WHERE id = {}",
    ("17", "9"),
    "slow query: SELECT * FROM shop_user WHERE id = 17",
)
lines(
    "row",
    "row 17, column 'price': {} is not a number",
    ("'12,x'", '"none"'),
    "row 17, column 'weight': '12,x' is not a number",
)
lines("shape", "shapes {} and (4, 3) do not fit", ("(3, 4)", "(300, 4)"))
lines(
    "object in words",
    "Order{} is late",
    ("(id=17, total=Decimal('3.50'))", "(id=9, total=Decimal('1'))"),
)
lines(
    "answer",
    'bank sent 200 OK: {{"state": "error", "id": {}}}',
    ("17", "18"),
    'bank sent 202 Accepted: {"state": "error", "id": 17}',
)
lines(
    "deadlock",
    "deadlock detected\nDETAIL:  Process {} waits for ShareLock on transaction 456",
    ("123", "7"),
)
lines(
    "progress",
    "chunk {} of the upload failed",
    ("0001/0120", "0119/0120", "3/7"),
)
lines(
    "expiry",
    "certificate of the bank expired on {}",
    ("Nov 28 07:13:50 2026 GMT", "Dec  1 07:13:50 2026 GMT"),
)

# --- codes and names, which say what failed


def texts(family, **bugs):
    """Note lines of one kind that mean different things."""
    BUGS.family(f"code: {family}", log, **bugs)


texts(
    "oracle",
    ora_table=("ORA-00942: table or view does not exist",),
    ora_login=("ORA-01017: invalid username/password; logon denied",),
    ora_any=("failed with ORA-12541 after 3 s", "failed with ORA-12541 after 5 s"),
    ora_other=("failed with ORA-12514 after 3 s",),
)
texts(
    "sqlstate",
    state_table=(
        "query failed: SQLSTATE 42P01 after 3 s",
        "query failed: SQLSTATE 42P01 after 7 ms",
    ),
    state_unique=("query failed: SQLSTATE 23505 after 3 s",),
    state_refused=("query failed: SQLSTATE[HY000] [2002]",),
    state_login=("query failed: SQLSTATE[HY000] [1045]",),
)
texts(
    "mysql",
    my_login=(
        "(1045, \"Access denied for user 'a'@'10.0.0.1' (using password: YES)\")",
        "(1045, \"Access denied for user 'b'@'10.0.0.2' (using password: YES)\")",
    ),
    my_host=(
        "(2003, \"Can't connect to MySQL server on 'db' (111)\")",
        "(2003, \"Can't connect to MySQL server on 'db2' (111)\")",
    ),
    my_column=("(1054, \"Unknown column 'total' in 'field list'\")",),
    my_other_column=("(1054, \"Unknown column 'price' in 'field list'\")",),
)
TWICE = (
    'duplicate key value violates unique constraint "{}"\n'
    "DETAIL:  Key (number)=({}) already exists."
)
texts(
    "postgres",
    pg_column=(
        'column "total" does not exist\nLINE 1: SELECT "total" WHERE id = 17',
        'column "total" does not exist\nLINE 1: SELECT "total" WHERE id = 9',
    ),
    pg_other_column=('column "price" does not exist',),
    pg_table=('relation "shop_order" does not exist',),
    pg_constraint=(
        TWICE.format("shop_order_number_key", 17),
        TWICE.format("shop_order_number_key", "A-18"),
    ),
    pg_other_constraint=(TWICE.format("shop_user_number_key", 17),),
)
texts(
    "status",
    answered_404=("bank answered with 404",),
    answered_503=("bank answered with 503",),
    status_404=("bank: status code 404 for /a/1", "bank: status code 404 for /a/2"),
    status_500=("bank: status code 500 for /a/1",),
)
texts(
    "errno",
    errno_2=(
        "copy failed: [Errno 2] No such file or directory: '/a/b'",
        "copy failed: [Errno 2] No such file or directory: '/c'",
    ),
    errno_13=("copy failed: [Errno 13] Permission denied: '/a/b'",),
    exit_1=("convert of 17 files: exit status 1", "convert of 3 files: exit status 1"),
    exit_137=("convert of 17 files: exit status 137",),
)
texts(
    "vendor",
    error_e1001=(
        "printer: error code E1001 on page 3",
        "printer: error code E1001 on page 9",
    ),
    error_e1002=("printer: error code E1002 on page 3",),
    check_e300=("(fields.E300) Field defines a relation",),
    check_e307=("(fields.E307) Field defines a relation",),
)
texts(
    "names",
    no_attribute=("'Order' object has no attribute 'total'",),
    no_other_attribute=("'Order' object has no attribute 'price'",),
    no_module=("No module named 'shop.pay'",),
    no_other_module=("No module named 'shop.ship'",),
)
texts(
    "settings",
    no_setting=("setting 'MEDIA_ROOT' is empty",),
    no_other_setting=("setting 'STATIC_ROOT' is empty",),
    no_codec=("unknown encoding: utf-7",),
    no_other_codec=("unknown encoding: utf-16",),
)
texts(
    "exceptions in texts",
    repr_refused=(
        "sync failed: ConnectionError('refused by 10.0.0.1')",
        "sync failed: ConnectionError('refused by 10.0.0.2')",
    ),
    repr_reset=("sync failed: ConnectionError('reset by 10.0.0.1')",),
    repr_column=("sync failed: OperationalError('no such column: total')",),
    repr_other_column=("sync failed: OperationalError('no such column: price')",),
)
