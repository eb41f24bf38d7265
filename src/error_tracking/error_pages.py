"""
The page a visitor sees: request and what we know of the bug to HTML, JSON or text.

Needs no database, session, context processor, URL or static file. Shows nothing
of the request, no title, message or traceback; keeps the status code and the
headers; leaves alone what a view chose to return.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import secrets
from typing import TYPE_CHECKING, Any

from django.core.signals import setting_changed
from django.http import HttpResponse
from django.template import loader
from django.utils import translation
from django.views.defaults import ERROR_PAGE_TEMPLATE

from . import conf, known
from .events import CSRF

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

    from .events import Event

logger = logging.getLogger("error_tracking")

BARE_BYTES = 4_000
CSP = "Content-Security-Policy"
REFERENCE = "%%et-reference%%"
BUG_ID = "%%et-bug-id%%"
MESSAGE = "%%et-message%%"
NONCE = "%%et-nonce%%"
_MARKS = re.compile(f"({REFERENCE}|{BUG_ID}|{MESSAGE}|{NONCE})")
FALLBACK = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>Something went wrong</title><body style='font-family:system-ui;max-width:36rem;margin:4rem auto;"
    "padding:0 1rem'><h1>Something went wrong</h1><p>This page could not be shown. It is not your fault, and the "
    "people who run this site have been told.</p><p>Please try again in a few minutes.</p>"
)
# What Django's own CSRF page has in every release and language.
CSRF_PAGE_MARKS = (b"NONE,NOARCHIVE", b"<title>403 Forbidden</title>", b'<div id="summary">', b'<div id="explanation">')
_STALE_HEADERS = ("Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Expires")
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
    kind = "csrf" if is_csrf else _KINDS.get(response.status_code, "500" if response.status_code >= 500 else "400")  # noqa: PLR2004
    form = _form_for(request)
    reference = event.reference if event is not None else ""
    content = _content(kind, form, state, reference, _nonce(request, response))
    for name in _STALE_HEADERS:  # one that is not there is no error
        del response[name]
    response.content = content.encode()
    response["Content-Type"] = _CONTENT_TYPES[form]
    response["Cache-Control"] = "no-store"


_CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "fragment": "text/html; charset=utf-8",
    "json": "application/problem+json",
    "text": "text/plain; charset=utf-8",
}


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
    nonce = str(request.__dict__.get("_csp_nonce") or request.__dict__.get("csp_nonce") or "")
    if nonce:
        return re.sub(r"[^\w+/=-]", "", nonce)[:100]
    parts = map(str.split, filter(str.strip, response.get(CSP, "").split(";")))
    sources = {name.lower(): values for name, *values in parts}
    name = next((name for name in ("style-src-elem", "style-src", "default-src") if name in sources), "")
    if not name or "'unsafe-inline'" in sources[name] or "," in response[CSP]:
        return ""
    nonce = secrets.token_urlsafe(16)
    allowed = [*(value for value in sources[name] if value != "'none'"), f"'nonce-{nonce}'"]
    sources["style-src" if name == "default-src" else name] = allowed
    response[CSP] = "; ".join(" ".join([name, *values]) for name, values in sources.items())
    return nonce


def _content(kind: str, form: str, state: known.PublicState | None, reference: str, nonce: str) -> str:
    bug_id = state.bug_id if state is not None and conf.get_settings().SHOW_BUG_ID else ""
    message = state.public_message if state is not None else ""
    language = translation.get_language() or conf.host("LANGUAGE_CODE")
    try:
        words = _words(kind, state is not None, language)
        if form == "json":
            return _problem(kind, words, reference, bug_id)
        if form == "text":
            lines = (words["title"], words["happened"], words["todo"], f"Reference: {reference}" if reference else "")
            return "\n\n".join(line for line in lines if line) + "\n"
        page = _rendered(kind, form, state is not None, bool(reference), bool(bug_id), bool(message), language)
    except Exception:  # the page always comes, also when a template of the project's own fails
        logger.exception("the error page could not be rendered")
        return FALLBACK
    values = {REFERENCE: reference, BUG_ID: bug_id, MESSAGE: _escape(message), NONCE: nonce}
    return "".join([values.get(part, part) for part in page])


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


@functools.lru_cache(maxsize=256)
def _rendered(  # noqa: PLR0913, PLR0917  the variants of a page
    kind: str,
    form: str,
    is_known: bool,  # noqa: FBT001
    has_reference: bool,  # noqa: FBT001
    has_bug_id: bool,  # noqa: FBT001
    has_message: bool,  # noqa: FBT001
    language: str,
) -> list[str]:
    """Return one variant of the page in one language, in parts; some are marks where reference, bug id and nonce go."""
    name = "error_tracking/known_bug.html" if is_known else "error_tracking/error.html"
    context: dict[str, Any] = {
        **_words(kind, is_known, language),
        "kind": kind,
        "status_code": {"csrf": "403"}.get(kind, kind),
        "language": language,
        "is_rtl": translation.get_language_info(language)["bidi"] if language else False,
        "is_known": is_known,
        "is_fragment": form == "fragment",
        "base": "error_tracking/base_fragment.html" if form == "fragment" else "error_tracking/base_page.html",
        "reference": REFERENCE if has_reference else "",
        "bug_id": BUG_ID if has_bug_id else "",
        "public_message": MESSAGE if has_message else "",
        "nonce": NONCE,
    }
    with translation.override(language):
        return _MARKS.split(loader.get_template(name).render(context))


def _problem(kind: str, words: dict[str, str], reference: str, bug_id: str) -> str:
    """Return problem details (RFC 9457)."""
    status = 403 if kind == "csrf" else int(kind)
    problem = {"type": "about:blank", "title": words["title"], "status": status, "detail": words["happened"]}
    extra = {"reference": reference, "bug_id": bug_id}
    return json.dumps({**problem, **{name: value for name, value in extra.items() if value}})


@functools.lru_cache(maxsize=256)
def _words(kind: str, is_known: bool, language: str) -> dict[str, str]:  # noqa: FBT001
    _ = translation.gettext
    with translation.override(language):
        texts = {
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
        said = texts["known" if is_known and kind == "500" else kind]
        return dict(zip(("title", "happened", "todo"), said, strict=True))


def _forget(**_kwargs: object) -> None:
    _rendered.cache_clear()
    _words.cache_clear()


setting_changed.connect(_forget, dispatch_uid="error_tracking.error_pages")
