"""
An ``HttpRequest`` to plain data, whatever state the request is in.

Takes only what the request already holds: never reads the body, never runs a
query, never evaluates a lazy user or session, never validates the host
(FAULTS C07-C16). Each part has its own guard: one that fails costs that part.
"""

from __future__ import annotations

import functools
import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.urls import Resolver404, resolve
from django.utils.functional import LazyObject, empty
from django.utils.translation import get_language_from_path
from django.views.debug import SafeExceptionReporterFilter, get_exception_reporter_filter

from . import conf
from .fingerprint import UNRESOLVED, normalize_path, normalize_route
from .scrubbing import FILTERED, TRUNCATED
from .utils import clean_line, masked_ip, safe_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.urls import ResolverMatch

URL_CHARS = 4_000
AGENT_CHARS = 300
METHOD_CHARS = 16
FILE_NAME_CHARS = 100
LABEL_CHARS = 150
JSON_BODY_BYTES = 16_384
FAILED = "<not readable>"


def guarded(function: Callable[..., Any], *args: object, default: object = FAILED) -> Any:  # noqa: ANN401
    """Return what *function* returns, or *default*: no state of the request costs the event (FAULTS C13)."""
    try:
        return function(*args)
    except Exception:  # noqa: BLE001  each accessor of a request may raise anything of the host's
        return default


def resolver_match_for(request: HttpRequest) -> ResolverMatch | None:
    """Return the request's match, resolved here where an outer middleware answered before Django did."""
    match: ResolverMatch | None = request.__dict__.get("resolver_match")
    if match is not None:
        return match
    try:
        return resolve(request.path_info, request.__dict__.get("urlconf"))
    except Resolver404:
        return None


def route_for(request: HttpRequest) -> str:
    """Return the normalised route, or ``""`` for a URL that does not resolve."""
    match = guarded(resolver_match_for, request, default=None)
    if match is None:
        return UNRESOLVED
    urlconf = request.__dict__.get("urlconf") or conf.host("ROOT_URLCONF")
    return guarded(_route_in, urlconf, match.route, default=match.route)  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=2_048)
def _route_in(urlconf: str, route: str) -> str:
    """Return the normalised *route* without the prefix of ``i18n_patterns``: a bug is the same in every language."""
    is_prefixed, _ = is_language_prefix_patterns_used(urlconf)
    return normalize_route(route.partition("/")[2] if is_prefixed and get_language_from_path(f"/{route}") else route)


def url_for(request: HttpRequest) -> str:
    """Return the URL without secrets; an invalid host is text like any other (FAULTS C07)."""
    scrubber = conf.get_scrubber()
    host = scrubber.line(str(request.META.get("HTTP_HOST") or request.META.get("SERVER_NAME") or ""), 200)
    match = request.__dict__.get("resolver_match")
    path = scrubber.path(request.path, match.kwargs if match is not None else None)
    text = "&".join(f"{name}={value}" for name, value in _query(request).items())
    scheme = "https" if guarded(request.is_secure, default=False) else "http"
    return clean_line(f"{scheme}://{host}{path}{'?' + text if text else ''}", URL_CHARS)


def user_for(request: HttpRequest) -> tuple[str, str]:
    """Return id and label of the user as the request already knows them; ``("", "")`` else (FAULTS C08, C09)."""
    user = request.__dict__.get("user")
    if isinstance(user, LazyObject):
        user = user.__dict__.get("_wrapped", empty)
    if user is None or user is empty:
        user = request.__dict__.get("_cached_user") or request.__dict__.get("_acached_user")
    if user is not None and getattr(user, "pk", None) is not None:
        label = safe_text(guarded(user.get_username, default=""), LABEL_CHARS)
        return clean_line(str(user.pk), 64), clean_line(label, LABEL_CHARS)
    session = request.__dict__.get("session")
    cached = getattr(session, "_session_cache", None) if session is not None else None
    if isinstance(cached, dict) and "_auth_user_id" in cached:
        return clean_line(str(cached["_auth_user_id"]), 64), ""
    return "", ""


def client_address(request: HttpRequest) -> str:
    """Return the client's address; a proxy's word counts only as TRUSTED_PROXIES says (FAULTS B05)."""
    hops = conf.get_settings().TRUSTED_PROXIES
    remote = str(request.META.get("REMOTE_ADDR") or "")
    if hops:
        forwarded = [part.strip() for part in str(request.META.get("HTTP_X_FORWARDED_FOR", ""))[:1_000].split(",")]
        chain = [part for part in forwarded if part]
        if chain:
            return chain[-min(hops, len(chain))]
    return remote


def client_hash(request: HttpRequest, user_id: str, fingerprint: str) -> str:
    """Return 16 hex digits that tell clients of one group apart and identify nobody."""
    return client_hash_of(f"user:{user_id}" if user_id else f"ip:{client_address(request)}", fingerprint)


def client_hash_of(who: str, fingerprint: str) -> str:
    """Return the hash of one client, ``"user:…"`` or ``"ip:…"``, in the group with *fingerprint*."""
    key = _client_key(conf.host("SECRET_KEY"))
    # Keyed BLAKE2 (RFC 7693, 2.9), a MAC like HMAC, which would let other threads run in the middle of the request.
    return hashlib.blake2b(f"{fingerprint}:{who}".encode(), key=key, digest_size=8).hexdigest()


@functools.lru_cache(maxsize=1)
def _client_key(secret: str) -> bytes:
    return hashlib.sha256(f"error_tracking.client:{secret}".encode()).digest()


def is_linked_from_host(request: HttpRequest, header: str = "HTTP_REFERER") -> bool:
    """Return whether *header* names this very host."""
    host = str(request.META.get("HTTP_HOST") or "")
    return bool(host) and urlsplit(str(request.META.get(header, ""))[:URL_CHARS]).netloc == host


def context_for(request: HttpRequest) -> dict[str, Any]:
    """Return the request's headers, query, parsed body and files as plain data without secrets."""
    scrubber = conf.get_scrubber()
    context: dict[str, Any] = {
        "headers": guarded(lambda: scrubber.headers(_headers(request))),
        "query": guarded(_query, request),
        "kwargs": guarded(_kwargs, request),
    }
    body = guarded(_body, request)
    if body is not None:
        context["body"] = body
    files = guarded(_files, request)
    if files:
        context["files"] = files
    return {name: value for name, value in context.items() if value}


def _headers(request: HttpRequest) -> list[tuple[str, str]]:
    headers = [(name[5:], value) for name, value in request.META.items() if name.startswith("HTTP_")]
    headers += [(name, request.META[name]) for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if request.META.get(name)]
    return [(name.replace("_", "-").title(), str(value)) for name, value in headers]


def _query(request: HttpRequest) -> dict[str, str]:
    query = str(request.META.get("QUERY_STRING", ""))[:URL_CHARS]
    return conf.get_scrubber().query(parse_qsl(query, keep_blank_values=True, max_num_fields=200))


def _kwargs(request: HttpRequest) -> Any:  # noqa: ANN401  JSON
    match = request.__dict__.get("resolver_match")
    if match is None:
        return None
    return conf.get_scrubber().tree({**match.kwargs, "arg": list(match.args)} if match.args else match.kwargs)


def _body(request: HttpRequest) -> Any:  # noqa: ANN401  JSON
    """Return the body only where the host has parsed or read it already (FAULTS C12)."""
    scrubber = conf.get_scrubber()
    post = request.__dict__.get("_post")
    if post:
        hidden = _sensitive_names(request)
        form = {name: post.getlist(name) for name in list(post)[:50]}
        flat = {name: values[0] if len(values) == 1 else values for name, values in form.items()}
        if hidden is None:
            return dict.fromkeys(scrubber.tree(flat), FILTERED)
        return scrubber.tree({name: FILTERED if name in hidden else value for name, value in flat.items()})
    raw = request.__dict__.get("_body")
    if not raw or "json" not in str(request.META.get("CONTENT_TYPE", "")):
        return None
    if len(raw) > JSON_BODY_BYTES:
        return TRUNCATED
    try:
        return scrubber.tree(json.loads(raw))
    except (ValueError, RecursionError):
        return FAILED


def _sensitive_names(request: HttpRequest) -> frozenset[str] | None:
    """Return the names of ``sensitive_post_parameters`` and what the host's filter hides; None for all (FAULTS V06)."""
    names = getattr(request, "sensitive_post_parameters", ())
    if names == "__ALL__":
        return None
    chosen = get_exception_reporter_filter(request)
    if type(chosen) is SafeExceptionReporterFilter:
        return frozenset(names)
    post = request.__dict__["_post"]
    shown = chosen.get_post_parameters(request)
    return frozenset(names) | {name for name in post if name not in shown or shown.get(name) != post.get(name)}


def _files(request: HttpRequest) -> list[dict[str, Any]]:
    files, line = request.__dict__.get("_files") or {}, conf.get_scrubber().line
    return [
        {
            "field": line(field, 100),
            "name": line(str(upload.name), FILE_NAME_CHARS),
            "size": upload.size,
            "content_type": line(str(upload.content_type), 100),
        }
        for field, upload in list(files.items())[:20]
    ]


def columns_for(request: HttpRequest | None) -> dict[str, Any]:
    """Return the fields of an event that come from the request, each part guarded on its own; nothing outside one."""
    if request is None:
        return {}
    scrubber = conf.get_scrubber()
    route = route_for(request)
    return {
        "method": clean_line(str(request.method or ""), METHOD_CHARS),
        "route": route or guarded(lambda: normalize_path(scrubber.path(request.path)), default=""),
        "url": guarded(url_for, request, default=""),
        "ip_address": guarded(ip_for, request, default=""),
        "user_agent": guarded(
            lambda: scrubber.line(str(request.META.get("HTTP_USER_AGENT", "")), AGENT_CHARS), default=""
        ),
        "request": context_for(request),
    }


def ip_for(request: HttpRequest) -> str:
    """Return the client's address as IP_ADDRESSES says, or ``""``."""
    return masked_ip(client_address(request), mode=conf.get_settings().IP_ADDRESSES) or ""
