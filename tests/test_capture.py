"""The one door: what an event holds, what is kept out, and that nothing raises."""

from __future__ import annotations

import logging

import pytest
from django.http import HttpResponse
from django.test import Client

import error_tracking
from error_tracking.capture.api import capture_exception, capture_message
from error_tracking.capture.guard import guard
from error_tracking.capture.service import ErrorCaptureService
from error_tracking.recorder import worker
from error_tracking.services import BugCreationService
from error_tracking.services import ErrorCaptureService as FromDoorway
from tests.factories import raised

service = ErrorCaptureService()


def explode():
    raise ValueError("postgres://app:hunter2@db is away")


def test_services_are_importable_from_the_doorway():
    assert FromDoorway is ErrorCaptureService
    assert BugCreationService.__module__ == "error_tracking.services"


def test_package_gives_its_functions_lazily():
    assert error_tracking.capture_exception is capture_exception
    with pytest.raises(AttributeError, match="nothing_such"):
        error_tracking.nothing_such  # noqa: B018  the attribute's look-up is the test


def test_capture_error_takes_request_and_response(rf, outbox):
    event = service.capture_error(rf.get("/x/"), HttpResponse(status=503))
    assert outbox == [event]
    assert event.error_type == "http_5xx"


@pytest.mark.parametrize(
    ("status", "is_captured"),
    [(200, False), (302, False), (399, False), (400, True), (599, True)],
)
def test_only_error_statuses_are_captured(rf, outbox, status, is_captured):
    service.capture_error(rf.get("/x/"), HttpResponse(status=status))
    assert bool(outbox) is is_captured


def test_capture_exception_outside_a_request(outbox):
    event = service.capture_exception(None, raised(explode))
    assert outbox == [event]
    assert event.culprit == "tests.test_capture.explode"
    assert event.title == "ValueError in tests.test_capture.explode"


def test_secret_in_a_message_is_filtered(outbox):
    """FAULTS V05."""
    service.capture_exception(None, raised(explode))
    assert b"hunter2" not in outbox[0].to_bytes()


def test_secret_of_a_parsed_form_is_filtered(outbox):
    """FAULTS V01, V02."""
    Client(raise_request_exception=False).post(
        "/pay/?token=s3cr3t&page=2",
        {"amount": "12", "password": "hunter2", "card_number": "4111111111111111"},
        HTTP_COOKIE="sessionid=abcdef",
        HTTP_AUTHORIZATION="Bearer abc.def",
        HTTP_X_API_KEY="k3y",
    )
    [event] = outbox
    data = event.to_bytes()
    for secret in (
        b"hunter2",
        b"4111111111111111",
        b"s3cr3t",
        b'abcdef"',
        b"abc.def",
        b"k3y",
    ):
        assert secret not in data
    assert event.request["body"]["amount"] == "12"
    assert event.request["query"]["page"] == "2"


def test_generated_fingerprint_equals_the_stored_one(rf, outbox):
    Client().get("/returned/404/")
    Client().get("/nowhere/at/all")
    first, second = outbox
    assert (
        service.generate_fingerprint("http_4xx", "/returned/404/", 404)
        == first.fingerprint
    )
    assert (
        service.generate_fingerprint(
            "http_4xx", "http://testserver/other/nowhere?x=1", 404
        )
        == second.fingerprint
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/pets/12/", "/pets/{pk}/"),
        ("/api/pets/123/", "/api/pets/{id}/"),
        (
            "https://x.example/api/0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e/?a=1",
            "/api/{uuid}/",
        ),
        ("", "/"),
    ],
)
def test_url_is_normalised_by_its_route_else_by_guessing(url, expected):
    assert service.normalize_url(url) == expected


def test_own_code_can_capture_what_it_handled(outbox, rf):
    try:
        explode()
    except ValueError:
        reference = capture_exception(request=rf.get("/x/"), level="warning")
    [event] = outbox
    assert event.reference == reference
    assert (event.handled, event.level, event.mechanism) == (True, "warning", "api")


def test_capture_exception_without_one_says_so(outbox, caplog):
    with caplog.at_level(logging.WARNING, "error_tracking"):
        assert capture_exception() == ""
    assert "no exception is being handled" in caplog.text
    assert not outbox


def test_message_is_captured(outbox, rf):
    reference = capture_message(
        "stock of 12 is gone", level="error", request=rf.get("/x/")
    )
    capture_message("stock of 99 is gone", level="nonsense")
    first, second = outbox
    assert first.reference == reference
    assert first.fingerprint == second.fingerprint
    assert second.level == "error"


@pytest.mark.parametrize(
    "function", [lambda: capture_message("x"), lambda: capture_exception(ValueError())]
)
def test_disabled_captures_nothing(configure, outbox, function):
    configure(ENABLED=False)
    assert function() == ""
    assert not outbox


def test_excluded_500_does_not_keep_a_handled_exception_out(rf, outbox, configure):
    configure(EXCLUDE_STATUS_CODES=[500])
    assert service.capture_exception(rf.get("/x/"), ValueError()) is None
    assert (
        service.capture_exception(rf.get("/x/"), ValueError(), handled=True) is not None
    )


def test_title_of_a_message_names_its_values(outbox):
    capture_message("order 12 of ada@example.com is late")
    assert outbox[0].title == "order {number} of [email] is late"


def test_excluded_path_keeps_an_exception_out(rf, outbox):
    assert service.capture_exception(rf.get("/health/x"), ValueError()) is None
    assert not outbox


def test_guard_swallows_counts_and_logs(swallowed):
    """FAULTS C03."""

    @guard
    def broken():
        raise RuntimeError("ours")

    before = worker.get_worker().intake.swallowed
    assert broken() is None
    assert worker.get_worker().intake.swallowed == before + 1
    assert len(swallowed) == 1


def test_guard_does_not_capture_while_it_captures(outbox):
    """FAULTS C29: a hook that captures again inside a capture gets nothing."""

    @guard
    def outer():
        return capture_message("from inside")

    assert outer() == ""
    assert not outbox


class HostileError(Exception):
    def __str__(self):
        raise SystemExit(1)


def raise_hostile():
    raise HostileError


def test_hostile_exception_is_captured(outbox):
    """FAULTS C20."""
    service.capture_exception(None, raised(raise_hostile))
    assert outbox[0].exceptions[0].message == "<unprintable>"


def test_event_is_bounded(outbox):
    """FAULTS C22."""

    def explode():
        raise ValueError("x" * 10_000_000)

    service.capture_exception(None, raised(explode))
    assert len(outbox[0].to_bytes()) <= 65_536


def test_client_hash_identifies_nobody(rf, outbox):
    service.capture_error(
        rf.get("/x/", REMOTE_ADDR="10.1.2.3"), HttpResponse(status=404)
    )
    service.capture_error(
        rf.get("/x/", REMOTE_ADDR="10.1.2.4"), HttpResponse(status=404)
    )
    first, second = outbox
    assert first.client != second.client
    assert "10.1.2" not in first.client
    assert first.ip_address == "10.1.2.0"
