"""From journal to rows: counted exactly, stored once, whatever fails on the way."""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
import uuid

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Sum
from django.utils import timezone

from error_tracking import capture_exception, flush, recorder, signals, testing
from error_tracking.bugs import gate, known
from error_tracking.bugs.opening import open_bug
from error_tracking.events.event import Event
from error_tracking.exceptions import StaleJournalError
from error_tracking.models import (
    Activity,
    DailyCount,
    ErrorGroup,
    ErrorLog,
    Filing,
    GroupClient,
    HourlyCount,
    HourlyTotal,
    Journal,
    KnownBug,
    Release,
    Sequence,
)
from error_tracking.models.base import moment_from
from error_tracking.recorder import batch_writer, store, worker
from error_tracking.recorder.journal import EVENT, JournalFile, MemoryStorage
from tests.children import end_in_time
from tests.factories import make_event


def total(model, field):
    return model.objects.aggregate(total=Sum(field))["total"] or 0


def memory_journal(*events):
    journal = JournalFile(MemoryStorage(), "f" * 32)
    for event in events:
        journal.append(EVENT, event.to_bytes())
    return journal


def assert_counted(expected):
    """Promise 4: the five sums are one."""
    counts = (
        total(ErrorLog, "occurrences"),
        total(ErrorGroup, "times_seen"),
        total(HourlyCount, "count"),
        total(DailyCount, "count"),
        total(HourlyTotal, "count"),
    )
    assert counts == (expected,) * 5


@pytest.mark.django_db
class TestStore:
    def test_event_becomes_a_log_a_group_and_counts(self):
        event = make_event(
            user_id="7",
            user_label="ada",
            ip_address="192.0.2.0",
            release="v1",
            client="a" * 16,
        )
        store.store([event])
        log = ErrorLog.objects.get()
        assert (log.reference, log.user_id, log.user_label, log.release) == (
            event.reference,
            7,
            "ada",
            "v1",
        )
        assert log.created == moment_from(event.timestamp)
        group = ErrorGroup.objects.get()
        assert (group.times_seen, group.first_release, group.title) == (
            1,
            "v1",
            event.title,
        )
        assert Release.objects.get().version == "v1"
        assert GroupClient.objects.count() == 1
        assert_counted(1)

    def test_events_of_one_fingerprint_share_a_group_and_others_do_not(self):
        store.store(
            [
                make_event(),
                make_event(),
                make_event(fingerprint="a" * 32),
                make_event(environment="staging"),
            ]
        )
        assert sorted(ErrorGroup.objects.values_list("times_seen", flat=True)) == [
            1,
            1,
            2,
        ]
        assert_counted(4)

    def test_first_and_last_seen_are_those_of_the_events_in_any_order(self):
        times = [2_000_000.0, 1_000_000.0, 3_000_000.0]
        for timestamp in times:
            store.store([make_event(timestamp=timestamp, release=f"v{timestamp:.0f}")])
        group = ErrorGroup.objects.get()
        assert (group.first_seen, group.last_seen) == (
            moment_from(1_000_000.0),
            moment_from(3_000_000.0),
        )
        assert group.last_release == "v3000000"

    def test_number_of_queries_does_not_grow_with_the_batch(
        self, django_assert_max_num_queries
    ):
        store.store([make_event(client="1" * 16)])
        with django_assert_max_num_queries(26):
            store.store([make_event(client=f"{n:016d}") for n in range(100)])
        assert_counted(101)

    def test_journal_is_moved_with_the_batch(self):
        journal = memory_journal()
        store.store([make_event()], journal=journal, position=1)
        journal.move_to(1)
        store.store([make_event()], journal=journal, position=2)
        assert Journal.objects.get(pk=journal.id).position == 2

    def test_batch_that_somebody_stored_already_is_not_counted_again(self):
        """Also what follows a COMMIT whose answer was lost."""
        journal = memory_journal(make_event())
        store.store([make_event()], journal=journal, position=1)
        with pytest.raises(StaleJournalError):
            store.store([make_event()], journal=journal, position=1)
        assert (journal.position, journal.pending) == (1, 0)
        assert_counted(1)

    def test_database_restored_from_an_older_copy_gets_what_it_had_lost(self):
        journal = memory_journal()
        for _ in range(2):
            journal.append(EVENT, make_event().to_bytes())
            batch_writer.write_batch(journal, journal.read())
        Journal.objects.update(position=1)
        ErrorLog.objects.order_by("-pk")[0].delete()
        for model, field in (
            (ErrorGroup, "times_seen"),
            (HourlyCount, "count"),
            (HourlyTotal, "count"),
        ):
            model.objects.update(**{field: 1})
        journal.append(EVENT, make_event().to_bytes())
        with pytest.raises(StaleJournalError):
            batch_writer.write_batch(journal, journal.read())
        batch_writer.write_batch(journal, journal.read())
        assert (journal.pending, Journal.objects.get().position) == (0, 3)
        assert_counted(3)

    def test_journal_whose_row_is_gone_goes_on_where_it_was(self):
        journal = memory_journal(make_event())
        batch_writer.write_batch(journal, journal.read())
        Journal.objects.all().delete()
        journal.append(EVENT, make_event().to_bytes())
        batch_writer.write_batch(journal, journal.read())
        assert_counted(2)

    def test_clients_are_bounded_per_group_and_day(self, monkeypatch):
        monkeypatch.setattr(store, "CLIENTS_PER_DAY", 3)
        for number in range(5):
            store.store([make_event(client=f"{number:016d}")])
        assert GroupClient.objects.count() == 3

    def test_user_that_is_no_key_of_the_host_s_is_left_out(self):
        """FAULTS S05."""
        store.store([make_event(user_id="not-a-number", user_label="ada")])
        assert ErrorLog.objects.get().user_id is None

    def test_bug_is_counted_and_a_resolved_one_comes_back(self):
        store.store([make_event()])
        gate.sweep()
        bug = KnownBug.objects.get()
        seen = []
        signals.bug_regressed.connect(
            lambda bug, **_: seen.append(bug.bug_id), weak=False, dispatch_uid="test"
        )
        try:
            bug.resolve(by="ada")
            store.store([make_event(timestamp=time.time() - 3_600)])
            bug.refresh_from_db()
            assert bug.is_resolved, "an event from before the fix is no regression"
            store.store([make_event(timestamp=time.time() + 1)])
        finally:
            signals.bug_regressed.disconnect(dispatch_uid="test")
        bug.refresh_from_db()
        assert (bug.status, bug.occurrence_count, bug.is_regression) == (
            "open",
            3,
            True,
        )
        assert bug.activities.filter(verb="regressed").count() == 1

    def test_text_longer_than_its_column_is_cut(self):
        """FAULTS S10."""
        long = "x" * 5_000
        store.store(
            [
                make_event(
                    title=long,
                    culprit=long,
                    route=long,
                    method=long,
                    release=long,
                    server_name=long,
                )
            ]
        )
        assert len(ErrorGroup.objects.get().title) == 255


@pytest.mark.django_db(transaction=True)
class TestWriter:
    def test_poisoned_event_is_stored_without_its_payload_and_harms_no_other(
        self, monkeypatch, caplog
    ):
        original = store.store

        def picky(events, **kwargs):
            if any(
                '"poison": true' in event.request_data
                for event in events
                if isinstance(event, Event)
            ):
                raise DatabaseError("cannot take it")
            return original(events, **kwargs)

        monkeypatch.setattr(store, "store", picky)
        journal = memory_journal()
        for number in range(5):
            journal.append(
                EVENT, make_event(request={"poison": number == 3}).to_bytes()
            )
        batch_writer.write_batch(journal, journal.read())
        assert_counted(5)
        assert ErrorLog.objects.filter(request_data={"truncated": True}).count() == 1
        assert journal.pending == 0
        assert "stored without its payload" in caplog.text

    def test_event_that_always_fails_in_passing_ways_blocks_no_other_for_ever(
        self, monkeypatch
    ):
        original = store.store

        def picky(events, **kwargs):
            if any(
                '"poison": true' in event.request_data
                for event in events
                if isinstance(event, Event)
            ):
                raise OperationalError("incorrect string value")
            return original(events, **kwargs)

        monkeypatch.setattr(store, "store", picky)
        journal = memory_journal()
        for number in range(3):
            journal.append(
                EVENT, make_event(request={"poison": number == 0}).to_bytes()
            )
        batch_writer.write_batch(journal, journal.read())
        assert_counted(3)
        assert Journal.objects.get().bare == 1

    def test_database_that_does_not_answer_is_waited_for_whatever_the_patience(
        self, monkeypatch
    ):
        """FAULTS S01, S17."""

        def away(*args, **kwargs):
            raise OperationalError("server closed the connection")

        monkeypatch.setattr(store, "store", away)
        monkeypatch.setattr(Journal.objects, "using", away)
        journal = memory_journal()
        journal.append(EVENT, make_event().to_bytes())
        with pytest.raises(OperationalError):
            batch_writer.write_batch(journal, journal.read())
        assert journal.pending == 1

    def test_unreadable_payload_is_counted_as_lost(self, swallowed):
        journal = memory_journal()
        journal.append(EVENT, b"garbage")
        journal.append(EVENT, make_event().to_bytes())
        batch_writer.write_batch(journal, journal.read())
        assert_counted(1)
        assert (Journal.objects.get().lost, len(swallowed)) == (1, 1)

    def test_events_are_stored_on_the_thread_and_become_bugs(
        self, writer_thread, tmp_path
    ):
        for _ in range(20):
            recorder.submit(make_event())
        assert flush(10)
        assert_counted(20)
        bug = KnownBug.objects.get()
        assert bug.occurrence_count == 20
        assert bug.filings.get().state == "filed"
        assert known.lookup("f" * 32).bug_id == bug.bug_id

    def test_database_that_comes_back_loses_nothing(
        self, writer_thread, monkeypatch, swallowed
    ):
        """FAULTS S15, S17."""
        original, failing = store.store, [True]

        def away(events, **kwargs):
            if failing[0]:
                raise OperationalError("server closed the connection")
            return original(events, **kwargs)

        monkeypatch.setattr(store, "store", away)
        recorder.submit(make_event())
        assert not flush(0.3)
        assert writer_thread.intake.pending == 1
        failing[0] = False
        assert flush(15)
        assert_counted(1)
        assert "events wait" in swallowed[0].getMessage()

    def test_stopping_stores_what_waits(self, writer_thread):
        """FAULTS T14."""
        for _ in range(5):
            recorder.submit(make_event())
        writer_thread.stop()
        assert_counted(5)
        writer_thread.start()
        assert not writer_thread.has_thread

    def test_stopping_without_a_thread_stores_in_place(
        self, transactional_db, configure, tmp_path, monkeypatch
    ):
        """FAULTS T14: at shutdown a thread may not start any more."""
        lone = worker.Worker()
        monkeypatch.setattr(lone, "start", lambda: None)
        configure(JOURNAL_DIR=tmp_path)
        lone.intake.submit(make_event())
        lone.stop()
        assert_counted(1)

    def test_thread_that_cannot_start_is_no_error(self, monkeypatch, writer_thread):
        def refuse(self):
            raise RuntimeError("can't start new thread at interpreter shutdown")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        writer_thread.intake.submit(make_event())
        assert not writer_thread.has_thread
        assert writer_thread.intake.pending == 1

    def test_journal_with_little_room_takes_events_without_their_payload(
        self, writer_thread, monkeypatch, swallowed
    ):
        monkeypatch.setattr(writer_thread.intake, "fill", lambda: 0.8)
        recorder.submit(make_event(traceback="long"))
        assert flush(10)
        assert ErrorLog.objects.get().traceback == ""

    def test_sweep_soon_looks_at_the_gate(self, writer_thread, configure):
        configure(AUTO_CREATE_BUGS=False)
        recorder.submit(make_event())
        assert flush(10)
        configure(AUTO_CREATE_BUGS=True)
        recorder.sweep_soon()
        deadline = time.monotonic() + 10
        while not KnownBug.objects.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert flush(10)

    def test_forked_child_starts_with_a_writer_of_its_own(self, writer_thread):
        """FAULTS T10, T11."""
        recorder.submit(make_event())
        assert flush(10)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            end_in_time()
            fresh = worker.get_worker()
            os.write(
                write,
                b"1"
                if fresh is not writer_thread
                and not fresh.intake.journals
                and not fresh.is_started
                else b"0",
            )
            os._exit(0)
        os.close(write)
        os.waitpid(child, 0)
        assert os.read(read, 1) == b"1"
        os.close(read)


@pytest.mark.django_db
class TestRecorder:
    def test_under_the_test_environment_nothing_but_the_outbox_is_used(
        self, outbox, django_assert_num_queries
    ):
        """FAULTS T15."""
        with django_assert_num_queries(0):
            recorder.submit(make_event())
            recorder.start()
            recorder.sweep_soon()
            assert recorder.flush()
        assert len(outbox) == 1
        assert not recorder.is_started()

    def test_immediate_writes_at_once_in_a_savepoint_of_its_own(self, immediate):
        with transaction.atomic():
            recorder.submit(make_event())
            assert ErrorLog.objects.count() == 1

    def test_immediate_in_a_broken_transaction_waits_for_the_writer(
        self, immediate, monkeypatch, configure, tmp_path
    ):
        """FAULTS S02."""
        configure(JOURNAL_DIR=tmp_path)
        fresh = worker.Worker()
        monkeypatch.setattr(fresh, "start", lambda: None)
        monkeypatch.setattr(worker, "_worker", fresh)
        with transaction.atomic():
            connection.needs_rollback = True
            recorder.submit(make_event())
            connection.needs_rollback = False
        assert fresh.intake.pending == 1
        assert not ErrorLog.objects.exists()

    def test_reference_on_the_page_finds_the_row(self, immediate):
        try:
            raise ValueError("handled")
        except ValueError:
            reference = capture_exception()
        assert ErrorLog.objects.get(reference=reference).exception_type == "ValueError"


@pytest.mark.django_db
class TestGate:
    def decided(self, **values):
        store.store([make_event(**values)])
        gate.sweep()
        return ErrorGroup.objects.order_by("-pk")[0]

    def test_exception_is_a_bug_at_once(self):
        assert self.decided().bug.severity == "high"

    def test_threshold_is_waited_for(self, configure):
        configure(BUG_THRESHOLD=2)
        assert self.decided().verdict_reason == "seen 1 of 2 times (BUG_THRESHOLD)"
        assert self.decided().bug is not None

    @pytest.mark.parametrize(
        ("level", "is_bug"),
        [("fatal", True), ("error", True), ("warning", False), ("info", False)],
    )
    def test_message_is_a_bug_by_its_level(self, level, is_bug):
        group = self.decided(
            error_type="message", level=level, status_code=0, handled=True
        )
        assert (group.bug is not None) is is_bug
        assert (group.verdict == "never") is not is_bug
        assert group.bug is None or group.bug.severity == {"fatal": "critical"}.get(
            level, "medium"
        )

    def client_error(self, clients=1, **values):
        for number in range(clients):
            group = self.decided(
                error_type="http_4xx",
                status_code=404,
                client=f"{number:016d}",
                **values,
            )
        return group

    def test_client_error_without_evidence_is_none(self):
        """FAULTS B01."""
        group = self.client_error(10)
        assert group.bug is None
        assert "no evidence" in group.verdict_reason

    def test_client_error_with_evidence_is_one_at_three_clients(self):
        assert (
            self.client_error(2, is_evidence=True).verdict_reason
            == "affects 2 of 3 required clients in 24 hours"
        )
        assert self.client_error(3, is_evidence=True).bug.severity == "low"

    @pytest.mark.parametrize("status", [401, 429])
    def test_answer_that_is_no_fault_is_never_one(self, status):
        group = self.decided(
            error_type="http_4xx", status_code=status, is_evidence=True
        )
        assert group.verdict == "never"

    def test_csrf_failure_of_this_host_is_one_at_once(self):
        assert (
            self.decided(
                error_type="csrf",
                status_code=403,
                is_evidence=True,
                has_own_origin=True,
            ).bug.severity
            == "medium"
        )

    def test_other_csrf_failures_need_evidence_and_three_clients(self):
        def refused(clients, **values):
            events = [
                make_event(
                    error_type="csrf", status_code=403, client=f"{n:016x}", **values
                )
                for n in range(clients)
            ]
            store.store(events)
            gate.sweep()
            return ErrorGroup.objects.get(fingerprint=events[0].fingerprint)

        assert refused(50, fingerprint="1" * 32).bug is None
        assert refused(2, fingerprint="2" * 32, is_evidence=True).bug is None
        assert refused(3, fingerprint="2" * 32, is_evidence=True).bug is not None

    @pytest.mark.parametrize(("setting", "is_bug"), [("all", True), ("none", False)])
    def test_setting_decides_on_client_errors(self, configure, setting, is_bug):
        configure(CLIENT_ERROR_BUGS=setting)
        assert (self.client_error().bug is not None) is is_bug

    def test_bug_is_made_once_with_its_outbox_and_history(self):
        group = self.decided()
        again, is_new = open_bug(group)
        assert (again, is_new) == (group.bug, False)
        assert Filing.objects.filter(bug=group.bug).count() == 1
        assert [activity.verb for activity in group.bug.activities.all()] == [
            Activity.Verb.CREATED
        ]

    def test_deleted_bug_still_matches(self):
        """FAULTS A07."""
        self.decided().bug.delete()
        self.decided()
        assert KnownBug.all_objects.count() == 1
        assert known.lookup("f" * 32) is None

    def test_environment_of_another_process_is_left_alone(self):
        assert self.decided(environment="staging").bug is None

    def test_numbers_follow_the_order_of_appearance(self):
        store.store(
            [
                make_event(
                    fingerprint=f"{n:032d}", title=str(n), timestamp=time.time() + n
                )
                for n in range(3)
            ]
        )
        gate.sweep()
        assert list(
            KnownBug.objects.order_by("number").values_list("title", flat=True)
        ) == ["0", "1", "2"]


@pytest.mark.django_db
class TestKnownBug:
    def test_ids_count_on_past_999_in_numeric_order(self):
        """FAULTS S13."""
        Sequence.objects.create(name="bug:B", value=998)
        bugs = [KnownBug.objects.create(title=str(n)) for n in range(3)]
        assert [bug.bug_id for bug in bugs] == ["B-999", "B-1000", "B-1001"]
        assert [bug.bug_id for bug in KnownBug.objects.all()] == [
            "B-1001",
            "B-1000",
            "B-999",
        ]

    def test_number_is_never_given_again(self):
        first = KnownBug.objects.create(title="a")
        first.hard_delete()
        assert KnownBug.objects.create(title="b").bug_id == "B-002"
        KnownBug.objects.all().delete()
        assert KnownBug.objects.create(title="c").bug_id == "B-003"
        KnownBug.all_objects.all().hard_delete()
        assert not KnownBug.all_objects.exists()

    def test_number_is_above_every_bug_file(self, tmp_path):
        folder = tmp_path / "planning" / "tasks"
        folder.mkdir(parents=True)
        for name in (
            "B-007-old.md",
            "b-011.md",
            "B-9-x.md",
            "other.md",
            "BB-999.md",
            "B-12x34.md",
        ):
            (folder / name).touch()
        assert KnownBug.objects.create(title="a").bug_id == "B-013"

    def test_prefix_has_numbers_of_its_own(self, configure):
        KnownBug.objects.create(title="a")
        configure(BUG_PREFIX="S")
        assert KnownBug.objects.create(title="a").bug_id == "S-001"

    def test_number_is_given_back_when_saving_fails(self):
        bug = KnownBug(title="a", uuid="no uuid")
        with pytest.raises(Exception, match="UUID"), transaction.atomic():
            bug.save()
        assert bug.bug_id == ""
        assert KnownBug.objects.create(title="b").bug_id == "B-001"

    def test_saving_again_keeps_the_number(self):
        bug = KnownBug.objects.create(title="a")
        bug.title = "b"
        bug.save()
        assert KnownBug.objects.get().bug_id == "B-001"
        assert str(bug) == "B-001 b"

    def test_soft_delete_hides_and_restore_shows(self):
        bug = KnownBug.objects.create(title="a")
        assert bug.delete() == (1, {"error_tracking.KnownBug": 1})
        assert bug.is_deleted
        assert (KnownBug.objects.count(), KnownBug.all_objects.count()) == (0, 1)
        bug.restore()
        assert not bug.is_deleted
        assert bug.deleted_at is None
        assert KnownBug.objects.get() == bug

    def test_life_cycle(self):
        bug = KnownBug.objects.create(title="a")
        assert bug.start(by="ada")
        assert bug.status == "in_progress"
        assert bug.mute()
        assert not bug.start()
        assert bug.unmute()
        assert bug.resolve(by="ada", release="v2")
        assert (bug.is_resolved, bug.resolved_in_release) == (True, "v2")
        assert not bug.resolve()
        assert bug.reopen()
        assert (bug.status, bug.resolved_at, bug.resolved_in_release) == (
            "open",
            None,
            "",
        )
        verbs = list(bug.activities.values_list("verb", "by"))
        assert verbs == [
            ("in_progress", "ada"),
            ("muted", ""),
            ("open", ""),
            ("resolved", "ada"),
            ("open", ""),
        ]

    def test_querysets_read_as_english(self):
        old = KnownBug.objects.create(
            title="old", last_occurrence=timezone.now() - dt.timedelta(days=9)
        )
        new = KnownBug.objects.create(title="new", last_occurrence=timezone.now())
        assert list(
            KnownBug.objects.unresolved().seen_since(
                timezone.now() - dt.timedelta(days=1)
            )
        ) == [new]
        KnownBug.objects.filter(pk=old.pk).resolve()
        assert list(KnownBug.objects.unresolved()) == [new]

    def test_resolving_tells_the_project(self, django_capture_on_commit_callbacks):
        seen = []

        def receiver(sender, bug, **kwargs):
            seen.append(bug.bug_id)

        signals.bug_resolved.connect(receiver)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                KnownBug.objects.create(title="a").resolve()
        finally:
            signals.bug_resolved.disconnect(receiver)
        assert seen == ["B-001"]

    def test_receiver_that_fails_is_logged_and_harms_nothing(self, swallowed):
        def receiver(**kwargs):
            raise RuntimeError("the project's own")

        signals.bug_created.connect(receiver)
        try:
            signals.send(signals.bug_created, KnownBug(title="a"))
        finally:
            signals.bug_created.disconnect(receiver)
        assert "a receiver failed" in swallowed[0].getMessage()

    def test_rows_have_names(self):
        store.store(
            [make_event(release="v1", client="c" * 16)],
            journal=memory_journal(),
            position=1,
        )
        gate.sweep()
        for model in (
            ErrorLog,
            ErrorGroup,
            GroupClient,
            DailyCount,
            HourlyCount,
            HourlyTotal,
            Release,
            Journal,
            Filing,
            Activity,
            Sequence,
        ):
            assert str(model.objects.all()[0])

    def test_times_are_kept_as_the_host_keeps_them(self, settings):
        assert moment_from(0.0).tzinfo is not None
        settings.USE_TZ = False
        assert moment_from(0.0).tzinfo is None


def test_event_ids_are_unique():
    assert len({make_event().event_id for _ in range(100)}) == 100
    assert uuid.UUID(make_event().event_id).version == 7
    assert testing.is_test_run()


@pytest.mark.django_db
def test_error_that_was_handled_and_crashes_now_becomes_a_bug():
    store.store([make_event(level="warning", handled=True, status_code=0)])
    gate.sweep()
    assert ErrorGroup.objects.get().verdict == "never"
    store.store([make_event()])
    gate.sweep()
    group = ErrorGroup.objects.get()
    assert (group.level, group.handled, group.bug.severity) == ("error", False, "high")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "severity"),
    [
        ({"error_type": "http_5xx", "handled": True}, "high"),
        ({"error_type": "http_4xx", "handled": True, "status_code": 404}, "low"),
        ({"error_type": "csrf", "handled": True, "status_code": 403}, "medium"),
        ({"handled": True}, "medium"),
        ({"level": "fatal"}, "critical"),
    ],
)
def test_severity_starts_as_the_kind_says(values, severity):
    store.store([make_event(**values)])
    assert open_bug(ErrorGroup.objects.get())[0].severity == severity


@pytest.mark.django_db
def test_logs_of_a_group_have_one_index():
    """It serves the foreign key as well: each one more is written with every error."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(
            cursor, ErrorLog._meta.db_table
        )
    indexed = [
        values["columns"]
        for values in found.values()
        if values["index"] and values["columns"][0] == "group_id"
    ]
    assert indexed == [["group_id", "created"]]
