"""
System checks: settings, middleware, database, journals. Each message says what to do.

The checks never raise: what they cannot find out is no message of theirs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core import checks
from django.db import DatabaseError, connections, router
from django.utils.log import AdminEmailHandler
from django.utils.module_loading import import_string

from . import conf, schema
from .middleware import ErrorCaptureMiddleware
from .models import ErrorLog
from .models.base import write_alias
from .recorder import machine
from .report import links
from .setting_rules import FORMATS, RELEASE_LENGTH, SERVER_LENGTH, site_url_problem
from .trackers import Tracker
from .trackers.endpoints import endpoints_of
from .trackers.github_api import Repository
from .utils import clean_line

MIDDLEWARE = "error_tracking.middleware.ErrorCaptureMiddleware"
SECURITY = "django.middleware.security.SecurityMiddleware"
ROUTER = "error_tracking.routers.ErrorTrackingRouter"
TAG = "error_tracking"

# As much of an exception's text as fits into one message.
REASON_CHARS = 200

# So many names show what kind of tables these are.
NAMED_AS_MISSING = 3

# Files by which Docker and Podman mark a container.
CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")

Messages = Iterator[checks.CheckMessage]


def register() -> None:
    """Register the checks with Django."""
    checks.register(check_settings, TAG)
    checks.register(check_paths, TAG)
    checks.register(check_users, TAG)
    checks.register(check_names, TAG)
    checks.register(check_middleware, TAG)
    checks.register(check_database, TAG)
    checks.register(check_autocommit, TAG)
    # Only for the databases that a command names: migrate and check --database.
    checks.register(check_encoding, TAG, checks.Tags.database)
    checks.register(check_tables, TAG, checks.Tags.database)
    # The machine that deploys is where journals have to be.
    checks.register(check_journal, TAG, deploy=True)
    checks.register(check_site_url, TAG, deploy=True)
    checks.register(check_django_mail, TAG)


def check_settings(**_kwargs: Any) -> Messages:
    """Report wrong settings (E001, W012) and a malformed repository (E002)."""
    reading = conf.reading()
    for problem in reading.problems:
        yield checks.Error(
            problem.message, hint=problem.remedy, id="error_tracking.E001"
        )
    for renamed in reading.renamed:
        yield checks.Warning(
            renamed.message, hint=renamed.remedy, id="error_tracking.W012"
        )
    repo = conf.get_settings().GITHUB_REPO
    if repo and Repository.of(repo) is None:
        yield checks.Error(
            f"ERROR_TRACKING['GITHUB_REPO'] is not a repository: {repo!r}.",
            hint='Write "owner/name", or "host/owner/name" for GitHub Enterprise, '
            "which is called over https.",
            id="error_tracking.E002",
        )


def check_paths(**_kwargs: Any) -> Messages:
    """Report paths that lead nowhere (E005, W008) and unusable webhooks (E006)."""
    settings = conf.get_settings()
    yield from _check_trackers(settings.TRACKERS)
    yield from _check_hook(settings.BEFORE_STORE)
    yield from _check_credentials(settings.TEST_CREDENTIALS)
    yield from _check_ignored(settings.IGNORE_EXCEPTIONS)
    for endpoint in endpoints_of(settings):
        if endpoint.problem:
            yield checks.Error(
                f"{endpoint.problem}.",
                hint="Use https (plain http is for addresses of this machine only), "
                "and "
                f"one of the formats {', '.join(FORMATS)}.",
                id="error_tracking.E006",
            )


def _check_trackers(paths: Iterable[str]) -> Messages:
    for path in paths:
        problem = _problem_with(path, import_string, _is_tracker, "a tracker")
        if problem:
            yield checks.Error(
                f"TRACKERS: {problem}.",
                hint="Write the complete dotted path of a subclass of "
                "error_tracking.trackers.Tracker that has a name and needs "
                "no arguments.",
                id="error_tracking.E005",
            )


def _check_hook(hook: object) -> Messages:
    if not isinstance(hook, str):
        return
    problem = _problem_with(hook, import_string, callable, "a function")
    if problem:
        yield checks.Error(
            f"BEFORE_STORE: {problem}.",
            hint="Write the complete dotted path of a function. Until then, "
            "events are stored without their payload.",
            id="error_tracking.E005",
        )


def _check_credentials(supply: object) -> Messages:
    if not isinstance(supply, str):
        return
    problem = _problem_with(supply, import_string, callable, "a function")
    if problem:
        yield checks.Error(
            f"TEST_CREDENTIALS: {problem}.",
            hint="Write the complete dotted path of a function that returns a "
            "dict of headers.",
            id="error_tracking.E005",
        )


def _check_ignored(exceptions: Iterable[str | type]) -> Messages:
    for exception in exceptions:
        if isinstance(exception, type):
            continue
        problem = _problem_with(
            exception, pkgutil.resolve_name, _is_exception, "an exception class"
        )
        if problem:
            # A warning: sites with different packages may share their settings, and
            # an exception that cannot be raised here needs no ignoring.
            yield checks.Warning(
                f"IGNORE_EXCEPTIONS: {problem}.",
                hint="Write the complete dotted path, such as "
                "'builtins.KeyError', or the class.",
                id="error_tracking.W008",
            )


def _problem_with(
    path: str,
    load: Callable[[str], object],
    is_right: Callable[[object], bool],
    expected: str,
) -> str:
    """Return what is wrong with the object that *path* names, ``""`` if nothing is."""
    try:
        found = load(path)
    except Exception as error:  # noqa: BLE001  the project's own module
        reason = clean_line(str(error), REASON_CHARS)
        return f"{path!r} cannot be imported: {reason}"
    if is_right(found):
        return ""
    return f"{path!r} is not {expected}"


def _is_tracker(found: object) -> bool:
    is_subclass = isinstance(found, type) and issubclass(found, Tracker)
    return is_subclass and hasattr(found, "name")


def _is_exception(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, BaseException)


def check_users(**_kwargs: Any) -> Messages:
    """Report a user model that is not installed (E007), without which migrate fails."""
    model = django_settings.AUTH_USER_MODEL
    try:
        apps.get_model(model)
    except (LookupError, ValueError):
        app = model.partition(".")[0]
        hint = f"Add {app!r} to INSTALLED_APPS."
        if model == "auth.User":
            hint = (
                "Add 'django.contrib.auth' and 'django.contrib.contenttypes' to "
                "INSTALLED_APPS. Your project does not have to use them."
            )
        yield checks.Error(
            f"AUTH_USER_MODEL, {model!r}, is not installed. Error logs and bugs "
            "refer to users, so migrate cannot create their tables.",
            hint=hint,
            id="error_tracking.E007",
        )


def check_names(**_kwargs: Any) -> Messages:
    """Report names too long for their columns (W009) and a relative folder (W010)."""
    settings = conf.get_settings()
    yield from _check_length(
        "The server's name (ERROR_TRACKING_SERVER, or the machine's)",
        settings.server_name,
        SERVER_LENGTH,
    )
    yield from _check_length("The release", settings.release, RELEASE_LENGTH)
    folder = settings.JOURNAL_DIR
    if folder is not None and not Path(folder).is_absolute():
        yield checks.Warning(
            f"ERROR_TRACKING['JOURNAL_DIR'] is relative, {str(folder)!r}: processes "
            "started in different directories use different folders.",
            hint="Write an absolute path, for example BASE_DIR / 'journals'.",
            id="error_tracking.W010",
        )


def _check_length(what: str, name: str, longest: int) -> Messages:
    if len(name) > longest:
        yield checks.Warning(
            f"{what} has {len(name)} characters, and {longest} are stored.",
            hint="Use a shorter one: names with the same beginning could not be "
            "distinguished.",
            id="error_tracking.W009",
        )


def check_middleware(**_kwargs: Any) -> Messages:
    """Report our middleware missing (W001), repeated (W002) or too deep (W003)."""
    paths = list(django_settings.MIDDLEWARE)
    ours = [index for index, path in enumerate(paths) if _is_ours(path)]
    if not ours:
        yield checks.Warning(
            "The middleware is missing: no failed request is captured.",
            hint=f"Add {MIDDLEWARE!r} to MIDDLEWARE, first or directly after "
            "SecurityMiddleware.",
            id="error_tracking.W001",
        )
        return
    if len(ours) > 1:
        yield checks.Warning(
            "The middleware is listed more than once.",
            hint=f"Keep only the first {MIDDLEWARE!r} in MIDDLEWARE.",
            id="error_tracking.W002",
        )
        return
    outside = [path for path in paths[: ours[0]] if path != SECURITY]
    if outside:
        yield checks.Warning(
            f"Errors in {', '.join(outside)} get no friendly page, because the "
            "middleware of error_tracking is listed after it.",
            hint=f"Move {MIDDLEWARE!r} to the top of MIDDLEWARE, or directly "
            "after SecurityMiddleware. If other middleware has to come "
            "first, silence this check with SILENCED_SYSTEM_CHECKS = "
            "['error_tracking.W003'].",
            id="error_tracking.W003",
        )


def _is_ours(path: str) -> bool:
    """Return whether *path* names our middleware or a subclass of it."""
    if path == MIDDLEWARE:
        return True
    try:
        found = import_string(path)
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, ErrorCaptureMiddleware)


def check_database(**_kwargs: Any) -> Messages:
    """Report a DATABASE missing (E003), not used (E004, W007) or shared (W004)."""
    alias = conf.get_settings().DATABASE
    database = connections.settings.get(alias)
    if not database:
        names = ", ".join(sorted(connections.settings))
        yield checks.Error(
            f"ERROR_TRACKING['DATABASE'] is {alias!r}, which is not in DATABASES.",
            hint=f"Add it to DATABASES, or use one of {names}.",
            id="error_tracking.E003",
        )
        return
    written = router.db_for_write(ErrorLog)
    if written != alias:
        yield checks.Error(
            f"ERROR_TRACKING['DATABASE'] is {alias!r}, but the tables are written to "
            f"{written!r}.",
            hint=f'Add "{ROUTER}" to DATABASE_ROUTERS.',
            id="error_tracking.E004",
        )
        return
    read = router.db_for_read(ErrorLog)
    if read != alias:
        yield checks.Warning(
            f"The tables are written to {alias!r} and read from {read!r}, which may "
            "not have the latest rows.",
            hint=f'Put "{ROUTER}" first in DATABASE_ROUTERS.',
            id="error_tracking.W007",
        )
        return
    if _shares_sqlite(alias, database):
        yield checks.Warning(
            "Events are written to the SQLite file of the site, so writers may "
            "have to wait for each other.",
            hint='Set OPTIONS["transaction_mode"] to "IMMEDIATE", or use a '
            "separate file for error_tracking with the setting DATABASE. A "
            "site with few writers can silence this check with "
            "SILENCED_SYSTEM_CHECKS = ['error_tracking.W004'].",
            id="error_tracking.W004",
        )


def _shares_sqlite(alias: str, database: dict[str, Any]) -> bool:
    """Return whether our transactions can fail because of the site's, on SQLite."""
    # Under DEBUG one person waits for one request, and runserver would show the
    # message at each start.
    if django_settings.DEBUG or alias != "default":
        return False
    options = database.get("OPTIONS", {})
    is_immediate = options.get("transaction_mode") == "IMMEDIATE"
    return database["ENGINE"].endswith("sqlite3") and not is_immediate


def check_autocommit(**_kwargs: Any) -> Messages:
    """Report a database without autocommit (E008)."""
    alias = conf.get_settings().DATABASE
    database = connections.settings.get(alias, {})
    if database.get("AUTOCOMMIT", True):
        return
    yield checks.Error(
        f"DATABASES[{alias!r}] has AUTOCOMMIT off, which error_tracking does not "
        "support: after a rollback, a filed bug would be filed again.",
        hint="Remove AUTOCOMMIT from the database's settings, or set "
        "ERROR_TRACKING['DATABASE'] to the alias of a database with autocommit.",
        id="error_tracking.E008",
    )


def check_encoding(databases: Sequence[str] | None = None, **_kwargs: Any) -> Messages:
    """Report a MySQL database that cannot store every character (W011)."""
    alias = write_alias(ErrorLog)
    if alias not in (databases or ()) or connections[alias].vendor != "mysql":
        return
    narrow = _narrow_encodings(alias)  # pragma: no cover  MySQL only
    if narrow:  # pragma: no cover
        yield checks.Warning(
            f"Database {alias!r} cannot store every character: emoji, for example, "
            f"become question marks. {'; '.join(narrow)}.",
            hint='Set OPTIONS["charset"] to "utf8mb4", and run ALTER TABLE … CONVERT '
            "TO CHARACTER SET utf8mb4 for each table whose name begins with "
            "error_tracking_.",
            id="error_tracking.W011",
        )


def _narrow_encodings(alias: str) -> list[str]:  # pragma: no cover  MySQL only
    """Return who uses an encoding other than utf8mb4, as clauses."""
    # MariaDB keeps identifiers and JSON in utf8mb4 or binary, whatever the table uses.
    columns = (
        "SELECT DISTINCT character_set_name FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name = %s "
        "AND character_set_name IS NOT NULL"
    )
    clauses = []
    # Whether the database can be read at all is for others to report.
    with contextlib.suppress(DatabaseError), connections[alias].cursor() as cursor:
        cursor.execute("SELECT @@character_set_connection")
        clauses.append(f"Its connections use {cursor.fetchone()[0]}")
        cursor.execute(columns, [ErrorLog._meta.db_table])
        for (name,) in cursor.fetchall():
            clauses.append(f"the columns use {name}")
    return [clause for clause in clauses if "utf8mb4" not in clause]


def check_tables(databases: Sequence[str] | None = None, **_kwargs: Any) -> Messages:
    """Report tables that lack what the applied migrations should have made (W015)."""
    alias = write_alias(ErrorLog)
    if alias not in (databases or ()):
        return
    try:
        missing = schema.missing_after_migrations(alias)
    except Exception:  # noqa: BLE001  this loads the migrations of the project's apps
        # migrate reports what is wrong with them, or with the database.
        return
    if missing:
        names = ", ".join(missing[:NAMED_AS_MISSING])
        if len(missing) > NAMED_AS_MISSING:
            names = f"{names} and {len(missing) - NAMED_AS_MISSING} more"
        yield checks.Warning(
            f"The tables in database {alias!r} are incomplete, although the "
            f"migrations that create them are recorded as applied. Missing: {names}.",
            hint="If a checkout from before 0.1.0 created the tables, apply its other "
            "migrations before anything else, and do not run migrate --prune: see "
            "docs/how-to/upgrading.md, 'From a checkout with 18 migrations'. "
            "Otherwise restore the tables from a backup.",
            id="error_tracking.W015",
        )


def check_journal(**_kwargs: Any) -> Messages:
    """Report a folder for journals that is unusable (W005) or short-lived (W006)."""
    hint = (
        'Set ERROR_TRACKING["JOURNAL_DIR"] to a directory on a volume that this user '
        "may write to."
    )
    try:
        root = machine.journal_root()
        place = _innermost_existing(root)
        reason = _why_unusable(root, place)
        is_lost = not reason and is_container_layer(place)
    except OSError as error:
        # There is no temporary folder at all, or a parent that may not be read.
        reason = clean_line(str(error), REASON_CHARS)
        is_lost = False
    if reason:
        yield checks.Warning(
            "Events wait in memory only, and are lost if their process ends: "
            f"{reason}.",
            hint=hint,
            id="error_tracking.W005",
        )
    elif is_lost:
        yield checks.Warning(
            f"Journals are in {root}, in the writable layer of the container: "
            "events that wait there are lost if the container is removed.",
            hint=hint,
            id="error_tracking.W006",
        )


def check_site_url(**_kwargs: Any) -> Messages:
    """Report a site that does not know its address (W013)."""
    variable = os.environ.get(links.VARIABLE, "")
    if variable:
        problem = site_url_problem(links.VARIABLE, variable)
        if problem is not None:
            yield checks.Warning(
                problem.message, hint=problem.remedy, id="error_tracking.W013"
            )
        return
    # What django.contrib.sites has stored is read by the doctor: checks do not ask the
    # database.
    if conf.get_settings().SITE_URL or apps.is_installed(links.SITES_APP):
        return
    yield checks.Warning(
        "Mails, chat messages and issues have no links to the admin, because the "
        "URL of the site is unknown.",
        hint=f"Set ERROR_TRACKING['SITE_URL'] or the environment variable "
        f"{links.VARIABLE} to an address such as 'https://www.example.org'.",
        id="error_tracking.W013",
    )


def check_django_mail(**_kwargs: Any) -> Messages:
    """Report that Django mails every single error as well (W014)."""
    settings = conf.get_settings()
    if "mail" in settings.DISABLE or not settings.mails_admins:
        return
    if not is_django_mailing():
        return
    yield checks.Warning(
        "Django sends a mail to ADMINS for every error, in addition to "
        "error_tracking's one mail per bug. In an outage, this is one mail per "
        "failed request.",
        hint='In LOGGING, give the logger "django" handlers other than '
        "AdminEmailHandler. The how-to guide of error_tracking has a "
        "complete example. To keep Django's mails and turn off those of "
        "error_tracking, add \"mail\" to ERROR_TRACKING['DISABLE'].",
        id="error_tracking.W014",
    )


def is_django_mailing() -> bool:
    """Return whether a record of a failed request reaches an AdminEmailHandler."""
    logger: logging.Logger | None = logging.getLogger("django.request")
    while logger is not None:
        for handler in logger.handlers:
            is_mailing = isinstance(handler, AdminEmailHandler)
            if is_mailing and handler.level <= logging.ERROR:
                return True
        if not logger.propagate:
            return False
        logger = logger.parent
    return False


def _innermost_existing(folder: Path) -> Path:
    folders = (folder, *folder.absolute().parents)
    return next(each for each in folders if each.exists())


def _why_unusable(root: Path, place: Path) -> str:
    """
    Return why no journal can be written, ``""`` where one can.

    Args:
        root: The folder for journals.
        place: The innermost folder of its path that exists.
    """
    if not place.is_dir():
        return f"{place} is not a directory"
    user = machine.user()
    if not os.access(place, os.W_OK):
        return f"{place} cannot be written to by this user ({user})"
    owner = place.stat().st_uid
    if place == root and owner != user:
        return f"{place} belongs to user {owner}, and this is user {user}"
    return ""


def is_container_layer(place: Path, marks: tuple[str, ...] = CONTAINER_MARKS) -> bool:
    """Return whether *place* is on the file system that a container loses."""
    has_mark = any(Path(mark).exists() for mark in marks)
    if not has_mark and "KUBERNETES_SERVICE_HOST" not in os.environ:
        return False
    return place.stat().st_dev == Path("/").stat().st_dev
