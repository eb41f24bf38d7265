"""
``ErrorCaptureMiddleware``: sees every failed request, once.

An exception reaches it four ways: through the first ``process_exception`` hook of
the handler (views, see ``_observe_view_exceptions``), through
``got_request_exception`` (everything that became a 500), from the integration of
a library that answers exceptions itself, and out of ``get_response`` (a 500
handler that failed, ``SystemExit``). All leave it on the request; the response
decides what is captured. Must not change what Django's own tools see, nor touch a
response below 400, except to watch its stream.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings as django_settings
from django.core.handlers.base import BaseHandler
from django.core.signals import got_request_exception
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponseBase,
    StreamingHttpResponse,
)

from . import conf, recorder
from .capture import context
from .capture.context import STATE
from .capture.exclusions import is_excluded
from .capture.guard import guard
from .capture.noise import is_client_error
from .capture.service import ErrorCaptureService
from .events.borders import clean_record, log_text
from .pages import page
from .recorder.worker import is_started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
    from types import FrameType

    from .events.event import Event

FIRST_REDIRECT_STATUS = 300
FIRST_ERROR_STATUS = 400
FIRST_SERVER_ERROR = 500
REFERENCE_HEADER = "X-Error-Reference"
# The constructor is called by load_middleware, directly or through a factory and the
# metaclasses and decorators around it: more frames than this were never needed.
HANDLER_SEARCH_FRAMES = 10

_service = ErrorCaptureService()


class _State(context.Unit):
    """
    The unit of one request: its first exception, and where the request is.

    Attributes:
        is_inside: Whether our middleware waits for its response.
        is_streaming: Whether the body of its response is still sent.
        exception: What was seen first, until it is captured.
        unhandled: Whether Django made a 500 of it.
    """

    # Of the class: a request that does not fail sets nothing.
    is_begun = True
    is_inside = True
    is_streaming = False
    exception: BaseException | None = None
    unhandled = False

    @property
    def is_over(self) -> bool:  # type: ignore[override]
        """Return whether the request was answered: what fails now is not part of it."""
        return not self.is_inside and not self.is_streaming


class ErrorCaptureMiddleware:
    """
    Captures failed requests and gives their visitors a friendly page.

    Works under WSGI and ASGI.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        """Wrap *get_response*."""
        # Django makes the middleware when a process begins to serve.
        conf.log_problems()
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)
        _observe_view_exceptions(self.process_exception)

    def __call__(
        self, request: HttpRequest
    ) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Pass the request on; look at the response only when it failed or streams."""
        if self.is_async:
            return self.__acall__(request)
        state = _enter(request)
        try:
            response: HttpResponseBase = self.get_response(request)
        except Exception as error:  # noqa: BLE001  the last page there is
            response = _response_for_failure(request, state, error)
        except BaseException as error:
            _capture_exit(request, state, error)
            raise
        state.is_inside = False
        if (
            response.status_code >= FIRST_ERROR_STATUS
            or response.streaming
            or state.exception is not None
        ):
            return _finish(request, response, state)
        return response

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        """Do the same under ASGI: in a thread, as Django's own 500 handling does."""
        state = _enter(request)
        try:
            response: HttpResponseBase = await self.get_response(request)
        except Exception as error:  # noqa: BLE001  the last page there is
            response = await sync_to_async(
                _response_for_failure, thread_sensitive=False
            )(request, state, error)
        except BaseException as error:
            _capture_exit(request, state, error)  # the loop is ending: no await
            raise
        state.is_inside = False
        if (
            response.status_code >= FIRST_ERROR_STATUS
            or response.streaming
            or state.exception is not None
        ):
            return await sync_to_async(_finish, thread_sensitive=_needs_own_thread())(
                request, response, state
            )
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """
        Remember a view's exception.

        Always returns None, so Django continues as without us.
        """
        state = request.__dict__.get(STATE)
        if state is not None and state.exception is None:
            state.exception = exception


def _observe_view_exceptions(process_exception: Callable[..., None]) -> None:
    """
    Make *process_exception* the first of the handler's hooks for view exceptions.

    Django calls the ``process_exception`` hooks from the innermost middleware to the
    outermost and stops at the first that answers, so a middleware near the start of
    MIDDLEWARE never sees an exception that another one answers. No other hook does:
    ``got_request_exception`` is not sent for an exception that was answered, and
    ``process_view`` may answer but cannot wrap the view. So we look for the handler
    that is loading its middleware, up the stack, and put our hook first in its list.
    If it is not found, the hook stays where Django puts it.
    """
    frame: FrameType | None = sys._getframe(1)
    for _ in range(HANDLER_SEARCH_FRAMES):
        if frame is None:
            return
        candidate = frame.f_locals.get("self")
        if issubclass(type(candidate), BaseHandler):
            hooks = getattr(candidate, "_exception_middleware", None)
            if type(hooks) is list:
                hooks.insert(0, process_exception)
            return
        frame = frame.f_back


def _needs_own_thread() -> bool:
    """Return whether capturing writes to the database, on the request's connection."""
    return conf.get_settings().RECORDER == "immediate"


def _enter(request: HttpRequest) -> _State:
    if not is_started():
        guard(recorder.start)()
    state = request.__dict__[STATE] = _State()
    context.begin_request(request)
    return state


def _response_for_failure(
    request: HttpRequest, state: _State, error: Exception
) -> HttpResponseBase:
    """
    Return the last page there is when even the 500 handler failed.

    The error goes on to whoever asked for it: under DEBUG, with
    DEBUG_PROPAGATE_EXCEPTIONS, and where ERROR_PAGES is off.
    """
    state.is_inside = False
    state.exception, state.unhandled = state.exception or error, True
    settings = conf.get_settings()
    if (
        django_settings.DEBUG
        or django_settings.DEBUG_PROPAGATE_EXCEPTIONS
        or not settings.ERROR_PAGES
        or not settings.ENABLED
    ):
        _service.capture_exception(request, state.exception)
        context.mark(error)  # on its way out it is signalled once more
        raise error
    _log_failure(request, error)
    return page.bare_response()


def _log_failure(request: HttpRequest, error: Exception) -> None:
    """
    Write Django's own line for a failure, which nobody else writes here.

    It is cleaned, because the path is a visitor's text.
    """
    logger = logging.getLogger("django.request")
    if not logger.isEnabledFor(logging.ERROR):
        return
    record = logger.makeRecord(
        logger.name,
        logging.ERROR,
        __file__,
        0,
        "Internal Server Error: %s",
        (log_text(request.path),),
        (type(error), error, error.__traceback__),
        extra={"status_code": 500, "request": request},
    )
    logger.handle(clean_record(record))


def _finish(
    request: HttpRequest, response: HttpResponseBase, state: _State
) -> HttpResponseBase:
    """Capture what failed, then replace a bare page."""
    exception = state.exception
    state.exception = None  # its frames would live as long as the request
    status = response.status_code
    if exception is not None and state.unhandled and status < FIRST_SERVER_ERROR:
        # Django made a 500 of it, and somebody made a better answer of that.
        event = _service.capture_exception(request, exception)
    elif exception is not None and status < FIRST_ERROR_STATUS:
        event = _capture_answered(request, response, exception)
    else:
        event = _service.capture_error(request, response, exception)
    if response.status_code >= FIRST_ERROR_STATUS:
        _set_reference(response, event)
        _replace_page(request, response, event, state)
    if (
        response.streaming
        and isinstance(response, StreamingHttpResponse)
        and not isinstance(response, FileResponse)
    ):
        state.is_streaming = True
        _watch(request, response)
    return response


def _capture_answered(
    request: HttpRequest, response: HttpResponseBase, exception: BaseException
) -> Event | None:
    """
    Capture a view's exception that a hook answered with a status below 400.

    A 2xx is an API's envelope (``{"ok": false}``): the operation failed. A redirect is
    how a site handles an exception it expects, such as a login that was cancelled: it
    is stored as a warning, which never becomes a bug. What Django or a library maps
    to a 4xx is a refused request, and was not refused here.
    """
    if is_client_error(exception):
        return None
    is_redirect = response.status_code >= FIRST_REDIRECT_STATUS
    return _service.capture_exception(
        request, exception, handled=True, level="warning" if is_redirect else "error"
    )


def _capture_exit(request: HttpRequest, state: _State, error: BaseException) -> None:
    """
    Capture what ends the worker in a request, such as gunicorn's time-out.

    ``SystemExit`` with code 0 or None is an orderly end; the others left out are
    signals of the server, the event loop or the terminal, and no failure of the view.
    """
    state.is_inside = False
    if isinstance(error, SystemExit):
        is_failure = error.code not in (None, 0)
    else:
        is_failure = not isinstance(
            error, (KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)
        )
        is_failure = is_failure and type(error).__name__ != "GreenletExit"
    if is_failure:
        _service.capture_exception(request, error)


@guard
def _set_reference(response: HttpResponseBase, event: Event | None) -> None:
    """Name the event in a header: many failed responses have no page of ours."""
    if event is not None and "reference_header" not in conf.get_settings().DISABLE:
        response.headers[REFERENCE_HEADER] = event.reference


@guard
def _replace_page(
    request: HttpRequest,
    response: HttpResponseBase,
    event: Any,
    state: _State,
) -> None:
    if conf.get_settings().ENABLED and not is_excluded(request, 0):
        page.replace(request, response, event, is_unhandled=state.unhandled)


def _watch(request: HttpRequest, response: StreamingHttpResponse) -> None:
    """Capture an error in the middle of a streamed body, and raise it again."""
    content = response.streaming_content
    if response.is_async:
        response.streaming_content = _watch_async(request, content)  # type: ignore[arg-type]
    else:
        response.streaming_content = _watch_sync(request, content)  # type: ignore[arg-type]


def _streamed_response() -> dict[str, object]:
    """Return the context of an error that ends a response which has begun."""
    return {"response": {"is_streamed": True}}


def _watch_sync(request: HttpRequest, content: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from content
    except Exception as error:
        _service.capture_exception(request, error, more=_streamed_response)
        raise


async def _watch_async(
    request: HttpRequest, content: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    try:
        async for part in content:
            yield part
    except Exception as error:
        await sync_to_async(
            _service.capture_exception, thread_sensitive=_needs_own_thread()
        )(request, error, more=_streamed_response)
        raise


def remember_exception(request: HttpRequest | None = None, **_kwargs: object) -> None:
    """
    Receive ``got_request_exception``.

    The exception is remembered, or captured if nobody else will. Cannot raise: Django
    sends this signal unprotected.
    """
    try:
        error = sys.exception()
        if request is None or error is None:
            return
        state = request.__dict__.get(STATE)
        if state is None:
            state = _enter(request)
            state.is_inside = False
        if state.is_inside:
            # The first one is the cause; a 500 handler that then fails is not.
            if not state.unhandled:
                state.exception, state.unhandled = error, True
        else:
            _service.capture_exception(request, error)
    except Exception:
        logging.getLogger("error_tracking").debug(
            "the signal's receiver failed", exc_info=True
        )


def install() -> None:
    """Connect the signal; called once when Django is ready."""
    got_request_exception.connect(remember_exception, dispatch_uid="error_tracking")
