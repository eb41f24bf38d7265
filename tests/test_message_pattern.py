"""The pattern of a message: which values are replaced, and which names and codes stay."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from error_tracking.events.message_pattern import (
    MESSAGE_CHARS,
    PATTERN_CHARS,
    message_pattern,
)

#: Kinds of values, each in several ways of writing it, and the pattern they have.
VALUES = {
    "{number}": (
        ["17", "-3", "+4.5", "1,234.56", "1.234,56", "1'234.50", "1e10", "-2.5E-7"],
        ["50%", "50.5 %", "12\u2030", "$7", "\u20ac1,000", "12 EUR", "USD 3", "-5 GBP"],
        ["30s", "250 ms", "1h 30m", "1m30s", "0:00:03.12", "PT1H30M", "3 days"],
        ["12 KB", "1.5MB", "3GiB", "1536 bytes", "1.2.3", "v2.0.0-rc.1+build.5"],
        ["28.11.2026", "11/28/2026", "07:13", "7:13 PM", "4111 1111 1111 1111"],
        ["1, 2, 3", "1-5", "3/4", "1 and 2"],
    ),
    "{date}": (
        ["2026-11-28", "2026-11-28 07:13:50", "2026-11-28T07:13:50.123+01:00"],
        ["28 Nov 2026", "Sat, 28 Nov 2026 07:13:50 GMT", "November 28, 2026"],
    ),
    "{token}": (
        ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "0ujtsYcgvSTl8PAuAdqWYSMnLOv", "2fd4e1c"],
        [
            "507f1f77bcf86cd799439011",
            "V1StGXR8_Z5jdHi6B-myT",
            "dGVzdA==",
            "tmpa8s7d6f5",
        ],
        [
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_123",
            "[Filtered]",
            "NffrFeUfNVxHib",
        ],
    ),
    "{uuid}": (
        [
            "0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e",
            "{0B7E3C52-2F3C-4A0A-9A52-3F3DDC4C3A3E}",
        ],
    ),
    "{ip}": (["192.0.2.1", "2001:db8::1", "fe80::1%eth0", "[::1]"],),
    "{path}": (
        ["/srv/a/b.txt", "~/a.txt", "../x/y", "C:\\Users\\a.txt", "\\\\host\\share\\x"],
        ["avatars/anna.png", "report-2026.pdf"],
    ),
    "{value}": (
        [
            "'anna'",
            '"anna"',
            "'O'Brien'",
            "`anna`",
            "\u201canna\u201d",
            "\u00abanna\u00bb",
        ],
        ["b'x'", "'a', 'b' or 'c'", "10.0.0.1:80"],
    ),
    "{list}": (["[1]", "[1, 2, 3]", "['a', 'b']", "[[1, 2], [3]]", "[]", "[None, 1]"],),
    "{dict}": (["{'a': 1}", "{'a': 'b', 'c': None}", "{'a': {'b': [1]}}"],),
    "{User}": (["<User: anna>", "<User: User object (17)>"],),
    "{email}": (["anna@example.com", "a.b+c@mail.example.co.uk"],),
    "{url}": (["https://a.example/b?c=d", "s3://bucket/key"],),
    "{hex}": (["0x7f00aa", "00:1B:44:11:3A:B7"],),
}
ROWS = [(value, kind) for kind, rows in VALUES.items() for row in rows for value in row]


@pytest.mark.parametrize(("value", "kind"), ROWS)
def test_value_is_replaced_by_its_kind(value, kind):
    assert message_pattern(f"thing {value} failed") == f"thing {kind} failed"
    assert message_pattern(f"thing failed: {value}") == f"thing failed: {kind}"


@pytest.mark.parametrize(
    ("message", "pattern"),
    [
        ("no customer cus_9s6XKzkNRiz8i3", "no customer cus_{token}"),
        ("pod web-6d4cf56db6-abcde died", "pod web-{token} died"),
        ("INV-2026-00017 unpaid", "INV-{number} unpaid"),
        ("Thread-3 died", "Thread-{number} died"),
        ("user=anna order=17 took=3s", "user={value} order={number} took={number}"),
        ("Key (name)=(anna) already exists.", "Key (name)=({value}) already exists."),
        ("url: /a?b=1 refused", "url: {path} refused"),
        ("can't open user's cart of 3", "can't open user's cart of {number}"),
        ("Command '['gs', '-q']' died", "Command {list} died"),
        ("unconverted data remains: T1", "unconverted data remains: {value}"),
        ("bad\n  1 | {a\n    | ^", "bad"),
        (
            "2 validation errors for Pet\nsize\n  not a number [input_value='x']\nname\n  x",
            "validation error for Pet\nsize\n  not a number [input_value={value}]",
        ),
    ],
)  # fmt: skip
def test_value_inside_of_something_else_is_replaced(message, pattern):
    assert message_pattern(message) == pattern


@pytest.mark.parametrize(
    "message",
    [
        "ORA-00942: table or view does not exist",
        "[Errno 13] Permission denied",
        "Error 111 connecting to the cache",
        "404 Client Error: Not Found",
        "Client error '404 Not Found' for it",
        "HTTP Error 503: Service Unavailable",
        "bank answered with 503",
        "status code 404",
        "returned non-zero exit status 137.",
        "died of signal 9",
        "error code: E1001",
        "SQLSTATE[HY000] [2002] Connection refused",
        "[42S02] Invalid object",
        "Basic.publish: (404) NOT_FOUND - no exchange",
        "AADSTS50011: wrong redirect",
        "(fields.E300) Field defines a relation",
        "unsupported: sha256, utf-8, iso-8859-1, ipv6 or base64",
        "'NoneType' object has no attribute 'total'",
        "column \"total\" of relation \"shop_order\" does not exist",
        "No module named 'shop.pay'",
        "Unknown column 'total' in the table",
        "f() got an unexpected keyword argument 'size'",
        "can only concatenate str (not \"int\") to str",
        "'utf-8' codec can't decode",
        "Reverse for 'shop-list' not found",
        "read and/or write, client/server, text/html",
        "getElementById of HttpResponseRedirectBase failed",
    ],
)  # fmt: skip
def test_what_says_which_error_it_is_stays(message):
    assert message_pattern(message) == message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "(1045, \"Access denied for user 'a'@'b'\")",
            "(2003, \"Can't connect to MySQL server on 'a' (111)\")",
        ),
        ("failed: OSError('disk is full')", "failed: OSError('disk is gone')"),
        ("Error('refused') of 'a'", "Error('reset') of 'a'"),
    ],
)
def test_text_of_an_exception_is_no_value(one, other):
    assert message_pattern(one) != message_pattern(other)


def test_what_follows_a_long_list_is_read():
    ids = ", ".join(str(number) for number in range(1_000))
    expected = "orders {list} are late"
    assert message_pattern(f"orders [{ids}] are late") == expected
    assert message_pattern("orders [1] are late") == expected


def test_quotation_that_was_cut_is_a_value():
    texts = [f"no document '{letter * 3_000}' found" for letter in "xy"]
    assert {message_pattern(text) for text in texts} == {"no document {value}"}


def test_pattern_is_bounded():
    words = "word and other words "
    assert len(message_pattern(words * MESSAGE_CHARS)) == PATTERN_CHARS


SOMETHING = st.one_of(
    st.text(max_size=20),
    st.sampled_from([value for value, _ in ROWS]),
    st.sampled_from(["order", "of", "error code", "HTTP", "status", "column", "is"]),
)


@given(st.lists(SOMETHING, max_size=8).map(" ".join))
def test_pattern_of_a_pattern_is_itself(message):
    """A log line is read more than once: when it is queued, and when it is stored."""
    pattern = message_pattern(message)
    if len(pattern) < PATTERN_CHARS:
        assert message_pattern(pattern) == pattern


@pytest.mark.parametrize(
    "evil",
    [
        *("a1", "'", '"', "/a", "\\a", "1.", "a-1_", "aB", "[", "{", "{number}, "),
        *("<A: ", "1::", "a:", "1 ", "Error('", "'a", "a'b", "eyJ.", "x@", "1,", "=a"),
        *("12:", "Nov ", "P1", "(1, '", ")=(", "~\n", "^\n^", "[1, ", "\u201c", "0x"),
    ],
)
def test_hostile_text_is_quick(evil):
    text = evil * (10_000 // len(evil))
    for end in ("", "\n", "'x", "!"):
        start = time.process_time()
        message_pattern(text + end)
        assert time.process_time() - start < 2
