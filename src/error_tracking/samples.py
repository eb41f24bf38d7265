"""The kind of a value that somebody has sent, and a made-up one of that kind; values in, values out."""

from __future__ import annotations

import re
from typing import Any

_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T.*)?")
_NUMBER_NAME = re.compile(r"(^|_)(id|pk|number|count|amount|quantity|year|page|size|limit|offset|price|total)$")
_MADE_UP: dict[str, Any] = {
    "int": 1,
    "float": 1.5,
    "bool": True,
    "none": None,
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "user@example.com",
    "date": "2026-01-31",
    "url": "https://example.com/",
    "list": ["example"],
    "object": {"example": "example"},
    "text": "example",
}


def kind_of(name: str, value: object) -> str:
    """Return the kind of *value*, one that ``made_up`` knows; where a scrubbed one tells nothing, the name does."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)) or value is None:
        return {int: "int", float: "float"}.get(type(value), "none")
    if isinstance(value, (list, tuple)):
        return "list"
    if isinstance(value, dict):
        return "object"
    return _kind_of_text(name.lower(), str(value)[:200])


def _kind_of_text(name: str, text: str) -> str:
    for kind, pattern in (("uuid", _UUID), ("date", _DATE)):
        if pattern.fullmatch(text):
            return kind
    if re.fullmatch(r"-?\d{1,15}", text):
        return "int"
    if re.fullmatch(r"-?\d{1,15}\.\d{1,15}", text):
        return "float"
    if "@" in text or text == "[email]" or "mail" in name:
        return "email"
    if text.startswith(("http://", "https://")):
        return "url"
    if "uuid" in name:
        return "uuid"
    return "int" if _NUMBER_NAME.search(name) else "text"


def made_up(kind: str) -> Any:  # noqa: ANN401  a value of any kind
    """Return a harmless value of *kind*; text for a kind that is not known."""
    return _MADE_UP.get(kind, "example")
