"""
Optional addresses outside the admin, included by ``include("error_tracking.urls")``.

The admin's own pages need none of these.
"""

from __future__ import annotations

from django.urls import path

from .dashboard import monitoring, views

app_name = "error_tracking"
urlpatterns = [
    path("", views.show_dashboard, name="dashboard"),
    path("pages/", views.preview_pages, name="pages"),
    path("dashboard.json", views.dashboard_json, name="dashboard_json"),
    path("health.json", monitoring.health_json, name="health"),
]
