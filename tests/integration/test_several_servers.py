"""
Two web servers and a Celery worker with one PostgreSQL behind PgBouncer and one Redis: exact sums, one issue per bug.

Each is a process group of its own with a temporary folder of its own, as on a machine of
its own. PgBouncer pools transactions, so a session of ours may be on another connection
after each statement. Under load the broker dies, PostgreSQL is stopped at once and
started, and one server is killed with all its processes.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from pathlib import Path

import pytest

from tests.github_stub import TOKEN_NAMES, GitHubStub

from .site import ROOT, free_port, lack
from .test_crash import CountedSite, own_postgres
from .test_filing_faults import HELPER, own_redis

pytestmark = pytest.mark.integration

#: What fails while which fault is going on: each has errors that nobody has seen before,
#: so that bugs are made and filed during the fault.
PHASES = {
    "quiet": ["/pets/1/", "/none/", "/returned/500/"],
    "no broker": ["/crash/", "/api/500/", "/returned/403/"],
    "no database": ["/template/", "/nothing/", "/none/"],
    "killed server": ["/nested/", "/failing/abc/", "/pets/1/"],
    "after all": ["/async/", "/missing/", "/crash/"],
}
#: Parts of the titles of what is new in each.
NEW_IN_PHASES = {
    "no broker": ["urls.crash", "/api/"],
    "no database": ["Broken.boom", "/nothing/"],
    "killed server": ["nested", "FailingConverter"],
    "after all": ["crash_async", "/missing/"],
}
POOL_SIZE = 4  # fewer connections than the processes of the three servers have threads
TASKS = 3
ENOUGH = 100  # requests that a count is worth something after


def find_pgbouncer():
    """Return the program, also where only root's PATH has it; skip where there is none."""
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    return found or lack("PgBouncer is not installed")


@contextlib.contextmanager
def pgbouncer(port_of_postgres):
    """Run a PgBouncer that pools transactions; give its port."""
    program = find_pgbouncer()
    port = free_port()
    home = Path(f"/tmp/et_bouncer_{os.getpid()}_{port}")
    home.mkdir()
    (home / "pgbouncer.ini").write_text(f"""
[databases]
own = host=127.0.0.1 port={port_of_postgres} dbname=own user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {POOL_SIZE}
max_client_conn = 500
server_login_retry = 1
""")
    shutil.chown(home, "postgres")
    command = [program, "-q", str(home / "pgbouncer.ini")]
    process = subprocess.Popen(  # it refuses to run as root
        command, user="postgres", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(home, ignore_errors=True)


class Server(CountedSite):
    """One machine: its processes are one group, and its temporary folder is its own."""

    def __init__(self, folder, environment):
        (folder / "tmp").mkdir(parents=True)
        (folder / "planning" / ".git").mkdir(parents=True)
        super().__init__(folder, environment)
        self.environment |= {**environment, "TMPDIR": str(folder / "tmp")}

    def _start(self, log, *arguments):
        with (self.folder / log).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)

    def work(self):
        """Be a Celery worker."""
        self._start(
            "celery.log", "-m", "celery", "-A", "tests.integration.celery_app", "worker",
            "--concurrency=2", "--pool=prefork", "-l", "INFO", "-Q", self.environment["STORY_QUEUE"],
        )  # fmt: skip
        self._await(lambda: " ready." in self.log("celery.log"), "the Celery worker")

    def kill(self):
        """Kill every process of this machine, as a power cut does."""
        [process] = self.processes
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.processes.clear()


class Load:
    """Visitors of both servers, who ask for the failing pages of one phase after the other."""

    def __init__(self, servers):
        self.servers = servers
        self.paths = []
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(server,))
            for server in servers
            for _ in range(2)
        ]

    def __enter__(self):
        self.phase("quiet")
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def phase(self, name):
        self.paths = PHASES[name]

    def wait_for_enough(self):
        """Wait until each server has answered so much that a count is worth something."""
        deadline = time.monotonic() + 60
        before = [server.count("answered") for server in self.servers]
        while any(
            server.count("answered") < count + ENOUGH // 4
            for server, count in zip(self.servers, before, strict=True)
        ):
            assert time.monotonic() < deadline, "a server does not answer"
            time.sleep(0.2)

    def _ask(self, server):
        while not self._is_over.wait(0.02):
            url = f"http://127.0.0.1:{server.port}{random.choice(self.paths)}"
            with contextlib.suppress(OSError):
                urllib.request.urlopen(url, timeout=10).close()


@pytest.fixture
def stub():
    with GitHubStub() as running:
        yield running


@pytest.fixture
def backends(tmp_path, stub):
    """PostgreSQL with functions that stop and start it, and the environment of every server."""
    port_of_redis = free_port()
    with (
        own_postgres(tmp_path) as (database, stop, start),
        pgbouncer(database["TEST_POSTGRES_PORT"]) as port,
    ):
        environment = {
            **database,
            **dict.fromkeys(TOKEN_NAMES, ""),
            **stub.environment_over("http"),
            "TEST_POSTGRES_PORT": str(port),
            "STORY_BROKER": f"redis://127.0.0.1:{port_of_redis}/0",
            "STORY_QUEUE": f"story-{uuid.uuid4().hex[:8]}",
            "STORY_REPO": stub.repo_over("http"),
        }
        yield environment, port_of_redis, stop, start


def test_sums_are_exact_and_each_bug_has_one_issue(tmp_path, stub, backends):
    """FAULTS S15, T14, X01."""
    environment, port_of_redis, stop, start = backends
    kept_open = {**environment, "STORY_CONN_MAX_AGE": "60"}
    first = Server(tmp_path / "first", environment)
    second = Server(tmp_path / "second", kept_open)
    worker = Server(tmp_path / "worker", environment)
    servers = [first, second, worker]
    first.command("-m", "django", "migrate", "-v0")
    with contextlib.ExitStack() as running, contextlib.ExitStack() as broker:
        for server in servers:
            running.callback(server.__exit__)
        broker.enter_context(own_redis(tmp_path, port_of_redis))
        worker.work()
        first.serve()
        second.serve()
        with Load([first, second]) as load:
            time.sleep(4)
            load.phase("no broker")
            broker.close()  # what it had accepted is lost
            time.sleep(4)
            broker.enter_context(own_redis(tmp_path, port_of_redis))
            load.phase("no database")
            stop()
            time.sleep(3)
            start()
            load.phase("killed server")
            time.sleep(3)
            second.kill()
            time.sleep(2)
            second.serve()
            load.phase("after all")
            load.wait_for_enough()
        first.command("-c", FAIL.format(times=TASKS))
        answered = first.count("answered") + second.count("answered") + TASKS
        begun = first.count("begun") + second.count("begun") + TASKS
        settle(first, answered)
        for server in servers:
            server.stop()
    for server in servers:
        if left_in_journals([server]):  # what cron does on each machine
            server.command("-m", "django", "error_tracking_sync", "-v0")
    state = first.probe("state")
    assert left_in_journals(servers) == []
    assert ENOUGH < answered <= state["logs"] <= begun
    assert state["logs"] == state["seen"] == state["hourly"] == state["totals"]
    assert_one_issue_per_bug(state, stub)
    assert_one_file_name_per_bug(state, servers)
    assert_has_bugs_of_every_phase(state)


FAIL = """
from tests.integration.celery_app import fail
for number in range({times}):
    fail.delay(number)
"""


def settle(server, answered):
    """Wait until all is counted and filed; lets time pass where nothing has moved for long."""
    deadline = time.monotonic() + 90
    last, moved = None, time.monotonic()
    while True:
        state = server.probe("state")
        is_counted = state["seen"] >= answered
        is_filed = all(each["state"] == "filed" for each in state["filings"])
        if is_counted and is_filed and len(state["bugs"]) == len(bug_groups(state)):
            return
        assert time.monotonic() < deadline, (state, server.log("web.log")[-3_000:])
        if state != last:
            last, moved = state, time.monotonic()
        elif time.monotonic() - moved > 6:
            # Who was killed while it filed holds a lease of ten minutes, and what the
            # broker lost is filed by a thread after two.
            server.command(*HELPER, "pass_time")
            moved = time.monotonic()
        time.sleep(1)


def bug_groups(state):
    """Return the groups that are bugs: all but the refused requests."""
    return [each for each in state["groups"] if each["error_type"] != "http_4xx"]


def left_in_journals(servers):
    return [
        path
        for server in servers
        for path in (server.folder / "journals").glob("*/*.journal")
    ]


def assert_one_issue_per_bug(state, stub):
    markers = [
        re.search(r"<!-- error-tracking:([0-9a-f-]{36}) -->", each["body"])[1]
        for each in stub.issues
    ]
    assert len(markers) == len(set(markers)) == len(state["bugs"])
    issues = {each["number"]: each["title"][:5] for each in stub.issues}
    assert {
        bug["github_issue_number"]: bug["bug_id"] for bug in state["bugs"]
    } == issues


def assert_one_file_name_per_bug(state, servers):
    """Each server that filed a bug or brought it up to date has its file, under the same name."""
    of_servers = [[path.name for path in server.bug_files()] for server in servers]
    numbers = [[name[:5] for name in names] for names in of_servers]
    assert all(len(each) == len(set(each)) for each in numbers), of_servers
    written = {name for names in of_servers for name in names}
    assert written == {bug["file_name"] for bug in state["bugs"]}


def assert_has_bugs_of_every_phase(state):
    """The faults were worth something: in each of them, errors came that were new."""
    titles = " ".join(group["title"] for group in state["groups"])
    for phase, names in NEW_IN_PHASES.items():
        assert any(name in titles for name in names), f"{phase}: {titles}"
    assert "celery_app.fail" in titles
