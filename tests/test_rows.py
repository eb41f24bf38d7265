"""Rows of failing code: what is kept of them, and what a generated test makes of it."""

from __future__ import annotations

import json
import uuid

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models
from django.http import QueryDict
from django.test import RequestFactory, override_settings
from django.test.utils import isolate_apps
from django.urls import ResolverMatch
from django.utils.datastructures import MultiValueDict

from error_tracking.capture import rows as capture_rows
from error_tracking.capture.rows import ITEMS, ROWS, RowReader
from error_tracking.models import ErrorGroup, ErrorLog, KnownBug
from error_tracking.report.known_names import KnownNames, PublicNames
from error_tracking.report.row_builder import model_of, rows_of, value_source
from error_tracking.report.setup import Row


def saved(instance):
    """Return *instance* as if it came from the database."""
    instance._state.adding = False
    return instance


def read(request=None, arguments=dict, **variables):
    reader = RowReader(request, arguments)
    reader.read(variables)
    return json.loads(json.dumps(reader.rows()))


def request_with(path="/", *, kwargs=None, body=None, form=None, files=None):
    factory = RequestFactory()
    if body is not None:
        request = factory.post(path, body, "application/json")
        assert request.body
    else:
        request = factory.get(path)
        assert request.GET is not None
    request.resolver_match = ResolverMatch(print, (), kwargs or {})
    if form is not None:
        request._post = QueryDict(form)
    if files is not None:
        request._files = MultiValueDict(files)
    return request


class TestReader:
    def test_kinds_of_columns_are_kept_and_no_value(self):
        user = saved(
            User(pk=7, username="Anna", email="", last_login=None, is_staff=True)
        )
        [row] = read(user=user, other="Anna", count=7)
        assert (row["model"], row["name"]) == ("auth.User", "user")
        assert "Anna" not in str(row)
        assert "password" not in row["columns"]
        assert row["columns"] == {
            "id": "set",
            "last_login": "null",
            "is_superuser": "false",
            "username": "set",
            "first_name": "empty",
            "last_name": "empty",
            "email": "empty",
            "is_staff": "true",
            "is_active": "true",
            "date_joined": "set",
        }
        assert row["links"] == {}

    @isolate_apps("django.contrib.auth")
    def test_numbers_and_choices_have_kinds_of_their_own(self):
        class Order(models.Model):
            state = models.CharField(choices=[("open", "Open"), ("paid", "Paid")])
            amount = models.DecimalField(max_digits=5, decimal_places=2)
            rank = models.IntegerField()

            class Meta:
                app_label = "auth"

        kinds = [
            read(order=saved(Order(pk=1, state=state, amount=amount, rank=rank)))
            for state, amount, rank in (("paid", 0, -3), ("Anna", -1.5, 3))
        ]
        assert [row["columns"] for [row] in kinds] == [
            {"id": "set", "state": "=paid", "amount": "zero", "rank": "negative"},
            {"id": "set", "state": "set", "amount": "negative", "rank": "set"},
        ]

    def test_rows_that_refer_to_each_other_are_numbered(self):
        kind = saved(ContentType(pk=3, app_label="shop", model="order"))
        permission = saved(Permission(pk=4, name="x", content_type=kind))
        alone = saved(Permission(pk=5, name="x", content_type_id=9))
        rows = read(permission=permission, alone=alone)
        assert [row["name"] for row in rows] == ["permission", "content_type", "alone"]
        assert rows[0]["columns"]["content_type"] == "row 1"
        assert rows[2]["columns"]["content_type"] == "set"

    def test_what_is_not_saved_is_no_row_but_what_it_refers_to_is(self):
        kind = saved(ContentType(pk=3, app_label="shop", model="order"))
        new = Permission(name="x", content_type=kind)
        kind._state.fields_cache = {"permission": new}
        assert [row["name"] for row in read(new=new)] == ["content_type"]
        one, other = Permission(name="x"), Permission(name="y")
        one._state.fields_cache = {"other": other}
        other._state.fields_cache = {"one": one}
        assert read(one=one) == []

    def test_lists_and_evaluated_querysets_are_read_and_no_other(self):
        groups = [saved(Group(pk=number, name=str(number))) for number in range(9)]
        evaluated, empty, lazy = (
            Group.objects.all(),
            User.objects.all(),
            Group.objects.all(),
        )
        evaluated._result_cache, empty._result_cache = groups, []
        rows = read(
            evaluated=evaluated, empty=empty, lazy=lazy, texts=["Anna"], none=[]
        )
        assert [row["name"] for row in rows] == ["evaluated_item"] * ITEMS + ["empty"]
        assert rows[-1] == {
            "model": "auth.User",
            "name": "empty",
            "count": 0,
            "columns": {},
            "links": {},
        }
        values = Group.objects.values("name")
        values._result_cache, values.model = [], "Anna"
        assert read(values=values) == []

    def test_attributes_of_objects_are_read_one_level_deep(self):
        class View:
            def __init__(self, **values):
                self.__dict__.update(values)

        group = saved(Group(pk=1, name="x"))
        inner = View(group=group)
        view = View(_object=group, inner=inner, text="Anna")
        assert [row["name"] for row in read(self=view, again=view)] == ["object"]
        assert read(self=View(inner=inner)) == []

    def test_there_are_bounds(self, monkeypatch):
        groups = [saved(Group(pk=number, name="x")) for number in range(ROWS * 2)]
        assert len(read(**{f"g{group.pk}": group for group in groups})) == ROWS
        monkeypatch.setattr(capture_rows, "MODELS", 1)
        assert len(read(a=groups[0], b=saved(User(pk=1)), c=groups[1])) == 3

    def test_own_models_and_other_classes_are_no_rows(self):
        class Odd:
            _meta = "Anna"

        assert read(log=saved(ErrorLog()), odd=Odd(), cls=Odd) == []

    def test_secret_columns_are_read_anew_when_the_settings_change(self):
        group = saved(Group(pk=1, name="x"))
        assert "name" in read(group=group)[0]["columns"]
        with override_settings(ERROR_TRACKING={"SCRUB_KEYS": ["name"]}):
            assert "name" not in read(group=group)[0]["columns"]
        assert "name" in read(group=group)[0]["columns"]


class TestLinks:
    """Which value that was sent found a row."""

    @pytest.mark.parametrize(
        ("request_values", "link"),
        [
            ({"kwargs": {"pk": 7}}, "kwargs.pk"),
            ({"kwargs": {"group": "7"}}, "kwargs.group"),
            ({"path": "/?id=7"}, "query.id"),
            ({"form": "amount=7&group_id=7"}, "body.group_id"),
            ({"form": "a=7&b=7"}, "body.a"),
            ({"body": '{"id": 7}'}, "body.id"),
            ({"body": '{"query": "x", "variables": {"id": "7"}}'}, "variables.id"),
            ({"body": '{"query": "{ group(pk: 7) { name } }"}'}, "literals.pk"),
            ({"body": '{"query": "{ group(pk: \\"7\\") { name } }"}'}, "literals.pk"),
            ({"body": "{malformed", "kwargs": {"pk": 7}}, "kwargs.pk"),
            ({"body": '{"pk": [7], "x": true, "y": {}, "z": 8}'}, "body.pk"),
            ({"body": '["pk", 7]'}, None),
            ({"kwargs": {"pk": "7" * 99}}, None),
        ],
    )
    def test_key_of_a_row_is_found(self, request_values, link):
        group = saved(Group(pk=7, name="x"))
        [row] = read(request_with(**request_values), group=group)
        assert row["links"].get("id") == link

    def test_cell_of_an_uploaded_table_is_found(self):
        table = SimpleUploadedFile("a.csv", b"sku;name\n1;Anna Bauer\n")
        request = request_with(files={"file": [table]})
        [row] = read(request, group=saved(Group(pk=9, name="Anna Bauer")))
        assert row["links"] == {"name": "files.0.1.name"}

    def test_argument_of_a_task_is_found(self):
        group = saved(Group(pk=7, name="Anna"))
        arguments = {"attempt": 7, "group_id": 7, "name": "Anna", 3: "x"}
        [row] = read(None, lambda: arguments, group=group)
        assert row["links"] == {"id": "body.group_id", "name": "body.name"}

    def test_arguments_that_cannot_be_read_cost_the_links_only(self):
        def fail():
            raise ValueError

        [row] = read(None, fail, group=saved(Group(pk=7, name="Anna")))
        assert row["links"] == {}
        assert read(None, lambda: None, group=saved(Group(pk=7)))[0]["links"] == {}

    def test_short_text_of_another_column_is_no_link(self):
        user = saved(User(pk=7, first_name="A", last_name="Anna", username="u"))
        request = request_with(form="a=A&b=Anna&c=u")
        [row] = read(request, user=user)
        assert row["links"] == {"last_name": "body.b", "username": "body.c"}

    def test_other_types_of_keys_are_found(self):
        key = uuid.UUID(int=5)
        [row] = read(
            request_with(kwargs={"key": key}),
            session=saved(Session(session_key=str(key))),
        )
        # The key of a session is a secret by its name.
        assert row["links"] == {}


# What the request sent, and the local variables.
NAMES = PublicNames(
    KnownNames(
        frozenset(
            {
                *("pk", "name", "username", "number"),
                *("it", "a", "b", "bug", "item", "kind", "for"),
            }
        )
    )
)


def built(*recorded, message="", type="", **shapes):
    log = ErrorLog(exception_message=message, exception_type=type)
    return rows_of(log, {"rows": list(recorded)}, NAMES, shapes)


def row(label, variable="it", links=None, /, **columns):
    return {"model": label, "name": variable, "columns": columns, "links": links or {}}


class TestBuilder:
    def test_columns_have_values_of_their_kinds(self):
        [made] = built(
            row(
                "auth.User",
                last_login="set",
                first_name="empty",
                is_staff="true",
                username="null",
                unknown="null",
                id="zero",
                is_active="false",
                email="Anna",
            )
        )
        assert made == Row(
            "it",
            "auth.User",
            (
                ("last_login", '"2026-01-31T12:30:00+00:00"'),
                ("first_name", '""'),
                ("is_staff", "True"),
                ("id", "0"),
                ("is_active", "False"),
            ),
        )

    def test_choice_is_kept_if_the_model_has_it(self):
        [made] = built(
            row("error_tracking.KnownBug", severity="=high", status="=Anna", kind="set")
        )
        assert made.columns == (("severity", '"high"'),)

    def test_nullable_columns_that_were_set_get_a_value(self):
        [made] = built(
            row(
                "error_tracking.KnownBug",
                first_occurrence="set",
                github_issue_number="set",
                assignee="set",
            )
        )
        values = dict(made.columns)
        assert values["github_issue_number"] == "1"
        assert values["assignee"] == 'make_row("auth.User")'

    def test_rows_come_after_those_that_they_refer_to(self):
        made = built(
            row("auth.Permission", "item_item", content_type="row 1", codename="set"),
            row("contenttypes.ContentType", "kind"),
            row("auth.Permission", "for", content_type="row 7"),
        )
        assert [each.name for each in made] == ["kind", "item", "permission"]
        assert made[1].columns == (("content_type", "kind"),)
        assert made[2].columns == ()

    def test_row_that_refers_to_itself_is_changed_later(self):
        [made] = built(row("error_tracking.KnownBug", "bug", merged_into="row 0"))
        assert made.later == (("merged_into", "bug"),)

    def test_variable_with_an_unknown_name_has_that_of_its_model(self):
        [made] = built(row("auth.Group", "anna"))
        assert made.name == "group"

    def test_rows_in_a_circle_end(self):
        made = built(
            row("error_tracking.KnownBug", "bug", merged_into="row 1"),
            row("error_tracking.KnownBug", "bug", merged_into="row 0"),
        )
        assert [each.name for each in made] == ["bug", "knownbug"]
        assert len(made[0].columns) + len(made[1].columns) == 1

    def test_value_of_the_request_is_that_of_the_row_and_of_one_row_only(self):
        link = {"id": "kwargs.pk", "name": "literals.name"}
        made = built(
            row("auth.Group", "a", link, id="set", name="set"),
            row("auth.Group", "b", link, id="set", name="set"),
            kwargs={"pk": "digits:1000"},
            literals={"name": "text"},
        )
        assert made[0].columns == (("id", "1000"), ("name", '"example"'))
        assert made[1].columns == ()

    @pytest.mark.parametrize(
        "link", ["kwargs.pk", "kwargs", "", None, 7, "body.pk", "variables.pk"]
    )
    def test_link_to_nothing_is_left_out(self, link):
        [made] = built(
            row("auth.Group", "a", {"id": link}, id="set"),
            kwargs={"pk": ["digits"]},
            body=["digits"],
        )
        assert made.columns == ()

    @pytest.mark.parametrize(
        "stored",
        [
            {},
            {"model": "Anna", "columns": {}},
            {"model": "auth.Anna", "columns": {}},
            {"model": "auth.User", "columns": "Anna"},
            {"model": "auth.User", "count": 0, "columns": {}},
            "Anna",
        ],
    )
    def test_what_is_stored_may_be_anything(self, stored):
        assert built(stored) == ()
        log = ErrorLog(exception_message="", exception_type="")
        assert rows_of(log, {"rows": "Anna"}, NAMES, {}) == ()
        assert model_of("Anna") is None

    def test_several_rows_that_a_message_tells_of(self):
        message = "get() returned more than one Group -- it returned 3!"
        [made] = built(message=message, query={"name": "text", "id": "digits"})
        assert (made.times, made.columns) == (3, ())
        message = "get() returned more than one User -- it returned more than 20!"
        [made] = built(message=message, body={"first_name": "text"})
        assert (made.times, made.columns) == (5, (("first_name", '"example"'),))
        assert built(message=message.replace("User", "Anna")) == ()

    @pytest.mark.parametrize(
        "message",
        [
            "UNIQUE constraint failed: auth_group.name",
            'duplicate key value violates unique constraint "auth_group_name_key"',
            "(1062, \"Duplicate entry 'x' for key 'name'\")",
        ],
    )
    def test_row_that_is_in_the_way_is_created(self, message):
        made = built(
            message=message, type="django.db.IntegrityError", body={"name": "text"}
        )
        columns = dict(made[0].columns)
        assert columns == {"name": '"example"'}
        assert built(message=message, type="django.db.IntegrityError") == ()
        assert built(message="FOREIGN KEY", type="django.db.IntegrityError") == ()

    @pytest.mark.parametrize(
        ("field", "value", "source"),
        [
            (models.IntegerField(), 3, "3"),
            (models.IntegerField(), "Anna", ""),
            (models.CharField(), 'a"\\', '"a\\"\\\\"'),
            (models.DecimalField(), "1.5", "1.5"),
            (models.FloatField(), "Anna", ""),
            (models.DateField(), "2026-01-31", ""),
            (ErrorGroup._meta.get_field("bug"), "1", ""),
            (KnownBug._meta.get_field("uuid"), "x", '"x"'),
        ],
    )
    def test_value_is_written_as_the_field_takes_it(self, field, value, source):
        assert value_source(value, field) == source
