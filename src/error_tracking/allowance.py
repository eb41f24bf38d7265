"""
How many new bugs may be filed in an hour and a day, on all servers together.

Refused requests have an allowance of their own, so a crash never waits behind
them. Counted in the database; what was begun may always be finished.
"""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from .events import CLIENT_KINDS
from .models import KnownBug, Sequence
from .utils import hour_of

PER_HOUR = {"crash": 20, "refused": 5}
PER_DAY = {"crash": 100, "refused": 20}
KEPT_DAYS = 3


def take(tracker: str, bug: KnownBug) -> tuple[dt.datetime, str] | None:
    """Take one of *tracker*'s allowance for *bug*; return None, or when it goes on and why not now."""
    if bug.kind == bug.Kind.DIGEST:
        return None
    is_refused = bug.groups.filter(error_type__in=CLIENT_KINDS).exists()
    kind = "refused" if is_refused and not bug.groups.exclude(error_type__in=CLIENT_KINDS).exists() else "crash"
    now = timezone.now()
    hour = hour_of(now)
    for most, span, name, goes_on in (
        (PER_HOUR[kind], "hour", f"{now:%Y%m%d%H}", hour + dt.timedelta(hours=1)),
        (PER_DAY[kind], "day", f"{now:%Y%m%d}", hour.replace(hour=0) + dt.timedelta(days=1)),
    ):
        if not Sequence.take(f"filed:{tracker[:20]}:{kind}:{name}", most=most):
            return goes_on, f"paused: {most} bugs were filed in this {span}; goes on at {goes_on:%Y-%m-%d %H:%M %Z}"
    return None


def forget() -> None:
    """Delete the counts of days gone by."""
    old = timezone.now() - dt.timedelta(days=KEPT_DAYS)
    Sequence.objects.filter(name__startswith="filed:", made_at__lt=old).delete()
