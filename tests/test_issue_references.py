"""Which issues a pull request closes or mentions: GitHub's keywords, and nothing that only looks like them."""

from __future__ import annotations

import time

import hypothesis
import hypothesis.strategies as st
import pytest

from error_tracking.trackers.issue_references import (
    BODY_CHARS,
    MOST_ISSUES,
    References,
    references_in,
)

PULL = "https://github.com/acme/shop/pull/36"
KEYWORDS = "close closes closed fix fixes fixed resolve resolves resolved".split()


def issue(number):
    return f"https://github.com/acme/shop/issues/{number}"


def closed(body):
    return sorted(
        int(each.rpartition("/")[2]) for each in references_in(body, PULL).closed
    )


def mentioned(body):
    return sorted(
        int(each.rpartition("/")[2]) for each in references_in(body, PULL).mentioned
    )


@pytest.mark.parametrize("keyword", KEYWORDS)
@pytest.mark.parametrize("colon", ["", ":"])
@pytest.mark.parametrize("change", [str.lower, str.title, str.upper])
def test_each_keyword_closes(keyword, colon, change):
    assert closed(f"{change(keyword)}{colon} #34") == [34]


@pytest.mark.parametrize(
    "reference",
    [
        "#34",
        "GH-34",
        "acme/shop#34",
        "Acme/Shop#34",
        issue(34),
        f"{issue(34)}#issuecomment-7",
    ],
)
@pytest.mark.parametrize("end", ["", ".", ", and more", ")", "\n"])
def test_each_way_to_name_an_issue_counts(reference, end):
    assert closed(f"This fixes {reference}{end}") == [34]
    assert mentioned(f"See {reference}{end}") == [34]


@pytest.mark.parametrize(
    "body",
    [
        "Fixes other/shop#34",
        "Fixes acme/shopping#34",
        "Fixes https://github.com/other/shop/issues/34",
        "Fixes https://github.example/acme/shop/issues/34",
        "Fixes abc#34",
        "Fixes #34abc",
        "Fixes &#34;",
        "Fixes #3456789012",
        "<!-- Fixes #34 -->",
        "<!-- what does it close?\nFixes #34",
        "`Fixes #34`",
        "``Fixes #34``",
        "```\nFixes #34\n```",
        "~~~~ text\n~~~\nFixes #34\n~~~~",
        "",
    ],
)
def test_what_only_looks_like_a_reference_does_not_count(body):
    assert references_in(body, PULL) == References()


@pytest.mark.parametrize(
    "body", ["prefixes #34", "hot-fixes #34", "fixes: the list of #34", "fix #1, #34"]
)
def test_keyword_belongs_to_one_reference(body):
    assert 34 in mentioned(body)
    assert 34 not in closed(body)


def test_what_is_closed_is_not_also_mentioned():
    assert (closed("See #34. Fixes #34"), mentioned("See #34. Fixes #34")) == ([34], [])


def test_code_that_ends_hides_nothing_behind_it():
    body = "```\ncode\n```\n<!-- note -->`x` Fixes #34"
    assert closed(body) == [34]


def test_lists_of_issues_are_cut():
    body = " ".join(f"#{number}" for number in range(1, 100))
    assert len(mentioned(body)) == MOST_ISSUES


@pytest.mark.parametrize("address", ["", "javascript:alert(1)", issue(3), f"{PULL}/x"])
def test_nothing_is_found_without_the_address_of_a_pull_request(address):
    assert references_in("Fixes #34", address) == References()


@hypothesis.given(st.text(alphabet="`~<!-> \n#4fixesGH-/acmshop:", max_size=300))
def test_any_text_is_read(text):
    found = references_in(text, PULL)
    assert not found.closed & found.mentioned
    for address in found.closed | found.mentioned:
        assert address.startswith("https://github.com/acme/shop/issues/")


@pytest.mark.parametrize(
    "piece", ["`", "<!--", "fix ", "fixes #", "acme/shop", "~~~", "a.-", "\t", "#"]
)
def test_reading_takes_time_that_grows_with_the_length_only(piece):
    started = time.thread_time()
    references_in(piece * (BODY_CHARS // len(piece)), PULL)
    assert time.thread_time() - started < 1
