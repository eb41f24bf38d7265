"""
The labels of an issue: ``bug``, ``error-tracking`` and the severity of the bug.

Labels are a convenience, so a refused one costs nothing but itself. All other labels
of an issue belong to people and are never touched.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

from error_tracking.exceptions import TrackerError

from .github_api import FORBIDDEN, UNPROCESSABLE, GitHubClient, RefusedError

# Somebody may delete a label, or the repository: once an hour it is created again.
LABEL_SECONDS = 3600.0
BUG = "bug"
#: Colour and description of each label.
LABELS = {
    BUG: ("d73a4a", "Something is not working"),
    "error-tracking": ("5319e7", "Filed by django-error-tracking"),
    "critical": ("b60205", "Severity: critical"),
    "high": ("d93f0b", "Severity: high"),
    "medium": ("fbca04", "Severity: medium"),
    "low": ("c2e0c6", "Severity: low"),
}
SEVERITIES = frozenset({"critical", "high", "medium", "low"})
_OTHER_COLOUR = "ededed"
# Until when the label of a repository need not be created again, in seconds of
# time.monotonic(). A site has one repository and a handful of labels.
_label_exists_until: dict[tuple[str, str], float] = {}


class IssueLabels:
    """Creates labels in a repository and puts them on issues."""

    def __init__(self, client: GitHubClient, repo: str) -> None:
        """Use the repository *repo* of *client*."""
        self.client = client
        self.repo = repo

    def create_missing(self, labels: list[str]) -> None:
        """
        Create those of *labels* that the repository lacks, each once an hour.

        One that may not be created may exist: putting it on an issue shows it.

        Raises:
            TrackerError: GitHub could not be asked.
        """
        for label in labels:
            key = (self.repo, label)
            if time.monotonic() < _label_exists_until.get(key, 0.0):
                continue
            if self._create(label):
                _label_exists_until[key] = time.monotonic() + LABEL_SECONDS

    def _create(self, label: str) -> bool:
        """Create *label*; return whether it exists now."""
        colour, description = LABELS.get(label, (_OTHER_COLOUR, ""))
        payload = {"name": label, "color": colour, "description": description}
        try:
            self.client.call("POST", "/labels", payload)
        except RefusedError as error:
            if not error.is_permanent:
                raise
            # This status means that it exists.
            return error.status == UNPROCESSABLE
        return True

    def add_each(self, number: int, labels: list[str]) -> tuple[list[str], str]:
        """
        Put *labels* on issue *number*, each by itself.

        Returns:
            The labels that it has now, and why GitHub refused others, ``""`` if it has
            all.

        """
        added = []
        reason = ""
        for label in labels:
            try:
                self.client.call(
                    "POST", f"/issues/{number}/labels", {"labels": [label]}
                )
            except TrackerError as error:
                # The issue exists: an error here must not file it again.
                reason = reason or str(error)
            else:
                added.append(label)
        return added, reason

    def follow_severity(self, issue: dict[str, Any], severity: str) -> list[str]:
        """
        Give *issue* the label of *severity*, and take those of other severities away.

        Returns:
            The names of the labels that it has now.

        Raises:
            TrackerError: GitHub could not be asked.
        """
        names = names_of(issue)
        number = issue["number"]
        if severity not in names:
            self.create_missing([severity])
            try:
                self.client.call(
                    "POST", f"/issues/{number}/labels", {"labels": [severity]}
                )
            except RefusedError as error:
                if not error.is_permanent:
                    raise
                # A wrong severity is better than none.
                return names
            names.append(severity)
        for name in list(names):
            if name in SEVERITIES and name != severity:
                self._remove(number, name)
                names.remove(name)
        return names

    def _remove(self, number: int, label: str) -> None:
        try:
            self.client.call("DELETE", f"/issues/{number}/labels/{quote(label)}")
        except RefusedError as error:
            if not error.is_permanent:
                raise
            # Somebody else was faster, or we may not.


def names_of(issue: dict[str, Any]) -> list[str]:
    """Return the names of the labels of *issue*."""
    labels = issue.get("labels") or ()
    return [str(label.get("name") or "") for label in labels if isinstance(label, dict)]


def note_on(names: list[str], reason: str = "") -> str:
    """
    Return what people should know of an issue with these labels, ``""`` for nothing.

    Args:
        names: The labels that the issue has.
        reason: Why GitHub refused others.
    """
    if BUG in [name.lower() for name in names]:
        return ""
    note = "the issue has no label 'bug', by which error_tracking_pull finds it"
    if reason:
        note = f"{note}: {reason}"
    return note


def is_about_labels(error: RefusedError) -> bool:
    """Return whether GitHub refused an issue because of its labels."""
    if error.is_rate_limit or error.status not in {FORBIDDEN, UNPROCESSABLE}:
        return False
    return "label" in str(error).lower()
