"""
Bug files: ``planning/tasks/B-012-slug.md`` in the project's repository.

Written atomically, never through a symlink and never outside the folder. The
part between the two markers is ours; what people wrote around it is kept.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path

from error_tracking.exceptions import TrackerError
from error_tracking.report import BugReport
from error_tracking.utils import checkout_of
from error_tracking.wording import bug_file, front_matter, generated, parts_of

from .base import Filed, Tracker

FILE_NAME_BYTES = 120
_FRONT = re.compile(r"\A\ufeff?---\r?\n(.*?)^---\r?\n", re.DOTALL | re.MULTILINE)
_LINE = re.compile(r"^(\w+): *(.*?) *\r?$", re.MULTILINE)


class MarkdownTracker(Tracker):
    """Writes one file per bug into a folder."""

    name = "markdown"

    def __init__(self, directory: Path) -> None:
        """Write into *directory*, which is made when it is missing."""
        self.directory = Path(os.path.abspath(directory))  # noqa: PTH100  resolve() would follow symlinks

    def why_not(self) -> str:
        """Return why this process cannot write there."""
        place = next(folder for folder in (self.directory, *self.directory.absolute().parents) if folder.exists())
        is_writable = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
        return "" if is_writable else f"PLANNING_DIR cannot be written to by this process: {place}"

    def files(self) -> list[Path]:
        """Return what is in the folder, in order; nothing where there is none."""
        return sorted(self.directory.iterdir()) if self.directory.is_dir() else []

    def path_for(self, report: BugReport) -> Path:
        """
        Return the file of *report*: the one that is there for its bug, else a new name.

        Raises:
            TrackerError: Its number is another's, or it would not be a file in the folder.
        """
        prefix, _, number = report.bug_id.rpartition("-")
        is_named = re.compile(rf"{re.escape(prefix)}-0*{int(number)}(?!\d)", re.IGNORECASE | re.ASCII)
        others = [path for path in self.files() if is_named.match(path.name)]
        its = [path for path in others if path.suffix == ".md" and values_in(path).get("uuid") == report.uuid]
        # One whose front matter was taken out belongs to people now.
        its += [path for path in others if path.name == report.file_name and _is_regular(path) and not values_in(path)]
        if its:
            return its[0]
        if others:
            why = "belongs to another bug" if _is_regular(others[0]) else "is not a regular file"
            raise TrackerError(f"{report.bug_id} is taken: {others[0].name!r} {why}", is_permanent=True)
        name = report.path_name
        if len(name.encode()) > FILE_NAME_BYTES or Path(name).name != name or name.startswith("."):
            raise TrackerError(f"{name!r} is no name for a bug file", is_permanent=True)
        return self.directory / name

    def find(self, report: BugReport) -> Filed | None:
        """Return the file of *report* when it is there."""
        path = self.path_for(report)
        return self._filed(path) if path.is_file() else None

    def file(self, report: BugReport) -> Filed:
        """Write the file of *report*, or the generated part of the one that is there."""
        path, content, has_changed = self.plan(report)
        if has_changed:
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
                _write(path, content)
            except OSError as error:
                raise self._error(error) from error
        return self._filed(path)

    def update(self, report: BugReport, reference: str) -> Filed | None:  # noqa: ARG002  the report has the name
        """Write the generated part anew; a file that somebody has deleted stays deleted once the bug is done."""
        return None if report.is_closed and self.find(report) is None else self.file(report)

    def plan(self, report: BugReport) -> tuple[Path, str, bool]:
        """
        Return the file of *report*, what is to be in it, and whether that is not there yet.

        Raises:
            TrackerError: It cannot be written there.
        """
        root = checkout_of(self.directory)
        if root is not None and self.directory.resolve() != root.resolve() / self.directory.relative_to(root):
            msg = f"a symlink leads from {self.directory} to {self.directory.resolve()}"
            raise TrackerError(msg, is_permanent=True)
        try:
            path = self.path_for(report)
            if not path.exists():
                return path, bug_file(report), True
            old = _text_of(path)
        except OSError as error:
            raise self._error(error) from error
        content = _renewed(old, report)
        return path, content, content != old

    def _error(self, error: OSError) -> TrackerError:
        return TrackerError(f"the bug file could not be written to {self.directory}: {error.strerror or error}")

    def _filed(self, path: Path) -> Filed:
        """Return what is there; outside a checkout, in a container say, only this machine has it."""
        return Filed(path.name, str(path), is_local=checkout_of(self.directory) is None)


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def values_in(path: Path) -> dict[str, str]:
    """Return the front matter of the bug file *path*; nothing where it is none, or no regular file."""
    if not _is_regular(path):
        return {}
    front = _FRONT.match(_text_of(path))
    return {name: _unquoted(text) for name, text in _LINE.findall(front[1])} if front else {}


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:  # somebody's own way to write YAML
        return text.strip("'")


def _text_of(path: Path) -> str:
    """Return what is in *path*, to be written again as it was: its newlines, and bytes that are no UTF-8."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def _renewed(old: str, report: BugReport) -> str:
    head, before, tail = parts_of(old) or ("", "", "")
    front = _FRONT.match(head)
    if not front:
        return old  # the markers or the front matter were taken out: the file belongs to people now
    newline = "\r\n" if front[0].endswith("\r\n") else "\n"
    written = (front_matter(report) + "\n", generated(report, before.replace("\r\n", "\n")))
    top, ours = (text.replace("\n", newline) for text in written)
    return f"{top}{head[front.end() :]}{ours}{tail}"


def _write(path: Path, content: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".error-tracking-", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
