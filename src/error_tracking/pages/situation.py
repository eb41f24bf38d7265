"""
What happened, as far as the visitor may know.

The kind of failure and the state of its bug.

Everything here is true or left out. The page says that somebody works on it only
when somebody does, and that nothing was processed only where the view never ran.
"""

from __future__ import annotations

import datetime as dt
import email.utils
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings as django_settings
from django.http import HttpResponseNotAllowed
from django.utils import timezone

from error_tracking import conf
from error_tracking.bugs import known
from error_tracking.capture.request_context import is_linked_from_host
from error_tracking.events.event import CSRF

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from error_tracking.events.event import Event

SERVER_ERROR = 500
CLIENT_ERROR = 400

#: Statuses that have words of their own.
OWN_WORDS = frozenset({401, 403, 404, 405, 410, 413, 429, 500, 503})

FORM_TYPE = "application/x-www-form-urlencoded"

#: Methods that ask for nothing to be done (RFC 9110, 9.2.1).
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

# A server may ask for any number of seconds; a year is none that a visitor waits for.
LONGEST_WAIT = dt.timedelta(days=365)

# What the page says of a bug, by the bug's status.
NEW, OPEN, IN_PROGRESS, RESOLVED = "new", "open", "in_progress", "resolved"


class Situation(NamedTuple):
    """
    What the page has words for; a tuple, because one is made for each page in a storm.

    Attributes:
        kind: ``"csrf"`` or the status that the words are for, such as ``"404"``.
        status: The response's status.
        state: What is known: ``"new"``, ``"open"``, ``"in_progress"`` or
            ``"resolved"``.
        since: When the state began, in seconds of the epoch; 0 where that is unknown.
        until: When the server expects to answer again (``Retry-After``).
        processed: ``"no"`` where an unsafe request was not processed for certain,
            ``"unknown"`` where we cannot tell, empty for a safe request.
        is_own_link: Whether a page of this site has the link that led here.
        is_recorded: Whether the failure was stored, so that the page may say so.
        has_session: Whether the client has a session, and so may be signed in.
        limit: The number of bytes that the site accepts, where that was exceeded.
        reference: What the visitor can quote, and the admin finds.
        bug: What may be shown of the bug.

    """

    kind: str
    status: int
    state: str = NEW
    since: float = 0.0
    until: dt.datetime | None = None
    processed: str = ""
    is_own_link: bool = False
    is_recorded: bool = False
    has_session: bool = False
    limit: int = 0
    reference: str = ""
    bug: known.PublicState | None = None

    @property
    def is_known(self) -> bool:
        """Return whether there is a bug of this failure."""
        return self.state != NEW


def situation_for(
    request: HttpRequest,
    response: HttpResponse,
    event: Event | None,
    *,
    retry_after: str = "",
) -> Situation:
    """
    Return what the page can say of *response*.

    Args:
        request: The request that failed.
        response: Its answer.
        event: What was captured, None where nothing was.
        retry_after: The answer's header ``Retry-After``, empty where it has none.
    """
    status = response.status_code
    limit = _limit_exceeded(event)
    is_form_unread = False
    if not limit and status == CLIENT_ERROR and _is_form_unread(request, event):
        limit = django_settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
        is_form_unread = True
    kind = _kind_for(status, event, limit)
    # "We know about this problem" is true of our own faults. An address that does not
    # exist, or a page that is not for this visitor, stays what it is when a bug has
    # been made of it.
    bug = None
    if event is not None and (status >= SERVER_ERROR or kind == "csrf"):
        bug = known.lookup(event.fingerprint)
    state, since = _state_of(bug)
    return Situation(
        kind=kind,
        status=status,
        state=state,
        since=since,
        until=_retry_time(retry_after),
        processed="no" if is_form_unread else _processed(request, response, kind),
        is_own_link=kind == "404" and is_linked_from_host(request),
        is_recorded=event is not None,
        has_session=django_settings.SESSION_COOKIE_NAME in request.COOKIES,
        limit=limit,
        reference=event.reference if event is not None else "",
        bug=bug if state != NEW else None,
    )


def _kind_for(status: int, event: Event | None, limit: int) -> str:
    if event is not None and event.error_type == CSRF:
        return "csrf"
    if limit:
        return "413"  # Django answers 400
    if status in OWN_WORDS:
        return str(status)
    if status >= SERVER_ERROR:
        return str(SERVER_ERROR)
    return str(CLIENT_ERROR)


def _limit_exceeded(event: Event | None) -> int:
    """Return the limit that the request's body exceeded, 0 where it did not."""
    if event is None or not event.exceptions:
        return 0
    for each in event.exceptions:
        if each.type == "RequestDataTooBig":
            return django_settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
    return 0


def _is_form_unread(request: HttpRequest, event: Event | None) -> bool:
    """
    Return whether a form was refused for its size before any view ran.

    CsrfViewMiddleware looks for its token in the form, and what that raises reaches no
    hook: no exception is known, and nothing of the body was read.
    """
    limit = django_settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if limit is None or request.content_type != FORM_TYPE:
        return False
    if event is not None and event.exceptions:
        return False
    length = str(request.META.get("CONTENT_LENGTH", ""))
    is_too_long = length.isascii() and length.isdigit() and int(length[:20]) > limit
    return is_too_long and not getattr(request, "_read_started", True)


def _state_of(bug: known.PublicState | None) -> tuple[str, float]:
    """Return the state to show and when it began."""
    if bug is None:
        return NEW, 0.0
    if bug.status == IN_PROGRESS:
        return IN_PROGRESS, bug.in_progress_since
    if bug.status != RESOLVED:
        return OPEN, bug.since
    # A bug that was resolved in the release that runs here is about to be a
    # regression: it is not on its way, it did not work.
    is_here = bug.resolved_in_release == conf.get_settings().release
    if bug.resolved_in_release and not is_here:
        return RESOLVED, 0.0
    return NEW, 0.0


def _processed(request: HttpRequest, response: HttpResponse, kind: str) -> str:
    """
    Return whether what an unsafe request sent was processed.

    ``"no"`` or ``"unknown"``.
    """
    if request.method in SAFE_METHODS:
        return ""
    if kind == "csrf" or request.resolver_match is None:
        return "no"  # Django refuses a form before the view, a middleware any address
    is_not_allowed = isinstance(response, HttpResponseNotAllowed)
    if is_not_allowed and str(request.method) not in response.get("Allow", ""):
        return "no"  # the view has nothing that this method would start
    return "unknown"


def _retry_time(value: str) -> dt.datetime | None:
    """
    Return the time that ``Retry-After`` names (RFC 9110, 10.2.3).

    Seconds or a date.
    """
    if not value:
        return None
    now = timezone.now()
    value = value.strip()[:40]
    try:
        if value.isascii() and value.isdecimal():
            moment = now + min(dt.timedelta(seconds=int(value)), LONGEST_WAIT)
        else:
            moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if timezone.is_naive(moment):
        moment = moment.replace(tzinfo=dt.UTC)
    if not now < moment <= now + LONGEST_WAIT:
        return None
    return moment
