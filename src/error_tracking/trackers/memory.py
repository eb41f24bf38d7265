"""A tracker that stores reports in a list, for tests."""

from __future__ import annotations

from error_tracking.report.bug_report import BugReport

from .base import Filed, Tracker


class MemoryTracker(Tracker):
    """
    Files in memory.

    Attributes:
        reports: What was filed.
        failure: Raised once by the next call of ``file``, if set.

    """

    name = "memory"

    def __init__(self) -> None:
        self.reports: list[BugReport] = []
        self.failure: Exception | None = None

    def find(self, report: BugReport) -> Filed | None:
        """Return what was filed for the same bug."""
        for filed in self.reports:
            if filed.uuid == report.uuid:
                return Filed(report.bug_id)
        return None

    def file(self, report: BugReport) -> Filed:
        """Store *report*, or raise ``failure``."""
        if self.failure is not None:
            failure = self.failure
            self.failure = None
            raise failure
        self.reports.append(report)
        return Filed(report.bug_id)
