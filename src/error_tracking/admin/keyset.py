"""
Pages of a list that cost the same however far back they are, and count nothing.

A page begins where the one before it ended, at a value and a primary key, instead of
after so many rows: the database reads the rows of one page from an index.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.http import HttpRequest

AFTER = "after"
BEFORE = "before"
SEPARATOR = "~"


@dataclasses.dataclass(frozen=True, slots=True)
class Cursor:
    """A row's place in the order: its value and its primary key."""

    value: Any
    pk: int

    def __str__(self) -> str:
        value = self.value
        if isinstance(value, dt.datetime):
            value = value.isoformat()
        return f"{value}{SEPARATOR}{self.pk}"

    @classmethod
    def parse(cls, text: str, *, is_number: bool) -> Cursor | None:
        """Return the cursor that ``str()`` wrote as *text*, None if it is none."""
        value, separator, pk = text.rpartition(SEPARATOR)
        if not separator:
            return None
        try:
            key = int(pk)
            if is_number:
                return cls(int(value), key)
            moment = dt.datetime.fromisoformat(value)
            if timezone.is_aware(moment):
                # Past the last year in UTC is no time that a database knows.
                moment = moment.astimezone(dt.UTC)
        except (ValueError, OverflowError):
            return None
        if timezone.is_aware(moment) != django_settings.USE_TZ:
            return None
        return cls(moment, key)


class KeysetChangeList(ChangeList):
    """
    A list of the admin that is ordered by one column, the greatest first.

    Attributes:
        keyset: The column or annotation; never NULL.
        is_number: Whether its values are whole numbers; else they are times.
        own_params: What the query string has besides Django's filters.
        newer_url: The page before, ``""`` on the first one.
        older_url: The page after, ``""`` on the last one.

    """

    keyset = "created"
    is_number = False
    own_params: frozenset[str] = frozenset({AFTER, BEFORE})
    newer_url = ""
    older_url = ""

    def get_filters_params(self, params: Any = None) -> Any:
        """Return Django's own parameters: the others are no columns."""
        found = super().get_filters_params(params)
        # A form sends the filters that are not chosen, too.
        filters = {name: values for name, values in found.items() if any(values)}
        for name in self.own_params:
            filters.pop(name, None)
        return filters

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the order of the pages, which no parameter changes."""
        return [f"-{self.keyset}", "-pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Read one row more than fits, which shows whether there is another page."""
        rows, has_newer, has_older = self._page(request)
        self.result_list = rows
        self.result_count = len(rows)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = bool(rows)
        self.can_show_all = False
        self.multi_page = has_newer or has_older
        self.paginator = self.model_admin.get_paginator(
            request, self.queryset, self.list_per_page
        )
        if has_newer:
            self.newer_url = self._url(BEFORE, rows[0]) if rows else self._first_url()
        if has_older:
            self.older_url = self._url(AFTER, rows[-1])

    def _page(self, request: HttpRequest) -> tuple[list[Any], bool, bool]:
        """Return the rows, and whether there are newer and older ones."""
        size = self.list_per_page
        before = self._cursor(request, BEFORE)
        if before is not None:
            newer = self.queryset.filter(self._beyond(before, "gt"))
            rows = self._rows(newer.order_by(self.keyset, "pk"))
            if len(rows) > size:
                return rows[:size][::-1], True, True
            # Less than a page is left: the first page is shown whole.
        after = None
        if before is None:
            after = self._cursor(request, AFTER)
        found = self.queryset
        if after is not None:
            found = found.filter(self._beyond(after, "lt"))
        rows = self._rows(found)
        return rows[:size], after is not None, len(rows) > size

    def _rows(self, found: QuerySet[Any]) -> list[Any]:
        """
        Return one row more than fits of *found*.

        Looks for their keys first: where the database has to sort, it then sorts
        numbers and times, and no texts. The second query only looks up these keys.
        """
        keys = list(found.values_list("pk", flat=True)[: self.list_per_page + 1])
        chosen = self.root_queryset.filter(pk__in=keys).order_by()
        rows = {row.pk: row for row in self.apply_select_related(chosen)}
        # Another process may have deleted one meanwhile.
        return [rows[key] for key in keys if key in rows]

    def _cursor(self, request: HttpRequest, name: str) -> Cursor | None:
        return Cursor.parse(request.GET.get(name, ""), is_number=self.is_number)

    def _beyond(self, cursor: Cursor, lookup: str) -> Q:
        """Return the condition for what is beyond *cursor*; ``lt`` is older."""
        tie = Q(**{self.keyset: cursor.value, f"pk__{lookup}": cursor.pk})
        strictly = Q(**{f"{self.keyset}__{lookup}": cursor.value})
        # The first condition says nothing new, but an index begins with it.
        return Q(**{f"{self.keyset}__{lookup}e": cursor.value}) & (strictly | tie)

    def _url(self, name: str, row: Any) -> str:
        cursor = Cursor(getattr(row, self.keyset), row.pk)
        return self.get_query_string({name: str(cursor)}, remove=[AFTER, BEFORE])

    def _first_url(self) -> str:
        return self.get_query_string(remove=[AFTER, BEFORE])


def hidden_fields(
    params: Mapping[str, Sequence[str]], *, but: Sequence[str]
) -> list[tuple[str, str]]:
    """Return the parameters that a GET form has to send along, except those it has."""
    fields = []
    for name, values in sorted(params.items()):
        if name not in {*but, AFTER, BEFORE}:
            fields += [(name, value) for value in values]
    return fields
