"""
Which refused requests are noise: scanners, foreign host names, clients that went away.

Decided by names in data files, one per line, matched as a whole: no pattern
that a path could slow down. Noise is stored and counted in groups of its own,
and is never evidence of a bug.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.exceptions import DisallowedHost, RequestAborted
from django.http import UnreadablePostError
from django.middleware.csrf import REASON_CSRF_TOKEN_MISSING

if TYPE_CHECKING:
    from django.http import HttpRequest

SCANNER = "scanner"
FOREIGN_HOST = "host"
DISCONNECT = "disconnect"

#: What a group of noise is called.
TITLES = {
    SCANNER: "{what} for scanners",
    FOREIGN_HOST: "{what} for host names that are not this site's",
    DISCONNECT: "Clients that went away in the middle of a request",
}
CLIENT_CLOSED_REQUEST = 499  # nginx's status for it; no response ever has it
BAD_REQUEST = 400
PATH_CHARS = 500
AGENT_CHARS = 300


@cache
def _names(file_name: str) -> frozenset[str]:
    text = (Path(__file__).parent / "data" / file_name).read_text(encoding="utf-8")
    return frozenset(line for line in text.split("\n") if line and not line.startswith("#"))


def noise_of(request: HttpRequest, status_code: int, route: str = "") -> str:
    """Return the class of noise that the refused *request* is, ``""`` for none; what *route* itself names is none."""
    if status_code == BAD_REQUEST and has_foreign_host(request):
        return FOREIGN_HOST
    agent = str(request.META.get("HTTP_USER_AGENT", ""))[:AGENT_CHARS]
    return SCANNER if is_scanner_path(request.path, route) or is_scanner_agent(agent) else ""


def is_disconnect(exception: BaseException | None) -> bool:
    """Return whether *exception* only says that the client went away while it sent its request."""
    return issubclass(type(exception), (UnreadablePostError, RequestAborted))


def is_unread(request: HttpRequest, csrf_reason: str) -> bool:
    """Return whether a CSRF failure only says that the client went away while it sent its form, as Django takes it."""
    return csrf_reason == REASON_CSRF_TOKEN_MISSING and request.method == "POST" and "_post" not in request.__dict__


def is_scanner_path(path: str, route: str = "") -> bool:
    """
    Return whether only a scanner would ask a Django site for *path*: other systems' files, secrets, backups.

    Not where the site's own *route* has the name: it may well be about Jenkins.
    """
    names = _names("scanner_paths.txt")
    own = route.lower().split("/") if route else ()
    for segment in path[:PATH_CHARS].lower().split("/"):
        _, dot, extension = segment.rpartition(".")
        if segment in names or segment.startswith(".env") or (dot and f"*.{extension}" in names):
            return segment not in own
    return False


@lru_cache(maxsize=1_024)
def is_scanner_agent(agent: str) -> bool:
    """Return whether *agent* is a tool that looks for weaknesses."""
    lowered = agent.lower()
    return any(name in lowered for name in _names("scanner_agents.txt"))


def has_foreign_host(request: HttpRequest) -> bool:
    """Return whether the request asks for a host that ALLOWED_HOSTS does not name."""
    try:
        request.get_host()
    except DisallowedHost:
        return True
    return False
