"""Notes that people write on a bug: in its history, found by searching, on the issue only on request."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.utils import timezone

from error_tracking.filing import outbox
from error_tracking.models import KnownBug
from error_tracking.report.builder import build_report
from error_tracking.report.markdown import bug_file, issue_body
from tests.github_stub import GitHubStub

TEXT = "Happens for invoices of March only. See @ada, <!-- x --> #12 `code`"
SECRET = "password=hunter2-of-the-site"


@pytest.fixture
def github(monkeypatch, configure):
    with GitHubStub() as stub:
        configure(GITHUB_REPO=stub.use(monkeypatch, "http"))
        yield stub


@pytest.fixture
def filed(bug, github):
    """The bug with issue #1."""
    outbox.request(bug)
    outbox.file_bug(bug.pk)
    bug.refresh_from_db()
    assert bug.github_issue_number == 1
    return bug


def comments(stub):
    return [each["body"] for each in stub.comments.get(1, [])]


def page_of(bug):
    return f"/admin/error_tracking/knownbug/{bug.pk}/change/"


def write(client, bug, **data):
    address = f"/admin/error_tracking/knownbug/{bug.pk}/action/"
    return client.post(address, {"action": "note", **data}, follow=True)


class TestCommand:
    def test_note_is_in_the_history_with_author_and_time(self, bug, capsys):
        call_command("error_tracking_bugs", "note", "B-001", TEXT)
        assert "Note added to B-001." in capsys.readouterr().out
        note = bug.activities.get(verb="note")
        assert note.text == TEXT
        assert note.by.startswith("command line: ")
        assert note.created is not None
        call_command("error_tracking_bugs", "show", "B-001")
        assert "invoices of March" in capsys.readouterr().out

    def test_several_bugs_get_the_same_note(self, bug, capsys):
        other = KnownBug.objects.create(title="Another")
        call_command("error_tracking_bugs", "note", "1", other.bug_id, "both", "--json")
        assert '"noted"' in capsys.readouterr().out
        assert bug.activities.get(verb="note").text == "both"
        assert other.activities.get(verb="note").text == "both"

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["B-001", " "], "The note is empty"),
            (["B-001", "x", "--to-issue"], "B-001 has no issue to comment on"),
            (["B-999", "x"], "There is no bug B-999"),
        ],
    )
    def test_what_cannot_be_noted_changes_nothing(self, bug, arguments, words):
        before = bug.activities.count()
        with pytest.raises(CommandError, match=words):
            call_command("error_tracking_bugs", "note", *arguments)
        assert bug.activities.count() == before

    def test_text_is_cut_and_clean(self, bug):
        call_command("error_tracking_bugs", "note", "1", "a\x1b[31m\n" + "x" * 9_000)
        note = bug.activities.get(verb="note")
        assert note.text.startswith("a\ufffd[31m\nx")
        assert len(note.text) == 2_000


class TestIssue:
    def test_note_stays_here_unless_it_is_sent(self, filed, github):
        call_command("error_tracking_bugs", "note", "1", TEXT)
        outbox.file_bug(filed.pk)
        assert comments(github) == []
        report = build_report(filed)
        assert "March" not in bug_file(report) + issue_body(report)
        assert report.news == ()

    def test_sent_note_is_one_comment_that_is_text(self, filed, github):
        call_command(
            "error_tracking_bugs", "note", "1", f"{TEXT}\n{SECRET}", "--to-issue"
        )
        outbox.file_bug(filed.pk)
        [comment] = comments(github)
        assert "wrote a note" in comment
        assert (
            "```\nHappens for invoices of March only. See @ada, <!- - x -->" in comment
        )
        assert "hunter2" not in comment
        # The answer to the first attempt may have been lost.
        filed.filings.filter(tracker="github").update(synced_activity_id=1)
        outbox.file_bug(filed.pk)
        assert len(comments(github)) == 1


class TestAdmin:
    def test_note_is_written_shown_and_found(self, admin_client, bug):
        write(admin_client, bug, text="See <b>invoices</b> of March")
        note = bug.activities.get(verb="note")
        assert note.by == "admin"
        page = admin_client.get(page_of(bug)).content.decode()
        assert "See &lt;b&gt;invoices&lt;/b&gt; of March" in page
        for words, is_found in (("invoices March", True), ("invoices April", False)):
            found = admin_client.get("/admin/error_tracking/knownbug/", {"q": words})
            assert (bug in found.context["cl"].result_list) is is_found, words

    def test_other_history_is_not_searched(self, admin_client, bug):
        KnownBug.objects.filter(pk=bug.pk).record_activity("edited", text="zebra")
        found = admin_client.get("/admin/error_tracking/knownbug/", {"q": "zebra"})
        assert bug not in found.context["cl"].result_list

    def test_comment_is_offered_where_there_is_an_issue(
        self, admin_client, filed, github
    ):
        assert (
            "comment on issue #1" in admin_client.get(page_of(filed)).content.decode()
        )
        answer = write(admin_client, filed, text=TEXT, to_issue="on")
        assert "will be a comment" in answer.content.decode()
        # Trackers wait for half a minute, so that a mistake can be undone.
        filed.filings.update(next_attempt_at=timezone.now())
        outbox.file_bug(filed.pk)
        assert "admin" in comments(github)[0]

    def test_bug_without_an_issue_offers_none(self, admin_client, bug):
        page = admin_client.get(page_of(bug)).content.decode()
        assert 'name="to_issue"' not in page
        answer = write(admin_client, bug, text=TEXT, to_issue="on")
        assert "has no issue to comment on" in answer.content.decode()
        assert not bug.activities.filter(verb="comment").exists()

    def test_who_may_not_file_cannot_write_to_the_issue(self, client, filed, github):
        person = User.objects.create_user("bob", password="x", is_staff=True)
        names = ("view_knownbug", "change_knownbug")
        person.user_permissions.set(Permission.objects.filter(codename__in=names))
        client.force_login(person)
        assert 'name="to_issue"' not in client.get(page_of(filed)).content.decode()
        write(client, filed, text=TEXT, to_issue="on")
        assert not filed.activities.filter(verb__in=("note", "comment")).exists()
        write(client, filed, text=TEXT)
        assert filed.activities.get(verb="note").by == "bob"
