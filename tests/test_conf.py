"""Settings: typed, cached, reset; what is wrong is told by a check and never raises. Routers and the test outbox."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from django.core.checks import run_checks

from error_tracking import capture_message, checks, conf, testing
from error_tracking.models import ErrorLog
from error_tracking.routers import ErrorTrackingRouter

OURS = "error_tracking.middleware.ErrorCaptureMiddleware"
SECURITY = "django.middleware.security.SecurityMiddleware"


class OurMiddleware:
    """Not ours: a class of the same name."""


def ids(tag="error_tracking"):
    return [message.id for message in run_checks(tags=[tag])]


def test_there_are_at_most_thirty_keys():
    assert len(dataclasses.fields(conf.Settings)) <= 30


def test_defaults_are_those_of_the_specification(settings):
    del settings.ERROR_TRACKING
    conf.get_settings.cache_clear()
    values = conf.get_settings()
    assert values.ENABLED is True
    assert (values.AUTO_CREATE_BUGS, values.BUG_THRESHOLD, values.GITHUB_REPO) == ("auto", 1, None)
    assert list(values.EXCLUDE_PATHS) == ["/health/", "/static/", "/media/"]
    assert list(values.EXCLUDE_STATUS_CODES) == []
    assert values.planning_dir == Path(settings.BASE_DIR) / "planning" / "tasks"
    assert ids() == []


WRONG = {
    "ENABLED": "yes",
    "AUTO_CREATE_BUGS": "always",
    "BUG_THRESHOLD": 0,
    "BUG_PREFIX": "B 1",
    "CLIENT_ERROR_BUGS": True,
    "GITHUB_REPO": 5,
    "PLANNING_DIR": None,
    "EXCLUDE_PATHS": "/health/",
    "EXCLUDE_STATUS_CODES": ["404"],
    "ENVIRONMENT": 1,
    "RELEASE": 1,
    "GITHUB_TOKEN": 12,
    "TRACKERS": "shop.trackers.Jira",
    "WEBHOOK_URL": b"https://example.com/",
    "PUBLISH": ["everything"],
    "DATABASE": None,
    "RECORDER": "file",
    "RUNNER": "cron",
    "EVENTS_PER_MINUTE": 0,
    "JOURNAL_DIR": 5,
    "ERROR_PAGES": "all",
    "SHOW_BUG_ID": 1,
    "SCRUB_KEYS": [1],
    "IP_ADDRESSES": "some",
    "TRUSTED_PROXIES": True,
    "BEFORE_STORE": 5,
    "IGNORE_EXCEPTIONS": "ValueError",
    "DISABLE": ["everything"],
    "IN_APP": [1],
    "RETENTION_DAYS": 0,
}


def test_every_key_has_a_wrong_value_here():
    assert set(WRONG) == {field.name for field in dataclasses.fields(conf.Settings)}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_value_is_told_and_the_default_is_used(configure, name):
    configure(**{name: WRONG[name]})
    assert getattr(conf.get_settings(), name) == getattr(conf.Settings(), name)
    [message] = [message for message in run_checks(tags=["error_tracking"]) if message.id == "error_tracking.E001"]
    assert name in message.msg
    assert message.hint


def test_unknown_key_has_a_suggestion(configure):
    configure(BUG_TRESHOLD=2)
    [message] = run_checks(tags=["error_tracking"])
    assert message.id == "error_tracking.E001"
    assert "'BUG_THRESHOLD'" in message.hint
    configure(XYZZY=1)
    assert any("The settings are" in message.hint for message in run_checks(tags=["error_tracking"]))


@pytest.mark.parametrize(
    "path", ["no.such", "tests.urls.no_such", "KeyError", "not a path", "builtins.KeyError.args.x"]
)
@pytest.mark.parametrize(("name", "number"), [("BEFORE_STORE", "E005"), ("IGNORE_EXCEPTIONS", "W008")])
def test_a_path_that_leads_nowhere_is_told(configure, name, number, path):
    configure(**{name: path if name == "BEFORE_STORE" else ["builtins.ValueError", path]})
    [message] = run_checks(tags=["error_tracking"])
    assert message.id == f"error_tracking.{number}"
    assert repr(path) in message.msg


def test_paths_that_lead_somewhere_are_right(configure):
    configure(
        BEFORE_STORE=len, IGNORE_EXCEPTIONS=["django.http.Http404", "error_tracking.models.KnownBug.DoesNotExist"]
    )
    assert ids() == []


def test_settings_that_are_no_dict_are_told(settings):
    settings.ERROR_TRACKING = ["ENABLED"]
    assert ids() == ["error_tracking.E001"]
    assert conf.get_settings() == conf.Settings()


def test_negative_proxies_are_wrong(configure):
    configure(TRUSTED_PROXIES=-1)
    assert ids() == ["error_tracking.E001"]


def test_settings_are_cached_until_they_change(configure):
    assert conf.get_settings() is conf.get_settings()
    configure(BUG_THRESHOLD=5)
    assert conf.get_settings().BUG_THRESHOLD == 5


@pytest.mark.parametrize(("debug", "expected"), [(True, ("development", False)), (False, ("production", True))])
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
    assert (values.release, values.server_name, values.planning_dir) == ("v2", "web-1", Path("/srv/bugs"))


@pytest.mark.parametrize(
    "repo",
    ["acme", "http://github.com/acme/shop", "acme/shop/x", "a b/c", "acme/..", "https://acme/shop", "u@h.example/a/b"],
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
        (["tests.test_conf.OurMiddleware", "no.such.Middleware"], ["error_tracking.W001"]),
    ],
)
def test_middleware_missing_doubled_or_misplaced_is_told(settings, middleware, expected):
    settings.MIDDLEWARE = middleware
    assert ids() == expected


def test_database_that_is_not_there_is_told(configure):
    configure(DATABASE="errors")
    assert ids() == ["error_tracking.E003"]


def test_database_without_the_router_is_told(configure, settings, monkeypatch):
    from django.db import connections

    monkeypatch.setitem(connections.settings, "errors", {**connections.settings["default"]})
    configure(DATABASE="errors")
    assert ids() == ["error_tracking.E004"]
    settings.DATABASE_ROUTERS = ["error_tracking.routers.ErrorTrackingRouter"]
    assert ids() == []


class ReadsFromReplica:
    def db_for_read(self, model, **hints):
        return "replica"


def test_reading_from_a_replica_is_told(settings):
    replica = f"{__name__}.ReadsFromReplica"
    settings.DATABASE_ROUTERS = [replica]
    assert ids() == ["error_tracking.W007"]
    settings.DATABASE_ROUTERS = ["error_tracking.routers.ErrorTrackingRouter", replica]
    assert ids() == []


def test_sqlite_shared_with_the_site_is_told(monkeypatch):
    from django.db import connections

    monkeypatch.setitem(connections.settings, "default", {"ENGINE": "django.db.backends.sqlite3", "NAME": "x"})
    assert ids() == ["error_tracking.W004"]


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


def test_place_for_journals_is_checked_before_a_deploy(configure, tmp_path, monkeypatch):
    def found():
        return [message.id for message in run_checks(tags=["error_tracking"], include_deployment_checks=True)]

    configure(JOURNAL_DIR=tmp_path / "not" / "there" / "yet")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(checks.is_container_layer, "__defaults__", ((str(tmp_path / "mark"),),))
    assert found() == []
    (tmp_path / "mark").touch()
    monkeypatch.setattr(checks, "Path", lambda path: tmp_path if path == "/" else Path(path))
    assert found() == ["error_tracking.W006"]
    (tmp_path / "file").touch()
    configure(JOURNAL_DIR=tmp_path / "file" / "journals")
    assert found() == ["error_tracking.W005"]
    assert ids() == []
