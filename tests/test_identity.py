"""Whose journals a process may store: those of its own project, database and environment, and no others."""

from __future__ import annotations

import copy
import os
import string
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connections
from django.utils.functional import SimpleLazyObject

from error_tracking.recorder import identity
from error_tracking.recorder.journal import ForeignJournalError, JournalFile
from error_tracking.recorder.machine import Machine
from tests.test_recorder import left_by_a_dead_process, payloads

SITE = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "shop",
    "USER": "shop",
    "PASSWORD": "secret",
    "HOST": "db1",
    "PORT": "5432",
    "OPTIONS": {},
}
MYSQL = {**SITE, "ENGINE": "django.db.backends.mysql", "PORT": ""}


@pytest.fixture
def project(settings, monkeypatch, tmp_path):
    """A function that returns the identity of a project whose database has other settings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in identity.POSTGRES_VARIABLES.values():
        monkeypatch.delenv(name, raising=False)

    def identity_of(base=SITE, *, secret_key="one", **changes):
        settings.SECRET_KEY = secret_key
        database = {**copy.deepcopy(base), **changes}
        monkeypatch.setitem(connections.settings, "default", database)
        return identity.database_identity()

    return identity_of


OTHER_DATABASES = {
    "engine": {"ENGINE": "django.contrib.gis.db.backends.postgis"},
    "host": {"HOST": "db2"},
    "socket folder": {"HOST": "/run/postgresql"},
    "port": {"PORT": "5433"},
    "name": {"NAME": "other"},
    "user": {"USER": "other"},
    "search path": {"OPTIONS": {"options": "-c search_path=tenant"}},
    "service": {"OPTIONS": {"service": "other"}},
    "service file": {"OPTIONS": {"servicefile": "/etc/other.conf"}},
    "passfile": {"OPTIONS": {"passfile": ".pgpass"}},
    "role": {"OPTIONS": {"assume_role": "tenant"}},
    "session": {"OPTIONS": {"target_session_attrs": "read-write"}},
    "address": {"OPTIONS": {"hostaddr": "192.0.2.1"}},
    "dbname in the options": {"OPTIONS": {"dbname": "other"}},
    "an option of a backend we do not know": {"OPTIONS": {"tenant": "other"}},
    "nested": {"OPTIONS": {"router": {"shards": ["a", "b"]}}},
    "a setting of a backend we do not know": {"SCHEMA": "other"},
    "secret key": {"secret_key": "two"},
}


@pytest.mark.parametrize("name", OTHER_DATABASES)
def test_other_database_or_project_shares_nothing(project, name):
    assert project(**OTHER_DATABASES[name]) != project()


def test_all_other_databases_differ_from_each_other(project):
    found = {project(**changes) for changes in OTHER_DATABASES.values()}
    assert len(found) == len(OTHER_DATABASES)


@pytest.mark.parametrize(
    ("options", "others"),
    [
        ({"options": "-c search_path=a"}, {"options": "-c search_path=b"}),
        ({"service": "a"}, {"service": "b"}),
        ({"read_default_file": "a.cnf"}, {"read_default_file": "b.cnf"}),
        ({"unix_socket": "/run/a.sock"}, {"unix_socket": "/run/b.sock"}),
        ({"read_default_group": "a"}, {"read_default_group": "b"}),
        ({"init_command": "USE a"}, {"init_command": "USE b"}),
    ],
)
def test_same_option_with_another_value_is_another_database(project, options, others):
    assert project(MYSQL, OPTIONS=options) != project(MYSQL, OPTIONS=others)


@pytest.mark.parametrize(
    "changes",
    [
        {"PASSWORD": "rotated"},
        {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True},
        {"ATOMIC_REQUESTS": True, "AUTOCOMMIT": False, "TIME_ZONE": "UTC"},
        {"TEST": {"NAME": "test"}},
        {"PORT": 5432},
        {"OPTIONS": {"sslmode": "require", "sslrootcert": "/etc/ca.pem"}},
        {"OPTIONS": {"pool": {"min_size": 2}, "connect_timeout": 3}},
        {"OPTIONS": {"password": "also here", "service": ""}},
        {"OPTIONS": {"isolation_level": object()}},
        {"EXTRA": None},
    ],
)
def test_what_names_no_other_database_is_no_other_identity(project, changes):
    assert project(**changes) == project()


@pytest.mark.parametrize("variable", ["PGOPTIONS", "PGSERVICE", "PGHOSTADDR"])
def test_variables_of_the_client_library_count(project, monkeypatch, variable):
    plain = project()
    monkeypatch.setenv(variable, "other")
    assert project() != plain


def test_variable_that_a_setting_overrides_does_not_count(project, monkeypatch):
    plain = project()
    monkeypatch.setenv("PGHOST", "db9")
    assert project() == plain
    assert project(HOST="") != plain


def test_environments_share_nothing(project, configure):
    first = project()
    configure(ENVIRONMENT="staging")
    assert project() != first


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_option_file_is_told_by_what_it_says(project, tmp_path):
    first = write(
        tmp_path / "releases/20261128/my.cnf", "[client]\nhost=db1\npassword=a\n"
    )
    moved = write(
        tmp_path / "releases/20261129/my.cnf",
        "# new\n[client]\nhost = db1\n".replace(" = ", "=") + "password=b\n",
    )
    other = write(
        tmp_path / "releases/20261130/my.cnf", "[client]\nhost=db2\npassword=a\n"
    )
    found = [
        project(MYSQL, OPTIONS={"read_default_file": path})
        for path in (first, moved, other)
    ]
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_service_is_told_by_its_section(project, tmp_path):
    def of(text):
        write(tmp_path / ".pg_service.conf", text)
        return project(OPTIONS={"service": "shop"})

    first = of("[shop]\nhost=db1\npassword=a\n[blog]\nhost=db1\n")
    assert of("[shop]\nhost=db1\npassword=b\n[blog]\nhost=db7\n") == first
    assert of("[shop]\nhost=db2\npassword=a\n[blog]\nhost=db1\n") != first


def test_password_file_in_a_release_is_the_same_in_the_next(
    project, settings, tmp_path
):
    found = []
    for release in ("20261128", "20261129"):
        settings.BASE_DIR = tmp_path / release
        path = tmp_path / release / "config" / ".pgpass"
        found.append(project(OPTIONS={"passfile": str(path)}))
    assert found[0] == found[1]


def test_name_reveals_nothing(project):
    names = {identity.folder_name(project(secret_key=key)) for key in ("one", "two")}
    assert len(names) == 2
    for name in names:
        assert set(name) <= {*string.hexdigits.lower(), "-"}
        assert len(name) == identity.IDENTITY_DIGITS + 1


def test_description_has_no_password(project):
    project(OPTIONS={"password": "hidden"}, NAME="shop", PASSWORD="hidden")
    found = identity.description()
    assert (found["host"], found["name"], found["environment"]) == (
        "db1",
        "shop",
        "production",
    )
    assert "hidden" not in str(found)


def test_secret_key_may_be_bytes_lazy_or_missing(project, settings):
    text = project(secret_key="one")
    assert project(secret_key=b"one") == text
    assert project(secret_key=SimpleLazyObject(lambda: "one")) == text
    settings.SECRET_KEY = ""
    assert len(identity.database_identity()) == identity.IDENTITY_DIGITS


class TestRotation:
    @pytest.fixture
    def before(self, configure, tmp_path, settings):
        configure(JOURNAL_DIR=tmp_path / "journals")
        settings.SECRET_KEY = "old"
        machine = Machine()
        left_by_a_dead_process(machine.directory, b"a", identity=machine.identity)
        settings.SECRET_KEY = "new"
        return machine

    def test_journals_under_an_earlier_key_are_adopted(self, before, settings):
        settings.SECRET_KEY_FALLBACKS = ["old"]
        machine = Machine()
        assert machine.identity != before.identity
        assert machine.paths() == before.paths()
        [orphan] = machine.orphans()
        assert payloads(orphan) == [b"a"]
        orphan.storage.close(unlink=True)

    def test_journals_under_an_unknown_key_are_not(self, before):
        machine = Machine()
        assert machine.paths() == []
        assert list(machine.orphans()) == []

    def test_header_decides_wherever_a_journal_lies(self, before):
        machine = Machine()
        [path] = before.paths()
        moved = path.rename(machine.directory / path.name)
        with pytest.raises(ForeignJournalError, match="another database"):
            JournalFile.adopt(moved, machine.identity)
        assert list(machine.orphans()) == []
        assert moved.exists()


RELEASE = """
import sys
from django.conf import settings
settings.configure(
    SECRET_KEY="shop", BASE_DIR=sys.argv[1], INSTALLED_APPS=["error_tracking"], ROOT_URLCONF=sys.argv[2],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[3]}},
)
import django; django.setup()
from error_tracking.recorder.machine import database_identity
print(database_identity())
"""


def test_release_in_another_folder_is_the_same_project(tmp_path):
    """A process of its own each: nothing that differs between two may be in the identity."""
    found = set()
    for number in (1, 2):
        release = tmp_path / "releases" / str(number)
        release.mkdir(parents=True)
        link = release / "db.sqlite3"
        link.symlink_to(tmp_path / "shared.sqlite3")
        done = subprocess.run(
            [sys.executable, "-c", RELEASE, str(release), f"urls{number}", str(link)],
            capture_output=True, text=True, check=True, timeout=60, cwd=release,
            env={**os.environ, "PYTHONHASHSEED": str(number), "PYTHONPATH": str(Path("src").resolve())},
        )  # fmt: skip
        found.add(done.stdout)
    assert len(found) == 1
