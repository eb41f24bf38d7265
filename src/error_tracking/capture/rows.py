"""
Reads which rows the failing code had, as kinds: NULL, empty, zero, negative or set.

A generated test needs rows like them. Only model instances that local variables hold
are looked at, by their own ``__dict__``, and results that a QuerySet already has: no
query is made and no lazy value is read. Of a value nothing is kept but its kind; text
of a field with choices is kept, because the project's code has it.
"""

from __future__ import annotations

import decimal
import json
import re
import uuid
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.signals import setting_changed

from error_tracking import conf
from error_tracking.scrubbing.descriptions import (
    class_attribute,
    full_name,
    instance_dict,
)
from error_tracking.setting_rules import NAME as SETTINGS_NAME
from error_tracking.utils import type_ids

from .data_files import cells_of
from .request_context import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

# What a person would write into the set-up of one test.
ROWS = 8
COLUMNS = 40
# Of one QuerySet or list: a second one shows what differs.
ITEMS = 2
# Attributes of a view, a form or a request that may hold an instance.
ATTRIBUTES = 30
OBJECTS = 6
CHOICES = 200
# Longer values of a request are texts, which no column is looked up by.
LOOKUP_CHARS = 60
LOOKUPS = 40
BODY_BYTES = 4_096
FILES = 3
# A metaclass of the project may have a hash of its own: classes are known by identity.
_NUMBERS = type_ids(int, float, decimal.Decimal)
_PLAIN = type_ids(str, bytes, int, bool, float, dict, type(None), decimal.Decimal)
_LOOKED_UP = type_ids(str, int, uuid.UUID)
# More than any project has.
MODELS = 2_000
# Of a GraphQL query: 'upc: "4711"' or "first: 3".
_LITERAL = re.compile(
    rf'\b(\w{{1,60}}+)\s{{0,5}}+:\s{{0,5}}(?:"([^"\\\n]{{1,{LOOKUP_CHARS}}})"|(-?\d{{1,18}}))'
)


class _Column(NamedTuple):
    attname: str
    name: str
    related: str  # the model that a relation refers to
    choices: frozenset[str]
    is_key: bool  # a row may be looked up by it

    def is_called(self, name: str) -> bool:
        return name in {self.name, self.attname}


class _Model(NamedTuple):
    label: str
    key: str
    columns: tuple[_Column, ...]

    def is_called(self, name: str) -> bool:
        """Return whether *name* is that of an argument with the key of a row."""
        own = self.label.rpartition(".")[2].lower()
        return name.lower() in {"pk", "id", own, f"{own}_id", f"{own}_pk", f"{own}id"}


_models: dict[int, tuple[type, _Model | None]] = {}


class RowReader:
    """Collects the rows of one failure, the innermost frame's first."""

    def __init__(
        self,
        request: HttpRequest | None,
        arguments: Callable[[], object] = dict,
    ) -> None:
        """
        Start without rows.

        Args:
            request: The request it happened in, None outside any.
            arguments: Returns those of the task it happened in, by name.

        """
        self._request = request
        self._arguments = arguments
        self._rows: dict[tuple[str, object], dict[str, Any]] = {}
        self._counts: list[dict[str, Any]] = []
        self._objects_left = OBJECTS
        self._seen: set[int] = set()
        self._lookups: dict[str, list[str]] | None = None

    def read(self, variables: dict[str, Any]) -> None:
        """Read the rows among the local *variables* of one frame."""
        for name, value in variables.items():
            self._read_value(name, value)

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows as plain data; what they refer to by its number, if known."""
        numbers = {key: number for number, key in enumerate(self._rows)}
        found = []
        for row in self._rows.values():
            columns = dict(row["columns"])
            for name, (label, key) in row["relations"].items():
                columns[name] = "set"
                if (label, key) in numbers:
                    columns[name] = f"row {numbers[label, key]}"
            found.append({**row, "columns": columns})
            del found[-1]["relations"]
        return found + self._counts

    def _read_value(self, name: str, value: Any) -> None:
        kind = type(value)
        if id(kind) in _PLAIN or len(self._rows) >= ROWS:
            return
        if kind is list or kind is tuple:
            self._read_items(name, value)
        elif _model_of(kind) is not None:
            self._add(name, value)
        elif id(value) not in self._seen:
            # Several frames have the same request or view.
            self._seen.add(id(value))
            own = instance_dict(value)
            if "_result_cache" in own:
                self._read_queryset(name, own)
            elif own and self._objects_left > 0:
                self._objects_left -= 1
                self._read_attributes(own)

    def _read_attributes(self, own: dict[str, Any]) -> None:
        """Read the rows that an object holds: a view, a form, a request."""
        for attribute, inner in islice(own.items(), ATTRIBUTES):
            kind = type(inner)
            is_row = id(kind) not in _PLAIN and _model_of(kind) is not None
            if is_row and type(attribute) is str:
                self._add(attribute.strip("_"), inner)

    def _read_items(self, name: str, items: Any) -> None:
        for item in items[:ITEMS]:
            if _model_of(type(item)) is None:
                return
            self._add(f"{name}_item", item)

    def _read_queryset(self, name: str, own: dict[str, Any]) -> None:
        results: Any = own["_result_cache"]
        model: Any = own.get("model")
        if type(results) is not list or not issubclass(type(model), type):
            return
        known = _model_of(model)
        if known is None:
            return
        if not results:
            row = {"model": known.label, "name": name, "count": 0}
            self._counts.append({**row, "columns": {}, "links": {}})
        self._read_items(name, results)

    def _add(self, name: str, instance: Any) -> None:
        model, own = _model_of(type(instance)), instance_dict(instance)
        if model is None or "_state" not in own or len(self._rows) >= ROWS:
            return
        if instance_dict(own["_state"]).get("adding") is not False:
            # Not saved: what the code was about to create, and no row.
            if id(instance) not in self._seen:
                self._seen.add(id(instance))
                self._add_related(own)
            return
        value = own.get(model.key)
        key = (model.label, value if id(type(value)) in _LOOKED_UP else None)
        if key not in self._rows:
            self._rows[key] = self._row(name, model, own)
            self._add_related(own)

    def _row(self, name: str, model: _Model, own: dict[str, Any]) -> dict[str, Any]:
        """Return the instance with the attributes *own*, what it refers to by key."""
        if self._lookups is None:
            self._lookups = guarded(
                _lookups, self._request, self._arguments, default={}
            )
        columns: dict[str, str] = {}
        relations: dict[str, tuple[str, object]] = {}
        links: dict[str, str] = {}
        for column in model.columns:
            if column.attname not in own:
                continue
            value = own[column.attname]
            if column.related and value is not None:
                relations[column.name] = (column.related, value)
                continue
            columns[column.name] = _kind(value, column.choices)
            link = self._link(column, model, value)
            if link:
                links[column.name] = link
        return {
            "model": model.label,
            "name": name,
            "columns": columns,
            "links": links,
            "relations": relations,
        }

    def _add_related(self, own: dict[str, Any]) -> None:
        """Read the related rows that an instance has already loaded."""
        loaded = instance_dict(own["_state"]).get("fields_cache")
        if type(loaded) is not dict:
            return
        for name, related in islice(loaded.items(), ATTRIBUTES):
            if type(name) is str and _model_of(type(related)) is not None:
                self._add(name, related)

    def _link(self, column: _Column, model: _Model, value: Any) -> str:
        """Return where the request had the value of *column*, such as ``kwargs.slug``."""
        kind = type(value)
        if id(kind) not in _LOOKED_UP or not self._lookups:
            return ""
        places = self._lookups.get(str(value)[: LOOKUP_CHARS + 1], ())
        is_distinct = kind is uuid.UUID or (kind is str and len(value) > 1)
        for place in places:
            if column.is_called(place.rpartition(".")[2]):
                return place
        for place in places:
            if column.is_key and model.is_called(place.rpartition(".")[2]):
                return place
        if places and (column.is_key or is_distinct):
            return places[0]
        return ""


def _kind(value: Any, choices: frozenset[str]) -> str:
    """Return what is kept of a column's *value*."""
    kind = type(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is str:
        if not value:
            return "empty"
        return f"={value}" if value in choices else "set"
    if id(kind) in _NUMBERS:
        if value == 0:
            return "zero"
        return "negative" if value < 0 else "set"
    return "set"


def _model_of(cls: type) -> _Model | None:
    """Return what is needed of a model's class, None for any other class."""
    # By identity: a metaclass of the project may have a hash of its own.
    known = _models.get(id(cls))
    if known is not None:
        return known[1]
    if len(_models) >= MODELS:
        _models.clear()
    model = _read_model(cls)
    _models[id(cls)] = cls, model
    return model


def _read_model(cls: type) -> _Model | None:
    options = class_attribute(cls, "_meta")
    if full_name(type(options)) != "django.db.models.options.Options":
        return None
    if options.app_label == "error_tracking":
        return None
    is_secret = conf.get_scrubber().is_secret_key
    columns = []
    for field in options.concrete_fields[:COLUMNS]:
        if is_secret(field.name):
            continue
        related = ""
        if field.is_relation and field.remote_field is not None:
            related = field.remote_field.model._meta.label
        columns.append(
            _Column(
                field.attname,
                field.name,
                related,
                _choices_of(field),
                is_key=field.unique,
            )
        )
    return _Model(options.label, options.pk.attname, tuple(columns))


def _choices_of(field: Any) -> frozenset[str]:
    """Return the texts that the project's code has as choices of *field*."""
    # Choices that a function makes have a type of their own.
    if type(field.choices) is not list:
        return frozenset()
    values = [value for value, _label in field.flatchoices[:CHOICES]]
    return frozenset(value for value in values if type(value) is str)


def _lookups(
    request: HttpRequest | None, arguments: Callable[[], object]
) -> dict[str, list[str]]:
    """Return the short values that were sent, each with where it was found."""
    parts: list[tuple[str, Any]] = [("body", arguments())]
    if request is not None:
        parts = _parts_of(request)
    found: dict[str, list[str]] = {}
    for part, values in parts:
        if not issubclass(type(values), dict):
            continue
        for name, value in islice(dict.items(values), LOOKUPS):
            text = _short_text(value)
            if text and type(name) is str:
                found.setdefault(text, []).append(f"{part}.{name}")
    return found


def _parts_of(request: HttpRequest) -> list[tuple[str, Any]]:
    """Return the mappings that *request* has already parsed, by the names of its parts."""
    attributes = request.__dict__
    match = attributes.get("resolver_match")
    parts: list[tuple[str, Any]] = [("kwargs", getattr(match, "kwargs", None))]
    for part, name in (("query", "GET"), ("body", "_post")):
        values = attributes.get(name)
        if values:
            parts.append((part, dict.copy(values)))
    raw = attributes.get("_body")
    if type(raw) is bytes and 0 < len(raw) <= BODY_BYTES and raw[:1] == b"{":
        body = guarded(json.loads, raw, default={})
        parts += [("body", body), ("variables", body.get("variables"))]
        parts.append(("literals", _literals_in(body.get("query"))))
    uploads = attributes.get("_files")
    if uploads:
        parts.append(("files", guarded(_cells_in, uploads, default={})))
    return parts


def _cells_in(uploads: Any) -> dict[str, str]:
    """Return the cells of uploaded tables, named like ``0.2.sku``: file, row, column."""
    found: dict[str, str] = {}
    for number, upload in enumerate(islice(uploads.values(), FILES)):
        for row, column, text in islice(cells_of(upload), LOOKUPS):
            found[f"{number}.{row}.{column}"] = text
    return found


def _literals_in(query: object) -> dict[str, str]:
    """Return the texts and numbers in a GraphQL query by the names of their arguments."""
    if type(query) is not str:
        return {}
    found: dict[str, str] = {}
    for name, text, number in _LITERAL.findall(query):
        found.setdefault(name, text or number)
    return found


def _short_text(value: Any) -> str:
    """Return the text of one value of a request, the last one of a list."""
    if type(value) is list and value:
        value = value[-1]
    if id(type(value)) not in _LOOKED_UP:
        return ""
    text = str(value)
    if len(text) > LOOKUP_CHARS:
        return ""
    return text


def _forget(*, setting: str, **_kwargs: object) -> None:
    """Forget which columns are secret under other settings."""
    if setting == SETTINGS_NAME:
        _models.clear()


setting_changed.connect(_forget, dispatch_uid="error_tracking.rows")
