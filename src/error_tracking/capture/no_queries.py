"""
Makes the current thread's database connections refuse every query.

For threads of our own that run the project's ``__str__``: the text of what went
wrong is never worth a connection. Django keeps connections per thread, so no other
code sees these.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import OperationalError, connections


def refuse_queries() -> None:
    """Replace this thread's own connections with ones that never connect."""
    for alias in connections:
        stand_in: Any = _NeverConnected(alias)
        connections[alias] = stand_in


class _NeverConnected:
    """
    Stands for a connection and is made into one only when something is asked of it.

    Compiling SQL works, so that ``str(queryset.query)`` does; running it raises
    ``OperationalError``.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._wrapper: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._wrapper is None:
            self._wrapper = connections.create_connection(self._alias)
            self._wrapper.connect = _refuse
        return getattr(self._wrapper, name)


def _refuse() -> NoReturn:
    raise OperationalError("error_tracking runs no query for the text of an object")
