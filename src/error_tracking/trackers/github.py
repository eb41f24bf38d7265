"""
GitHub issues through the ``gh`` command.

``gh api`` gives status line, headers and JSON, also for errors. The body goes
in on standard input and no outside text is ever an argument (FAULTS X10, X11);
the child gets a minimal environment and dies with its children at the timeout.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from error_tracking.exceptions import TrackerError
from error_tracking.report import markdown
from error_tracking.scrubbing import Scrubber
from error_tracking.utils import clean_line

from .base import Filed, Tracker

if TYPE_CHECKING:
    from error_tracking.report import BugReport

TIMEOUT_SECONDS = 30
LOOKUP_PAGES = 3
PAGE_SIZE = 100
REASON_CHARS = 300
RETRY_AFTER_SECONDS = 60.0
_REPO = re.compile(r"^[\w.-]{1,39}/[\w.-]{1,100}$", re.ASCII)
_PASSED_ON = (
    "PATH",
    "HOME",
    "GH_CONFIG_DIR",
    "XDG_CONFIG_HOME",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GH_HOST",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
_PERMANENT = {
    401: "GitHub refused the token: log in with 'gh auth login' or set GH_TOKEN",
    404: "the repository is not there, or the token may not see it: check GITHUB_REPO",
    410: "issues are switched off in the repository",
    301: "the repository has moved: set GITHUB_REPO to its new name",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    """What GitHub answered."""

    status: int
    headers: dict[str, str]
    data: Any


class GitHubTracker(Tracker):
    """Files issues in one repository, labelled ``bug`` and by severity."""

    name = "github"

    def __init__(self, repo: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """File in *repo*, written ``owner/name``; give ``gh`` *timeout* seconds per call."""
        self.repo = repo
        self.timeout = timeout

    def why_not(self) -> str:
        """Return why this process cannot file here."""
        if not _REPO.match(self.repo):
            return f"GITHUB_REPO must be 'owner/name', not {self.repo!r}"
        return "" if shutil.which("gh") else "the gh command is not installed in this process's PATH"

    def find(self, report: BugReport) -> Filed | None:
        """Return the issue that carries the marker of *report*; the list is consistent, the search is not."""
        for page in range(1, LOOKUP_PAGES + 1):
            query = f"state=all&sort=created&direction=desc&per_page={PAGE_SIZE}&page={page}"
            issues = self._call("GET", f"repos/{self.repo}/issues?{query}").data
            for issue in issues:
                if "pull_request" not in issue and report.marker in (issue.get("body") or ""):
                    return _filed(issue)
            if len(issues) < PAGE_SIZE:
                break
        return None

    def file(self, report: BugReport) -> Filed:
        """Create the issue; labels that are missing are created with it."""
        payload = {"title": report.safe_title, "body": markdown(report), "labels": report.labels}
        try:
            response = self._call("POST", f"repos/{self.repo}/issues", payload)
        except TrackerError as error:
            if "label" not in str(error).lower():
                raise
            response = self._call("POST", f"repos/{self.repo}/issues", {**payload, "labels": []})
        return _filed(response.data)

    def _call(self, method: str, path: str, payload: dict[str, Any] | None = None) -> Response:
        why_not = self.why_not()
        if why_not:
            raise TrackerError(why_not, is_permanent=True)
        command = ["gh", "api", "--include", "--method", method, path]
        if payload is not None:
            command += ["--input", "-"]
        output, errors = self._run(command, json.dumps(payload).encode() if payload is not None else b"")
        response = _response_from(output)
        if response is None:
            raise TrackerError(_reason(errors) or "gh gave no answer", retry_after=_wait_from(errors))
        if response.status // 100 != 2:  # noqa: PLR2004  success
            raise _error_from(response)
        return response

    def _run(self, command: list[str], data: bytes) -> tuple[str, str]:
        process = subprocess.Popen(  # noqa: S603  fixed words, validated repository, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
        try:
            output, errors = process.communicate(data, timeout=self.timeout)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            msg = f"gh gave no answer in {self.timeout:.0f} seconds"
            raise TrackerError(msg) from error
        return output.decode("utf-8", "replace"), errors.decode("utf-8", "replace")


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**kept, "GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "NO_COLOR": "1"}


def _response_from(output: str) -> Response | None:
    head, _, body = output.replace("\r\n", "\n").partition("\n\n")
    lines = head.split("\n")
    status = re.match(r"HTTP/\S+ (\d{3})", lines[0])
    if status is None:
        return None
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    try:
        data = json.loads(body) if body.strip() else None
    except ValueError:
        return None
    return Response(int(status[1]), headers, data)


def _error_from(response: Response) -> TrackerError:
    said = response.data.get("message", "") if isinstance(response.data, dict) else ""
    errors = response.data.get("errors") if isinstance(response.data, dict) else None
    details = json.dumps(errors) if errors else ""
    reason = _PERMANENT.get(response.status, f"GitHub answered {response.status}")
    message = _reason(f"{reason}: {said} {details}")
    retry_after = response.headers.get("retry-after", "")
    is_limited = response.status == 429 or retry_after or "rate limit" in said.lower()  # noqa: PLR2004
    wait = float(retry_after) if retry_after.isdigit() else RETRY_AFTER_SECONDS if is_limited else None
    is_permanent = not is_limited and (response.status in _PERMANENT or response.status in {403, 422})
    return TrackerError(message, is_permanent=is_permanent, retry_after=wait)


def _wait_from(errors: str) -> float | None:
    return RETRY_AFTER_SECONDS if re.search(r"rate limit|HTTP 429", errors, re.IGNORECASE) else None


def _reason(text: str) -> str:
    return Scrubber().line(clean_line(text, REASON_CHARS), REASON_CHARS)


def _filed(issue: Any) -> Filed:  # noqa: ANN401  JSON
    if not isinstance(issue, dict) or not isinstance(issue.get("number"), int):
        msg = "GitHub's answer is not an issue"
        raise TrackerError(msg)
    number = issue["number"]
    return Filed(f"#{number}", str(issue.get("html_url", "")), number)
