"""What belongs together has one fingerprint, what does not has two; nothing of it moves with a deploy."""

from __future__ import annotations

import dataclasses
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import error_tracking
from error_tracking.events.event import ExceptionInfo, Frame
from error_tracking.events.fingerprint import (
    fingerprint_for_exception,
    fingerprint_for_message,
    fingerprint_for_response,
    normalize_path,
    normalize_route,
)
from error_tracking.events.message_pattern import message_pattern
from tests.factories import raised

FRAME = Frame(
    "shop/views.py",
    "/srv/1/shop/views.py",
    "shop.views",
    "pay",
    12,
    "    charge(card)",
    in_app=True,
)
INFO = ExceptionInfo("ValueError", "builtins", "user 17 not found", (FRAME,))


def of(**changes):
    return fingerprint_for_exception(dataclasses.replace(INFO, **changes), "/pay/")


def with_frame(**changes):
    return of(frames=(dataclasses.replace(FRAME, **changes),))


def test_line_number_path_and_message_do_not_split_a_bug():
    """FAULTS B06."""
    assert (
        with_frame(lineno=99)
        == with_frame(abs_path="/srv/2/shop/views.py")
        == of(message="user 18 not found")
    )
    assert with_frame(context_line="charge(card)") == of()


def test_type_function_and_raising_line_tell_bugs_apart():
    variants = [
        of(),
        of(type="KeyError"),
        with_frame(function="refund"),
        with_frame(context_line="charge(None)"),
    ]
    assert len(set(variants)) == len(variants)


def test_library_frames_do_not_count():
    library = Frame("lib.py", "/lib.py", "lib", "f", 1, "raise", in_app=False)
    assert of(frames=(FRAME, library)) == of()


def test_recursion_counts_once():
    other = dataclasses.replace(FRAME, function="again", context_line="pay()")
    deep = (other, FRAME) * 20
    assert of(frames=deep) == of(frames=(other, FRAME))


def test_a_comprehension_is_the_function_around_it():
    """Up to Python 3.11 it has a frame of its own, from 3.12 on it has none (PEP 709)."""
    for around in ("pay", "Till.pay", "pay.<locals>.each"):
        for kind in ("list", "dict", "set"):
            inner = dataclasses.replace(
                FRAME, function=f"{around}.<locals>.<{kind}comp>"
            )
            outer = dataclasses.replace(FRAME, function=around, context_line="return [")
            assert of(frames=(outer, inner)) == with_frame(function=around)
    assert with_frame(function="pay.<locals>.<lambda>") != with_frame(function="pay")


def test_without_in_app_frames_route_and_normalised_message_count():
    bare = {"frames": ()}
    assert of(**bare, message="user 17 not found") == of(
        **bare, message="user 18 not found"
    )
    assert of(**bare, message="user 17 not found") != of(
        **bare, message="table is missing"
    )
    info = dataclasses.replace(INFO, **bare)
    assert fingerprint_for_exception(info, "/a/") != fingerprint_for_exception(
        info, "/b/"
    )


def test_response_is_kind_status_and_route():
    base = fingerprint_for_response("http_4xx", 404, "/a/")
    assert base == fingerprint_for_response("http_4xx", 404, "/a/")
    assert (
        len(
            {
                base,
                fingerprint_for_response("http_4xx", 403, "/a/"),
                fingerprint_for_response("csrf", 404, "/a/"),
            }
        )
        == 3
    )


def test_messages_of_one_logger_group_by_their_words():
    assert fingerprint_for_message("order 1 late", "shop") == fingerprint_for_message(
        "order 2 late", "shop"
    )
    assert fingerprint_for_message("order 1 late", "shop") != fingerprint_for_message(
        "order 1 late", "mail"
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/pets/123/", "/api/pets/{id}/"),
        ("/x/0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e/", "/x/{uuid}/"),
        ("/by/ada@example.com/", "/by/{email}/"),
        ("/on/2026-01-02/", "/on/{date}/"),
        ("/f/0123456789abcdef/", "/f/{hash}/"),
        ("/reset/abcDEF123456789012345x/", "/reset/{token}/"),
        ("https://x.example/a/1?b=2#c", "/a/{id}"),
        ("/api/v2/pets/", "/api/v2/pets/"),
        ("", "/"),
    ],
)
def test_path_has_its_objects_named(path, expected):
    assert normalize_path(path) == expected


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("api/pets/<int:id>/", "/api/pets/{id}/"),
        (r"^api/pets/(?P<id>[0-9]+)/$", "/api/pets/{id}/"),
        (r"^a/(?:b|(c))/\Z", "/a/{arg}/"),
        (r"^a\.b/(x)$", "/a.b/{arg}"),
        ("<slug>/", "/{slug}/"),
        ("", "/"),
    ],
)
def test_route_reads_like_a_path(route, expected):
    assert normalize_route(route) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("user 17 not found", "user {number} not found"),
        ("no 0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e", "no {uuid}"),
        ("mail to a@b.example failed", "mail to {email} failed"),
        ("GET https://x.example/a?b took 3.5 s", "GET {url} took {number}"),
        ("10.0.0.1 is away since 2026-01-02T03:04:05Z", "{ip} is away since {date}"),
        ("object at 0x7f00aa", "object at {hex}"),
        ("invalid literal: 'abc'", "invalid literal: {value}"),
    ],
)
def test_message_has_its_values_named(message, expected):
    assert message_pattern(message) == expected


def charge(card):
    api_key = "x"
    raise ConnectionError(
        f"ann@example.org has no till_key={card}{api_key}"
    )  # region_code=7


@pytest.mark.parametrize(
    "change",
    [{"SCRUB_KEYS": ["region_code", "charge"]}, {"DISABLE": ["email_scrubbing"]}],
)
def test_what_is_scrubbed_changes_no_bug(outbox, configure, change):
    """Identity outlives a changed setting: with in-app frames, and with the message alone."""
    for settings in ({}, change):
        configure(**settings)
        for in_app in ([], ["-tests"]):
            configure(IN_APP=in_app)
            error_tracking.capture_exception(raised(charge, "hunter2"))
    with_frames, with_message, *again = (event.fingerprint for event in outbox)
    assert again == [with_frames, with_message]
    assert with_frames != with_message


@given(st.text(max_size=300))
def test_normalising_never_fails(text):
    message_pattern(text)
    normalize_route(text)
    path = normalize_path(text)
    assert normalize_path(path) == path or "\n" in text


@pytest.mark.parametrize(
    "evil",
    [
        "a." * 50_000,
        "/" * 100_000,
        "'" * 100_000,
        "(" * 100_000,
        "1" * 100_000,
        "a@" * 50_000,
    ],
)
def test_long_hostile_text_is_quick(evil):
    """FAULTS B03."""
    start = time.process_time()
    message_pattern(evil)
    normalize_path(evil)
    normalize_route(evil)
    assert time.process_time() - start < 5
