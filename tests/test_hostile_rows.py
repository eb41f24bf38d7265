"""Rows, users and sessions are described without a query, and nothing lazy is evaluated."""

from __future__ import annotations

import functools
import itertools
import random

import pytest
from django import forms
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Prefetch
from django.test import RequestFactory
from django.test.utils import isolate_apps
from django.utils.functional import SimpleLazyObject, cached_property, lazy
from django.views import View

import error_tracking

from .factories import raised

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls():
    """The traps that were sprung."""
    return []


@pytest.fixture
def person():
    user = User.objects.create_user("ann", "ann@example.org")
    user.groups.add(Group.objects.create(name="buyers"))
    return user


def fail_with(value):
    nested = {"in": [value]}
    raise ValueError(len(nested))


def stored(instance):
    """Return *instance* as if it came from the database: others are no rows."""
    instance._state.adding = False
    return instance


def setup_of(value, outbox, request=None):
    """Return what is stored of *value* for the set-up of a test."""
    error = raised(fail_with, value)
    outbox.clear()
    error_tracking.capture_exception(error, request=request)
    [event] = outbox
    event.to_bytes()
    return event.context.get("setup", {})


def trap(calls, name="trap"):
    """Return a function that notes its call."""

    def spring(*_args, **_kwargs):
        calls.append(name)
        return "sprung"

    return spring


def trapped_view(calls, **attributes):
    """Return a view on which everything that is not plain springs a trap."""

    class Trapped(View):
        @property
        def object(self):
            return trap(calls, "property")()

        @cached_property
        def kept(self):
            return trap(calls, "cached_property")()

        def __getattr__(self, name):
            return trap(calls, f"__getattr__ {name}")()

        def __getattribute__(self, name):
            if calls is not None and calls.__class__ is Armed:
                calls.append(f"__getattribute__ {name}")
            return super().__getattribute__(name)

        def __eq__(self, other):
            return bool(trap(calls, "__eq__")())

        def __hash__(self):
            return len(trap(calls, "__hash__")())

        def __bool__(self):
            return bool(trap(calls, "__bool__")())

        def __iter__(self):
            return iter(trap(calls, "__iter__")())

        def __len__(self):
            return len(trap(calls, "__len__")())

        def __repr__(self):
            return trap(calls, "__repr__")()

    view = Trapped()
    # By its dictionary, as the view's own methods are traps.
    object.__getattribute__(view, "__dict__").update(attributes)
    return view


class Armed(list):
    """Traps that note reading attributes, too."""


def lazy_values(calls):
    """Return values that must not be evaluated, by name."""
    spring = trap(calls, "lazy")
    return {
        "lazy object": SimpleLazyObject(spring),
        "translation": lazy(spring, str)(),
        "lazy number": lazy(spring, int)(),
        "generator": (spring() for _ in range(3)),
        "iterator": map(spring, [1]),
        "partial": functools.partial(spring),
        "view": trapped_view(calls),
        "endless": itertools.count(),
    }


def querysets():
    """Return QuerySets that have asked nothing yet, by name."""
    return {
        "all": User.objects.all(),
        "filtered": User.objects.filter(groups__name="buyers").distinct(),
        "prefetched": User.objects.prefetch_related(
            Prefetch("groups", queryset=Group.objects.all())
        ),
        "values": User.objects.values("username"),
        "values_list": User.objects.values_list("pk", flat=True),
        "union": User.objects.all().union(User.objects.all()),
        "raw": User.objects.raw("SELECT * FROM auth_user"),
        "iterator": User.objects.iterator(),
        "manager": User.objects,
        "page": Paginator(User.objects.order_by("pk"), 5),
    }


class TestQuerySets:
    @pytest.mark.parametrize("name", querysets())
    def test_lazy_result_is_not_evaluated(
        self, name, person, outbox, django_assert_num_queries
    ):
        value = querysets()[name]
        # As an attribute, in a list and in a mapping.
        view = View()
        view.queryset, view.found = value, [value]
        with django_assert_num_queries(0):
            assert "rows" not in setup_of(value, outbox)
            assert "rows" not in setup_of(view, outbox)
            assert "rows" not in setup_of([value], outbox)
        assert getattr(value, "_result_cache", None) is None

    @pytest.mark.parametrize("count", [0, 1, 3])
    def test_evaluated_result_has_its_rows(
        self, count, outbox, django_assert_num_queries
    ):
        for number in range(count):
            Group.objects.create(name=f"group {number}")
        found = Group.objects.order_by("pk")
        list(found)
        with django_assert_num_queries(0):
            rows = setup_of(found, outbox)["rows"]
        assert {row["model"] for row in rows} == {"auth.Group"}
        assert [row["columns"].get("name") for row in rows][:1] == (
            ["set"] if count else [None]
        )

    def test_results_of_a_prefetch_ask_nothing(
        self, person, outbox, django_assert_num_queries
    ):
        [user] = User.objects.prefetch_related("groups")
        with django_assert_num_queries(0):
            rows = setup_of(user, outbox)["rows"]
        assert rows[0]["model"] == "auth.User"


class TestInstances:
    def test_deferred_column_is_not_loaded(
        self, person, outbox, django_assert_num_queries
    ):
        user = User.objects.only("username").get()
        with django_assert_num_queries(0):
            [row] = setup_of(user, outbox)["rows"]
        assert row["columns"]["username"] == "set"
        assert "first_name" not in row["columns"]
        assert user.get_deferred_fields() >= {"first_name", "last_name"}

    def test_relation_that_is_not_loaded_stays_so(
        self, outbox, django_assert_num_queries
    ):
        permission = Permission.objects.first()
        with django_assert_num_queries(0):
            [row] = setup_of(permission, outbox)["rows"]
        assert row["columns"]["content_type"] == "set"
        assert "content_type" not in permission._state.fields_cache

    def test_loaded_relation_is_a_row_of_its_own(
        self, outbox, django_assert_num_queries
    ):
        permission = Permission.objects.select_related("content_type").first()
        with django_assert_num_queries(0):
            first, second = setup_of(permission, outbox)["rows"]
        assert first["columns"]["content_type"] == "row 1"
        assert second["model"] == "contenttypes.ContentType"

    def test_lazy_value_of_a_column_is_not_evaluated(self, outbox, calls):
        user = stored(User(pk=1))
        for value in lazy_values(calls).values():
            user.__dict__["first_name"] = user.__dict__["is_staff"] = value
            [row] = setup_of(user, outbox)["rows"]
            assert row["columns"]["first_name"] == "set"
        assert calls == []

    @isolate_apps("django.contrib.auth", "django.contrib.contenttypes")
    def test_model_that_notices_everything_is_read_by_its_dictionary(
        self, outbox, calls
    ):
        spring = trap(calls, "descriptor")

        class Noticing:
            """A descriptor that a library puts in the place of a column."""

            def __get__(self, instance, owner=None):
                if instance is not None:
                    spring()
                return self

        class Trapped(models.Model):
            name = models.CharField(max_length=9, choices=lambda: spring() and [])
            size = models.IntegerField()

            class Meta:
                app_label = "auth"

            def __getattribute__(self, name):
                calls.append(f"__getattribute__ {name}")
                return super().__getattribute__(name)

            def __eq__(self, other):
                return bool(spring())

            def __hash__(self):
                return len(spring())

            def __str__(self):
                return spring()

            @property
            def total(self):
                return spring()

        instance = stored(Trapped(name="a", size=0))
        Trapped.size = Noticing()
        error = raised(fail_with, instance)
        calls.clear()
        outbox.clear()
        error_tracking.capture_exception(error)
        assert calls == []
        [row] = outbox[0].context["setup"]["rows"]
        assert row["columns"]["size"] == "zero"


class TestObjects:
    def test_nothing_lazy_is_evaluated_wherever_it_is(self, outbox, calls):
        for value in lazy_values(calls).values():
            for inside in (value, [value], (value,), trapped_view([], found=value)):
                setup_of(inside, outbox)
        assert calls == []

    def test_traps_do_notice_what_touches_them(self, calls):
        """Or the tests could not fail."""
        view = trapped_view(calls)
        assert [view.object, view.kept, view.nowhere, len(view), repr(view)]
        assert len(calls) == 5
        str(lazy_values(calls)["translation"])
        next(lazy_values(calls)["generator"])
        assert calls[5:] == ["lazy", "lazy"]

    def test_instance_on_a_trapped_object_is_found_without_its_code(self, outbox):
        calls = Armed()
        view = trapped_view(calls, object_of_view=stored(User(pk=1, username="")))
        error = raised(fail_with, view)
        calls.clear()
        outbox.clear()
        error_tracking.capture_exception(error)
        assert list(calls) == []
        [row] = outbox[0].context["setup"]["rows"]
        assert row["columns"]["username"] == "empty"

    def test_bound_form_is_not_validated(self, outbox, django_assert_num_queries):
        class UserForm(forms.ModelForm):
            class Meta:
                model = User
                fields = ("username", "groups")

            def full_clean(self):
                raise AssertionError("the form was validated")

        form = UserForm({"username": "x"}, instance=stored(User(pk=1, username="ann")))
        with django_assert_num_queries(0):
            [row] = setup_of(form, outbox)["rows"]
        assert row["name"] == "instance"

    @pytest.mark.parametrize("seed", range(40))
    def test_no_mixture_runs_a_query_or_springs_a_trap(
        self, seed, outbox, calls, django_assert_num_queries
    ):
        chance = random.Random(seed)
        leaves = [
            *lazy_values(calls).values(),
            *querysets().values(),
            stored(User(pk=3)),
            7,
        ]

        def mixture(depth):
            kind = chance.randrange(6) if depth else 0
            if kind <= 1:
                return chance.choice(leaves)
            inner = [mixture(depth - 1) for _ in range(chance.randint(1, 3))]
            if kind == 2:
                return inner
            if kind == 3:
                return dict(zip("abc", inner, strict=False))
            if kind == 4:
                return trapped_view([], found=inner[0], more=inner)
            return SimpleLazyObject(lambda: inner)

        value = mixture(4)
        with django_assert_num_queries(0):
            setup_of(value, outbox)
        assert calls == []


class TestRequests:
    def request_of(self, **attributes):
        request = RequestFactory().post(
            "/", '{"name": "x"}', content_type="application/json"
        )
        request.__dict__.update(attributes)
        return request

    def test_user_and_session_that_nobody_asked_for_are_not_loaded(
        self, outbox, calls, django_assert_num_queries
    ):
        session = SessionStore("a" * 32)
        request = self.request_of(
            user=SimpleLazyObject(trap(calls, "user")), session=session
        )
        with django_assert_num_queries(0):
            setup = setup_of(request, outbox, request)
        assert calls == []
        assert "user" not in setup
        assert "session" not in setup
        assert "_session_cache" not in session.__dict__
        assert "_body" not in request.__dict__

    def test_lazy_values_of_a_session_are_not_evaluated(self, outbox, calls):
        session = SessionStore()
        session._session_cache = dict(lazy_values(calls))
        setup = setup_of(None, outbox, self.request_of(session=session))
        assert calls == []
        assert set(setup["session"]) <= set(lazy_values([]))

    @pytest.mark.parametrize(
        ("user", "kind"),
        [
            (AnonymousUser(), "anonymous"),
            (User(pk=1), "plain"),
            (User(pk=1, is_staff=True), "staff"),
            (User(pk=1, is_superuser=True, is_staff=True), "superuser"),
        ],
    )
    def test_user_that_is_loaded_has_a_kind(
        self, user, kind, outbox, django_assert_num_queries
    ):
        loaded = SimpleLazyObject(lambda: user)
        assert str(loaded) == str(user)
        for value in (user, loaded):
            with django_assert_num_queries(0):
                setup = setup_of(None, outbox, self.request_of(user=value))
            assert setup["user"] == kind

    def test_body_and_form_that_nobody_read_stay_unread(self, outbox):
        request = RequestFactory().post("/", {"name": "x"})
        setup_of(request, outbox, request)
        assert "_post" not in request.__dict__
        assert "_body" not in request.__dict__
