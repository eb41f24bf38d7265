"""
Why Django refused a form, as one of a few constant reasons.

Django reports a refusal to the failure view of the project's settings and to a
logger that projects silence, and leaves no reason on request or response. So the
check is done again on the refused request, which gives the same answer: it depends
on headers, cookies, the parsed form and the settings only. Tried and given up: a
filter on the logger ``django.security.csrf`` (it does not run below the logger's
level), our own failure view (the setting is the project's), a ``process_view`` of
our middleware (a call for each request that does not fail).

Never reads the body: a form that nobody has parsed counts as empty, as Django
takes it when the client goes away.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from django.conf import settings as django_settings
from django.http import HttpResponse, QueryDict
from django.middleware import csrf

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

REFUSED_STATUS = 403
FIRST_SERVER_ERROR = 500
DJANGO_FAILURE_VIEW = "django.views.csrf.csrf_failure"

# What Django's own CSRF page has in every release and language.
PAGE_MARKS = (
    b"NONE,NOARCHIVE",
    b"<title>403 Forbidden</title>",
    b'<div id="summary">',
    b'<div id="explanation">',
)

#: The reason of a check that is the project's own.
OTHER_REASON = "CSRF verification failed."

# Reasons with a header of the client in them: what stands before it, and after it.
_BAD_ORIGIN = csrf.REASON_BAD_ORIGIN.split("%s")
_BAD_REFERER = csrf.REASON_BAD_REFERER.split("%s")


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """
    One refused form.

    ``reason`` is constant text of Django's, for the fingerprint; ``detail`` may
    have a header of the client's in it.
    """

    reason: str
    detail: str


def refusal_of(
    request: HttpRequest, response: HttpResponseBase, exception: BaseException | None
) -> Refusal | None:
    """
    Return why Django's CSRF protection refused *request*.

    None if it was not what answered with *response*.
    """
    if not _may_be_refusal(request, response, exception):
        return None
    probe = type(request).__new__(type(request))
    probe.__dict__.update(request.__dict__)
    probe.__dict__.setdefault("_post", QueryDict())
    trusted_origins = tuple(django_settings.CSRF_TRUSTED_ORIGINS)
    check = _check_for(trusted_origins)
    # Without a view: one that is exempt may be protected inside, by a decorator.
    detail: object = check.process_view(probe, None, (), {})  # type: ignore[arg-type]
    if detail and not _has_other_cause(request, detail):
        return Refusal(_constant_reason(str(detail)), str(detail))
    if has_django_page(response):
        return Refusal(OTHER_REASON, OTHER_REASON)
    return None


def _has_other_cause(request: HttpRequest, detail: object) -> bool:
    """
    Return whether *detail* is wrong: nobody has even begun to read the form.

    So Django never looked for a token in it.
    """
    is_unparsed = request.method == "POST" and "_post" not in request.__dict__
    was_begun = request.__dict__.get("_read_started", False)
    is_missing = detail == csrf.REASON_CSRF_TOKEN_MISSING
    return is_missing and is_unparsed and not was_begun


def has_django_page(response: HttpResponseBase) -> bool:
    """Return whether the body is the page of Django's own failure view."""
    if not isinstance(response, HttpResponse) or response.streaming:
        return False
    content = response.content
    return all(mark in content for mark in PAGE_MARKS)


def _may_be_refusal(
    request: HttpRequest, response: HttpResponseBase, exception: BaseException | None
) -> bool:
    is_resolved = request.__dict__.get("resolver_match") is not None
    was_accepted = request.__dict__.get("csrf_processing_done", False)
    if exception is not None or not is_resolved or was_accepted:
        return False
    if response.status_code != REFUSED_STATUS:
        has_own_view = django_settings.CSRF_FAILURE_VIEW != DJANGO_FAILURE_VIEW
        if not has_own_view or response.status_code >= FIRST_SERVER_ERROR:
            return False
    # Django marks a response that it has logged, also where the logger drops the
    # record. Of what is left here those are refused forms, and answers to what a
    # middleware raised before the form was checked.
    was_logged = getattr(response, "_has_been_logged", False)
    return was_logged or has_django_page(response)


class _Check(csrf.CsrfViewMiddleware):
    """Django's check, which returns the reason and changes nothing."""

    def _accept(self, request: HttpRequest) -> None:
        return None

    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


@functools.lru_cache(maxsize=1)
def _check_for(trusted_origins: tuple[str, ...]) -> _Check:
    """Return a check under these CSRF_TRUSTED_ORIGINS, which it reads once."""
    return _Check(lambda _request: HttpResponse())


def _constant_reason(detail: str) -> str:
    """Return *detail* without the header that a client wrote."""
    for template in (_BAD_ORIGIN, _BAD_REFERER):
        before, after = template
        is_filled = len(detail) >= len(before) + len(after)
        if is_filled and detail.startswith(before) and detail.endswith(after):
            return before + after.strip()
    return detail
