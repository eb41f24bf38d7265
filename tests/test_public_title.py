"""Titles and causes of bugs name what the project knows, and nothing that a visitor sent."""

from __future__ import annotations

import codecs

import pytest
from django.template.loader import get_template
from django.urls import reverse
from django.utils.module_loading import import_string

from error_tracking.bugs.opening import open_bug
from error_tracking.events.stacktrace import exceptions_from
from error_tracking.models import ErrorGroup
from error_tracking.recorder import store
from error_tracking.report.builder import build_report
from error_tracking.report.markdown import bug_file, issue_body
from error_tracking.report.public_message import Vocabulary
from error_tracking.report.public_title import names_something, public_title
from tests.factories import make_event, raised

# What a visitor sent. Encoded, because what this file has is text of the source.
SENT = codecs.decode("naan-xbjnyfxn", "rot13")
SHOP = Vocabulary(
    knows={"total", "shop_order", "shop:pay", "order"}.__contains__,
    tables=frozenset({"shop_order"}),
    apps=frozenset({"shop"}),
)


def template(name):
    return get_template(name)


def url(name):
    return reverse(name)


def module(name):
    return import_string(f"{name}.x")


class TestTitles:
    @pytest.mark.parametrize(
        ("title", "shown"),
        [
            ("OperationalError (column shop_order.total) in shop.views.pay", "="),
            (
                "OperationalError (column shop_order.x) in shop.views.pay",
                "shop_order.[…]",
            ),
            ("OperationalError (table anna) in shop.views.pay", "table […])"),
            ("NoReverseMatch (URL name shop:pay) in shop.views.pay", "="),
            ("NoReverseMatch (URL name anna:pay) in shop.views.pay", "URL name […])"),
            ("TemplateDoesNotExist (template shop/order_detail.html) in x", "="),
            ("TemplateDoesNotExist (template shop/anna.html) in x", "template […])"),
            ("django.db.utils.OperationalError: column shop_order.total", "="),
            ("Incident: django.db.utils.OperationalError: table anna", "table […]"),
            ("ImproperlyConfigured (setting SHOP_OWNER) in shop.apps", "="),
            ("OperationalError (host db.internal) in shop.views", "="),
            ("ValueError in shop.views.pay", "="),
        ],
    )
    def test_known_names_stay_and_others_are_left_out(self, title, shown):
        found = public_title(title, SHOP)
        if shown == "=":
            assert found == title
        else:
            assert shown in found
            assert "anna" not in found

    def test_most_titles_name_nothing(self):
        assert not names_something("ValueError in shop.views.pay")
        assert names_something("OperationalError (column total) in shop.views.pay")


class TestBugs:
    @pytest.mark.parametrize("ask", [template, url, module])
    def test_name_that_a_visitor_sent_is_in_no_title(self, db, ask):
        name = SENT.replace("-", "") if ask is module else SENT
        exceptions = exceptions_from(raised(ask, name))
        subject = exceptions[0].subject
        assert name in subject
        event = make_event(
            title=f"{exceptions[0].type} ({subject}) in x", exceptions=exceptions
        )
        store.store([event])
        group = ErrorGroup.objects.get()
        assert name in group.title
        bug, _is_new = open_bug(group)
        made = build_report(bug)
        texts = (bug.title, bug.description, bug_file(made), issue_body(made))
        for text in (*texts, made.path_name, made.cause):
            assert name not in text
        assert "[…]" in bug.title
