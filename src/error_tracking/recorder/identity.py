"""
The identity of a journal: which project, database and environment it belongs to.

It has 32 hex digits and reveals none of them. The project is identified by its
SECRET_KEY: that is the same in every release, whatever folder it is deployed into, and
in the site, its workers and its commands, whose settings modules may differ. The
database is identified by everything in its settings that can change where a row is
stored, including options we do not know. If two processes share too little, a person
has to run a command. If they shared too much, errors would be stored in a database
that has nothing to do with them.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.encoding import force_bytes

from error_tracking import conf
from error_tracking.models import ErrorLog
from error_tracking.models.base import alias_or_default
from error_tracking.utils import qualified_name

#: The first digits identify the project. 48 bits are enough for the projects of a user.
PROJECT_DIGITS = 12
IDENTITY_DIGITS = 32

# Two processes that differ only in these settings write to the same tables. A release
# may change them, and the journals of the release before must still be adopted.
NEUTRAL_SETTINGS = frozenset(
    {
        "ATOMIC_REQUESTS",
        "AUTOCOMMIT",
        "CONN_HEALTH_CHECKS",
        "CONN_MAX_AGE",
        "DISABLE_SERVER_SIDE_CURSORS",
        "TEST",
        "TIME_ZONE",
    }
)
NEUTRAL_OPTIONS = frozenset(
    {
        "application_name",
        "cached_statements",
        "charset",
        "check_same_thread",
        "client_encoding",
        "connect_timeout",
        "conv",
        "cursor_factory",
        "detect_types",
        "isolation_level",
        "pool",
        "prepare_threshold",
        "read_timeout",
        "server_side_binding",
        "sql_mode",
        "tcp_user_timeout",
        "timeout",
        "transaction_mode",
        "use_unicode",
        "write_timeout",
    }
)
NEUTRAL_BEGINNINGS = ("keepalives", "ssl")

# What the client library reads from the environment if a setting is empty
# (PostgreSQL, libpq: Environment Variables; MySQL: Environment Variables).
POSTGRES_VARIABLES = {
    "HOST": "PGHOST",
    "PORT": "PGPORT",
    "USER": "PGUSER",
    "NAME": "PGDATABASE",
    "hostaddr": "PGHOSTADDR",
    "options": "PGOPTIONS",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
}
MYSQL_VARIABLES = {"PORT": "MYSQL_TCP_PORT", "unix_socket": "MYSQL_UNIX_PORT"}

#: Options with the path of a file that says which database it is.
CONTENT_OPTIONS = frozenset({"read_default_file", "servicefile"})
# Far more than such a file needs. Anything may be at the path.
CONTENT_BYTES = 100_000
LONGEST_DESCRIPTION = 300


def identities() -> list[str]:
    """Return this project's identity, then those with each of SECRET_KEY_FALLBACKS."""
    target = {"database": _database(), "environment": conf.get_settings().environment}
    text = json.dumps(target, sort_keys=True)
    return [_identity(key, text) for key in _keys()]


def database_identity() -> str:
    """Return the identity of this process's journals."""
    return identities()[0]


def folder_name(identity: str) -> str:
    """Return the name of the folder for journals of *identity*."""
    return f"{identity[:PROJECT_DIGITS]}-{identity[PROJECT_DIGITS:]}"


def description() -> dict[str, str]:
    """
    Return what a person needs to recognise the database and environment.

    Without password and options, which may be secret.
    """
    settings = connections.settings.get(alias_or_default(ErrorLog), {})
    scrubber = conf.get_scrubber()
    shown = {}
    for name in ("ENGINE", "HOST", "PORT", "NAME", "USER"):
        value = str(settings.get(name) or "")
        if value:
            shown[name.lower()] = scrubber.line(value, LONGEST_DESCRIPTION)
    shown["environment"] = conf.get_settings().environment
    return shown


def _identity(key: bytes, target: str) -> str:
    project = _mac(key, "project", "")[:PROJECT_DIGITS]
    database = _mac(key, "database", target)
    return (project + database)[:IDENTITY_DIGITS]


def _mac(key: bytes, purpose: str, text: str) -> str:
    message = f"error_tracking.journal.{purpose}\x1f{text}".encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def _keys() -> list[bytes]:
    try:
        current = django_settings.SECRET_KEY
    except ImproperlyConfigured:
        current = ""  # a command that runs without a key
    keys: Iterable[Any] = (current, *django_settings.SECRET_KEY_FALLBACKS)
    # Each key once, in this order.
    return list(dict.fromkeys(force_bytes(key) for key in keys))


def _database() -> dict[str, Any]:
    """Return everything about the database that can change where a row is stored."""
    alias = alias_or_default(ErrorLog)
    settings: dict[str, Any] | None = connections.settings.get(alias)
    if settings is None:
        # Events wait in a folder of their own until the router names a database that
        # exists.
        return {"ALIAS": alias}
    engine = str(settings.get("ENGINE") or "")
    own = _relevant_settings(settings)
    own["NAME"] = _name(engine, str(settings.get("NAME") or ""))
    options = _relevant_options(settings.get("OPTIONS") or {})
    for name, variable in _variables(engine).items():
        target = options
        if name.isupper():
            target = own
        value = os.environ.get(variable)
        if value and not target.get(name):
            target[name] = value
    own["OPTIONS"] = _with_content_of_files(options)
    plain: dict[str, Any] = _plain(own)
    return plain


def _relevant_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    ignored = {*NEUTRAL_SETTINGS, "OPTIONS"}
    return {name: value for name, value in settings.items() if name not in ignored}


def _relevant_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if not _is_neutral(name)}


def _is_neutral(option: str) -> bool:
    return option in NEUTRAL_OPTIONS or option.startswith(NEUTRAL_BEGINNINGS)


def _variables(engine: str) -> dict[str, str]:
    """Return the environment variable that stands in for each empty setting."""
    if "postgres" in engine or "postgis" in engine:
        return POSTGRES_VARIABLES
    if "mysql" in engine:
        return MYSQL_VARIABLES
    return {}


def _with_content_of_files(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return *options* with paths replaced by what does not change with a release."""
    found = dict(options)
    service = str(options.get("service") or "")
    if service:
        found["servicefile"] = _service_file(options.get("servicefile"))
    for name in CONTENT_OPTIONS & found.keys():
        found[name] = _content(str(found[name]), section=service)
    if options.get("passfile"):
        found["passfile"] = _without_release(str(options["passfile"]))
    return found


def _name(engine: str, name: str) -> str:
    """Return the name of the database; of a file its real path, without links."""
    is_file = engine.endswith(("sqlite3", "spatialite"))
    if is_file and not name.startswith((":memory:", "file:")):
        return os.path.realpath(name)
    return name


def _service_file(given: object) -> str:
    """Return where libpq reads a service (libpq: The Connection Service File)."""
    if given:
        return str(given)
    own = _at_home("~/.pg_service.conf")
    if own.exists():
        return str(own)
    return str(Path(os.environ.get("PGSYSCONFDIR", "/etc"), "pg_service.conf"))


def _at_home(path: str) -> Path:
    # Path.expanduser() would raise an error for a user without a home.
    return Path(os.path.expanduser(path))  # noqa: PTH111


def _content(path: str, *, section: str) -> str:
    """
    Return the settings in the file *path*, without passwords.

    The path itself would change with a release that has a folder of its own. It is
    returned only for a file that cannot be read.

    Args:
        path: The file.

        section: Only the settings below ``[section]``; empty for all.
    """
    try:
        with _at_home(path).open(encoding="utf-8", errors="replace") as file:
            text = file.read(CONTENT_BYTES)
    except OSError:
        return _without_release(path)
    lines = []
    is_wanted = not section
    for raw_line in text.splitlines():
        line = raw_line.strip()
        is_comment = line.startswith(("#", ";"))
        is_password = "passw" in line.lower()
        if section and line.startswith("["):
            is_wanted = line == f"[{section}]"
        if is_wanted and line and not is_comment and not is_password:
            lines.append(line)
    return "\n".join(lines)


def _without_release(path: str) -> str:
    """Return *path*, relative to BASE_DIR if it is below: releases may have folders."""
    base = getattr(django_settings, "BASE_DIR", None)
    if base is None:
        return path
    for folder in (str(base), os.path.realpath(base)):
        if Path(path).is_relative_to(folder):
            return str(Path(path).relative_to(folder))
    return path


def _plain(value: Any) -> Any:
    """
    Return *value* as JSON that is the same in every process.

    Empty values and passwords are left out: adding or changing one moves no row.
    """
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(str(_plain(item)) for item in value)
    if value is None:
        return None
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, str | int | float | os.PathLike):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    # The text of any other object may name its address in memory.
    return qualified_name(type(value))


def _plain_mapping(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    found = {}
    for key, value in mapping.items():
        name = str(key)
        item = _plain(value)
        is_empty = item in ("", None, {}, [])
        if not is_empty and "passw" not in name.lower():
            found[name] = item
    return found
