"""Units of work: what one piece of work tells is never on another one's errors."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import multiprocessing
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from queue import SimpleQueue

import pytest
from asgiref.sync import async_to_sync, sync_to_async

import error_tracking
import error_tracking.integrations.logging
from error_tracking.capture import context
from error_tracking.integrations import celery as celery_source
from tests.children import CHILD_SECONDS, end_in_time
from tests.factories import raised

log = logging.getLogger("server")


@pytest.fixture(autouse=True)
def _server_starts():
    """As a process begins: no unit, and an INFO line of the server's."""
    log.setLevel(logging.INFO)
    log.info("Application startup complete.")


def fail():
    raise ValueError("the till is empty")


def capture():
    error_tracking.capture_exception(raised(fail))


def tell(name):
    log.info("job of %s", name)
    error_tracking.set_user(name, name)
    error_tracking.set_tag("room", name)
    error_tracking.add_breadcrumb(f"step of {name}")


def told(event):
    """Return everything that *event* has been told of people."""
    crumbs = event.context.get("breadcrumbs", ())
    return (
        event.user_id,
        event.context.get("tags", {}).get("room"),
        any("of" in crumb["message"] for crumb in crumbs),
    )


NOTHING = ("", None, False)


def executor(jobs):
    with ThreadPoolExecutor(1) as pool:
        for job in jobs:
            pool.submit(job).result()


def thread_pool(jobs):
    with ThreadPool(1) as pool:
        for job in jobs:
            pool.apply(job)


def own_loop(jobs):
    queue = SimpleQueue()
    for job in (*jobs, None):
        queue.put(job)

    def work():
        while job := queue.get():
            job()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def in_callbacks(jobs):
    async def main():
        loop = asyncio.get_running_loop()
        for job in jobs:
            loop.call_soon(job)
        await asyncio.sleep(0.01)

    asyncio.run(main())


def in_executor(jobs):
    async def main():
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool:
            for job in jobs:
                await loop.run_in_executor(pool, job)

    asyncio.run(main())


def in_tasks(jobs):
    async def run(job):
        job()

    async def main():
        log.info("the server runs in a task, too")
        tell("server")
        for job in jobs:
            await asyncio.create_task(run(job))

    asyncio.run(main())


def in_tasks_and_threads(jobs):
    async def run(job):
        await sync_to_async(job, thread_sensitive=False)()

    async def main():
        tell("server")
        for job in jobs:
            await asyncio.create_task(run(job))

    asyncio.run(main())


WORKERS = [
    executor,
    thread_pool,
    own_loop,
    in_callbacks,
    in_executor,
    in_tasks,
    in_tasks_and_threads,
]


@pytest.mark.parametrize("work_off", WORKERS)
def test_jobs_of_a_worker_do_not_mix(work_off, outbox):
    work_off([lambda: tell("alice"), capture])
    [event] = outbox
    assert told(event) == NOTHING


@pytest.mark.parametrize("work_off", WORKERS)
def test_a_job_that_is_a_unit_keeps_its_own(work_off, outbox):
    @error_tracking.unit_of_work()
    def job(name):
        tell(name)
        capture()

    work_off([lambda: job("alice"), lambda: job("bob"), capture])
    assert [told(event)[:2] for event in outbox] == [
        ("alice", "alice"),
        ("bob", "bob"),
        ("", None),
    ]


def test_tasks_outside_a_unit_each_keep_their_own(outbox):
    async def consumer(name):
        tell(name)
        await asyncio.sleep(0.01)
        await sync_to_async(log.info)("a query")  # must not end what was told
        await asyncio.to_thread(log.info, "a file")
        capture()

    async def main():
        await asyncio.gather(*(consumer(str(number)) for number in range(5)))

    asyncio.run(main())
    assert {told(event)[:2] for event in outbox} == {
        (str(number), str(number)) for number in range(5)
    }


def test_a_task_that_ended_leaves_nothing(outbox):
    tasks = []

    async def main():
        tell("alice")
        task = asyncio.current_task()
        assert task in context._of_tasks
        tasks.append(weakref.ref(task))

    asyncio.run(main())
    gc.collect()
    assert tasks[0]() is None
    assert tasks[0] not in context._of_tasks.keyrefs()


@error_tracking.unit_of_work()
def in_a_unit(work):
    tell("alice")
    work()


def on_a_thread():
    async def main():
        await asyncio.to_thread(capture)

    asyncio.run(main())


def in_child_tasks():
    async def child():
        await asyncio.sleep(0)
        capture()

    async def main():
        await asyncio.gather(child())

    asyncio.run(main())


def with_a_carried_context():
    carried = contextvars.copy_context()
    thread = threading.Thread(target=carried.run, args=(capture,))
    thread.start()
    thread.join()


def from_async_to_sync():
    async def main():
        await sync_to_async(capture)()

    async_to_sync(main)()


@pytest.mark.parametrize(
    "work",
    [capture, on_a_thread, in_child_tasks, with_a_carried_context, from_async_to_sync],
)
def test_a_unit_crosses_whatever_carries_its_context(work, outbox):
    in_a_unit(work)
    assert [told(event) for event in outbox] == [("alice", "alice", True)]
    capture()
    assert told(outbox[1]) == NOTHING


def test_units_nest_and_end_when_the_block_fails(outbox):
    with error_tracking.unit_of_work():
        tell("outer")
        with pytest.raises(ValueError, match="till"), error_tracking.unit_of_work():
            tell("inner")
            fail()
        capture()
    assert told(outbox[0])[:2] == ("outer", "outer")


def test_a_script_keeps_what_it_tells_on_its_main_thread(outbox):
    tell("nightly import")
    async_to_sync(asyncio.sleep)(0)
    capture()
    assert told(outbox[0]) == ("nightly import", "nightly import", True)


def test_a_request_does_not_see_what_was_told_before_it(client, outbox, settings):
    tell("server")
    client.get("/nowhere/")
    assert told(outbox[0]) == NOTHING


def test_tasks_end_and_give_back_the_task_that_called_them(outbox):
    context.begin_task()
    tell("outer")
    context.begin_task()  # an eager task inside a task
    capture()
    context.end_task()
    capture()
    context.end_task()
    capture()
    assert [told(event)[:2] for event in outbox] == [
        ("", None),
        ("outer", "outer"),
        ("", None),
    ]


def test_tasks_whose_end_never_comes_do_not_pile_up():
    unit = None
    for _ in range(1_000):
        context.begin_task()
    unit, depth = context.current(), 0
    while unit is not None:
        unit, depth = unit.outer, depth + 1
    assert depth <= context.TASKS_DEPTH + 1


@pytest.mark.parametrize("is_failing", [True, False])
def test_what_a_celery_task_told_ends_with_it(outbox, is_failing):
    from celery import Celery

    celery_source.connect()
    app = Celery(set_as_current=False)

    @app.task(shared=False, name="shop.pay")
    def pay():
        tell("alice")
        if is_failing:
            fail()

    def job():
        pay.apply()
        tell("nobody")
        capture()

    executor([job])
    assert told(outbox[-1]) == NOTHING
    if is_failing:
        assert told(outbox[0]) == ("alice", "alice", True)


def _jobs_of_a_child(connection):
    end_in_time()
    error_tracking.set_tag("room", "alice")
    connection.send(context.current().tags)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_worker_process_keeps_nothing_between_jobs():
    tell("parent")
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_jobs_of_a_child, args=(theirs,)
    )
    process.start()
    theirs.close()  # a child that ends without an answer is then the end of the pipe
    try:
        assert ours.poll(CHILD_SECONDS + 5), "the child hangs"
        assert ours.recv() is None
        process.join(CHILD_SECONDS)
        assert process.exitcode == 0
    finally:
        process.kill()


def test_an_exception_counts_once_for_indirect_captures_of_one_thread(outbox):
    error = raised(fail)
    handler = error_tracking.integrations.logging.ErrorLogHandler()
    shop = logging.getLogger("shop.units")
    shop.addHandler(handler)
    try:
        executor(
            [
                lambda: (
                    shop.error("a", exc_info=error),
                    shop.error("b", exc_info=error),
                )
            ]
        )
    finally:
        shop.removeHandler(handler)
    assert len(outbox) == 1
