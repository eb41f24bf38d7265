"""From bytes to rows: what is read, for how long a lock is held, how often the database is asked."""

from __future__ import annotations

import dataclasses
import json
import time

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from error_tracking import recorder
from error_tracking.events.event import EVENT_BYTES, HEAD, ExceptionInfo, Fold, Frame
from error_tracking.models import ErrorGroup, ErrorLog, GroupClient, Journal
from error_tracking.models.base import moment_from
from error_tracking.own_connections import SQLITE_LOCK_SECONDS
from error_tracking.recorder import batch_writer, drain, packed_event, store, worker
from error_tracking.recorder.batch_size import SMALLEST_SHARE, BatchLimits, BatchSize
from error_tracking.recorder.journal import COUNT, EVENT
from error_tracking.recorder.packed_event import event_from_bytes
from tests.factories import make_event
from tests.test_pipeline import assert_counted, memory_journal

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text('ab\n"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


def chain():
    frame = Frame(
        "shop.py",
        "/srv/shop.py",
        "shop",
        "pay",
        7,
        'raise ValueError("ü\n")',
        ("a",),
        ("b",),
        True,
        {"x": 1},
    )
    return (
        ExceptionInfo("ValueError", "builtins", 'no "money"\n', (frame,)),
        ExceptionInfo("Missing", "shop.errors", "", (frame, frame), "cause"),
    )


class TestRecords:
    @given(
        st.dictionaries(st.text(max_size=3), JSON, max_size=3),
        st.text('ab\n\r\u2028"\\é', max_size=30),
    )
    def test_event_comes_back_as_it_was(self, request, text):
        event = make_event(
            request=request,
            context={"tags": request},
            traceback=text,
            exceptions=chain(),
        )
        again = event_from_bytes(event.to_bytes())
        assert all(
            getattr(again, name) == getattr(event, name) for name in (*HEAD, "cause")
        )
        assert (json.loads(again.request_data), json.loads(again.context_json)) == (
            event.request,
            event.context,
        )
        assert json.loads(again.stacktrace) == json.loads(
            json.dumps([dataclasses.asdict(info) for info in chain()])
        )
        assert (again.exception_type, again.exception_message) == (
            "ValueError",
            'no "money"\n',
        )

    def test_event_without_an_exception_keeps_its_message(self):
        event = make_event(exceptions=(), message="disk is nearly full")
        again = event_from_bytes(event.to_bytes())
        assert (again.exception_type, again.exception_message) == (
            "",
            "disk is nearly full",
        )

    def test_event_that_is_too_long_is_cut_at_the_limit(self):
        whole = make_event(exceptions=(), traceback="")
        room = EVENT_BYTES - len(whole.to_bytes())
        assert (
            len(dataclasses.replace(whole, traceback="t" * room).to_bytes())
            == EVENT_BYTES
        )
        above = dataclasses.replace(
            whole, context={"a": "b" * 1_000}, traceback="t" * room
        ).to_bytes()
        assert event_from_bytes(above).context_json == '{"truncated": true}'

    def test_field_of_a_later_release_is_left_out_and_a_missing_one_has_its_default(
        self,
    ):
        head, *payload = make_event(server_name="web-1").to_bytes().split(b"\n")
        values = json.loads(head)
        del values["server_name"]
        data = b"\n".join([json.dumps({**values, "new": 1}).encode(), *payload])
        assert event_from_bytes(data).server_name == ""

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\n",
            b"{}",
            b"{}\n[]\n{}\n{}",
            b"{}\n[]",
            b"\xff\n[]\n{}\n{}",
            b"[]\n[]\n{}\n{}",
        ],
    )
    def test_what_is_no_event_is_refused(self, data):
        with pytest.raises(ValueError, match=r".+"):
            event_from_bytes(data)

    def test_bare_event_has_no_payload(self):
        event = make_event(exceptions=chain(), traceback="t", request={"a": 1})
        bare = event_from_bytes(event.to_bytes()).bare()
        assert bare == dataclasses.replace(
            packed_event.packed(event.bare()), cause=event.cause
        )
        assert event.bare().traceback == ""


@pytest.mark.django_db
class TestRows:
    def test_payload_reads_as_it_was_captured(self):
        event = make_event(
            exceptions=chain(),
            request={"body": {"ä": ["\\", '"', 1.5, None]}},
            context={"tags": {"a": "b"}},
        )
        store.store([event_from_bytes(event.to_bytes())])
        log = ErrorLog.objects.get()
        assert (log.request_data, log.context) == (event.request, event.context)
        assert [info["type"] for info in log.stacktrace] == ["ValueError", "Missing"]
        assert (
            log.stacktrace[0]["frames"][0]["context_line"] == 'raise ValueError("ü\n")'
        )
        assert (log.exception_type, log.exception_message) == (
            "ValueError",
            'no "money"\n',
        )
        assert ErrorGroup.objects.get().title == event.title

    def test_payload_that_comes_late_fills_its_row(self):
        event = make_event(request={"a": 1}, exceptions=chain())
        store.store([Fold.of(event)])
        store.store([event])
        log = ErrorLog.objects.get()
        assert (log.occurrences, log.request_data, len(log.stacktrace)) == (
            2,
            {"a": 1},
            2,
        )

    def test_first_and_last_seen_of_many_groups_are_each_their_own(self):
        names = [f"{number:032d}" for number in range(4)]
        store.store(
            [
                make_event(fingerprint=name, timestamp=1_000_000.0 + 10 * n)
                for n, name in enumerate(names)
            ]
        )
        later = [
            make_event(fingerprint=name, timestamp=1_000_000.0 + 11 * n)
            for n, name in enumerate(names)
        ]
        earlier = [
            make_event(fingerprint=names[n], timestamp=1_000_000.0 - 11 * n)
            for n in (0, 1, 0, 1)
        ]
        store.store([*later, *earlier])
        found = ErrorGroup.objects.order_by("fingerprint").values_list(
            "times_seen", "first_seen", "last_seen"
        )
        assert list(found) == [
            (4, moment_from(1_000_000.0), moment_from(1_000_000.0)),
            (4, moment_from(999_989.0), moment_from(1_000_011.0)),
            (2, moment_from(1_000_020.0), moment_from(1_000_022.0)),
            (2, moment_from(1_000_030.0), moment_from(1_000_033.0)),
        ]
        assert_counted(12)


@pytest.mark.django_db
class TestStatements:
    def locked(self, items):
        """Return how many statements a batch sends while it holds a lock: those after the journal has moved."""
        with CaptureQueriesContext(connection) as queries:
            store.store(items, journal=memory_journal(), position=1)
        sql = [query["sql"] for query in queries]
        first = next(
            number
            for number, text in enumerate(sql)
            if text.startswith("UPDATE") and "journal" in text
        )
        return len([text for text in sql[first:] if "SAVEPOINT" not in text])

    def test_batch_of_a_known_group_holds_its_lock_for_few_statements(self):
        store.store([make_event(client="c" * 16, release="v1")])
        assert (
            self.locked([make_event(client="c" * 16, release="v1") for _ in range(20)])
            <= 10
        )

    def test_many_representatives_and_clients_are_no_more_statements(self):
        """A storm of many errors: thousands of folds in a batch, each for a row of its own."""
        events = [make_event(client="c" * 16) for _ in range(30)]
        store.store(events)
        folds = [
            dataclasses.replace(Fold.of(event), count=1 + n % 3)
            for n, event in enumerate(events)
        ]
        few = self.locked(folds[:2])
        assert self.locked(folds) == few
        assert_counted(30 + 3 + sum(fold.count for fold in folds))

    def test_many_groups_are_hardly_more_statements(self):
        """What they have in common may be that the database was away: each view fails in its own way."""
        now = time.time()
        events = [
            make_event(fingerprint=f"{n:032d}", timestamp=now - 3_600 * (n % 2))
            for n in range(30)
        ]
        store.store(events)
        again = [
            dataclasses.replace(event, event_id=make_event().event_id)
            for event in events
        ]
        assert (
            self.locked(
                [*again, dataclasses.replace(again[0], event_id=make_event().event_id)]
            )
            # One more where these two hours are of two days.
            <= 14
        )
        assert_counted(61)
        for group in ErrorGroup.objects.all():
            assert group.times_seen == group.hourly.get().count

    def test_clients_of_many_groups_are_asked_for_at_once(self):
        events = [
            make_event(fingerprint=f"{n:032d}", client="c" * 16) for n in range(9)
        ]
        store.store(events)
        with CaptureQueriesContext(connection) as queries:
            store.store(
                [make_event(fingerprint=f"{n:032d}", client="d" * 16) for n in range(9)]
            )
        assert len([query for query in queries if "groupclient" in query["sql"]]) == 3
        assert GroupClient.objects.count() == 18


@pytest.mark.django_db(transaction=True)
class TestLock:
    """SQLite has one lock for all: a batch holds it for a bounded time."""

    def test_share_of_a_batch_follows_the_time_of_its_lock_in_steps(self):
        size = BatchSize(share=0.4)
        size.adapt(2.0, is_full=True)
        assert size.share == pytest.approx(0.2), (
            "a machine that stalled once says little"
        )
        size.adapt(0.001, is_full=True)
        assert size.share == pytest.approx(0.25)
        size.adapt(0.012, is_full=True)
        assert size.share == pytest.approx(0.25)
        size.adapt(0.001, is_full=False)
        assert size.share == pytest.approx(0.25), (
            "a small batch says nothing about a large one"
        )
        for _ in range(9):
            size.adapt(0.021, is_full=False)
        assert size.share == SMALLEST_SHARE
        for _ in range(30):
            size.adapt(0.0, is_full=True)
        assert size.share == 1.0

    @pytest.mark.parametrize("vendor", ["postgresql", "mysql"])
    def test_database_that_locks_rows_gets_whole_batches(self, vendor):
        assert BatchSize(share=0.1).limits(vendor) == BatchLimits(200, 10_000)
        assert BatchSize(share=0.1).limits("sqlite") == BatchLimits(20, 1_000)

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="the others lock rows")
    @pytest.mark.parametrize("kind", [EVENT, COUNT])
    def test_lock_is_held_for_20_ms_at_most(self, kind, monkeypatch):
        """FAULTS S18: the median, for a machine may stall."""
        process, held = worker.Worker(), []
        size = process.drainer.batch_size
        journal = memory_journal()
        events = [
            make_event(traceback="x" * 5_000, exceptions=chain()) for _ in range(600)
        ]
        for number in range(600 if kind == EVENT else 20_000):
            event = events[number % (600 if kind == EVENT else 100)]
            journal.append(
                kind, event.to_bytes() if kind == EVENT else Fold.of(event).to_bytes()
            )
        if kind == COUNT:
            store.store(events)
        process.intake.journals.append(journal)
        real = batch_writer.write_batch

        def write(*args, **kwargs):
            is_new = real(*args, **kwargs)
            held.append(journal.locked_seconds)
            return is_new

        monkeypatch.setattr(drain, "write_batch", write)
        process.drainer.drain_all()
        assert len(held) > 8
        is_busy_machine = size.share == SMALLEST_SHARE
        median = sorted(held)[len(held) // 2]
        assert is_busy_machine or median <= SQLITE_LOCK_SECONDS
        assert_counted(600 if kind == EVENT else 20_600)


@pytest.mark.skipif(connection.vendor != "mysql", reason="of MySQL and MariaDB only")
def test_tables_that_hold_no_emoji_cost_the_emoji_only(writer_thread):
    """utf8mb3, as databases had that were made before 2010: a question mark, and everything else."""
    table = ErrorLog._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb3")
    try:
        recorder.submit(
            make_event(
                message="\U0001fa7a broke",
                traceback="a \U0001f600 line",
                request={"body": {"mood": "\U0001f600"}},
            )
        )
        assert recorder.flush(20)
        log = ErrorLog.objects.get()
        bare = Journal.objects.aggregate(total=Sum("bare"))["total"]
    finally:
        ErrorLog.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4")
    assert log.exception_message == "? broke"
    assert log.traceback == "a ? line"
    assert log.request_data == {"body": {"mood": "?"}}
    assert bare == 0
