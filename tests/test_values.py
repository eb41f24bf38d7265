"""The pure row's values: text, identifiers, events."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from error_tracking.events.event import EVENT_BYTES, ExceptionInfo, Frame
from error_tracking.events.object_text import safe_text
from error_tracking.recorder.packed_event import event_from_bytes
from error_tracking.utils import UNPRINTABLE, clean_line, clean_text, hour_of, uuid7
from tests.factories import make_event


@given(st.text(st.characters(), max_size=200))
def test_cleaned_text_is_storable_and_stays_as_it_is(value):
    """FAULTS S06, S07."""
    cleaned = clean_text(value, 150)
    cleaned.encode()
    assert "\x00" not in cleaned
    assert clean_text(cleaned, 150) == cleaned
    assert len(cleaned) <= 150


@pytest.mark.parametrize("bad", ["\x00", "\x1b", "\u202e", "\u200b", "\x85", "\ufeff"])
def test_control_characters_are_replaced(bad):
    """FAULTS S06, A03."""
    assert clean_text(f"a{bad}b", 10) == "a\ufffdb"


def test_tab_and_newline_survive_and_surrogates_do_not():
    """FAULTS S07."""
    assert clean_text("a\tb\nc\ud800", 10) == "a\tb\nc?"


def test_text_is_cut_at_its_limit():
    """FAULTS S10."""
    assert clean_text("x" * 10, 10) == "x" * 10
    assert clean_text("x" * 11, 10) == "x" * 10


def test_line_is_one_line():
    assert clean_line("a\n\tb  c", 20) == "a b c"


class NoText:
    def __str__(self):
        return 5


class TextSubclass(str):
    __slots__ = ()

    def __str__(self):
        return self


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_foreign_str_may_raise_anything(error):
    """FAULTS C20."""

    class Hostile:
        def __str__(self):
            raise error

    assert safe_text(Hostile(), 10) == UNPRINTABLE


def test_str_that_gives_no_text_is_unprintable():
    """FAULTS C20."""
    assert safe_text(NoText(), 10) == UNPRINTABLE
    assert type(safe_text(TextSubclass("x"), 10)) is str


def test_uuid7_grows_with_time_and_is_version_7():
    first, second = uuid7(), uuid7()
    assert first.version == second.version == 7
    assert first.int >> 80 <= second.int >> 80
    assert first != second


def test_hour_of_a_moment():
    assert hour_of(dt.datetime(2026, 1, 2, 3, 4, 5, 6)) == dt.datetime(2026, 1, 2, 3)


FRAME = Frame("a.py", "/srv/a.py", "a", "f", 3, "raise", ("x",), ("y",), in_app=True)
INFO = ExceptionInfo("ValueError", "builtins", "no", (FRAME,))


@pytest.mark.parametrize(
    "values",
    [
        {"request": {"body": {"x": "y" * 70_000}}},
        {"request": {"a": "b" * 40_000}, "traceback": "t" * 60_000},
        {
            "traceback": "t" * 60_000,
            "exceptions": (
                INFO,
                *[dataclasses.replace(INFO, message="m" * 4_000)] * 20,
            ),
        },
        {"exceptions": (dataclasses.replace(INFO, frames=(FRAME,) * 600),)},
    ],
    ids=["request", "traceback", "causes", "frames"],
)
def test_event_is_at_most_64_kib_whatever_is_in_it(values):
    """FAULTS C22."""
    data = make_event(**values).to_bytes()
    assert len(data) <= EVENT_BYTES
    assert event_from_bytes(data).title == "ValueError in shop.pay"


def test_event_at_the_limit_is_whole_and_one_above_is_not():
    empty = make_event(timestamp=1.0)
    whole = dataclasses.replace(
        empty, traceback="t" * (EVENT_BYTES - len(empty.to_bytes()))
    )
    assert len(whole.to_bytes()) == EVENT_BYTES
    assert event_from_bytes(whole.to_bytes()).traceback == whole.traceback
    above = dataclasses.replace(whole, traceback=whole.traceback + "t")
    assert len(event_from_bytes(above.to_bytes()).traceback) < len(above.traceback)


def test_culprit_is_the_innermost_in_app_frame():
    library = dataclasses.replace(FRAME, module="lib", in_app=False)
    assert ExceptionInfo("E", "m", "", (FRAME, library)).culprit == "a.f"
    assert ExceptionInfo("E", "m", "", (library,)).culprit == ""
    assert ExceptionInfo("E", "m", "").qualified_type == "m.E"
