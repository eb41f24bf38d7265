"""
GitHub issues: filed once, told of regressions, closed and reopened with their bug.

What a person has done to the issue meanwhile wins over what we would do. The
body and its comments carry hidden markers, found through the list of issues,
which is consistent; the search is not (FAULTS X01, X02).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from error_tracking.exceptions import TrackerError
from error_tracking.wording import issue_body, news_text, with_status

from .base import Filed, Tracker
from .github_api import TIMEOUT_SECONDS, GitHubClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from error_tracking.report import BugReport

PAGE_SIZE = 100
LOOKUP_PAGES = 10
SKEW = dt.timedelta(hours=1)
LABELS = {
    "bug": ("d73a4a", "Something is not working"),
    "critical": ("b60205", "Severity: critical"),
    "high": ("d93f0b", "Severity: high"),
    "medium": ("fbca04", "Severity: medium"),
    "low": ("c2e0c6", "Severity: low"),
}
_made: set[tuple[str, str]] = set()


class GitHubTracker(Tracker):
    """Files issues in one repository, labelled ``bug`` and by severity."""

    name = "github"

    def __init__(self, repo: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """File in *repo*, as GITHUB_REPO names it; give ``gh`` *timeout* seconds per call."""
        self.repo = repo
        self.client = GitHubClient(repo, timeout=timeout)

    def why_not(self) -> str:
        """Return why this process cannot file here."""
        return self.client.why_not()

    def find(self, report: BugReport) -> Filed | None:
        """Return the issue that carries the marker of *report*, among those made since it was asked for."""
        oldest = (_moment(report.requested_at) or dt.datetime.min.replace(tzinfo=dt.UTC)) - SKEW * bool(
            report.requested_at
        )
        for issue in self._issues("state=all&sort=created&direction=desc"):
            if report.marker in (issue.get("body") or ""):
                return _filed(issue)
            created = _moment(str(issue.get("created_at") or ""))
            if created is not None and created < oldest:
                break
        return None

    def file(self, report: BugReport) -> Filed:
        """Create the issue, and the labels that are missing; one that may not be made is left out."""
        labels = [label for label in report.labels if self._has_label(label)]
        payload = {"title": report.safe_title, "body": issue_body(report), "labels": labels}
        try:
            response = self.client.call("POST", "/issues", payload)
        except TrackerError as error:
            if "label" not in str(error).lower():
                raise
            response = self.client.call("POST", "/issues", {**payload, "labels": []})
        return _filed(response.data)

    def update(self, report: BugReport, reference: str) -> Filed | None:
        """Tell of regressions, and bring state and status block up to date."""
        number = report.issue_number or int(reference.lstrip("#"))
        issue = self.client.call("GET", f"/issues/{number}").data
        found, wanted = _filed(issue), "closed" if report.is_closed else "open"
        if found.state not in {report.issue_state or "open", wanted}:
            return found  # somebody has closed or reopened it: the bug follows
        for news in report.news:
            if news.verb in {"regressed", "merged"}:
                self._comment(
                    number, f"<!-- error-tracking:news:{report.uuid}:{news.id} -->", news_text(news), news.when
                )
        changes: dict[str, Any] = {}
        body = str(issue.get("body") or "")
        if with_status(body, report) != body:
            changes["body"] = with_status(body, report)
        if found.state != wanted:
            reason = ("not_planned" if report.merged_into else "completed") if report.is_closed else "reopened"
            changes |= {"state": wanted, "state_reason": reason}
        names = [label["name"] for label in issue.get("labels", ()) if isinstance(label, dict)]
        if any(news.verb == "edited" for news in report.news) and report.severity not in names:
            changes["labels"] = [name for name in names if name not in LABELS or name == "bug"] + [report.severity]
        return _filed(self.client.call("PATCH", f"/issues/{number}", changes).data) if changes else found

    def changed_since(self, moment: dt.datetime) -> Iterator[Filed]:
        """Yield the issues that have changed since *moment*, the oldest change first, some hundreds at most."""
        since = moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for issue in self._issues(f"state=all&sort=updated&direction=asc&since={since}"):
            yield _filed(issue)

    def open_bodies(self) -> Iterator[tuple[Filed, str]]:
        """Yield the open issues labelled ``bug`` by authors with a say in the repository, with their bodies."""
        for issue in self._issues("state=open&labels=bug&sort=created&direction=asc"):
            is_app = (issue.get("user") or {}).get("type") == "Bot"
            if is_app or issue.get("author_association") in {"OWNER", "MEMBER", "COLLABORATOR"}:
                yield _filed(issue), str(issue.get("body") or "")

    def _issues(self, query: str) -> Iterator[dict[str, Any]]:
        for page in range(1, LOOKUP_PAGES + 1):
            issues = self.client.call("GET", f"/issues?{query}&per_page={PAGE_SIZE}&page={page}").data
            if not isinstance(issues, list):
                msg = "GitHub's answer is not a list of issues"
                raise TrackerError(msg)
            yield from (issue for issue in issues if "pull_request" not in issue)
            if len(issues) < PAGE_SIZE:
                return

    def _has_label(self, label: str) -> bool:
        """Return whether *label* can be used: make it once, unless it is there."""
        if (self.repo, label) in _made:
            return True
        color, description = LABELS.get(label, ("ededed", ""))
        try:
            self.client.call("POST", "/labels", {"name": label, "color": color, "description": description})
        except TrackerError as error:
            if error.retry_after is not None or not error.is_permanent:
                raise
            if "already_exists" not in str(error):
                return True  # not allowed, but it may be there: creating the issue tells
        _made.add((self.repo, label))
        return True

    def _comment(self, number: int, marker: str, text: str, when: str) -> None:
        """Comment once: an earlier attempt may have done so, and its answer been lost."""
        since = ((_moment(when) or dt.datetime.now(dt.UTC)) - SKEW).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        comments = self.client.call("GET", f"/issues/{number}/comments?per_page={PAGE_SIZE}&since={since}").data
        if not any(marker in str(each.get("body")) for each in comments or ()):
            self.client.call("POST", f"/issues/{number}/comments", {"body": f"{text}\n\n{marker}"})


def _moment(text: str) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _filed(issue: Any) -> Filed:  # noqa: ANN401  JSON
    if not isinstance(issue, dict) or not isinstance(issue.get("number"), int):
        msg = "GitHub's answer is not an issue"
        raise TrackerError(msg)
    number, url = issue["number"], str(issue.get("html_url", ""))
    state, updated_at = str(issue.get("state") or "open"), str(issue.get("updated_at") or "")
    return Filed(f"#{number}", url, number, state=state, updated_at=updated_at)
