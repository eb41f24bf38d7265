"""
One machine, one leader: the directory that its processes share, and what is in it.

The holder of ``leader.lock`` adopts journals, sweeps and writes what is known
of the bugs to ``known.json``; the others read that file. Without a directory
every process is its own leader. Touches no table.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import connections

from error_tracking import conf
from error_tracking.known import PublicState
from error_tracking.models import ErrorLog
from error_tracking.models.base import write_alias

from .journal import SUFFIX, ForeignJournalError, Journal, fcntl

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator

logger = logging.getLogger("error_tracking")

RENEW_FILE = "renew"
LEADER_LOCK = "leader.lock"
KNOWN_FILE = "known.json"
STRAY_SECONDS = 3_600
_PASSING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


def database_identity() -> str:
    """Return 32 hex digits that name the target database and the environment, never a user or a password."""
    settings = connections.settings[write_alias(ErrorLog)]
    name = str(settings["NAME"])
    if settings["ENGINE"].endswith("sqlite3") and not name.startswith((":memory:", "file:")):
        name = os.path.realpath(name)
    parts = (*(str(settings.get(key) or "") for key in ("ENGINE", "HOST", "PORT")), name)
    return hashlib.sha256("\x1f".join((*parts, conf.get_settings().environment)).encode()).hexdigest()[:32]


def user() -> int:
    """Return the number of the user this process runs as; 0 on a system that has none."""
    return getattr(os, "geteuid", int)()


def journal_root() -> Path:
    """Return JOURNAL_DIR, by default a folder of this user's below the system's temporary one."""
    chosen = conf.get_settings().JOURNAL_DIR
    return Path(chosen) if chosen else Path(tempfile.gettempdir(), f"error_tracking-{user()}")


def _private(folder: Path) -> Path:
    """Make *folder* where it is missing; raise PermissionError unless it is ours and nobody else's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != user():
        raise PermissionError(f"{folder} is not a directory of this user")
    if status.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


class Machine:
    """What this process shares with the others on its machine."""

    def __init__(self) -> None:
        """Find the directory; without one journals are kept in memory, and ``problem`` says why."""
        self.identity = database_identity()
        self.problem = ""
        self.directory: Path | None = None
        self._lock: int | None = None
        self._known_stamp: object = None
        self._foreign: set[str] = set()
        try:
            if fcntl is None:
                raise OSError("this system has no fcntl")  # noqa: TRY301
            self.directory = _private(_private(journal_root()) / self.identity[:16])
        except OSError as error:
            self.problem = f"events wait in memory only: {error}"

    def new_journal(self) -> Journal:
        """
        Start a journal in the directory.

        Raises:
            OSError: There is none, or no room in it.
        """
        if self.directory is None:
            raise FileNotFoundError(self.problem)
        _private(self.directory)
        return Journal.create(self.directory, self.identity)

    def lead(self) -> bool:
        """Return whether this process is the leader, which it becomes when there is none."""
        if self.directory is None or self._lock is not None:
            return True
        try:
            descriptor = os.open(self.directory / LEADER_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError:
            return True  # no room or no right for a file: sweeping twice is harmless, not at all is not
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def _touched_at(self, name: str) -> float:
        """Return when the file *name* was last touched, in seconds since the epoch; 0 when never."""
        try:
            return (self.directory / name).stat().st_mtime if self.directory is not None else 0.0
        except OSError:
            return 0.0

    def call_leader(self) -> None:
        """Leave word that errors were stored."""
        if self.directory is not None:
            with contextlib.suppress(OSError):
                os.utime(self.directory / LEADER_LOCK)

    def called_at(self) -> float:
        """Return when the leader was last called."""
        return self._touched_at(LEADER_LOCK)

    def renew(self) -> None:
        """Ask every process of this machine to begin a new journal."""
        if self.directory is not None:
            (self.directory / RENEW_FILE).touch(mode=0o600)

    def renewed_at(self) -> float:
        """Return when new journals were last asked for."""
        return self._touched_at(RENEW_FILE)

    def paths(self) -> list[Path]:
        """Return the journals that are there, of all processes."""
        return sorted(self.directory.glob(f"*{SUFFIX}")) if self.directory is not None else []

    def orphans(self) -> Iterator[Journal]:
        """Yield the journals that dead processes left, locked for this one."""
        if self.directory is None:
            return
        for path in self.paths():
            if path.name in self._foreign:
                continue
            try:
                journal = Journal.adopt(path, self.identity)
            except (ForeignJournalError, OSError) as error:
                if getattr(error, "errno", 0) in _PASSING:
                    break
                if path.exists() or path.is_symlink():
                    self._foreign.add(path.name)
                    logger.warning("a journal is left alone: name=%r reason=%r", path.name, error)
                continue
            if journal is not None:
                yield journal
        for stray in (*self.directory.glob(".*.new"), *self.directory.glob(f".{KNOWN_FILE}.*")):
            with contextlib.suppress(OSError):
                if time.time() - stray.lstat().st_mtime > STRAY_SECONDS:
                    stray.unlink()

    def leave_alone(self, key: uuid.UUID) -> None:
        """Never adopt the journal *key* in this process."""
        self._foreign.add(f"{key}{SUFFIX}")

    def bytes_on_disk(self) -> int:
        """Return how many bytes the journals of all processes of this machine have."""
        total = 0
        for path in self.paths():
            with contextlib.suppress(OSError):
                total += path.stat().st_size
        return total

    def write_known(self, states: dict[str, PublicState | None]) -> None:
        """Publish *states* to the other processes, at once or not at all."""
        data = json.dumps(
            {key: state and [state.bug_id, state.status, state.public_message] for key, state in states.items()}
        )
        if self.directory is None or data == self._known_stamp:
            return
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{KNOWN_FILE}.", dir=self.directory)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(data)
            Path(name).replace(self.directory / KNOWN_FILE)
            self._known_stamp = data
        except OSError as error:
            logger.warning("what is known of the bugs could not be published: error=%r", error)

    def read_known(self) -> dict[str, PublicState | None] | None:
        """Return what the leader has published, None when there is nothing new."""
        if self.directory is None:
            return None
        path = self.directory / KNOWN_FILE
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            if stamp == self._known_stamp:
                return None
            self._known_stamp = stamp
            raw = json.loads(path.read_bytes())
            return {str(key): PublicState(*state) if state else None for key, state in raw.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def let_go(self) -> None:
        """Close the inherited lock in a forked child, or give it back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
