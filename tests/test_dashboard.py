"""The dashboard's numbers are the counts', whatever the period, and its views let only the right people in."""

from __future__ import annotations

import datetime as dt
import json
import xml.etree.ElementTree as ET

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from error_tracking import charts, dashboard, recorder
from error_tracking.models import ErrorLog, Filing, KnownBug
from tests.factories import make_event

NOW = dt.datetime(2026, 3, 10, 12, 30, tzinfo=dt.UTC)


def record(hours_ago=0.0, **values):
    moment = NOW - dt.timedelta(hours=hours_ago)
    recorder.submit(make_event(timestamp=moment.timestamp(), **values))


def test_empty_dashboard_says_so(immediate):
    numbers = dashboard.look(now=NOW)
    assert numbers.is_empty
    assert (numbers.total, numbers.open_bugs, list(numbers.top_groups)) == (0, 0, [])
    assert len(numbers.buckets) == 24


def test_dashboard_is_not_empty_when_something_failed_before_the_period(immediate, configure):
    configure(AUTO_CREATE_BUGS=False)
    record(24 * 40)
    numbers = dashboard.look(now=NOW)
    assert (numbers.is_empty, numbers.total) == (False, 0)


def test_what_is_not_filed_is_told_once_for_each_reason(immediate):
    for number in range(3):
        recorder.submit(make_event(fingerprint=f"{number:032d}"))
    Filing.objects.update(state="paused", reason="20 bugs were filed in this hour")
    assert dashboard.look().unfiled == [("paused", "markdown", "20 bugs were filed in this hour", 3)]
    Filing.objects.update(state="pending", reason="")
    assert dashboard.look().unfiled == []


def test_totals_are_those_of_the_period(immediate):
    record(1)
    record(30)
    record(24 * 10)
    record(24 * 40)
    assert [dashboard.look(period, now=NOW).total for period in ("24h", "7d", "30d")] == [1, 2, 3]


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


def test_groups_seen_most_come_first_with_their_clients(immediate):
    record(1, fingerprint="a" * 32, title="rare", client="1" * 16)
    for number in range(3):
        record(1, fingerprint="b" * 32, title="common", client=f"{number % 2:016d}")
    tops = dashboard.look(now=NOW).top_groups
    assert [(top.group.title, top.count, top.clients) for top in tops] == [("common", 3, 2), ("rare", 1, 1)]


def test_many_clients_are_told_as_a_bound():
    assert dashboard.TopGroup(None, 1, 999).clients_label == "999"
    assert dashboard.TopGroup(None, 1, 1_000).clients_label == "1,000+"


def test_new_bugs_regressions_unfiled_and_held_back_are_listed(immediate):
    moment = timezone.now()
    recorder.submit(make_event(timestamp=moment.timestamp()))
    values = {"error_type": "http_4xx", "status_code": 404, "fingerprint": "c" * 32, "title": "HTTP 404"}
    recorder.submit(make_event(timestamp=moment.timestamp(), **values))
    bug = KnownBug.objects.get()
    bug.resolve()
    recorder.submit(make_event(timestamp=timezone.now().timestamp() + 1))
    Filing.objects.update(state="failed", reason="the folder is read-only")
    numbers = dashboard.look()
    assert [each.bug_id for each in numbers.new_bugs] == [each.bug_id for each in numbers.regressions] == ["B-001"]
    assert numbers.unfiled == [("failed", "markdown", "the folder is read-only", 1)]
    assert [group.title for group in numbers.held_back] == ["HTTP 404"]
    assert numbers.by_severity["high"] == numbers.open_bugs == 1
    KnownBug.objects.mute()
    assert dashboard.look("24h").open_bugs == dashboard.error_stats()["open_bugs"] == 0  # nobody means to mend it now
    assert json.dumps(numbers.as_json())


def test_cards_count_all_new_bugs_and_the_lists_show_some(immediate):
    for number in range(dashboard.LISTED + 5):
        recorder.submit(make_event(fingerprint=f"{number:032d}"))
    numbers = dashboard.look()
    assert numbers.new_bugs_count == dashboard.LISTED + 5
    assert len(numbers.new_bugs) == dashboard.LISTED
    assert numbers.regressions_count == 0


def test_dashboard_never_scans_error_logs(immediate, django_assert_num_queries):
    record(1)
    with django_assert_num_queries(12) as queries:
        dashboard.look(now=NOW)
    assert not any(ErrorLog._meta.db_table in query["sql"] for query in queries)


def test_chart_is_well_formed_and_escaped():
    bars = [charts.Bar("<a>", "2 < 3 & 'x'", {"exception": 2, "csrf": 1}), charts.Bar("b", "none", {})]
    svg = charts.bar_chart(bars, title='Errors "now"', description="3 in all")
    root = ET.fromstring(svg)
    assert len(root.findall(".//rect")) == 2
    assert root.find("text").text == "3", "the highest bar says how high it is"
    assert root.find(".//title").text == "2 < 3 & 'x'"
    heights = [float(rectangle.get("height")) for rectangle in root.iter("rect")]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.2)


def test_chart_without_bars_is_empty():
    assert charts.bar_chart([], title="x", description="y") == ""


def test_chart_has_few_labels():
    bars = [charts.Bar(str(number), "", {"exception": number}) for number in range(30)]
    svg = charts.bar_chart(bars, title="x", description="y")
    assert svg.count('text-anchor="middle"') <= charts.MAX_LABELS


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

    def test_json_has_the_same_numbers(self, admin_client, immediate):
        recorder.submit(make_event())
        data = admin_client.get("/errors/dashboard.json", {"period": "7d"}).json()
        assert (data["total"], data["period"], data["open_bugs"]) == (1, "7d", 1)


@pytest.mark.urls("tests.own_admin_urls")
def test_dashboard_needs_no_pages_of_ours_in_the_site_s_own_admin(admin_client, immediate):
    recorder.submit(make_event())
    response = admin_client.get("/errors/")
    assert response.status_code == 200
    assert "B-001" in response.text
    assert "/errorgroup/" not in response.text
