"""Wrong settings: each is reported with a remedy, and never makes a site less private."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import textwrap

import pytest
from django.core.checks import run_checks
from django.test import Client

from error_tracking import conf, health
from error_tracking.middleware import ErrorCaptureMiddleware
from error_tracking.setting_rules import RULES, SECRET_KEYS
from error_tracking.strict_settings import refuse

KEYS = [field.name for field in dataclasses.fields(conf.Settings)]
DEFAULTS = dataclasses.asdict(conf.Settings())
LISTS = {
    "TRACKERS": ["shop.trackers.Tracker"],
    "PUBLISH": ["message"],
    "EXCLUDE_PATHS": ["/admin/"],
    "EXCLUDE_STATUS_CODES": [404],
    "IGNORE_EXCEPTIONS": ["builtins.KeyError"],
    "DISABLE": ["locals"],
    "IN_APP": ["shop"],
    "SCRUB_KEYS": ["pin"],
    "PULL_REQUEST_BOTS": ["acme-agent[bot]"],
}
#: Lists that protect people: what can be understood of a wrong one is used.
UNDERSTOOD = {
    "EXCLUDE_PATHS",
    "EXCLUDE_STATUS_CODES",
    "IGNORE_EXCEPTIONS",
    "DISABLE",
    "IN_APP",
    "SCRUB_KEYS",
}
#: One right value per key that is not the default.
RIGHT = {
    "ENABLED": False,
    "AUTO_CREATE_BUGS": True,
    "BUG_THRESHOLD": 3,
    "BUG_PREFIX": "S",
    "CLIENT_ERROR_BUGS": "all",
    "GITHUB_REPO": "acme/shop",
    "GITHUB_TOKEN": "made0up",
    "PLANNING_DIR": "bugs",
    "WEBHOOK_URL": "https://chat.example/hook",
    "ENVIRONMENT": "staging",
    "RELEASE": "v2",
    "DATABASE": "errors",
    "RECORDER": "immediate",
    "EVENTS_PER_MINUTE": 20,
    "BEFORE_STORE": len,
    "TEST_CREDENTIALS": len,
    "HEALTH_TOKEN": "a-long-token-that-nobody-guesses",
    "RETENTION_DAYS": 120,
    "MAX_ERROR_LOGS": 5,
    "MAX_SIZE_MB": 5,
    "JOURNAL_DIR": "/var/journals",
    "RUNNER": "thread",
    "ERROR_PAGES": False,
    "SITE": {"name": "Shop"},
    "MAIL_ENVIRONMENTS": ["production"],
    "SITE_URL": "https://shop.example/app",
    "WEBHOOKS": ({"url": "https://hooks.example/x", "format": "slack"},),
    "SHOW_BUG_ID": True,
    "IP_ADDRESSES": "full",
    "TRUSTED_PROXIES": 1,
    **LISTS,
}


class NotCallable:
    """``callable()`` is true of it, and calling it fails."""

    __call__ = None


class Hostile:
    """A value of the project's own that can be neither compared nor shown."""

    __hash__ = None

    def __eq__(self, other):
        raise RuntimeError("compared")

    def __repr__(self):
        raise RuntimeError("shown")


#: Kind of mistake → the value, given the key.
KINDS = {
    "another type": lambda key: 2.5,
    "another object": lambda key: object(),
    "hostile": lambda key: Hostile(),
    "None": lambda key: None,
    "empty": lambda key: [" "] if key in LISTS else " ",
    "huge": lambda key: ["x" * 5_000] * 2_000 if key in LISTS else "x" * 100_000,
    "huge number": lambda key: 10**5_000,
    "nested": lambda key: [RIGHT[key], [RIGHT[key]], {"a": [None]}],
    "not callable": lambda key: NotCallable(),
    "bytes": lambda key: b"\xff",
    "endless": lambda key: endless(),
}
# None and an empty text mean "not set" for these.
IS_RIGHT = {
    *((key, "None") for key in KEYS if DEFAULTS[key] is None),
    ("ENVIRONMENT", "empty"),
    ("RELEASE", "empty"),
}
WRONG = [(key, kind) for key in KEYS for kind in KINDS if (key, kind) not in IS_RIGHT]


def endless():
    items: list[object] = []
    items.append(items)
    return items


def expected(key, kind):
    """Return what is used in place of a wrong value."""
    if key == "IP_ADDRESSES":
        return "none"
    if key == "BEFORE_STORE":
        return refuse
    if key == "SITE":
        return {}
    if key in UNDERSTOOD and kind == "nested":
        also = {"EXCLUDE_PATHS": ["/a"], "EXCLUDE_STATUS_CODES": [], "DISABLE": []}
        return (*RIGHT[key], *RIGHT[key], *also.get(key, ["a"]))
    if kind == "huge" and key in {"IN_APP", "SCRUB_KEYS", "IGNORE_EXCEPTIONS"}:
        return tuple(["x" * 5_000] * 2_000)
    if kind == "huge" and key == "EXCLUDE_PATHS":
        return tuple(["/" + "x" * 5_000] * 2_000)
    if kind == "huge" and key in {"ENVIRONMENT", "RELEASE"}:
        return "x" * {"ENVIRONMENT": 50, "RELEASE": 100}[key]
    if key == "AUTO_CREATE_BUGS" and kind in {"None", "empty"}:
        return False
    if kind == "bytes" and key in {"IN_APP", "SCRUB_KEYS", "IGNORE_EXCEPTIONS"}:
        return ("\N{REPLACEMENT CHARACTER}",)
    if kind == "bytes" and key == "EXCLUDE_PATHS":
        return ("/\N{REPLACEMENT CHARACTER}",)
    return DEFAULTS[key]


def errors():
    messages = run_checks(tags=["error_tracking"])
    return [each for each in messages if each.id == "error_tracking.E001"]


def test_each_key_has_a_rule_and_a_right_value():
    assert set(RULES) == set(KEYS) == set(RIGHT)


@pytest.mark.parametrize("key", KEYS)
def test_a_right_value_is_used_without_a_message(key):
    found = conf.read({key: RIGHT[key]})
    assert found.problems == ()
    assert getattr(found.settings, key) == RIGHT[key]
    default = conf.read({key: DEFAULTS[key]})
    assert (default.problems, default.settings) == ((), conf.Settings())


@pytest.mark.parametrize(("key", "kind"), WRONG)
def test_a_wrong_value_is_an_error_and_the_strict_one_is_used(configure, key, kind):
    value = KINDS[kind](key)
    configure(**{key: value})
    assert getattr(conf.get_settings(), key) == expected(key, kind)
    [message] = errors()
    assert f"ERROR_TRACKING[{key!r}]" in message.msg
    assert message.hint
    assert len(message.msg) + len(message.hint) < 800
    if kind == "another type" and key not in SECRET_KEYS:
        assert "2.5" in message.msg
    assert "Until then" in message.hint


@pytest.mark.parametrize("key", sorted(SECRET_KEYS))
def test_a_secret_is_not_repeated(configure, key):
    configure(**{key: [["s3cret-token"]]})
    [message] = errors()
    assert "s3cret" not in f"{message.msg} {message.hint}"


@pytest.mark.parametrize(("key", "kind"), [*WRONG, *((key, None) for key in KEYS)])
@pytest.mark.parametrize(
    "misspell",
    [str.lower, lambda key: key[:-1], lambda key: f"{key}S"],
    ids=["lower", "short", "long"],
)
def test_a_misspelt_key_is_an_error_and_weakens_nothing(key, kind, misspell):
    name = misspell(key)
    value = RIGHT[key] if kind is None else KINDS[kind](key)
    found = conf.read({name: value})
    [problem] = found.problems
    assert repr(name) in problem.message
    assert repr(key) in problem.remedy
    assert is_as_private_as_the_default(found.settings)


@pytest.mark.parametrize(("key", "kind"), WRONG)
def test_no_wrong_value_weakens_privacy(key, kind):
    assert is_as_private_as_the_default(conf.read({key: KINDS[kind](key)}).settings)


def is_as_private_as_the_default(values):
    """Return whether nothing is stored or published that a site without settings keeps."""
    return (
        values.ENABLED
        and values.PUBLISH == ()
        and values.TRACKERS == ()
        and values.WEBHOOK_URL is None
        and values.GITHUB_REPO is None
        and values.IP_ADDRESSES in {"masked", "none"}
        and "email_scrubbing" not in values.DISABLE
        and not values.SHOW_BUG_ID
        and values.TRUSTED_PROXIES == 0
        and DEFAULTS["RETENTION_DAYS"] >= values.RETENTION_DAYS
    )


@pytest.mark.parametrize(
    ("key", "value", "used", "words"),
    [
        ("BUG_THRESHOLD", 0, 1, "from 1 to"),
        ("BUG_PREFIX", "B 1", "B", "letters or digits"),
        ("CLIENT_ERROR_BUGS", True, "evidence", "'evidence', 'all' or 'none'"),
        ("ENABLED", "no", True, "True or False"),
        ("ENABLED", 0, True, "True or False"),
        ("ENVIRONMENT", "e" * 51, "e" * 50, "51 characters"),
        ("RELEASE", "r" * 101, "r" * 100, "101 characters"),
        ("AUTO_CREATE_BUGS", "False", False, "must be"),
        ("AUTO_CREATE_BUGS", 0, False, "must be"),
        ("AUTO_CREATE_BUGS", "always", "auto", "must be"),
        ("RETENTION_DAYS", "30", 30, "must be a whole number"),
        ("RETENTION_DAYS", "-3", 90, "must be a whole number"),
        ("RETENTION_DAYS", 36_501, 90, "36,500"),
        ("TRUSTED_PROXIES", True, 0, "must be a whole number"),
        ("TRUSTED_PROXIES", -1, 0, "from 0"),
        ("MAX_SIZE_MB", 2**31, 2_000, "2,147,483,647"),
        ("PLANNING_DIR", "", "planning/tasks", "empty"),
        ("PLANNING_DIR", "a\0b", "planning/tasks", "NUL"),
        ("JOURNAL_DIR", "", None, "empty"),
        ("DATABASE", "", "default", "empty"),
        ("PUBLISH", "message", (), "must be a list of"),
        ("PUBLISH", ["message", "everything"], (), "must be a list of"),
        ("IP_ADDRESSES", "mask", "none", "'masked'"),
        ("SCRUB_KEYS", "pin", ("pin",), "must be a list"),
        ("SCRUB_KEYS", "pin, iban", ("pin", "iban"), "must be a list"),
        ("SCRUB_KEYS", ["pin", 5], ("pin",), "must be a list"),
        ("SCRUB_KEYS", {"pin"}, ("pin",), "must be a list"),
        ("SCRUB_KEYS", {"pin": True}, ("pin",), "must be a list"),
        ("SCRUB_KEYS", b"pin", ("pin",), "must be a list"),
        ("IN_APP", "shop", ("shop",), "must be a list"),
        ("DISABLE", "locals", ("locals",), "must be a list"),
        ("DISABLE", ["local", "emails"], ("locals",), "must be a list"),
        ("DISABLE", ["email_scrubbing", "emails"], (), "must be a list"),
        ("EXCLUDE_PATHS", "/a/,/b/", ("/a/", "/b/"), "must be a list"),
        ("EXCLUDE_PATHS", ["api/"], ("/api/",), "does not begin with a slash"),
        ("EXCLUDE_PATHS", ["https://x.example/api/"], ("/api/",), "slash"),
        (
            "EXCLUDE_PATHS",
            ["https://x.example"],
            ("/health/", "/static/", "/media/"),
            "slash",
        ),
        ("EXCLUDE_PATHS", ["", "/a/"], ("/a/",), "empty path"),
        ("EXCLUDE_PATHS", 5, ("/health/", "/static/", "/media/"), "must be a list"),
        ("EXCLUDE_STATUS_CODES", ["404"], (404,), "must be a list"),
        ("EXCLUDE_STATUS_CODES", [200, 404], (404,), "not the status of an error"),
        ("EXCLUDE_STATUS_CODES", [399, 600, 599, 400], (599, 400), "399, 600"),
        ("IGNORE_EXCEPTIONS", [int, KeyError], (KeyError,), "int, which is not"),
        ("SITE", {"name": "A", "Logo": "a"}, {"name": "A"}, "mean 'logo'"),
        ("SITE", {"name": "A", "home": 5}, {"name": "A"}, "a dict of strings"),
        ("SITE", {"color": "red"}, {}, "'red'"),
        ("SITE", {"home": "javascript:x"}, {}, "not a link"),
    ],
)
def test_what_can_be_understood_of_a_wrong_value_is_used(
    configure, key, value, used, words
):
    configure(**{key: value})
    assert getattr(conf.get_settings(), key) == used
    [message] = errors()
    assert words in f"{message.msg} {message.hint}"


@pytest.mark.parametrize(
    ("misspelt", "value", "key", "used"),
    [
        ("SCRUB_KEY", ["pin"], "SCRUB_KEYS", ["pin"]),
        ("scrub_keys", "pin", "SCRUB_KEYS", ("pin",)),
        ("EXCLUDE_PATH", ["/internal/"], "EXCLUDE_PATHS", ["/internal/"]),
        ("EXCLUDE_STATUS_CODE", [404], "EXCLUDE_STATUS_CODES", [404]),
        ("IGNORE_EXCEPTION", [KeyError], "IGNORE_EXCEPTIONS", [KeyError]),
        ("BEFORE_STOR", len, "BEFORE_STORE", len),
        ("BEFORE_STOR", 5, "BEFORE_STORE", refuse),
        ("DISABLED", ["locals", "email_scrubbing"], "DISABLE", ("locals",)),
        ("RETENTION_DAY", 7, "RETENTION_DAYS", 7),
        ("IP_ADDRESS", "none", "IP_ADDRESSES", "none"),
        ("IP_ADDRESS", "mask", "IP_ADDRESSES", "none"),
        ("AUTO_CREATE_BUG", False, "AUTO_CREATE_BUGS", False),
        # These would store, capture or publish more, or nothing at all.
        ("RETENTION_DAY", 365, "RETENTION_DAYS", 90),
        ("IP_ADDRESS", "full", "IP_ADDRESSES", "masked"),
        ("PUBLISHED", ["locals"], "PUBLISH", ()),
        ("ENABLE", False, "ENABLED", True),
    ],
)
def test_a_misspelt_key_still_protects(misspelt, value, key, used):
    found = conf.read({misspelt: value})
    assert getattr(found.settings, key) == used
    assert len(found.problems) == 1


def test_lists_under_both_names_protect_together():
    found = conf.read({"SCRUB_KEYS": ["pin"], "SCRUB_KEY": ["iban"]})
    assert set(found.settings.SCRUB_KEYS) == {"pin", "iban"}


@pytest.mark.parametrize("name", [5, None, ("a", "b"), "", "x" * 10_000])
def test_a_key_that_cannot_be_meant_is_an_error(name):
    found = conf.read({name: 1})
    assert found.settings == conf.Settings()
    [problem] = found.problems
    assert "The settings are" in problem.remedy


@pytest.mark.parametrize("given", [None, [], "ENABLED", 5, [("SCRUB_KEYS", ["pin"])]])
def test_settings_that_are_no_dict_store_no_payload(given):
    found = conf.read(given)
    assert found.settings.BEFORE_STORE is refuse
    assert found.settings.IP_ADDRESSES == "none"
    assert "must be a dict" in found.problems[0].message


class TestRenamedKey:
    RENAMED = {"SECRET_KEYS": "SCRUB_KEYS"}

    def test_works_with_a_warning(self):
        found = conf.read({"SECRET_KEYS": ["pin"]}, renamed=self.RENAMED)
        assert found.settings.SCRUB_KEYS == ["pin"]
        assert found.problems == ()
        [warning] = found.renamed
        assert "'SECRET_KEYS'" in warning.message
        assert "'SCRUB_KEYS'" in warning.remedy

    def test_gives_way_to_the_new_name(self):
        given = {"SECRET_KEYS": ["pin"], "SCRUB_KEYS": ["iban"]}
        found = conf.read(given, renamed=self.RENAMED)
        assert found.settings.SCRUB_KEYS == ["iban"]
        assert "Remove it" in found.renamed[0].remedy

    def test_with_a_wrong_value_is_an_error(self):
        found = conf.read({"SECRET_KEYS": "pin"}, renamed=self.RENAMED)
        assert found.settings.SCRUB_KEYS == ("pin",)
        assert "'SCRUB_KEYS'" in found.problems[0].message

    def test_is_a_warning_of_the_check(self, configure, monkeypatch):
        configure()
        found = conf.read({"SECRET_KEYS": ["pin"]}, renamed=self.RENAMED)
        monkeypatch.setattr(conf, "reading", lambda: found)
        [message] = run_checks(tags=["error_tracking"])
        assert message.id == "error_tracking.W012"


class TestServingProcess:
    def test_logs_one_line_however_often_its_handler_is_made(
        self, configure, swallowed
    ):
        configure(SCRUB_KEYS="pin", PUBLISH="everything", BUG_TRESHOLD=3)
        for _ in range(3):
            ErrorCaptureMiddleware(lambda request: None)
        [record] = swallowed
        line = record.getMessage()
        assert "problems=3" in line
        assert "'SCRUB_KEYS'" in line
        assert "manage.py check" in line
        assert "\n" not in line

    def test_logs_nothing_when_the_settings_are_right(self, configure, swallowed):
        configure(SCRUB_KEYS=["pin"])
        ErrorCaptureMiddleware(lambda request: None)
        assert swallowed == []

    def test_answers_all_the_same(self, configure, swallowed):
        configure(**{key: Hostile() for key in KEYS if key != "DATABASE"})
        assert Client(raise_request_exception=False).get("/fine/").status_code == 200
        [record] = swallowed
        assert f"problems={len(KEYS) - 1}" in record.getMessage()

    @pytest.mark.django_db
    def test_shows_it_in_its_health(self, configure):
        configure(IP_ADDRESSES="some")
        [problem] = [each for each in health().problems if "IP_ADDRESSES" in each]
        assert "'none' is used" in problem

    @pytest.mark.django_db
    def test_shows_it_on_the_dashboard(self, configure, admin_client, swallowed):
        configure(IP_ADDRESSES="some")
        page = admin_client.get("/admin/error_tracking/dashboard/").content.decode()
        assert "must be &#x27;masked&#x27;" in page


SPECIFIED = """\
ERROR_TRACKING = {
    "ENABLED": True,
    "AUTO_CREATE_BUGS": True,
    "BUG_THRESHOLD": 1,
    "GITHUB_REPO": "owner/repo",
    "PLANNING_DIR": "planning/tasks",
    "EXCLUDE_PATHS": ["/health/", "/static/", "/media/"],
    "EXCLUDE_STATUS_CODES": [],
}
"""
SERVE = """\
import django
from django.core.management import call_command
from django.test import Client

django.setup()
call_command("migrate", verbosity=0, skip_checks=False)
call_command("check", "--tag", "error_tracking", fail_level="WARNING")
print(Client().get("/ok/").content.decode())
"""
URLS = """\
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("ok/", lambda request: HttpResponse("fine"))]
"""


def serve(folder, settings):
    """Start a site with these *settings* as a project does, and ask it for a page."""
    subprocess.run(
        [sys.executable, "-m", "django", "startproject", "shop", str(folder)],
        check=True,
    )
    lines = textwrap.dedent(
        """
        INSTALLED_APPS += ["error_tracking"]
        ALLOWED_HOSTS = ["testserver"]
        MIDDLEWARE.insert(1, "error_tracking.middleware.ErrorCaptureMiddleware")
        """
    )
    module = folder / "shop" / "settings.py"
    module.write_text(module.read_text() + lines + settings)
    (folder / "shop" / "urls.py").write_text(URLS)
    return subprocess.run(
        [sys.executable, "-c", SERVE],
        cwd=folder,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_specified_settings_start_without_a_message(tmp_path):
    answer = serve(tmp_path, SPECIFIED)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == ("System check identified no issues (0 silenced).\nfine\n")


def test_wrong_settings_stop_migrate(tmp_path):
    answer = serve(tmp_path, 'ERROR_TRACKING = {"SCRUB_KEYS": "pin"}\n')
    assert answer.returncode == 1
    assert "ERROR_TRACKING['SCRUB_KEYS'] must be a list of strings, not 'pin'." in (
        answer.stderr
    )
