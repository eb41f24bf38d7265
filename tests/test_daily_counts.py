"""The days are the sums of their hours, whatever is stored, in which order and by whom."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections import Counter
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.utils import timezone

from error_tracking.admin.list_parts import counts_by
from error_tracking.bugs import erasure, retention, sweep
from error_tracking.dashboard import frequent
from error_tracking.dashboard import queries as dashboard
from error_tracking.dashboard.spans import last_days
from error_tracking.models import (
    DailyCount,
    ErrorGroup,
    HourlyCount,
    HourlyTotal,
    KnownBug,
)
from error_tracking.models.base import day_of, start_of_day
from error_tracking.recorder import store
from tests.factories import days_differ, make_event

NOW = dt.datetime(2026, 3, 10, 12, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


def event_at(moment, group=0, **values):
    return make_event(
        timestamp=moment.timestamp(),
        fingerprint=f"{group:032d}",
        title=f"group {group}",
        culprit=f"shop.views.view{group}",
        **values,
    )


def store_some(rng, *, batches=8, groups=4, days=40):
    """Store batches of events of several groups, of the last days in any order."""
    for _ in range(batches):
        events = []
        for _ in range(rng.randint(1, 12)):
            moment = NOW - rng.random() * days * DAY
            events.append(event_at(moment, rng.randrange(groups)))
        store.store(events)


def bugs_of_all_groups():
    for group in ErrorGroup.objects.order_by("pk"):
        KnownBug.open_for_group(group, trackers=["markdown"])
    return list(KnownBug.objects.order_by("pk"))


@pytest.mark.django_db
class TestStored:
    @pytest.mark.parametrize("seed", range(4))
    def test_days_are_the_sums_of_their_hours(self, seed):
        store_some(random.Random(seed))
        assert DailyCount.objects.exists()
        assert days_differ() == []

    def test_day_begins_at_midnight_in_utc(self):
        midnight = dt.datetime(2026, 3, 9, tzinfo=dt.UTC)
        for moment in (midnight - HOUR / 60, midnight, midnight + 24 * HOUR):
            store.store([event_at(moment)])
        days = DailyCount.objects.order_by("day").values_list("day", "count")
        assert list(days) == [
            (dt.date(2026, 3, 8), 1),
            (dt.date(2026, 3, 9), 1),
            (dt.date(2026, 3, 10), 1),
        ]

    def test_day_is_that_of_the_stored_hour_without_time_zones(self, settings):
        settings.USE_TZ = False
        hour = dt.datetime(2026, 3, 9, 23)
        assert day_of(hour) == dt.date(2026, 3, 9)
        assert start_of_day(dt.date(2026, 3, 9)) == dt.datetime(2026, 3, 9)

    def test_hour_in_another_zone_counts_for_its_day_in_utc(self):
        hour = dt.datetime(2026, 3, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))
        assert day_of(hour) == dt.date(2026, 3, 8)

    def test_transaction_that_is_rolled_back_leaves_no_day(self):
        with transaction.atomic():
            store.store([event_at(NOW)])
            transaction.set_rollback(True)
        assert not DailyCount.objects.exists()

    def test_days_that_an_older_version_did_not_count_are_corrected_hourly(self):
        now = timezone.now()
        for group in range(3):
            store.store([event_at(now, group)])
        groups = list(ErrorGroup.objects.order_by("pk"))
        for group, days in zip(groups, (0, 1, 5), strict=True):
            hour = start_of_day(day_of(now - days * DAY))
            HourlyCount.objects.update_or_create(
                group=group, hour=hour, defaults={"count": 9}
            )
        assert len(days_differ()) == 3
        assert DailyCount.objects.correct_recent() == 2
        # What is older was added up by the migration.
        assert [group for group, _day in days_differ()] == [groups[2].pk]
        assert DailyCount.objects.correct_recent() == 0

    def test_sweep_corrects_them(self, monkeypatch):
        store.store([event_at(timezone.now())])
        DailyCount.objects.update(count=0)
        monkeypatch.setattr(retention.schedule, "_next", 0.0)
        sweep.sweep()
        assert days_differ() == []

    def test_day_is_added_up_again_with_each_of_its_events(self):
        store.store([event_at(NOW)])
        HourlyCount.objects.create(
            group=ErrorGroup.objects.get(), hour=start_of_day(NOW.date()), count=5
        )
        assert days_differ()
        store.store([event_at(NOW)])
        assert days_differ() == []
        assert DailyCount.objects.get().count == 7


@pytest.mark.django_db
class TestAfterwards:
    def test_merging_bugs_changes_no_day(self):
        store_some(random.Random(5))
        bugs = bugs_of_all_groups()
        before = sorted(DailyCount.objects.values_list("group", "day", "count"))
        others = KnownBug.objects.exclude(pk=bugs[0].pk)
        assert len(others.merge_into(bugs[0], by="ada")) == 3
        assert sorted(DailyCount.objects.values_list("group", "day", "count")) == before
        assert days_differ() == []

    def test_retention_keeps_days_and_hours(self):
        store_some(random.Random(6), days=300)
        before = DailyCount.objects.count()
        assert retention.Pruner(days=10).run().logs
        assert DailyCount.objects.count() == before
        assert days_differ() == []

    def test_erasing_a_person_changes_no_day(self):
        store.store([event_at(NOW, user_id="7", user_label="ada")])
        assert erasure.Eraser(erasure.Person(user="7")).run().logs == 1
        assert DailyCount.objects.get().count == 1
        assert days_differ() == []

    def test_days_go_with_their_group(self):
        store_some(random.Random(7))
        ErrorGroup.objects.first().delete()
        assert DailyCount.objects.exists()
        assert days_differ() == []
        ErrorGroup.objects.all().delete()
        assert not DailyCount.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_days_are_exact_with_several_writers_at_once():
    """FAULTS S14."""
    begin = threading.Barrier(4)
    errors = []

    def write(seed):
        rng = random.Random(seed)
        begin.wait(30)
        try:
            left = 12
            while left:
                groups = rng.sample(range(5), k=3)
                moment = NOW - rng.randrange(3) * DAY
                try:
                    store.store([event_at(moment, group) for group in groups])
                except Exception as error:
                    # SQLite's lock, or a deadlock: the recorder tries again, too.
                    if not store_may_be_tried_again(error):
                        raise
                    continue
                left -= 1
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=[seed]) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert days_differ() == []
    assert sum(DailyCount.objects.values_list("count", flat=True)) == 4 * 12 * 3


def store_may_be_tried_again(error):
    from django.db import OperationalError

    return isinstance(error, OperationalError)


@pytest.mark.django_db
class TestSums:
    """What the dashboard and the lists add up is what the hours say."""

    def hours_between(self, since, until):
        counts = Counter()
        rows = HourlyCount.objects.values_list("group", "hour", "count")
        for group, hour, count in rows:
            if since <= hour < until:
                counts[group] += count
        return dict(counts)

    @pytest.mark.parametrize("seed", range(3))
    def test_counts_of_a_period_are_those_of_its_hours(self, seed):
        rng = random.Random(seed)
        store_some(rng, days=100)
        groups = list(ErrorGroup.objects.values_list("pk", flat=True))
        this_hour = NOW.replace(minute=0)
        midnight = NOW.replace(hour=0, minute=0) - 3 * DAY
        random_hours = [this_hour - rng.randrange(24 * 95) * HOUR for _ in range(6)]
        starts = [midnight, *random_hours]
        starts += [this_hour - number * HOUR for number in (0, 1, 23, 24, 25)]
        for since in starts:
            expected = self.hours_between(since, this_hour + HOUR)
            assert frequent.counts_of(groups, since) == expected, since
            for length in (HOUR, 5 * HOUR, DAY, 30 * HOUR, 2 * DAY, 60 * DAY):
                until = since + length
                expected = self.hours_between(since, until)
                assert frequent.counts_of(groups, since, until) == expected, until

    def test_fewer_rows_are_read_of_a_long_period_than_it_has_hours(self):
        since = NOW.replace(minute=0) - 90 * DAY
        assert 90 <= frequent._rows_of_group(since, NOW) <= 90 + 24
        assert frequent._rows_of_group(NOW.replace(minute=0) - 5 * HOUR, NOW) <= 6

    def test_small_charts_are_those_of_the_hours(self):
        store_some(random.Random(9), batches=20, days=20)
        bugs = [bug.pk for bug in bugs_of_all_groups()]
        expected = {pk: [0] * 14 for pk in bugs}
        rows = HourlyCount.objects.values_list("group__bug", "hour", "count")
        for bug, hour, count in rows:
            day = 13 - int((NOW - hour) / DAY)
            if day >= 0:
                expected[bug][day] += count
        assert frequent.sparks_of(bugs, NOW) == expected
        found = counts_by("group__bug", bugs, NOW)
        for pk, daily in expected.items():
            assert list(found.get(pk, [0] * 14)) == daily

    def test_last_of_the_days_ends_with_this_hour(self):
        starts = last_days(14, NOW)
        assert len(starts) == 14
        assert starts[-1] == NOW.replace(minute=0) - 23 * HOUR

    @pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
    @pytest.mark.parametrize("period", ["24h", "30d", "90d"])
    def test_bars_have_the_days_of_the_viewer(self, zone, period):
        # The clocks of Berlin change on the 29th of March.
        now = dt.datetime(2026, 4, 10, 12, 30, tzinfo=dt.UTC)
        rng = random.Random(3)
        for number in range(60):
            moment = now - rng.random() * 95 * DAY
            if number % 3 == 0:
                moment = now - rng.random() * DAY
            kind = rng.choice(["exception", "message"])
            store.store([event_at(moment, error_type=kind)])
        with timezone.override(zone):
            numbers = dashboard.look(period, now=now)
            expected = Counter()
            since = numbers.buckets[0].start
            rows = HourlyTotal.objects.values_list("hour", "error_type", "count")
            first = now.replace(minute=0) - dashboard.PERIODS[period] + HOUR
            for hour, kind, count in rows:
                if first <= hour <= now:
                    local = timezone.localtime(hour)
                    clock = (
                        {"minute": 0} if period == "24h" else {"hour": 0, "minute": 0}
                    )
                    expected[local.replace(**clock), kind] += count
        found = {
            (bucket.start, kind): count
            for bucket in numbers.buckets
            for kind, count in bucket.counts.items()
        }
        assert found == dict(expected)
        assert numbers.total == sum(expected.values())
        assert since <= first
