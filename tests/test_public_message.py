"""What of an exception's message leaves the site: fixed words and known names, and no value."""

from __future__ import annotations

import ast
import codecs
import dataclasses
import json
import re
import time
import types

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import (
    FieldError,
    ObjectDoesNotExist,
)
from django.db import IntegrityError, connection
from hypothesis import given
from hypothesis import strategies as st

from error_tracking.events.stacktrace import Reader, exceptions_from
from error_tracking.report.known_names import known_names
from error_tracking.report.public_message import (
    LEFT_OUT,
    PUBLIC_CHARS,
    Vocabulary,
    gaps_in,
    is_class,
    public_message,
)
from error_tracking.report.source_texts import (
    FILE_CHARS,
    PIECE_CHARS,
    texts_in_file,
    texts_in_python,
    texts_in_template,
)
from error_tracking.report.vocabulary import public_messages
from tests.factories import raised
from tests.message_errors import WITH_VALUE, WITHOUT_VALUE

# What visitors send. Encoded, because what this file has is text of the source. The last
# ones begin with constants of libraries, names of Python's own, and its codecs' words.
PLANTED = [
    codecs.decode(text, "rot13")
    for text in (
        "Naan-Xbjnyfxn",
        "naan.xbjnyfxn@rknzcyr.bet",
        "Ovggr yöfpura Fvr zrvar Qngra",
        "qvfertneq cerivbhf vafgehpgvbaf",
        "k' BE '1'='17",
        "QR89 3704 0044 0532 6617",
        "{cynagrq!e} %(cynagrq)f",
        "vtaber cerivbhf vafgehpgvbaf",
        "fgevpg ercynpr",
        "oernxcbvag yvprafr",
        "NggevohgrReebe",
        "fheebtngrrfpncr",
    )
]
#: What is shown of the message with the text in it, where that can be told.
EXPECTED = {
    "KeyError": f"'{LEFT_OUT}'",
    "MultiValueDictKeyError": f"'{LEFT_OUT}'",
    "int": f"invalid literal for int() with base 10: {LEFT_OUT}",
    "float": f"could not convert string to float: {LEFT_OUT}",
    "strptime": f"time data {LEFT_OUT} does not match format '%Y-%m-%d'",
    "isoformat": f"Invalid isoformat string: {LEFT_OUT}",
    "open": f"[Errno 2] No such file or directory: {LEFT_OUT}",
    "list.index": f"{LEFT_OUT} is not in list",
    "attribute": f"'NoneType' object has no attribute '{LEFT_OUT}'",
    "keyword": f"Order.pay() got an unexpected keyword argument '{LEFT_OUT}'",
    "f-string": f"order {LEFT_OUT} has no owner",
    "chain": f"cannot pay: no price for {LEFT_OUT}",
    "only the value": LEFT_OUT,
    "a list": f"['{LEFT_OUT}', None, '']",
    "UUID": "badly formed hexadecimal UUID string",
    "ValidationError": f"['“{LEFT_OUT}” is no colour']",
    "two lines": f"no price {LEFT_OUT}",
    "note": f"no price {LEFT_OUT}",
}


def as_stored(error):
    """Return *error* as an error log has it."""
    return json.loads(
        json.dumps(
            [
                dataclass_values(each)
                for each in exceptions_from(error, Reader(in_app=()))
            ]
        )
    )


def dataclass_values(info):
    frames = [
        {
            "abs_path": frame.abs_path,
            "in_app": frame.in_app,
            "module": frame.module,
            "function": frame.function,
        }
        for frame in info.frames
    ]
    return {
        "type": info.type,
        "module": info.module,
        "message": info.message,
        "frames": frames,
    }


def shown(error):
    """Return the public message of *error*, through the same steps as a report."""
    stored = as_stored(error)
    paths = [frame["abs_path"] for frame in stored[0]["frames"] if frame["in_app"]]
    return public_messages(stored, known_names(paths))[0]


class TestPlanted:
    @pytest.mark.parametrize("planted", PLANTED)
    @pytest.mark.parametrize("name", WITH_VALUE)
    def test_no_value_of_a_visitor_is_in_the_message(self, name, planted):
        message = shown(raised(WITH_VALUE[name], planted))
        for word in re.findall(r"\w{4,}", planted):
            assert word not in message
        assert message == EXPECTED.get(name, message)

    @given(st.text(max_size=60))
    def test_text_that_nobody_knows_is_never_shown(self, text):
        vocabulary = Vocabulary(
            knows={"amount"}.__contains__,
            sentences=[("order ", " has no owner"), ("no price for ", "")],
        )
        planted = f"qzx{text}xzq"
        for message in (
            planted,
            f"order {planted} has no owner",
            f"no price for {planted}",
            f"'NoneType' object has no attribute {planted!r}",
            f"{{'amount': {planted!r}}}",
            repr([planted, {planted: planted}, (planted,)]),
            f"unique constraint {planted!r}\nDETAIL:  Key (amount)=({planted}) already exists.",
            f"(1062, \"Duplicate entry '{planted}' for key 'amount'\")",
            f"amount, {planted}, amount",
        ):
            for kind in ("KeyError", "ValueError", "IntegrityError"):
                found = public_message(kind, message, vocabulary)
                assert "qzx" not in found
                assert "xzq" not in found
                assert len(found) <= PUBLIC_CHARS
                assert len(found.splitlines()) <= 1


CHILD_ROW = (
    "(1452, 'Cannot add or update a child row: a foreign key constraint fails "
    "(`{}`.`shop_order`, CONSTRAINT `shop_order_customer_id_0f2b6a4c_fk_shop_customer_id` "
    "FOREIGN KEY (`customer_id`) REFERENCES `shop_customer` (`id`))')"
)
#: Messages as databases and libraries write them, and what is shown of them.
MESSAGES = {
    "NOT NULL constraint failed: shop_order.price": "=",
    "UNIQUE constraint failed: shop_order.price, shop_order.customer_id": "=",
    "UNIQUE constraint failed: shop_order.planted": f"UNIQUE constraint failed: shop_order.{LEFT_OUT}",
    "CHECK constraint failed: shop_order_price_check": "=",
    "FOREIGN KEY constraint failed": "=",
    "no such table: shop_order": "=",
    "no such column: shop_order.price": "=",
    "table shop_order has no column named price": "=",
    'near "planted": syntax error': f'near "{LEFT_OUT}": syntax error',
    "database is locked": "=",
    'null value in column "price" of relation "shop_order" violates not-null constraint\n'
    "DETAIL:  Failing row contains (1, planted, null).": (
        'null value in column "price" of relation "shop_order" violates not-null '
        f"constraint Failing row contains ({LEFT_OUT})."
    ),
    'duplicate key value violates unique constraint "shop_order_price_0a1b2c3d_uniq"\n'
    "DETAIL:  Key (price, customer_id)=(7, planted) already exists.": (
        'duplicate key value violates unique constraint "shop_order_price_0a1b2c3d_uniq" '
        f"Key (price, customer_id)=({LEFT_OUT}) already exists."
    ),
    'insert or update on table "shop_order" violates foreign key constraint '
    '"shop_order_customer_id_0f2b6a4c_fk_shop_customer_id"\n'
    'DETAIL:  Key (customer_id)=(9) is not present in table "shop_customer".': (
        'insert or update on table "shop_order" violates foreign key constraint '
        '"shop_order_customer_id_0f2b6a4c_fk_shop_customer_id" '
        f'Key (customer_id)=({LEFT_OUT}) is not present in table "shop_customer".'
    ),
    'relation "shop_order" does not exist\nLINE 1: SELECT planted\n    ^': (
        f'relation "shop_order" does not exist {LEFT_OUT}'
    ),
    "column shop_order.price does not exist": "=",
    "value too long for type character varying(20)": "=",
    'invalid input syntax for type integer: "planted"': (
        f"invalid input syntax for type integer: {LEFT_OUT}"
    ),
    "integer out of range": "=",
    "numeric field overflow\nDETAIL:  A field with precision 10, scale 2 must round to "
    "an absolute value less than 10^8.": (
        "numeric field overflow A field with precision 10, scale 2 must round to an "
        "absolute value less than 10^8."
    ),
    'connection to server at "planted" (10.0.0.7), port 5432 failed: Connection refused': (
        f"connection to server at {LEFT_OUT}, port {LEFT_OUT} failed: Connection refused"
    ),
    "(1048, \"Column 'price' cannot be null\")": "=",
    "(1062, \"Duplicate entry 'planted-7' for key 'shop_order.price'\")": (
        f"(1062, \"Duplicate entry '{LEFT_OUT}' for key 'shop_order.price'\")"
    ),
    "(1406, \"Data too long for column 'price' at row 1\")": "=",
    "(1054, \"Unknown column 'shop_order.price' in 'field list'\")": "=",
    "(1146, \"Table 'planted.shop_order' doesn't exist\")": (
        f"(1146, \"Table '{LEFT_OUT}.shop_order' doesn't exist\")"
    ),
    CHILD_ROW.format("planted"): CHILD_ROW.format(LEFT_OUT),
    "(1213, 'Deadlock found when trying to get lock; try restarting transaction')": "=",
    "(2006, 'Server has gone away')": "=",
    "(4025, 'CONSTRAINT `shop_order_price_check` failed for `planted`.`shop_order`')": (
        f"(4025, 'CONSTRAINT `shop_order_price_check` failed for `{LEFT_OUT}`.`shop_order`')"
    ),
    "'<' not supported between instances of 'NoneType' and 'datetime.datetime'": "=",
    "unsupported operand type(s) for *: 'decimal.Decimal' and 'float'": "=",
    "unsupported operand type(s) for planted: 'int' and 'str'": LEFT_OUT,
    "'Planted' object has no attribute 'price'": (
        f"'{LEFT_OUT}' object has no attribute 'price'"
    ),
    "'NoneType' object has no attribute 'price'. Did you mean: 'customer_id'?": "=",
    "can't compare offset-naive and offset-aware datetimes": "=",
    "not enough values to unpack (expected 3, got 2)": "=",
    "get() returned more than one User -- it returned 2!": "=",
    "[<class 'decimal.ConversionSyntax'>]": "=",
    "[<class 'planted.Planted'>]": LEFT_OUT,
    "'planted' codec can't decode byte 0xfc in position 1: invalid start byte": (
        f"'{LEFT_OUT}' codec can't decode byte {LEFT_OUT} in position {LEFT_OUT}: "
        "invalid start byte"
    ),
    "{'price': ['', None, True, 7, 'planted'], 'password': {'price': 'price'}}": (
        "{'price': ['', None, True, […], '[…]'], 'password': […]}"
    ),
    "price, customer_id, planted": f"price, customer_id, {LEFT_OUT}",
    "planted, planted, planted": LEFT_OUT,
    "": "",
    "[" * 3_000: LEFT_OUT,
}
SHOP = Vocabulary(
    knows={
        *(
            "price",
            "customer_id",
            "shop_order",
            "shop_customer",
            "id",
            "User",
            "password",
        ),
    }.__contains__,
    hides_below="password".__eq__,
    tables=frozenset({"shop_order", "shop_customer"}),
)


class TestMessages:
    @pytest.mark.parametrize("message", MESSAGES)
    def test_words_of_databases_and_python_stay_with_known_names(self, message):
        expected = MESSAGES[message]
        if expected == "=":
            expected = message
        assert public_message("OperationalError", message, SHOP) == expected

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            ("order   has no owner", "order has no owner"),
            ("order <class 'int'> has no owner", "="),
            ("<class 'Planted'>", "<class '[…]'>"),
            (", ".join(["price"] * 25), ", ".join(["price"] * 20) + ", […]"),
            ("price\n\n \nid", "price id"),
            ("shop_order_planted_id", "[…]"),
            ("UNIQUE constraint failed: shop_orderx", "UNIQUE constraint failed: […]"),
            # What is nested deeper than anything is read.
            ("order " * 4 + "id" + " has no owner" * 4, "="),
            ("order " * 5 + "id" + " has no owner" * 5, "order " * 4 + "[…]" + " has no owner" * 4),
            ("order " * 3 + "'zz'" + " has no owner" * 3, "order " * 3 + "'[…]'" + " has no owner" * 3),
            ("order order 'zz' has no owner has no owner", "order order '[…]' has no owner has no owner"),
        ],
    )  # fmt: skip
    def test_rare_message(self, message, expected):
        vocabulary = dataclasses.replace(SHOP, sentences=[("order ", " has no owner")])
        if expected == "=":
            expected = message
        assert public_message("ValueError", message, vocabulary) == expected

    @pytest.mark.parametrize("name", WITHOUT_VALUE)
    def test_message_that_is_code_comes_out_as_it_is(self, name):
        error = raised(WITHOUT_VALUE[name])
        assert shown(error) == str(error)

    def test_message_of_a_row_names_its_model(self, db):
        error = raised(lambda: User.objects.get(pk=1))
        assert isinstance(error, ObjectDoesNotExist)
        assert shown(error) == "User matching query does not exist."

    def test_database_names_its_constraint(self, db):
        User.objects.create(username="a" * 3)
        error = raised(lambda: User.objects.create(username="a" * 3))
        assert isinstance(error, IntegrityError)
        message = shown(error)
        # MariaDB names the key without its table.
        assert "auth_user" in message or connection.vendor == "mysql"
        assert "username" in message
        assert "aaa" not in message

    def test_serializer_names_its_fields(self):
        error = raised(WITH_VALUE["DRF"], "planted")
        assert shown(error) == (
            "{'name': ['Ensure this field has no more than […] characters.'], "
            "'quantity': ['A valid integer is required.']}"
        )

    def test_fields_to_choose_from_are_named(self):
        error = raised(lambda: User.objects.filter(nowhere=1))
        assert isinstance(error, FieldError)
        assert "Choices are: date_joined, email, " in shown(error)

    def test_class_of_a_module_is_known_and_no_other(self):
        names = (
            "int",
            "NoneType",
            "datetime.datetime",
            "OrderSerializer",
            "tests.message_errors.Order",
        )
        assert [is_class(name) for name in names] == [True] * len(names)
        others = ("Planted", "datetime.planted", "planted.Order", "", "a b", "json")
        assert not any(is_class(name) for name in others)

    def test_module_that_loads_its_names_late_is_not_woken(self, monkeypatch):
        module = types.ModuleType("late_module")

        def wake(name):
            raise AssertionError(name)

        module.__getattr__ = wake
        monkeypatch.setitem(__import__("sys").modules, "late_module", module)
        assert not is_class("late_module.Nothing")

    def test_time_grows_with_the_length_and_not_faster(self):
        sentences = [("a", "a", "b"), ("", "a ", "a ", "a ", " has no owner")]
        vocabulary = Vocabulary(knows=bool, sentences=sentences)
        for piece in ("a", "a ", "'", "', '", "[", "{'a': ", "\n", "a, "):
            began = time.process_time()
            public_message("ValueError", piece * 100_000, vocabulary)
            assert time.process_time() - began < 2


class TestGaps:
    @pytest.mark.parametrize(
        ("text", "words", "gaps"),
        [
            ("a 1 b", ("a ", " b"), ["1"]),
            ("a 1 b 2", ("a ", " b ", ""), ["1", "2"]),
            ("a b", ("a b",), []),
            ("a b c", ("a b",), None),
            ("ab", ("ab", "b"), None),
            ("a", ("a", "a"), None),
            ("a 1 c", ("a ", " b ", ""), None),
            ("", ("",), []),
        ],
    )
    def test_gaps_are_what_stands_between_the_words(self, text, words, gaps):
        assert gaps_in(text, words) == gaps


SOURCE = '''
"""Prose of the module."""
API_KEY = "keyhunter"
OPTIONS = {"colour": "red", "password": "dicthunter"}

@sensitive_variables("pin")
def pay(order, pin, secret="defaulthunter", *, token="kwhunter"):
    """Prose of the function."""
    if pin == "4711" or settings.SECRET_KEY == "comparehunter":
        raise ValueError("cannot pay %s for " % order + f"{order.city!r} in {order}")
    return call(password="callhunter", weight="heavy")
'''


class TestSources:
    def test_constants_of_secrets_and_prose_are_no_texts(self):
        hidden = {"API_KEY", "password", "secret", "token", "SECRET_KEY"}
        texts = texts_in_python(SOURCE, hidden.__contains__)
        assert {"colour", "red", "heavy"} <= texts.constants
        everything = str(texts)
        assert "hunter" not in everything
        assert "4711" not in everything
        assert "Prose" not in everything
        assert ("cannot pay ", " for ", " in ", "") in texts.sentences

    def test_large_source_is_read_in_pieces(self):
        text = "\n\n\n".join(
            f"def pay_{number}():\n    return 'word_{number}'\n    # {'x' * 200}"
            for number in range(300)
        )
        texts = texts_in_python(text + "\n\n\ndef f(:\n\n\nx = 'last'", bool)
        # All but the last piece, which cannot be parsed.
        lost = PIECE_CHARS // 200
        assert {f"word_{number}" for number in range(300 - lost)} <= texts.constants

    def test_template_has_what_its_tags_name(self):
        texts = texts_in_template(
            "<p>Prose</p>{% url 'shop:pay' order.pk %}{{ order.city|default:\"x\" }}"
        )
        assert {"order", "city", "pk", "default"} <= texts.names
        assert texts.constants == {"shop:pay", "x"}
        assert "Prose" not in str(texts)

    @pytest.mark.parametrize(
        "text", ["def f(:", "\x00", "(" * 5_000, "x = " + "1 + " * 50_000 + "1"]
    )
    def test_source_that_cannot_be_parsed_has_no_texts(self, text):
        assert not texts_in_python(text, bool).constants

    def test_parser_that_other_threads_disturb_finds_no_texts(self, monkeypatch):
        """Early releases of Python 3.11 and 3.12 raise this (gh-106905)."""

        def disturbed(*args, **kwargs):
            raise SystemError("AST constructor recursion depth mismatch")

        monkeypatch.setattr(ast, "parse", disturbed)
        assert not texts_in_python("x = 'total'", bool).constants

    def test_file_is_bounded(self, tmp_path):
        path = tmp_path / "views.py"
        path.write_text("x = 'a'\n" * (FILE_CHARS // 8 + 1))
        assert not texts_in_file(str(path), bool).names
        assert not texts_in_file(str(tmp_path), bool).names
        assert not texts_in_file(str(tmp_path / "nowhere.py"), bool).names
