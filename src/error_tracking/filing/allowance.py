"""
Bounds how many new bugs are filed in an hour and a day, on all servers together.

Each kind has an allowance of its own, so a crash never waits behind refused requests or
behind log messages with a visitor's words. Half of it is for places that have filed
nothing in the hour or day, so a crash does not wait either behind a function whose
exceptions have a visitor's words in their class. Counted in the database. What was
begun may always be finished.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import zlib

from django.utils import timezone

from error_tracking.events.kinds import QUOTAS, Kind, kind_of
from error_tracking.models import KnownBug, Sequence
from error_tracking.utils import hour_of

PER_HOUR = {kind: quota.filed_per_hour for kind, quota in QUOTAS.items()}
PER_DAY = {kind: quota.filed_per_day for kind, quota in QUOTAS.items()}
# Today's counts are needed, and yesterday's where a server's clock is behind.
KEPT_DAYS = 3
# The name of a series has 50 characters, and the other parts of it need 30.
TRACKER_CHARS = 20

#: What bugs of a kind are called where people read of them.
NAMES = {
    Kind.CRASH: "bugs",
    Kind.LIBRARY: "bugs of libraries",
    Kind.MESSAGE: "bugs of log messages",
    Kind.CSRF: "bugs of refused forms",
    Kind.REFUSED: "bugs of refused requests",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Pause:
    """Why a bug is not filed now, and when it is tried again."""

    ends_at: dt.datetime
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """
    An hour or a day.

    Attributes:
        name: ``"hour"`` or ``"day"``.
        key: What its counts are called.
        ends_at: When the next one begins.
        limit: How many bugs may be filed in it.

    """

    name: str
    key: str
    ends_at: dt.datetime
    limit: int


def take(tracker: str, bug: KnownBug) -> Pause | None:
    """
    Take one of the allowance of *tracker* for *bug*.

    Args:
        tracker: Name of the tracker; each has an allowance of its own.
        bug: The bug that is about to be filed for the first time.

    Returns:
        None, or why it has to wait.

    """
    kind = kind_of_bug(bug)
    series = f"filed:{tracker[:TRACKER_CHARS]}"
    place = _place_key(bug)
    for span in _current_spans(kind):
        # Half of the limit is for places that have filed nothing in this span.
        shared = span.limit // 2
        is_first_of_place = Sequence.take(f"{series}:{place}:{span.key}") == 1
        if not is_first_of_place:
            repeated = f"{series}:{kind}+:{span.key}"
            if not Sequence.take(repeated, most=shared):
                what = f"{shared} {NAMES[kind]} of places with several"
                return _pause_until_end_of(span, what)
        if not Sequence.take(f"{series}:{kind}:{span.key}", most=span.limit):
            return _pause_until_end_of(span, f"{span.limit} {NAMES[kind]}")
    return None


def _current_spans(kind: Kind) -> tuple[Span, Span]:
    now = timezone.now()
    hour_start = hour_of(now)
    next_hour = hour_start + dt.timedelta(hours=1)
    next_day = hour_start.replace(hour=0) + dt.timedelta(days=1)
    hour = Span("hour", f"{now:%Y%m%d%H}", next_hour, PER_HOUR[kind])
    day = Span("day", f"{now:%Y%m%d}", next_day, PER_DAY[kind])
    return hour, day


def _pause_until_end_of(span: Span, what: str) -> Pause:
    until = f"{span.ends_at:%Y-%m-%d %H:%M %Z}"
    reason = f"paused: {what} were filed in this {span.name}; continues at {until}"
    return Pause(span.ends_at, reason)


def _place_key(bug: KnownBug) -> str:
    """Return what all bugs of one place share: a function or a route of the project."""
    rows = bug.groups.order_by("first_seen", "pk").values_list("culprit", "route")
    culprit, route = rows.first() or (bug.bug_id, "")
    return f"{zlib.crc32((culprit or route).encode()):08x}"


def kind_of_bug(bug: KnownBug) -> Kind:
    """
    Return the kind of *bug*: the first one, in the order of ``Kind``, of its groups.

    A bug without groups was added by a person, and counts as a crash.
    """
    rows = bug.groups.order_by().values_list("error_type", "culprit").distinct()
    kinds_of_groups = {kind_of(error_type, culprit) for error_type, culprit in rows}
    for kind in Kind:
        if kind in kinds_of_groups:
            return kind
    return Kind.CRASH


def forget() -> None:
    """Delete the counts of past days."""
    old = timezone.now() - dt.timedelta(days=KEPT_DAYS)
    Sequence.objects.filter(name__startswith="filed:", made_at__lt=old).delete()
