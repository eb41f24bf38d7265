"""The state of the fix: pull requests over a real HTTP server, seen on the page of the bug."""

from __future__ import annotations

import contextlib
import datetime as dt
import time

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone

from error_tracking.exceptions import TrackerError
from error_tracking.filing.issue_sync import sync_issues
from error_tracking.models import Filing, KnownBug, PullRequest, Release
from error_tracking.services import BugCreationService
from error_tracking.trackers import issue_labels
from error_tracking.trackers.github import GitHubTracker
from tests.github_stub import GitHubStub

pytestmark = pytest.mark.django_db

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def server(monkeypatch, configure):
    with GitHubStub() as stub:
        configure(GITHUB_REPO=stub.use(monkeypatch, "http"))
        issue_labels._label_exists_until.clear()
        yield stub


def work():
    past = timezone.now() - dt.timedelta(seconds=1)
    Filing.objects.update(next_attempt_at=past)
    for bug in KnownBug.objects.all():
        BugCreationService().file(bug.pk)


@pytest.fixture
def bug(server):
    """A bug whose issue is #1."""
    bug = KnownBug.objects.create(title="It broke")
    Filing.objects.request_for(bug, ["github"])
    work()
    bug.refresh_from_db()
    assert bug.github_issue_number == 1
    return bug


def status(bug):
    bug.refresh_from_db()
    return bug.status


def told(bug):
    """What GitHub did to the bug, in its history."""
    return [(each.verb, each.text) for each in bug.activities.filter(by="GitHub")]


def page(client, bug):
    address = reverse("admin:error_tracking_knownbug_change", args=[bug.pk])
    response = client.get(address)
    assert response.status_code == 200
    return " ".join(response.text.split())


def test_story_of_a_fix_is_on_the_page_of_the_bug(server, bug, admin_client):
    number = server.add_pull_request("Fixes #1", author="grace")
    assert sync_issues() == 1
    assert status(bug) == "in_progress"
    text = page(admin_client, bug)
    assert f'href="https://github.com/acme/shop/pull/{number}"' in text
    assert "#2 Guard against empty baskets" in text
    assert "pull request #2 by grace closes the issue" in text

    server.edit(number, state="closed")
    assert (sync_issues(), status(bug)) == (1, "open")
    assert "pull request #2 by grace was closed without a merge" in page(
        admin_client, bug
    )

    server.edit(number, state="open")
    assert (sync_issues(), status(bug)) == (1, "in_progress")

    server.merge(number, COMMIT, closes=1)
    assert (sync_issues(), status(bug)) == (1, "resolved")
    text = page(admin_client, bug)
    assert "was merged into main as 0123456789ab" in text
    assert 'merged, <code dir="ltr">0123456789ab</code>' in text
    link = PullRequest.objects.get()
    assert (link.state, link.merge_commit, link.branch) == ("merged", COMMIT, "main")
    assert [verb for verb, _ in told(bug)] == [
        "in_progress",
        "open",
        "in_progress",
        "resolved",
    ]
    work()
    assert (sync_issues(), status(bug), server.issues[0]["state"]) == (
        0,
        "resolved",
        "closed",
    )


@pytest.mark.parametrize(
    "association",
    ["NONE", "CONTRIBUTOR", "FIRST_TIME_CONTRIBUTOR", "FIRST_TIMER", "MANNEQUIN", None],
)
def test_pull_request_of_a_stranger_changes_nothing(
    server, bug, admin_client, association
):
    number = server.add_pull_request(
        "Fixes #1", author="mallory", association=association
    )
    assert (sync_issues(), status(bug)) == (0, "open")
    server.merge(number, COMMIT)
    assert (sync_issues(), status(bug)) == (0, "open")
    assert not PullRequest.objects.exists()
    assert told(bug) == []
    assert "mallory" not in page(admin_client, bug)
    assert not any("/pulls/" in path for _, path, _ in server.requests)


@pytest.mark.parametrize("association", ["OWNER", "MEMBER", "COLLABORATOR"])
def test_pull_request_of_the_team_counts(server, bug, association):
    server.add_pull_request("Fixes #1", association=association)
    assert (sync_issues(), status(bug)) == (1, "in_progress")


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ("acme-agent[bot]", "in_progress"),
        ("other[bot]", "open"),
        ("acme-agent", "open"),
    ],
)
def test_bot_counts_if_it_is_named(server, bug, configure, login, expected):
    configure(PULL_REQUEST_BOTS=["Acme-Agent[bot]"])
    server.add_pull_request("Fixes #1", author=login, association="NONE")
    sync_issues()
    assert status(bug) == expected


def test_mention_is_only_a_link(server, bug, admin_client):
    number = server.add_pull_request("Looks like #1")
    assert (sync_issues(), status(bug)) == (0, "open")
    assert f"/pull/{number}" in page(admin_client, bug)
    server.merge(number, COMMIT)
    assert (sync_issues(), status(bug)) == (0, "open")
    assert told(bug) == [
        ("pull_request", "pull request #2 by ada mentions the issue"),
        ("pull_request", "pull request #2 by ada was merged into main as 0123456789ab"),
    ]


def test_description_that_is_edited_is_followed(server, bug):
    number = server.add_pull_request("Looks like #1")
    sync_issues()
    server.edit(number, body="Fixes #1")
    assert (sync_issues(), status(bug)) == (1, "in_progress")
    server.edit(number, body="Nothing")
    assert (sync_issues(), status(bug)) == (1, "open")
    assert told(bug)[-1] == (
        "open",
        "pull request #2 by ada no longer closes the issue",
    )


def test_bug_stays_in_progress_until_the_last_pull_request_is_closed(server, bug):
    first = server.add_pull_request("Fixes #1")
    second = server.add_pull_request("Fixes #1")
    sync_issues()
    server.edit(first, state="closed")
    assert (sync_issues(), status(bug)) == (0, "in_progress")
    server.edit(second, state="closed")
    assert (sync_issues(), status(bug)) == (1, "open")


def test_work_that_a_person_started_is_not_taken_back(server, bug):
    bug.start(by="ada")
    number = server.add_pull_request("Fixes #1")
    sync_issues()
    server.edit(number, state="closed")
    assert (sync_issues(), status(bug)) == (0, "in_progress")


def test_work_that_a_person_took_over_is_not_taken_back(server, bug):
    number = server.add_pull_request("Fixes #1")
    sync_issues()
    KnownBug.objects.filter(pk=bug.pk).stop(by="ada")
    bug.refresh_from_db()
    bug.start(by="ada")
    server.edit(number, state="closed")
    assert (sync_issues(), status(bug)) == (0, "in_progress")


def test_what_a_person_decided_is_not_decided_again(server, bug):
    number = server.add_pull_request("Fixes #1")
    sync_issues()
    KnownBug.objects.filter(pk=bug.pk).stop(by="ada")
    server.edit(number, title="Another title")
    assert (sync_issues(), status(bug)) == (0, "open")


@pytest.mark.parametrize("before", ["muted", "resolved"])
def test_bug_that_nobody_works_on_is_not_started(server, bug, before):
    KnownBug.objects.update(status=before)
    server.add_pull_request("Fixes #1")
    assert (sync_issues(), status(bug)) == (0, before)


def test_issue_closed_by_the_merge_may_be_read_first(server, bug):
    number = server.add_pull_request("Fixes #1")
    sync_issues()
    server.edit(1, state="closed", state_reason="completed")
    assert (sync_issues(), status(bug)) == (1, "resolved")
    server.merge(number, COMMIT)
    assert (sync_issues(), status(bug)) == (0, "resolved")
    assert PullRequest.objects.get().merge_commit == COMMIT
    assert told(bug)[-1][1].endswith("was merged into main as 0123456789ab")


@pytest.mark.parametrize("is_issue_first", [True, False])
def test_merge_that_closes_the_issue_in_the_same_second_resolves_with_its_commit(
    server, bug, is_issue_first
):
    number = server.add_pull_request("Fixes #1")
    sync_issues()
    server.merge(number, COMMIT, closes=1)
    later = time.time() + 2
    server.time = lambda: later
    server.edit(number if is_issue_first else 1)
    assert (sync_issues(), status(bug)) == (1, "resolved")
    assert told(bug)[-1] == (
        "resolved",
        "pull request #2 by ada was merged into main as 0123456789ab",
    )


def test_issue_that_was_opened_again_before_is_read_before(server, bug):
    server.edit(1, state="closed")
    sync_issues()
    server.edit(1, state="open")
    server.add_pull_request("Fixes #1")
    assert (sync_issues(), status(bug)) == (2, "in_progress")


def test_merge_into_another_branch_resolves_nothing(server, bug):
    number = server.add_pull_request("Fixes #1", base="release/1.2")
    sync_issues()
    server.merge(number, COMMIT)
    assert (sync_issues(), status(bug)) == (0, "in_progress")
    assert told(bug)[-1] == (
        "pull_request",
        "pull request #2 by ada was merged into release/1.2 as 0123456789ab",
    )


def test_one_request_is_made_for_each_merge(server, bug):
    number = server.add_pull_request("Fixes #1")
    sync_issues()
    assert not any("/pulls" in path for _, path, _ in server.requests)
    server.merge(number, COMMIT)
    for _ in range(3):
        sync_issues()
    asked = [path for _, path, _ in server.requests if "/pulls" in path]
    assert asked == [f"/api/v3/repos/acme/shop/pulls/{number}"]


def test_merge_that_could_not_be_read_is_read_later(server, bug):
    number = server.add_pull_request("Fixes #1")
    sync_issues()
    server.merge(number, COMMIT)
    server.fail_next(502, only="/pulls/")
    with pytest.raises(TrackerError):
        sync_issues()
    assert status(bug) == "in_progress"
    assert (sync_issues(), status(bug)) == (1, "resolved")


def test_without_the_permission_the_issues_are_still_followed(server, bug):
    number = server.add_pull_request("Fixes #1")
    sync_issues()
    server.merge(number, COMMIT, closes=1)
    server.fail_next(403, message="Resource not accessible", only="/pulls/")
    assert (sync_issues(), status(bug)) == (1, "resolved")
    assert PullRequest.objects.get().merge_commit == ""


def test_pull_requests_that_may_not_be_listed_are_skipped(server, bug):
    server.can_read_pulls = False
    server.add_pull_request("Fixes #1")
    assert (sync_issues(), status(bug)) == (0, "open")
    server.edit(1, state="closed")
    assert (sync_issues(), status(bug)) == (1, "resolved")


class TestRegressions:
    """Failures in releases first seen before the merge do not reopen the bug."""

    def merged(self, server, bug, *, before):
        """Merge a fix *before* now, and read that now."""
        number = server.add_pull_request("Fixes #1")
        sync_issues()
        server.time = lambda: time.time() - before
        server.merge(number, COMMIT)
        server.time = time.time
        server.issues[number - 1]["updated_at"] = server.moment()
        assert (sync_issues(), status(bug)) == (1, "resolved")

    def occurs(self, bug, release):
        moment = timezone.now() + dt.timedelta(seconds=1)
        KnownBug.objects.reopen_regressed({bug.pk: {release: moment}})
        return status(bug)

    def test_release_from_before_the_merge_has_not_the_fix(self, server, bug):
        an_hour_ago = timezone.now() - dt.timedelta(hours=1)
        Release.objects.create(version="1.0", first_seen=an_hour_ago)
        self.merged(server, bug, before=600)
        assert self.occurs(bug, "1.0") == "resolved"

    def test_release_between_merge_and_reading_has_the_fix(self, server, bug):
        self.merged(server, bug, before=600)
        five_minutes_ago = timezone.now() - dt.timedelta(minutes=5)
        Release.objects.create(version="1.1", first_seen=five_minutes_ago)
        assert self.occurs(bug, "1.1") == "open"

    def test_release_after_the_merge_has_the_fix(self, server, bug):
        self.merged(server, bug, before=0)
        assert self.occurs(bug, "2.0") == "open"

    def test_old_merge_does_not_resolve_a_bug_that_came_back(self, server, bug):
        """A comment moves an old pull request to the end of the list."""
        number = server.add_pull_request("Fixes #1")
        server.time = lambda: time.time() - 600
        server.merge(number, COMMIT)
        server.time = time.time
        server.issues[number - 1]["updated_at"] = server.moment()
        bug.resolve(by="ada")
        KnownBug.objects.all().regress(timezone.now(), "1.1")
        assert (sync_issues(), status(bug)) == (0, "open")
        assert PullRequest.objects.get().state == "merged"


def test_assignees_of_the_issue_are_on_the_page(server, bug, admin_client):
    people = [{"login": "ada"}, {"login": "grace"}]
    server.edit(1, assignees=people)
    sync_issues()
    bug.refresh_from_db()
    assert bug.github_issue_assignees == "ada, grace"
    assert '<dd class="et-value">ada, grace</dd>' in page(admin_client, bug)
    bug.assignee = get_user_model().objects.get()
    bug.save()
    text = page(admin_client, bug)
    assert '<dd class="et-value">admin</dd>' in text
    assert "on GitHub: ada, grace" in text
    server.edit(1, assignees=[])
    sync_issues()
    bug.refresh_from_db()
    assert bug.github_issue_assignees == ""


@pytest.mark.parametrize("odd", [None, "ada", [None, {}, {"login": None}], [[]]])
def test_odd_assignees_are_none(server, bug, odd):
    server.edit(1, assignees=odd)
    assert sync_issues() == 0
    bug.refresh_from_db()
    assert bug.github_issue_assignees == ""


@pytest.mark.parametrize(
    "odd",
    [
        {"pull_request": None},
        {"pull_request": {"merged_at": 7}},
        {"body": None},
        {"title": None},
        {"user": None},
        {"html_url": "javascript:alert(1)"},
        {"html_url": f"https://github.com/acme/shop/pull/{'9' * 400}"},
    ],
    ids=str,
)
def test_odd_pull_requests_break_nothing(server, bug, odd):
    number = server.add_pull_request("Fixes #1")
    server.edit(number, **odd)
    sync_issues()
    assert status(bug) in {"open", "in_progress"}


@pytest.mark.parametrize(
    "answer", [[], {}, {"base": 3}, {"base": {"ref": "main"}}, {"base": {"repo": {}}}]
)
def test_odd_answer_about_a_merge_resolves_nothing(server, bug, answer):
    number = server.add_pull_request("Fixes #1")
    sync_issues()
    server.merge(number, COMMIT)
    server.pulls[number] = answer
    with contextlib.suppress(TrackerError):
        sync_issues()
    assert status(bug) == "in_progress"


def test_title_never_becomes_markup_and_login_no_news(server, bug, admin_client):
    server.add_pull_request("Fixes #1", title="<script>alert(1)</script> @everyone")
    sync_issues()
    assert "<script>alert(1)" not in page(admin_client, bug)
    assert "everyone" not in str(told(bug))


def test_two_processes_that_see_the_same_merge_resolve_once(server, bug, monkeypatch):
    number = server.add_pull_request("Fixes #1")
    sync_issues()
    server.merge(number, COMMIT)
    ask = GitHubTracker.merge_of
    others = []

    def ask_while_another_follows(tracker, change):
        monkeypatch.setattr(GitHubTracker, "merge_of", ask)
        others.append(sync_issues())
        return ask(tracker, change)

    monkeypatch.setattr(GitHubTracker, "merge_of", ask_while_another_follows)
    assert (sync_issues(), others, status(bug)) == (0, [1], "resolved")
    assert [verb for verb, _ in told(bug)] == ["in_progress", "resolved"]


def test_two_processes_that_see_the_same_opening_start_once(server, bug, monkeypatch):
    server.add_pull_request("Fixes #1")
    links = PullRequest.objects.all()
    create = type(links).get_or_create
    others = []

    def create_while_another_follows(rows, *arguments, **keywords):
        monkeypatch.setattr(type(links), "get_or_create", create)
        others.append(sync_issues())
        return create(rows, *arguments, **keywords)

    monkeypatch.setattr(type(links), "get_or_create", create_while_another_follows)
    assert (sync_issues(), others, status(bug)) == (0, [1], "in_progress")
    assert [verb for verb, _ in told(bug)] == ["in_progress"]
