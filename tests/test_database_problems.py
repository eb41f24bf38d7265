"""What a database error means in plain words: real errors of each database, raised and not built."""

from __future__ import annotations

import contextlib

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import (
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
    transaction,
)
from django.utils.connection import ConnectionDoesNotExist

from error_tracking.database_problems import noting_statements, problem_for
from error_tracking.models import ErrorLog


def error_of(sql, alias="default"):
    with (
        pytest.raises(Error) as caught,
        transaction.atomic(using=alias),
        connections[alias].cursor() as cursor,
    ):
        cursor.execute(sql)
    return caught.value


@pytest.fixture
def other():
    """A function that connects with other settings, and returns the error."""

    def connect(**changes):
        settings = {**connections.settings["default"], **changes}
        second = connections.create_connection("default")
        second.settings_dict = {**second.settings_dict, **settings}
        with pytest.raises(Error) as caught:
            second.ensure_connection()
        second.close()
        return caught.value

    return connect


@pytest.mark.django_db(transaction=True)
class TestRealErrors:
    def test_a_missing_table_is_named(self):
        problem = problem_for(error_of("SELECT * FROM no_such_thing"), "default")
        assert problem.kind == "no table"
        assert str(problem) == (
            "The table no_such_thing is missing in database 'default'. "
            "Run manage.py migrate."
        )

    def test_a_missing_column_is_named(self):
        error = error_of("SELECT colour FROM error_tracking_errorlog")
        problem = problem_for(error, "errors")
        assert problem.kind == "no column"
        assert "column colour in database 'errors'" in problem.what
        assert problem.remedy == "Run manage.py migrate --database errors."

    def test_a_database_that_is_not_there(self, other):
        name = "/nowhere/at/all.sqlite3" if connection.vendor == "sqlite" else "nowhere"
        assert problem_for(other(NAME=name), "default").kind == "no database"

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite is no server")
    def test_a_server_that_is_away(self, other):
        assert problem_for(other(HOST="127.0.0.1", PORT="1"), "default").kind == "away"

    def test_a_read_only_database(self):
        statements = {
            "sqlite": "PRAGMA query_only = 1",
            "postgresql": "SET default_transaction_read_only = on",
            "mysql": "SET SESSION TRANSACTION READ ONLY",
        }
        with connection.cursor() as cursor:
            cursor.execute(statements[connection.vendor])
        try:
            error = error_of("DELETE FROM error_tracking_errorlog")
        finally:
            connection.close()
        assert problem_for(error, "default").kind == "read-only"

    def test_a_mistake_in_a_query_has_no_plain_meaning(self):
        assert problem_for(error_of("SELEKT 1"), "default") is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionDoesNotExist("The connection 'x' doesn't exist."), "no settings"),
        (
            ImproperlyConfigured(
                "settings.DATABASES is improperly configured. Please supply the ENGINE value."
            ),
            "no settings",
        ),
        (
            ImproperlyConfigured("Error loading psycopg2 or psycopg module"),
            "no settings",
        ),
        (ImproperlyConfigured("The SECRET_KEY setting must not be empty."), None),
        (OperationalError("database is locked"), "locked"),
        (OperationalError("database or disk is full"), "full"),
        (OperationalError(1045, "Access denied for user 'x'"), "login"),
        (OperationalError(2006, "Server has gone away"), "away"),
        (OperationalError("couldn't get a connection after 30.00 sec"), "crowded"),
        (OperationalError(1142, "INSERT command denied to user 'x'"), "privilege"),
        (OperationalError('FATAL: database "shop" does not exist'), "no database"),
        (InterfaceError("connection already closed"), "away"),
        (DataError("value too long"), None),
        (IntegrityError("UNIQUE constraint failed"), None),
        (ValueError("not a database's"), None),
    ],
)
def test_errors_that_are_hard_to_provoke(error, kind):
    problem = problem_for(error, "default")
    assert (problem.kind if problem else None) == kind


class TestMissingPrivilege:
    def test_mysql_names_user_privilege_and_table(self):
        text = (
            "INSERT, UPDATE command denied to user 'shop'@'192.0.2.1' "
            "for table `main`.`error_tracking_errorlog`"
        )
        assert str(problem_for(OperationalError(1142, text), "default")) == (
            "The user 'shop'@'192.0.2.1' of database 'default' lacks the INSERT "
            "privilege on error_tracking_errorlog. "
            "GRANT INSERT ON error_tracking_errorlog TO that user."
        )

    @pytest.mark.django_db
    @pytest.mark.parametrize("is_noted", [True, False])
    def test_postgresql_names_the_table_and_the_statement_the_privilege(self, is_noted):
        def refuse(execute, sql, params, many, context):
            raise ProgrammingError(
                "permission denied for table error_tracking_errorlog"
            )

        noting = noting_statements("default") if is_noted else contextlib.nullcontext()
        with (
            pytest.raises(ProgrammingError) as caught,
            noting,
            connection.execute_wrapper(refuse),
        ):
            ErrorLog.objects.count()
        problem = problem_for(caught.value, "default")
        assert problem.kind == "privilege"
        expected = (
            "The user of database 'default' lacks the SELECT privilege on "
            "error_tracking_errorlog"
        )
        assert (problem.what == expected) == is_noted
        assert "permission denied" in problem.what or is_noted
