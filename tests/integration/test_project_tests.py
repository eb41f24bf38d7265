"""The tests of a project that never heard of us: no file, issue, mail, journal, thread or connection of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
REPOSITORY = "acme/shop"

ENGINES = {
    "sqlite": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite3"},
    "postgres": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": os.environ.get("TEST_POSTGRES_USER", "postgres"),
        "HOST": os.environ.get("TEST_POSTGRES_HOST", "127.0.0.1"),
    },
    "mariadb": {
        "ENGINE": "django.db.backends.mysql",
        "NAME": "mysql",
        "USER": os.environ.get("TEST_MARIADB_USER", "root"),
        "HOST": os.environ.get("TEST_MARIADB_HOST", "127.0.0.1"),
    },
}

SETTINGS = """
import json
import os

import pymysql

pymysql.install_as_MySQLdb()
INSTALLED_APPS += ["error_tracking", "shop"]
MIDDLEWARE.insert(0, "error_tracking.middleware.ErrorCaptureMiddleware")
DEBUG = False
ALLOWED_HOSTS = ["testserver"]
ADMINS = ["ann@example.com"]
DATABASES = {"default": json.loads(os.environ["SHOP_DATABASE"])}
DATABASES["default"]["TEST"] = {"NAME": os.environ["SHOP_TEST_NAME"]}
ERROR_TRACKING = {
    "GITHUB_REPO": "acme/shop",
    "PLANNING_DIR": str(BASE_DIR / "planning"),
    "RECORDER": os.environ["SHOP_RECORDER"],
    "RUNNER": "inline",
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "bugs": {"class": "error_tracking.integrations.logging.ErrorLogHandler"},
        "null": {"class": "logging.NullHandler"},
    },
    "loggers": {
        "shop": {"handlers": ["bugs"], "propagate": False},
        "django": {"handlers": ["null"], "propagate": False},
    },
}
"""

VIEWS = """
import logging

from django.contrib.auth.models import User


class Slow:
    def __repr__(self):
        return "slow"


def crash(request):
    raise ValueError("no", Slow())


def log(request):
    logging.getLogger("shop").error("no %s", "stock")
    raise ValueError


def use(request):
    User.objects.create(username="ann")
    raise ValueError
"""

URLS = """
from django.urls import path
from shop import views

urlpatterns = [
    path("crash/", views.crash),
    path("log/", views.log),
    path("use/", views.use),
]
"""

COMMAND = """
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    def handle(self, **options):
        raise ValueError("the import failed")
"""

TESTS = """
import sys
import threading
import unittest

from django.contrib.auth.models import User
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test import Client, LiveServerTestCase, TestCase, TransactionTestCase

import error_tracking


def connections_to_the_database():
    questions = {
        "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
        "mysql": "SELECT count(*) FROM information_schema.processlist WHERE db = database()",
    }
    if connection.vendor not in questions:
        return 1
    with connection.cursor() as cursor:
        cursor.execute(questions[connection.vendor])
        return cursor.fetchone()[0]


class Failing:
    def setUp(self):
        self.client = Client(raise_request_exception=False)

    def test_views(self):
        with self.assertNumQueries(0):
            for path in ("/crash/", "/log/", "/nowhere/"):
                self.assertGreaterEqual(self.client.get(path).status_code, 404)
        self.assertEqual(self.client.get("/use/").status_code, 500)
        self.assertEqual(User.objects.count(), 1)
        self.nothing_of_ours()

    def test_command(self):
        try:
            call_command("restock")
        except ValueError as error:
            sys.excepthook(type(error), error, error.__traceback__)
            error_tracking.capture_exception(error)
        self.nothing_of_ours()

    def test_thread(self):
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        self.nothing_of_ours()

    def nothing_of_ours(self):
        self.assertTrue(error_tracking.flush())
        names = [thread.name for thread in threading.enumerate()]
        self.assertFalse([name for name in names if "error_tracking" in name])
        self.assertEqual(mail.outbox, [])
        self.assertEqual(connections_to_the_database(), 1)
        self.assertIn("test run is active", str(error_tracking.health().problems))
        from error_tracking.models import ErrorGroup, ErrorLog, Filing, Journal, KnownBug

        for model in (ErrorGroup, ErrorLog, Filing, Journal, KnownBug):
            self.assertFalse(model.objects.exists())


class InATransaction(Failing, TestCase):
    pass


class WithCommits(Failing, TransactionTestCase):
    pass


class OnALiveServer(LiveServerTestCase):
    def test_it(self):
        import urllib.error
        import urllib.request

        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(self.live_server_url + "/crash/")
        Failing.nothing_of_ours(self)
"""

GH = """#!/bin/sh
echo "$@" >> "$SHOP_CALLS"
exit 1
"""


@pytest.fixture
def project(tmp_path):
    """A project as ``startproject`` makes it, with an app that fails."""
    folder = tmp_path / "acme"
    folder.mkdir()
    command = [sys.executable, "-m", "django", "startproject", "site_of_acme", folder]
    subprocess.run(command, check=True)
    subprocess.run(["git", "init", "-q", folder], check=True)
    site = folder / "site_of_acme"
    with (site / "settings.py").open("a", encoding="utf-8") as file:
        file.write(SETTINGS)
    (site / "urls.py").write_text(URLS, encoding="utf-8")
    commands = folder / "shop" / "management" / "commands"
    commands.mkdir(parents=True)
    for package in (commands, commands.parent, folder / "shop"):
        (package / "__init__.py").touch()
    (commands / "restock.py").write_text(COMMAND, encoding="utf-8")
    (folder / "shop" / "views.py").write_text(VIEWS, encoding="utf-8")
    (folder / "shop" / "tests.py").write_text(TESTS, encoding="utf-8")
    (folder / "bin").mkdir()
    (folder / "bin" / "gh").write_text(GH, encoding="utf-8")
    (folder / "bin" / "gh").chmod(0o755)
    (folder / "tmp").mkdir()
    return folder


RUNNERS = {
    "django": ["manage.py", "test", "--noinput"],
    "pytest": ["-m", "pytest", "-q", "-p", "no:cacheprovider", "shop/tests.py"],
}


@pytest.mark.parametrize("recorder", ["thread", "immediate"])
@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("database", ENGINES)
def test_tests_of_a_project_leave_nothing(project, database, runner, recorder):
    environment = {
        **os.environ,
        "PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{project}",
        "DJANGO_SETTINGS_MODULE": "site_of_acme.settings",
        "SHOP_DATABASE": json.dumps(ENGINES[database]),
        "SHOP_TEST_NAME": f"test_project_{os.getpid()}",
        "SHOP_RECORDER": recorder,
        "SHOP_CALLS": str(project / "calls"),
        "TMPDIR": str(project / "tmp"),
        "GH_TOKEN": "t" * 40,
    }
    for name in ("PYTEST_ADDOPTS", "GITHUB_TOKEN", "TEST_DATABASE"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, *RUNNERS[runner]],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "7 passed" in output or "Ran 7 tests" in output, output
    assert not (project / "calls").exists()
    assert not (project / "planning").exists()
    assert not list((project / "tmp").rglob("*error_tracking*"))
    assert not list(project.rglob("*.journal"))
    assert not list(project.rglob("B-*.md"))
