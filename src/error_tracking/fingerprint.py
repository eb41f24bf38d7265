"""
An event's parts to its fingerprint, by versioned rules.

Version 1: an exception is its type with the in-app frames (module and function,
and the text of the raising line, or template and node); a refused row also its
constraint, a group also its members; without in-app frames its route and
normalised message; a response without an exception its kind, status and route.
Never a line number, an absolute path or a raw message. Rules are never edited
in place once 0.1.0 is tagged: a new version is written beside the old.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .events import ExceptionInfo

VERSION = 1
FINGERPRINT_CHARS = 32
UNRESOLVED = ""

_SEGMENT_RULES = (
    (re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", re.IGNORECASE), "{uuid}"),
    (re.compile(r"^[^@\s]{1,64}@[^@\s]{1,190}\.[a-z]{2,24}$", re.IGNORECASE), "{email}"),
    (re.compile(r"^\d{4}-\d{2}-\d{2}$"), "{date}"),
    (re.compile(r"^[-+]?\d{1,40}$"), "{id}"),
    (re.compile(r"^(?=.*\d)[0-9a-f]{12,128}$", re.IGNORECASE), "{hash}"),
    (re.compile(r"^(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9_=-]{20,256}$"), "{token}"),
)

# Specific before general: what a later rule would cut to pieces is named first.
_TEXT_RULES = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE), "{uuid}"),
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), "{email}"),
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s'\"<>]{1,500}", re.IGNORECASE), "{url}"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "{ip}"),
    (re.compile(r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?"), "{date}"),
    (re.compile(r"\b0x[0-9a-f]{1,32}\b", re.IGNORECASE), "{hex}"),
    (re.compile(r"'[^'\n]{0,200}'|\"[^\"\n]{0,200}\""), "{value}"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12,128}\b", re.IGNORECASE), "{hex}"),
    (re.compile(r"\d{1,40}(?:\.\d{1,40})?"), "{number}"),
)

_GENERATED = re.compile(r"0x[0-9a-f]{4,}|(?=[0-9a-f]{0,40}\d)[0-9a-f]{8,40}|\d{4,40}", re.IGNORECASE)
_COMPREHENSION = re.compile(r"(?:\.<locals>)?\.<(?:list|dict|set)comp>")
_WRAPPERS = (
    "wrapper inner wrapped wrap decorated decorator inner_func inner_function wrapped_view wrapper_func",
    "_wrapper _inner _wrapped _decorated _wrapped_view _wrapper_view decorated_function wrapped_function",
)
_WRAPPER_NAMES = frozenset(" ".join(_WRAPPERS).split())
_CONSTRAINTS = (
    re.compile(r"constraint \"([^\"\n]{1,200})\""),  # PostgreSQL
    re.compile(r"null value in column (\"[^\"\n]{1,200}\" of relation \"[^\"\n]{1,200}\")"),
    re.compile(r"((?:UNIQUE|NOT NULL|CHECK) constraint failed: [^\n]{1,200}|FOREIGN KEY constraint failed)"),  # SQLite
    re.compile(r" for key '([^'\n]{1,200})'"),  # MySQL
    re.compile(r"CONSTRAINT `([^`\n]{1,200})`"),
    re.compile(r"(Column '[^'\n]{1,200}' cannot be null|Field '[^'\n]{1,200}' doesn't have a default)"),
    re.compile(r"constraint \(([^()\n]{1,200})\) violated"),  # Oracle
)
MEMBERS = 3

_CONVERTER = re.compile(r"<(?:[^<>:]{1,60}:)?([^<>:]{1,60})>")
_GROUP = re.compile(r"\\.|\((?:\?P<(\w{1,60})>)?(?:[^()\\]|\\.)*\)", re.DOTALL)  # without another one in it


def normalize_path(path: str) -> str:
    """Return *path* with the parts that differ per object named: ``/pets/123/`` → ``/pets/{id}/``."""
    path = re.sub(r"^[a-z][a-z0-9+.-]{0,20}://[^/?#]*", "", path[:4_000], flags=re.IGNORECASE)
    path = re.split(r"[?#]", path, maxsplit=1)[0] or "/"
    return "/".join(_normalize_segment(segment) for segment in path.split("/"))


def _normalize_segment(segment: str) -> str:
    for pattern, name in _SEGMENT_RULES:
        if pattern.match(segment):
            return name
    return segment


def normalize_route(route: str) -> str:
    """
    Return Django's *route* in the form of :func:`normalize_path`.

    ``api/pets/<int:id>/`` and ``^api/pets/(?P<id>[0-9]+)/$`` both become
    ``/api/pets/{id}/``.
    """
    route = _replace_groups(route[:1_000])
    route = _CONVERTER.sub(r"{\1}", route)
    route = re.sub(r"(?<!\\)[\^$]|\\[AZz]", "", route).replace("\\", "")
    return "/" + route.lstrip("/")


def _replace_groups(pattern: str) -> str:
    """Put ``{name}`` in the place of each group of a regular expression: inner ones first, which go with the outer."""
    before = ""
    while before != pattern:
        before, pattern = pattern, _GROUP.sub(_name_of_group, pattern)
    return pattern


def _name_of_group(match: re.Match[str]) -> str:
    return match[0] if match[0].startswith("\\") else f"{{{match[1] or 'arg'}}}"


def normalize_message(message: str) -> str:
    """Return *message* with its values named, so that two users' errors read the same; 300 characters."""
    text = message[:1_000]
    for pattern, name in _TEXT_RULES:
        text = pattern.sub(name, text)
    return text[:300]


def fingerprint_for_response(error_type: str, status_code: int, route: str, detail: str = "") -> str:
    """
    Return the fingerprint of a response without an exception.

    *route* is the normalised route, or ``""`` where the URL does not resolve:
    all of those share one group per kind and status, whatever path a scanner
    picks (FAULTS B01). *detail* tells apart what happens on one route: the
    reason of a CSRF failure, a class of noise.
    """
    details = [normalize_message(detail)] if detail else []
    return _digest("response", error_type, str(status_code), route, *details)


def fingerprint_for_exception(info: ExceptionInfo, route: str, members: Sequence[ExceptionInfo] = ()) -> str:
    """Return the fingerprint of the raised exception *info* that happened on *route*, a group of *members* or none."""
    kind = stable_name(info.qualified_type)
    in_app = [frame for frame in info.frames if frame.in_app]
    of_members = sorted({f"{stable_name(each.qualified_type)} in {each.culprit}" for each in members})[:MEMBERS]
    if not in_app:
        return _digest("exception", kind, route, normalize_message(info.message), *of_members)
    parts: list[str] = []
    for frame in in_app:
        part = stable_name(f"{frame.module}:{frame.function}")
        if part not in parts and (frame is in_app[-1] or not _is_wrapper(frame.function)):  # recursion counts once
            parts.append(part)
    constraint = constraint_of(info.message)
    line = " ".join(in_app[-1].context_line.split())
    return _digest("exception", kind, *parts, line, *([constraint] if constraint else []), *of_members)


def stable_name(name: str) -> str:
    """
    Return the *name* of a class or function without what differs each time it is generated.

    A comprehension has the name of what is around it, in which it runs from Python 3.12 on (PEP 709).
    """
    return _GENERATED.sub("{generated}", _COMPREHENSION.sub("", name))


def _is_wrapper(function: str) -> bool:
    """Return whether *function* is what a decorator puts around another: a bug is the same with it and without."""
    return "<locals>" in function and function.rpartition(".")[2] in _WRAPPER_NAMES


def constraint_of(message: str) -> str:
    """Return what a database says was violated, in the words of SQLite, PostgreSQL, MySQL or Oracle, or ``""``."""
    for pattern in _CONSTRAINTS:
        found = pattern.search(message[:1_000])
        if found:
            return found[1][:200]
    return ""


def fingerprint_from_parts(parts: Sequence[str], default: str) -> str:
    """Return the fingerprint that the host asks for; ``"{{ default }}"`` among *parts* stands for *default*."""
    named = [default if part.replace(" ", "") == "{{default}}" else part for part in parts]
    return default if named == [default] else _digest("custom", *named)


def fingerprint_for_message(message: str, logger: str) -> str:
    """Return the fingerprint of a message without an exception."""
    return _digest("message", logger, normalize_message(message))


def _digest(*parts: str) -> str:
    data = "\x1f".join((str(VERSION), *parts)).encode("utf-8", "replace")
    return hashlib.sha256(data).hexdigest()[:FINGERPRINT_CHARS]
