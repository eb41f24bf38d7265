"""What is kept of the secrets planted in bench/secrets/, and which harmless texts change."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.secrets.kept import GONE, PART, WHOLE, counts, twin, verdict
from bench.secrets.site import OURS

ROOT = Path(__file__).resolve().parent.parent
LEAST = 200  # of plants and of harmless texts
KEPT_OF_200 = 3
CHANGED_OF_200 = 1


@pytest.fixture(scope="module")
def results():
    """In a process of its own: the project has settings and a Celery app of its own."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench.secrets", "--tracker", OURS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_corpus_is_large_enough(results):
    numbers = counts(results)
    assert min(numbers["plants"], numbers["harmless"]) >= LEAST


def test_planted_secrets_are_gone(results):
    kept = [each for each in results["plants"] if each["result"] != GONE]
    for each in kept:
        print(each["result"], each["name"], each["where"], each["kept"], sep=" · ")
    assert len(kept) * 200 <= KEPT_OF_200 * len(results["plants"])


def test_harmless_texts_stay_as_they_are(results):
    changed = [each for each in results["harmless"] if each["changed in"]]
    for each in changed:
        print(each["kind"], each["text"], each["changed in"], sep=" · ")
    assert len(changed) * 200 <= CHANGED_OF_200 * len(results["harmless"])


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("password=[Filtered]", (GONE, "")),
        ("password=Tr0ub4dor&3", (WHOLE, "Tr0ub4dor&3")),
        ("?password=Tr0ub4dor%263", (WHOLE, "Tr0ub4dor&3")),
        ("<p>Tr0ub4dor&amp;3</p>", (WHOLE, "Tr0ub4dor&3")),
        ("password=[Filtered]dor&3", (GONE, "")),
        ("password=[Filtered]b4dor&3", (PART, "b4dor&3")),
    ],
)
def test_verdict(stored, expected):
    without = [{"message": f"other {twin('Tr0ub4dor&3')}"}]
    events = [{"message": "other", "frames": [{"vars": {"text": stored}}]}]
    assert verdict("Tr0ub4dor&3", events, without) == expected


def test_what_is_there_without_the_secret_is_no_trace_of_it():
    events = [{"message": "the password of password123"}]
    without = [{"message": f"the password of {twin('password123')}"}]
    assert verdict("password123", events, without)[0] == WHOLE
    events = [{"message": "the password of [Filtered]"}]
    assert verdict("password123", events, without) == (GONE, "")


def test_short_secret_is_not_found_inside_a_longer_number():
    assert verdict("737", [{"line": 17371}], [])[0] == GONE
    assert verdict("737", [{"cvv": 737}], [])[0] == WHOLE
    assert verdict("482913", [{"at": "0.4829130"}], [])[0] == GONE


@pytest.mark.parametrize("text", [r"'it\'s \"me\"'", "it\\u0027s \\x22me\\x22"])
def test_escaped_secret_is_found(text):
    assert verdict('it\'s "me"', [{"message": text}], [])[0] == WHOLE
