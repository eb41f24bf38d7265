"""Every source of errors in real processes: Celery's pools, commands and scripts that die, threads of a server."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from .site import ROOT, Site, database, need

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("pool", "broker"), [("prefork", "redis"), ("threads", "rabbitmq")]
)
def test_celery_tasks_that_fail_are_captured_once(tmp_path, pool, broker):
    need(broker)
    with database("sqlite", tmp_path) as environment:
        site = Site(tmp_path, environment, broker=broker)
        site.command("-m", "django", "migrate", "-v0")
        celery = [
            "-m",
            "celery",
            "-A",
            "tests.integration.celery_app",
            "worker",
            "-l",
            "INFO",
        ]
        site._start(
            "celery.log",
            *celery,
            f"--pool={pool}",
            "--concurrency=2",
            "-Q",
            site.environment["STORY_QUEUE"],
        )
        try:
            site._await(
                lambda: " ready." in site.log("celery.log"), "the Celery worker"
            )
            site.command(
                "-c",
                "from tests.integration.celery_app import *\n"
                "for number in range(6): fail.delay(number, password='hunter2')\n"
                "retry.delay()\nexpected.delay()\n",
            )
            state = site.probe("wait", 7, 40)
        finally:
            site.__exit__()
    groups = {group["title"]: group["times_seen"] for group in state["groups"]}
    assert groups == {
        "ValueError in tests.integration.celery_app.fail": 6,
        "KeyError in tests.integration.celery_app.retry": 1,
    }
    assert state["logs"] == 7


def run(site, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=site.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_commands_scripts_and_threads_that_die_are_captured(tmp_path):
    with database("sqlite", tmp_path) as environment:
        site = Site(tmp_path, environment)
        site.command("-m", "django", "migrate", "-v0")
        manage = tmp_path / "manage.py"
        code = (
            "import sys\nfrom django.core.management import execute_from_command_line\n"
        )
        manage.write_text(code + "execute_from_command_line(sys.argv)\n")
        missing = run(site, str(manage), "loaddata", "no-such-fixture")
        assert "CommandError" in missing.stderr
        (tmp_path / "broken.json").write_text("{")
        crashed = run(site, str(manage), "loaddata", str(tmp_path / "broken.json"))
        assert "Traceback" in crashed.stderr
        script = "import django; django.setup()\ndef nightly(): raise OSError('no disk')\nnightly()"
        assert "no disk" in run(site, "-c", script).stderr
        thread = (
            "import django, threading; django.setup()\ndef work(): raise ArithmeticError('in a thread')\n"
            "t = threading.Thread(target=work); t.start(); t.join()"
        )
        assert "in a thread" in run(site, "-c", thread).stderr
        assert (
            run(
                site, "-c", "import django, sys; django.setup(); sys.exit(0)"
            ).returncode
            == 0
        )
        state = site.probe("wait", 3, 30)
    kinds = sorted(group["title"].partition(" ")[0] for group in state["groups"])
    assert kinds == ["ArithmeticError", "DeserializationError", "OSError"]


class Server(Site):
    """A site behind one of the servers that people use."""

    def __init__(self, folder, environment, *command):
        super().__init__(folder, environment)
        self.environment["DJANGO_SETTINGS_MODULE"] = (
            "tests.integration.sources_settings"
        )
        self.server = [part.format(port=self.port) for part in command]

    def __enter__(self):
        self.command("-m", "django", "migrate", "-v0")
        self._start("web.log", "-m", *self.server)
        self._await(lambda: self.get("/fine/")[0] == 200, "the site")
        return self


GUNICORN = ["gunicorn", "--bind=127.0.0.1:{port}"]
UVICORN = ["uvicorn", "--port={port}", "--lifespan=off"]
WSGI, ASGI = "tests.integration.wsgi:application", "tests.integration.asgi:application"
SERVERS = {
    "gunicorn sync": [*GUNICORN, "--workers=2", WSGI],
    "gunicorn gthread": [*GUNICORN, "--workers=1", "--threads=8", WSGI],
    "gunicorn preload": [*GUNICORN, "--workers=2", "--threads=2", "--preload", WSGI],
    "uvicorn": [*UVICORN, ASGI],
}


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_captures_each_failure_once_and_keeps_requests_apart(tmp_path, name):
    """FAULTS C01, C05, C18: views sync and async, a body that fails half-way, threads, clients that go away."""
    with (
        database("sqlite", tmp_path) as environment,
        Server(tmp_path, environment, *SERVERS[name]) as site,
    ):
        with ThreadPoolExecutor(8) as pool:
            urls = [
                f"/tagged{kind}/{number}/"
                for kind in ("", "-async")
                for number in range(8)
            ]
            assert {status for status, _ in pool.map(site.get, urls)} == {500}
        with pytest.raises((OSError, http.client.HTTPException)):
            site.get("/streamed/")
        assert site.get("/thread/") == (200, "started")
        assert site.get("/pool/")[0] == 500
        hang_up(
            site.port, b"GET /slow/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", reads=200_000
        )
        hang_up(
            site.port,
            b"POST /body/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\nabc",
        )
        state = site.probe("wait", 19, 40)
        told = site.command("-c", TOLD)
    crashes = {
        group["title"].partition(" ")[0]: group["times_seen"]
        for group in state["groups"]
    }
    crashes.pop(
        "Clients", None
    )  # one that went away is counted where the server tells the view so
    assert crashes.pop("ValueError") in {8, 16}
    assert crashes == {"LookupError": 1, "ArithmeticError": 1, "KeyError": 1}
    assert json.loads(told) == []


TOLD = """
import json
import django
django.setup()
from error_tracking.models import ErrorLog
wrong = []
for log in ErrorLog.objects.filter(exception_type="ValueError"):
    number = log.full_url.rstrip("/").rpartition("/")[2]
    told = log.context.get("tags"), [crumb["message"] for crumb in log.context.get("breadcrumbs", ())]
    if told != ({"number": number}, [f"number {number}"]):
        wrong.append((log.full_url, told))
print(json.dumps(wrong))
"""


def hang_up(port, data, reads=0):
    """Send *data*, read a little, and go away without a good-bye."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(data)
        while reads > 0:
            reads -= len(client.recv(65_536)) or reads
