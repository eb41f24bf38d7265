"""The text of the project's objects: what they may do, and what they must not harm."""

from __future__ import annotations

import asyncio
import decimal
import logging
import threading
import time
import uuid

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction

from error_tracking.events import object_text
from error_tracking.events.exception_text import exception_text
from error_tracking.events.object_text import (
    HANGING_OF_ONE_CLASS,
    TEXT_SECONDS,
    THREAD_NAME,
    THREADS,
    is_plain,
    safe_text,
)
from error_tracking.utils import UNPRINTABLE, clean_text


def exception_message(error):
    return exception_text(error, clean_text, 4_000)


@pytest.fixture(autouse=True)
def reader(monkeypatch):
    """Nothing is remembered of the tests before."""
    fresh = object_text._Threads()
    monkeypatch.setattr(object_text, "_threads", fresh)
    return fresh


@pytest.fixture
def gate():
    """What hanging texts wait for; opened at the end, so that no thread is left."""
    event = threading.Event()
    yield event
    event.set()
    for thread in threading.enumerate():
        if thread.name == THREAD_NAME:
            thread.join(10)


class Text:
    """An object whose text is made by a function."""

    def __init__(self, make):
        self.make = make

    def __str__(self):
        return self.make()

    __repr__ = __str__


def text_threads():
    return sum(thread.name == THREAD_NAME for thread in threading.enumerate())


def wait_until_none_reads():
    deadline = time.monotonic() + 10
    while text_threads():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    "value",
    [
        [1, 2],
        {"a": (1, b"x")},
        decimal.Decimal("1.5"),
        uuid.UUID(int=1),
        frozenset({None, True}),
    ],
    ids=str,
)
def test_plain_values_are_printed_without_a_thread(value, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", None)
    assert safe_text(value, 100) == str(value)
    assert exception_message(ValueError("no", value)) == str(("no", value))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("a"), "'a'"),
        (ValueError("a", Text(lambda: "x")), "('a', x)"),
        (type("Own", (Exception,), {"__str__": lambda self: "own"})("a"), "own"),
    ],
    ids=["plain", "argument", "own"],
)
def test_exception_is_printed_as_any_value(error, text):
    assert safe_text(error, 100) == text


def test_text_needs_no_preparation(monkeypatch):
    monkeypatch.setattr(object_text, "_prepare", None)
    assert safe_text(Text(lambda: "x"), 100) == "x"


def test_number_of_classes_that_are_remembered_is_bounded(gate, reader, monkeypatch):
    monkeypatch.setattr(object_text, "CLASSES", 1)
    other = type("OtherText", (Text,), {"__module__": __name__})
    for cls in (Text, other):
        assert safe_text(cls(gate.wait), 10) == UNPRINTABLE
    assert list(reader._troubles) == [f"{__name__}.Text"]
    assert reader._running == 2


def test_a_value_that_is_large_or_contains_itself_is_not_plain():
    endless = []
    endless.append(endless)
    assert not is_plain(endless)
    assert not is_plain([0] * 1_000)
    assert not is_plain(["x" * 1_000] * 20)
    assert not is_plain({"a": [object()]})


@pytest.mark.parametrize(
    "make_value",
    [lambda bad: ValueError("no", bad), lambda bad: ValueError("no", [{"a": bad}])],
    ids=["argument", "nested"],
)
def test_a_hang_says_nothing_of_other_objects(gate, make_value):
    slow = make_value(Text(gate.wait))
    assert exception_message(slow) == UNPRINTABLE
    assert exception_message(ValueError("price", [1, 2])) == "('price', [1, 2])"
    assert exception_message(ValueError("price", Text(lambda: "x"))) == "('price', x)"
    assert exception_message(KeyError(Text(lambda: "x"))) == "x"


def test_a_slow_text_of_a_log_record_says_nothing_of_other_records(gate, outbox):
    from error_tracking.integrations.records import capture_record

    def log(*args):
        capture_record(
            logging.LogRecord("shop", logging.ERROR, "shop.py", 1, "%s", args, None)
        )

    log(Text(gate.wait))
    log(Text(lambda: "quick"))
    log("plain")
    assert [event.message for event in outbox] == [UNPRINTABLE, "quick", "plain"]


def test_a_class_is_forgotten_when_its_hang_is_over(gate, reader):
    safe_text(Text(gate.wait), 10)
    assert list(reader._troubles) == [f"{__name__}.Text"]
    gate.set()
    until = reader._troubles[f"{__name__}.Text"].hasty_until
    wait_until_none_reads()
    reader._forget(until - 0.1)
    assert reader._troubles
    reader._forget(until + 0.1)
    assert not reader._troubles
    assert reader._running == 0


def test_a_storm_of_hanging_texts_leaves_few_threads_and_waits_for_few(gate):
    start = time.monotonic()
    for _ in range(100):
        assert safe_text(Text(gate.wait), 10) == UNPRINTABLE
    assert text_threads() == HANGING_OF_ONE_CLASS
    # Each waiting its whole time, they would take a hundred times as long.
    assert time.monotonic() - start < 10 * TEXT_SECONDS


def test_a_storm_of_hanging_texts_of_many_classes_is_bounded(gate):
    for number in range(THREADS + 10):
        cls = type(f"Text{number}", (Text,), {"__module__": "storm"})
        assert safe_text(cls(gate.wait), 10) == UNPRINTABLE
    assert text_threads() == THREADS
    gate.set()
    wait_until_none_reads()
    assert safe_text(Text(lambda: "again"), 10) == "again"


def test_without_threads_nothing_of_the_projects_runs(monkeypatch, reader):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    asked = []
    assert safe_text(Text(lambda: asked.append(1) or "x"), 10) == UNPRINTABLE
    assert asked == []
    assert reader._running == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    "ask",
    [
        lambda: str(User.objects.count()),
        lambda: str(connection.cursor().execute("SELECT 1")),
        lambda: str(list(User.objects.raw("SELECT * FROM auth_user"))),
        lambda: str(transaction.atomic().__enter__()),
    ],
    ids=["orm", "cursor", "raw", "atomic"],
)
def test_a_text_runs_no_query(ask, django_assert_num_queries, monkeypatch):
    opened = []
    monkeypatch.setattr(
        connections["default"].__class__, "connect", lambda self: opened.append(1)
    )
    with django_assert_num_queries(0):
        assert safe_text(Text(ask), 100) == UNPRINTABLE
    assert opened == []


@pytest.mark.django_db
def test_a_text_may_show_the_sql_of_a_query_and_fall_back_without_a_database():
    assert "auth_user" in safe_text(Text(lambda: str(User.objects.all().query)), 500)

    def count():
        try:
            return str(User.objects.count())
        except connection.Database.Error:
            return "driver"
        except Exception as error:
            return type(error).__name__

    assert safe_text(Text(count), 100) == "OperationalError"


def test_other_code_on_the_thread_sees_nothing_of_a_text():
    """Nothing may be set on the thread: under gevent other requests share it."""
    seen = []

    def look():
        seen.append(asyncio._get_running_loop())
        return "text"

    async def main():
        loop = asyncio.get_running_loop()
        assert safe_text(Text(look), 10) == "text"
        assert asyncio.get_running_loop() is loop

    asyncio.run(main())
    assert safe_text(Text(look), 10) == "text"
    assert seen == [None, None]


def test_a_text_method_that_is_no_function_is_not_run_on_our_thread():
    class Callable:
        def __call__(self):
            return threading.current_thread().name

    class Odd(Exception):
        __str__ = Callable()

    assert exception_message(Odd("x")) == THREAD_NAME
