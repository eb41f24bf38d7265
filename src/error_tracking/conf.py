"""
``settings.ERROR_TRACKING`` as one frozen, typed object, read once.

A wrong value never raises here: a system check and the log of a serving process
report it, and until it is corrected the strictest reading is used.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from .checkout import head_commit
from .scrubbing.scrubber import Scrubber
from .setting_rules import (
    DEFAULT_RETENTION_DAYS,
    NAME,
    RULES,
    SECRET_KEYS,
    Detail,
    Feature,
    Problem,
    closest,
    problem_of,
    setting_name,
    shortened,
    shown,
)
from .strict_settings import (
    PROTECTING_KEYS,
    refuse,
    strict_value,
    value_of_misspelt,
)

logger = logging.getLogger("error_tracking")

#: A URL, or a dict with the URL and what is wanted there.
Webhook = str | dict[str, Any]
Token = str | Path | Callable[[], str] | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    The settings with their defaults.

    ``docs/reference/settings.md`` explains each; ``setting_rules`` has what it accepts.
    """

    ENABLED: bool = True
    AUTO_CREATE_BUGS: Literal["auto"] | bool = "auto"
    BUG_THRESHOLD: int = 1
    BUG_PREFIX: str = "B"
    CLIENT_ERROR_BUGS: Literal["evidence", "all", "none"] = "evidence"
    GITHUB_REPO: str | None = None
    GITHUB_TOKEN: Token = None
    PULL_REQUEST_BOTS: list[str] | tuple[str, ...] = ()
    PLANNING_DIR: str | Path = "planning/tasks"
    TRACKERS: list[str] | tuple[str, ...] = ()
    WEBHOOK_URL: str | None = None
    WEBHOOKS: list[Webhook] | tuple[Webhook, ...] = ()
    MAIL_ENVIRONMENTS: list[str] | tuple[str, ...] | None = None
    PUBLISH: list[Detail] | tuple[Detail, ...] = ()
    EXCLUDE_PATHS: list[str] | tuple[str, ...] = ("/health/", "/static/", "/media/")
    EXCLUDE_STATUS_CODES: list[int] | tuple[int, ...] = ()
    ENVIRONMENT: str | None = None
    RELEASE: str | None = None
    DATABASE: str = "default"
    RECORDER: Literal["thread", "immediate"] = "thread"
    EVENTS_PER_MINUTE: int = 10
    BEFORE_STORE: str | Callable[..., Any] | None = None
    TEST_CREDENTIALS: str | Callable[..., Any] | None = None
    IGNORE_EXCEPTIONS: list[str | type] | tuple[str | type, ...] = ()
    DISABLE: list[Feature] | tuple[Feature, ...] = ()
    IN_APP: list[str] | tuple[str, ...] = ()
    RETENTION_DAYS: int = DEFAULT_RETENTION_DAYS
    MAX_ERROR_LOGS: int = 1_000_000
    MAX_SIZE_MB: int = 2_000
    JOURNAL_DIR: str | Path | None = None
    RUNNER: Literal["auto", "thread", "celery", "inline"] = "auto"
    ERROR_PAGES: Literal["bare", "known", "all"] | bool = "known"
    SITE: dict[str, str] | None = None
    SITE_URL: str | None = None
    SHOW_BUG_ID: bool = False
    HEALTH_TOKEN: str | None = None
    SCRUB_KEYS: list[str] | tuple[str, ...] = ()
    IP_ADDRESSES: Literal["masked", "full", "none"] = "masked"
    TRUSTED_PROXIES: int = 0

    @property
    def environment(self) -> str:
        """Return ENVIRONMENT; by default it depends on DEBUG."""
        if self.ENVIRONMENT:
            return self.ENVIRONMENT
        return "development" if django_settings.DEBUG else "production"

    @property
    def creates_bugs(self) -> bool:
        """Return whether new errors become bugs automatically in this process."""
        if self.AUTO_CREATE_BUGS == "auto":
            return not django_settings.DEBUG
        return self.AUTO_CREATE_BUGS

    @property
    def mails_admins(self) -> bool:
        """Return whether this environment mails anybody; never under DEBUG."""
        if django_settings.DEBUG or not django_settings.ADMINS:
            return False
        environments = self.MAIL_ENVIRONMENTS
        return environments is None or self.environment in environments

    @property
    def planning_dir(self) -> Path:
        """Return PLANNING_DIR as an absolute path; a relative one is below BASE_DIR."""
        return base_dir() / self.PLANNING_DIR

    @property
    def server_name(self) -> str:
        """Return this server's name, from ERROR_TRACKING_SERVER or the system."""
        return _server_found()

    @property
    def release(self) -> str:
        """Return RELEASE, else what the environment or the checkout names."""
        return self.RELEASE or _release_found()


#: Where deployment systems put the version, in the order in which they are read.
RELEASE_VARIABLES = (
    "ERROR_TRACKING_RELEASE",
    "SENTRY_RELEASE",
    "HEROKU_SLUG_COMMIT",
    "SOURCE_VERSION",
    "GIT_COMMIT",
    "CI_COMMIT_SHA",
)


def base_dir() -> Path:
    """Return the project's BASE_DIR, or the current directory where it has none."""
    return Path(getattr(django_settings, "BASE_DIR", None) or Path.cwd())


@functools.lru_cache(maxsize=1)
def _server_found() -> str:
    return os.environ.get("ERROR_TRACKING_SERVER") or socket.gethostname()


@functools.lru_cache(maxsize=1)
def _release_found() -> str:
    for name in RELEASE_VARIABLES:
        release = os.environ.get(name)
        if release:
            return release
    return head_commit(base_dir())


def find_release() -> None:
    """Find the release now, where only the checkout names it; this runs git."""
    settings = get_settings()
    if settings.ENABLED and not settings.RELEASE:
        _release_found()


@functools.lru_cache(maxsize=1)
def before_store() -> Callable[..., Any] | None:
    """
    Return the project's hook, imported where it is named by its path.

    Raises:
        ImportError: There is nothing under this path.
    """
    hook = get_settings().BEFORE_STORE
    if isinstance(hook, str):
        hook = import_string(hook)
    return hook


@functools.lru_cache(maxsize=1)
def test_credentials() -> Callable[..., Any] | None:
    """
    Return the project's function that supplies credentials to generated tests.

    Raises:
        ImportError: There is nothing under this path.
    """
    supply = get_settings().TEST_CREDENTIALS
    if isinstance(supply, str):
        supply = import_string(supply)
    return supply


@functools.lru_cache(maxsize=1)
def get_scrubber() -> Scrubber:
    """Return the scrubber with the project's own keys and its cookies' names."""
    cookies = (django_settings.SESSION_COOKIE_NAME, django_settings.CSRF_COOKIE_NAME)
    settings = get_settings()
    return Scrubber(
        (*settings.SCRUB_KEYS, *cookies),
        keep_emails="email_scrubbing" in settings.DISABLE,
        ip_addresses=settings.IP_ADDRESSES,
        release=settings.release,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """
    The settings as they are used, and what is wrong with the ones that were given.

    Attributes:
        settings: The values in force.

        problems: What has to be corrected.

        renamed: Keys that still work under their old name, for one minor release.

    """

    settings: Settings
    problems: tuple[Problem, ...] = ()
    renamed: tuple[Problem, ...] = ()


# What is used while nothing can be read.
_STRICTEST = Settings(BEFORE_STORE=refuse, IP_ADDRESSES="none")

#: Old name → new name of keys that were renamed in the last minor release.
RENAMED: Mapping[str, str] = {}


@functools.lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings, cached until ``setting_changed`` reports a change."""
    return reading().settings


@functools.lru_cache(maxsize=1)
def reading() -> Reading:
    """Return the settings and their problems, cached in the same way."""
    return read(getattr(django_settings, NAME, {}))


def read(given: object, *, renamed: Mapping[str, str] = RENAMED) -> Reading:
    """
    Return how *given*, the value of ``ERROR_TRACKING``, is understood.

    Args:
        given: What the project has set, of any type.
        renamed: Old name → new name.
    """
    try:
        items = list(given.items()) if isinstance(given, dict) else None
    except Exception as error:  # noqa: BLE001  a lazy value may fail in any way
        return Reading(_STRICTEST, problems=(_unreadable(NAME, error),))
    if items is None:
        # Nothing is known of what the project wants to stay private.
        problem = Problem(
            f"{NAME} must be a dict, not {type(given).__name__}.",
            f'Write {NAME} = {{"BUG_THRESHOLD": 1}}. Until then events are stored '
            "without their payload.",
        )
        return Reading(_STRICTEST, problems=(problem,))
    values: dict[str, Any] = {}
    guessed: dict[str, Any] = {}
    problems: list[Problem] = []
    old_names: list[Problem] = []
    # A value that protects people cannot be read: then nothing of them is stored.
    are_all_private = False
    keys = {name for name, _value in items}
    for name, value in items:
        key = name
        if name in renamed:
            key = renamed[name]
            old_names.append(_renamed(name, key, is_ignored=key in keys))
            if key in keys:
                continue
        try:
            if key in RULES:
                found, used = _value_in_force(key, value)
                if used is not None:
                    values[key] = used
            else:
                found = _unknown(name)
                guessed.update(_guessed(name, value))
        except Exception as error:  # noqa: BLE001  a lazy value may fail in any way
            found = _unreadable(setting_name(name), error)
            if (closest(name, RULES) or name) in PROTECTING_KEYS:
                are_all_private = True
        if found is not None:
            problems.append(found)
    if are_all_private:
        values |= {"BEFORE_STORE": refuse, "IP_ADDRESSES": "none"}
    settings = Settings(**_combined(values, guessed))
    return Reading(settings, tuple(problems), tuple(old_names))


def _unreadable(setting: str, error: Exception) -> Problem:
    return Problem(
        f"{setting} cannot be read: {type(error).__name__}.",
        "Write a plain value, or one that does not fail.",
    )


def _value_in_force(key: str, value: Any) -> tuple[Problem | None, Any]:
    """Return what is wrong with *value*, and what is used; None is the default."""
    problem = problem_of(key, value)
    if problem is None:
        return None, value
    used = strict_value(key, value)
    if key in SECRET_KEYS:
        in_force = "it counts as not set"
    elif used is refuse:
        in_force = "events are stored without their payload"
    elif used is None:
        in_force = f"{shown(key, getattr(Settings(), key))} is used"
    else:
        in_force = f"{shown(key, used)} is used"
    return Problem(problem.message, f"{problem.remedy} Until then {in_force}."), used


def _guessed(name: object, value: Any) -> dict[str, Any]:
    """Return what an unknown key adds to the settings: nothing, or what protects."""
    key = closest(name, RULES)
    if key is None:
        return {}
    used = value_of_misspelt(key, value)
    if used is None:
        return {}
    return {key: used}


def _combined(values: Mapping[str, Any], guessed: Mapping[str, Any]) -> dict[str, Any]:
    """Return *values* and what *guessed* adds: lists of both protect together."""
    combined = {**guessed, **values}
    for key in values.keys() & guessed.keys():
        is_list = isinstance(values[key], (list, tuple))
        if is_list and isinstance(guessed[key], (list, tuple)):
            combined[key] = (*values[key], *guessed[key])
    return combined


def _renamed(old: str, new: str, *, is_ignored: bool) -> Problem:
    remedy = f"Write {new!r}: the old name works until the next minor release."
    if is_ignored:
        remedy = f"Remove it: {new!r} is set as well, and is used."
    return Problem(f"{setting_name(old)} was renamed to {new!r}.", remedy)


def _unknown(name: object) -> Problem:
    remedy = f"The settings are {', '.join(sorted(RULES))}."
    similar = closest(name, RULES)
    if similar:
        remedy = f"Did you mean {similar!r}?"
    return Problem(f"{NAME} has an unknown key {shortened(repr(name))}.", remedy)


def problems() -> tuple[Problem, ...]:
    """Return what is wrong with the settings; empty where nothing is."""
    return reading().problems


# How many problems the line in the log repeats; the check shows all of them.
LOGGED_PROBLEMS = 3


@functools.lru_cache(maxsize=1)
def log_problems() -> None:
    """Log one ERROR line per process where the settings are wrong."""
    found = problems()
    if not found:
        return
    text = " ".join(str(problem) for problem in found[:LOGGED_PROBLEMS])
    logger.error(
        "settings are wrong, the strictest values are used: problems=%d %s "
        "Run manage.py check --tag error_tracking to see all.",
        len(found),
        text,
    )


_CACHED = (
    get_settings,
    reading,
    get_scrubber,
    before_store,
    test_credentials,
    log_problems,
    _server_found,
    _release_found,
)
#: The settings that ours depend on: a test that changes one gets new values.
_READ_SETTINGS = frozenset(
    {NAME, "DEBUG", "BASE_DIR", "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME"}
)


def _reset(*, setting: str, **_kwargs: object) -> None:
    if setting in _READ_SETTINGS:
        for cached in _CACHED:
            cached.cache_clear()


setting_changed.connect(_reset, dispatch_uid="error_tracking.conf")
