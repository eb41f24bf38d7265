from __future__ import annotations

from django.urls import path

from . import dashboard, views

urlpatterns = [
    path("category/<slug:slug>/", views.category, name="category"),
    path("product/<int:pk>/", views.product, name="product"),
    path("product/<int:pk>/weight/", views.weight),
    path("product/<int:pk>/stock/", views.stock),
    path("product/<int:pk>/age/", views.age),
    path("search/", views.search),
    path("profile/", views.profile),
    path("company/", views.company),
    path("basket/", views.basket),
    path("basket/add/", views.add_to_basket),
    path("order/<str:number>/", views.order),
    path("order/<str:number>/coupon/", views.coupon),
    path("order/<str:number>/export/", views.export),
    path("partners/", views.partners),
    path("offer/", views.offer),
    path("checkout/", views.checkout),
    path("newest/", views.newest),
    path("colours/", views.colours),
    path("report/", views.Report.as_view()),
    path("dashboard/stock/", dashboard.import_stock),
    path("dashboard/order/<int:pk>/", dashboard.OrderDetail.as_view()),
    path("dashboard/image/", dashboard.upload_image),
    path("dashboard/feed/", dashboard.upload_feed),
    path("dashboard/prices/", dashboard.upload_prices),
    path("dashboard/partner/", dashboard.PartnerCreate.as_view()),
    path("dashboard/product/<int:pk>/status/", dashboard.set_status),
    path("dashboard/purge/", dashboard.purge),
    path("dashboard/settle/", dashboard.settle),
]
