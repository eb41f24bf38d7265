"""Turns what was recorded of rows into the rows that a generated test creates."""

from __future__ import annotations

import keyword
import re
from typing import Any

from django.apps import apps
from django.db import models

from error_tracking.models import ErrorLog

from .known_names import PublicNames, is_personal
from .placeholders import Shape, placeholder_for
from .setup import Row

ROWS = 8
MOST_FOUND = 5
# Of Django: "get() returned more than one Check -- it returned 2!"
_MULTIPLE = re.compile(
    r"returned more than one (\w+) -- it returned (\d+|more than \d+)"
)
# Of SQLite: "UNIQUE constraint failed: stock_partner.code"
_UNIQUE_SQLITE = re.compile(r"UNIQUE constraint failed: (\w+)\.(\w+)")
# Of PostgreSQL: 'violates unique constraint "stock_partner_code_key"'
_UNIQUE_POSTGRES = re.compile(r'violates unique constraint "(\w+)"')
# Of MariaDB and MySQL: "Duplicate entry '…' for key 'stock_partner.code'"
_UNIQUE_MYSQL = re.compile(r"for key '(?:\w+\.)?(\w+)'")
_SOURCES = {
    "null": "None",
    "true": "True",
    "false": "False",
    "zero": "0",
    "negative": "-1",
    "empty": '""',
}


def rows_of(
    log: ErrorLog,
    stored: dict[str, Any],
    names: PublicNames,
    shapes: dict[str, Shape],
) -> tuple[Row, ...]:
    """
    Return the rows that a test needs, in an order that their relations allow.

    Args:
        log: The stored error, whose message may name rows.
        stored: The recorded set-up.
        names: Which names of the request may leave.
        shapes: Those of ``kwargs``, ``query`` and ``body``.
    """
    rows = _Rows(names, shapes)
    given = stored.get("rows")
    if isinstance(given, list):
        rows.add_recorded([each for each in given if isinstance(each, dict)][:ROWS])
    rows.add_named_by(log)
    return tuple(rows.found)


def model_of(label: str) -> Any:
    """Return the model, None where the project has none of that name."""
    try:
        return apps.get_model(label)
    except (LookupError, ValueError):
        return None


class _Rows:
    """The rows of one test."""

    def __init__(self, names: PublicNames, shapes: dict[str, Shape]) -> None:
        self.found: list[Row] = []
        self._names = names
        self._shapes = shapes
        self._variables: dict[int, str] = {}
        self._unique: set[tuple[str, str, str]] = set()
        self._taken = {"data", "self", "response", "client", "token", "user"}

    def add_recorded(self, recorded: list[dict[str, Any]]) -> None:
        """Add the rows that local variables had; those that others refer to first."""
        usable = {
            number: row
            for number, row in enumerate(recorded)
            if model_of(str(row.get("model"))) is not None and row.get("count") != 0
        }
        for number in usable:
            self._add(number, usable, ())

    def _add(
        self, number: int, usable: dict[int, dict[str, Any]], above: tuple[int, ...]
    ) -> None:
        if number in self._variables or number in above or number not in usable:
            return
        row = usable[number]
        columns = row.get("columns")
        if not isinstance(columns, dict):
            return
        for kind in columns.values():
            referred = _referred(kind)
            if referred is not None:
                self._add(referred, usable, (*above, number))
        self._append(number, row, columns)

    def _append(
        self, number: int, row: dict[str, Any], columns: dict[str, Any]
    ) -> None:
        model = model_of(str(row["model"]))
        variable = self._variable(str(row.get("name")), model)
        links = row.get("links")
        fields = {field.name: field for field in model._meta.concrete_fields}
        now: list[tuple[str, str]] = []
        later: list[tuple[str, str]] = []
        for name, kind in columns.items():
            field = fields.get(name)
            if field is None:
                continue
            link = links.get(name) if isinstance(links, dict) else None
            referred = _referred(kind)
            if referred is not None:
                if referred == number:
                    later.append((name, variable))
                elif referred in self._variables:
                    now.append((name, self._variables[referred]))
                continue
            source = self._linked_source(link, field) or _source(kind, field)
            if source and not self._is_taken(field, source):
                now.append((name, source))
        self._variables[number] = variable
        self.found.append(Row(variable, model._meta.label, tuple(now), tuple(later)))

    def _is_taken(self, field: Any, source: str) -> bool:
        """Return whether another row has the value already that must be unique."""
        if not field.unique or source == "None":
            return False
        key = (field.model._meta.label, field.name, source)
        if key in self._unique:
            return True
        self._unique.add(key)
        return False

    def _variable(self, name: str, model: Any) -> str:
        base = name.removesuffix("_item")
        is_free = base.isidentifier() and not keyword.iskeyword(base)
        # An object may have attributes that a visitor named.
        if not is_free or base in self._taken or not self._names.knows(base):
            base = model._meta.model_name
        variable, number = base, 1
        while variable in self._taken:
            number += 1
            variable = f"{base}_{number}"
        self._taken.add(variable)
        return variable

    def _linked_source(self, link: Any, field: Any) -> str:
        """Return the value that the test's own request has for *field*, if it has one."""
        part, _, name = str(link or "").partition(".")
        shape = self._shapes.get(part)
        if not isinstance(shape, dict):
            return ""
        kind = shape.get(self._names.name(name), shape.get(name))
        if not isinstance(kind, str):
            return ""
        return value_source(placeholder_for(kind), field)

    def add_named_by(self, log: ErrorLog) -> None:
        """Add the rows that the exception's message tells of."""
        message = log.exception_message
        multiple = _MULTIPLE.search(message)
        if multiple is not None:
            model = _model_named(multiple[1])
            if model is not None:
                digits = multiple[2].rpartition(" ")[2]
                self._add_looked_up(model, min(int(digits), MOST_FOUND))
        if "IntegrityError" in log.exception_type:
            self._add_conflicting(message)

    def _add_looked_up(self, model: Any, count: int) -> None:
        columns = []
        for field in model._meta.concrete_fields:
            source = self._requested(field)
            if source and not field.unique:
                columns.append((field.name, source))
        name = self._variable(model._meta.model_name, model)
        self.found.append(Row(name, model._meta.label, tuple(columns), (), count))

    def _add_conflicting(self, message: str) -> None:
        """Add a row that has the value already that must be unique."""
        field = _unique_field(message)
        if field is None:
            return
        source = self._requested(field)
        if not source:
            return
        model = field.model
        name = self._variable(model._meta.model_name, model)
        self.found.append(Row(name, model._meta.label, ((field.name, source),)))

    def _requested(self, field: Any) -> str:
        """Return the value that the test's request has under the name of *field*."""
        for part in ("kwargs", "query", "body", "variables", "literals"):
            shape = self._shapes.get(part)
            if isinstance(shape, dict) and isinstance(shape.get(field.name), str):
                return value_source(placeholder_for(shape[field.name]), field)
        return ""


def _referred(kind: Any) -> int | None:
    """Return the number of the row that a relation refers to, None for anything else."""
    word, _, number = str(kind).partition(" ")
    if word == "row" and number.isdecimal():
        return int(number)
    return None


def _source(kind: Any, field: Any) -> str:
    """Return Python for a column of *kind*, ``""`` where any value will do."""
    text = str(kind)
    if text.startswith("="):
        value = text.removeprefix("=")
        if is_personal(field.name):
            # A choice that says something about a person: any other will do.
            return ""
        if value in {str(choice) for choice, _label in field.flatchoices}:
            return value_source(value, field)
        return ""
    if text == "null" and not field.null:
        return ""
    if text == "set":
        return _set_source(field)
    return _SOURCES.get(text, "")


def _set_source(field: Any) -> str:
    """Return a value for a column that is not NULL, where NULL is its default."""
    if not field.null or field.has_default():
        return ""
    if field.is_relation:
        related = field.remote_field.model._meta.label
        return f"make_row({related!r})".replace("'", '"')
    if isinstance(field, models.DateTimeField):
        return '"2026-01-31T12:30:00+00:00"'
    if isinstance(field, models.DateField):
        return '"2026-01-31"'
    return value_source("1", field)


def value_source(value: Any, field: Any) -> str:
    """Return *value*, a placeholder, as Python that fits *field*; ``""`` if none does."""
    if field.is_relation:
        return ""
    text = str(value)
    if isinstance(field, models.IntegerField | models.AutoField):
        return text if re.fullmatch(r"-?\d+", text) else ""
    if isinstance(field, models.CharField | models.TextField | models.UUIDField):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(field, models.DecimalField | models.FloatField):
        return text if re.fullmatch(r"-?\d+(\.\d+)?", text) else ""
    return ""


def _model_named(name: str) -> Any:
    """Return the only model with the class *name*, None where there are several."""
    found = [model for model in apps.get_models() if model.__name__ == name]
    return found[0] if len(found) == 1 else None


def _unique_field(message: str) -> Any:
    """Return the field whose values must differ, as a database names it; else None."""
    sqlite = _UNIQUE_SQLITE.search(message)
    index = _UNIQUE_POSTGRES.search(message) or _UNIQUE_MYSQL.search(message)
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            table, column = model._meta.db_table, field.column
            if sqlite is not None and (table, column) == (sqlite[1], sqlite[2]):
                return field
            if index is None or not field.unique:
                continue
            if index[1] == column or index[1].startswith(f"{table}_{column}_"):
                return field
    return None
