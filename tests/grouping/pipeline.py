"""
A site that fails in libraries' code: generic views, templates, settings, commands, logs.

Each bug goes through the whole pipeline, as in a running site. Little of the code
that fails is the project's own, so what tells these bugs apart is not its frames.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import json
import logging
import logging.handlers
import queue
import runpy
import sys
import tempfile
import zipfile
from pathlib import Path
from unittest import mock

import jinja2
from django.contrib.auth import views as auth_views
from django.contrib.auth.models import Group, User
from django.http import HttpResponse
from django.template import engines
from django.test import AsyncClient, Client, override_settings
from django.urls import include, path, re_path
from django.views import static
from django.views.generic import (
    CreateView,
    DetailView,
    FormView,
    ListView,
    RedirectView,
    TemplateView,
)
from django.views.i18n import JavaScriptCatalog
from rest_framework import generics, serializers, viewsets

from error_tracking.capture.service import ErrorCaptureService
from error_tracking.integrations.commands import capture_failure
from error_tracking.integrations.logging import ErrorLogHandler

from .registry import Bugs

BUGS = Bugs()
TEMPLATES = Path(__file__).parent / "templates"

SETTINGS = {
    "ROOT_URLCONF": __name__,
    "ALLOWED_HOSTS": ["testserver"],
    "MIDDLEWARE": ["error_tracking.middleware.ErrorCaptureMiddleware"],
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [TEMPLATES],
        },
        {
            "BACKEND": "django.template.backends.jinja2.Jinja2",
            "NAME": "jinja",
            "DIRS": [TEMPLATES],
            "OPTIONS": {"undefined": jinja2.StrictUndefined},
        },
    ],
}


class GroupSerializer(serializers.ModelSerializer):
    """Names a field that the model does not have."""

    class Meta:
        model = Group
        fields = ("name", "colour")


class UserSerializer(serializers.ModelSerializer):
    """Names another field that its model does not have."""

    class Meta:
        model = User
        fields = ("username", "height")


class NoFields(serializers.ModelSerializer):
    """Forgets ``Meta``."""


class GroupViews(viewsets.ModelViewSet):
    """A view set of groups."""

    queryset = Group.objects.all()
    serializer_class = GroupSerializer


class NamedGroups(CreateView):
    """Has no ``get_absolute_url`` to go to."""

    model = Group
    fields = ("name",)
    template_name = "first.html"


def jinja_view(request, name):
    """Only hands over to the other engine."""
    return HttpResponse(engines["jinja"].get_template(f"site/{name}").render())


def response_500(request, number):
    return HttpResponse(status=500)


def response_503(request, number):
    return HttpResponse(status=503)


def page(name):
    return TemplateView.as_view(template_name=f"site/{name}.html")


urlpatterns = [
    path("pages/<str:name>/", lambda request, name: page(name)(request)),
    path("same/<int:number>/", page("nowhere")),
    path("also/<int:number>/", page("nowhere")),
    path("other/<int:number>/", page("nothing")),
    path("login/", auth_views.LoginView.as_view()),
    path("reset/", auth_views.PasswordResetView.as_view(template_name="gone.html")),
    path("jinja/<str:name>/", jinja_view),
    path("old/<int:number>/", RedirectView.as_view(pattern_name="moved")),
    path("older/<int:number>/", RedirectView.as_view(pattern_name="gone")),
    path("groups/<int:page>/", ListView.as_view(model=Group, ordering="nme")),
    path("users/<int:page>/", ListView.as_view(model=User, ordering="nme")),
    path("titles/<int:page>/", ListView.as_view(model=Group, ordering="title")),
    path("nothing/<int:page>/", ListView.as_view()),
    path("group/", DetailView.as_view(model=Group)),
    path("user/", DetailView.as_view(model=User)),
    path("form/", FormView.as_view(template_name="first.html")),
    path("new/<int:number>/", NamedGroups.as_view()),
    path("edit/", CreateView.as_view(model=Group, template_name="first.html")),
    path("js/", JavaScriptCatalog.as_view(packages=["nowhere"])),
    path("files/<path:path>", static.serve),
    path("api/more/<int:number>/", GroupViews.as_view({"post": "create"})),
    path(
        "api/users/<int:number>/",
        generics.CreateAPIView.as_view(
            queryset=User.objects.all(), serializer_class=UserSerializer
        ),
    ),
    path("api/none/", generics.ListAPIView.as_view()),
    path("api/bare/", generics.ListAPIView.as_view(queryset=Group.objects.all())),
    path(
        "api/nofields/",
        generics.CreateAPIView.as_view(serializer_class=NoFields),
    ),
    path("api/one/", generics.RetrieveAPIView.as_view(queryset=Group.objects.all())),
    path("silent/<int:number>/", response_500),
    path("busy/<int:number>/", response_503),
    re_path(r"^spoken/(?P<number>\d+)/?$", response_500),
    path("inner/", include([path("<int:number>/", response_500)])),
]


def get(address, **settings):
    """Send a request with *settings*; what fails is captured by the middleware."""
    with override_settings(**settings):
        Client(raise_request_exception=False).get(address)


def post(address, data=None, **settings):
    with override_settings(**settings):
        Client(raise_request_exception=False).post(address, data or {})


def get_async(address):
    asyncio.run(AsyncClient(raise_request_exception=False).get(address))


# --- no frame of the project: generic views

BUGS.family(
    "template view",
    get,
    one_missing_template=("/same/1/", "/same/22/", "/also/3/"),
    another_missing_template=("/other/1/", "/other/7/"),
    missing_login_template=("/login/", "/login/?next=/"),
    missing_reset_template=("/reset/",),
)
BUGS.family(
    "template view under ASGI",
    get_async,
    one_missing_template_async=("/same/1/", "/also/22/"),
    another_missing_template_async=("/other/1/", "/other/2/"),
    missing_url_async=("/old/1/", "/old/2/"),
)
BUGS.family(
    "redirect view",
    get,
    moved_url=("/old/1/", "/old/22/"),
    gone_url=("/older/1/", "/older/22/"),
)
BUGS.family(
    "list view",
    get,
    group_without_nme=("/groups/1/", "/groups/33/?x=1"),
    user_without_nme=("/users/1/", "/users/2/"),
    group_without_title=("/titles/1/", "/titles/2/"),
    no_queryset=("/nothing/1/", "/nothing/5/"),
)
BUGS.family(
    "other generic views",
    get,
    no_group_in_address=("/group/", "/group/?a=1"),
    no_user_in_address=("/user/",),
    no_form_class=("/form/", "/form/?x"),
    no_fields=("/edit/",),
    no_translations=("/js/", "/js/?v=2"),
    no_document_root=("/files/a.txt", "/files/b/c.txt"),
)
BUGS.family(
    "rest framework",
    get,
    no_api_queryset=("/api/none/", "/api/none/?page=2"),
    no_serializer=("/api/bare/",),
    no_lookup=("/api/one/", "/api/one/?x=1"),
)
BUGS.family(
    "rest framework, sent",
    post,
    more_of_group=(
        ("/api/more/1/", {"name": "a"}),
        ("/api/more/22/", {"name": "b"}),
    ),
    field_of_user=(
        ("/api/users/1/", {"username": "a"}),
        ("/api/users/2/", {"username": "b"}),
    ),
    no_meta=("/api/nofields/",),
)
BUGS.family(
    "no address to go to",
    post,
    nowhere_to_go=(("/new/1/", {"name": "g1"}), ("/new/2/", {"name": "g2"})),
    nothing_to_edit=(("/edit/", {"name": "a"}), ("/edit/", {"name": "b"})),
)
BUGS.family(
    "response without an exception",
    get,
    silent_500=("/silent/1/", "/silent/22/"),
    busy_503=("/busy/1/", "/busy/2/"),
    spoken_500=("/spoken/1", "/spoken/1/"),
    inner_500=("/inner/1/", "/inner/9/"),
)

# --- templates

BUGS.family(
    "template syntax",
    get,
    bad_tag=("/pages/bad_tag/", "/pages/bad_tag/?x=1"),
    other_bad_tag=("/pages/other_bad_tag/",),
    bad_library=("/pages/bad_library/",),
    other_bad_library=("/pages/other_bad_library/",),
    unclosed=("/pages/unclosed/", "/pages/unclosed/?page=2"),
    stray_end=("/pages/stray_end/",),
)
BUGS.family(
    "template filter",
    get,
    bad_filter=("/pages/bad_filter/", "/pages/bad_filter/?x=1"),
    other_bad_filter=("/pages/other_bad_filter/",),
    bad_for=("/pages/bad_for/",),
    bad_cycle=("/pages/bad_cycle/",),
)
BUGS.family(
    "template include",
    get,
    missing_include=("/pages/missing_include/", "/pages/missing_include/?a"),
    other_missing_include=("/pages/other_missing_include/",),
    missing_extends=("/pages/missing_extends/",),
    broken_base=("/pages/child/", "/pages/second_child/"),
)
BUGS.family(
    "template link",
    get,
    bad_link=("/pages/bad_link/", "/pages/bad_link/?x=1"),
    other_bad_link=("/pages/other_bad_link/",),
    link_in_part=("/pages/with_part/", "/pages/also_with_part/"),
)
BUGS.family(
    "jinja template",
    get,
    undefined=("/jinja/undefined.jinja/", "/jinja/undefined.jinja/?x=1"),
    other_undefined=("/jinja/other_undefined.jinja/",),
    missing_in_jinja=("/jinja/nowhere.jinja/", "/jinja/nowhere.jinja/?x=1"),
    division=("/jinja/division.jinja/",),
    other_division=("/jinja/other_division.jinja/",),
)
BUGS.family(
    "jinja syntax",
    get,
    bad_syntax=("/jinja/bad_syntax.jinja/", "/jinja/bad_syntax.jinja/?x=1"),
    other_bad_syntax=("/jinja/other_bad_syntax.jinja/",),
    jinja_include=("/jinja/missing_include.jinja/",),
    jinja_extends=("/jinja/missing_extends.jinja/",),
)

# --- settings


def with_setting(address, name, value):
    get(address, **{name: value})


def send_with_setting(address, name, value):
    post(
        address,
        {"username": "a", "password": "b", "email": "a@b.example"},
        **{name: value},
    )


URLS = "ROOT_URLCONF"
BUGS.family(
    "setting",
    with_setting,
    urls_nowhere=(("/a/", URLS, "tests.nowhere"), ("/b/1/", URLS, "tests.nowhere")),
    urls_elsewhere=(("/a/", URLS, "tests.elsewhere"),),
    no_engine=(("/same/1/", "TEMPLATES", []), ("/also/1/", "TEMPLATES", [])),
)
BUGS.family(
    "setting of sign-in",
    send_with_setting,
    no_auth_backend=(
        ("/login/", "AUTHENTICATION_BACKENDS", ["tests.sign_in.Nowhere"]),
        ("/login/?next=/x/", "AUTHENTICATION_BACKENDS", ["tests.sign_in.Nowhere"]),
    ),
    other_auth_backend=(
        ("/login/", "AUTHENTICATION_BACKENDS", ["tests.store.Backend"]),
    ),
    no_hasher=(("/login/", "PASSWORD_HASHERS", ["tests.hashers.Nowhere"]),),
    no_hashers=(("/login/", "PASSWORD_HASHERS", ["tests.old_hashers.Mine"]),),
)

# --- commands and scripts

MANAGE = """
import sys
def main():
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
if __name__ == "__main__":
    main()
"""


def run_script(name, text, *arguments, **settings):
    """Run a script as Python does; what it raises comes to ``sys.excepthook``."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        script = Path(folder) / name
        script.write_text(text)
        stack.enter_context(mock.patch.object(sys, "argv", [str(script), *arguments]))
        stack.enter_context(override_settings(**settings))
        for stream in (contextlib.redirect_stdout, contextlib.redirect_stderr):
            stack.enter_context(stream(io.StringIO()))
        try:
            runpy.run_path(str(script), run_name="__main__")
        except Exception as error:
            capture_failure(without_our_frame(error))


def without_our_frame(error):
    """Return *error* as it is where a program begins, not in a function of ours."""
    return error.with_traceback(error.__traceback__.tb_next)


def manage(*arguments, **settings):
    run_script("manage.py", MANAGE, *arguments, **settings)


def load(text, name="pets.json"):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_text(text)
        manage("loaddata", "--skip-checks", str(file))


@BUGS.bug("command", ("[",), ('{"a"',))
def load_command(text):
    load(text)


@BUGS.bug("command", ("tests.no_sessions",), ("tests.no_sessions",))
def clear_command(engine):
    manage("clearsessions", "--skip-checks", SESSION_ENGINE=engine)


@BUGS.bug("command", (None,), (None,))
def collect_command(root):
    manage("collectstatic", "--noinput", STATIC_ROOT=root)


@BUGS.bug("command", ("tests.no_urls",), ("tests.no_urls",))
def check_command(urls):
    manage("check", ROOT_URLCONF=urls)


CALL = """
import json
def main():
    json.loads({argument!r})
main()
"""


@BUGS.bug("script", ("",), ("no",))
def nightly_script(argument):
    run_script("nightly.py", CALL.format(argument=argument))


@BUGS.bug("script", ("",), ("none",))
def weekly_script(argument):
    run_script("weekly.py", CALL.format(argument=argument))


IMPORTS = "import {module}\napplication = {module}.application\n"


def start(file, module):
    """Import a WSGI or ASGI file as a server does."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / file
        script.write_text(IMPORTS.format(module=module))
        try:
            runpy.run_path(str(script), run_name="site_entry")
        except Exception as error:
            error = without_our_frame(error)
            ErrorCaptureService().capture_exception(None, error, where="start")


BUGS.family(
    "entry file",
    start,
    wsgi_without_module=(("wsgi.py", "shop_nowhere"), ("wsgi.py", "shop_nowhere")),
    wsgi_without_other=(("wsgi.py", "shop_elsewhere"),),
    asgi_without_application=(("asgi.py", "json"), ("asgi.py", "json")),
)

# --- code that moves, has no source, or is raised again


def captured(function, *arguments, where="task shop.run"):
    try:
        function(*arguments)
    except Exception as error:
        ErrorCaptureService().capture_exception(None, error, where=where)


def down(depth):
    return down(depth + 1) + 1


def left(depth):
    return right(depth) + 1


def right(depth):
    return left(depth) * 1


def first(depth):
    return second(depth) + 1


def second(depth):
    return third(depth) + 1


def third(depth):
    return first(depth) + 1


def after(depth, function):
    return after(depth - 1, function) if depth else function(0)


@BUGS.bug("endless recursion", (0,), (1,), (2,), (17,))
def direct_recursion(depth):
    captured(after, depth, down)


@BUGS.bug("endless recursion", (0, left), (1, left), (2, right), (5, right))
def mutual_recursion(depth, entry):
    captured(after, depth, entry)


@BUGS.bug("endless recursion", (0, first), (1, second), (2, third), (3, first))
def recursion_of_three(depth, entry):
    captured(after, depth, entry)


class Nested(dict):
    """Prints itself by printing itself."""

    def __repr__(self):
        return f"<{self!r}>"


@BUGS.bug("endless recursion", (0,), (1,))
def recursion_of_repr(depth):
    captured(after, depth, lambda _: repr(Nested()))


SHARED = LookupError("one object")


def raise_shared_first():
    raise SHARED


def raise_shared_second():
    raise SHARED


def after_others(*functions):
    """Raise the shared object in several places; the last one is the case."""
    for function in functions[:-1]:
        with contextlib.suppress(LookupError):
            function()
    captured(functions[-1])


@BUGS.bug("shared exception", (raise_shared_first,), (raise_shared_first,))
def shared_first(function):
    captured(function)


@BUGS.bug("shared exception", (raise_shared_second,), (raise_shared_second,))
def shared_second(function):
    captured(function)


def module_from(text, name, folder, *, loader=None):
    """Import *text* as a module of the project from *folder*."""
    file = Path(folder) / f"{name}.py"
    file.write_text(text)
    scope = {"__name__": name, "__file__": str(file), "__loader__": loader}
    exec(compile(text, str(file), "exec"), scope)
    return file, scope


PAY = "def pay(value):\n    raise RuntimeError(value)\n"
STOP = "def stop(value):\n    raise RuntimeError(value)\n"


def replaced(text, name, before):
    """Run the code of a file that a deploy has replaced since it was imported."""
    with tempfile.TemporaryDirectory() as folder:
        file, scope = module_from(text, "shop_replaced", folder)
        file.write_text(before + text)
        captured(scope[name], "x")


BUGS.family(
    "replaced file",
    replaced,
    pay_replaced=((PAY, "pay", ""), (PAY, "pay", "# a\n\n"), (PAY, "pay", "x = 1\n")),
    stop_replaced=((STOP, "stop", ""), (STOP, "stop", "import os\n" * 9)),
)


class BrokenLoader:
    """A loader whose source cannot be read."""

    def __init__(self, error):
        self.error = error

    def get_source(self, name):
        raise self.error


def with_loader(text, name, error):
    with tempfile.TemporaryDirectory() as folder:
        file, scope = module_from(
            text, "shop_frozen", folder, loader=BrokenLoader(error)
        )
        file.unlink()
        captured(scope[name], "x")


BUGS.family(
    "failing loader",
    with_loader,
    pay_frozen=(
        (PAY, "pay", OSError("no file")),
        (PAY, "pay", UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")),
        (PAY, "pay", ZeroDivisionError("loader")),
    ),
    stop_frozen=((STOP, "stop", OSError("gone")), (STOP, "stop", ImportError("x"))),
)


def zipped(name, archive):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / archive
        with zipfile.ZipFile(file, "w") as target:
            target.writestr("shop_zipped.py", PAY + STOP)
        sys.path.insert(0, str(file))
        try:
            captured(getattr(importlib.import_module("shop_zipped"), name), "x")
        finally:
            sys.path.remove(str(file))
            del sys.modules["shop_zipped"]
            sys.path_importer_cache.pop(str(file), None)


BUGS.family(
    "zip file",
    zipped,
    pay_zipped=(("pay", "a.zip"), ("pay", "release-2.zip")),
    stop_zipped=(("stop", "a.zip"), ("stop", "b.zip")),
)


def typed(text, name, file):
    """Run code that has no file: a formula, a rule, a notebook's cell."""
    scope = {"__name__": "shop_typed"}
    exec(compile(text, file, "exec"), scope)
    captured(scope[name], "x")


READ = "def pay(value):\n    return value.size\n"
BUGS.family(
    "code without a file",
    typed,
    typed_pay=((PAY, "pay", "<rule>"), (PAY, "pay", "<rule 17>")),
    typed_read=((READ, "pay", "<rule>"), (READ, "pay", "<cell 9>")),
    missing_file=((PAY, "pay", "/srv/gone/rules.py"), (PAY, "pay", "/srv/r2/rules.py")),
)

# --- log lines


class Sink:
    """A logger of the site with our handler, and what it was called with."""

    def __init__(self, name="shop.log"):
        self.logger = logging.getLogger(name)

    def __enter__(self):
        self.handler = ErrorLogHandler()
        self.logger.addHandler(self.handler)
        self.logger.propagate = False
        return self.logger

    def __exit__(self, *args):
        self.logger.removeHandler(self.handler)
        self.logger.propagate = True


def log(message, *arguments, **keywords):
    with Sink() as logger:
        logger.error(message, *arguments, **keywords)


def log_json(**values):
    log(json.dumps(values))


def log_prefixed(prefix, values):
    log(f"{prefix} {json.dumps(values)}")


BUGS.family(
    "log template",
    log,
    paid_twice=(("order %s paid twice", 17), ("order %s paid twice", "A-18")),
    paid_never=(("order %s never paid", 17), ("order %s never paid", 18)),
    named=(
        ("no stock of %(name)s", {"name": "x"}),
        ("no stock of %(name)s", {"name": "y"}),
    ),
    too_few=(("order %s of %s lost", 17), ("order %s of %s lost", 99)),
    too_many=(("order %s lost", 17, 18), ("order %s lost", 1, 2)),
    no_number=(("order %d is odd", "x"), ("order %d is odd", "y")),
)
BUGS.family(
    "log line as JSON",
    lambda values: log_json(**values),
    json_paid=(
        {"event": "payment failed", "order": "17", "timestamp": "2026-01-01T00:00:00Z"},
        {"event": "payment failed", "order": "18", "timestamp": "2026-01-01T00:00:01Z"},
    ),
    json_stock=(
        {"event": "stock is negative", "order": "17", "timestamp": "2026-01-01"},
        {"event": "stock is negative", "order": "3", "timestamp": "2026-01-02"},
    ),
    json_error=(
        {"level": "error", "error": {"message": "no route", "code": 17}},
        {"level": "error", "error": {"message": "no route", "code": 17}, "id": 2},
    ),
    json_template=(
        {"@t": "2026-01-01", "@mt": "Disk {Name} is full", "@m": "Disk sda is full"},
        {"@t": "2026-01-02", "@mt": "Disk {Name} is full", "@m": "Disk sdb is full"},
    ),
    json_short=(
        {"version": "1.1", "host": "a", "short_message": "mail refused"},
        {"version": "1.1", "host": "b", "short_message": "mail refused"},
    ),
    json_class=(
        {"message": "unhandled", "exc_type": "KeyError", "id": 1},
        {"message": "unhandled", "exc_type": "KeyError", "id": 2},
    ),
)
BUGS.family(
    "JSON after a prefix",
    log_prefixed,
    prefixed_paid=(
        ("2026-11-28 07:13:50 web-1", {"event": "payment failed", "order": 1}),
        ("2026-11-29 09:00:00 web-2", {"event": "payment failed", "order": 2}),
    ),
    prefixed_lost=(
        ("2026-11-28 07:13:50 web-1", {"event": "parcel lost", "order": 1}),
    ),
    prefixed_late=(
        ("2026-11-28 07:13:50 web-1", {"event": "parcel late", "order": 1}),
    ),
)
BUGS.family(
    "log record with a dict",
    log,
    dict_paid=(
        {"event": "payment failed", "id": 1},
        {"event": "payment failed", "id": 2},
    ),
    dict_lost=({"event": "parcel lost", "id": 1}, {"event": "parcel lost", "id": 22}),
    dict_class=({"event": "unhandled", "exc_type": "KeyError"},),
)
BUGS.family(
    "log line of key and value",
    log,
    logfmt_paid=(
        "level=error event=payment_failed order=17 user=anna took=1.5s",
        "level=error event=payment_failed order=9 user=bob took=250ms",
    ),
    logfmt_lost=("level=error event=parcel_lost order=17 user=anna took=1.5s",),
    logfmt_late=("level=error event=parcel_late order=17 user=anna took=1.5s",),
)


def fail_in_pay(value):
    raise ValueError(f"no {value}")


def fail_in_ship(value):
    raise ValueError(f"no {value}")


def read_in_pay(value):
    return json.loads(value)


def read_in_ship(value):
    return json.loads(value)


def queued(function, message, value):
    """Log an exception through a queue, which puts its traceback into the text."""
    waiting = queue.Queue()
    logger = logging.getLogger("shop.queued")
    logger.propagate = False
    handler = logging.handlers.QueueHandler(waiting)
    handler.setFormatter(logging.Formatter())
    logger.addHandler(handler)
    try:
        function(value)
    except ValueError:
        logger.exception(message, value)
    logger.removeHandler(handler)
    ErrorLogHandler().handle(waiting.get())


# As with an exception that is logged without a queue, what was written about it does
# not count.
BUGS.family(
    "queued log record",
    queued,
    queued_pay=(
        (fail_in_pay, "order %s", 17),
        (fail_in_pay, "order %s", "A-18"),
        (fail_in_pay, "refund of %s", 5),
    ),
    queued_ship=((fail_in_ship, "order %s", 17), (fail_in_ship, "order %s", "x")),
    queued_json=((read_in_pay, "order %s", ""), (read_in_pay, "order %s", "x")),
    queued_other_json=((read_in_ship, "order %s", ""),),
)


def log_exception(function, value, how):
    with Sink() as logger:
        try:
            function(value)
        except ValueError as error:
            logger.error(
                "failed with %s", value, exc_info={"true": True, "error": error}[how]
            )


BUGS.family(
    "log with an exception",
    log_exception,
    logged_pay=((fail_in_pay, 1, "true"), (fail_in_pay, 2, "error")),
    logged_ship=((fail_in_ship, 1, "true"), (fail_in_ship, 2, "error")),
)


def log_by(name, message):
    with Sink(name) as logger:
        logger.error(message)


BUGS.family(
    "logger",
    log_by,
    by_shop=(("shop.a", "17 rows failed"), ("shop.a", "18 rows failed")),
    by_bank=(("shop.b", "17 rows failed"), ("shop.b", "3 rows failed")),
)
