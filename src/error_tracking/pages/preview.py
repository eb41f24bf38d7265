"""Examples of every page, for staff who want to see what visitors see."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.conf import settings as django_settings
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from error_tracking.bugs.known import PublicState

from .rendering import HTML, text_for
from .situation import IN_PROGRESS, NEW, OPEN, RESOLVED, Situation

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

REFERENCE = "0a1b2c3d4e"

#: What the address calls each example, and what people read.
NAMES: dict[str, str | _StrPromise] = {
    "new": _("Error, seen for the first time"),
    "open": _("Error whose bug is open"),
    "in_progress": _("Error that somebody works on"),
    "resolved": _("Error that is fixed in a later release"),
    "post": _("Error after a form was sent"),
    "400": _("Bad request"),
    "401": _("Not logged in"),
    "403": _("Forbidden, not logged in"),
    "403_session": _("Forbidden, logged in"),
    "csrf": _("Form refused (CSRF)"),
    "404": _("Page not found"),
    "404_own": _("Page not found, linked from this site"),
    "405": _("Method not allowed"),
    "410": _("Page gone"),
    "413": _("Upload too large"),
    "429": _("Too many requests"),
    "503": _("Service unavailable"),
    "503_until": _("Service unavailable until a known time"),
}


def languages() -> list[tuple[str, str]]:
    """Return the codes and names of the site's languages."""
    found = []
    for code, _name in django_settings.LANGUAGES:
        found.append((code, translation.get_language_info(code)["name_local"]))
    return found


def current_language() -> str:
    """Return the code of the current language as the site lists it, or the first one."""
    codes = [code for code, _name in django_settings.LANGUAGES]
    try:
        # A new project's LANGUAGE_CODE is "en-us", and LANGUAGES have "en" only.
        code = translation.get_supported_language_variant(translation.get_language())
    except LookupError:
        return codes[0]
    return code if code in codes else codes[0]


def example(name: str) -> Situation:
    """Return the situation called *name*, one of ``NAMES``."""
    now = timezone.now()
    bug = PublicState(
        bug_id="B-012",
        status=name,
        public_message="Payments by card fail at the moment.",
        workaround="You can pay by bank transfer.",
    )
    since = (now - dt.timedelta(days=2, hours=3)).timestamp()
    if name in {OPEN, IN_PROGRESS, RESOLVED}:
        is_dated = name != RESOLVED
        return Situation(
            kind="500",
            status=500,
            state=name,
            since=since if is_dated else 0.0,
            is_recorded=True,
            reference=REFERENCE,
            bug=bug,
        )
    kind = name.partition("_")[0]
    if kind in {NEW, "post"}:
        kind = "500"
    status = 403 if kind == "csrf" else int(kind)
    processed = {"post": "unknown", "csrf": "no"}.get(name, "")
    until = now + dt.timedelta(minutes=2) if name in {"429", "503_until"} else None
    limit = 2_621_440 if kind == "413" else 0
    return Situation(
        kind=kind,
        status=status,
        until=until,
        processed=processed,
        is_own_link=name == "404_own",
        is_recorded=True,
        has_session=name == "403_session",
        limit=limit,
        reference=REFERENCE,
    )


def page_for(name: str, language: str, *, nonce: str = "", form: str = HTML) -> str:
    """Return the page of the example *name* in *language*."""
    with translation.override(language):
        return text_for(example(name), form, nonce=nonce)
