"""
Makes the fingerprint of an event, by versioned rules.

Version 1: an exception is its type with the in-app frames (module and function,
and the text of the raising line, or template and node); a refused row also its
constraint, a group also its members; endless recursion is the functions of its
cycle; without in-app frames it is its innermost library frames, the pattern of its
message and, unless that says it all, its route; a response without an exception is
its kind, status and route.
Never a line number, an absolute path or a raw message. Rules are never edited
in place once 0.1.0 is tagged: a new version is written beside the old.
"""

from __future__ import annotations

import functools
import hashlib
import re
from typing import TYPE_CHECKING

from .message_pattern import GENERATED, message_pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .event import ExceptionInfo, Frame

VERSION = 1
FINGERPRINT_CHARS = 32
# Kinds, statuses and routes of a site. A client can make no more of them: a URL that
# does not resolve has no route.
KEPT_RESPONSES = 1_024
UNRESOLVED = ""

_SEGMENT_RULES = (
    (
        re.compile(
            r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
            re.IGNORECASE,
        ),
        "{uuid}",
    ),
    (
        re.compile(r"^[^@\s]{1,64}@[^@\s]{1,190}\.[a-z]{2,24}$", re.IGNORECASE),
        "{email}",
    ),
    (re.compile(r"^\d{4}-\d{2}-\d{2}$"), "{date}"),
    (re.compile(r"^[-+]?\d{1,40}$"), "{id}"),
    (re.compile(r"^(?=.*\d)[0-9a-f]{12,128}$", re.IGNORECASE), "{hash}"),
    (re.compile(r"^(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9_=-]{20,256}$"), "{token}"),
)

_COMPREHENSION = re.compile(r"(?:\.<locals>)?\.<(?:list|dict|set)comp>")
# What people call the function that a decorator returns.
_WRAPPER_NAMES = frozenset(
    {
        "wrapper",
        "inner",
        "wrapped",
        "wrap",
        "decorated",
        "decorator",
        "inner_func",
        "inner_function",
        "wrapped_view",
        "wrapper_func",
        "_wrapper",
        "_inner",
        "_wrapped",
        "_decorated",
        "_wrapped_view",
        "_wrapper_view",
        "decorated_function",
        "wrapped_function",
    }
)
_CONSTRAINTS = (
    re.compile(r"constraint \"([^\"\n]{1,200})\""),  # PostgreSQL
    re.compile(
        r"null value in column (\"[^\"\n]{1,200}\" of relation \"[^\"\n]{1,200}\")"
    ),
    re.compile(
        r"((?:UNIQUE|NOT NULL|CHECK) constraint failed: [^\n]{1,200}"
        r"|FOREIGN KEY constraint failed)"
    ),  # SQLite
    re.compile(r" for key '([^'\n]{1,200})'"),  # MySQL
    re.compile(r"CONSTRAINT `([^`\n]{1,200})`"),
    re.compile(
        r"(Column '[^'\n]{1,200}' cannot be null"
        r"|Field '[^'\n]{1,200}' doesn't have a default)"
    ),
    re.compile(r"constraint \(([^()\n]{1,200})\) violated"),  # Oracle
)
#: Members of a group that count: a group of many tasks mostly has few causes, and
#: which of its tasks fail differs each time.
MEMBERS = 3
#: What was called in a library, and how it was reached inside the library.
LIBRARY_FRAMES = 3

#: What says by its message what is missing, whatever the route.
_CONFIGURATION_ERRORS = frozenset(
    {
        "AppRegistryNotReady",
        "ImportError",
        "ImproperlyConfigured",
        "ModuleNotFoundError",
        "TemplateDoesNotExist",
        "TemplateSyntaxError",
    }
)
_CONVERTER = re.compile(r"<(?:[^<>:]{1,60}:)?([^<>:]{1,60})>")
_GROUP = re.compile(
    r"\\.|\((?:\?P<(\w{1,60})>)?(?:[^()\\]|\\.)*\)", re.DOTALL
)  # without another one in it


def normalize_path(path: str) -> str:
    """
    Return *path* with the parts that differ per object named.

    ``/pets/123/`` → ``/pets/{id}/``.
    """
    path = re.sub(
        r"^[a-z][a-z0-9+.-]{0,20}://[^/?#]*", "", path[:4_000], flags=re.IGNORECASE
    )
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
    route = re.sub(r"(?<!\\)[\^$]|\\[AZz]", "", route)
    # A quantifier says how often, not what: "/?" is an optional slash.
    route = re.sub(r"(?<=[\w/}\])-])(?:[?*+]|\{\d{0,4},?\d{0,4}\})[?+]?", "", route)
    route = route.replace("\\", "")
    return "/" + route.lstrip("/")


def _replace_groups(pattern: str) -> str:
    """
    Put ``{name}`` in the place of each group of a regular expression.

    Inner ones first, which go with the outer.
    """
    before = ""
    while before != pattern:
        before, pattern = pattern, _GROUP.sub(_name_of_group, pattern)
    return pattern


def _name_of_group(match: re.Match[str]) -> str:
    if match[0].startswith("\\"):
        return match[0]
    name = match[1] or "arg"
    return f"{{{name}}}"


@functools.lru_cache(maxsize=KEPT_RESPONSES)
def fingerprint_for_response(
    error_type: str, status_code: int, route: str, detail: str = ""
) -> str:
    """
    Return the fingerprint of a response without an exception.

    Args:
        error_type: The kind of response, a constant of ``events.event``.

        status_code: Its status.

        route: The normalised route, or ``""`` where the URL does not resolve: all of
            those share one group per kind and status, or a scanner that tries a
            thousand paths would make a thousand groups.

        detail: Tells apart what happens on one route: the reason of a CSRF failure, a
            class of noise.
    """
    details = [message_pattern(detail)] if detail else []
    return _digest("response", error_type, str(status_code), route, *details)


def fingerprint_for_exception(
    info: ExceptionInfo, route: str, members: Sequence[ExceptionInfo] = ()
) -> str:
    """
    Return the fingerprint of an exception.

    Args:
        info: What was raised, with its frames.

        route: The normalised route, or the task, command or job it happened in.

        members: The members of an exception group, if it is one.
    """
    kind = stable_name(info.qualified_type)
    if info.is_recursion:
        cycle = sorted({_name_of(frame) for frame in info.recursion_cycle})
        return _digest("exception", kind, *cycle)
    of_members = _parts_of_members(members)
    in_app = [frame for frame in info.frames if frame.in_app]
    if not in_app:
        return _fingerprint_in_library(info, kind, route, of_members)
    # The text of the raising line without its indentation: an edit above it changes
    # nothing, an edit of the line itself may be another bug.
    parts = [*_parts_of_frames(in_app), " ".join(in_app[-1].context_line.split())]
    constraint = constraint_of(info.message)
    if constraint:
        parts.append(constraint)
    return _digest("exception", kind, *parts, *of_members)


def _parts_of_members(members: Sequence[ExceptionInfo]) -> list[str]:
    """Return types and places of the members of a group, in no order of their own."""
    parts = {
        f"{stable_name(each.qualified_type)} in {each.culprit}" for each in members
    }
    return sorted(parts)[:MEMBERS]


def _parts_of_frames(frames: Sequence[Frame]) -> list[str]:
    """Return the functions of *frames*: each once, and without wrappers around one."""
    parts: list[str] = []
    innermost = frames[-1]
    for frame in frames:
        part = _name_of(frame)
        is_left_out = _is_wrapper(frame.function) and frame is not innermost
        if part not in parts and not is_left_out:
            parts.append(part)
    return parts


def _fingerprint_in_library(
    info: ExceptionInfo, kind: str, route: str, of_members: Sequence[str]
) -> str:
    """
    Return the fingerprint of an exception without a frame of the project.

    What the project configured wrongly (a template, a setting, an import) has one
    cause on all routes; anything else, such as a generic view's query, is configured
    per route.
    """
    inner = [_name_of(frame) for frame in info.frames[-LIBRARY_FRAMES:]]
    names_its_cause = info.type in _CONFIGURATION_ERRORS
    if names_its_cause and info.subject:
        text = info.subject
    else:
        message = info.message
        if info.subject:
            # PostgreSQL quotes the statement below, with its values.
            message = message.partition("\n")[0]
        text = constraint_of(info.message) or message_pattern(message)
    return _digest(
        "exception",
        kind,
        "" if names_its_cause else route,
        *inner,
        text,
        *of_members,
    )


def _name_of(frame: Frame) -> str:
    return stable_name(f"{frame.module}:{frame.function}")


def stable_name(name: str) -> str:
    """
    Return a class's or function's *name* without what is generated in it.

    A comprehension has the name of what is around it, in which it runs from Python 3.12
    on (PEP 709).
    """
    return GENERATED.sub("{generated}", _COMPREHENSION.sub("", name))


def _is_wrapper(function: str) -> bool:
    """
    Return whether *function* is what a decorator puts around another.

    A bug is the same with it and without.
    """
    return "<locals>" in function and function.rpartition(".")[2] in _WRAPPER_NAMES


def constraint_of(message: str) -> str:
    """
    Return which constraint a database says was violated, ``""`` for none.

    In the words of SQLite, PostgreSQL, MySQL or Oracle.
    """
    for pattern in _CONSTRAINTS:
        found = pattern.search(message[:1_000])
        if found:
            return found[1][:200]
    return ""


def fingerprint_from_parts(parts: Sequence[str], default: str) -> str:
    """
    Return the fingerprint that the project asks for.

    ``"{{ default }}"`` among *parts* stands for *default*.
    """
    named: list[str] = []
    for part in parts:
        is_default = part.replace(" ", "") == "{{default}}"
        named.append(default if is_default else part)
    if named == [default]:
        return default
    return _digest("custom", *named)


def fingerprint_for_message(message: str, logger: str) -> str:
    """Return the fingerprint of a message without an exception."""
    return _digest("message", logger, message_pattern(message))


def _digest(*parts: str) -> str:
    data = "\x1f".join((str(VERSION), *parts)).encode("utf-8", "replace")
    return hashlib.sha256(data).hexdigest()[:FINGERPRINT_CHARS]
