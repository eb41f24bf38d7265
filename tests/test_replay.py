"""Generated tests repeat a failure, and are content only once its code changed and ran."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
import threading
import types
import uuid
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import models
from django.template import engines
from django.test import Client, override_settings
from django.urls import get_script_prefix, path, reverse

import error_tracking
from error_tracking.events.code_digest import file_text, function_digest
from error_tracking.models import ErrorGroup, ErrorLog, KnownBug
from error_tracking.replay import (
    Failure,
    failing_as,
    make_file,
    make_folder,
    make_row,
    make_user,
    missing_file,
    replay,
)
from error_tracking.replay import rows as replay_rows
from error_tracking.replay.code import TEMPLATE, Place, Trace, module_file
from error_tracking.replay.failure import NotReproducedError
from error_tracking.replay.rows import placeholder, related_row

SOURCE = """
def outer(value, inner=True):
    if inner:
        return divide(value)
    return value


def divide(value):
    share = 12 / value
    return share


class Shop:
    def sell(self, value):
        return divide(value)
"""
LINE = "share = 12 / value"


@pytest.fixture
def code(tmp_path, monkeypatch):
    """Return a function that writes and imports a module of the project."""
    name = f"shop_{uuid.uuid4().hex}"
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(source=SOURCE):
        (tmp_path / f"{name}.py").write_text(source)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        try:
            return importlib.import_module(name)
        finally:
            sys.dont_write_bytecode = before

    yield load
    sys.modules.pop(name, None)


def failure_in(module, *functions, line=LINE, kind="ZeroDivisionError", **values):
    text = file_text(module.__file__)
    stack = [(module.__name__, each, function_digest(text, each)) for each in functions]
    return Failure(type=kind, stack=stack, line=line, **values)


class TestWithTheBug:
    def test_recorded_exception_is_raised(self, code):
        shop = code()
        with (
            pytest.raises(ZeroDivisionError),
            failing_as(failure_in(shop, "outer", "divide")),
        ):
            shop.outer(0)

    def test_method_is_known_by_its_qualified_name(self, code):
        shop = code()
        with (
            pytest.raises(ZeroDivisionError),
            failing_as(failure_in(shop, "Shop.sell", "divide")),
        ):
            shop.Shop().sell(0)
        failure = failure_in(shop, "Other.sell", "divide")
        with (
            pytest.raises(NotReproducedError, match=r"did not reach .*Other\.sell"),
            failing_as(failure),
        ):
            shop.Shop().sell(1)

    @pytest.mark.parametrize(
        ("value", "inner", "reason"),
        [
            (3, True, "probably needs another value or row"),
            (3, False, "It stopped in .*outer. It did not reach .*divide"),
            ("x", True, "it ended with TypeError: .* instead of ZeroDivisionError in"),
        ],
    )
    def test_anything_else_is_not_reproduced(self, code, value, inner, reason):
        shop = code()
        with (
            pytest.raises(NotReproducedError, match=f"(?s)^Not reproduced: .*{reason}"),
            failing_as(failure_in(shop, "outer", "divide")),
        ):
            shop.outer(value, inner)

    def test_line_that_is_not_reached_is_named(self, code):
        shop = code()
        failure = failure_in(shop, "outer", line="return value")
        with (
            pytest.raises(NotReproducedError, match="not the line “return value”"),
            failing_as(failure),
        ):
            shop.outer(3)

    def test_same_exception_of_another_function_is_not_reproduced(self, code):
        shop = code()
        with (
            pytest.raises(NotReproducedError, match="ended with ZeroDivisionError"),
            failing_as(failure_in(shop, "outer")),
        ):
            shop.outer(0)

    def test_a_failure_without_code_is_never_content(self):
        with (
            pytest.raises(
                NotReproducedError, match=r"The code that had .* was not recorded"
            ),
            failing_as(Failure(status=503)),
        ):
            pass

    def test_error_that_the_project_handles_is_reproduced(self, code):
        shop = code()
        failure = failure_in(shop, "outer", "divide")
        for each in (failure, Failure(title="no share")):
            with (
                pytest.raises(AssertionError, match=r"^Reproduced: "),
                failing_as(each),
            ):
                try:
                    shop.outer(0)
                except ZeroDivisionError:
                    if each.type:
                        error_tracking.capture_exception()
                    else:
                        error_tracking.capture_message("no share", level="error")

    def test_sentence_of_a_block_inside_is_kept(self, code):
        shop = code()
        with (
            pytest.raises(NotReproducedError, match=r"^Not reproduced: no row$"),
            failing_as(failure_in(shop, "divide")),
        ):
            raise NotReproducedError("no row")


class TestWithTheFix:
    def test_changed_function_that_ran_is_a_fix(self, code):
        failure = failure_in(code(), "outer", "divide")
        fixed = code(SOURCE.replace("12 / value", "12 / (value or 1)"))
        with failing_as(failure):
            fixed.outer(0)

    def test_changed_function_that_did_not_run_is_none(self, code):
        failure = failure_in(code(), "outer", "divide")
        fixed = code(SOURCE.replace("12 / value", "12 / (value or 1)"))
        with pytest.raises(NotReproducedError), failing_as(failure):
            fixed.outer(0, inner=False)

    def test_change_of_white_space_is_none(self, code):
        failure = failure_in(code(), "outer", "divide")
        same = code(SOURCE.replace("12 / value", "12 / value  "))
        with pytest.raises(NotReproducedError), failing_as(failure):
            same.outer(3)

    def test_function_that_is_gone_is_a_fix_if_its_caller_ran(self, code):
        failure = failure_in(code(), "outer", "divide")
        fixed = code("def outer(value):\n    return value\n")
        with failing_as(failure):
            fixed.outer(0)
        gone = failure_in(code(), "outer", "divide")
        code("def other():\n    return 1\n")
        with failing_as(gone):
            pass

    def test_it_may_run_in_a_thread(self, code):
        failure = failure_in(code(), "outer", "divide")
        fixed = code(SOURCE.replace("12 / value", "12 / (value or 1)"))
        with failing_as(failure):
            thread = threading.Thread(target=fixed.outer, args=(0,))
            thread.start()
            thread.join()

    def test_fix_elsewhere_counts_if_a_person_says_so(self, code):
        shop = code()
        with failing_as(failure_in(shop, "divide", fixed_elsewhere=True)):
            shop.divide(3)

    def test_other_file_of_the_app_counts_if_the_line_ran(self, code):
        shop = code()
        with failing_as(failure_in(shop, "divide", app=("error_tracking", "0"))):
            shop.divide(3)
        with (
            pytest.raises(NotReproducedError),
            failing_as(failure_in(shop, "divide", app=("error_tracking", ""))),
        ):
            shop.divide(3)

    def test_name_that_exists_now_is_a_fix(self, code):
        shop = code()
        with failing_as(failure_in(shop, "divide", kind="NameError")):
            shop.divide(3)

    def test_refused_request_is_fixed_when_it_is_not_refused(self):
        with failing_as(Failure(status=403)):
            pass


class TestPlaces:
    def test_module_that_cannot_be_imported_has_no_file(self):
        assert module_file("no_such_module_here") == ""
        assert Place("no_such_module_here", "f", "1").is_gone()

    def test_template_is_known_by_its_text(self):
        engine = engines["django"].engine
        place = Place(TEMPLATE, "admin/base.html", "0")
        assert str(place) == "the template admin/base.html"
        assert place.has_changed()
        assert not place.is_gone()
        assert Place(TEMPLATE, "no/such.html", "0").is_gone()
        assert engine is not None

    def test_template_with_a_syntax_error_is_another_one(self, tmp_path, settings):
        (tmp_path / "broken.html").write_text("{% if %}")
        templates = [{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]
        with override_settings(TEMPLATES=templates):
            place = Place(TEMPLATE, "broken.html", "0")
            assert place.has_changed()
            assert not place.is_gone()

    def test_rendered_template_is_noticed(self):
        place = Place(TEMPLATE, "example", "0")
        trace = Trace((place,), "")
        template = types.SimpleNamespace(name="example")
        with trace.running():
            trace._note_template(types.SimpleNamespace(name="other"))
            assert trace.entered == set()
            trace._note_template(template)
        assert trace.entered == {place}

    def test_trace_of_a_debugger_is_put_back(self):
        def own(*_arguments):
            return None

        before = sys.gettrace()
        sys.settrace(own)
        try:
            with Trace((), "").running():
                pass
            assert sys.gettrace() is own
        finally:
            sys.settrace(before)

    def test_recursion_strikes_anywhere_in_its_cycle(self, code):
        shop = code(
            "def one(n):\n    return two(n)\n\ndef two(n):\n    return one(n)\n"
        )
        for last in ("one", "two"):
            failure = failure_in(shop, last, line="", kind="RecursionError")
            with pytest.raises(RecursionError), failing_as(failure):
                shop.one(1)


def fail(request):
    raise ValueError(request.META["SCRIPT_NAME"] or "at the root")


def link(request):
    from django.http import HttpResponse

    return HttpResponse(reverse("link"), status=int(request.GET.get("status", 200)))


def handled(request):
    from django.http import HttpResponse, HttpResponseRedirect

    if request.method == "PUT":
        return HttpResponse(request.content_type + request.body.decode())
    return HttpResponseRedirect("/elsewhere/")


urlpatterns = [
    path("fail/", fail),
    path("link/", link, name="link"),
    path("x/", handled),
]
RAISED = Failure(type="ValueError", stack=[(__name__, "fail")], line="")
FIXED = Failure(type="ValueError", fixed_elsewhere=True)


@pytest.mark.urls(__name__)
class TestRequests:
    @pytest.fixture(autouse=True)
    def _is_measured(self, monkeypatch):
        """
        Let a measurement of coverage see what is sent and answered.

        It is a trace as well, and ours takes its place. Without one, ours is there.
        """
        if sys.gettrace() is not None:
            nothing = contextlib.nullcontext
            monkeypatch.setattr(Trace, "running", lambda self: nothing())

    def test_script_name_is_in_front_while_it_runs(self):
        with pytest.raises(ValueError, match=r"^at the root$"):
            replay(Client(), "GET", "/fail/", failure=RAISED)
        with pytest.raises(ValueError, match=r"^/app$"):
            replay(Client(), "GET", "/fail/", failure=RAISED, script_name="/app")
        response = replay(Client(), "GET", "/link/", failure=FIXED, script_name="/app")
        assert response.content == b"/app/link/"
        assert get_script_prefix() == "/"

    @pytest.mark.parametrize(
        ("address", "reason"),
        [
            ("/x/", "a redirect to /elsewhere/"),
            ("/link/?status=401", "the answer was 401"),
            ("/link/?status=502", "the answer was 502 instead of"),
        ],
    )
    def test_it_says_where_it_stopped(self, address, reason):
        with pytest.raises(NotReproducedError, match=reason) as raised:
            replay(
                Client(),
                "GET",
                address,
                failure=RAISED,
                credentials=["X-Api-Key"],
                session=None,
            )
        assert "the header X-Api-Key, whose value is missing here" in str(raised.value)

    def test_recorded_status_is_the_failure(self):
        with pytest.raises(AssertionError, match=r"^Reproduced: the answer 403"):
            replay(Client(), "GET", "/link/?status=403", failure=Failure(status=403))

    def test_form_of_another_method_is_sent_as_a_form(self):
        response = replay(Client(), "PUT", "/x/", {"a": "1"}, failure=FIXED)
        assert response.content.startswith(b"multipart/form-data")
        response = replay(
            *(Client(), "PUT", "/x/", {"a": 1}),
            failure=FIXED,
            content_type="application/json",
        )
        assert response.content == b'application/json{"a": 1}'

    def test_any_method_host_header_and_scheme_is_sent(self):
        response = replay(
            *(Client(), "PROPFIND", "/link/", {"a": 1}),
            failure=FIXED,
            host="testserver",
            secure=True,
            headers={"x-a": "1"},
        )
        assert response.wsgi_request.is_secure()
        assert response.wsgi_request.headers["X-A"] == "1"

    def test_user_session_and_credentials_are_there(self, db):
        def supplied(names, user):
            return {"X-Api-Key": f"{names[0]} of {user.username}"}

        user = make_user("staff")
        ours = {"TEST_CREDENTIALS": supplied}
        with override_settings(ERROR_TRACKING=ours):
            with pytest.raises(
                NotReproducedError, match="a signed-in user; the header"
            ):
                replay(
                    *(Client(), "GET", "/link/"),
                    failure=RAISED,
                    user=user,
                    session={"lines": 2},
                    credentials=["X-Api-Key"],
                )
            response = replay(
                *(Client(), "GET", "/link/"),
                failure=FIXED,
                user=user,
                session={"lines": 2},
                credentials=["X-Api-Key", "Authorization"],
            )
        request = response.wsgi_request
        assert (request.user, request.session["lines"]) == (user, 2)
        assert request.headers["X-Api-Key"] == "X-Api-Key of username"


class TestFiles:
    def test_file_is_there_as_long_as_its_path_is(self):
        kept = make_file("prices.csv", b"a;b\r\n")
        found = Path(str(kept))
        assert (found.name, found.read_bytes()) == ("prices.csv", b"a;b\r\n")
        del kept
        gc.collect()
        assert not found.parent.exists()

    def test_folder_is_empty_and_goes_too(self):
        kept = make_folder()
        found = Path(str(kept))
        assert found.is_dir()
        assert list(found.iterdir()) == []
        del kept
        gc.collect()
        assert not found.parent.exists()

    def test_missing_file_could_be_written(self):
        path = missing_file("prices.csv")
        assert not Path(path).exists()
        assert Path(path).parent.is_dir()


@pytest.mark.django_db
class TestRows:
    def test_required_columns_and_relations_are_filled(self):
        permission = make_row("auth.Permission")
        assert ContentType.objects.filter(pk=permission.content_type_id).exists()
        one, other = make_row("auth.Group"), make_row("auth.Group")
        assert (one.name, other.name) == ("name", "name2")
        assert Group.objects.count() == 2

    def test_last_try_of_a_value_that_must_differ_is_used(self, monkeypatch):
        monkeypatch.setattr(replay_rows, "UNIQUE_TRIES", 3)
        names = [make_row("auth.Group").name for _ in range(2)]
        assert names == ["name", "name2"]

    def test_key_that_was_given_is_not_given_again(self):
        make_row("auth.Group", id=1, name="first")
        make_row("auth.Group", id=2, name="second")
        assert Group.objects.create(name="third").pk not in {1, 2}

    def test_row_that_the_database_refuses_says_so(self):
        make_row("auth.Group", name="same")
        with pytest.raises(NotReproducedError, match=r"a row of auth\.Group could not"):
            make_row("auth.Group", name="same")

    def test_users_have_their_kind_and_permissions(self):
        user = make_user("superuser", permissions=["auth.add_group", "auth.none"])
        assert user.is_superuser
        assert user.is_staff
        assert list(user.user_permissions.all()) == [
            Permission.objects.get(codename="add_group")
        ]
        assert not make_user().is_staff
        assert get_user_model().objects.count() == 2

    def test_related_row_of_another_model_is_created(self):
        group = related_row(ErrorLog._meta.get_field("group"))
        assert ErrorGroup.objects.get() == group
        assert related_row(ErrorLog._meta.get_field("group")) == group

    def test_related_row_is_the_last_one_or_a_new_one(self):
        field = KnownBug._meta.get_field("assignee")
        user = related_row(field)
        assert isinstance(user, User)
        assert related_row(field) == user

    def test_other_models_are_filled(self):
        group = make_row("error_tracking.ErrorGroup")
        assert isinstance(group, ErrorGroup)
        assert make_row("sessions.Session").pk == "session_key"
        assert Session.objects.count() == 1

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            (models.UUIDField(), uuid.UUID(int=2)),
            (models.BooleanField(), False),
            (models.CharField(choices=[("a", "A"), ("b", "B")]), "a"),
            (models.CharField(choices=[("G", [("c", "C")])]), "c"),
            (models.FloatField(), 2),
            (models.DecimalField(), 2),
            (models.BinaryField(), b"example"),
            (models.JSONField(), {}),
            (models.GenericIPAddressField(), "192.0.2.2"),
            (models.EmailField(), "user2@example.com"),
            (models.URLField(), "https://example.com/2"),
            (models.CharField(max_length=3, name="title"), "2"),
            (models.CharField(max_length=9, name="title"), "title2"),
        ],
    )
    def test_placeholder_fits_its_field(self, field, value):
        assert placeholder(field, 2) == value

    @pytest.mark.parametrize(
        "kind", ["DateTimeField", "DateField", "TimeField", "DurationField"]
    )
    def test_times_are_times(self, kind):
        field = getattr(models, kind)()
        assert field.to_python(placeholder(field)) == placeholder(field) or kind == (
            "DateTimeField"
        )
