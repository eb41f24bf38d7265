"""
Bug files: ``planning/tasks/B-012-slug.md`` in the project's repository.

Written atomically, never through a symlink and never outside the folder. The part
between the two markers is ours; what people wrote around it stays.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from error_tracking.checkout import checkout_root
from error_tracking.exceptions import TrackerError
from error_tracking.report.bug_report import BugReport
from error_tracking.report.front_matter import file_front_matter
from error_tracking.report.markdown import bug_file, generated_part
from error_tracking.report.markers import parts_of

from .base import Filed, Tracker

# Half of what common file systems allow, so that a copy may have a longer name.
FILE_NAME_BYTES = 120
# The file is part of a repository: everybody who has it may read it.
FILE_MODE = 0o644
_FRONT_MATTER = re.compile(r"\A\ufeff?---\r?\n(.*?)^---\r?\n", re.DOTALL | re.MULTILINE)
_KEY = re.compile(r"\w{1,100}")


class MarkdownTracker(Tracker):
    """Writes one file per bug into a folder."""

    name = "markdown"
    names_issue = True
    shows_changes = True

    def __init__(self, directory: Path) -> None:
        """Use *directory*, which is created when it is missing."""
        # resolve() would follow symlinks.
        self.directory = Path(os.path.abspath(directory))  # noqa: PTH100

    def unavailable_reason(self) -> str:
        """Return why this process cannot write there, ``""`` when it can."""
        folders = (self.directory, *self.directory.parents)
        # Nothing exists of a drive that Windows does not have.
        existing = next((each for each in folders if each.exists()), folders[-1])
        if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
            return ""
        return f"PLANNING_DIR cannot be written to by this process: {existing}"

    def files(self) -> list[Path]:
        """Return what is in the folder, sorted; nothing when there is no folder."""
        if not self.directory.is_dir():
            return []
        return sorted(self.directory.iterdir())

    def find(self, report: BugReport) -> Filed | None:
        """Return the file of *report* if it exists."""
        path = self.path_for(report)
        if not path.is_file():
            return None
        return self._filed(path)

    def file(self, report: BugReport) -> Filed:
        """Write the file of *report*, or the generated part of the existing one."""
        path, content, has_changed = self.plan(report)
        if has_changed:
            self.write(path, content)
        return self._filed(path)

    def update(self, report: BugReport, reference: str) -> Filed | None:
        """Replace the generated part; once the bug is done, a deleted file stays so."""
        if report.is_closed and self.find(report) is None:
            return None
        return self.file(report)

    def plan(
        self, report: BugReport, evidence: Mapping[str, str] | None = None
    ) -> tuple[Path, str, bool]:
        """
        Return the file of *report*, its new content, and whether that is a change.

        Args:
            report: The bug.
            evidence: Code from an issue, used instead of what the report would give.

        Raises:
            TrackerError: It cannot be written there.
        """
        self._refuse_symlinked_folder()
        try:
            path = self.path_for(report)
            if not path.exists():
                return path, bug_file(report, evidence), True
            old = _read(path)
        except OSError as error:
            raise self._error(error) from error
        content = _updated(old, report, evidence)
        return path, content, content != old

    def write(self, path: Path, content: str) -> None:
        """
        Write *content* to *path*: all of it or nothing.

        Raises:
            TrackerError: It could not be written.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            _replace(path, content)
        except OSError as error:
            raise self._error(error) from error

    def path_for(self, report: BugReport) -> Path:
        """
        Return the file of *report*: the existing one of its bug, else a new name.

        Raises:
            TrackerError: Another file has its number, or the name is no file name.
        """
        same_number = self._files_with_number(report.bug_id)
        for path in same_number:
            is_bug_file = path.suffix == ".md"
            if is_bug_file and values_in(path).get("uuid") == report.uuid:
                return path
        for path in same_number:
            # Without front matter the file belongs to people now, but it is still its.
            is_known = path.name == report.file_name and _is_regular(path)
            if is_known and not values_in(path):
                return path
        if same_number:
            raise TrackerError(
                f"{report.bug_id} is taken: {_why_taken(same_number[0])}",
                is_permanent=True,
            )
        return self.directory / self._new_name(report)

    def _files_with_number(self, bug_id: str) -> list[Path]:
        """Return the files whose names begin with this number, in any spelling."""
        prefix, _, number = bug_id.rpartition("-")
        has_number = re.compile(
            rf"{re.escape(prefix)}-0*{int(number)}(?!\d)", re.IGNORECASE | re.ASCII
        )
        return [path for path in self.files() if has_number.match(path.name)]

    @staticmethod
    def _new_name(report: BugReport) -> str:
        name = report.path_name
        is_too_long = len(name.encode()) > FILE_NAME_BYTES
        is_path = Path(name).name != name
        if is_too_long or is_path or name.startswith("."):
            raise TrackerError(f"{name!r} is no name for a bug file", is_permanent=True)
        return name

    def _refuse_symlinked_folder(self) -> None:
        """Raise an error when a symlink inside the checkout leads to another folder."""
        root = checkout_root(self.directory)
        if root is None:
            return
        expected = root.resolve() / self.directory.relative_to(root)
        actual = self.directory.resolve()
        if actual != expected:
            raise TrackerError(
                f"a symlink leads from {self.directory} to {actual}", is_permanent=True
            )

    def _error(self, error: OSError) -> TrackerError:
        reason = error.strerror or error
        return TrackerError(
            f"the bug file could not be written to {self.directory}: {reason}"
        )

    def _filed(self, path: Path) -> Filed:
        # Outside a checkout, as in a container, only this machine has the file.
        is_local = checkout_root(self.directory) is None
        return Filed(path.name, str(path), is_local=is_local, file_name=path.name)


def values_in(path: Path) -> dict[str, str]:
    """
    Return the front matter of the bug file *path*.

    Nothing when it has none, or is not a regular file. Formatters may have rewritten
    it, so this reads more than we write.
    """
    if not _is_regular(path):
        return {}
    front_matter = _FRONT_MATTER.match(_read(path))
    if front_matter is None:
        return {}
    values = {}
    for line in front_matter[1].split("\n"):
        name, colon, text = line.partition(":")
        if colon and _KEY.fullmatch(name):
            values[name] = _unquoted(text.strip(" \r"))
    return values


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        # Another way to write YAML than ours.
        return text.strip("'")


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _why_taken(path: Path) -> str:
    if _is_regular(path):
        return f"{path.name!r} belongs to another bug"
    return f"{path.name!r} is not a regular file"


def _updated(old: str, report: BugReport, evidence: Mapping[str, str] | None) -> str:
    """Return *old* with front matter and generated part replaced."""
    parts = parts_of(old)
    if parts is None:
        return old  # somebody removed the markers: the file belongs to people now
    head, generated, tail = parts
    front_matter = _FRONT_MATTER.match(head)
    if front_matter is None:
        return old
    newline = "\r\n" if front_matter[0].endswith("\r\n") else "\n"
    new_front_matter = file_front_matter(report) + "\n"
    before = generated.replace("\r\n", "\n")
    new_generated = generated_part(report, before, evidence)
    return (
        new_front_matter.replace("\n", newline)
        + head[front_matter.end() :]
        + new_generated.replace("\n", newline)
        + tail
    )


def _read(path: Path) -> str:
    """Return what is in *path* so that it can be written back byte by byte."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def _replace(path: Path, content: str) -> None:
    """Write a temporary file and rename it, so that no reader sees half a file."""
    descriptor, name = tempfile.mkstemp(
        dir=path.parent, prefix=".error-tracking-", suffix=".tmp"
    )
    temporary = Path(name)
    try:
        with os.fdopen(
            descriptor, "w", encoding="utf-8", errors="surrogateescape", newline=""
        ) as file:
            file.write(content)
        temporary.chmod(FILE_MODE)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
