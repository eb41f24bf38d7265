"""
The queue between capture and the writer: an append-only file of this process, or its twin in memory.

A file is a header (format, identity of the target database, journal's id) and
framed records: mark, kind, length, sequence number, CRC-32, payload. Knows
bytes and sequence numbers only, no event and no database. The owner holds a
file lock for its whole life; a file without one is orphaned and may be adopted.
No fsync: it survives SIGKILL, not power loss.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import importlib
import os
import stat
import struct
import threading
import time
import uuid
import zlib
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

try:
    fcntl: Any = importlib.import_module("fcntl")
except ImportError:  # Windows: journals are kept in memory
    fcntl = None

EVENT = 1
COUNT = 2

BATCH_EVENTS = 200
BATCH_COUNTS = 10_000
BATCH_BYTES = 4 * 1024 * 1024
SEGMENT_BYTES = 16 * 1024 * 1024  # a longer file is left to be drained, and a new one started
MEMORY_SEGMENT_BYTES = 2 * 1024 * 1024
SUFFIX = ".journal"

MAGIC = b"ETJ"
FORMAT = 1
_HEADER = struct.Struct("<3sB32s16sI")
_FRAME = struct.Struct("<2sBIII")
_MARK = b"\xe7\x4a"
_READ_BYTES = 256 * 1024  # longer than any record


class ForeignJournalError(Exception):
    """A file is no journal of ours: another format, another database, not a regular file of this user."""


class MemoryStorage:
    """Bytes of this process alone: lost when it is killed."""

    segment_bytes = MEMORY_SEGMENT_BYTES
    is_durable = False

    def __init__(self) -> None:
        """Start empty."""
        self._bytes = bytearray()
        self.size = 0

    def append(self, data: bytes) -> None:
        """Append *data*."""
        self._bytes += data
        self.size = len(self._bytes)

    def read(self, offset: int, count: int) -> bytes:
        """Return at most *count* bytes from *offset*."""
        return bytes(self._bytes[offset : offset + count])

    def is_linked(self) -> bool:
        """Return True: memory goes with its process only."""
        return True

    def close(self, *, unlink: bool) -> None:
        """Free the memory with *unlink*."""
        if unlink:
            self._bytes = bytearray()


class FileStorage:
    """Bytes in a file that is locked as long as it is open."""

    segment_bytes = SEGMENT_BYTES
    is_durable = True

    def __init__(self, descriptor: int, path: Path) -> None:
        """Take the open and locked *descriptor* of *path* over."""
        self.descriptor = descriptor
        self.path = path
        self.size = os.fstat(descriptor).st_size

    def append(self, data: bytes) -> None:
        """Append *data*; what a full disk has taken of it is taken back."""
        try:
            written = os.write(self.descriptor, data)
            if written != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301  undone like any other
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self.descriptor, self.size)
            raise
        self.size += written

    def read(self, offset: int, count: int) -> bytes:
        """Return at most *count* bytes from *offset*."""
        return os.pread(self.descriptor, count, offset)

    def is_linked(self) -> bool:
        """Return whether the file still has its name: an unlinked one was drained by somebody, or cleaned away."""
        try:
            named = self.path.stat(follow_symlinks=False)
        except OSError:
            return False
        return os.path.samestat(os.fstat(self.descriptor), named)

    def close(self, *, unlink: bool) -> None:
        """Close, and with *unlink* first delete, the file."""
        if unlink and self.is_linked():
            with contextlib.suppress(OSError):
                self.path.unlink()
        os.close(self.descriptor)


Storage = FileStorage | MemoryStorage


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """
    What :meth:`Journal.read` found.

    ``position`` is the sequence number of the last record, ``lost`` how many
    before it are damaged, ``offset`` where the next batch starts; ``is_last`` says
    that nothing more waited when it was read.
    """

    records: list[tuple[int, int, bytes]]  # sequence number, kind, payload
    position: int
    lost: int
    offset: int
    is_last: bool

    def part(self, records: list[tuple[int, int, bytes]], *, is_last: bool) -> Batch:
        """Return the batch of these *records* of it; only the last part moves the reading on."""
        return Batch(records, records[-1][0], self.lost if is_last else 0, self.offset if is_last else 0, is_last)


class Journal:
    """
    Records numbered from 1, read in order.

    Attributes:
        id: Identity of the journal, the key of its row in the database.

        position: Sequence number of the last record known to be stored.

        appended: Sequence number of the last record.

        lost: How many events had no room and are not written down yet.

        failures: How many errors of our own its process has swallowed.

        at_risk: How many events its process counts in memory only.

        locked_seconds: For how long storing its last batch held the database's lock.

    """

    def __init__(self, storage: Storage, identity: str, *, key: uuid.UUID | None = None) -> None:
        """Start a journal of the database *identity* in *storage*, or with *key* go on with the one that is there."""
        self.id = key or uuid.uuid4()
        self.storage = storage
        self.position = self.appended = self.lost = self.failures = self.at_risk = 0
        self.locked_seconds = 0.0
        self.is_retired = False
        self.created_at = time.time()
        self.lock = threading.RLock()
        self.is_adopted = key is not None
        if key is None:
            storage.append(header(identity, self.id))
        self._offset = _HEADER.size
        if self.is_adopted:
            self.appended = 0xFFFF_FFFF  # not known until it is read to its end

    def append(self, kind: int, payload: bytes) -> None:
        """
        Append a record.

        Raises:
            OSError: Nothing of it was written.
        """
        with self.lock:
            sequence = self.appended + 1
            self.storage.append(frame(kind, sequence, payload))
            self.appended = sequence

    def read(self, *, events: int = BATCH_EVENTS, size: int = BATCH_BYTES, counts: int = BATCH_COUNTS) -> Batch | None:
        """
        Return the next batch after ``position``, None when there is none; moves nothing.

        At most *events* events, *counts* counts and about *size* bytes. Damage
        is stepped over; how much of it was lost the sequence numbers tell.
        """
        with self.lock:
            end = self.storage.size
        offset, expected, lost = self._offset, self.position + 1, 0
        records: list[tuple[int, int, bytes]] = []
        left = {EVENT: events, COUNT: counts}
        for kind, sequence, payload, stop in self._frames(self._offset, end):
            if sequence >= expected:
                if left.get(kind, 1) == 0 or (records and offset - self._offset > size):
                    break
                lost += sequence - expected
                if kind in left:
                    left[kind] -= 1
                    records.append((sequence, kind, payload))
                else:
                    lost += 1
                expected = sequence + 1
            offset = stop
        if records or lost:
            return Batch(records, expected - 1, lost, offset, is_last=offset == end)
        if self.is_adopted:
            self.appended = self.position
        return None

    def _frames(self, start: int, end: int) -> Iterator[tuple[int, int, bytes, int]]:
        """Yield kind, sequence number, payload and end of each whole record, read in pieces; damage is stepped over."""
        data, at = self.storage.read(start, min(_READ_BYTES, end - start)), 0
        while data and start + at < end:
            found = _frame_at(data, at)
            if found is not None:
                kind, sequence, payload = found
                at += _FRAME.size + len(payload)
                yield kind, sequence, payload, start + at
            elif at > 0 and start + len(data) < end:  # it may go on in the next piece
                start, at = start + at, 0
                data = self.storage.read(start, min(_READ_BYTES, end - start))
            else:
                following = data.find(_MARK, at + 1)
                at = following if following >= 0 else max(at + 1, len(data) - len(_MARK) + 1)

    def move_to(self, position: int, *, offset: int = 0) -> None:
        """Say that everything up to *position* is stored, as the database has it; back too, after a restore."""
        with self.lock:
            if position < self.position:
                self._offset = _HEADER.size
            elif offset:
                self._offset = offset
            self.position = position

    @property
    def pending(self) -> int:
        """Return how many records are not stored yet; some number above 0 for an adopted journal not read yet."""
        return max(0, self.appended - self.position)

    @property
    def pending_bytes(self) -> int:
        """Return how many bytes are not stored yet."""
        return self.storage.size - self._offset if self.pending else 0

    @property
    def is_open(self) -> bool:
        """Return whether records should still be appended to it."""
        return not (self.is_adopted or self.is_retired) and self.storage.size < self.storage.segment_bytes

    def close(self) -> None:
        """Let go; a journal that is drained is deleted, what is left of another waits for whoever adopts it."""
        self.storage.close(unlink=self.pending == 0)

    @classmethod
    def create(cls, directory: Path, identity: str) -> Self:
        """
        Start a journal in *directory*, locked before others can see it.

        Raises:
            OSError: The directory cannot be written to, or knows no locks.
        """
        hidden = directory / f".{uuid.uuid4()}.new"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(hidden, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            storage = FileStorage(descriptor, hidden)
            journal = cls(storage, identity)
            storage.path = hidden.rename(directory / f"{journal.id}{SUFFIX}")
        except BaseException:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                hidden.unlink()
            raise
        return journal

    @classmethod
    def adopt(cls, path: Path, identity: str) -> Self | None:
        """
        Return the journal that a dead process left at *path*, None while its owner lives.

        Raises:
            ForeignJournalError: It is not for us; it is left alone.

            OSError: It cannot be opened.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW)
        journal = None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                raise ForeignJournalError("not a regular file of this user")
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                storage = FileStorage(descriptor, path)
                if storage.is_linked():  # else somebody has drained it since it was opened
                    journal = cls(storage, identity, key=_key_in(storage.read(0, _HEADER.size), identity))
        finally:
            if journal is None:
                os.close(descriptor)
        return journal


def header(identity: str, key: uuid.UUID, *, version: int = FORMAT) -> bytes:
    """Return the first bytes of a journal of the database *identity*, 32 hex digits."""
    start = _HEADER.pack(MAGIC, version, identity.encode(), key.bytes, 0)[:-4]
    return start + struct.pack("<I", zlib.crc32(start))


def frame(kind: int, sequence: int, payload: bytes) -> bytes:
    """Return *payload* framed as a record."""
    start = struct.pack("<BII", kind, len(payload), sequence)
    return b"".join((_MARK, start, struct.pack("<I", zlib.crc32(payload, zlib.crc32(start))), payload))


def _key_in(data: bytes, identity: str) -> uuid.UUID:
    if len(data) < _HEADER.size:
        raise ForeignJournalError("no header")
    magic, version, stored, key, crc = _HEADER.unpack(data)
    if magic != MAGIC or crc != zlib.crc32(data[:-4]):
        msg = "not a journal"
    elif version != FORMAT:
        msg = f"of format {version}, not {FORMAT}"
    elif stored != identity.encode():
        msg = "for another database"
    else:
        return uuid.UUID(bytes=key)
    raise ForeignJournalError(msg)


def _frame_at(data: bytes, at: int) -> tuple[int, int, bytes] | None:
    """Return kind, sequence number and payload of the frame at *at*, None where there is no whole one."""
    start = at + _FRAME.size
    if start > len(data):
        return None
    mark, kind, length, sequence, crc = _FRAME.unpack_from(data, at)
    payload = data[start : start + length]
    if mark != _MARK or len(payload) < length or crc != zlib.crc32(payload, zlib.crc32(data[at + 2 : at + 11])):
        return None
    return kind, sequence, payload
