"""The two services: capture an error, and file a bug."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import conf
from .capture.service import ErrorCaptureService
from .exceptions import TrackerError
from .filing import outbox
from .models import KnownBug
from .models.known_bug import format_bug_id
from .report.bug_report import BugReport, report_from_data
from .trackers import Tracker
from .trackers.github import GitHubTracker
from .trackers.markdown import MarkdownTracker

__all__ = ["BugCreationService", "ErrorCaptureService"]


class BugCreationService:
    """
    Files bugs with their trackers. Stateless.

    Args:
        trackers_by_name: The trackers to use, by default the configured ones.

    """

    def __init__(
        self, *, trackers_by_name: Mapping[str, Tracker] | None = None
    ) -> None:
        self._trackers_by_name = trackers_by_name

    def get_next_bug_id(self) -> str:
        """Return the bug id that the next bug would get; reserves nothing."""
        prefix = conf.get_settings().BUG_PREFIX
        return format_bug_id(KnownBug.highest_number() + 1, prefix)

    def create_bug_file(self, bug_id: str, data: Mapping[str, Any]) -> Path:
        """
        Write the Markdown file of a bug.

        Args:
            bug_id: For example ``"B-012"``. If there is such a bug, it gives what
                *data* lacks.
            data: Values with the keys of :class:`~error_tracking.trackers.BugReport`:
                ``title``, ``severity``, ``description``, ``route``, …

        Returns:
            The path of the file.

        Raises:
            ValueError: *bug_id* is not a bug id, or a value does not fit its key.
            TrackerError: The file could not be written.

        """
        report = _report_for(bug_id, data)
        tracker = MarkdownTracker(conf.get_settings().planning_dir)
        return tracker.directory / tracker.file(report).reference

    def create_github_issue(
        self, bug_id: str, data: Mapping[str, Any]
    ) -> tuple[int, str]:
        """
        Create the GitHub issue of a bug.

        Args:
            bug_id: As for :meth:`create_bug_file`.
            data: As for :meth:`create_bug_file`.

        Returns:
            The number and the URL of the issue.

        Raises:
            ValueError: *bug_id* is not a bug id, or a value does not fit its key.
            TrackerError: GITHUB_REPO is not set, or GitHub refused the issue.

        """
        report = _report_for(bug_id, data)
        repo = conf.get_settings().GITHUB_REPO
        if not repo:
            raise TrackerError(
                "no repository to file in: set "
                'ERROR_TRACKING["GITHUB_REPO"] to "owner/name"',
                is_permanent=True,
            )
        filed = GitHubTracker(repo).file(report)
        return filed.number or 0, filed.url

    def file(self, known_bug_id: int) -> int:
        """
        Do what is due for the bug with this primary key.

        Returns:
            How many trackers filed or updated it now.

        """
        outcomes = outbox.file_bug(
            known_bug_id, trackers_by_name=self._trackers_by_name
        )
        return len([outcome for outcome in outcomes if outcome.is_done])


def _report_for(bug_id: str, data: Mapping[str, Any]) -> BugReport:
    values = dict(data)
    bug = KnownBug.all_objects.filter(bug_id=bug_id).first()
    if bug is not None:
        values.setdefault("uuid", str(bug.uuid))
        values.setdefault("title", bug.title)
        values.setdefault("severity", bug.severity)
    return report_from_data(bug_id, values)
