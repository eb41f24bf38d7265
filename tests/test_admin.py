"""The admin: specified lists and actions, read-only evidence, no markup from outside, few queries."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Permission, User
from django.core import checks
from django.urls import reverse
from django.utils import timezone

from error_tracking import recorder
from error_tracking.admin import link_to, search
from error_tracking.admin.bugs import LISTED
from error_tracking.bugs import table_size
from error_tracking.models import ErrorGroup, ErrorLog, Filing, KnownBug
from error_tracking.services import BugCreationService
from tests.factories import make_event

EVIL = "<script>alert(1)</script>"


def url(model, page="changelist", *args):
    return reverse(f"admin:error_tracking_{model}_{page}", args=args)


def form_of(pk):
    """Return the address of Django's form, which is behind *Edit* on the page of a bug."""
    return url("knownbug", "change", pk) + "?edit=1"


def staff(client, *permissions):
    user = User.objects.create_user("ada", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def act(client, model, action, *rows, **data):
    data = {"action": action, "_selected_action": [row.pk for row in rows], **data}
    return client.post(url(model), data, follow=True)


def save(client, *page, **values):
    """Send the form of a bug as people do: what it has, with *values* instead."""
    address = url("knownbug", *page)
    form = client.get(f"{address}?edit=1").context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    return client.post(
        address,
        {
            name: value
            for name, value in {**data, **values}.items()
            if value is not None
        },
    )


@pytest.fixture
def held(immediate, configure):
    """Record events that no bug is made of by itself."""
    configure(AUTO_CREATE_BUGS=False)


def record(**values):
    event = make_event(**values)
    recorder.submit(event)
    return ErrorLog.objects.get(event_id=event.event_id)


@pytest.mark.parametrize("model", ["errorlog", "knownbug", "errorgroup", "dashboard"])
def test_pages_work_with_no_data(admin_client, immediate, model):
    assert admin_client.get(url(model)).status_code == 200


@pytest.mark.parametrize("model", ["errorlog", "knownbug", "errorgroup"])
def test_lists_and_pages_work_with_data(admin_client, immediate, model):
    record()
    address = url(model) + ("?view=all" if model == "errorgroup" else "")
    text = admin_client.get(address).text
    assert "ValueError in shop.pay" in text or "/pay/{id}/" in text
    pk = (
        {"errorlog": ErrorLog, "knownbug": KnownBug, "errorgroup": ErrorGroup}[model]
        .objects.get()
        .pk
    )
    assert admin_client.get(url(model, "change", pk)).status_code == 200


def test_text_from_outside_never_becomes_markup(admin_client, immediate):
    """FAULTS A01."""
    log = record(
        title=EVIL,
        user_agent=EVIL,
        url=f"javascript:alert('{EVIL}')",
        request={"body": {"x": EVIL}},
    )
    bug = KnownBug.objects.get()
    pages = [
        url("errorlog"),
        url("errorlog", "change", log.pk),
        url("errorgroup") + "?view=all",
        url("knownbug"),
        url("knownbug", "change", bug.pk),
    ]
    for page in [*pages, url("dashboard"), url("errorgroup")]:
        text = admin_client.get(page).text
        assert EVIL not in text, page
        assert 'href="javascript' not in text, page


@pytest.mark.parametrize(
    ("address", "is_link"),
    [
        ("https://x.example/", True),
        ("javascript:alert(1)", False),
        ("http://[bad/", False),
    ],
)
def test_only_http_addresses_become_links(address, is_link):
    """FAULTS A02."""
    assert ("<a href" in str(link_to(address))) is is_link


def test_error_logs_are_read_only(admin_client, immediate):
    """FAULTS A05, A07."""
    log = record()
    assert admin_client.get(url("errorlog", "add")).status_code == 403
    assert (
        admin_client.post(
            url("errorlog", "change", log.pk), {"method": "PUT"}
        ).status_code
        == 403
    )
    assert (
        admin_client.post(
            url("errorlog", "delete", log.pk), {"post": "yes"}
        ).status_code
        == 403
    )


@pytest.mark.parametrize("model", ["errorlog", "knownbug", "errorgroup", "dashboard"])
def test_number_of_queries_does_not_grow_with_the_rows(
    admin_client, immediate, model, django_assert_max_num_queries
):
    """FAULTS A06."""
    for number in range(15):
        record(fingerprint=f"{number:032d}", title=f"Error {number}")
    table_size.measure()  # remembered for some minutes
    most = 19
    if model == "dashboard":
        most = 33
    with django_assert_max_num_queries(most):
        admin_client.get(url(model))


def test_list_of_error_logs_leaves_tracebacks_in_the_database(
    admin_client, immediate, django_assert_max_num_queries
):
    """FAULTS A06."""
    record(traceback="a long one")
    with django_assert_max_num_queries(18) as queries:
        admin_client.get(url("errorlog"))
    assert not any('"traceback"' in query["sql"] for query in queries)


def test_error_stats_are_above_the_list_of_error_logs(admin_client, immediate):
    record()
    record()
    stats = admin_client.get(url("errorlog")).context["error_stats"]
    assert stats["last_24_hours"] == stats["last_7_days"] == 2
    assert stats["by_kind"] == {"exception": 2}
    assert stats["open_bugs"] == 1


def test_search_finds_a_reference(admin_client, immediate):
    log = record()
    response = admin_client.get(url("errorlog"), {"q": log.reference})
    assert response.context["cl"].result_count == 1
    assert (
        admin_client.get(url("errorlog"), {"q": "nothing-such"})
        .context["cl"]
        .result_count
        == 0
    )


def test_action_makes_one_bug_of_many_error_logs(admin_client, held):
    first, second = record(), record()
    text = act(admin_client, "errorlog", "create_bug", first, second).text
    bug = KnownBug.objects.get()
    assert f"New bug: {bug.bug_id}" in text
    assert bug.occurrence_count == 2
    assert Filing.objects.get(bug=bug).state == "filed"
    assert (
        "There is a bug already"
        in act(admin_client, "errorlog", "create_bug", first).text
    )
    assert KnownBug.objects.count() == 1


def test_action_to_make_a_bug_needs_its_permission(client, held):
    """FAULTS A05."""
    log = record()
    act(staff(client, "view_errorlog"), "errorlog", "create_bug", log)
    assert not KnownBug.objects.exists()


def test_mark_resolved_and_open_again(admin_client, immediate):
    record()
    bug = KnownBug.objects.get()
    assert "1 bug resolved" in act(admin_client, "knownbug", "mark_resolved", bug).text
    bug.refresh_from_db()
    assert bug.is_resolved
    assert bug.activities.get(verb="resolved").by == "admin"
    act(admin_client, "knownbug", "reopen", bug)
    bug.refresh_from_db()
    assert bug.status == "open"
    act(admin_client, "knownbug", "mute", bug)
    bug.refresh_from_db()
    assert bug.status == "muted"


def test_mark_resolved_needs_the_permission_to_change(client, immediate):
    record()
    bug = KnownBug.objects.get()
    act(staff(client, "view_knownbug"), "knownbug", "mark_resolved", bug)
    bug.refresh_from_db()
    assert not bug.is_resolved


def test_issue_without_a_repository_says_what_to_set(admin_client, immediate):
    record()
    text = act(
        admin_client, "knownbug", "create_github_issue", KnownBug.objects.get()
    ).text
    assert "GITHUB_REPO" in text


def test_issue_is_asked_for_and_made_by_the_outbox(
    admin_client, immediate, configure, monkeypatch
):
    record()
    bug = KnownBug.objects.get()
    configure(GITHUB_REPO="acme/shop")
    monkeypatch.setenv("PATH", "")
    text = act(admin_client, "knownbug", "create_github_issue", bug).text
    assert "1 issue is being created" in text
    assert "This process cannot create them" in text
    row = Filing.objects.get(bug=bug, tracker="github")
    assert "no gh command" in row.reason
    assert "no gh command" in admin_client.get(form_of(bug.pk)).text
    assert "no gh command" in admin_client.get(url("dashboard")).text


def test_issue_that_is_there_is_not_asked_for_again(admin_client, immediate, configure):
    record()
    KnownBug.objects.update(
        github_issue_number=7, github_issue_url="https://github.com/acme/shop/issues/7"
    )
    configure(GITHUB_REPO="acme/shop")
    text = act(
        admin_client, "knownbug", "create_github_issue", KnownBug.objects.get()
    ).text
    assert "All have an issue" in text
    assert 'href="https://github.com/acme/shop/issues/7"' in text


def test_filing_needs_its_own_permission(client, immediate, configure):
    """FAULTS A05."""
    record()
    configure(GITHUB_REPO="acme/shop")
    act(
        staff(client, "view_knownbug", "change_knownbug"),
        "knownbug",
        "create_github_issue",
        KnownBug.objects.get(),
    )
    assert not Filing.objects.filter(tracker="github").exists()


def test_deleting_is_soft_and_can_be_undone(admin_client, immediate):
    """FAULTS A07."""
    record()
    bug = KnownBug.objects.get()
    assert "Are you sure" in admin_client.get(url("knownbug", "delete", bug.pk)).text
    admin_client.post(url("knownbug", "delete", bug.pk), {"post": "yes"})
    assert not KnownBug.objects.exists()
    assert KnownBug.all_objects.get().is_deleted
    assert admin_client.get(url("knownbug")).context["cl"].result_count == 0
    assert bug.title in admin_client.get(url("knownbug"), {"view": "deleted"}).text
    record()
    assert KnownBug.all_objects.count() == 1
    data = {"action": "restore", "_selected_action": [bug.pk]}
    admin_client.post(url("knownbug") + "?view=deleted", data)
    assert KnownBug.objects.get() == bug


def test_deleting_many_is_soft(admin_client, immediate):
    record()
    act(admin_client, "knownbug", "delete_selected", KnownBug.objects.get(), post="yes")
    assert not KnownBug.objects.exists()
    assert KnownBug.all_objects.count() == 1


def test_people_can_edit_words_but_not_counts(admin_client, immediate):
    record()
    bug = KnownBug.objects.get()
    words = {
        "title": "A better title",
        "severity": "critical",
        "public_message": "We are on it",
    }
    save(
        admin_client,
        "change",
        bug.pk,
        **words,
        status="resolved",
        occurrence_count="99",
    )
    bug.refresh_from_db()
    assert (bug.title, bug.severity, bug.public_message) == (
        "A better title",
        "critical",
        "We are on it",
    )
    assert (bug.status, bug.occurrence_count) == ("open", 1)


def test_edit_is_kept_in_the_history_and_a_severity_set_by_hand_stays(
    admin_client, immediate
):
    record()
    bug = KnownBug.objects.get()
    save(admin_client, "change", bug.pk, severity="low")
    bug.refresh_from_db()
    line = bug.activities.get(verb="edited")
    assert (line.by, line.text, bug.has_manual_severity) == ("admin", "severity", True)
    assert bug.latest_activity_id == line.pk
    assert (
        'severity: "low"'
        in (BugCreationService().create_bug_file(bug.bug_id, {})).read_text()
    )


def test_selected_bugs_are_merged_into_the_oldest(admin_client, immediate):
    record()
    record(fingerprint="2" * 32)
    first, second = KnownBug.objects.order_by("number")
    assert "at least two" in act(admin_client, "knownbug", "merge", first).text
    asked = act(admin_client, "knownbug", "merge", second, first)
    assert "2 bugs become one" in asked.text
    assert asked.context["survivor"] == first
    second.refresh_from_db()
    assert second.merged_into is None
    answered = act(admin_client, "knownbug", "merge", second, first, post="yes")
    assert "1 bug merged into B-001" in answered.text
    second.refresh_from_db()
    assert second.merged_into == first
    first.resolve()
    record(fingerprint="3" * 32)
    third = KnownBug.objects.get(number=3)
    data = {"post": "yes", "survivor": first.pk}
    text = act(admin_client, "knownbug", "merge", third, first, **data).text
    assert "B-001 is resolved" in text


def test_bug_made_by_hand_is_filed_like_any_other_and_says_who_made_it(
    admin_client, immediate
):
    save(admin_client, "add", title="Typo", severity="low")
    bug = KnownBug.objects.get()
    assert (bug.bug_id, bug.file_name) == ("B-001", "B-001-typo.md")
    assert bug.activities.get(verb="created").by == "admin"
    assert [(row.tracker, row.state) for row in bug.filings.all()] == [
        ("markdown", "filed")
    ]


def test_count_that_arrives_while_a_bug_is_edited_is_kept(
    admin_client, immediate, monkeypatch
):
    record()
    bug = KnownBug.objects.get()
    saved = KnownBug.save

    def counted_meanwhile(self, *args, **kwargs):
        KnownBug.objects.filter(pk=self.pk).update(occurrence_count=8, status="muted")
        saved(self, *args, **kwargs)

    monkeypatch.setattr(KnownBug, "save", counted_meanwhile)
    save(admin_client, "change", bug.pk, title="Edited")
    bug.refresh_from_db()
    assert (bug.title, bug.occurrence_count, bug.status) == ("Edited", 8, "muted")


def buttons(client, bug):
    return re.findall(r'name="_act" value="(\w+)"', client.get(form_of(bug.pk)).text)


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        ("open", {"mark_resolved", "start", "mute"}),
        ("in_progress", {"mark_resolved", "mute"}),
        ("muted", {"mark_resolved", "reopen"}),
        ("resolved", {"reopen"}),
    ],
)
def test_page_of_a_bug_offers_what_would_change_it(
    admin_client, immediate, configure, status, offered
):
    record()
    KnownBug.objects.update(status=status)
    bug = KnownBug.objects.get()
    assert set(buttons(admin_client, bug)) == offered
    configure(GITHUB_REPO="acme/shop")
    assert set(buttons(admin_client, bug)) == {*offered, "create_github_issue"}
    other = KnownBug(title="other", environment=bug.environment)
    other.save()
    KnownBug.objects.filter(pk=bug.pk).update(merged_into=other)
    assert buttons(admin_client, bug) == []
    bug.delete()
    assert buttons(admin_client, bug) == ["restore"]


def test_mute_keeps_the_condition_that_was_filled_in(admin_client, immediate):
    record()
    bug = KnownBug.objects.get()
    until = {"muted_until_0": "2099-12-24", "muted_until_1": "08:00:00"}
    save(
        admin_client,
        "change",
        bug.pk,
        muted_until=None,
        **until,
        muted_until_count=9_999,
        muted_until_people=8_888,
        _act="mute",
    )
    bug.refresh_from_db()
    assert bug.status == "muted"
    assert (bug.muted_until.year, bug.muted_until_count) == (2099, 9_999)
    assert bug.muted_until_people == 8_888


def test_action_that_changes_nothing_says_so(admin_client, immediate):
    record()
    bug = KnownBug.objects.get()
    for action in ("reopen", "restore"):
        text = act(admin_client, "knownbug", action, bug).text
        assert "Nothing has changed." in text, action


def test_assignee_is_chosen_by_name_among_those_who_may_change_bugs(
    admin_client, immediate
):
    record()
    bug = KnownBug.objects.get()
    User.objects.create_user("a visitor")
    gone_quiet = User.objects.create_user("no longer staff")

    def names():
        form = admin_client.get(form_of(bug.pk)).context["adminform"].form
        _nobody, *people = form.fields["assignee"].choices
        return [label for _key, label in people]

    assert names() == ["admin"]
    KnownBug.objects.update(assignee=gone_quiet)
    assert names() == ["admin", "no longer staff"]
    save(admin_client, "change", bug.pk, assignee=User.objects.get(username="admin").pk)
    bug.refresh_from_db()
    assert str(bug.assignee) == "admin"
    form = admin_client.get(url("knownbug", "add")).context["adminform"].form
    assert len(form.fields["assignee"].choices) == 2


def test_form_links_only_to_what_its_reader_may_open(client, immediate):
    record()
    bug = KnownBug.objects.get()
    text = staff(client, "change_knownbug").get(form_of(bug.pk)).text
    assert bug.title in text.partition("Error groups")[2]
    assert url("errorgroup") not in text
    assert url("errorlog") not in text


def test_button_on_the_page_of_a_bug_saves_acts_and_stays(admin_client, immediate):
    record()
    bug = KnownBug.objects.get()
    response = save(
        admin_client, "change", bug.pk, title="Edited", _act="mark_resolved"
    )
    assert response.url == url("knownbug", "change", bug.pk)
    bug.refresh_from_db()
    assert (bug.title, bug.status) == ("Edited", "resolved")
    assert bug.activities.get(verb="resolved").by == "admin"
    save(admin_client, "change", bug.pk, _act="start")
    save(admin_client, "change", bug.pk, _act="reopen")
    save(admin_client, "change", bug.pk, _act="start")
    bug.refresh_from_db()
    assert bug.status == "in_progress"
    for name in ("no_such", "delete_selected"):
        response = save(admin_client, "change", bug.pk, _act=name, post="yes")
        assert response.url == url("knownbug", "change", bug.pk)
    assert KnownBug.objects.exists()


def test_return_in_a_field_saves_and_does_nothing_else(admin_client, immediate):
    """A browser presses the form's first button."""
    record()
    text = admin_client.get(form_of(KnownBug.objects.get().pk)).text
    ours = re.findall(
        r'<(?:input type="submit"|button)[^>]* (?:form="knownbug_form"[^>]*)? ?name="(\w+)"',
        text,
    )
    assert ours[0] == "_save"
    assert "_act" in ours


def test_button_needs_the_permission_of_its_action(client, immediate, configure):
    """FAULTS A05."""
    record()
    bug = KnownBug.objects.get()
    configure(GITHUB_REPO="acme/shop")
    assert buttons(staff(client, "view_knownbug"), bug) == []
    User.objects.get().user_permissions.set(
        Permission.objects.filter(codename="change_knownbug")
    )
    assert "create_github_issue" not in buttons(client, bug)
    save(client, "change", bug.pk, _act="create_github_issue")
    assert not Filing.objects.filter(tracker="github").exists()


def test_page_of_a_bug_shows_the_latest_and_sends_nothing_of_it_along(
    admin_client, immediate
):
    record()
    bug = KnownBug.objects.get()
    for number in range(LISTED + 5):
        KnownBug.objects.filter(pk=bug.pk).record_activity(
            "note", text=f"note-{number}."
        )
        ErrorGroup.objects.create(
            fingerprint=f"{number:032d}",
            title=f"group-{number}.",
            error_type="exception",
            bug=bug,
            first_seen=timezone.now(),
            last_seen=timezone.now(),
        )
    text = admin_client.get(form_of(bug.pk)).text
    assert f"note-{LISTED + 4}." in text
    assert "note-4." not in text
    assert text.count(">group-") == LISTED
    assert text.count(f"{url('errorlog')}?group__id__exact=") == LISTED
    assert text.count("<input") < 20  # Django reads 1,000 fields at most
    everything = f"{url('errorgroup')}?bug__id__exact={bug.pk}"
    assert everything in text
    page = admin_client.get(everything).context["cl"]
    shown = page.result_count
    while page.older_url:
        page = admin_client.get(url("errorgroup") + page.older_url).context["cl"]
        shown += page.result_count
    assert shown == LISTED + 6


def test_new_bug_is_asked_for_what_people_know(admin_client, immediate):
    form = admin_client.get(url("knownbug", "add")).context["adminform"]
    shown = {name for _, part in form.fieldsets for name in part["fields"]}
    assert shown == {
        "title",
        "severity",
        "description",
        "public_message",
        "public_workaround",
        "public_link",
        "assignee",
    }


def test_regression_is_dated_in_the_list_and_nothing_else_is(admin_client, immediate):
    record()
    record(fingerprint="2" * 32)
    KnownBug.objects.filter(number=1).update(regressed_at=timezone.now())
    rows = admin_client.get(url("knownbug")).context["rows"]
    badges = {row.bug.bug_id: [text for text, _kind in row.badges] for row in rows}
    assert badges == {"B-001": ["regressed 0 seconds ago"], "B-002": []}


def test_bugs_that_are_not_filed_can_be_found(admin_client, immediate):
    record()
    record(fingerprint="2" * 32)
    Filing.objects.filter(bug__number=1).update(state="failed", reason="no room")
    page = admin_client.get(url("knownbug"), {"filings__state__exact": "failed"})
    assert [bug.bug_id for bug in page.context["cl"].result_list] == ["B-001"]


def test_filters_of_error_logs_do_not_read_the_error_logs(
    admin_client, immediate, django_assert_max_num_queries
):
    record()
    record(
        fingerprint="2" * 32, error_type="message", status_code=0, environment="staging"
    )
    with django_assert_max_num_queries(18) as queries:
        page = admin_client.get(url("errorlog"))
    assert not any(
        "DISTINCT" in query["sql"] and ErrorLog._meta.db_table in query["sql"]
        for query in queries
    )
    choices = choices_of(page)
    assert choices["status_code"] == ["any", "500"]
    assert choices["environment"] == ["any", "production", "staging"]
    for values in (
        {"status_code": "500"},
        {"environment": "production"},
        {"status_code__isnull": "False"},
    ):
        assert admin_client.get(url("errorlog"), values).context["cl"].result_count == 1


def choices_of(page):
    """Return what the filters above a list offer, by parameter."""
    return {
        select.name: [text for _value, text, _is_chosen in select.options]
        for select in page.context["selects"]
    }


def test_text_is_searched_in_the_latest_error_logs_only(
    admin_client, immediate, monkeypatch
):
    monkeypatch.setattr(search, "SEARCHED_LOGS", 1)
    first, second = record(user_label="ann"), record(user_label="ann")
    found = admin_client.get(url("errorlog"), {"q": "ann"}).context["cl"].result_list
    assert [log.pk for log in found] == [second.pk]
    for term in (first.reference.upper(), first.fingerprint):
        assert (
            first
            in admin_client.get(url("errorlog"), {"q": term}).context["cl"].result_list
        )


def test_group_says_its_kind_in_words_and_leads_to_its_error_logs(admin_client, held):
    log = record(error_type="http_5xx", status_code=503)
    record(fingerprint="2" * 32)
    page = admin_client.get(url("errorgroup"))
    assert '<span class="field-kind">server error</span>' in page.text
    assert "server error" in choices_of(page)["error_type"]
    assert (
        admin_client.get(url("errorgroup"), {"error_type": "http_5xx"})
        .context["cl"]
        .result_count
        == 1
    )
    text = admin_client.get(url("errorgroup", "change", log.group_id)).text
    [address] = re.findall(r'href="([^"]+group__id__exact=[^"]+)"', text)
    assert list(admin_client.get(address).context["cl"].result_list) == [log]


@pytest.mark.parametrize("model", ["errorlog", "knownbug", "errorgroup"])
def test_empty_list_says_what_that_means(admin_client, immediate, model):
    assert "No errors yet" in admin_client.get(url(model)).text
    record()
    assert "No errors yet" not in admin_client.get(url(model)).text
    assert (
        "Nothing fits this search"
        in admin_client.get(url(model), {"q": "no-such-thing"}).text
    )


def test_user_is_shown_without_being_read(admin_client, immediate):
    """FAULTS S05: the user may be gone."""
    log = record(user_id="12345", user_label="gone")
    text = admin_client.get(url("errorlog", "change", log.pk)).text
    assert "<bdi>gone</bdi></a> (12345)" in text
    fields = admin_client.get(url("errorlog", "change", log.pk), {"fields": "1"}).text
    assert "gone (12345)" in fields


def test_dashboard_needs_its_permission(client, immediate):
    """FAULTS A05."""
    assert staff(client, "view_errorlog").get(url("dashboard")).status_code == 403
    user = User.objects.get()
    user.user_permissions.set(Permission.objects.filter(codename="view_dashboard"))
    assert client.get(url("dashboard")).status_code == 200


# The pages of each model, by the permission that opens them; no other permission does.
PAGES = {
    "dashboard": {"changelist": "view_dashboard"},
    "errorlog": {
        "changelist": "view_errorlog",
        "change": "view_errorlog",
        "history": "view_errorlog",
    },
    "errorgroup": {
        "changelist": "view_errorgroup",
        "change": "view_errorgroup",
        "history": "view_errorgroup",
        "action": "add_knownbug",
    },
    "knownbug": {
        "changelist": "view_knownbug change_knownbug",
        "change": "view_knownbug change_knownbug",
        "history": "view_knownbug change_knownbug",
        "action": "change_knownbug",
        "search": "view_knownbug change_knownbug view_errorlog view_errorgroup",
        "undo": "change_knownbug delete_knownbug",
        "add": "add_knownbug",
        "delete": "delete_knownbug",
    },
}


def our_pages():
    """Return (model, page, address) of every address of ours that the admin has."""
    record()
    rows = {"errorlog": ErrorLog, "errorgroup": ErrorGroup, "knownbug": KnownBug}
    pages = []
    for model, admin in site._registry.items():
        if model._meta.app_label != "error_tracking":
            continue
        name = model._meta.model_name
        for pattern in admin.urls:
            page = str(pattern.name or "").removeprefix(f"error_tracking_{name}_")
            if not page:  # the redirect of old addresses, to the page of the row
                continue
            needs_key = bool(pattern.pattern.converters)
            key = [rows.get(name, ErrorGroup).objects.first().pk] if needs_key else []
            pages.append((name, page, url(name, page, *key)))
    return pages


@pytest.mark.parametrize(
    "permission",
    [
        *("view_dashboard", "view_errorlog", "view_errorgroup", "view_knownbug"),
        *("add_knownbug", "change_knownbug", "delete_knownbug", "file_issue"),
        *("export_errorlog", "view_filing", "view_activity", ""),
    ],
)
def test_each_permission_opens_its_pages_and_no_other(client, immediate, permission):
    """Who might see the dashboard could open the page of any group by its address."""
    pages = our_pages()
    staff(client, *filter(None, [permission]))
    for model, page, address in pages:
        opens = permission in PAGES[model].get(page, "").split()
        # One is sent to and not looked at, the other leads to a page.
        answer = {"action": 405, "undo": 405, "search": 302}.get(page, 200)
        if (model, page) == ("knownbug", "history"):
            answer = 302  # to the page of the bug, which has it
        assert client.get(address).status_code == (answer if opens else 403), address


def test_all_pages_of_the_admin_are_in_the_table(client, immediate):
    found = {(model, page) for model, page, _ in our_pages()}
    assert found == {(model, page) for model in PAGES for page in PAGES[model]} | {
        (model, page)
        for model in ("errorlog", "errorgroup")
        for page in ("add", "delete")
    }


@pytest.mark.parametrize("page", ["", "change/", "history/", "delete/"])
def test_dashboard_shows_no_group_by_its_address(client, admin_client, immediate, page):
    record()
    key = ErrorGroup.objects.get().pk
    for address in (f"{url('dashboard')}{key}/{page}", f"{url('dashboard')}add/"):
        assert admin_client.get(address).status_code == 404
        assert staff_or_same(client).get(address).status_code == 404


def staff_or_same(client):
    User.objects.filter(username="ada").delete()
    return staff(client, "view_dashboard")


def test_admin_is_declared_right():
    assert not checks.run_checks(tags=["admin"])
