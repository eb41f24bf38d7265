"""Local variables of the innermost in-app frames: by value where that is safe, by kind where it is not."""

from __future__ import annotations

import datetime as dt
import time

import pytest
from django.contrib.auth.models import User
from django.utils.functional import SimpleLazyObject
from django.views.debug import SafeExceptionReporterFilter
from django.views.decorators.debug import sensitive_variables

import error_tracking

from .factories import raised


class Hostile:
    """Everything that printing a value could run (FAULTS C21)."""

    def __repr__(self):
        time.sleep(5)
        raise AssertionError("a repr was called")

    __str__ = __eq__ = __hash__ = __repr__

    @property
    def _meta(self):
        raise AssertionError("a property was called")


def variables_of(function, outbox, *args):
    error_tracking.capture_exception(raised(function, *args))
    frames = [frame for frame in outbox[-1].exceptions[0].frames if frame.vars]
    return frames[-1].vars


def plain(order, password):
    amount, when, names = 3.5, dt.date(2026, 1, 2), ["ann", {"api_key": "x"}]
    hostile, note = Hostile(), "mail ann@example.org, card 4111 1111 1111 1111"
    raise ValueError(order, amount, when, len(names), hostile is note)


def test_values_are_kept_without_secrets_and_foreign_code(outbox):
    found = variables_of(plain, outbox, 7, "hunter2")
    assert found == {
        "order": 7,
        "password": "[Filtered]",
        "amount": 3.5,
        "when": "2026-01-02",
        "names": ["ann", {"api_key": "[Filtered]"}],
        "hostile": "<Hostile>",
        "note": "mail [email], card [Filtered]",
    }


def with_models(user):
    users = User.objects.filter(pk__gt=user.pk)
    raise ValueError(users and "never evaluated") if False else ValueError("x")


@pytest.mark.django_db
def test_models_and_querysets_are_named_and_never_evaluated(
    outbox, django_assert_num_queries
):
    with django_assert_num_queries(0):
        found = variables_of(with_models, outbox, User(pk=5, username="ann"))
    assert found == {"user": "<auth.User pk=5>", "users": "<QuerySet of auth.User>"}


def with_a_lazy_user():
    user = SimpleLazyObject(lambda: pytest.fail("woken"))
    users = {"of": user}
    raise ValueError(len(users), user is None)


def test_a_lazy_local_is_not_woken(outbox):
    """FAULTS C08, C21: ``isinstance`` alone would ask it for its class, and so load the user."""
    assert variables_of(with_a_lazy_user, outbox) == {
        "user": "<SimpleLazyObject>",
        "users": {"of": "<SimpleLazyObject>"},
    }


def outer():
    level = 1
    inner(level)


def inner(level):
    level += 1
    innermost(level)


def innermost(level):
    level += 1
    raise ValueError(level)


def test_only_the_innermost_frames_have_variables(outbox):
    error_tracking.capture_exception(raised(outer))
    frames = outbox[0].exceptions[0].frames
    assert [frame.vars.get("level") for frame in frames[-3:]] == [1, 2, 3]
    assert not any(frame.vars for frame in frames[:-3])


@sensitive_variables("recipe")
def cook(recipe, dish):
    raise ValueError(dish)


@sensitive_variables()
def hide(recipe, dish):
    raise ValueError(dish)


@sensitive_variables("recipe")
async def cook_async(recipe, dish):
    raise ValueError(dish)


@pytest.mark.parametrize("is_debug", [False, True])
def test_sensitive_variables_are_respected_also_under_debug(outbox, settings, is_debug):
    """FAULTS V06."""
    import asyncio

    settings.DEBUG = is_debug
    expected = {"recipe": "[Filtered]", "dish": "soup"}
    assert variables_of(cook, outbox, "salt", "soup") == expected
    assert (
        variables_of(lambda: asyncio.run(cook_async("salt", "soup")), outbox)
        == expected
    )
    assert variables_of(hide, outbox, "salt", "soup") == {
        "recipe": "[Filtered]",
        "dish": "[Filtered]",
    }


class HidesDishes(SafeExceptionReporterFilter):
    def get_traceback_frame_variables(self, request, tb_frame):
        for name, value in super().get_traceback_frame_variables(request, tb_frame):
            yield name, self.cleansed_substitute if name == "dish" else value

    def get_post_parameters(self, request):
        return {
            name: "*" if name == "dish" else value
            for name, value in request.POST.items()
        }


def serve(recipe, dish):
    raise ValueError(dish)


def test_the_hosts_reporter_filter_is_respected(outbox, settings):
    """FAULTS V06."""
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "tests.test_frame_locals.HidesDishes"
    from django.views.debug import get_default_exception_reporter_filter

    get_default_exception_reporter_filter.cache_clear()
    try:
        assert variables_of(serve, outbox, "salt", "soup") == {
            "recipe": "salt",
            "dish": "[Filtered]",
        }
    finally:
        settings.DEFAULT_EXCEPTION_REPORTER_FILTER = (
            "django.views.debug.SafeExceptionReporterFilter"
        )
        get_default_exception_reporter_filter.cache_clear()


def greedy():
    many = [list(range(1_000)) for _ in range(1_000)]
    deep = many
    for _ in range(50):
        deep = [deep]
    text = "x" * 10_000
    cycle = []
    cycle.append(cycle)
    raise ValueError(len(text))


def test_large_and_cyclic_values_are_bounded(outbox):
    error = raised(greedy)
    start = time.process_time()
    error_tracking.capture_exception(error)
    assert time.process_time() - start < 2
    found = [frame.vars for frame in outbox[0].exceptions[0].frames if frame.vars][-1]
    assert len(found["text"]) <= 200
    assert len(str(found)) < 20_000


def test_locals_can_be_turned_off(outbox, configure):
    configure(DISABLE=["locals"])
    error_tracking.capture_exception(raised(outer))
    assert not any(frame.vars for frame in outbox[0].exceptions[0].frames)


def test_in_app_follows_the_setting(outbox, configure):
    configure(IN_APP=["-tests.test_frame_locals"])
    error_tracking.capture_exception(raised(outer))
    frames = outbox[-1].exceptions[0].frames
    assert not any(
        frame.in_app for frame in frames if frame.module == "tests.test_frame_locals"
    )
    configure(IN_APP=["json"])
    import json

    error_tracking.capture_exception(raised(json.loads, "{"))
    assert outbox[-1].culprit.startswith("json.")
    path = json.__file__.rpartition("/")[0]
    configure(IN_APP=[path])
    error_tracking.capture_exception(raised(json.loads, "["))
    assert outbox[-1].culprit.startswith("json.")
