"""
Bug files: ``planning/tasks/B-012-slug.md`` in the project's repository.

Written atomically, never through a symlink and never outside the folder. The
part between the two markers is ours; what people wrote around it is kept.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from error_tracking.exceptions import TrackerError
from error_tracking.utils import checkout_of
from error_tracking.wording import BEGIN, END, front_matter, markdown

from .base import Filed, Tracker

if TYPE_CHECKING:
    from error_tracking.report import BugReport

FILE_NAME_BYTES = 120
_HEADER = (
    "<!-- Written by error_tracking, which reads nothing back from here. The part between the markers and the lines "
    "above the title are ours and are written anew when the bug changes; your notes belong below. -->"
)


class MarkdownTracker(Tracker):
    """Writes one file per bug into a folder."""

    name = "markdown"

    def __init__(self, directory: Path) -> None:
        """Write into *directory*, which is made when it is missing."""
        self.directory = directory

    def path_for(self, report: BugReport) -> Path:
        """Return the file of *report*: the one that is there for its bug id, else a new name."""
        for path in sorted(self.directory.glob(f"{report.bug_id}-*.md")):
            if _is_of(path, report):
                return path
        name = report.path_name
        if len(name.encode()) > FILE_NAME_BYTES or Path(name).name != name or name.startswith("."):
            msg = f"{name!r} is no name for a bug file"
            raise TrackerError(msg, is_permanent=True)
        return self.directory / name

    def find(self, report: BugReport) -> Filed | None:
        """Return the file of *report* when it is there."""
        path = self.path_for(report)
        return self._filed(path) if path.is_file() and _is_of(path, report) else None

    def file(self, report: BugReport) -> Filed:
        """Write the file of *report*, or the generated part of the one that is there."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            path = self.path_for(report)
            _write(path, _content(path, report))
        except OSError as error:
            msg = f"the bug file could not be written to {self.directory}: {error.strerror or error}"
            raise TrackerError(msg) from error
        return self._filed(path)

    def update(self, report: BugReport, reference: str) -> Filed | None:  # noqa: ARG002  the report has the name
        """Write the generated part anew; a file that somebody has deleted stays deleted once the bug is done."""
        return None if report.is_closed and self.find(report) is None else self.file(report)

    def _filed(self, path: Path) -> Filed:
        """Return what is there; outside a checkout, in a container say, only this machine has it."""
        return Filed(path.name, str(path), is_local=checkout_of(self.directory) is None)


def _is_of(path: Path, report: BugReport) -> bool:
    try:
        return f'uuid: "{report.uuid}"' in path.read_text(encoding="utf-8", errors="replace")[:4_000]
    except OSError:
        return False


def _content(path: Path, report: BugReport) -> str:
    generated = f"{BEGIN}\n{markdown(report)}\n{END}"
    front = front_matter(report)
    if path.is_symlink() or (path.exists() and not stat.S_ISREG(path.stat().st_mode)):
        msg = f"{path} is not a regular file"
        raise TrackerError(msg, is_permanent=True)
    if not path.exists():
        title = report.safe_title
        return f"{front}\n\n# {title}\n\n{_HEADER}\n\n{generated}\n\n## Notes\n"
    if not _is_of(path, report):
        msg = f"{path} belongs to another bug"
        raise TrackerError(msg, is_permanent=True)
    old = path.read_text(encoding="utf-8")
    head, begin, rest = old.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        return old  # the markers were taken out: the file belongs to people now
    _, _, people = head.partition("\n---\n")
    return f"{front}\n{people}{generated}{tail}"


def _write(path: Path, content: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".error-tracking-", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
