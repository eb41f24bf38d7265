"""What hurts once in a while: descriptors, a foreign connection, a mail that hangs, an event nothing is made of."""

from __future__ import annotations

import datetime as dt
import errno
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from django.db import DataError, OperationalError, connections

from error_tracking import conf, recorder
from error_tracking.events.event import Event, Fold, Outcome
from error_tracking.exceptions import StaleJournalError
from error_tracking.models import ErrorGroup, ErrorLog, Filing
from error_tracking.models import Journal as JournalRow
from error_tracking.recorder import batch_writer, memory_counts, outage, store, worker
from error_tracking.recorder import intake as intakes
from error_tracking.recorder import journal as journals
from error_tracking.recorder import machine as machines
from error_tracking.recorder.journal import COUNT, EVENT, OUTCOME, JournalFile
from error_tracking.recorder.machine import Machine
from tests.factories import make_event
from tests.test_pipeline import assert_counted, memory_journal
from tests.test_recorder import (
    ADMINS,
    IDENTITY,
    left_by_a_dead_process,
    wait_until,
)


def descriptors():
    return len(list(Path("/dev/fd").iterdir()))


class TestDescriptors:
    def test_file_system_without_locks_costs_none(self, tmp_path, monkeypatch):
        path = left_by_a_dead_process(tmp_path, b"a")

        def no_locks(*_args):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr(journals.fcntl, "flock", no_locks)
        before = descriptors()
        with pytest.raises(OSError, match=os.strerror(errno.ENOLCK)):
            JournalFile.adopt(path, IDENTITY)
        with pytest.raises(OSError, match=os.strerror(errno.ENOLCK)):
            JournalFile.create(tmp_path, IDENTITY)
        assert descriptors() == before

    def test_file_that_cannot_be_made_again_costs_none(self, tmp_path, monkeypatch):
        folder = tmp_path / "journals"
        folder.mkdir()
        journal = JournalFile.create(folder, IDENTITY)
        journal.storage.rest()
        before = descriptors()

        def no_room(*_args):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", no_room)
            with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
                journal.append(EVENT, b"a")
        assert (descriptors(), list(folder.iterdir())) == (before, [])
        journal.append(EVENT, b"b")
        assert journal.storage.path.exists()
        journal.storage.close(unlink=True)

    def test_leader_that_cannot_lock_costs_none(self, configure, tmp_path, monkeypatch):
        configure(JOURNAL_DIR=tmp_path)
        machine = machines.Machine()
        assert machine.directory is not None

        def no_locks(*_args):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        before = descriptors()
        with monkeypatch.context() as patch:
            patch.setattr(machines.fcntl, "flock", no_locks)
            assert machine.lead(), "two leaders are better than none"
        assert descriptors() == before

    def test_system_without_locks_has_no_journals_on_disk(
        self, configure, tmp_path, monkeypatch
    ):
        configure(JOURNAL_DIR=tmp_path)
        monkeypatch.setattr(machines, "fcntl", None)
        machine = machines.Machine()
        assert (machine.directory, machine.lead()) == (None, True)
        assert "this system has no fcntl" in machine.problem
        machine.renew()
        assert (machine.called_at(), machine.read_known()) == (0.0, None)

    def test_file_that_is_being_written_is_no_stray(self, configure, tmp_path):
        configure(JOURNAL_DIR=tmp_path)
        machine = machines.Machine()
        young, old = (machine.directory / f".{name}.new" for name in ("young", "old"))
        for path in (young, old):
            path.touch()
        moment = time.time() - machines.STRAY_SECONDS - 60
        os.utime(old, (moment, moment))
        assert list(machine.orphans()) == []
        assert (young.exists(), old.exists()) == (True, False)

    def test_few_of_many_journals_are_adopted_at_once(
        self, configure, tmp_path, monkeypatch
    ):
        """Workers that died every second for an hour, while the database was away, leave too many files to open."""
        configure(JOURNAL_DIR=tmp_path)
        monkeypatch.setattr(intakes, "ADOPTED_AT_ONCE", 3)
        intake = intakes.Intake(lambda: None)
        for _ in range(5):
            left_by_a_dead_process(
                intake.machine.directory, b"a", identity=intake.machine.identity
            )
        intake.adopt()
        assert len(intake.journals) == 3
        intake.adopt()
        assert len(intake.journals) == 3
        for journal in intake.journals:
            journal.move_to(journal.appended)
        intake.remove_drained()
        intake.adopt()
        assert len(intake.journals) == 2
        intake.close()

    @pytest.mark.django_db(transaction=True)
    def test_journal_that_cannot_be_deleted_is_adopted_once(
        self, configure, tmp_path, monkeypatch
    ):
        def kept(self, *args, **kwargs):
            raise PermissionError(errno.EPERM, "immutable")

        configure(JOURNAL_DIR=tmp_path)
        lone = worker.Worker()
        machine = lone.intake.machine
        left_by_a_dead_process(
            machine.directory, make_event().to_bytes(), identity=machine.identity
        )
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", kept)
            assert lone.store_orphans() == 1
        assert_counted(1)
        assert lone.store_orphans() == 1
        assert_counted(1)
        assert not list(tmp_path.rglob("*.journal"))
        lone.intake.close()

    def test_process_that_has_no_descriptor_left_adopts_later(
        self, configure, tmp_path, monkeypatch, caplog
    ):
        configure(JOURNAL_DIR=tmp_path)
        machine = Machine()
        left_by_a_dead_process(machine.directory, b"a", identity=machine.identity)

        def exhausted(*_args, **_kwargs):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        with monkeypatch.context() as patch:
            patch.setattr(machines.JournalFile, "adopt", exhausted)
            assert list(machine.orphans()) == []
        [orphan] = machine.orphans()
        orphan.storage.close(unlink=True)
        assert "left alone" not in caplog.text


def test_event_that_memory_has_no_room_for_is_counted_where_no_journal_is_left(
    configure, tmp_path, monkeypatch, swallowed
):
    """The writer may drain and delete the last one between the look at the room and the count."""
    configure(JOURNAL_DIR=tmp_path)
    monkeypatch.setattr(memory_counts, "MOST_COUNTS", 1)
    intake = intakes.Intake(lambda: None)
    monkeypatch.setattr(intake, "fill", lambda: 1.0)
    for number in range(3):
        intake.submit(make_event(fingerprint=f"{number:032d}"))
    assert (intake.at_risk, intake.merged) == (3, 2)
    intake.close()


@pytest.mark.django_db(transaction=True)
class TestPoison:
    """FAULTS B04: whatever an event is made of, it is counted, and nothing behind it waits."""

    def stored(self, monkeypatch, is_poison, error=None):
        original = store.store

        def picky(items, **kwargs):
            if any(is_poison(item) for item in items):
                raise error or DataError("cannot take it")
            return original(items, **kwargs)

        monkeypatch.setattr(store, "store", picky)
        journal = memory_journal()
        events = [
            make_event(
                url="https://example.com/\x00" if number == 1 else "",
                fingerprint=f"{number:032d}",
            )
            for number in range(4)
        ]
        for event in events:
            journal.append(EVENT, event.to_bytes())
        batch_writer.write_batch(journal, journal.read())
        assert journal.pending == 0
        return events[1]

    def test_event_that_is_poisoned_without_its_payload_too_is_counted_bare(
        self, monkeypatch, caplog
    ):
        event = self.stored(
            monkeypatch, lambda item: isinstance(item, Event) and "\x00" in item.url
        )
        assert_counted(4)
        log = ErrorLog.objects.get(reference=event.reference)
        assert (log.full_url, log.fingerprint) == ("", event.fingerprint)
        assert "an event is only counted" in caplog.text
        assert JournalRow.objects.get().lost == 0

    def test_event_whose_group_cannot_be_counted_either_is_counted_in_a_shared_one(
        self, monkeypatch
    ):
        poisoned = []

        def is_poison(item):
            poisoned.extend(
                [item.fingerprint]
                * bool(isinstance(item, Event) and "\x00" in item.url)
            )
            return item.fingerprint in poisoned

        self.stored(monkeypatch, is_poison)
        assert_counted(4)
        row = JournalRow.objects.get()
        assert (row.lost, row.bare, row.merged) == (0, 0, 1)

    @pytest.mark.parametrize(
        "error",
        [OverflowError("too large"), AttributeError("no text"), LookupError("level")],
    )
    def test_value_that_a_column_stumbles_over_is_poison_too(self, monkeypatch, error):
        self.stored(
            monkeypatch,
            lambda item: isinstance(item, Event) and "\x00" in item.url,
            error,
        )
        assert_counted(4)

    def test_payload_that_cannot_be_read_either_is_counted_all_the_same(
        self, monkeypatch
    ):
        head, _, *rest = make_event(url="x").to_bytes().split(b"\n")
        journal, original = memory_journal(), store.store

        def picky(items, **kwargs):
            if any(getattr(item, "stacktrace", "") == "[1]" for item in items):
                raise DataError("cannot take it")
            return original(items, **kwargs)

        monkeypatch.setattr(store, "store", picky)
        journal.append(EVENT, b"\n".join([head, b"[1]", *rest]))
        batch_writer.write_batch(journal, journal.read())
        assert (journal.pending, JournalRow.objects.get().lost) == (0, 0)
        assert_counted(1)

    def test_outcome_that_cannot_be_stored_leaves_its_event_as_it_was(
        self, monkeypatch, caplog
    ):
        """It is no event, so nothing is lost or counted."""
        event = make_event()
        journal, original = memory_journal(), store.store

        def picky(items, **kwargs):
            for item in items:
                if isinstance(item, Outcome) and item.event_id == event.event_id:
                    raise DataError("cannot take it")
            return original(items, **kwargs)

        monkeypatch.setattr(store, "store", picky)
        journal.append(EVENT, event.to_bytes())
        batch_writer.write_batch(journal, journal.read())
        journal.append(OUTCOME, Outcome.of(event, 502).to_bytes())
        batch_writer.write_batch(journal, journal.read())
        assert_counted(1)
        assert ErrorLog.objects.get().status_code == event.status_code
        assert (journal.pending, JournalRow.objects.get().lost) == (0, 0)
        assert "its outcome cannot be stored" in caplog.text

    def test_count_that_is_poison_is_counted_in_a_shared_group(self, monkeypatch):
        original = store.store
        poison = make_event(fingerprint="7" * 32)

        def picky(items, **kwargs):
            if any(item.fingerprint == poison.fingerprint for item in items):
                raise DataError("cannot take it")
            return original(items, **kwargs)

        monkeypatch.setattr(store, "store", picky)
        journal = memory_journal()
        journal.append(COUNT, Fold.of(poison).to_bytes())
        batch_writer.write_batch(journal, journal.read())
        assert journal.pending == 0
        assert ErrorGroup.objects.get().times_seen == 1
        assert JournalRow.objects.get().merged == 1

    @pytest.mark.parametrize("attempt", [1, 2, 3])
    def test_lock_between_two_attempts_keeps_the_event_whole(
        self, monkeypatch, attempt
    ):
        """The first attempt of the event fails, the probe, the second or the third."""
        calls, original = [], store.store

        def picky(items, **kwargs):
            if kwargs.get("is_probe") and attempt > 1:
                return original(items, **kwargs)
            calls.append(items)
            if len(calls) > attempt:
                return original(items, **kwargs)
            if len(calls) == attempt:
                raise OperationalError("database is locked")
            raise DataError("cannot take it")

        monkeypatch.setattr(store, "store", picky)
        journal = memory_journal()
        journal.append(EVENT, make_event().to_bytes())
        with pytest.raises(OperationalError, match="locked"):
            batch_writer.write_batch(journal, journal.read())
        assert journal.pending == 1
        calls[:] = [()] * attempt
        batch_writer.write_batch(journal, journal.read())
        assert_counted(1)
        assert JournalRow.objects.get().bare == 0

    @pytest.mark.parametrize(
        ("kind", "payload"),
        [(EVENT, make_event().to_bytes()), (EVENT, b"unreadable")],
        ids=["event", "unreadable"],
    )
    def test_record_that_cannot_even_be_counted_waits(
        self, monkeypatch, swallowed, kind, payload
    ):
        original = store.store

        def picky(items, **kwargs):
            if kwargs.get("is_probe"):
                return original(items, **kwargs)
            raise DataError("cannot take anything")

        monkeypatch.setattr(store, "store", picky)
        journal = memory_journal()
        journal.append(kind, payload)
        with pytest.raises(DataError, match="cannot take anything"):
            batch_writer.write_batch(journal, journal.read())
        assert journal.pending == 1

    def test_everything_waits_while_harmless_events_fail_as_well(self, monkeypatch):
        """Then it is no event's fault: a table or a privilege is missing."""

        def refuse(items, **kwargs):
            raise DataError("cannot take anything")

        monkeypatch.setattr(store, "store", refuse)
        journal = memory_journal()
        journal.append(EVENT, make_event().to_bytes())
        with pytest.raises(DataError, match="cannot take anything"):
            batch_writer.write_batch(journal, journal.read())
        assert journal.pending == 1

    def test_journal_that_another_process_moved_on_is_not_split(self, monkeypatch):
        calls = []

        def store_once(items, **kwargs):
            calls.append(kwargs.get("is_probe", False))
            if kwargs.get("is_probe"):
                raise StaleJournalError
            raise DataError("cannot take it")

        monkeypatch.setattr(store, "store", store_once)
        journal = memory_journal()
        journal.append(EVENT, make_event().to_bytes())
        with pytest.raises(StaleJournalError):
            batch_writer.write_batch(journal, journal.read())
        assert calls == [False, True]

    def test_user_that_no_column_can_hold_costs_its_payload_only(self):
        journal = memory_journal()
        for number in range(3):
            event = make_event(user_id="9" * 30 if number == 1 else "1")
            journal.append(EVENT, event.to_bytes())
        batch_writer.write_batch(journal, journal.read())
        assert_counted(3)

    def test_time_that_is_none_becomes_the_present(self):
        journal = memory_journal()
        journal.append(EVENT, make_event(timestamp=1e20).to_bytes())
        journal.append(COUNT, Fold.of(make_event()).to_bytes())
        batch_writer.write_batch(journal, journal.read())
        assert (ErrorGroup.objects.get().times_seen, JournalRow.objects.get().lost) == (
            2,
            0,
        )


@pytest.mark.django_db(transaction=True)
class TestWriter:
    def test_thread_does_not_start_before_the_apps_are_ready(
        self, writer_thread, monkeypatch
    ):
        with monkeypatch.context() as patch:
            patch.setattr(worker.apps, "ready", False)
            writer_thread.start()
        assert (writer_thread.has_thread, writer_thread.is_started) == (False, False)

    def test_end_of_the_process_stores_what_waits(self, writer_thread, monkeypatch):
        monkeypatch.setitem(sys.modules, "multiprocessing.util", None)
        recorder.submit(make_event())
        assert writer_thread.has_thread
        worker._stop()
        assert not writer_thread.has_thread
        assert_counted(1)

    @pytest.mark.parametrize("has_thread", [True, False])
    def test_what_is_lost_with_the_process_is_logged(
        self, writer_thread, monkeypatch, swallowed, has_thread
    ):
        def locked(items, **kwargs):
            raise OperationalError("database is locked")

        monkeypatch.setattr(store, "store", locked)
        if not has_thread:
            monkeypatch.setattr(writer_thread, "start", lambda: None)
        writer_thread.intake._disk_again_at = time.monotonic() + 60
        recorder.submit(make_event())
        writer_thread.stop(worker.RETRY_SECONDS)
        if has_thread:
            writer_thread._thread.join(10)
        assert any("lost at exit: events=1" in each.getMessage() for each in swallowed)

    def test_bugs_that_cannot_be_handed_over_do_not_stop_the_end(
        self, writer_thread, monkeypatch, swallowed
    ):
        def fail():
            raise RuntimeError("no leader")

        monkeypatch.setattr(writer_thread.leader, "hand_over", fail)
        recorder.submit(make_event())
        writer_thread.stop(10)
        assert not writer_thread.has_thread
        assert_counted(1)
        assert "no leader" in writer_thread.upkeep.reason

    @pytest.mark.parametrize("has_thread", [True, False])
    def test_host_that_commits_itself_loses_nothing(
        self, writer_thread, monkeypatch, has_thread
    ):
        """FAULTS S02: with AUTOCOMMIT off a transaction of ours would be a savepoint that nobody commits."""
        monkeypatch.setitem(connections.settings["default"], "AUTOCOMMIT", False)
        if not has_thread:
            monkeypatch.setattr(writer_thread, "start", lambda: None)
            writer_thread.is_started = True
        recorder.submit(make_event())
        assert recorder.flush(10)
        monkeypatch.undo()
        assert_counted(1)

    def test_host_that_commits_itself_loses_nothing_where_no_thread_starts_any_more(
        self, writer_thread, monkeypatch
    ):
        """FAULTS S02: at the end of the interpreter what waits is stored on the thread that is left."""

        def refuses(self):
            raise RuntimeError("can't start new thread at interpreter shutdown")

        monkeypatch.setitem(connections.settings["default"], "AUTOCOMMIT", False)
        connections["default"].close()
        del connections["default"]
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuses)
            recorder.submit(make_event())
            recorder.stop()
        monkeypatch.undo()
        connections["default"].close()
        del connections["default"]
        assert_counted(1)

    def test_host_that_commits_itself_has_its_bug_filed(
        self, writer_thread, monkeypatch, configure
    ):
        """FAULTS S02: a claim that nobody commits would have an issue made at each sweep."""
        configure(
            AUTO_CREATE_BUGS=True,
            TRACKERS=["error_tracking.trackers.memory.MemoryTracker"],
        )
        monkeypatch.setitem(connections.settings["default"], "AUTOCOMMIT", False)
        recorder.submit(make_event())
        assert recorder.flush(10)
        monkeypatch.undo()
        assert set(Filing.objects.values_list("state", flat=True)) == {
            Filing.State.FILED
        }

    def test_leader_that_has_had_no_error_is_seen_by_other_machines(
        self, writer_thread
    ):
        writer_thread.start()
        assert recorder.flush(10)
        row = JournalRow.objects.get(closed_at=None)
        assert (row.position, row.server_name, row.pid) == (
            0,
            conf.get_settings().server_name,
            os.getpid(),
        )
        JournalRow.objects.update(heartbeat=row.heartbeat - dt.timedelta(hours=1))
        assert recorder.flush(10)
        assert JournalRow.objects.get().heartbeat >= row.heartbeat
        recorder.submit(make_event())
        assert recorder.flush(10)
        assert_counted(1)
        assert JournalRow.objects.get().position == 1
        writer_thread.stop()
        assert JournalRow.objects.get().closed_at is not None

    @pytest.mark.parametrize("has_thread", [True, False])
    @pytest.mark.parametrize("is_durable", [True, False])
    def test_process_that_ends_asks_again_for_what_would_be_lost_with_it(
        self, writer_thread, monkeypatch, swallowed, has_thread, is_durable
    ):
        """FAULTS T14: with its disk full, of two workers that ended at once one lost what waited in memory."""
        original, tries = store.store, []

        def locked(items, **kwargs):
            tries.append(len(items))
            if len(tries) < 4:
                raise OperationalError("database is locked")
            return original(items, **kwargs)

        monkeypatch.setattr(store, "store", locked)
        if not has_thread:
            monkeypatch.setattr(writer_thread, "start", lambda: None)
        if not is_durable:
            writer_thread.intake._disk_again_at = time.monotonic() + 60
        recorder.submit(make_event())
        assert writer_thread.has_thread is has_thread
        writer_thread.stop(5)  # before the first round: a batch is coming together
        assert not writer_thread.has_thread
        assert len(tries) == (1 if is_durable else 4), (
            "what is on disk another process adopts"
        )
        assert_counted(0 if is_durable else 1)
        writer_thread.intake.close()

    def test_lock_of_somebody_is_asked_for_again_soon_and_a_server_that_is_away_later(
        self, swallowed
    ):
        state = outage.Outage()
        for _ in range(30):
            state.add(OperationalError("database is locked"), 0, is_leader=True)
        assert state.delay() <= outage.MAX_CONTENTION_DELAY_SECONDS
        state.end()
        assert state.failures == 0
        for _ in range(30):
            error = OperationalError("server closed the connection")
            state.add(error, 0, is_leader=True)
        assert (
            outage.MAX_CONTENTION_DELAY_SECONDS
            < state.delay()
            <= outage.MAX_DELAY_SECONDS
        )

    def test_unreadable_event_of_a_blocked_batch_is_logged_once(
        self, db, monkeypatch, swallowed
    ):
        journal = memory_journal()
        journal.append(EVENT, b"no event")
        journal.append(EVENT, make_event().to_bytes())
        original = store.store

        def away(*args, **kwargs):
            raise OperationalError("server closed the connection")

        monkeypatch.setattr(store, "store", away)
        for _ in range(5):
            with pytest.raises(OperationalError):
                batch_writer.write_batch(journal, journal.read())
        assert len(swallowed) == 1
        assert swallowed[0].exc_info is not None
        monkeypatch.setattr(store, "store", original)
        batch_writer.write_batch(journal, journal.read())
        assert len(swallowed) == 1
        assert JournalRow.objects.get().lost == 1
        assert_counted(1)
        journal.append(EVENT, b"another one")
        batch_writer.write_batch(journal, journal.read())
        assert len(swallowed) == 2

    def test_mails_of_outages_wait_for_one_that_hangs(
        self, settings, monkeypatch, swallowed
    ):
        settings.ADMINS = ADMINS
        monkeypatch.setattr(outage, "MAIL_AFTER_SECONDS", 0.0)
        answers = threading.Event()
        asked = []

        def hang(*args):
            asked.append(threading.current_thread())
            answers.wait(20)

        monkeypatch.setattr(outage, "mail_admins", hang)
        state = outage.Outage()
        error = OperationalError("server closed the connection")
        for _ in range(5):  # five outages, and a database that comes back after each
            state.add(error, 1, is_leader=True)
            state.add(error, 1, is_leader=True)
            state.end()
        wait_until(lambda: asked)
        assert len(asked) == 1
        answers.set()
        asked[0].join(10)
        state.add(error, 1, is_leader=True)
        wait_until(lambda: len(asked) == 2)
        asked[1].join(10)

    @pytest.mark.parametrize("fault", ["mail server", "no thread", "switched off"])
    def test_mail_of_an_outage_that_cannot_be_sent_stops_nothing(
        self, settings, configure, monkeypatch, caplog, swallowed, fault
    ):
        settings.ADMINS = ADMINS
        monkeypatch.setattr(outage, "MAIL_AFTER_SECONDS", 0.0)
        asked = []

        def fail(*_args):
            asked.append(threading.current_thread())
            raise OSError("no mail server")

        def no_thread(_thread):
            raise RuntimeError("can't create new thread at interpreter shutdown")

        monkeypatch.setattr(outage, "mail_admins", fail)
        if fault == "no thread":
            monkeypatch.setattr(threading.Thread, "start", no_thread)
        elif fault == "switched off":
            configure(MAIL_ENVIRONMENTS=["staging"])
        state = outage.Outage()
        error = OperationalError("server closed the connection")
        for _ in range(3):
            state.add(error, 1, is_leader=True)
        if fault == "mail server":
            wait_until(lambda: "the mail to ADMINS could not be sent" in caplog.text)
            asked[0].join(10)
            assert len(asked) == 1
        else:
            assert state._mail_thread is None

    def test_mail_server_that_never_answers_stops_nothing(
        self, writer_thread, settings, monkeypatch, swallowed
    ):
        """FAULTS S17: the mail is sent while the database is away, by nobody who has to store."""
        settings.ADMINS = ADMINS
        monkeypatch.setattr(outage, "MAIL_AFTER_SECONDS", 0.1)
        hangs, is_asked = threading.Event(), threading.Event()
        monkeypatch.setattr(
            outage, "mail_admins", lambda *_: is_asked.set() or hangs.wait(20)
        )
        original, failing = store.store, [True]

        def away(items, **kwargs):
            if failing[0]:
                raise store.transaction.get_connection().Database.OperationalError(
                    "server closed the connection"
                )
            return original(items, **kwargs)

        monkeypatch.setattr(store, "store", away)
        recorder.submit(make_event())
        assert is_asked.wait(10)
        failing[0] = False
        start = time.monotonic()
        assert recorder.flush(10)
        assert time.monotonic() - start < 8
        hangs.set()
        assert_counted(1)


def test_disk_that_is_gone_does_not_count_as_full(tmp_path, monkeypatch, configure):
    """The next record fails then, and goes into memory."""
    configure(JOURNAL_DIR=tmp_path / "journals")
    intake = intakes.Intake(lambda: None)
    assert intake.machine.directory is not None

    def gone(path):
        raise OSError("no such device")

    monkeypatch.setattr(intakes.shutil, "disk_usage", gone)
    intake.measure()
    assert intake.fill() == 0.0
    intake.close()
