"""Finds the view of a route, and the permissions that it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from error_tracking.events.fingerprint import normalize_route

# Decorators around one view, and functions inside one decorator.
DEPTH = 6
_PERMISSION = re.compile(r"\w{1,100}\.\w{1,100}")
_NAMES = frozenset({"perm", "perms", "permission"})


def pattern_of(route: str) -> URLPattern | None:
    """Return the pattern with the normalised *route*, None where there is none."""
    if not route.startswith("/"):
        # Of a task or a command.
        return None
    try:
        for pattern, view_route in _patterns(get_resolver().url_patterns, ""):
            if route in {normalize_route(view_route), _without_prefix(view_route)}:
                return pattern
    except Exception:  # noqa: BLE001  perhaps the first import of the project's URLs
        return None
    return None


def _without_prefix(route: str) -> str:
    """Return *route* without a language in front."""
    return normalize_route(route.partition("/")[2])


def _patterns(patterns: list[Any], prefix: str) -> Iterator[tuple[URLPattern, str]]:
    """Yield each pattern with its whole route."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield pattern, route


def permissions_of(callback: Any) -> tuple[str, ...]:
    """Return the permissions that decorators and mixins of a view name, each once."""
    found: dict[str, None] = {}
    view_class = getattr(callback, "view_class", None)
    if view_class is not None:
        found.update(dict.fromkeys(_texts(vars_of(view_class))))
        callback = getattr(view_class, "dispatch", callback)
    for name in _in_closures(callback, DEPTH):
        found[name] = None
    return tuple(found)


def vars_of(view_class: Any) -> Any:
    """Return what ``PermissionRequiredMixin`` reads."""
    return getattr(view_class, "permission_required", None)


def _in_closures(function: Any, depth: int) -> Iterator[str]:
    """Yield what ``permission_required`` and its like hold in their closures."""
    code = getattr(function, "__code__", None)
    cells = getattr(function, "__closure__", None)
    if depth == 0 or code is None:
        return
    for name, cell in zip(code.co_freevars, cells or (), strict=False):
        try:
            value = cell.cell_contents
        except ValueError:
            continue
        if name in _NAMES:
            yield from _texts(value)
        elif callable(value):
            yield from _in_closures(value, depth - 1)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple):
        return []
    texts = [each for each in value if isinstance(each, str)]
    return [each for each in texts if _PERMISSION.fullmatch(each)]
