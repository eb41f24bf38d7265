"""Values for tests; exceptions are raised, not built."""

from __future__ import annotations

import time
from collections import Counter

from error_tracking.events.event import EXCEPTION, Event
from error_tracking.utils import uuid7


def make_event(**values) -> Event:
    identity = uuid7()
    defaults = {
        "event_id": str(identity),
        "reference": f"{identity.int & 0xFF_FFFF_FFFF:010x}",
        "timestamp": time.time(),
        "error_type": EXCEPTION,
        "mechanism": "middleware",
        "fingerprint": "f" * 32,
        "fingerprint_version": 1,
        "title": "ValueError in shop.pay",
        "culprit": "shop.pay",
        "status_code": 500,
        "method": "GET",
        "route": "/pay/{id}/",
        "environment": "production",
    }
    return Event(**{**defaults, **values})


def days_differ() -> list[tuple[int, str]]:
    """Return the groups and days whose count is not the sum of their hours."""
    from error_tracking.models import DailyCount, HourlyCount
    from error_tracking.models.base import day_of

    hours: Counter = Counter()
    for group, hour, count in HourlyCount.objects.values_list("group", "hour", "count"):
        hours[group, str(day_of(hour))] += count
    days: Counter = Counter()
    for group, day, count in DailyCount.objects.values_list("group", "day", "count"):
        days[group, str(day)] = count
    return sorted((hours - days).keys() | (days - hours).keys())


def raised(function, *args) -> BaseException:
    """Return the exception that *function* raises."""
    try:
        function(*args)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")
