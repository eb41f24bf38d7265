"""
Adds up what a batch changes about each group.

Knows rows that were read before, but asks no table itself.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from error_tracking.events.event import LEVELS, Event, Fold
from error_tracking.events.message_pattern import message_pattern
from error_tracking.models import ErrorGroup
from error_tracking.models.base import moment_from
from error_tracking.utils import clean_line, hour_of

from .packed_event import packed

#: Fingerprint and environment of a group.
GroupKey = tuple[str, str]

# As wide as the columns.
ENVIRONMENT_LENGTH = 50
RELEASE_LENGTH = 100
TEXT_LENGTH = 255
LEVEL_LENGTH = 10


def group_key(item: Event | Fold, environment: str) -> GroupKey:
    """
    Return the key of the group of *item*.

    Args:
        item: An event knows its environment. A fold was captured in that of the
            journal, which is adopted only by a process of the same environment.

        environment: The environment of this process.
    """
    if isinstance(item, Event):
        environment = item.environment[:ENVIRONMENT_LENGTH]
    return item.fingerprint, environment


@dataclasses.dataclass(slots=True)
class Tally:
    """
    What a batch adds to one group.

    Attributes:
        first: The earliest event; a fold only if there is no event.

        start: The time of the earliest item, in seconds since the epoch.

        end: The time of the latest item.

        latest: The time of the latest item of each release. A fold does not know its
            release: it is counted under None.

        release: The release of the latest event.

        last_event: The latest event; None if there are only folds.

    """

    first: Event | Fold
    start: float
    end: float
    count: int = 0
    has_evidence: bool = False
    has_own_origin: bool = False
    level: str = LEVELS[0]
    handled: bool = True
    release: str = ""
    latest: dict[str | None, float] = dataclasses.field(default_factory=dict)
    last_event: Event | None = None

    @classmethod
    def beginning_with(cls, item: Event | Fold) -> Tally:
        """Return a tally without counts that begins and ends at *item*."""
        return cls(first=item, start=item.timestamp, end=item.timestamp)

    def add(self, item: Event | Fold) -> None:
        """Count *item*."""
        self.count += item.count
        self.has_evidence = self.has_evidence or item.is_evidence
        self.has_own_origin = self.has_own_origin or item.has_own_origin
        release = None
        if isinstance(item, Event):
            release = item.release[:RELEASE_LENGTH]
            self._add_details(item, release)
        self.latest[release] = max(self.latest.get(release, 0.0), item.timestamp)
        self.start = min(self.start, item.timestamp)
        self.end = max(self.end, item.timestamp)

    def _add_details(self, event: Event, release: str) -> None:
        self.level = worst_level(self.level, event.level)
        self.handled = self.handled and event.handled
        if event.timestamp >= self.end or not self.release:
            self.release = release
        if event.timestamp >= self.end or self.last_event is None:
            self.last_event = event
        if isinstance(self.first, Fold) or event.timestamp < self.start:
            self.first = event

    @property
    def first_moment(self) -> dt.datetime:
        """The time of the earliest item."""
        return moment_from(self.start)

    @property
    def last_moment(self) -> dt.datetime:
        """The time of the latest item."""
        return moment_from(self.end)

    def changes_to(self, group: ErrorGroup) -> dict[str, Any]:
        """
        Return the columns of *group* that change, besides its counts and times.

        The gate decides again on a group that has become worse.
        """
        changes: dict[str, Any] = {}
        if self.has_evidence and not group.has_evidence:
            changes["has_evidence"] = True
            changes["is_due"] = True
        if self.has_own_origin and not group.has_own_origin:
            changes["has_own_origin"] = True
            changes["is_due"] = True
        if self.release and self.release != group.last_release:
            changes["last_release"] = self.release
        changes |= self._changes_of_message(group)
        is_worse = _rank(self.level) > _rank(group.level)
        now_crashes = group.handled and not self.handled
        if is_worse or now_crashes:
            changes["level"] = worst_level(self.level, group.level)
            changes["handled"] = group.handled and self.handled
            # What a person has hidden stays hidden.
            if group.verdict != ErrorGroup.Verdict.HIDDEN:
                changes["verdict"] = ErrorGroup.Verdict.UNDECIDED
                changes["is_due"] = True
        return changes

    def _changes_of_message(self, group: ErrorGroup) -> dict[str, str]:
        """
        Return the message of the latest event, where the group's is another or old.

        A message with other values alone is stored once an hour: in a storm every
        batch has another one, and each would be one more UPDATE while rows are locked.
        """
        message = message_of(self.last_event)
        if not message or message == group.message:
            return {}
        pattern = message_pattern(message)[:TEXT_LENGTH]
        is_of_this_hour = hour_of(group.last_seen) >= hour_of(self.last_moment)
        if group.message and pattern == group.message_pattern and is_of_this_hour:
            return {}
        return {"message": message, "message_pattern": pattern}

    def new_group(self, key: GroupKey) -> ErrorGroup:
        """Return a group for *key*, not saved yet and without counts."""
        fingerprint, environment = key
        first = self.first
        group = ErrorGroup(
            fingerprint=fingerprint,
            environment=environment,
            error_type=first.error_type,
            status_code=first.status_code or None,
            first_seen=self.first_moment,
            last_seen=self.last_moment,
            last_release=self.release,
            has_evidence=self.has_evidence,
            has_own_origin=self.has_own_origin,
        )
        if isinstance(first, Fold):
            # The event that was stored for it was damaged, or comes later.
            name = f"{first.error_type} {first.fingerprint[:8]}"
            group.title = f"{name}, whose details were lost"
            return group
        group.fingerprint_version = first.fingerprint_version
        group.title = first.title[:TEXT_LENGTH]
        group.culprit = first.culprit[:TEXT_LENGTH]
        group.route = first.route[:TEXT_LENGTH]
        group.level = first.level[:LEVEL_LENGTH]
        group.handled = first.handled
        group.first_release = first.release[:RELEASE_LENGTH]
        group.cause = first.cause[:TEXT_LENGTH]
        group.message = message_of(self.last_event)
        group.message_pattern = message_pattern(group.message)[:TEXT_LENGTH]
        return group


def message_of(event: Event | None) -> str:
    """Return what went wrong in one line: ``TypeError: unsupported operand …``."""
    if event is None:
        return ""
    event = packed(event)
    name = event.exception_type.rpartition(".")[2]
    lines = event.exception_message.strip().splitlines()
    parts = [name, *lines[:1]]
    return clean_line(": ".join(part for part in parts if part), TEXT_LENGTH)


def worst_level(first: str, second: str) -> str:
    """Return the worse of two levels, the first one if they are equal."""
    if _rank(second) > _rank(first):
        return second
    return first


def _rank(level: str) -> int:
    if level not in LEVELS:
        return 0
    return LEVELS.index(level)
