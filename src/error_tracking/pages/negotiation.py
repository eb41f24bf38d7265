"""Which form of our answer a client prefers (RFC 9110, 12.5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import accept
from .rendering import FRAGMENT, HTML, JSON, TEXT

if TYPE_CHECKING:
    from django.http import HttpRequest

#: The headers that decide, for ``Vary``.
ACCEPTS = ("Accept", "HX-Request", "HX-Boosted", "X-Requested-With")

#: What we have, by media type; the first is for whoever has no preference.
FORMS = {
    "text/html": HTML,
    "application/problem+json": JSON,
    "application/json": JSON,
    "text/plain": TEXT,
}
OFFERS = tuple(FORMS)

#: A script that says nothing of HTML, or accepts everything, reads JSON.
OFFERS_FOR_SCRIPTS = tuple(sorted(OFFERS, key=lambda offer: FORMS[offer] != JSON))


def form_for(request: HttpRequest) -> str:
    """
    Return ``"html"``, ``"fragment"``, ``"json"`` or ``"text"``.

    Machines get no page.
    """
    if "HTTP_HX_REQUEST" in request.META:
        # A boosted link replaces the whole body, as a link without htmx does.
        return HTML if "HTTP_HX_BOOSTED" in request.META else FRAGMENT
    is_script = request.META.get("HTTP_X_REQUESTED_WITH") == "XMLHttpRequest"
    chosen = accept.preferred(
        _accepted(request), OFFERS_FOR_SCRIPTS if is_script else OFFERS
    )
    if chosen:
        return FORMS[chosen]
    # Nothing of ours is accepted, as where an image was asked for: the shortest is text.
    return JSON if is_script else TEXT


def names_html(request: HttpRequest) -> bool:
    """Return whether the client asks for HTML by name, as browsers do."""
    if "HTTP_HX_REQUEST" in request.META:
        return True
    header = _accepted(request).lower()
    is_named = "text/html" in header or "application/xhtml+xml" in header
    return is_named and bool(accept.preferred(header, ("text/html",)))


def _accepted(request: HttpRequest) -> str:
    return str(request.META.get("HTTP_ACCEPT", ""))[: accept.HEADER_CHARS]
