"""
Decides which events are stored whole, and how many new groups may begin.

Per group and minute the first events are stored whole, then fewer and fewer. The
others are folded into one that was stored: counted exactly, without a payload. New
groups per minute are bounded for each place and each kind; those over the bound share
one group. Remembers a bounded number of groups of this process, and uses neither disk
nor database.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
import uuid
from collections import Counter, OrderedDict

from error_tracking.events.event import Event, Fold
from error_tracking.events.kinds import CLASSES_PER_PLACE, QUOTAS, Kind, kind_of

# A few megabytes at most. More groups in a minute are a flood, which the quotas bound.
REMEMBERED = 10_000
SECONDS_PER_MINUTE = 60

Key = tuple[str, int, str, bool]


@dataclasses.dataclass(slots=True)
class _Seen:
    """How many equal events came in a minute, and which of them was stored last."""

    minute: int
    number: int = 0
    representative: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Overflow:
    """The group that new groups over a bound share, of one *place* or of all."""

    kind: Kind
    place: str = ""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the shared group."""
        text = f"overflow:{self.kind}:{self.place}"
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]

    @property
    def title(self) -> str:
        """The title of the shared group."""
        title = "Too many new errors at once"
        if self.place:
            title = f"{title} in {self.place}"
        return title


class Budget:
    """Decides for one process. *now* is always in seconds since the epoch."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Key, _Seen] = OrderedDict()
        self._groups: OrderedDict[str, None] = OrderedDict()
        self._minute = 0
        self._whole: Counter[Kind] = Counter()
        self._new: Counter[Kind] = Counter()
        self._new_at: Counter[tuple[Kind, str]] = Counter()
        # Held for a few operations in memory. Reentrant, because a ``__del__`` that
        # runs meanwhile may capture an error too.
        self._lock = threading.RLock()

    def overflow_for(
        self, fingerprint: str, kind: Kind, place: str, now: float, *, is_known: bool
    ) -> Overflow | None:
        """
        Return the shared group for an event, or None if it may have a group of its own.

        Known groups always may; new ones if their place and their kind have begun few
        groups in this minute.

        Args:
            fingerprint: Of the event's own group.

            kind: Its kind.

            place: Where it happened: a function or route of the project, or a log call.

            now: When it happened.

            is_known: Whether the group is known to be stored already.
        """
        with self._lock:
            self._turn(now)
            if fingerprint in self._groups:
                self._groups.move_to_end(fingerprint)
                return None
            if not is_known:
                overflow = self._overflow(kind, place)
                if overflow is not None:
                    return overflow
                self._new[kind] += 1
                self._new_at[kind, place] += 1
            self._groups[fingerprint] = None
            if len(self._groups) > REMEMBERED:
                self._groups.popitem(last=False)
            return None

    def _overflow(self, kind: Kind, place: str) -> Overflow | None:
        new_groups_here = self._new_at[kind, place]
        if new_groups_here >= CLASSES_PER_PLACE:
            return Overflow(kind, place)
        bound = QUOTAS[kind].new_groups
        if new_groups_here > 0:
            # The other half is reserved for places that have no group yet.
            bound //= 2
        if self._new[kind] >= bound:
            return Overflow(kind)
        return None

    def representative_for(self, key: Key, kind: Kind, now: float, limit: int) -> str:
        """
        Return the id of the stored event to fold this one into.

        Args:
            key: What two equal events have in common: fingerprint, status, level and
                whether it was handled.

            kind: The kind whose quota it uses.

            now: The event's time.

            limit: How many events of *key* are stored whole each minute; after them
                the 2nd, 4th, 8th … multiple of it.

        Returns:
            ``""`` if this event should be stored whole.
        """
        with self._lock:
            self._turn(now)
            entry = self._seen.get(key)
            if entry is None:
                entry = self._seen[key] = _Seen(self._minute)
                if len(self._seen) > REMEMBERED:
                    self._seen.popitem(last=False)
            elif entry.minute != self._minute:
                entry.minute = self._minute
                entry.number = 0
                self._seen.move_to_end(key)
            entry.number += 1
            is_under_quota = self._whole[kind] < QUOTAS[kind].whole
            is_stored_whole = is_under_quota and _is_wanted(entry.number, limit)
            if entry.representative and not is_stored_whole:
                return entry.representative
            self._whole[kind] += 1
            return ""

    def remember(self, key: Key, event_id: str) -> None:
        """Note that the event *event_id* was stored whole and can represent *key*."""
        with self._lock:
            entry = self._seen.get(key)
            if entry is not None:
                entry.representative = event_id

    def _turn(self, now: float) -> None:
        """Begin a new minute if *now* is in one."""
        minute = int(now // SECONDS_PER_MINUTE)
        if minute != self._minute:
            self._minute = minute
            self._whole.clear()
            self._new.clear()
            self._new_at.clear()


def _is_wanted(number: int, limit: int) -> bool:
    """Return whether the event with this *number* in its minute is stored whole."""
    if number <= limit:
        return True
    multiple, rest = divmod(number, limit)
    is_power_of_two = multiple & (multiple - 1) == 0
    return rest == 0 and is_power_of_two


def shared_count(item: Event | Fold) -> Fold:
    """Return the count of *item* in the group that events of its kind can share."""
    if isinstance(item, Event):
        fold = Fold.of(item)
        culprit = item.culprit
    else:
        fold = item
        culprit = ""
    return dataclasses.replace(
        fold,
        event_id=str(uuid.uuid4()),
        fingerprint=Overflow(kind_of(fold.error_type, culprit)).fingerprint,
        client="",
        # What one of these events shows about the site, the others do not.
        is_evidence=False,
        has_own_origin=False,
    )
