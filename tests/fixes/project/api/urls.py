from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from . import graphql, rest

router = SimpleRouter()
router.register("products", rest.ProductViews)
router.register("orders", rest.OrderViews)

urlpatterns = [
    *router.urls,
    path("totals/", rest.totals),
    path("graphql/", graphql.view),
]
