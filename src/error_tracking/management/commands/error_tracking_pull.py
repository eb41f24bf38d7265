"""``error_tracking_pull``: write bug files from GitHub issues, without a database."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from error_tracking import conf
from error_tracking.checkout import Checkout, checkout_root
from error_tracking.exceptions import TrackerError
from error_tracking.management import base
from error_tracking.report.bug_report import BugReport
from error_tracking.report.front_matter import has_front_matter, report_from_issue
from error_tracking.report.markdown import stack_text
from error_tracking.report.markers import evidence_in
from error_tracking.report.recent_changes import with_recent_changes
from error_tracking.trackers.base import Filed
from error_tracking.trackers.github import (
    UNPLANNED,
    GitHubTracker,
    author_of,
    filed_from,
)
from error_tracking.trackers.github_api import FORBIDDEN, NOT_FOUND, RefusedError
from error_tracking.trackers.markdown import MarkdownTracker, values_in
from error_tracking.utils import clean_line

# What a line of a terminal shows of a message that is not ours.
REASON_CHARS = 300
# The status of a file whose bug nobody has to work on.
_DONE = ("resolved", "merged")
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})(?:\[bot\])?")


@dataclasses.dataclass(frozen=True, slots=True)
class WrittenFile:
    """One bug file: ``change`` is ``new``, ``updated`` or ``unchanged``."""

    bug: str
    issue: int | None
    file: str
    status: str
    change: str


@dataclasses.dataclass(frozen=True, slots=True)
class RefusedIssue:
    """One issue from which no file was written, and why."""

    issue: int | None
    bug: str
    reason: str


class Command(base.Command):
    """The command."""

    help = (
        "Run this in a checkout. Writes the files of open bugs into PLANNING_DIR from "
        "their GitHub issues, and marks those of closed issues as resolved, or as "
        "muted when not planned. Reads only issues labelled 'bug' that the filing "
        "account or app opened. Needs no database, and no permission to write to "
        "GitHub. Exit status 1 when an issue was refused."
    )
    requires_system_checks: Any = []
    needs_tables = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--author",
            metavar="LOGIN",
            action="append",
            default=[],
            type=_login,
            help=(
                "the account or app that files the issues, for example acme-bot or "
                "'acme-errors[bot]'; may be repeated. By default the account whose "
                "token this command uses"
            ),
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="show what would be written, write nothing",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Read the issues, write the files, print what was done."""
        self._set_up(is_dry_run=options["dry_run"])
        try:
            self.authors = self._authors(options["author"])
            open_uuids = self._write_open_bugs()
            self._write_closed_bugs(open_uuids)
        except TrackerError as error:
            raise CommandError(
                f"The issues could not be read: {error}.",
                returncode=base.NOT_AVAILABLE,
            ) from error
        self._print_summary()

    def _set_up(self, *, is_dry_run: bool) -> None:
        settings = conf.get_settings()
        if not settings.GITHUB_REPO:
            raise CommandError(
                "No repository to read from: set "
                'ERROR_TRACKING["GITHUB_REPO"] to "owner/name".',
                returncode=base.WRONG_USAGE,
            )
        self.github = GitHubTracker(settings.GITHUB_REPO)
        self.files = MarkdownTracker(settings.planning_dir)
        root = checkout_root(self.files.directory)
        if root is None:
            raise CommandError(
                f"PLANNING_DIR, {self.files.directory}, is in no git checkout. Run "
                "this command where the code is.",
                returncode=base.WRONG_USAGE,
            )
        self.checkout = Checkout(root)
        self.is_dry_run = is_dry_run
        self.written: list[WrittenFile] = []
        self.refused: list[RefusedIssue] = []
        # Issues that look like ours, but were opened by other accounts.
        self.skipped = 0

    def _authors(self, logins: list[str]) -> frozenset[str]:
        """Return the logins whose issues count, in lower case."""
        if logins:
            return frozenset(login.lower() for login in logins)
        try:
            return frozenset([self.github.client.login().lower()])
        except RefusedError as error:
            if error.is_rate_limit or error.status not in {FORBIDDEN, NOT_FOUND}:
                raise
            raise CommandError(
                "GitHub reports no account for this token (the token of a GitHub "
                "Action has none). Name the account that files the issues with "
                "--author.",
                returncode=base.WRONG_USAGE,
            ) from error

    # Open issues

    def _write_open_bugs(self) -> set[str]:
        """Write the files of open issues; return the UUIDs of their bugs."""
        numbers: dict[str, int | None] = {}
        self.progress("issues, which are being read", 0)
        issues = list(self.github.open_bugs())
        for position, open_issue in enumerate(issues, 1):
            self.progress("issues", position)
            issue, body = open_issue.filed, open_issue.body
            if open_issue.author not in self.authors:
                if has_front_matter(body):
                    self.skipped += 1
                continue
            report = self._report_in(body, issue.number)
            if report is None:
                continue
            if report.uuid in numbers:
                first = numbers[report.uuid]
                reason = f"issue #{first} belongs to this bug already"
                self._refuse(issue.number, report.bug_id, reason)
                continue
            numbers[report.uuid] = issue.number
            # The issue was reopened, and the site has not noticed yet.
            status = "open" if report.status in _DONE else report.status
            self._write(report, issue, body, status)
        return set(numbers)

    # Closed issues

    def _write_closed_bugs(self, open_uuids: set[str]) -> None:
        """Mark the bugs whose files are open and whose issues are closed."""
        for path in self.files.files():
            if path.suffix != ".md":
                continue
            values = values_in(path)
            number = self._issue_number_in(values)
            is_open = values.get("status") not in _DONE
            if number is None or not is_open or values.get("uuid") in open_uuids:
                continue
            self._write_closed_bug(number, values)

    def _issue_number_in(self, values: Mapping[str, str]) -> int | None:
        """Return the number of the file's issue, if it is one of our repository."""
        repo = self.github.client.repo
        assert repo is not None  # noqa: S101  its issues were just read
        pattern = rf".*/{re.escape(repo.name)}/issues/([0-9]{{1,15}})"
        found = re.fullmatch(pattern, values.get("issue", ""), re.IGNORECASE)
        if found is None:
            return None
        return int(found[1])

    def _write_closed_bug(self, number: int, values: Mapping[str, str]) -> None:
        try:
            issue = self.github.client.call("GET", f"/issues/{number}").data
            filed = filed_from(issue)
        except TrackerError as error:
            if not error.is_permanent:
                raise
            reason = f"its issue cannot be read: {error}"
            self._refuse(number, values.get("id", ""), reason)
            return
        if filed.state != "closed" or author_of(issue) not in self.authors:
            return
        body = str(issue.get("body") or "")
        report = self._report_in(body, number)
        if report is None or report.uuid != values.get("uuid"):
            return
        status = "muted" if filed.reason in UNPLANNED else "resolved"
        filed = dataclasses.replace(filed, url=values["issue"])
        self._write(report, filed, body, status)

    # Both

    def _report_in(self, body: str, number: int | None) -> BugReport | None:
        """Return the report in the issue; None for one that a person wrote."""
        try:
            return report_from_issue(body)
        except ValueError as error:
            self._refuse(number, "", str(error))
            return None

    def _write(self, report: BugReport, issue: Filed, body: str, status: str) -> None:
        report = dataclasses.replace(
            with_recent_changes(report, self.checkout),
            status=status,
            issue_number=issue.number,
            issue_url=issue.url,
        )
        evidence = evidence_in(body)
        if report.frames:
            evidence.setdefault("stack", stack_text(report))
        try:
            path, content, has_changed = self.files.plan(report, evidence)
            change = "unchanged"
            if has_changed:
                change = "updated" if path.exists() else "new"
            if has_changed and not self.is_dry_run:
                self.files.write(path, content)
        except TrackerError as error:
            self._refuse(issue.number, report.bug_id, str(error))
            return
        shown_status = "merged" if report.merged_into else report.status
        self.written.append(
            WrittenFile(report.bug_id, issue.number, path.name, shown_status, change)
        )

    def _refuse(self, number: int | None, bug_id: str, reason: str) -> None:
        reason = clean_line(reason, REASON_CHARS)
        self.refused.append(RefusedIssue(number, bug_id, reason))

    def _print_summary(self) -> None:
        for row in self.refused:
            self.stderr.write(f"refused    {row.bug} #{row.issue}: {row.reason}")
        if self.skipped:
            issues = base.counted(self.skipped, "issue")
            self.stderr.write(
                f"Not read: {issues} of other accounts. If one of these "
                "accounts files your issues, name it with --author."
            )
        if self.checkout.problem:
            problem = clean_line(self.checkout.problem, REASON_CHARS)
            self.stderr.write(f"Without commits, git reports: {problem}")
        lines = [
            f"{row.change:10} {row.file}  #{row.issue} {row.status}"
            for row in self.written
        ]
        changed = [row for row in self.written if row.change != "unchanged"]
        verb = "Would write" if self.is_dry_run else "Wrote"
        files = base.counted(len(self.written), "file")
        lines.append(f"{verb} {len(changed)} of {files}; {len(self.refused)} refused.")
        result = {
            "dry_run": self.is_dry_run,
            "bugs": [dataclasses.asdict(row) for row in self.written],
            "refused": [dataclasses.asdict(row) for row in self.refused],
            "skipped": self.skipped,
        }
        self.answer(result, lines)
        if self.refused:
            bugs = base.counted(len(self.refused), "issue")
            verb = "was" if len(self.refused) == 1 else "were"
            raise CommandError(f"{bugs} {verb} refused.")


def _login(text: str) -> str:
    if _LOGIN.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a GitHub login")
    return text
