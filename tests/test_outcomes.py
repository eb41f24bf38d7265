"""An exception that was captured as handled and then raised again: its outcome decides."""

from __future__ import annotations

import asyncio
import logging

import pytest
from django.db.models import Sum
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

import error_tracking
from error_tracking import testing
from error_tracking.events.event import KINDS, Fold, Outcome
from error_tracking.models import ErrorGroup, ErrorLog, HourlyTotal
from error_tracking.recorder import batch_writer, store
from error_tracking.recorder.journal import COUNT, EVENT, OUTCOME
from error_tracking.services import ErrorCaptureService
from tests.factories import make_event
from tests.test_pipeline import assert_counted, memory_journal

logger = logging.getLogger("shop")


def fail():
    raise KeyError("x")


def captured_and_raised(request):
    try:
        fail()
    except KeyError:
        error_tracking.capture_exception()
        raise


def logged_and_raised(request):
    try:
        fail()
    except KeyError as error:
        logger.exception("the shop failed")
        error_tracking.capture_exception(error)
        raise


def captured_twice(request):
    try:
        captured_and_raised(request)
    except KeyError:
        error_tracking.capture_exception()
        raise


def handled(request):
    try:
        fail()
    except KeyError:
        error_tracking.capture_exception()
    return HttpResponse("all the same")


def another_is_raised(request):
    try:
        fail()
    except KeyError as error:
        error_tracking.capture_exception()
        raise ValueError("other") from error


async def captured_and_raised_async(request):
    await asyncio.sleep(0)
    return captured_and_raised(request)


urlpatterns = [
    path("raised/", captured_and_raised),
    path("logged/", logged_and_raised),
    path("twice/", captured_twice),
    path("handled/", handled),
    path("another/", another_is_raised),
    path("async/", captured_and_raised_async),
]


@pytest.fixture(autouse=True)
def _site(settings):
    settings.ROOT_URLCONF = __name__


def get(address):
    return Client(raise_request_exception=False).get(address)


class TestInARequest:
    @pytest.mark.parametrize("address", ["/raised/", "/logged/", "/twice/", "/async/"])
    def test_what_is_raised_again_was_not_handled(self, outbox, address):
        assert get(address).status_code == 500
        [event] = outbox
        assert (event.handled, event.status_code) == (False, 500)

    def test_the_same_under_asgi(self, outbox):
        async def ask():
            client = AsyncClient(raise_request_exception=False)
            return await client.get("/async/")

        assert asyncio.run(ask()).status_code == 500
        [event] = outbox
        assert (event.handled, event.status_code) == (False, 500)

    def test_what_is_not_raised_again_stays_handled(self, outbox):
        assert get("/handled/").status_code == 200
        [event] = outbox
        assert (event.handled, event.status_code) == (True, 0)

    def test_another_exception_is_another_event(self, outbox):
        get("/another/")
        first, second = outbox
        assert (first.exceptions[0].type, first.handled) == ("KeyError", True)
        assert (second.exceptions[0].type, second.handled) == ("ValueError", False)

    def test_captured_events_of_a_test_are_corrected_too(self):
        with testing.captured_events() as events:
            get("/raised/")
        assert [(event.handled, event.status_code) for event in events] == [
            (False, 500)
        ]

    def test_page_has_the_reference_of_the_event(self, outbox):
        response = Client(raise_request_exception=False).get(
            "/raised/", headers={"accept": "text/html"}
        )
        assert outbox[0].reference in response.text


def test_task_that_captures_and_raises_was_not_handled(outbox):
    service = ErrorCaptureService()
    try:
        fail()
    except KeyError as error:
        error_tracking.capture_exception(error)
        service.capture_exception(None, error, mechanism="celery", where="task pay")
    [event] = outbox
    assert (event.handled, event.status_code) == (False, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_of_an_outcome_come_back(kind):
    outcome = Outcome.of(make_event(error_type=kind, status_code=0), 500)
    again = Outcome.from_bytes(outcome.to_bytes())
    assert again == Outcome(
        **{
            **{name: getattr(outcome, name) for name in Outcome.__slots__},
            "timestamp": int(outcome.timestamp * 1_000) / 1_000,
        }
    )
    with pytest.raises(ValueError, match="not an outcome"):
        Outcome.from_bytes(b"x")


def totals():
    rows = HourlyTotal.objects.filter(count__gt=0).values_list("status_code")
    return dict(rows.annotate(sum=Sum("count")).order_by())


def stored(journal):
    batch = journal.read()
    while batch is not None:
        batch_writer.write_batch(journal, batch)
        batch = journal.read()


@pytest.mark.django_db(transaction=True)
class TestStored:
    def test_outcome_in_the_same_batch_is_part_of_the_event(self):
        event = make_event(handled=True, status_code=0)
        journal = memory_journal()
        journal.append(EVENT, event.to_bytes())
        journal.append(OUTCOME, Outcome.of(event, 500).to_bytes())
        stored(journal)
        assert ErrorLog.objects.get().status_code == 500
        group = ErrorGroup.objects.get()
        assert (group.handled, group.status_code) == (False, 500)
        assert totals() == {500: 1}
        assert_counted(1)

    def test_outcome_in_a_later_batch_corrects_the_row(self):
        event = make_event(handled=True, status_code=0)
        journal = memory_journal()
        journal.append(EVENT, event.to_bytes())
        stored(journal)
        assert (totals(), ErrorGroup.objects.get().handled) == ({0: 1}, True)
        journal.append(OUTCOME, Outcome.of(event, 500).to_bytes())
        stored(journal)
        assert ErrorLog.objects.get().status_code == 500
        assert (totals(), ErrorGroup.objects.get().handled) == ({500: 1}, False)
        assert_counted(1)

    @pytest.mark.parametrize("batches", [1, 4])
    def test_events_that_are_counted_only_are_corrected_too(self, batches):
        event = make_event(handled=True, status_code=0)
        journal = memory_journal()
        journal.append(EVENT, event.to_bytes())
        journal.append(OUTCOME, Outcome.of(event, 500).to_bytes())
        for number in range(4):
            journal.append(COUNT, Fold.of(event).to_bytes())
            journal.append(OUTCOME, Outcome.of(event, 500).to_bytes())
            if number < batches:
                stored(journal)
        stored(journal)
        assert ErrorLog.objects.get().occurrences == 5
        assert totals() == {500: 5}
        assert_counted(5)

    def test_outcome_of_an_event_that_was_lost_changes_nothing(self):
        other = make_event(fingerprint="e" * 32, status_code=0, handled=True)
        store.store([other])
        store.store([Outcome.of(make_event(status_code=0), 500)])
        assert totals() == {0: 1}
        assert ErrorGroup.objects.get().handled
        assert_counted(1)

    def test_same_outcome_twice_moves_no_count_twice(self):
        event = make_event(handled=True, status_code=0)
        store.store([event])
        outcome = Outcome.of(event, 500)
        for _ in range(2):
            store.store([outcome])
        assert totals() == {500: 1}
        assert_counted(1)

    def test_gate_decides_anew_on_what_was_not_handled(self):
        event = make_event(handled=True, status_code=0, level="error")
        store.store([event])
        ErrorGroup.objects.update(is_due=False)
        store.store([Outcome.of(event, 500)])
        assert ErrorGroup.objects.get().is_due

    def test_request_of_a_running_site(self, immediate, transactional_db):
        assert get("/raised/").status_code == 500
        log = ErrorLog.objects.get()
        assert (log.status_code, log.group.handled) == (500, False)
        assert totals() == {500: 1}
        assert_counted(1)

    def test_through_the_journal(self, writer_thread):
        for _ in range(30):
            get("/raised/")
        assert error_tracking.flush(20)
        assert totals() == {500: 30}
        assert not ErrorGroup.objects.get().handled
        assert set(ErrorLog.objects.values_list("status_code", flat=True)) == {500}
        assert_counted(30)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("status", [500, 0])
def test_outcome_with_the_same_status_moves_no_count(status):
    """As that of a job, which has none."""
    event = make_event(status_code=status, handled=True)
    journal = memory_journal()
    for kind, record in ((EVENT, event), (OUTCOME, Outcome.of(event, status))):
        journal.append(kind, record.to_bytes())
        batch_writer.write_batch(journal, journal.read())
    assert_counted(1)
    assert (ErrorLog.objects.get().status_code or 0) == status
    assert not ErrorGroup.objects.get().handled
    assert HourlyTotal.objects.get().count == 1
