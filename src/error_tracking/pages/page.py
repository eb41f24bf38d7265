"""
Puts our page into a failed response, where the project and its setting let it.

Status, cookies and all other headers stay, such as ``Allow`` and ``Retry-After``.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
import zlib
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.http import HttpResponse, HttpResponseNotAllowed
from django.utils.cache import patch_vary_headers
from django.views.defaults import ERROR_PAGE_TEMPLATE

from error_tracking import conf
from error_tracking.capture import csrf

from . import policy
from .negotiation import ACCEPTS, form_for, names_html
from .rendering import FALLBACK, FALLBACK_STYLE, FRAGMENT, HTML, JSON, TEXT, text_for
from .situation import SERVER_ERROR, Situation, situation_for

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

    from error_tracking.events.event import Event

GZIP = "gzip"
#: Django's CSRF page has 3,000 bytes, the largest of its own; a larger body is left
#: alone.
UNCOMPRESSED_BYTES = 64 * 1_024

#: Django's bare pages have 150 to 200 bytes.
BARE_BYTES = 4_000

CONTENT_TYPES = {
    HTML: "text/html; charset=utf-8",
    FRAGMENT: "text/html; charset=utf-8",
    JSON: "application/problem+json",
    TEXT: "text/plain; charset=utf-8",
}

#: What was true of the body that ours replaces; in lower case.
STALE_HEADERS = frozenset(
    {
        "content-length",
        "content-encoding",
        "content-language",
        "etag",
        "last-modified",
        "expires",
    }
)

VARY = ", ".join(ACCEPTS)

#: htmx puts the fragment at the end of the page, and our script lets it be swapped in
#: although the answer is an error (https://htmx.org/reference/#response_headers).
HTMX_HEADERS = {
    "HX-Retarget": "body",
    "HX-Reswap": "beforeend",
    "HX-Trigger": json.dumps({"error-tracking": {}}),
}


# A constant style is allowed by its hash, and needs no nonce.
_DIGEST = base64.b64encode(hashlib.sha256(FALLBACK_STYLE.encode()).digest()).decode()
FALLBACK_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'"
FALLBACK_BYTES = FALLBACK.encode()


def bare_response() -> HttpResponse:
    """Return the last resort: a page without a template engine."""
    headers = {"Cache-Control": "no-store", policy.HEADER: FALLBACK_POLICY}
    return HttpResponse(FALLBACK, status=SERVER_ERROR, headers=headers)


def replace(
    request: HttpRequest,
    response: HttpResponseBase,
    event: Event | None,
    *,
    is_unhandled: bool,
) -> None:
    """
    Put our page into *response* where ERROR_PAGES asks for it.

    Args:
        request: The request that failed.
        response: Its answer, which is changed.
        event: What was captured, None where nothing was.
        is_unhandled: Whether Django made the answer from an exception that nobody
            handled, so that it is the project's own 500 page.
    """
    setting = conf.get_settings().ERROR_PAGES
    if not setting or django_settings.DEBUG:
        return
    names = _header_names(response)
    if not _is_replaceable(request, response, names):
        return
    assert isinstance(response, HttpResponse)  # noqa: S101  for the type checker
    compressed = b""
    if "content-encoding" in names:
        compressed = response.content
        if not _uncompress(response):
            return
    retry_after = response["Retry-After"] if "retry-after" in names else ""
    situation = situation_for(request, response, event, retry_after=retry_after)
    if not _is_wanted(setting, request, response, situation, is_unhandled):
        if compressed:
            response.content = compressed
            response["Content-Encoding"] = GZIP
            response["Content-Length"] = str(len(compressed))
        return
    form = form_for(request)
    has_policy = policy.HEADER.lower() in names
    if has_policy and response[policy.HEADER] == FALLBACK_POLICY:
        del response[policy.HEADER]  # it allows no other page
    _reset_headers(response, form, names)
    nonce = ""
    if form == HTML:  # a fragment is under the policy of the page around it
        nonce = policy.nonce_for(request, response)
    # Also for HEAD, as Django's own pages: the server leaves the body out, and the
    # headers are those of the page.
    response.content = text_for(situation, form, nonce=nonce).encode()
    response["Content-Type"] = CONTENT_TYPES[form]


def _header_names(response: HttpResponseBase) -> frozenset[str]:
    """
    Return the names of the headers of *response* in lower case.

    A response raises and catches a KeyError for each header that it is asked for and
    does not have, and of those that matter here it has few.
    """
    return frozenset([name.lower() for name in response.headers])


def _is_replaceable(
    request: HttpRequest, response: HttpResponseBase, names: frozenset[str]
) -> bool:
    """
    Return whether *response* may have a body that no view has chosen.

    *names* are those of its headers.
    """
    if response.streaming or not isinstance(response, HttpResponse):
        return False
    if "content-type" in names and "html" not in response["Content-Type"]:
        return False
    return "content-encoding" not in names or response["Content-Encoding"] == GZIP


def _uncompress(response: HttpResponse) -> bool:
    """
    Undo what GZipMiddleware inside ours has done.

    Return whether the body can be read.
    """
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = decompressor.decompress(response.content, UNCOMPRESSED_BYTES)
    except zlib.error:
        return False
    if not decompressor.eof:
        return False
    response.content = content
    del response["Content-Encoding"]
    return True


def _is_wanted(
    setting: Any,
    request: HttpRequest,
    response: HttpResponse,
    situation: Situation,
    is_unhandled: bool,
) -> bool:
    """Return whether the setting has our page in the place of this one."""
    if _is_bare(response, situation) or _is_empty(request, response):
        return True
    # What is left was made by the project: by a view, or by its 500 and CSRF pages.
    is_own_page = is_unhandled or situation.kind == "csrf"
    if setting == "all":
        return is_own_page
    if setting == "bare":
        return False
    return is_own_page and situation.is_known


def _is_bare(response: HttpResponse, situation: Situation) -> bool:
    """Return whether the body is one of Django's own pages, which no view chose."""
    content = response.content
    if content == FALLBACK_BYTES:
        return True
    if situation.kind == "csrf" and csrf.has_django_page(response):
        return True
    return len(content) <= BARE_BYTES and bool(_bare_page().fullmatch(content))


@functools.lru_cache(maxsize=1)
def _bare_page() -> re.Pattern[bytes]:
    """Return the shape of Django's own bare error pages."""
    pattern = re.escape(ERROR_PAGE_TEMPLATE)
    pattern = pattern.replace(re.escape("%(title)s"), r"[^<]{1,100}")
    pattern = pattern.replace(re.escape("%(details)s"), r".{0,500}?")
    return re.compile(pattern.encode(), re.DOTALL)


def _is_empty(request: HttpRequest, response: HttpResponse) -> bool:
    """
    Return whether nobody has chosen a body, and the client is a browser that shows one.

    A program that asked for something may rely on the empty body, and so may one for
    which a view has set a content type.
    """
    if response.content or request.method == "HEAD":
        return False
    if isinstance(response, HttpResponseNotAllowed):
        return names_html(request)
    default = f"text/html; charset={django_settings.DEFAULT_CHARSET}"
    return response.get("Content-Type", default) == default and names_html(request)


def _reset_headers(response: HttpResponse, form: str, names: frozenset[str]) -> None:
    """Take out what was true of the old body, and put in what is true of ours."""
    for name in STALE_HEADERS & names:
        del response[name]
    response["Cache-Control"] = "no-store"
    if "vary" in names:
        patch_vary_headers(response, ACCEPTS)
    else:
        response["Vary"] = VARY
    if form == FRAGMENT:
        for name, value in HTMX_HEADERS.items():
            response.setdefault(name, value)
