"""What the search box understands: every kind of thing that can be typed."""

from __future__ import annotations

import random
import string

import pytest

from error_tracking.admin.search_terms import MOST_WORDS, STATES, Search, parse

FINGERPRINT = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B-012", {"bug_ids": ("B-012",)}),
        ("b-12", {"bug_ids": ("B-012",)}),
        ("STG-1000", {"bug_ids": ("STG-1000",)}),
        ("#700", {"issues": (700,)}),
        ("895c7fed2c", {"references": ("895c7fed2c",)}),
        ("895C7FED2C", {"references": ("895c7fed2c",)}),
        (FINGERPRINT, {"fingerprints": (FINGERPRINT,)}),
        ("/checkout/{id}/", {"routes": ("/checkout/{id}/",)}),
        ("POST /checkout/", {"routes": ("/checkout/",)}),
        ("NoneType", {"words": ("NoneType",)}),
        ("no total", {"words": ("no", "total")}),
        ('"no total"', {"words": ("no total",)}),
        ("POST failed", {"words": ("POST", "failed")}),
        ("user:ada.140", {"users": ("ada.140",)}),
        ("user:17", {"users": ("17",)}),
        ('user:"Ada L"', {"users": ("Ada L",)}),
        ("USER:ada", {"users": ("ada",)}),
        ("release:2026.11.24", {"releases": ("2026.11.24",)}),
        ("server:web-1", {"servers": ("web-1",)}),
        ("is:mine", {"states": ("mine",)}),
        ("is:green", {"unknown": ("is:green",)}),
        ("user:", {"unknown": ("user:",)}),
        ("ValueError: x", {"words": ("ValueError:", "x")}),
        ('Error:"x y"', {"words": ("Error:x y",)}),
        ("#x", {"words": ("#x",)}),
        ('"open', {"words": ('"open',)}),
        ('"" x', {"words": ("x",)}),
        ("user: x", {"unknown": ("user:",), "words": ("x",)}),
        ("Error:x", {"words": ("Error:x",)}),
        ("", {}),
        ("  \t ", {}),
    ],
)
def test_each_kind_is_recognised(text, expected):
    found = parse(text)
    assert found == Search(text=" ".join(text.split()), **expected)


def test_kinds_can_be_combined():
    found = parse('is:regressed user:ada "no total" /pay/ release:2.0')
    assert found.states == ("regressed",)
    assert found.users == ("ada",)
    assert found.words == ("no total",)
    assert found.routes == ("/pay/",)
    assert found.releases == ("2.0",)
    assert not found.names_one_thing


@pytest.mark.parametrize("text", ["B-012", "#7", "895c7fed2c", FINGERPRINT])
def test_name_of_one_thing_is_told_from_a_search(text):
    assert parse(text).names_one_thing
    assert not parse(f"{text} is:mine").names_one_thing
    assert not parse(f"{text} word").names_one_thing


def test_what_looks_like_a_name_can_be_searched_as_words():
    search = parse("utf-8 895c7fed2c codec").as_words()
    assert set(search.words) == {"utf-8", "895c7fed2c", "codec"}
    assert not search.bug_ids
    assert not search.references


@pytest.mark.parametrize("state", STATES)
def test_every_state_is_understood(state):
    assert parse(f"is:{state.upper()}").states == (state,)


def test_empty_search_is_empty():
    assert parse("").is_empty
    assert not parse("x").is_empty


def test_anything_is_understood_as_something_and_is_bounded():
    chance = random.Random(15)
    letters = string.printable + 'B-0#/:"is:user:ä\u202e\x00'
    for _ in range(500):
        text = "".join(chance.choices(letters, k=chance.randrange(60)))
        found = parse(text)
        if text.replace('"', "").split():
            assert not found.is_empty or '"' in text, text
    many = parse("a " * 400)
    assert len(many.words) == MOST_WORDS
