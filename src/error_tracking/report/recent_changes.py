"""The commits that changed the files of a bug's stack: where to begin, nobody's fault."""

from __future__ import annotations

import dataclasses

from error_tracking.checkout import Checkout

from .bug_report import BugReport


def with_recent_changes(report: BugReport, checkout: Checkout) -> BugReport:
    """
    Return *report* with the commits that changed the files of its stack.

    Runs git for up to five seconds, so never in a request.

    Args:
        report: The bug.
        checkout: The project's code.
    """
    commits = checkout.changes_to(
        [frame.filename for frame in report.frames],
        healthy_release=report.healthy_release,
        failing_release=report.failing_release,
        until=report.last_seen,
    )
    return dataclasses.replace(report, commits=commits)
