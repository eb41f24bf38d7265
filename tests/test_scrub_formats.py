"""Arguments that a format names as secrets: of log records, breadcrumbs and exceptions."""

from __future__ import annotations

import logging

import pytest
from django.core.exceptions import ValidationError

import error_tracking
from error_tracking.events.exception_text import exception_text
from error_tracking.integrations.logging import ErrorLogHandler
from error_tracking.scrubbing.event_secrets import collecting
from error_tracking.scrubbing.scrubber import FILTERED, Scrubber
from error_tracking.utils import clean_text

scrubber = Scrubber(["vendor_word"])
# A word of a language: nothing in the finished text says that it is a secret.
WORD = "Lorbeer, Salbei"


def printed(template, *arguments):
    if len(arguments) == 1 and isinstance(arguments[0], dict):
        arguments = arguments[0]
    made, left = scrubber.format_and_arguments(template, arguments)
    return made % left


@pytest.mark.parametrize(
    "template",
    [
        "password %s",
        "wrong password %s for ann",
        "password '%s' was refused",
        "Passwort %s",
        "mot de passe %s",
        "password=%s attempt",
        "API key: %s",
        "clé d'API : %s",
        "new_token => %s",
        "OTP %s was refused",
        "vendor_word=%s",
        "login of ann%%, pin %-10s!",
    ],
)
def test_argument_behind_a_secrets_name_goes_whole(template):
    text = printed(template, WORD)
    assert FILTERED in text
    assert "Lorbeer" not in text
    assert "Salbei" not in text


@pytest.mark.parametrize(
    ("template", "arguments", "expected"),
    [
        ("user %s, password %s, try %d", ("ann", WORD, 3), f"user ann, password {FILTERED}, try 3"),
        ("%(user)s: %(password)s", {"user": "ann", "password": WORD}, f"ann: {FILTERED}"),
        ("pin %(pin)d of %(user)s", {"user": "ann", "pin": 4711}, f"pin {FILTERED} of ann"),
        ("100%% of %(token)r", {"token": WORD}, f"100% of {FILTERED}"),
        ("no %(token)s for %(password)s", {"token": None, "password": 7.5}, "no None for 7.5"),
    ],
)  # fmt: skip
def test_other_arguments_stay(template, arguments, expected):
    made, left = scrubber.format_and_arguments(template, arguments)
    assert made % left == expected


@pytest.mark.parametrize(
    ("template", "arguments"),
    [
        ("token %s is not defined", ("identifier",)),
        ("no key %s", ("sku",)),
        ("password of %s was changed", ("ann",)),
        ("password: %s", ("This field is required, please.",)),
        ("password=%s", (None,)),
        ("password=%s", ("",)),
        ("password %s", (ValueError("x"),)),
        ("%*d passwords", (3, 7)),
        ("%s: %s", ("password", "x")),
        ("nothing to do", ()),
        ("no template", None),
        ("password %s", [WORD]),
        ("%(user)s", {"user": "ann"}),
        ("password %s", ()),
    ],
)
def test_what_is_no_secret_stays(template, arguments):
    assert scrubber.format_and_arguments(template, arguments) == (template, arguments)


def test_a_template_from_outside_is_not_read():
    template = "password %s " * 1_000
    assert scrubber.format_and_arguments(template, ("x",)) == (template, ("x",))


def test_what_goes_from_a_message_goes_from_the_other_fields_too():
    with collecting() as values:
        printed("password %s", "Basilikum-42")
    assert values == {"Basilikum-42"}


@pytest.fixture
def log():
    logger = logging.getLogger("shop.formats")
    handler = ErrorLogHandler()
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def test_log_record_has_no_named_argument(log, outbox):
    log.error("user %(user)s, password %(password)s", {"user": "ann", "password": WORD})
    log.error("user %s, password %s", "ann", WORD)
    log.error("100%% sure of password %s", WORD)
    assert [event.message for event in outbox] == [
        f"user ann, password {FILTERED}",
        f"user ann, password {FILTERED}",
        f"100% sure of password {FILTERED}",
    ]


def test_log_record_whose_arguments_do_not_fit(outbox):
    arguments = ("ann", WORD)
    template = "user %d, password %s"
    record = logging.LogRecord(
        "shop", logging.ERROR, __file__, 1, template, arguments, None
    )
    ErrorLogHandler().emit(record)
    assert WORD not in outbox[0].message
    assert "ann" in outbox[0].message


class OwnRecord(logging.LogRecord):
    """A record that makes its message itself, as libraries for "{}" formats do."""

    def getMessage(self):
        return self.msg.format(*self.args)


def test_record_with_a_message_of_its_own(outbox):
    record = OwnRecord("shop", logging.ERROR, __file__, 1, "order {}", (7,), None)
    ErrorLogHandler().emit(record)
    assert outbox[0].message == "order 7"


def test_breadcrumb_has_no_named_argument(outbox):
    with error_tracking.unit_of_work():
        logging.getLogger("shop").warning("retry as %s with password %s", "ann", WORD)
        error_tracking.capture_message("it failed", level="error")
    crumbs = outbox[0].context["breadcrumbs"]
    assert crumbs[-1]["message"] == f"retry as ann with password {FILTERED}"


def text_of(error):
    return exception_text(error, clean_text, 1_000)


VALIDATION_ERRORS = {
    "one": ValidationError("%(password)s was seen", params={"password": WORD}),
    "in a list": ValidationError(
        [ValidationError("%(password)s was seen", params={"password": WORD}), "other"]
    ),
    "by field": ValidationError(
        {"a": [ValidationError("%(pin)s was seen", params={"pin": WORD, "x": 1})]}
    ),
    "a number": ValidationError("%(pin)s was seen", params={"pin": 471_100}),
}


@pytest.mark.parametrize("case", VALIDATION_ERRORS)
def test_validation_error_prints_no_secret_parameter(case):
    text = text_of(VALIDATION_ERRORS[case])
    assert "Lorbeer" not in text
    assert "471100" not in text
    assert f"{FILTERED} was seen" in text


def test_validation_error_prints_other_parameters():
    error = ValidationError(
        "%(value)s is no %(kind)s", params={"value": 3, "kind": "day"}
    )
    assert text_of(error) == "['3 is no day']"


class LoginError(Exception):
    def __init__(self, user, password):
        self.user, self.password = user, password
        super().__init__(f"{user} was refused with {password}")


def test_exception_does_not_print_its_own_secret_attribute():
    assert (
        text_of(LoginError("ann", "Basilikum-42")) == f"ann was refused with {FILTERED}"
    )


def test_everyday_word_in_an_attribute_is_no_reason_to_change_a_sentence():
    assert text_of(LoginError("ann", "password")) == "ann was refused with password"


def test_project_decides_what_is_secret():
    error = ValidationError("%(color)s was seen", params={"color": WORD})
    assert WORD in text_of(error)
    hidden = exception_text(error, clean_text, 1_000, lambda name: name == "color")
    assert WORD not in hidden


def test_secret_that_the_cut_would_split_is_gone():
    error = ValidationError("x" * 990 + "%(password)s", params={"password": WORD})
    assert "Lorb" not in text_of(error)
