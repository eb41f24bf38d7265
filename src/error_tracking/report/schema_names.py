"""
The names in the GraphQL schema that a view has: types, fields, arguments, enum values.

Found without a GraphQL library: the views of graphene, strawberry and ariadne are given
their schema by ``as_view(schema=…)``, and each has a graphql-core schema or is one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.conf import settings as django_settings
from django.urls import URLPattern

# The largest public schemas have some ten thousand names.
NAMES = 50_000
# Where a library keeps the schema of graphql-core.
_ATTRIBUTES = ("graphql_schema", "_schema")


def names_in_schema_of(pattern: URLPattern | None) -> frozenset[str]:
    """Return the names in the schema of the view at *pattern*; none where it has none."""
    if pattern is None:
        return frozenset()
    try:
        schema = _schema_of(pattern.callback)
        return frozenset(islice(_names(schema), NAMES))
    except Exception:  # noqa: BLE001  a lazy part of the project's schema may fail
        return frozenset()


def _schema_of(callback: Any) -> Any:
    """Return the graphql-core schema of a view, None where it has none."""
    arguments = getattr(callback, "view_initkwargs", None)
    given = arguments.get("schema") if isinstance(arguments, dict) else None
    is_graphene = getattr(callback, "view_class", None) is not None and given is None
    if is_graphene:
        given = _schema_in_settings(callback.view_class)
    for each in (given, *(getattr(given, name, None) for name in _ATTRIBUTES)):
        if isinstance(getattr(each, "type_map", None), dict):
            return each
    return None


def _schema_in_settings(view_class: Any) -> Any:
    """Return the schema that graphene's view has from the settings."""
    if not any(base.__module__.startswith("graphene") for base in view_class.__mro__):
        return None
    dotted = str(getattr(django_settings, "GRAPHENE", {}).get("SCHEMA", ""))
    module, _, name = dotted.rpartition(".")
    return getattr(sys.modules.get(module), name, None)


def _names(schema: Any) -> Iterator[str]:
    if schema is None:
        return
    for directive in schema.directives:
        yield directive.name
        yield from directive.args
    for name, kind in schema.type_map.items():
        yield name
        # Of an enum; a scalar has neither.
        yield from getattr(kind, "values", None) or ()
        fields = getattr(kind, "fields", None) or {}
        for field_name, field in fields.items():
            yield field_name
            # Those of an input object have no arguments.
            yield from getattr(field, "args", None) or ()
