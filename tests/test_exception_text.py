"""The message of an exception: Python's own words, of a bounded length, however large its arguments are."""

from __future__ import annotations

import datetime as dt
import decimal
import pathlib
import time
import uuid

import pytest

from error_tracking.events.exception_text import exception_text
from error_tracking.scrubbing.scrubber import FILTERED
from error_tracking.utils import clean_text

LIMIT = 400


class Named:
    def __repr__(self):
        return "<Named>"


def text_of(error, limit=LIMIT):
    return exception_text(error, clean_text, limit)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        ValueError("no"),
        ValueError("no", 2, None, 1.5, True),
        ValueError([1, {"a": (1,), "b": []}, set(), {2}, frozenset({3}), ()]),
        ValueError({1: {2: 3}}, b"bytes"),
        ValueError(dt.date(2026, 1, 2)),
        ValueError([decimal.Decimal("1.5"), uuid.UUID(int=5)]),
        ValueError(ValueError("inner", 1)),
        ValueError("outer", KeyError("inner")),
        ValueError(Named(), [Named()]),
        ValueError(pathlib.Path("/a")),
        ValueError("line\nline"),
        KeyError("x"),
        KeyError(("a", 1)),
        OSError("only a text"),
        OSError(2, "No such file", "name"),
        OSError(18, "Cross-device", "a", None, "b"),
        ImportError("no module", name="x"),
        SyntaxError("bad", ("file.py", 3, 1, "text")),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "reason"),
        UnicodeEncodeError("ascii", "ä", 0, 1, "reason"),
        ExceptionGroup("many", [ValueError(1)]),
        StopIteration(3),
        SystemExit(1),
    ],
    ids=repr,
)
def test_the_text_is_what_python_prints(error):
    assert text_of(error) == str(error)


HUGE = {
    "arguments": lambda: ValueError(*range(3_000_000)),
    "list": lambda: ValueError(list(range(3_000_000))),
    "nested": lambda: ValueError([["x" * 100_000] * 1_000] * 1_000),
    "text": lambda: ValueError("x" * 10_000_000),
    "second text": lambda: ValueError("no", "x" * 10_000_000),
    "bytes": lambda: ValueError(b"\xff" * 10_000_000),
    "dict": lambda: ValueError({number: number for number in range(1_000_000)}),
    "key": lambda: KeyError(tuple(range(1_000_000))),
    "file name": lambda: OSError(2, "no", list(range(1_000_000))),
    "reason": lambda: OSError(2, "x" * 10_000_000),
    "not five": lambda: OSError(*range(1_000_000)),
    "number": lambda: ValueError(10**5_000),
    "numbers": lambda: ValueError([10**5_000] * 1_000),
    "objects": lambda: ValueError([Named()] * 1_000_000),
    "inner": lambda: ValueError(ValueError(*range(1_000_000))),
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_arguments_are_not_printed_but_counted(name):
    error = HUGE[name]()
    start = time.thread_time()
    text = text_of(error)
    assert time.thread_time() - start < 0.5
    assert len(text) <= LIMIT
    if name != "number":
        assert " more " in text


def test_a_secret_is_not_kept_by_half():
    token = "ghp_" + "Zq7xKw93Vt" * 3

    def without_tokens(text, limit):
        return clean_text(text.replace(token, "[Filtered]"), limit)

    for before in range(LIMIT - 80, LIMIT + 10):
        error = ValueError("x" * before + token + "y" * 1_000)
        assert "ghp" not in exception_text(error, without_tokens, LIMIT)
        in_list = ValueError(["x" * before + token + "y" * 1_000])
        assert "ghp" not in exception_text(in_list, without_tokens, LIMIT)


class OwnStr(Exception):
    def __str__(self):
        return "own " + "x" * 10_000


def test_a_text_of_the_project_is_cut_too():
    assert text_of(OwnStr(1)).startswith("own xx")
    assert text_of(OwnStr(1)).endswith(" more characters")


class Meta(type):
    def __hash__(cls):
        raise AssertionError("asked")

    __eq__ = __hash__


class Odd(metaclass=Meta):
    def __repr__(self):
        return "odd"


def test_a_metaclass_is_not_asked():
    assert text_of(ValueError(1, [Odd()])) == "(1, [odd])"


def test_exception_of_a_library_in_another_language_prints_itself():
    """It has no ``__str__`` in Python, and keeps nothing in its arguments."""
    pydantic = pytest.importorskip("pydantic")
    with pytest.raises(pydantic.ValidationError) as raised:
        pydantic.TypeAdapter(int).validate_python("a")
    assert raised.value.args == ()
    assert text_of(raised.value) == str(raised.value)
    assert "int_parsing" in text_of(ValueError("outer", raised.value))


def test_nesting_and_huge_attributes_are_cut():
    nested = ValueError("a", [[[[[[[[1]]]]]]]])
    assert exception_text(nested, clean_text, 4_000) == "('a', [[[[…]]]])"
    text = exception_text(ImportError("x" * 9_000), clean_text, 4_000)
    assert text.startswith("xxx")
    assert len(text) <= 4_000


def test_lists_of_errors_may_have_anything_in_them():
    error = ValueError("no hunter2")
    error.password = "hunter2"
    error.error_list = [error, {"a": 1}, "x", 5]
    text = exception_text(error, clean_text, 4_000, "password".__eq__)
    assert text == f"no {FILTERED}"
