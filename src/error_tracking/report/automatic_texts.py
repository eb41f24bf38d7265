"""
Title, cause and description of a new bug, before anybody has looked at it.

Known names only: they are shown in the admin, and leave the site.
"""

from __future__ import annotations

from typing import Any

from error_tracking.models import ErrorGroup, ErrorLog

from .log_values import complete_log, known_title, values_from
from .public_title import names_something
from .stack import exception_line


def automatic_description(group: ErrorGroup) -> str:
    """
    Return what a new bug of *group* is described by, before anybody has looked at it.

    The message as far as it is code, the route, the place and the first release.
    """
    values: dict[str, Any] = {}
    log = _log_of(group)
    if log is not None:
        # Made when a bug is found, perhaps while a process ends: no time for libraries.
        values = values_from(log, reads_libraries=False)
    frames = values.get("frames") or ()
    place = group.culprit
    if frames:
        # Endless recursion has the place where it began.
        started = [each for each in frames if place.endswith(f".{each.function}")]
        frame = started[0] if started else frames[-1]
        place = f"{frame.filename} in {frame.function}"
    kind = values.get("exception_type", "")
    what = exception_line(kind, values.get("message", ""))
    if not kind:
        what = known_title(group.title, log)
    facts = {
        "Route": f"{values.get('method', '')} {group.route}".strip(),
        "Place": place,
        "First release": group.first_release,
    }
    lines = [f"{label}: {text}" for label, text in facts.items() if text]
    return "\n".join([what, "", *lines]).strip()


def automatic_title(group: ErrorGroup) -> str:
    """Return the title of a new bug of *group*: its own, with known names only."""
    # Most titles name nothing, and need no query.
    if not names_something(group.title):
        return group.title
    return known_title(group.title, _log_of(group))


def automatic_cause(group: ErrorGroup) -> str:
    """Return the cause of *group* with known names only."""
    if not names_something(group.cause):
        return group.cause
    return known_title(group.cause, _log_of(group))


def _log_of(group: ErrorGroup) -> ErrorLog | None:
    return complete_log([group.pk])
