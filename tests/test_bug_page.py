"""The page of a bug: it answers everything, changes by buttons, and shows nothing it must not."""

from __future__ import annotations

import datetime as dt
import re
import shlex
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import Manager
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from error_tracking.admin import bug_actions, bug_page, evidence
from error_tracking.dashboard.trend import trend_of
from error_tracking.models import ErrorLog, GroupClient, HourlyCount, KnownBug
from tests.admin_urls import urlpatterns as admin_urlpatterns
from tests.integration.site import ROOT

SCRIPT = "<script>alert(1)</script>"


def pay(request, basket):
    total = {"price": None, "words": SCRIPT}
    raise ValueError(f"basket {basket} has no total {total['words']}")


urlpatterns = [*admin_urlpatterns, path("pay/<int:basket>/", csrf_exempt(pay))]


@pytest.fixture
def bug(immediate, settings):
    """A bug that happened three times."""
    settings.ROOT_URLCONF = __name__
    client = Client(raise_request_exception=False)
    for number in (1, 2, 3):
        client.post(
            f"/pay/{number}/?coupon=it's",
            {"method": "card"},
            headers={"user-agent": "Mozilla/5.0 Firefox/120"},
        )
    return KnownBug.objects.get()


def address_of(bug):
    return reverse("admin:error_tracking_knownbug_change", args=[bug.pk])


def page(client, bug, query=""):
    return client.get(address_of(bug) + query)


def act(client, bug, action, **data):
    address = reverse("admin:error_tracking_knownbug_action", args=[bug.pk])
    response = client.post(address, {"action": action, **data}, follow=True)
    return [str(message) for message in response.context["messages"]]


def badges(client, bug):
    return page(client, bug).text.partition('et-badges">')[2].partition("</p>")[0]


def staff(client, *permissions):
    user = User.objects.create_user("ada", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def test_first_screen_answers_what_where_since_when_and_for_whom(admin_client, bug):
    text = page(admin_client, bug).text
    main = text.partition("et-columns")[0]
    assert "B-001" in main
    assert "ValueError: basket 3 has no total" in main
    assert "test_bug_page.py" in main
    assert "in pay" in main
    assert "POST /pay/{basket}/" in main
    assert "3 times" in main
    assert "nobody yet" in main


def test_stack_shows_source_and_variables_beside_their_frame(admin_client, bug):
    text = page(admin_client, bug).text
    failing = re.search(r'et-failing">.*?</div>', text, re.DOTALL)[0]
    assert "raise ValueError(f&quot;basket {basket} has no total" in failing
    assert re.search(r'<th scope="row"><code>basket</code></th>\s*<td><code>3<', text)
    assert re.search(r"\d+ frames? in django", text)


def test_occurrences_are_stepped_through_by_their_reference(admin_client, bug):
    references = list(
        ErrorLog.objects.order_by("-created", "-pk").values_list("reference", flat=True)
    )
    newest = page(admin_client, bug)
    assert references[0] in newest.text
    assert f'?occurrence={references[1]}" rel="next"' in newest.text
    middle = page(admin_client, bug, f"?occurrence={references[1]}")
    assert f'?occurrence={references[0]}" rel="prev"' in middle.text
    assert f'?occurrence={references[2]}" rel="next"' in middle.text
    assert "basket 2 has no total" in middle.text
    unknown = page(admin_client, bug, "?occurrence=ffffffffff")
    assert "basket 3 has no total" in unknown.text


def test_page_says_which_occurrence_it_shows(admin_client, bug, monkeypatch):
    references = list(
        ErrorLog.objects.order_by("-created", "-pk").values_list("reference", flat=True)
    )
    for number, reference in enumerate(references, start=1):
        text = page(admin_client, bug, f"?occurrence={reference}").text
        assert f"<strong>Occurrence {number} of 3 kept</strong>" in text
    monkeypatch.setattr(bug_page, "POSITIONS_COUNTED", 2)
    text = page(admin_client, bug, f"?occurrence={references[2]}").text
    assert "<strong>Occurrence, 3 kept</strong>" in text


def test_charts_say_how_high_they_are_and_what_time_they_show(admin_client, bug):
    text = page(admin_client, bug).text
    assert "up to 3 an hour" in text
    assert "up to 3 a day" in text
    ends = re.findall(r"et-ends.*?<span>(.*?)</span> <span>(.*?)</span>", text)
    shown = page(admin_client, bug).context["page"]
    assert ends == [
        (shown.hours[0].label, shown.hours[-1].label),
        (shown.days[0].label, shown.days[-1].label),
    ]


def test_what_was_done_is_said_once_and_names_the_bug_elsewhere(admin_client, bug):
    address = reverse("admin:error_tracking_knownbug_action", args=[bug.pk])
    first = admin_client.post(address, {"action": "assign_to_me"}, follow=True)
    assert first.text.count("Assigned to you.") == 1
    assert "et-undo" in first.text
    later = admin_client.get(reverse("admin:error_tracking_knownbug_changelist"))
    assert f"<bdi>{bug.bug_id}: Assigned to you.</bdi>" in later.text


def test_page_without_actions_has_no_row_of_them(client, bug):
    staff(client, "view_knownbug")
    assert "et-actions" not in page(client, bug).text


def test_rarer_actions_are_in_a_menu(client, admin_client, bug):
    more = page(admin_client, bug).text.partition("More</summary>")[2]
    more = more.partition("</details>")[0]
    assert 'name="into"' in more
    assert "?edit=1" in more
    assert "/delete/" in more
    staff(client, "view_knownbug")
    assert "More</summary>" not in page(client, bug).text


def test_issue_is_opened_from_the_actions(admin_client, bug):
    KnownBug.objects.update(
        github_issue_number=700, github_issue_url="https://github.com/a/b/issues/700"
    )
    text = page(admin_client, bug).text
    assert re.search(
        r'class="button" href="https://[^"]*/700"[^>]*>Open issue #700', text
    )
    KnownBug.objects.update(github_issue_url="javascript:alert(1)")
    assert "Open issue" not in page(admin_client, bug).text
    assert 'href="javascript:' not in page(admin_client, bug).text


def test_saving_the_form_leads_back_to_the_page_of_the_bug(admin_client, bug):
    address = reverse("admin:error_tracking_knownbug_change", args=[bug.pk])
    form = admin_client.get(f"{address}?edit=1")
    assert f"Back to the page of {bug.bug_id}" in form.text
    fields = form.context["adminform"].form.initial
    data = {name: value for name, value in fields.items() if value is not None}
    data |= {"title": "Baskets without a total", "_save": "Save"}
    response = admin_client.post(address, data)
    assert response.url == address
    bug.refresh_from_db()
    assert bug.title == "Baskets without a total"


def test_file_that_nobody_else_sees_is_explained(admin_client, bug):
    bug.filings.all().delete()
    filing = bug.filings.create(tracker="markdown", state="filed")
    assert "not in a git checkout" not in page(admin_client, bug).text
    filing.state = "local"
    filing.save()
    assert "not in a git checkout" in page(admin_client, bug).text


def test_text_from_outside_never_becomes_markup(admin_client, bug):
    KnownBug.objects.update(title=SCRIPT, public_message=SCRIPT)
    ErrorLog.objects.update(user_label=SCRIPT, server_name=SCRIPT, release=SCRIPT)
    bug.activities.update(text=SCRIPT, by=SCRIPT)
    assert SCRIPT not in page(admin_client, bug).text


def test_request_variables_and_people_need_a_permission(client, bug):
    ErrorLog.objects.update(user_label="annabel")
    staff(client, "view_knownbug")
    text = page(client, bug).text
    assert "basket {number} has no total" in text
    assert "basket 3 has no total" not in text
    assert "annabel" not in text
    assert "coupon" not in text.partition("Copy for an agent")[0]
    assert "et-variables" not in text.partition("et-side")[0].partition("et-columns")[2]
    assert "Can view request data" in text


def test_page_without_evidence_says_why(admin_client, bug):
    ErrorLog.objects.all().delete()
    text = page(admin_client, bug).text
    assert "No error logs are kept." in text
    bug.groups.update(bug=None)
    assert page(admin_client, bug).status_code == 200


def test_deleted_and_merged_bugs_say_so(admin_client, bug):
    other = KnownBug(title="other", environment=bug.environment)
    other.save()
    KnownBug.all_objects.filter(pk=bug.pk).merge_into(other)
    assert f"Merged into {other.bug_id}" in page(admin_client, bug).text
    other.delete()
    text = page(admin_client, other).text
    assert "This bug is deleted" in text
    assert "Restore" in text


def test_regression_says_when_where_and_who_had_resolved_it(
    admin_client, bug, configure
):
    configure(RELEASE="1.0")
    KnownBug.objects.filter(pk=bug.pk).resolve(by="mara", release="1.1")
    assert "Regressed" not in page(admin_client, bug).text
    KnownBug.objects.filter(pk=bug.pk).regress(timezone.now(), "1.2")
    text = page(admin_client, bug).text
    banner = re.search(r"<bdi>(Regressed .*?)</bdi>", text)[1]
    assert "seconds ago in release 1.2, resolved " in banner
    assert banner.endswith("ago by mara in 1.1.")


def test_resolved_bug_says_how_often_it_is_still_seen(admin_client, bug):
    KnownBug.objects.filter(pk=bug.pk).resolve()
    words = "since it was resolved, in older releases"
    assert words not in page(admin_client, bug).text
    long_ago = timezone.now() - dt.timedelta(hours=3)
    KnownBug.objects.update(resolved_at=long_ago)
    assert f"Seen 3 times {words}" in page(admin_client, bug).text


def test_same_error_of_another_environment_is_linked(admin_client, bug):
    [group] = bug.groups.all()
    group.pk, group.environment, group.bug = None, "staging", None
    group.save()
    twin, _is_new = KnownBug.open_for_group(group)
    assert (
        f'<bdi>staging</bdi>: <a href="{address_of(twin)}">'
        in page(admin_client, bug).text
    )
    assert f'href="{address_of(bug)}"' in page(admin_client, twin).text
    twin.delete()
    assert "staging" not in page(admin_client, bug).text


def test_title_that_a_person_gave_is_above_the_message(admin_client, bug):
    assert "et-title" not in page(admin_client, bug).text
    KnownBug.objects.update(title="The till is empty")
    before, _, after = page(admin_client, bug).text.partition("The till is empty")
    assert "<h1" not in before.partition('class="et-bug"')[2]
    assert "basket 3 has no total" in after.partition("</h1>")[0]


def test_place_is_a_link_where_repository_and_commit_are_known(
    admin_client, bug, configure, settings
):
    settings.BASE_DIR = ROOT
    link = "/tests/test_bug_page.py#L"
    for repo, release, is_link in (
        (None, "0123456789ab", False),
        ("acme/shop", "", False),
        ("acme/shop", "2026.3", False),
        ("no repository", "0123456789ab", False),
        ("acme/shop", "0123456789ab", True),
    ):
        configure(GITHUB_REPO=repo)
        ErrorLog.objects.update(release=release)
        text = page(admin_client, bug).text
        assert (link in text) is is_link, (repo, release)
    assert "https://github.com/acme/shop/blob/0123456789ab/tests/test" in text
    settings.BASE_DIR = "/"
    assert link not in page(admin_client, bug).text


def test_equal_lines_of_the_history_are_one(admin_client, bug):
    rows = KnownBug.objects.filter(pk=bug.pk)
    for _ in range(3):
        rows.record_activity("joined", text="OperationalError in shop.query")
    rows.record_activity("note", text="look", by="mara")
    history = page(admin_client, bug).context["page"].history
    lines = [(row.verb, times) for row, times in history]
    assert lines[:2] == [("note", 1), ("joined", 3)]
    assert lines[-1] == ("created", 1)
    assert "another error belongs to it 3 " in page(admin_client, bug).text


def test_routes_of_an_incident_are_in_the_order_of_their_counts(admin_client, bug):
    [group] = bug.groups.all()
    for number, route in ((2, "/rare/"), (9, "/common/")):
        group.pk, group.fingerprint = None, f"{number:032d}"
        group.route, group.times_seen = route, number
        group.save()
    groups = page(admin_client, bug).context["page"].groups
    assert [group.route for group, _share in groups] == [
        "/common/",
        "/pay/{basket}/",
        "/rare/",
    ]


@pytest.mark.parametrize(
    ("count", "before", "words"),
    [
        (5, 1, "up from 1"),
        (1, 5_000, "down from 5,000"),
        (3, 3, "as before"),
        (0, 0, "as before"),
        (109, 100, "as before"),
        (111, 100, "up from 100"),
        (3, 0, "up from 0"),
    ],
)
def test_trend_is_told_in_words(count, before, words):
    assert trend_of(count, before).words == words


def test_occurrences_of_a_day_are_compared_with_the_day_before(admin_client, bug):
    text = page(admin_client, bug).text
    assert "3 in 24 hours" in text
    assert '<span aria-hidden="true">↑</span> up from 0' in text
    counts = HourlyCount.objects.all()
    counts.update(hour=counts.get().hour - dt.timedelta(hours=24))
    assert "down from 3" in page(admin_client, bug).text


def test_number_of_queries_does_not_grow(admin_client, bug):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as found:
            page(admin_client, bug)
        return len(found)

    before = queries()
    client = Client(raise_request_exception=False)
    for number in range(20):
        client.post(f"/pay/{number}/")
        bug.activities.create(verb="note", text=str(number))
    assert queries() == before
    assert before <= 40


def test_bug_that_the_running_release_brought_says_so(admin_client, bug, configure):
    KnownBug.objects.update(first_release="7.1")
    assert "new in 7.1" not in badges(admin_client, bug)
    configure(RELEASE="7.1")
    assert "new in 7.1, which runs now" in badges(admin_client, bug)
    KnownBug.objects.update(regressed_at=timezone.now())
    assert "new in 7.1" not in badges(admin_client, bug)


class TestActions:
    @pytest.mark.parametrize(
        ("before", "action", "data", "after", "words"),
        [
            ("open", "resolve", {}, "resolved", "if it happens again"),
            ("open", "resolve", {"release": "2.0"}, "resolved", "Resolved in 2.0."),
            ("open", "start", {}, "in_progress", "somebody is working on it"),
            ("open", "mute", {"mute": "ever"}, "muted", "nothing is filed or sent"),
            ("open", "mute", {"mute": "week"}, "muted", "nothing is filed or sent"),
            ("open", "mute", {"mute": "events_10"}, "muted", "10 more times. It is"),
            ("open", "mute", {"mute": "people_10"}, "muted", "10 more people. It is"),
            ("resolved", "reopen", {}, "open", "Open again."),
            ("muted", "reopen", {}, "open", "Open again."),
            ("resolved", "resolve", {}, "resolved", "resolved already"),
            ("open", "reopen", {}, "open", "Nothing has changed"),
            ("resolved", "start", {}, "resolved", "it is not open"),
            ("resolved", "mute", {"mute": "ever"}, "resolved", "Nothing has changed"),
            ("open", "mute", {}, "open", "Choose for how long"),
            ("open", "nonsense", {}, "open", "no such action"),
        ],
    )
    def test_each_button_does_what_it_says_and_says_what_follows(
        self, admin_client, bug, before, action, data, after, words
    ):
        resolved_at = timezone.now() if before == "resolved" else None
        KnownBug.objects.update(status=before, resolved_at=resolved_at)
        [message] = act(admin_client, bug, action, **data)
        assert words in message
        bug.refresh_from_db()
        assert bug.status == after

    def test_running_release_is_where_it_is_resolved(
        self, admin_client, bug, configure
    ):
        configure(RELEASE="7.1")
        [message] = act(admin_client, bug, "resolve")
        assert "in a release after 7.1" in message

    def test_deleted_bug_is_restored(self, admin_client, bug):
        KnownBug.all_objects.update(is_deleted=True)
        assert act(admin_client, bug, "restore") == [
            "Restored. New occurrences are filed again."
        ]
        bug.refresh_from_db()
        assert not bug.is_deleted

    def test_somebody_else_is_assigned_by_name(self, admin_client, bug):
        other = User.objects.create_superuser("ada")
        messages = act(admin_client, bug, "assign", assignee=str(other.pk))
        assert messages == ["Assigned to ada."]
        bug.refresh_from_db()
        assert bug.assignee_id == other.pk

    def test_bug_that_is_gone_is_not_found(self, admin_client, bug):
        address = reverse("admin:error_tracking_knownbug_action", args=[bug.pk + 1])
        assert admin_client.post(address, {"action": "start"}).status_code == 404

    def test_condition_of_muting_is_kept(self, admin_client, bug):
        act(admin_client, bug, "mute", mute="tomorrow")
        bug.refresh_from_db()
        assert timezone.localtime(bug.muted_until).hour == 8
        assert "muted until " in badges(admin_client, bug)
        for choice, more in (("events_10", 10), ("events_100", 100)):
            KnownBug.objects.update(status="open")
            act(admin_client, bug, "mute", mute=choice)
            bug.refresh_from_db()
            assert bug.muted_until_count == bug.occurrence_count + more
            assert f"muted for {more} more times" in badges(admin_client, bug)
        group = bug.groups.get()
        today = timezone.now().date()
        for choice, more in (("people_10", 10), ("people_100", 100)):
            KnownBug.objects.update(status="open")
            act(admin_client, bug, "mute", mute=choice)
            bug.refresh_from_db()
            assert bug.muted_until_count is None
            assert bug.muted_until_people == bug.count_people() + more
            assert f"muted for {more} more people" in badges(admin_client, bug)
            GroupClient.objects.create(group=group, day=today, hash=f"{more:016}")
            assert f"muted for {more - 1} more people" in badges(admin_client, bug)
        KnownBug.objects.update(muted_until_people=bug.count_people() + 1)
        assert "muted for 1 more person" in badges(admin_client, bug)

    def test_why_it_is_muted_is_a_note_that_stays_here(self, admin_client, bug):
        act(admin_client, bug, "mute", mute="week", why="the till of Ada Lovelace")
        [note] = bug.activities.filter(verb="note")
        assert (note.text, note.by) == ("the till of Ada Lovelace", "admin")
        assert "Ada" not in bug.activities.get(verb="muted").text
        KnownBug.objects.update(status="open")
        act(admin_client, bug, "mute", mute="ever", why=" ")
        assert bug.activities.filter(verb="note").count() == 1

    def test_people_are_assigned_by_name(self, admin_client, bug):
        admin = User.objects.get()
        assert ">admin</option>" in page(admin_client, bug).text
        assert act(admin_client, bug, "assign_to_me") == ["Assigned to you."]
        bug.refresh_from_db()
        assert bug.assignee_id == admin.pk
        assert act(admin_client, bug, "assign", assignee="") == ["Assigned to nobody."]
        [message] = act(admin_client, bug, "assign", assignee="77")
        assert "cannot change bugs" in message
        bug.refresh_from_db()
        assert bug.assignee_id is None

    def test_starting_work_assigns_whoever_starts(self, admin_client, bug):
        act(admin_client, bug, "start")
        bug.refresh_from_db()
        assert bug.assignee_id == User.objects.get().pk

    def test_note_is_in_the_history(self, admin_client, bug):
        act(admin_client, bug, "note", text=f"look at {SCRIPT}")
        text = page(admin_client, bug).text
        assert "look at &lt;script&gt;" in text
        [message] = act(admin_client, bug, "note", text="  ")
        assert "empty" in message

    def test_nothing_changes_without_the_permission_or_by_get(self, client, bug):
        staff(client, "view_knownbug")
        address = reverse("admin:error_tracking_knownbug_action", args=[bug.pk])
        assert client.post(address, {"action": "resolve"}).status_code == 403
        assert '<form method="post" action' not in page(client, bug).text
        bug.refresh_from_db()
        assert bug.status == "open"

    def test_issue_is_asked_for_with_its_permission(self, client, bug, configure):
        configure(GITHUB_REPO="acme/shop")
        staff(client, "view_knownbug", "change_knownbug")
        assert "Create GitHub issue" not in page(client, bug).text
        address = reverse("admin:error_tracking_knownbug_action", args=[bug.pk])
        assert client.post(address, {"action": "file"}).status_code == 403

    def test_filing_that_stopped_is_retried_with_its_reason(
        self, client, admin_client, bug, configure
    ):
        configure(GITHUB_REPO="acme/shop")
        assert "Create GitHub issue" in page(admin_client, bug).text
        reason = "HTTP 403: the token may not write issues, and much more of this"
        bug.filings.update(state="failed", reason=reason)
        text = page(admin_client, bug).text
        assert "Retry: HTTP 403: the token may not write issues" in text
        assert "Create GitHub issue" not in text
        [message] = act(admin_client, bug, "retry")
        assert "tried again" in message
        assert not bug.filings.filter(state="failed").exists()
        staff(client, "view_knownbug", "change_knownbug")
        address = reverse("admin:error_tracking_knownbug_action", args=[bug.pk])
        assert client.post(address, {"action": "retry"}).status_code == 403

    @pytest.mark.parametrize("status", ["open", "resolved", "muted"])
    @pytest.mark.parametrize("state", ["here", "deleted", "merged"])
    def test_only_what_would_change_the_bug_is_offered(
        self, admin_client, bug, status, state
    ):
        KnownBug.objects.update(status=status, resolved_at=timezone.now())
        if state == "deleted":
            bug.delete()
        if state == "merged":
            other = KnownBug(title="other", environment=bug.environment)
            other.save()
            KnownBug.objects.filter(pk=bug.pk).update(
                status="resolved", merged_into=other
            )
        text = page(admin_client, bug).text
        found = set(re.findall(r'name="action" value="(\w+)"', text))
        expected = {
            "open": {"resolve", "start", "assign_to_me", "mute", "assign", "merge"},
            "resolved": {"reopen", "assign", "merge"},
            "muted": {"resolve", "reopen", "assign", "merge"},
        }[status]
        if state == "deleted":
            expected = {"restore"}
        if state == "merged":
            expected = set()
        assert found - {"note"} == expected

    def test_form_is_behind_edit(self, admin_client, bug):
        assert "id_title" not in page(admin_client, bug).text
        assert "id_title" in page(admin_client, bug, "?edit=1").text


class TestRequestAgain:
    def log(self, **values):
        defaults = {
            "method": "POST",
            "full_url": "https://x.example/pay/3/?q=it's",
            "request_data": {
                "headers": {"Content-Type": "application/x-www-form-urlencoded"},
                "body": {"note": "it's $HOME `id` !"},
            },
        }
        return ErrorLog(**{**defaults, **values})

    def test_curl_is_safe_to_paste(self):
        curl = evidence.request_of(self.log()).curl
        words = shlex.split(curl.replace("\\\n", ""))
        assert words[0] == "curl"
        assert words[-1] == "http://localhost:8000/pay/3/?q=it's"
        assert words[words.index("--data-raw") + 1].startswith("note=it%27s")
        assert "--data-raw" in words

    @pytest.mark.parametrize(
        "text", ["a'b", "$(id)", "`id`", "a\nb", "\x1b[31m", "a\\b", "\x00", "--data"]
    )
    def test_control_characters_and_quotes_are_escaped(self, text):
        log = self.log(request_data={"body": text})
        curl = evidence.request_of(log).curl
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", curl.replace("\\\n", ""))
        assert "$(id)" not in curl.replace("'$(id)'", "")

    def test_client_call_is_python(self):
        call = evidence.request_of(self.log()).client_call
        compile(call, "call", "exec")
        assert ".post(" in call
        assert "'/pay/3/?q=" in call or '"/pay/3/?q=' in call

    def test_odd_stored_data_is_no_error(self):
        for data in ({}, {"headers": "x"}, {"body": ["a", {"b": 1}], "headers": {}}):
            assert evidence.request_of(self.log(request_data=data))
        assert evidence.request_of(self.log(method="")) is None


@pytest.mark.parametrize("term", ["B-001", "ValueError in", "till is empty"])
def test_bugs_are_found_by_id_title_and_description(admin_client, bug, term):
    KnownBug.objects.update(description="The till is empty in the morning.")
    listed = reverse("admin:error_tracking_knownbug_changelist")
    found = admin_client.get(listed, {"q": term}).context["cl"].result_count
    assert found == 1
    assert admin_client.get(listed, {"q": "no such"}).context["cl"].result_count == 0


class TestPagesOfLogsAndGroups:
    """They are the page of a bug without what only a bug has."""

    def log_page(self, client, log, query=""):
        address = reverse("admin:error_tracking_errorlog_change", args=[log.pk])
        return client.get(address + query)

    def group_page(self, client, group, query=""):
        address = reverse("admin:error_tracking_errorgroup_change", args=[group.pk])
        return client.get(address + query)

    @pytest.fixture
    def group(self, bug):
        """A group that is no bug, of three occurrences."""
        group = bug.groups.get()
        bug.groups.update(bug=None, verdict_reason="seen 3 of 9 times")
        group.refresh_from_db()
        return group

    def test_they_show_the_evidence(self, admin_client, group):
        log = ErrorLog.objects.order_by("-created", "-pk").first()
        for response in (
            self.log_page(admin_client, log),
            self.group_page(admin_client, group),
        ):
            text = response.text
            main = text.partition("et-columns")[0]
            assert "ValueError: basket 3 has no total" in main
            assert "POST /pay/{basket}/" in main
            assert "Not a bug:" in main
            assert "seen 3 of 9 times" in main
            assert "Make it a bug" in main
            assert "3 times" in main
            assert 'et-failing">' in text
            assert "django.test.Client" in text
            assert "The same type of exception, raised by the same line" in text
            assert SCRIPT not in text
            assert "History and notes" not in text

    def test_occurrences_are_stepped_through(self, admin_client, group):
        newest, middle, oldest = ErrorLog.objects.order_by("-created", "-pk")
        text = self.log_page(admin_client, middle).text
        for log, rel in ((newest, "prev"), (oldest, "next")):
            address = reverse("admin:error_tracking_errorlog_change", args=[log.pk])
            assert f'href="{address}" rel="{rel}"' in text
        query = f"?occurrence={oldest.reference}"
        assert (
            "basket 1 has no total" in self.group_page(admin_client, group, query).text
        )

    def test_bug_is_linked_for_those_who_may_open_it(self, client, bug):
        log = ErrorLog.objects.first()
        staff(client, "view_errorlog", "view_knownbug")
        link = reverse("admin:error_tracking_knownbug_change", args=[bug.pk])
        text = self.log_page(client, log).text
        assert f"{link}?occurrence={log.reference}" in text
        assert "Make it a bug" not in text
        User.objects.get(username="ada").user_permissions.set(
            Permission.objects.filter(codename="view_errorlog")
        )
        text = self.log_page(client, log).text
        assert link not in text
        assert "/errorgroup/" not in text
        assert bug.bug_id in text

    def test_what_people_sent_needs_its_permission(self, client, group):
        ErrorLog.objects.update(user_label="annabel")
        staff(client, "view_errorlog", "view_errorgroup")
        log = ErrorLog.objects.first()
        for query in ("", "?fields=1"):
            for response in (
                self.log_page(client, log, query),
                self.group_page(client, group, query),
            ):
                assert "basket {number} has no total" in response.text
                for hidden in ("annabel", "coupon", "basket 1 has", "All fields"):
                    assert hidden not in response.text, hidden
        permission = Permission.objects.get(codename="view_request_data")
        User.objects.get(username="ada").user_permissions.add(permission)
        text = self.log_page(client, log, "?fields=1").text
        assert "annabel" in text
        assert 'name="exception_message"' not in text

    def test_dead_links_show_address_and_page(self, admin_client, group):
        group.error_type = "http_4xx"
        group.status_code = 404
        group.save()
        ErrorLog.objects.update(
            exception_type="",
            exception_message="",
            full_url="https://shop.example/old/",
            request_data={"headers": {"Referer": f"https://shop.example/{SCRIPT}"}},
        )
        response = self.group_page(admin_client, group)
        [link] = response.context["page"].dead_links
        assert (link.address, link.count) == ("https://shop.example/old/", 3)
        assert "https://shop.example/&lt;script&gt;" in response.text
        assert "The same kind, status and route: 404" in response.text

    def test_page_without_logs_and_hidden_group_say_so(self, admin_client, group):
        ErrorLog.objects.all().delete()
        type(group).objects.hide()
        text = self.group_page(admin_client, group).text
        assert "No error logs are kept." in text
        assert "Show again" in text
        assert "hidden by hand" in text

    def test_message_of_a_log_record_is_the_heading(self, admin_client, group):
        group.error_type = "message"
        group.message_pattern = "till {number} is empty"
        group.save()
        ErrorLog.objects.update(
            error_type="message",
            exception_type="",
            exception_message="till 3 is empty",
            stacktrace=[],
            status_code=None,
        )
        text = self.log_page(admin_client, ErrorLog.objects.first()).text
        assert '<h1 class="et-message" dir="ltr">till 3 is empty</h1>' in text
        assert "Messages that differ in their values only: till {number}" in text

    def test_group_of_another_environment_or_not_decided_says_so(
        self, admin_client, group
    ):
        type(group).objects.update(verdict_reason="")
        assert "not decided yet" in self.group_page(admin_client, group).text
        type(group).objects.update(environment="staging")
        assert "“staging” decides" in self.group_page(admin_client, group).text

    def test_missing_rows_and_forms_are_as_in_the_admin(self, admin_client, group):
        address = reverse("admin:error_tracking_errorgroup_change", args=[12345])
        assert admin_client.get(address).status_code == 302
        address = reverse("admin:error_tracking_errorgroup_change", args=[group.pk])
        assert admin_client.post(address, {"title": "x"}).status_code == 403


def test_occurrences_of_several_groups_are_stepped_through_by_time(admin_client, bug):
    group = bug.groups.get()
    key = group.pk
    group.pk = None
    group.fingerprint = "2" * 32
    group.save()
    newest, middle, oldest = ErrorLog.objects.order_by("-created", "-pk")
    ErrorLog.objects.filter(pk=middle.pk).update(group=group, created=newest.created)
    assert bug.groups.count() == 2
    assert key != group.pk
    shown = []
    query = ""
    while True:
        response = page(admin_client, bug, query)
        occurrence = response.context["page"].occurrence
        shown.append(occurrence.log.pk)
        query = occurrence.older
        if not query:
            break
    # Of two at one time the later row is the newer one.
    assert shown == [newest.pk, middle.pk, oldest.pk]
    assert page(admin_client, bug, occurrence.newer).context["page"].sample == 3


def test_pages_work_without_time_zones(admin_client, bug, settings):
    settings.USE_TZ = False
    ErrorLog.objects.update(
        context={"breadcrumbs": [{"timestamp": 1.0, "message": "x"}]}
    )
    assert page(admin_client, bug).status_code == 200
    for model in ("knownbug", "errorlog", "errorgroup"):
        listed = reverse(f"admin:error_tracking_{model}_changelist")
        assert admin_client.get(listed, {"since": "7d"}).status_code in {200, 302}
    assert act(admin_client, bug, "mute", mute="tomorrow")
    bug.refresh_from_db()
    assert bug.muted_until.hour == 8


def test_group_says_only_what_it_has(admin_client, bug):
    address = reverse(
        "admin:error_tracking_errorgroup_change", args=[bug.groups.get().pk]
    )
    bug.groups.update(status_code=None, environment="", verdict="hidden")
    found = admin_client.get(address).text.partition('et-badges">')[2]
    found = re.findall(r">([^<>]+)</span>", found.partition("</p>")[0])
    assert found == ["exception", "hidden"]


def test_bug_without_an_environment_has_no_badge_of_it(admin_client, bug):
    badge = re.compile(rf"et-badge[^>]*>\s*{bug.environment}\s*<")
    assert badge.search(page(admin_client, bug).text)
    KnownBug.objects.update(environment="")
    assert not badge.search(page(admin_client, bug).text)


def test_regression_of_what_nobody_resolved_by_name(admin_client, bug):
    bug.resolve()
    KnownBug.objects.update(status="open", regressed_at=timezone.now())
    text = page(admin_client, bug).text
    assert re.search(r"Regressed [^.]*, resolved [^.]* ago", text)
    assert "by ." not in text


def test_facts_are_of_the_latest_occurrences(admin_client, bug, monkeypatch):
    monkeypatch.setattr(bug_page, "SAMPLE_LOGS", 2)
    counts = {timezone.now() - dt.timedelta(hours=hours): 1 for hours in (-1, 1, 2)}
    groups = [bug.groups.get().pk]
    assert len(bug_page._sample(groups, counts)) == 2
    assert len(bug_page._sample([*groups, 0], counts)) == 2
    ErrorLog.objects.update(created=timezone.now() - dt.timedelta(days=1))
    # Of several groups, nothing is read that is older than what was counted.
    assert bug_page._sample([*groups, 0], counts) == []


def test_bug_that_is_not_there(admin_client, bug):
    address = reverse("admin:error_tracking_knownbug_change", args=[12345])
    assert admin_client.get(address).url == reverse("admin:index")
    action = reverse("admin:error_tracking_knownbug_action", args=[12345])
    assert admin_client.post(action, {"action": "resolve"}).status_code == 404


def test_action_comes_back_to_the_occurrence(admin_client, bug):
    action = reverse("admin:error_tracking_knownbug_action", args=[bug.pk])
    for occurrence, end in (("abc1234567", "?occurrence=abc1234567"), ("../x", "/")):
        data = {"action": "start", "occurrence": occurrence}
        assert admin_client.post(action, data).url.endswith(end)


def test_users_of_a_model_without_permissions_are_its_staff(db, monkeypatch):
    plain = Manager()
    plain.model = User
    User.objects.create_user("visitor")
    ada = User.objects.create_user("ada", is_staff=True)
    model = SimpleNamespace(_default_manager=plain, is_staff=None)
    monkeypatch.setattr(bug_actions, "get_user_model", lambda: model)
    assert list(bug_actions._people()) == [ada]
    del model.is_staff
    assert bug_actions._people().count() == 2
