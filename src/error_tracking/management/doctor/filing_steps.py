"""Steps about filing: which errors become bugs, and where these are filed."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from error_tracking import conf, trackers
from error_tracking.bugs import gate
from error_tracking.checkout import checkout_root
from error_tracking.events.event import EXCEPTION
from error_tracking.exceptions import TrackerError
from error_tracking.filing import broker
from error_tracking.management.base import counted
from error_tracking.models import ErrorGroup, Filing
from error_tracking.report import links
from error_tracking.report.bug_report import BugReport
from error_tracking.trackers import Notifier
from error_tracking.trackers.github import GitHubTracker
from error_tracking.trackers.github_api import (
    FORBIDDEN,
    NOT_FOUND,
    UNPROCESSABLE,
    GitHubClient,
    RefusedError,
)
from error_tracking.trackers.issue_labels import LABELS
from error_tracking.trackers.markdown import MarkdownTracker
from error_tracking.utils import clean_line

from .findings import Answer, fail, ok, skip, warn

# GitHub answers within a second; a step has five.
GITHUB_SECONDS = 5.0
# Workers answer within milliseconds, unless each of their processes is busy.
PING_SECONDS = 1.0
# More reasons than this do not fit on a line; error_tracking_sync shows all.
SHOWN_REASONS = 5
REASON_CHARS = 200

#: The trackers that have a step of their own.
WITH_A_STEP = (GitHubTracker.name, MarkdownTracker.name)


def ask_gate() -> Answer:
    """Check whether a crash would become a bug here."""
    settings = conf.get_settings()
    where = f"environment {settings.environment!r}"
    if not settings.creates_bugs:
        why = "AUTO_CREATE_BUGS is off"
        if settings.AUTO_CREATE_BUGS == "auto":
            why = "DEBUG is on"
        return warn(
            f"errors do not become bugs in {where}: {why}",
            "To create bugs here, set AUTO_CREATE_BUGS to True.",
        )
    crash = ErrorGroup(error_type=EXCEPTION, level="error", times_seen=1)
    decision = gate.decide(crash, clients=0)
    found = f"a crash becomes a bug in {where}"
    if decision.reason:
        found = f"{found}, later: {decision.reason}"
    return ok(found)


def check_bug_files() -> Answer:
    """Check that bug files can be written, and where somebody finds them."""
    settings = conf.get_settings()
    files = MarkdownTracker(settings.planning_dir)
    reason = files.unavailable_reason()
    if reason:
        return fail(reason, "Set PLANNING_DIR to a folder that this user may write to.")
    checkout = checkout_root(files.directory)
    if checkout is None and settings.GITHUB_REPO:
        return ok(
            f"bug files are in {files.directory}, on this machine only; issues have "
            "the same text, and error_tracking_pull writes them in a checkout"
        )
    if checkout is None:
        return warn(
            f"bug files are in {files.directory}, which is not in a git checkout: "
            "only this machine has them",
            "Set PLANNING_DIR to a folder in a checkout. Or set GITHUB_REPO, and "
            "create the files from the issues with error_tracking_pull.",
        )
    return ok(f"written to {files.directory}, in the checkout {checkout}")


def ask_github() -> Answer:
    """Check repository, permissions and labels; creates nothing."""
    repo = conf.get_settings().GITHUB_REPO
    if not repo:
        return skip("bugs get no issue: GITHUB_REPO is not set")
    client = GitHubClient(repo, timeout=GITHUB_SECONDS)
    reason = client.unavailable_reason()
    if reason:
        return fail(reason, _advice_for(client))
    way = "gh" if client.transport == "gh" else "the API with a token"
    where = f"{repo} over {way}"
    try:
        return _answer_of_github(client, where)
    except TrackerError as error:
        advice = "Waiting bugs are filed automatically once this is fixed."
        if missing_token_file():
            advice = _advice_for(client)
        return fail(f"{where}: {error}", advice)


def _answer_of_github(client: GitHubClient, where: str) -> Answer:
    repository: dict[str, Any] = client.call("GET", "").data or {}
    if repository.get("archived"):
        return fail(
            f"{where}: the repository is archived",
            "Unarchive it, or set GITHUB_REPO to another.",
        )
    if not repository.get("has_issues", True):
        return fail(
            f"{where}: issues are switched off",
            "Switch them on in the repository's settings.",
        )
    existing = client.call("GET", "/labels?per_page=100").data or ()
    names = {str(label["name"]).lower() for label in existing}
    _require_write_permission(client)
    visibility = "private" if repository.get("private") else "public"
    labels = "all labels exist"
    missing = ", ".join(sorted(LABELS.keys() - names))
    if missing:
        labels = f"labels to be created: {missing}"
    found = f"{where}: {visibility}, issues may be written; {labels}"
    if not _can_read_pull_requests(client):
        return warn(
            f"{found}; pull requests may not be read, so their state is not followed",
            "Give the token 'Pull requests: read', so that bugs show who fixes them.",
        )
    return ok(found)


def _can_read_pull_requests(client: GitHubClient) -> bool:
    try:
        client.call("GET", "/pulls?per_page=1")
    except RefusedError as error:
        if error.is_rate_limit or error.status not in {FORBIDDEN, NOT_FOUND}:
            raise
        return False
    return True


def _require_write_permission(client: GitHubClient) -> None:
    """
    Ask for a label without a name, which GitHub never creates.

    Whoever may write is answered that the name is missing (422), others that they may
    not write (403 or 404).

    Raises:
        TrackerError: The token may not write issues.
    """
    try:
        client.call("POST", "/labels", {"name": ""})
    except RefusedError as error:
        if error.status != UNPROCESSABLE or error.is_rate_limit:
            raise


def _advice_for(client: GitHubClient) -> str:
    """Return what to do where *client* cannot call, with the setting's value."""
    if client.repo is None:
        return 'Write GITHUB_REPO as "owner/name", for Enterprise as "host/owner/name".'
    path = missing_token_file()
    if path:
        return (
            f"GITHUB_TOKEN names the file {path}, which does not exist: create it, or "
            "correct the path."
        )
    return "Set GITHUB_TOKEN for this process, or run the doctor where bugs are filed."


def missing_token_file() -> str:
    """Return the path that GITHUB_TOKEN names where no file is, else ``""``."""
    token = conf.get_settings().GITHUB_TOKEN
    if not isinstance(token, (str, Path)):
        return ""
    is_path = isinstance(token, Path) or token.startswith("/")
    if not is_path or Path(token).is_file():
        return ""
    return str(token)


def check_notices() -> Answer:
    """Check who is notified of new bugs: mail, webhook, the project's own trackers."""
    notified = []
    refused = []
    for name, tracker in trackers.configured().items():
        if name in WITH_A_STEP:
            continue
        if isinstance(tracker, Notifier):
            notified.append(f"{name} ({tracker.place})")
        else:
            notified.append(name)
        reason = tracker.unavailable_reason()
        if reason:
            refused.append(f"{name}: {reason}")
    if refused:
        return fail("; ".join(refused), "Check WEBHOOK_URL, WEBHOOKS and TRACKERS.")
    if not notified:
        return skip(
            "nobody is notified of new bugs: no ADMINS (or DEBUG is on), no WEBHOOKS"
        )
    return ok(f"notified of new bugs: {', '.join(notified)}")


def send_test(tracker: Notifier) -> Answer:
    """Send a message to one place that says that it is a test."""
    where = f"{tracker.name} ({tracker.place})"
    try:
        tracker.send_test(made_up_report())
    except TrackerError as error:
        return fail(
            f"{where}: {error}",
            "Check the address in the settings, and whether it is still valid there.",
        )
    return ok(f"{where}: a test message was sent")


def made_up_report() -> BugReport:
    """Return the bug that a test message is about."""
    settings = conf.get_settings()
    return BugReport(
        bug_id=f"{settings.BUG_PREFIX}-000",
        uuid=str(uuid.UUID(int=0)),
        title="A test of error_tracking_doctor; nothing is broken",
        severity="low",
        environment=settings.environment,
        last_release=settings.release,
        count=1,
        admin_url=links.admin_url("knownbug_changelist"),
    )


def ask_broker() -> Answer:
    """Check, where Celery files bugs, that the broker and a worker answer."""
    runner = conf.get_settings().RUNNER
    has_celery = broker.has_celery()
    if runner in {"thread", "inline"} or (runner == "auto" and not has_celery):
        return skip(f"the site files bugs itself (RUNNER is {runner!r})")
    if not has_celery:
        return fail(
            "RUNNER is 'celery', and no Celery app has a broker",
            "Set broker_url, or RUNNER to 'thread'.",
        )
    # Only here: Celery is not installed everywhere.
    from error_tracking.integrations import celery

    try:
        workers = celery.answering_workers(PING_SECONDS)
    except Exception as error:  # noqa: BLE001  each broker's library has its own types
        reason = clean_line(str(error), REASON_CHARS)
        reason = conf.get_scrubber().text(reason, REASON_CHARS)
        return fail(
            f"the broker at {celery.broker_address()} cannot be reached: {reason}",
            "Start it, correct Celery's broker_url, or set RUNNER to 'thread'.",
        )
    if not workers:
        return warn(
            "the broker answers, but no worker does",
            "Start a worker. Without one, the site files each bug after two minutes.",
        )
    return ok(f"the broker answers, and {counted(len(workers), 'worker')}")


def check_outbox(can_read_database: bool | None) -> Answer:
    """Check what waits to be filed, is paused or has failed, and why."""
    if not can_read_database:
        return skip("the database cannot be read")
    environment = conf.get_settings().environment
    rows = Filing.objects.wanted(environment).unfinished()
    lines = []
    has_problem = False
    for state, tracker, reason, count in rows:
        line = f"{count} {Filing.State(state).label}, {tracker}"
        if reason:
            line = f"{line}: {reason}"
        if reason or state == Filing.State.FAILED:
            has_problem = True
        lines.append(line)
    found = "; ".join(lines[:SHOWN_REASONS])
    if not has_problem:
        return ok(found or "nothing waits")
    return warn(
        found,
        "Fix the reported problem, then retry with error_tracking_bugs file B-….",
    )
