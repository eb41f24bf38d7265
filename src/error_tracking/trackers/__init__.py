"""
Where bugs are filed: one small class per tracker.

A tracker gets a ``BugReport``, never a model, and knows nothing of the outbox.
"""

from __future__ import annotations

from error_tracking import conf

from .base import Filed, Tracker
from .github import GitHubTracker
from .markdown import MarkdownTracker

__all__ = ["Filed", "Tracker", "configured"]


def configured() -> dict[str, Tracker]:
    """Return the trackers that the settings ask for, by name."""
    settings = conf.get_settings()
    trackers: list[Tracker] = [MarkdownTracker(settings.planning_dir)]
    if settings.GITHUB_REPO:
        trackers.append(GitHubTracker(settings.GITHUB_REPO))
    return {tracker.name: tracker for tracker in trackers}
