"""A bug's life: resolved in the next release, muted for a while, merged, and every change kept."""

from __future__ import annotations

import datetime as dt
import threading
import time

import pytest
from django.db import connection, connections
from django.utils import timezone

from error_tracking import recorder, signals
from error_tracking.bugs import maintenance
from error_tracking.bugs.opening import open_bug
from error_tracking.bugs.spikes import note_spikes
from error_tracking.models import (
    Activity,
    ErrorGroup,
    GroupClient,
    HourlyCount,
    KnownBug,
    Release,
)
from error_tracking.recorder import store
from error_tracking.utils import hour_of
from tests.factories import make_event


def happen(fingerprint="f" * 32, *, at=0.0, release="", times=1, **values):
    """Store events of one group, *at* seconds from now."""
    moment = timezone.now().timestamp() + at
    store.store(
        [
            make_event(
                fingerprint=fingerprint, timestamp=moment, release=release, **values
            )
            for _ in range(times)
        ]
    )
    return ErrorGroup.objects.get(fingerprint=fingerprint)


def bug_of(fingerprint="f" * 32, **values):
    return open_bug(happen(fingerprint, **values))[0]


def verbs(bug):
    return list(bug.activities.order_by("pk").values_list("verb", flat=True))


@pytest.mark.django_db
class TestRegression:
    def test_occurrence_after_resolving_in_the_admin_is_a_regression_at_once(self):
        bug = bug_of()
        bug.resolve(by="ada")
        happen(at=1)
        bug.refresh_from_db()
        assert (bug.status, bug.is_regression) == ("open", True)
        assert verbs(bug) == ["created", "resolved", "regressed"]

    def test_old_event_that_is_adopted_late_never_regresses(self):
        bug = bug_of()
        bug.resolve()
        happen(at=-60)
        bug.refresh_from_db()
        assert (bug.status, bug.occurrence_count) == ("resolved", 2)

    def test_release_that_was_there_before_is_no_regression(self):
        bug = bug_of(release="2026.1")
        bug.resolve()
        happen(at=5, release="2026.1")
        bug.refresh_from_db()
        assert bug.status == "resolved"
        happen(at=6, release="0009.1")
        bug.refresh_from_db()
        assert bug.status == "open", "first sight is the order, never the text"
        assert bug.activities.get(verb="regressed").text == "in release 0009.1"

    def test_running_release_is_known_when_it_had_no_error(self, configure):
        """A release without errors has no event: resolving notes what runs."""
        configure(RELEASE="running")
        bug = bug_of(release="old")
        bug.resolve()
        happen(at=5, release="running")
        bug.refresh_from_db()
        assert bug.status == "resolved"
        assert Release.objects.filter(version="running").exists()

    def test_release_that_has_the_fix_regresses_although_it_was_seen(self):
        happen("0" * 32, release="fixed")
        bug = bug_of(release="old")
        bug.resolve(release="fixed")
        happen(at=5, release="old")
        bug.refresh_from_db()
        assert bug.status == "resolved"
        happen(at=5, release="fixed")
        bug.refresh_from_db()
        assert bug.status == "open"

    def test_without_releases_a_closed_issue_has_an_hour_of_grace(self):
        bug = bug_of()
        KnownBug.objects.filter(pk=bug.pk).resolve(
            by="GitHub", grace_until=timezone.now() + dt.timedelta(hours=1)
        )
        happen(at=3_500)
        bug.refresh_from_db()
        assert bug.status == "resolved"
        happen(at=3_700)
        bug.refresh_from_db()
        assert bug.status == "open"

    def test_folded_events_count_as_of_the_release_of_their_group(self):
        from error_tracking.events.event import Fold

        bug = bug_of(release="r1")
        event = make_event(release="r1")
        store.store([event])
        bug.resolve()
        store.store([Fold.of(event)])
        bug.refresh_from_db()
        assert (bug.status, bug.occurrence_count) == ("resolved", 3)

    def test_every_regression_is_one_signal_and_one_line(self):
        seen = []

        def receiver(sender, bug, **kwargs):
            seen.append(bug.bug_id)

        signals.bug_regressed.connect(receiver)
        try:
            bug = bug_of()
            bug.resolve()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    "django.db.transaction.on_commit", lambda call, **kwargs: call()
                )
                happen(at=1, times=5)
                happen(at=2, times=5)
        finally:
            signals.bug_regressed.disconnect(receiver)
        assert seen == ["B-001"]
        assert verbs(bug).count("regressed") == 1

    def test_bug_without_a_time_of_resolving_harms_nobody(self):
        bug = bug_of()
        KnownBug.objects.update(status="resolved")
        happen(at=10)
        bug.refresh_from_db()
        assert bug.status == "open"


@pytest.mark.django_db
class TestMuting:
    def test_muting_lasts_until_a_moment(self):
        bug = bug_of()
        assert bug.mute(by="ada", until=timezone.now() + dt.timedelta(days=1))
        maintenance.run()
        bug.refresh_from_db()
        assert bug.status == "muted"
        KnownBug.objects.update(muted_until=timezone.now())
        maintenance.run()
        bug.refresh_from_db()
        assert (bug.status, bug.muted_until) == ("open", None)
        assert bug.activities.last().text == "the time of muting is over"

    def test_muting_lasts_for_so_many_more_events(self):
        bug = bug_of(times=3)
        bug.mute(events=2)
        happen()
        maintenance.run()
        bug.refresh_from_db()
        assert bug.status == "muted"
        happen()
        maintenance.run()
        bug.refresh_from_db()
        assert (bug.status, bug.muted_until_count) == ("open", None)

    def test_muting_lasts_until_so_many_more_people_are_affected(self):
        bug = bug_of()
        happen(client="a" * 16)
        bug.mute(by="ada", people=2)
        assert (bug.muted_until_people, bug.count_people()) == (3, 1)
        assert bug.activities.last().text == "for 2 more people"
        happen(client="a" * 16, times=9)
        happen(client="b" * 16, at=-86_400)
        happen(client="b" * 16)
        happen("e" * 32, client="c" * 16)
        maintenance.run()
        bug.refresh_from_db()
        assert bug.status == "muted"
        happen(client="c" * 16)
        maintenance.run()
        bug.refresh_from_db()
        assert (bug.status, bug.muted_until_people) == ("open", None)
        assert bug.activities.last().text == "the time of muting is over"

    def test_people_of_all_groups_of_a_bug_end_its_muting(self):
        one, two = bug_of("1" * 32, client="a" * 16), bug_of("2" * 32)
        KnownBug.objects.filter(pk=two.pk).merge_into(one)
        one.mute(people=2)
        happen("1" * 32, client="b" * 16)
        happen("2" * 32, client="c" * 16)
        maintenance.run()
        one.refresh_from_db()
        assert (one.status, one.count_people()) == ("open", 3)

    def test_each_bug_is_muted_until_people_of_its_own(self):
        one, two = bug_of("1" * 32, client="a" * 16), bug_of("2" * 32)
        KnownBug.objects.mute(people=1)
        targets = KnownBug.objects.order_by("pk").values_list(
            "muted_until_people", flat=True
        )
        assert list(targets) == [2, 1]
        happen("2" * 32, client="b" * 16)
        assert [bug.pk for bug in KnownBug.objects.unmute_expired()] == [two.pk]
        one.refresh_from_db()
        assert one.status == "muted"

    def test_muting_again_replaces_the_condition(self):
        bug = bug_of(client="a" * 16)
        bug.mute(people=10)
        bug.mute(events=5)
        assert (bug.muted_until_count, bug.muted_until_people) == (6, None)
        bug.mute(people=10)
        assert (bug.muted_until_count, bug.muted_until_people) == (None, 11)
        assert bug.unmute()
        assert bug.muted_until_people is None

    def test_asking_whether_enough_people_are_affected_is_one_query(
        self, django_assert_num_queries
    ):
        for number in range(3):
            bug_of(f"{number}" * 32, client="a" * 16).mute(people=10)
        with django_assert_num_queries(3):  # one, in a transaction
            KnownBug.objects.unmute_expired()

    def test_muting_for_ever_lasts(self):
        bug = bug_of()
        bug.mute()
        happen(times=20)
        maintenance.run()
        bug.refresh_from_db()
        assert bug.status == "muted"


def test_worker_opens_a_bug_that_is_muted_until_more_people_are_affected(writer_thread):
    recorder.submit(make_event(client="a" * 16))
    assert recorder.flush(20)
    bug = KnownBug.objects.get()
    bug.mute(people=2)
    for client in ("a", "b", "b"):
        recorder.submit(make_event(client=client * 16))
    recorder.sweep_soon()
    assert recorder.flush(20)
    bug.refresh_from_db()
    assert (bug.status, bug.count_people()) == ("muted", 2)
    recorder.submit(make_event(client="c" * 16))
    assert recorder.flush(20)
    maintenance.run()  # as the next round does, within a minute
    bug.refresh_from_db()
    assert (bug.status, bug.count_people()) == ("open", 3)


@pytest.mark.django_db
class TestMerging:
    def test_groups_and_counts_move_to_the_survivor(self):
        one, two = bug_of("1" * 32, times=3), bug_of("2" * 32, times=4, at=-100)
        [merged] = KnownBug.objects.filter(pk=two.pk).merge_into(one, by="ada")
        one.refresh_from_db()
        assert merged.pk == two.pk
        assert (one.occurrence_count, one.groups.count()) == (7, 2)
        assert one.first_occurrence < one.last_occurrence
        two.refresh_from_db()
        assert (two.status, two.merged_into, two.occurrence_count) == (
            "resolved",
            one,
            0,
        )
        assert (
            one.activities.filter(verb="merged", by="ada").get().text
            == "B-002 belongs to it"
        )
        happen("2" * 32, at=5)
        one.refresh_from_db()
        two.refresh_from_db()
        assert (one.occurrence_count, two.status) == (8, "resolved")

    def test_merging_goes_on_to_whoever_survived_before(self):
        one, two, three = (bug_of(str(n) * 32) for n in (1, 2, 3))
        KnownBug.objects.filter(pk=two.pk).merge_into(one)
        two.refresh_from_db()
        KnownBug.objects.filter(pk=three.pk).merge_into(two)
        three.refresh_from_db()
        assert three.merged_into == one
        four = bug_of("4" * 32)
        KnownBug.objects.filter(pk=one.pk).merge_into(four)
        assert {bug.merged_into for bug in KnownBug.objects.exclude(pk=four.pk)} == {
            four
        }
        four.refresh_from_db()
        assert four.occurrence_count == 4

    def test_two_bugs_are_not_merged_into_each_other(self):
        """Two people merge at the same time; each has read the bugs before."""
        one, two = bug_of("1" * 32), bug_of("2" * 32)
        read_before = KnownBug.objects.get(pk=two.pk)
        KnownBug.objects.filter(pk=two.pk).merge_into(one)
        assert KnownBug.objects.filter(pk=one.pk).merge_into(read_before) == []
        one.refresh_from_db()
        assert (one.merged_into, one.status, one.occurrence_count) == (None, "open", 2)
        assert one.groups.count() == 2

    def test_bugs_that_lead_in_a_circle_hold_up_nobody(self):
        one, two, three = (bug_of(str(n) * 32) for n in (1, 2, 3))
        rows = KnownBug.objects.filter(pk__in=[one.pk, two.pk])
        rows.update(status="resolved")
        rows.filter(pk=one.pk).update(merged_into=two)
        rows.filter(pk=two.pk).update(merged_into=one)
        one.refresh_from_db()
        with pytest.raises(ValueError, match="is resolved"):
            KnownBug.objects.filter(pk=three.pk).merge_into(one)

    def test_nothing_is_merged_into_what_is_resolved(self):
        one, two = bug_of("1" * 32), bug_of("2" * 32)
        one.resolve()
        with pytest.raises(ValueError, match="B-001 is resolved"):
            KnownBug.objects.filter(pk=two.pk).merge_into(one)

    def test_environments_are_not_merged(self):
        """Promise 7."""
        one, two = bug_of("1" * 32), bug_of("2" * 32, environment="staging")
        with pytest.raises(ValueError, match="another environment"):
            KnownBug.objects.filter(pk=two.pk).merge_into(one)

    def test_merged_bug_is_not_opened_again(self):
        one, two = bug_of("1" * 32), bug_of("2" * 32)
        KnownBug.objects.filter(pk=two.pk).merge_into(one)
        two.refresh_from_db()
        assert not two.reopen()
        assert KnownBug.objects.filter(pk__in=[one.pk, two.pk]).merge_into(one) == []


@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_when_events_arrive_while_bugs_are_merged():
    one, two = bug_of("1" * 32), bug_of("2" * 32)

    def write():
        try:
            deadline = time.monotonic() + 60
            for _ in range(30):
                while time.monotonic() < deadline:
                    try:
                        happen("2" * 32)
                        break
                    except Exception as error:
                        if "locked" not in str(error) and "eadlock" not in str(error):
                            raise
        finally:
            connections["default"].close()

    thread = threading.Thread(target=write)
    thread.start()
    KnownBug.objects.filter(pk=two.pk).merge_into(one)
    thread.join()
    one.refresh_from_db()
    two.refresh_from_db()
    seen = sum(ErrorGroup.objects.values_list("times_seen", flat=True))
    assert (one.occurrence_count, two.occurrence_count, seen) == (32, 0, 32)


@pytest.mark.django_db
class TestUpkeep:
    def test_powers_of_ten_are_news_and_nothing_between(self):
        bug = bug_of(times=9)
        for _ in range(3):
            maintenance.run()
        assert verbs(bug) == ["created"]
        happen(times=1)
        maintenance.run()
        maintenance.run()
        happen(times=500)
        maintenance.run()
        texts = list(
            bug.activities.filter(verb="milestone").values_list("text", flat=True)
        )
        assert texts == ["10 occurrences", "100 occurrences"]
        bug.refresh_from_db()
        assert bug.next_milestone == 1_000
        assert (
            bug.latest_activity_id == bug.activities.filter(verb="milestone").last().pk
        )

    def test_spike_is_told_once_a_day(self):
        bug = bug_of(at=-86_400)
        KnownBug.objects.update(created=timezone.now() - dt.timedelta(days=1))
        happen(times=99)
        note_spikes()
        assert "spiking" not in verbs(bug)
        happen(times=1)
        note_spikes()
        note_spikes()
        assert verbs(bug).count("spiking") == 1
        assert bug.activities.get(verb="spiking").text == "100 in this hour, usually 0"

    def test_usual_noise_is_no_spike(self):
        bug = bug_of(times=150)
        KnownBug.objects.update(created=timezone.now() - dt.timedelta(days=7))
        hour = hour_of(timezone.now())
        group = ErrorGroup.objects.get()
        HourlyCount.objects.bulk_create(
            HourlyCount(group=group, hour=hour - dt.timedelta(hours=n), count=20)
            for n in range(1, 168)
        )
        note_spikes()
        assert "spiking" not in verbs(bug)

    def test_many_users_raise_the_severity_once_and_a_person_wins(self):
        bug = bug_of(times=100)
        group = ErrorGroup.objects.get()
        today = timezone.now().date()
        GroupClient.objects.bulk_create(
            GroupClient(group=group, day=today, hash=f"{n:016x}") for n in range(100)
        )
        KnownBug.objects.update(has_manual_severity=True)
        maintenance.run()
        bug.refresh_from_db()
        assert bug.severity == "high"
        KnownBug.objects.update(has_manual_severity=False)
        maintenance.run()
        maintenance.run()
        bug.refresh_from_db()
        assert bug.severity == "critical"
        assert verbs(bug).count("edited") == 1

    def test_the_round_is_a_handful_of_questions_when_nothing_is_to_do(
        self, django_assert_max_num_queries
    ):
        bug_of()
        with django_assert_max_num_queries(10):
            maintenance.run()


@pytest.mark.django_db
def test_news_of_a_bug_grow_in_the_order_of_commits():
    bug = bug_of()
    bug.start(by="ada")
    bug.resolve(by="ada")
    bug.refresh_from_db()
    assert bug.latest_activity_id == Activity.objects.filter(bug=bug).last().pk
    before = bug.latest_activity_id
    KnownBug.objects.filter(pk=bug.pk).record_activity(
        Activity.Verb.NOTE, by="ada", text="I looked into it"
    )
    bug.refresh_from_db()
    assert bug.latest_activity_id == before, "a note is for people"
    assert connection.in_atomic_block
