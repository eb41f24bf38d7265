"""Forks from C, which run none of Python's hooks: the child loses nothing and leaves its parent's files alone."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import time

import pytest

from error_tracking import flush, forks, recorder
from error_tracking.capture import context
from error_tracking.filing import runner
from error_tracking.recorder import worker
from tests.children import end_in_time
from tests.factories import make_event
from tests.test_pipeline import assert_counted

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")


SETTLE_SECONDS = 0.15
# For a child to run its first line.
START_SECONDS = 5
FORKS = 5


def fork_from_c():
    """
    Fork as a C library does.

    PyDLL keeps the GIL, and we wait until no other thread asks for it. On a busy machine
    one may ask all the same. The child's interpreter then waits for a thread that it does
    not have, before its first line and so without its alarm, whoever wrote the code: such
    a child has done nothing yet, and another one takes its place.
    """
    for _ in range(FORKS):
        time.sleep(SETTLE_SECONDS)
        read, write = os.pipe()
        child = ctypes.PyDLL(None).fork()
        if child == 0:
            end_in_time()
            os.write(write, b".")
            os.close(read)
            os.close(write)
            return 0
        os.close(write)
        is_started = bool(select.select([read], [], [], START_SECONDS)[0])
        os.close(read)
        if is_started:
            return child
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    raise AssertionError(f"{FORKS} children hung before their first line")


def in_child(work):
    """Return what *work* returns in a child that was forked from C; it ends without any clean-up."""
    read, write = os.pipe()
    child = fork_from_c()
    if child == 0:
        answer = "failed"
        try:
            answer = str(work())
        finally:
            os.write(write, answer.encode())
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as answers:
        return answers.read()


@pytest.mark.django_db(transaction=True)
class TestForkFromC:
    def test_events_of_child_and_grandchild_are_counted_once(self, writer_thread):
        recorder.submit(make_event())
        assert flush(10)
        recorder.submit(make_event())

        def grandchild():
            recorder.submit(make_event())
            recorder.submit(make_event())
            return "done"

        def child():
            recorder.submit(make_event())
            answer = in_child(grandchild)
            recorder.submit(make_event())
            return answer

        assert in_child(child) == "done"
        recorder.submit(make_event())
        assert flush(10)
        assert_counted(7)

    def test_child_writes_to_a_journal_of_its_own(self, writer_thread):
        recorder.submit(make_event())
        path = writer_thread.intake.current().storage.path
        size = path.stat().st_size

        def work():
            recorder.submit(make_event())
            return worker.get_worker().intake.current().storage.path

        assert in_child(work) != str(path)
        assert path.stat().st_size == size
        assert flush(10)

    def test_first_request_in_the_child_starts_a_thread(self, writer_thread):
        """The parent's thread still looks alive there, as Python did not notice the fork."""
        recorder.start()
        assert in_child(recorder.is_started) == "False"

        def thread():
            recorder.start()
            return worker.get_worker().has_thread

        assert in_child(thread) == "True"

    def test_filing_in_the_child_does_not_wait_for_the_parents_thread(
        self, writer_thread, monkeypatch
    ):
        stuck = runner.FilerThread()
        monkeypatch.setattr(runner, "_filer", stuck)
        monkeypatch.setattr(stuck, "wait", lambda timeout: False)
        assert runner.wait(0) is False
        assert in_child(lambda: runner.wait(0)) == "True"


def test_units_of_parent_child_and_grandchild_have_keys_of_their_own():
    def keys():
        return ",".join(context.Unit().key for _ in range(2))

    def child():
        return f"{keys()},{in_child(keys)}"

    found = f"{keys()},{in_child(child)}".split(",")
    assert len(set(found)) == len(found) == 6


def test_each_fork_starts_anew_once(monkeypatch):
    calls = []
    monkeypatch.setattr(forks, "_resets", [lambda: calls.append(1)])

    def work():
        forks.check()
        forks.check()
        return len(calls)

    assert in_child(work) == "1"
    forks.check()
    assert calls == []
    child = os.fork()
    if child == 0:
        end_in_time()
        forks.check()
        os._exit(len(calls))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
