"""How much is stored at most: whose logs give first, what always stays, and how big the tables are."""

from __future__ import annotations

import itertools
import json
import random
from io import StringIO

import pytest
from django.core.management import call_command
from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone

from error_tracking import conf, health
from error_tracking.bugs import retention, size_cap, table_size
from error_tracking.bugs.size_cap import SizeCap
from error_tracking.models import ErrorGroup, ErrorLog, HourlyCount, KnownBug
from error_tracking.recorder import store

from .factories import make_event

pytestmark = pytest.mark.django_db
PAYLOAD = "a line of the traceback\n" * 100


def fill(counts, *, payload=PAYLOAD, is_mixed=True):
    """Store so many error logs of each group, an hour apart, mixed as they would come."""
    events = []
    now = timezone.now().timestamp()
    for fingerprint, count in counts.items():
        bug_free = {"fingerprint": fingerprint * 32, "traceback": payload}
        events += [
            make_event(timestamp=now - 3_600 * (count - number), **bug_free)
            for number in range(count)
        ]
    if is_mixed:
        random.Random(7).shuffle(events)
    for start in range(0, len(events), 50):
        store.store(events[start : start + 50])


def rows_of(fingerprint):
    return ErrorLog.objects.filter(fingerprint=fingerprint * 32).order_by("created")


def numbers():
    """What must not change, however much is deleted."""
    return (
        list(ErrorGroup.objects.order_by("fingerprint").values_list("times_seen")),
        HourlyCount.objects.aggregate(total=Sum("count")),
        KnownBug.objects.count(),
    )


def cap():
    return SizeCap("default").run()


class TestRows:
    @pytest.mark.parametrize(
        ("counts", "limit", "left"),
        [
            # 95 of 100 stay: the loudest gives alone.
            ({"a": 90, "b": 30}, 100, {"a": 65, "b": 30}),
            # The loudest is down to two before the next one gives.
            ({"a": 40, "b": 30, "c": 2}, 20, {"a": 2, "b": 15, "c": 2}),
            ({"a": 5, "b": 5, "c": 1}, 100, {"a": 5, "b": 5, "c": 1}),
        ],
    )
    def test_the_loudest_groups_give_first(self, configure, counts, limit, left):
        configure(MAX_ERROR_LOGS=limit)
        fill(counts)
        before = numbers()
        done = cap()
        assert {name: rows_of(name).count() for name in counts} == left
        assert done.deleted == sum(counts.values()) - sum(left.values())
        assert not done.is_over
        assert numbers() == before

    def test_the_first_and_the_latest_stay_whole(self, configure):
        fill({"a": 30, "b": 3})
        ends = {name: (rows_of(name).first(), rows_of(name).last()) for name in "ab"}
        configure(MAX_ERROR_LOGS=1)
        done = cap()
        assert done.is_over, "four logs that always stay are more than one"
        for name, (first, last) in ends.items():
            assert list(rows_of(name)) == [first, last]
            assert rows_of(name).first().traceback == PAYLOAD

    def test_the_oldest_give_first(self, configure):
        fill({"a": 20})
        kept = list(rows_of("a"))
        middle = sorted(kept[1:-1], key=lambda log: log.pk)
        configure(MAX_ERROR_LOGS=10)
        assert cap().deleted == 11
        assert set(rows_of("a")) == {kept[0], kept[-1], *middle[11:]}

    def test_a_round_that_has_no_time_goes_on_later(self, configure, monkeypatch):
        monkeypatch.setattr(size_cap, "BATCH_ROWS", 5)
        fill({"a": 40})
        configure(MAX_ERROR_LOGS=10)
        answers = itertools.chain([False] * 4, itertools.repeat(True))
        done = SizeCap("default", is_late=lambda: next(answers)).run()
        assert 0 < done.deleted < 31
        assert not done.is_over
        while cap().deleted:
            pass
        assert ErrorLog.objects.count() <= 10

    def test_below_the_limit_no_row_is_counted(self, django_assert_num_queries):
        fill({"a": 20})
        with django_assert_num_queries(2):
            cap()

    def test_an_event_that_is_folded_into_a_deleted_log_is_still_counted(
        self, configure
    ):
        fill({"a": 20})
        configure(MAX_ERROR_LOGS=2)
        cap()
        fill({"a": 3})
        assert ErrorGroup.objects.get().times_seen == 23


class TestBytes:
    @pytest.fixture(autouse=True)
    def _small_megabyte(self, monkeypatch, configure):
        monkeypatch.setattr(size_cap, "MEGABYTE", 1_000)
        configure(MAX_SIZE_MB=200)

    def test_payloads_of_the_loudest_go_before_any_row(self):
        # 70 rows of 1,000 and 2,400 bytes are 238,000; the cap is 200,000, a round ends at 190,000.
        fill({"a": 50, "b": 20})
        before = numbers()
        done = cap()
        assert (done.deleted, done.is_over) == (0, False)
        assert 15 <= done.emptied <= 25
        assert ErrorLog.objects.count() == 70
        assert rows_of("b").filter(traceback="").count() == 0
        emptied = rows_of("a").filter(traceback="")
        assert emptied.count() == done.emptied
        for log in emptied:
            assert (log.request_data, log.context, log.stacktrace) == ({}, {}, [])
            assert log.personal_data_removed
        assert numbers() == before
        assert cap().emptied == 0, "the next round finds that it is enough"

    def test_rows_go_when_all_payloads_are_gone(self, configure):
        fill({"a": 50, "b": 20})
        configure(MAX_SIZE_MB=40)
        before = numbers()
        done = cap()
        assert done.emptied == 48 + 18
        assert done.deleted > 0
        assert rows_of("b").count() > rows_of("a").count() or done.deleted < 48
        for name in "ab":
            assert rows_of(name).first().traceback == PAYLOAD
            assert rows_of(name).last().traceback == PAYLOAD
        assert numbers() == before
        count = ErrorLog.objects.count()
        assert table_size.content_bytes("default", count) <= 40_000

    def test_small_logs_are_not_weighed(self, configure, django_assert_num_queries):
        configure(MAX_SIZE_MB=1_000_000)
        fill({"a": 5})
        with django_assert_num_queries(2):
            cap()


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_groups_the_limit_holds_and_the_sums_are_right(
    seed, configure, monkeypatch
):
    monkeypatch.setattr(size_cap, "BATCH_ROWS", 7)
    chance = random.Random(seed)
    counts = {name: chance.choice([1, 2, 3, 10, 40, 80]) for name in "abcdef"}
    limit = chance.randint(12, 100)
    configure(MAX_ERROR_LOGS=limit)
    fill(counts, payload="x")
    before = numbers()
    cap()
    assert ErrorLog.objects.count() <= limit
    for name, count in counts.items():
        assert rows_of(name).count() >= min(2, count)
    assert numbers() == before
    left = {name: rows_of(name).count() for name in counts}
    gave = [name for name in counts if left[name] < counts[name]]
    loud = sorted(counts, key=lambda name: -counts[name])
    for name in gave[:]:
        louder = loud[: loud.index(name)]
        assert all(left[each] == 2 for each in louder if counts[each] > counts[name])


class TestWhoRunsIt:
    def test_the_leader_with_the_hourly_clean_up(self, configure):
        fill({"a": 20})
        configure(MAX_ERROR_LOGS=10)
        schedule = retention.Schedule()
        schedule._next = 0
        done = schedule.run()
        assert (done.capped, done.logs, done.is_over) == (11, 11, False)

    def test_the_command_and_its_dry_run(self, configure):
        fill({"a": 20})
        configure(MAX_ERROR_LOGS=10)
        out = StringIO()
        call_command("error_tracking_prune", "--dry-run", "--json", stdout=out)
        assert json.loads(out.getvalue())["capped"] == 11
        assert ErrorLog.objects.count() == 20
        out = StringIO()
        call_command("error_tracking_prune", stdout=out)
        assert "than MAX_ERROR_LOGS or MAX_SIZE_MB allow" in out.getvalue()
        assert ErrorLog.objects.count() == 9

    def test_the_command_says_when_the_limit_cannot_be_kept(self, configure):
        fill({"a": 3, "b": 3})
        configure(MAX_ERROR_LOGS=1)
        out = StringIO()
        call_command("error_tracking_prune", stdout=out)
        assert "raise MAX_ERROR_LOGS or MAX_SIZE_MB" in out.getvalue()


class TestSize:
    def test_is_measured_and_remembered(self, django_assert_num_queries):
        fill({"a": 14}, is_mixed=False)
        size = table_size.measure()
        assert size.bytes_on_disk > 10_000
        assert size.error_logs == 14
        assert size.logs_per_day == pytest.approx(14, abs=1)
        assert size.bytes_per_day > 0
        fill({"b": 5})
        with django_assert_num_queries(0):
            assert table_size.measure() == size
        table_size.forget()
        assert table_size.measure().error_logs == 19

    def test_of_empty_tables(self):
        size = table_size.measure()
        assert (size.error_logs, size.logs_per_day) == (0, 0)
        assert table_size.content_bytes("default", 0) == 0

    def test_growth_is_that_of_the_last_week(self):
        fill({"a": 14 * 24}, is_mixed=False)
        assert table_size.measure().logs_per_day == pytest.approx(24, rel=0.1)

    def test_is_part_of_health_and_of_the_dashboard(self, admin_client, settings):
        settings.ROOT_URLCONF = "tests.admin_urls"
        fill({"a": 14})
        assert health().as_dict()["size"]["error_logs"] == 14
        page = admin_client.get(reverse("admin:error_tracking_dashboard_changelist"))
        assert "error logs a day" in page.content.decode()
        assert "grew by about" in page.content.decode()

    def test_the_estimate_is_near_what_is_stored(self):
        fill({"a": 300, "b": 10})
        estimate = table_size.content_bytes("default", 310)
        assert estimate == pytest.approx(310 * (1_000 + len(PAYLOAD)), rel=0.05)


def test_the_defaults_are_large():
    assert conf.Settings().MAX_ERROR_LOGS == 1_000_000
    assert conf.Settings().MAX_SIZE_MB == 2_000
