"""The test site with the dashboard at an address of its own."""

from __future__ import annotations

from django.urls import include, path

from tests.urls import urlpatterns as site

urlpatterns = [*site, path("errors/", include("error_tracking.urls"))]
