"""What the host notices of the recorder: nothing, whatever its connection, its locks and its visitors do."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.apps import apps
from django.db import OperationalError, connection, connections, models, transaction
from django.utils import timezone

from error_tracking import own_connections, recorder
from error_tracking.capture.service import ErrorCaptureService
from error_tracking.exceptions import StaleJournalError
from error_tracking.models import (
    Activity,
    ErrorGroup,
    ErrorLog,
    Filing,
    KnownBug,
    Release,
)
from error_tracking.models import Journal as JournalRow
from error_tracking.recorder import batch_writer, outage, store
from error_tracking.recorder import budget as budgets
from tests.factories import make_event
from tests.test_pipeline import assert_counted, memory_journal


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_event_outlives_the_transaction_it_happened_in(self, writer_thread):
        """FAULTS S03."""
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Release.objects.create(version="of the host", first_seen=timezone.now())
            recorder.submit(make_event())
            raise ZeroDivisionError
        assert recorder.flush(10)
        assert not Release.objects.exists()
        assert_counted(1)

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="the others lock rows")
    def test_lock_that_the_host_holds_is_waited_for_by_nobody(
        self, writer_thread, swallowed
    ):
        """FAULTS S04, S18: the request goes on at once, and the writer asks again and again in place of waiting."""
        with transaction.atomic():
            Release.objects.create(version="of the host", first_seen=timezone.now())
            start = time.monotonic()
            recorder.submit(make_event())
            assert time.monotonic() - start < 2
            deadline = time.monotonic() + 10
            while (
                writer_thread.outage.failures < 3
            ):  # with SQLite's usual wait it would be 15 seconds
                assert time.monotonic() < deadline
                time.sleep(0.02)
        assert recorder.flush(10)
        assert_counted(1)
        assert swallowed == [], "a lock that passes is no news"

    def test_threads_of_a_pool_keep_no_connection(self, writer_thread):
        """FAULTS S16."""

        def capture(number):
            ErrorCaptureService().capture_message(f"failed {number}", level="error")
            return connections["default"].connection

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(capture, range(8))) == {None}
        assert recorder.flush(10)
        assert_counted(8)

    def test_commit_whose_answer_is_lost_counts_once(self, monkeypatch):
        journal = memory_journal(make_event(), make_event())
        real, answers = type(connections["default"])._commit, [False, True]

        def commit(self):
            real(self)
            if not answers.pop(0):
                raise OperationalError("server closed the connection unexpectedly")

        with monkeypatch.context() as patch:
            patch.setattr(type(connections["default"]), "_commit", commit)
            with pytest.raises(OperationalError):
                batch_writer.write_batch(journal, journal.read())
        assert journal.position == 0, "we do not know"
        with pytest.raises(StaleJournalError):
            batch_writer.write_batch(journal, journal.read())
        assert (journal.position, journal.pending) == (2, 0)
        assert_counted(2)

    @pytest.mark.parametrize(
        "stage", ["count_hours", "add_logs", "add_totals", "add_clients"]
    )
    def test_transaction_that_fails_half_way_counts_nothing(self, monkeypatch, stage):
        def fails(self):
            raise OperationalError("the connection is closed")

        journal = memory_journal(make_event())
        with monkeypatch.context() as patch:
            patch.setattr(store._Batch, stage, fails)
            with pytest.raises(OperationalError):
                batch_writer.write_batch(journal, journal.read())
        assert (JournalRow.objects.count(), journal.pending) == (0, 1)
        assert_counted(0)
        batch_writer.write_batch(journal, journal.read())
        assert_counted(1)


@pytest.mark.django_db(transaction=True)
class TestSilence:
    """FAULTS S17: a database that takes a connection and never answers."""

    @pytest.mark.skipif(
        connection.vendor != "postgresql", reason="psycopg waits for ever, by itself"
    )
    def test_silent_database_is_given_up_and_told(
        self, writer_thread, monkeypatch, swallowed
    ):
        monkeypatch.setattr(own_connections, "CONNECT_SECONDS", 2)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            patched = {
                **connections.settings["default"],
                "PORT": str(silent.getsockname()[1]),
            }
            monkeypatch.setitem(connections.settings, "default", patched)
            start = time.monotonic()
            recorder.submit(make_event())
            assert time.monotonic() - start < 2
            deadline = time.monotonic() + 15
            while not writer_thread.outage.failures:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            monkeypatch.setitem(
                connections.settings,
                "default",
                {**patched, "PORT": connection.settings_dict["PORT"]},
            )
        writer_thread.stop(0.1)

    def test_round_that_stands_still_is_no_healthy_one(self, monkeypatch):
        state = outage.Outage()
        with state.watched():
            assert (state.seconds(), state.reason) == (0, "")
            now = time.monotonic()
            monkeypatch.setattr(
                outage.time, "monotonic", lambda: now + outage.STANDSTILL_SECONDS + 1
            )
            assert state.seconds() > outage.STANDSTILL_SECONDS
            assert "does not answer" in state.reason
        assert (state.seconds(), state.reason) == (0, "")


@pytest.mark.django_db(transaction=True)
class TestFloods:
    def test_flood_of_random_paths_is_few_rows_and_an_exact_count(
        self, writer_thread, client
    ):
        """FAULTS B02."""
        for number in range(300):
            client.get(f"/{number}-{number * 7919}.php")
        assert recorder.flush(10)
        assert_counted(300)
        assert ErrorGroup.objects.count() <= 3
        assert ErrorLog.objects.count() < 60

    def test_what_happens_a_hundred_times_has_effects_outside_once(self, writer_thread):
        """FAULTS B07."""
        for _ in range(5):
            for _ in range(20):
                recorder.submit(make_event())
            assert recorder.flush(10)
        bug = KnownBug.objects.get()
        assert (bug.occurrence_count, Filing.objects.count()) == (
            100,
            len(bug.filings.all()),
        )
        assert Filing.objects.get().attempts <= 1
        assert Activity.objects.filter(verb=Activity.Verb.CREATED).count() == 1

    def test_new_groups_in_many_threads_are_bounded(self, writer_thread, monkeypatch):
        """FAULTS B06: the budget is of the process, not of a thread."""
        monkeypatch.setattr(budgets, "CLASSES_PER_PLACE", 5)
        service = ErrorCaptureService()
        words = [a + b for a in "abcdefgh" for b in "abcde"]
        with ThreadPoolExecutor(4) as pool:
            list(
                pool.map(
                    lambda word: service.capture_message(
                        f"unlike {word * 4}", level="error"
                    ),
                    words,
                )
            )
        assert recorder.flush(10)
        assert_counted(40)
        assert 6 <= ErrorGroup.objects.count() <= 12, "a minute may turn meanwhile"


def test_only_short_columns_are_indexed():
    """FAULTS S12: PostgreSQL refuses an index row of more than 2,704 bytes, when somebody sends a long text."""
    for model in apps.get_app_config("error_tracking").get_models():
        named = {
            name.lstrip("-") for index in model._meta.indexes for name in index.fields
        }
        named |= {
            name for constraint in model._meta.constraints for name in constraint.fields
        }
        for field in model._meta.concrete_fields:
            if field.db_index or field.unique or field.name in named:
                assert not isinstance(field, models.TextField | models.JSONField), field
                assert (field.max_length or 0) <= 255, field
