"""A part of the site with URLs of its own: a class-based view that fails differently for each method."""

from __future__ import annotations

import json

from django.http import JsonResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

app_name = "warehouse"


@method_decorator(csrf_exempt, name="dispatch")
class Shelf(View):
    shelves = []

    def put(self, request, pk):
        shelf = dict(self.shelves)
        return JsonResponse(
            {pk: int(json.loads(request.body)["count"]) - shelf["count"]}
        )

    def delete(self, _request, pk):
        return JsonResponse({"was": self.shelves[pk]})


urlpatterns = [path("shelves/<int:pk>/", Shelf.as_view(), name="shelf")]
