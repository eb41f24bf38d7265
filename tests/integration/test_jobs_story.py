"""Failures in real workers: RQ, Celery, gunicorn's time-out, Channels, huey and dramatiq."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
import threading

import pytest

from .failures import table
from .site import BROKERS, ROOT, Site, database, need, run_async
from .test_sources_story import GUNICORN, WSGI, Server

pytestmark = pytest.mark.integration


@pytest.fixture
def site(tmp_path):
    """A migrated site with SQLite and a queue name of its own; no web server."""
    with database("sqlite", tmp_path) as environment:
        site = Site(tmp_path, environment, broker="redis")
        site.environment.setdefault("STORY_BROKER", BROKERS["redis"])
        site.command("-m", "django", "migrate", "-v0")
        try:
            yield site
        finally:
            site.__exit__()


def needs(module):
    return pytest.mark.skipif(
        importlib.util.find_spec(module) is None, reason=f"{module} is not installed"
    )


def titles(state):
    return {group["title"]: group["times_seen"] for group in state["groups"]}


def first(found, name, *, of=1):
    """Return the title that begins with *name*, and how many events each of its *of* failures made."""
    [title] = [title for title in found if title.startswith(f"{name}")]
    return title, found[title] // of


JOBS = "tests.integration.jobs"


@needs("rq")
@pytest.mark.parametrize("worker", ["fork", "simple"])
def test_rq_jobs_that_fail_are_captured_once(site, worker):
    need("redis")
    site.command(
        "-c",
        f"from {JOBS}.rq_worker import queue\nfrom {JOBS}.functions import *\n"
        "from rq import Retry\n"
        "for number in range(3): queue.enqueue(fail, number, password='hunter2')\n"
        "queue.enqueue(fail, 9, retry=Retry(max=1))\n"
        "queue.enqueue(slow, job_timeout=1)\nqueue.enqueue(succeed)\n",
    )
    site.command("-m", f"{JOBS}.rq_worker", worker)
    found = titles(site.probe("wait", 5, 30))
    assert found == {
        f"ValueError in {JOBS}.functions.fail": 4,
        f"JobTimeoutException in {JOBS}.functions.slow": 1,
    }
    table.note("job, also one that is retried", "RQ", *first(found, "ValueError", of=4))
    table.note("job that takes too long", "RQ", *first(found, "JobTimeout"))


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_celery_tasks_fail_under_their_own_name_and_once(tmp_path, broker):
    need(broker)
    app = "tests.integration.celery_app"
    with database("sqlite", tmp_path) as environment:
        site = Site(tmp_path, environment, broker=broker)
        site.command("-m", "django", "migrate", "-v0")
        process = worker(
            site, "celery", "-A", app, "worker", "--pool=prefork", "--concurrency=2",
            "-Q", site.environment["STORY_QUEUE"],
        )  # fmt: skip
        try:
            site.command(
                "-c",
                f"from {app} import *\nown.delay(); leave.delay(); hard.delay()\n"
                "soft.delay(); soft.delay()\n",
            )
            state = site.probe("wait", 5, 60)
        finally:
            process.terminate()
            process.wait(30)
    assert titles(state) == {
        f"ApiError in {app}.own": 1,
        f"SystemExit in {app}.leave": 1,
        "TimeLimitExceeded in billiard.pool.TimeoutHandler.on_hard_timeout on task story.hard": 1,
        f"SoftTimeLimitExceeded in {app}.soft": 2,
    }  # fmt: skip
    found = titles(state)
    for failure, name, times in (
        ("task, with an exception that cannot be pickled", "ApiError", 1),
        ("`sys.exit()` in a task", "SystemExit", 1),
        ("hard time limit", "TimeLimitExceeded", 1),
        ("soft time limit", "SoftTimeLimitExceeded", 2),
    ):
        table.note(failure, "Celery", *first(found, name, of=times))


def test_gunicorns_timeout_is_named_after_what_was_running(tmp_path):
    command = [*GUNICORN, "--workers=1", "--timeout=1", WSGI]
    with (
        database("sqlite", tmp_path) as environment,
        Server(tmp_path, environment, *command) as site,
    ):
        waiting = threading.Thread(target=site.get, args=("/sleep/",), daemon=True)
        waiting.start()
        state = site.probe("wait", 1, 30)
    [title] = titles(state)
    assert title.startswith("worker timeout in tests.integration.sources_urls.")
    table.note("worker that takes too long", "gunicorn", *first({title: 1}, "worker"))


async def say(url):
    websockets = pytest.importorskip("websockets")
    async with websockets.connect(url) as connection:
        await connection.send("hello")
        with pytest.raises(websockets.ConnectionClosed):
            await asyncio.wait_for(connection.recv(), 10)


@needs("channels")
@needs("websockets")
def test_consumers_that_fail_are_captured_once(tmp_path):
    command = [
        "uvicorn",
        "--port={port}",
        "--lifespan=off",
        f"{JOBS}.consumers:application",
    ]
    with (
        database("sqlite", tmp_path) as environment,
        Server(tmp_path, environment, *command) as site,
    ):
        for path in ("echo", "sync"):
            run_async(say(f"ws://127.0.0.1:{site.port}/{path}/"))
        found = titles(site.probe("wait", 2, 30))
    assert found == {
        f"ValueError in {JOBS}.consumers.Echo.receive": 1,
        f"LookupError in {JOBS}.consumers.SyncEcho.receive": 1,
    }
    table.note("consumer, async", "Channels", *first(found, "ValueError"))
    table.note("consumer, sync", "Channels", *first(found, "LookupError"))


def worker(site, *command):
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=site.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@needs("huey")
def test_huey_as_the_how_to_shows(site):
    site.command("-c", f"from {JOBS}.huey_app import fail\nfail(1); fail(2)\n")
    process = worker(site, "huey.bin.huey_consumer", f"{JOBS}.huey_app.huey")
    try:
        found = titles(site.probe("wait", 2, 30))
    finally:
        process.terminate()
        process.wait(20)
    assert found == {f"ValueError in {JOBS}.functions.fail": 2}
    table.note("task", "huey", *first(found, "ValueError", of=2))


@needs("django_q")
def test_django_q_tasks_are_captured_by_the_reporter(site):
    site.environment["DJANGO_SETTINGS_MODULE"] = f"{JOBS}.django_q_settings"
    site.command("-m", "django", "migrate", "-v0")
    site.command(
        "-c",
        "import django; django.setup()\nfrom django_q.tasks import async_task\n"
        f"for number in (1, 2): async_task('{JOBS}.functions.fail', number)\n",
    )
    process = worker(site, "django", "qcluster")
    try:
        found = titles(site.probe("wait", 2, 40))
    finally:
        process.terminate()
        process.wait(20)
    assert found == {f"ValueError in {JOBS}.functions.fail": 2}
    table.note("task", "django-q2", *first(found, "ValueError", of=2))


@needs("dramatiq")
def test_dramatiq_as_the_how_to_shows(site):
    need("redis")
    site.command(
        "-c", f"from {JOBS}.dramatiq_app import fail\nfail.send(1); fail.send(2)\n"
    )
    process = worker(
        site, "dramatiq", "--processes=1", "--threads=2", f"{JOBS}.dramatiq_app"
    )
    try:
        found = titles(site.probe("wait", 2, 40))
    finally:
        process.terminate()
        process.wait(20)
    assert found == {f"ValueError in {JOBS}.functions.fail": 2}
    table.note("task", "dramatiq", *first(found, "ValueError", of=2))
