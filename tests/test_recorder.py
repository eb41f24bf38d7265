"""The recorder's parts: the journal's format and damage, the budget, the bounds, the machine, its health."""

from __future__ import annotations

import dataclasses
import errno
import logging
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import django
import pytest
from django.core import mail
from django.db import OperationalError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from error_tracking import health, recorder
from error_tracking.bugs import known, sweep
from error_tracking.bugs.known import PublicState
from error_tracking.capture.service import ErrorCaptureService
from error_tracking.events.event import KINDS, Fold
from error_tracking.events.kinds import CLASSES_PER_PLACE, QUOTAS, Kind
from error_tracking.exceptions import StaleJournalError
from error_tracking.models import (
    DailyCount,
    ErrorGroup,
    ErrorLog,
    HourlyCount,
    HourlyTotal,
)
from error_tracking.models import Journal as JournalRow
from error_tracking.models.base import moment_from
from error_tracking.recorder import (
    batch_writer,
    failures,
    memory_counts,
    outage,
    store,
    worker,
)
from error_tracking.recorder import budget as budgets
from error_tracking.recorder import intake as intakes
from error_tracking.recorder import journal as journals
from error_tracking.recorder import machine as machines
from error_tracking.recorder.batch_items import BatchItems, items_in
from error_tracking.recorder.budget import Budget, Overflow
from error_tracking.recorder.journal import (
    COUNT,
    EVENT,
    ForeignJournalError,
    JournalFile,
    MemoryStorage,
)
from error_tracking.recorder.machine import Machine
from error_tracking.utils import hour_of
from tests.children import end_in_time
from tests.factories import make_event
from tests.test_pipeline import assert_counted, memory_journal

IDENTITY = "f" * 32
ADMINS = (
    ["ada@example.com"] if django.VERSION >= (6, 0) else [("Ada", "ada@example.com")]
)


def fold_of(event, **values):
    return Fold(
        event_id=event.event_id,
        fingerprint=event.fingerprint,
        timestamp=event.timestamp,
        error_type=event.error_type,
        status_code=event.status_code,
        **values,
    )


def payloads(journal, **limits):
    batch = journal.read(**limits)
    return [payload for _, _, payload in batch.records] if batch else []


def wait_until(is_so):
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def left_by_a_dead_process(folder, *records, identity=IDENTITY):
    """Return the file of a journal with *records* whose owner is gone."""
    journal = JournalFile.create(folder, identity)
    for payload in records:
        journal.append(EVENT, payload)
    path = journal.storage.path
    journal.storage.close(unlink=False)
    return path


class TestFormat:
    @given(
        st.lists(
            st.tuples(st.sampled_from([EVENT, COUNT]), st.binary(max_size=300)),
            max_size=40,
        )
    )
    def test_what_goes_in_comes_out_in_order(self, records):
        journal = memory_journal()
        for kind, payload in records:
            journal.append(kind, payload)
        batch = journal.read()
        assert (batch.records if batch else []) == [
            (n, *record) for n, record in enumerate(records, 1)
        ]

    @given(st.data())
    def test_any_damage_costs_what_it_hits_and_is_counted(self, data):
        """Nothing is read that was not written, and read + lost = written, up to what was torn off the end."""
        written = [bytes([65 + n]) * data.draw(st.integers(0, 60)) for n in range(12)]
        journal = memory_journal()
        for payload in written:
            journal.append(EVENT, payload)
        raw = journal.storage._bytes
        for _ in range(data.draw(st.integers(1, 5))):
            at = data.draw(st.integers(journals._HEADER.size, len(raw) - 1))
            raw[at] = data.draw(st.integers(0, 255))
        batch = journal.read()
        records = batch.records if batch else []
        assert all(written[sequence - 1] == payload for sequence, _, payload in records)
        assert [sequence for sequence, _, _ in records] == sorted(
            {sequence for sequence, _, _ in records}
        )
        if batch:
            assert len(records) + batch.lost == batch.position

    @given(st.integers(0, 400))
    def test_torn_end_costs_only_what_was_never_answered(self, cut):
        journal = memory_journal()
        for _ in range(5):
            journal.append(EVENT, b"x" * 40)
        whole = len(journal.storage._bytes)
        keep = max(journals._HEADER.size, whole - cut)
        del journal.storage._bytes[keep:]
        journal.storage.size = keep
        assert len(payloads(journal)) == (keep - journals._HEADER.size) // (
            journals._FRAME.size + 40
        )

    @given(
        st.lists(
            st.tuples(
                st.integers(1_795_000_000_000, 1_795_005_000_000),
                st.integers(1, Fold.MOST),
                st.sampled_from(["", "a" * 16]),
            )
        )
    )
    def test_folds_that_are_alike_are_few_and_tell_the_same(self, told):
        journal, event = memory_journal(), make_event()
        folds = [
            dataclasses.replace(
                fold_of(event, client=client), timestamp=moment / 1_000, count=count
            )
            for moment, count, client in told
        ]
        for fold in folds:
            journal.append(COUNT, fold.to_bytes())
        batch = journal.read()
        contents = items_in(batch) if batch else BatchItems([], [])

        def sums(folds):
            found = {}
            for fold in folds:
                key = fold.client, hour_of(moment_from(fold.timestamp))
                count, first, last = found.get(key, (0, fold.timestamp, fold.timestamp))
                found[key] = (
                    count + fold.count,
                    min(first, fold.timestamp),
                    max(last, fold.timestamp),
                )
            return found

        assert sums(contents.items) == sums(folds)
        assert len(contents.items) <= 2 * 7 * 2  # two a client and quarter of an hour
        assert contents.lost == 0

    def test_what_is_no_fold_is_counted_as_lost(self):
        journal, whole = memory_journal(), fold_of(make_event()).to_bytes()
        for payload in (
            b"short",
            whole,
            whole[:46] + b"\xff" + whole[47:47] + b"\xff" + whole[48:],
        ):
            journal.append(COUNT, payload)
        contents = items_in(journal.read())
        assert (len(contents.items), contents.lost) == (1, 2)
        assert [each.sequence for each in contents.unreadable] == [1, 3]

    def test_count_record_takes_64_bytes(self):
        event = make_event(client="a" * 16)
        journal = memory_journal()
        before = journal.storage.size
        journal.append(COUNT, fold_of(event).to_bytes())
        assert journal.storage.size - before == 64

    @given(
        st.builds(
            Fold,
            event_id=st.uuids().map(str),
            fingerprint=st.binary(min_size=16, max_size=16).map(bytes.hex),
            timestamp=st.integers(0, 10**13).map(lambda ms: ms / 1_000),
            error_type=st.sampled_from(KINDS),
            status_code=st.integers(0, 999),
            client=st.one_of(
                st.just(""), st.binary(min_size=8, max_size=8).map(bytes.hex)
            ),
            is_evidence=st.booleans(),
            count=st.integers(1, Fold.MOST),
        )
    )
    def test_fold_comes_back_as_it_was(self, fold):
        again = Fold.from_bytes(fold.to_bytes())
        assert abs(again.timestamp - fold.timestamp) < 0.0011
        assert again == Fold(
            **{name: getattr(fold, name) for name in fold.__slots__}
            | {"timestamp": again.timestamp}
        )

    @pytest.mark.parametrize("data", [b"", b"x" * 48, b"x" * 50, b"\xff" * 49])
    def test_what_is_no_fold_is_refused(self, data):
        with pytest.raises(ValueError, match="not a fold"):
            Fold.from_bytes(data)

    def test_batch_is_bounded_by_events_counts_and_bytes(self):
        journal = memory_journal()
        for _ in range(10):
            journal.append(EVENT, b"x" * 100)
            journal.append(COUNT, b"y")
        assert len(payloads(journal, events=3)) == 6
        assert len(payloads(journal, counts=2)) == 5
        assert len(payloads(journal, size=250)) == 4
        assert len(payloads(journal)) == 20

    def test_reading_goes_on_past_a_piece_of_the_file(self, monkeypatch):
        monkeypatch.setattr(journals, "_READ_BYTES", 200)
        journal = memory_journal()
        for number in range(50):
            journal.append(EVENT, b"%03d" % number * 20)
        assert len(payloads(journal)) == 50
        journal.storage._bytes[400:900] = b"\0" * 500
        batch = journal.read()
        assert len(batch.records) + batch.lost == 50

    def test_record_that_ends_with_a_piece_of_the_file_is_not_taken_for_the_last(self):
        """A count takes 64 bytes, of which a piece holds a whole number: draining a storm stopped after each."""
        journal = memory_journal()
        each = 64 - journals._FRAME.size
        for _ in range(2 * journals._READ_BYTES // 64 + 1):
            journal.append(COUNT, b"x" * each)
        first = journal.read(counts=journals._READ_BYTES // 64)
        assert (len(first.records), first.is_last) == (
            journals._READ_BYTES // 64,
            False,
        )
        whole = journal.read()
        assert (len(whole.records), whole.is_last) == (
            2 * journals._READ_BYTES // 64 + 1,
            True,
        )

    def test_file_that_was_cut_short_is_read_as_far_as_it_goes(self):
        journal = memory_journal()
        for _ in range(3):
            journal.append(EVENT, b"x" * 100_000)
        del journal.storage._bytes[250_000:]
        assert len(payloads(journal)) == 2

    def test_unknown_kind_is_counted_as_lost(self):
        journal = memory_journal()
        journal.append(9, b"from the future")
        journal.append(EVENT, b"a")
        batch = journal.read()
        assert (len(batch.records), batch.lost, batch.position) == (1, 1, 2)

    def test_journal_of_the_first_release_is_read(self):
        """The bytes of format 1, kept here as they were written: they must be readable for ever."""
        path_key = journals._key_in(GOLDEN[: journals._HEADER.size], IDENTITY)
        assert str(path_key) == "0198c1f0-0000-7000-8000-000000000001"
        storage = MemoryStorage()
        storage.append(GOLDEN)
        journal = JournalFile(storage, IDENTITY, key=path_key)
        assert [(kind, payload) for _, kind, payload in journal.read().records] == [
            (1, b'{"a":1}'),
            (2, b"count"),
        ]


GOLDEN = bytes.fromhex(
    "45544a0166666666666666666666666666666666666666666666666666666666666666660198c1f000007000800000000000"
    "0001e704fe32e74a010700000001000000cf792bd37b2261223a317de74a0205000000020000008095f740636f756e74"
)


class TestFile:
    def test_file_is_private_and_gone_when_drained(self, tmp_path):
        """FAULTS V08."""
        journal = JournalFile.create(tmp_path, IDENTITY)
        journal.append(EVENT, b"a")
        path = journal.storage.path
        assert path.stat().st_mode & 0o777 == 0o600
        journal.move_to(1)
        journal.close()
        assert not path.exists()

    def test_journal_of_a_living_process_is_left_alone(self, tmp_path):
        journal = JournalFile.create(tmp_path, IDENTITY)
        assert JournalFile.adopt(journal.storage.path, IDENTITY) is None
        journal.storage.close(unlink=False)
        assert JournalFile.adopt(journal.storage.path, IDENTITY) is not None

    def test_only_one_of_two_adopters_gets_it(self, tmp_path):
        path = left_by_a_dead_process(tmp_path, b"a")
        first, second = (
            JournalFile.adopt(path, IDENTITY),
            JournalFile.adopt(path, IDENTITY),
        )
        assert (payloads(first), second) == ([b"a"], None)

    def test_file_drained_since_it_was_opened_is_not_adopted(
        self, tmp_path, monkeypatch
    ):
        path = left_by_a_dead_process(tmp_path, b"a")
        real = journals.fcntl.flock

        def late(*arguments):
            path.unlink()
            return real(*arguments)

        monkeypatch.setattr(journals.fcntl, "flock", late)
        assert JournalFile.adopt(path, IDENTITY) is None

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "no header"),
            (b"x" * 200, "not a journal"),
            (journals.header(IDENTITY, uuid.uuid4(), version=9), "of format 9, not 1"),
            (journals.header("e" * 32, uuid.uuid4()), "for another database"),
        ],
        ids=["empty", "text", "newer", "another database"],
    )
    def test_foreign_file_is_left_alone(self, tmp_path, data, reason):
        path = tmp_path / "x.journal"
        path.write_bytes(data)
        with pytest.raises(ForeignJournalError, match=reason):
            JournalFile.adopt(path, IDENTITY)
        assert path.read_bytes() == data

    def test_symlink_and_pipe_in_its_place_are_refused(self, tmp_path):
        """FAULTS X18."""
        path = left_by_a_dead_process(tmp_path, b"a")
        link, pipe = tmp_path / "link.journal", tmp_path / "pipe.journal"
        link.symlink_to(path)
        os.mkfifo(pipe)
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            JournalFile.adopt(link, IDENTITY)
        with pytest.raises((ForeignJournalError, OSError)):
            JournalFile.adopt(pipe, IDENTITY)

    def test_full_disk_leaves_a_whole_file(self, tmp_path, monkeypatch):
        journal = JournalFile.create(tmp_path, IDENTITY)
        journal.append(EVENT, b"a")
        real = os.write
        monkeypatch.setattr(journals.os, "write", lambda fd, data: real(fd, data[:5]))
        with pytest.raises(OSError, match="No space left"):
            journal.append(EVENT, b"b")
        monkeypatch.undo()
        journal.append(EVENT, b"c")
        assert payloads(journal) == [b"a", b"c"]

    def test_child_that_lives_on_keeps_no_lock_of_its_parent_s(self, tmp_path):
        """FAULTS T11: the lock belongs to the descriptor, which a fork shares."""
        intake = intakes.Intake(lambda: None)
        intake.journals.append(JournalFile.create(tmp_path, IDENTITY))
        path = intake.journals[0].storage.path
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            end_in_time()
            intake.abandon()
            os.read(read, 1)
            os._exit(0)
        intake.journals[0].storage.close(unlink=False)
        deadline = time.monotonic() + 5
        while (adopted := JournalFile.adopt(path, IDENTITY)) is None:
            assert time.monotonic() < deadline
        os.write(write, b".")
        os.waitpid(child, 0)
        assert adopted.id


class TestBudget:
    def decisions(
        self,
        times,
        *,
        limit=10,
        key=("f", 500, "error", False),
        start=60_000.0,
        step=0.001,
        kind=Kind.CRASH,
    ):
        budget, found = Budget(), []
        for number in range(times):
            is_folded = bool(
                budget.representative_for(key, kind, start + number * step, limit)
            )
            found.append(is_folded)
            if not is_folded:
                budget.remember(key, str(uuid.uuid4()))
        return found

    def test_quiet_site_keeps_every_event(self):
        assert not any(self.decisions(200, step=7.0))

    def test_storm_keeps_the_first_and_then_fewer_and_fewer(self):
        found = self.decisions(1_000)
        assert [number for number, folded in enumerate(found, 1) if not folded] == [
            *range(1, 11),
            20,
            40,
            80,
            160,
            320,
            640,
        ]

    def test_next_minute_starts_anew(self):
        found = self.decisions(120, step=1.0, limit=1)
        assert [n for n, folded in enumerate(found) if not folded] == [
            0,
            1,
            3,
            7,
            15,
            31,
            60,
            61,
            63,
            67,
            75,
            91,
        ]

    def test_event_without_a_representative_is_whole_whatever_the_number(self):
        budget = Budget()
        assert [
            budget.representative_for(("f", 0, "error", True), Kind.CRASH, 1.0, 1)
            for _ in range(9)
        ] == [""] * 9

    @pytest.mark.parametrize("kind", Kind)
    def test_process_keeps_a_bounded_number_whole_each_minute(self, kind):
        whole = QUOTAS[kind].whole
        found = self.decisions(whole + 50, limit=10_000, kind=kind)
        assert sum(not folded for folded in found) == whole

    def test_what_other_kinds_store_whole_takes_nothing_from_crashes(self):
        budget = Budget()
        for kind in set(Kind) - {Kind.CRASH}:
            key = (kind, 0, "error", True)
            for _ in range(QUOTAS[kind].whole + 50):
                if not budget.representative_for(key, kind, 1.0, 10_000):
                    budget.remember(key, "id")
            assert budget.representative_for(key, kind, 1.0, 10_000)
        key = ("crash", 500, "error", False)
        for _ in range(QUOTAS[Kind.CRASH].whole):
            assert not budget.representative_for(key, Kind.CRASH, 1.0, 10_000)
            budget.remember(key, "id")
        assert budget.representative_for(key, Kind.CRASH, 1.0, 10_000)

    def admitted(self, budget, numbers, kind=Kind.CRASH, place="", now=1.0):
        """Return how many groups of their own the new groups *numbers* become."""
        found = [
            budget.overflow_for(
                f"{kind} {place} {n}", kind, place or str(n), now, is_known=False
            )
            for n in numbers
        ]
        return found.count(None)

    @pytest.mark.parametrize("kind", Kind)
    def test_new_groups_of_a_kind_are_bounded_and_known_ones_are_not(self, kind):
        """FAULTS B06."""
        budget, bound = Budget(), QUOTAS[kind].new_groups
        assert self.admitted(budget, range(bound + 20), kind) == bound
        assert budget.overflow_for("new", kind, "x", 1.0, is_known=False) == Overflow(
            kind
        )
        assert self.admitted(budget, range(bound), kind) == bound, "they are known now"
        assert budget.overflow_for("known", kind, "x", 2.0, is_known=True) is None
        assert budget.overflow_for("later", kind, "x", 61.0, is_known=False) is None

    @pytest.mark.parametrize("kind", Kind)
    def test_one_place_begins_few_groups_and_leaves_the_others_theirs(self, kind):
        budget = Budget()
        most = min(CLASSES_PER_PLACE, QUOTAS[kind].new_groups // 2)
        assert self.admitted(budget, range(500), kind, "shop.pay") == most
        assert self.admitted(budget, range(10), kind) == 10

    @pytest.mark.parametrize("kind", Kind)
    def test_half_of_a_kind_is_for_places_that_have_begun_none(self, kind):
        """Whatever a few places do, what fails elsewhere has a group of its own."""
        budget, bound = Budget(), QUOTAS[kind].new_groups
        for place in range(8):
            self.admitted(budget, range(100), kind, f"shop.{place}")
        assert self.admitted(budget, range(1_000), kind) >= bound // 2 - 8

    def test_kinds_take_nothing_from_each_other(self):
        for flooded in Kind:
            budget = Budget()
            self.admitted(budget, range(1_000), flooded)
            for kind in set(Kind) - {flooded}:
                bound = QUOTAS[kind].new_groups
                assert self.admitted(budget, range(1_000), kind) == bound

    def test_crashes_have_the_most_of_every_bound(self):
        for field in dataclasses.fields(QUOTAS[Kind.CRASH]):
            crashes = getattr(QUOTAS[Kind.CRASH], field.name)
            for kind in set(Kind) - {Kind.CRASH}:
                assert 0 < getattr(QUOTAS[kind], field.name) <= crashes / 2

    def test_what_overflows_shares_a_group_of_its_place_or_kind(self):
        groups = {
            Overflow(kind, place).fingerprint
            for kind in Kind
            for place in ("", "shop.pay", "shop.\udc80")
        }
        assert len(groups) == 3 * len(Kind)
        assert all(re.fullmatch("[0-9a-f]{32}", each) for each in groups)

    def test_threads_at_its_bounds_do_not_stumble(self, monkeypatch):
        monkeypatch.setattr(budgets, "REMEMBERED", 3)
        budget, failed = Budget(), []

        def work(seed):
            try:
                for number in range(3_000):
                    name = str((number * seed) % 7)
                    key = (name, 0, "error", True)
                    budget.overflow_for(name, Kind.CRASH, name, number, is_known=False)
                    budget.representative_for(key, Kind.CRASH, number, 2)
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2, 3, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []

    def test_memory_is_bounded(self, monkeypatch):
        monkeypatch.setattr(budgets, "REMEMBERED", 10)
        budget = Budget()
        for number in range(100):
            name = str(number)
            key = (name, 0, "error", True)
            budget.overflow_for(name, Kind.CRASH, name, 1.0, is_known=False)
            budget.representative_for(key, Kind.CRASH, 1.0, 10)
        assert len(budget._seen) <= 10
        assert len(budget._groups) <= 10


@pytest.mark.django_db
class TestFolding:
    def test_folded_events_are_counted_everywhere_and_shown_by_their_representative(
        self,
    ):
        event = make_event()
        later = event.timestamp + 5
        folds = [
            Fold(
                **{**_fields(fold_of(event)), "timestamp": later, "client": f"{n:016x}"}
            )
            for n in range(3)
        ]
        store.store([event, *folds, fold_of(event, count=200)])
        log = ErrorLog.objects.get()
        assert (log.occurrences, log.reference) == (204, event.event_id[-10:])
        group = ErrorGroup.objects.get()
        assert abs(group.last_seen.timestamp() - later) < 0.01
        assert group.clients.count() == 3
        assert_counted(204)
        store.store([fold_of(event)])
        assert_counted(205)

    def test_reference_finds_a_row_when_the_representative_is_gone(self):
        """After a prune, or when the journal was damaged where it stood."""
        event = make_event()
        store.store([event])
        ErrorLog.objects.all().delete()
        store.store([fold_of(event), fold_of(event)])
        log = ErrorLog.objects.get(reference=event.event_id[-10:])
        assert (log.occurrences, log.group.title) == (2, event.title)

    def test_fold_whose_group_was_never_stored_is_counted(self):
        event = make_event()
        store.store([fold_of(event, is_evidence=True)])
        group = ErrorGroup.objects.get()
        assert (group.times_seen, group.fingerprint, group.has_evidence) == (
            1,
            event.fingerprint,
            True,
        )
        assert "details were lost" in group.title
        assert_counted(1)

    def test_representative_that_comes_late_fills_its_row(self):
        event = make_event(traceback="the traceback", release="v1")
        store.store([fold_of(event), fold_of(event)])
        store.store([event])
        log = ErrorLog.objects.get()
        assert (log.occurrences, log.traceback, log.release) == (
            3,
            "the traceback",
            "v1",
        )
        assert_counted(3)

    def test_new_groups_over_the_bound_share_one(self, writer_thread, monkeypatch):
        monkeypatch.setattr(budgets, "CLASSES_PER_PLACE", 2)
        service = ErrorCaptureService()
        for number in range(6):
            service.capture_message(f"unlike {'abcdef'[number] * 5}", level="error")
        assert recorder.flush(10)
        titles = ErrorGroup.objects.order_by("title").values_list("title", "times_seen")
        assert list(titles) == [
            ("Too many new errors at once in api", 4),
            ("unlike aaaaa", 1),
            ("unlike bbbbb", 1),
        ]
        assert_counted(6)

    def test_repeated_error_is_recognised_before_its_payload_is_built(
        self, writer_thread, monkeypatch, configure
    ):
        configure(EVENTS_PER_MINUTE=2, AUTO_CREATE_BUGS=False)
        built = []
        from error_tracking.events import stacktrace

        real = stacktrace.exceptions_from
        monkeypatch.setattr(
            stacktrace,
            "exceptions_from",
            lambda *args, **kw: built.append(1) or real(*args, **kw),
        )
        references = set()
        for _ in range(9):
            try:
                raise ValueError("again and again")
            except ValueError as error:
                event = ErrorCaptureService().capture_exception(None, error)
                references.add(event.reference)
        assert recorder.flush(10)
        assert len(built) == 4  # the 1st, 2nd, 4th and 8th
        assert set(ErrorLog.objects.values_list("reference", flat=True)) == references
        assert_counted(9)


def _fields(value):
    return {name: getattr(value, name) for name in value.__slots__}


class TestIntake:
    @pytest.fixture
    def intake(self, configure, tmp_path):
        configure(JOURNAL_DIR=tmp_path)
        intake = intakes.Intake(lambda: None)
        yield intake
        intake.close()

    def test_append_in_the_middle_of_an_append_follows_it(self, intake, monkeypatch):
        """FAULTS C30: a ``__del__`` may run anywhere."""
        real, nested = journals.frame, []

        def interrupted(kind, sequence, payload):
            if not nested:
                nested.append(1)
                intake._append(EVENT, b"inner")
            return real(kind, sequence, payload)

        monkeypatch.setattr(journals, "frame", interrupted)
        intake._append(EVENT, b"outer")
        assert payloads(intake.journals[0]) == [b"outer", b"inner"]

    def test_nothing_is_logged_under_the_lock(self, intake, monkeypatch):
        """A handler that captures, with a lock of its own, would wait for us while we wait for it."""
        free = []

        def look():
            free.append(intake._lock.acquire(timeout=2))
            intake._lock.release()

        class Handler(logging.Handler):
            def emit(self, record):
                probe = threading.Thread(target=look)
                probe.start()
                probe.join()

        logger, handler = logging.getLogger("error_tracking"), Handler()
        logger.addHandler(handler)
        monkeypatch.setattr(journals.os, "write", _no_space)
        try:
            intake.submit(make_event())
        finally:
            logger.removeHandler(handler)
        assert free == [True]

    def test_disk_that_fails_is_told_and_events_wait_in_memory(
        self, intake, monkeypatch, caplog
    ):
        intake.submit(make_event())
        monkeypatch.setattr(journals.os, "write", _no_space)
        intake.submit(make_event())
        intake.submit(make_event())
        assert [journal.storage.is_durable for journal in intake.journals] == [
            True,
            False,
        ]
        assert [journal.pending for journal in intake.journals] == [1, 2]
        assert caplog.text.count("events wait in memory") == 1
        monkeypatch.undo()
        monkeypatch.setattr(intakes, "DISK_PAUSE_SECONDS", 0)
        intake._disk_again_at = 0.0
        intake.submit(make_event())
        assert [journal.storage.is_durable for journal in intake.journals] == [
            True,
            False,
            True,
        ]
        assert intake.pending == 4

    def test_full_journal_takes_bare_events_then_folds_in_memory(
        self, intake, monkeypatch, swallowed
    ):
        monkeypatch.setattr(intakes, "BOUND_BYTES", 40_000)
        large = {"traceback": "x" * 10_000}
        for _ in range(200):
            intake.submit(make_event(**large))
        assert intake.at_risk > 0
        assert [record.getMessage().partition(": ")[2] for record in swallowed] == [
            "events lose their payload",
            "new refused requests share one group",
            "events are counted in memory only",
        ]
        assert intake.bare > 0
        assert intake.journals[0].storage.size < 42_000 + 12_000
        assert intake.pending == 200
        intake.journals[0].move_to(intake.journals[0].appended)
        intake.settle()
        assert intake.at_risk == 0
        assert intake.pending > 0

    def test_what_memory_has_no_room_for_is_counted_in_a_shared_group(
        self, intake, monkeypatch, swallowed
    ):
        monkeypatch.setattr(memory_counts, "MOST_COUNTS", 2)
        intake.submit(make_event())
        monkeypatch.setattr(intake, "fill", lambda: 1.0)
        for number in range(5):
            intake.submit(make_event(fingerprint=f"{number:032d}"))
        assert (intake.at_risk, intake.merged, intake.journals[0].lost) == (5, 3, 0)

    def test_crash_takes_the_place_of_a_refused_request_in_memory(
        self, intake, monkeypatch, swallowed
    ):
        monkeypatch.setattr(memory_counts, "MOST_COUNTS", 2)
        fills = [0.5]
        monkeypatch.setattr(intake, "fill", lambda: fills[0])
        refused = [
            make_event(error_type="http_4xx", fingerprint=f"{number:032x}")
            for number in range(3)
        ]
        for event in refused:
            intake.submit(event)  # known groups, which keep their counts in memory
        fills[0] = 1.0
        for event in refused:
            intake.submit(event)
        assert intake.merged == 1
        crash = make_event(fingerprint="c" * 32)
        intake.submit(crash)
        intake.submit(crash)
        assert (intake.at_risk, intake.merged) == (5, 2)
        first = intake.memory_counts.take()
        assert [(fold.fingerprint, fold.count) for fold in first] == [("c" * 32, 2)]
        assert intake.at_risk == 3

    def test_every_count_in_memory_returns_to_a_journal(
        self, intake, monkeypatch, swallowed
    ):
        fills = [1.0]
        monkeypatch.setattr(intake, "fill", lambda: fills[0])
        for number in range(3 * Fold.MOST):
            intake.submit(make_event(fingerprint=f"{number % 2:032x}"))
        fills[0] = 0.1
        intake.settle()
        assert (intake.at_risk, intake.memory_counts.take()) == (0, [])
        items = items_in(intake.journals[0].read()).items
        assert sum(item.count for item in items) == 3 * Fold.MOST

    def test_journal_that_is_long_is_left_to_be_drained(self, intake, monkeypatch):
        monkeypatch.setattr(journals.FileStorage, "segment_bytes", 2_000)
        for _ in range(5):
            intake.submit(make_event(traceback="x" * 1_500))
        assert len(intake.journals) > 1
        for journal in intake.journals:
            journal.move_to(journal.appended)
        intake.remove_drained()
        assert len(list(Path(intake.machine.directory).glob("*.journal"))) <= 1

    def test_journal_whose_name_a_cleaner_took_is_replaced(self, intake):
        intake.submit(make_event())
        intake.journals[0].storage.path.unlink()
        intake.remove_drained()
        intake.submit(make_event())
        assert [journal.pending for journal in intake.journals] == [1, 1]
        assert intake.journals[1].storage.is_linked()

    def test_directory_that_was_cleaned_away_is_made_again(self, intake):
        directory = intake.machine.directory
        directory.rmdir()
        intake.submit(make_event())
        assert intake.journals[0].storage.path.parent == directory


def _no_space(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


class TestMachine:
    @pytest.fixture
    def directory(self, configure, tmp_path):
        configure(JOURNAL_DIR=tmp_path / "journals")
        return tmp_path / "journals"

    def test_directory_is_private(self, directory):
        machine = Machine()
        assert machine.directory.parent == directory
        assert {
            path.stat().st_mode & 0o777 for path in (directory, machine.directory)
        } == {0o700}

    def test_directory_of_somebody_else_is_not_used(
        self, directory, monkeypatch, caplog
    ):
        directory.mkdir()
        monkeypatch.setattr(machines.os, "geteuid", lambda: 12_345)
        intake = intakes.Intake(lambda: None)
        intake.submit(make_event())
        machine = intake.machine
        assert machine.directory is None
        assert caplog.text.count("in memory only") == 1
        assert machine.lead()
        with pytest.raises(FileNotFoundError):
            machine.new_journal()

    def test_symlink_in_place_of_the_directory_is_not_followed(
        self, directory, tmp_path
    ):
        (tmp_path / "elsewhere").mkdir()
        directory.symlink_to(tmp_path / "elsewhere")
        assert Machine().directory is None

    def test_place_that_cannot_be_written_is_worked_around(self, configure, tmp_path):
        (tmp_path / "file").touch()
        configure(JOURNAL_DIR=tmp_path / "file" / "journals")
        assert Machine().directory is None

    def test_identity_names_database_and_environment(self, configure):
        first = machines.database_identity()
        assert first == machines.database_identity()
        configure(ENVIRONMENT="staging")
        assert machines.database_identity() != first

    def test_one_leads_until_it_is_gone(self, directory):
        first, second = Machine(), Machine()
        assert first.lead()
        assert first.lead()
        assert not second.lead()
        first.let_go()
        assert second.lead()
        second.let_go()

    def test_what_is_known_reaches_the_others(self, directory):
        leader, other = Machine(), Machine()
        states = {
            "a" * 32: PublicState("B-001", "open", "We are on it."),
            "b" * 32: None,
        }
        leader.write_known(states)
        assert other.read_known() == states
        assert other.read_known() is None
        leader.write_known(states)
        assert other.read_known() is None
        (leader.directory / machines.KNOWN_FILE).write_text("[1, 2")
        assert other.read_known() is None

    def test_full_disk_for_what_is_known_is_told(self, directory, monkeypatch, caplog):
        machine = Machine()
        monkeypatch.setattr(machines.tempfile, "mkstemp", _no_space)
        machine.write_known({"a" * 32: None})
        assert "could not be published" in caplog.text

    def test_foreign_files_are_told_once_and_strays_are_swept(self, directory, caplog):
        machine = Machine()
        (machine.directory / "x.journal").write_bytes(b"something else")
        stray = machine.directory / ".old.new"
        stray.touch()
        os.utime(stray, (1, 1))
        assert list(machine.orphans()) == []
        assert list(machine.orphans()) == []
        assert caplog.text.count("left alone") == 1
        assert not stray.exists()

    def test_journal_of_a_dead_process_is_found(self, directory):
        machine = Machine()
        left_by_a_dead_process(machine.directory, b"a", identity=machine.identity)
        [orphan] = machine.orphans()
        assert payloads(orphan) == [b"a"]
        orphan.storage.close(unlink=True)

    def test_leader_hears_when_it_is_called(self, directory):
        machine = Machine()
        assert machine.called_at() == 0.0
        assert machine.lead()
        os.utime(machine.directory / machines.LEADER_LOCK, (1, 1))
        machine.call_leader()
        assert machine.called_at() > 1
        machine.let_go()


@pytest.mark.django_db(transaction=True)
class TestWriter:
    def test_journal_of_a_killed_process_is_adopted(self, writer_thread):
        machine = writer_thread.intake.machine
        payload = make_event().to_bytes()
        path = left_by_a_dead_process(
            machine.directory, payload, identity=machine.identity
        )
        writer_thread.start()
        assert recorder.flush(10)
        assert not path.exists()
        assert_counted(1)
        own = writer_thread.intake.current().id
        assert not JournalRow.objects.filter(closed_at=None).exclude(pk=own).exists()

    def test_journal_that_cannot_be_read_stops_no_other(
        self, writer_thread, monkeypatch, swallowed
    ):
        machine = writer_thread.intake.machine
        broken = left_by_a_dead_process(
            machine.directory, make_event().to_bytes(), identity=machine.identity
        )
        real = os.pread

        def pread(descriptor, count, offset):
            if offset and os.path.samestat(os.fstat(descriptor), broken.stat()):
                raise OSError(errno.EIO, "Input/output error")
            return real(descriptor, count, offset)

        monkeypatch.setattr(journals.os, "pread", pread)
        recorder.submit(make_event())
        assert recorder.flush(10)
        assert recorder.flush(10)
        assert_counted(1)
        assert broken.exists()
        assert [record.getMessage()[:24] for record in swallowed] == [
            "a journal cannot be read"
        ]

    def test_sweep_that_fails_is_not_told_as_a_database_that_is_away(
        self, writer_thread, monkeypatch, settings, swallowed
    ):
        settings.ADMINS = ADMINS
        monkeypatch.setattr(outage, "MAIL_AFTER_SECONDS", 0.1)

        def broken():
            raise RuntimeError("the gate is broken")

        monkeypatch.setattr(sweep, "sweep", broken)
        recorder.submit(make_event())
        assert not recorder.flush(1)
        assert_counted(1)
        assert mail.outbox == []

    def test_second_process_learns_from_the_leader(
        self, writer_thread, configure, tmp_path
    ):
        leader = Machine()
        assert leader.lead()
        leader.write_known({"c" * 32: PublicState("B-009", "open")})
        writer_thread.start()
        wait_until(lambda: known.lookup("c" * 32) is not None)
        assert not writer_thread.leader.is_leader
        leader.let_go()

    def test_admins_get_one_mail_when_the_database_stays_away(
        self, writer_thread, settings, configure, monkeypatch, swallowed
    ):
        """FAULTS S17."""
        settings.ADMINS = ADMINS
        configure(DISABLE=["mail"])  # the one of a new bug is not this one
        monkeypatch.setattr(outage, "MAIL_AFTER_SECONDS", 0.2)
        original, failing = store.store, [True]

        def away(items, **kwargs):
            if failing[0]:
                raise OperationalError("server closed the connection")
            return original(items, **kwargs)

        monkeypatch.setattr(store, "store", away)
        recorder.submit(make_event())
        wait_until(lambda: mail.outbox)
        state = health()
        assert "Nothing could be stored" in state.problems[0]
        assert not state.is_healthy
        failing[0] = False
        assert recorder.flush(15)
        assert len(mail.outbox) == 1
        assert "cannot reach its database" in mail.outbox[0].subject
        assert_counted(1)
        assert health().is_healthy

    def test_admins_get_the_mail_of_the_leader_only(
        self, writer_thread, settings, monkeypatch, swallowed
    ):
        settings.ADMINS = ADMINS
        monkeypatch.setattr(outage, "MAIL_AFTER_SECONDS", 0.1)
        leader = Machine()
        assert leader.lead()

        def away(items, **kwargs):
            raise OperationalError("server closed the connection")

        with monkeypatch.context() as patch:
            patch.setattr(store, "store", away)
            recorder.submit(make_event())
            time.sleep(1)
            assert (mail.outbox, writer_thread.leader.is_leader) == ([], False)
            leader.let_go()
            wait_until(lambda: mail.outbox)
        assert recorder.flush(15)

    def test_leader_with_no_error_of_its_own_tells_of_an_outage_too(
        self, writer_thread, settings, monkeypatch, swallowed
    ):
        settings.ADMINS = ADMINS
        monkeypatch.setattr(outage, "MAIL_AFTER_SECONDS", 0.5)

        def away(items, **kwargs):
            raise OperationalError("server closed the connection")

        with monkeypatch.context() as patch:
            patch.setattr(store, "store", away)
            writer_thread.start()
            wait_until(lambda: mail.outbox)
        assert recorder.flush(15)
        assert len(mail.outbox) == 1
        assert health().is_healthy

    def test_lock_that_is_held_for_a_moment_is_no_outage(self, monkeypatch):
        state = outage.Outage()
        state.add(OperationalError("database is locked"), 1, is_leader=True)
        assert state.seconds() == 0
        now = time.monotonic() + outage.LOCK_SECONDS - 1
        with monkeypatch.context() as patch:
            patch.setattr(outage.time, "monotonic", lambda: now)
            assert state.seconds() == 0
            now += 1
            assert state.seconds() >= outage.LOCK_SECONDS
        state.end()
        assert state.seconds() == 0

    @pytest.mark.parametrize(
        ("error", "is_one"),
        [
            (OperationalError("database is locked"), True),
            (OperationalError("database table is locked: x"), True),
            (OperationalError(1213, "Deadlock found"), True),
            (OperationalError("server closed the connection"), False),
        ],
    )
    def test_contention_is_told_from_absence(self, error, is_one):
        assert failures.is_contention(error) is is_one

    def test_uwsgi_without_threads_stores_after_the_response(
        self, writer_thread, monkeypatch, configure
    ):
        """FAULTS T12."""
        import types

        from django.core.signals import request_finished

        monkeypatch.setitem(sys.modules, "uwsgi", types.SimpleNamespace(opt={}))
        assert not worker.has_threads()
        recorder.submit(make_event())
        assert not writer_thread.has_thread
        try:
            request_finished.send(sender=None)
            assert_counted(1)
            with monkeypatch.context() as patch:
                # Nothing is due, and nothing is asked of the database.
                patch.setattr(writer_thread.leader, "seconds_until_due", lambda: 9.0)
                patch.setattr(writer_thread, "_work_aside", None)
                request_finished.send(sender=None)
            recorder.submit(make_event())
            assert recorder.flush(10)
            assert_counted(2)
        finally:
            request_finished.disconnect(dispatch_uid="error_tracking.worker")

    def test_health_tells_what_is_lost_and_at_risk(self, writer_thread):
        state = health()
        assert (state.is_healthy, state.pending, state.lost, state.is_durable) == (
            True,
            0,
            0,
            True,
        )
        recorder.submit(make_event())
        assert recorder.flush(10)
        JournalRow.objects.update(lost=2, at_risk=3, failures=4)
        state = health()
        assert (state.lost, state.at_risk, state.failures) == (2, 3, 4)
        assert len(state.problems) == 3
        assert state.as_dict()["is_healthy"] is False

    def test_rows_of_journals_are_pruned_when_nothing_needs_them(self):
        from django.utils import timezone

        old = timezone.now() - timezone.timedelta(hours=2)
        JournalRow.objects.create(id=uuid.uuid4(), closed_at=old)
        JournalRow.objects.create(id=uuid.uuid4(), closed_at=old, lost=1)
        JournalRow.objects.create(id=uuid.uuid4(), heartbeat=old)
        assert JournalRow.objects.prune() == 1
        assert JournalRow.objects.count() == 2


class Adoption(RuleBasedStateMachine):
    """Owner and adopters of one journal, crashing anywhere: every event is counted once."""

    @initialize()
    def begin(self):
        for model in (
            ErrorLog,
            HourlyCount,
            DailyCount,
            HourlyTotal,
            ErrorGroup,
            JournalRow,
        ):
            model.objects.all().delete()
        self.written = 0
        self.storage = MemoryStorage()
        self.owner = JournalFile(self.storage, IDENTITY)
        self.readers = [self.owner]

    @rule()
    def append(self):
        event = make_event()
        if self.written % 3 == 2:
            self.owner.append(COUNT, fold_of(self.event).to_bytes())
        else:
            self.owner.append(EVENT, event.to_bytes())
            self.event = event
        self.written += 1

    @rule()
    def adopter_appears(self):
        if len(self.readers) < 4:
            self.readers.append(JournalFile(self.storage, IDENTITY, key=self.owner.id))

    @rule(
        which=st.integers(0, 3), events=st.integers(1, 3), answer_is_lost=st.booleans()
    )
    def store_a_batch(self, which, events, answer_is_lost):
        reader = self.readers[which % len(self.readers)]
        batch = reader.read(events=events)
        if batch is None:
            return
        before = reader.position, reader._offset
        try:
            batch_writer.write_batch(reader, batch)
        except StaleJournalError:
            return
        if answer_is_lost:  # committed, and the writer does not know
            reader.position, reader._offset = before

    @rule(which=st.integers(0, 3))
    def transaction_fails(self, which):
        from django.db import transaction

        reader = self.readers[which % len(self.readers)]
        batch = reader.read()
        if batch is None:
            return
        before = reader.position, reader._offset
        try:
            with transaction.atomic():
                batch_writer.write_batch(reader, batch)
                transaction.set_rollback(True)
        except StaleJournalError:
            return
        reader.position, reader._offset = before

    @invariant()
    def sums_agree(self):
        if hasattr(self, "written"):
            sums = {
                sum(ErrorLog.objects.values_list("occurrences", flat=True)),
                sum(ErrorGroup.objects.values_list("times_seen", flat=True)),
                sum(HourlyCount.objects.values_list("count", flat=True)),
                sum(DailyCount.objects.values_list("count", flat=True)),
                sum(HourlyTotal.objects.values_list("count", flat=True)),
            }
            assert len(sums) == 1
            assert sums.pop() <= self.written

    def teardown(self):
        if not hasattr(self, "written"):
            return
        for _ in range(200):
            batch = self.owner.read()
            if batch is None:
                break
            try:
                batch_writer.write_batch(self.owner, batch)
            except StaleJournalError:
                continue
        assert (
            sum(ErrorGroup.objects.values_list("times_seen", flat=True)) == self.written
        )


@pytest.mark.django_db
def test_any_schedule_of_owners_and_adopters_counts_each_event_once():
    from hypothesis import settings
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Adoption,
        settings=settings(max_examples=25, stateful_step_count=20, deadline=None),
    )


class TestHostileExceptions:
    """Capture has a bound of time and size, whatever the exception is."""

    def captured(self, error, outbox):
        start = time.monotonic()
        event = ErrorCaptureService().capture_exception(None, error)
        assert time.monotonic() - start < 4  # the hostile texts take five seconds
        assert len(event.to_bytes()) <= 65_536
        assert outbox == [event]
        return event

    def test_message_of_50_megabytes(self, outbox):
        """FAULTS C22."""
        event = self.captured(ValueError("x" * 50_000_000), outbox)
        assert len(event.exceptions[0].message) <= 4_000
        outbox.clear()
        self.captured(KeyError("x" * 50_000_000, 1), outbox)

    def test_20000_causes_and_a_cycle(self, outbox):
        """FAULTS C24."""
        error = first = ValueError("0")
        for number in range(20_000):
            error, previous = ValueError(str(number)), error
            error.__cause__ = previous
        assert len(self.captured(error, outbox).exceptions) == 10
        outbox.clear()
        first.__cause__ = error
        self.captured(first, outbox)
        while error is not None:  # Python frees a long chain by recursion
            error.__cause__, error = None, error.__cause__

    def test_groups_in_groups(self, outbox):
        """FAULTS C25."""
        error = ValueError("inside")
        for _ in range(900):
            error = ExceptionGroup("one", [error])
        assert self.captured(error, outbox).exceptions[0].type == "ValueError"

    def test_mutual_recursion(self, outbox):
        """FAULTS C23."""

        def ping(left):
            pong(left - 1)

        def pong(left):
            ping(left - 1)

        try:
            ping(10_000)
        except RecursionError as error:
            event = self.captured(error, outbox)
        assert len(event.exceptions[0].frames) == 60

    @pytest.mark.parametrize("name", ["raises", "exits", "is no text", "hangs"])
    def test_text_that_fights_back(self, outbox, name):
        """FAULTS C20; how long a class that hung is waited for: test_object_text."""

        def text(self):
            if name == "raises":
                raise RuntimeError("no")
            if name == "exits":
                raise SystemExit(1)
            if name == "hangs":
                time.sleep(5)
            return 5

        cls = type(
            f"Hostile_{name.replace(' ', '_')}",
            (Exception,),
            {"__str__": text, "__repr__": text},
        )
        assert self.captured(cls(), outbox).exceptions[0].message == "<unprintable>"

    def test_argument_whose_repr_hangs(self, outbox):
        """FAULTS C21: the exception's own text asks its arguments for theirs."""

        class Slow:
            def __repr__(self):
                time.sleep(5)

        self.captured(KeyError(Slow(), 1), outbox)

    def test_class_that_lies_about_itself(self, outbox):
        """FAULTS C26."""

        class Meta(type):
            def __getattribute__(cls, name):
                raise RuntimeError("nothing for you")

            def __hash__(cls):
                raise RuntimeError("no")

        class Liar(Exception, metaclass=Meta):
            args = property(lambda self: 1 / 0)
            __cause__ = property(lambda self: 1 / 0)
            __traceback__ = property(lambda self: 1 / 0)

        assert self.captured(Liar("x"), outbox).exceptions[0].type == "Liar"

    def test_payload_that_cannot_be_built_costs_the_payload_only(
        self, outbox, monkeypatch, swallowed
    ):
        """FAULTS C27, B04."""
        from error_tracking.capture import details, summaries

        def exhausted(*args, **kwargs):
            raise MemoryError

        monkeypatch.setattr(details, "exception_values", exhausted)
        event = self.captured(ValueError("x"), outbox)
        assert (event.exceptions[0].type, event.traceback) == ("ValueError", "")
        outbox.clear()
        monkeypatch.setattr(summaries, "outline_of", exhausted)
        assert self.captured(ValueError("x"), outbox).title == "ValueError"

    def test_garbage_collection_in_the_middle_of_a_capture_is_harmless(self, outbox):
        """FAULTS C29, C30."""

        class Logging(Exception):
            def __str__(self):
                ErrorCaptureService().capture_message("from inside", level="error")
                return "text"

        assert self.captured(Logging(), outbox).exceptions[0].message == "text"


def test_import_starts_nothing(tmp_path):
    """FAULTS T10: a thread before the fork would never run after it."""
    code = (
        "import threading, os, django; django.setup(); import error_tracking; error_tracking.flush; "
        "assert threading.active_count() == 1; assert not os.path.exists(os.environ['STORY_JOURNALS'])"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.integration.site_settings",
        "STORY_DIR": str(tmp_path),
        "STORY_JOURNALS": str(tmp_path / "journals"),
    }
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env=environment,
        cwd=Path(__file__).parent.parent,
    )
