"""The words of the error pages, and the language in which they were found."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from django.conf import settings as django_settings
from django.utils import translation
from django.utils.translation import gettext, gettext_noop, pgettext
from django.utils.translation import gettext_lazy as _

from .situation import IN_PROGRESS, NEW, OPEN, RESOLVED

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from .variant import Variant

#: Marks in the words, which stand for what differs from page to page.
MARKS = {name: f"%%et-{name}%%" for name in ("since", "until", "limit")}


@dataclasses.dataclass(frozen=True, slots=True)
class Words:
    """
    What a page says, in one language.

    Attributes:
        title: The heading.
        happened: What happened, and whose fault it is.
        details: Sentences that are true of this failure only.
        todo: What the visitor can do.
        language: The code of the language in which these words were found.
        is_rtl: Whether that language is written from right to left.

    """

    title: str
    happened: str
    details: tuple[str, ...]
    todo: str
    language: str
    is_rtl: bool


def words_for(variant: Variant) -> Words:
    """Return the words of *variant* in its language or the nearest that has them."""
    with translation.override(variant.language):
        title, happened, todo = _plain_words(variant)
        language = _language_found(variant.language, happened, str(title))
        return Words(
            title=str(title),
            happened=gettext(happened),
            details=tuple(_details(variant)),
            todo=str(todo) % MARKS,
            language=language,
            is_rtl=translation.get_language_info(language)["bidi"],
        )


def _language_found(wanted: str, message: str, title: str) -> str:
    """
    Return the language of the catalog that had *message*.

    Django looks in the catalog of the language, of its general form (``de`` for
    ``de-at``) and of LANGUAGE_CODE, and does not say where it found something. So
    each catalog names its language in a message of its own. A catalog of the
    project's may have our words without that one.
    """
    named = pgettext("code of the language of this catalog", "en")
    is_translated = gettext(message) != message
    if named != "en" or not is_translated:
        return named if _is_known(named) else "en"
    return wanted if _is_known(wanted) else "en"


def _is_known(language: str) -> bool:
    try:
        translation.get_language_info(language)
    except KeyError:
        return False
    return True


def _plain_words(
    variant: Variant,
) -> tuple[str | _StrPromise, str, str | _StrPromise]:
    """Return title, what happened (not translated) and what to do."""
    if variant.kind == "500" and variant.state != NEW:
        title, happened, todo = KNOWN[variant.state]
    else:
        title, happened, todo = BY_KIND[variant.kind]
    if variant.has_until and variant.kind in UNTIL_WORDS:
        todo = UNTIL_WORDS[variant.kind]
    elif variant.processed == "unknown" and variant.kind in {"500", "503"}:
        # "Try again" alone would make two orders of one.
        is_reported = variant.state != NEW
        todo = SEND_AGAIN_REPORTED if is_reported else SEND_AGAIN
    return title, happened, todo


def _details(variant: Variant) -> list[str]:
    """Return the sentences that depend on more than kind and state."""
    found: list[str | _StrPromise] = []
    if variant.has_since and variant.state == OPEN:
        found.append(_("It has been happening since %(since)s."))
    if variant.has_since and variant.state == IN_PROGRESS:
        found.append(_("Somebody has been working on it since %(since)s."))
    if variant.kind == "403" and variant.has_session:
        found.append(_("Your account may not have access to it."))
    if variant.kind == "403" and not variant.has_session:
        found.append(_("You may need to log in."))
    if variant.kind == "413" and variant.has_limit:
        found.append(_("The limit is %(limit)s."))
    if variant.is_own_link:
        found.append(
            _("The link you followed is on this site: the mistake is ours, not yours.")
        )
    is_new_failure = variant.kind == "500" and variant.state == NEW
    if variant.is_recorded and (is_new_failure or variant.is_own_link):
        found.append(_("It has been recorded."))
    if variant.processed == "no":
        found.append(_("What you sent was not processed."))
    if variant.processed == "unknown":
        found.append(
            _(
                "We cannot tell whether what you sent was processed. Please check "
                "before you send it again."
            )
        )
    return [str(sentence) % MARKS for sentence in found]


def default_language() -> str:
    """Return the language of the request, else that of the project."""
    return translation.get_language() or django_settings.LANGUAGE_CODE


#: Title, what happened, what to do: for a failure of ours whose bug is known, by its
#: state.
KNOWN = {
    OPEN: (
        _("We know about this problem"),
        gettext_noop("Something on this page is not working. You did nothing wrong."),
        _("You do not need to report it. Please try again later."),
    ),
    IN_PROGRESS: (
        _("We are working on this"),
        gettext_noop("Something on this page is not working. You did nothing wrong."),
        _("You do not need to report it. Please try again later."),
    ),
    RESOLVED: (
        _("This is fixed and on its way"),
        gettext_noop("Something on this page is not working. You did nothing wrong."),
        _("The repair will be here with the next update. Please try again later."),
    ),
}

BY_KIND = {
    "500": (
        _("Something went wrong"),
        gettext_noop(
            "This page could not be shown because of an error on our side. "
            "You did nothing wrong."
        ),
        _("Please try again in a few minutes."),
    ),
    "503": (
        _("Back soon"),
        gettext_noop("This site cannot answer at the moment. You did nothing wrong."),
        _("Please try again in a few minutes."),
    ),
    "400": (
        _("We could not understand that request"),
        gettext_noop("Something in the request was not as this page needs it."),
        _("Go back, check what you entered and try again."),
    ),
    "401": (
        _("Please log in"),
        gettext_noop("This page is only for people who are logged in."),
        _("Log in and open the page again."),
    ),
    "403": (
        _("You cannot see this page"),
        gettext_noop("This page is not for everybody."),
        _("Ask the people who run this site if you think you should have access."),
    ),
    "404": (
        _("This page is not here"),
        gettext_noop("The address may be mistyped, or the page may have moved."),
        _("Check the address, go back, or start from the home page."),
    ),
    "405": (
        _("This address does not accept that"),
        gettext_noop("The page was asked for in a way that it does not support."),
        _("Go back, or start from the home page."),
    ),
    "410": (
        _("This page is gone"),
        gettext_noop("It was removed on purpose and will not come back."),
        _("Start from the home page."),
    ),
    "413": (
        _("That is too large"),
        gettext_noop("What you sent is larger than this site accepts."),
        _("Go back and send a smaller file or less text."),
    ),
    "429": (
        _("Too many requests"),
        gettext_noop("A lot of requests came from you in a short time."),
        _("Please wait a few minutes before you try again."),
    ),
    "csrf": (
        _("Your form could not be sent"),
        gettext_noop(
            "For your security, forms are accepted only for a while and with cookies "
            "allowed."
        ),
        _(
            "Go back: what you typed is usually still there. Copy longer texts, then "
            "reload the page and send the form again. If it happens again, allow "
            "cookies for this site, and let your browser send the referring page."
        ),
    ),
}

#: What to do after a form that may have been processed or not.
SEND_AGAIN = _("If it was not processed, send it again in a few minutes.")
SEND_AGAIN_REPORTED = _(
    "You do not need to report it. If what you sent was not processed, send it again "
    "later."
)

#: What to do where the server has said when it will answer again.
UNTIL_WORDS = {
    "503": _("We expect to be back at %(until)s."),
    "429": _("Please wait until %(until)s."),
}
