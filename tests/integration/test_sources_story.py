"""Every source of errors in real processes: Celery's pools, commands and scripts that die, threads of a server."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .site import ROOT, Site, database, need

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("pool", "broker"), [("prefork", "redis"), ("threads", "rabbitmq")])
def test_celery_tasks_that_fail_are_captured_once(tmp_path, pool, broker):
    need(broker)
    with database("sqlite", tmp_path) as environment:
        site = Site(tmp_path, environment, broker=broker)
        site.command("-m", "django", "migrate", "-v0")
        celery = ["-m", "celery", "-A", "tests.integration.celery_app", "worker", "-l", "INFO"]
        site._start("celery.log", *celery, f"--pool={pool}", "--concurrency=2", "-Q", site.environment["STORY_QUEUE"])
        try:
            site._await(lambda: " ready." in site.log("celery.log"), "the Celery worker")
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
        [sys.executable, *arguments], cwd=ROOT, env=site.environment, capture_output=True, text=True, check=False
    )


def test_commands_scripts_and_threads_that_die_are_captured(tmp_path):
    with database("sqlite", tmp_path) as environment:
        site = Site(tmp_path, environment)
        site.command("-m", "django", "migrate", "-v0")
        manage = tmp_path / "manage.py"
        code = "import sys\nfrom django.core.management import execute_from_command_line\n"
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
        assert run(site, "-c", "import django, sys; django.setup(); sys.exit(0)").returncode == 0
        state = site.probe("wait", 3, 30)
    kinds = sorted(group["title"].partition(" ")[0] for group in state["groups"])
    assert kinds == ["ArithmeticError", "DeserializationError", "OSError"]


def test_a_threaded_server_keeps_what_requests_tell_apart(tmp_path):
    """Tags of one request never reach another on the same thread."""
    with database("sqlite", tmp_path) as environment, Site(tmp_path, environment) as site:
        for _ in range(4):
            site.get("/crash/")
        state = site.probe("wait", 4, 30)
        assert state["logs"] == 4
