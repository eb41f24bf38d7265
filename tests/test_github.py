"""The GitHub tracker over the real ``gh``, HTTP and HTTPS, against a local stub."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import email.utils
import logging
import os
import re
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from error_tracking.exceptions import TrackerError
from error_tracking.report.bug_report import BugReport, News
from error_tracking.report.markdown import issue_body
from error_tracking.report.markers import BEGIN, END
from error_tracking.trackers import github as github_tracker
from error_tracking.trackers import http, issue_labels
from error_tracking.trackers.github import GITHUB_ACTOR, GitHubTracker
from error_tracking.trackers.github_api import GitHubClient, Repository, token_for
from error_tracking.trackers.http import Response, UnreachableError, why_not_safe
from tests.github_stub import TOKEN, TOKEN_NAMES, TRANSPORTS, GitHubStub, require_gh

REPORT = BugReport(
    bug_id="B-012",
    uuid="0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e",
    title="ValueError in shop.pay",
    environment="production",
    requested_at="2026-01-01T00:00:00+00:00",
)
LIMIT = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


def of(report=REPORT, **values):
    return dataclasses.replace(report, **values)


def news(number, verb, text="", by="", when=None):
    return News(
        number,
        verb,
        by,
        text,
        when or dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )


@pytest.fixture(params=TRANSPORTS)
def server(request, monkeypatch, configure, caplog):
    """A stub that this process reaches over one transport; its token never comes into a log."""
    with (
        running(request.param, monkeypatch, configure) as stub,
        caplog.at_level(logging.DEBUG),
    ):
        yield stub
        assert not any("search" in path for _, path, _ in stub.requests), (
            "the search of GitHub does not show a new issue at once"
        )
        assert TOKEN not in caplog.text


@pytest.fixture
def over_http(monkeypatch, configure):
    with running("http", monkeypatch, configure) as stub:
        yield stub


@pytest.fixture
def over_gh(monkeypatch, configure):
    with running("gh", monkeypatch, configure) as stub:
        yield stub


class running(GitHubStub):
    def __init__(self, transport, monkeypatch, configure):
        if transport == "gh":
            require_gh()
        super().__init__()
        self.transport = transport
        self.text = self.use(monkeypatch, transport)
        configure(GITHUB_REPO=self.text)
        issue_labels._label_exists_until.clear()

    @property
    def tracker(self):
        return GitHubTracker(self.text)

    def filed(self, report=REPORT):
        """File *report* and return it as it is known afterwards."""
        filed = self.tracker.file(report)
        return of(
            report,
            issue_number=filed.number,
            issue_url=filed.url,
            issue_state=filed.state,
        )

    def calls(self, method):
        return [
            path.removeprefix("/api/v3")
            for each, path, _ in self.requests
            if each == method
        ]


def labels_of(issue):
    return [label["name"] for label in issue["labels"]]


class TestFile:
    def test_issue_has_title_body_and_both_labels(self, server):
        filed = server.tracker.file(REPORT)
        [issue] = server.issues
        assert (filed.number, filed.reference, filed.state, filed.pushed_state) == (
            1,
            "#1",
            "open",
            "open",
        )
        assert filed.url == issue["html_url"]
        assert issue["title"] == "B-012: ValueError in shop.pay"
        assert labels_of(issue) == ["bug", "error-tracking", "medium"]
        assert filed.note == ""
        assert REPORT.marker in issue["body"]
        assert server.tracker.client.transport == (
            "gh" if server.transport == "gh" else "https"
        )
        assert all(TOKEN in token for token in server.tokens)

    def test_labels_are_made_once_and_may_be_there(self, server):
        server.labels.add("bug")
        for _ in range(3):
            server.tracker.file(REPORT)
        assert server.labels == {"bug", "error-tracking", "medium"}
        assert (
            len([path for path in server.calls("POST") if path.endswith("/labels")])
            == 3
        )

    def test_labels_that_somebody_deleted_are_made_again(self, server, monkeypatch):
        server.tracker.file(REPORT)
        server.labels.clear()
        monkeypatch.setattr(issue_labels, "LABEL_SECONDS", 0.0)
        for key in issue_labels._label_exists_until:
            issue_labels._label_exists_until[key] = 0.0
        server.tracker.file(REPORT)
        assert server.labels == {"bug", "error-tracking", "medium"}

    def test_labels_that_are_there_are_used_by_who_may_not_make_them(self, server):
        server.labels |= {"bug", "error-tracking", "medium"}
        server.can_label = False
        server.tracker.file(REPORT)
        assert labels_of(server.issues[0]) == ["bug", "error-tracking", "medium"]

    @pytest.mark.parametrize("refused", ["error-tracking", "medium"])
    def test_label_that_is_refused_costs_only_itself(self, server, refused):
        server.labels |= {"bug", "error-tracking", "medium"} - {refused}
        server.can_label = False
        filed = server.tracker.file(REPORT)
        assert (filed.number, filed.note) == (1, "")
        assert len(server.issues) == 1
        names = labels_of(server.issues[0])
        assert names == [name for name in REPORT.labels if name != refused]

    def test_refused_bug_label_is_explained(self, server):
        server.labels |= {"error-tracking", "medium"}
        server.can_label = False
        filed = server.tracker.file(REPORT)
        assert labels_of(server.issues[0]) == ["error-tracking", "medium"]
        assert "no label 'bug'" in filed.note
        assert "permission to create labels" in filed.note
        assert "no label 'bug'" in server.tracker.find(REPORT).note
        server.edit(1, labels=[{"name": "Bug"}])
        assert server.tracker.find(REPORT).note == "", "labels have no case"

    def test_labels_that_github_drops_silently_are_explained(self, server):
        """As for a token without push access (REST API, "Create an issue")."""
        known = server.filed()
        server.edit(1, labels=[])
        changed = of(known, count=10, news=(news(7, "milestone"),))
        assert "no label 'bug'" in server.tracker.update(changed, "#1").note

    def test_service_that_fails_after_the_issue_exists_files_it_once(self, server):
        server.can_label = False
        server.fail_next(502, only="POST /repos/acme/shop/issues/1/labels")
        filed = server.tracker.file(REPORT)
        assert filed.number == len(server.issues) == 1
        assert "502" in filed.note

    def test_lost_answer_that_speaks_of_labels_files_nothing_twice(self, server):
        """Only what GitHub has refused is sent again without labels."""
        server.fail_next(
            502,
            message="label service away",
            after=True,
            only="POST /repos/acme/shop/issues",
        )
        with pytest.raises(TrackerError):
            server.tracker.file(REPORT)
        assert len(server.issues) == 1

    def test_title_that_looks_like_an_option_or_a_file_is_text(self, server):
        server.tracker.file(
            of(title="--web @/etc/hostname", description="@/etc/hostname --web")
        )
        assert "@/etc/hostname --web" in server.issues[0]["body"]
        assert (
            server.issues[0]["title"].replace("\u200b", "")
            == "B-012: --web @/etc/hostname"
        )


class TestFind:
    def test_issue_of_an_earlier_attempt_is_found_by_its_marker(self, server):
        assert server.tracker.find(REPORT) is None
        server.tracker.file(REPORT)
        for _ in range(120):
            server.add_issue()
        server.add_issue(pull_request={}, body=REPORT.marker)
        assert server.tracker.find(REPORT).number == 1

    def test_no_further_than_the_bug_is_old(self, over_http):
        over_http.time = lambda: 0.0
        for _ in range(250):
            over_http.add_issue()
        assert over_http.tracker.find(REPORT) is None
        assert len(over_http.requests) == 1

    def test_issue_that_may_be_further_down_is_never_taken_for_missing(
        self, over_http, monkeypatch
    ):
        """To say there is none would make a second one."""
        monkeypatch.setattr(github_tracker, "LOOKUP_PAGES", 2)
        over_http.tracker.file(REPORT)
        for _ in range(200):
            over_http.add_issue()
        with pytest.raises(TrackerError, match="more than 200"):
            over_http.tracker.find(REPORT)

    @pytest.mark.skipif(
        not hasattr(time, "tzset"), reason="the machine's zone cannot be changed"
    )
    def test_time_without_a_zone_is_the_machines_own(self, over_http, monkeypatch):
        """USE_TZ = False: a bug asked for at 14:00 in Berlin is found in an issue of 12:00 UTC."""
        monkeypatch.setenv("TZ", "Etc/GMT-6")
        time.tzset()
        try:
            asked = dt.datetime.now().isoformat()
            over_http.tracker.file(REPORT)
            assert over_http.tracker.find(of(requested_at=asked)).number == 1
            known = of(
                issue_number=1,
                issue_url=over_http.issues[0]["html_url"],
                issue_state="open",
            )
            for _ in range(2):
                over_http.tracker.update(
                    of(known, news=(news(5, "regressed", when=asked),)), "#1"
                )
            assert len(over_http.comments[1]) == 1
        finally:
            monkeypatch.undo()
            time.tzset()


class TestUpdate:
    def test_regression_comments_once_and_reopens(self, server):
        known = server.filed()
        server.edit(1, state="closed")
        told = of(
            known, issue_state="closed", news=(news(7, "regressed", "in release 1.2"),)
        )
        server.fail("drop", after=True, only="POST /repos/acme/shop/issues/1/comments")
        with pytest.raises(TrackerError):
            server.tracker.update(told, "#1")
        for _ in range(2):
            assert server.tracker.update(told, "#1").state == "open"
        [comment] = server.comments[1]
        assert "It happened again `in release 1.2`" in comment["body"]
        assert (server.issues[0]["state"], server.issues[0]["state_reason"]) == (
            "open",
            "reopened",
        )

    def test_each_regression_has_a_comment_of_its_own_among_hundreds(self, over_http):
        known = over_http.filed()
        told = of(known, news=(news(7, "regressed"), news(9, "regressed")))
        over_http.tracker.update(told, "#1")
        newest = over_http.comments[1].pop()
        over_http.comments[1] += [
            {"id": n, "body": "me too", "updated_at": over_http.moment()}
            for n in range(150)
        ]
        over_http.comments[1].append(newest)
        over_http.tracker.update(told, "#1")
        assert len(over_http.comments[1]) == 152

    @pytest.mark.parametrize("how", ["half", "garbage"])
    def test_comments_that_could_not_be_read_are_not_taken_for_none(self, server, how):
        told = of(server.filed(), news=(news(7, "regressed"),))
        server.tracker.update(told, "#1")
        server.fail(how, after=True, only="GET /repos/acme/shop/issues/1/comments")
        with pytest.raises(TrackerError):
            server.tracker.update(told, "#1")
        assert len(server.comments[1]) == 1

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"status": "resolved", "news": (news(7, "resolved"),)}, "completed"),
            (
                {
                    "status": "resolved",
                    "merged_into": "B-001",
                    "news": (news(7, "merged", "into B-001"),),
                },
                "not_planned",
            ),
        ],
    )
    def test_bug_that_is_done_closes_the_issue(self, server, changes, reason):
        known = server.filed()
        updated = server.tracker.update(of(known, **changes), "#1")
        assert (updated.state, updated.pushed_state) == ("closed", "closed")
        assert (server.issues[0]["state"], server.issues[0]["state_reason"]) == (
            "closed",
            reason,
        )
        assert len(server.comments.get(1, ())) == bool(changes.get("merged_into"))

    def test_block_is_written_anew_and_what_people_wrote_is_kept(self, server):
        known = server.filed()
        body = server.issues[0]["body"]
        server.edit(
            1, body=f"Look at the till.\r\n\r\n{body}\r\nMine.", title="Paying fails"
        )
        server.tracker.update(
            of(known, count=1000, news=(news(7, "milestone", "1000 occurrences"),)),
            "#1",
        )
        after = server.issues[0]["body"]
        assert after.startswith("Look at the till.\r\n\r\n")
        assert after.endswith("Mine.")
        assert "1000 times" in after
        assert server.issues[0]["title"] == "Paying fails"
        assert server.comments == {}

    def test_milestone_updates_the_block_only(self, server):
        known = server.filed()
        server.tracker.update(
            of(known, count=10, severity="high", news=(news(7, "milestone"),)), "#1"
        )
        assert [
            payload.keys()
            for method, _, payload in server.requests
            if method == "PATCH"
        ] == [{"body"}]

    def test_title_follows_the_bug_unless_a_person_has_changed_it(self, server):
        known = server.filed()
        became = of(
            known, title="Incident: OSError", kind="incident", news=(news(7, "edited"),)
        )
        for _ in range(2):
            server.tracker.update(became, "#1")
        assert server.issues[0]["title"] == "B-012: Incident: OSError"
        patches = [
            payload for method, _, payload in server.requests if method == "PATCH"
        ]
        assert [payload.keys() for payload in patches] == [{"body", "title"}]
        server.edit(1, title="Paying fails")
        server.tracker.update(of(became, title="Another"), "#1")
        server.tracker.update(of(became, title="One more"), "#1")
        assert server.issues[0]["title"] == "Paying fails"

    def test_body_without_our_block_is_left_alone(self, server):
        known = server.filed()
        server.edit(1, body="I have written it anew.")
        server.tracker.update(of(known, count=10, news=(news(7, "milestone"),)), "#1")
        assert server.calls("PATCH") == []
        server.tracker.update(
            of(known, status="resolved", news=(news(8, "resolved"),)), "#1"
        )
        assert (server.issues[0]["state"], server.issues[0]["body"]) == (
            "closed",
            "I have written it anew.",
        )

    def test_severity_label_is_swapped_when_it_was_edited(self, server):
        known = server.filed()
        server.edit(1, labels=[{"name": name} for name in ("bug", "medium", "till")])
        server.tracker.update(
            of(known, severity="critical", news=(news(7, "edited"),)), "#1"
        )
        assert labels_of(server.issues[0]) == ["bug", "till", "critical"]

    def test_severity_label_that_is_refused_leaves_the_update_as_it_is(self, server):
        known = server.filed()
        server.can_label = False
        changed = of(
            known,
            status="resolved",
            severity="critical",
            news=(news(7, "edited"), news(8, "resolved")),
        )
        assert server.tracker.update(changed, "#1").state == "closed"
        assert "medium" in labels_of(server.issues[0])

    def test_severity_label_that_a_person_took_away_is_no_error(self, server):
        known = server.filed()
        server.edit(1, labels=[{"name": "bug"}, {"name": "high"}])
        server.fail_next(404, only="DELETE /repos/acme/shop/issues/1/labels/high")
        server.tracker.update(
            of(known, severity="low", news=(news(7, "edited"),)), "#1"
        )
        assert "low" in labels_of(server.issues[0])

    @pytest.mark.parametrize(
        ("state", "is_by_a_person", "changes"),
        [
            ("closed", True, {"news": (news(7, "milestone"),)}),
            (
                "open",
                True,
                {
                    "status": "resolved",
                    "issue_state": "closed",
                    "news": (news(7, "edited"),),
                },
            ),
            (
                "open",
                True,
                {
                    "status": "resolved",
                    "issue_state": "closed",
                    "news": (news(7, "resolved", by=GITHUB_ACTOR),),
                },
            ),
            (
                "open",
                False,
                {"status": "resolved", "news": (news(7, "resolved", by="ada"),)},
            ),
            (
                "closed",
                False,
                {"issue_state": "closed", "news": (news(7, "regressed"),)},
            ),
            # Closed by us, reopened by a person, which the bug followed, closed again.
            (
                "closed",
                True,
                {
                    "issue_state": "open",
                    "news": (news(7, "regressed"), news(8, "open", by=GITHUB_ACTOR)),
                },
            ),
        ],
    )
    def test_what_a_person_did_to_the_issue_wins(
        self, server, state, is_by_a_person, changes
    ):
        known = server.filed()
        if "issue_state" in changes:
            known = of(
                known,
                issue_state=server.tracker.update(
                    of(known, status="resolved"), "#1"
                ).state,
            )
        server.edit(1, state=state)
        updated = server.tracker.update(of(known, **changes), "#1")
        assert (updated.state == state) is is_by_a_person
        assert server.issues[0]["state"] == updated.state

    def test_our_own_closing_whose_answer_was_lost_is_not_taken_for_a_persons(
        self, server
    ):
        known = server.filed()
        server.fail("drop", after=True, only="PATCH")
        with pytest.raises(TrackerError):
            server.tracker.update(
                of(
                    known,
                    status="resolved",
                    news=(news(7, "resolved"),),
                    latest_activity_id=7,
                ),
                "#1",
            )
        assert server.issues[0]["state"] == "closed"
        back = of(known, news=(news(7, "resolved"), news(8, "regressed")))
        assert server.tracker.update(back, "#1").state == "open"

    def test_issue_of_another_repository_with_the_same_number_is_left_alone(
        self, server
    ):
        server.add_issue(body="somebody else's")
        known = of(
            issue_number=1,
            issue_url="https://github.com/acme/old/issues/1",
            issue_state="open",
        )
        with pytest.raises(TrackerError, match="does not belong to this bug") as caught:
            server.tracker.update(
                of(known, status="resolved", news=(news(7, "regressed"),)), "#1"
            )
        assert caught.value.is_permanent
        assert (server.issues[0]["state"], server.comments) == ("open", {})

    def test_repository_with_a_new_name_keeps_its_issues(self, over_http):
        known = over_http.filed()
        over_http.edit(1, html_url="https://github.com/acme/new/issues/1")
        assert over_http.tracker.update(
            of(known, status="resolved"), "#1"
        ).url.startswith("https://github.com/acme/new")

    def test_deleted_issue_is_a_clear_failure(self, server):
        known = server.filed()
        server.edit(1, is_deleted=True)
        with pytest.raises(TrackerError, match="was deleted") as caught:
            server.tracker.update(of(known, status="resolved"), "#1")
        assert caught.value.is_permanent

    def test_nothing_new_changes_nothing(self, server):
        known = server.filed()
        server.tracker.update(known, "#1")
        assert server.calls("PATCH") == []


FAILURES = [
    ({"status": 401}, "refused the token", True, None),
    (
        {"status": 403, "body": {"message": "Resource not accessible"}},
        "may not do this",
        True,
        None,
    ),
    ({"status": 404}, "does not exist", True, None),
    ({"status": 410}, "switched off", True, None),
    ({"status": 422}, "did not accept", True, None),
    (
        {"status": 422, "headers": {"x-ratelimit-remaining": "0"}},
        "did not accept",
        True,
        None,
    ),
    ({"status": 500}, "answered 500", False, None),
    ({"status": 503, "headers": {"Retry-After": "30"}}, "answered 503", False, 30),
    (
        {"status": 403, "headers": {"Retry-After": "77"}, "body": {"message": LIMIT}},
        "asks us to wait",
        False,
        77,
    ),
    ({"status": 403, "body": {"message": LIMIT}}, "asks us to wait", False, None),
    (
        {
            "status": 403,
            "body": {"message": "You have triggered an abuse detection mechanism"},
        },
        "asks us to wait",
        False,
        None,
    ),
    ({"status": 429}, "asks us to wait", False, None),
    (
        {"status": 429, "headers": {"Retry-After": "9" * 400}},
        "asks us to wait",
        False,
        86_400,
    ),
    ({"how": "drop"}, "EOF|no complete response", False, None),
    ({"how": "half", "after": True}, "EOF|no complete response", False, None),
    ({"how": "garbage", "after": True}, "not an issue|gh gave no answer", False, None),
]


class TestFailures:
    @pytest.mark.parametrize(("fault", "words", "is_permanent", "wait"), FAILURES)
    def test_failure_is_told_in_words_and_classified(
        self, server, fault, words, is_permanent, wait
    ):
        server.fail(**fault, only="POST /repos/acme/shop/issues")
        with pytest.raises(TrackerError, match=words) as caught:
            server.tracker.file(REPORT)
        assert (caught.value.is_permanent, caught.value.retry_after) == (
            is_permanent,
            wait,
        )
        assert len(server.issues) == bool(fault.get("after"))
        assert TOKEN not in repr(caught.value)

    def test_exhausted_allowance_says_when_it_is_back(self, server):
        headers = {
            "x-ratelimit-remaining": "0",
            "x-ratelimit-reset": str(int(time.time()) + 900),
        }
        server.fail_next(403, headers, message="API rate limit exceeded for user ID 1.")
        with pytest.raises(TrackerError) as caught:
            server.tracker.file(REPORT)
        assert 850 < caught.value.retry_after <= 900
        assert not caught.value.is_permanent
        assert len(server.requests) == 1, (
            "a server that asks us to wait is asked nothing more"
        )

    def test_archived_repository_and_switched_off_issues_are_told(self, server):
        server.is_archived = True
        with pytest.raises(TrackerError, match=r"archived so is read-only") as caught:
            server.tracker.file(REPORT)
        server.is_archived, server.has_issues = False, False
        with pytest.raises(TrackerError, match="Issues are disabled"):
            server.tracker.file(REPORT)
        assert caught.value.is_permanent

    def test_wrong_token_is_told(self, server, monkeypatch):
        if server.transport == "gh":
            (server.folder / "config" / "hosts.yml").write_text(
                "github.com:\n    oauth_token: ghp_old\n    user: ada\n"
            )
        monkeypatch.setenv(
            "GITHUB_TOKEN", "ghp_old"
        ) if server.transport != "gh" else None
        with pytest.raises(
            TrackerError, match=r"refused the token.*Bad credentials"
        ) as caught:
            server.tracker.file(REPORT)
        assert caught.value.is_permanent

    @pytest.mark.parametrize("how", ["hang", "drip", "drip_headers"])
    def test_silent_or_slow_server_is_given_up(self, server, how, monkeypatch):
        """A byte now and then is no answer."""
        monkeypatch.setattr(http, "READ_SECONDS", 1.0)
        server.fail(how, only="GET")
        tracker = server.tracker
        tracker.client.timeout = 1
        began = time.monotonic()
        with pytest.raises(TrackerError, match="in 1 seconds") as caught:
            tracker.find(REPORT)
        assert time.monotonic() - began < 8
        assert not caught.value.is_permanent

    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("how", ["drop", "half", "garbage", "answer"])
    def test_whatever_was_lost_is_found_by_the_next_attempt(self, server, how, after):
        server.fail(how, after=after, only="POST /repos/acme/shop/issues")
        with pytest.raises(TrackerError):
            server.tracker.file(REPORT)
        filed = server.tracker.find(REPORT) or server.tracker.file(REPORT)
        assert (filed.number, len(server.issues)) == (1, 1)

    def test_redirect_is_not_followed_with_the_token(self, over_http):
        with GitHubStub() as other:
            target = f"http://127.0.0.1:{other.port('http')}/repos/acme/shop/issues"
            for status in (301, 302, 307, 308):
                over_http.fail_next(
                    status,
                    {"Location": target},
                    message="Moved",
                    only="POST /repos/acme/shop/issues",
                )
                with pytest.raises(TrackerError, match="has moved") as caught:
                    over_http.tracker.file(REPORT)
                assert caught.value.is_permanent
            assert other.requests == []


def date_in(span):
    return email.utils.format_datetime(dt.datetime.now(dt.UTC) + span, usegmt=True)


# Later than the end of the longest run of the suite.
IN_TEN_HOURS = date_in(dt.timedelta(hours=10))
SAID = (
    LIMIT,
    "API rate limit exceeded for user ID 1.",
    "API rate limit exceeded for installation ID 1.",
    "You have triggered an abuse detection mechanism. Please retry your request again later.",
    "You have been temporarily blocked from content creation.",
    "Maximum number of login attempts exceeded. Please try again later.",
)
# What GitHub answers where it wants fewer requests: status, headers, message, errors.
LIMITS = [
    *((status, {}, said, None) for status in (403, 429) for said in SAID),
    *(
        (status, {"Retry-After": asked}, "no", None)
        for status in (403, 422, 429)
        for asked in ("30", IN_TEN_HOURS, "soon", "0")
    ),
    (403, {"X-RateLimit-Remaining": "0"}, "no", None),
    (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, "no", None),
    (422, {}, "Validation Failed", ["was submitted too quickly"]),
    (422, {}, "Validation Failed", [{"message": "was submitted too quickly"}]),
    (422, {}, "Validation Failed", "was submitted too quickly"),
    (422, {}, "was submitted too quickly", None),
    (200, {}, "", [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]),
]
REFUSALS = [
    (401, {}, "Bad credentials", None),
    (401, {"X-RateLimit-Remaining": "0"}, "Bad credentials", None),
    (403, {}, "Resource not accessible by integration", None),
    (403, {}, "Repository was archived so is read-only.", None),
    (404, {"X-RateLimit-Remaining": "0"}, "Not Found", None),
    (410, {"Retry-After": "5"}, "Issues are disabled for this repo", None),
    (422, {}, "Validation Failed", [{"field": "title", "code": "missing_field"}]),
    # What GitHub repeats of ours says nothing about the reason.
    (422, {}, "Validation Failed", [{"code": "custom", "value": "RateLimitError"}]),
    (422, {}, "Validation Failed", [None, 3, {"message": None}]),
]


class TestRateLimits:
    @pytest.mark.parametrize(("status", "headers", "message", "errors"), LIMITS)
    def test_every_form_is_waited_out(
        self, over_http, status, headers, message, errors
    ):
        for only in ("POST /repos/acme/shop/labels", "POST /repos/acme/shop/issues"):
            over_http.fail_next(
                status, headers, message=message, errors=errors, only=only
            )
            with pytest.raises(TrackerError, match="asks us to wait") as caught:
                over_http.tracker.file(REPORT)
            assert caught.value.is_rate_limit
            assert not caught.value.is_permanent
            assert not caught.value.is_counted
        assert over_http.issues == []

    @pytest.mark.parametrize(("status", "headers", "message", "errors"), REFUSALS)
    def test_refusal_for_good_stays_one(
        self, over_http, status, headers, message, errors
    ):
        over_http.fail_next(
            status, headers, message=message, errors=errors, only="acme/shop/issues"
        )
        with pytest.raises(TrackerError) as caught:
            over_http.tracker.file(REPORT)
        assert caught.value.is_permanent
        assert not caught.value.is_rate_limit

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_outage_of_github_is_not_counted(self, over_http, status):
        over_http.fail_next(status, only="acme/shop/issues")
        with pytest.raises(TrackerError, match=f"answered {status}") as caught:
            over_http.tracker.file(REPORT)
        assert not caught.value.is_counted
        assert not caught.value.is_permanent

    def test_time_that_is_no_time_gives_way_to_the_reset_of_the_window(self):
        headers = {
            "retry-after": "soon",
            "x-ratelimit-remaining": "0",
            "x-ratelimit-reset": str(int(time.time()) + 900),
        }
        assert 850 < Response(403, headers, None).retry_after <= 900

    def test_date_is_understood(self):
        date = date_in(dt.timedelta(minutes=10))
        assert 500 < Response(429, {"retry-after": date}, None).retry_after <= 600


class TestRepository:
    @pytest.mark.parametrize(
        ("text", "host", "api"),
        [
            ("acme/shop", "github.com", "https://api.github.com"),
            ("acme/shop.git", "github.com", "https://api.github.com"),
            ("https://github.com/acme/shop/", "github.com", "https://api.github.com"),
            (
                "git.acme.example/acme/shop",
                "git.acme.example",
                "https://git.acme.example/api/v3",
            ),
            (
                "https://git.acme.example:8443/acme/shop",
                "git.acme.example:8443",
                "https://git.acme.example:8443/api/v3",
            ),
            ("acme.ghe.com/acme/shop", "acme.ghe.com", "https://api.acme.ghe.com"),
            (
                "http://localhost:8000/acme/shop",
                "localhost:8000",
                "http://localhost:8000/api/v3",
            ),
        ],
    )
    def test_address_of_the_api_follows_from_the_name(
        self, text, host, api, monkeypatch
    ):
        monkeypatch.delenv("GH_HOST", raising=False)
        assert Repository.of(text) == Repository(host, "acme/shop", api)

    @pytest.mark.parametrize(
        "text",
        [
            *(
                "acme",
                "acme/",
                "/shop",
                "acme/..",
                "../shop",
                "acme/shop/x",
                "acme/sh op",
                "acme/shop?x=1",
            ),
            *(
                "http://git.acme.example/acme/shop",
                "https://acme/shop",
                "https://u:p@git.acme.example/acme/shop",
            ),
            *(
                "git.acme.example:99999/acme/shop",
                "ftp://git.acme.example/acme/shop",
                "acme/shop\n",
            ),
        ],
    )
    def test_what_is_no_repository_is_refused(self, text):
        assert Repository.of(text) is None
        assert "owner/name" in GitHubTracker(text).unavailable_reason()
        with pytest.raises(TrackerError, match="owner/name"):
            GitHubTracker(text).file(REPORT)

    @pytest.mark.parametrize(
        "url",
        [
            "https://[::1",
            "https://a:b/",
            "https://a:0/",
            "https://",
            "x",
            "https://u@a/",
        ],
    )
    def test_odd_addresses_are_refused_and_raise_nothing(self, url):
        assert why_not_safe(url, "WEBHOOK_URL").startswith("WEBHOOK_URL must")


class TestToken:
    def test_setting_wins_over_the_environment(
        self, over_http, configure, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("GITHUB_TOKEN", "ghp_of_the_environment")
        file = tmp_path / "token"
        file.write_text(f"{TOKEN}\n")
        for setting in (TOKEN, lambda: TOKEN, file, str(file)):
            configure(GITHUB_TOKEN=setting)
            over_http.tracker.find(REPORT)
        assert over_http.tokens == [f"Bearer {TOKEN}"] * 4

    @pytest.mark.parametrize("name", TOKEN_NAMES[:4])
    def test_environment_has_it_under_four_names(self, over_http, monkeypatch, name):
        monkeypatch.delenv("GITHUB_TOKEN")
        monkeypatch.setenv(name, TOKEN)
        over_http.tracker.find(REPORT)
        assert over_http.tokens == [f"Bearer {TOKEN}"]

    def test_token_of_an_enterprise_host_is_not_for_github(self, monkeypatch):
        for name in TOKEN_NAMES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("GH_ENTERPRISE_TOKEN", TOKEN)
        monkeypatch.setenv("PATH", "")
        assert "no token" in GitHubTracker("acme/shop").unavailable_reason()
        assert GitHubTracker("git.acme.example/acme/shop").unavailable_reason() == ""

    def test_token_that_cannot_be_had_is_told_without_it(
        self, over_http, configure, tmp_path
    ):
        def vault():
            raise ValueError(f"not valid any more: {TOKEN}")

        for setting, words in [
            (vault, "ValueError"),
            (tmp_path / "none", "No such file"),
            (lambda: "a\nb", "no token"),
        ]:
            configure(GITHUB_TOKEN=setting)
            with pytest.raises(TrackerError, match=words) as caught:
                over_http.tracker.find(REPORT)
            assert TOKEN not in str(caught.value)
        assert over_http.requests == []

    def test_nothing_where_something_was_expected_is_told(self, configure, monkeypatch):
        for name in TOKEN_NAMES:
            monkeypatch.delenv(name, raising=False)
        configure(GITHUB_TOKEN=lambda: "")
        with pytest.raises(TrackerError, match="empty"):
            token_for("github.com")

    def test_process_without_token_and_gh_says_so(self, monkeypatch):
        for name in TOKEN_NAMES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PATH", "")
        tracker = GitHubTracker("acme/shop")
        assert "no token" in tracker.unavailable_reason()
        assert "no gh" in tracker.unavailable_reason()
        with pytest.raises(TrackerError, match="no token"):
            tracker.file(REPORT)


class TestGh:
    @pytest.fixture
    def fake(self, tmp_path, monkeypatch):
        """A function that puts a program of that text in place of gh."""
        for name in TOKEN_NAMES:
            monkeypatch.delenv(name, raising=False)

        def make(script, interpreter="/bin/sh"):
            program = tmp_path / "gh"
            program.write_text(f"#!{interpreter}\n{script}\n")
            program.chmod(0o755)
            monkeypatch.setenv("PATH", f"{tmp_path}")
            monkeypatch.setenv("HOME", str(tmp_path))
            tracker = GitHubTracker("acme/shop")
            tracker.client.timeout = 1
            return tracker

        return make

    def test_arguments_have_neither_text_nor_token(self, over_gh, monkeypatch):
        seen = []
        popen = subprocess.Popen

        def watched(command, **options):
            seen.append((command, options))
            return popen(command, **options)

        monkeypatch.setattr(subprocess, "Popen", watched)
        over_gh.tracker.file(of(description="@/etc/passwd"))
        words = {word for command, _ in seen for word in command}
        assert words <= {
            *(
                "gh",
                "api",
                "--include",
                "--method",
                "POST",
                "--hostname",
                "github.com",
                "--input",
                "-",
            ),
            *("repos/acme/shop/labels", "repos/acme/shop/issues"),
        }
        assert all(
            options["start_new_session"] and not options.get("shell")
            for _, options in seen
        )

    def test_secrets_of_the_host_are_not_passed_on(self, fake, tmp_path, monkeypatch):
        tracker = fake(
            '/usr/bin/env > "$HOME/environment"\necho "no token ghp_abcdefghijklmnopqrstuv" >&2'
        )
        monkeypatch.setenv("DATABASE_URL", "postgres://secret")
        monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
        with pytest.raises(TrackerError) as caught:
            tracker.file(REPORT)
        environment = (tmp_path / "environment").read_text()
        assert "DATABASE_URL" not in environment
        assert "GH_PROMPT_DISABLED=1" in environment
        assert "https_proxy=" in environment
        assert "ghp_" not in str(caught.value)

    def test_gh_is_killed_with_its_children(self, fake, tmp_path):
        tracker = fake(f"/bin/sleep 60 & echo $! > {tmp_path}/child\nwait")
        with pytest.raises(TrackerError, match="in 1 seconds"):
            tracker.file(REPORT)
        self.assert_gone(int((tmp_path / "child").read_text()))

    @staticmethod
    def assert_gone(pid):
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                if " Z " in Path(f"/proc/{pid}/stat").read_text():
                    return
                os.kill(pid, 0)
            except OSError:
                return
            time.sleep(0.02)
        raise AssertionError("it still runs")

    def test_interrupted_call_leaves_no_gh_behind(self, fake, tmp_path, monkeypatch):
        tracker = fake(f"echo $$ > {tmp_path}/pid\nexec /bin/sleep 60")

        def interrupted(self, data, timeout):
            while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
                time.sleep(0.01)
            raise KeyboardInterrupt

        monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tracker.file(REPORT)
        self.assert_gone(int((tmp_path / "pid").read_text()))

    def test_grandchild_that_keeps_the_pipe_does_not_hold_us(self, fake, tmp_path):
        tracker = fake("/usr/bin/setsid /bin/sleep 20 &\nexec /bin/sleep 60")
        began = time.monotonic()
        with pytest.raises(TrackerError, match="in 1 seconds"):
            tracker.file(REPORT)
        assert time.monotonic() - began < 8

    @pytest.mark.parametrize(
        ("script", "words", "wait"),
        [
            (
                "echo 'HTTP 403: You have exceeded a secondary rate limit' >&2; exit 1",
                "secondary rate limit",
                None,
            ),
            ("echo 'gh: HTTP 429' >&2; exit 1", "429", None),
            ("exit 1", "gh gave no answer", None),
            ("printf 'HTTP/2.0 201 Created\\n\\nnot json'", "gh gave no answer", None),
            ("printf 'HTTP/2.0 201 Created\\n\\n[]'", "not an issue", None),
            ("printf 'HTTP/2.0 201 Created\\n\\n'", "not an issue", None),
            (
                "echo 'To get started with GitHub CLI, please run:  gh auth login' >&2; exit 4",
                "not logged in",
                None,
            ),
        ],
    )
    def test_odd_answers_are_failures(self, fake, script, words, wait):
        with pytest.raises(TrackerError, match=words) as caught:
            fake(script).file(REPORT)
        assert (caught.value.retry_after, caught.value.is_permanent) == (wait, False)

    @pytest.mark.parametrize(
        ("said", "is_rate_limit", "is_counted", "is_permanent"),
        [
            (
                "gh: API rate limit exceeded for user ID 1 (HTTP 403)",
                True,
                False,
                False,
            ),
            (f"HTTP 403: {LIMIT} (https://api.github.com/graphql)", True, False, False),
            ("GraphQL: was submitted too quickly (createIssue)", True, False, False),
            (
                "gh: Validation Failed (HTTP 422)\nwas submitted too quickly",
                True,
                False,
                False,
            ),
            ("gh: HTTP 429", True, False, False),
            ("gh: HTTP 502", False, False, False),
            (
                "HTTP 504: 504 Gateway Timeout (https://api.github.com/)",
                False,
                False,
                False,
            ),
            (
                "HTTP 401: Bad credentials\nTry authenticating with: gh auth login",
                False,
                True,
                True,
            ),
            ("gh: Not Found (HTTP 404)", False, True, True),
            ("gh: Issues are disabled for this repo (HTTP 410)", False, True, True),
            ("error connecting to api.github.com", False, True, False),
        ],
    )
    def test_what_gh_says_is_classified_like_an_answer(
        self, fake, said, is_rate_limit, is_counted, is_permanent
    ):
        tracker = fake(f"/bin/cat >&2 <<'END'\n{said}\nEND\nexit 1")
        with pytest.raises(TrackerError) as caught:
            tracker.file(REPORT)
        error = caught.value
        assert (error.is_rate_limit, error.is_counted, error.is_permanent) == (
            is_rate_limit,
            is_counted,
            is_permanent,
        )

    def test_program_that_does_not_start_is_told(self, fake):
        with pytest.raises(TrackerError, match="could not be started"):
            fake("", interpreter="/nowhere/sh").file(REPORT)

    def test_gh_is_asked_where_https_cannot_even_connect(
        self, over_gh, monkeypatch, configure
    ):
        # The stub of gh is behind a unix socket, so no proxy is in its way.
        monkeypatch.setenv("HTTPS_PROXY", "127.0.0.1:1")
        configure(GITHUB_TOKEN=TOKEN)
        assert over_gh.tracker.file(REPORT).number == 1
        (over_gh.folder / "config" / "hosts.yml").unlink()
        with pytest.raises(
            TrackerError, match=r"cannot be reached.*gh is not logged in"
        ):
            over_gh.tracker.file(REPORT)
        monkeypatch.setenv("PATH", "")
        with pytest.raises(UnreachableError):
            over_gh.tracker.file(REPORT)


class TestHttp:
    def test_nobody_at_the_other_end_is_told(self, monkeypatch, configure):
        monkeypatch.setenv("PATH", "")
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        for host in ("127.0.0.1:1", "localhost:1"):
            with pytest.raises(UnreachableError, match="cannot be reached"):
                GitHubTracker(f"http://{host}/acme/shop").file(REPORT)

    def test_unknown_certificate_gets_no_token(self, over_http, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
        monkeypatch.setenv("PATH", "")
        with pytest.raises(UnreachableError, match="certificate"):
            GitHubTracker(over_http.repo_over("https")).file(REPORT)
        assert over_http.requests == []

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry-after": "12"}, 12),
            ({"retry-after": "\xb2"}, None),
            ({"retry-after": "soon"}, None),
            ({"retry-after": "Mon, 31 Foo 99999 99:99:99 GMT"}, None),
            ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
            ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, 1),
            ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "99999999999"}, None),
            (
                {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999"},
                86_400,
            ),
            ({}, None),
        ],
    )
    def test_rest_that_is_asked_for_is_read_and_bounded(self, headers, seconds):
        """RFC 9110, 10.2.3."""
        assert Response(429, headers, None).retry_after == seconds

    def test_answer_without_end_is_given_up(self, over_http, monkeypatch):
        monkeypatch.setattr(http, "ANSWER_BYTES", 100)
        over_http.add_issue(body="x" * 1000)
        with pytest.raises(TrackerError, match="no complete response"):
            over_http.tracker.find(REPORT)

    def test_proxy_is_asked_for_https_and_only_for_that(self, over_http, monkeypatch):
        over_http.port("https")
        monkeypatch.setenv("HTTPS_PROXY", "127.0.0.1:1")
        monkeypatch.setenv("PATH", "")
        over_http.tracker.file(REPORT)
        with pytest.raises(UnreachableError):
            GitHubTracker(over_http.repo_over("https")).find(REPORT)
        monkeypatch.setenv("NO_PROXY", "localhost")
        assert GitHubTracker(over_http.repo_over("https")).find(REPORT).number == 1

    def test_request_goes_through_a_proxy_that_sees_no_token(
        self, over_http, monkeypatch
    ):
        repo = over_http.repo_over("https")
        with Proxy() as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            assert GitHubTracker(repo).file(REPORT).number == 1
        port = over_http.port("https")
        assert len(proxy.heads) == len(over_http.requests)
        for head in proxy.heads:
            assert head.startswith(f"CONNECT localhost:{port} HTTP/1.")
            assert TOKEN not in head

    def test_proxy_that_refuses_or_is_silent_is_given_up(self, over_http, monkeypatch):
        monkeypatch.setattr(http, "READ_SECONDS", 1.0)
        monkeypatch.setenv("PATH", "")
        repo = over_http.repo_over("https")
        for answer in (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"HTT"):
            with Proxy(answer) as proxy:
                monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
                began = time.monotonic()
                with pytest.raises(UnreachableError):
                    GitHubTracker(repo).file(REPORT)
                assert time.monotonic() - began < 5
        assert over_http.requests == []


class Proxy:
    """A proxy that passes bytes on, or gives *answer* and waits."""

    def __init__(self, answer=b""):
        self.answer = answer
        self.heads = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._over = threading.Event()

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *exc_info):
        self._over.set()
        self._listener.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client):
        with client:
            head = client.recv(65_536).decode()
            self.heads.append(head)
            if self.answer:
                client.sendall(self.answer)
                self._over.wait(10)
                return
            host, port = head.split()[1].split(":")
            with socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=self._copy, args=(server, client))
                back.start()
                self._copy(client, server)
                back.join(10)

    @staticmethod
    def _copy(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


HOSTILE = [
    "@octocat", "fixes #1", "Closes GH-1", "owner/repo#1", "https://github.com/owner/repo/issues/1",
    "resolves https://github.com/acme/shop/pull/2", "a5c3785ed8d6a35868bc169f07e40e889087fd2e", "```\n# out\n```",
    "`````````` @octocat ``````````", "--> @octocat <!--", "\x00\x1b[31m", "\u202eevil\u2066",
    "<script>alert(1)</script>",
    "![x](https://evil.example/x.png)", "[x](javascript:alert(1))", "</details><img src=x onerror=1>",
    "~~~\n@octocat\n~~~",
    "\n\n---\n\n# @octocat\n\n- [ ] done\n", "&#64;octocat", "\\@octocat", "user@acme.example", "www.evil.example",
]  # fmt: skip
LIVE = re.compile(
    r"octocat|GH-1|#1\b|owner/repo|acme/shop/pull|a5c3785|evil|<script|onerror|user@"
)


def live_text(markdown):
    """Return what GitHub would look for mentions and references in: everything but code and comments."""
    found = []
    for token in MarkdownIt("commonmark").parse(markdown):
        if token.type == "html_block":
            found.append(re.sub(r"<!--.*?-->", "", token.content, flags=re.DOTALL))
        for child in token.children or ():
            if child.type == "html_inline":
                found.append(re.sub(r"<!--.*?-->", "", child.content, flags=re.DOTALL))
            elif child.type != "code_inline":
                found.append(child.content)
            found += [str(value) for value in child.attrs.values()]
    return "\n".join(found)


class TestOutsideText:
    @pytest.mark.parametrize("text", HOSTILE)
    def test_nothing_from_outside_is_live_in_body_or_comment(self, text):
        report = of(
            title=text,
            description=text,
            exception_type=text,
            route=text,
            method=text,
            frames=((text, 1, text, text),) * 2,
            source=(text, text),
            groups=(text, text),
            first_release=text,
            last_release=text,
            details={text: [text]},
            commits=(text,),
            environment=text,
        )
        for body in (
            issue_body(report),
            github_tracker.news_text(news(1, "regressed", text, by=text)),
        ):
            live = live_text(body)
            assert not LIVE.search(live), LIVE.search(live)
            assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", body)
        body = issue_body(report)
        assert (body.count(BEGIN), body.count(END), body.count(REPORT.marker)) == (
            1,
            1,
            1,
        )

    def test_title_has_no_live_mention_or_reference(self):
        """A title is plain text to GitHub: mentions and references are what its mails and lists could make of it."""
        for text in HOSTILE:
            title = of(title=text).safe_title
            assert not re.search(r"[@#]\w|\bGH-\d", title), title
            assert title.isprintable() or "\u200b" in title
            assert len(title) <= 200

    def test_longest_report_keeps_marker_and_block(self, over_http):
        long = "`x" * 20_000
        report = of(
            title=long,
            description=long,
            frames=((long, 1, long, long),) * 20,
            source=(long,) * 20,
        )
        filed = over_http.filed(report)
        assert len(over_http.issues[0]["body"]) <= 60_000
        assert len(over_http.issues[0]["title"]) <= 200
        assert over_http.tracker.find(report).number == 1
        assert (
            over_http.tracker.update(of(filed, status="resolved"), "#1").pushed_state
            == "closed"
        )


class TestOpenBugs:
    def test_only_open_bugs_are_read_with_who_opened_them(self, over_http):
        bug = {"labels": ("bug",), "body": "ours"}
        over_http.add_issue(**bug)
        over_http.add_issue(**bug, user={"login": "mallory", "type": "User"})
        over_http.add_issue(**bug, user={"login": "Shop[bot]", "type": "Bot"})
        over_http.add_issue(**bug, state="closed")
        over_http.add_issue(body="no label")
        over_http.add_issue(**bug, pull_request={})
        over_http.add_issue(**bug, user=None)
        over_http.add_issue(**bug, user={"login": 7})
        authors = [issue.author for issue in over_http.tracker.open_bugs()]
        assert authors == ["ada", "mallory", "shop[bot]", "", "7"]


def test_client_names_its_transport(monkeypatch):
    for name in TOKEN_NAMES:
        monkeypatch.delenv(name, raising=False)
    assert GitHubClient("acme/shop").transport == "gh"
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    assert GitHubClient("acme/shop").transport == "https"
