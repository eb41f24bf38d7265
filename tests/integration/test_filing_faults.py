"""Many processes file the same bugs while GitHub fails, processes are killed and the broker dies: one of each."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import subprocess
import sys
import time

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
            return Fault(dice.choice(["drop", "half", "garbage", "answer"]), 502, after=dice.random() < 0.7)

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
        return {**without, **self.stub.environment_over(transport), "STORY_REPO": self.stub.repo_over(transport)}

    def helper(self, *arguments):
        return self.command(*HELPER, *arguments)

    def start_filing(self, go, seconds):
        command = [sys.executable, *HELPER, "file", str(go), str(seconds)]
        options = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return [
            subprocess.Popen(command, env={**self.environment, **self.reaching(transport)}, **options)
            for transport in REACHES
        ]

    def wait_until_quiet(self):
        """Wait for what the killed have left running: their gh ends by itself."""
        seen = -1
        while seen != len(self.stub.requests):
            seen = len(self.stub.requests)
            time.sleep(0.7)

    def assert_one_of_each(self, count):
        state = self.probe("state")
        assert {(each["state"], each["reason"]) for each in state["filings"]} == {("filed", "")}, state["filings"]
        markers = [re.search(r"<!-- error-tracking:([0-9a-f-]{36}) -->", each["body"])[1] for each in self.stub.issues]
        assert len(self.stub.issues) == len(set(markers)) == len(state["bugs"]) == count
        numbers = {each["number"]: each["title"][:5] for each in self.stub.issues}
        assert {bug["github_issue_number"]: bug["bug_id"] for bug in state["bugs"]} == numbers
        assert [path.name for path in self.bug_files()] == sorted(bug["file_name"] for bug in state["bugs"])
        assert not any("search" in path for _, path, _ in self.stub.requests)


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_eight_processes_of_which_most_are_killed_file_each_bug_once(tmp_path, stub, kind):
    """FAULTS X01, T05, S14: over HTTP, HTTPS and gh; one process can serve nothing, and nothing fails by it."""
    dice = random.Random(7)
    with database(kind, tmp_path) as environment, Office(tmp_path, environment, stub) as office:
        office.helper("make", str(BUGS))
        for number in range(2):
            go = tmp_path / f"go-{number}"
            processes = office.start_filing(go, 60)
            go.touch()
            began = len(stub.requests)
            while len(stub.requests) < began + 5:
                time.sleep(0.01)
            for process in dice.sample(processes, len(processes)):
                process.kill()
                process.communicate()
                time.sleep(dice.random() * 0.1)
            office.wait_until_quiet()
            office.helper("pass-time")
        processes = office.start_filing(go, 60)
        outputs = [process.communicate(timeout=90)[0].decode() for process in processes]
        assert [process.returncode for process in processes] == [0] * len(REACHES), outputs
        office.assert_one_of_each(BUGS)


@contextlib.contextmanager
def own_redis(folder, port):
    """A broker of the test's own, that keeps nothing."""
    if not shutil.which("redis-server"):
        lack("redis-server is not installed")
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
    office._await(lambda: all(" ready." in office.log(f"{name}.log") for name in ("http", "gh")), "the workers")


def wait_for_filed(office, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if all(each["state"] == "filed" for each in office.probe("state")["filings"]):
            return
        time.sleep(0.3)


def test_broker_killed_while_two_workers_file_loses_no_bug(tmp_path, stub):
    """FAULTS T01, T05, T06."""
    need("postgres")
    stub.chance = None
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with database("postgres", tmp_path) as environment, Office(tmp_path, environment, stub, url) as office:
        with own_redis(tmp_path, port):
            start_workers(office)
            office.helper("make", str(BUGS))
            stub.delay = 0.1
            office.helper("work")
        stub.delay = 0.0
        office.wait_until_quiet()
        office.helper("work")
        with own_redis(tmp_path, port):
            office.helper("pass-time")
            office.helper("work")
            office._await(lambda: office.log("http.log").count("Connected to redis") >= 2, "the worker's connection")
            office.helper("publish")
            office.helper("publish")
            wait_for_filed(office, 20)
            office.assert_one_of_each(BUGS)
            assert "create_bug_task" in office.log("http.log") + office.log("gh.log")


def test_two_workers_on_rabbitmq_file_each_bug_once_however_often_it_is_published(tmp_path, stub):
    """FAULTS T06."""
    need("postgres")
    need("rabbitmq")
    stub.chance = None
    with (
        database("postgres", tmp_path) as environment,
        Office(tmp_path, environment, stub, BROKERS["rabbitmq"]) as office,
    ):
        start_workers(office)
        office.helper("make", str(BUGS))
        for command in ("work", "publish", "publish"):
            office.helper(command)
        wait_for_filed(office, 30)
        office.assert_one_of_each(BUGS)
        logs = [office.log("http.log"), office.log("gh.log")]
        assert all("create_bug_task" in log for log in logs)
        assert sum(log.count("tracker=github reference=") for log in logs) == BUGS
