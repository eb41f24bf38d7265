"""Which functions of the project a failure came through, with the digests of their source."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.apps import apps

from error_tracking.events.code_digest import (
    file_text,
    folder_digest,
    function_digest,
    text_digest,
)

from .setup import CodePlace

TEMPLATE = "template"
# The view and what it calls first, and what is closest to the failure.
OUTER_PLACES = 3
INNER_PLACES = 5


def places_of(frames: list[dict[str, Any]]) -> tuple[CodePlace, ...]:
    """Return the functions of *frames*, which are the project's own, each once."""
    found: dict[tuple[str, str], CodePlace] = {}
    for frame in frames:
        place = _place(frame)
        # Where it was called last: the raising function comes last.
        found.pop(place[:2], None)
        found[place[:2]] = place
    places = tuple(found.values())
    if len(places) <= OUTER_PLACES + INNER_PLACES:
        return places
    return places[:OUTER_PLACES] + places[-INNER_PLACES:]


def _place(frame: dict[str, Any]) -> CodePlace:
    text = file_text(str(frame.get("abs_path", "")))
    module, function = str(frame.get("module", "")), str(frame.get("function", ""))
    if module == frame.get("filename") and not module.endswith(".py"):
        digest = text_digest(text) if text else ""
        return CodePlace(TEMPLATE, module, digest)
    return CodePlace(module, function, function_digest(text, function) if text else "")


def place_of_view(dotted: str) -> tuple[CodePlace, ...]:
    """Return the view *dotted* as the only place, for a failure without own frames."""
    module_name = dotted
    while module_name and module_name not in sys.modules:
        module_name = module_name.rpartition(".")[0]
    name = dotted[len(module_name) + 1 :]
    path = getattr(sys.modules.get(module_name), "__file__", None)
    if not name or not isinstance(path, str):
        return ()
    return (CodePlace(module_name, name, function_digest(file_text(path), name)),)


def raising_line(frames: list[dict[str, Any]]) -> str:
    """Return the line that raised."""
    if not frames:
        return ""
    return str(frames[-1]["context_line"]).strip()


def app_of(places: tuple[CodePlace, ...]) -> tuple[str, str]:
    """Return the package of the app that raised, and the digest of its files."""
    modules = [place.module for place in places if place.module != TEMPLATE]
    if not modules:
        return "", ""
    config = apps.get_containing_app_config(modules[-1])
    if config is not None:
        return config.name, folder_digest(config.path)
    package = modules[-1].rpartition(".")[0]
    path = getattr(sys.modules.get(package), "__file__", None)
    if not isinstance(path, str):
        return "", ""
    return package, folder_digest(str(Path(path).parent))
