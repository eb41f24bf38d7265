"""One feature fails and the page does not: ``@degrade`` and ``{% degrade %}``."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import connection, transaction
from django.http import Http404, HttpResponse
from django.template import Context, Engine, TemplateSyntaxError
from django.test import RequestFactory
from django.urls import path
from django.utils import timezone

from error_tracking import degrade, testing
from error_tracking.middleware import ErrorCaptureMiddleware
from error_tracking.models import Release
from error_tracking.pages import degradation


class ShopError(Exception):
    pass


def recommend(request, *_args):
    raise ShopError("no recommendations")


class TestFunction:
    def test_result_is_returned_as_it_is(self):
        @degrade(fallback="nothing")
        def fine(value, *, more):
            return value, more

        assert fine(1, more=2) == (1, 2)
        assert fine.__name__ == "fine"
        assert not testing.outbox

    @pytest.mark.parametrize("fallback", [None, "", [], {"a": 1}, HttpResponse("x")])
    def test_fallback_that_is_a_value_is_returned(self, fallback):
        assert degrade(fallback=fallback)(recommend)(None) is fallback

    def test_fallback_that_is_callable_gets_the_arguments(self):
        @degrade(fallback=lambda *args, **kwargs: (args, kwargs))
        def broken(*_args, **_kwargs):
            raise ShopError

        assert broken(1, 2, three=3) == ((1, 2), {"three": 3})

    def test_error_is_captured_once_as_handled(self):
        degrade()(recommend)(None)
        [event] = testing.outbox
        assert (event.exceptions[-1].type, event.handled, event.mechanism) == (
            "ShopError",
            True,
            "degrade",
        )

    @pytest.mark.parametrize(
        "answer",
        [Http404, PermissionDenied, SuspiciousOperation, KeyboardInterrupt, SystemExit],
    )
    def test_answers_and_what_is_no_exception_pass(self, answer):
        @degrade(fallback="nothing")
        def answering():
            raise answer

        with pytest.raises(answer):
            answering()
        assert not testing.outbox

    def test_only_the_named_exceptions_degrade(self):
        @degrade(fallback="nothing", exceptions=(KeyError, ShopError))
        def broken(error):
            raise error

        assert broken(ShopError()) == broken(KeyError()) == "nothing"
        with pytest.raises(ValueError, match="other"):
            broken(ValueError("other"))
        assert len(testing.outbox) == 2

    @pytest.mark.parametrize("wrong", ["ValueError", ValueError("x"), (int,), (1, 2)])
    def test_what_is_no_exception_is_refused_when_it_is_decorated(self, wrong):
        with pytest.raises(TypeError, match="no class of exceptions"):
            degrade(exceptions=wrong)

    def test_failing_fallback_raises_the_original_error(self):
        cause = ValueError("the cause")

        def broken():
            raise ShopError from cause

        @degrade(fallback=lambda: 1 / 0)
        def guarded():
            broken()

        with pytest.raises(ShopError) as caught:
            guarded()
        assert caught.value.__cause__ is cause
        assert "ZeroDivisionError" in caught.value.__notes__[0]
        assert len(testing.outbox) == 1

    def test_traceback_of_the_error_is_left_as_it_was(self):
        seen = []

        def fallback():
            return seen

        @degrade(fallback=fallback, exceptions=ShopError)
        def guarded():
            try:
                raise ShopError
            except ShopError as error:
                seen.append(error)
                raise

        [error] = guarded()
        names = []
        traceback = error.__traceback__
        while traceback is not None:
            names.append(traceback.tb_frame.f_code.co_name)
            traceback = traceback.tb_next
        assert names == ["guarded_function", "guarded"]

    def test_deep_stack_is_cut(self, monkeypatch):
        monkeypatch.setattr(degradation, "OUTER_FRAMES", 3)
        degrade()(recommend)(None)
        [event] = testing.outbox
        assert len(event.exceptions[-1].frames) <= 5

    def test_nothing_is_captured_before_the_apps_are_ready(self, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(degradation.apps, "ready", False)
            assert degrade(fallback=5)(recommend)(None) == 5
        assert not testing.outbox


class TestGrouping:
    def test_guarded_part_is_the_same_bug_as_before_it_was_guarded(self):
        def fragile(request):
            recommend(request)

        def page(request, part):
            part(request)
            return HttpResponse("page")

        def request_for(part):
            def view(request):
                return page(request, part)

            middleware = ErrorCaptureMiddleware(view)
            request = RequestFactory().get("/shop/")
            try:
                return middleware(request).status_code
            except ShopError:
                return 500

        assert request_for(fragile) == 500
        assert request_for(degrade()(fragile)) == 200
        plain, guarded = testing.outbox
        assert plain.fingerprint == guarded.fingerprint
        assert (plain.handled, guarded.handled) == (False, True)


class TestAsync:
    def test_result_and_fallbacks(self):
        @degrade(fallback="nothing")
        async def fine():
            return "fine"

        @degrade(fallback="nothing")
        async def broken():
            await asyncio.sleep(0)
            raise ShopError

        async def other():
            return "other"

        assert asyncio.run(fine()) == "fine"
        assert asyncio.run(broken()) == "nothing"
        assert asyncio.run(degrade(fallback=other)(broken.__wrapped__)()) == "other"
        assert asyncio.run(degrade(fallback=dict)(broken.__wrapped__)()) == {}
        assert len(testing.outbox) == 3

    def test_answers_and_cancellation_pass(self):
        @degrade(fallback="nothing")
        async def missing():
            raise Http404

        @degrade(fallback="nothing")
        async def slow():
            await asyncio.sleep(60)

        async def cancel():
            task = asyncio.create_task(slow())
            await asyncio.sleep(0.01)
            task.cancel()
            await task

        with pytest.raises(Http404):
            asyncio.run(missing())
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(cancel())
        assert not testing.outbox

    def test_failing_fallback_raises_the_original_error(self):
        async def fallback():
            raise ValueError

        @degrade(fallback=fallback)
        async def broken():
            raise ShopError

        with pytest.raises(ShopError):
            asyncio.run(broken())
        assert len(testing.outbox) == 1


def versions():
    return sorted(Release.objects.values_list("version", flat=True))


def write(version):
    Release.objects.create(version=version, first_seen=timezone.now())


@pytest.mark.django_db(transaction=True)
class TestDatabase:
    def test_partial_write_is_rolled_back_before_the_fallback_runs(self):
        seen = []

        @degrade(fallback=lambda: seen.append(versions()))
        def broken():
            write("partial")
            raise ShopError

        with transaction.atomic():
            write("before")
            broken()
            write("after")
        assert seen == [["before"]]
        assert versions() == ["after", "before"]

    def test_transaction_goes_on_after_a_refused_statement(self):
        @degrade(fallback="nothing")
        def broken():
            with connection.cursor() as cursor:
                cursor.execute("SELECT no_such_column FROM no_such_table")

        with transaction.atomic():
            write("before")
            assert broken() == "nothing"
            write("after")
        assert versions() == ["after", "before"]

    def test_write_of_a_part_that_succeeds_stays(self):
        with transaction.atomic():
            degrade()(write)("fine")
        assert versions() == ["fine"]

    def test_callbacks_of_the_failed_part_do_not_run(self):
        called = []

        @degrade()
        def broken():
            transaction.on_commit(lambda: called.append("broken"))
            raise ShopError

        with transaction.atomic():
            transaction.on_commit(lambda: called.append("page"))
            broken()
        assert called == ["page"]

    def test_answer_rolls_its_part_back_and_passes(self):
        @degrade(fallback="nothing")
        def missing():
            write("partial")
            raise Http404

        with transaction.atomic():
            with pytest.raises(Http404):
                missing()
            write("after")
        assert versions() == ["after"]

    def test_transaction_that_is_to_be_rolled_back_stays_so(self):
        with transaction.atomic():
            write("before")
            transaction.set_rollback(True)
            assert degrade(fallback="nothing")(lambda: 1 / 0)() == "nothing"
            assert transaction.get_rollback()
        assert versions() == []

    def test_async_part_inside_a_sync_transaction(self):
        @degrade(fallback="nothing")
        async def broken():
            await sync_to_async(write)("partial")
            raise ShopError

        with transaction.atomic():
            write("before")
            assert async_to_sync(broken)() == "nothing"
            write("after")
        assert versions() == ["after", "before"]

    def test_request_in_a_transaction_commits_all_but_the_failed_part(
        self, monkeypatch, settings, client
    ):
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        settings.ROOT_URLCONF = __name__
        response = client.get("/shop/")
        assert (response.status_code, response.content) == (200, b"nothing")
        assert versions() == ["after", "before"]
        [event] = testing.outbox
        assert (event.route, event.handled, event.status_code) == ("/shop/", True, 0)

    def test_no_statement_outside_a_transaction(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert degrade(fallback="nothing")(lambda: 1 / 0)() == "nothing"


@degrade(fallback="nothing")
def broken_part():
    write("partial")
    raise ShopError


def shop(request):
    write("before")
    answer = broken_part()
    write("after")
    return HttpResponse(answer)


urlpatterns = [path("shop/", shop)]


def render(source, more=None, **values):
    engine = Engine(
        loaders=[("django.template.loaders.locmem.Loader", more or {})],
        libraries={"error_tracking": "error_tracking.templatetags.error_tracking"},
        builtins=["error_tracking.templatetags.error_tracking"],
    )
    context = Context(values)
    return engine.from_string(source).render(context)


class Explosive:
    def __str__(self):
        raise ShopError("no text")

    def __iter__(self):
        yield 1
        raise ShopError("no second")


class TestTag:
    def test_part_that_works_is_shown(self):
        assert (
            render("{% degrade %}a{{ x }}{% fallback %}b{% enddegrade %}", x=1) == "a1"
        )

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("[{% degrade %}a{{ x }}{% fallback %}b{{ y }}{% enddegrade %}]", "[b2]"),
            ("[{% degrade %}a{{ x }}{% enddegrade %}]", "[]"),
            (
                (
                    "{% degrade %}{% degrade %}{{ x }}{% fallback %}in{% enddegrade %} out"
                    "{% fallback %}no{% enddegrade %}"
                ),
                "in out",
            ),
            ("{% degrade %}{% include 'none' %}{% fallback %}b{% enddegrade %}", "b"),
        ],
    )
    def test_part_that_fails_gives_way(self, source, expected):
        assert render(source, x=Explosive(), y=2) == expected
        [event] = testing.outbox
        assert (event.handled, event.mechanism) == (True, "degrade")

    @pytest.mark.parametrize(
        "broken",
        [
            "{% with y=3 z=4 %}{{ x }}{% endwith %}",
            "{% for y in x %}{{ y }}{% endfor %}",
            "{% autoescape off %}{{ x }}{% endautoescape %}",
            "{% cycle 1 2 as y %}{{ x }}",
            "{% include 'part' with y=3 %}",
            "{% firstof 5 as y %}{{ x }}",
        ],
    )
    def test_context_is_restored(self, broken):
        source = (
            "{% with w=raw %}{% degrade %}" + broken + "{% fallback %}"
            "{{ y }}{{ z }}{{ w }}{% enddegrade %}{{ y }}{{ z }}{{ w }}{% endwith %}{{ w }}"
        )
        more = {"part": "{% with z=3 %}{{ x }}{% endwith %}"}
        values = {"x": Explosive(), "y": 2, "raw": "<"}
        assert render(source, more, **values) == "2&lt;2&lt;"

    def test_blocks_of_a_failed_part_are_there_the_next_time(self):
        more = {
            "base": "{% for x in items %}{% degrade %}{% block b %}base {{ x }}"
            "{% endblock %}{% fallback %}sorry{% enddegrade %} {% endfor %}",
        }
        source = "{% extends 'base' %}{% block b %}child {{ x }}{% endblock %}"
        assert render(source, more, items=[Explosive(), 2]) == "sorry child 2 "

    def test_answer_passes(self):
        def missing():
            raise Http404

        with pytest.raises(Http404):
            render("{% degrade %}{{ missing }}{% enddegrade %}", missing=missing)

    def test_failing_fallback_raises_the_original_error(self):
        def other():
            raise ValueError

        source = "{% degrade %}{{ x }}{% fallback %}{{ other }}{% enddegrade %}"
        with pytest.raises(ShopError):
            render(source, x=Explosive(), other=other)

    @pytest.mark.parametrize(
        "source", ["{% degrade x %}{% enddegrade %}", "{% degrade %}{% fallback %}"]
    )
    def test_wrong_use_is_a_syntax_error(self, source):
        with pytest.raises(TemplateSyntaxError):
            render(source)

    @pytest.mark.django_db(transaction=True)
    def test_partial_write_is_rolled_back(self):
        def broken():
            write("partial")
            raise ShopError

        with transaction.atomic():
            write("before")
            source = "{% degrade %}{{ broken }}{% fallback %}{{ seen }}{% enddegrade %}"
            assert (
                render(source, broken=broken, seen=versions) == "[&#x27;before&#x27;]"
            )
        assert versions() == ["before"]
