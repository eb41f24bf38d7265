"""
Times as a visitor reads them: "since Tuesday, 14:10", "14:32 CET (2 minutes)".

In the language and time zone that are active, which is the project's where no
middleware has chosen another.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import time
from typing import TYPE_CHECKING

from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.timesince import timeuntil

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

#: A weekday alone is clear for less than a week.
WEEKDAY_DAYS = 6


def since(timestamp: float, language: str) -> str:
    """
    Return *timestamp*, in seconds of the epoch, as it follows the word "since".

    The time of day where it was today, with the weekday in the last six days, else
    the date.
    """
    zone = timezone.get_current_timezone()
    # No zone begins a day in the middle of a minute.
    now = int(time.time() // 60)
    # Sentences end with it: "9:47 p.m." brings a full stop of its own.
    return _since(int(timestamp // 60), language, now, zone).removesuffix(".")


@functools.lru_cache(maxsize=256)
def _since(minute: int, language: str, now: int, zone: dt.tzinfo | ZoneInfo) -> str:
    moment = dt.datetime.fromtimestamp(minute * 60, tz=zone)
    today = dt.datetime.fromtimestamp(now * 60, tz=zone).date()
    days = (today - moment.date()).days
    with translation.override(language):
        time_of_day = date_format(moment, "TIME_FORMAT")
        if days <= 0:
            return time_of_day
        if days <= WEEKDAY_DAYS:
            return f"{date_format(moment, 'l')}, {time_of_day}"
        return date_format(moment, "DATE_FORMAT")


def iso(timestamp: float) -> str:
    """Return *timestamp* for programs (RFC 3339), in UTC."""
    moment = dt.datetime.fromtimestamp(timestamp, tz=dt.UTC)
    return moment.isoformat(timespec="seconds")


def until(moment: dt.datetime, language: str) -> str:
    """Return the future *moment* with its time zone, and how long it is until then."""
    now = timezone.now()
    # A server that says "in 90 seconds" is not asked again after 60.
    minutes = math.ceil((moment - now).total_seconds() / 60)
    local = timezone.localtime(moment)
    if local.second or local.microsecond:
        local = local.replace(second=0, microsecond=0) + dt.timedelta(minutes=1)
    with translation.override(language):
        text = f"{date_format(local, 'TIME_FORMAT')} {local.tzname()}"
        if local.date() != timezone.localtime(now).date():
            text = f"{date_format(local, 'DATE_FORMAT')}, {text}"
        wait = timeuntil(now + dt.timedelta(minutes=minutes), now, depth=1)
    return f"{text} ({wait})"
