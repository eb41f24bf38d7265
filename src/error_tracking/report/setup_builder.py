"""Builds the set-up of a generated test from a stored error log."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.urls import URLPattern
from django.utils.translation import get_language_from_path

from error_tracking.models import ErrorLog

from .code_places import app_of, place_of_view, places_of, raising_line
from .data_files import content_like, encoding_of, like_name
from .known_names import PublicNames
from .placeholders import Shape, placeholder_argument
from .row_builder import rows_of
from .setup import PathArgument, Setup
from .views import permissions_of

PATH_KINDS = ("file", "folder", "missing")
USER_KINDS = ("anonymous", "plain", "staff", "superuser")
#: Headers with credentials that are common; others must be in the project's code.
COMMON_CREDENTIALS = frozenset(
    {
        *("Authorization", "X-Api-Key", "Api-Key", "X-Auth-Token", "X-Access-Token"),
        *("X-Token", "X-Signature", "X-Hub-Signature-256"),
    }
)
WILDCARD_HOST = "example"
SEGMENT = "app"
SEGMENTS = 4


def setup_from(
    log: ErrorLog,
    frames: list[dict[str, Any]],
    names: PublicNames,
    shapes: dict[str, Shape],
    pattern: URLPattern | None,
    view: str,
) -> Setup:
    """
    Return what a test needs to repeat the failure that *log* has.

    Args:
        log: The stored error.
        frames: The project's own frames in it.
        names: Which names may leave.
        shapes: Of ``kwargs``, ``query`` and ``body``, and of their parts.
        pattern: That of the route, None where there is none.
        view: The view where there are no frames.
    """
    stored = mapping(mapping(log.context).get("setup"))
    request = mapping(log.request_data)
    places = places_of(frames) or place_of_view(view)
    user_kind = stored.get("user")
    headers = mapping(request.get("headers"))
    return Setup(
        user_kind=user_kind if user_kind in USER_KINDS else "",
        permissions=permissions_of(pattern.callback) if pattern is not None else (),
        credentials=_credentials(stored, names),
        prefix=_language_prefix(log, str(stored.get("script_name") or "")),
        script_name=_script_name(stored, names),
        host=_host(log),
        is_secure=log.full_url.startswith("https:"),
        is_form="form" in str(headers.get("Content-Type", "")),
        session=_session(stored, names),
        rows=rows_of(log, stored, names, shapes),
        paths=_paths(mapping(mapping(log.context).get("command")), names),
        places=places,
        line=raising_line(frames),
        app=app_of(places),
    )


def mapping(value: Any) -> dict[str, Any]:
    """Return *value* if it is a mapping; stored JSON may be anything."""
    if isinstance(value, dict):
        return value
    return {}


def _credentials(stored: dict[str, Any], names: PublicNames) -> tuple[str, ...]:
    given = stored.get("credentials")
    if not isinstance(given, list):
        return ()
    return tuple(
        name
        for name in map(str, given)
        if name in COMMON_CREDENTIALS or names.knows_header(name)
    )


def _script_name(stored: dict[str, Any], names: PublicNames) -> str:
    """Return as many segments as the recorded name of the script has."""
    segments = str(stored.get("script_name") or "").strip("/").split("/")
    public = [name if names.knows(name) else SEGMENT for name in segments if name]
    return "".join(f"/{name}" for name in public[:SEGMENTS])


def _language_prefix(log: ErrorLog, script_name: str) -> str:
    """Return the language in front of the path, which the route does not have."""
    urlconf = getattr(django_settings, "ROOT_URLCONF", "")
    try:
        # A host that was scrubbed, http://[Filtered]/, is no address any more.
        path = urlsplit(log.full_url).path.removeprefix(script_name.rstrip("/"))
        is_used, _ = is_language_prefix_patterns_used(urlconf)
        language = get_language_from_path(path)
    except Exception:  # noqa: BLE001  perhaps the first import of the project's URLs
        return ""
    if not is_used or not language:
        return ""
    first_segment = path.removeprefix("/").partition("/")[0]
    if not first_segment or log.url_pattern.startswith(f"/{first_segment}/"):
        return ""
    return f"/{first_segment}"


def _host(log: ErrorLog) -> str:
    """Return a host like the recorded one where the project has several, else ``""``."""
    try:
        host = urlsplit(log.full_url).hostname or ""
    except ValueError:
        return ""
    allowed = [str(each) for each in django_settings.ALLOWED_HOSTS]
    if host in allowed:
        exact = [each for each in allowed if not each.startswith((".", "*"))]
        return host if len(exact) > 1 and host != "testserver" else ""
    for pattern in allowed:
        # A subdomain may be the name of a customer.
        if pattern.startswith(".") and host.endswith(pattern):
            return f"{WILDCARD_HOST}{pattern}"
    return ""


def _session(stored: dict[str, Any], names: PublicNames) -> dict[str, Shape]:
    """Return what the session had under names that the project knows."""
    found: dict[str, Shape] = {}
    for name, shape in mapping(stored.get("session")).items():
        if names.name(name) == name:
            found[name] = names.tree(shape)
    return found


def _paths(command: dict[str, Any], names: PublicNames) -> tuple[PathArgument, ...]:
    """Return which arguments are paths, with files like theirs."""
    arguments = command.get("arguments")
    if not isinstance(arguments, list):
        return ()
    found = []
    for position, word in enumerate(arguments):
        stored = mapping(mapping(command.get("paths")).get(str(position)))
        kind = stored.get("kind")
        if kind not in PATH_KINDS:
            continue
        option = ""
        if str(word).startswith("-"):
            option = placeholder_argument(str(word)).partition("=")[0] + "="
        content = content_like(stored, names)
        found.append(
            PathArgument(
                position,
                option,
                kind,
                like_name(stored),
                "example" if content is None else content,
                encoding_of(stored),
            )
        )
    return tuple(found)
