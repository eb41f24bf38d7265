from __future__ import annotations

from django.urls import path

from . import api, views

urlpatterns = [
    path("checks/<uuid:code>/owner/", views.owner),
    path("ping/<uuid:code>/", views.ping),
    path("ping/<uuid:code>/<str:action>/", views.act),
    path("badge/<str:state>/", views.badge),
    path("async/<uuid:code>/", views.slow),
    path("api/checks/", api.checks),
    path("api/checks/<uuid:code>/flips/", api.flips),
    path("api/checks/<uuid:code>/", api.update),
]
