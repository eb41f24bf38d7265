"""
The queue between capture and the writer: numbered payloads, in memory.

Knows bytes and sequence numbers only, no event and no database. ``append`` may
be called from any thread, also from ``__del__`` in the middle of itself, so
its lock is re-entrant and nothing in it waits (FAULTS C30).
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from itertools import islice

BOUND_BYTES = 64 * 1024 * 1024
BATCH_EVENTS = 200
BATCH_BYTES = 4 * 1024 * 1024


class MemoryJournal:
    """
    An append-only journal of this process.

    Attributes:
        id: Identity of the journal, the key of its row in the database.

        position: Sequence number of the last payload known to be stored.

        appended: Sequence number of the last payload.

        lost: How many payloads did not fit, or could not be read.

    """

    def __init__(self) -> None:
        """Start an empty journal with an identity of its own."""
        self.id = uuid.uuid4()
        self.position = 0
        self.appended = 0
        self.lost = 0
        self.bytes = 0
        self.lock = threading.RLock()
        self._records: deque[tuple[int, bytes]] = deque()

    @property
    def is_half_full(self) -> bool:
        """Return whether only bare events should be appended from now on."""
        return self.bytes > BOUND_BYTES // 2

    def append(self, payload: bytes) -> bool:
        """Append *payload*; return False, and count it as lost, when the bound is reached."""
        with self.lock:
            if self.bytes + len(payload) > BOUND_BYTES:
                self.lost += 1
                return False
            self.appended += 1
            self.bytes += len(payload)
            self._records.append((self.appended, payload))
            return True

    def read(self) -> list[tuple[int, bytes]]:
        """Return the next batch after ``position``: (sequence number, payload), oldest first; removes nothing."""
        batch: list[tuple[int, bytes]] = []
        size = 0
        with self.lock:
            for sequence, payload in islice(self._records, BATCH_EVENTS):
                size += len(payload)
                if batch and size > BATCH_BYTES:
                    break
                batch.append((sequence, payload))
        return batch

    def move_to(self, position: int) -> None:
        """Say that everything up to *position* is stored, as the database has it; its memory is freed."""
        with self.lock:
            self.position = position
            while self._records and self._records[0][0] <= position:
                self.bytes -= len(self._records.popleft()[1])

    @property
    def pending(self) -> int:
        """Return how many payloads are not stored yet."""
        return len(self._records)
