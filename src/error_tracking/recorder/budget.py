"""
What is stored whole: per group and minute the first events, then fewer and fewer.

The others are folded into one that was stored: counted exactly, without a
payload. New groups per minute are bounded too; what is over the bound shares
one group per kind. Keeps a bounded memory of this process only, and touches
neither disk nor database.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections import OrderedDict

NEW_GROUPS_PER_MINUTE = 100
WHOLE_PER_MINUTE = 1_000
REMEMBERED = 10_000

Key = tuple[str, int, str, bool]


@dataclasses.dataclass(slots=True)
class _Seen:
    """How often events that can stand for each other came in a minute, and which was stored last."""

    minute: int
    number: int = 0
    representative: str = ""


class Budget:
    """Decides for one process; *now* is seconds since the epoch."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._seen: OrderedDict[Key, _Seen] = OrderedDict()
        self._groups: OrderedDict[str, None] = OrderedDict()
        self._minute = self._whole = self._new = 0
        self._lock = threading.RLock()  # held for a few operations in memory, also from ``__del__``

    def admits_group(self, fingerprint: str, now: float, *, is_known: bool) -> bool:
        """Return whether *fingerprint* may be a group of its own: known ones always, new ones up to a bound."""
        with self._lock:
            self._turn(now)
            if fingerprint in self._groups:
                self._groups.move_to_end(fingerprint)
                return True
            if not is_known and self._new >= NEW_GROUPS_PER_MINUTE:
                return False
            self._new += not is_known
            self._groups[fingerprint] = None
            if len(self._groups) > REMEMBERED:
                self._groups.popitem(last=False)
            return True

    def representative_for(self, key: Key, now: float, limit: int) -> str:
        """
        Return the id of the stored event to fold this one into, ``""`` when it should be stored whole.

        Args:
            key: What two events have in common that can stand for each other:
                fingerprint, status, level and whether it was handled.

            now: The event's time.

            limit: How many of *key* are stored whole each minute; after them the
                2nd, 4th, 8th … multiple of it.
        """
        with self._lock:
            self._turn(now)
            entry = self._seen.get(key)
            if entry is None:
                entry = self._seen[key] = _Seen(self._minute)
                if len(self._seen) > REMEMBERED:
                    self._seen.popitem(last=False)
            elif entry.minute != self._minute:
                entry.minute, entry.number = self._minute, 0
                self._seen.move_to_end(key)
            entry.number += 1
            times, rest = divmod(entry.number, limit)
            is_whole = entry.number <= limit or (rest == 0 and times & (times - 1) == 0)
            if entry.representative and (not is_whole or self._whole >= WHOLE_PER_MINUTE):
                return entry.representative
            self._whole += 1
            return ""

    def keep(self, key: Key, event_id: str) -> None:
        """Remember that the event with *event_id* was stored whole and can stand for *key*."""
        entry = self._seen.get(key)
        if entry is not None:
            entry.representative = event_id

    def _turn(self, now: float) -> None:
        minute = int(now // 60)
        if minute != self._minute:
            self._minute, self._whole, self._new = minute, 0, 0


def overflow_fingerprint(kind: str) -> str:
    """Return the fingerprint that new groups of *kind* share once there are too many of them."""
    return hashlib.sha256(f"overflow:{kind}".encode()).hexdigest()[:32]
