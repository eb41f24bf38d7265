"""Grouping on real failures: what is one bug, and what is not."""

from __future__ import annotations

import gc

import pytest

from . import corpus

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Libraries leave connections open when they fail, which is not what is looked at here.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # Where MIDDLEWARE is empty, or a page of the site's own cannot be read.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

PAIRS = 700
# More pairs of one kind show nothing new.
PAIRS_OF_ONE_BUG = 7


@pytest.fixture(scope="module")
def measured():
    """The pairs of one run, for the tests that only read them."""
    return {}


@pytest.fixture
def pairs(measured):
    if "pairs" not in measured:
        found = corpus.cases()
        gc.collect()
        measured["pairs"] = corpus.pairs_of(found)
    return measured["pairs"]


def test_every_pair_groups_as_it_should(pairs):
    wrong = [
        f"{pair.first.bug} and {pair.second.bug}: {'split' if pair.is_same else 'merged'}"
        for pair in pairs
        if (pair.first.ours == pair.second.ours) != pair.is_same
    ]
    assert wrong == []


def test_corpus_is_large_and_no_kind_is_counted_often(pairs):
    assert len(pairs) >= PAIRS
    same = {}
    for pair in pairs:
        if pair.is_same:
            bug = (pair.first.family, pair.first.bug)
            same[bug] = same.get(bug, 0) + 1
    assert {bug: count for bug, count in same.items() if count > PAIRS_OF_ONE_BUG} == {}


@pytest.mark.parametrize("rule", [name for name in corpus.RULES if name != "ours"])
def test_simpler_rule_is_worse(pairs, rule):
    ours = corpus.quality(pairs, "ours")
    precision, recall = corpus.quality(pairs, rule)
    assert ours == (1.0, 1.0)
    assert precision < 1.0
    assert recall < 1.0
