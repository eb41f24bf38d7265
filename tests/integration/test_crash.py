"""Whatever is killed, away or full: answered ≤ occurrences ≤ begun, and the three sums agree."""

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
from pathlib import Path

import pytest

from .site import ROOT, Site, database, free_port, lack, need

pytestmark = pytest.mark.integration

KILLS = 50
ENOUGH = 100  # requests that a count is worth something after
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class CountedSite(Site):
    """A site whose requests are counted outside of it, under load."""

    arguments = ("--workers=2", "--graceful-timeout=5")

    def __enter__(self):
        self.command("-m", "django", "migrate", "-v0")
        self.serve()
        return self

    def serve(self):
        bind = f"--bind=127.0.0.1:{self.port}"
        self._start(
            "web.log",
            "-m",
            "gunicorn",
            *self.arguments,
            bind,
            "tests.integration.counted_wsgi:application",
        )
        self._await(lambda: self.get("/fine/")[0] == 200, "the site")

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        self.processes.clear()

    def count(self, name):
        path = self.folder / name
        return path.stat().st_size if path.exists() else 0

    def workers(self):
        master = self.processes[-1].pid
        return [
            int(pid)
            for pid in Path(f"/proc/{master}/task/{master}/children")
            .read_text()
            .split()
        ]

    @contextlib.contextmanager
    def load(self, threads=3):
        """Ask for failing pages as fast as they come, of some errors that repeat and some that do not."""
        is_over = threading.Event()

        def ask():
            while not is_over.is_set():
                path = random.choice(
                    [
                        "/pets/1/",
                        "/nested/",
                        "/none/",
                        f"/returned/{random.choice([404, 503])}/",
                    ]
                )
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(
                        f"http://127.0.0.1:{self.port}{path}", timeout=10
                    ).close()

        askers = [threading.Thread(target=ask) for _ in range(threads)]
        for asker in askers:
            asker.start()
        try:
            yield
            deadline = time.monotonic() + 60
            while self.count("answered") <= ENOUGH and time.monotonic() < deadline:
                time.sleep(0.2)  # a busy machine takes longer
        finally:
            is_over.set()
            for asker in askers:
                asker.join()

    def assert_counted(self):
        """Wait until every journal is stored, then compare with the counts kept outside."""
        deadline = time.monotonic() + 60
        while list((self.folder / "journals").glob("*/*.journal")):
            assert time.monotonic() < deadline, self.log("web.log")[-3_000:]
            time.sleep(0.2)
        state = self.probe("state")
        answered, begun = self.count("answered"), self.count("begun")
        assert answered > ENOUGH
        assert answered <= state["logs"] <= begun
        assert state["logs"] == state["seen"] == state["hourly"] == state["totals"]
        return state


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_killing_workers_under_load_loses_and_doubles_nothing(tmp_path, kind):
    """Promise 2; FAULTS T14."""
    with (
        database(kind, tmp_path) as environment,
        CountedSite(tmp_path, environment) as site,
    ):
        kills = 0
        with site.load():
            while kills < KILLS:
                time.sleep(random.uniform(0.02, 0.25))
                workers = site.workers()
                if workers:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(random.choice(workers), signal.SIGKILL)
                        kills += 1
        site.get("/pets/1/")  # somebody has to lead, and to adopt
        time.sleep(6)
        site.stop()
        state = site.assert_counted()
    assert len({bug["bug_id"] for bug in state["bugs"]}) == len(state["groups"]) - sum(
        group["error_type"] == "http_4xx" for group in state["groups"]
    )


@contextlib.contextmanager
def own_postgres(folder):
    """Give a PostgreSQL of the test's own, and a function that stops and one that starts it."""
    if not POSTGRES or os.geteuid() != 0:
        lack(
            "PostgreSQL's server programs are not here, or not to be run as another user"
        )
    home = Path(
        f"/tmp/et_pg_{os.getpid()}_{free_port()}"
    )  # its socket's path has to be short
    home.mkdir()
    shutil.chown(home, "postgres")
    port = free_port()
    data = str(home / "data")

    def run(program, *arguments):
        command = [str(POSTGRES[-1] / program), *arguments]
        subprocess.run(
            command, user="postgres", cwd=home, check=True, stdout=subprocess.DEVNULL
        )

    def start():
        options = f"-p {port} -k {home} -c fsync=off"
        run("pg_ctl", "-D", data, "-w", "-l", str(home / "log"), "-o", options, "start")

    def stop():
        run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")

    run(
        "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"
    )
    start()
    try:
        run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "own")
        yield (
            {
                "TEST_DATABASE": "postgres",
                "TEST_POSTGRES_NAME": "own",
                "TEST_POSTGRES_PORT": str(port),
            },
            stop,
            start,
        )
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            stop()
        shutil.rmtree(home, ignore_errors=True)


def test_postgres_that_is_stopped_and_started_under_load_loses_nothing(tmp_path):
    """Promise 2; FAULTS S15, S17."""
    with (
        own_postgres(tmp_path) as (environment, stop, start),
        CountedSite(tmp_path, environment) as site,
    ):
        with site.load(2):
            for _ in range(3):
                time.sleep(1.5)
                stop()
                time.sleep(1.5)
                start()
        deadline = time.monotonic() + 60
        while site.probe("state")["seen"] < site.count("answered"):
            assert time.monotonic() < deadline, site.log("web.log")[-3_000:]
            time.sleep(0.5)
        site.stop()
        site.assert_counted()


def test_journal_s_full_disk_loses_nothing(tmp_path):
    """Promise 2: what the disk does not take waits in memory."""
    disk = tmp_path / "journals"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k,mode=0700", "none", str(disk)]
    if (
        os.geteuid() != 0
        or subprocess.run(command, check=False, capture_output=True).returncode
    ):
        lack("a small file system cannot be mounted here")
    try:
        (disk / "filling").write_bytes(b"x" * 60_000)
        with (
            database("sqlite", tmp_path) as environment,
            CountedSite(tmp_path, environment) as site,
        ):
            with site.load():
                time.sleep(6)
            site.stop()
            site.assert_counted()
            assert "events wait in memory" in site.log("web.log")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--workers=2", "--preload"),
        ("--workers=1", "--threads=8"),
        ("--workers=2", "--max-requests=7"),
    ],
    ids=["preload", "threads", "short lives"],
)
def test_every_way_to_serve_counts_exactly(tmp_path, arguments):
    """FAULTS T10, T11, T14."""
    with database("sqlite", tmp_path) as environment:
        site = CountedSite(tmp_path, environment)
        site.arguments = arguments
        with site:
            with site.load():
                time.sleep(3)
            site.get("/pets/1/")
            site.stop()
            left = list((tmp_path / "journals").glob("*/*.journal"))
            if left:  # whoever comes next adopts them
                site.serve()
                site.get("/pets/1/")
                time.sleep(6)
                site.stop()
            site.assert_counted()


SCRIPTS = {
    "multiprocessing": """
import multiprocessing
def work(number):
    try:
        explode(number)
    except ValueError as error:
        error_tracking.capture_exception(error)
    return number
def main():
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        pool.map(work, range(12), chunksize=1)
        pool.close()
        pool.join()
""",
    "fork in the middle": """
import os
def main():
    for number in range(6):
        capture(number)
        child = os.fork()
        if child == 0:
            capture(number)
            os._exit(0)
        os.waitpid(child, 0)
""",
    "fork from C": """
import ctypes, os, sys, time
def fork():
    # A child made without Python's knowledge keeps every lock that another thread held at
    # that moment, also those inside of SQLite and the GIL: our worker has to be idle.
    assert error_tracking.flush(20)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    time.sleep(0.2)
    child = ctypes.PyDLL(None).fork()
    sys.setswitchinterval(usual)
    return child
def main():
    for number in range(4):
        capture(number)
        child = fork()
        if child == 0:
            capture(number)
            grandchild = fork()
            if grandchild == 0:
                capture(number)
                os._exit(0)
            os.waitpid(grandchild, 0)
            os._exit(0)
        os.waitpid(child, 0)
""",
    "exit at once": """
def main():
    for number in range(12):
        capture(number)
""",
    "exit from a thread": """
import threading, sys
def main():
    threads = [threading.Thread(target=capture, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit(3)
""",
}

LAST = """
def main():
    from error_tracking import recorder
    recorder.start()
    assert recorder.flush(30)
"""

FRAME = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.integration.site_settings"
import django
django.setup()
import error_tracking
def explode(number):
    raise ValueError(f"order {{number}} is gone")
def capture(number):
    try:
        explode(number)
    except ValueError as error:
        error_tracking.capture_exception(error)
{script}
if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("name", SCRIPTS)
def test_processes_that_fork_and_end_lose_nothing(tmp_path, name):
    """FAULTS T10, T11, T13, T14."""
    with database("sqlite", tmp_path) as environment:
        site = Site(tmp_path, environment)
        site.command("-m", "django", "migrate", "-v0")
        (tmp_path / "script.py").write_text(FRAME.format(script=SCRIPTS[name]))
        script = [sys.executable, tmp_path / "script.py"]
        done = subprocess.run(
            script, cwd=ROOT, env=site.environment, check=False, timeout=60
        )
        assert done.returncode == (3 if name == "exit from a thread" else 0)
        (tmp_path / "last.py").write_text(FRAME.format(script=LAST))
        site.command(str(tmp_path / "last.py"))  # adopts what is left
        state = site.probe("state")
    assert (state["logs"], state["seen"], state["hourly"], state["totals"]) == (12,) * 4
    assert not list((tmp_path / "journals").glob("*/*.journal"))


@pytest.mark.parametrize(
    "arguments", [(), ("--enable-threads",)], ids=["without threads", "with threads"]
)
def test_uwsgi_counts_exactly(tmp_path, arguments):
    """FAULTS T12: without threads the work is done after each response."""
    uwsgi = Path(sys.executable).parent / "uwsgi"
    with database("sqlite", tmp_path) as environment:
        site = CountedSite(tmp_path, environment)
        site.command("-m", "django", "migrate", "-v0")
        command = [
            uwsgi,
            "--http-socket",
            f"127.0.0.1:{site.port}",
            "--master",
            "--processes",
            "2",
            "--die-on-term",
        ]
        command += [
            "--module",
            "tests.integration.counted_wsgi",
            "--virtualenv",
            sys.prefix,
            *arguments,
        ]
        with (tmp_path / "web.log").open("wb") as log:
            site.processes.append(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=site.environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
        try:
            site._await(lambda: site.get("/fine/")[0] == 200, "the site")
            with site.load():
                time.sleep(2)
            deadline = time.monotonic() + 30
            while site.probe("state")["seen"] < site.count("answered"):
                assert time.monotonic() < deadline, site.log("web.log")[-3_000:]
                site.get("/fine/")
                time.sleep(0.3)
        finally:
            site.stop()
        (tmp_path / "last.py").write_text(FRAME.format(script=LAST))
        site.command(str(tmp_path / "last.py"))
        site.assert_counted()


def test_celery_children_of_one_task_each_lose_nothing(tmp_path):
    """FAULTS T13: no ``atexit`` runs in them."""
    need("redis")
    with database("sqlite", tmp_path) as environment:
        site = Site(tmp_path, environment, broker="redis")
        site.command("-m", "django", "migrate", "-v0")
        queue = site.environment["STORY_QUEUE"]
        site._start(
            "celery.log", "-m", "celery", "-A", "tests.integration.celery_app", "worker", "-Q", queue,
            "--pool=prefork", "--concurrency=2", "--max-tasks-per-child=1", "-l", "INFO",
        )  # fmt: skip
        try:
            site._await(
                lambda: " ready." in site.log("celery.log"), "the Celery worker"
            )
            send = f"for n in range(10): explode.apply_async((n,), queue={queue!r})"
            site.command(
                "-c", f"from tests.integration.celery_app import explode\n{send}"
            )
            deadline = time.monotonic() + 60
            done = re.compile(r"explode\[\S+\] succeeded")
            while len(done.findall(site.log("celery.log"))) < 10:
                assert time.monotonic() < deadline, site.log("celery.log")
                time.sleep(0.2)
            # A child that ends makes the bug: no process is left that would look within a minute.
            deadline = time.monotonic() + 10
            while not site.probe("state")["bugs"]:
                assert time.monotonic() < deadline, site.log("celery.log")
                time.sleep(0.2)
        finally:
            site.__exit__()
        (tmp_path / "last.py").write_text(FRAME.format(script=LAST))
        site.command(str(tmp_path / "last.py"))
        state = site.probe("state")
    assert (state["logs"], state["seen"], state["hourly"], state["totals"]) == (10,) * 4
