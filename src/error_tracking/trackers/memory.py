"""A tracker that keeps what it files in a list: for the tests of projects and of trackers."""

from __future__ import annotations

from error_tracking.report import BugReport

from .base import Filed, Tracker


class MemoryTracker(Tracker):
    """Files in memory; ``failure`` is raised by the next call when it is set."""

    name = "memory"

    def __init__(self) -> None:
        """Start with nothing filed."""
        self.reports: list[BugReport] = []
        self.failure: Exception | None = None

    def find(self, report: BugReport) -> Filed | None:
        """Return what was filed for the same bug."""
        if any(filed.uuid == report.uuid for filed in self.reports):
            return Filed(report.bug_id)
        return None

    def file(self, report: BugReport) -> Filed:
        """Keep *report*, or raise ``failure``."""
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        self.reports.append(report)
        return Filed(report.bug_id)
