"""The admin, and the dashboard outside of it."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("errors/", include("error_tracking.urls")),
]
