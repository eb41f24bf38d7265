"""
The page a visitor sees: request and what we know of the bug to HTML, JSON or text.

Needs no database, session, context processor, URL or static file. Shows nothing
of the request, no title, message or traceback; keeps the status code and the
headers; leaves alone what a view chose to return.
"""

from __future__ import annotations

import functools
import html
import json
import logging
import re
import secrets
from typing import TYPE_CHECKING, Any

from django.core.signals import setting_changed
from django.http import HttpResponse
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django.views.defaults import ERROR_PAGE_TEMPLATE

from . import conf, known
from .events import CSRF

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

    from .events import Event

logger = logging.getLogger("error_tracking")

BARE_BYTES = 4_000
CSP = "Content-Security-Policy"
_MARKS = re.compile("%%et-(reference|bug_id|public_message|nonce)%%")
FALLBACK = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>Something went wrong</title><body style='font-family:system-ui;max-width:36rem;margin:4rem auto;"
    "padding:0 1rem'><h1>Something went wrong</h1><p>This page could not be shown. It is not your fault, and the "
    "people who run this site have been told.</p><p>Please try again in a few minutes.</p>"
)
# What Django's own CSRF page has in every release and language.
CSRF_PAGE_MARKS = (b"NONE,NOARCHIVE", b"<title>403 Forbidden</title>", b'<div id="summary">', b'<div id="explanation">')
_STALE_HEADERS = ("Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Expires")
_CONTENT_TYPES = {"json": "application/problem+json", "text": "text/plain; charset=utf-8"}
_KINDS = {400: "400", 403: "403", 404: "404"}


@functools.lru_cache(maxsize=1)
def _bare_page() -> re.Pattern[bytes]:
    """Return the shape of Django's own bare error pages."""
    pattern = re.escape(ERROR_PAGE_TEMPLATE)
    pattern = pattern.replace(re.escape("%(title)s"), r"[^<]{1,100}").replace(re.escape("%(details)s"), r".{0,500}?")
    return re.compile(pattern.encode(), re.DOTALL)


def bare_response() -> HttpResponse:
    """Return the last resort: a page without a template engine."""
    return HttpResponse(FALLBACK, status=500, headers={"Cache-Control": "no-store"})


def is_bare(response: HttpResponse, *, is_csrf: bool) -> bool:
    """Return whether the body is one of Django's own pages, which no view chose."""
    content = response.content
    if content == FALLBACK.encode():
        return True
    if is_csrf:
        return all(mark in content for mark in CSRF_PAGE_MARKS)
    return len(content) <= BARE_BYTES and _bare_page().fullmatch(content) is not None


def replace(request: HttpRequest, response: HttpResponseBase, event: Event | None, *, is_unhandled: bool) -> None:
    """
    Put our page into *response* where that is wanted; status, cookies and other headers stay.

    A bare page is always replaced; a page of the project's own 500 handler
    only when the bug is known and ERROR_PAGES is not ``"bare"``.
    """
    setting = conf.get_settings().ERROR_PAGES
    if not setting or conf.host("DEBUG") or response.streaming or not isinstance(response, HttpResponse):
        return
    if "html" not in response.get("Content-Type", "html") or request.method == "HEAD" or "Content-Encoding" in response:
        return
    state = known.lookup(event.fingerprint) if event is not None else None
    is_csrf = event is not None and event.error_type == CSRF
    shows_known = state is not None and is_unhandled and setting is True
    if not shows_known and not is_bare(response, is_csrf=is_csrf):
        return
    form = _form_for(request)
    nonce = _nonce(request, response) if form == "html" else ""  # a fragment is under the policy of its page
    for name in _STALE_HEADERS:  # one that is not there is no error
        del response[name]
    response.content = _content(event, response.status_code, form, state, nonce).encode()
    response["Content-Type"] = _CONTENT_TYPES.get(form, "text/html; charset=utf-8")
    response["Cache-Control"] = "no-store"


def _form_for(request: HttpRequest) -> str:
    """Return what the client can show: machines get no page (FAULTS P05)."""
    if request.META.get("HTTP_HX_REQUEST"):
        return "fragment"
    accept = str(request.META.get("HTTP_ACCEPT", ""))[:1_000].lower()
    if "text/html" in accept or "application/xhtml" in accept:
        return "html"
    if "json" in accept or request.META.get("HTTP_X_REQUESTED_WITH") == "XMLHttpRequest":
        return "json"
    return "text" if accept.startswith("text/plain") else "html"


def _nonce(request: HttpRequest, response: HttpResponse) -> str:
    """
    Return the CSP nonce given out for this request, else one that the response's policy is made to know.

    The site's own middleware has written that policy for the page which ours replaces; it stays as strict as it is.
    """
    given = request.__dict__.get("_csp_nonce", request.__dict__.get("csp_nonce", ""))
    policy = response.get(CSP, "")
    if given or (given is not None and not policy):  # a lazy one is made now, for a policy still to be written
        return re.sub(r"[^\w+/=-]", "", str(given))[:100]
    parts = [part.split() for part in policy.split(";") if part.strip()]
    sources = {name.lower(): values for name, *values in [*parts, *reversed(parts)]}  # of two the first counts
    name = next((name for name in ("style-src-elem", "style-src", "default-src") if name in sources), "")
    if not name or "'unsafe-inline'" in sources[name] or "," in policy:
        return ""
    nonce = secrets.token_urlsafe(16)
    allowed = [*(value for value in sources[name] if value != "'none'"), f"'nonce-{nonce}'"]
    sources["style-src" if name == "default-src" else name] = allowed
    response[CSP] = "; ".join(" ".join([name, *values]) for name, values in sources.items())
    return nonce


def _content(event: Event | None, status: int, form: str, state: known.PublicState | None, nonce: str) -> str:
    is_csrf = event is not None and event.error_type == CSRF
    kind = "csrf" if is_csrf else _KINDS.get(status, "500" if status >= 500 else "400")  # noqa: PLR2004
    reference = event.reference if event is not None else ""
    bug_id = state.bug_id if state is not None and conf.get_settings().SHOW_BUG_ID else ""
    message = state.public_message if state is not None else ""
    language = translation.get_language() or conf.host("LANGUAGE_CODE")
    values = {"reference": reference, "bug_id": bug_id, "public_message": message}
    try:
        if form == "json":
            return _problem(status, _words(kind, state is not None, language), values)
        if form == "text":
            words = _words(kind, state is not None, language).values()
            return "\n\n".join(filter(None, (*words, message, reference and f"Reference: {reference}"))) + "\n"
        values |= {"public_message": html.escape(message), "nonce": nonce}
        shown = tuple([name for name, value in values.items() if value or name == "nonce"])
        parts = _rendered(kind, form, state is not None, shown, language)
    except Exception:  # the page always comes, also when a template of the project's own fails
        logger.exception("the error page could not be rendered")
        return FALLBACK
    return "".join([values[part] if number % 2 else part for number, part in enumerate(parts)])


@functools.lru_cache(maxsize=256)
def _rendered(kind: str, form: str, is_known: bool, shown: tuple[str, ...], language: str) -> list[str]:  # noqa: FBT001
    """Return a variant of the page in one language, in parts: text, and in turn names of what goes between."""
    context: dict[str, Any] = {
        **_words(kind, is_known, language),
        "kind": kind,
        "status_code": {"csrf": "403"}.get(kind, kind),
        "language": language,
        "is_rtl": translation.get_language_info(language)["bidi"] if language else False,
        "is_known": is_known,
        "is_fragment": form == "fragment",
        "base": "error_tracking/base_fragment.html" if form == "fragment" else "error_tracking/base_page.html",
        **{name: f"%%et-{name}%%" for name in shown},
    }
    name = "error_tracking/known_bug.html" if is_known else "error_tracking/error.html"
    with translation.override(language):
        return _MARKS.split(conf.rendered(name, context))


def _problem(status: int, words: dict[str, str], extra: dict[str, str]) -> str:
    """Return problem details (RFC 9457)."""
    problem = {"type": "about:blank", "title": words["title"], "status": status, "detail": words["happened"]}
    return json.dumps({**problem, **{name: value for name, value in extra.items() if value}})


def _words(kind: str, is_known: bool, language: str) -> dict[str, str]:  # noqa: FBT001
    with translation.override(language):
        title, happened, todo = map(str, _WORDS["known" if is_known and kind == "500" else kind])
    return {"title": title, "happened": happened, "todo": todo}


_WORDS = {
    "known": (
        _("We know about this problem"),
        _("Something on this page is broken. You did nothing wrong, and we are working on it."),
        _("Please try again later. You do not need to report it: we already have it."),
    ),
    "500": (
        _("Something went wrong"),
        _("This page could not be shown because of an error on our side. You did nothing wrong."),
        _("We have just been told. Please try again in a few minutes."),
    ),
    "404": (
        _("This page is not here"),
        _("The address may be mistyped, or the page may have moved."),
        _("Check the address, go back, or start from the home page."),
    ),
    "403": (
        _("You cannot see this page"),
        _("You may need to log in, or your account may not have access."),
        _("Log in, or ask the people who run this site for access."),
    ),
    "csrf": (
        _("Your form could not be sent"),
        _("For your security this form only works for a while, and with cookies allowed."),
        _("Go back, reload the page and send the form again."),
    ),
    "400": (
        _("We could not understand that request"),
        _("Something in the request was not as this page needs it."),
        _("Go back, check what you entered and try again."),
    ),
}


def _forget(**_kwargs: object) -> None:
    _rendered.cache_clear()


setting_changed.connect(_forget, dispatch_uid="error_tracking.error_pages")
