"""Connects the sources of errors, once per process; imports a library's source only where the library is."""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache

#: Source → the library it needs.
SOURCES = {
    "breadcrumbs": "logging",
    "celery": "celery",
    "commands": "sys",
    "tasks": "django.tasks",
    "threads": "threading",
}


@cache
def install(name: str) -> bool:
    """Connect the source *name*; return whether its library is there. The same source is connected once."""
    if importlib.util.find_spec(SOURCES[name]) is None:
        return False
    importlib.import_module(f"error_tracking.integrations.{name}").connect()
    return True
