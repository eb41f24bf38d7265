"""Failures in the workers of job libraries and in consumers, run in this process."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import queue
import sys
import uuid

import pytest
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import Celery, signals

import error_tracking
from error_tracking.integrations import celery as celery_source
from error_tracking.integrations import install

from .integration.site import BROKERS, need


def pay(order, password=""):
    error_tracking.set_tag("order", order)
    raise ValueError("the till is empty")


def leave(code):
    sys.exit(code)


def captures(_order):
    """Go on after a failure, as a job does that is told nothing by the one before."""
    error_tracking.capture_message("went on", level="error")


class TestRQ:
    @pytest.fixture
    def jobs(self):
        """A queue of its own."""
        rq = pytest.importorskip("rq")
        need("redis")
        from redis import Redis

        connection = Redis.from_url(BROKERS["redis"])
        jobs = rq.Queue(f"test-{uuid.uuid4().hex[:8]}", connection=connection)
        yield jobs
        jobs.delete(delete_jobs=True)
        connection.close()

    @pytest.fixture
    def work(self, jobs):
        """A function that runs what waits, as ``rq worker --burst`` does."""
        from rq import SimpleWorker

        class Worker(SimpleWorker):
            def subscribe(self):
                """Start no thread that waits for orders; it may outlive the test."""

            def unsubscribe(self):
                pass

        def run():
            worker = Worker([jobs], connection=jobs.connection)
            worker.work(burst=True, logging_level="CRITICAL")

        return run

    def test_failed_job_is_captured_with_its_arguments_by_name(
        self, jobs, work, outbox
    ):
        job = jobs.enqueue(pay, 7, "hunter2")
        work()
        [event] = outbox
        assert (event.mechanism, event.route) == ("rq", "job tests.test_jobs.pay")
        assert event.context["task"] == {
            "name": "tests.test_jobs.pay",
            "id": job.id,
            "arguments": {"order": 7, "password": "[Filtered]"},
            "queue": jobs.name,
        }

    def test_each_job_is_a_unit_of_its_own(self, jobs, work, outbox):
        jobs.enqueue(pay, 7)
        jobs.enqueue(captures, 8)
        work()
        failed, went_on = outbox
        assert failed.context["tags"] == {"order": "7"}
        assert "tags" not in went_on.context

    def test_job_that_is_retried_counts_when_it_has_failed_for_good(
        self, jobs, work, outbox
    ):
        from rq import Retry

        jobs.enqueue(pay, 7, retry=Retry(max=2))
        work()
        assert len(outbox) == 1

    def test_job_whose_arguments_cannot_be_read_is_captured(self, jobs, work, outbox):
        """As after a deploy that has removed a class of the arguments."""
        job = jobs.enqueue(pay, 7)
        jobs.connection.hset(job.key, "data", b"not a pickle")
        work()
        [event] = outbox
        assert event.route == "job that cannot be read"
        assert event.exceptions[0].type == "DeserializationError"
        assert event.context["task"] == {"id": job.id, "queue": jobs.name}

    def test_job_whose_function_is_gone_is_captured(self, jobs, work, outbox):
        name = f"{__name__}.removed"
        job = jobs.enqueue(name, 7)
        work()
        [event] = outbox
        assert event.route == f"job {name}"
        known = {"name": name, "id": job.id, "queue": jobs.name}
        assert event.context["task"] == known

    def test_process_of_one_job_stores_before_it_ends(
        self, jobs, work, outbox, monkeypatch
    ):
        """RQ ends it with os._exit(), so that no exit handler runs."""
        from rq import SimpleWorker

        waited = []
        monkeypatch.setattr(SimpleWorker, "is_horse", True)
        monkeypatch.setattr("error_tracking.recorder.flush", waited.append)
        jobs.enqueue(pay, 7)
        work()
        assert (len(outbox), len(waited)) == (1, 1)

    def test_it_can_be_turned_off(self, jobs, work, outbox, configure):
        configure(DISABLE=["rq"])
        jobs.enqueue(pay, 7)
        work()
        assert outbox == []


class TestDjangoQ:
    @pytest.fixture
    def work(self, monkeypatch):
        """A function that has django-q2's worker run one task."""
        worker = pytest.importorskip("django_q.worker")
        from django_q.conf import ErrorReporter as Reporters

        from error_tracking.integrations.django_q import ErrorReporter

        monkeypatch.setattr(worker, "error_reporter", Reporters([ErrorReporter()]))
        # Its tests' own switch is not used: the task must be one of a real queue, but
        # this process keeps its database connections.
        monkeypatch.setattr(worker, "close_old_django_connections", lambda: None)

        def run(function, *args, **kwargs):
            tasks, results = queue.Queue(), queue.Queue()
            task = {"id": "7f", "name": "one", "func": function}
            tasks.put({**task, "args": args, "kwargs": kwargs})
            tasks.put("STOP")
            worker.worker(tasks, results, multiprocessing.Value("f", -1), timeout=-1)
            return results.get_nowait()

        return run

    @pytest.mark.parametrize("function", ["tests.test_jobs.pay", pay])
    def test_failed_task_is_captured_with_its_arguments(self, work, outbox, function):
        assert work(function, 7, password="hunter2")["success"] is False
        [event] = outbox
        name = function if function is not pay else "pay"
        assert (event.mechanism, event.route) == ("django_q", f"task {name}")
        assert event.context["task"] == {
            "name": name,
            "id": "7f",
            "arguments": {"args": [7], "password": "[Filtered]"},
        }

    def test_it_can_be_turned_off(self, work, outbox, configure):
        configure(DISABLE=["django_q"])
        work(pay, 7)
        assert outbox == []

    @pytest.mark.parametrize("task", [None, "a text"])
    def test_failure_outside_its_worker_is_captured_without_a_task(self, outbox, task):
        """A release whose worker differs costs what is known of the task, no more."""
        from error_tracking.integrations import django_q

        names = {"__name__": django_q.WORKER_MODULE if task else "elsewhere"}
        code = "def run(task, report):\n try:\n  1 / 0\n except Exception:\n  report()"
        exec(code, names)
        names["run"](task, django_q.ErrorReporter().report)
        [event] = outbox
        assert (event.route, "task" in event.context) == ("task of django-q2", False)

    def test_report_without_an_exception_captures_nothing(self, outbox):
        from error_tracking.integrations.django_q import ErrorReporter

        ErrorReporter().report()
        assert outbox == []


class TestChannels:
    @pytest.fixture
    def say(self):
        """A function that connects to a consumer, and sends it a text."""
        pytest.importorskip("channels")
        from asgiref.testing import ApplicationCommunicator
        from channels.generic.websocket import WebsocketConsumer

        class Till(WebsocketConsumer):
            def receive(self, text_data=None, bytes_data=None):
                if text_data == "captures":
                    captures(0)
                else:
                    pay(text_data)

        async def talk(text):
            scope = {"type": "websocket", "path": "/till/", "subprotocols": ["v1"]}
            connection = ApplicationCommunicator(Till.as_asgi(), scope)
            await connection.send_input({"type": "websocket.connect"})
            await connection.receive_output()
            await connection.send_input({"type": "websocket.receive", "text": text})
            await connection.send_input({"type": "websocket.disconnect", "code": 1000})
            await connection.wait(timeout=10)

        return lambda text: asyncio.run(talk(text))

    def test_failed_consumer_is_captured_with_its_connection(self, say, outbox):
        with pytest.raises(ValueError, match="the till is empty"):
            say("7")
        [event] = outbox
        name = f"{__name__}.TestChannels.say.<locals>.Till"
        assert (event.mechanism, event.route) == ("channels", f"consumer {name}")
        assert event.context["connection"] == {
            "consumer": name,
            "type": "websocket",
            "path": "/till/",
            "subprotocols": ["v1"],
        }

    def test_each_connection_is_a_unit_of_its_own(self, say, outbox):
        with pytest.raises(ValueError, match="the till is empty"):
            say("7")
        say("captures")
        failed, went_on = outbox
        assert failed.context["tags"] == {"order": "7"}
        assert "tags" not in went_on.context

    def test_it_can_be_turned_off(self, say, outbox, configure):
        configure(DISABLE=["channels"])
        with pytest.raises(ValueError, match="the till is empty"):
            say("7")
        assert outbox == []


class TestCelery:
    @pytest.fixture
    def task(self):
        """A function that makes a task, which runs where it is called."""
        app = Celery("eager", set_as_current=False)
        app.conf.update(task_always_eager=True, task_store_eager_result=False)

        def make(function):
            name = f"shop.{uuid.uuid4().hex[:8]}"
            return app.task(function, shared=False, name=name)

        return make

    @pytest.fixture
    def flushed(self, monkeypatch):
        """The calls that wait until everything is stored."""
        calls = []
        monkeypatch.setattr("error_tracking.recorder.flush", calls.append)
        return calls

    @staticmethod
    def send_failure(task, task_id, error):
        """Send what the main process of a worker does, where no exception is handled."""
        values = {"args": [7], "kwargs": {}, "traceback": None, "einfo": None}
        signals.task_failure.send(
            sender=task, task_id=task_id, exception=error, **values
        )

    @pytest.mark.parametrize("code", [1, "the till is empty"])
    def test_exit_of_a_task_is_captured_and_stored(self, task, outbox, flushed, code):
        with pytest.raises(SystemExit):
            task(leave).delay(code)
        [event] = outbox
        assert event.exceptions[0].type == "SystemExit"
        assert len(flushed) == 1

    @pytest.mark.parametrize("code", [0, None])
    def test_exit_without_a_failure_is_not(self, task, outbox, flushed, code):
        with pytest.raises(SystemExit):
            task(leave).delay(code)
        assert (outbox, flushed) == ([], [])

    def test_end_of_a_pool_is_no_exit_of_its_task(self, task, outbox, flushed):
        """Its signal handler calls sys.exit() in the middle of whatever runs."""
        code = "def end():\n import sys\n sys.exit(1)"
        names = {"__name__": "billiard.common"}
        exec(code, names)
        with pytest.raises(SystemExit):
            task(names["end"]).delay()
        assert (outbox, flushed) == ([], [])

    def test_hard_time_limit_counts_once_though_it_is_sent_twice(
        self, task, outbox, monkeypatch
    ):
        slow = task(pay)
        for _ in range(2):
            self.send_failure(slow, "a", TimeLimitExceeded(1))
        assert len(outbox) == 1
        # Delivered again, and it runs into its limit again.
        monkeypatch.setattr(celery_source, "SAME_TIMEOUT_SECONDS", 0.0)
        self.send_failure(slow, "b", TimeLimitExceeded(1))
        self.send_failure(slow, "b", TimeLimitExceeded(1))
        assert len(outbox) == 3

    def test_time_limits_that_are_remembered_are_bounded(
        self, task, outbox, monkeypatch
    ):
        """Nothing tells whether the second signal will come."""
        monkeypatch.setattr(celery_source, "_timed_out", {})
        monkeypatch.setattr(celery_source, "TIMEOUTS_REMEMBERED", 2)
        slow = task(pay)
        for task_id in "abc":
            self.send_failure(slow, task_id, TimeLimitExceeded(1))
        self.send_failure(slow, "c", TimeLimitExceeded(1))
        assert len(outbox) == 3
        assert list(celery_source._timed_out) == ["b"]

    @pytest.mark.parametrize(
        ("reason", "count"), [("signal 9 (SIGKILL)", 1), ("exitcode 3", 0)]
    )
    def test_lost_worker_is_captured_unless_its_exit_was(
        self, task, outbox, reason, count
    ):
        lost = WorkerLostError(f"Worker exited prematurely: {reason} Job: 0.")
        self.send_failure(task(pay), "a", lost)
        assert len(outbox) == count

    def test_exception_that_cannot_be_pickled_is_shown_as_it_was(self, task, outbox):
        """Celery replaces it by one that can."""

        class PaymentError(Exception):
            def __init__(self, order, till):
                super().__init__(f"{order} at {till}")

        def fail():
            raise PaymentError(7, object())

        task(fail).delay()
        [event] = outbox
        assert event.exceptions[0].type.endswith("PaymentError")

    def test_failure_without_an_exception_is_none(self, task, outbox):
        self.send_failure(task(pay), "a", None)
        assert outbox == []

    def test_worker_reports_wrong_settings_when_it_starts(self, configure, swallowed):
        configure(NO_SUCH_SETTING=1)
        signals.worker_init.send(sender=None)
        assert "NO_SUCH_SETTING" in swallowed[0].getMessage()

    @pytest.mark.django_db
    def test_task_of_beat_does_what_the_command_does(self, caplog):
        with caplog.at_level(logging.INFO, "error_tracking"):
            celery_source.sync.apply().get()
        assert [
            record.getMessage().partition(":")[0]
            for record in caplog.records
            if record.name == "error_tracking"
        ] == ["sync"]


class TestLibraryOfAnotherRelease:
    def test_costs_only_its_own_source(self, monkeypatch, caplog):
        """The import of the library, in the project, must succeed."""
        module = "error_tracking.integrations.ninja"
        monkeypatch.setitem(sys.modules, module, None)
        with caplog.at_level(logging.WARNING, "error_tracking"):
            install._connect("ninja")
        assert "source is not captured: name=ninja" in caplog.text
