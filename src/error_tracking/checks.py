"""System checks: settings, middleware, database. They tell what to do and never raise."""

from __future__ import annotations

import contextlib
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core import checks
from django.db import connections, router
from django.utils.module_loading import import_string

from . import conf
from .middleware import ErrorCaptureMiddleware
from .models import ErrorLog
from .recorder import machine
from .trackers import Tracker
from .trackers.github_api import Repository
from .trackers.http import why_not_safe

MIDDLEWARE = "error_tracking.middleware.ErrorCaptureMiddleware"
SECURITY = "django.middleware.security.SecurityMiddleware"
TAG = "error_tracking"


def check_settings(**_kwargs: Any) -> Iterator[checks.CheckMessage]:  # noqa: ANN401
    """Report unknown keys and wrong types (E001) and a repository that is none (E002)."""
    for message, hint in conf.problems():
        yield checks.Error(message, hint=hint, id="error_tracking.E001")
    repo = conf.get_settings().GITHUB_REPO
    if repo and Repository.of(repo) is None:
        hint = 'Write it as "owner/name"; for GitHub Enterprise as "host/owner/name", which is called over https.'
        yield checks.Error(f"GITHUB_REPO is no repository: {repo!r}.", hint=hint, id="error_tracking.E002")


def check_paths(**_kwargs: Any) -> Iterator[checks.CheckMessage]:  # noqa: ANN401
    """Report a path that leads nowhere (E005, W008), or to no tracker (E005), and a WEBHOOK_URL not safe (E006)."""
    settings = conf.get_settings()
    given = {"TRACKERS": settings.TRACKERS, "IGNORE_EXCEPTIONS": settings.IGNORE_EXCEPTIONS}
    given["BEFORE_STORE"] = [settings.BEFORE_STORE] if isinstance(settings.BEFORE_STORE, str) else []
    for key, path in ((key, path) for key, paths in given.items() for path in paths):
        try:
            chosen = (pkgutil.resolve_name if key == "IGNORE_EXCEPTIONS" else import_string)(path)
            is_tracker = isinstance(chosen, type) and issubclass(chosen, Tracker) and hasattr(chosen, "name")
            problem = "" if is_tracker or key != "TRACKERS" else f"{path!r} is no tracker"
        except (AttributeError, ImportError, ValueError) as error:
            problem = f"nothing is at {path!r}: {error}"
        if problem:
            hint = "Write the whole path: 'builtins.KeyError', or that of a Tracker with a name and without arguments."
            # What cannot be raised here needs no ignoring: settings are shared by sites with other packages.
            if key == "IGNORE_EXCEPTIONS":
                yield checks.Warning(f"{key}: {problem}.", hint=hint, id="error_tracking.W008")
            else:
                yield checks.Error(f"{key}: {problem}.", hint=hint, id="error_tracking.E005")
    if settings.WEBHOOK_URL and (why_not := why_not_safe(settings.WEBHOOK_URL, "WEBHOOK_URL")):
        hint = "Plain http is for this machine only."
        yield checks.Error(f"{why_not}.", hint=hint, id="error_tracking.E006")


def check_middleware(**_kwargs: Any) -> Iterator[checks.CheckMessage]:  # noqa: ANN401
    """Report a middleware that is missing (W001), twice there (W002) or too far inside (W003)."""
    paths = conf.host("MIDDLEWARE")
    ours = [index for index, path in enumerate(paths) if path == MIDDLEWARE or _is_ours(path)]
    if not ours:
        hint = f"Add {MIDDLEWARE!r} to MIDDLEWARE, first or directly after SecurityMiddleware."
        message = "No failed request is captured: the middleware is missing."
        yield checks.Warning(message, hint=hint, id="error_tracking.W001")
    elif len(ours) > 1:
        hint = f"Keep the first {MIDDLEWARE!r} in MIDDLEWARE."
        yield checks.Warning("The middleware is there more than once.", hint=hint, id="error_tracking.W002")
    elif outside := [path for path in paths[: ours[0]] if path != SECURITY]:
        hint = f"Move {MIDDLEWARE!r} to the top of MIDDLEWARE, or directly after SecurityMiddleware."
        message = f"Errors in {', '.join(outside)} get no friendly page: the middleware stands behind."
        yield checks.Warning(message, hint=hint, id="error_tracking.W003")


def _is_ours(path: str) -> bool:
    """Return whether *path* names a subclass of our middleware."""
    with contextlib.suppress(ImportError):
        found = import_string(path)
        return isinstance(found, type) and issubclass(found, ErrorCaptureMiddleware)
    return False


def check_database(**_kwargs: Any) -> Iterator[checks.CheckMessage]:  # noqa: ANN401
    """Report a DATABASE that is not there (E003) or routed to (E004, W007), or SQLite shared with the host (W004)."""
    alias = conf.get_settings().DATABASE
    database = connections.settings.get(alias, {})
    is_immediate = database.get("OPTIONS", {}).get("transaction_mode") == "IMMEDIATE"
    if not database:
        hint = f"Add it to DATABASES, or name one of {', '.join(sorted(connections.settings))}."
        yield checks.Error(f"There is no database {alias!r}.", hint=hint, id="error_tracking.E003")
    elif (used := router.db_for_write(ErrorLog)) != alias:
        hint = 'Add "error_tracking.routers.ErrorTrackingRouter" to DATABASE_ROUTERS.'
        message = f"ERROR_TRACKING['DATABASE'] is {alias!r}, but the tables are written to {used!r}."
        yield checks.Error(message, hint=hint, id="error_tracking.E004")
    elif (used := router.db_for_read(ErrorLog)) != alias:
        hint = 'Put "error_tracking.routers.ErrorTrackingRouter" first in DATABASE_ROUTERS.'
        message = f"The tables are written to {alias!r} and read from {used!r}, which may know of it later."
        yield checks.Warning(message, hint=hint, id="error_tracking.W007")
    elif alias == "default" and database["ENGINE"].endswith("sqlite3") and not is_immediate:
        hint = 'Set OPTIONS["transaction_mode"] to "IMMEDIATE", or give error_tracking a file of its own with DATABASE.'
        message = "Events are written to the SQLite file that the site writes to; writers may have to wait."
        yield checks.Warning(message, hint=hint, id="error_tracking.W004")


def check_journal(**_kwargs: Any) -> Iterator[checks.CheckMessage]:  # noqa: ANN401
    """Report a place for journals that cannot be written (W005), or that goes with its container (W006)."""
    root = machine.journal_root()
    place = next(folder for folder in (root, *root.absolute().parents) if folder.exists())
    hint = 'Set ERROR_TRACKING["JOURNAL_DIR"] to a directory on a volume that this user may write to.'
    if not place.is_dir() or not os.access(place, os.W_OK):
        message = f"Events wait in memory only, and are lost with their process: {place} cannot be written to."
        yield checks.Warning(message, hint=hint, id="error_tracking.W005")
    elif is_container_layer(place):
        message = f"Journals are in {root}, on the container's own layer: what waits there goes with the container."
        yield checks.Warning(message, hint=hint, id="error_tracking.W006")


def is_container_layer(place: Path, marks: tuple[str, ...] = ("/.dockerenv", "/run/.containerenv")) -> bool:
    """Return whether this is a container and *place* on the file system that it loses when it is replaced."""
    is_container = "KUBERNETES_SERVICE_HOST" in os.environ or any(Path(mark).exists() for mark in marks)
    return is_container and place.stat().st_dev == Path("/").stat().st_dev


def register() -> None:
    """Register the checks with Django."""
    for check in (check_settings, check_paths, check_middleware, check_database):
        checks.register(check, TAG)
    checks.register(check_journal, TAG, deploy=True)
