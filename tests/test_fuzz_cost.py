"""The search for expensive requests: what it counts, and a bounded sample of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import fuzz_cost
from bench.counting import CountedPattern, Work, counted
from bench.fuzz_cost import Candidate, Mutator

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("method", "arguments", "expected"),
    [
        ("search", ("abcd",), 4),
        ("search", ("abcd", 1), 3),
        ("match", ("abcd", 1, 3), 2),
        ("match", ("abcd", 3, 1), 0),
        ("sub", ("x", "abcd"), 4),
        ("split", ("abcd",), 4),
    ],
)
def test_characters_given_to_a_pattern_are_counted(method, arguments, expected):
    work = Work()
    pattern = re.compile("b")
    answer = getattr(CountedPattern(pattern, work), method)(*arguments)
    assert work.characters == expected
    plain = getattr(pattern, method)(*arguments)
    assert str(answer) == str(plain)


def test_a_bound_method_of_a_pattern_is_counted():
    work = Work()
    counted(re.compile("b").search, work)("abcd")
    assert work.characters == 4


def test_calls_are_counted_until_the_end():
    work = Work()
    work.begin()
    len("a")
    first = work.end()
    len("a")
    assert first > 0
    assert work.calls == first // 12


def test_the_same_seed_makes_the_same_requests():
    def made(seed):
        mutator = Mutator(seed)
        parents = [mutator.new() for _ in range(20)]
        return [mutator.child(each, parents) for each in parents]

    assert made(3) == made(3)
    assert made(3) != made(4)


def test_requests_stay_within_what_servers_accept():
    huge = [("a=b&", 10_000_000)]
    for kind in fuzz_cost.BODIES:
        candidate = Candidate(
            query=huge,
            cookies=huge,
            headers=dict.fromkeys(fuzz_cost.HEADERS, huge),
            body_kind=kind,
            body=huge,
            fields=1_000,
        )
        environ = fuzz_cost.environ_of(candidate)
        headers = sum(
            len(value) for name, value in environ.items() if name.startswith("HTTP_")
        )
        assert headers <= fuzz_cost.HEADER_CHARS
        assert int(environ["CONTENT_LENGTH"]) <= fuzz_cost.BODY_CHARS + 10_000


def test_a_cost_over_the_bound_is_seen():
    assert not fuzz_cost.is_over({"added": 9.0, "times": 9.0})
    assert fuzz_cost.is_over({"added": 9.0, "times": 11.0})
    assert fuzz_cost.is_over({"added": 51.0, "times": 2.0})


def search(*arguments):
    """Search in a process of its own: in this one events are discarded."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    answer = subprocess.run(
        [sys.executable, "-m", "bench.fuzz_cost", "--json", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answer.stdout, answer.stderr
    return json.loads(answer.stdout)


@pytest.mark.integration
def test_no_request_of_a_bounded_search_costs_more_than_the_bound():
    found = search("--requests", "150", "--seed", "7")
    assert found["requests"] == 150
    assert found["patterns"] > 100
    assert found["most added"]["added"] > 0
    assert found["over"] == []
