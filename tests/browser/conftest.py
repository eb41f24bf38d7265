"""A browser and running sites for each session of tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from tests.integration.site import ROOT, free_port, lack


@pytest.fixture(scope="session")
def browser():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        program = shutil.which(name)
        if program:
            break
    else:
        lack("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Give the address of a running site with all error pages."""
    folder = tmp_path_factory.mktemp("pages")
    with running("tests.browser.pages_settings", folder) as (address, _manage):
        yield address


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """Give the address of a shop with sample data, its commands, and a function that puts its rows back."""
    folder = tmp_path_factory.mktemp("shop")
    in_use = folder / "site.sqlite3"
    kept = folder / "kept.sqlite3"
    with running("tests.browser.admin_settings", folder, filled) as (address, manage):
        copy_database(in_use, kept)
        yield address, manage, lambda: copy_database(kept, in_use)


def copy_database(source, target):
    """Copy an SQLite database that a running site may have open."""
    with (
        contextlib.closing(sqlite3.connect(source)) as from_here,
        contextlib.closing(sqlite3.connect(target, timeout=30)) as to_there,
    ):
        from_here.backup(to_there)


def filled(manage):
    """Create the administrator ``admin`` and the errors of some weeks."""
    manage("createsuperuser", "--noinput", "--username=admin", "--email=a@shop.example")
    manage("sample_data", "--logs=2500", "--bugs=60", "--days=40", "--users=40")


@contextlib.contextmanager
def running(settings, folder, prepare=None):
    """Run a site with *settings* in *folder*; give its address and its commands."""
    port = free_port()
    paths = (ROOT / "src", ROOT, ROOT / "example")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": settings,
        "DJANGO_SUPERUSER_PASSWORD": "admin",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "TEST_SQLITE_FILE": str(folder / "site.sqlite3"),
        "PAGES_DIR": str(folder),
        "PYTHONWARNINGS": "ignore",
    }

    def manage(*arguments):
        command = [sys.executable, "-m", "django", *arguments]
        subprocess.run(command, env=environment, cwd=ROOT, check=True)

    manage("migrate", "-v0")
    if prepare is not None:
        prepare(manage)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", f"--bind=127.0.0.1:{port}"),
                *("--threads=4", "tests.integration.wsgi:application"),
            ],
            env=environment,
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(address)
            yield address, manage
        finally:
            server.terminate()
            server.wait(20)


def _wait_for(address):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{address}/", timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the site did not come up")
