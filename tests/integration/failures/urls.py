"""A view that fails in each library that is installed."""

from __future__ import annotations

import importlib.util
import json
import sys

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.views import View
from django.views.decorators.csrf import csrf_exempt


def fine(request):
    return HttpResponse("fine")


def answering_middleware(get_response):
    """Answer exceptions of views itself, as API projects do."""

    class Middleware:
        def __call__(self, request):
            return get_response(request)

        def process_exception(self, request, exception):
            if request.path.startswith("/answered/"):
                return JsonResponse({"detail": "oops"}, status=500)
            return None

    return Middleware()


def crash(request):
    raise ValueError("the shop is shut")


async def crash_async(request):
    raise ValueError("the shop is shut")


def answered(request):
    raise LookupError("no such basket")


def handled_and_raised(request):
    import error_tracking

    try:
        raise KeyError("basket")
    except KeyError:
        error_tracking.capture_exception()
        raise


def in_template(request):
    return TemplateResponse(request, "failing.html", {"total": 3})


def streamed(request):
    def parts():
        yield b"first"
        raise ArithmeticError("half-way")

    return StreamingHttpResponse(parts())


def leave(request):
    sys.exit(1)


class Failing(View):
    def get(self, request):
        raise OSError("no disk")


urlpatterns = [
    path("fine/", fine),
    path("crash/", crash),
    path("async/", crash_async),
    path("answered/", answered),
    path("raised/", handled_and_raised),
    path("template/", in_template),
    path("streamed/", streamed),
    path("leave/", leave),
    path("class/", Failing.as_view()),
]


def has(module):
    return importlib.util.find_spec(module) is not None


if has("rest_framework"):
    from rest_framework import serializers
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Api(APIView):
        authentication_classes = ()
        permission_classes = ()

    class ApiCrash(Api):
        def get(self, request):
            raise ValueError("the API is shut")

    class ApiAnswered(Api):
        def get_exception_handler(self):
            return lambda error, context: Response({"detail": "oops"}, status=500)

        def get(self, request):
            raise LookupError("no such basket")

    class Price(serializers.Serializer):
        total = serializers.SerializerMethodField()

        def get_total(self, value):
            return 1 / 0

    class ApiSerializer(Api):
        def get(self, request):
            return Response(Price({}).data)

    urlpatterns += [
        path("drf/crash/", ApiCrash.as_view()),
        path("drf/answered/", ApiAnswered.as_view()),
        path("drf/serializer/", ApiSerializer.as_view()),
    ]

if has("ninja"):
    import ninja

    api = ninja.NinjaAPI(urls_namespace="plain")
    answering = ninja.NinjaAPI(urls_namespace="answering")

    @api.get("/crash")
    def ninja_crash(request):
        raise ValueError("the API is shut")

    @answering.exception_handler(Exception)
    def answer(request, error):
        return answering.create_response(request, {"detail": "oops"}, status=500)

    @answering.get("/answered")
    def ninja_answered(request):
        raise LookupError("no such basket")

    urlpatterns += [path("ninja/", api.urls), path("ninja/own/", answering.urls)]

if has("graphene"):
    import graphene

    class GrapheneQuery(graphene.ObjectType):
        basket = graphene.String()

        def resolve_basket(self, info):
            raise LookupError("no such basket")

    graphene_schema = graphene.Schema(query=GrapheneQuery)

    def graphene_view(request):
        from graphene_django.views import GraphQLView

        return csrf_exempt(GraphQLView.as_view(schema=graphene_schema))(request)

    urlpatterns.append(path("graphene/", graphene_view))

if has("ariadne"):
    import ariadne

    ariadne_query = ariadne.QueryType()

    @ariadne_query.field("basket")
    def resolve_basket(*_args):
        raise LookupError("no such basket")

    ariadne_schema = ariadne.make_executable_schema(
        "type Query { basket: String }", ariadne_query
    )

    @csrf_exempt
    def ariadne_view(request):
        data = {"query": request.GET["query"]}
        _success, result = ariadne.graphql_sync(ariadne_schema, data)
        return JsonResponse(json.loads(json.dumps(result)))

    urlpatterns.append(path("ariadne/", ariadne_view))

if has("strawberry"):
    import strawberry
    from strawberry.django.views import GraphQLView as StrawberryView

    @strawberry.type
    class StrawberryQuery:
        @strawberry.field
        def basket(self) -> str:
            raise LookupError("no such basket")

    strawberry_schema = strawberry.Schema(StrawberryQuery)
    urlpatterns.append(
        path(
            "strawberry/", csrf_exempt(StrawberryView.as_view(schema=strawberry_schema))
        )
    )
