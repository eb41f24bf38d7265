"""What the lists of bugs, error logs and groups have in common: views, filters, small charts."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Q, Sum
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from error_tracking import conf
from error_tracking.dashboard import queries
from error_tracking.dashboard.spans import last_days, span_of
from error_tracking.models import ErrorGroup, GroupClient, HourlyCount

from .keyset import AFTER, BEFORE, hidden_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .keyset import KeysetChangeList

DAYS_SHOWN = 14
#: How high the small chart is, in its own units.
CHART_HEIGHT = 30


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """A part of a list that people look at: its name in the address, and its words."""

    name: str
    label: str
    condition: Q
    count: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """One day of the small chart."""

    height: int

    @property
    def top(self) -> int:
        """Return where the bar begins."""
        return CHART_HEIGHT - self.height


@dataclasses.dataclass(frozen=True, slots=True)
class Select:
    """One filter in the row above a list: its name in the address and its choices."""

    name: str
    label: str
    options: tuple[tuple[str, str, bool], ...]

    @classmethod
    def of(
        cls, name: str, label: Any, choices: Iterable[tuple[Any, Any]], chosen: str
    ) -> Select:
        """Return the filter with the value *chosen*."""
        options = []
        for value, text in choices:
            options.append((str(value), str(text), str(value) == chosen))
        return cls(name, str(label), tuple(options))


def selects_of(
    cl: KeysetChangeList, fields: Iterable[tuple[str, str, Iterable[tuple[Any, Any]]]]
) -> list[Select]:
    """
    Return the filters above a list, each with “any” as its first choice.

    Args:
        cl: The list, whose address says what is chosen.
        fields: Parameter, label and choices of each filter.

    """
    anything = ("", _("any"))
    return [
        Select.of(name, label, (anything, *choices), cl.params.get(name, ""))
        for name, label, choices in fields
    ]


def choices_counted(column: str) -> list[tuple[Any, Any]]:
    """
    Return the values of *column* to choose from, as long as error logs are kept.

    They are read from ``HourlyTotal``: to read the error logs themselves is slow.
    """
    period = dt.timedelta(days=conf.get_settings().RETENTION_DAYS)
    values = queries.values_of_late(column, period)
    # A failure without a response is counted with the status 0.
    return [(value, value) for value in values if value != 0]


def kept_params(
    cl: KeysetChangeList, selects: Iterable[Select]
) -> list[tuple[str, str]]:
    """Return what the form with the filters *selects* has to send along."""
    return hidden_fields(cl.filter_params, but=[select.name for select in selects])


@dataclasses.dataclass(frozen=True, slots=True)
class Limit:
    """What the address asks for besides the filters, and the address without it."""

    text: str
    url: str


def limits_of(cl: KeysetChangeList, texts: Mapping[str, str]) -> list[Limit]:
    """
    Return what the address of a list asks for that no filter above it shows.

    Args:
        cl: The list.
        texts: By parameter, with ``%s`` in the place of its value.

    """
    limits = []
    for name, text in texts.items():
        value = cl.params.get(name, "")
        if value:
            url = cl.get_query_string(remove=[name, AFTER, BEFORE])
            limits.append(Limit(text % _readable(value), url))
    return limits


def _readable(value: str) -> str:
    """Return a moment from an address as people write it, and other text as it is."""
    try:
        moment = dt.datetime.fromisoformat(value)
        if timezone.is_aware(moment):
            moment = timezone.localtime(moment)
    except (ValueError, OverflowError):
        return value
    return formats.date_format(moment, "SHORT_DATETIME_FORMAT")


def counted(views: Sequence[View], rows: Any) -> list[View]:
    """Return *views* with how many of *rows* each has, in one query."""
    counts = rows.order_by().aggregate(
        **{view.name: Count("pk", filter=view.condition) for view in views}
    )
    return [dataclasses.replace(view, count=counts[view.name]) for view in views]


def message_of_group(group: ErrorGroup, *, shows_messages: bool) -> str:
    """Return the message of *group*, without values where they may not be seen."""
    if shows_messages:
        return group.message or group.message_pattern
    return group.message_pattern


def counts_by(
    column: str, keys: Sequence[int], now: dt.datetime
) -> dict[int, tuple[int, ...]]:
    """
    Return how often something happened in each of the last 14 times 24 hours.

    Args:
        column: What to count by: ``group`` or ``group__bug``.
        keys: The primary keys of those.
        now: The end of the last 24 hours.

    """
    starts = last_days(DAYS_SHOWN, now)
    rows = HourlyCount.objects.filter(
        **{f"{column}__in": keys}, hour__gte=starts[0], hour__lte=now
    )
    days = rows.order_by().values_list(column, span_of("hour", starts))
    found: dict[int, list[int]] = {}
    for key, day, count in days.annotate(seen=Sum("count")):
        found.setdefault(key, [0] * DAYS_SHOWN)[day] = count
    return {key: tuple(daily) for key, daily in found.items()}


def people_by(column: str, keys: Sequence[int], now: dt.datetime) -> dict[int, int]:
    """Return how many users or addresses met it in 14 days, by *column*."""
    since = (now - dt.timedelta(days=DAYS_SHOWN)).date()
    clients = GroupClient.objects.filter(**{f"{column}__in": keys}, day__gte=since)
    found = clients.order_by().values_list(column)
    return dict(found.annotate(people=Count("hash", distinct=True)))


def bars_of(daily: Sequence[int]) -> tuple[Bar, ...]:
    """Return the bars of the small chart; the highest count fills it."""
    highest = max(daily) or 1
    bars = []
    for count in daily:
        # One occurrence beside thousands is still seen.
        height = max(round(count * CHART_HEIGHT / highest), 2) if count else 0
        bars.append(Bar(height))
    return tuple(bars)


def chart_label(daily: Sequence[int]) -> str:
    """Return the chart in words, for those who do not see it."""
    numbers = ", ".join(str(count) for count in daily)
    return _("Occurrences in the last 14 days: %(numbers)s") % {"numbers": numbers}
