"""
Opens and closes the database connections of our own threads.

They are outside the project's pool, and closed while a thread waits for anything else.

A pool has as many connections as the project has threads. Our threads therefore
open one of their own, which commits and never waits for ever, and close it as
soon as a piece of work is done: with CONN_MAX_AGE 0, as with a pool, the
project's requests do the same.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

from django.db import connections

# psycopg waits for ever by default.
CONNECT_SECONDS = 10
# How long we hold SQLite's lock, and wait for somebody else's.
SQLITE_LOCK_SECONDS = 0.02

_may_release: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "error_tracking_may_release", default=False
)


def prepare(alias: str, *, waits_for_lock: bool = False) -> Any:
    """
    Return this thread's connection to the database *alias*, made fit for work of ours.

    It is not taken from a pool, commits automatically also with the project's
    AUTOCOMMIT off, and gives up on a silent server. SQLite's lock is waited for
    as long as the project does only with *waits_for_lock*.
    """
    connection = connections[alias]
    settings = connection.settings_dict
    options = dict(settings["OPTIONS"])
    options.pop("pool", None)
    if connection.vendor == "sqlite" and not waits_for_lock:
        options["timeout"] = SQLITE_LOCK_SECONDS
    elif connection.vendor in {"postgresql", "mysql"}:  # pragma: no cover  not SQLite
        options.setdefault("connect_timeout", CONNECT_SECONDS)
    prepared = {**settings, "AUTOCOMMIT": True, "OPTIONS": options}
    if prepared != settings:
        connection.close()
        connection.settings_dict = prepared
    return connection


@contextlib.contextmanager
def may_release() -> Iterator[None]:
    """
    Let :func:`release` close connections.

    For a thread of ours, and for a task that does nothing else.
    """
    token = _may_release.set(True)
    try:
        yield
    finally:
        _may_release.reset(token)


def release() -> None:
    """
    Close this thread's connections before anything but the database is waited for.

    Does nothing in a thread of the project's, whose connection may be in the middle
    of something, and inside a transaction.
    """
    if not _may_release.get():
        return
    for connection in connections.all(initialized_only=True):
        commits = connection.settings_dict["AUTOCOMMIT"]
        if commits and not connection.in_atomic_block:
            connection.close()


def is_kept_open(alias: str) -> bool:
    """Return whether the project keeps connections open (CONN_MAX_AGE)."""
    return bool(connections[alias].settings_dict["CONN_MAX_AGE"] != 0)


def close_all() -> None:
    """Close every connection of this thread, also those a router chose."""
    for connection in connections.all(initialized_only=True):
        connection.close()
