"""A site that fails in every way the middleware must see."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import path, register_converter
from django.views.decorators.csrf import csrf_exempt


class FailingConverter:
    regex = "[a-z]+"

    def to_python(self, value):
        raise RuntimeError("a converter failed")

    def to_url(self, value):
        return value


register_converter(FailingConverter, "failing")


def fine(request):
    return HttpResponse("fine")


def crash(request, pk=0):
    raise ValueError("the pet is gone")


def nested(request):
    try:
        {}["missing"]
    except KeyError as error:
        raise RuntimeError("could not price it") from error


def returned(request, status):
    return HttpResponse(f"chosen {status}", status=status)


def api(request, status):
    return JsonResponse({"detail": "chosen"}, status=status)


def missing(request):
    raise Http404("no such pet")


def denied(request):
    raise PermissionDenied


def bad(request):
    raise BadRequest("what?")


def suspicious(request):
    raise SuspiciousOperation("tampered")


def nothing(request):
    return None


def lazy_template(request):
    template = engines["django"].from_string("{% load static %}{{ broken.boom }}")
    return TemplateResponse(request, template, {"broken": Broken()})


class Broken:
    def boom(self):
        raise ZeroDivisionError("in a template")


def streaming(request):
    def parts():
        yield b"first "
        raise ValueError("half-way")

    return StreamingHttpResponse(parts())


async def streaming_async(request):
    async def parts():
        yield b"first "
        raise ValueError("half-way")

    return StreamingHttpResponse(parts())


def download(request):
    return FileResponse([b"data"])


async def crash_async(request):
    raise ValueError("async went wrong")


async def missing_async(request):
    raise Http404


@csrf_exempt
def pay(request):
    request.POST.get("amount")
    raise ValueError("card declined: password=hunter2")


def form(request):
    return HttpResponse("sent")


def parameters(request):
    return HttpResponse(len(request.GET))


def interrupted(request):
    raise SystemExit(3)


def bad_host(request):
    return HttpResponse(request.get_host())


def known_page_500(request: HttpRequest):
    return HttpResponse("<h1>the site's own 500</h1>", status=500)


urlpatterns = [
    path("admin/", admin.site.urls),
    path("fine/", fine),
    path("crash/", crash),
    path("pets/<int:pk>/", crash),
    path("nested/", nested),
    path("returned/<int:status>/", returned),
    path("api/<int:status>/", api),
    path("missing/", missing),
    path("denied/", denied),
    path("bad/", bad),
    path("suspicious/", suspicious),
    path("nothing/", nothing),
    path("template/", lazy_template),
    path("streaming/", streaming),
    path("streaming-async/", streaming_async),
    path("download/", download),
    path("async/", crash_async),
    path("async-missing/", missing_async),
    path("pay/", pay),
    path("form/", form),
    path("interrupted/", interrupted),
    path("parameters/", parameters),
    path("host/", bad_host),
    path("failing/<failing:name>/", fine),
    path("health/crash/", crash),
]
