"""Middleware of the test site that fails where it is told to: outside or inside ours, before or after the view."""

from __future__ import annotations

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.utils.decorators import sync_and_async_middleware


def _act(request, when, name):
    wanted = request.META.get(f"HTTP_X_{name}_{when}".upper())
    if wanted == "crash":
        raise LookupError(f"{name} middleware, {when} the view")
    if wanted == "deny":
        raise PermissionDenied
    if wanted == "teapot":
        return HttpResponse("short and stout", status=418)
    return None


def _make(name):
    @sync_and_async_middleware
    def middleware(get_response):
        if iscoroutinefunction(get_response):

            async def call(request):
                answer = _act(request, "before", name) or await get_response(request)
                return _act(request, "after", name) or answer

        else:

            def call(request):
                answer = _act(request, "before", name) or get_response(request)
                return _act(request, "after", name) or answer

        return call

    return middleware


outer = _make("outer")
inner = _make("inner")


def swallowing(get_response):
    """Turn every 500 into a good answer, as some gateways' middleware do."""

    def call(request):
        answer = get_response(request)
        return (
            HttpResponse("sorry, cached copy") if answer.status_code == 500 else answer
        )

    return call
