"""Fixtures of the whole suite; the first of them makes a swallowed error of our own fail its test."""

from __future__ import annotations

import logging
import os
import threading
import zlib

import hypothesis
import pytest
from celery import _state
from django.conf import settings as django_settings
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import SimpleTestCase
from django.utils import translation

from error_tracking import testing, trackers
from error_tracking.bugs import known, retention, table_size
from error_tracking.bugs.opening import open_bug
from error_tracking.capture import context
from error_tracking.events import size_budget
from error_tracking.events.stacktrace import exceptions_from
from error_tracking.filing import runner
from error_tracking.models import ErrorGroup
from error_tracking.pages import rendering
from error_tracking.recorder import store, worker
from tests.factories import make_event, raised
from tests.github_stub import GitHubStub, require_gh

# A busy machine is slow, not wrong; how long text may take has tests of its own.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_collection_modifyitems(config, items):
    """
    Run what touches no database with SQLite only, and of all the share TEST_SHARE.

    Which tests belong to a share depends on the seed of the order, so that the next run
    has others.
    """
    share = float(os.environ.get("TEST_SHARE", "1"))
    if share < 1:
        seed = config.getoption("randomly_seed", 0)
        _deselect(config, items, lambda item: _is_in_share(item, seed, share))
    if django_settings.TEST_DATABASE == "sqlite":
        return

    def needs_database(item):
        is_marked = item.get_closest_marker("django_db") or {
            "db",
            "transactional_db",
        } & set(item.fixturenames)
        return is_marked or issubclass(item.cls or object, SimpleTestCase)

    _deselect(config, items, needs_database)


def _is_in_share(item, seed, share):
    number = zlib.crc32(f"{seed}:{item.nodeid}".encode())
    return number < share * 2**32


def _deselect(config, items, is_kept):
    """Leave in *items* those that are kept, and tell pytest of the others."""
    config.hook.pytest_deselected(items=[item for item in items if not is_kept(item)])
    items[:] = filter(is_kept, items)


class _Collector(logging.Handler):
    def __init__(self):
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture(autouse=True)
def _internal_errors(request):
    collector = _Collector()
    logger = logging.getLogger("error_tracking")
    logger.addHandler(collector)
    yield collector.records
    logger.removeHandler(collector)
    if collector.records and "swallowed" not in request.fixturenames:
        formatter = logging.Formatter()
        pytest.fail(
            "swallowed inside error_tracking:\n"
            + "\n".join(map(formatter.format, collector.records))
        )


@pytest.fixture
def swallowed(_internal_errors):
    """The errors of our own that were logged; a test that asks for it expects some."""
    return _internal_errors


@pytest.fixture(autouse=True)
def _time_that_stands_still(monkeypatch):
    """
    Let no event run out of CPU time.

    A busy machine, the coverage measurement or a garbage collection in the middle of
    an event would make it lose parts, and fail a test about something else. What
    happens when the time is over has tests of its own.
    """
    monkeypatch.setattr(size_budget, "_clock", lambda: 100.0)


@pytest.fixture(autouse=True)
def _clean_state(tmp_path, settings):
    """Give every test an empty PLANNING_DIR in a checkout, an empty outbox and memory."""
    settings.BASE_DIR = tmp_path
    # A request of a test before this one may still be alive, and excluded.
    context._current.set(None)
    context._reset()
    # After a minute the leader would prune what a test has stored with an old date.
    retention.schedule = retention.Schedule()
    _state.set_default_app(None)  # a test before this one may have had a Celery app
    _state._tls.current_app = None
    (tmp_path / "planning" / ".git").mkdir(parents=True)
    with testing.captured_events():
        yield
    for thread in threading.enumerate():
        if thread.name.startswith("error_tracking."):
            thread.join(10)  # what it does must not be seen by the next test
            is_left = thread.is_alive()
            if is_left:
                worker.get_worker().stop()  # one failure, not one of each test after it
                worker._worker = worker.Worker()
            assert not is_left, f"{thread.name} outlives its test"
    testing.outbox.clear()
    table_size.forget()
    known.publish({})
    trackers.forget_logged()
    rendering.forget()
    translation.deactivate()


@pytest.fixture
def configure(settings):
    """A function that changes keys of ERROR_TRACKING for this test."""

    def change(**values):
        settings.ERROR_TRACKING = {**settings.ERROR_TRACKING, **values}

    return change


@pytest.fixture
def immediate(configure, db):
    """Write each event before the response goes out, and file bugs at once."""
    configure(RECORDER="immediate", RUNNER="inline")
    with testing.recording():
        yield


@pytest.fixture
def kept_connections():
    """Leave connections alone at the borders of a request, as Django's test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def outbox():
    """The events captured in this test."""
    return testing.outbox


@pytest.fixture
def writer_thread(transactional_db, monkeypatch, configure, tmp_path):
    """A writer of its own on its thread, as in production."""
    configure(JOURNAL_DIR=tmp_path / "journals")
    fresh = worker.Worker()
    monkeypatch.setattr(worker, "_worker", fresh)
    with testing.recording():
        yield fresh
        fresh.stop()
        runner.wait(10)


def explode():
    raise ValueError("secret message")


@pytest.fixture
def bug(db):
    """A bug with a group and an error log, and nothing filed yet."""
    event = make_event(
        exceptions=exceptions_from(raised(explode)),
        request={"body": {"email": "x", "amount": "y"}},
        method="POST",
        ip_address="192.0.2.0",
        url="https://x.example/pay/77/?q=1",
        user_label="annabel",
    )
    store.store([event])
    return open_bug(ErrorGroup.objects.get())[0]


@pytest.fixture
def github(monkeypatch):
    """The real ``gh`` against a local stub."""
    require_gh()
    with GitHubStub() as stub:
        for name, value in stub.environment.items():
            monkeypatch.setenv(name, value)
        yield stub
