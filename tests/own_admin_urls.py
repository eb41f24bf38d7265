"""A site with an admin site of its own, which our models are not registered with, and the dashboard beside it."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.urls import include, path

urlpatterns = [
    path("ops/", AdminSite(name="ops").urls),
    path("errors/", include("error_tracking.urls")),
]
