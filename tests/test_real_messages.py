"""What is shown of real messages: their fixed words and known names, and no visitor's text."""

from __future__ import annotations

import sys

import pytest

from error_tracking.report.public_message import LEFT_OUT
from tests import real_messages
from tests.factories import raised
from tests.test_public_message import shown

# What a visitor sent. This file is not read for names: only those with frames are.
SENT = "Anna-Kowalska"
IS_311 = sys.version_info < (3, 12)
FIELDS = (
    "date_joined, email, first_name, groups, id, is_active, is_staff, is_superuser, "
    "last_login, last_name, logentry, password, user_permissions, username"
)

#: The message with ``{}`` for what is left out; ``=`` for all of it.
EXPECTED = {
    "PYTHON": {
        "unknown key": "'{}'",
        "key of the code": "=",
        "comparison": "=",
        "comparison of types": "=",
        "operands": "=",
        "sum": "=",
        "concatenation": "=",
        "negation": "=",
        "attribute of None": "=",
        "attribute of a visitor": "'Order' object has no attribute '{}'",
        "attribute of a type": "=",
        "attribute of a module": "=",
        "too few arguments": "=",
        "too many arguments": "=",
        "argument of a visitor": (
            "Order.pay() got an unexpected keyword argument '{}'"
        ),
        "abstract class": "=",
        "length": "=",
        "iteration": "=",
        "subscript": "=",
        "call": "=",
        "unhashable": "=",
        "context manager": "=",
        "too few values": "=",
        "index": "=",
        "empty list": "=",
        "empty sequence": "=",
        "number": "invalid literal for int() with base 10: {}",
        "number of None": "=",
        "float": "could not convert string to float: {}",
        "decimal": "=",
        "zero": "=",
        "join": "=",
        "format": "=",
        "JSON": "Expecting value: line {} column {} (char {})",
        "not JSON": "=",
        "date": "Invalid isoformat string: {}",
        "format of a date": "time data {} does not match format '%d.%m.%Y'",
        "aware": "=",
        "month": "=",
        "encoding": (
            "'ascii' codec can't encode character {} in position {}: "
            "ordinal not in range(128)"
        ),
        "decoding": (
            "'utf-8' codec can't decode byte {} in position {}: invalid start byte"
        ),
        "file": "[Errno 2] No such file or directory: {}",
        "module": "No module named '{}'",
        "module of the code": "=",
        "unbound": "=",
        "undefined": "=",
        "recursion": "=",
        "UUID": "=",
        "enum": "{} is not a valid Colour",
        "removal": "=",
        "position": "{} is not in list",
        "chained": "cannot pay: no price for '{}'",
    },
    "DJANGO": {
        "no row": "=",
        "no page": "=",
        "field of a visitor": (
            f"Cannot resolve keyword '{{}}' into field. Choices are: {FIELDS}"
        ),
        "field of the code": "=",
        "number of a field": "Field 'id' expected a number but got '{}'.",
        "date of a field": (
            "['“{}” value has an invalid format. It must be in YYYY-MM-DD "
            "HH:MM[:ss[.uuuuuu]][TZ] format.']"
        ),
        "constructor": "User() got unexpected keyword arguments: '{}'",
        "unsaved": "=",
        "URL name": "=",
        "URL arguments": (
            "Reverse for 'index' with keyword arguments '{{'slug': '{}'}}' not found. "
            "1 pattern(s) tried: ['{}']"
        ),
        "URL name of a visitor": (
            "Reverse for '{}' not found. '{}' is not a valid view function or "
            "pattern name."
        ),
        "namespace": "=",
        "template": "=",
        "template of a visitor": "{}",
        # Of a template in a string: those of files are read by their tags.
        "filter": "Invalid filter: '{}'",
        "tag": (
            "Invalid block tag on line {}: '{}'. Did you forget to register or "
            "load this tag?"
        ),
        "tag of a visitor": (
            "Invalid block tag on line {}: '{}'. Did you forget to register or load "
            "this tag?"
        ),
        "parameter": "=",
        "parameter of a visitor": "'{}'",
        "whole number": "=",
        "length": ("['Ensure this value has at most {} characters (it has {}).']"),
        "choice": (
            "['Select a valid choice. {} is not one of the available choices.']"
        ),
        "slug": "=",
        "address": "['Enter a valid {} address.']",
        # Nothing is known below a name that is scrubbed.
        "model": (
            "{{'password': {}, 'username': ['Enter a valid username. This value may "
            "contain only letters, numbers, and @/./+/-/_ characters.'], "
            "'email': ['Enter a valid email address.']}}"
        ),
        "signature": "=",
        "host": (
            "Invalid HTTP_HOST header: {}. You may need to add {} to ALLOWED_HOSTS."
        ),
        "setting": "Set the SHOP_OWNER setting to an address, not {}.",
    },
    "REST": {
        "serializer": (
            "{{'quantity': ['A valid integer is required.'], "
            "'colour': ['\"{}\" is not a valid choice.'], "
            "'user': ['Incorrect type. Expected pk value, received str.']}}"
        ),
        "missing": (
            "{{'quantity': ['This field is required.'], "
            "'colour': ['This field is required.'], "
            "'user': ['This field is required.']}}"
        ),
        "method": 'Method "{}" not allowed.',
        "media type": 'Unsupported media type "{}" in request.',
        "not authenticated": "=",
        "detail of a visitor": "{}",
    },
    "SQLITE": {
        "NULL": "=",
        "unique": "=",
        "check": "CHECK constraint failed: {}",
        "table": "no such table: {}",
        "table of the code": "=",
        "column": "=",
        "syntax": 'near "{}": syntax error',
        "size": "=",
        "bindings": "=",
    },
}
CASES = [(table, name) for table, names in EXPECTED.items() for name in names]


def test_each_failure_has_its_message():
    for table, names in EXPECTED.items():
        assert set(names) == set(getattr(real_messages, table))


@pytest.mark.django_db
@pytest.mark.parametrize(("table", "name"), CASES)
def test_fixed_words_and_known_names_stay_and_nothing_else(table, name):
    error = raised(getattr(real_messages, table)[name], SENT)
    expected = EXPECTED[table][name]
    if expected == "=":
        expected = str(error)
    else:
        count = expected.count("{}")
        expected = expected.format(*[LEFT_OUT] * count)
    message = shown(error)
    assert message == expected
    assert "Anna" not in message
    assert "Kowalska" not in message
