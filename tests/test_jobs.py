"""Failures in the workers of job libraries and in consumers, run in this process."""

from __future__ import annotations

import asyncio
import multiprocessing
import queue
import uuid

import pytest

import error_tracking
from .integration.site import BROKERS, need


def pay(order, password=""):
    error_tracking.set_tag("order", order)
    raise ValueError("the till is empty")


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
