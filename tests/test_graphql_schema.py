"""What is made of a valid GraphQL query is valid, where all its names are in the schema."""

from __future__ import annotations

import pytest
from django.urls import path

from error_tracking.report.known_names import KnownNames
from error_tracking.report.schema_names import names_in_schema_of
from tests.test_graphql_query import made

graphene = pytest.importorskip("graphene")
graphene_views = pytest.importorskip("graphene_django.views")
graphql = pytest.importorskip("graphql")


class Status(graphene.Enum):
    LIVE = 1
    GONE = 2


class OrderInput(graphene.InputObjectType):
    number = graphene.Int()
    tags = graphene.List(graphene.String)


class ProductType(graphene.ObjectType):
    title = graphene.String()
    shelf = graphene.String()
    similar = graphene.List(lambda: ProductType, first=graphene.Int())


class Query(graphene.ObjectType):
    product = graphene.Field(
        ProductType, upc=graphene.String(), status=Status(), order=OrderInput()
    )
    search = graphene.List(ProductType, text=graphene.String(), first=graphene.Int())


SCHEMA = graphene.Schema(query=Query)

VIEW = graphene_views.GraphQLView.as_view(schema=SCHEMA)
SETTINGS = "tests.test_graphql_schema.SCHEMA"


def names_of(view):
    return names_in_schema_of(path("graphql/", view))


class TestSchema:
    @pytest.mark.parametrize(
        "query",
        [
            '{ product(upc: "x", status: LIVE) { title } }',
            '{ a: product(upc: "x") { title } b: product(upc: "y") { title } }',
            (
                'query A($s: Status, $o: OrderInput = {number: 3, tags: ["a"]})'
                " { product(status: $s, order: $o) { ...F } }"
                " fragment F on ProductType { shelf similar(first: 3) { ...G } }"
                " fragment G on ProductType { title @include(if: true) }"
            ),
            "{ product { ... on ProductType { title } __typename } }",
        ],
    )
    def test_query_stays_valid(self, query):
        assert graphql.validate(SCHEMA.graphql_schema, graphql.parse(query)) == []
        text = made(query, KnownNames(frozenset(), schema=names_of(VIEW)))
        assert text != "example"
        assert graphql.validate(SCHEMA.graphql_schema, graphql.parse(text)) == []

    def test_names_of_types_fields_arguments_and_values_are_found(self):
        found = names_of(VIEW)
        assert {"ProductType", "similar", "first", "LIVE", "tags", "include"} < found
