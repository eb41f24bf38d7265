"""The tutorial, followed literally: its code, its commands, its addresses."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TUTORIAL = (ROOT / "docs/tutorial.md").read_text()
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)
COMMANDS = re.findall(r"^\$ (.+)$", TUTORIAL, re.MULTILINE)
MANAGE = "python manage.py "
#: A story on a busy machine; the page says "a few seconds".
LONGEST_WAIT_SECONDS = 60

pytestmark = pytest.mark.integration


@pytest.fixture
def project(tmp_path):
    """The project after step 3."""
    subprocess.run(
        [sys.executable, "-m", "django", "startproject", "shop"],
        cwd=tmp_path,
        check=True,
    )
    settings, urls = PYTHON_BLOCKS
    package = tmp_path / "shop" / "shop"
    with (package / "settings.py").open("a") as file:
        file.write(settings)
    (package / "urls.py").write_text(urls)
    return tmp_path / "shop"


@pytest.fixture
def manage(project):
    """A function that runs a command of the tutorial, and returns what it prints."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "DJANGO_SUPERUSER_PASSWORD": "only for this test",
        "TMPDIR": str(project),
    }

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run.environment = environment
    return run


@pytest.fixture
def site(project, manage):
    """The address of the running site."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    manage("migrate")
    manage("migrate", "--database", "error_tracking")
    server = subprocess.Popen(
        [
            sys.executable,
            "manage.py",
            "runserver",
            "--insecure",
            "--noreload",
            str(port),
        ],
        cwd=project,
        env=manage.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: get(f"{address}/admin/login/"))
        yield address
    finally:
        server.terminate()
        server.wait(30)


def get(address):
    """Return the page at *address* whatever its status; "" while nobody answers."""
    try:
        request = urllib.request.Request(address, headers={"Accept": "text/html"})
        return urllib.request.urlopen(request, timeout=30).read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""


def wait_for(condition):
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")


def test_tutorial_names_no_other_commands():
    steps = [each.removeprefix(MANAGE) for each in COMMANDS if MANAGE in each]
    assert steps == [
        "migrate",
        "migrate --database error_tracking",
        "check --tag error_tracking",
        "createsuperuser",
        "runserver --insecure",
        "error_tracking_bugs list",
        "error_tracking_bugs resolve B-001",
    ]


def test_tutorial_leads_to_a_bug_that_regresses(project, manage, site):
    assert "no issues" in manage("check", "--tag", "error_tracking")
    manage("createsuperuser", "--noinput", "--username=ada", "--email=ada@shop.example")

    first = get(f"{site}/pets/7/")
    reference = re.search(r"<code[^>]*>([0-9a-f]{10})</code>", first)[1]
    assert "Known problem" not in first
    wait_for(lambda: "Known problem" in get(f"{site}/pets/8/"))

    assert "B-001" in manage("error_tracking_bugs", "list")
    assert "B-002" not in manage("error_tracking_bugs", "list")
    assert "B-001" in manage("error_tracking_bugs", "show", reference)
    [path] = wait_for(lambda: [*project.glob("planning/tasks/B-001-*.md")])
    assert "A failing test" in path.read_text()

    manage("error_tracking_bugs", "resolve", "B-001")
    get(f"{site}/pets/9/")
    wait_for(lambda: "open" in manage("error_tracking_bugs", "list"))
