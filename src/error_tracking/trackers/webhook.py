"""A JSON message to WEBHOOK_URL when a bug is new and when it changes."""

from __future__ import annotations

import dataclasses
import json

from error_tracking.exceptions import TrackerError
from error_tracking.report import BugReport

from .base import Filed, Tracker
from .http import send, why_not_safe

FIELDS = (
    *("bug_id", "uuid", "title", "severity", "status", "kind", "environment", "count", "users", "first_seen"),
    *("last_seen", "first_release", "last_release", "route", "merged_into", "issue_url", "file_name", "fingerprint"),
)
SERVER_ERROR, PASSING = 500, {408, 425, 429}  # any other refusal needs a person; redirects are not followed


class WebhookTracker(Tracker):
    """
    Posts ``{"event": "created", "bug": {…}, "news": [...]}``; any answer of status 2xx will do.

    The same message may come twice; the ids of its news tell.
    """

    name = "webhook"

    def __init__(self, url: str) -> None:
        """Post to *url*."""
        self.url = url

    def why_not(self) -> str:
        """Return why nothing can be sent there."""
        return why_not_safe(self.url, "WEBHOOK_URL")

    def file(self, report: BugReport) -> Filed:
        """Tell of a new bug."""
        self._post(report, "created")
        return Filed("sent")

    def update(self, report: BugReport, reference: str) -> Filed | None:
        """Tell of what happened to it."""
        if report.news:
            self._post(report, report.news[-1].verb)
        return Filed(reference)

    def _post(self, report: BugReport, event: str) -> None:
        if self.why_not():
            raise TrackerError(self.why_not(), is_permanent=True)
        bug = {name: getattr(report, name) for name in FIELDS}
        message = {"event": event, "bug": bug, "news": [dataclasses.asdict(news) for news in report.news]}
        headers = {"Content-Type": "application/json", "User-Agent": "django-error-tracking"}
        response = send("POST", self.url, headers, json.dumps(message).encode())
        if response.status // 100 != 2:  # noqa: PLR2004  success
            msg = f"the webhook answered {response.status}"
            is_permanent = response.status < SERVER_ERROR and response.status not in PASSING
            raise TrackerError(msg, is_permanent=is_permanent, retry_after=response.retry_after)
