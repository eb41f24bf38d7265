"""
Sends one request that fails through the project's whole middleware stack.

Django's own handler builds the stack from the project's settings. Only the request
has a URL configuration of its own: the project's with one more view. What is captured
is stored nowhere. Meanwhile logging (and so Django's mails) and the other receivers of
``got_request_exception`` (and so other trackers) are silent.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncRequestFactory, RequestFactory
from django.urls import URLResolver, include, path, set_urlconf
from django.urls.resolvers import RegexPattern
from django.utils.module_loading import import_string

from error_tracking import recorder
from error_tracking.events.event import Event

PATH = "error-tracking-doctor/"
OWN_PACKAGE = __name__.partition(".")[0]
# What a URL configuration may define besides its patterns.
ERROR_HANDLERS = ("handler400", "handler403", "handler404", "handler500")
# Django's handler names the parts of its chain "middleware path.of.Class".
MIDDLEWARE_PREFIX = "middleware "


class RequestError(Exception):
    """The exception that the view raises."""


class SetupError(Exception):
    """
    The project's settings name something that cannot be loaded.

    The text names setting, value and reason.
    """


@dataclasses.dataclass(frozen=True, slots=True)
class Passage:
    """
    How far the request came.

    Attributes:
        status: Of the response; 0 where the exception left the whole stack.

        events: What was captured.

        has_reached_view: Whether the view was called.

        answered_by: The middleware that answered instead of the view, if it is known.

    """

    status: int
    events: tuple[Event, ...]
    has_reached_view: bool
    answered_by: str


def send() -> Passage:
    """
    Send the request; through ASGI's chain if the project names an ASGI_APPLICATION.

    Raises:
        SetupError: The project's middleware or URL configuration cannot be loaded.
    """
    is_async = bool(getattr(settings, "ASGI_APPLICATION", None))
    view = _View()
    request = _request(view, is_async=is_async)
    _require_middleware()
    handler = _Handler()
    with _silence(), recorder.nothing_stored() as events:
        handler.load_middleware(is_async=is_async)
        status = _answered_status(handler, request, is_async=is_async)
    # The handler sets it for this thread, which goes on.
    set_urlconf(None)
    answered_by = handler.answered_by
    if not view.is_called and not answered_by:
        answered_by = _first_not_passed(handler.passed)
    return Passage(status, tuple(events), view.is_called, answered_by)


def _request(view: _View, *, is_async: bool) -> Any:
    factory = AsyncRequestFactory() if is_async else RequestFactory()
    request: Any = factory.get(f"/{PATH}", secure=True)
    request.META["HTTP_HOST"] = _allowed_host()
    request.urlconf = _urlconf(view)
    return request


def _answered_status(handler: _Handler, request: Any, *, is_async: bool) -> int:
    """Return the status of the response, 0 where there is none."""
    response: HttpResponseBase
    try:
        if is_async:
            response = asyncio.run(handler.get_response_async(request))
        else:
            response = handler.get_response(request)
    except RequestError:
        # With DEBUG_PROPAGATE_EXCEPTIONS the exception leaves the stack.
        return 0
    response.close()
    return response.status_code


def _first_not_passed(passed: frozenset[str]) -> str:
    """Return the first middleware that did not pass the request on, if there is one."""
    for name in settings.MIDDLEWARE:
        if name not in passed:
            return str(name)
    return ""


class _Handler(BaseHandler):
    """Django's handler, which also records how far the request comes."""

    def __init__(self) -> None:
        self._passed: set[str] = set()
        self.answered_by = ""

    @property
    def passed(self) -> frozenset[str]:
        """The middleware that passed the request on."""
        return frozenset(self._passed)

    def adapt_method_mode(
        self, is_async: Any, method: Any, *args: Any, **options: Any
    ) -> Any:
        """Return *method*, made to record that the request has come to it."""
        if getattr(method, "__name__", "") == "process_view":
            method = self._recording_answer(method)
        adapted = super().adapt_method_mode(is_async, method, *args, **options)
        name = str(options.get("name") or "")
        if name.startswith(MIDDLEWARE_PREFIX):
            name = name.removeprefix(MIDDLEWARE_PREFIX)
            return self._recording_passage(adapted, name)
        return adapted

    def _recording_passage(self, inner: Callable[..., Any], name: str) -> Any:
        """Return *inner*, which the middleware *name* calls to pass the request on."""
        if iscoroutinefunction(inner):

            async def pass_on_async(request: HttpRequest) -> Any:
                self._passed.add(name)
                return await inner(request)

            return markcoroutinefunction(pass_on_async)

        def pass_on(request: HttpRequest) -> Any:
            self._passed.add(name)
            return inner(request)

        return pass_on

    def _recording_answer(self, process_view: Callable[..., Any]) -> Any:
        """Return *process_view*, made to record whether it answers."""
        owner = type(getattr(process_view, "__self__", None))
        name = f"{owner.__module__}.{owner.__qualname__}"

        def record(answer: Any) -> Any:
            if answer is not None and not self.answered_by:
                self.answered_by = name
            return answer

        if iscoroutinefunction(process_view):

            @functools.wraps(process_view)
            async def answer_async(*args: Any, **kwargs: Any) -> Any:
                return record(await process_view(*args, **kwargs))

            return answer_async

        @functools.wraps(process_view)
        def answer(*args: Any, **kwargs: Any) -> Any:
            return record(process_view(*args, **kwargs))

        return answer


class _View:
    """The view that fails."""

    # Django's LoginRequiredMiddleware and CsrfViewMiddleware let every request pass.
    login_required = False
    csrf_exempt = True

    def __init__(self) -> None:
        self.is_called = False

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.is_called = True
        raise RequestError("made by error_tracking_doctor")


def _urlconf(view: _View) -> Any:
    """Return the project's URL configuration with *view* in front."""
    root = settings.ROOT_URLCONF
    try:
        project = URLResolver(RegexPattern(r"^/"), root).urlconf_module
    except Exception as error:
        raise SetupError(f"ROOT_URLCONF {root!r} cannot be loaded: {error}") from error
    urls: Any = types.ModuleType("error_tracking_doctor_urls")
    urls.urlpatterns = [path(PATH, view), path("", include(root))]
    for name in ERROR_HANDLERS:
        if hasattr(project, name):
            setattr(urls, name, getattr(project, name))
    return urls


def _require_middleware() -> None:
    """
    Import the project's middleware, before anything is silent.

    Raises:
        SetupError: One cannot be imported.
    """
    for name in settings.MIDDLEWARE:
        try:
            import_string(name)
        except Exception as error:
            message = f"MIDDLEWARE has {name!r}, which cannot be loaded: {error}"
            raise SetupError(message) from error


def _allowed_host() -> str:
    """Return a host that ALLOWED_HOSTS allows."""
    for host in settings.ALLOWED_HOSTS:
        name = str(host).removeprefix(".")
        if name and "*" not in name:
            return name
    # Allowed under DEBUG, and where every host is.
    return "localhost"


# What is silenced belongs to the whole process.
_silence_lock = threading.Lock()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep logging, other receivers and sentry-sdk silent in the ``with`` block."""
    with _silence_lock, contextlib.ExitStack() as stack:
        _disable_logging(stack)
        _disconnect_others(stack)
        _stop_sentry(stack)
        yield


def _disable_logging(stack: contextlib.ExitStack) -> None:
    level = logging.root.manager.disable
    stack.callback(logging.disable, level)
    logging.disable(logging.CRITICAL)


def _disconnect_others(stack: contextlib.ExitStack) -> None:
    """Leave ``got_request_exception`` only the receivers of ours."""
    signal = got_request_exception
    receivers = signal.receivers

    def restore() -> None:
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()

    stack.callback(restore)
    signal.receivers = [each for each in receivers if _is_own(each)]
    signal.sender_receivers_cache.clear()


def _is_own(receiver: tuple[Any, ...]) -> bool:
    module = getattr(receiver[1], "__module__", "")
    return str(module).partition(".")[0] == OWN_PACKAGE


def _stop_sentry(stack: contextlib.ExitStack) -> None:
    """Give sentry-sdk a client without an address, as its patches use no signal."""
    sentry: Any = sys.modules.get("sentry_sdk")
    if sentry is None:
        return
    # A client that is not active would not do: sentry-sdk then uses the one around it.
    with contextlib.suppress(AttributeError):
        scope = stack.enter_context(sentry.new_scope())
        scope.set_client(sentry.Client(dsn="", default_integrations=False))
