"""
Opens folders that only this user can have filled.

They are checked from the root down, each time they are used. A cleaner of temporary
files may remove a folder while the site runs, and another local user create one of the
same name. The error page would then show what that user wrote into it, and that user
could read what we write.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# As many as Linux follows in one path (path_resolution(7)).
MOST_LINKS = 40
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
OTHERS_MAY_DO_ANYTHING = stat.S_IRWXG | stat.S_IRWXO
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)


class UntrustedFolderError(PermissionError):
    """Another user owns a folder, or may write to it."""


class UntrustedFileError(PermissionError):
    """Another user owns a file, or may write to it."""


def user() -> int:
    """Return the number of this process's user; 0 on a system without users."""
    return getattr(os, "geteuid", int)()


@contextlib.contextmanager
def opened(folder: Path, *below: str, create: bool) -> Iterator[int]:
    """
    Open the private *folder*, or a private one *below* it, and yield its descriptor.

    Args:
        folder: Owned by this user, without permissions for anybody else. Every folder
            above it is owned by root, by this user or by the owner of our code, and
            nobody else can write to it, unless it is sticky as ``/tmp`` is.

        below: Names of private folders in it, each in the one before.

        create: Whether to create what is missing.

    Raises:
        UntrustedFolderError: One of them is not like that; nothing was read or written.

        OSError: One of them cannot be opened or created.
    """
    path = folder.absolute().parent
    descriptor = _open_parents(path, create=create)
    try:
        for name in (folder.name, *below):
            path = path / name
            child = _open_private(path, descriptor, create=create)
            os.close(descriptor)
            descriptor = child
        yield descriptor
    finally:
        os.close(descriptor)


def check_file(descriptor: int) -> os.stat_result:
    """
    Return the status of an open file.

    Raises:
        UntrustedFileError: It is not a regular file of this user, or other users may
            write to it.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != user():
        raise UntrustedFileError("not a regular file of this user")
    if status.st_mode & OTHERS_MAY_WRITE:
        raise UntrustedFileError("other users may write to it")
    return status


def _open_parents(folder: Path, *, create: bool) -> int:
    """Open *folder* from the root down, and check each folder on the way."""
    # What is left of the path, the next name last.
    pending = list(reversed(folder.parts[1:]))
    opened_path = Path(folder.anchor)
    descriptor = os.open(opened_path, _FLAGS)
    trusted = _trusted_users(descriptor)
    links = 0
    try:
        while pending:
            name = pending.pop()
            path = opened_path / name
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=descriptor)
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                links += 1
                _check_link(path, status, trusted, links)
                target = Path(os.readlink(name, dir_fd=descriptor))
                parts = target.parts
                if target.is_absolute():
                    parts = parts[1:]
                    opened_path = Path(target.anchor)
                    os.close(descriptor)
                    descriptor = os.open(opened_path, _FLAGS)
                pending += reversed(parts)
                continue
            child = os.open(name, _FLAGS, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = child
            opened_path = path
            _check_parent(path, os.fstat(descriptor), trusted)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _trusted_users(root: int) -> set[int]:
    """
    Return the users whose folders are trusted.

    The owner of our code can change what this process does anyway: a deploying user
    often owns the folder above JOURNAL_DIR. Root is the owner of the root of the file
    system: in a user namespace it may have another number.
    """
    return {0, user(), os.fstat(root).st_uid, Path(__file__).stat().st_uid}


def _check_link(
    path: Path, status: os.stat_result, trusted: set[int], links: int
) -> None:
    if status.st_uid not in trusted:
        raise UntrustedFolderError(
            f"{path} is a symbolic link of user {status.st_uid}, who is neither this "
            "user nor root"
        )
    if links > MOST_LINKS:
        raise UntrustedFolderError(f"{path} is one of too many symbolic links")


def _check_parent(path: Path, status: os.stat_result, trusted: set[int]) -> None:
    if status.st_uid not in trusted:
        raise UntrustedFolderError(
            f"{path} is owned by user {status.st_uid}, who is neither this user nor "
            "root"
        )
    is_sticky = bool(status.st_mode & stat.S_ISVTX)
    if status.st_mode & stat.S_IWOTH and not is_sticky:
        raise UntrustedFolderError(
            f"every user may write to {path}; remove that permission (chmod o-w) or "
            "make the folder sticky (chmod +t)"
        )
    if status.st_uid != user():
        # Root chose the groups of its own folders, as in /var/local.
        return
    is_shared = bool(status.st_mode & stat.S_IWGRP) and not is_sticky
    if is_shared and not _is_private_group(status.st_gid):
        raise UntrustedFolderError(
            f"the group {status.st_gid} may write to {path}; remove that permission "
            "(chmod g-w)"
        )


def _is_private_group(group: int) -> bool:
    """Return whether *group* has this user only: many systems create one per user."""
    if user() == 0 and group == 0:
        return True
    try:
        import grp  # neither module exists on Windows
        import pwd

        name = pwd.getpwuid(user()).pw_name
        found = grp.getgrgid(group)
    except (ImportError, KeyError):
        # In a container a user may have no entry.
        return group == user()
    has_other_members = bool(set(found.gr_mem) - {name})
    return found.gr_name == name and not has_other_members


def _open_private(path: Path, parent: int, *, create: bool) -> int:
    if create:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path.name, 0o700, dir_fd=parent)
    status = os.stat(path.name, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != user():
        raise UntrustedFolderError(f"{path} is not a directory of this user")
    descriptor = os.open(path.name, _FLAGS, dir_fd=parent)
    try:
        status = os.fstat(descriptor)
        if status.st_uid != user():
            raise UntrustedFolderError(f"{path} is not a directory of this user")
        if status.st_mode & OTHERS_MAY_DO_ANYTHING:
            os.fchmod(descriptor, 0o700)
        # A folder that a person created for us may have had any mode. Nobody can add to
        # it any more, and the owner of each entry shows who added it before.
        if status.st_mode & OTHERS_MAY_WRITE:
            _check_entries(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_entries(path: Path, descriptor: int) -> None:
    for name in os.listdir(descriptor):
        owner = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_uid
        if owner != user():
            # Otherwise the next check would find a folder that looks private.
            os.fchmod(descriptor, 0o770)
            raise UntrustedFolderError(
                f"user {owner} created {name!r} in {path}; remove it"
            )
