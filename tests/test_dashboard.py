"""The dashboard's numbers are the counts', whatever the period, and its views let only the right people in."""

from __future__ import annotations

import datetime as dt
import json
import xml.etree.ElementTree as ET

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from error_tracking import recorder
from error_tracking.dashboard import attention, charts, frequent
from error_tracking.dashboard import queries as dashboard
from error_tracking.dashboard.bug_rows import BugRow
from error_tracking.dashboard.dead_links import dead_links
from error_tracking.models import ErrorGroup, ErrorLog, Filing, HourlyCount, KnownBug
from error_tracking.utils import hour_of
from tests.factories import make_event

NOW = dt.datetime(2026, 3, 10, 12, 30, tzinfo=dt.UTC)


def record(hours_ago=0.0, **values):
    moment = NOW - dt.timedelta(hours=hours_ago)
    recorder.submit(make_event(timestamp=moment.timestamp(), **values))


def test_empty_dashboard_says_so(immediate):
    numbers = dashboard.look(now=NOW)
    assert numbers.is_empty
    assert (numbers.total, numbers.open_bugs, list(numbers.top_bugs)) == (0, 0, [])
    assert list(numbers.needs) == []
    assert len(numbers.buckets) == 24


def test_dashboard_is_not_empty_when_something_failed_before_the_period(
    immediate, configure
):
    configure(AUTO_CREATE_BUGS=False)
    record(24 * 40)
    numbers = dashboard.look(now=NOW)
    assert (numbers.is_empty, numbers.total) == (False, 0)


def test_what_is_not_filed_is_told_once_for_each_reason(immediate):
    for number in range(3):
        recorder.submit(make_event(fingerprint=f"{number:032d}"))
    Filing.objects.update(state="paused", reason="20 bugs were filed in this hour")
    assert dashboard.look().unfiled == [
        ("paused", "markdown", "20 bugs were filed in this hour", 3)
    ]
    Filing.objects.update(state="pending", reason="")
    assert dashboard.look().unfiled == []


def test_totals_are_those_of_the_period(immediate):
    record(1)
    record(30)
    record(24 * 10)
    record(24 * 40)
    assert [dashboard.look(period, now=NOW).total for period in dashboard.PERIODS] == [
        1,
        2,
        3,
        4,
    ]


def test_unknown_period_is_the_default(immediate):
    assert dashboard.look("for ever", now=NOW).period == "24h"


def test_buckets_add_up_to_the_total(immediate):
    for hours in (0, 1, 1, 5, 23):
        record(hours)
    record(2, error_type="http_4xx", status_code=404, fingerprint="a" * 32)
    numbers = dashboard.look("24h", now=NOW)
    assert sum(bucket.total for bucket in numbers.buckets) == numbers.total == 6
    assert numbers.by_kind == {"exception": 5, "http_4xx": 1}
    week = dashboard.look("7d", now=NOW)
    assert sum(bucket.total for bucket in week.buckets) == week.total == 6
    assert len(week.buckets) in {7, 8}


def test_environments_do_not_mix(immediate):
    record(1, environment="staging")
    assert dashboard.look(now=NOW).total == 0
    assert dashboard.look(environment="staging", now=NOW).total == 1


def test_bugs_seen_most_come_first_with_their_people(immediate):
    record(1, fingerprint="a" * 32, title="rare", client="1" * 16)
    for number in range(3):
        record(1, fingerprint="b" * 32, title="common", client=f"{number % 2:016d}")
    tops = dashboard.look(now=NOW).top_bugs
    assert [(top.bug.title, top.count, top.people) for top in tops] == [
        ("common", 3, 2),
        ("rare", 1, 1),
    ]
    assert sum(tops[0].spark) == 3


def test_many_people_are_shown_as_a_bound():
    values = {"bug": None, "headline": "", "route": "", "count": 1, "who": ""}
    for people, label in ((999, "999"), (1_000, "1,000+")):
        row = BugRow(**values, people=people, spark=())
        assert row.people_label == label


@pytest.mark.parametrize("rows_read_first", [0, 40_000])
def test_most_frequent_bugs_are_those_of_the_period_and_not_of_all_time(
    immediate, monkeypatch, rows_read_first
):
    monkeypatch.setattr(frequent, "ROWS_READ_FIRST", rows_read_first)
    seen = ((5, 1), (3, 2), (0, 3), (1, 4), (6, 1), (7, 1))
    for number, (before, now) in enumerate(seen):
        values = {"fingerprint": f"{number:032d}", "title": f"seen {now} times"}
        for hours, times in ((24 * 40, before), (1, now)):
            for _ in range(times):
                record(hours, culprit=f"shop.views.view{number}", **values)
    groups = frequent.groups_seen("production", NOW - dt.timedelta(hours=24))
    since = NOW - dt.timedelta(hours=24)
    bugs, _ = frequent.most_frequent_bugs(groups, since, NOW, number=2)
    assert list(bugs.values()) == [4, 3]


def test_previous_period_is_compared_and_none_without_one(immediate):
    for _ in range(3):
        record(1)
    assert dashboard.look(now=NOW).change is None
    for _ in range(2):
        record(30)
    assert dashboard.look(now=NOW).change == 50


class TestNeeds:
    """What needs somebody, and why."""

    def look(self):
        return dashboard.look()

    def test_new_bug_without_an_assignee_needs_somebody(self, immediate, admin_user):
        recorder.submit(make_event())
        [row] = self.look().needs
        assert row.bug.bug_id == "B-001"
        assert row.reasons[0].startswith("New ")
        KnownBug.objects.update(assignee=admin_user)
        assert list(self.look().needs) == []

    def test_regression_needs_somebody_and_quiet_old_bugs_nobody(self, immediate):
        recorder.submit(make_event())
        KnownBug.objects.update(created=timezone.now() - dt.timedelta(days=9))
        assert list(self.look().needs) == []
        KnownBug.objects.update(regressed_at=timezone.now() - dt.timedelta(hours=3))
        [row] = self.look().needs
        assert row.reasons == ("Regressed 3 hours ago",)

    def test_bug_of_the_running_release_is_new(self, immediate, configure):
        configure(RELEASE="2026.3")
        recorder.submit(make_event(release="2026.3"))
        KnownBug.objects.update(created=timezone.now() - dt.timedelta(days=9))
        [row] = self.look().needs
        assert row.reasons == ("New in 2026.3, which runs now",)

    def test_spike_outweighs_the_rest_even_of_a_bug_in_progress(self, immediate):
        for number in range(2):
            place = f"shop.views.view{number}"
            recorder.submit(make_event(fingerprint=f"{number:032d}", culprit=place))
        hour = hour_of(timezone.now())
        spiking = KnownBug.objects.get(bug_id="B-001")
        spiking.start()
        HourlyCount.objects.filter(group__bug=spiking, hour=hour).update(count=420)
        numbers = self.look()
        assert [row.bug.bug_id for row in numbers.needs] == ["B-001", "B-002"]
        expected = "420 times in an hour, usually 1"
        assert numbers.needs[0].reasons[0] == expected

    def test_spike_is_not_over_when_its_hour_is(self, immediate):
        recorder.submit(make_event())
        hour_before = hour_of(timezone.now()) - dt.timedelta(hours=1)
        HourlyCount.objects.update(hour=hour_before, count=420)
        reasons = self.look().needs[0].reasons
        assert reasons[0] == "420 times in an hour, usually 1"
        group = ErrorGroup.objects.get()
        hour = hour_before + dt.timedelta(hours=1)
        HourlyCount.objects.create(group=group, hour=hour, count=430)
        reasons = self.look().needs[0].reasons
        assert reasons[0].startswith("430 times in an hour")
        ErrorGroup.objects.update(bug=None)
        assert not any("in an hour" in str(row) for row in self.look().needs)

    def test_more_than_fit_are_counted(self, immediate):
        for number in range(attention.SHOWN + 3):
            place = f"shop.views.view{number}"
            recorder.submit(make_event(fingerprint=f"{number:032d}", culprit=place))
        numbers = self.look()
        assert len(numbers.needs) == attention.SHOWN
        assert numbers.needs_count == attention.SHOWN + 3


def test_dead_links_name_the_page_that_has_them(immediate):
    for referer, times in (
        ("https://shop.example/help/?user=ada", 2),
        ("https://elsewhere.example/list/", 3),
        ("http://[bad/", 1),
        ("", 1),
    ):
        for _ in range(times):
            data = {"headers": {"Accept": "*/*", "Referer": referer}}
            if not referer:
                data = {"headers": {"Accept": "*/*"}}
            record(
                1,
                error_type="http_4xx",
                status_code=404,
                fingerprint="c" * 32,
                culprit="",
                url="https://shop.example/old-page/?token=1",
                request=data,
            )
    found = dead_links("production", NOW - dt.timedelta(days=1), number=5)
    assert [(link.address, link.page, link.count) for link in found] == [
        ("/old-page/", "/help/", 2),
        ("/old-page/", "elsewhere.example/list/", 3),
    ]
    assert [link.is_internal for link in found] == [True, False]


def test_new_bugs_regressions_unfiled_and_held_back_are_listed(immediate):
    moment = timezone.now()
    recorder.submit(make_event(timestamp=moment.timestamp()))
    values = {
        "error_type": "http_4xx",
        "status_code": 404,
        "fingerprint": "c" * 32,
        "title": "HTTP 404",
    }
    recorder.submit(make_event(timestamp=moment.timestamp(), **values))
    bug = KnownBug.objects.get()
    bug.resolve()
    recorder.submit(make_event(timestamp=timezone.now().timestamp() + 1))
    Filing.objects.update(state="failed", reason="the folder is read-only")
    numbers = dashboard.look()
    assert (
        [each.bug_id for each in numbers.new.bugs]
        == [each.bug_id for each in numbers.regressed.bugs]
        == ["B-001"]
    )
    assert numbers.unfiled == [("failed", "markdown", "the folder is read-only", 1)]
    [suppressed] = numbers.suppressed
    assert (suppressed.groups, suppressed.times) == (1, 1)
    assert numbers.by_severity["high"] == numbers.open_bugs == 1
    KnownBug.objects.mute()
    assert (
        dashboard.look("24h").open_bugs == dashboard.error_stats()["open_bugs"] == 0
    )  # nobody means to mend it now
    assert json.dumps(numbers.as_json())


def test_cards_count_all_new_bugs_and_the_lists_show_some(immediate):
    for number in range(dashboard.LISTED + 5):
        place = f"shop.views.view{number}"
        recorder.submit(make_event(fingerprint=f"{number:032d}", culprit=place))
    numbers = dashboard.look()
    assert numbers.new.count == dashboard.LISTED + 5
    assert len(numbers.new.bugs) == dashboard.LISTED
    assert numbers.regressed.count == 0


def test_dashboard_reads_a_bounded_number_of_error_logs(
    immediate, django_assert_max_num_queries
):
    record(1)
    with django_assert_max_num_queries(28) as queries:
        dashboard.look(now=NOW)
    of_logs = [
        query["sql"] for query in queries if ErrorLog._meta.db_table in query["sql"]
    ]
    assert len(of_logs) == 1
    assert "LIMIT 500" in of_logs[0]


@pytest.mark.parametrize("period", dashboard.PERIODS)
def test_number_of_queries_does_not_grow(immediate, period):
    counts = []
    for first, end in ((0, 3), (3, 12)):
        for number in range(first, end):
            values = {
                "fingerprint": f"{number:032d}",
                "culprit": f"shop.views.view{number}",
            }
            record(1, **values)
            record(number * 24, **values)
            # In the period before.
            record(1 + dashboard.PERIODS[period] // dt.timedelta(hours=1), **values)
        with CaptureQueriesContext(connection) as queries:
            dashboard.look(period, now=NOW)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_chart_is_well_formed_and_escaped():
    bars = [
        charts.Bar("<a>", "2 < 3 & 'x'", {"exception": 2, "csrf": 1}),
        charts.Bar("b", "none", {}),
    ]
    svg = charts.bar_chart(bars, title='Errors "now"', description="3 in all")
    root = ET.fromstring(svg)
    drawn = [each for each in root.iter() if "et-bar" in each.get("class", "")]
    assert len(drawn) == 2
    values = [each.text for each in root.iter("text") if each.get("direction")]
    assert values == ["1", "2", "3"], "the value axis has three lines"
    assert root.find(".//title").text == "2 < 3 & 'x'"
    heights = [float(rectangle.get("height")) for rectangle in drawn]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.2)


def test_chart_without_bars_is_empty():
    assert charts.bar_chart([], title="x", description="y") == ""


def test_chart_has_few_labels():
    bars = [charts.Bar(str(number), "", {"exception": number}) for number in range(30)]
    svg = charts.bar_chart(bars, title="x", description="y")
    assert svg.count('text-anchor="middle"') <= charts.MAX_LABELS


def test_chart_has_a_table_with_the_same_numbers_links_and_releases():
    bars = [
        charts.Bar("Mon", "", {"csrf": 2}, url="/logs/?a=1&b=2", releases=["1.0"]),
        charts.Bar("Tue", "", {}),
    ]
    kinds = {"csrf": "CSRF failure"}
    html = charts.bar_chart(bars, title="x", description="y", kinds=kinds)
    root = ET.fromstring(html)
    [row] = root.findall(".//tbody/tr")
    assert ["".join(cell.itertext()) for cell in row] == ["Mon", "2", "2", "1.0"]
    links = [link.get("href") for link in root.iter("a")]
    assert links == ["/logs/?a=1&b=2"] * 2
    assert "CSRF failure" in html


def test_release_that_runs_now_is_named_and_names_do_not_cover_each_other():
    bars = [charts.Bar(str(number), "", {"csrf": 1}) for number in range(30)]
    for number, release in ((5, "1.0"), (25, "1.1"), (29, "1.2")):
        bars[number] = charts.Bar("", "", {"csrf": 1}, releases=[release])
    root = ET.fromstring(charts.bar_chart(bars, title="x", description="y"))
    named = [
        each.text for each in root.iter("text") if "et-version" in each.get("class", "")
    ]
    assert named == ["1.0", "1.2"]


@pytest.mark.parametrize(
    ("highest", "step"), [(0, 1), (1, 1), (3, 1), (4, 2), (16, 10), (1_350, 500)]
)
def test_axis_has_round_numbers(highest, step):
    assert charts.axis_step(highest) == step


@pytest.mark.urls("tests.admin_urls")
class TestViews:
    def test_dashboard_is_for_staff_with_the_permission(self, client, immediate):
        assert client.get("/errors/").status_code == 302
        user = User.objects.create_user("ada", is_staff=True)
        client.force_login(user)
        assert client.get("/errors/").status_code == 403
        user.user_permissions.set(Permission.objects.filter(codename="view_dashboard"))
        assert client.get("/errors/").status_code == 200
        assert client.post("/errors/").status_code == 405
        assert client.put("/errors/").status_code == 405

    def test_retry_files_again_what_failed_for_this_reason(
        self, client, admin_client, immediate
    ):
        for number in range(2):
            recorder.submit(make_event(fingerprint=f"{number:032d}"))
        Filing.objects.update(state="failed", reason="HTTP 403")
        page = admin_client.get("/errors/")
        assert "HTTP 403" in page.text
        form = {"action": "retry", "tracker": "markdown", "reason": "HTTP 403"}
        user = User.objects.create_user("ada", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename="view_dashboard"))
        client.force_login(user)
        assert client.post("/errors/", form).status_code == 403
        other = {**form, "reason": "another"}
        assert admin_client.post("/errors/", other).status_code == 302
        assert set(Filing.objects.values_list("state", flat=True)) == {"failed"}
        assert admin_client.post("/errors/", form).status_code == 302
        assert not Filing.objects.filter(state="failed").exists()

    def test_page_links_only_to_what_the_user_may_open(self, client, immediate):
        recorder.submit(make_event())
        user = User.objects.create_user("ada", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename="view_dashboard"))
        client.force_login(user)
        page = client.get("/errors/").text
        assert "B-001" in page
        for part in ("/knownbug/", "/errorlog/", "/errorgroup/", "assign_to_me"):
            assert part not in page

    def test_missing_tables_are_explained(self, admin_client, immediate, monkeypatch):
        def fail(*_args, **_more):
            raise OperationalError("no such table: error_tracking_errorgroup")

        monkeypatch.setattr(dashboard, "look", fail)
        for address in ("/errors/", "/admin/error_tracking/dashboard/"):
            response = admin_client.get(address)
            assert response.status_code == 200
            assert "manage.py migrate" in response.text

    def test_every_period_has_its_page(self, admin_client, immediate):
        recorder.submit(make_event())
        for period in dashboard.PERIODS:
            page = admin_client.get("/errors/", {"period": period}).text
            assert "Most frequent bugs" in page
            assert "Needs attention" in page

    @pytest.mark.parametrize(
        ("kind", "status", "error"),
        [
            ("nobody", 401, "not_signed_in"),
            ("inactive", 401, "not_signed_in"),
            ("visitor", 403, "not_staff"),
            ("staff", 403, "permission_missing"),
            ("other permission", 403, "permission_missing"),
            ("allowed", 200, None),
        ],
    )
    @pytest.mark.parametrize("accepts", ["application/json", "*/*", None])
    def test_program_gets_json_also_when_it_may_not_see_the_numbers(
        self, client, immediate, kind, status, error, accepts
    ):
        if kind != "nobody":
            user = User.objects.create_user("ada", is_staff=kind != "visitor")
            wanted = {
                "other permission": "view_errorlog",
                "allowed": "view_dashboard",
                "inactive": "view_dashboard",
            }.get(kind, "")
            user.user_permissions.set(Permission.objects.filter(codename=wanted))
            client.force_login(user)
            User.objects.update(is_active=kind != "inactive")
        headers = {} if accepts is None else {"accept": accepts}
        response = client.get("/errors/dashboard.json", headers=headers)
        assert response.status_code == status
        assert response["Content-Type"] == "application/json"
        data = response.json()
        assert data.get("error") == error
        if error is not None:
            assert data["detail"].endswith(".") or data["detail"].endswith("it.")
            assert response["Cache-Control"] == "no-store"
        if error == "permission_missing":
            assert "error_tracking.view_dashboard" in data["detail"]
        assert response.has_header("WWW-Authenticate") is (status == 401)

    def test_browser_without_a_session_is_sent_to_the_login_page(
        self, client, immediate
    ):
        accepts = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        response = client.get("/errors/dashboard.json", headers={"accept": accepts})
        assert response.status_code == 302
        assert "/login/" in response["Location"]
        assert client.post("/errors/dashboard.json").status_code == 405

    def test_json_has_the_same_numbers(self, admin_client, immediate):
        recorder.submit(make_event())
        data = admin_client.get("/errors/dashboard.json", {"period": "7d"}).json()
        assert (data["total"], data["period"], data["open_bugs"]) == (1, "7d", 1)


@pytest.mark.urls("tests.own_admin_urls")
def test_dashboard_needs_no_pages_of_ours_in_the_site_s_own_admin(
    admin_client, immediate
):
    recorder.submit(make_event())
    response = admin_client.get("/errors/")
    assert response.status_code == 200
    assert "B-001" in response.text
    assert "/errorgroup/" not in response.text
