"""
``ErrorCaptureMiddleware``: sees every failed request, once.

An exception reaches it three ways: ``process_exception`` (views),
``got_request_exception`` (everything that became a 500) and out of
``get_response`` (a 500 handler that failed). All three leave it on the request;
the response decides what is captured. Must not change what Django's own tools
see, nor touch a response below 400, but for watching its stream.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.core.signals import got_request_exception
from django.http import FileResponse, HttpRequest, HttpResponseBase, StreamingHttpResponse

from . import conf, context, error_pages, recorder
from .capture import CSRF_FLAG, ErrorCaptureService, guard, is_excluded
from .context import STATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

FIRST_ERROR_STATUS = 400
FIRST_SERVER_ERROR = 500

_service = ErrorCaptureService()


class _State(context.Unit):
    """What is known of one request: the exception seen first, and whether our middleware is around it."""

    # Of the class: a request that does not fail sets nothing.
    is_begun = True
    is_inside = True
    is_streaming = False
    exception: BaseException | None = None
    unhandled = False

    @property
    def is_over(self) -> bool:  # type: ignore[override]
        """Return whether the request was answered, so that what fails now is not of it."""
        return not self.is_inside and not self.is_streaming


class ErrorCaptureMiddleware:
    """Captures failed requests and gives their visitors a friendly page; sync and async."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        """Wrap *get_response*."""
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Pass the request on; look at the response only when it failed or streams."""
        if self.is_async:
            return self.__acall__(request)
        state = _enter(request)
        try:
            response: HttpResponseBase = self.get_response(request)
        except Exception as error:  # noqa: BLE001  the last page there is; BaseException goes on
            response = _response_for_failure(request, state, error)
        state.is_inside = False
        if response.status_code >= FIRST_ERROR_STATUS or response.streaming or state.unhandled:
            return _finish(request, response, state)
        return response

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        """Do the same under ASGI; what captures runs in a thread, as Django's own 500 handling does."""
        state = _enter(request)
        try:
            response: HttpResponseBase = await self.get_response(request)
        except Exception as error:  # noqa: BLE001  the last page there is; BaseException goes on
            response = await sync_to_async(_response_for_failure, thread_sensitive=False)(request, state, error)
        state.is_inside = False
        if response.status_code >= FIRST_ERROR_STATUS or response.streaming or state.unhandled:
            return await sync_to_async(_finish, thread_sensitive=_needs_own_thread())(request, response, state)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Remember a view's exception; always None, so that Django goes on as without us (FAULTS C02)."""
        state = request.__dict__.get(STATE)
        if state is not None and state.exception is None:
            state.exception = exception


def _needs_own_thread() -> bool:
    """Return whether capturing writes to the database at once, and so belongs on the request's thread."""
    return conf.get_settings().RECORDER == "immediate"


def _enter(request: HttpRequest) -> _State:
    if not recorder.is_started():
        guard(recorder.start)()
    state = request.__dict__[STATE] = _State()
    context.begin_request(request)
    return state


def _response_for_failure(request: HttpRequest, state: _State, error: Exception) -> HttpResponseBase:
    """
    Return the last page there is when even the 500 handler failed (FAULTS P01).

    The error goes on to whoever asked for it: under DEBUG, with
    DEBUG_PROPAGATE_EXCEPTIONS, and where ERROR_PAGES is off.
    """
    state.is_inside = False
    state.exception, state.unhandled = state.exception or error, True
    settings = conf.get_settings()
    if (
        conf.host("DEBUG")
        or conf.host("DEBUG_PROPAGATE_EXCEPTIONS")
        or not settings.ERROR_PAGES
        or not settings.ENABLED
    ):
        _service.capture_exception(request, state.exception)
        context.mark(error)  # on its way out it is signalled once more
        raise error
    logging.getLogger("django.request").error(
        "Internal Server Error: %s", request.path, exc_info=error, extra={"status_code": 500, "request": request}
    )
    return error_pages.bare_response()


def _finish(request: HttpRequest, response: HttpResponseBase, state: _State) -> HttpResponseBase:
    """Capture what failed, then replace a bare page."""
    exception, state.exception = state.exception, None  # kept, its frames would live as long as we do (FAULTS C28)
    if state.unhandled and exception is not None and response.status_code < FIRST_SERVER_ERROR:
        event = _service.capture_exception(request, exception)  # a 500 that somebody made a better answer of
    else:
        event = _service.capture_error(request, response, exception)
    if response.status_code >= FIRST_ERROR_STATUS:
        _replace_page(request, response, event, state)
    if response.streaming and isinstance(response, StreamingHttpResponse) and not isinstance(response, FileResponse):
        state.is_streaming = True
        _watch(request, response)
    return response


@guard
def _replace_page(
    request: HttpRequest,
    response: HttpResponseBase,
    event: Any,  # noqa: ANN401  Event or None, which this module only passes on
    state: _State,
) -> None:
    if conf.get_settings().ENABLED and not is_excluded(request, 0):
        error_pages.replace(request, response, event, is_unhandled=state.unhandled)


def _watch(request: HttpRequest, response: StreamingHttpResponse) -> None:
    """Capture an error in the middle of a streamed body, and let it go on (FAULTS C18)."""
    content = response.streaming_content
    response.streaming_content = (
        _watch_async(request, content) if response.is_async else _watch_sync(request, content)  # type: ignore[arg-type]
    )


def _watch_sync(request: HttpRequest, content: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from content
    except Exception as error:
        _service.capture_exception(request, error)
        raise


async def _watch_async(request: HttpRequest, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for part in content:
            yield part
    except Exception as error:
        await sync_to_async(_service.capture_exception, thread_sensitive=_needs_own_thread())(request, error)
        raise


def remember_exception(request: HttpRequest | None = None, **_kwargs: object) -> None:
    """
    Receive ``got_request_exception``: remember the exception, or capture it when nobody else will.

    Cannot raise: Django sends this signal unprotected (FAULTS C04).
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
            if not state.unhandled:  # the first one is the cause; a 500 handler that then fails is not
                state.exception, state.unhandled = error, True
        else:
            _service.capture_exception(request, error)
    except Exception:
        logging.getLogger("error_tracking").debug("the signal's receiver failed", exc_info=True)


class CsrfReasonFilter(logging.Filter):
    """Leaves the reason of a CSRF failure on its request; lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mark the request that the record of ``django.security.csrf`` carries."""
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest):
            reason = record.args[0] if isinstance(record.args, tuple) and record.args else "CSRF"
            request.__dict__[CSRF_FLAG] = str(reason)[:300]
        return True


def install() -> None:
    """Connect the signal and the filter; called once when Django is ready."""
    got_request_exception.connect(remember_exception, dispatch_uid="error_tracking")
    csrf_logger = logging.getLogger("django.security.csrf")
    if not any(isinstance(each, CsrfReasonFilter) for each in csrf_logger.filters):
        csrf_logger.addFilter(CsrfReasonFilter())
