"""Waiting is the rule: a fault of anything but an event's content costs nothing, whenever it ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import (
    DataError,
    IntegrityError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
)

from error_tracking import recorder
from error_tracking.bugs.opening import open_bug
from error_tracking.events.event import Event, Fold, Outcome
from error_tracking.exceptions import StaleJournalError
from error_tracking.integrations.celery import sync as sync_task
from error_tracking.models import ErrorGroup, ErrorLog, KnownBug
from error_tracking.models import Journal as JournalRow
from error_tracking.models.base import moment_from
from error_tracking.recorder import batch_writer, packed_event, probe, store
from error_tracking.recorder import intake as intakes
from error_tracking.recorder import machine as machines
from error_tracking.recorder.batch_items import items_in
from error_tracking.recorder.journal import COUNT, EVENT
from error_tracking.recorder.machine import Machine
from tests.factories import make_event
from tests.test_pipeline import assert_counted, memory_journal
from tests.test_recorder import left_by_a_dead_process

# What drivers raise, with and without a code: a class of Django's, its arguments.
FAULTS = {
    "column missing": (OperationalError, "no such column: context"),
    "column missing, MySQL": (OperationalError, 1054, "Unknown column 'context'"),
    "table missing": (ProgrammingError, 'relation "x" does not exist'),
    "privilege": (OperationalError, 1142, "INSERT command denied to user 'x'"),
    "read-only": (OperationalError, "attempt to write a readonly database"),
    "disk full": (OperationalError, "database or disk is full"),
    "disk broken": (OperationalError, "disk I/O error"),
    "too large": (OperationalError, 1153, "Got a packet bigger than 'max_allowed_packet'"),
    "a new column without a default": (IntegrityError, "NOT NULL constraint failed: a.b"),
    "a trigger": (InternalError, "no"),
    "a plan that is stale": (NotSupportedError, "cached plan must not change result type"),
    "a column too short": (DataError, "value too long for type character varying(5)"),
    "a router": (RuntimeError, "no database today"),
}  # fmt: skip
STATEMENTS = {
    "the journal": r"UPDATE .*journal",
    "a new group": r"INSERT .*errorgroup",
    "a known group": r"UPDATE .*errorgroup",
    "an hour": r"INSERT .*hourlycount",
    "a day": r"UPDATE .*dailycount",
    "a log": r"INSERT .*errorlog",
    "a total": r"INSERT .*hourlytotal",
    "a look": r"SELECT .*errorlog",
}


class Fault:
    """Fails the statements that match, *times* times, or as long as the text is in their parameters."""

    def __init__(self, pattern, error, *, times=10**9, marker=""):
        self.pattern = re.compile(pattern, re.DOTALL)
        self.error = error
        self.left = times
        self.marker = marker

    def __call__(self, execute, sql, params, many, context):
        has_marker = self.marker in str(params)
        if self.left > 0 and has_marker and self.pattern.search(sql):
            self.left -= 1
            kind, *arguments = self.error
            raise kind(*arguments)
        return execute(sql, params, many, context)


def journal_of(*events):
    journal = memory_journal()
    for event in events:
        journal.append(EVENT, event.to_bytes())
    return journal


def drain_all(journal, rounds=20):
    """Store what is in *journal* as the writer does, and return how many rounds failed."""
    failed = 0
    for _ in range(rounds):
        batch = journal.read()
        if batch is None:
            return failed
        try:
            batch_writer.write_batch(journal, batch)
        except StaleJournalError:
            continue
        except Exception:
            failed += 1
    return failed


def assert_whole(events):
    """Every event is stored with all that it carried, and nothing was given up."""
    stored = {str(log.event_id): log for log in ErrorLog.objects.all()}
    for event in events:
        log = stored[event.event_id]
        assert (log.traceback, log.request_data, log.full_url) == (
            event.traceback,
            event.request,
            event.url,
        )
    row = JournalRow.objects.get()
    assert (row.lost, row.bare, row.merged) == (0, 0, 0)
    assert_counted(len(events))


def some_events(count=4):
    return [
        make_event(
            fingerprint=f"{number % 3:032d}",
            traceback=f"traceback {number}",
            request={"body": {"number": number}},
            url=f"https://example.com/{number}",
        )
        for number in range(count)
    ]


@pytest.mark.django_db(transaction=True)
class TestFaultsThatEnd:
    @pytest.mark.parametrize("where", STATEMENTS)
    @pytest.mark.parametrize("what", FAULTS)
    def test_fault_that_ends_at_any_step_costs_nothing(self, what, where):
        for times in (1, 2, 3, 4, 7):
            ErrorLog.objects.all().delete()
            for model in (ErrorGroup, JournalRow, *_counts()):
                model.objects.all().delete()
            events = some_events()
            journal = journal_of(*events)
            fault = Fault(STATEMENTS[where], FAULTS[what], times=times)
            with connection.execute_wrapper(fault):
                drain_all(journal)
            assert fault.left == 0, "the fault was met as often as it lasted"
            assert_whole(events)

    @pytest.mark.parametrize("where", STATEMENTS)
    @pytest.mark.parametrize("what", FAULTS)
    def test_fault_that_stays_keeps_all_waiting_for_few_statements(self, what, where):
        events = some_events(40)
        journal = journal_of(*events)
        fault = Fault(STATEMENTS[where], FAULTS[what])
        with connection.execute_wrapper(fault), contextlib.suppress(Exception):
            batch_writer.write_batch(journal, journal.read())
        met = 10**9 - fault.left
        assert met <= 4, "a few probes per round, however many events wait"
        assert ErrorLog.objects.count() == 0
        assert drain_all(journal) == 0
        assert_whole(events)

    def test_fault_that_only_events_with_a_bug_meet_gives_up_none(self, swallowed):
        """The twin has the same fingerprint, so it touches the same bug."""
        store.store(some_events())
        for group in ErrorGroup.objects.all():
            open_bug(group)
        again = some_events()
        journal = journal_of(*again)
        fault = Fault(r"UPDATE .*knownbug", FAULTS["a trigger"])
        with connection.execute_wrapper(fault):
            assert drain_all(journal, rounds=3) == 3
        assert drain_all(journal) == 0
        row = JournalRow.objects.get()
        assert (row.lost, row.bare, row.merged) == (0, 0, 0)
        assert_counted(8)

    def test_commit_that_fails_is_no_event_s_fault(self, monkeypatch):
        """The twins are never committed, so that they could not tell."""
        events, fails = some_events(), [True]
        journal = journal_of(*events)
        real = type(connections["default"])._commit

        def commit(self):
            if fails[0]:
                raise OperationalError("no space for this")
            real(self)

        monkeypatch.setattr(type(connections["default"]), "_commit", commit)
        assert drain_all(journal, rounds=3) == 3
        fails[0] = False
        connection.close()
        assert drain_all(journal) == 0
        assert_whole(events)


def _counts():
    from error_tracking.models import HourlyCount, HourlyTotal

    return HourlyCount, HourlyTotal


@pytest.mark.django_db(transaction=True)
class TestPoison:
    @pytest.mark.parametrize("what", ["a trigger", "a column too short", "a router"])
    def test_only_the_event_that_is_at_fault_loses_its_payload(self, what, caplog):
        events = some_events(9)
        poisoned = make_event(fingerprint="9" * 32, traceback="POISON")
        journal = journal_of(*events[:5], poisoned, *events[5:])
        fault = Fault("INSERT .*errorlog", FAULTS[what], marker="POISON")
        with connection.execute_wrapper(fault):
            assert drain_all(journal) == 0
        log = ErrorLog.objects.get(event_id=poisoned.event_id)
        assert (log.traceback, log.occurrences) == ("", 1)
        row = JournalRow.objects.get()
        assert (row.lost, row.bare, row.merged) == (0, 1, 0)
        assert_counted(10)
        for event in events:
            assert ErrorLog.objects.get(event_id=event.event_id).traceback
        assert caplog.text.count("stored without its payload") == 1

    def test_fault_that_comes_between_is_waited_out_before_anything_is_given_up(self):
        poisoned = make_event(traceback="POISON")
        journal = journal_of(poisoned)
        poison = Fault("INSERT .*errorlog", FAULTS["a trigger"], marker="POISON")
        away = Fault("UPDATE .*journal", FAULTS["read-only"], times=5)
        with connection.execute_wrapper(poison), connection.execute_wrapper(away):
            assert drain_all(journal) == 5
        assert JournalRow.objects.get().bare == 1
        assert_counted(1)

    def test_size_that_the_server_refuses_costs_the_payload_of_that_event_only(self):
        events = some_events()
        large = make_event(traceback="x" * 30_000)
        journal = journal_of(*events, large)

        def limited(execute, sql, params, many, context):
            if len(str(params)) > 25_000:
                raise OperationalError(1153, "Got a packet bigger than allowed")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(limited):
            assert drain_all(journal) == 0
        assert ErrorLog.objects.get(event_id=large.event_id).traceback == ""
        assert JournalRow.objects.get().bare == 1
        assert_counted(5)


class TestTwins:
    def test_twin_has_the_rows_and_the_size_of_its_event_and_none_of_its_text(self):
        event = make_event(
            traceback="ünïcode" * 90,
            url="https://example.com/\x00",
            title="'; DROP TABLE x; --",
            request={"a": "b" * 500},
            user_id="9" * 40,
            ip_address="::1",
            client="ab" * 8,
            release="v1",
        )
        packed = packed_event.packed(event)
        twin = probe.harmless(event)
        for name in (
            "fingerprint",
            "event_id",
            "environment",
            "release",
            "client",
            "timestamp",
        ):
            assert getattr(twin, name) == getattr(event, name)
        for name in ("traceback", "title", "request_data", "stacktrace"):
            length = len(getattr(packed, name).encode())
            assert abs(len(getattr(twin, name)) - length) <= 9
        assert "DROP" not in str(twin)
        assert "\x00" not in str(twin)

    def test_twin_of_an_event_whose_names_are_malformed_has_others(self):
        event = make_event(fingerprint="no hex at all", environment="\x00")
        twin = probe.harmless(event)
        assert (twin.fingerprint, twin.environment) == ("0" * 32, "x")

    def test_fold_is_harmless_as_it_is(self):
        fold = Fold.of(make_event(client="ab" * 8))
        assert probe.harmless(fold) == fold


@pytest.mark.django_db
class TestClocks:
    def test_time_ahead_of_ours_becomes_the_present_at_the_store(self):
        ahead = time.time() + 86_400
        event = make_event(timestamp=ahead)
        journal = memory_journal(event)
        journal.append(COUNT, Fold.of(event).to_bytes())
        batch_writer.write_batch(journal, journal.read())
        group = ErrorGroup.objects.get()
        assert group.last_seen <= moment_from(time.time())
        assert ErrorLog.objects.get().created <= moment_from(time.time())
        assert_counted(2)

    def test_true_time_corrects_what_was_stored_while_the_clock_was_ahead(self):
        store.store([make_event()])
        bug = open_bug(ErrorGroup.objects.get())[0]
        future = moment_from(time.time() + 10**8)
        ErrorGroup.objects.update(last_seen=future)
        type(bug).objects.update(last_occurrence=future)
        store.store([make_event()])
        bug.refresh_from_db()
        assert ErrorGroup.objects.get().last_seen <= moment_from(time.time())
        assert bug.last_occurrence <= moment_from(time.time())

    def test_earlier_time_does_not_replace_a_later_true_one(self):
        now = time.time()
        store.store([make_event(timestamp=now)])
        store.store([make_event(timestamp=now - 500)])
        assert ErrorGroup.objects.get().last_seen == moment_from(now)


@pytest.mark.django_db(transaction=True)
def test_writer_logs_one_plain_line_and_stores_when_the_fault_is_over(
    writer_thread, monkeypatch, swallowed
):
    original, is_missing = store.store, [True]

    def missing(items, **kwargs):
        if is_missing[0]:
            raise OperationalError(
                "table error_tracking_errorlog has no column named x"
            )
        return original(items, **kwargs)

    monkeypatch.setattr(store, "store", missing)
    events = some_events()
    for event in events:
        recorder.submit(event)
    deadline = time.monotonic() + 10
    while writer_thread.outage.failures < 4:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    [line] = {record.getMessage() for record in swallowed}
    assert "The table error_tracking_errorlog has no column x" in line
    assert "Run manage.py migrate." in line
    assert not any(record.exc_info for record in swallowed)
    problems = " ".join(recorder.health().problems)
    assert "has no column x" in problems
    assert "damaged" not in problems
    is_missing[0] = False
    assert recorder.flush(20)
    assert ErrorLog.objects.exclude(traceback="").count() == len(events)
    assert_counted(len(events))
    assert isinstance(events[0], Event)


class TestRoom:
    @pytest.fixture
    def intake(self, configure, tmp_path):
        configure(JOURNAL_DIR=tmp_path)
        intake = intakes.Intake(lambda: None)
        yield intake
        intake.close()

    def test_payloads_go_first_then_new_refused_requests_and_crashes_last(
        self, intake, monkeypatch, swallowed
    ):
        fills = [0.7]
        monkeypatch.setattr(intake, "fill", lambda: fills[0])
        known = make_event(error_type="http_4xx", fingerprint="1" * 32)
        crash = make_event(traceback="t", fingerprint="2" * 32)
        intake.submit(known)
        intake.submit(crash)
        assert (intake.bare, intake.merged) == (0, 0)
        fills[0] = 0.8
        intake.submit(crash)
        assert (intake.bare, intake.merged) == (1, 0)
        fills[0] = 0.95
        intake.submit(known)  # its group is there
        intake.submit(make_event(error_type="http_4xx", fingerprint="3" * 32))
        intake.submit(make_event(error_type="csrf", fingerprint="4" * 32))
        intake.submit(make_event(fingerprint="5" * 32))  # a new crash
        assert (intake.bare, intake.merged) == (3, 2)
        items = items_in(intake.journals[0].read()).items
        events = [item for item in items if isinstance(item, Event)]
        assert "5" * 32 in {event.fingerprint for event in events}
        assert not {"3" * 32, "4" * 32} & {item.fingerprint for item in items}
        fills[0] = 1.0
        for number in range(20):
            intake.submit(
                make_event(error_type="http_4xx", fingerprint=f"{number:032x}")
            )
        intake.submit(make_event(fingerprint="6" * 32))
        intake.correct(Outcome.of(crash, 502))  # the event stays as it was
        assert (intake.at_risk, len(intake.memory_counts)) == (21, 2)
        assert intake.has_pending
        assert "bare=3 merged=22 at_risk=21" in intake.room
        intake.fold(Fold.of(crash))  # of a group that is there
        assert (intake.at_risk, len(intake.memory_counts)) == (22, 3)
        fills[0] = 0.8
        intake.submit(crash)
        assert "at_risk=22" in intake.room
        fills[0] = 0.1
        intake.submit(crash)
        assert intake.room == ""

    def test_it_remembers_the_last_groups_only(self, intake, monkeypatch):
        monkeypatch.setattr(intakes, "REMEMBERED_GROUPS", 2)
        for number in range(4):
            intake.submit(make_event(fingerprint=f"{number:032d}"))
        assert list(intake._groups) == [f"{2:032d}", f"{3:032d}"]

    def test_journals_of_dead_processes_are_theirs(self, intake, monkeypatch):
        """They count for the machine, which is measured when ours have grown."""
        intake.submit(make_event())
        left_by_a_dead_process(
            intake.machine.directory, b"x" * 10_000, identity=intake.machine.identity
        )
        intake.adopt()
        assert sorted(each.is_adopted for each in intake.journals) == [False, True]
        assert (intake.pending, intake.has_pending) == (1, True)
        assert intake.fill() < 10_000 / intakes.BOUND_BYTES
        monkeypatch.setattr(intakes, "MEASURED_EACH_BYTES", 0)
        monkeypatch.setattr(intakes, "MACHINE_BOUND_BYTES", 10_000)
        assert intake.fill() >= 1

    def test_machine_has_a_bound_of_its_own(self, intake, monkeypatch, swallowed):
        """Workers that die while the database is away leave a journal each."""
        monkeypatch.setattr(intakes, "MACHINE_BOUND_BYTES", 100_000)
        for _ in range(9):
            left_by_a_dead_process(
                intake.machine.directory,
                b"x" * 10_000,
                identity=intake.machine.identity,
            )
        intake.measure()
        intake.submit(make_event(traceback="t"))
        assert intake.bare == 1

    def test_disk_keeps_half_of_what_it_has_left(self, intake, monkeypatch):
        usage = intakes.shutil.disk_usage("/")._replace(free=2_000_000)
        monkeypatch.setattr(intakes.shutil, "disk_usage", lambda path: usage)
        left_by_a_dead_process(
            intake.machine.directory,
            b"x" * 200_000,
            b"x" * 200_000,
            identity=intake.machine.identity,
        )
        intake.measure()
        assert 0.3 < intake.fill() < 0.4


@pytest.mark.django_db(transaction=True)
class TestFilesThatRest:
    def files(self, process):
        return list(process.intake.machine.directory.glob("*.journal"))

    def test_drained_journal_has_no_file_and_goes_on_where_it_was(self, writer_thread):
        """A server that ends by a signal runs no code of ours at its end."""
        for number in range(1, 4):
            recorder.submit(make_event())
            assert len(self.files(writer_thread)) == 1
            assert recorder.flush(10)
            assert self.files(writer_thread) == []
            assert_counted(number)
        assert JournalRow.objects.get().position == 3

    def test_file_made_anew_is_adopted_exactly_once(self, writer_thread):
        for _ in range(2):
            recorder.submit(make_event())
            assert recorder.flush(10)
        machine = writer_thread.intake.machine
        own = writer_thread.intake.current()
        own.append(EVENT, make_event().to_bytes())
        own.storage.close(unlink=False)  # as the end of its process does
        writer_thread.intake.journals.remove(own)
        [orphan] = machine.orphans()
        assert orphan.id == own.id
        drain_all(orphan)
        assert_counted(3)
        assert JournalRow.objects.get(pk=own.id).lost == 0
        orphan.close()

    def test_file_made_anew_counts_nothing_as_lost_in_a_new_database(self):
        journal = memory_journal(make_event(), make_event())
        drain_all(journal)
        journal.rest()
        journal.append(EVENT, make_event().to_bytes())
        batch = type(journal)(journal.storage, "f" * 32, key=journal.id).read()
        assert (batch.lost, batch.position) == (0, 3)

    def test_directory_that_is_cleaned_away_while_it_rests_is_made_again(
        self, writer_thread
    ):
        recorder.submit(make_event())
        assert recorder.flush(10)
        directory = writer_thread.intake.machine.directory
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()
        recorder.submit(make_event())
        assert writer_thread.intake.undurable == 0
        assert recorder.flush(10)
        assert_counted(2)


@pytest.mark.django_db(transaction=True)
class TestSync:
    def test_sync_stores_what_dead_processes_left(self, writer_thread, capsys):
        machine = writer_thread.intake.machine
        paths = [
            left_by_a_dead_process(
                machine.directory, make_event().to_bytes(), identity=machine.identity
            )
            for _ in range(3)
        ]
        call_command("error_tracking_sync", "--json")
        assert json.loads(capsys.readouterr().out)["adopted"] == 3
        assert not any(path.exists() for path in paths)
        assert_counted(3)
        call_command("error_tracking_sync", "--json")
        assert json.loads(capsys.readouterr().out)["adopted"] == 0

    def test_celery_task_stores_what_dead_processes_left(self, writer_thread, caplog):
        machine = writer_thread.intake.machine
        path = left_by_a_dead_process(
            machine.directory, make_event().to_bytes(), identity=machine.identity
        )
        with caplog.at_level("INFO", logger="error_tracking"):
            sync_task()
        assert not path.exists()
        assert_counted(1)
        assert "sync: adopted=1 new=1 filed=1 updated=0 followed=0" in caplog.text

    def test_sync_that_cannot_store_says_why_and_loses_nothing(
        self, writer_thread, monkeypatch
    ):
        machine = writer_thread.intake.machine
        path = left_by_a_dead_process(
            machine.directory, make_event().to_bytes(), identity=machine.identity
        )

        def full(*args, **kwargs):
            raise OperationalError("database or disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(store, "store", full)
            with pytest.raises(CommandError, match="The disk of database 'default'"):
                call_command("error_tracking_sync")
        assert path.exists()
        call_command("error_tracking_sync")
        assert_counted(1)


@pytest.mark.django_db(transaction=True)
class TestEnd:
    def test_process_that_ends_makes_a_bug_where_nobody_leads(self, writer_thread):
        """A Celery child of one task: the bug must not wait for the next minute."""
        recorder.submit(make_event())
        writer_thread.stop()
        assert_counted(1)
        assert KnownBug.objects.count() == 1

    def test_process_that_ends_calls_the_leader(self, writer_thread):
        leader = Machine()
        assert leader.lead()
        os.utime(leader.directory / machines.LEADER_LOCK, (1, 1))
        recorder.submit(make_event())
        writer_thread.stop()
        assert leader.called_at() > 1
        assert KnownBug.objects.count() == 0
        leader.let_go()


ALIAS_SCRIPT = """
import os, sys, types
from django.conf import settings
class Router:
    wrong = sys.argv[1]
    def db_for_write(self, model, **hints):
        if Router.wrong == "raises":
            raise RuntimeError("no database today")
        return Router.wrong or None
    db_for_read = db_for_write
sys.modules["routing"] = types.ModuleType("routing")
sys.modules["routing"].Router = Router
settings.configure(
    SECRET_KEY="k" * 60, USE_TZ=True, ROOT_URLCONF="tests.urls",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
    DATABASE_ROUTERS=["routing.Router"],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "error_tracking"],
    ERROR_TRACKING={"JOURNAL_DIR": os.path.join(os.getcwd(), "journals")},
)
import django
django.setup()
import error_tracking, time
for number in range(3):
    try:
        raise ValueError("order")
    except ValueError as error:
        error_tracking.capture_exception(error)
time.sleep(1.5)
print(error_tracking.health().pending, error_tracking.health().problems)
Router.wrong = ""
from django.core.management import call_command
call_command("migrate", verbosity=0)
assert error_tracking.flush(20)
from error_tracking.models import ErrorLog
print(ErrorLog.objects.count())
"""


@pytest.mark.parametrize("wrong", ["nowhere", "raises"])
def test_alias_that_is_wrong_for_a_while_costs_nothing(tmp_path, wrong):
    root = Path(__file__).parent.parent
    answer = subprocess.run(
        [sys.executable, "-c", ALIAS_SCRIPT, wrong],
        env={**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert answer.returncode == 0, answer.stderr
    waiting, stored = answer.stdout.strip().splitlines()
    assert waiting.startswith("3 ")
    assert stored == "3"
    if wrong == "nowhere":
        assert "Database 'nowhere' is not configured" in waiting
