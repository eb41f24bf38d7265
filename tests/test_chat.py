"""Messages to chat services: valid there, harmless whatever a title says, and no address in any text."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
import logging
import re

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from error_tracking import conf, trackers
from error_tracking.exceptions import TrackerError
from error_tracking.filing import outbox
from error_tracking.models import Activity, Filing, KnownBug
from error_tracking.report.bug_report import BugReport, News, ReportFrame
from error_tracking.setting_rules import EVENTS, FORMATS
from error_tracking.trackers.chat import PAYLOADS, message_for
from error_tracking.trackers.endpoints import CHAT_EVENTS, endpoints_of, guessed_format
from error_tracking.trackers.webhook import VERSION, WebhookTracker
from tests.chat_services import (
    BUSY_SECONDS,
    SERVICES,
    ChatServer,
    check_message,
)
from tests.test_trackers import REPORT, Receiver

CHATS = sorted(SERVICES)
SECRET_PART = "s3cret-part-of-it"
FULL = dataclasses.replace(
    REPORT,
    severity="critical",
    count=1_234,
    users=17,
    method="POST",
    route="/pay/{id}/",
    first_release="1.0",
    last_release="1.1",
    frames=(ReportFrame("shop/views.py", 12, "pay", "charge(card)"),),
    admin_url="https://shop.example/admin/error_tracking/knownbug/12/change/",
    issue_url="https://shop.example/acme/shop/issues/34",
    file_url="https://shop.example/acme/shop/blob/main/planning/tasks/B-012-it.md",
)
HOSTILE = [
    "<!here> <!channel> <!everyone> <@U012AB3CD> <#C012AB3CD|x> <!subteam^S1>",
    "@everyone @here @channel @all @ada <@1234> <@&1234> <#1234> <users/all>",
    "<at>ada</at> &lt;!here&gt; &amp;lt;b&gt;",
    "[x](https://evil.example) <https://evil.example|Pay> https://evil.example/a",
    "www.evil.example/x //evil.example javascript:alert(1) tg://user?id=1",
    '"><img src=x onerror=alert(1)><b>bold</b></code><a href="https://e.example">x</a>',
    "`code` ``` *bold* _it_ ~no~ ||spoiler|| # head > quote - list \\` \\",
    "/start /kick@bot #hash :tada: ${jndi:ldap://e.example/a} {{x}}",
    "&" * 5_000,
    "`<>&*_\\" * 1_000,
    "\U0001f4a5" * 5_000,
    "a\r\nSubject: x\x00\x1b[31m\u202eabc\ud800\u200b@everyone",
    "'" * 300 + '"' * 300,
    "",
]


def hostile_report(value):
    """Return a report in which everything from outside is *value*."""
    return dataclasses.replace(
        FULL,
        title=value,
        environment=value,
        method="POST",
        route=value,
        last_release=value,
        frames=(ReportFrame(value, 12, value, value),),
        issue_url=value,
        file_url=value,
        details={"message": value},
    )


def payload_for(name, report, event="created"):
    payload = PAYLOADS[name](message_for(report, event))
    if name == "telegram":
        payload["chat_id"] = "-100123"
    return payload


def readable(value):
    """Return all texts of a payload without the spaces that nobody sees."""
    return json.dumps(value, ensure_ascii=False).replace("\u200b", "")


class TestFormats:
    def test_each_format_has_a_service_that_checks_it(self):
        assert set(PAYLOADS) == set(SERVICES) == set(FORMATS) - {"json"}

    def test_events_are_what_trackers_are_told_about(self):
        # A note that was sent to the issue is for whoever reads the issue.
        assert set(EVENTS) == {"created", *Activity.NEWS} - {"comment"}
        assert set(EVENTS) >= CHAT_EVENTS

    @pytest.mark.parametrize("name", CHATS)
    def test_message_shows_what_a_team_asks_first(self, name):
        payload = payload_for(name, FULL)
        check_message(name, json.dumps(payload).encode())
        shown = readable(payload)
        for text in (
            *("B-012", "New bug", "ValueError in shop.pay", "critical", "production"),
            *(
                "1.1",
                "1234 times",
                "17",
                "POST /pay/{id}/",
                "shop/views.py",
                "12 in pay",
            ),
            *(FULL.admin_url, FULL.issue_url, FULL.file_url),
        ):
            wanted = text
            if name == "discord":
                shown = shown.replace("\\\\", "")
            assert wanted in shown, text
        assert not list(SERVICES[name].active_parts(payload))

    @pytest.mark.parametrize("name", CHATS)
    def test_message_of_the_exception_is_shown_where_it_is_published(self, name):
        assert "card declined" not in readable(payload_for(name, FULL))
        published = dataclasses.replace(FULL, details={"message": "card declined"})
        assert "card declined" in readable(payload_for(name, published))

    @pytest.mark.parametrize("name", CHATS)
    def test_local_fields_and_other_details_are_never_shown(self, name):
        report = dataclasses.replace(
            FULL,
            description="planted",
            admin_path="planted",
            news=(News(1, "regressed", "planted", "planted", "planted"),),
            details={"user": {"name": "planted"}, "request": "planted"},
        )
        assert "planted" not in readable(payload_for(name, report, "regressed"))

    @pytest.mark.parametrize("name", CHATS)
    @pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
    def test_hostile_title_is_valid_and_does_nothing(self, name, value):
        body = json.dumps(payload_for(name, hostile_report(value))).encode()
        payload = check_message(name, body)
        assert not list(SERVICES[name].active_parts(payload))

    @pytest.mark.parametrize("name", CHATS)
    @settings(max_examples=15)
    @given(
        value=st.text(
            st.sampled_from("<>&@#`*_~|[]()\\/:! \u200b\u202e\U0001f4a5aew.hpst"),
            max_size=400,
        )
    )
    def test_any_title_is_valid_and_does_nothing(self, name, value):
        body = json.dumps(payload_for(name, hostile_report(value))).encode()
        payload = check_message(name, body)
        assert not list(SERVICES[name].active_parts(payload))

    @pytest.mark.parametrize("name", CHATS)
    def test_longest_values_are_within_the_limits(self, name):
        for value in ("x" * 100_000, "&" * 100_000, "`" * 100_000, "\u4e2d" * 100_000):
            report = dataclasses.replace(
                hostile_report(value),
                admin_url="https://shop.example/" + "a" * 1_900,
                issue_url="https://shop.example/" + "b" * 1_900,
            )
            check_message(name, json.dumps(payload_for(name, report)).encode())

    @pytest.mark.parametrize("name", CHATS)
    def test_bug_without_anything_else_is_valid(self, name):
        bare = BugReport(bug_id="B-001", uuid="0" * 36, title="")
        for event in ("created", "test", *EVENTS):
            check_message(name, json.dumps(payload_for(name, bare, event)).encode())


@pytest.fixture(params=CHATS)
def chat(request):
    with ChatServer(request.param) as running:
        yield running
        assert running.problems == []


def entry_for(server, **values):
    entry = {"url": server.url, "format": server.name, **values}
    if server.name == "telegram":
        entry["chat_id"] = "@shop_errors"
    return entry


@pytest.fixture
def tracker(chat, configure):
    configure(WEBHOOKS=[entry_for(chat)])
    [name] = [name for name in trackers.configured() if name.startswith("chat:")]
    return trackers.configured()[name]


class TestSending:
    def test_new_and_returned_bug_are_messages_and_other_changes_are_not(
        self, chat, tracker
    ):
        assert tracker.file(FULL).reference
        back = dataclasses.replace(FULL, news=(News(7, "regressed"), News(8, "edited")))
        tracker.update(back, "sent")
        quiet = dataclasses.replace(
            FULL, news=(News(9, "resolved"), News(9, "milestone"))
        )
        tracker.update(quiet, "sent")
        new, returned = map(readable, chat.messages)
        assert "New bug" in new
        assert "Happened again" in returned

    def test_busy_service_is_left_alone_for_as_long_as_it_asks(self, chat, tracker):
        chat.next_answers.append(chat.service.busy)
        with pytest.raises(TrackerError, match="answered 429") as caught:
            tracker.file(FULL)
        assert caught.value.is_rate_limit
        assert not caught.value.is_permanent
        assert not caught.value.is_counted
        assert caught.value.retry_after == BUSY_SECONDS[chat.name]
        tracker.file(FULL)
        assert len(chat.messages) == 1

    def test_refusal_shows_the_reason_and_never_the_address(self, chat, tracker):
        reason = chat.service.refusal[2]
        chat.next_answers.append((404, {}, {"message": f"gone: {chat.url}?a=1"}))
        with pytest.raises(TrackerError) as caught:
            tracker.file(FULL)
        assert caught.value.is_permanent
        assert re.search(
            r"127\.0\.0\.1 answered 404: gone: .*\[webhook\]", str(caught.value)
        )
        assert SECRET_PART not in str(caught.value)
        chat.next_answers.append(chat.service.refusal)
        with pytest.raises(TrackerError) as caught:
            tracker.file(FULL)
        if isinstance(reason, dict):
            shown = (
                reason.get("description") or reason.get("message") or reason["error"]
            )
            if isinstance(shown, dict):
                shown = shown["message"]
            assert shown in str(caught.value)

    def test_test_message_says_that_it_is_one(self, chat, configure):
        configure(WEBHOOKS=[entry_for(chat)])
        output = _Text()
        with pytest.raises(Exception, match=r"Failed|^$"):
            call_command("error_tracking_doctor", "--notify", stdout=output)
            raise AssertionError("")
        line = next(each for each in output.lines() if "notify" in each)
        assert "127.0.0.1): a test message was sent" in line
        assert SECRET_PART not in output.text
        [message] = chat.messages
        assert "Test message" in readable(message)
        assert "nothing is broken" in readable(message)


class _Text:
    """A stream of a terminal that keeps what is written."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return False

    def lines(self):
        return self.text.splitlines()


class TestOutbox:
    def test_rate_limit_holds_the_chat_and_nothing_else(self, bug, configure):
        with ChatServer("slack") as slack, ChatServer("discord") as discord:
            configure(WEBHOOKS=[entry_for(slack), entry_for(discord)])
            outbox.request(bug)
            slack.next_answers.append(slack.service.busy)
            outbox.file_bug(bug.pk)
            row = Filing.objects.get(tracker="chat:slack")
            assert row.state == "pending"
            assert row.failures == 0
            assert 25 < (row.next_attempt_at - row.modified).total_seconds() <= 30
            assert Filing.objects.get(tracker="chat:discord").state == "filed"
            assert len(discord.messages) == 1
            Filing.objects.filter(pk=row.pk).retry()
            outbox.file_bug(bug.pk)
            assert len(slack.messages) == 1
            assert slack.problems == discord.problems == []

    def test_muted_bug_says_nothing_and_a_returned_one_does(self, bug, configure):
        with ChatServer("slack") as slack:
            configure(WEBHOOKS=[entry_for(slack, events=["regressed"])])
            outbox.request(bug)
            outbox.file_bug(bug.pk)
            assert slack.messages == []
            rows = KnownBug.objects.filter(pk=bug.pk)
            rows.record_activity(Activity.Verb.REGRESSED)
            outbox.file_bug(bug.pk)
            assert len(slack.messages) == 1

    def test_address_is_in_no_log_row_or_message(self, bug, configure, caplog):
        caplog.set_level(logging.DEBUG)
        url = f"https://127.0.0.1:1/services/{SECRET_PART}"
        configure(
            WEBHOOKS=[{"url": url, "format": "slack"}, f"http://{SECRET_PART}.example/"]
        )
        outbox.request(bug)
        outbox.file_bug(bug.pk)
        rows = list(Filing.objects.values())
        tracker = trackers.configured()["chat:slack"]
        shown = [
            *(caplog.text, str(rows), repr(tracker.endpoint), tracker.place),
            *(str(Activity.objects.values()), str(run_checks(tags=["error_tracking"]))),
        ]
        assert "cannot be reached" in str(rows)
        assert not [text for text in shown if f"/{SECRET_PART}" in text]


# Made up, in the form of each service; what has to go is in the second column.
ADDRESSES = [
    (
        "https://hooks.slack.com/services/T01ABCDEF/B01ABCDEF/",
        "aBcDeFgHiJkLmNoPqRsTuVwX",
    ),
    (
        "https://discord.com/api/webhooks/123456789012345678/",
        "abcDEF_ghi-jklMNOpqrSTUv12",
    ),
    ("https://api.telegram.org/bot123456789:", "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"),
    (
        "https://chat.googleapis.com/v1/spaces/A/messages?key=x&token=",
        "abcDEF123_xyz-98765",
    ),
    (
        "https://acme.webhook.office.com/webhookb2/a@b/IncomingWebhook/",
        "0123456789abcdef" * 2,
    ),
    (
        "https://prod.westus.logic.azure.com/workflows/a?sv=1.0&sig=",
        "AbCdEf0123456789_-AbC",
    ),
    ("https://mattermost.acme.example/hooks/", "u2x8rkfugj8zbqby9pw3huqnyc"),
]


@pytest.mark.parametrize(("public", "secret"), ADDRESSES)
def test_address_in_an_exception_is_scrubbed(public, secret):
    """As when a project's own code fails while it posts there."""
    text = conf.get_scrubber().text(f"cannot post to {public}{secret}: timed out")
    assert secret not in text


class TestSettings:
    @pytest.mark.parametrize(
        ("url", "found"),
        [
            ("https://hooks.slack.com/services/T0/B0/x", "slack"),
            ("https://hooks.slack-gov.com/services/T0/B0/x", "slack"),
            ("https://hooks.slack.com/triggers/T0/1/x", ""),
            ("https://hooks.slack.com/workflows/T0/A0/1/x", ""),
            ("https://discord.com/api/webhooks/1/x", "discord"),
            ("https://canary.discord.com/api/webhooks/1/x", "discord"),
            ("https://discord.com/api/webhooks/1/x/slack", ""),
            ("https://acme.webhook.office.com/webhookb2/x", "teams"),
            ("https://prod-1.westus.logic.azure.com/workflows/x", ""),
            ("https://x.1.environment.api.powerplatform.com/y", ""),
            ("https://chat.googleapis.com/v1/spaces/A/messages?key=x", "google_chat"),
            ("https://api.telegram.org/bot1:x/sendMessage", "telegram"),
            ("https://mattermost.acme.example/hooks/x", "json"),
            ("https://hooks.slack.com.evil.example/services/x", "json"),
            ("https://evil-discord.com/api/webhooks/1/x", "json"),
            ("https://[::1", "json"),
        ],
    )
    def test_format_is_guessed_where_the_host_is_certain(self, url, found):
        assert guessed_format(url) == found

    def test_each_has_a_name_of_its_own_which_a_new_address_keeps(self, configure):
        entries = [
            "https://hooks.slack.com/services/T0/B0/x",
            "https://ours.example/hook",
            {"url": "https://ours.example/hook", "format": "slack"},
            {"url": "https://api.telegram.org/bot1:x", "chat_id": 5},
        ]
        configure(WEBHOOK_URL="https://ours.example/old", WEBHOOKS=entries)
        found = endpoints_of(conf.get_settings())
        assert [each.name for each in found] == [
            *("webhook", "chat:slack", "webhook-2", "chat:slack-2", "chat:telegram")
        ]
        assert found[-1].url == "https://api.telegram.org/bot1:x/sendMessage"
        assert found[-1].chat_id == "5"
        assert [each.events == CHAT_EVENTS for each in found] == [
            *(False, True, False, True, True)
        ]

    @pytest.mark.parametrize(
        ("entry", "words"),
        [
            ("http://hooks.slack.com/services/s3cret", "must begin with https"),
            ("https://u:s3cret@acme.example/", "without a user"),
            ("https://acme.example/s3cret part", "printable"),
            ("https://hooks.slack.com/triggers/s3cret", "needs a format"),
            ("https://prod.logic.azure.com/s3cret", "needs a format"),
            ("https://api.telegram.org/bots3cret", "needs a chat_id"),
        ],
    )
    def test_address_that_cannot_be_used_is_an_error_without_it(
        self, configure, entry, words
    ):
        configure(WEBHOOKS=["https://acme.example/", entry])
        ours = run_checks(tags=["error_tracking"])
        [error] = [each for each in ours if each.id == "error_tracking.E006"]
        assert words in error.msg
        assert "WEBHOOKS[1]" in error.msg
        assert "s3cret" not in error.msg + error.hint
        [*_, broken] = trackers.configured().values()
        assert words in broken.unavailable_reason()
        with pytest.raises(TrackerError, match=re.escape(words)) as caught:
            broken.file(REPORT)
        assert caught.value.is_permanent

    @pytest.mark.parametrize(
        ("entry", "words"),
        [
            ({}, "has no 'url'"),
            ({"url": ""}, "'url'] is not a string"),
            ({"url": "https://a.example", "URL": "s3cret"}, "unknown key"),
            ({"url": "https://a.example", "format": "s3cret"}, "not a known format"),
            ({"url": "https://a.example", "format": []}, "not a known format"),
            ({"url": "https://a.example", "events": "created"}, "list of events"),
            ({"url": "https://a.example", "events": ["s3cret"]}, "list of events"),
            ({"url": "https://a.example", "chat_id": "s3 cret"}, "chat_id"),
            ({"url": "https://a.example", "chat_id": True}, "chat_id"),
            ({"url": "https://a.example", "secret": 5}, "'secret'] is not a string"),
        ],
    )
    def test_wrong_entry_is_an_error_and_none_is_used(self, configure, entry, words):
        configure(WEBHOOKS=["https://s3cret.example/", entry])
        ours = run_checks(tags=["error_tracking"])
        [error] = [each for each in ours if each.id == "error_tracking.E001"]
        assert words in error.msg
        assert "[1]" in error.msg
        assert "s3cret" not in error.msg + error.hint
        assert conf.get_settings().WEBHOOKS == ()


class TestOwnJson:
    def test_it_has_a_version_and_is_signed_where_a_secret_is_set(self):
        """By the rules of Standard Webhooks, computed here from its text."""
        for secret, key in (
            ("whsec_" + base64.b64encode(b"k" * 24).decode(), b"k" * 24),
            ("plain secret", b"plain secret"),
            ("whsec_not base64", b"whsec_not base64"),
        ):
            with Receiver() as receiver:
                headers, bodies = [], []
                receiver.on_request = lambda head, body, h=headers, b=bodies: (
                    h.append({name.lower(): value for name, value in head.items()}),
                    b.append(body),
                )
                entry = {"url": receiver.url, "secret": secret}
                [endpoint] = endpoints_of(conf.Settings(WEBHOOKS=[entry]))
                WebhookTracker(endpoint).file(REPORT)
                WebhookTracker(endpoint).file(REPORT)
            first, second = headers
            assert first["webhook-id"] == second["webhook-id"]
            signed = f"{first['webhook-id']}.{first['webhook-timestamp']}.".encode()
            digest = hmac.new(key, signed + bodies[0], hashlib.sha256).digest()
            expected = f"v1,{base64.b64encode(digest).decode()}"
            assert first["webhook-signature"] == expected
            assert json.loads(bodies[0])["version"] == VERSION == 1

    def test_without_a_secret_it_is_not_signed(self):
        with Receiver() as receiver:
            headers = []
            receiver.on_request = lambda head, _body: headers.append(str(head).lower())
            [endpoint] = endpoints_of(conf.Settings(WEBHOOKS=[receiver.url]))
            WebhookTracker(endpoint).file(REPORT)
        assert "webhook-" not in headers[0]
