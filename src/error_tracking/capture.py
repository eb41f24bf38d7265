"""
The one door into the pipeline, and the one guard.

Turns a failed request or an exception into an ``Event``, scrubbed and
fingerprinted, and submits it. Nothing that goes wrong in here reaches the host:
it is logged to ``error_tracking`` and counted. Must not touch the database, the
network or anything lazy of the request.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import logging
import pkgutil
import platform
import re
import time
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

import django
from django.http import HttpRequest

from . import conf, context, noise, recorder
from . import fingerprint as rules
from .events import CLIENT_ERROR, CSRF, EXCEPTION, LEVELS, MESSAGE, SERVER_ERROR, Event, ExceptionInfo
from .exception_context import Outline, exception_values, outline_of
from .request_context import client_hash, client_hash_of, columns_for, guarded, is_linked_from_host, route_for, user_for
from .stacktrace import MESSAGE_CHARS, type_name
from .utils import bases_of, clean_line, qualified_name, safe_text, uuid7

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.http import HttpResponseBase

logger = logging.getLogger("error_tracking")

TITLE_CHARS = 255
CSRF_FLAG = "_error_tracking_csrf_reason"
ADMIN_PREFIX = "error_tracking_"
PAST_ORIGIN = re.compile(r"(\b\w{1,10}://[^/\s?#]{0,300})\S*")  # a Referer's path and query are not for keeping
TRACE = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-")  # W3C Trace Context, 3.2
_RUNTIME = {"python": platform.python_version(), "django": django.get_version()}
_ORIGINS = ("HTTP_ORIGIN", "HTTP_REFERER")

_is_capturing: contextvars.ContextVar[bool] = contextvars.ContextVar("error_tracking_is_capturing", default=False)

P = ParamSpec("P")
R = TypeVar("R")


def guard(function: Callable[P, R]) -> Callable[P, R | None]:
    """Make *function* return None when it fails, or when it is called while it captures (FAULTS C03, C29)."""

    @functools.wraps(function)
    def guarded_function(*args: P.args, **kwargs: P.kwargs) -> R | None:
        if _is_capturing.get():
            return None
        token = _is_capturing.set(True)
        try:
            return function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  the guard: whatever is wrong in us, the host goes on
            _count_failure("an error could not be captured", error)
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
        if status < 400 or is_excluded(request, status) or _is_ignored(exception):  # noqa: PLR2004  the first error status
            return None
        if exception is None or status < 500:  # noqa: PLR2004  the first server error
            return _capture_response(request, status, exception)
        return _capture_exception(exception, request, status_code=status)

    @guard
    def capture_exception(  # noqa: PLR0913  keywords, each said in the docstring
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
        Capture *exception*; return the event, that of its first capture when this is not the first.

        Args:
            request: The request it happened in, None outside any.

            exception: The exception.

            handled: Whether somebody has dealt with it.

            mechanism: How it was caught.

            level: One of ``events.LEVELS``.

            where: What failed, where that is no request: ``"task shop.pay"``.

            fingerprint: Parts of a fingerprint of the host's own.

            more: Gives what is known besides; scrubbed here.

        """
        status = 500 if request is not None and mechanism == "middleware" and not handled else 0
        if not conf.get_settings().ENABLED or _is_ignored(exception):
            return None
        if request is not None and is_excluded(request, status):
            return None
        values = {"handled": handled, "mechanism": mechanism, "level": _level(level)}
        return _capture_exception(
            exception, request, status_code=status, where=where, parts=fingerprint, more=more, **values
        )

    @guard
    def capture_message(  # noqa: PLR0913  keywords, each said in the docstring
        self,
        message: object,
        *,
        level: str = "info",
        request: HttpRequest | None = None,
        logger_name: str = "api",
        template: str = "",
        fingerprint: Sequence[str] = (),
        more: Callable[[], Mapping[str, object]] = dict,
    ) -> Event | None:
        """Capture *message*, which has no exception; return the event. *template* is it before values were put in."""
        if not conf.get_settings().ENABLED:
            return None
        scrubber = conf.get_scrubber()
        text = scrubber.text(safe_text(message, MESSAGE_CHARS), MESSAGE_CHARS)
        pattern = rules.normalize_message(scrubber.text(template, MESSAGE_CHARS) if template else text)
        own = rules.fingerprint_for_message(pattern, logger_name)
        head = {
            "error_type": MESSAGE,
            "mechanism": "api" if logger_name == "api" else "logging",
            "fingerprint": rules.fingerprint_from_parts(fingerprint, own) if fingerprint else own,
            "title": clean_line(pattern, TITLE_CHARS) or "message",
            "message": text,
            "level": _level(level),
            "handled": True,
        }
        return _record(head, request, dict, more)

    def generate_fingerprint(self, error_type: str, url: str, status_code: int) -> str:
        """Return the fingerprint of a response without an exception; equals the stored one."""
        return rules.fingerprint_for_response(error_type, status_code, _route_of_url(url))

    def normalize_url(self, url: str) -> str:
        """Return the matched route of *url*, else *url*'s path with what differs per object named."""
        return _route_of_url(url) or rules.normalize_path(url)


def is_excluded(request: HttpRequest, status_code: int) -> bool:
    """Return whether the settings, or the tracker's own admin pages, keep this out."""
    settings = conf.get_settings()
    if not settings.ENABLED or status_code in settings.EXCLUDE_STATUS_CODES:
        return True
    if request.path.startswith(tuple(settings.EXCLUDE_PATHS)):
        return True
    match = request.__dict__.get("resolver_match")
    return match is not None and "admin" in match.app_names and str(match.url_name).startswith(ADMIN_PREFIX)


def _record(
    head: dict[str, Any],
    request: HttpRequest | None,
    payload: Callable[[], dict[str, Any]],
    more: Callable[[], Mapping[str, object]] = dict,
) -> Event | None:
    """
    Count the event that *head* begins, or submit it with its *payload*, which is built only now.

    A part that cannot be built costs that part, not the event (FAULTS B04,
    C27). None when the project's hook does not want it.
    """
    now = time.time()
    head |= _client_values(request, head)
    representative = recorder.fold(head, now)
    identity = representative or str(uuid7())
    settings = conf.get_settings()
    event = Event(
        event_id=identity,
        reference=identity[-10:],
        timestamp=now,
        fingerprint_version=rules.VERSION,
        release=settings.release,
        environment=settings.environment,
        server_name=settings.server_name,
        **head,
    )
    if representative:
        return event
    values: dict[str, Any] = {}
    for part in (lambda: columns_for(request), payload, lambda: {"context": _context_values(request, more)}):
        try:
            values |= part()
        except Exception as error:  # noqa: BLE001  memory that has run out, or an exception that fights back
            _count_failure("a part of an error could not be captured", error)
    event = dataclasses.replace(event, **values)
    answer = _asked(event)
    if answer is not None:
        recorder.submit(answer)
    return answer


def _asked(event: Event) -> Event | None:
    """Return what the project's BEFORE_STORE makes of *event*; a hook that fails costs the payload, not the event."""
    try:
        hook = conf.before_store()
        answer = event if hook is None else hook(event)
    except Exception as error:  # noqa: BLE001  the hook is the host's own
        _count_failure("BEFORE_STORE failed, the event is stored without its payload", error)
        return event.bare()
    if answer is None or isinstance(answer, Event):
        return answer
    logger.error("BEFORE_STORE must return an Event or None: returned=%s", type(answer).__name__)
    return event.bare()


def _context_values(request: HttpRequest | None, more: Callable[[], Mapping[str, object]]) -> dict[str, Any]:
    """Return what is known besides the request: what was told, what *more* gives, the trace, the versions."""
    scrubber = conf.get_scrubber()
    told = context.told(scrubber)
    given = scrubber.tree({name: value for name, value in more().items() if value is not None})
    tags = told.pop("tags", {})
    if isinstance(given.get("tags"), dict):
        tags |= given.pop("tags")
    found = {**told, **{name: value for name, value in given.items() if value}, "runtime": _RUNTIME}
    if tags:
        found["tags"] = tags
    trace = TRACE.match(str(request.META.get("HTTP_TRACEPARENT", ""))[:100]) if request is not None else None
    if trace is not None:
        found["trace_id"] = trace[1]
    return found


def _count_failure(what: str, error: Exception) -> None:
    recorder.count_failure()
    error.__suppress_context__ = True  # the host's exception: not ours to print, and it may fight back
    with contextlib.suppress(Exception):  # a handler of the host's that raises
        logger.error(what, exc_info=error)


def _level(level: str) -> str:
    return level if level in LEVELS else "error"


def _is_ignored(exception: BaseException | None) -> bool:
    """Return whether IGNORE_EXCEPTIONS names the class of *exception* or one that it derives from."""
    names = _names_of_classes(tuple(conf.get_settings().IGNORE_EXCEPTIONS))
    if exception is None or not names:
        return False
    return any(qualified_name(base) in names for base in bases_of(type(exception)))


@functools.lru_cache(maxsize=1)
def _names_of_classes(paths: tuple[str, ...]) -> set[str]:
    """Return *paths*, and what their classes are called at home: ``django.http.Http404`` is imported there only."""
    names = set(paths)
    for path in paths:
        with contextlib.suppress(Exception):  # a module of the host's, which may fail in any way
            names.add(qualified_name(pkgutil.resolve_name(path)))
    return names


def _capture_response(
    request: HttpRequest, status: int, exception: BaseException | None, *, is_gone: bool = False
) -> Event | None:
    """Capture a response; a 4xx with an exception behind it is still an answer, not a crash."""
    reason = clean_line(request.__dict__.get(CSRF_FLAG, ""), 300)
    if is_gone := is_gone or noise.is_unread(request, reason):
        status, reason = noise.CLIENT_CLOSED_REQUEST, ""
        if is_excluded(request, status):
            return None
    kind = CSRF if reason and status == 403 else CLIENT_ERROR if status < 500 else SERVER_ERROR  # noqa: PLR2004
    route = route_for(request)
    what = "CSRF failure" if kind == CSRF else f"HTTP {status}"
    title, detail = f"{what} on {route or 'URLs that do not resolve'}", reason if kind == CSRF else ""
    if kind == CLIENT_ERROR:
        detail = noise.DISCONNECT if is_gone else guarded(noise.noise_of, request, status, route, default="")
        if detail:
            route, title = rules.UNRESOLVED, noise.TITLES[detail].format(what=what)
    head = {
        "error_type": kind,
        "mechanism": "middleware",
        "handled": True,
        "status_code": status,
        "fingerprint": rules.fingerprint_for_response(kind, status, route, detail),
        "title": clean_line(title, TITLE_CHARS),
        "message": conf.get_scrubber().line(PAST_ORIGIN.sub(r"\1", reason), MESSAGE_CHARS),
        "route": route,
        "is_noise": bool(detail) and kind == CLIENT_ERROR,
    }
    return _record(head, request, lambda: exception_values(exception, request) if exception is not None else {})


def _capture_exception(  # noqa: PLR0913  keywords, each said in the docstring
    exception: BaseException,
    request: HttpRequest | None,
    *,
    status_code: int,
    where: str = "",
    parts: Sequence[str] = (),
    more: Callable[[], Mapping[str, object]] = dict,
    **extra: object,
) -> Event | None:
    if request is not None and noise.is_disconnect(exception):
        return _capture_response(request, status_code, exception, is_gone=True)
    is_seen, event = context.seen(exception, is_direct=extra.get("mechanism") == "api")
    if is_seen:
        return event
    route = route_for(request) if request is not None else clean_line(where, 200)
    raised, fingerprint, culprit = _outline(exception, route)
    place = culprit or route
    head = {
        "error_type": EXCEPTION,
        "mechanism": "middleware",
        "status_code": status_code,
        "fingerprint": rules.fingerprint_from_parts(parts, fingerprint) if parts else fingerprint,
        "title": clean_line(f"{raised.type} in {place}" if place else raised.type, TITLE_CHARS),
        "culprit": culprit,
        "exceptions": (raised,),
        "route": route,
        **extra,
    }
    event = _record(head, request, lambda: exception_values(exception, request), more)
    context.mark(exception, event)
    return event


def _outline(exception: BaseException, route: str) -> Outline:
    try:
        return outline_of(exception, route)
    except Exception as error:  # noqa: BLE001  an exception that fights back still has a type
        _count_failure("an exception could not be read", error)
        raised = ExceptionInfo(*type_name(exception), "")
        return raised, rules.fingerprint_for_exception(raised, route), ""


def _client_values(request: HttpRequest | None, head: dict[str, Any]) -> dict[str, Any]:
    """Return what is counted of each client, also of an event that is not stored whole."""
    is_noise = head.pop("is_noise", False)
    told = context.current().user
    user_id, user_label = told or ("", "")
    if request is None:
        client = client_hash_of(f"user:{user_id}", head["fingerprint"]) if user_id else ""
        return {"user_id": user_id, "user_label": user_label, "client": client}
    if told is None:
        user_id, user_label = guarded(user_for, request, default=("", ""))
    is_evidence = bool(user_id) or guarded(is_linked_from_host, request, default=False)
    if head["error_type"] == CSRF:  # a signed-in user alone shows nothing: that is whom a forged form attacks
        is_evidence = any(guarded(is_linked_from_host, request, name, default=False) for name in _ORIGINS)
    client = guarded(client_hash, request, user_id, head["fingerprint"], default="")
    return {"user_id": user_id, "user_label": user_label, "is_evidence": is_evidence and not is_noise, "client": client}


def _route_of_url(url: str) -> str:
    request = HttpRequest()
    request.path = request.path_info = urlsplit(url).path or "/"
    return route_for(request)
