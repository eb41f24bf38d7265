"""What a statement gets in place of a plain value: text that is JSON already, a value for each row."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.db.models import Case, Field, Value, When


class JsonText:
    """
    JSON text that a column takes as it is: what Django calls a compilable.

    Decoding it only to have it encoded again would take longer than the rest of
    a row. Rows with one go in as plain values and not as ``UNNEST``, for which
    psycopg escapes text in Python.
    """

    def __init__(self, text: str) -> None:
        """Keep *text*."""
        self.text = text

    def as_sql(self, _compiler: object, _connection: object) -> tuple[str, list[str]]:
        """Return a placeholder and the text."""
        return "%s", [self.text]


def by_key(values: dict[Any, Any], field: Field[Any, Any], *, name: str = "pk", default: Any = None) -> Any:  # noqa: ANN401  expressions have no common type
    """
    Return the expression of an UPDATE that gives each row a value of its own.

    Args:
        values: The value for each *name*; those that are equal share a condition.

        field: What the values are.

        name: The column that tells the rows apart.

        default: The expression for rows that are not among *values*.
    """
    keys: dict[Any, list[Any]] = defaultdict(list)
    for key, value in values.items():
        keys[value].append(key)
    if len(keys) == 1 and default is None:
        return Value(next(iter(keys)), output_field=field)
    cases = [When(**{f"{name}__in": found}, then=Value(value, output_field=field)) for value, found in keys.items()]
    return Case(*cases, default=default, output_field=field)
