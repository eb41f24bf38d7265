"""
A test error on its way through the whole line, looked at step by step, which leaves nothing behind.

It is stored in a transaction that is rolled back, so that no sweep of the site
ever sees it, also when this process is killed. A step that does not answer is
left behind on its thread. Must not show a secret.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator

from django.core import checks
from django.core.handlers.wsgi import WSGIRequest
from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now
from django.test import RequestFactory
from django.utils import timezone
from django.utils.log import AdminEmailHandler

from . import conf, error_pages, gate, recorder, tasks, trackers
from .capture import ErrorCaptureService
from .events import EXCEPTION, Event
from .exceptions import TrackerError
from .models import ErrorGroup, ErrorLog, Filing
from .models import Journal as JournalRow
from .models.base import write_alias
from .recorder.drain import write
from .recorder.journal import EVENT, SUFFIX, Batch, Journal, MemoryStorage
from .recorder.machine import Machine
from .recorder.vitals import SILENT_SECONDS
from .trackers.github import LABELS, GitHubTracker
from .trackers.github_api import GitHubClient
from .trackers.markdown import MarkdownTracker
from .utils import checkout_of, clean_line

STEP_SECONDS = 5.0
ALL_SECONDS = 14.0
LEAST_SECONDS = 0.5
PING_SECONDS = 1.0
PAGE_SECONDS = 1.0
CLOCK_SECONDS = 30
ZONE_SECONDS = 900  # clocks of time zones differ by quarters of an hour, and a server's zone is no fault
REASONS = 5
OK, WARN, FAIL, SKIP = "ok", "warn", "fail", "skip"
Answer = tuple[str, str, str]
_STEP_OF = {"W001": "middleware", "W002": "middleware", "W003": "middleware", "W005": "journal", "W006": "journal"}
_NOT_ACCEPTED = "GitHub did not accept it"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What one step found; ``advice`` says what to do where ``state`` is not ``"ok"``."""

    step: str
    state: str
    found: str
    advice: str


class DoctorError(Exception):
    """The test error."""


class Doctor:
    """Looks at every step once; an answer is a state, what was found, what to do."""

    def __init__(self) -> None:
        """Start with no test error."""
        self._secret = secrets.token_hex(8)
        self._event: Event | None = None
        self._journal: Journal | None = None
        self._batch: Batch | None = None
        self._has_database = False

    def examine(self) -> Iterator[Finding]:
        """Yield what each step found, in about ``ALL_SECONDS`` at most."""
        deadline = time.monotonic() + ALL_SECONDS
        for step in (
            *(self._settings, self._middleware, self._capture, self._journal_file, self._database, self._gate),
            *(self._bug_file, self._github, self._notices, self._broker, self._page, self._release),
            *(self._django_mail, self._leader, self._outbox),
        ):
            answers: list[Answer] = []
            thread = threading.Thread(target=_take, args=(step, answers), name="error_tracking.doctor", daemon=True)
            thread.start()
            seconds = max(LEAST_SECONDS, min(STEP_SECONDS, deadline - time.monotonic()))
            thread.join(seconds)
            gone = FAIL, f"no answer in {seconds:.1f} seconds", "Look whether what this step asks can be reached."
            yield Finding(step.__name__.strip("_"), *(answers or [gone])[0])

    @functools.cached_property
    def _messages(self) -> list[checks.CheckMessage]:
        found = checks.run_checks(tags=["error_tracking"], include_deployment_checks=True)
        return [message for message in found if not message.is_silenced()]

    def _checked(self, step: str, found: str) -> Answer:
        """Return what the system checks say of *step*, *found* when they say nothing."""
        messages = [each for each in self._messages if _STEP_OF.get(str(each.id)[-4:], "settings") == step]
        if not messages:
            return OK, found, ""
        state = FAIL if any(message.is_serious() for message in messages) else WARN
        return state, " ".join(each.msg for each in messages), " ".join(each.hint or "" for each in messages)

    def _settings(self) -> Answer:
        return self._checked("settings", f"nothing wrong with them; environment {conf.get_settings().environment!r}")

    def _middleware(self) -> Answer:
        return self._checked("middleware", "it is there, on the outside")

    def _capture(self) -> Answer:
        if not conf.get_settings().ENABLED:
            return WARN, "nothing is captured", 'Take "ENABLED": False out of ERROR_TRACKING.'
        started = time.monotonic()
        try:
            _fail(self._secret)
        except DoctorError as error:
            with recorder.nothing_stored():
                request = _request("text/html", self._secret)
                event = ErrorCaptureService().capture_exception(request, error, fingerprint=(self._secret,))
        if event is None:
            names = "EXCLUDE_PATHS, EXCLUDE_STATUS_CODES, IGNORE_EXCEPTIONS, BEFORE_STORE"
            advice = f"Look at {names} and at the log of the logger error_tracking."
            return FAIL, "an error in a view at / is not captured", advice
        self._event = event
        if self._secret.encode() in event.to_bytes():
            return FAIL, "a made-up password was not scrubbed", "Look at BEFORE_STORE: it sees events scrubbed."
        return OK, f"a test error was captured in {_ms(started)}, its password scrubbed", ""

    def _journal_file(self) -> Answer:
        machine = Machine()
        state, found, advice = self._checked("journal", f"on disk in {machine.directory}; survives a killed process")
        try:
            journal = machine.new_journal()
            if machine.directory is not None:
                (machine.directory / f"{journal.id}{SUFFIX}").unlink()  # nobody adopts it, should this process die
        except OSError as error:
            journal = Journal(MemoryStorage(), machine.identity)
            state, found = WARN, machine.problem or f"events wait in memory only: {error}"
            advice = advice or 'Set ERROR_TRACKING["JOURNAL_DIR"] to a directory that this user may write to.'
        if self._event is not None:
            journal.append(EVENT, self._event.to_bytes())
        self._journal, self._batch = journal, journal.read()
        journal.storage.close(unlink=True)
        if conf.get_settings().RECORDER == "immediate":
            return SKIP, "events are written at once (RECORDER)", ""
        return state, found, advice

    def _database(self) -> Answer:
        alias = write_alias(ErrorLog)
        executor = MigrationExecutor(connections[alias])
        leaves = [node for node in executor.loader.graph.leaf_nodes() if node[0] == "error_tracking"]
        missing = executor.migration_plan(leaves)
        self._has_database = not missing
        if missing:
            found = f"{len(missing)} migrations are not applied to {alias!r}, the first is {missing[0][0]}"
            return FAIL, found, f"Run manage.py migrate --database {alias}."
        if self._event is None or self._journal is None or self._batch is None:
            return SKIP, "it answers, and there is no test error to store", ""
        started = time.monotonic()
        with transaction.atomic(using=alias):
            write(self._journal, self._batch)
            logs = ErrorLog.objects.using(alias).filter(reference=self._event.reference).annotate(clock=Now())
            text, clock = logs.values_list("exception_message", "clock").get()
            ahead = (clock - timezone.now()).total_seconds()
            transaction.set_rollback(True, using=alias)
        found = f"stored in {alias!r} and found by its reference in {_ms(started)}, then taken back"
        if not text:
            return WARN, "the test error was stored without its payload", "Give the database UTF-8, utf8mb4 on MySQL."
        ahead = (ahead + ZONE_SECONDS / 2) % ZONE_SECONDS - ZONE_SECONDS / 2
        if abs(ahead) > CLOCK_SECONDS:
            return WARN, f"{found}; its clock differs by {abs(ahead):.0f} seconds", "Keep both clocks by NTP."
        return OK, found, ""

    @staticmethod
    def _gate() -> Answer:
        settings = conf.get_settings()
        where = f"environment {settings.environment!r}"
        if not settings.creates_bugs:
            why = "DEBUG is on" if settings.AUTO_CREATE_BUGS == "auto" else "AUTO_CREATE_BUGS is off"
            found = f"errors do not become bugs in {where}: {why}"
            return WARN, found, "Set AUTO_CREATE_BUGS to True where they should."
        decision = gate.decide(ErrorGroup(error_type=EXCEPTION, level="error", times_seen=1), 0)
        return OK, f"a crash becomes a bug in {where}" + (f", later: {decision.reason}" if decision.reason else ""), ""

    @staticmethod
    def _bug_file() -> Answer:
        files = MarkdownTracker(conf.get_settings().planning_dir)
        if why_not := files.why_not():
            return FAIL, why_not, "Set PLANNING_DIR to a folder that this user may write to."
        folder, checkout = files.directory, checkout_of(files.directory)
        if checkout is not None:
            return OK, f"written to {folder}, in the checkout {checkout}", ""
        advice = "Set PLANNING_DIR, or GITHUB_REPO: error_tracking_pull then writes them in a checkout from issues."
        return WARN, f"bug files are in {folder}, on this machine only: that is no git checkout", advice

    @staticmethod
    def _github() -> Answer:
        repo = conf.get_settings().GITHUB_REPO
        if not repo:
            return SKIP, "bugs get no issue: GITHUB_REPO is not set", ""
        client = GitHubClient(repo, timeout=STEP_SECONDS)
        if why_not := client.why_not():
            return FAIL, why_not, "Give this process a token, or run the doctor where bugs are filed."
        where, advice = f"{repo} over {client.transport}", "What waits is filed by itself once this is mended."
        try:
            about = client.call("GET", "").data or {}
            if about.get("archived"):
                return FAIL, f"{where}: the repository is archived", "Unarchive it, or set GITHUB_REPO to another."
            if not about.get("has_issues", True):
                return FAIL, f"{where}: issues are switched off", "Switch them on in the repository's settings."
            named = {str(label["name"]).lower() for label in client.call("GET", "/labels?per_page=100").data or ()}
            _ask_to_write(client)
        except TrackerError as error:
            return FAIL, f"{where}: {error}", advice
        missing = ", ".join(sorted(LABELS.keys() - named))
        labels = f"labels to be made: {missing}" if missing else "all labels are there"
        return OK, f"{where}: {'private' if about.get('private') else 'public'}, issues may be written; {labels}", ""

    @staticmethod
    def _notices() -> Answer:
        with_a_step = {GitHubTracker.name, MarkdownTracker.name}
        others = {name: each for name, each in trackers.configured().items() if name not in with_a_step}
        refused = [f"{name}: {why_not}" for name, each in others.items() if (why_not := each.why_not())]
        if refused:
            return FAIL, "; ".join(refused), "Look at WEBHOOK_URL and TRACKERS."
        if not others:
            return SKIP, "nobody is told of new bugs: no ADMINS (or DEBUG is on), no WEBHOOK_URL", ""
        return OK, f"told of new bugs: {', '.join(others)}", ""

    @staticmethod
    def _broker() -> Answer:
        runner = conf.get_settings().RUNNER
        if runner in {"thread", "inline"} or (runner == "auto" and not tasks.has_celery()):
            return SKIP, f"the site files by itself (RUNNER is {runner!r})", ""
        if not tasks.has_celery():
            return FAIL, "RUNNER is 'celery', and no Celery app has a broker", "Set broker_url, or RUNNER to 'thread'."
        from .integrations import celery  # noqa: PLC0415  Celery is an extra

        workers = celery.answering_workers(PING_SECONDS)
        if not workers:
            return WARN, "the broker answers, no worker does", "Start one; after two minutes the site files by itself."
        return OK, f"the broker answers, and {len(workers)} workers", ""

    def _page(self) -> Answer:
        if conf.host("DEBUG") or not conf.get_settings().ERROR_PAGES:
            return SKIP, "the pages are not ours: DEBUG is on, or ERROR_PAGES is off", ""
        started = time.monotonic()
        for accept in ("text/html", "application/json"):
            response = error_pages.bare_response()
            error_pages.replace(_request(accept), response, self._event, is_unhandled=True)
            if response.content == error_pages.FALLBACK.encode():
                return FAIL, f"{accept} could not be rendered", "Look at your templates in error_tracking/ and the log."
        if time.monotonic() - started > PAGE_SECONDS:
            return WARN, f"HTML and JSON took {_ms(started)}", "Look at your own templates in error_tracking/."
        return OK, f"HTML and JSON rendered in {_ms(started)}", ""

    @staticmethod
    def _release() -> Answer:
        release = conf.get_settings().release
        if release:
            return OK, f"this is {release}", ""
        advice = "Set RELEASE or the environment variable ERROR_TRACKING_RELEASE, for example to the commit."
        return WARN, "unknown: a fixed bug that an old server meets counts as a regression", advice

    @staticmethod
    def _django_mail() -> Answer:
        handlers = [each for name in ("django.request", "django", "") for each in logging.getLogger(name).handlers]
        if conf.host("ADMINS") and any(isinstance(each, AdminEmailHandler) for each in handlers):
            advice = 'In LOGGING give the logger "django" handlers of its own, without AdminEmailHandler.'
            return WARN, "Django mails every single error to ADMINS besides", advice
        return OK, "Django sends no mail per error", ""

    def _leader(self) -> Answer:
        if conf.get_settings().RECORDER == "immediate":
            return SKIP, "each error is dealt with at once (RECORDER); what has to wait needs error_tracking_sync", ""
        machine = Machine()
        if not machine.lead():
            return OK, f"a process on {conf.get_settings().server_name} looks after what waits", ""
        machine.let_go()
        row = JournalRow.objects.filter(closed_at=None).order_by("heartbeat").last() if self._has_database else None
        age = (timezone.now() - row.heartbeat).total_seconds() if row is not None else SILENT_SECONDS
        if row is not None and age < SILENT_SECONDS:
            return OK, f"none on this machine; {row.server_name} was seen {age:.0f} seconds ago", ""
        advice = "Start the site, whose first request starts it; or run error_tracking_sync every minute."
        return WARN, f"no process of the site was seen in {SILENT_SECONDS // 60} minutes", advice

    def _outbox(self) -> Answer:
        if not self._has_database:
            return SKIP, "the database cannot be asked", ""
        rows = Filing.objects.wanted(conf.get_settings().environment).unfinished()
        words = [
            f"{count} {Filing.State(state).label}, {tracker}" + (f": {reason}" if reason else "")
            for state, tracker, reason, count in rows[:REASONS]
        ]
        if all(state != Filing.State.FAILED and not reason for state, _, reason, _ in rows):
            return OK, "; ".join(words) or "nothing waits", ""
        return WARN, "; ".join(words), "Mend what it says; error_tracking_bugs file B-… tries again what has failed."


def _take(step: Callable[[], Answer], answers: list[Answer]) -> None:
    try:
        answers.append(step())
    except Exception as error:  # noqa: BLE001  whatever is broken is what a doctor is asked for
        reason = conf.get_scrubber().text(clean_line(str(error), 300), 300)
        answers.append((FAIL, f"{type(error).__name__}: {reason}", "Mend this first: other steps may need it."))
    finally:
        connections.close_all()  # those of this thread


def _fail(password: str) -> None:
    raise DoctorError(f"made by error_tracking_doctor 🩺 password={password}")


def _request(accept: str, secret: str = "") -> WSGIRequest:
    """Return a request with *secret* wherever a secret is sent."""
    headers = {"Accept": accept, "Authorization": f"Bearer {secret}"}
    factory = RequestFactory(headers=headers, SERVER_NAME="localhost")
    factory.cookies[conf.host("SESSION_COOKIE_NAME")] = secret
    request = factory.post(f"/?token={secret}", {"amount": 7, "password": secret})
    assert request.POST  # noqa: S101  read as a view would have: what is not read is not captured
    return request


def _ask_to_write(client: GitHubClient) -> None:
    """Ask for a label without a name: who may write is told what is wrong with it, who may not is refused."""
    try:
        client.call("POST", "/labels", {"name": ""})
    except TrackerError as error:
        if not str(error).startswith(_NOT_ACCEPTED):
            raise


def _ms(started: float) -> str:
    return f"{(time.monotonic() - started) * 1_000:.0f} ms"
