"""
The one door into the pipeline, and the one guard.

Turns a failed request or an exception into an ``Event``, scrubbed and
fingerprinted, and submits it. Nothing that goes wrong in here reaches the host:
it is logged to ``error_tracking`` and counted. Must not touch the database, the
network or anything lazy of the request.
"""

from __future__ import annotations

import contextvars
import dataclasses
import functools
import logging
import sys
import time
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

from django.http import HttpRequest

from . import conf, recorder
from .events import CLIENT_ERROR, CSRF, EXCEPTION, LEVELS, MESSAGE, SERVER_ERROR, Event, ExceptionInfo, Frame
from .fingerprint import (
    UNRESOLVED,
    VERSION,
    fingerprint_for_exception,
    fingerprint_for_message,
    fingerprint_for_response,
    normalize_message,
    normalize_path,
)
from .request_context import (
    AGENT_CHARS,
    METHOD_CHARS,
    client_hash,
    context_for,
    guarded,
    ip_for,
    is_linked_from_host,
    route_for,
    url_for,
    user_for,
)
from .stacktrace import LINE_CHARS, MESSAGE_CHARS, exceptions_from, traceback_text
from .utils import clean_line, uuid7

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpResponseBase

logger = logging.getLogger("error_tracking")

TITLE_CHARS = 255
CSRF_FLAG = "_error_tracking_csrf_reason"
ADMIN_PREFIX = "error_tracking_"

_is_capturing: contextvars.ContextVar[bool] = contextvars.ContextVar("error_tracking_is_capturing", default=False)
_failures = 0

P = ParamSpec("P")
R = TypeVar("R")


def failures() -> int:
    """Return how many errors of our own this process has swallowed."""
    return _failures


def guard(function: Callable[P, R]) -> Callable[P, R | None]:
    """Make *function* return None when it fails, or when it is called while it captures (FAULTS C03, C29)."""

    @functools.wraps(function)
    def guarded_function(*args: P.args, **kwargs: P.kwargs) -> R | None:
        global _failures  # noqa: PLW0603  a counter of this process
        if _is_capturing.get():
            return None
        token = _is_capturing.set(True)
        try:
            return function(*args, **kwargs)
        except Exception:  # the guard: whatever is wrong in us, the host goes on
            _failures += 1
            logger.exception("an error could not be captured")
            return None
        finally:
            _is_capturing.reset(token)

    return guarded_function


class ErrorCaptureService:
    """Captures errors; stateless. Every method is safe to call anywhere: none of them raises."""

    @guard
    def capture_error(
        self, request: HttpRequest, response: HttpResponseBase, exception: BaseException | None = None
    ) -> Event | None:
        """
        Capture the 4xx or 5xx *response*, with the *exception* behind it if there is one.

        Returns:
            The event, or None when it is excluded, disabled or could not be captured.
        """
        status = response.status_code
        if status < 400 or is_excluded(request, status):  # noqa: PLR2004  the first error status
            return None
        if exception is not None and status >= 500:  # noqa: PLR2004  the first server error
            return _submit(_exception_event(exception, request, status_code=status))
        return _submit(_response_event(request, status, exception))

    @guard
    def capture_exception(
        self,
        request: HttpRequest | None,
        exception: BaseException,
        *,
        handled: bool = False,
        mechanism: str = "middleware",
        level: str = "error",
    ) -> Event | None:
        """Capture *exception*, which happened in *request* or outside any (None); return the event."""
        status = 0 if request is None or handled else 500
        if not conf.get_settings().ENABLED or (request is not None and is_excluded(request, status)):
            return None
        event = _exception_event(exception, request, status_code=status)
        return _submit(dataclasses.replace(event, handled=handled, mechanism=mechanism, level=_level(level)))

    @guard
    def capture_message(self, message: str, *, level: str = "info", request: HttpRequest | None = None) -> Event | None:
        """Capture *message*, which has no exception; return the event."""
        if not conf.get_settings().ENABLED:
            return None
        text = conf.get_scrubber().text(str(message), MESSAGE_CHARS)
        values = _request_values(request) if request is not None else {}
        event = _event(
            error_type=MESSAGE,
            mechanism="api",
            fingerprint=fingerprint_for_message(text, "api"),
            title=clean_line(normalize_message(text), TITLE_CHARS) or "message",
            message=text,
            level=_level(level),
            handled=True,
            **values,
        )
        return _submit(event)

    def generate_fingerprint(self, error_type: str, url: str, status_code: int) -> str:
        """Return the fingerprint of a response without an exception; equals the stored one."""
        return fingerprint_for_response(error_type, status_code, _route_of_url(url))

    def normalize_url(self, url: str) -> str:
        """Return the matched route of *url*, else *url*'s path with what differs per object named."""
        return _route_of_url(url) or normalize_path(url)


def capture_exception(
    exc: BaseException | None = None, *, request: HttpRequest | None = None, level: str = "error"
) -> str:
    """
    Capture an exception that your own code has handled.

    Args:
        exc: The exception; by default the one being handled.

        request: The request it happened in, if there is one.

        level: ``"debug"``, ``"info"``, ``"warning"``, ``"error"`` or ``"fatal"``.

    Returns:
        The reference of the event, ``""`` when nothing was captured. Never raises.
    """
    exception = exc if exc is not None else sys.exception()
    if exception is None:
        logger.warning("capture_exception() was called where no exception is being handled")
        return ""
    event = ErrorCaptureService().capture_exception(request, exception, handled=True, mechanism="api", level=level)
    return event.reference if event is not None else ""


def capture_message(message: str, *, level: str = "info", request: HttpRequest | None = None) -> str:
    """Capture *message*; return the reference of the event, ``""`` when nothing was captured. Never raises."""
    event = ErrorCaptureService().capture_message(message, level=level, request=request)
    return event.reference if event is not None else ""


def is_excluded(request: HttpRequest, status_code: int) -> bool:
    """Return whether the settings, or the tracker's own admin pages, keep this out."""
    settings = conf.get_settings()
    if not settings.ENABLED or status_code in settings.EXCLUDE_STATUS_CODES:
        return True
    if request.path.startswith(tuple(settings.EXCLUDE_PATHS)):
        return True
    match = request.__dict__.get("resolver_match")
    return match is not None and "admin" in match.app_names and str(match.url_name).startswith(ADMIN_PREFIX)


def _submit(event: Event) -> Event:
    recorder.submit(event)
    return event


def _level(level: str) -> str:
    return level if level in LEVELS else "error"


def _event(**values: Any) -> Event:  # noqa: ANN401  the fields of Event
    settings = conf.get_settings()
    identity = uuid7()
    defaults: dict[str, Any] = {
        "event_id": str(identity),
        "reference": f"{identity.int & 0xFF_FFFF_FFFF:010x}",
        "timestamp": time.time(),
        "fingerprint_version": VERSION,
        "release": settings.release,
        "environment": settings.environment,
        "server_name": settings.server_name,
    }
    return Event(**{**defaults, **values})


def _response_event(request: HttpRequest, status: int, exception: BaseException | None) -> Event:
    """Return the event of a response; a 4xx with an exception behind it is still an answer, not a crash."""
    reason = request.__dict__.get(CSRF_FLAG, "")
    kind = CSRF if reason and status == 403 else CLIENT_ERROR if status < 500 else SERVER_ERROR  # noqa: PLR2004
    route = route_for(request)
    values = _request_values(request, route=route)
    exceptions = _scrubbed(exceptions_from(exception)) if exception is not None else ()
    fingerprint = fingerprint_for_response(kind, status, route)
    what = "CSRF failure" if kind == CSRF else f"HTTP {status}"
    if kind == CSRF:
        is_evidence = guarded(is_linked_from_host, request, "HTTP_ORIGIN", default=False)
        values["is_evidence"] = is_evidence or guarded(is_linked_from_host, request, default=False)
    return _event(
        error_type=kind,
        mechanism="middleware",
        handled=True,
        status_code=status,
        fingerprint=fingerprint,
        title=clean_line(f"{what} on {route or 'URLs that do not resolve'}", TITLE_CHARS),
        message=clean_line(reason, 300),
        exceptions=exceptions,
        traceback=traceback_text(exceptions),
        client=guarded(client_hash, request, values["user_id"], fingerprint, default=""),
        **values,
    )


def _exception_event(exception: BaseException, request: HttpRequest | None, *, status_code: int) -> Event:
    exceptions = _scrubbed(exceptions_from(exception))
    raised = exceptions[0]
    values = _request_values(request) if request is not None else {}
    route = route_for(request) if request is not None else UNRESOLVED
    fingerprint = fingerprint_for_exception(raised, route)
    if request is not None:
        values["client"] = guarded(client_hash, request, values["user_id"], fingerprint, default="")
    where = raised.culprit or route
    return _event(
        error_type=EXCEPTION,
        mechanism="middleware",
        status_code=status_code,
        fingerprint=fingerprint,
        title=clean_line(f"{raised.type} in {where}" if where else raised.type, TITLE_CHARS),
        culprit=raised.culprit,
        exceptions=exceptions,
        traceback=traceback_text(exceptions),
        **values,
    )


@functools.lru_cache(maxsize=4_096)
def _scrubbed_line(line: str) -> str:
    """Return a source line without secrets; the same lines come with every error, so they are kept."""
    return conf.get_scrubber().text(line, LINE_CHARS)


def _scrubbed(exceptions: tuple[ExceptionInfo, ...]) -> tuple[ExceptionInfo, ...]:
    """Return *exceptions* without secrets in messages and source lines (FAULTS V05, V07)."""
    scrubber = conf.get_scrubber()

    def frame(each: Frame) -> Frame:
        return dataclasses.replace(
            each,
            context_line=_scrubbed_line(each.context_line),
            pre_context=tuple(map(_scrubbed_line, each.pre_context)),
            post_context=tuple(map(_scrubbed_line, each.post_context)),
        )

    def scrubbed(info: ExceptionInfo) -> ExceptionInfo:
        message = scrubber.text(info.message, MESSAGE_CHARS)
        return dataclasses.replace(info, message=message, frames=tuple(map(frame, info.frames)))

    return tuple(map(scrubbed, exceptions))


def _request_values(request: HttpRequest, *, route: str | None = None) -> dict[str, Any]:
    """Return the columns that come from the request, each part guarded on its own."""
    scrubber = conf.get_scrubber()
    user_id, user_label = guarded(user_for, request, default=("", ""))
    if route is None:
        route = route_for(request)
    return {
        "method": clean_line(str(request.method or ""), METHOD_CHARS),
        "route": route or guarded(lambda: normalize_path(scrubber.path(request.path)), default=""),
        "url": guarded(url_for, request, default=""),
        "user_id": user_id,
        "user_label": user_label,
        "ip_address": guarded(ip_for, request, default=""),
        "user_agent": guarded(
            lambda: scrubber.line(str(request.META.get("HTTP_USER_AGENT", "")), AGENT_CHARS), default=""
        ),
        "is_evidence": bool(user_id) or guarded(is_linked_from_host, request, default=False),
        "request": context_for(request),
    }


def _route_of_url(url: str) -> str:
    request = HttpRequest()
    request.path = request.path_info = urlsplit(url).path or "/"
    return route_for(request)
