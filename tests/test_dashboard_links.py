"""Each number of the dashboard leads to a list of exactly what it counts."""

from __future__ import annotations

import datetime as dt
import html
import re

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from error_tracking.dashboard import attention, queries
from error_tracking.models import ErrorGroup, Filing, KnownBug, Release
from error_tracking.recorder import store
from tests.factories import make_event

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.admin_urls")]

#: Inside and outside of each period, and never near its border.
AGES = tuple(dt.timedelta(hours=hours) for hours in (1, 30, 24 * 10, 24 * 40))
LINK = r'<a[^>]* href="([^"]+)"[^>]*>(.*?)</a>'


def make_bug(number, age, environment="production", **values):
    """Return a bug that was created and seen *age* ago."""
    moment = timezone.now() - age
    fingerprint = f"{number:032d}"
    for _ in range(2):
        event = make_event(
            fingerprint=fingerprint,
            culprit=f"shop.views.view{number}",
            environment=environment,
            timestamp=moment.timestamp(),
        )
        store.store([event])
    group = ErrorGroup.objects.get(fingerprint=fingerprint)
    bug, _is_new = KnownBug.open_for_group(group, trackers=["markdown"])
    KnownBug.all_objects.filter(pk=bug.pk).update(created=moment, **values)
    return bug


def make_not_bug(number, age, reason, environment="production"):
    """Store a group that the gate holds back."""
    event = make_event(
        error_type="http_4xx",
        status_code=404,
        fingerprint=f"{number:032d}",
        environment=environment,
        timestamp=(timezone.now() - age).timestamp(),
    )
    store.store([event])
    groups = ErrorGroup.objects.filter(fingerprint=event.fingerprint)
    groups.update(verdict_reason=reason)
    return groups


@pytest.fixture
def shop(configure):
    """Bugs of every kind and age, in two environments."""
    configure(RELEASE="2.0")
    now = timezone.now()
    Release.objects.create(version="2.0", first_seen=now - dt.timedelta(hours=20))
    number = 0
    for environment in ("production", "staging"):
        for age in AGES:
            moment = now - age
            for values in (
                {"first_release": "2.0", "severity": "critical"},
                {"regressed_at": moment, "severity": "low"},
                {"status": "resolved", "resolved_at": moment},
                {"status": "in_progress"},
                {"status": "muted"},
                {"is_deleted": True},
            ):
                number += 1
                make_bug(number, age, environment, **values)
            for reason in ("met by 1 of 3 clients", "404 is an answer, 100 % & more"):
                number += 1
                make_not_bug(number, age, reason, environment)
    make_not_bug(number + 1, AGES[0], "hidden by hand").hide()
    filings = Filing.objects.filter(bug__number__lte=12)
    filings.filter(bug__number__lte=6).update(
        state="failed", reason="HTTP 403: no & nothing", attempts=5
    )
    filings.filter(bug__number__gt=6).update(state="paused", reason="enough for now")


def listed(client, address):
    """Return how much a list shows: bugs, groups, or occurrences of error logs."""
    base = address.partition("?")[0]
    count = 0
    while address:
        response = client.get(address)
        assert response.status_code == 200, address
        rows = response.context["rows"]
        if base.endswith("/errorlog/"):
            count += sum(row.log.occurrences for row in rows)
        else:
            count += len(rows)
        older = response.context["cl"].older_url
        address = f"{base}{older}" if older else ""
    return count


def links_of(text):
    """Return the number and the address of each link that has one."""
    found = []
    for address, words in re.findall(LINK, text, re.DOTALL):
        number = re.search(r"[\d,]+", re.sub(r"<[^>]+>", "", words))
        assert number, words
        found.append((int(number[0].replace(",", "")), html.unescape(address)))
    return found


def part(text, begin, end):
    """Return the part of a page between two texts."""
    return text.partition(begin)[2].partition(end)[0]


@pytest.mark.parametrize("environment", ["production", "staging"])
@pytest.mark.parametrize("period", queries.PERIODS)
def test_cards_lead_to_what_they_count(admin_client, shop, period, environment):
    query = {"period": period, "environment": environment}
    text = admin_client.get("/errors/", query).text
    links = links_of(part(text, '<dl class="et-cards">', "</dl>"))
    # Errors, open bugs, two severities and high, new, regressed, resolved.
    assert len(links) == 8
    for number, address in links:
        assert number > 0
        assert listed(admin_client, address) == number, address


@pytest.mark.parametrize("period", queries.PERIODS)
def test_bars_of_the_chart_lead_to_their_errors(admin_client, shop, period):
    text = admin_client.get("/errors/", {"period": period}).text
    rows = re.findall(
        rf'<tr><th scope="row">{LINK}</th><td class="et-number">(\d+)</td>', text
    )
    assert rows
    for address, _words, number in rows:
        assert listed(admin_client, html.unescape(address)) == int(number), address


def test_reasons_lead_to_the_groups_that_have_them(admin_client, shop):
    for period in ("24h", "30d"):
        response = admin_client.get("/errors/", {"period": period})
        rows = response.context["suppressed"]
        assert len(rows) == 2
        for row, address in rows:
            assert html.escape(address) in response.text
            assert listed(admin_client, address) == row.groups, address
            shown = admin_client.get(address)
            assert {each.why for each in shown.context["rows"]} == {row.reason}
            assert html.escape(row.reason) in part(shown.text, "et-limits", "</p>")
        assert "hidden by hand" not in response.text


def test_what_is_not_filed_leads_to_the_bugs_with_that_reason(admin_client, shop):
    response = admin_client.get("/errors/")
    rows = response.context["unfiled"]
    assert {row.state for row in rows} == {"failed", "paused"}
    for row in rows:
        assert row.count > 0
        assert html.escape(row.url) in response.text
        assert listed(admin_client, row.url) == row.count, row.url
        shown = admin_client.get(row.url)
        assert html.escape(row.reason) in part(shown.text, "et-limits", "</p>")


def test_more_bugs_that_need_attention_are_listed(admin_client, configure, shop):
    configure(RELEASE="2.0")
    for number in range(attention.SHOWN):
        make_bug(1_000 + number, AGES[0])
    response = admin_client.get("/errors/")
    numbers = response.context["numbers"]
    assert numbers.needs_count > attention.SHOWN
    address = response.context["needs_url"]
    assert html.escape(address) in response.text
    assert listed(admin_client, address) == numbers.needs_count
    assert "Needs attention" in admin_client.get(address).text


def test_count_of_what_needs_attention_has_no_bound(admin_client, shop, monkeypatch):
    monkeypatch.setattr(attention, "WEIGHED", 2)
    needs, count = attention.needs("production", timezone.now())
    assert len(needs) == 2
    assert count == listed(
        admin_client, "/admin/error_tracking/knownbug/?view=attention"
    )


def test_running_release_leads_to_what_is_new_and_what_regressed_in_it(
    admin_client, shop
):
    text = admin_client.get("/errors/").text
    line = part(text, '<p class="et-running">', "</p>")
    numbers = []
    for address, words in re.findall(LINK, line):
        number = int(re.search(r"(\d+) (?:new|regressed)", words)[1])
        assert listed(admin_client, html.unescape(address)) == number
        numbers.append(number)
    assert numbers == [4, 1]


@pytest.mark.parametrize(
    ("permission", "opened"),
    [
        ("view_knownbug", "knownbug"),
        ("view_errorgroup", "errorgroup"),
        ("view_errorlog", "errorlog"),
    ],
)
def test_numbers_lead_only_where_their_reader_may_go(client, shop, permission, opened):
    user = User.objects.create_user("ada", is_staff=True)
    names = ("view_dashboard", permission)
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    text = client.get("/errors/").text
    found = set(re.findall(r'href="/admin/error_tracking/(\w+)/', text))
    assert found == {opened}


def test_limit_of_a_list_is_told_and_can_be_removed(admin_client, shop):
    response = admin_client.get("/errors/")
    [new, *_others] = [each.url for each in response.context["bug_lists"]]
    limited = admin_client.get(new)
    line = part(limited.text, '<p class="et-limits">', "</p>")
    assert "new since" in line
    [(address, _words)] = re.findall(LINK, line)
    base = new.partition("?")[0]
    everything = listed(admin_client, base + html.unescape(address))
    present = KnownBug.objects.filter(environment="production").count()
    assert everything == present > listed(admin_client, new)
    # The form of the filters keeps it.
    form = part(limited.text, 'class="et-selects">', "</form>")
    assert 'name="created__gte"' in form


class TestTrend:
    """Whether the most frequent bugs are more frequent than in the period before."""

    def look(self, client, query=None):
        response = client.get("/errors/", query or {})
        return response, list(response.context["numbers"].top_bugs)

    def test_bugs_are_compared_with_the_period_before(self, admin_client, configure):
        configure(AUTO_CREATE_BUGS=False)
        ages = {1: (1, 1, 1, 30), 2: (1, 30, 30, 30), 3: (1, 30), 4: (1,)}
        for number, hours in ages.items():
            for age in hours:
                event = make_event(
                    fingerprint=f"{number:032d}",
                    culprit=f"shop.views.view{number}",
                    timestamp=(timezone.now() - dt.timedelta(hours=age)).timestamp(),
                )
                store.store([event])
            group = ErrorGroup.objects.get(fingerprint=f"{number:032d}")
            KnownBug.open_for_group(group)
        response, rows = self.look(admin_client)
        words = {row.bug.number: row.trend.words for row in rows}
        assert words == {
            1: "up from 1",
            2: "down from 3",
            3: "as before",
            4: "up from 0",
        }
        assert '<span aria-hidden="true">↑</span> up from 1' in response.text

    def test_nothing_is_compared_without_a_period_before(self, admin_client):
        make_bug(1, AGES[0])
        response, [row] = self.look(admin_client)
        assert row.trend is None
        assert "et-trend" not in response.text
