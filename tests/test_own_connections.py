"""Our threads and the project's pool: they never wait for a service with a connection that a request may need."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, connections, transaction

from error_tracking import own_connections, recorder
from error_tracking.bugs.opening import open_bug
from error_tracking.filing import outbox, runner
from error_tracking.models import ErrorGroup, Filing
from error_tracking.recorder import store
from error_tracking.trackers import Filed, Tracker
from tests.factories import make_event
from tests.test_pipeline import assert_counted

SLOW = "tests.test_own_connections.SlowTracker"


class SlowTracker(Tracker):
    """Notes whether its thread holds a connection while a service answers."""

    name = "slow"
    held: list[bool] = []

    def file(self, report):
        held = [each.connection for each in connections.all(initialized_only=True)]
        self.held.append(any(each is not None for each in held))
        return Filed("1")

    def update(self, report, reference):
        return self.file(report)


@pytest.fixture
def slow(configure):
    configure(TRACKERS=[SLOW], DISABLE=["markdown", "mail"], AUTO_CREATE_BUGS=True)
    SlowTracker.held.clear()
    return SlowTracker


def in_a_thread(work):
    """Run *work* in a thread, and return what it returned."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join(30)
    return found[0]


@pytest.mark.django_db(transaction=True)
class TestOwnConnection:
    def test_it_is_not_taken_from_the_pool(self):
        def look():
            mine = connections["default"]
            mine.settings_dict = {
                **mine.settings_dict,
                "OPTIONS": {**mine.settings_dict["OPTIONS"], "pool": {"max_size": 1}},
                "AUTOCOMMIT": False,
            }
            prepared = own_connections.prepare("default")
            options, commits = prepared.settings_dict["OPTIONS"], prepared.settings_dict
            return "pool" in options, commits["AUTOCOMMIT"]

        assert in_a_thread(look) == (False, True)
        assert connections.settings["default"].get("OPTIONS", {}).get("pool") is None

    def test_release_leaves_the_project_s_threads_and_transactions_alone(self):
        def look():
            mine = connections["default"]
            mine.ensure_connection()
            own_connections.release()
            kept_in_a_request = mine.connection is not None
            with own_connections.may_release():
                with transaction.atomic():
                    own_connections.release()
                    kept_in_a_transaction = mine.connection is not None
                own_connections.release()
            return kept_in_a_request, kept_in_a_transaction, mine.connection is None

        assert in_a_thread(look) == (True, True, True)

    @pytest.mark.parametrize(("seconds", "is_open"), [(0, False), (60, True)])
    def test_writer_keeps_one_open_where_the_project_does(
        self, writer_thread, monkeypatch, seconds, is_open
    ):
        monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", seconds)
        found = []
        real = writer_thread.connection.give_back

        def look(*, is_last):
            real(is_last=is_last)
            found.append(connections["default"].connection is not None)

        monkeypatch.setattr(writer_thread.connection, "give_back", look)
        recorder.submit(make_event())
        assert recorder.flush(10)
        assert found[-1] is is_open
        assert_counted(1)

    def test_filer_holds_none_while_a_tracker_works(self, writer_thread, slow):
        recorder.submit(make_event())
        assert recorder.flush(10)
        assert slow.held == [False]
        assert Filing.objects.get(tracker="slow").state == Filing.State.FILED

    def test_request_that_files_keeps_its_own(self, slow):
        store.store([make_event()])
        open_bug(ErrorGroup.objects.get())
        connection.ensure_connection()
        outbox.request(ErrorGroup.objects.get().bug)
        assert runner.file_due()
        assert slow.held == [True]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="a pool of psycopg's")
@pytest.mark.django_db(transaction=True)
class TestPool:
    def test_pool_with_as_many_connections_as_threads_serves_every_request(
        self, writer_thread, slow, monkeypatch
    ):
        """Each thread of the site asks all the time, while errors are stored and filed slowly."""
        pool = {"min_size": 0, "max_size": 3, "timeout": 2}
        settings = connections.settings["default"]
        options = {**settings.get("OPTIONS", {}), "pool": pool}
        monkeypatch.setitem(settings, "OPTIONS", options)
        monkeypatch.setattr(
            slow, "file", lambda self, report: time.sleep(3) or Filed("1")
        )
        failed, is_over, answered = [], threading.Event(), []

        def serve(number):
            while not is_over.is_set():
                try:
                    ErrorGroup.objects.using("default").count()
                    with connections["default"].cursor() as cursor:
                        cursor.execute("SELECT pg_sleep(0.02)")
                    recorder.submit(make_event(fingerprint=f"{number:032d}"))
                    answered.append(number)
                except Exception as error:
                    failed.append(error)
                finally:
                    connections["default"].close()

        threads = [threading.Thread(target=serve, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(5)
        is_over.set()
        for thread in threads:
            thread.join()
        assert recorder.flush(20)
        connections["default"].close_pool()
        monkeypatch.undo()
        assert failed == []
        assert len(answered) > 20
        assert_counted(len(answered))
