"""The stack of a bug as text: the whole chain, recursion folded, paths of the checkout."""

from __future__ import annotations

import dataclasses
import json

import pytest
from django.core.exceptions import MultipleObjectsReturned

from error_tracking.events.stacktrace import Reader, exceptions_from
from error_tracking.report.stack import (
    FRAMES,
    checkout_path,
    exception_name,
    fold,
    own_frames,
    stack_lines,
)
from tests.factories import raised


def stored(error):
    """Return *error* as an error log has it."""
    infos = exceptions_from(error, Reader())
    return json.loads(json.dumps([dataclasses.asdict(each) for each in infos]))


def frame(name, **values):
    return {
        "abs_path": f"/site/{name}.py",
        "filename": f"{name}.py",
        "module": name,
        "function": name,
        "lineno": 1,
        "context_line": f"    {name}()",
        "in_app": True,
        **values,
    }


def names(frames):
    return ["…" if each is None else each["function"] for each in frames]


def folded(text):
    """Return how the frames that *text* names, a letter each, are folded."""
    return "".join(names(fold([frame(letter) for letter in text])))


class TestFolding:
    @pytest.mark.parametrize(
        ("frames", "shown"),
        [
            ("", ""),
            ("abc", "abc"),
            ("vaaab", "va…b"),
            ("vaaaa", "va…a"),
            ("vabababx", "vab…x"),
            ("vabcabcabcab", "vabc…b"),
            ("vababab" + "bababx", "vab…x"),
            ("vaab", "vaab"),
            ("aaabbb", "a…b…b"),
        ],
    )
    def test_recursion_is_shown_once_around(self, frames, shown):
        assert folded(frames) == shown

    def test_endless_recursion_keeps_where_it_began(self):
        def entry():
            first()

        def first():
            second()

        def second():
            first()

        error = raised(entry)
        own = own_frames(stored(error)[0])
        functions = [each["function"].rpartition(".")[2] for each in own]
        assert functions[:4] == ["raised", "entry", "first", "second"]
        assert len(functions) < 8
        lines = stack_lines(stored(error), ["maximum recursion depth exceeded"], ())
        assert "(these frames repeat)" in lines
        assert len(lines) < 20

    def test_deep_stack_keeps_its_entry(self):
        frames = [frame(f"f{number}") for number in range(FRAMES + 10)]
        own = own_frames({"frames": frames})
        assert (len(own), own[0], own[-1]) == (FRAMES, frames[0], frames[-1])
        lines = stack_lines([{"type": "E", "frames": frames}], [""], ())
        assert "(10 more)" in lines


class TestLines:
    def test_each_exception_of_the_chain_is_shown(self):
        def inner():
            raise KeyError("a")

        def outer():
            try:
                inner()
            except KeyError as error:
                raise ValueError("b") from error

        def handler():
            try:
                outer()
            except ValueError:
                raise TypeError("c")  # noqa: B904

        lines = stack_lines(stored(raised(handler)), ["c", "b", "'a'"], ["> 1 raise"])
        order = [
            "> 1 raise",
            "TypeError: c",
            "It happened while this was handled:",
            "ValueError: b",
            "It was raised because of:",
            "KeyError: 'a'",
        ]
        assert [line for line in lines if line in order] == order

    def test_functions_of_libraries_are_named_below_the_own_ones(self):
        error = raised(lambda: json.loads("{"))
        lines = stack_lines(stored(error), ["no JSON"], ())
        assert "in json.decoder.JSONDecoder.decode" in lines
        assert lines[-1] == "json.decoder.JSONDecodeError: no JSON"
        assert sum(line.startswith("in ") for line in lines) == 3

    def test_exception_that_a_library_raised_again_is_shown_once(self):
        own = {"type": "A", "module": "", "frames": [frame("a")]}
        driver = {
            "type": "A",
            "module": "driver",
            "frames": [frame("d", in_app=False)],
            "relation": "cause",
        }
        lines = stack_lines([own, driver], ["same", "same"], ())
        assert lines == ("a.py:1 in a", "    a()", "A: same")
        assert "driver.A: other" in stack_lines([own, driver], ["same", "other"], ())

    def test_class_inside_a_class_has_both_names(self, django_user_model):
        error = django_user_model.MultipleObjectsReturned("x")
        assert isinstance(error, MultipleObjectsReturned)
        [each] = stored(error)
        assert exception_name(each).endswith(".User.MultipleObjectsReturned")


class TestPaths:
    def test_path_is_that_of_the_checkout(self, tmp_path, settings):
        (tmp_path / ".git").mkdir()
        settings.BASE_DIR = tmp_path / "backend"
        path = tmp_path / "backend" / "src" / "shop" / "views.py"
        made = frame("views", abs_path=str(path), filename="shop/views.py")
        assert checkout_path(made) == "backend/src/shop/views.py"

    def test_path_elsewhere_is_as_it_was_stored(self, tmp_path, settings):
        (tmp_path / ".git").mkdir()
        settings.BASE_DIR = tmp_path
        installed = f"{tmp_path}/venv/lib/site-packages/shop/views.py"
        for values in (
            {"abs_path": "/elsewhere/shop/views.py"},
            {"abs_path": installed},
            {"abs_path": str(tmp_path / "x" / "shop" / "views.py"), "in_app": False},
            {"abs_path": ""},
        ):
            made = frame("views", filename="shop/views.py", **values)
            assert checkout_path(made) == "shop/views.py"

    def test_project_in_no_checkout_has_the_path_of_its_package(self, settings):
        settings.BASE_DIR = "/nonexistent"
        made = frame("views", abs_path="/nonexistent/shop/views.py")
        assert checkout_path(made) == "views.py"
