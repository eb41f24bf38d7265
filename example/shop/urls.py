"""The zoo and the admin; the admin's static files are served also without DEBUG, for the demonstration."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from . import views

urlpatterns = [
    path("", views.home),
    path("admin/", admin.site.urls),
    path("errors/", include("error_tracking.urls")),
    re_path(r"^static/(?P<path>.*)$", serve, {"insecure": True}),
    path("zoo/exception/<int:pet_id>/", views.exception),
    path("zoo/nested/", views.nested),
    path("zoo/async/", views.asynchronous),
    path("zoo/nothing/", views.nothing),
    path("zoo/template/", views.template),
    path("zoo/streaming/", views.streaming),
    path("zoo/returned/", views.returned),
    path("zoo/api/", views.api),
    path(
        "zoo/parcel/<int:number>/<slug:size>/<uuid:code>/<str:carrier>/<path:label>",
        views.parcel,
    ),
    path("zoo/search/", views.search),
    path("zoo/checkout/", csrf_exempt(views.checkout)),
    path("zoo/booking/", csrf_exempt(views.booking)),
    path("zoo/order/", csrf_exempt(views.order)),
    path("zoo/photo/", csrf_exempt(views.photo)),
    path("zoo/warehouse/", include("shop.warehouse")),
    path("zoo/twice/", views.twice),
    path("zoo/handled/", views.handled),
    path("zoo/form/", views.form),
    path("zoo/missing/", views.missing),
    path("zoo/forbidden/", views.forbidden),
    path("zoo/suspicious/", views.suspicious),
]
