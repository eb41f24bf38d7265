"""
A site whose failures go through the whole capture: logs, messages, templates, refusals, commands.

Each situation is one bug of a family, with several ways to meet it. Bugs of one
family look alike and must stay apart.
"""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import queue
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import connection
from django.http import Http404, HttpResponse
from django.template import engines
from django.test import Client, override_settings
from django.urls import path
from django.views.generic import ListView, RedirectView, TemplateView

import error_tracking
from error_tracking.capture import context
from error_tracking.integrations.logging import ErrorLogHandler
from error_tracking.services import ErrorCaptureService

SITUATIONS = []
TEMPLATES = {
    "syntax.html": "one\ntwo {% nosuch %}\n",
    "syntax_too.html": "one {% other %}\n",
    "includes.html": "one\n\n{% include 'gone.html' %}\n",
    "includes_other.html": "one\n\n{% include 'away.html' %}\n",
    "extends.html": "{% extends 'gone.html' %}",
    "filter.html": "{{ name|nosuch }}",
    "divides.html": "{% load grouping %}{{ page|broken }}",
    "divides_too.html": "{% load grouping %}<p>{{ page|broken }}</p>",
}


def bug(family, *rows):
    """Note a situation, and the arguments with which it is the same bug."""

    def note(function):
        SITUATIONS.append((family, function.__name__, function, rows or ((), ())))
        return function

    return note


def bugs(family, function, **situations):
    """Note several bugs of one function, each with the arguments that meet it."""
    for name, rows in situations.items():
        SITUATIONS.append((family, name, function, rows))


@contextlib.contextmanager
def running(folder: Path):
    """Run the site, with its templates in *folder*."""
    for name, text in TEMPLATES.items():
        (folder / name).write_text(text)
    settings = {
        "ROOT_URLCONF": __name__,
        "ALLOWED_HOSTS": ["*"],
        "DEBUG": False,
        "MIDDLEWARE": [
            "error_tracking.middleware.ErrorCaptureMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
        ],
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [str(folder)],
                "OPTIONS": {
                    "libraries": {"grouping": "tests.grouping.templatetags_of_site"}
                },
            }
        ],
    }
    with override_settings(**settings):
        yield


# --- requests


def get(address, **headers):
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.get(address, headers=headers)


def post(address, **headers):
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.post(address, headers=headers)


def returns(status):
    return lambda request, **_kwargs: HttpResponse("no", status=status)


def first_500(request):
    return HttpResponse("no", status=500)


def second_500(request):
    return HttpResponse("no", status=500)


def missing(request, pk):
    raise Http404(f"no order {pk}")


def denied(request, pk):
    raise PermissionDenied(f"not yours: {pk}")


def page(request, name):
    return HttpResponse(engines["django"].get_template(name).render({"page": 1}))


def accepts(request):
    return HttpResponse("sent")


class Orders(ListView):
    """A generic view without a query set: Django's code fails, and ours is in no frame."""

    template_name = "orders.html"


class Customers(ListView):
    template_name = "customers.html"


async def asynchronous(request, pk):
    raise LookupError(f"no row {pk}")


urlpatterns = [
    path("first/<int:pk>/", returns(500)),
    path("second/", second_500),
    path("unavailable/<int:pk>/", returns(503)),
    path("missing/<int:pk>/", missing),
    path("denied/<int:pk>/", denied),
    path("orders/<int:pk>/", Orders.as_view()),
    path("customers/<int:pk>/", Customers.as_view()),
    path("nowhere/<int:pk>/", TemplateView.as_view(template_name="nowhere.html")),
    path("other/<int:pk>/", TemplateView.as_view(template_name="nowhere.html")),
    path("elsewhere/<int:pk>/", TemplateView.as_view(template_name="elsewhere.html")),
    path("redirect/<int:pk>/", RedirectView.as_view(pattern_name="no-such-name")),
    path("form/<int:pk>/", lambda request, pk: HttpResponse("sent")),
    path("form/", accepts),
    path("page/<str:name>/", page),
    path("async/<int:pk>/", asynchronous),
]

bugs(
    "answers without an exception",
    get,
    a_500_on_one_route=(("/first/1/",), ("/first/2/",)),
    a_500_on_another=(("/second/",), ("/second/?page=2",)),
    a_503=(("/unavailable/1/",), ("/unavailable/77/",)),
    a_404_of_a_view=(("/missing/17/",), ("/missing/18/",)),
    a_404_of_no_view=(("/shop/old/2/",), ("/shop/old/1/",), ("/a/b/c",)),
    a_403_of_a_view=(("/denied/17/",), ("/denied/18/",)),
)
bugs(
    "refused forms",
    post,
    without_a_cookie=(("/form/1/",), ("/form/2/",)),
    without_a_cookie_elsewhere=(("/form/",), ("/form/?a=1",)),
)
SITUATIONS.append(
    (
        "refused forms",
        "of_another_origin",
        lambda origin: post("/form/", origin=origin),
        (("https://a.example",), ("https://b.example:99",), ("http://c.example",)),
    )
)
bugs(
    "views without code of the project",
    get,
    list_without_a_query=(("/orders/1/",), ("/orders/2/",)),
    another_list=(("/customers/1/",), ("/customers/2/",)),
    missing_template=(("/nowhere/1/",), ("/nowhere/2/",), ("/other/1/",)),
    another_missing_template=(("/elsewhere/1/",), ("/elsewhere/2/",)),
    redirect_to_nothing=(("/redirect/1/",), ("/redirect/2/",)),
    async_view=(("/async/1/",), ("/async/2/",)),
)
bugs(
    "templates",
    get,
    syntax=(("/page/syntax.html/",), ("/page/syntax.html/?x=1",)),
    syntax_of_another=(("/page/syntax_too.html/",), ("/page/syntax_too.html/?y",)),
    missing_include=(("/page/includes.html/",), ("/page/includes.html/?x=1",)),
    include_of_another=(
        ("/page/includes_other.html/",),
        ("/page/includes_other.html/?x=1",),
    ),
    missing_parent=(("/page/extends.html/",), ("/page/extends.html/?x=1",)),
    missing_filter=(("/page/filter.html/",), ("/page/filter.html/?x=1",)),
    failing_filter=(("/page/divides.html/",), ("/page/divides.html/?x=1",)),
    failing_filter_elsewhere=(
        ("/page/divides_too.html/",),
        ("/page/divides_too.html/?x=1",),
    ),
)


# --- tasks and commands


def capture(function, *args, where):
    context.begin()
    try:
        function(*args)
    except Exception as error:
        # Without the frame of this function, which is in every one.
        error = error.with_traceback(error.__traceback__.tb_next)
        ErrorCaptureService().capture_exception(None, error, where=where)
    else:
        raise AssertionError(f"{function} did not fail")


def run_from(filename, statement, where):
    """Run *statement* as the code of an entry point, which is no place of the project's."""
    scope = {"__name__": "__main__"}
    code = compile(statement, filename, "exec")
    capture(exec, code, scope, where=where)


bugs(
    "library code under an entry point",
    run_from,
    import_command=(
        ("/srv/a/manage.py", "import json\njson.loads('{')", "command import"),
        ("/srv/b/manage.py", "import json\n\n\njson.loads('{')", "command import"),
    ),
    export_command=(
        ("/srv/a/manage.py", "import json\njson.loads('{')", "command export"),
        ("/srv/b/manage.py", "import json\n\njson.loads('{')", "command export"),
    ),
    task_of_a_worker=(
        ("/srv/a/wsgi.py", "import json\njson.loads('{')", "task shop.read"),
        ("/srv/b/wsgi.py", "import json\njson.loads('{')", "task shop.read"),
    ),
    another_task=(
        ("/srv/a/wsgi.py", "import json\njson.loads('{')", "task shop.write"),
        ("/srv/b/asgi.py", "import json\njson.loads('{')", "task shop.write"),
    ),
)


def ping(depth):
    return pong(depth) + 1


def pong(depth):
    return ping(depth) * 1


def descend(depth):
    return descend(depth - 1) if depth else ping(depth)


def endless(depth):
    return endless(depth + 1)


def enter_pong(depth):
    return pong(depth)


bugs(
    "recursion without end",
    lambda function, depth: capture(function, depth, where="task shop.walk"),
    of_two=((descend, 0), (descend, 1), (descend, 2), (descend, 7)),
    of_one=((endless, 0), (endless, 900)),
)

SHARED = ValueError("one object")


def raise_here():
    raise SHARED


def raise_there():
    raise SHARED


def raise_elsewhere():
    raise SHARED


bugs(
    "one exception object",
    lambda function: capture(function, where="task shop.pay"),
    raised_here=((raise_here,), (raise_here,)),
    raised_there=((raise_there,), (raise_there,)),
    raised_elsewhere=((raise_elsewhere,), (raise_elsewhere,)),
)


def select(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


bugs(
    "what the database does not have",
    lambda statement: capture(select, statement, where="task shop.count"),
    a_table=(("SELECT 1 FROM shop_nowhere",), ("SELECT id FROM shop_nowhere",)),
)


def configured(setting, reason):
    raise ImproperlyConfigured(f"The {setting} setting {reason}")


bugs(
    "settings",
    lambda function, *args: capture(function, *args, where="command check"),
    a_setting=((configured, "MEDIA_ROOT", "is 1"), (configured, "MEDIA_ROOT", "is 2")),
)


# --- files that change under a running process


def function_of(source, filename):
    scope = {"__name__": "shop.replaced", "__file__": filename}
    exec(compile(source, filename, "exec"), scope)
    return scope["fail"]


REPLACED = "def fail(key):\n    return {}[key]\n"
OTHER = "def fail(key):\n    return [][key]\n"

bugs(
    "code without its file",
    lambda source, key: capture(
        function_of(source, "/srv/site/shop/replaced.py"), key, where="task shop.x"
    ),
    a_key=((REPLACED, "a"), (REPLACED, "b")),
    an_index=((OTHER, 1), (OTHER, 2)),
)


# --- log lines


@contextlib.contextmanager
def logger_of(name, handler=None):
    logger = logging.getLogger(name)
    handler = handler or ErrorLogHandler()
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


def log(name, message, *args):
    context.begin()
    with logger_of(name) as logger:
        logger.error(message, *args)


def log_json(name, **values):
    log(name, json.dumps(values))


def log_queued(name, message, *args):
    """Log an exception through a queue, whose handler puts the traceback into the text."""
    waiting = queue.Queue()
    queued = logging.handlers.QueueHandler(waiting)
    queued.setFormatter(logging.Formatter())
    context.begin()
    with logger_of(name, queued) as logger:
        try:
            int(f"no {args[0]}")
        except ValueError:
            logger.exception(message, *args)
    while not waiting.empty():
        ErrorLogHandler().handle(waiting.get())


bugs(
    "log templates",
    log,
    order_lost=(("shop", "order %s lost", 17), ("shop", "order %s lost", "A-9")),
    order_paid_twice=(
        ("shop", "order %s paid twice", 17),
        ("shop", "order %s paid twice", 18),
    ),
    of_another_logger=(
        ("shop.stock", "order %s lost", 17),
        ("shop.stock", "order %s lost", 18),
    ),
    with_wrong_arguments=(
        ("shop", "order %s of %s failed", 17),
        ("shop", "order %s of %s failed", 18),
    ),
    without_arguments=(("shop", "the shop is shut"), ("shop", "the shop is shut")),
)
bugs(
    "json lines",
    lambda key, event, order: log_json("shop", order=order, **{key: event}),
    paid_twice=(("event", "paid twice", 1), ("event", "paid twice", 2)),
    lost=(("event", "lost", 1), ("event", "lost", 2)),
    message_lost=(("message", "stock lost", 1), ("message", "stock lost", 2)),
    msg_late=(("msg", "late", 1), ("msg", "late", 2)),
)
bugs(
    "queued records",
    log_queued,
    first_template=(("shop", "order %s bad", 17), ("shop", "order %s bad", 18)),
)


# --- what programs generate: in messages that were put together without a template


def say(text):
    context.begin()
    error_tracking.capture_message(text, level="error")


GENERATED = {
    "ids of libraries": {
        "ULID": ("order {} is lost", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01BX5ZZKBKACTAV9WEVGEMMVS1"),
        "KSUID": ("event {} came late", "0ujtsYcgvSTl8PAuAdqWYSMnLOv", "0ujzPyRiIAffKhBux4PvQdDqMHY"),
        "UUID": ("job {} died", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "0192f1a2-7c3b-7def-8a4b-3c2d1e0f9a8b"),
        "UUID without dashes": ("part {} broke", "6ba7b8109dad11d180b400c04fd430c8", "0192f1a27c3b7def8a4b3c2d1e0f9a8b"),
        "ObjectId": ("document {} is gone", "507f1f77bcf86cd799439011", "65a1b2c3d4e5f60718293a4b"),
        "Snowflake": ("tweet {} is private", "1541815603606036480", "1541815603606036999"),
    },
    "ids of vendors": {
        "customer": ("No such customer: {}", "cus_9s6XKzkNRiz8i3", "cus_4fdAW5ftNQow1a"),
        "payment": ("payment {} was refused", "pi_3MtwBwLkdIwHu7ix28a3tqPa", "pi_1Gszvm2eZvKYlo2CRXEmwzfT"),
        "request": ("see request {} at the bank", "req_Xh1mJ2kQ9ZpLwA", "req_9KsLm3nB7VcXzQ"),
        "volume": ("volume {} is not attached", "vol-049df61146c4d7901", "vol-1234567890abcdef0"),
        "message": ("the mail {} bounced", "<20260101.1234@mx.example.com>", "<AbC-77@mail.example.org>"),
    },
    "numbers": {
        "amount": ("amount {} is refused", "$1,234.56", "$7"),
        "balance": ("the balance {} is too low", "-17.50", "3"),
        "duration": ("the bank took {}", "3.2s", "250ms"),
        "size": ("an upload of {} is too large", "12 KB", "1.5 MB"),
        "percentage": ("the disk is {} full", "97%", "99.5%"),
        "scientific": ("the residue {} is too large", "1.5e-07", "2.25E+10"),
    },
    "places": {
        "temporary folder": ("cannot read {}/in.csv", "/tmp/tmpa8s7d6f5", "/tmp/tmpq1w2e3r4"),
        "temporary file": ("file {} is gone already", "tmpa8s7d6f5", "tmpz9x8c7v6"),
        "release folder": ("no manifest in {}", "/srv/site/releases/20261128/a.txt", "/srv/site/releases/20261129/a.txt"),
        "address of the net": ("{} closed the connection", "192.0.2.1", "203.0.113.77"),
        "address and port": ("nobody listens at {}", "10.0.0.5:5432", "10.0.0.6:6543"),
        "address of version 6": ("no route to {}", "2001:db8::1", "2001:db8:0:1::ffff"),
        "URL": ("the hook {} does not answer", "https://a.example/x?id=1", "http://b.example:81/y/2"),
    },
    "times": {
        "date": ("no rates for {}", "2026-11-28", "2025-01-02"),
        "date and time": ("the lease ended at {}", "2026-11-28T06:45:11Z", "2026-11-28 07:00:01.123"),
        "time of day": ("the cut-off was {}", "06:45", "23:59:59"),
        "seconds of the epoch": ("the clock said {}", "1764312311", "1764398711.25"),
        "zone": ("the flight leaves at {}", "2026-11-28T06:45:11+01:00", "2026-12-01T00:00:00-05:30"),
    },
    "secrets and hashes": {
        "hex": ("checksum {} does not match", "d41d8cd98f00b204e9800998ecf8427e", "098f6bcd4621d373cade4e832627b4f6"),
        "SHA-256": ("blob sha256:{} is missing", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        "base64": ("token {} is bad", "dGhpcyBpcyBhIHRva2Vu0A==", "c29tZXRoaW5nIGVsc2Ux1Q=="),
        "address in memory": ("<Order object at {}> is broken", "0x7f3c2a1b4d90", "0x55d0c8a1e2f0"),
        "version": ("the plugin needs version {}", "1.2.3", "10.4"),
        "commit": ("cannot check out commit {}", "9fceb02d0ae598e95dc970b74767f19372d61af8", "9fceb02"),
    },
    "names that people gave": {
        "e-mail": ("no account for {}", "anna@example.com", "b.b@mail.example.org"),
        "quoted": ("user {} is unknown", "'anna'", "'bertram'"),
        "double quotes": ("the tag {} is unknown", '"summer"', '"winter"'),
        "list": ("these ids are unknown: {}", "[1, 2, 3]", "[17]"),
        "number of a thing": ("order #{} is shut", "17", "200018"),
    },
}  # fmt: skip

for _family, _kinds in GENERATED.items():
    for _kind, (_text, *_values) in _kinds.items():
        rows = tuple((_text.format(value),) for value in _values)
        SITUATIONS.append((_family, _kind, say, rows))

WORDS = {
    "words that differ": [
        "payment failed",
        "stock is negative",
        "cannot read the configuration",
        "cannot write the configuration",
        "order_created is unknown",
        "order_deleted is unknown",
        "authentication failed",
    ],
}
for _family, _texts in WORDS.items():
    for _text in _texts:
        SITUATIONS.append((_family, _text, say, ((_text,), (_text,))))
