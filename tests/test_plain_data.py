"""Values become plain data without running a line of the project's code, whatever their class overrides."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import json
import sys
import types
import typing
import uuid
from unittest import mock

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString

import error_tracking
from error_tracking.events.plain_data import PlainReader
from error_tracking.events.size_budget import CRASH, Share, Size
from error_tracking.scrubbing.descriptions import described
from error_tracking.utils import clean_text

from .factories import raised


class Point(typing.NamedTuple):
    x: int = 1
    y: int = 2


T = typing.TypeVar("T")


class Box(typing.Generic[T]):
    pass


# Every method that something could call on a value, or on its class.
HOOKS = (
    *("__repr__", "__str__", "__format__", "__bytes__", "__hash__", "__eq__", "__ne__"),
    *("__lt__", "__bool__", "__len__", "__length_hint__", "__iter__", "__next__"),
    *("__getitem__", "__contains__", "__reversed__", "__missing__", "__getattr__"),
    *("__getattribute__", "__dir__", "__call__", "__index__", "__int__", "__float__"),
    *("__complex__", "__round__", "__abs__", "__add__", "__mod__", "__rmod__"),
    *("__enter__", "__copy__", "__deepcopy__", "__reduce_ex__", "__sizeof__"),
    *("items", "keys", "values", "get", "copy", "pop", "lists", "getlist"),
    *("startswith", "lower", "encode", "join", "strip", "isascii", "isprintable"),
    *("bit_length", "conjugate", "utcoffset", "tzname", "dst", "isoformat"),
    *("_asdict", "_replace", "shape", "dtype", "tolist", "to_dict"),
)
BASES = {
    "object": object,
    "str": str,
    "int": int,
    "float": float,
    "complex": complex,
    "bytes": bytes,
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
    "OrderedDict": collections.OrderedDict,
    "defaultdict": collections.defaultdict,
    "Counter": collections.Counter,
    "deque": collections.deque,
    "NamedTuple": Point,
    "UserDict": collections.UserDict,
    "MultiValueDict": MultiValueDict,
    "QueryDict": QueryDict,
    "SafeString": SafeString,
    "datetime": dt.datetime,
    "tzinfo": dt.tzinfo,
    "Decimal": decimal.Decimal,
    "UUID": uuid.UUID,
    "Exception": Exception,
    "Model": type("NotAModel", (), {"_state": 1, "pk": 2}),
    "module": types.ModuleType,
    "Mock": mock.MagicMock,
    "Generic": Box,
}
ARGUMENTS = {
    "datetime": (2026, 1, 2),
    "UUID": (str(uuid.UUID(int=5)),),
    "module": ("m",),
    "QueryDict": ("a=1",),
    "MultiValueDict": ({"a": ["1"]},),
    "list": ([1, 2],),
    "dict": ({"a": 1},),
    "str": ("text",),
}


class Calls:
    """What was called of the project's code."""

    def __init__(self):
        self.is_armed = False
        self.names = []

    def note(self, name):
        if self.is_armed:
            self.names.append(name)


def hostile_class(base, calls):
    """Return a class of *base* on which everything is overridden."""
    hidden = {}

    def hook(name):
        original = getattr(base, name, None)

        def method(self, *args, **kwargs):
            calls.note(name)
            if callable(original):
                return original(self, *args, **kwargs)
            return NotImplemented

        return method

    def computed(name):
        def read(self):
            calls.note(name)
            if name == "__class__":
                return type(self)
            return object.__getattribute__(self, name)

        return property(read)

    class Meta(type(base)):
        def __instancecheck__(cls, value):
            calls.note("__instancecheck__")
            return True

        def __subclasscheck__(cls, other):
            calls.note("__subclasscheck__")
            # Only while it is tried: the ABCs of its bases remember what it says.
            return calls.is_armed

        def __getattribute__(cls, name):
            calls.note(f"type.{name}")
            return super().__getattribute__(name)

        def __eq__(cls, other):
            calls.note("type.__eq__")
            return True

        def __hash__(cls):
            calls.note("type.__hash__")
            return 1

        def __repr__(cls):
            calls.note("type.__repr__")
            return "?"

    for name in HOOKS:
        if name != "__next__":
            hidden[name] = hook(name)
    for name in ("__class__", "_meta", "__doc__"):
        hidden[name] = computed(name)
    return Meta("Hostile", (base,), hidden)


def hostile_value(kind, calls):
    made = hostile_class(BASES[kind], calls)
    return made(*ARGUMENTS.get(kind, ()))


def fail_with(value):
    values = [value]
    nested = {"in": {"a": [value]}}
    raise ValueError(len(values) + len(nested))


@pytest.mark.parametrize("kind", BASES)
def test_no_hook_of_a_value_is_called(outbox, kind):
    calls = Calls()
    value = hostile_value(kind, calls)
    error = raised(fail_with, value)
    calls.is_armed = True
    error_tracking.capture_exception(error)
    calls.is_armed = False
    assert calls.names == []
    [event] = outbox
    assert "values" in event.exceptions[0].frames[-1].vars
    event.to_bytes()


@pytest.mark.parametrize("kind", ["str", "int", "float", "list", "dict"])
def test_the_hostile_classes_do_notice_a_call(kind):
    """Or the test above could not fail."""
    calls = Calls()
    value = hostile_value(kind, calls)
    calls.is_armed = True
    repr(value)
    isinstance(value, str)
    assert "__repr__" in calls.names


class Proxy:
    """Like werkzeug's LocalProxy: even ``__dict__`` and ``__class__`` are of something else."""

    @property
    def __dict__(self):
        raise AssertionError("__dict__ was read")

    @property
    def __class__(self):
        raise AssertionError("__class__ was read")

    def __getattr__(self, name):
        raise AssertionError(name)


class Space(dict):
    def __getitem__(self, name):
        raise AssertionError(name)

    items = keys = get = __contains__ = __iter__ = __getitem__


def run_in_a_namespace_of_the_project(namespace):
    exec("x = 1\nraise ValueError(x)", namespace)


class Prepared(type):
    @classmethod
    def __prepare__(cls, name, bases):
        class Names(dict):
            def items(self):
                raise AssertionError("items")

        return Names()


def define_a_class():
    class Made(metaclass=Prepared):
        x = 1
        raise ValueError(x)


def test_odd_namespaces_are_read_without_their_methods(outbox):
    namespace = Space({"__builtins__": __builtins__})
    for function, *args in (
        (run_in_a_namespace_of_the_project, namespace),
        (define_a_class,),
        (fail_with, Proxy()),
        (fail_with, SimpleLazyObject(lambda: pytest.fail("woken"))),
    ):
        error_tracking.capture_exception(raised(function, *args))
    assert len(outbox) == 4
    assert outbox[2].exceptions[0].frames[-1].vars["value"] == "<Proxy>"


@pytest.mark.django_db
def test_a_lazy_queryset_in_any_container_runs_no_query(
    outbox, django_assert_num_queries
):
    users = User.objects.all()

    class Page(list):
        def __iter__(self):
            return iter(users)

    class Result(dict):
        def items(self):
            return [(user.pk, user) for user in users]

    for value in (users, [users], {"u": users}, Page(), Result(), (users.iterator(),)):
        error = raised(fail_with, value)
        with django_assert_num_queries(0):
            error_tracking.capture_exception(error)
    assert len(outbox) == 6


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 3


class Secret(str):
    __slots__ = ()

    def __repr__(self):
        return "***"


class Loud(str):
    __slots__ = ()

    def __str__(self):
        return self.upper()


class Cached:
    """It only has attributes like those of a query."""

    def __init__(self):
        self._result_cache = None
        self.model = int


class Count(int):
    pass


class Ratio(float):
    pass


class Tag(str):
    __slots__ = ()


class Login(typing.NamedTuple):
    name: str
    password: str


def read(value, *, characters=10_000, items=1_000, string=100, breadth=5, depth=4):
    share = Share(Size(characters, items))
    reader = PlainReader(share, clean_text, string=string, depth=depth, breadth=breadth)
    return reader.read(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Color.RED, "<Color.RED>"),
        (Level.HIGH, "<Level.HIGH>"),
        (SafeString("<b>"), "<b>"),
        (Loud("loud"), "loud"),
        (Secret("hunter2"), "<Secret>"),
        (Login("ann", "x"), {"name": "ann", "password": "x"}),
        (QueryDict("a=1&a=2&b=3"), {"a": ["1", "2"], "b": "3"}),
        (collections.OrderedDict(a=1), {"a": 1}),
        (True, True),
        (None, None),
        (1.5, 1.5),
        (10**700, "<int of 2,326 bits>"),
        (b"abc", "<bytes>"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (uuid.UUID(int=5), str(uuid.UUID(int=5))),
        (decimal.Decimal("1.50"), "1.50"),
        ({1: 2, (1, "a"): 3, None: 4}, {1: 2, (1, "a"): 3, None: 4}),
        ({Proxy: 1}, {"<type>": 1}),
        (Count(5), 5),
        (Ratio(1.5), 1.5),
        (Tag("x"), "x"),
        ({Tag("key"): 1, Secret("hunter2"): 2}, {"key": 1, "<Secret>": 2}),
        ({("a",) * 6: 1}, {"<tuple>": 1}),
        (frozenset({1}), [1]),
        (range(5), "<range>"),
        (User(pk=5), "<auth.User pk=5>"),
        (User(pk=[1]), "<auth.User pk=<list>>"),
        (Session(session_key="abcdef"), "<sessions.Session pk=[Filtered]>"),
        (User.objects.all(), "<QuerySet of auth.User>"),
        (Cached(), "<Cached>"),
        (json, "<module>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_kinds_of_values(value, expected):
    assert read(value) == expected


class OwnZone(dt.tzinfo):
    def utcoffset(self, when):
        raise AssertionError("utcoffset")


def test_a_time_zone_of_the_project_is_not_asked():
    moment = dt.datetime(2026, 1, 2, 3, 4, 5)
    assert read(moment.replace(tzinfo=dt.UTC)) == "2026-01-02 03:04:05+00:00"
    assert read(moment.replace(tzinfo=OwnZone())) == "2026-01-02 03:04:05 <OwnZone>"


def test_what_is_left_out_is_noted():
    assert read("x" * 150) == "x" * 100 + "… 50 more characters"
    assert read(list(range(9))) == [0, 1, 2, 3, 4, "… 4 more items"]
    assert read(dict.fromkeys("abcdefg", 1))["…"] == "… 2 more items"
    assert read("x" * 90, characters=50) == "<90 characters>"
    assert read([1, 2, 3], items=2) == [1, "… 2 more items"]
    assert read({1: 1, 2: 2, 3: 3}, items=2) == {1: 1, "…": "… 2 more items"}
    assert read([[[[[1]]]]]) == [[[["[Truncated]"]]]]


def test_a_cycle_ends():
    cycle = []
    cycle.append(cycle)
    assert read(cycle) == ["[Truncated]"]


def test_dict_that_another_thread_changes_leaves_its_name():
    value = {1: "x" * 200, 2: 2}

    def scrub_while_it_grows(text, limit):
        value[len(value) + 1] = 0
        return text[:limit]

    share = Share(Size(10_000, 1_000))
    reader = PlainReader(share, scrub_while_it_grows, string=9, depth=3, breadth=9)
    assert reader.read([value, 7]) == ["<dict>", 7]


def test_time_that_is_over_leaves_names():
    share = Share(Size(10_000, 1_000), seconds=-1.0)
    reader = PlainReader(share, clean_text, string=9, depth=3, breadth=9)
    assert reader.read(["a"]) == "<list>"


def test_reading_stops_at_the_share_however_large_the_value_is():
    huge = [["x" * 1_000] * 1_000] * 1_000
    share = Share(CRASH.locals)
    reader = PlainReader(share, clean_text, string=160, depth=6, breadth=49)
    found = reader.read(huge)
    assert share.items >= 0
    assert share.characters >= 0
    assert sys.getsizeof(json.dumps(found)) < 30_000


def test_described_is_of_the_type_alone():
    assert described(Proxy()) == "<Proxy>"
    assert described(Proxy) == "<type>"
