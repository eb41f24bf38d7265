"""
Captures errors: the one way into the pipeline.

``ErrorCaptureService`` is what everybody calls. Its methods decide whether a failure is
captured and summarize it; ``capture()`` then counts the failure or turns it into an
``Event`` and hands that to the recorder. Nothing that goes wrong in here reaches the
project: it is logged to ``error_tracking`` and counted. Must not touch the database,
the network or anything lazy of the request.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from django.http import HttpRequest

from error_tracking import conf, recorder
from error_tracking.events import fingerprint as rules
from error_tracking.events.event import Event
from error_tracking.events.summary import Client, Summary
from error_tracking.utils import uuid7

from . import context, csrf, noise
from .details import with_details
from .exclusions import is_excluded, is_ignored
from .guard import count_failure, guard
from .request_context import guarded, route_for
from .summaries import (
    client_of,
    level_or_error,
    route_of_url,
    summary_of_exception,
    summary_of_message,
    summary_of_response,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpResponseBase

logger = logging.getLogger("error_tracking")


class Failure(NamedTuple):
    """
    One failure, and where its details are read from.

    Attributes:
        summary: What is known without reading them.
        request: The request it happened in, None outside any.
        exception: What was raised, if anything.
        more: Returns what an integration knows besides.
    """

    summary: Summary
    request: HttpRequest | None = None
    exception: BaseException | None = None
    more: Callable[[], Mapping[str, object]] = dict


def capture(failure: Failure) -> Event | None:
    """
    Count *failure*, or turn it into an event and hand that to the recorder.

    Returns:
        The event; None when the project's BEFORE_STORE does not want it.
    """
    now = time.time()
    # A flood of new groups is counted in a few that they share.
    summary = recorder.in_shared_group(failure.summary, now)
    client = client_of(summary, failure.request)
    # Where an equal event was stored whole a moment ago, this one is only counted.
    representative = recorder.fold(summary, client, now)
    event = _event_of(summary, client, now, representative)
    if representative or recorder.is_discarding():
        return event
    detailed = with_details(event, failure.exception, failure.request, failure.more)
    wanted = _before_store(detailed)
    if wanted is not None:
        recorder.submit(wanted)
    return wanted


def _event_of(
    summary: Summary, client: Client, now: float, representative: str
) -> Event:
    """Return the event without details; one that is folded has the other's id."""
    settings = conf.get_settings()
    event_id = representative or str(uuid7())
    return Event(
        event_id=event_id,
        # What people read out from an error page: the random end of the id.
        reference=event_id[-10:],
        timestamp=now,
        error_type=summary.error_type,
        mechanism=summary.mechanism,
        fingerprint=summary.fingerprint,
        fingerprint_version=rules.VERSION,
        title=summary.title,
        handled=summary.handled,
        level=summary.level,
        status_code=summary.status_code,
        route=summary.route,
        message=summary.message,
        culprit=summary.culprit,
        exceptions=summary.exceptions,
        user_id=client.user_id,
        user_label=client.user_label,
        client=client.client,
        is_evidence=client.is_evidence,
        has_own_origin=client.has_own_origin,
        release=settings.release,
        environment=settings.environment,
        server_name=settings.server_name,
    )


def _before_store(event: Event) -> Event | None:
    """
    Return what the project's BEFORE_STORE makes of *event*.

    A hook that fails costs the details, not the event: it may have been about to take
    something out of them.
    """
    try:
        hook = conf.before_store()
        if hook is None:
            return event
        answer = hook(event)
    except Exception as error:  # noqa: BLE001  the project's code
        count_failure(
            "BEFORE_STORE failed, the event is stored without its payload", error
        )
        return event.bare()
    if answer is None or isinstance(answer, Event):
        return answer
    logger.error(
        "BEFORE_STORE must return an Event or None: returned=%s", type(answer).__name__
    )
    return event.bare()


class ErrorCaptureService:
    """
    Captures errors; stateless.

    Every method is safe to call anywhere: none of them raises.
    """

    @guard
    def capture_error(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        exception: BaseException | None = None,
    ) -> Event | None:
        """
        Capture the 4xx or 5xx *response*, with the *exception* behind it if any.

        A 4xx with an exception behind it is still an answer, not a crash.

        Returns:
            The event, or None when it is excluded, disabled or could not be captured.
        """
        status = response.status_code
        if status < 400 or is_excluded(request, status) or is_ignored(exception):
            return None
        if exception is not None and status >= 500:
            return _capture_raised(exception, request, status_code=status)
        refusal = guarded(csrf.refusal_of, request, response, exception, default=None)
        if refusal is not None and noise.is_unread(request, refusal.reason):
            return _capture_disconnect(request, exception)
        summary = summary_of_response(request, status, refusal, is_gone=False)
        return capture(Failure(summary, request, exception))

    @guard
    def capture_exception(
        self,
        request: HttpRequest | None,
        exception: BaseException,
        *,
        handled: bool = False,
        mechanism: str = "middleware",
        level: str = "error",
        where: str = "",
        fingerprint: Sequence[str] = (),
        more: Callable[[], Mapping[str, object]] = dict,
    ) -> Event | None:
        """
        Capture *exception*; return the event, that of its first capture if it had one.

        Args:
            request: The request it happened in, None outside any.

            exception: The exception.

            handled: Whether somebody has dealt with it.

            mechanism: How it was caught.

            level: One of ``events.event.LEVELS``.

            where: What failed, if that is no request or a part of it:
                ``"task shop.pay"``.

            fingerprint: Parts of a fingerprint that the project asks for.

            more: Returns what is known besides; scrubbed here.

        """
        status = 0
        if request is not None and mechanism == "middleware" and not handled:
            # Nobody has answered yet, and Django will answer with this.
            status = 500
        if not conf.get_settings().ENABLED or is_ignored(exception):
            return None
        if request is not None and is_excluded(request, status):
            return None
        return _capture_raised(
            exception,
            request,
            status_code=status,
            handled=handled,
            mechanism=mechanism,
            level=level_or_error(level),
            where=where,
            parts=fingerprint,
            more=more,
        )

    @guard
    def capture_message(
        self,
        message: object,
        *,
        level: str = "info",
        request: HttpRequest | None = None,
        logger_name: str = "api",
        template: str = "",
        place: str = "",
        fingerprint: Sequence[str] = (),
        more: Callable[[], Mapping[str, object]] = dict,
    ) -> Event | None:
        """
        Capture *message*, which has no exception; return the event.

        Args:
            message: What happened; its ``str()`` is stored.

            level: One of ``events.event.LEVELS``.

            request: The request it happened in, None outside any.

            logger_name: The logger it came through, ``"api"`` for none.

            template: The message before values were put in.

            place: What called the logger; by default the route of *request*.

            fingerprint: Parts of a fingerprint that the project asks for.

            more: Returns what is known besides; scrubbed here.

        """
        if not conf.get_settings().ENABLED:
            return None
        if not place and request is not None:
            place = route_for(request)
        summary = summary_of_message(
            message,
            level=level_or_error(level),
            logger_name=logger_name,
            template=template,
            place=place,
            parts=fingerprint,
        )
        return capture(Failure(summary, request, more=more))

    def generate_fingerprint(self, error_type: str, url: str, status_code: int) -> str:
        """
        Return the fingerprint of a response without an exception.

        It equals the stored one.
        """
        route = route_of_url(url)
        return rules.fingerprint_for_response(error_type, status_code, route)

    def normalize_url(self, url: str) -> str:
        """
        Return the matched route of *url*.

        Where none matches, its path with what differs per object named.
        """
        return route_of_url(url) or rules.normalize_path(url)


def _capture_raised(
    exception: BaseException,
    request: HttpRequest | None,
    *,
    status_code: int,
    handled: bool = False,
    mechanism: str = "middleware",
    level: str = "error",
    where: str = "",
    parts: Sequence[str] = (),
    more: Callable[[], Mapping[str, object]] = dict,
) -> Event | None:
    """Capture *exception*, unless it was captured before."""
    if request is not None and noise.is_disconnect(exception):
        return _capture_disconnect(request, exception)
    is_captured, event = context.already_captured(
        exception, is_direct=mechanism == "api"
    )
    if is_captured:
        if event is None or handled:
            return event
        return _correct_outcome(exception, event, status_code)
    summary = summary_of_exception(
        exception,
        request,
        status_code=status_code,
        mechanism=mechanism,
        handled=handled,
        level=level,
        where=where,
        parts=parts,
    )
    event = capture(Failure(summary, request, exception, more))
    context.mark(exception, event)
    return event


def _correct_outcome(exception: BaseException, event: Event, status_code: int) -> Event:
    """
    Return *event*, corrected if its exception was captured and then raised again.

    ``except Exception: capture_exception(); raise`` is captured as handled, because
    nobody knows then how it ends.
    """
    if not event.handled:
        return event
    status = status_code or event.status_code
    corrected = dataclasses.replace(event, handled=False, status_code=status)
    recorder.correct(event, corrected)
    context.mark(exception, corrected)
    return corrected


def _capture_disconnect(
    request: HttpRequest, exception: BaseException | None
) -> Event | None:
    """Capture that the client went away while it sent *request*."""
    # Whatever was meant to be the answer, nobody has received it.
    status = noise.CLIENT_CLOSED_REQUEST
    if is_excluded(request, status):
        return None
    summary = summary_of_response(request, status, None, is_gone=True)
    return capture(Failure(summary, request, exception))
