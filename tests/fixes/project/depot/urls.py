"""The addresses: shop and dashboard with a language in front, the APIs without."""

from __future__ import annotations

from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.views import LoginView
from django.urls import include, path

urlpatterns = [
    path("", include("monitor.urls")),
    path("", include("api.urls")),
    *i18n_patterns(
        path("login/", LoginView.as_view(), name="login"),
        path("", include("stock.urls")),
    ),
]
