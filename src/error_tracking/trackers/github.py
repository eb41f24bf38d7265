"""
GitHub issues: filed once, updated on regressions, closed and reopened with their bug.

What a person has done to the issue meanwhile wins over what we would do; module
``issue_state`` distinguishes the two. Body and comments carry hidden markers. They are
found through GitHub's lists, which show a new issue at once; its search does not.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import time
from collections.abc import Iterator
from typing import Any

from error_tracking import conf
from error_tracking.exceptions import TrackerError
from error_tracking.report.bug_report import BugReport, News
from error_tracking.report.front_matter import report_from_issue
from error_tracking.report.markdown import issue_body, news_text, with_status
from error_tracking.report.markers import has_marker, pushed_state_in
from error_tracking.utils import clean_line

from .base import ChangedPullRequest, Filed, IssueTracker, Merge
from .github_api import (
    FORBIDDEN,
    NOT_FOUND,
    GitHubClient,
    RefusedError,
)
from .issue_labels import IssueLabels, is_about_labels, names_of, note_on
from .issue_references import references_in
from .issue_state import is_changed_by_person

# The most that GitHub gives at once.
PAGE_SIZE = 100
# A thousand issues or comments. Whoever has more gets an error, not a second issue.
LOOKUP_PAGES = 10
# Our clock and GitHub's may differ by less than this.
CLOCK_SKEW = dt.timedelta(hours=1)
ONE_SECOND = dt.timedelta(seconds=1)
# Who did what was read from an issue, in the activities of a bug.
GITHUB_ACTOR = "GitHub"
#: Why GitHub closed an issue that nobody will fix, so that it must not come back.
UNPLANNED = frozenset({"not planned", "duplicate"})
# Who may decide about the code of a repository, by GitHub's "author_association". A
# contributor is anybody of whom a commit was once accepted.
TEAM = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
# As many as GitHub accepts.
MOST_ASSIGNEES = 10
# As many as the columns have.
TITLE_CHARS, AUTHOR_CHARS = 255, 50
COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# Somebody may make a repository public.
VISIBILITY_SECONDS = 3600.0
# Whether a repository is private, and until when that need not be asked again.
_private_until: dict[str, tuple[bool, float]] = {}


@dataclasses.dataclass(frozen=True, slots=True)
class OpenIssue:
    """
    An open issue.

    Attributes:
        filed: The issue as a tracker shows it.
        author: The login of who opened it, in lower case; an app's has ``[bot]``.
        body: Its body, which others may have edited.

    """

    filed: Filed
    author: str
    body: str


class GitHubTracker(IssueTracker):
    """Files issues in one repository, with the labels of ``issue_labels``."""

    name = "github"
    shows_changes = True

    def __init__(self, repo: str) -> None:
        """Use *repo*, in one of the forms of GITHUB_REPO."""
        self.repo = repo
        self.client = GitHubClient(repo)
        self.labels = IssueLabels(self.client, repo)

    def unavailable_reason(self) -> str:
        """Return why this process cannot file here, ``""`` when it can."""
        return self.client.unavailable_reason()

    def find(self, report: BugReport) -> Filed | None:
        """Return the issue that an earlier attempt created for *report*, if any."""
        requested = _moment(report.requested_at)
        for issue in self._all("/issues?state=all&sort=created&direction=desc"):
            if has_marker(_body_of(issue), report.marker):
                return _filed_with_note(issue)
            created = _moment(issue.get("created_at"))
            if requested is None or created is None:
                continue
            if created < requested - CLOCK_SKEW:
                # Filing had not been requested yet, and the others are older.
                break
        return None

    def file(self, report: BugReport) -> Filed:
        """Create the issue, and the labels that are missing."""
        report = self._with_admin_link(report)
        self.labels.create_missing(report.labels)
        payload = {"title": report.safe_title, "body": issue_body(report)}
        try:
            with_labels = {**payload, "labels": report.labels}
            response = self.client.call("POST", "/issues", with_labels)
        except RefusedError as error:
            if not is_about_labels(error):
                raise
            response = self.client.call("POST", "/issues", payload)
            filed = filed_from(response.data)
            names, reason = self.labels.add_each(response.data["number"], report.labels)
            return dataclasses.replace(filed, note=note_on(names, reason))
        return _filed_with_note(response.data)

    def update(self, report: BugReport, reference: str) -> Filed | None:
        """Comment on regressions, and update state, status block and label."""
        report = self._with_admin_link(report)
        number = report.issue_number or int(reference.lstrip("#"))
        issue = self.client.call("GET", f"/issues/{number}").data
        found = _filed_with_note(issue)
        self._require_own_issue(issue, found, report, reference)
        self._comment_on_news(number, report)
        wanted = "closed" if report.is_closed else "open"
        is_changed = is_changed_by_person(
            found,
            known_state=report.issue_state,
            synced_activity_id=report.synced_activity_id,
        )
        if found.state != wanted and is_changed:
            return found  # the bug follows the issue
        if any(news.verb == "edited" for news in report.news):
            self.labels.follow_severity(issue, report.severity)
        changes = self._changes_for(issue, found, report, wanted)
        if not changes:
            return found
        response = self.client.call("PATCH", f"/issues/{number}", changes)
        return _filed_with_note(response.data)

    def changed_since(
        self, moment: dt.datetime
    ) -> Iterator[Filed | ChangedPullRequest]:
        """
        Yield what changed since *moment*, the oldest change first.

        GitHub's list of issues has the pull requests, too, where the token may read
        them. At most ``LOOKUP_PAGES`` pages. Each page is requested
        from the last change of the page before: an issue that changes meanwhile moves
        to the end of the list, which would shift numbered pages.
        """
        since = _since(moment)
        page = 1
        for _ in range(LOOKUP_PAGES):
            path = f"/issues?state=all&sort=updated&direction=asc{since}"
            issues = self._page(path, page)
            for issue in issues:
                if "pull_request" in issue:
                    yield pull_request_from(issue)
                else:
                    yield filed_from(issue)
            if len(issues) < PAGE_SIZE:
                return
            next_since = since
            last = _moment(issues[-1].get("updated_at"))
            if last is not None:
                next_since = _since(last - ONE_SECOND)
            if next_since == since:
                # More than a page changed in one second.
                page += 1
            else:
                page = 1
            since = next_since

    def merge_of(self, pull_request: ChangedPullRequest) -> Merge | None:
        """Return the commit and the branch that *pull_request* was merged into."""
        try:
            response = self.client.call("GET", f"/pulls/{pull_request.number}")
        except RefusedError as error:
            if error.is_rate_limit or error.status not in {FORBIDDEN, NOT_FOUND}:
                raise
            # The doctor shows this.
            return None
        return _merge_from(response.data)

    def open_bugs(self) -> Iterator[OpenIssue]:
        """Yield the open issues labelled ``bug``, whoever opened them."""
        path = "/issues?state=open&labels=bug&sort=created&direction=asc"
        for issue in self._all(path):
            yield OpenIssue(filed_from(issue), author_of(issue), _body_of(issue))

    def _require_own_issue(
        self, issue: dict[str, Any], found: Filed, report: BugReport, reference: str
    ) -> None:
        """Raise an error when the number belongs to an issue of another repository."""
        has_our_marker = has_marker(_body_of(issue), report.marker)
        # A person may have removed the marker; then the address has to be the same.
        if not has_our_marker and found.url != report.issue_url:
            raise TrackerError(
                f"issue {reference} of {self.repo} does not belong to this bug: "
                "was GITHUB_REPO changed?",
                is_permanent=True,
            )

    def _comment_on_news(self, number: int, report: BugReport) -> None:
        for news in report.news:
            if news.verb in {"regressed", "merged", "comment"}:
                marker = f"<!-- error-tracking:news:{report.uuid}:{news.id} -->"
                self._comment(number, marker, news)

    def _changes_for(
        self, issue: dict[str, Any], found: Filed, report: BugReport, wanted: str
    ) -> dict[str, Any]:
        """Return what one request has to change, a state together with its marker."""
        changes: dict[str, Any] = {}
        pushed_state = ""
        if found.state != wanted:
            pushed_state = wanted
            changes["state"] = wanted
            changes["state_reason"] = _state_reason(report)
        body = _body_of(issue)
        new_body = with_status(body, report, pushed_state=pushed_state)
        if new_body != body:
            changes["body"] = new_body
        title = issue.get("title")
        # Any other title was written by a person.
        if title == _written_title(body) and title != report.safe_title:
            changes["title"] = report.safe_title
        return changes

    def _with_admin_link(self, report: BugReport) -> BugReport:
        """Return *report* with its link to the admin, if only the team can read it."""
        is_decided = report.published_admin_url or not report.admin_url
        if is_decided or not self._is_private():
            return report
        return dataclasses.replace(report, published_admin_url=report.admin_url)

    def _is_private(self) -> bool:
        """Return whether only the team can read the issues; asks once an hour."""
        known = _private_until.get(self.repo)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        repository = self.client.call("GET", "").data
        # What GitHub does not say counts as public.
        is_private = isinstance(repository, dict) and repository.get("private") is True
        _private_until[self.repo] = is_private, time.monotonic() + VISIBILITY_SECONDS
        return is_private

    def _comment(self, number: int, marker: str, news: News) -> None:
        """Comment once: the response to an earlier attempt may have been lost."""
        path = f"/issues/{number}/comments"
        since = ""
        happened = _moment(news.when)
        if happened is not None:
            since = _since(happened - CLOCK_SKEW)
        comments = self._all(f"{path}?{since}")
        if any(has_marker(_body_of(comment), marker) for comment in comments):
            return
        self.client.call("POST", path, {"body": f"{news_text(news)}\n\n{marker}"})

    def _all(self, path: str) -> Iterator[dict[str, Any]]:
        """
        Yield all of a list except pull requests.

        Raises:
            TrackerError: It is too long. What is at its end would count as missing.
        """
        for page in range(1, LOOKUP_PAGES + 1):
            items = self._page(path, page)
            for item in items:
                if "pull_request" not in item:
                    yield item
            if len(items) < PAGE_SIZE:
                return
        raise TrackerError(
            f"GitHub has more than {LOOKUP_PAGES * PAGE_SIZE} entries to search"
        )

    def _page(self, path: str, page: int) -> list[dict[str, Any]]:
        response = self.client.call("GET", f"{path}&per_page={PAGE_SIZE}&page={page}")
        items: list[dict[str, Any]] = []
        if isinstance(response.data, list):
            items = [item for item in response.data if isinstance(item, dict)]
        if items != response.data:
            raise TrackerError("GitHub's response is not a list")
        return items


def filed_from(issue: Any) -> Filed:
    """
    Return an issue of GitHub's API as a tracker shows it.

    Raises:
        TrackerError: It is no issue.
    """
    if not isinstance(issue, dict) or not isinstance(issue.get("number"), int):
        raise TrackerError("GitHub's response is not an issue")
    pushed_state, pushed_activity_id = pushed_state_in(_body_of(issue))
    return Filed(
        f"#{issue['number']}",
        str(issue.get("html_url", "")),
        issue["number"],
        state=str(issue.get("state") or "open"),
        reason=str(issue.get("state_reason") or "").replace("_", " "),
        pushed_state=pushed_state,
        pushed_activity_id=pushed_activity_id,
        updated_at=_moment(issue.get("updated_at")),
        assignees=_assignees_of(issue),
    )


def pull_request_from(issue: dict[str, Any]) -> ChangedPullRequest:
    """
    Return a pull request of GitHub's list of issues.

    Raises:
        TrackerError: It is none.
    """
    found = filed_from(issue)
    details = issue["pull_request"]
    merged_at = None
    if isinstance(details, dict):
        merged_at = _moment(details.get("merged_at"))
    references = references_in(_body_of(issue), found.url)
    return ChangedPullRequest(
        number=issue["number"],
        url=found.url,
        title=clean_line(str(issue.get("title") or ""), TITLE_CHARS),
        author=clean_line(author_of(issue), AUTHOR_CHARS),
        state=found.state if merged_at is None else "merged",
        is_trusted=_is_by_team(issue),
        closes=references.closed,
        mentions=references.mentioned,
        updated_at=found.updated_at,
        merged_at=merged_at,
    )


def _is_by_team(issue: dict[str, Any]) -> bool:
    """
    Return whether somebody opened it who may decide about the code.

    GitHub sets the association itself. That of an app says nothing: it is named in
    PULL_REQUEST_BOTS.
    """
    if issue.get("author_association") in TEAM:
        return True
    bots = conf.get_settings().PULL_REQUEST_BOTS
    return author_of(issue) in {bot.lower() for bot in bots}


def _assignees_of(issue: dict[str, Any]) -> tuple[str, ...]:
    people = issue.get("assignees")
    if not isinstance(people, list):
        return ()
    users = [each for each in people[:MOST_ASSIGNEES] if isinstance(each, dict)]
    logins = [clean_line(str(user.get("login") or ""), AUTHOR_CHARS) for user in users]
    return tuple(login for login in logins if login)


def _merge_from(data: Any) -> Merge:
    if not isinstance(data, dict) or not isinstance(data.get("base"), dict):
        raise TrackerError("GitHub's response is not a pull request")
    base = data["base"]
    repository = base.get("repo")
    default_branch = ""
    if isinstance(repository, dict):
        default_branch = str(repository.get("default_branch") or "")
    branch = str(base.get("ref") or "")
    commit = str(data.get("merge_commit_sha") or "")
    if COMMIT.fullmatch(commit) is None:
        commit = ""
    return Merge(
        commit, branch, is_default_branch=branch != "" and branch == default_branch
    )


def _filed_with_note(issue: Any) -> Filed:
    """Return *issue* as a tracker shows it, with what people should know of it."""
    filed = filed_from(issue)
    return dataclasses.replace(filed, note=note_on(names_of(issue)))


def author_of(issue: dict[str, Any]) -> str:
    """Return the login of who opened *issue*, in lower case; logins have no case."""
    user = issue.get("user")
    if not isinstance(user, dict):
        return ""
    return str(user.get("login") or "").lower()


def _body_of(item: dict[str, Any]) -> str:
    return str(item.get("body") or "")


def _written_title(body: str) -> str | None:
    """Return the title that we gave the issue last, None when nobody knows."""
    try:
        report = report_from_issue(body)
    except ValueError:
        return None
    if report is None:
        return None
    return report.safe_title


def _state_reason(report: BugReport) -> str:
    if not report.is_closed:
        return "reopened"
    if report.merged_into:
        return "not_planned"
    return "completed"


def _moment(text: object) -> dt.datetime | None:
    """
    Return the time in *text*, None when it is none.

    Without a zone it is this machine's time, as with ``USE_TZ = False``.
    """
    try:
        return dt.datetime.fromisoformat(str(text)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def _since(moment: dt.datetime) -> str:
    return f"&since={moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
