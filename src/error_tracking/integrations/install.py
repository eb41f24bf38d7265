"""
Connects the sources of errors, once per process and only where their library is.

A library that a project may have installed without using it is not imported by us:
its source is connected when, and if, the project imports it.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import logging
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

logger = logging.getLogger("error_tracking")

# Source → the library that it needs. It is imported when Django is ready: all of them
# belong to Python or Django, but for Celery, whose worker imports it before Django.
SOURCES = {
    "breadcrumbs": "logging",
    "celery": "celery",
    "commands": "sys",
    "tasks": "django.tasks",
    "threads": "threading",
}

# Source → the module whose class it changes, connected once that is imported.
SOURCES_ON_IMPORT = {
    "channels": "channels.consumer",
    "drf": "rest_framework.views",
    "graphql": "graphql.execution.execute",
    "ninja": "ninja.main",
    "rq": "rq.worker",
}

# Connected even where DISABLE names it, as Celery's worker also has a task of ours; the
# source itself then captures nothing.
ALWAYS_CONNECTED = "celery"


def install_all(*, disabled: Iterable[str]) -> None:
    """Connect every source but the *disabled* ones."""
    for name in (*SOURCES, *SOURCES_ON_IMPORT):
        if name == ALWAYS_CONNECTED or name not in disabled:
            install(name)


@cache
def install(name: str) -> bool:
    """Connect the source *name* once; return whether its library is installed."""
    if name in SOURCES_ON_IMPORT:
        module_name = SOURCES_ON_IMPORT[name]
        if module_name in sys.modules:
            _connect(name)
        else:
            _watcher.wait_for(module_name, name)
        return True
    if importlib.util.find_spec(SOURCES[name]) is None:
        return False
    importlib.import_module(f"error_tracking.integrations.{name}").connect()
    return True


def _connect(name: str) -> None:
    """Connect a source; an unknown release of its library costs only this one."""
    try:
        importlib.import_module(f"error_tracking.integrations.{name}").connect()
    except Exception as error:  # noqa: BLE001  the project's import must succeed
        logger.warning("source is not captured: name=%s error=%r", name, error)


class _ImportWatcher(importlib.abc.MetaPathFinder):
    """
    Connects a source right after the project has imported its module.

    A finder of modules that leaves the finding to the others.
    """

    def __init__(self) -> None:
        self._sources: dict[str, str] = {}

    def wait_for(self, module_name: str, source: str) -> None:
        """Connect *source* when *module_name* has been imported."""
        self._sources[module_name] = source
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        source = self._sources.pop(fullname, None)
        if source is None:
            return None
        if not self._sources and self in sys.meta_path:
            sys.meta_path.remove(self)
        # This finder is asked again, and has nothing to wait for any more.
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _ConnectingLoader(spec.loader, source)
        return spec


class _ConnectingLoader(importlib.abc.Loader):
    """Loads a module as *loader* does, then connects *source*."""

    def __init__(self, loader: importlib.abc.Loader, source: str) -> None:
        self._loader = loader
        self._source = source

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The module must not show that its loader was replaced.
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        _connect(self._source)


_watcher = _ImportWatcher()
