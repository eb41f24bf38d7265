"""
The folder that the processes of one machine share, and the lock that makes one lead.

The holder of ``leader.lock`` adopts journals, sweeps and publishes the known bugs in
``known.json``; the others read that file. Without a folder every process is its own
leader. Uses no database.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from error_tracking import conf
from error_tracking.bugs.known import PublicState

from . import private_folder
from .identity import database_identity, description, folder_name, identities
from .journal import SUFFIX, ForeignJournalError, JournalFile, fcntl
from .private_folder import UntrustedFolderError, user

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Iterator

__all__ = [
    "Machine",
    "database_identity",
    "default_root",
    "journal_names",
    "journal_root",
    "user",
]

logger = logging.getLogger("error_tracking")

RENEW_FILE = "renew"
LEADER_LOCK = "leader.lock"
KNOWN_FILE = "known.json"
# Only named in an error message: Python found that no temporary folder is writable.
FALLBACK_FOLDER = "/tmp"  # noqa: S108
# Writing a file takes milliseconds. One that is still hidden after an hour was left by
# a process that was killed.
STRAY_SECONDS = 3_600
# As often as the intake tries a disk that failed.
FIND_AGAIN_SECONDS = 30.0
# What is over when somebody closes a file: the journal can be adopted later.
_PASSING_ERRORS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
# Never follow a link that another user may have put there, and never wait for a pipe.
_SAFE_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def default_root() -> Path:
    """Return this user's folder below the system's temporary one."""
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:
        # No folder is writable. Using this one fails with a reason, and events wait in
        # memory.
        folder = FALLBACK_FOLDER
    return Path(folder, f"error_tracking-{user()}")


def journal_root() -> Path:
    """Return JOURNAL_DIR, by default :func:`default_root`."""
    chosen = conf.get_settings().JOURNAL_DIR
    if chosen:
        return Path(chosen)
    return default_root()


def journal_names(names: Iterable[str]) -> list[str]:
    """Return those of *names* that belong to journals, sorted."""
    # A journal has a hidden name until it is locked.
    return sorted(
        name for name in names if name.endswith(SUFFIX) and not name.startswith(".")
    )


class Machine:
    """
    What this process shares with the others on its machine.

    Attributes:
        identity: Names the project and the database that the journals belong to.

        identities: That one, then those of earlier SECRET_KEYs.

        problem: Why there is no directory now; empty if there is one.

        check_folders_at: When the leader checks the folders of other databases again,
            in seconds of the monotonic clock.

    """

    def __init__(self) -> None:
        self.identities = identities()
        self.identity = self.identities[0]
        self._about = description()
        self.check_folders_at = 0.0
        self.problem = ""
        self._root = journal_root()
        self._directory = self._folder_of(self.identity)
        self._is_found = False
        self._find_again_at = 0.0
        self._lock: int | None = None
        # What this process wrote into the known file, or saw of the file another wrote.
        self._known_stamp: object = None
        self._foreign: set[str] = set()
        self._find()

    @property
    def directory(self) -> Path | None:
        """The folder of the journals. None while there is none: they are in memory."""
        if not self._is_found and time.monotonic() >= self._find_again_at:
            self._find()
        if not self._is_found:
            return None
        return self._directory

    def _find(self) -> None:
        try:
            if fcntl is None:
                raise OSError("this system has no fcntl")
            with self._opened(create=True):
                self._is_found = True
                self.problem = ""
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._is_found = False
        self._find_again_at = time.monotonic() + FIND_AGAIN_SECONDS
        self.problem = f"events wait in memory only: {error}"

    def _folder_of(self, identity: str) -> Path:
        return self._root / folder_name(identity)

    @contextlib.contextmanager
    def _opened(self, identity: str = "", *, create: bool = False) -> Iterator[int]:
        """
        Yield the descriptor of the directory, checked again.

        Raises:
            OSError: It does not exist, or another user could have filled it.
        """
        name = folder_name(identity or self.identity)
        try:
            with private_folder.opened(self._root, name, create=create) as folder:
                yield folder
        except UntrustedFolderError as error:
            self._give_up(error)
            raise

    def new_journal(self) -> JournalFile:
        """
        Start a journal in the directory.

        Raises:
            OSError: There is no directory, or no room in it.
        """
        directory = self.directory
        if directory is None:
            raise FileNotFoundError(self.problem)
        # While it is open and checked, no other user can replace it.
        with self._opened(create=True):
            return JournalFile.create(directory, self.identity)

    @contextlib.contextmanager
    def trusted(self) -> Iterator[None]:
        """
        Check the directory, or create it, before a file is created in it.

        Raises:
            OSError: It does not exist, or another user could have filled it.
        """
        with self._opened(create=True):
            yield

    def lead(self) -> bool:
        """Become the leader if there is none. Return whether this process leads."""
        if self.directory is None:
            return True
        try:
            with self._opened() as folder:
                return self._has_lock(folder) or self._try_lock(folder)
        except OSError:
            # No room or no permission for a file. Two sweeps at once are harmless; none
            # at all would leave bugs unfiled.
            return True

    def _has_lock(self, folder: int) -> bool:
        """
        Return whether this process holds the lock that the others see.

        A cleaner of temporary files may have deleted the locked file, and another
        process have locked a new one.
        """
        if self._lock is None:
            return False
        try:
            status = os.stat(LEADER_LOCK, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            status = None
        if status is not None and os.path.samestat(os.fstat(self._lock), status):
            return True
        self.let_go()
        return False

    def _try_lock(self, folder: int) -> bool:
        flags = os.O_RDWR | os.O_CREAT | _SAFE_FLAGS
        descriptor = os.open(LEADER_LOCK, flags, 0o600, dir_fd=folder)
        try:
            private_folder.check_file(descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._lock = descriptor
        self._note_database(descriptor)
        return True

    def _note_database(self, descriptor: int) -> None:
        """
        Write into the lock's file which database this is.

        For the person who finds the folder after the project's database has changed.
        """
        if os.fstat(descriptor).st_size:
            return
        with contextlib.suppress(OSError):
            os.write(descriptor, json.dumps(self._about).encode())

    def touched_at(self, name: str) -> float:
        """Return when the file *name* was touched, in seconds since the epoch, or 0."""
        if self.directory is None:
            return 0.0
        try:
            with self._opened() as folder:
                return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime
        except OSError:
            return 0.0

    def touch(self, name: str) -> None:
        """
        Set the time of the file *name* to now, and create it if it is missing.

        Raises:
            OSError: There is no directory, or no room in it.
        """
        flags = os.O_RDWR | os.O_CREAT | _SAFE_FLAGS
        with self._opened(create=True) as folder:
            descriptor = os.open(name, flags, 0o600, dir_fd=folder)
            try:
                os.utime(descriptor)
            finally:
                os.close(descriptor)

    def call_leader(self) -> None:
        """Notify the leader that errors were stored."""
        if self.directory is None:
            return
        with contextlib.suppress(OSError), self._opened() as folder:
            os.utime(LEADER_LOCK, dir_fd=folder, follow_symlinks=False)

    def called_at(self) -> float:
        """Return when the leader was last called, in seconds since the epoch, or 0."""
        return self.touched_at(LEADER_LOCK)

    def renew(self) -> None:
        """Request that every process of this machine begins a new journal."""
        if self.directory is not None:
            self.touch(RENEW_FILE)

    def renewed_at(self) -> float:
        """Return when that was last requested, in seconds since the epoch, or 0."""
        return self.touched_at(RENEW_FILE)

    def _names(self, identity: str) -> list[str]:
        try:
            with self._opened(identity) as folder:
                return sorted(os.listdir(folder))  # noqa: PTH208  a descriptor
        except OSError:
            return []

    def paths(self) -> list[Path]:
        """Return the journals of all processes, including those of earlier keys."""
        return [path for path, _ in self._journals()]

    def _journals(self) -> list[tuple[Path, str]]:
        """Return each journal with the identity whose folder it is in."""
        found: list[tuple[Path, str]] = []
        if self.directory is None:
            return found
        for identity in self.identities:
            folder = self._folder_of(identity)
            names = journal_names(self._names(identity))
            found += [(folder / name, identity) for name in names]
        return found

    def orphans(self) -> Iterator[JournalFile]:
        """Yield the journals of dead processes, locked for this one."""
        for path, identity in self._journals():
            if path.name in self._foreign:
                continue
            try:
                journal = JournalFile.adopt(path, identity)
            except (ForeignJournalError, OSError) as error:
                if getattr(error, "errno", 0) in _PASSING_ERRORS:
                    break
                # Otherwise another process drained and deleted it meanwhile.
                if path.exists() or path.is_symlink():
                    self._foreign.add(path.name)
                    logger.warning(
                        "a journal is left alone: name=%r reason=%r", path.name, error
                    )
                continue
            if journal is not None:
                yield journal
        self._sweep_strays()

    def _sweep_strays(self) -> None:
        """Delete files of processes that were killed while they wrote them."""
        for name in self._names(self.identity):
            is_new_journal = name.startswith(".") and name.endswith(".new")
            is_new_known_file = name.startswith(f".{KNOWN_FILE}.")
            if not is_new_journal and not is_new_known_file:
                continue
            with contextlib.suppress(OSError), self._opened() as folder:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if time.time() - status.st_mtime > STRAY_SECONDS:
                    os.unlink(name, dir_fd=folder)

    def leave_alone(self, key: uuid.UUID) -> None:
        """Never adopt the journal *key* in this process: it cannot be read."""
        self._foreign.add(f"{key}{SUFFIX}")

    def bytes_on_disk(self) -> int:
        """Return the size of the journals of all processes of this machine."""
        total = 0
        for path in self.paths():
            with contextlib.suppress(OSError):
                total += path.stat().st_size
        return total

    def write_known(self, states: dict[str, PublicState | None]) -> None:
        """Publish *states* to the other processes, completely or not at all."""
        values: dict[str, list[Any] | None] = dict.fromkeys(states)
        for fingerprint, state in states.items():
            if state is not None:
                values[fingerprint] = state.as_list()
        data = json.dumps(values)
        directory = self.directory
        if directory is None or data == self._known_stamp:
            return
        try:
            with self._opened(create=True) as folder:
                descriptor, name = tempfile.mkstemp(
                    prefix=f".{KNOWN_FILE}.", dir=directory
                )
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(data)
                os.replace(
                    Path(name).name, KNOWN_FILE, src_dir_fd=folder, dst_dir_fd=folder
                )
            self._known_stamp = data
        except OSError as error:
            logger.warning("the known bugs could not be published: error=%r", error)

    def read_known(self) -> dict[str, PublicState | None] | None:
        """Return what the leader has published, or None if there is nothing new."""
        if self.directory is None:
            return None
        try:
            raw = self._changed_known()
            if raw is None:
                return None
            found: dict[str, PublicState | None] = {}
            for fingerprint, values in json.loads(raw).items():
                found[fingerprint] = None
                if values:
                    found[fingerprint] = PublicState.from_list(values)
            return found
        except (OSError, ValueError, TypeError, AttributeError):
            # No file yet, or one of another release.
            return None

    def _changed_known(self) -> bytes | None:
        flags = os.O_RDONLY | _SAFE_FLAGS
        with (
            self._opened() as folder,
            os.fdopen(os.open(KNOWN_FILE, flags, dir_fd=folder), "rb") as file,
        ):
            status = private_folder.check_file(file.fileno())
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            if stamp == self._known_stamp:
                return None
            self._known_stamp = stamp
            return file.read()

    def let_go(self) -> None:
        """Release the lock, or close what a forked child inherited of it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
