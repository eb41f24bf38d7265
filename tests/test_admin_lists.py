"""The lists of the admin: views, pages by keyset, rows, and the search box over all of them."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from error_tracking.admin import search
from error_tracking.admin.keyset import Cursor, KeysetChangeList
from error_tracking.bugs import table_size
from error_tracking.models import (
    ErrorGroup,
    ErrorLog,
    Filing,
    HourlyCount,
    KnownBug,
)
from error_tracking.recorder import store
from tests.factories import make_event

pytestmark = pytest.mark.django_db


def url(model, page="changelist", *args):
    return reverse(f"admin:error_tracking_{model}_{page}", args=args)


def staff(client, *permissions):
    user = User.objects.create_user("ada", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def make_bugs(number, **values):
    """Return so many bugs, each with a group and an error log."""
    bugs = []
    for each in range(number):
        fingerprint = f"{KnownBug.all_objects.count():032d}"
        event = make_event(
            fingerprint=fingerprint,
            message=f"order {each} not found",
            route=f"/orders/{each}/",
            culprit=f"shop.orders.find_{each}",
            **values,
        )
        store.store([event])
        group = ErrorGroup.objects.get(fingerprint=fingerprint)
        bug, _is_new = KnownBug.open_for_group(group, trackers=["markdown"])
        bugs.append(bug)
    return bugs


def shown(response):
    return [row.bug.bug_id for row in response.context["rows"]]


class TestViews:
    @pytest.fixture
    def bugs(self, admin_client, configure):
        configure(RELEASE="2.0")
        admin = User.objects.get()
        names = (
            *("open", "new", "regressed", "mine", "filed"),
            *("muted", "resolved", "deleted", "staging"),
        )
        bugs = dict(zip(names, make_bugs(9), strict=True))
        rows = KnownBug.all_objects
        rows.filter(pk=bugs["new"].pk).update(first_release="2.0")
        rows.filter(pk=bugs["regressed"].pk).update(regressed_at=timezone.now())
        rows.filter(pk=bugs["mine"].pk).update(assignee=admin)
        Filing.objects.filter(bug=bugs["filed"]).update(state="filed")
        bugs["muted"].mute()
        bugs["resolved"].resolve()
        bugs["deleted"].delete()
        rows.filter(pk=bugs["staging"].pk).update(environment="staging")
        return bugs

    VIEWS = (
        ({}, "open new regressed mine filed"),
        ({"view": "nonsense"}, "open new regressed mine filed"),
        ({"view": "new"}, "new"),
        ({"view": "regressed"}, "regressed"),
        ({"view": "mine"}, "mine"),
        ({"view": "unassigned"}, "open new regressed filed"),
        ({"view": "unfiled"}, "open new regressed mine"),
        ({"view": "muted"}, "muted"),
        ({"view": "resolved"}, "resolved"),
        ({"view": "deleted"}, "deleted"),
        ({"view": "all"}, "open new regressed mine filed muted resolved"),
        ({"environment": "staging"}, "staging"),
        ({"environment": "*", "view": "all", "q": "find_8"}, "staging"),
        ({"status__exact": "resolved"}, "resolved"),
        ({"status__exact": "", "severity__exact": ""}, "open new regressed mine filed"),
        ({"severity__exact": "low"}, ""),
        ({"filings__state__exact": "filed"}, "filed"),
    )

    def test_each_view_and_filter_has_its_bugs(self, admin_client, bugs):
        names = {bug.bug_id: name for name, bug in bugs.items()}
        for query, expected in self.VIEWS:
            response = admin_client.get(url("knownbug"), query)
            found = {names[bug_id] for bug_id in shown(response)}
            assert found == set(expected.split()), query

    def test_numbers_of_the_views_are_those_of_their_lists(self, admin_client, bugs):
        links = admin_client.get(url("knownbug")).context["view_links"]
        for address, view, _is_shown in links:
            response = admin_client.get(url("knownbug") + address)
            assert len(shown(response)) == view.count, view.name
            assert response.context["cl"].view.name == view.name

    @pytest.mark.parametrize(
        "query",
        [
            "severity__exact=critical",
            "filings__state__exact=failed",
            "environment=staging",
            "environment=*&severity__exact=high",
            "status__exact=resolved&severity__exact=high",
            "q=order",
            "q=order&environment=production&severity__exact=high",
            "unfiled=failed&tracker=markdown&reason=no+room",
            "sort=day",
        ],
    )
    def test_numbers_of_the_views_are_right_under_any_filter(
        self, admin_client, bugs, query
    ):
        rows = KnownBug.all_objects
        names = ("open", "mine", "resolved", "deleted")
        rows.filter(pk__in=[bugs[name].pk for name in names]).update(
            severity="critical"
        )
        Filing.objects.filter(bug__in=[bugs["open"], bugs["muted"]]).update(
            state="failed", reason="no room"
        )
        # A bug with two filings is one bug.
        bugs["open"].filings.create(tracker="github", state="failed", reason="x")
        links = admin_client.get(f"{url('knownbug')}?{query}").context["view_links"]
        for address, view, _is_shown in links:
            response = admin_client.get(url("knownbug") + address)
            assert len(shown(response)) == view.count, (view.name, address)

    def test_empty_view_says_so(self, admin_client):
        make_bugs(1)
        text = admin_client.get(url("knownbug"), {"view": "muted"}).text
        assert "No bugs in “Muted”." in text


class TestRows:
    def test_row_says_what_where_how_often_and_who(self, admin_client):
        [bug] = make_bugs(1, user_id="7", client="a" * 16)
        KnownBug.objects.update(
            assignee=User.objects.get(),
            github_issue_number=700,
            github_issue_url="https://github.com/acme/shop/issues/700",
        )
        Filing.objects.update(reason="no room", state="failed")
        response = admin_client.get(url("knownbug"))
        [row] = response.context["rows"]
        assert row.headline == "order 0 not found"
        assert (row.location, row.route) == ("shop.orders.find_0", "/orders/0/")
        assert (row.day_count, row.people, row.who) == (1, 1, "admin")
        assert row.not_filed == "markdown: no room"
        assert [bar.height for bar in row.bars] == [0] * 13 + [30]
        for words in (
            *("B-001", bug.title, "order 0 not found", "shop.orders.find_0"),
            *("/orders/0/", "high", "open", "#700", "no room", ">admin<"),
        ):
            assert words in response.text, words

    def test_specified_columns_are_in_the_rows(self, admin_client):
        make_bugs(1)
        specified = {
            "knownbug": "bug_id title severity status occurrence_count last_occurrence",
            "errorlog": "created status_code error_type url_pattern fingerprint",
        }
        for model, names in specified.items():
            text = admin_client.get(url(model)).text
            for name in names.split():
                assert re.search(rf'class="[^"]*\bfield-{name}\b', text), name

    def test_title_that_a_person_gave_is_shown(self, admin_client):
        make_bugs(1)
        KnownBug.objects.update(title="The till is empty")
        [row] = admin_client.get(url("knownbug")).context["rows"]
        assert row.headline == "The till is empty"

    def test_bug_without_group_or_with_many_is_shown(self, admin_client):
        KnownBug(title="by hand").save()
        first, second = make_bugs(2)
        second.groups.update(bug=first)
        KnownBug.objects.filter(pk=first.pk).update(assignee=12345)
        rows = {
            row.bug.bug_id: row
            for row in admin_client.get(url("knownbug")).context["rows"]
        }
        assert rows["B-001"].headline == "by hand"
        assert rows["B-001"].last == "-"
        assert rows[first.bug_id].more_groups == "and 1 more"
        assert rows[first.bug_id].who == "somebody who is gone"

    def test_values_of_messages_and_people_need_the_permission(self, client):
        make_bugs(1, user_label="annabel", error_type="message")
        staff(client, "view_knownbug", "view_errorlog", "view_errorgroup")
        for address in (
            url("knownbug"),
            url("errorlog"),
            url("errorgroup") + "?view=all",
        ):
            text = client.get(address).text
            assert "order {number} not found" in text, address
            assert "order 0 not found" not in text
            assert "annabel" not in text


class TestPages:
    @pytest.fixture(autouse=True)
    def _small_pages(self, monkeypatch):
        from django.contrib.admin import site

        for model in (KnownBug, ErrorLog, ErrorGroup):
            monkeypatch.setattr(site.get_model_admin(model), "list_per_page", 3)

    @pytest.mark.parametrize(
        ("model", "query"),
        [
            ("knownbug", "?view=all"),
            ("knownbug", "?view=all&sort=count"),
            ("knownbug", "?view=all&sort=day"),
            ("errorlog", "?environment=production"),
            ("errorgroup", "?view=all"),
        ],
    )
    def test_pages_have_each_row_once_forwards_and_backwards(
        self, admin_client, model, query
    ):
        bugs = make_bugs(7)
        # Equal values are told apart by the key.
        moment = timezone.now() - dt.timedelta(hours=1)
        for rows, name in ((KnownBug, "last_occurrence"), (ErrorGroup, "last_seen")):
            rows.objects.filter(pk__in=range(5)).update(**{name: moment})
        ErrorLog.objects.update(created=moment)

        pages = []
        address = query
        while address:
            cl = admin_client.get(url(model) + address).context["cl"]
            pages.append([row.pk for row in cl.result_list])
            address = cl.older_url
        found = [pk for page in pages for pk in page]
        assert [len(page) for page in pages] == [3, 3, 1]
        assert len(set(found)) == len(found) == len(bugs)
        backwards = [pages[-1]]
        while cl.newer_url:
            cl = admin_client.get(url(model) + cl.newer_url).context["cl"]
            backwards.append([row.pk for row in cl.result_list])
        assert backwards[::-1] == pages

    def test_most_in_24_hours_come_first_on_every_page(self, admin_client):
        bugs = make_bugs(7)
        counts = (0, 5, 2, 9, 2, 7, 1)
        for bug, count in zip(bugs, counts, strict=True):
            rows = HourlyCount.objects.filter(group__bug=bug)
            # What is older than a day does not count.
            old = rows.get()
            HourlyCount.objects.create(
                group=old.group, hour=old.hour - dt.timedelta(hours=30), count=100
            )
            rows.filter(pk=old.pk).update(count=count)
        long_ago = timezone.now() - dt.timedelta(days=3)
        [never, *_others] = bugs
        KnownBug.objects.filter(pk=never.pk).update(last_occurrence=long_ago)
        found = []
        address = "?sort=day"
        while address:
            response = admin_client.get(url("knownbug") + address)
            found += [(row.bug.pk, row.day_count) for row in response.context["rows"]]
            address = response.context["cl"].older_url
        assert [count for _pk, count in found] == sorted(counts, reverse=True)
        assert {pk for pk, _count in found} == {bug.pk for bug in bugs}
        assert '<option value="day" selected>' in response.text

    @pytest.mark.parametrize(
        "cursor",
        ["", "x", "~", "x~1", "2026-11-28~x", "2026-11-28T10:00:00~1", "1~2~3"],
    )
    def test_nonsense_in_the_address_is_the_first_page(self, admin_client, cursor):
        make_bugs(1)
        for name in ("after", "before"):
            response = admin_client.get(url("knownbug"), {name: cursor})
            assert len(shown(response)) == 1
        assert Cursor.parse(cursor, is_number=False) is None

    def test_nothing_is_counted_for_the_pages_of_error_logs(self, admin_client):
        make_bugs(4)
        with CaptureQueriesContext(connection) as queries:
            admin_client.get(url("errorlog"))
        table = f'FROM "{ErrorLog._meta.db_table}"'.replace('"', "")
        for query in queries:
            sql = query["sql"].replace('"', "").replace("`", "")
            assert not ("COUNT(" in sql and table in sql), sql


@pytest.mark.parametrize(
    ("model", "query"),
    [
        ("knownbug", {}),
        ("knownbug", {"view": "all", "q": "order"}),
        ("knownbug", {"view": "all", "sort": "count"}),
        ("knownbug", {"view": "all", "sort": "day"}),
        ("knownbug", {"view": "unassigned", "sort": "day"}),
        ("knownbug", {"view": "unfiled"}),
        ("knownbug", {"view": "all", "q": "user:7"}),
        ("knownbug", {"view": "all", "q": "release:1.0"}),
        ("errorlog", {}),
        ("errorlog", {"q": "order"}),
        ("errorlog", {"q": "user:7"}),
        ("errorlog", {"q": "server:web-1"}),
        ("errorlog", {"error_type__exact": "exception", "since": "24h"}),
        ("errorgroup", {"view": "all"}),
        ("errorgroup", {"view": "all", "q": "/orders/"}),
    ],
)
def test_number_of_queries_is_constant(admin_client, model, query):
    def queries():
        with CaptureQueriesContext(connection) as found:
            response = admin_client.get(url(model), query)
        assert response.context["rows"]
        return len(found)

    of_one = {"user_id": "7", "release": "1.0", "server_name": "web-1"}
    make_bugs(2, **of_one)
    table_size.measure()  # remembered for some minutes
    before = queries()
    make_bugs(12, **of_one)
    [first, *_others] = KnownBug.objects.all()
    ErrorGroup.objects.filter(bug__number__lt=6).update(bug=first)
    if query.get("view") != "unassigned":
        KnownBug.objects.update(assignee=User.objects.get())
    # The names of assignees are one more.
    assert queries() <= before + 1
    assert before <= 20


class TestSearch:
    @pytest.fixture
    def bugs(self):
        bugs = make_bugs(3)
        KnownBug.objects.filter(pk=bugs[0].pk).update(
            github_issue_number=700, description="The till is empty in the morning."
        )
        KnownBug.objects.filter(pk=bugs[1].pk).update(first_release="1.5")
        return bugs

    def find(self, client, text):
        response = client.get(url("knownbug", "search"), {"q": text})
        assert response.status_code == 302
        return response.url

    def test_unique_matches_open_directly(self, admin_client, bugs):
        log = ErrorLog.objects.get(group__bug=bugs[0])
        page = url("knownbug", "change", bugs[0].pk)
        for text in ("B-001", "b-1", "#700", "till morning", '"is empty"', "find_0"):
            assert self.find(admin_client, text) == page, text
        assert self.find(admin_client, "/orders/0/") == page
        assert self.find(admin_client, log.fingerprint) == page
        occurrence = f"{page}?occurrence={log.reference}"
        assert self.find(admin_client, log.reference.upper()) == occurrence
        second = url("knownbug", "change", bugs[1].pk)
        assert self.find(admin_client, "release:1.5") == second

    def test_words_of_the_message_are_found(self, admin_client, bugs):
        page = url("knownbug", "change", bugs[2].pk)
        assert self.find(admin_client, '"order 2 not"') == page

    def test_deleted_bug_is_found_by_its_name(self, admin_client, bugs):
        bugs[0].delete()
        page = url("knownbug", "change", bugs[0].pk)
        assert self.find(admin_client, "B-001") == page

    def test_many_matches_are_a_list(self, admin_client, bugs):
        address = self.find(admin_client, "order")
        response = admin_client.get(address)
        assert len(shown(response)) == 3
        assert "the word “order”" in response.text

    def test_errors_of_one_user_are_found_by_name_address_and_key(
        self, admin_client, bugs
    ):
        ada = User.objects.create_user("ada.1", email="ada@example.com")
        User.objects.create_user("ada.10")
        ErrorLog.objects.filter(group__bug=bugs[1]).update(user_id=ada.pk)
        page = url("knownbug", "change", bugs[1].pk)
        for name in ("ada.1", "ADA@example.com", ada.pk):
            assert self.find(admin_client, f"user:{name}") == page
        response = admin_client.get(self.find(admin_client, "user:ada.10"))
        assert shown(response) == []
        assert "Nothing was found." in response.text
        big = admin_client.get(url("knownbug"), {"q": f"user:{10**30}"})
        assert shown(big) == []

    def test_user_of_error_logs_is_found_by_index_or_by_label(self, admin_client, bugs):
        ada = User.objects.create_user("ada.1")
        logs = ErrorLog.objects.order_by("pk")
        logs.filter(pk=logs.first().pk).update(user_id=ada.pk)
        logs.filter(pk=logs.last().pk).update(user_label="gone")
        for name, log in (("ada.1", logs.first()), ("gone", logs.last())):
            response = admin_client.get(url("errorlog"), {"q": f"user:{name}"})
            assert [row.log for row in response.context["rows"]] == [log]

    def test_what_looks_like_a_name_is_searched_as_words(self, admin_client, bugs):
        KnownBug.objects.filter(pk=bugs[1].pk).update(title="utf-8 cannot be read")
        page = url("knownbug", "change", bugs[1].pk)
        assert self.find(admin_client, "utf-8") == page

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("B-999", "There is no bug B-999."),
            ("#9", "No bug has the issue #9."),
            ("0123456789", "No error log has the reference 0123456789"),
            ("f" * 32, "No error group has the fingerprint"),
            ("no-such-thing", "Nothing was found."),
            ("is:green", "“is:green” makes no sense here."),
            ("server:web-1", "Servers are in the error logs only."),
        ],
    )
    def test_box_says_what_it_did_not_find(self, admin_client, bugs, text, words):
        response = admin_client.get(self.find(admin_client, text))
        assert shown(response) == []
        assert words in response.text
        if not text.startswith("is:"):
            assert "Search the latest 20,000 error logs" in response.text

    def test_states_are_found(self, admin_client, bugs):
        KnownBug.objects.filter(pk=bugs[0].pk).update(assignee=User.objects.get())
        bugs[1].resolve()
        bugs[2].delete()
        for state, expected in (
            ("mine", ["B-001"]),
            ("resolved", ["B-002"]),
            ("deleted", ["B-003"]),
            ("new", []),
        ):
            response = admin_client.get(self.find(admin_client, f"is:{state}"))
            assert shown(response) == expected

    def test_what_is_no_bug_is_linked(self, admin_client, bugs):
        KnownBug.objects.get(pk=bugs[0].pk).groups.update(bug=None)
        group = ErrorGroup.objects.get(bug=None)
        assert self.find(admin_client, group.fingerprint) == url(
            "errorgroup", "change", group.pk
        )
        response = admin_client.get(url("knownbug"), {"q": "find_0"})
        [groups, _logs] = response.context["search_report"].links
        rows = admin_client.get(groups.url).context["rows"]
        assert [row.group for row in rows] == [group]
        log = ErrorLog.objects.get(group=group)
        page = url("errorlog", "change", log.pk)
        assert self.find(admin_client, log.reference) == page

    def test_number_of_what_is_no_bug_has_a_bound(
        self, admin_client, bugs, monkeypatch
    ):
        monkeypatch.setattr(search, "MOST_COUNTED", 2)
        ErrorGroup.objects.update(bug=None)
        report = admin_client.get(url("knownbug"), {"q": "order"}).context
        [groups, _logs] = report["search_report"].links
        assert groups.text == "2 or more errors that are not bugs"

    def test_error_logs_are_searched_when_asked_and_the_latest_only(
        self, admin_client, bugs, monkeypatch
    ):
        monkeypatch.setattr(search, "SEARCHED_LOGS", 2)
        ErrorLog.objects.update(server_name="web-1", release="3.0")
        for text in ("order", "/orders/", "server:web-1", "release:3.0"):
            rows = admin_client.get(url("errorlog"), {"q": text}).context["rows"]
            assert len(rows) == 2, text
        for text in ("B-001", "#700", ErrorLog.objects.first().reference):
            rows = admin_client.get(url("errorlog"), {"q": text}).context["rows"]
            assert len(rows) == 1, text
        assert not admin_client.get(url("errorlog"), {"q": "is:mine"}).context["rows"]

    def test_nobody_finds_out_by_searching_what_is_hidden(self, client, bugs):
        ada = User.objects.create_user("eve")
        ErrorLog.objects.update(user_id=ada.pk, user_label="eve")
        staff(client, "view_knownbug", "view_errorlog", "view_errorgroup")
        for model in ("knownbug", "errorgroup", "errorlog"):
            for text in ("user:eve", '"order 1 not"'):
                page = client.get(url(model), {"q": text, "view": "all"})
                if model == "errorlog":
                    page = client.get(url(model), {"q": text})
                assert not page.context["rows"], (model, text)
        assert (
            "People are hidden" in client.get(url("knownbug"), {"q": "user:eve"}).text
        )

    @pytest.mark.parametrize(
        ("permission", "model"),
        [("view_errorgroup", "errorgroup"), ("view_errorlog", "errorlog")],
    )
    def test_search_leads_only_where_one_may_go(self, client, bugs, permission, model):
        staff(client, permission)
        log = ErrorLog.objects.first()
        for text in ("order", "B-001", log.reference, log.fingerprint, "", "is:mine"):
            address = self.find(client, text)
            assert client.get(address).status_code == 200, address
            assert f"/{model}/" in address

    def test_search_box_is_on_every_page_of_ours(self, admin_client, bugs):
        for address in (
            url("knownbug"),
            url("errorlog"),
            url("errorgroup"),
            url("knownbug", "change", bugs[0].pk),
        ):
            text = admin_client.get(address).text
            assert f'action="{url("knownbug", "search")}"' in text, address


@pytest.mark.parametrize(
    "query", ["", "environment=staging", "status_code=404", "q=order", "bug__isnull=0"]
)
def test_numbers_of_the_views_of_groups_are_those_of_their_lists(admin_client, query):
    bugs = make_bugs(3)
    ErrorGroup.objects.filter(bug=bugs[0]).update(bug=None, environment="staging")
    ErrorGroup.objects.filter(bug=bugs[1]).update(bug=None, status_code=404)
    links = admin_client.get(f"{url('errorgroup')}?{query}").context["view_links"]
    for address, view, _is_shown in links:
        response = admin_client.get(url("errorgroup") + address)
        assert len(response.context["rows"]) == view.count, (view.name, address)


@pytest.mark.parametrize("model", ["knownbug", "errorgroup", "errorlog"])
def test_list_without_tables_says_what_to_do(admin_client, monkeypatch, model):
    def fail(*_args, **_more):
        raise OperationalError("no such table: error_tracking_knownbug")

    monkeypatch.setattr(KeysetChangeList, "get_queryset", fail)
    response = admin_client.get(url(model))
    assert response.status_code == 200
    assert "manage.py migrate" in response.text

    def break_down(*_args, **_more):
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(KeysetChangeList, "get_queryset", break_down)
    with pytest.raises(OperationalError, match="disk"):
        admin_client.get(url(model))


def test_row_says_what_catches_the_eye(admin_client, db):
    incident, merged, survivor = make_bugs(3)
    rows = KnownBug.all_objects
    rows.filter(pk=incident.pk).update(kind=KnownBug.Kind.INCIDENT)
    rows.filter(pk=merged.pk).update(merged_into=survivor)
    found = admin_client.get(url("knownbug"), {"view": "all"}).context["rows"]
    badges = {row.bug.pk: [badge[0] for badge in row.badges] for row in found}
    assert badges == {
        incident.pk: ["incident"],
        merged.pk: ["merged"],
        survivor.pk: [],
    }


class TestNotBugs:
    @pytest.fixture
    def group(self):
        event = make_event(error_type="http_4xx", status_code=404)
        store.store([event])
        ErrorGroup.objects.update(verdict_reason="met by 1 of 3 clients")
        return ErrorGroup.objects.get()

    def act(self, client, group, name):
        address = url("errorgroup", "action", group.pk)
        return client.post(address, {"act": name}, follow=True)

    def test_reason_is_in_the_list(self, admin_client, group):
        make_bugs(1)
        response = admin_client.get(url("errorgroup"))
        assert [row.group for row in response.context["rows"]] == [group]
        assert "met by 1 of 3 clients" in response.text
        assert "Never show again" in response.text

    def test_group_is_made_a_bug(self, admin_client, group):
        response = self.act(admin_client, group, "create_bug")
        bug = KnownBug.objects.get()
        assert f"New bug: {bug.bug_id}" in response.text
        assert response.redirect_chain[-1][0] == url("knownbug", "change", bug.pk)
        assert "already" in self.act(admin_client, group, "create_bug").text

    def test_group_is_hidden_and_shown_again(self, admin_client, group):
        assert "never becomes a bug" in self.act(admin_client, group, "hide").text
        assert not admin_client.get(url("errorgroup")).context["rows"]
        hidden = admin_client.get(url("errorgroup"), {"view": "hidden"})
        assert [row.group for row in hidden.context["rows"]] == [group]
        assert "Show again" in hidden.text
        self.act(admin_client, group, "show_again")
        assert admin_client.get(url("errorgroup")).context["rows"]

    def test_many_are_hidden_at_once(self, admin_client, group):
        for action, view in (("hide", "hidden"), ("show_again", "not_bugs")):
            data = {"action": action, "_selected_action": [group.pk], "index": "0"}
            admin_client.post(url("errorgroup"), data)
            response = admin_client.get(url("errorgroup"), {"view": view})
            assert [row.group for row in response.context["rows"]] == [group]
        data = {"action": "create_bug", "_selected_action": [group.pk], "index": "0"}
        admin_client.post(url("errorgroup"), data)
        assert KnownBug.objects.get().groups.get() == group

    def test_nothing_happens_without_permission_by_get_or_by_a_wrong_name(
        self, client, admin_client, group
    ):
        address = url("errorgroup", "action", group.pk)
        assert admin_client.get(address).status_code == 405
        assert "no such action" in self.act(admin_client, group, "burn").text
        missing = url("errorgroup", "action", 12345)
        assert admin_client.post(missing, {"act": "hide"}).status_code == 404
        staff(client, "view_errorgroup")
        assert client.post(address, {"act": "hide"}).status_code == 403
        assert "Never show again" not in client.get(url("errorgroup")).text
        group.refresh_from_db()
        assert group.verdict == ""


def test_actions_are_buttons_of_one_form_that_works_without_a_script(admin_client):
    bug, other = make_bugs(2)
    text = admin_client.get(url("knownbug")).text
    form = text.partition('id="changelist-form"')[2].partition("</form>")[0]
    assert 'name="index" value="0"' in form
    names = set(re.findall(r'name="action" value="(\w+)"', form))
    assert {"mark_resolved", "merge", "mute", "delete_selected"} <= names
    assert "restore" not in names
    data = {"action": "mark_resolved", "index": "0", "_selected_action": [bug.pk]}
    admin_client.post(url("knownbug"), data)
    bug.refresh_from_db()
    other.refresh_from_db()
    assert (bug.status, other.status) == ("resolved", "open")
    other.delete()
    text = admin_client.get(url("knownbug"), {"view": "deleted"}).text
    assert re.findall(r'name="action" value="(\w+)"', text) == ["restore"]
