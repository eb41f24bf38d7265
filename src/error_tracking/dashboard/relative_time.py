"""How long ago something was, in its largest unit: ``24 minutes ago``."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

MINUTE = 60
HOUR = 3_600
DAY = 86_400
# Up to two days in hours: "yesterday" is two different things.
DAYS_FROM = 2 * DAY


def span_text(span: dt.timedelta) -> str:
    """Return *span* in its largest unit: ``24 minutes``."""
    seconds = max(int(span.total_seconds()), 0)
    if seconds < MINUTE:
        return ngettext("%d second", "%d seconds", seconds) % seconds
    if seconds < HOUR:
        minutes = seconds // MINUTE
        return ngettext("%d minute", "%d minutes", minutes) % minutes
    if seconds < DAYS_FROM:
        hours = seconds // HOUR
        return ngettext("%d hour", "%d hours", hours) % hours
    days = seconds // DAY
    return ngettext("%d day", "%d days", days) % days


def age_text(moment: dt.datetime | None, now: dt.datetime | None = None) -> str:
    """Return for how long it has been since *moment*, ``-`` without one."""
    if moment is None:
        return "-"
    return span_text((now or timezone.now()) - moment)


def ago_text(moment: dt.datetime | None, now: dt.datetime | None = None) -> str:
    """Return how long ago *moment* was, ``-`` without one."""
    if moment is None:
        return "-"
    return _("%(time)s ago") % {"time": age_text(moment, now)}
