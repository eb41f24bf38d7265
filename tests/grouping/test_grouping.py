"""Grouping on real tracebacks: what is one bug, and what is not."""

from __future__ import annotations

import gc

import pytest

from . import corpus

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Libraries leave connections open when they fail, which is not what is looked at here.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_every_pair_groups_as_it_should():
    found = corpus.cases()
    gc.collect()
    pairs = corpus.pairs_of(found)
    wrong = [
        f"{pair.first.bug} and {pair.second.bug}: {'split' if pair.is_same else 'merged'}"
        for pair in pairs
        if (pair.first.ours == pair.second.ours) != pair.is_same
    ]
    assert wrong == []
    assert len(pairs) >= 150
    for rule in ("type_and_message", "type_and_innermost_frame"):
        assert corpus.quality(pairs, rule) < corpus.quality(pairs, "ours") == (1.0, 1.0)
