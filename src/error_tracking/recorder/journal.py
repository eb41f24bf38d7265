"""
The queue between capture and the worker: an append-only file, or its twin in memory.

A file has a header (format, identity of the target database, id of the journal) and
framed records: mark, kind, length, sequence number, CRC-32, payload. This module knows
bytes and sequence numbers only, no event and no database. The owner holds a file lock
as long as it lives; a file without a lock is orphaned and may be adopted. There is no
fsync: a journal survives SIGKILL, but not power loss.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import importlib
import os
import struct
import threading
import time
import uuid
import zlib
from typing import TYPE_CHECKING, Any, Self

from .private_folder import UntrustedFileError, check_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

try:
    fcntl: Any = importlib.import_module("fcntl")
except ImportError:  # pragma: no cover  Windows: journals are kept in memory
    fcntl = None

EVENT = 1
COUNT = 2
#: Corrects an event that was appended before.
OUTCOME = 3

# A transaction of about 0.2 s on a server: few enough statements to be efficient, and
# short enough for its locks.
BATCH_EVENTS = 200
# Equal counts become one row, so a batch can have many.
BATCH_COUNTS = 10_000
# What a batch may need of the site's memory.
BATCH_BYTES = 4 * 1024 * 1024
# A longer file is only drained, and then deleted, while a new one is appended to.
SEGMENT_BYTES = 16 * 1024 * 1024
MEMORY_SEGMENT_BYTES = 2 * 1024 * 1024
SUFFIX = ".journal"

MAGIC = b"ETJ"
FORMAT = 1
_HEADER = struct.Struct("<3sB32s16sI")
_FRAME = struct.Struct("<2sBIII")
# Of a frame: kind, length and sequence number, which the checksum covers too.
_FRAME_FIELDS = struct.Struct("<BII")
_CHECKSUM = struct.Struct("<I")
_MARK = b"\xe7\x4a"
# Longer than any record.
_READ_BYTES = 256 * 1024
# Of an adopted journal that is not read to its end: more than any has.
_UNKNOWN_SEQUENCE = 0xFFFF_FFFF


class ForeignJournalError(Exception):
    """A file is no journal of ours: its format, database or owner is another."""


class MemoryStorage:
    """Bytes of this process alone: lost when it is killed."""

    segment_bytes = MEMORY_SEGMENT_BYTES
    is_durable = False
    is_resting = False

    def __init__(self) -> None:
        self._bytes = bytearray()
        self.size = 0

    def rest(self) -> None:
        """Free the memory of records that are all stored."""
        del self._bytes[_HEADER.size :]
        self.size = len(self._bytes)

    def append(self, data: bytes) -> None:
        """Append *data*."""
        self._bytes += data
        self.size = len(self._bytes)

    def read(self, offset: int, count: int) -> bytes:
        """Return at most *count* bytes from *offset*."""
        return bytes(self._bytes[offset : offset + count])

    def is_linked(self) -> bool:
        """Return True: nobody else can delete it."""
        return True

    def close(self, *, unlink: bool) -> None:
        """Free the memory with *unlink*."""
        if unlink:
            self._bytes = bytearray()


class FileStorage:
    """
    Bytes in a file that is locked as long as it is open.

    Args:
        descriptor: Of the file, open and locked. The storage closes it.

        path: Of the file.
    """

    segment_bytes = SEGMENT_BYTES
    is_durable = True

    def __init__(self, descriptor: int, path: Path) -> None:
        self.descriptor = descriptor
        self.path = path
        self.size = os.fstat(descriptor).st_size
        self.is_resting = False
        self._header = b""

    def rest(self) -> None:
        """Delete the file, whose records are all stored, until the next record."""
        self._header = os.pread(self.descriptor, _HEADER.size, 0)
        self.close(unlink=True)
        self.is_resting = True
        self.size = len(self._header)

    def _wake(self) -> None:
        """Create the file again, locked before others can see it."""
        hidden = self.path.with_name(f".{uuid.uuid4()}.new")
        self.descriptor = _create_locked(hidden)
        try:
            os.write(self.descriptor, self._header)
            hidden.rename(self.path)
        except BaseException:
            os.close(self.descriptor)
            with contextlib.suppress(OSError):
                hidden.unlink()
            raise
        self.is_resting = False

    def append(self, data: bytes) -> None:
        """
        Append *data*.

        Raises:
            OSError: The disk is full, for example. Nothing of *data* stays in the file.
        """
        if self.is_resting:
            self._wake()
        try:
            written = os.write(self.descriptor, data)
            if written != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            # Remove what the disk had room for.
            with contextlib.suppress(OSError):
                os.ftruncate(self.descriptor, self.size)
            raise
        self.size += written

    def read(self, offset: int, count: int) -> bytes:
        """Return at most *count* bytes from *offset*."""
        if self.is_resting:
            return b""
        return os.pread(self.descriptor, count, offset)

    def is_linked(self) -> bool:
        """Return whether the file still has its name: nobody has deleted it."""
        if self.is_resting:
            return True
        try:
            named = self.path.stat(follow_symlinks=False)
        except OSError:
            return False
        return os.path.samestat(os.fstat(self.descriptor), named)

    def close(self, *, unlink: bool) -> None:
        """Close, and with *unlink* first delete, the file."""
        if self.is_resting:
            return
        if unlink and self.is_linked():
            with contextlib.suppress(OSError):
                self.path.unlink()
        os.close(self.descriptor)


def _create_locked(path: Path) -> int:
    """Return the descriptor of a new file, private to this user and locked."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
    descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    return descriptor


Storage = FileStorage | MemoryStorage


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """
    What :meth:`JournalFile.read` returns.

    Attributes:
        records: Sequence number, kind and payload of each.

        position: The sequence number of the last record.

        lost: How many records before it are damaged.

        offset: Where the next batch starts.

        is_last: Whether nothing more waited when it was read.
    """

    records: list[tuple[int, int, bytes]]
    position: int
    lost: int
    offset: int
    is_last: bool

    def part(self, records: list[tuple[int, int, bytes]], *, is_last: bool) -> Batch:
        """
        Return the batch of some of its *records*.

        Args:
            records: The first ones or the last ones.

            is_last: Whether they are the last ones. Only these move the reading on, and
                report what is lost.
        """
        position, _, _ = records[-1]
        if is_last:
            return Batch(records, position, self.lost, self.offset, is_last=True)
        return Batch(records, position, lost=0, offset=0, is_last=False)


class JournalFile:
    """
    Records numbered from 1, read in order.

    Attributes:
        id: Identity of the journal, the key of its row in the database.

        position: Sequence number of the last record known to be stored.

        appended: Sequence number of the last record.

        lost: How many events had no room; not reported in its row yet.

        bare: How many events lost their payload; not reported yet.

        merged: How many events lost their group; not reported yet.

        failures: How many errors of our own its process has swallowed.

        failed_at: When it last swallowed one, in seconds since the epoch, or 0.

        at_risk: How many events its process counts in memory only.

        locked_seconds: How long storing its last batch held the database's locks.

        is_adopted: Whether a dead process has written it. Nothing is appended to it.

        is_retired: Whether nothing is appended to it any more for another reason.

    """

    def __init__(
        self, storage: Storage, identity: str, *, key: uuid.UUID | None = None
    ) -> None:
        self.storage = storage
        self.position = 0
        self.lost = 0
        self.bare = 0
        self.merged = 0
        self.failures = 0
        self.failed_at = 0.0
        self.at_risk = 0
        self.locked_seconds = 0.0
        self.is_retired = False
        self.created_at = time.time()
        self.lock = threading.RLock()
        # Where the next batch starts.
        self._offset = _HEADER.size
        # The unreadable records after ``position`` that were logged.
        self._logged: set[int] = set()
        if key is None:
            self.is_adopted = False
            self.id = uuid.uuid4()
            self.appended = 0
            storage.append(header(identity, self.id))
        else:
            self.is_adopted = True
            self.id = key
            self.appended = _UNKNOWN_SEQUENCE

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

    def read(
        self,
        *,
        events: int = BATCH_EVENTS,
        size: int = BATCH_BYTES,
        counts: int = BATCH_COUNTS,
    ) -> Batch | None:
        """
        Return the next batch after ``position``, or None. Does not move the position.

        Damaged records are skipped; the sequence numbers show how many.

        Args:
            events: The largest number of events.

            size: The largest number of bytes, not counting the last record.

            counts: The largest number of counts, and of outcomes.
        """
        with self.lock:
            end = self.storage.size
        offset = self._offset
        expected = self.position + 1
        lost = 0
        records: list[tuple[int, int, bytes]] = []
        left = {EVENT: events, COUNT: counts, OUTCOME: counts}
        for kind, sequence, payload, stop in self._frames(self._offset, end):
            is_first = stop - _FRAME.size - len(payload) == _HEADER.size
            if is_first and self.position == 0:
                # Records before it were stored before the file was created again: see
                # rest().
                expected = sequence
            if sequence >= expected:
                is_full = left.get(kind) == 0
                is_large = bool(records) and offset - self._offset > size
                if is_full or is_large:
                    break
                lost += sequence - expected
                if kind in left:
                    left[kind] -= 1
                    records.append((sequence, kind, payload))
                else:
                    # A kind of a newer release.
                    lost += 1
                expected = sequence + 1
            offset = stop
        if records or lost:
            return Batch(records, expected - 1, lost, offset, is_last=offset == end)
        if self.is_adopted:
            self.appended = self.position
        return None

    def _frames(self, start: int, end: int) -> Iterator[tuple[int, int, bytes, int]]:
        """Yield kind, sequence number, payload and end of each undamaged record."""
        # A piece of the file, and where the next record starts in it.
        data = self.storage.read(start, min(_READ_BYTES, end - start))
        at = 0
        while data and start + at < end:
            found = _frame_at(data, at)
            if found is not None:
                kind, sequence, payload = found
                at += _FRAME.size + len(payload)
                yield kind, sequence, payload, start + at
            elif at > 0 and start + len(data) < end:
                # The record may go on in the next piece, which starts with it.
                start += at
                at = 0
                data = self.storage.read(start, min(_READ_BYTES, end - start))
            else:
                # Damaged: go on at the next mark. A mark may be cut at the piece's end.
                next_mark = data.find(_MARK, at + 1)
                if next_mark < 0:
                    next_mark = max(at + 1, len(data) - len(_MARK) + 1)
                at = next_mark

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Yield kind and payload of every undamaged record, stored or not."""
        for kind, _, payload, _ in self._frames(_HEADER.size, self.storage.size):
            yield kind, payload

    def move_to(self, position: int, *, offset: int = 0) -> None:
        """
        Note that everything up to *position* is stored.

        Args:
            position: As the database has it. Less than before if it was restored from a
                backup.

            offset: Where the next record starts; 0 if that is not known.
        """
        with self.lock:
            if position < self.position:
                self._offset = _HEADER.size
            elif offset:
                self._offset = offset
            self.position = position
            self._logged = {each for each in self._logged if each > position}

    def is_logged(self, sequence: int) -> bool:
        """Return whether the record *sequence* was logged as unreadable."""
        return sequence in self._logged

    def mark_logged(self, sequence: int) -> None:
        """Note that the record *sequence* was logged as unreadable."""
        self._logged.add(sequence)

    def rest(self) -> None:
        """
        Delete the file of a drained journal until its next record.

        So a killed process leaves no empty file behind.
        """
        with self.lock:
            if self.pending == 0 and not self.storage.is_resting:
                self.storage.rest()
                self._offset = _HEADER.size

    @property
    def pending(self) -> int:
        """How many records are not stored yet. Not exact for an adopted journal."""
        return max(0, self.appended - self.position)

    @property
    def pending_bytes(self) -> int:
        """How many bytes are not stored yet."""
        # Without the property: each event asks.
        if self.appended <= self.position:
            return 0
        return self.storage.size - self._offset

    @property
    def is_open(self) -> bool:
        """Whether records should still be appended to it."""
        if self.is_adopted or self.is_retired:
            return False
        return self.storage.size < self.storage.segment_bytes

    def close(self) -> None:
        """Close the file. A drained one is deleted; another one can be adopted."""
        self.storage.close(unlink=self.pending == 0)

    @classmethod
    def create(cls, directory: Path, identity: str) -> Self:
        """
        Begin a journal in *directory*, locked before others can see it.

        Raises:
            OSError: The directory is not writable, or its file system has no locks.
        """
        hidden = directory / f".{uuid.uuid4()}.new"
        descriptor = _create_locked(hidden)
        try:
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
        Return the journal of a dead process at *path*, or None if its owner lives.

        Raises:
            ForeignJournalError: It is not ours, and stays as it is.

            OSError: It cannot be opened.
        """
        descriptor = os.open(
            path, os.O_RDWR | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW
        )
        journal = None
        try:
            try:
                check_file(descriptor)
            except UntrustedFileError as error:
                raise ForeignJournalError(str(error)) from None
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                storage = FileStorage(descriptor, path)
                # Otherwise another process drained and deleted it since it was opened.
                if storage.is_linked():
                    key = _key_in(storage.read(0, _HEADER.size), identity)
                    journal = cls(storage, identity, key=key)
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
    fields = _FRAME_FIELDS.pack(kind, len(payload), sequence)
    checksum = _CHECKSUM.pack(zlib.crc32(payload, zlib.crc32(fields)))
    return b"".join((_MARK, fields, checksum, payload))


def read_header(data: bytes) -> tuple[str, uuid.UUID]:
    """
    Return the identity and the id of the journal that begins with *data*.

    Raises:
        ForeignJournalError: It is no journal of this format.
    """
    data = data[: _HEADER.size]
    if len(data) < _HEADER.size:
        raise ForeignJournalError("no header")
    magic, version, stored, key, crc = _HEADER.unpack(data)
    if magic != MAGIC or crc != zlib.crc32(data[:-4]):
        raise ForeignJournalError("not a journal")
    if version != FORMAT:
        raise ForeignJournalError(f"of format {version}, not {FORMAT}")
    return stored.decode("ascii", "replace"), uuid.UUID(bytes=key)


def _key_in(data: bytes, identity: str) -> uuid.UUID:
    stored, key = read_header(data)
    if stored != identity:
        raise ForeignJournalError("for another database")
    return key


def _frame_at(data: bytes, at: int) -> tuple[int, int, bytes] | None:
    """Return kind, sequence number and payload of the frame at *at*, if it is whole."""
    start = at + _FRAME.size
    if start > len(data):
        return None
    mark, kind, length, sequence, checksum = _FRAME.unpack_from(data, at)
    payload = data[start : start + length]
    if mark != _MARK or len(payload) < length:
        return None
    # Of everything but the mark and the checksum itself.
    fields = data[at + 2 : at + 11]
    if checksum != zlib.crc32(payload, zlib.crc32(fields)):
        return None
    return kind, sequence, payload
