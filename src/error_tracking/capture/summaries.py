"""
Summarizes a failure: its kind, title, group and place, and who met it.

This is quick, and all that is done for a failure that is only counted. The details are
read in ``details``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.http import HttpRequest

from error_tracking import conf
from error_tracking.client_hash import client_hash_of
from error_tracking.events import fingerprint as rules
from error_tracking.events import kinds
from error_tracking.events.event import (
    CLIENT_ERROR,
    CSRF,
    EXCEPTION,
    LEVELS,
    MESSAGE,
    SERVER_ERROR,
    ExceptionInfo,
)
from error_tracking.events.message_pattern import message_pattern
from error_tracking.events.object_text import safe_text
from error_tracking.events.raised import type_name
from error_tracking.events.stacktrace import MESSAGE_CHARS
from error_tracking.events.summary import Client, Summary
from error_tracking.events.time_limits import (
    WORKER_TIMEOUT,
    is_time_limit,
    is_worker_timeout,
)
from error_tracking.utils import clean_line

from . import context, noise
from .exception_context import Outline, outline_of
from .guard import count_failure
from .request_context import (
    client_hash,
    guarded,
    is_from_own_origin,
    is_linked_from_host,
    route_for,
    user_for,
    view_name,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from . import csrf

#: The width of the column.
TITLE_CHARS = 255
PLACE_CHARS = 200
REASON_CHARS = 300
# A Referer's path and query are not for keeping.
_PAST_ORIGIN = re.compile(r"(\b\w{1,10}://[^/\s?#]{0,300})\S*")


# Responses


def summary_of_response(
    request: HttpRequest, status: int, refusal: csrf.Refusal | None, *, is_gone: bool
) -> Summary:
    """
    Return the summary of a response without an exception, or of a refused request.

    Args:
        request: The request that was answered.

        status: The response's status code.

        refusal: Why Django's CSRF protection refused the request, if it did.

        is_gone: Whether the client went away while it sent the request.
    """
    kind = _kind_of_response(status, refusal)
    route = route_for(request)
    what, detail, message = _words_for(status, refusal)
    title = f"{what} on {route or 'URLs that do not resolve'}"
    noise_class = ""
    if kind == CLIENT_ERROR:
        noise_class = kinds.DISCONNECT
        if not is_gone:
            noise_class = guarded(noise.noise_of, request, status, route, default="")
    if noise_class:
        # Noise has groups of its own, so that it is not mixed with the site's faults.
        detail = noise_class
        route = rules.UNRESOLVED
        title = noise.TITLES[noise_class].format(what=what)
    view = ""
    if kind == SERVER_ERROR:
        view = view_name(request)
    if view:
        title = f"{title} ({view})"
    return Summary(
        error_type=kind,
        mechanism="middleware",
        fingerprint=rules.fingerprint_for_response(kind, status, route, detail),
        title=clean_line(title, TITLE_CHARS),
        handled=True,
        status_code=status,
        route=route,
        message=message,
        culprit=view,
        is_noise=bool(noise_class),
    )


def _kind_of_response(status: int, refusal: csrf.Refusal | None) -> str:
    if refusal is not None:
        return CSRF
    if status < 500:
        return CLIENT_ERROR
    return SERVER_ERROR


def _words_for(status: int, refusal: csrf.Refusal | None) -> tuple[str, str, str]:
    """Return what to call the response, what tells its group apart, and a message."""
    if refusal is None:
        return f"HTTP {status}", "", ""
    message = refusal.reason
    if refusal.detail != refusal.reason:
        # It quotes a header of the client's.
        text = _PAST_ORIGIN.sub(r"\1", clean_line(refusal.detail, REASON_CHARS))
        message = conf.get_scrubber().line(text, MESSAGE_CHARS)
    return "CSRF failure", refusal.reason, message


def route_of_url(url: str) -> str:
    """Return the normalised route of *url*, ``""`` if it does not resolve."""
    request = HttpRequest()
    request.path = request.path_info = urlsplit(url).path or "/"
    return route_for(request)


# Exceptions


def summary_of_exception(
    exception: BaseException,
    request: HttpRequest | None,
    *,
    status_code: int,
    mechanism: str,
    handled: bool,
    level: str,
    where: str,
    parts: Sequence[str],
) -> Summary:
    """
    Return the summary of *exception*.

    Args:
        exception: What was raised.

        request: The request it happened in, None outside any.

        status_code: What the request is answered with, 0 outside any.

        mechanism: How it was captured.

        handled: Whether somebody has dealt with it.

        level: One of ``LEVELS``.

        where: What failed, if that is no request or a part of it: ``"task shop.pay"``.

        parts: Parts of a fingerprint that the project asks for.
    """
    where = clean_line(where, PLACE_CHARS)
    route = where
    if request is not None:
        route = route_for(request)
    where = where or route
    outline = _outline(exception, where)
    raised = outline.raised
    if outline.is_time_limit and not parts:
        # Wherever the time was up: one bug for the request or job that takes too long.
        parts = ("time limit", where)
    fingerprint = outline.fingerprint
    if parts:
        fingerprint = rules.fingerprint_from_parts(parts, fingerprint)
    what = _named_type(raised)
    if is_worker_timeout(exception):
        what = WORKER_TIMEOUT
    title = _title(what, raised.subject, outline, where)
    return Summary(
        error_type=EXCEPTION,
        mechanism=mechanism,
        fingerprint=fingerprint,
        title=clean_line(title, TITLE_CHARS),
        handled=handled,
        level=level,
        status_code=status_code,
        route=route,
        culprit=outline.culprit,
        exceptions=(raised,),
    )


def _outline(exception: BaseException, where: str) -> Outline:
    try:
        return outline_of(exception, where)
    except Exception as error:  # noqa: BLE001  the project's exception may do anything
        # An exception that cannot be read still has a type.
        count_failure("an exception could not be read", error)
        raised = ExceptionInfo(*type_name(exception), "")
        fingerprint = rules.fingerprint_for_exception(raised, where)
        return Outline(raised, fingerprint, "", "", is_time_limit(exception))


def _named_type(raised: ExceptionInfo) -> str:
    """Return the class of *raised*, with its module where it is only called "error"."""
    if raised.type.lower() == "error":
        return raised.qualified_type
    return raised.type


def _title(what: str, subject: str, outline: Outline, where: str) -> str:
    """
    Return what failed and where: "OperationalError (column total) in shop.views.pay".

    A library's function alone does not show where the project uses it, so the route or
    task follows.
    """
    title = what
    if subject:
        title += f" ({subject})"
    if outline.place:
        title += f" in {outline.place}"
    if where and not outline.culprit:
        joint = "on" if outline.place else "in"
        title += f" {joint} {where}"
    return title


# Messages


def summary_of_message(
    message: object,
    *,
    level: str,
    logger_name: str,
    template: str,
    place: str,
    parts: Sequence[str],
) -> Summary:
    """
    Return the summary of a *message*, which has no exception.

    Args:
        message: What happened; its ``str()`` is stored.

        level: One of ``LEVELS``.

        logger_name: The logger it came through, ``"api"`` for none.

        template: The message before values were put in.

        place: What called the logger, or the route of the request.

        parts: Parts of a fingerprint that the project asks for.
    """
    scrubber = conf.get_scrubber()
    text = scrubber.text(safe_text(message, MESSAGE_CHARS), MESSAGE_CHARS)
    pattern = text
    if template:
        pattern = scrubber.text(template, MESSAGE_CHARS)
    pattern = message_pattern(pattern)
    fingerprint = rules.fingerprint_for_message(pattern, logger_name)
    if parts:
        fingerprint = rules.fingerprint_from_parts(parts, fingerprint)
    mechanism = "logging"
    if logger_name == "api":
        mechanism = "api"
    return Summary(
        error_type=MESSAGE,
        mechanism=mechanism,
        fingerprint=fingerprint,
        title=clean_line(pattern, TITLE_CHARS) or "message",
        handled=True,
        level=level,
        message=text,
        caller=clean_line(f"{logger_name} {place}", PLACE_CHARS),
    )


def level_or_error(level: str) -> str:
    """
    Return *level* if it is one of ours, else ``"error"``.

    ``"critical"``, as ``logging`` calls it, is our ``"fatal"``.
    """
    if not issubclass(type(level), str):
        # Asked whether it is one of ours, a lazy value may fail.
        return "error"
    if level in LEVELS:
        return level
    if level == "critical":
        return "fatal"
    return "error"


# Who met it


def client_of(summary: Summary, request: HttpRequest | None) -> Client:
    """Return who met a failure; also counted where it is not stored whole."""
    named = context.current().user
    if request is None:
        user_id, user_label = named or ("", "")
        client = ""
        if user_id:
            client = client_hash_of(f"user:{user_id}", summary.fingerprint)
        return Client(user_id, user_label, client)
    user_id, user_label = named or guarded(user_for, request, default=("", ""))
    has_own_origin = summary.error_type == CSRF and guarded(
        is_from_own_origin, request, default=False
    )
    is_evidence = (
        bool(user_id)
        or guarded(is_linked_from_host, request, default=False)
        or has_own_origin
    )
    return Client(
        user_id=user_id,
        user_label=user_label,
        client=guarded(client_hash, request, user_id, summary.fingerprint, default=""),
        is_evidence=is_evidence and not summary.is_noise,
        has_own_origin=has_own_origin and not summary.is_noise,
    )
