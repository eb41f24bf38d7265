"""A site that tells its errors apart by tags, in sync, async and streamed views, threads and pools."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time

from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

import error_tracking


def fine(request):
    return HttpResponse("fine")


def tagged(request, number):
    """Tell a tag, let others tell theirs meanwhile, fail."""
    error_tracking.set_tag("number", number)
    error_tracking.add_breadcrumb(f"number {number}")
    time.sleep(0.02)
    raise ValueError("tagged")


async def tagged_async(request, number):
    error_tracking.set_tag("number", number)
    error_tracking.add_breadcrumb(f"number {number}")
    await asyncio.sleep(0.02)
    raise ValueError("tagged")


def streamed(request):
    def parts():
        yield b"first"
        raise LookupError("half-way")

    return StreamingHttpResponse(parts())


def slow(request):
    """Stream until the client has gone."""

    def parts():
        for _ in range(2_000):
            yield b"x" * 65_536
            time.sleep(0.001)

    return StreamingHttpResponse(parts())


@csrf_exempt
def body(request):
    return HttpResponse(str(len(request.body)))


def in_thread(request):
    thread = threading.Thread(target=_die)
    thread.start()
    thread.join()
    return HttpResponse("started")


def in_pool(request):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return HttpResponse(pool.submit(_fail).result())


def _die():
    raise ArithmeticError("in a thread")


def _fail():
    raise KeyError("in a pool")


def sleep(request):
    for _ in range(300):
        time.sleep(0.1)
    return HttpResponse("rested")


urlpatterns = [
    path("sleep/", sleep),
    path("fine/", fine),
    path("tagged/<int:number>/", tagged),
    path("tagged-async/<int:number>/", tagged_async),
    path("streamed/", streamed),
    path("slow/", slow),
    path("body/", body),
    path("thread/", in_thread),
    path("pool/", in_pool),
]
