"""
Explains database errors: one sentence for what is wrong, one for what to do.

For commands, the log, ``health()`` and the doctor, which all use the same sentences.
The drivers' error codes decide; their English texts only where they have no code.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import Error, InterfaceError, OperationalError, connections
from django.utils.connection import ConnectionDoesNotExist

# A driver's own text is shown on one line together with our sentences.
LONGEST_DETAIL = 200


@dataclasses.dataclass(frozen=True, slots=True)
class DatabaseProblem:
    """
    A database error that has a plain meaning.

    Attributes:
        kind: The name of its :class:`Kind`, such as ``"no table"``.

        what: What is wrong, a sentence without its full stop.

        remedy: What to do, one sentence.

    """

    kind: str
    what: str
    remedy: str

    def __str__(self) -> str:
        """Return both sentences."""
        return f"{self.what}. {self.remedy}"


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of database error: how it is recognised, and what is written about it.

    Attributes:
        what, remedy: The sentences, with the names of values in braces.

        codes: SQLSTATEs of PostgreSQL (appendix A of its manual), and error numbers of
            MySQL and MariaDB.

        phrases: What the texts of SQLite contain, and of a connection that was never
            made: these have no code.

    """

    name: str
    what: str
    remedy: str
    codes: frozenset[str] = frozenset()
    phrases: tuple[str, ...] = ()


#: In this order: the first kind that matches is the one.
KINDS = (
    Kind(
        "no table",
        "The table {name} is missing in database {alias}",
        "Run manage.py migrate{option}.",
        frozenset({"42P01", "1146"}),
        ("no such table",),
    ),
    Kind(
        "no column",
        "The table {table} has no column {name} in database {alias}",
        "Run manage.py migrate{option}.",
        frozenset({"42703", "1054"}),
        ("no such column", "has no column named"),
    ),
    Kind(
        "login",
        "Database {alias} refuses the login: {detail}",
        "Correct USER and PASSWORD in DATABASES.",
        frozenset({"28P01", "28000", "1045"}),
        ("authentication failed",),
    ),
    Kind(
        "no database",
        "Database {alias} does not exist or cannot be opened: {detail}",
        "Create it, or correct NAME in DATABASES.",
        frozenset({"3D000", "1049"}),
        ("unable to open database file", "file is not a database"),
    ),
    Kind(
        "privilege",
        "The user of database {alias} lacks a privilege: {detail}",
        "Grant SELECT, INSERT, UPDATE and DELETE on the error_tracking tables.",
        frozenset({"42501", "1044", "1142", "1143", "1227", "1370"}),
        ("permission denied",),
    ),
    Kind(
        "read-only",
        "Database {alias} is read-only",
        "Make it writable, or set ERROR_TRACKING['DATABASE'] to another database.",
        frozenset({"25006", "1290", "1792", "1836"}),
        ("readonly database", "read-only"),
    ),
    Kind(
        "full",
        "The disk of database {alias} is full",
        "Free some space.",
        frozenset({"53100", "3", "1021", "1114"}),
        ("disk is full", "no space left"),
    ),
    Kind(
        "crowded",
        "Database {alias} has no free connection",
        "Raise its limit, or lower the number of processes.",
        frozenset({"53300", "1040", "1203"}),
        ("too many clients", "couldn't get a connection"),
    ),
    Kind(
        "locked",
        "Database {alias} is locked by another process",
        "Retry, or check for a long transaction.",
        frozenset({"40001", "40P01", "55P03", "1205", "1213"}),
        ("is locked",),
    ),
    Kind(
        "disk",
        "The disk of database {alias} fails: {detail}",
        "Check the disk and its permissions.",
        frozenset({"58030", "1026"}),
        ("disk i/o error",),
    ),
    Kind(
        "damaged",
        "Database {alias} is damaged: {detail}",
        "Restore it from a backup.",
        frozenset({"XX001", "XX002"}),
        ("disk image is malformed",),
    ),
)
NO_DATABASE = next(kind for kind in KINDS if kind.name == "no database")
# Recognised by more than a code or a phrase.
AWAY = Kind(
    "away",
    "Database {alias} cannot be reached: {detail}",
    "Start it, or correct HOST and PORT in DATABASES.",
)
NO_SETTINGS = Kind(
    "no settings",
    "Database {alias} is not configured: {detail}",
    "Correct DATABASES, or ERROR_TRACKING['DATABASE'].",
)
# The sentences of "privilege" where it is known which one is missing.
NAMED_PRIVILEGE = Kind(
    "privilege",
    "The user {user} of database {alias} lacks the {verb} privilege on {table}",
    "GRANT {verb} ON {table} TO that user.",
)

_MISSING_TABLE = re.compile(r"(?:no such table: |relation |Table )[\"']?([\w.$]+)")
_MISSING_COLUMN = re.compile(
    r"(?:no such column: |has no column named |Unknown column |column )[\"']?([\w.$]+)"
)
_TABLE_OF_COLUMN = re.compile(
    r"(?:of relation \"(\w+)|table (\w+) has no column|[cC]olumn:? [\"']?(\w+)\.\w+)"
)
# MySQL and MariaDB name the privilege, the user and the table.
_DENIED = re.compile(
    r"(?P<verb>[A-Z]+)(?:, [A-Z, ]+)? command denied to user (?P<user>'[^']*'@'[^']*')"
    r" for (?:table|column \S+ in table) [`']?(?:[\w$]+[`']?\.[`']?)?(?P<table>\w+)"
)
# PostgreSQL names the table only.
_DENIED_ON = re.compile(r"permission denied for (?:table|relation|view) (?P<table>\w+)")


def problem_for(error: BaseException, alias: str) -> DatabaseProblem | None:
    """
    Return what *error*, raised by the database *alias*, means.

    Args:
        error: What Django raised; its ``__cause__`` is the driver's own error.
        alias: The key of ``DATABASES``, for the sentences.

    Returns:
        None where the error has no plain meaning, such as a mistake in a query.
    """
    kind = _kind_of(error)
    if kind is None:
        return None
    detail = _detail_of(error)
    values = {
        "alias": repr(alias),
        "option": "" if alias == "default" else f" --database {alias}",
        "detail": detail,
        "table": "that a query names",
        "name": "that a query names",
    }
    if kind.name == "no table":
        values["name"] = _first(_MISSING_TABLE, detail) or values["name"]
    elif kind.name == "no column":
        _, table = _statement_of(error)
        table = _first(_TABLE_OF_COLUMN, detail) or table
        values["table"] = table or values["table"]
        values["name"] = _first(_MISSING_COLUMN, detail) or values["name"]
    elif kind.name == "privilege":
        named = _missing_privilege(error, detail)
        if named:
            kind = NAMED_PRIVILEGE
            values.update(named)
    # A user that is not known leaves two blanks.
    what = " ".join(kind.what.format(**values).split())
    return DatabaseProblem(kind.name, what, kind.remedy.format(**values))


def _missing_privilege(error: BaseException, detail: str) -> dict[str, str]:
    """Return user, verb and table of a missing privilege, {} where they are unknown."""
    denied = _DENIED.search(detail)
    if denied is not None:
        return denied.groupdict()
    denied_on = _DENIED_ON.search(detail)
    verb, _ = _statement_of(error)
    if denied_on is None or not verb:
        return {}
    # PostgreSQL does not name the privilege: the statement that failed tells it.
    return {"user": "", "verb": verb, "table": denied_on["table"]}


def _first(pattern: re.Pattern[str], text: str) -> str:
    """Return the first group that matches in *text*, without a schema before it."""
    found = pattern.search(text)
    if found is None:
        return ""
    groups = [group for group in found.groups() if group]
    return groups[0].rpartition(".")[2]


def _kind_of(error: BaseException) -> Kind | None:
    if isinstance(error, (ConnectionDoesNotExist, ImproperlyConfigured)):
        return NO_SETTINGS if _is_about_databases(error) else None
    if not isinstance(error, Error):
        return None
    code = code_of(error)
    text = str(error).lower()
    for kind in KINDS:
        if code in kind.codes:
            return kind
        if not code and any(phrase in text for phrase in kind.phrases):
            return kind
    if 'database "' in text and "does not exist" in text:
        # PostgreSQL refuses the connection, which therefore has no code.
        return NO_DATABASE
    return AWAY if _is_away(error, code) else None


def _is_about_databases(error: BaseException) -> bool:
    """Return whether Django's own error is about an alias, an ENGINE or a driver."""
    if isinstance(error, ConnectionDoesNotExist):
        return True
    text = str(error)
    return "DATABASES" in text or "Error loading" in text


def _is_away(error: Error, code: str) -> bool:
    """Return whether the server cannot be reached, or has ended the connection."""
    if isinstance(error, InterfaceError):
        return True
    if code:
        # SQLSTATE classes 08 (connection) and 57P (operator intervention); MySQL's
        # client errors are 2000 to 2099.
        is_client_error = len(code) == 4 and code.startswith("20")
        return code.startswith(("08", "57P")) or is_client_error
    # A connection that was never made has no code. SQLite never has a code, and no
    # server either.
    is_sqlite = type(error.__cause__ or error).__module__ == "sqlite3"
    return isinstance(error, OperationalError) and not is_sqlite


def code_of(error: BaseException) -> str:
    """Return the driver's code for *error*, ``""`` where it has none."""
    cause = error.__cause__ or error
    if _has_number(cause):
        # It says more than the SQLSTATE that the error may have as well.
        return str(cause.args[0])
    return str(getattr(cause, "sqlstate", None) or "")


def _detail_of(error: BaseException) -> str:
    """Return the driver's own text on one line."""
    cause = error.__cause__ or error
    text = str(error)
    if _has_number(cause):
        text = str(cause.args[1])
    return " ".join(text.split())[:LONGEST_DETAIL].rstrip(".")


def _has_number(cause: BaseException) -> bool:
    """Return whether the error is PyMySQL's or mysqlclient's: number and text."""
    return len(cause.args) > 1 and isinstance(cause.args[0], int)


# Statements: PostgreSQL does not say which privilege is missing, and no driver which
# statement has failed. We note it on the exception.

_NOTE = "error_tracking statement: "
_STATEMENT = re.compile(
    r"\s*(?:(INSERT)\b.*?\bINTO|(UPDATE)|(DELETE) FROM|(SELECT)\b.*?\bFROM)"
    r"\s+[\"`]?(\w+)",
    re.IGNORECASE | re.DOTALL,
)


@contextlib.contextmanager
def noting_statements(alias: str) -> Iterator[None]:
    """Note on each database error which kind of statement failed, on which table."""
    with connections[alias].execute_wrapper(_note):
        yield


def _note(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
) -> Any:
    try:
        return execute(sql, params, many, context)
    except Error as error:
        found = _STATEMENT.match(str(sql))
        if found is not None:
            *verbs, table = found.groups()
            verb = next(verb for verb in verbs if verb)
            error.add_note(f"{_NOTE}{verb.upper()} {table}")
        raise


def _statement_of(error: BaseException) -> tuple[str, str]:
    """Return verb and table of the statement that failed, as they were noted."""
    for note in getattr(error, "__notes__", ()):
        if note.startswith(_NOTE):
            verb, _, table = note.removeprefix(_NOTE).partition(" ")
            return verb, table
    return "", ""
