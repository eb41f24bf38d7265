"""Exceptions are raised and read: chains, groups, recursion, hostile classes."""

from __future__ import annotations

import sys
import types

import pytest

from error_tracking.events.in_app import is_in_app
from error_tracking.events.raised import INNER_FRAMES, OUTER_FRAMES
from error_tracking.events.stacktrace import (
    CHAIN_LENGTH,
    GROUP_MEMBERS,
    MESSAGE_CHARS,
    exceptions_from,
    traceback_text,
)
from tests.factories import raised


def explode():
    raise ValueError("no")


def caused():
    try:
        explode()
    except ValueError as error:
        raise RuntimeError("outer") from error


def in_context():
    try:
        explode()
    except ValueError:
        raise RuntimeError("outer")  # noqa: B904  the context is what is tested


def suppressed():
    try:
        explode()
    except ValueError:
        raise RuntimeError("outer") from None


def down(levels):
    if levels:
        down(levels - 1)
    else:
        explode()


def test_frames_say_where_and_what():
    [info] = exceptions_from(raised(explode))
    frame = info.frames[-1]
    assert (frame.function, frame.module, frame.in_app) == ("explode", __name__, True)
    assert frame.context_line.strip() == 'raise ValueError("no")'
    assert frame.filename == "tests/test_stacktrace.py"
    assert frame.pre_context[-1].startswith("def explode")
    assert (info.qualified_type, info.message) == ("ValueError", "no")


@pytest.mark.parametrize(
    ("function", "relation"), [(caused, "cause"), (in_context, "context")]
)
def test_chain_has_the_raised_exception_first(function, relation):
    raised_one, before = exceptions_from(raised(function))
    assert (raised_one.type, before.type, before.relation) == (
        "RuntimeError",
        "ValueError",
        relation,
    )
    text = traceback_text((raised_one, before))
    assert text.index("ValueError: no") < text.index("RuntimeError: outer")


def test_suppressed_context_is_left_out():
    """FAULTS C24."""
    assert len(exceptions_from(raised(suppressed))) == 1


def test_long_and_cyclic_chains_end():
    """FAULTS C24."""
    error = ValueError("0")
    for number in range(50):
        following = ValueError(str(number))
        following.__cause__ = error
        error = following
    assert len(exceptions_from(error)) == CHAIN_LENGTH
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert len(exceptions_from(first)) == 2


def test_group_with_one_member_is_that_member():
    """FAULTS C25."""

    def fail():
        raise ExceptionGroup("unhandled errors in a TaskGroup", [raised(explode)])

    [info] = exceptions_from(raised(fail))
    assert info.type == "ValueError"
    assert [frame.function for frame in info.frames][-1] == "explode"


def test_large_group_shows_its_first_members():
    """FAULTS C25."""

    def fail():
        raise ExceptionGroup(
            "many", [ValueError(str(number)) for number in range(GROUP_MEMBERS + 5)]
        )

    infos = exceptions_from(raised(fail))
    assert [info.relation for info in infos] == ["", *["member"] * GROUP_MEMBERS]
    assert "In the group:" in traceback_text(infos)


@pytest.mark.parametrize("levels", [10, 500])
def test_deep_recursion_keeps_both_ends(levels):
    """FAULTS C23."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(5_000)
    try:
        [info] = exceptions_from(raised(down, levels))
    finally:
        sys.setrecursionlimit(limit)
    assert len(info.frames) == min(levels + 3, OUTER_FRAMES + INNER_FRAMES)
    assert (info.frames[0].function, info.frames[-1].function) == ("raised", "explode")


def test_message_is_cut_at_its_limit():
    def message_of(length):
        return exceptions_from(ValueError("x" * length))[0].message

    assert message_of(MESSAGE_CHARS) == "x" * MESSAGE_CHARS
    cut = message_of(MESSAGE_CHARS + 1)
    assert len(cut) <= MESSAGE_CHARS
    kept = cut.partition("…")[0]
    assert cut == f"{kept}… {MESSAGE_CHARS + 1 - len(kept)} more characters"
    assert exceptions_from(KeyError("x"))[0].message == "'x'"


class HostileMeta(type):
    def __getattribute__(cls, name):
        if name in {"__name__", "__module__", "__qualname__"}:
            raise RuntimeError("no name for you")
        return super().__getattribute__(name)


class NamelessError(Exception, metaclass=HostileMeta):
    pass


def test_metaclass_cannot_interfere():
    """FAULTS C26."""

    def fail():
        raise NamelessError

    assert exceptions_from(raised(fail))[0].type == "NamelessError"
    odd = type("A\n<b>" + "x" * 300, (Exception,), {"__module__": 5})
    info = exceptions_from(odd())[0]
    assert "\n" not in info.type
    assert len(info.type) <= 200
    assert info.module == ""


def test_library_and_generated_code_are_not_in_app():
    import json

    import django

    assert not is_in_app(json.__file__)
    assert not is_in_app(django.__file__)
    assert not is_in_app("<string>")
    assert is_in_app(__file__)


def test_exception_without_a_traceback_has_no_frames():
    [info] = exceptions_from(ValueError())
    assert info.frames == ()
    assert traceback_text((info,)) == "ValueError"


@pytest.mark.parametrize(
    ("file", "is_own"),
    [
        ("/srv/venv/lib/python3/site-packages/shelf/__init__.py", False),
        ("/srv/site/shelf/__init__.py", True),
        ("/srv/site/shelf/__init__.pyx", False),
        ("shelf/__init__.py", True),
        (None, True),
    ],
)
def test_place_of_the_package_decides_about_a_relative_path(monkeypatch, file, is_own):
    package = types.ModuleType("shelf")
    package.__file__ = file
    monkeypatch.setitem(sys.modules, "shelf", package)
    judge = is_in_app.__wrapped__  # without the memory of other tests
    assert judge("build/shelf/books.py", "shelf.books") is is_own


def test_module_that_is_an_object_of_the_project_is_not_asked(monkeypatch):
    monkeypatch.setitem(sys.modules, "shelf_object", object())
    assert is_in_app("build/shelf_object.py", "shelf_object")


@pytest.mark.parametrize("path", ["", ".", "page.html", "part", "a/b", "x.pyx"])
@pytest.mark.parametrize("module", ["", "no_such_module", "lxml", "__main__"])
def test_relative_path_has_an_answer(path, module):
    assert is_in_app(path, module) in {True, False}
    assert not is_in_app("src/lib/x.pyx", module)
