"""
Journal folders that no process drains any more, and what can be done about them.

When the host, port or name of a database changes while events wait, their journals
stay: no process of the project has that identity any more. Only a person knows
whether they belong into the new database. Empty folders are removed automatically.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import errno
import json
import logging
import os
import re
import shutil
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import private_folder
from .identity import PROJECT_DIGITS, folder_name
from .journal import (
    COUNT,
    OUTCOME,
    FileStorage,
    ForeignJournalError,
    JournalFile,
    fcntl,
    header,
    read_header,
)
from .machine import (
    KNOWN_FILE,
    LEADER_LOCK,
    RENEW_FILE,
    default_root,
    journal_names,
    journal_root,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .machine import Machine

logger = logging.getLogger("error_tracking")

# Nothing about these folders is urgent.
CHECK_SECONDS = 3_600.0
# Often enough to be noticed, too rarely to fill a log.
REPORT_SECONDS = 24 * 3_600
# Longer than any process lives without a request or an event, so that none is about
# to use the folder.
EMPTY_SECONDS = 24 * 3_600
REPORT_FILE = "reported"
# About a millisecond of reading.
YIELD_RECORDS = 500
# Far more than a description of a database needs. Anything may be in the file.
ABOUT_BYTES = 10_000

# Without a dash it is of a version that did not distinguish projects.
_FOLDER = re.compile(r"[0-9a-f]{12}-[0-9a-f]{20}|[0-9a-f]{16}")
_OWN_FILES = re.compile(
    rf"{LEADER_LOCK}|{KNOWN_FILE}|{RENEW_FILE}|{REPORT_FILE}"
    rf"|\.{KNOWN_FILE}\..*|\..*\.new"
)


class State(enum.StrEnum):
    """What a folder is to this project."""

    ORPHANED = "orphaned"
    IN_USE = "in use"
    OTHER_PROJECT = "other project"


class LeftoverError(Exception):
    """A folder could not be adopted or discarded; the text says why, and what to do."""


@dataclasses.dataclass(frozen=True, slots=True)
class Leftover:
    """
    A folder with journals.

    Attributes:
        events: How many events their records stand for, including those that the old
            database may have stored already.

        written_at: When the last record was written, in seconds since the epoch.

        unreadable: How many files with the name of a journal are none.

        about: The database, as the folder's leader described it.

    """

    path: Path
    state: State
    journals: int
    events: int
    size: int
    written_at: float
    unreadable: int
    about: dict[str, str]

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.name

    def as_dict(self) -> dict[str, Any]:
        """Return the values as plain data."""
        return {
            **dataclasses.asdict(self),
            "path": str(self.path),
            "name": self.name,
            "state": str(self.state),
        }


def find(machine: Machine, *, every: bool = False) -> list[Leftover]:
    """
    Return the folders with journals of this project that no process drains.

    Args:
        machine: What this process shares with the others of its machine.

        every: Whether to include folders that a living process uses, and those of other
            projects of this user.
    """
    found = []
    for root, name in _folders(machine):
        with contextlib.suppress(OSError):
            leftover = _inspect(machine, root, name)
            is_wanted = every or leftover.state is State.ORPHANED
            if is_wanted and leftover.journals + leftover.unreadable:
                found.append(leftover)
    return found


def adopt(machine: Machine, leftover: Leftover) -> int:
    """
    Move the journals of *leftover* to the folder from which they are stored.

    Each is given this project's identity before it is moved, so this can be repeated
    whenever it is interrupted. If the database has a part of a journal already, such as
    after a move to another server, that part is not stored twice.

    Returns:
        How many journals were moved.

    Raises:
        LeftoverError: The folder belongs to another project or is in use, or a file
            cannot be moved.
    """
    target = machine.directory
    if target is None:
        raise LeftoverError(f"There is no folder to move them to: {machine.problem}.")
    _refuse_others(leftover, "adopted")
    moved = 0
    try:
        with _exclusive(leftover.path) as folder:
            for name in _journals_in(folder):
                if _adopt_journal(machine, folder, leftover.path / name, target):
                    moved += 1
    except OSError as error:
        raise LeftoverError(f"{leftover.path}: {error}") from error
    _remove(leftover.path)
    return moved


def discard(leftover: Leftover) -> int:
    """
    Delete the journals of *leftover*, and the folder if nothing else is in it.

    Returns:
        How many journals were deleted.

    Raises:
        LeftoverError: The folder belongs to another project or is in use, or a file
            cannot be deleted.
    """
    _refuse_others(leftover, "deleted")
    names = []
    try:
        with _exclusive(leftover.path) as folder:
            names = _journals_in(folder)
            for name in names:
                os.unlink(name, dir_fd=folder)
    except OSError as error:
        raise LeftoverError(f"{leftover.path}: {error}") from error
    _remove(leftover.path)
    return len(names)


def check_folders(machine: Machine) -> None:
    """
    Remove empty folders once an hour, and log once a day what a person has to decide.

    Called by the machine's leader.
    """
    now = time.monotonic()
    if machine.directory is None or now < machine.check_folders_at:
        return
    machine.check_folders_at = now + CHECK_SECONDS
    for root, name in _folders(machine):
        _remove(root / name, age=EMPTY_SECONDS)
    _report(machine)


def _report(machine: Machine) -> None:
    if time.time() - machine.touched_at(REPORT_FILE) < REPORT_SECONDS:
        return
    leftovers = find(machine)
    if leftovers:
        with contextlib.suppress(OSError):
            machine.touch(REPORT_FILE)
    for leftover in leftovers:
        logger.warning(
            "journals of another database wait: folder=%s journals=%d events=%d "
            "last_written=%s database=%r; adopt or delete them with "
            "manage.py error_tracking_journals",
            leftover.path,
            leftover.journals,
            leftover.events,
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(leftover.written_at)),
            leftover.about,
        )


def _folders(machine: Machine) -> Iterator[tuple[Path, str]]:
    """Yield root and name of each folder that this project does not drain now."""
    drained = {folder_name(identity) for identity in machine.identities}
    current = journal_root()
    for root in dict.fromkeys((current, default_root())):
        try:
            with private_folder.opened(root, create=False) as folder:
                names = sorted(os.listdir(folder))  # noqa: PTH208  a descriptor
        except OSError:
            continue
        for name in names:
            is_drained = root == current and name in drained
            if _FOLDER.fullmatch(name) and not is_drained:
                yield root, name


def _inspect(machine: Machine, root: Path, name: str) -> Leftover:
    path = root / name
    journals = 0
    events = 0
    size = 0
    unreadable = 0
    written_at = 0.0
    with private_folder.opened(root, name, create=False) as folder:
        about = _read_about(folder)
        is_in_use = _is_locked(folder, LEADER_LOCK)
        for each in _journals_in(folder):
            status = os.stat(each, dir_fd=folder, follow_symlinks=False)
            size += status.st_size
            written_at = max(written_at, status.st_mtime)
            try:
                with _journal(folder, path / each) as journal:
                    journals += 1
                    events += _events_in(journal)
            except BlockingIOError:
                journals += 1
                is_in_use = True
            except (OSError, ForeignJournalError):
                unreadable += 1
    return Leftover(
        path=path,
        state=_state(machine, name, is_in_use=is_in_use),
        journals=journals,
        events=events,
        size=size,
        written_at=written_at,
        unreadable=unreadable,
        about=about,
    )


def _state(machine: Machine, name: str, *, is_in_use: bool) -> State:
    is_of_this_project = "-" in name and name[:PROJECT_DIGITS] in _projects(machine)
    if not is_of_this_project:
        return State.OTHER_PROJECT
    if is_in_use:
        return State.IN_USE
    return State.ORPHANED


def _projects(machine: Machine) -> set[str]:
    """Return what the identities of this project begin with, one for each key."""
    return {identity[:PROJECT_DIGITS] for identity in machine.identities}


def _events_in(journal: JournalFile) -> int:
    events = 0
    for number, (kind, payload) in enumerate(journal.records()):
        if kind == COUNT and payload:
            # The last byte of a count is the number of events that it stands for.
            events += payload[-1]
        elif kind != OUTCOME:
            events += 1
        if number % YIELD_RECORDS == 0:
            time.sleep(0)  # the leader reads this on a thread of the site
    return events


def _read_about(folder: int) -> dict[str, str]:
    """Return the last leader's description of its database, {} if there is none."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with os.fdopen(os.open(LEADER_LOCK, flags, dir_fd=folder), "rb") as file:
            found = json.loads(file.read(ABOUT_BYTES))
        return {str(name): str(value) for name, value in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _journals_in(folder: int) -> list[str]:
    return journal_names(os.listdir(folder))


@contextlib.contextmanager
def _locked(folder: int, name: str) -> Iterator[int]:
    """
    Open the file *name* of *folder* and hold its lock.

    Raises:
        BlockingIOError: Another process holds it.

        OSError: It cannot be opened, or belongs to another user.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        private_folder.check_file(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _journal(folder: int, path: Path) -> Iterator[JournalFile]:
    """Yield the journal at *path*, locked, and open for reading and writing."""
    with _locked(folder, path.name) as descriptor:
        storage = FileStorage(descriptor, path)
        identity, key = read_header(storage.read(0, storage.size))
        yield JournalFile(storage, identity, key=key)


def _is_locked(folder: int, name: str) -> bool:
    try:
        with _locked(folder, name):
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[int]:
    """
    Yield the folder at *path*, while no process can lead it or owns a journal in it.

    Raises:
        LeftoverError: A process uses the folder.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(
            private_folder.opened(path.parent, path.name, create=False)
        )
        try:
            with contextlib.suppress(FileNotFoundError):
                stack.enter_context(_locked(folder, LEADER_LOCK))
        except BlockingIOError:
            raise _in_use(path) from None
        if any(_is_locked(folder, name) for name in _journals_in(folder)):
            raise _in_use(path)
        yield folder


def _in_use(path: Path) -> LeftoverError:
    return LeftoverError(
        f"{path} is in use: a process of this project stores its events. "
        "Stop that process first if you do not want that."
    )


def _refuse_others(leftover: Leftover, what: str) -> None:
    if leftover.state is State.OTHER_PROJECT:
        raise LeftoverError(
            f"{leftover.path} belongs to another project and is not {what}. If this "
            "project used it with an earlier SECRET_KEY, add that key to "
            "SECRET_KEY_FALLBACKS."
        )


def _adopt_journal(machine: Machine, folder: int, path: Path, target: Path) -> bool:
    """
    Give one journal the identity of this project and move it.

    Returns:
        False for a file that is no journal of this project. It stays where it is.
    """
    try:
        with _journal(folder, path) as journal:
            storage = journal.storage
            assert isinstance(storage, FileStorage)  # noqa: S101  for the type checker
            identity, _ = read_header(storage.read(0, storage.size))
            if identity[:PROJECT_DIGITS] not in _projects(machine):
                return False
            if os.path.lexists(target / path.name):
                raise FileExistsError(errno.EEXIST, "already there", target / path.name)
            os.pwrite(storage.descriptor, header(machine.identity, journal.id), 0)
            _move(path, target)
            return True
    except ForeignJournalError:
        return False


def _move(path: Path, target: Path) -> None:
    try:
        path.rename(target / path.name)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # Another file system, such as that of a new JOURNAL_DIR. The copy has a hidden
        # name until it is complete.
        hidden = target / f".{uuid.uuid4()}.new"
        shutil.copyfile(path, hidden)
        hidden.chmod(0o600)
        hidden.rename(target / path.name)
        path.unlink()


def _remove(path: Path, *, age: float = 0.0) -> bool:
    """
    Remove the folder at *path* if it is empty but for files of ours.

    Args:
        path: The folder. It stays if it has a journal, an unknown file or a leader.

        age: It also stays if anything in it changed in the last *age* seconds.

    Returns:
        Whether it was removed.
    """
    try:
        with contextlib.ExitStack() as stack:
            root = stack.enter_context(private_folder.opened(path.parent, create=False))
            folder = stack.enter_context(
                private_folder.opened(path.parent, path.name, create=False)
            )
            names = os.listdir(folder)  # noqa: PTH208  a descriptor
            if not all(_OWN_FILES.fullmatch(name) for name in names):
                return False
            if time.time() - _newest(folder, names) < age:
                return False
            # Nobody becomes its leader meanwhile. A process that begins a journal now
            # creates the folder again.
            with contextlib.suppress(FileNotFoundError):
                stack.enter_context(_locked(folder, LEADER_LOCK))
            for name in names:
                os.unlink(name, dir_fd=folder)
            os.rmdir(path.name, dir_fd=root)
    except OSError:
        return False
    return True


def _newest(folder: int, names: Iterable[str]) -> float:
    newest = os.fstat(folder).st_mtime
    for name in names:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        newest = max(newest, status.st_mtime)
    return newest
