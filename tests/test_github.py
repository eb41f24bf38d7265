"""The GitHub tracker over both transports, against a local stub."""

from __future__ import annotations

import pytest

from error_tracking.exceptions import TrackerError
from error_tracking.report import BugReport
from error_tracking.trackers.github import GitHubTracker

REPORT = BugReport(bug_id="B-012", uuid="0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e", title="ValueError in shop.pay")


class TestGitHubTracker:
    tracker = GitHubTracker("acme/shop")

    def test_issue_has_title_body_and_both_labels(self, github):
        filed = self.tracker.file(REPORT)
        [issue] = github.issues
        assert (filed.number, filed.reference) == (1, "#1")
        assert filed.url == issue["html_url"]
        assert issue["title"] == "B-012: ValueError in shop.pay"
        assert [label["name"] for label in issue["labels"]] == ["bug", "medium"]
        assert REPORT.marker in issue["body"]

    def test_issue_of_an_earlier_attempt_is_found_by_its_marker(self, github):
        """FAULTS X01, X02, X03."""
        assert self.tracker.find(REPORT) is None
        self.tracker.file(REPORT)
        for _ in range(120):
            github.add_issue()
        assert self.tracker.find(REPORT).number == 1
        assert all("search" not in path for _, path, _ in github.requests)

    def test_title_that_looks_like_an_option_or_a_file_is_text(self, github):
        """FAULTS X11."""
        import dataclasses

        self.tracker.file(dataclasses.replace(REPORT, description="@/etc/hostname --web"))
        assert "@/etc/hostname --web" in github.issues[0]["body"]

    def test_label_that_may_not_be_made_costs_the_label_only(self, github):
        """FAULTS X04, X05."""
        github.fail_next(403, message="You do not have permission to create labels on this repository.")
        assert self.tracker.file(REPORT).number == 1
        assert github.issues[0]["labels"] == []

    @pytest.mark.parametrize(
        ("status", "is_permanent"),
        [(401, True), (404, True), (410, True), (422, True), (500, False), (502, False), (429, False)],
    )
    def test_failure_is_classified(self, github, status, is_permanent):
        """FAULTS X12, X14."""
        github.fail_next(status)
        with pytest.raises(TrackerError) as caught:
            self.tracker.file(REPORT)
        assert caught.value.is_permanent is is_permanent
        assert not github.issues

    def test_retry_after_is_honoured(self, github):
        """FAULTS X07, X08."""
        github.fail_next(403, {"Retry-After": "77"}, message="You have exceeded a secondary rate limit")
        with pytest.raises(TrackerError) as caught:
            self.tracker.file(REPORT)
        assert (caught.value.retry_after, caught.value.is_permanent) == (77.0, False)

    def test_silent_server_is_given_up(self, github):
        """FAULTS X09."""
        github.delay = 5
        with pytest.raises(TrackerError, match="no answer in 1 seconds") as caught:
            GitHubTracker("acme/shop", timeout=1).file(REPORT)
        assert not caught.value.is_permanent

    def test_missing_program_and_wrong_repository_are_told(self, monkeypatch):
        assert "owner/name" in GitHubTracker("acme").why_not()
        monkeypatch.setenv("PATH", "")
        assert "not installed" in self.tracker.why_not()
        with pytest.raises(TrackerError, match="not installed"):
            self.tracker.file(REPORT)

    def test_secrets_of_the_host_are_not_passed_on(self, tmp_path, monkeypatch):
        """FAULTS X13."""
        program = tmp_path / "gh"
        program.write_text(
            '#!/bin/sh\n/usr/bin/env > "$HOME/environment"\necho "no token ghp_abcdefghijklmnopqrstuv" >&2\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("DATABASE_URL", "postgres://secret")
        with pytest.raises(TrackerError) as caught:
            self.tracker.file(REPORT)
        environment = (tmp_path / "environment").read_text()
        assert "DATABASE_URL" not in environment
        assert "GH_PROMPT_DISABLED=1" in environment
        assert "ghp_" not in str(caught.value)

    @pytest.mark.parametrize(
        ("output", "message"),
        [
            ("", "gh gave no answer"),
            ("HTTP/2.0 201 Created\n\nnot json", "gh gave no answer"),
            ("HTTP/2.0 201 Created\n\n[]", "not an issue"),
        ],
    )
    def test_odd_answers_are_failures(self, monkeypatch, output, message):
        tracker = GitHubTracker("acme/shop")
        monkeypatch.setattr(tracker, "why_not", lambda: "")
        monkeypatch.setattr(
            tracker, "_run", lambda command, data: (output, "" if "201" in output else "API rate limit")
        )
        with pytest.raises(TrackerError) as caught:
            tracker.file(REPORT)
        assert message in str(caught.value) or caught.value.retry_after == 60
