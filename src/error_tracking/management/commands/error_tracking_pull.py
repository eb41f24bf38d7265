"""``error_tracking_pull``: write the files of open bugs from their issues, in a checkout, without a database."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from django.core.management.base import CommandError, CommandParser

from error_tracking import conf
from error_tracking.checkout import Checkout
from error_tracking.exceptions import TrackerError
from error_tracking.following import UNPLANNED
from error_tracking.management import base
from error_tracking.report import BugReport, report_from_json
from error_tracking.trackers.github import GitHubTracker
from error_tracking.trackers.markdown import MarkdownTracker, values_in
from error_tracking.utils import checkout_of, clean_line
from error_tracking.wording import data_in

DONE = ("resolved", "merged")


class Command(base.Command):
    """The command."""

    help = (
        "Run in a checkout: writes files of open bugs into PLANNING_DIR from GitHub issues; marks those of closed ones "
        "as resolved, or muted when not planned. Reads only issues labelled 'bug' by apps and people with a say in the "
        "repository. Needs no database, nor a right to write to GitHub. Exit status 1 when one was refused."
    )
    requires_system_checks: Any = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="say what would be written, write nothing")

    def handle(self, *_args: Any, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Read the issues, write the files, say what was done."""
        settings = conf.get_settings()
        if not settings.GITHUB_REPO:
            raise CommandError('No repository to read from: set ERROR_TRACKING["GITHUB_REPO"] to "owner/name".')
        self.github, self.files = GitHubTracker(settings.GITHUB_REPO), MarkdownTracker(settings.planning_dir)
        root = checkout_of(self.files.directory)
        if root is None:
            msg = f"PLANNING_DIR, {self.files.directory}, is in no git checkout: run this where the code is."
            raise CommandError(msg)
        self.checkout, self.is_dry = Checkout(root), options["dry_run"]
        self.done: list[dict[str, Any]] = []
        self.refused: list[dict[str, Any]] = []
        try:
            open_uuids = self._write_open()
            self._write_closed(open_uuids)
        except TrackerError as error:
            raise CommandError(f"The issues could not be read: {error}.") from error
        self._tell()

    def _write_open(self) -> set[str]:
        numbers: dict[str, int | None] = {}
        self.progress("issues, which are being read", 0)
        for position, (issue, body) in enumerate(list(self.github.open_bodies()), 1):
            self.progress("issues", position)
            report = self._report_in(body, issue.number)
            if report is None:
                continue
            if report.uuid in numbers:
                self._refuse(issue.number, report.bug_id, f"issue #{numbers[report.uuid]} is of this bug already")
                continue
            numbers[report.uuid] = issue.number
            status = "open" if report.status in DONE else report.status
            self._write(dataclasses.replace(report, status=status, issue_number=issue.number, issue_url=issue.url))
        return set(numbers)

    def _write_closed(self, open_uuids: set[str]) -> None:
        """Mark the bugs as resolved or muted whose files say that they are open, and whose issues are closed."""
        assert self.github.client.repo is not None  # noqa: S101  its issues were just read
        is_ours = re.compile(rf".*/{re.escape(self.github.client.repo.name)}/issues/([0-9]{{1,15}})", re.IGNORECASE)
        for path in self.files.files():
            values = values_in(path) if path.suffix == ".md" else {}
            found = is_ours.fullmatch(values.get("issue", ""))
            if found is None or values.get("uuid") in open_uuids or values.get("status") in DONE:
                continue
            number = int(found[1])
            try:
                issue = self.github.client.call("GET", f"/issues/{number}").data
            except TrackerError as error:
                if not error.is_permanent:
                    raise
                self._refuse(number, values.get("id", ""), f"its issue cannot be read: {error}")
                continue
            report = self._report_in(str(issue.get("body") or ""), number) if issue.get("state") == "closed" else None
            if report is not None and report.uuid == values["uuid"]:
                is_unplanned = str(issue.get("state_reason")).replace("_", " ") in UNPLANNED
                status = "muted" if is_unplanned else "resolved"
                self._write(dataclasses.replace(report, status=status, issue_number=number, issue_url=values["issue"]))

    def _report_in(self, body: str, number: int | None) -> BugReport | None:
        data = data_in(body)
        try:
            return report_from_json(data) if data else None  # people file bugs by hand, too
        except ValueError as error:
            self._refuse(number, "", f"what it carries is no report: {error}")
            return None

    def _write(self, report: BugReport) -> None:
        names = [frame[0] for frame in report.frames]
        report = dataclasses.replace(report, commits=self.checkout.commits_of(names, until=report.last_seen))
        try:
            path, _, has_changed = self.files.plan(report)
            change = "unchanged" if not has_changed else "updated" if path.exists() else "new"
            if has_changed and not self.is_dry:
                self.files.file(report)
        except TrackerError as error:
            self._refuse(report.issue_number, report.bug_id, str(error))
            return
        row = {"bug": report.bug_id, "issue": report.issue_number, "file": path.name, "status": report.status}
        self.done.append({**row, "change": change})

    def _refuse(self, number: int | None, bug_id: str, reason: str) -> None:
        self.refused.append({"issue": number, "bug": bug_id, "reason": clean_line(reason, 300)})

    def _tell(self) -> None:
        for row in self.refused:
            self.stderr.write(f"refused    {row['bug']} #{row['issue']}: {row['reason']}")
        if self.checkout.problem:
            self.stderr.write(f"Without commits, git says: {clean_line(self.checkout.problem, 300)}")
        verb = "Would write" if self.is_dry else "Wrote"
        changed = sum(row["change"] != "unchanged" for row in self.done)
        lines = [f"{row['change']:10} {row['file']}  #{row['issue']} {row['status']}" for row in self.done]
        lines.append(f"{verb} {changed} of {len(self.done)} files; {len(self.refused)} refused.")
        self.answer({"dry_run": self.is_dry, "bugs": self.done, "refused": self.refused}, lines)
        if self.refused:
            raise CommandError(f"{len(self.refused)} of the bugs were refused.")
