"""Steps about capturing: a test error of the doctor's, and a request of the site's."""

from __future__ import annotations

import dataclasses
import secrets
import time

from django.conf import settings as django_settings

from error_tracking import conf, recorder, testing
from error_tracking.capture.service import ErrorCaptureService
from error_tracking.utils import clean_line

from . import site_request
from .findings import Answer, State, fail, milliseconds_since, ok, warn
from .made_up_request import post_request

CHECK_EXCLUSIONS = (
    "Check EXCLUDE_PATHS, EXCLUDE_STATUS_CODES, IGNORE_EXCEPTIONS, BEFORE_STORE "
    "and the log of the logger error_tracking."
)
REASON_CHARS = 300
# Enough that no other text contains it by chance.
SECRET_BYTES = 8


class DoctorError(Exception):
    """The test error."""


def capture_test_error() -> Answer:
    """Capture an exception with a made-up password; the event is this step's value."""
    nothing = nothing_is_captured()
    if nothing is not None:
        return nothing
    secret = secrets.token_hex(SECRET_BYTES)
    started = time.monotonic()
    with recorder.nothing_stored():
        try:
            _fail(password=secret)
        except DoctorError as error:
            event = ErrorCaptureService().capture_exception(
                post_request("text/html", secret), error, fingerprint=(secret,)
            )
    if event is None:
        return fail("an error in a view at / is not captured", CHECK_EXCLUSIONS)
    if secret.encode() in event.to_bytes():
        return fail(
            "a test password was not scrubbed",
            "Check BEFORE_STORE: it receives events that are scrubbed already.",
            value=event,
        )
    duration = milliseconds_since(started)
    return ok(
        f"a test error was captured in {duration}, its password scrubbed", value=event
    )


def _fail(password: str) -> None:
    """Raise the test error, with the password in its message and in a variable."""
    raise DoctorError(f"made by error_tracking_doctor 🩺 password={password}")


def send_site_request() -> Answer:
    """Send a request that fails through the project's whole middleware stack."""
    nothing = nothing_is_captured()
    if nothing is not None:
        return nothing
    started = time.monotonic()
    try:
        passage = site_request.send()
    except site_request.SetupError as error:
        reason = clean_line(str(error), REASON_CHARS)
        return fail(
            conf.get_scrubber().text(reason, REASON_CHARS),
            "Correct it: the site cannot answer requests either.",
        )
    if not passage.has_reached_view:
        return _stopped_on_its_way(passage)
    stack = f"through {len(django_settings.MIDDLEWARE)} middleware classes"
    request = f"a failing request {stack}"
    if not passage.events:
        return fail(
            f"{request} answered {passage.status} and was not captured",
            CHECK_EXCLUSIONS,
        )
    if len(passage.events) > 1:
        return warn(
            f"{request} was captured {len(passage.events)} times",
            "Check the middleware that answers exceptions itself.",
        )
    duration = milliseconds_since(started)
    return ok(f"{request} answered {passage.status} and was captured in {duration}")


def _stopped_on_its_way(passage: site_request.Passage) -> Answer:
    who = passage.answered_by or "something behind the middleware"
    reason = f"{who} answered {passage.status}"
    answer = warn(
        f"cannot tell: {reason}", f"Check that {who} passes requests on to the views."
    )
    return dataclasses.replace(answer, unknown_reason=reason)


def nothing_is_captured() -> Answer | None:
    """Return the answer where no error at all is captured, else None."""
    if not conf.get_settings().ENABLED:
        return Answer(
            State.FAIL,
            "nothing is captured: ERROR_TRACKING['ENABLED'] is False",
            'Remove "ENABLED": False from ERROR_TRACKING.',
        )
    if testing.is_test_run():
        return Answer(
            State.FAIL,
            "nothing is stored: a test run is active, so events are discarded",
            "Run the doctor outside of tests, with the settings of the site.",
        )
    return None
