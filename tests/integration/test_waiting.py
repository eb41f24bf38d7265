"""Databases that are broken for real while a site runs, and servers that end by a signal: nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from .site import ROOT, Site, database
from .site import _execute_on_mariadb as on_mariadb
from .site import _execute_on_postgres as on_postgres
from .test_crash import CountedSite

pytestmark = pytest.mark.integration

SCRIPT = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.integration.site_settings"
import django
django.setup()
from django.db import connection
with connection.cursor() as cursor:
    for statement in sys.argv[1:]:
        cursor.execute(statement)
"""


class SingleSite(CountedSite):
    """One worker, so that one process meets everything."""

    arguments = ("--workers=1", "--threads=4", "--graceful-timeout=5")

    def fail(self, times=3):
        for _ in range(times):
            assert self.get("/pets/1/")[0] == 500

    def execute(self, *statements):
        self.command("-c", SCRIPT, *statements)

    def await_log(self, *words):
        deadline = time.monotonic() + 30
        while not all(word in self.log("web.log") for word in words):
            assert time.monotonic() < deadline, self.log("web.log")[-3_000:]
            time.sleep(0.2)
        [line] = [
            each
            for each in self.log("web.log").splitlines()
            if words[0] in each and "events wait" in each
        ][:1]
        return line

    def await_count(self, count):
        deadline = time.monotonic() + 60
        while self.probe("state")["logs"] < count:
            assert time.monotonic() < deadline, self.log("web.log")[-3_000:]
            time.sleep(0.3)
        state = self.probe("state")
        assert [state[name] for name in ("logs", "seen", "hourly", "totals")] == [
            count
        ] * 4

    def payloads(self):
        code = (
            SCRIPT.partition("from django.db")[0]
            + "from error_tracking.models import ErrorLog, Journal\n"
            + "import json\n"
            + "print(json.dumps([[len(x.traceback) for x in ErrorLog.objects.all()],"
            + " [[j.lost, j.bare, j.merged] for j in Journal.objects.all()]]))"
        )
        lengths, lost = json.loads(self.command("-c", code))
        assert lengths
        assert min(lengths) > 100, "an event has lost its payload"
        assert not any(any(row) for row in lost)


KINDS = ["sqlite", "postgres", "mariadb"]


@pytest.fixture(params=KINDS)
def site(request, tmp_path):
    with (
        database(request.param, tmp_path) as environment,
        SingleSite(tmp_path, environment) as single,
    ):
        single.kind = request.param
        single.name = environment.get(f"TEST_{request.param.upper()}_NAME", "")
        yield single
        single.stop()


def test_column_that_is_missing_until_migrate_runs_costs_nothing(site):
    site.fail(2)
    site.await_count(2)
    site.execute(
        "ALTER TABLE error_tracking_errorlog RENAME COLUMN context TO context_old"
    )
    site.fail(3)
    line = site.await_log("has no column context")
    assert "error_tracking_errorlog" in line
    assert "Run manage.py migrate." in line
    time.sleep(3)
    site.execute(
        "ALTER TABLE error_tracking_errorlog RENAME COLUMN context_old TO context"
    )
    site.await_count(5)
    site.payloads()
    assert site.log("web.log").count("Traceback") <= 5 * 2, "none of ours"
    assert "damaged" not in site.log("web.log")


def test_tables_that_come_with_a_late_migration_get_everything(tmp_path):
    """The site is up before its first migrate."""
    for kind in KINDS:
        folder = tmp_path / kind
        folder.mkdir()
        with database(kind, folder) as environment:
            site = SingleSite(folder, environment)
            site.serve()
            try:
                site.fail(3)
                line = site.await_log("is missing in database")
                assert "Run manage.py migrate." in line
                site.command("-m", "django", "migrate", "-v0")
                site.await_count(3)
                site.payloads()
            finally:
                site.stop()


@contextlib.contextmanager
def limited_role(kind, name):
    """Give the environment of a role without rights of its own, and a function that runs statements as its master."""
    role = f"et_role_{os.getpid()}"
    if kind == "postgres":
        on_postgres(f"CREATE ROLE {role} LOGIN")
    else:
        for host in ("localhost", "127.0.0.1", "%"):
            on_mariadb(f"CREATE USER '{role}'@'{host}'")
    try:
        yield role
    finally:
        if kind == "postgres":
            on_postgres(f"DROP ROLE {role}")
        else:
            for host in ("localhost", "127.0.0.1", "%"):
                on_mariadb(f"DROP USER '{role}'@'{host}'")


@pytest.mark.parametrize(
    ("privilege", "table"),
    [
        ("INSERT", "error_tracking_errorlog"),
        ("UPDATE", "error_tracking_errorgroup"),
        ("INSERT", "error_tracking_hourlytotal"),
    ],
)
@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_privilege_that_is_missing_on_one_table_costs_nothing(
    tmp_path, kind, privilege, table
):
    with database(kind, tmp_path) as environment:
        name = environment[f"TEST_{kind.upper()}_NAME"]
        site = SingleSite(tmp_path, environment)
        site.command("-m", "django", "migrate", "-v0")
        with limited_role(kind, name) as role:
            if kind == "postgres":
                site.execute(
                    f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
                    f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
                    f"REVOKE {privilege} ON {table} FROM {role}",
                )
                grants = [f"GRANT {privilege} ON {table} TO {role}"]
                ends = [f"DROP OWNED BY {role}"]
            else:
                grants = []
                for host in ("localhost", "127.0.0.1", "%"):
                    user = f"'{role}'@'{host}'"
                    for each in _tables(site):
                        rights = {"SELECT", "INSERT", "UPDATE", "DELETE"}
                        if each == table:
                            rights -= {privilege}
                        rights = ", ".join(sorted(rights))
                        on_mariadb(f"GRANT {rights} ON {name}.{each} TO {user}")
                    grants.append(f"GRANT {privilege} ON {name}.{table} TO {user}")
                ends = []
            limited = SingleSite(
                tmp_path,
                {
                    **environment,
                    f"TEST_{kind.upper()}_USER": role,
                },
            )
            limited.serve()
            try:
                limited.fail(3)
                line = limited.await_log(f"lacks the {privilege} privilege on {table}")
                assert f"GRANT {privilege} ON {table}" in line
                time.sleep(2)
                site.execute(*grants)
                limited.await_count(3)
                limited.payloads()
            finally:
                limited.stop()
                site.execute(*(ends or ["SELECT 1"]))


def _tables(site):
    code = SCRIPT.partition("with connection")[0]
    code += "print(*connection.introspection.table_names())"
    return site.command("-c", code).split()


def test_database_that_is_renamed_while_the_site_runs_costs_nothing(tmp_path):
    with (
        database("postgres", tmp_path) as environment,
        SingleSite(tmp_path, environment) as site,
    ):
        name = environment["TEST_POSTGRES_NAME"]
        site.fail(2)
        site.await_count(2)
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        for _ in range(5):
            on_postgres(end)
            with contextlib.suppress(Exception):
                on_postgres(f"ALTER DATABASE {name} RENAME TO {name}_moved")
                break
        site.fail(3)
        line = site.await_log("does not exist")
        assert "Create it, or correct NAME in DATABASES." in line
        on_postgres(f"ALTER DATABASE {name}_moved RENAME TO {name}")
        site.await_count(5)
        site.payloads()
        site.stop()


def test_sqlite_file_that_is_moved_while_the_site_runs_costs_nothing(tmp_path):
    with (
        database("sqlite", tmp_path) as environment,
        SingleSite(tmp_path, environment) as site,
    ):
        site.fail(2)
        site.await_count(2)
        file = tmp_path / "story.sqlite3"
        file.rename(tmp_path / "moved.sqlite3")
        site.fail(3)
        site.await_log("events wait")
        (tmp_path / "moved.sqlite3").rename(file)
        site.await_count(5)
        site.payloads()
        site.stop()


def test_read_only_database_costs_nothing(site):
    site.fail(1)
    site.await_count(1)
    if site.kind == "postgres":
        on_postgres(
            f"ALTER DATABASE {site.name} SET default_transaction_read_only = on"
        )
        on_postgres(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{site.name}'"
        )
    elif site.kind == "sqlite":
        pytest.skip("root may write to every file")
    else:
        pytest.skip("it would be read-only for every test on this server")
    site.fail(3)
    line = site.await_log("is read-only")
    assert "Make it writable" in line
    on_postgres(f"ALTER DATABASE {site.name} RESET default_transaction_read_only")
    on_postgres(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{site.name}'"
    )
    site.await_count(4)
    site.payloads()


SERVERS = {
    "uvicorn": ["uvicorn", "--lifespan=off", "--port={port}", "{asgi}"],
    "uvicorn with workers": [
        *("uvicorn", "--lifespan=off", "--port={port}", "--workers=2", "{asgi}")
    ],
    "gunicorn": ["gunicorn", "--bind=127.0.0.1:{port}", "--workers=2", "{wsgi}"],
    "gunicorn with threads": [
        *("gunicorn", "--bind=127.0.0.1:{port}", "--threads=4", "{wsgi}")
    ],
    "gunicorn with uvicorn": [
        *("gunicorn", "--bind=127.0.0.1:{port}", "--workers=2"),
        *("-k", "uvicorn.workers.UvicornWorker", "{asgi}"),
    ],
    "daphne": ["daphne", "-p", "{port}", "{asgi}"],
    "hypercorn": ["hypercorn", "--bind=127.0.0.1:{port}", "{asgi}"],
    "hypercorn with workers": [
        *("hypercorn", "--bind=127.0.0.1:{port}", "--workers=2", "{asgi}")
    ],
}


@pytest.mark.parametrize("name", SERVERS)
def test_server_that_is_told_to_end_leaves_no_drained_journal(tmp_path, name):
    with database("sqlite", tmp_path) as environment:
        site = Site(tmp_path, environment)
        site.command("-m", "django", "migrate", "-v0")
        words = {
            "port": site.port,
            "asgi": "tests.integration.asgi:application",
            "wsgi": "tests.integration.wsgi:application",
        }
        command = [word.format(**words) for word in SERVERS[name]]
        site._start("web.log", "-m", *command)
        site._await(lambda: site.get("/fine/")[0] == 200, "the site")
        for _ in range(12):
            assert site.get("/pets/1/")[0] == 500
        deadline = time.monotonic() + 30
        while site.probe("state")["logs"] < 12:
            assert time.monotonic() < deadline, site.log("web.log")[-3_000:]
            time.sleep(0.2)
        for process in site.processes:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
        left = list((tmp_path / "journals").glob("*/*.journal"))
        assert left == [], site.log("web.log")[-2_000:]
        assert site.probe("state")["logs"] == 12


def test_sync_adopts_the_journal_of_a_killed_process(tmp_path):
    with database("sqlite", tmp_path) as environment:
        site = Site(tmp_path, environment)
        script = SCRIPT.partition("from django.db")[0] + (
            "import error_tracking, signal\n"
            "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n"
            "    error_tracking.capture_exception(error)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=site.environment,
            check=False,
            timeout=60,
        )
        site.command("-m", "django", "migrate", "-v0")
        answer = json.loads(
            site.command("-m", "django", "error_tracking_sync", "--json")
        )
        assert answer["adopted"] == 1
        assert len(answer["new"]) == 1
        assert site.probe("state")["logs"] == 1
