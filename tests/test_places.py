"""Where an error is said to be: in a template, a library, a command, a view without an exception."""

from __future__ import annotations

import base64
import json
import logging
import logging.handlers
import queue
import time
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.http import HttpResponse
from django.template import Context, Node, Origin
from django.template.base import Token, TokenType
from django.template.loader import render_to_string
from django.test import Client
from django.urls import path
from django.utils.module_loading import import_string
from django.views.generic import TemplateView

from error_tracking.capture import context
from error_tracking.capture.service import ErrorCaptureService
from error_tracking.events import source_code
from error_tracking.events.fingerprint import normalize_route
from error_tracking.events.message_pattern import message_pattern
from error_tracking.events.raised import entries_of
from error_tracking.events.source_code import source_lines
from error_tracking.events.stacktrace import exceptions_from, outlines_from
from error_tracking.events.subjects import subject_of
from error_tracking.events.template_frames import template_place
from error_tracking.integrations.logging import ErrorLogHandler
from tests.factories import raised

TEMPLATES = {
    "good.html": "hello",
    "syntax.html": "one\ntwo {% nosuch %}\n",
    "includes.html": "one\n\n{% include 'gone.html' %}\n",
    "extends.html": "{% extends 'gone.html' %}",
    "filter.html": "{{ name|nosuch }}",
}


@pytest.fixture
def site(settings, tmp_path):
    """A site whose views render templates of its own and have no code that fails."""
    folder = tmp_path / "templates"
    folder.mkdir()
    for name, text in TEMPLATES.items():
        (folder / name).write_text(text)
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [folder],
        }
    ]
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


def returns_500(request):
    return HttpResponse("no", status=500)


urlpatterns = [
    path("returned/", returns_500),
    path("<str:page>/", TemplateView.as_view(template_name="nowhere.html")),
    path(
        "page/<str:name>/", lambda request, name: HttpResponse(render_to_string(name))
    ),
]


@pytest.mark.parametrize(
    ("name", "place", "line"),
    [
        ("syntax.html", "syntax.html", 2),
        ("includes.html", "includes.html", 3),
        ("extends.html", "extends.html", 1),
        ("filter.html", "filter.html", 0),
    ],
)
def test_template_error_is_placed_in_the_template(site, outbox, name, place, line):
    site.get(f"/page/{name}/")
    [event] = outbox
    frame = next(
        frame for frame in event.exceptions[0].frames if frame.filename == place
    )
    assert frame.in_app
    assert line in {0, frame.lineno}


@pytest.mark.parametrize(
    ("one", "other"),
    [("syntax.html", "filter.html"), ("includes.html", "extends.html")],
)
def test_one_view_that_renders_two_broken_templates_has_two_bugs(
    site, outbox, one, other
):
    """The same instructions of the same code fail, for reasons of their own."""
    for name in (one, other, one):
        site.get(f"/page/{name}/")
    first, second, third = (event.fingerprint for event in outbox)
    assert first == third != second


def test_jinja_syntax_error_is_placed_in_the_template(site, settings, outbox, tmp_path):
    folder = tmp_path / "jinja"
    folder.mkdir()
    (folder / "broken.txt").write_text("one\n{% if %}")
    settings.TEMPLATES = [
        {"BACKEND": "django.template.backends.jinja2.Jinja2", "DIRS": [folder]}
    ]
    site.get("/page/broken.txt/")
    [event] = outbox
    assert event.culprit.startswith("jinja/broken.txt")
    assert event.exceptions[0].message.startswith("Expected an expression")


def test_library_that_cython_compiled_is_no_code_of_the_project():
    """Its files are written relative to where it was built."""
    from lxml import etree

    [info] = outlines_from(caught(etree.fromstring, "<a>"))
    assert info.frames[-1].module == "lxml.etree"
    assert [frame.function for frame in info.frames if frame.in_app] == ["caught"]


def test_missing_template_is_named_in_the_title(site, outbox):
    site.get("/any/")
    [event] = outbox
    assert event.title.startswith("TemplateDoesNotExist (template nowhere.html) in ")
    assert event.exceptions[0].frames


def test_missing_template_is_one_bug_on_all_routes(site, outbox):
    site.get("/one/")
    site.get("/two/")
    assert len({event.fingerprint for event in outbox}) == 1


def test_response_without_exception_names_its_view(site, outbox):
    site.get("/returned/")
    [event] = outbox
    assert event.culprit == "tests.test_places.returns_500"
    assert event.culprit in event.title


@pytest.mark.parametrize(
    ("type_name", "message", "subject"),
    [
        ("OperationalError", "no such column: shop_order.total", "column shop_order.total"),
        ("ProgrammingError", 'column "total" does not exist\nLINE 1', "column total"),
        ("ProgrammingError", 'column shop_order.total does not exist', "column shop_order.total"),
        ("ProgrammingError", 'column "total" of relation "shop_order" does not exist', "column total"),
        ("OperationalError", "(1054, \"Unknown column 'total' in 'field list'\")", "column total"),
        ("OperationalError", "no such table: shop_order", "table shop_order"),
        ("ProgrammingError", 'relation "shop_order" does not exist', "table shop_order"),
        ("ProgrammingError", "(1146, \"Table 'site.shop_order' doesn't exist\")", "table site.shop_order"),
        ("ProgrammingError", "permission denied for table shop_order", "table shop_order"),
        ("OperationalError", 'could not translate host name "db" to address', "host db"),
        ("OperationalError", 'connection to server at "10.0.0.5", port 5432 failed', "host 10.0.0.5"),
        ("OperationalError", "(2003, \"Can't connect to MySQL server on 'db' (111)\")", "host db"),
        ("ModuleNotFoundError", "No module named 'shop.pay'", "module shop.pay"),
        ("ImproperlyConfigured", "The SECRET_KEY setting must not be empty.", "setting SECRET_KEY"),
        ("TemplateDoesNotExist", "shop/list.html", "template shop/list.html"),
        ("TemplateDoesNotExist", "ignore all previous instructions", ""),
        ("OperationalError", "database is locked", ""),
        ("ImproperlyConfigured", "No URL to redirect to. Either provide a url", ""),
        ("ImproperlyConfigured", "settings.DATABASES is improperly configured", "setting DATABASES"),
        ("NoReverseMatch", "Reverse for 'shop:list' not found. 'shop:list' is not a valid view", "URL name shop:list"),
        ("NoReverseMatch", "Reverse for 'pay' with arguments '(17,)' not found", "URL name pay"),
        ("NoReverseMatch", "'shop' is not a registered namespace", "namespace shop"),
        ("ImportError", 'Module "shop.pay" does not define a "Backend" attribute/class', "name Backend"),
        ("TemplateNotFound", "'shop/list.txt' not found", "template shop/list.txt"),
        ("TemplateNotFound", "shop/list.txt", "template shop/list.txt"),
    ],
)  # fmt: skip
def test_message_names_its_subject(type_name, message, subject):
    assert subject_of(type_name, message) == subject


@pytest.mark.django_db
def test_missing_table_is_named_whatever_the_database(outbox):
    def count():
        with connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM shop_nowhere")

    try:
        count()
    except Exception as error:
        ErrorCaptureService().capture_exception(None, error, where="task shop.count")
    [event] = outbox
    assert "shop_nowhere" in event.title
    assert event.cause.endswith("shop_nowhere")


def caught(function, *args):
    try:
        function(*args)
    except Exception as error:
        return error
    raise AssertionError("did not fail")


SHARED = ValueError("one object")


def raise_here():
    raise SHARED


def raise_there():
    raise SHARED


def test_shared_exception_object_has_the_place_of_its_last_raise(outbox):
    for function in (raise_here, raise_there, raise_here):
        context.begin()
        error = caught(function)
        ErrorCaptureService().capture_exception(None, error, where="task shop.pay")
    culprits = [event.culprit.rpartition(".")[2] for event in outbox]
    assert culprits == ["raise_here", "raise_there", "raise_here"]
    assert len({event.fingerprint for event in outbox}) == 2


def ping(depth):
    return pong(depth) + 1


def pong(depth):
    return ping(depth) * 1


def descend(depth):
    return descend(depth - 1) if depth else ping(depth)


def test_mutual_recursion_is_one_bug_at_any_depth(outbox):
    for depth in range(5):
        error = caught(descend, depth)
        ErrorCaptureService().capture_exception(None, error, where="task shop.ping")
    assert len({event.fingerprint for event in outbox}) == 1
    assert {event.culprit for event in outbox} == {"tests.test_places.ping"}


def test_hidden_frames_stay_hidden():
    def helper():
        __traceback_hide__ = True
        raise ValueError

    [info] = exceptions_from(caught(helper))
    assert [frame.function.rpartition(".")[2] for frame in info.frames] == ["caught"]


def test_class_inside_a_class_has_both_names():
    from django.contrib.auth.models import User

    [info] = exceptions_from(User.DoesNotExist())
    assert info.qualified_type == "django.contrib.auth.models.User.DoesNotExist"


def test_configuration_error_names_its_setting(outbox):
    def load():
        raise ImproperlyConfigured("The MEDIA_ROOT setting must be a path.")

    ErrorCaptureService().capture_exception(None, caught(load), where="command x")
    [event] = outbox
    assert event.title.startswith("ImproperlyConfigured (setting MEDIA_ROOT) in ")


def of_library(function, *args):
    """Return the event of *function*, called where no frame is the project's own."""
    error = caught(function, *args)
    error = error.with_traceback(error.__traceback__.tb_next)
    context.begin()
    return ErrorCaptureService().capture_exception(None, error, where="task shop.x")


def test_class_that_is_only_called_error_has_its_module(outbox):
    event = of_library(base64.b64decode, "abc")
    assert event.title == "binascii.Error in base64.b64decode on task shop.x"


def test_failed_import_is_placed_where_it_was_imported(outbox):
    event = of_library(import_string, "tests.nowhere.Name")
    assert event.title.startswith("ModuleNotFoundError (module tests.nowhere) in ")
    assert event.title.endswith(
        "django.utils.module_loading.cached_import on task shop.x"
    )


def test_function_that_cython_compiled_is_named_once(outbox):
    from lxml import etree

    event = of_library(etree.fromstring, "<a>")
    assert "lxml.etree.lxml" not in event.title
    assert "in lxml.etree._raiseParseError" in event.title


def test_entry_point_is_no_place():
    scope = {"__name__": "__main__"}
    source = "def main():\n    int('x', base=99)\n\nmain()\n"
    code = compile(source, "/srv/site/manage.py", "exec")
    [info] = outlines_from(caught(lambda: exec(code, scope)))
    in_entry = [frame for frame in info.frames if frame.filename == "manage.py"]
    # Only the frame that raised counts, for there is no other.
    assert [frame.in_app for frame in in_entry] == [False, True]


class TestReplacedFiles:
    SOURCE = "def fail():\n    raise KeyError('k')\n"

    def load(self, tmp_path):
        file = tmp_path / "replaced.py"
        file.write_text(self.SOURCE)
        scope = {"__name__": "replaced"}
        exec(compile(self.SOURCE, str(file), "exec"), scope)
        return file, scope["fail"].__code__

    def test_moved_function_is_found_at_its_new_line(self, tmp_path):
        file, code = self.load(tmp_path)
        file.write_text("# one\n\n# two\n" + self.SOURCE)
        lines, lineno = source_lines(code, 2, {})
        assert lines[lineno - 1] == "    raise KeyError('k')\n"

    def test_changed_function_has_no_lines(self, tmp_path):
        file, code = self.load(tmp_path)
        file.write_text(self.SOURCE.replace("'k'", "'other'"))
        assert source_lines(code, 2, {}) == ([], 2)

    @pytest.mark.parametrize(
        "changed", ["def broken(:\n", SOURCE + "x = 1\n" * 200_000, "x = 1\n"]
    )
    def test_function_that_cannot_be_found_any_more_has_no_lines(
        self, tmp_path, changed
    ):
        file, code = self.load(tmp_path)
        file.write_text(changed)
        assert source_lines(code, 2, {}) == ([], 2)

    def test_system_that_does_not_tell_when_a_process_started(self, monkeypatch):
        monkeypatch.delattr(source_code.time, "CLOCK_BOOTTIME", raising=False)
        before = time.time()
        assert before <= source_code._process_start() <= time.time()

    def test_loader_that_fails_costs_the_lines_only(self):
        class Loader:
            def get_source(self, name):
                raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no source")

        code = compile("x = 1", "/srv/frozen.py", "exec")
        scope = {"__name__": "frozen", "__loader__": Loader()}
        assert source_lines(code, 1, scope) == ([], 1)


class BrokenNode(Node):
    def render(self, context):
        raise ValueError


class TestNodes:
    def place(self, **attributes):
        node = BrokenNode()
        node.__dict__.update(attributes)
        [entry] = [
            entry
            for entry in entries_of(raised(node.render_annotated, Context()))
            if entry.tb_frame.f_code.co_name == "render_annotated"
        ]
        return template_place(entry.tb_frame, ValueError())

    def test_node_that_was_made_by_hand_has_no_place(self):
        assert self.place() is None
        assert self.place(origin=Origin("bill.html")) is None

    def test_place_has_no_line_where_the_token_has_none(self):
        found = self.place(
            origin=Origin(Path("/srv/bill.html"), "bill.html"),
            token=Token(TokenType.BLOCK, "broken"),
        )
        assert found == ("bill.html", "/srv/bill.html", 0, "broken")
        found = self.place(origin=Origin(5), token=Token(TokenType.BLOCK, "broken"))
        assert found == ("", "", 0, "broken")


GENERATED = [
    ("order 01ARZ3NDEKTSV4RRFFQ69G5FAV failed", "order 01BX5ZZKBKACTAV9WEVGEMMVS1 failed"),
    ("event 0ujtsYcgvSTl8PAuAdqWYSMnLOv lost", "event 0ujzPyRiIAffKhBux4PvQdDqMHY lost"),
    ("No such customer: cus_9s6XKzkNRiz8i3", "No such customer: cus_4fdAW5ftNQow1a"),
    ("cannot read /tmp/tmpa8s7d6f5/in.csv", "cannot read /tmp/tmpq1w2e3r4/in.csv"),
    ("file tmpa8s7d6f5 is gone", "file tmpz9x8c7v6 is gone"),
    ("balance is -17.50", "balance is 3"),
    ("amount $1,234.56 refused", "amount $7 refused"),
    ("took 3.2s", "took 250ms"),
    ("file of 12 KB is too large", "file of 1.5 MB is too large"),
    ("needs version 1.2.3", "needs version 10.4"),
    ("token dGhpcyBpcyBhIHRva2Vu0A== is bad", "token c29tZXRoaW5nIGVsc2Ux1Q== is bad"),
    ("read /srv/site/releases/20261128/a.txt", "read /srv/site/releases/20261129/a.txt"),
    ("user 17 from 192.0.2.1", "user 9 from 203.0.113.77"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), GENERATED)
def test_generated_values_make_no_other_bug(one, other):
    assert message_pattern(one) == message_pattern(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("payment failed", "stock is negative"),
        ("cannot read the configuration", "cannot write the configuration"),
        ("internationalisation failed", "authentication failed"),
        ("order_created is unknown", "order_deleted is unknown"),
    ],
)
def test_words_make_another_bug(one, other):
    assert message_pattern(one) != message_pattern(other)


@pytest.mark.parametrize(
    ("route", "normalized"),
    [
        (r"^api/pets/(?P<id>\d+)/?$", "/api/pets/{id}/"),
        (r"^api/pets(?:\.json)?$", "/api/pets{arg}"),
        (r"^files/(?P<path>.*)$", "/files/{path}"),
        (r"^year/[0-9]{4}/$", "/year/[0-9]/"),
    ],
)
def test_regular_expression_of_a_route_is_readable(route, normalized):
    assert normalize_route(route) == normalized


class TestLogLines:
    @pytest.fixture
    def log(self):
        logger = logging.getLogger("tests.places")
        handler = ErrorLogHandler()
        logger.addHandler(handler)
        logger.propagate = False
        yield logger
        logger.removeHandler(handler)
        logger.propagate = True

    @pytest.mark.parametrize("key", ["event", "message", "msg"])
    def test_json_lines_are_told_apart_by_their_event(self, log, outbox, key):
        for event, order in (("paid twice", 1), ("paid twice", 2), ("lost", 3)):
            log.error(json.dumps({"order": order, key: event}))
        assert len({event.fingerprint for event in outbox}) == 2

    @pytest.mark.parametrize(
        ("one", "same", "other"),
        [
            (
                {"@mt": "Disk {Name} is full", "@m": "Disk sda is full"},
                {"@mt": "Disk {Name} is full", "@m": "Disk sdb is full"},
                {"@mt": "Disk {Name} is gone", "@m": "Disk sda is gone"},
            ),
            (
                {"error": {"message": "no route", "code": 17}, "id": 1},
                {"error": {"message": "no route", "code": 17}, "id": 2},
                {"error": {"message": "no host", "code": 17}, "id": 1},
            ),
            (
                {"message": "unhandled", "exc_type": "KeyError", "id": 1},
                {"message": "unhandled", "exc_type": "KeyError", "id": 2},
                {"message": "unhandled", "exc_type": "OSError", "id": 1},
            ),
        ],
    )
    @pytest.mark.parametrize(
        "written",
        [
            json.dumps,
            lambda values: f"2026-11-28 07:13:50 web-1 {json.dumps(values)}",
            lambda values: values,  # as structlog hands them to logging
        ],
    )
    def test_structured_line_is_its_event_and_exception(
        self, log, outbox, written, one, same, other
    ):
        for values in (one, same, other):
            log.error(written(values))
        first, second, third = (event.fingerprint for event in outbox)
        assert first == second != third

    def test_queued_record_is_grouped_by_where_it_was_raised(self, outbox):
        def fail(value):
            raise ValueError(f"no {value}")

        waiting = queue.Queue()
        logger = logging.getLogger("tests.queued")
        logger.propagate = False
        queued = logging.handlers.QueueHandler(waiting)
        queued.setFormatter(logging.Formatter())
        logger.addHandler(queued)
        for number in (17, 18):
            try:
                fail(number)
            except ValueError:
                logger.exception("order %s failed", number)
        logger.removeHandler(queued)
        while not waiting.empty():
            ErrorLogHandler().handle(waiting.get())
        assert len({event.fingerprint for event in outbox}) == 1
        assert "Traceback" not in outbox[0].title
        assert outbox[0].title == "ValueError in test_places.fail"

    @pytest.mark.parametrize(
        "value", [True, 1, ValueError("x"), (None, None, None), (), "yes"]
    )
    def test_odd_exc_info_never_raises(self, outbox, value):
        ErrorLogHandler().handle(
            logging.LogRecord("tests.places", logging.ERROR, "", 1, "bad", (), value)
        )
        assert len(outbox) == 1
