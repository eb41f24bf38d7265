"""
What the setting ``PUBLISH`` adds to a report: scrubbed values, as they were stored.

Without the setting no value of a visitor leaves the site. Names are public ones here too.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_plus

from error_tracking import conf
from error_tracking.models import ErrorLog

from .known_names import PublicNames

# The parts of a request whose names a client chooses, or a URL pattern.
_PARTS_WITH_NAMES = frozenset({"query", "body", "kwargs"})
_QUERY_NAME = re.compile(r"([?&])([^=&#]{1,300})")
_QUOTED = re.compile(r"(['\"])(.*)\1", re.DOTALL)


def published_details(
    log: ErrorLog,
    request: dict[str, Any],
    frames: list[dict[str, Any]],
    names: PublicNames,
) -> dict[str, Any]:
    """Return what PUBLISH names: scrubbed values as stored, with public names."""
    local_variables = []
    for frame in frames:
        if frame.get("vars"):
            public = {name: names.tree(each) for name, each in frame["vars"].items()}
            local_variables.append(public)
    found = {
        "message": _public_message(log, names),
        "request": _public_request(log, request, names),
        "user": {
            "id": str(log.user_id or ""),
            "name": log.user_label,
            "address": log.ip_address or "",
        },
        "locals": local_variables,
    }
    publish = conf.get_settings().PUBLISH
    return {name: value for name, value in found.items() if value and name in publish}


def _public_message(log: ErrorLog, names: PublicNames) -> str:
    # The message of a KeyError, and of Django's MultiValueDictKeyError, is a name.
    if not log.exception_type.endswith("KeyError"):
        return log.exception_message
    return _QUOTED.sub(lambda match: repr(names.name(match[2])), log.exception_message)


def _public_request(
    log: ErrorLog, request: dict[str, Any], names: PublicNames
) -> dict[str, Any]:
    public: dict[str, Any] = {}
    if log.full_url:
        public["url"] = _QUERY_NAME.sub(
            lambda match: match[1] + names.name(unquote_plus(match[2])), log.full_url
        )
    for name, part in request.items():
        if name in _PARTS_WITH_NAMES:
            public[name] = names.tree(part)
        elif name == "files":
            public[name] = [
                {**file, "field": names.name(file["field"])} for file in part
            ]
        else:
            public[name] = part
    return public
