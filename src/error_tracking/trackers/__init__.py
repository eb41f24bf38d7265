"""
Where bugs are filed: one small class per tracker.

A tracker gets a ``BugReport``, never a model, and knows nothing of the outbox.
"""

from __future__ import annotations

import functools
import logging

from django.utils.module_loading import import_string

from error_tracking import conf

from .base import Filed, Tracker
from .github import GitHubTracker
from .mail import MailTracker
from .markdown import MarkdownTracker
from .webhook import WebhookTracker

__all__ = ["Filed", "Tracker", "configured", "tell_once"]

logger = logging.getLogger("error_tracking")


def configured() -> dict[str, Tracker]:
    """Return the trackers that the settings ask for, by name; the issue comes first, so that the others can name it."""
    settings = conf.get_settings()
    trackers: list[Tracker] = []
    if settings.GITHUB_REPO:
        trackers.append(GitHubTracker(settings.GITHUB_REPO))
    trackers.append(MarkdownTracker(settings.planning_dir))
    if conf.host("ADMINS") and not conf.host("DEBUG") and "mail" not in settings.DISABLE:
        trackers.append(MailTracker())
    if settings.WEBHOOK_URL:
        trackers.append(WebhookTracker(settings.WEBHOOK_URL))
    for path in settings.TRACKERS:
        try:
            trackers.append(import_string(path)())
        except Exception as error:  # noqa: BLE001  the class is the project's own; a check names the one that is not there
            tell_once(f"a tracker of TRACKERS is left out: path={path} error={error!r}", logging.ERROR)
    return {tracker.name: tracker for tracker in trackers}


@functools.cache
def tell_once(message: str, level: int = logging.INFO) -> None:
    """Log *message* the first time it is told in this process."""
    logger.log(level, message)
