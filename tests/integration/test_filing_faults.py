"""Many processes file the same bugs while GitHub fails, processes are killed and the broker dies: one of each."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.github_stub import TOKEN_NAMES, Fault, GitHubStub, require_gh

from .site import BROKERS, ROOT, Site, database, free_port, lack, need

pytestmark = pytest.mark.integration

BUGS = 16
HELPER = ("-m", "tests.integration.file_bugs")
#: How each of the eight reaches GitHub; the last has neither token nor gh.
REACHES = ("http", "gh", "http", "gh", "https", "http", "gh", "")


@pytest.fixture
def stub():
    require_gh()
    with GitHubStub() as running:
        dice = random.Random(5)

        def chance(call):
            if dice.random() > 0.15:
                return None
            return Fault(
                dice.choice(["drop", "half", "garbage", "answer"]),
                502,
                after=dice.random() < 0.7,
            )

        running.chance = chance
        yield running


class Office(Site):
    """A site of workers only, whose processes reach GitHub in different ways."""

    def __init__(self, folder, environment, stub, broker=""):
        super().__init__(folder, environment)
        self.stub = stub
        self.environment |= {"STORY_BROKER": broker, **self.reaching("http")}

    def __enter__(self):
        self.command("-m", "django", "migrate", "-v0")
        return self

    def reaching(self, transport):
        """Return what a process needs to reach GitHub over *transport*, or not at all."""
        without = dict.fromkeys(TOKEN_NAMES, "")
        if not transport:
            return {**without, "PATH": "/nowhere", "STORY_REPO": self.stub.repo}
        return {
            **without,
            **self.stub.environment_over(transport),
            "STORY_REPO": self.stub.repo_over(transport),
        }

    @property
    def filing_log(self):
        return self.folder / "filing.log"

    def helper(self, *arguments):
        return self.command(*HELPER, *arguments)

    def start_filing(self):
        """Start the eight; return who waits for them, and their process numbers."""
        reaches = json.dumps([self.reaching(transport) for transport in REACHES])
        environment = {**self.environment, "STORY_REACHES": reaches}
        # What the eight log has a file of its own: a fast one would write it before the
        # numbers of all of them are known.
        with self.filing_log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *HELPER, "file=60"],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return process, [int(number) for number in process.stdout.readline().split()]

    def wait_until_quiet(self):
        """Wait for what the killed have left running: a lease is far longer than any gh lives."""
        seen = -1
        while seen != len(self.stub.requests) or self.has_gh():
            seen = len(self.stub.requests)
            time.sleep(0.3)

    def has_gh(self):
        """Return whether a ``gh`` of this test runs."""
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                is_gh = (path.parent / "comm").read_text().strip() == "gh"
                if is_gh and os.fsencode(self.stub.folder) in path.read_bytes():
                    return True
        return False

    def assert_one_of_each(self, count):
        state = self.probe("state")
        assert {(each["state"], each["reason"]) for each in state["filings"]} == {
            ("filed", "")
        }, state["filings"]
        markers = [
            re.search(r"<!-- error-tracking:([0-9a-f-]{36}) -->", each["body"])[1]
            for each in self.stub.issues
        ]
        assert len(self.stub.issues) == len(set(markers)) == len(state["bugs"]) == count
        numbers = {each["number"]: each["title"][:5] for each in self.stub.issues}
        assert {
            bug["github_issue_number"]: bug["bug_id"] for bug in state["bugs"]
        } == numbers
        assert [path.name for path in self.bug_files()] == sorted(
            bug["file_name"] for bug in state["bugs"]
        )
        assert not any("search" in path for _, path, _ in self.stub.requests)


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_eight_processes_of_which_most_are_killed_file_each_bug_once(
    tmp_path, stub, kind
):
    """Over HTTP, HTTPS and gh; one process can serve nothing, and nothing fails by it."""
    dice = random.Random(7)
    with (
        database(kind, tmp_path) as environment,
        Office(tmp_path, environment, stub) as office,
    ):
        office.helper(f"make={BUGS}")
        for _ in range(2):
            began = len(stub.requests)
            waiter, numbers = office.start_filing()
            while len(stub.requests) < began + 5:
                time.sleep(0.01)
            for number in dice.sample(numbers, len(numbers)):
                os.kill(number, signal.SIGKILL)
                time.sleep(dice.random() * 0.1)
            waiter.communicate(timeout=30)
            office.wait_until_quiet()
            office.helper("pass_time")
        waiter, _ = office.start_filing()
        output = waiter.communicate(timeout=90)[0]
        assert output.split() == ["0"] * len(REACHES), office.filing_log.read_text()
        office.assert_one_of_each(BUGS)


@contextlib.contextmanager
def own_redis(folder, port):
    """A broker of the test's own, that keeps nothing."""
    if not shutil.which("redis-server"):
        lack("redis-server is not installed")
    command = [
        "redis-server",
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def start_workers(office):
    queue = office.environment["STORY_QUEUE"]
    kept = dict(office.environment)
    for transport in ("http", "gh"):
        office.environment.update(office.reaching(transport))
        office._start(
            f"{transport}.log", "-m", "celery", "-A", "tests.integration.celery_app", "worker", "-n",
            f"{transport}-{queue}@localhost", "--concurrency=1", "--pool=solo", "-l", "INFO", "-Q", queue,
        )  # fmt: skip
    office.environment = kept
    office._await(
        lambda: all(" ready." in office.log(f"{name}.log") for name in ("http", "gh")),
        "the workers",
    )


def test_broker_killed_while_two_workers_file_loses_no_bug(tmp_path, stub):
    need("postgres")
    stub.chance = None
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with (
        database("postgres", tmp_path) as environment,
        Office(tmp_path, environment, stub, url) as office,
    ):
        with own_redis(tmp_path, port):
            start_workers(office)
            stub.delay = 0.1
            office.helper(f"make={BUGS}", "work")
        stub.delay = 0.0
        office.helper("work")
        office.wait_until_quiet()
        with own_redis(tmp_path, port):
            office._await(
                lambda: office.log("http.log").count("Connected to redis") >= 2,
                "the worker's connection",
            )
            office.helper("pass_time", "work", "publish=2", "wait=20")
            office.assert_one_of_each(BUGS)
            assert "create_bug_task" in office.log("http.log") + office.log("gh.log")


def test_two_workers_on_rabbitmq_file_each_bug_once_however_often_it_is_published(
    tmp_path, stub
):
    need("postgres")
    need("rabbitmq")
    stub.chance = None
    with (
        database("postgres", tmp_path) as environment,
        Office(tmp_path, environment, stub, BROKERS["rabbitmq"]) as office,
    ):
        start_workers(office)
        office.helper(f"make={BUGS}", "work", "publish=2", "wait=20")
        office.assert_one_of_each(BUGS)
        logs = [office.log("http.log"), office.log("gh.log")]
        assert all("create_bug_task" in log for log in logs)
        filed = [
            set(re.findall(r"filed: bug=(\S+) tracker=github", log)) for log in logs
        ]
        assert len(filed[0]) + len(filed[1]) == len(filed[0] | filed[1]) == BUGS
