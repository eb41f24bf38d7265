"""
Optional addresses outside the admin: ``path("errors/", include("error_tracking.urls"))``.

The admin's own pages need none of these.
"""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "error_tracking"
urlpatterns = [
    path("", views.show_dashboard, name="dashboard"),
    path("dashboard.json", views.dashboard_json, name="dashboard_json"),
]
