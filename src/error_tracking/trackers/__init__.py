"""
Where bugs are filed: one small class per tracker.

A tracker gets a ``BugReport``, never a model, and knows nothing of the outbox.
"""

from __future__ import annotations

import functools
import logging
import time

from django.utils.module_loading import import_string

from error_tracking import conf
from error_tracking.report.bug_report import BugReport

from .base import ChangedPullRequest, Filed, IssueTracker, Merge, Notifier, Tracker
from .endpoints import endpoints_of
from .github import GitHubTracker
from .mail import MailTracker
from .markdown import MarkdownTracker
from .webhook import WebhookTracker

__all__ = [
    "BugReport",
    "ChangedPullRequest",
    "Filed",
    "IssueTracker",
    "Merge",
    "Notifier",
    "Tracker",
    "configured",
    "configured_names",
    "log_hourly",
]

logger = logging.getLogger("error_tracking")

# Often enough to notice that what was fixed has broken again.
LOG_AGAIN_SECONDS = 3600.0
# Messages name trackers and errors of the project's classes: a site has a handful.
LOGGED_MESSAGES = 100


def configured() -> dict[str, Tracker]:
    """
    Return the trackers that the settings name, by their own names.

    The issue tracker comes first, so that the others can name the issue.
    """
    settings = conf.get_settings()
    trackers: list[Tracker] = []
    if settings.GITHUB_REPO:
        trackers.append(GitHubTracker(settings.GITHUB_REPO))
    trackers.append(MarkdownTracker(settings.planning_dir))
    if settings.mails_admins and "mail" not in settings.DISABLE:
        trackers.append(MailTracker())
    trackers += [WebhookTracker(endpoint) for endpoint in endpoints_of(settings)]
    for path in settings.TRACKERS:
        try:
            trackers.append(import_string(path)())
        except Exception as error:  # noqa: BLE001  the class is the project's own
            # A system check names a class that does not exist.
            log_hourly(
                f"a tracker of TRACKERS is left out: path={path} error={error!r}",
                logging.ERROR,
            )
    return {tracker.name: tracker for tracker in trackers}


def configured_names() -> list[str]:
    """
    Return the names of the trackers that a new bug is filed with.

    Logs once an hour that GitHub is not among them, which is easy to overlook.
    """
    names = list(configured())
    if GitHubTracker.name not in names:
        log_hourly("GITHUB_REPO is not set: bugs get a file and no GitHub issue")
    return names


def log_hourly(message: str, level: int = logging.INFO) -> None:
    """Log *message*, but not again in the same hour."""
    hour = int(time.monotonic() // LOG_AGAIN_SECONDS)
    _log_once(message, level, hour)


@functools.lru_cache(maxsize=LOGGED_MESSAGES)
def _log_once(message: str, level: int, _hour: int) -> None:
    logger.log(level, message)


def forget_logged() -> None:
    """Log everything again; for tests."""
    _log_once.cache_clear()
