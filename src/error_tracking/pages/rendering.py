"""
A situation to text, in the form that the client prefers.

A variant is rendered once in each language and cached in parts; what differs from
page to page (reference, times, nonce) goes between the parts. When a template of
the project's fails, ours is shown; when that fails, a constant page.
"""

from __future__ import annotations

import functools
import html
import json
import logging
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.core.signals import setting_changed
from django.template.defaultfilters import filesizeformat
from django.utils import translation

from error_tracking import conf

from . import policy, site, templates, times
from .variant import Variant
from .words import default_language, words_for

if TYPE_CHECKING:
    from .situation import Situation
    from .words import Words

logger = logging.getLogger("error_tracking")

HTML, FRAGMENT, JSON, TEXT = "html", "fragment", "json", "text"

#: 13 kinds with their states and sentences, in as many languages as a site has.
CACHED_VARIANTS = 512

_MARKS = re.compile(
    "%%et-(reference|bug_id|public_message|workaround|link|nonce|since|until|limit"
    "|status)%%"
)

# The hash is that of the text between the tags: a constant style needs no nonce.
FALLBACK_STYLE = (
    "body{font:1.0625rem/1.6 system-ui,sans-serif;max-width:36rem;margin:4rem auto;"
    "padding:0 1rem;color:#1d2530;background:#fff}"
    "@media(prefers-color-scheme:dark){body{color:#e8ecf1;background:#14181d}}"
)
FALLBACK = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1">'
    '<meta name="color-scheme" content="light dark">'
    f"<title>Something went wrong</title><style>{FALLBACK_STYLE}</style></head><body>"
    "<main><h1>Something went wrong</h1><p>This page could not be shown because of an "
    "error on our side. You did nothing wrong.</p><p>Please try again in a few "
    "minutes.</p></main></body></html>"
)


def text_for(situation: Situation, form: str, *, nonce: str = "") -> str:
    """Return the answer's body; never raises."""
    try:
        return _text_for(situation, form, nonce)
    except Exception:
        logger.exception("the error page could not be rendered")
        return FALLBACK


def _text_for(situation: Situation, form: str, nonce: str) -> str:
    language = default_language()
    values = _values(situation, language)
    variant = Variant(
        kind=situation.kind,
        form=form,
        language=language,
        state=situation.state,
        shown=tuple([name for name, value in values.items() if value]),
        processed=situation.processed,
        is_own_link=situation.is_own_link,
        # Where nothing is said of it, it makes no variant of its own.
        is_recorded=situation.is_recorded,
        has_session=situation.has_session and situation.kind == "403",
    )
    spoken = _words(variant).language
    if spoken != language:
        # A sentence in English has its time in English, too.
        values |= _spoken_values(situation, spoken)
    if form == JSON:
        return _problem(situation, variant, values)
    if form == TEXT:
        return _plain_text(situation, variant, values)
    for name, value in values.items():
        if value:
            values[name] = html.escape(value)
    values["nonce"] = nonce
    values["status"] = str(situation.status)
    pieces = _rendered(variant).copy()
    # Every second piece is the name of what goes there.
    for number in range(1, len(pieces), 2):
        pieces[number] = values.get(pieces[number], "")
    return "".join(pieces)


def _values(situation: Situation, language: str) -> dict[str, str]:
    """Return what differs from page to page, empty where there is none."""
    values = {"reference": situation.reference}
    bug = situation.bug
    if bug is not None:
        values["public_message"] = bug.public_message
        values["workaround"] = bug.workaround
        values["link"] = site.safe_link(bug.link) if bug.link else ""
        values["bug_id"] = bug.bug_id if conf.get_settings().SHOW_BUG_ID else ""
    return values | _spoken_values(situation, language)


def _spoken_values(situation: Situation, language: str) -> dict[str, str]:
    """Return the times and the size that sentences name, empty where there is none."""
    values = {}
    if situation.since:
        values["since"] = times.since(situation.since, language)
    if situation.until is not None:
        values["until"] = times.until(situation.until, language)
    if situation.limit:
        with translation.override(language):
            values["limit"] = filesizeformat(situation.limit)
    return values


def _filled(text: str, values: dict[str, str]) -> str:
    return _MARKS.sub(lambda mark: values.get(mark[1], ""), text)


@functools.lru_cache(maxsize=CACHED_VARIANTS)
def _words(variant: Variant) -> Words:
    return words_for(variant)


def _problem(situation: Situation, variant: Variant, values: dict[str, str]) -> str:
    """
    Return problem details (RFC 9457).

    What is not in the RFC is an extension of ours.
    """
    words = _words(variant)
    sentences = [words.happened, *words.details, words.todo]
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": _phrase(situation.status),
        "status": situation.status,
        "detail": _filled(" ".join(sentences), values),
    }
    if situation.is_known:
        problem["state"] = situation.state
    if situation.since:
        problem["since"] = times.iso(situation.since)
    if situation.until is not None:
        problem["until"] = situation.until.isoformat(timespec="seconds")
    for name in ("reference", "bug_id", "public_message", "workaround", "link"):
        if values.get(name):
            problem[name] = values[name]
    return json.dumps(problem)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _plain_text(situation: Situation, variant: Variant, values: dict[str, str]) -> str:
    words = _words(variant)
    paragraphs = [words.title, words.happened, *words.details, words.todo]
    paragraphs += [
        values.get(name, "") for name in ("public_message", "workaround", "link")
    ]
    if values.get("bug_id"):
        paragraphs.append(f"Bug: {values['bug_id']}")
    if situation.reference:
        paragraphs.append(f"Reference: {situation.reference}")
    shown = [paragraph for paragraph in paragraphs if paragraph]
    return _filled("\n\n".join(shown), values) + "\n"


@functools.lru_cache(maxsize=CACHED_VARIANTS)
def _rendered(variant: Variant) -> list[str]:
    """Return the page in pieces: text, and in turn the name of what goes between."""
    words = _words(variant)
    is_known = variant.state != "new"
    is_fragment = variant.form == FRAGMENT
    base = "base_fragment.html" if is_fragment else "base_page.html"
    context: dict[str, Any] = {
        "title": words.title,
        "happened": words.happened,
        "details": words.details,
        "todo": words.todo,
        "language": words.language,
        "is_rtl": words.is_rtl,
        "kind": variant.kind,
        "state": variant.state,
        "status_code": "%%et-status%%",
        "is_known": is_known,
        "is_fragment": is_fragment,
        "base": f"error_tracking/{base}",
        "site": site.current(),
        "nonce": "%%et-nonce%%",
        **{name: f"%%et-{name}%%" for name in variant.shown},
    }
    name = templates.KNOWN_PAGE if is_known else templates.PAGE
    with translation.override(words.language):
        return _MARKS.split(templates.render(name, context))


def forget(**_kwargs: object) -> None:
    """Render everything again: a setting has changed."""
    _rendered.cache_clear()
    _words.cache_clear()
    site.current.cache_clear()
    policy.has_policy_middleware.cache_clear()
    templates.are_ours.cache_clear()


setting_changed.connect(forget, dispatch_uid="error_tracking.error_pages")
