"""
GitHub issues: filed once, told of regressions, closed and reopened with their bug.

What a person has done to the issue meanwhile wins over what we would do; what we
have done ourselves is told from it by the status in the body, which is written in
the same request. Body and comments carry hidden markers, found through the lists,
which are consistent; the search is not (FAULTS X01, X02).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

from error_tracking.exceptions import TrackerError
from error_tracking.report import BugReport, News
from error_tracking.wording import BEGIN, issue_body, news_text, report_in, with_status

from .base import Filed, Tracker
from .github_api import GitHubClient, RefusedError

PAGE_SIZE = 100
LOOKUP_PAGES = 10
SKEW, SECOND = dt.timedelta(hours=1), dt.timedelta(seconds=1)
BY = "GitHub"  # who has done what was read back from an issue
NOT_TAKEN, ALREADY_THERE = {403, 422}, 422
_STATES = {"open", "in_progress", "resolved", "regressed", "merged"}
_STATUS = re.compile(rf"{re.escape(BEGIN)}\s+- Status: (\w+)")
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

    def __init__(self, repo: str) -> None:
        """File in *repo*, as GITHUB_REPO names it."""
        self.repo = repo
        self.client = GitHubClient(repo)

    def why_not(self) -> str:
        """Return why this process cannot file here."""
        return self.client.why_not()

    def find(self, report: BugReport) -> Filed | None:
        """Return the issue that carries the marker of *report*, among those made since it was asked for."""
        asked = _moment(report.requested_at)
        for issue in self._all("/issues?state=all&sort=created&direction=desc"):
            if report.marker in str(issue.get("body")):
                return _filed(issue)
            created = _moment(issue.get("created_at"))
            if asked is not None and created is not None and created < asked - SKEW:
                break
        return None

    def file(self, report: BugReport) -> Filed:
        """Create the issue, and the labels that are missing; one that may not be made is left out."""
        labels = [label for label in report.labels if self._has_label(label)]
        payload = {"title": report.safe_title, "body": issue_body(report), "labels": labels}
        try:
            response = self.client.call("POST", "/issues", payload)
        except RefusedError as error:
            if error.status not in NOT_TAKEN or error.retry_after is not None or "label" not in str(error).lower():
                raise
            response = self.client.call("POST", "/issues", {**payload, "labels": []})
        return _filed(response.data)

    def update(self, report: BugReport, reference: str) -> Filed | None:
        """Tell of regressions, and bring state and status block up to date."""
        number = report.issue_number or int(reference.lstrip("#"))
        issue = self.client.call("GET", f"/issues/{number}").data
        found, wanted = _filed(issue), "closed" if report.is_closed else "open"
        body = str(issue.get("body") or "")
        if report.marker not in body and found.url != report.issue_url:
            msg = f"issue {reference} of {self.repo} is not this bug's: was GITHUB_REPO changed?"
            raise TrackerError(msg, is_permanent=True)
        for news in report.news:
            if news.verb in {"regressed", "merged"}:
                self._comment(number, f"<!-- error-tracking:news:{report.uuid}:{news.id} -->", news)
        if found.state != wanted and _is_by_a_person(found, report):
            return found  # the bug follows
        changes: dict[str, Any] = {}
        if with_status(body, report) != body:
            changes["body"] = with_status(body, report)
        sent = report_in(body)
        if sent and sent.safe_title == issue.get("title") != report.safe_title:  # else a person has written it
            changes["title"] = report.safe_title
        if found.state != wanted:
            reason = ("not_planned" if report.merged_into else "completed") if report.is_closed else "reopened"
            changes |= {"state": wanted, "state_reason": reason}
        names = [label["name"] for label in issue.get("labels", ()) if isinstance(label, dict)]
        is_edited = any(news.verb == "edited" for news in report.news)
        if is_edited and report.severity not in names and self._has_label(report.severity):
            changes["labels"] = [name for name in names if name not in LABELS or name == "bug"] + [report.severity]
        return _filed(self.client.call("PATCH", f"/issues/{number}", changes).data) if changes else found

    def changed_since(self, moment: dt.datetime) -> Iterator[Filed]:
        """
        Yield what has changed since *moment*, pull requests too, the oldest change first, some hundreds at most.

        Each page is asked for by the time of the last change before it: what
        changes meanwhile goes to the end of the list and would shift numbered pages.
        """
        since, page = _since(moment), 1
        for _ in range(LOOKUP_PAGES):
            issues = self._page(f"/issues?state=all&sort=updated&direction=asc{since}", page)
            yield from map(_filed, issues)
            if len(issues) < PAGE_SIZE:
                return
            last = _moment(issues[-1].get("updated_at"))
            before, since = since, _since(last - SECOND) if last else since
            page = page + 1 if since == before else 1

    def open_bodies(self) -> Iterator[tuple[Filed, str]]:
        """Yield the open issues labelled ``bug`` by authors with a say in the repository, with their bodies."""
        for issue in self._all("/issues?state=open&labels=bug&sort=created&direction=asc"):
            is_app = (issue.get("user") or {}).get("type") == "Bot"
            if is_app or issue.get("author_association") in {"OWNER", "MEMBER", "COLLABORATOR"}:
                yield _filed(issue), str(issue.get("body") or "")

    def _all(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield all of a list but pull requests; one that is too long is a failure: nobody knows what is at its end."""
        for page in range(1, LOOKUP_PAGES + 1):
            items = self._page(path, page)
            yield from (item for item in items if "pull_request" not in item)
            if len(items) < PAGE_SIZE:
                return
        raise TrackerError(f"GitHub has more than {LOOKUP_PAGES * PAGE_SIZE} of what was to be looked through")

    def _page(self, path: str, page: int) -> list[dict[str, Any]]:
        items = self.client.call("GET", f"{path}&per_page={PAGE_SIZE}&page={page}").data
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise TrackerError("GitHub's answer is not a list")
        return items

    def _has_label(self, label: str) -> bool:
        """Return whether *label* can be used: make it once, unless it is there."""
        if (self.repo, label) in _made:
            return True
        color, description = LABELS.get(label, ("ededed", ""))
        try:
            self.client.call("POST", "/labels", {"name": label, "color": color, "description": description})
        except RefusedError as error:
            if not error.is_permanent:
                raise
            if error.status != ALREADY_THERE:
                return True  # not allowed, but it may be there: creating the issue tells
        _made.add((self.repo, label))
        return True

    def _comment(self, number: int, marker: str, news: News) -> None:
        """Comment once: an earlier attempt may have done so, and its answer been lost."""
        path, when = f"/issues/{number}/comments", _moment(news.when)
        comments = self._all(f"{path}?{_since(when - SKEW) if when else ''}")
        if not any(marker in str(each.get("body")) for each in comments):
            self.client.call("POST", path, {"body": f"{news_text(news)}\n\n{marker}"})


def _is_by_a_person(found: Filed, report: BugReport) -> bool:
    """Return whether the state of the issue, which is not the bug's, is what somebody has made it."""
    changes = [news for news in report.news if news.verb in _STATES]
    if changes and changes[-1].by == BY:
        return True  # the bug has followed the issue, which has been changed back since
    return found.state not in {report.issue_state or "open", found.pushed_state}


def _moment(text: object) -> dt.datetime | None:
    """Return the time that *text* tells, the machine's own where it names no zone, as USE_TZ = False has it."""
    try:
        return dt.datetime.fromisoformat(str(text)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def _since(moment: dt.datetime) -> str:
    return f"&since={moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _filed(issue: Any) -> Filed:  # noqa: ANN401  JSON
    if not isinstance(issue, dict) or not isinstance(issue.get("number"), int):
        raise TrackerError("GitHub's answer is not an issue")
    number, url = issue["number"], str(issue.get("html_url", ""))
    state, updated_at = str(issue.get("state") or "open"), _moment(issue.get("updated_at"))
    status = _STATUS.search(str(issue.get("body")))
    pushed = ("closed" if status[1] in {"resolved", "merged"} else "open") if status else ""
    reason = str(issue.get("state_reason") or "").replace("_", " ")
    return Filed(f"#{number}", url, number, state=state, reason=reason, pushed_state=pushed, updated_at=updated_at)
