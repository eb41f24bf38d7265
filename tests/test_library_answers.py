"""Libraries that answer a view's exception themselves, each with the library's own classes."""

from __future__ import annotations

import json

import pytest
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.views import View

from error_tracking.events.event import CLIENT_ERROR, EXCEPTION

ninja = pytest.importorskip("ninja")
rest_framework = pytest.importorskip("rest_framework")

from rest_framework.exceptions import NotFound  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


def answer_everything(exc, context):
    """An EXCEPTION_HANDLER as many API projects have it."""
    return Response({"detail": "Something went wrong."}, status=500)


def answer_in_envelope(exc, context):
    return Response({"ok": False})


class Handled(APIView):
    def get_exception_handler(self):
        return answer_everything

    def get(self, request):
        raise LookupError("no such basket")


class Enveloped(Handled):
    def get_exception_handler(self):
        return answer_in_envelope


class Missing(APIView):
    def get(self, request):
        raise NotFound


class Unhandled(APIView):
    def get(self, request):
        raise LookupError("no such basket")


class ErrorPage(View):
    """A 500 handler as a class."""

    def get(self, request):
        return HttpResponse("sorry", status=500)


handler500 = ErrorPage.as_view()

api = ninja.NinjaAPI(urls_namespace="tests-answers")


@api.exception_handler(Exception)
def answer_any(request, exc):
    return api.create_response(request, {"detail": "oops"}, status=500)


@api.get("/fail")
def ninja_fail(request):
    raise LookupError("no such basket")


@api.get("/afail")
async def ninja_async_fail(request):
    raise LookupError("no such basket")


@api.get("/refuse")
def ninja_refuse(request):
    from ninja.errors import HttpError

    raise HttpError(404, "nothing")


urlpatterns = [
    path("handled/", Handled.as_view()),
    path("enveloped/", Enveloped.as_view()),
    path("missing/", Missing.as_view()),
    path("unhandled/", Unhandled.as_view()),
    path("ninja/", api.urls),
]


@pytest.fixture(autouse=True)
def _site(settings):
    settings.ROOT_URLCONF = __name__


def get(url):
    return Client(raise_request_exception=False).get(url)


@pytest.mark.parametrize("url", ["/handled/", "/unhandled/", "/ninja/fail"])
def test_exception_behind_a_500_is_known_once(url, outbox):
    assert get(url).status_code == 500
    [event] = outbox
    assert (event.error_type, event.status_code) == (EXCEPTION, 500)
    assert event.exceptions[0].type == "LookupError"
    assert event.culprit.startswith("tests.test_library_answers.")


async def ask_async(url):
    return await AsyncClient(raise_request_exception=False).get(url)


def test_exception_of_an_async_operation_is_known(outbox):
    import asyncio

    asyncio.run(ask_async("/ninja/afail"))
    [event] = outbox
    assert event.culprit == "tests.test_library_answers.ninja_async_fail"


def test_exception_in_an_envelope_is_known(outbox):
    assert get("/enveloped/").status_code == 200
    [event] = outbox
    assert event.exceptions[0].type == "LookupError"


def test_refusal_of_rest_framework_is_a_refused_request(outbox):
    assert get("/missing/").status_code == 404
    [event] = outbox
    assert event.error_type == CLIENT_ERROR


@pytest.mark.parametrize("url", ["/handled/", "/ninja/fail"])
def test_integration_can_be_turned_off(url, configure, outbox):
    configure(DISABLE=["drf", "ninja"])
    get(url)
    [event] = outbox
    assert event.exceptions == ()


# --- GraphQL: the executor of graphql-core is what graphene, strawberry and ariadne share.

graphql = pytest.importorskip("graphql")


def resolve_basket(source, info):
    raise LookupError("no such basket")


def resolve_refused(source, info):
    raise graphql.GraphQLError("please sign in")


def schema():
    text = graphql.GraphQLString
    fields = {
        "basket": graphql.GraphQLField(text, resolve=resolve_basket),
        "needed": graphql.GraphQLField(
            graphql.GraphQLNonNull(text), resolve=resolve_basket
        ),
        "refused": graphql.GraphQLField(text, resolve=resolve_refused),
    }
    return graphql.GraphQLSchema(graphql.GraphQLObjectType("Query", fields))


@pytest.mark.parametrize("query", ["{ basket }", "{ my: basket }", "{ needed }"])
def test_exception_of_a_resolver_is_captured_once(query, outbox):
    result = graphql.graphql_sync(schema(), query)
    assert result.errors
    [event] = outbox
    assert event.title == "LookupError in tests.test_library_answers.resolve_basket"
    assert (event.mechanism, event.handled) == ("graphql", False)


def test_alias_of_the_client_makes_no_other_bug(outbox):
    for query in ("{ basket }", "{ x1: basket }", "{ x2: basket }"):
        graphql.graphql_sync(schema(), query)
    assert len({event.fingerprint for event in outbox}) == 1


def test_graphql_error_is_an_answer(outbox):
    assert graphql.graphql_sync(schema(), "{ refused }").errors
    assert not outbox


def test_integration_of_graphql_can_be_turned_off(configure, outbox):
    configure(DISABLE=["graphql"])
    assert graphql.graphql_sync(schema(), "{ basket }").errors
    assert not outbox


def test_async_resolver_is_captured(outbox):
    import asyncio

    async def resolve(source, info):
        raise LookupError("no such basket")

    fields = {"later": graphql.GraphQLField(graphql.GraphQLString, resolve=resolve)}
    later = graphql.GraphQLSchema(graphql.GraphQLObjectType("Query", fields))
    result = asyncio.run(graphql.graphql(later, "{ later }"))
    assert result.errors
    assert [event.exceptions[0].type for event in outbox] == ["LookupError"]


def test_answer_of_graphql_is_unchanged():
    result = graphql.graphql_sync(schema(), "{ my: basket }")
    formatted = json.loads(json.dumps([error.formatted for error in result.errors]))
    assert formatted[0]["path"] == ["my"]
    assert formatted[0]["message"] == "no such basket"
