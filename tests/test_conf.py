"""Settings: typed, cached, reset; what is wrong is told by a check and never raises. Routers and the test outbox."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.db import connection
from django.utils.functional import SimpleLazyObject

from error_tracking import (
    capture_exception,
    capture_message,
    checks,
    conf,
    health,
    strict_settings,
    testing,
    trackers,
)
from error_tracking.models import ErrorLog
from error_tracking.recorder import machine
from error_tracking.routers import ErrorTrackingRouter
from tests.test_trackers import ADMINS

OURS = "error_tracking.middleware.ErrorCaptureMiddleware"
SECURITY = "django.middleware.security.SecurityMiddleware"


class OurMiddleware:
    """Not ours: a class of the same name."""


def ids(tag="error_tracking"):
    return [message.id for message in run_checks(tags=[tag])]


def test_there_are_at_most_forty_keys():
    assert len(dataclasses.fields(conf.Settings)) <= 40


def test_defaults_are_those_of_the_specification(settings):
    del settings.ERROR_TRACKING
    conf.get_settings.cache_clear()
    values = conf.get_settings()
    assert values.ENABLED is True
    assert (values.AUTO_CREATE_BUGS, values.BUG_THRESHOLD, values.GITHUB_REPO) == (
        "auto",
        1,
        None,
    )
    assert list(values.EXCLUDE_PATHS) == ["/health/", "/static/", "/media/"]
    assert list(values.EXCLUDE_STATUS_CODES) == []
    assert values.planning_dir == Path(settings.BASE_DIR) / "planning" / "tasks"
    assert ids() == []


def test_a_hook_that_cannot_be_called_costs_the_payload(configure, outbox, swallowed):
    configure(BEFORE_STORE=["no function"])
    capture_message("with a secret", level="error")
    [event] = outbox
    assert event.request == {"truncated": True}
    assert event.context == {}


@pytest.mark.parametrize("value", [KeyError, "builtins.KeyError", LookupError])
def test_a_class_is_ignored_as_its_path_is(configure, outbox, value):
    configure(IGNORE_EXCEPTIONS=[value])
    for error in (KeyError("x"), ValueError("y")):
        capture_exception(error)
    assert [event.exceptions[0].type for event in outbox] == ["ValueError"]
    assert ids() == []


@pytest.mark.parametrize(
    ("values", "number", "words"),
    [
        ({"BEFORE_STORE": "tests.test_conf.OURS"}, "E005", "is not a function"),
        ({"IGNORE_EXCEPTIONS": ["builtins.int"]}, "W008", "is not an exception class"),
        ({"TRACKERS": ["tests.test_conf.OURS"]}, "E005", "is not a tracker"),
        ({"TEST_CREDENTIALS": "tests.test_conf.OURS"}, "E005", "is not a function"),
        ({"JOURNAL_DIR": "journals"}, "W010", "is relative, 'journals'"),
    ],
)
def test_a_value_that_leads_to_the_wrong_thing_is_told(
    configure, values, number, words
):
    configure(**values)
    [message] = run_checks(tags=["error_tracking"])
    assert message.id == f"error_tracking.{number}"
    assert words in message.msg


def supply_credentials(names, user):
    return {}


def test_values_that_lead_to_the_right_things_are_used(configure):
    configure(
        BEFORE_STORE="copy.copy",
        TRACKERS=["error_tracking.trackers.memory.MemoryTracker"],
        TEST_CREDENTIALS="tests.test_conf.supply_credentials",
    )
    assert run_checks(tags=["error_tracking"]) == []
    assert conf.test_credentials() is supply_credentials


def test_a_project_without_users_is_told_in_one_sentence(tmp_path):
    """Without django.contrib.auth Django's own words are about lazy references."""
    (tmp_path / "bare_site.py").write_text(
        'SECRET_KEY = "x"\nINSTALLED_APPS = ["error_tracking"]\n'
        'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}\n'
    )
    answer = subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--settings", "bare_site"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "AUTH_USER_MODEL, 'auth.User', is not installed" in answer.stderr
    assert (
        "Add 'django.contrib.auth' and 'django.contrib.contenttypes'" in answer.stderr
    )
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("model", "remedy"),
    [
        ("auth.User", "Add 'django.contrib.auth' and 'django.contrib.contenttypes'"),
        ("people.Member", "Add 'people' to INSTALLED_APPS."),
        ("Member", "Add 'Member' to INSTALLED_APPS."),
    ],
)
def test_user_model_that_is_not_installed_is_told(monkeypatch, model, remedy):
    """Not with the fixture for settings: Django itself refuses such a model."""

    def lookup(name):
        raise LookupError(f"no model {name}")

    monkeypatch.setattr(checks.django_settings, "AUTH_USER_MODEL", model)
    monkeypatch.setattr(checks.apps, "get_model", lookup)
    [message] = checks.check_users()
    assert message.id == "error_tracking.E007"
    assert repr(model) in message.msg
    assert remedy in message.hint


def test_a_long_name_from_the_environment_is_told(monkeypatch, configure):
    monkeypatch.setenv("ERROR_TRACKING_SERVER", "s" * 101)
    monkeypatch.setenv("ERROR_TRACKING_RELEASE", "r" * 101)
    configure()
    assert ids() == ["error_tracking.W009", "error_tracking.W009"]


def test_unknown_key_has_a_suggestion(configure):
    configure(BUG_TRESHOLD=2)
    [message] = run_checks(tags=["error_tracking"])
    assert message.id == "error_tracking.E001"
    assert "'BUG_THRESHOLD'" in message.hint
    configure(XYZZY=1)
    assert any(
        "The settings are" in message.hint
        for message in run_checks(tags=["error_tracking"])
    )


@pytest.mark.parametrize(
    "path",
    [
        "no.such",
        "tests.urls.no_such",
        "KeyError",
        "not a path",
        "builtins.KeyError.args.x",
    ],
)
@pytest.mark.parametrize(
    ("name", "number"), [("BEFORE_STORE", "E005"), ("IGNORE_EXCEPTIONS", "W008")]
)
def test_a_path_that_leads_nowhere_is_told(configure, name, number, path):
    configure(
        **{name: path if name == "BEFORE_STORE" else ["builtins.ValueError", path]}
    )
    [message] = run_checks(tags=["error_tracking"])
    assert message.id == f"error_tracking.{number}"
    assert repr(path) in message.msg


def test_paths_that_lead_somewhere_are_right(configure):
    configure(
        BEFORE_STORE=len,
        IGNORE_EXCEPTIONS=[
            "django.http.Http404",
            "error_tracking.models.KnownBug.DoesNotExist",
        ],
    )
    assert ids() == []


def _fail():
    raise KeyError("NO_SUCH_VARIABLE")


@pytest.mark.parametrize("key", ["RELEASE", "BUG_THRESHOLD", "WEBHOOKS", "SITE"])
def test_a_lazy_value_that_fails_costs_no_event(configure, outbox, key):
    configure(**{key: SimpleLazyObject(_fail)})
    [message] = [
        each for each in run_checks(tags=["error_tracking"]) if each.id[-4] == "E"
    ]
    assert message.msg == f"ERROR_TRACKING['{key}'] cannot be read: KeyError."
    capture_message("kept", level="error", extra={"size": 3})
    [event] = outbox
    assert event.context["extra"] == {"size": 3}
    assert any(message.msg in problem for problem in health().problems)


@pytest.mark.parametrize("key", ["SCRUB_KEYS", "DISABLE", "BEFORE_STORE"])
@pytest.mark.parametrize("is_in_a_list", [True, False])
def test_a_lazy_value_that_fails_weakens_no_privacy(configure, key, is_in_a_list):
    value = SimpleLazyObject(_fail)
    configure(**{key: [value] if is_in_a_list else value})
    used = conf.get_settings()
    assert used.BEFORE_STORE is strict_settings.refuse


def test_settings_that_are_lazy_and_fail_are_told(settings):
    settings.ERROR_TRACKING = SimpleLazyObject(_fail)
    assert ids() == ["error_tracking.E001"]
    assert conf.get_settings().BEFORE_STORE is strict_settings.refuse


def test_settings_that_are_no_dict_are_told(settings):
    settings.ERROR_TRACKING = ["ENABLED"]
    assert ids() == ["error_tracking.E001"]
    assert conf.get_settings() == conf.Settings(
        IP_ADDRESSES="none", BEFORE_STORE=strict_settings.refuse
    )


def test_negative_proxies_are_wrong(configure):
    configure(TRUSTED_PROXIES=-1)
    assert ids() == ["error_tracking.E001"]


def test_settings_are_cached_until_they_change(configure):
    assert conf.get_settings() is conf.get_settings()
    configure(BUG_THRESHOLD=5)
    assert conf.get_settings().BUG_THRESHOLD == 5


@pytest.mark.parametrize(
    ("debug", "expected"),
    [(True, ("development", False)), (False, ("production", True))],
)
def test_debug_decides_environment_and_whether_bugs_are_made(settings, debug, expected):
    settings.DEBUG = debug
    values = conf.get_settings()
    assert (values.environment, values.creates_bugs) == expected


@pytest.mark.parametrize("value", [True, False])
def test_bugs_can_be_made_or_not_whatever_debug_says(settings, configure, value):
    settings.DEBUG = True
    configure(AUTO_CREATE_BUGS=value)
    assert conf.get_settings().creates_bugs is value


def test_release_is_found_in_the_environment(monkeypatch, configure):
    for name in conf.RELEASE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert conf.get_settings().release == ""
    monkeypatch.setenv("GIT_COMMIT", "abc123")
    configure()
    assert conf.get_settings().release == "abc123"
    monkeypatch.setenv("ERROR_TRACKING_SERVER", "web-1")
    configure(RELEASE="v2", PLANNING_DIR=Path("/srv/bugs"))
    values = conf.get_settings()
    assert (values.release, values.server_name, values.planning_dir) == (
        "v2",
        "web-1",
        Path("/srv/bugs"),
    )


@pytest.mark.parametrize(
    "repo",
    [
        "acme",
        "http://github.com/acme/shop",
        "acme/shop/x",
        "a b/c",
        "acme/..",
        "https://acme/shop",
        "u@h.example/a/b",
    ],
)
def test_repository_that_is_none_is_told(configure, repo):
    """FAULTS X14."""
    configure(GITHUB_REPO=repo)
    assert ids() == ["error_tracking.E002"]


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [
        ([OURS, SECURITY], []),
        ([SECURITY, OURS], []),
        ([SECURITY], ["error_tracking.W001"]),
        ([OURS, SECURITY, OURS], ["error_tracking.W002"]),
        (["django.middleware.common.CommonMiddleware", OURS], ["error_tracking.W003"]),
        (
            ["tests.test_conf.OurMiddleware", "no.such.Middleware"],
            ["error_tracking.W001"],
        ),
    ],
)
def test_middleware_missing_doubled_or_misplaced_is_told(
    settings, middleware, expected
):
    settings.MIDDLEWARE = middleware
    assert ids() == expected


def test_database_that_is_not_there_is_told(configure):
    configure(DATABASE="errors")
    assert ids() == ["error_tracking.E003"]


def test_database_without_the_router_is_told(configure, settings, monkeypatch):
    from django.db import connections

    monkeypatch.setitem(
        connections.settings, "errors", {**connections.settings["default"]}
    )
    configure(DATABASE="errors")
    assert ids() == ["error_tracking.E004"]
    settings.DATABASE_ROUTERS = ["error_tracking.routers.ErrorTrackingRouter"]
    assert ids() == []


def test_database_without_autocommit_is_refused(monkeypatch):
    from django.db import connections

    monkeypatch.setitem(connections.settings["default"], "AUTOCOMMIT", False)
    assert ids() == ["error_tracking.E008"]
    monkeypatch.setitem(connections.settings["default"], "AUTOCOMMIT", True)
    assert ids() == []


class ReadsFromReplica:
    def db_for_read(self, model, **hints):
        return "replica"


@pytest.mark.parametrize(
    "model",
    [*apps.get_app_config("error_tracking").get_models()],
    ids=lambda model: model.__name__,
)
def test_queries_read_the_database_that_they_write(model, settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.ReadsFromReplica"]
    for manager in model._meta.managers:
        assert manager.all().db == manager.filter(pk=None).order_by().db == "default"
        assert manager.using("elsewhere").filter(pk=None).db == "elsewhere"


def test_reading_from_a_replica_is_told(settings):
    replica = f"{__name__}.ReadsFromReplica"
    settings.DATABASE_ROUTERS = [replica]
    assert ids() == ["error_tracking.W007"]
    settings.DATABASE_ROUTERS = ["error_tracking.routers.ErrorTrackingRouter", replica]
    assert ids() == []


def test_sqlite_shared_with_the_site_is_told(monkeypatch, settings):
    from django.db import connections

    monkeypatch.setitem(
        connections.settings,
        "default",
        {"ENGINE": "django.db.backends.sqlite3", "NAME": "x"},
    )
    assert ids() == ["error_tracking.W004"]
    settings.SILENCED_SYSTEM_CHECKS = ["error_tracking.W004"]
    assert run_checks(tags=["error_tracking"])[0].is_silenced()
    settings.DEBUG = True
    assert ids() == []


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "mysql", reason="of MySQL and MariaDB only")
def test_columns_that_hold_no_emoji_are_told(transactional_db):
    def found():
        messages = run_checks(databases=["default"], tags=["database"])
        return [each for each in messages if each.id == "error_tracking.W011"]

    assert found() == []
    table = ErrorLog._meta.db_table
    with connection.cursor() as cursor:
        column = "ADD COLUMN narrow varchar(5) CHARACTER SET utf8mb3"
        cursor.execute(f"ALTER TABLE {table} {column}")
    try:
        [message] = found()
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} DROP COLUMN narrow")
    assert "the columns use utf8mb3" in message.msg
    assert "utf8mb4" in message.hint


def test_router_sends_only_our_tables_to_our_database(configure):
    configure(DATABASE="errors")
    router = ErrorTrackingRouter()
    from django.contrib.auth.models import User

    assert router.db_for_read(ErrorLog) == router.db_for_write(ErrorLog) == "errors"
    assert router.db_for_read(User) is None
    assert router.allow_relation(ErrorLog(), User()) is True
    assert router.allow_relation(User(), User()) is None
    assert router.allow_migrate("errors", "error_tracking") is True
    assert router.allow_migrate("default", "error_tracking") is False
    assert router.allow_migrate("errors", "auth") is False
    assert router.allow_migrate("default", "auth") is None
    configure(DATABASE="default")
    assert router.allow_migrate("default", "auth") is None


def test_captured_events_are_given_and_the_outbox_is_left(outbox):
    capture_message("before")
    with testing.captured_events() as events:
        capture_message("inside")
    assert [event.message for event in events] == ["inside"]
    assert [event.message for event in outbox] == ["before"]


def test_outbox_is_bounded(outbox, monkeypatch):
    monkeypatch.setattr(testing, "OUTBOX_EVENTS", 2)
    for number in range(3):
        capture_message(f"message {number}")
    assert [event.message for event in outbox] == ["message 1", "message 2"]


def test_place_for_journals_is_checked_before_a_deploy(
    configure, tmp_path, monkeypatch
):
    def found():
        return [
            message.id
            for message in run_checks(
                tags=["error_tracking"], include_deployment_checks=True
            )
        ]

    configure(
        JOURNAL_DIR=tmp_path / "not" / "there" / "yet", SITE_URL="https://shop.example"
    )
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(
        checks.is_container_layer, "__defaults__", ((str(tmp_path / "mark"),),)
    )
    assert found() == []
    (tmp_path / "mark").touch()
    monkeypatch.setattr(
        checks, "Path", lambda path: tmp_path if path == "/" else Path(path)
    )
    assert found() == ["error_tracking.W006"]
    (tmp_path / "file").touch()
    configure(JOURNAL_DIR=tmp_path / "file" / "journals")
    assert found() == ["error_tracking.W005"]
    assert ids() == []


def test_folder_for_journals_that_others_own_is_told(configure, tmp_path, monkeypatch):
    """Their journals could be read, and ours could be replaced by theirs."""
    configure(JOURNAL_DIR=tmp_path)
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(machine, "user", lambda: owner + 1)
    [message] = checks.check_journal()
    assert message.id == "error_tracking.W005"
    assert f"{tmp_path} belongs to user {owner}" in message.msg


def test_folder_for_journals_that_may_not_be_written_is_told(
    configure, tmp_path, monkeypatch
):
    """Not by its mode: tests may run as root."""
    configure(JOURNAL_DIR=tmp_path / "journals")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    [message] = checks.check_journal()
    assert f"{tmp_path} cannot be written to by this user" in message.msg


def test_machine_without_a_temporary_folder_is_told(monkeypatch):
    def nowhere():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(machine, "journal_root", nowhere)
    [message] = checks.check_journal()
    assert message.id == "error_tracking.W005"
    assert "No usable temporary directory found" in message.msg


class TestMail:
    """One mail per bug, not one per error, from the environments that should."""

    @pytest.fixture(autouse=True)
    def _admins(self, settings):
        settings.ADMINS = ADMINS

    @staticmethod
    def found():
        return [each.id for each in run_checks(tags=["error_tracking"])]

    def test_djangos_own_mail_per_error_is_reported(self, monkeypatch, settings):
        """Django's default LOGGING has it."""
        assert self.found() == ["error_tracking.W014"]
        settings.DEBUG = True
        assert self.found() == []

    def test_logging_that_mails_nobody_is_no_second_mail(self, monkeypatch):
        monkeypatch.setattr(logging.getLogger("django"), "handlers", [])
        assert self.found() == []

    @pytest.mark.parametrize(
        "values",
        [
            {"DISABLE": ["mail"]},
            {"MAIL_ENVIRONMENTS": []},
            {"MAIL_ENVIRONMENTS": ["x"]},
        ],
    )
    def test_it_is_no_second_mail_where_ours_is_off(self, configure, values):
        configure(**values)
        assert self.found() == []
        assert "mail" not in trackers.configured()

    def test_each_environment_mails_unless_a_setting_restricts_it(self, configure):
        configure(ENVIRONMENT="staging")
        assert "mail" in trackers.configured()
        configure(MAIL_ENVIRONMENTS=["staging"])
        assert "mail" in trackers.configured()
        configure(MAIL_ENVIRONMENTS=["production"])
        assert "mail" not in trackers.configured()

    def test_handler_behind_a_logger_that_passes_nothing_on_is_none(self, monkeypatch):
        monkeypatch.setattr(logging.getLogger("django.request"), "propagate", False)
        assert self.found() == []

    def test_logging_of_the_documents_turns_it_off_and_keeps_the_log(self):
        """The complete LOGGING of the how-to guide, as Django reads it."""
        page = Path(__file__).parent.parent / "docs/how-to/notifications.md"
        [block] = re.findall(
            r"```python\n(LOGGING = .*?)```", page.read_text(), re.DOTALL
        )
        script = f"""
import logging
import django
from django.conf import settings
{block}
settings.configure(
    LOGGING=LOGGING,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "error_tracking"],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3"}}}},
)
django.setup()
from error_tracking.checks import is_django_mailing
assert not is_django_mailing()
logging.getLogger("django.request").error("it is still logged")
"""
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "it is still logged" in done.stderr
