"""What every tracker promises the outbox: one contract, run against all of ours and one of somebody else's."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import smtplib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import django
import pytest
from django.core import mail
from django.core.mail import mail_admins

from error_tracking import conf, trackers
from error_tracking.exceptions import TrackerError
from error_tracking.report.bug_report import BugReport, News
from error_tracking.trackers import issue_labels
from error_tracking.trackers import mail as mail_tracker
from error_tracking.trackers.base import Filed, Tracker
from error_tracking.trackers.endpoints import endpoints_of
from error_tracking.trackers.github import GitHubTracker
from error_tracking.trackers.memory import MemoryTracker
from error_tracking.trackers.webhook import WebhookTracker
from tests.github_stub import GitHubStub, require_gh

ADMINS = (
    ["ada@acme.example"] if django.VERSION >= (6, 0) else [("Ada", "ada@acme.example")]
)
REPORT = BugReport(
    bug_id="B-012",
    uuid="0b7e3c52-2f3c-4a0a-9a52-3f3ddc4c3a3e",
    title="ValueError in shop.pay",
    environment="production",
    requested_at="2026-01-01T00:00:00+00:00",
)
BACK = dataclasses.replace(
    REPORT, count=100, news=(News(7, "regressed", "", "", "2026-01-02T00:00:00+00:00"),)
)


class FolderTracker(Tracker):
    """A project's own: one JSON file per bug."""

    name = "folder"
    folder = Path()
    is_full = False

    def find(self, report):
        path = self.folder / f"{report.uuid}.json"
        return Filed(path.name) if path.exists() else None

    def file(self, report):
        if self.is_full:
            type(self).is_full = False
            raise TrackerError("the folder is full")
        (self.folder / f"{report.uuid}.json").write_text(
            json.dumps({"title": report.title, "count": report.count})
        )
        return Filed(f"{report.uuid}.json")

    def update(self, report, reference):
        return self.file(report)


class Receiver(ThreadingHTTPServer):
    """Takes webhooks: answers *status*, keeps the messages."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages, self.status, self.headers, self.paths = [], 204, {}, []
        self.on_request = lambda headers, body: None
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook/secret?x=1"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc_info):
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.paths.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.on_request(dict(self.headers), body)
        self.server.messages.append(json.loads(body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args):
        pass


@dataclasses.dataclass
class Case:
    """A tracker under test: *fail* makes its next filing fail, *made* are the things it has made there."""

    tracker: Tracker
    fail: object
    made: object
    can_find: bool = True
    sends_again: bool = False  # a message cannot be taken back or looked up


@contextlib.contextmanager
def github(monkeypatch, configure, transport):
    if transport == "gh":
        require_gh()
    with GitHubStub() as stub:
        configure(GITHUB_REPO=stub.use(monkeypatch, transport))
        issue_labels._label_exists_until.clear()

        def made():
            return [
                {**issue, "updated_at": "", "comments": stub.comments}
                for issue in stub.issues
            ]

        def fail():
            stub.fail_next(502, only="POST /repos/acme/shop/issues")

        yield Case(
            trackers.configured()["github"],
            fail,
            lambda: json.loads(json.dumps(made())),
        )


@contextlib.contextmanager
def markdown(monkeypatch, configure, tmp_path):
    folder = conf.get_settings().planning_dir

    def fail():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.write_text("no folder")

    def made():
        return [path.read_text() for path in sorted(folder.glob("*"))]

    yield Case(trackers.configured()["markdown"], fail, made)


@contextlib.contextmanager
def memory(monkeypatch, configure, tmp_path):
    tracker = MemoryTracker()
    yield Case(
        tracker,
        lambda: setattr(tracker, "failure", TrackerError("busy")),
        lambda: list(tracker.reports),
    )


@contextlib.contextmanager
def mails(monkeypatch, configure, settings):
    settings.ADMINS = ADMINS

    def broken(*arguments, **keywords):
        monkeypatch.setattr(mail_tracker, "mail_admins", mail_admins)
        raise ConnectionRefusedError("no mail server")

    def fail():
        monkeypatch.setattr(mail_tracker, "mail_admins", broken)

    def made():
        return [(each.subject, each.body) for each in mail.outbox]

    yield Case(
        trackers.configured()["mail"], fail, made, can_find=False, sends_again=True
    )


@contextlib.contextmanager
def webhook(monkeypatch, configure, tmp_path):
    with Receiver() as receiver:
        configure(WEBHOOK_URL=receiver.url)

        def fail():
            receiver.status = 500

        def made():
            receiver.status = 204
            return list(receiver.messages)

        yield Case(
            trackers.configured()["webhook"],
            fail,
            made,
            can_find=False,
            sends_again=True,
        )


@contextlib.contextmanager
def third_party(monkeypatch, configure, tmp_path):
    configure(TRACKERS=["tests.test_trackers.FolderTracker"])
    monkeypatch.setattr(FolderTracker, "folder", tmp_path)

    def made():
        return [path.read_text() for path in sorted(tmp_path.glob("*.json"))]

    yield Case(
        trackers.configured()["folder"],
        lambda: setattr(FolderTracker, "is_full", True),
        made,
    )


CASES = {
    "memory": memory,
    "markdown": markdown,
    "mail": mails,
    "webhook": webhook,
    "third-party": third_party,
}


@pytest.fixture(
    params=[
        "memory",
        "markdown",
        "gh",
        "http",
        "https",
        "mail",
        "webhook",
        "third-party",
    ]
)
def case(request, monkeypatch, configure, tmp_path, settings):
    """A tracker, in turn; without a database, as a tracker gets a dataclass and nothing else."""
    if request.param in CASES:
        made = CASES[request.param](
            monkeypatch, configure, settings if request.param == "mail" else tmp_path
        )
    else:
        made = github(monkeypatch, configure, request.param)
    with made as found:
        yield found


class TestContract:
    def test_it_can_say_why_not_without_being_asked_for_more(self, case):
        assert case.tracker.unavailable_reason() == ""
        assert case.tracker.name

    def test_what_is_filed_has_a_reference(self, case):
        assert case.tracker.find(REPORT) is None
        filed = case.tracker.file(REPORT)
        assert 0 < len(filed.reference) <= 200
        assert len(case.made()) == 1

    def test_what_an_earlier_attempt_made_is_found_and_not_made_twice(self, case):
        """The answer was lost."""
        lost = case.tracker.file(REPORT)
        found = case.tracker.find(REPORT)
        assert (found is not None) is case.can_find
        if found is not None:
            assert (found.reference, found.url, found.number) == (
                lost.reference,
                lost.url,
                lost.number,
            )
            assert (
                case.tracker.find(
                    dataclasses.replace(REPORT, bug_id="B-013", uuid="0" * 36)
                )
                is None
            )

    def test_failure_is_a_tracker_error_and_the_next_attempt_goes_through(self, case):
        case.fail()
        with pytest.raises(TrackerError) as caught:
            case.tracker.file(REPORT)
        assert str(caught.value)
        assert not caught.value.is_permanent
        case.made()
        if case.tracker.name == "markdown":
            case.tracker.directory.unlink()
        assert (case.tracker.find(REPORT) or case.tracker.file(REPORT)).reference

    def test_same_news_told_twice_changes_nothing_more(self, case):
        filed = case.tracker.file(REPORT)
        known = dataclasses.replace(
            BACK,
            issue_number=filed.number,
            issue_url=filed.url,
            issue_state=filed.state,
            file_name="",
        )
        case.tracker.update(known, filed.reference)
        once = case.made()
        case.tracker.update(known, filed.reference)
        twice = case.made()
        assert twice == [*once, once[-1]] if case.sends_again else twice == once
        assert len(once) == 1 + case.sends_again


class TestConfigured:
    def test_trackers_follow_the_settings_and_the_issue_comes_first(
        self, configure, settings
    ):
        assert list(trackers.configured()) == ["markdown"]
        settings.ADMINS = ADMINS
        configure(
            GITHUB_REPO="acme/shop",
            WEBHOOK_URL="https://hooks.acme.example/",
            TRACKERS=["tests.test_trackers.FolderTracker"],
        )
        assert list(trackers.configured()) == [
            "github",
            "markdown",
            "mail",
            "webhook",
            "folder",
        ]
        assert isinstance(trackers.configured()["github"], GitHubTracker)

    def test_tracker_that_is_not_there_is_left_out_and_told_once(
        self, configure, swallowed
    ):
        configure(TRACKERS=["tests.nowhere.Tracker"])
        assert (
            list(trackers.configured()) == list(trackers.configured()) == ["markdown"]
        )
        assert len(swallowed) == 1


def webhook_tracker(url):
    [endpoint] = endpoints_of(conf.Settings(WEBHOOK_URL=url))
    return WebhookTracker(endpoint)


class TestWebhook:
    @pytest.fixture
    def receiver(self):
        with Receiver() as running:
            yield running

    def test_message_tells_what_happened_and_to_which_bug(self, receiver):
        tracker = webhook_tracker(receiver.url)
        tracker.file(REPORT)
        tracker.update(BACK, "sent")
        created, regressed = receiver.messages
        assert (created["event"], regressed["event"]) == ("created", "regressed")
        assert (created["bug"]["bug_id"], created["bug"]["uuid"]) == (
            REPORT.bug_id,
            REPORT.uuid,
        )
        assert [each["id"] for each in regressed["news"]] == [7], (
            "by which a receiver knows what it has had"
        )
        assert receiver.paths == ["/hook/secret?x=1"] * 2
        assert tracker.update(REPORT, "sent") == Filed("sent")
        assert len(receiver.messages) == 2

    @pytest.mark.parametrize(
        ("status", "is_permanent"),
        [
            *((status, True) for status in (301, 307, 400, 401, 404, 422)),
            *((s, False) for s in (408, 429, 500, 503)),
        ],
    )
    def test_answer_is_classified_and_no_redirect_followed(
        self, receiver, status, is_permanent
    ):
        receiver.status, receiver.headers = (
            status,
            {"Location": receiver.url, "Retry-After": "5"},
        )
        with pytest.raises(TrackerError, match=str(status)) as caught:
            webhook_tracker(receiver.url).file(REPORT)
        assert caught.value.is_permanent is is_permanent
        assert caught.value.is_rate_limit
        assert len(receiver.messages) == 1
        assert "secret" not in str(caught.value)

    def test_nobody_there_is_told_without_the_secret_of_the_address(self):
        with pytest.raises(TrackerError, match="cannot be reached") as caught:
            webhook_tracker("http://127.0.0.1:1/hook/secret").file(REPORT)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize(
        "url",
        ["http://hooks.acme.example/", "https://u:p@acme.example", "https://[::1", "x"],
    )
    def test_unsafe_address_is_refused_before_anything_is_sent(self, url):
        assert "WEBHOOK_URL" in webhook_tracker(url).unavailable_reason()
        with pytest.raises(TrackerError, match="WEBHOOK_URL"):
            webhook_tracker(url).file(REPORT)


class TestMail:
    def test_one_mail_for_a_new_a_regressed_and_a_spiking_bug_and_none_else(
        self, settings
    ):
        settings.ADMINS = ADMINS
        tracker = mail_tracker.MailTracker()
        report = dataclasses.replace(
            REPORT,
            title="It\r\nBcc: x@evil.example",
            issue_url="https://x.example/1",
            file_name="B-012-it.md",
        )
        tracker.file(report)
        tracker.update(dataclasses.replace(report, news=BACK.news), "ADMINS")
        tracker.update(
            dataclasses.replace(report, news=(News(8, "spiking"),)), "ADMINS"
        )
        quiet = (News(9, "milestone"), News(10, "resolved"), News(11, "edited"))
        assert tracker.update(dataclasses.replace(report, news=quiet), "ADMINS") is None
        assert [each.subject.rpartition("(")[2] for each in mail.outbox] == [
            *("new)", "happened again)", "happens far more often than usual)")
        ]
        assert all(
            each.to == ["ada@acme.example"] and not each.bcc for each in mail.outbox
        )
        assert "https://x.example/1" in mail.outbox[0].body

    @pytest.mark.parametrize(
        ("code", "is_counted"), [(421, False), (451, False), (550, True)]
    )
    def test_mail_server_that_is_busy_does_not_use_up_the_attempts(
        self, monkeypatch, code, is_counted
    ):
        def refuse(*_args):
            raise smtplib.SMTPDataError(code, b"4.7.0 too many messages")

        monkeypatch.setattr(mail_tracker, "mail_admins", refuse)
        with pytest.raises(TrackerError, match="too many messages") as caught:
            mail_tracker.MailTracker().file(REPORT)
        assert caught.value.is_counted is is_counted

    def test_mail_server_that_never_answers_holds_up_no_other_filing(self, monkeypatch):
        release = threading.Event()
        monkeypatch.setattr(mail_tracker, "ANSWER_SECONDS", 0.1)
        monkeypatch.setattr(
            mail_tracker, "mail_admins", lambda *_args: release.wait(30)
        )
        try:
            with pytest.raises(
                TrackerError, match=r"no answer in 0\.1 seconds"
            ) as caught:
                mail_tracker.MailTracker().file(REPORT)
        finally:
            release.set()
        assert not caught.value.is_permanent
