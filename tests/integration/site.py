"""Runs the story's site as people run theirs: gunicorn, a database of its own, and a Celery worker where asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PORTS = {"postgres": 5432, "mariadb": 3306, "redis": 6379, "rabbitmq": 5672}
BROKERS = {
    "redis": "redis://127.0.0.1:6379/0",
    "rabbitmq": "amqp://guest:guest@127.0.0.1:5672//",
}
HTML = "text/html,application/xhtml+xml"


def need(service):
    """Skip the test when *service* cannot be reached; fail it when it must be there."""
    if service not in PORTS:
        return
    try:
        socket.create_connection(("127.0.0.1", PORTS[service]), timeout=2).close()
    except OSError:
        lack(f"{service} cannot be reached")


def lack(reason):
    """Skip the test for *reason*; fail it when everything must be there."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run_async(coroutine):
    """Run *coroutine* on a thread of its own: Playwright keeps a loop running on the main one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


@contextlib.contextmanager
def database(kind, folder):
    """Give the environment of a database made for one story, and drop it in the end."""
    if kind == "sqlite":
        yield {
            "TEST_DATABASE": "sqlite",
            "TEST_SQLITE_FILE": str(folder / "story.sqlite3"),
        }
        return
    need(kind)
    name = f"et_story_{uuid.uuid4().hex[:12]}"
    run = _execute_on_postgres if kind == "postgres" else _execute_on_mariadb
    run(
        f"CREATE DATABASE {name}"
        + (" CHARACTER SET utf8mb4" if kind == "mariadb" else "")
    )
    try:
        yield {"TEST_DATABASE": kind, f"TEST_{kind.upper()}_NAME": name}
    finally:
        run(f"DROP DATABASE {name}" + (" WITH (FORCE)" if kind == "postgres" else ""))


def _execute_on_postgres(statement):
    import psycopg

    with psycopg.connect(
        host="127.0.0.1", user="postgres", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(statement)


def _execute_on_mariadb(statement):
    import pymysql

    connection = pymysql.connect(host="127.0.0.1", user="root")
    try:
        connection.cursor().execute(statement)
    finally:
        connection.close()


class Site:
    """A running site; a context manager."""

    def __init__(
        self, folder, database_environment, *, github=None, broker="", is_async=False
    ):
        self.folder = folder
        self.github = github or {}
        self.environment = {
            **os.environ,
            **database_environment,
            "DJANGO_SETTINGS_MODULE": "tests.integration.site_settings",
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "STORY_DIR": str(folder),
            "STORY_BROKER": BROKERS.get(broker, ""),
            "STORY_QUEUE": f"story-{uuid.uuid4().hex[:8]}",
            "PYTHONWARNINGS": "ignore",
        }
        if github is not None:
            self.environment |= {"STORY_REPO": "acme/shop", **github}
        self.broker = broker
        self.is_async = is_async
        self.port = free_port()
        self.processes = []

    def __enter__(self):
        self.command("-m", "django", "migrate", "-v0")
        if self.broker:
            need(self.broker)
            self._start(
                "celery.log", "-m", "celery", "-A", "tests.integration.celery_app", "worker",
                "--concurrency=1", "--pool=solo", "-l", "INFO", "-Q", self.environment["STORY_QUEUE"],
            )  # fmt: skip
            self._await(
                lambda: " ready." in self.log("celery.log"), "the Celery worker"
            )
        if self.is_async:
            server = [
                "uvicorn",
                "--port",
                str(self.port),
                "--lifespan=off",
                "tests.integration.asgi:application",
            ]
        else:
            workers = ["--workers=2", "--threads=4", f"--bind=127.0.0.1:{self.port}"]
            server = ["gunicorn", *workers, "tests.integration.wsgi:application"]
        self._start("web.log", "-m", *server)
        self._await(lambda: self.get("/fine/")[0] == 200, "the site")
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, log, *arguments):
        with (self.folder / log).open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)

    def _await(self, is_there, what):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if is_there():
                    return
            time.sleep(0.1)
        raise AssertionError(
            f"{what} did not come up:\n{self.log('web.log')}\n{self.log('celery.log')}"
        )

    def log(self, name):
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    def command(self, *arguments):
        answer = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def probe(self, *arguments):
        return json.loads(
            self.command("-m", "tests.integration.probe", *map(str, arguments))
        )

    def get(self, path, accept=HTML):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Accept": accept}
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def bug_files(self):
        return sorted((self.folder / "planning" / "tasks").glob("*.md"))
