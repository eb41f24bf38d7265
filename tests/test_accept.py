"""What a client prefers, by the rules and examples of RFC 9110, 12.5.1."""

from __future__ import annotations

import itertools

import pytest

from error_tracking.pages.accept import HEADER_CHARS, preferred

HTML, JSON, TEXT = "text/html", "application/json", "text/plain"
OFFERS = (HTML, JSON, TEXT)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", HTML),
        ("*/*", HTML),
        ("*", HTML),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML),
        ("text/html, application/json", HTML),
        ("application/json, text/plain, */*", JSON),
        ("application/json, text/html;q=0.1", JSON),
        ("application/json, text/html;q=0", JSON),
        ("text/html;q=0.1, application/json", JSON),
        ("TEXT/HTML;Q=0.1, Application/JSON", JSON),
        ("text/html ; q = 0.1 , application/json ; q = 0.2", JSON),
        ("application/problem+json, */*;q=0.5", JSON),
        ("application/vnd.api+json", JSON),
        ("application/*", JSON),
        ("text/*;q=0.3, text/plain;q=0.7, */*;q=0.1", TEXT),
        ("text/*, text/html;q=0.5", TEXT),
        ("*/*, text/html;q=0", JSON),
        ("*/*;q=0.1, text/html;level=1;q=0, text/plain;q=0.5", TEXT),
        ("text/html;level=1;q=0.1, text/html;q=0.9, application/json;q=0.5", HTML),
        ("application/json;q=0.5;ext=1, text/html;q=0.4", JSON),
        ("text/html;q=nonsense, application/json;q=0.1", JSON),
        ("text/html;q=nan, application/json;q=0.1", JSON),
        ("text/html;q=-1, application/json;q=0.1", JSON),
        ("text/html;q=9, application/json", HTML),
        ("image/png", ""),
        ("text/html;q=0", ""),
        (",;,;;q=1,", HTML),
    ],
)
def test_the_preferred_type(header, expected):
    assert preferred(header, OFFERS) == expected


def test_the_order_of_ranges_says_nothing():
    ranges = ["text/*;q=0.3", "text/html;q=0.7", "application/json;q=0.5", "*/*;q=0.1"]
    for order in itertools.permutations(ranges):
        assert preferred(", ".join(order), OFFERS) == HTML


def test_only_the_beginning_of_a_header_is_read():
    padding = "image/png," * HEADER_CHARS
    assert preferred(f"application/json,{padding}text/html", OFFERS) == JSON
    assert preferred(f"{padding}application/json", OFFERS) == ""
