"""The admin, the dashboard outside of it, and static files."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.http import HttpResponse
from django.urls import include, path, re_path

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def csp_middleware(get_response):
    """Write a strict policy, as a careful site does."""

    def middleware(request):
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return middleware


urlpatterns = [
    path("", lambda _request: HttpResponse()),
    path("favicon.ico", lambda _request: HttpResponse(status=204)),
    path("admin/", admin.site.urls),
    path("errors/", include("error_tracking.urls")),
    re_path(r"^static/(?P<path>.*)$", serve, {"insecure": True}),
]
