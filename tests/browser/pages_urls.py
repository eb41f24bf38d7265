"""Every error page at an address of its own, a form, and a page with htmx."""

from __future__ import annotations

from pathlib import Path

import django_htmx
from django.contrib.staticfiles import finders
from django.http import FileResponse, HttpResponse
from django.urls import path
from django.utils import translation

from error_tracking.pages import policy, preview

HTMX = Path(django_htmx.__file__).parent / "static" / "django_htmx" / "htmx-2.min.js"
POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'"


def csp_middleware(get_response):
    """Write a strict policy where the response has none, as Django's and django-csp's do."""

    def middleware(request):
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return middleware


def show(request, name):
    """Show the example *name* as its visitors see it, in the language of the query."""
    language = request.GET.get("language", "en")
    response = HttpResponse(status=preview.example(name).status)
    nonce = policy.nonce_for(request, response)
    text = preview.page_for(name, language, nonce=nonce)
    if request.GET.get("dir") == "rtl":
        text = text.replace(f'<html lang="{language}">', '<html lang="ar" dir="rtl">')
    response.content = text.encode()
    return response


def crash(request):
    raise ValueError("secret of the shop")


def form(request):
    return HttpResponse("sent")


def shop(request):
    """A page with htmx and our script, whose button fails."""
    translation.activate("en")
    return HttpResponse(
        '<!doctype html><html lang="en"><title>Shop</title>'
        '<meta name="htmx-config" content=\'{"includeIndicatorStyles": false}\'>'
        '<link rel="stylesheet" href="/static/error_tracking/htmx.css">'
        '<script src="/htmx.js"></script>'
        '<script src="/static/error_tracking/htmx.js" defer></script>'
        '<main><h1>Shop</h1><button hx-get="/crash/">Pay</button>'
        '<a href="/crash/" hx-boost="true">Help</a></main></html>'
    )


def static(request, name):
    return FileResponse(Path(finders.find(name)).open("rb"), filename=name)


urlpatterns = [
    path("page/<name>/", show),
    path("crash/", crash),
    path("form/", form),
    path("", shop),
    path("htmx.js", lambda request: FileResponse(HTMX.open("rb"))),
    path("static/<path:name>", static),
]
