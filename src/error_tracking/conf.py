"""
``settings.ERROR_TRACKING`` as one frozen, typed object: the only reader of Django's settings.

A wrong value never raises here: its default is used and a system check says so.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import os
import socket
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.template import TemplateDoesNotExist, loader
from django.template.backends.django import DjangoTemplates
from django.utils.module_loading import import_string

from .scrubbing import Scrubber
from .utils import git_head

NAME = "ERROR_TRACKING"
Feature = Literal["breadcrumbs", "celery", "commands", "email_scrubbing", "locals", "mail", "tasks", "threads"]
Detail = Literal["locals", "message", "request", "user"]
Token = str | Path | Callable[[], str] | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings with their defaults; ``docs/reference/settings.md`` tells what each means."""

    ENABLED: bool = True
    AUTO_CREATE_BUGS: Literal["auto"] | bool = "auto"
    BUG_THRESHOLD: int = 1
    BUG_PREFIX: str = "B"
    CLIENT_ERROR_BUGS: Literal["evidence", "all", "none"] = "evidence"
    GITHUB_REPO: str | None = None
    GITHUB_TOKEN: Token = None
    PLANNING_DIR: str | Path = "planning/tasks"
    TRACKERS: list[str] | tuple[str, ...] = ()
    WEBHOOK_URL: str | None = None
    PUBLISH: list[Detail] | tuple[Detail, ...] = ()
    EXCLUDE_PATHS: list[str] | tuple[str, ...] = ("/health/", "/static/", "/media/")
    EXCLUDE_STATUS_CODES: list[int] | tuple[int, ...] = ()
    ENVIRONMENT: str | None = None
    RELEASE: str | None = None
    DATABASE: str = "default"
    RECORDER: Literal["thread", "immediate"] = "thread"
    EVENTS_PER_MINUTE: int = 10
    BEFORE_STORE: str | Callable[..., Any] | None = None
    IGNORE_EXCEPTIONS: list[str] | tuple[str, ...] = ()
    DISABLE: list[Feature] | tuple[Feature, ...] = ()
    IN_APP: list[str] | tuple[str, ...] = ()
    RETENTION_DAYS: int = 90
    JOURNAL_DIR: str | Path | None = None
    RUNNER: Literal["auto", "thread", "celery", "inline"] = "auto"
    ERROR_PAGES: Literal["bare"] | bool = True
    SHOW_BUG_ID: bool = False
    SCRUB_KEYS: list[str] | tuple[str, ...] = ()
    IP_ADDRESSES: Literal["masked", "full", "none"] = "masked"
    TRUSTED_PROXIES: int = 0

    @property
    def environment(self) -> str:
        """Return ENVIRONMENT, by default ``development`` under DEBUG, else ``production``."""
        return self.ENVIRONMENT or ("development" if django_settings.DEBUG else "production")

    @property
    def creates_bugs(self) -> bool:
        """Return whether new errors become bugs by themselves here."""
        return not django_settings.DEBUG if self.AUTO_CREATE_BUGS == "auto" else bool(self.AUTO_CREATE_BUGS)

    @property
    def planning_dir(self) -> Path:
        """Return PLANNING_DIR as an absolute path, relative ones taken from BASE_DIR."""
        base = getattr(django_settings, "BASE_DIR", None) or Path.cwd()
        return Path(base, self.PLANNING_DIR)

    @property
    def server_name(self) -> str:
        """Return what the environment variable ERROR_TRACKING_SERVER says, by default the host's name."""
        return _server_found()

    @property
    def release(self) -> str:
        """Return RELEASE, else what an environment variable says, else the commit that BASE_DIR is a checkout of."""
        return self.RELEASE or _release_found()


RELEASE_VARIABLES = (
    "ERROR_TRACKING_RELEASE",
    "SENTRY_RELEASE",
    "HEROKU_SLUG_COMMIT",
    "SOURCE_VERSION",
    "GIT_COMMIT",
    "CI_COMMIT_SHA",
)


@functools.lru_cache(maxsize=1)
def _server_found() -> str:
    return os.environ.get("ERROR_TRACKING_SERVER") or socket.gethostname()


@functools.lru_cache(maxsize=1)
def _release_found() -> str:
    named = next((os.environ[name] for name in RELEASE_VARIABLES if os.environ.get(name)), "")
    return named or git_head(Path(getattr(django_settings, "BASE_DIR", None) or Path.cwd()))[:12]


@functools.lru_cache(maxsize=1)
def before_store() -> Callable[..., Any] | None:
    """
    Return the project's hook, imported where it is named by its path.

    Raises:
        ImportError: There is nothing under this path.
    """
    hook = get_settings().BEFORE_STORE
    return import_string(hook) if isinstance(hook, str) else hook


@functools.lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings, cached until ``setting_changed`` says that they are others."""
    value = getattr(django_settings, NAME, None)
    given = value.items() if isinstance(value, dict) else ()
    return Settings(**{name: item for name, item in given if not problem_with(name, item)})


@functools.lru_cache(maxsize=1)
def get_scrubber() -> Scrubber:
    """Return the scrubber with the project's own keys and its session and CSRF cookie names."""
    cookies = (django_settings.SESSION_COOKIE_NAME, django_settings.CSRF_COOKIE_NAME)
    settings = get_settings()
    keeps_emails = "email_scrubbing" in settings.DISABLE
    return Scrubber((*settings.SCRUB_KEYS, *cookies), keep_emails=keeps_emails, ip_addresses=settings.IP_ADDRESSES)


def host(name: str) -> Any:  # noqa: ANN401  whatever the host has set
    """Return the host's own setting *name*, such as DEBUG: the only way of ours to Django's settings."""
    return getattr(django_settings, name)


def rendered(name: str, values: dict[str, Any]) -> str:
    """Render the template *name* as the host's engines find it, else, where they do not look into apps, ours."""
    try:
        template: Any = loader.get_template(name)
    except TemplateDoesNotExist:
        engine = DjangoTemplates({"NAME": "error_tracking", "DIRS": [], "APP_DIRS": True, "OPTIONS": {}})
        template = engine.get_template(name)
    return str(template.render(values))


def problems() -> list[tuple[str, str]]:
    """Return what is wrong with the settings, as (message, hint) pairs."""
    value = getattr(django_settings, NAME, {})
    if not isinstance(value, dict):
        return [(f"{NAME} must be a dict, not {type(value).__name__}.", f'Write {NAME} = {{"BUG_THRESHOLD": 1}}.')]
    return [problem for name, item in value.items() if (problem := problem_with(name, item))]


def problem_with(name: object, value: object) -> tuple[str, str] | None:
    """Return the (message, hint) for one setting, or None when it is right."""
    fields = {field.name: field.default for field in dataclasses.fields(Settings)}
    if not isinstance(name, str) or name not in fields:
        close = difflib.get_close_matches(str(name).upper(), fields, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"The settings are {', '.join(sorted(fields))}."
        return f"{NAME} has an unknown key {name!r}.", hint
    fits, words = _kind(_types()[name])
    if not fits(value):
        shown = "what it is" if name == "GITHUB_TOKEN" else repr(value)
        hint = f"The default, {fields[name]!r}, is used until it is."
        return f"{NAME}[{name!r}] must be {words}, not {shown}.", hint
    least = {"BUG_THRESHOLD": 1, "EVENTS_PER_MINUTE": 1, "RETENTION_DAYS": 1, "TRUSTED_PROXIES": 0}.get(name)
    if least is not None and isinstance(value, int) and value < least:
        return f"{NAME}[{name!r}] must not be {value}.", f"The least is {least}."
    if name == "BUG_PREFIX" and not (str(value).isascii() and str(value).isalnum() and len(str(value)) <= 8):  # noqa: PLR2004
        return f"{NAME}['BUG_PREFIX'] must be one to eight ASCII letters or digits, not {value!r}.", "For example 'B'."
    return None


@functools.lru_cache(maxsize=1)
def _types() -> dict[str, Any]:
    return typing.get_type_hints(Settings)


def _kind(expected: Any) -> tuple[Callable[[Any], bool], str]:  # noqa: ANN401  a type expression has no narrower type
    """Return what tells whether a value is of the type *expected*, and the type in words."""
    origin, options = typing.get_origin(expected), typing.get_args(expected)
    if origin in {typing.Union, types.UnionType}:
        kinds = [_kind(option) for option in options]
        words = " or ".join(dict.fromkeys(words for _, words in kinds))
        return lambda value: any(fits(value) for fits, _ in kinds), words
    if origin is Literal:
        words = " or ".join(map(repr, options))
        return lambda value: any(value == option and type(value) is type(option) for option in options), words
    if origin in {list, tuple}:
        fits, words = _kind(options[0])
        return lambda value: isinstance(value, origin) and all(map(fits, value)), f"a list of {words}"
    if origin is not None:  # Callable[...]
        return callable, "a function"
    words = {"NoneType": "None", "Path": "a Path"}.get(expected.__name__, expected.__name__)
    return lambda value: isinstance(value, expected) and not (expected is int and isinstance(value, bool)), words


def _reset(*, setting: str, **_kwargs: object) -> None:
    if setting in {NAME, "DEBUG", "BASE_DIR", "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME"}:
        for cached in (get_settings, get_scrubber, _server_found, _release_found, before_store):
            cached.cache_clear()


setting_changed.connect(_reset, dispatch_uid="error_tracking.conf")
