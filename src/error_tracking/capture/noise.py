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

from django.apps import apps
from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    PermissionDenied,
    RequestAborted,
    SuspiciousOperation,
)
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.middleware.csrf import REASON_CSRF_TOKEN_MISSING

from error_tracking.events.kinds import DISCONNECT, FOREIGN_HOST, OWN_PAGES, SCANNER

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.urls import ResolverMatch

APP_LABEL = "error_tracking"

#: What a group of noise is called.
TITLES = {
    SCANNER: "{what} for scanners",
    FOREIGN_HOST: "{what} for host names that are not this site's",
    DISCONNECT: "Clients that went away in the middle of a request",
    OWN_PAGES: "{what} on error_tracking's own pages",
}
CLIENT_CLOSED_REQUEST = 499  # nginx's status for it; no response ever has it
BAD_REQUEST = 400
UNAVAILABLE = 503
SERVER_ERROR_STATUS = 500
PATH_CHARS = 500
AGENT_CHARS = 300


#: What Django's handler answers with a 4xx (django.core.handlers.exception).
_REFUSALS = (
    Http404,
    PermissionDenied,
    MultiPartParserError,
    BadRequest,
    SuspiciousOperation,
)


@cache
def _names(file_name: str) -> frozenset[str]:
    text = (Path(__file__).parent / "data" / file_name).read_text(encoding="utf-8")
    return frozenset(
        line for line in text.split("\n") if line and not line.startswith("#")
    )


def noise_of(request: HttpRequest, status_code: int, route: str = "") -> str:
    """
    Return the class of noise that the refused *request* is, ``""`` for none.

    Args:
        request: The request.

        status_code: What it was answered with.

        route: The project's route that it resolved to, ``""`` where it did not.
    """
    if status_code == BAD_REQUEST and has_foreign_host(request):
        return FOREIGN_HOST
    if is_own_page(request.__dict__.get("resolver_match")):
        return OWN_PAGES
    agent = str(request.META.get("HTTP_USER_AGENT", ""))[:AGENT_CHARS]
    if is_scanner_agent(agent):
        return SCANNER
    # A site may well have pages about Jenkins or backups: what it serves is its own.
    if not route and is_scanner_path(request.path_info):
        return SCANNER
    return ""


def is_own_page(match: ResolverMatch | None) -> bool:
    """
    Return whether *match* is a page of ours, in the admin or elsewhere.

    A staff member without the permission, or an old link to a bug, is no fault of the
    site.
    """
    if match is None:
        return False
    if APP_LABEL in match.app_names:
        return True
    if "admin" not in match.app_names:
        return False
    name = str(match.url_name)
    is_our_index = name == "app_list" and match.kwargs.get("app_label") == APP_LABEL
    return is_our_index or name.startswith(_own_admin_prefixes())


def is_health_answer(match: ResolverMatch | None, status_code: int) -> bool:
    """
    Return whether this is the health endpoint saying that somebody has to look.

    A monitor asks every minute. That must not be one more error each time.
    """
    if match is None or status_code != UNAVAILABLE:
        return False
    return APP_LABEL in match.app_names and match.url_name == "health"


@cache
def _own_admin_prefixes() -> tuple[str, ...]:
    """
    Return how the names of our admin pages begin.

    With the model, because another app's label may begin like ours.
    """
    models = apps.get_app_config(APP_LABEL).get_models()
    return tuple(f"{APP_LABEL}_{model._meta.model_name}_" for model in models)


def is_client_error(exception: BaseException) -> bool:
    """
    Return whether *exception* means a wrong request, not a failure of the site.

    Those are the classes that Django answers with a 4xx, and any whose own
    ``status_code`` is one: REST framework's ``APIException``, ninja's ``HttpError``.
    """
    kind = type(exception)
    if issubclass(kind, _REFUSALS):
        return True
    # No getattr() on the exception: a class of the project may compute anything there.
    own = vars(BaseException)["__dict__"].__get__(exception)
    status = own.get("status_code")
    for base in kind.__mro__:
        if status is not None:
            break
        status = base.__dict__.get("status_code")
    return type(status) is int and BAD_REQUEST <= status < SERVER_ERROR_STATUS


def is_disconnect(exception: BaseException | None) -> bool:
    """Return whether the client went away while it sent its request."""
    return issubclass(type(exception), (UnreadablePostError, RequestAborted))


def is_unread(request: HttpRequest, csrf_reason: str) -> bool:
    """
    Return whether a CSRF failure means that the client went away.

    If that happens while it sends its form, Django finds no token.
    """
    return (
        csrf_reason == REASON_CSRF_TOKEN_MISSING
        and request.method == "POST"
        and "_post" not in request.__dict__
    )


def is_scanner_path(path: str) -> bool:
    """
    Return whether only a scanner would ask a Django site for *path*.

    Other systems' files, secrets, backups.
    """
    names = _names("scanner_paths.txt")
    for segment in path[:PATH_CHARS].lower().split("/"):
        _, dot, extension = segment.rpartition(".")
        if segment in names or segment.startswith(".env"):
            return True
        if dot and f"*.{extension}" in names:
            return True
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
