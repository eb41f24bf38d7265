"""
Turns an ``HttpRequest`` into plain data, whatever state the request is in.

Takes only what the request already holds: never reads the body, never runs a query,
never evaluates a lazy user or session, never validates the host: each of these may
fail, block, or change what the project does next. Each part has its own guard: one that
fails costs that part.
"""

from __future__ import annotations

import functools
import json
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus, urlsplit

from django.conf import settings as django_settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.core.exceptions import DisallowedHost
from django.urls import Resolver404, resolve
from django.utils.functional import LazyObject, empty
from django.utils.translation import get_language_from_path
from django.views.debug import (
    SafeExceptionReporterFilter,
    get_exception_reporter_filter,
)

from error_tracking import conf
from error_tracking.client_hash import client_hash_of
from error_tracking.events.fingerprint import (
    UNRESOLVED,
    normalize_path,
    normalize_route,
)
from error_tracking.events.object_text import safe_text
from error_tracking.events.plain_data import tree_reader
from error_tracking.events.size_budget import CRASH, LOOKAHEAD_CHARS, Share, more
from error_tracking.scrubbing.event_secrets import note_all
from error_tracking.scrubbing.scrubber import (
    FILTERED,
    KEPT_HEADERS,
    MAX_BREADTH,
    TRUNCATED,
)
from error_tracking.utils import ADDRESS_CHARS, clean_line, masked_ip, subscriber_of

from .data_files import DataFileReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.urls import ResolverMatch

#: The fields of a query by name; a name that comes again has a list.
Query = dict[str, str | list[str]]

URL_CHARS = 4_000
HOST_CHARS = 200
# As many as anybody reads; the rest is left out. The scrubber has the same bound.
QUERY_FIELDS = 50
# Of one query, form or JSON body that is longer.
FIELD_CHARS = 1_000
PATH_CHARS = 1_000
HEADER_CHARS = 300
# The reader keeps one less than the scrubber, and one of these is the note of the rest.
FORM_FIELDS = MAX_BREADTH - 2
FILES = 20
AGENT_CHARS = 300
METHOD_CHARS = 16
FILE_NAME_CHARS = 100
LABEL_CHARS = 150
JSON_BODY_BYTES = 16_384
FAILED = "<not readable>"


def guarded(
    function: Callable[..., Any], *args: object, default: object = FAILED
) -> Any:
    """
    Return what *function* returns, or *default* if it fails.

    So a part of the request that cannot be read costs that part, and not the event.
    """
    try:
        return function(*args)
    except Exception:  # noqa: BLE001
        # Each accessor of a request may run the project's code, which may raise anything.
        return default


def resolver_match_for(request: HttpRequest) -> ResolverMatch | None:
    """
    Return the view that the request's path resolves to, None for none.

    It is resolved here where an outer middleware answered before Django did.
    """
    match: ResolverMatch | None = request.__dict__.get("resolver_match")
    if match is not None:
        return match
    try:
        return resolve(request.path_info, request.__dict__.get("urlconf"))
    except Resolver404:
        return None


def view_name(request: HttpRequest) -> str:
    """Return the dotted name of the view, ``""`` if the URL does not resolve."""
    match = guarded(resolver_match_for, request, default=None)
    return clean_line(str(getattr(match, "_func_path", "")), 200)


def route_for(request: HttpRequest) -> str:
    """Return the normalised route, or ``""`` for a URL that does not resolve."""
    match = guarded(resolver_match_for, request, default=None)
    if match is None:
        return UNRESOLVED
    urlconf = request.__dict__.get("urlconf") or django_settings.ROOT_URLCONF
    return guarded(_route_in, urlconf, match.route, default=match.route)  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=2_048)
def _route_in(urlconf: str, route: str) -> str:
    """
    Return the normalised *route* without the prefix of ``i18n_patterns``.

    A bug is the same in every language.
    """
    is_prefixed, _ = is_language_prefix_patterns_used(urlconf)
    if is_prefixed and get_language_from_path(f"/{route}"):
        route = route.partition("/")[2]
    return normalize_route(route)


def _url(request: HttpRequest, path: str, query: Query) -> str:
    """
    Return the URL of *path* and *query*, which are scrubbed.

    An invalid host is text like any other.
    """
    host = conf.get_scrubber().line(host_of(request)[:HOST_CHARS], HOST_CHARS)
    fields: list[str] = []
    for name, value in query.items():
        if name != "…":
            values = value if isinstance(value, list) else [value]
            fields += [f"{name}={each}" for each in values]
    if "…" in query:
        fields.append("…")
    text = "?" + "&".join(fields) if fields else ""
    scheme = "https" if guarded(request.is_secure, default=False) else "http"
    return clean_line(f"{scheme}://{host}{path}{text}", URL_CHARS)


def path_for(request: HttpRequest, share: Share) -> str:
    """Return the path without secrets."""
    read = share.granted(min(len(request.path), PATH_CHARS))
    match = request.__dict__.get("resolver_match")
    kwargs = match.kwargs if match is not None else None
    path: str = conf.get_scrubber().path(request.path[:read], kwargs)
    return path + more(len(request.path) - read, "characters")


def loaded_user(request: HttpRequest) -> Any:
    """Return the user of *request* if somebody has asked for it already, else None."""
    attributes = request.__dict__
    user = attributes.get("user")
    if isinstance(user, LazyObject):
        user = user.__dict__.get("_wrapped", empty)
    if user is None or user is empty:
        return attributes.get("_cached_user") or attributes.get("_acached_user")
    return user


def user_for(request: HttpRequest) -> tuple[str, str]:
    """
    Return id and label of the user as the request already knows them.

    ``("", "")`` if it does not: to ask a lazy user would run a query.
    """
    user = loaded_user(request)
    if user is not None and getattr(user, "pk", None) is not None:
        # Not every class of users has get_username(); the key is kept all the same.
        name = guarded(getattr(user, "get_username", str), default="")
        label = safe_text(name, LABEL_CHARS)
        return clean_line(str(user.pk), 64), clean_line(label, LABEL_CHARS)
    session = request.__dict__.get("session")
    cached = getattr(session, "_session_cache", None) if session is not None else None
    if isinstance(cached, dict) and "_auth_user_id" in cached:
        return clean_line(str(cached["_auth_user_id"]), 64), ""
    return "", ""


def client_address(request: HttpRequest) -> str:
    """
    Return the client's address.

    ``X-Forwarded-For`` counts only as TRUSTED_PROXIES says: anybody can send it. Each
    proxy appends the address it was called from, so what trusted proxies wrote stands
    at the right. All to the left of that is the client's own choice.
    """
    hops = conf.get_settings().TRUSTED_PROXIES
    remote = str(request.META.get("REMOTE_ADDR") or "")
    if not hops:
        return remote
    header = str(request.META.get("HTTP_X_FORWARDED_FOR", ""))
    # Cut at the left, where the client may write any amount. Between two entries stands
    # a comma with a blank.
    window = header[-hops * (ADDRESS_CHARS + 2) :]
    parts = window.split(",")
    if len(window) < len(header):
        del parts[0]  # the rest of one that was cut
    chain = [part.strip() for part in parts if part.strip()]
    if not chain:
        return remote
    return chain[-min(hops, len(chain))]


def client_hash(request: HttpRequest, user_id: str, fingerprint: str) -> str:
    """Return 16 hex digits that tell clients of one group apart and identify nobody."""
    if user_id:
        return client_hash_of(f"user:{user_id}", fingerprint)
    return client_hash_of(f"ip:{subscriber_of(client_address(request))}", fingerprint)


def host_of(request: HttpRequest) -> str:
    """
    Return the host that the request was sent to, as Django's settings say.

    These are USE_X_FORWARDED_HOST and the like. A host that ALLOWED_HOSTS does not name
    is returned as the text that it is: ``get_host()`` would raise.
    """
    try:
        return request.get_host()
    except (DisallowedHost, KeyError):
        host = request.META.get("HTTP_HOST") or request.META.get("SERVER_NAME")
        return str(host or "")


def is_from_own_origin(request: HttpRequest) -> bool:
    """
    Return whether ``Origin`` names this very host.

    Scheme and port may differ, as behind a proxy.
    """
    return _names_own_host(request, "HTTP_ORIGIN")


def is_linked_from_host(request: HttpRequest) -> bool:
    """
    Return whether a page of this very host led the client here, as ``Referer`` says.

    Browsers send one ``Referer`` and one ``Origin`` of the same page: where they
    contradict each other, the request is made up.
    """
    if not request.META.get("HTTP_REFERER"):
        return False  # as most requests that fail: programs send none
    has_origin = request.META.get("HTTP_ORIGIN", "null") != "null"
    if has_origin and not is_from_own_origin(request):
        return False
    return _names_own_host(request, "HTTP_REFERER")


def _names_own_host(request: HttpRequest, header: str) -> bool:
    value = request.META.get(header)
    if not value:
        return False
    try:
        url = urlsplit(str(value)[:URL_CHARS])
        own = urlsplit(f"//{request.get_host()}")
        is_web = url.scheme in {"http", "https"}
        return is_web and bool(own.hostname) and url.hostname == own.hostname
    except (DisallowedHost, KeyError, ValueError):
        return False


def context_for(
    request: HttpRequest,
    share: Share | None = None,
    exception: BaseException | None = None,
) -> dict[str, Any]:
    """
    Return headers, query, parsed body and files as plain, scrubbed data.

    What is short and says most comes first: it is read before *share* is used up.
    """
    share = share or Share(CRASH.request)
    context: dict[str, Any] = {
        "query": guarded(_query, request, share),
        "kwargs": guarded(_kwargs, request, share),
        "headers": guarded(_headers, request, share),
    }
    files = guarded(_files, request, exception, share)
    body = guarded(_body, request, share)
    if body is not None:
        context["body"] = body
    if files:
        context["files"] = files
    return {name: value for name, value in context.items() if value}


def _headers(request: HttpRequest, share: Share) -> dict[str, str]:
    headers: list[tuple[str, str]] = []
    for name in _HEADERS:
        value = request.META.get(_META_NAMES[name])
        if value is None or (value == "" and name.startswith("content-")):
            continue
        text = str(value)[: HEADER_CHARS + LOOKAHEAD_CHARS]
        if not share.take_characters(len(text)):
            text = more(len(text), "characters")
        headers.append((name.title(), text))
    return conf.get_scrubber().headers(headers)


def _meta_name(header: str) -> str:
    """Return where a WSGI server puts *header* (PEP 3333)."""
    name = header.upper().replace("-", "_")
    if name in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
        return name
    return f"HTTP_{name}"


# What most requests are understood by first: of the others, little may be read.
_FIRST_HEADERS = ("host", "content-type", "content-length", "user-agent", "accept")
_HEADERS = (*_FIRST_HEADERS, *sorted(KEPT_HEADERS - {*_FIRST_HEADERS}))
_META_NAMES = {name: _meta_name(name) for name in _HEADERS}


def _query(request: HttpRequest, share: Share) -> Query:
    """Return the first fields of the query by name, without secrets."""
    text = str(request.META.get("QUERY_STRING", ""))
    fields = text[:URL_CHARS].split("&", QUERY_FIELDS)[:QUERY_FIELDS]
    pairs: list[tuple[str, str]] = []
    is_complete = True
    for field in fields:
        if not share.take_item() or not share.take_characters(len(field)):
            is_complete = False
            break
        name, _equals, value = field.partition("=")
        if name or value:
            pairs.append((unquote_plus(name), unquote_plus(value)))
    found: Query = conf.get_scrubber().query(pairs)
    read = sum(len(field) + 1 for field in fields[: len(pairs)])
    if not is_complete or len(text) > read:
        left_out = more(len(text) - read, "characters")
        if left_out:
            found["…"] = left_out
    return found


def _kwargs(request: HttpRequest, share: Share) -> Any:
    match = request.__dict__.get("resolver_match")
    if match is None:
        return None
    given = dict(match.kwargs)
    if match.args:
        given["arg"] = list(match.args)
    scrubber = conf.get_scrubber()
    return scrubber.tree(tree_reader(share, scrubber).read_mapping(given))


def _body(request: HttpRequest, share: Share) -> Any:
    """Return the body only where the project has parsed or read it already."""
    scrubber = conf.get_scrubber()
    reader = tree_reader(share, scrubber)
    post = request.__dict__.get("_post")
    if post:
        form = _form(request, post)
        return scrubber.tree(reader.read_mapping(form))
    raw = request.__dict__.get("_body")
    if not raw or "json" not in str(request.META.get("CONTENT_TYPE", "")):
        return None
    # Parsing costs more the longer it is, read or not; a share that is small is one for
    # little time.
    if len(raw) > min(JSON_BODY_BYTES, 2 * share.characters):
        return TRUNCATED
    try:
        return scrubber.tree(reader.read(json.loads(raw)))
    except (ValueError, RecursionError):
        return FAILED


def _form(request: HttpRequest, post: Any) -> dict[str, Any]:
    """Return the first fields of a parsed form; what the project hides is filtered."""
    names = list(islice(post, FORM_FIELDS))
    hidden = _sensitive_names(request, names)
    form: dict[str, Any] = {}
    for name in names:
        if hidden is None or name in hidden or conf.get_scrubber().is_secret_key(name):
            note_all(post.getlist(name))
            form[name] = FILTERED
        else:
            values = post.getlist(name)
            form[name] = values[0] if len(values) == 1 else values
    left_out = more(len(post) - len(names), "fields")
    if left_out:
        form["…"] = left_out
    return form


def _sensitive_names(request: HttpRequest, names: list[str]) -> frozenset[str] | None:
    """
    Return which of *names* the project hides; None for all.

    It does so by ``sensitive_post_parameters`` or by a filter of its own.
    """
    marked = getattr(request, "sensitive_post_parameters", ())
    if marked == "__ALL__":
        return None
    chosen = get_exception_reporter_filter(request)
    if type(chosen) is SafeExceptionReporterFilter:
        return frozenset(marked)
    post = request.__dict__["_post"]
    shown = chosen.get_post_parameters(request)
    hidden = set(marked)
    for name in names:
        if name not in shown or shown.get(name) != post.get(name):
            hidden.add(name)
    return frozenset(hidden)


def _files(
    request: HttpRequest, exception: BaseException | None, share: Share
) -> list[dict[str, Any]]:
    uploads = request.__dict__.get("_files") or {}
    reader = DataFileReader(exception, share)
    line = conf.get_scrubber().line
    found: list[dict[str, Any]] = []
    for field, upload in islice(uploads.items(), FILES):
        texts = (field, str(upload.name), str(upload.content_type))
        length = sum(min(len(text), FILE_NAME_CHARS) for text in texts)
        if not share.take_item() or not share.take_characters(length):
            break
        field_name, name, content_type = (
            line(text[:FILE_NAME_CHARS], FILE_NAME_CHARS) for text in texts
        )
        file = {
            "field": field_name,
            "name": name,
            "size": upload.size,
            "content_type": content_type,
        }
        file |= guarded(reader.of_upload, upload, default={})
        found.append(file)
    return found


def columns_for(
    request: HttpRequest | None,
    share: Share,
    exception: BaseException | None = None,
) -> dict[str, Any]:
    """
    Return the fields of an event that come from the request, nothing outside one.

    Each part is guarded on its own, and reads as much as the earlier ones leave of
    *share*. Of uploads the texts are kept that the functions of *exception* have.
    """
    if request is None:
        return {}
    path = guarded(path_for, request, share, default="")
    context = context_for(request, share, exception)
    query = context.get("query")
    agent = context.get("headers", {})
    route = route_for(request) or guarded(normalize_path, path, default="")
    return {
        "method": clean_line(str(request.method or ""), METHOD_CHARS),
        "route": route,
        "url": guarded(
            _url, request, path, query if type(query) is dict else {}, default=""
        ),
        "ip_address": guarded(ip_for, request, default=""),
        "user_agent": agent.get("User-Agent", "") if type(agent) is dict else "",
        "request": context,
    }


def ip_for(request: HttpRequest) -> str:
    """Return the client's address as IP_ADDRESSES says, or ``""``."""
    return (
        masked_ip(client_address(request), mode=conf.get_settings().IP_ADDRESSES) or ""
    )
