"""The structure of a GraphQL query leaves the site; what its client chose does not."""

from __future__ import annotations

import json
import random

import pytest
from django.test import RequestFactory
from django.urls import path

from error_tracking.capture.setup import setup_for
from error_tracking.events.size_budget import Share, Size
from error_tracking.report import graphql_document
from error_tracking.report.graphql_document import MalformedError, parse_document
from error_tracking.report.graphql_query import QueryNames, public_query
from error_tracking.report.known_names import KnownNames, PublicNames
from error_tracking.report.placeholders import placeholder_for
from error_tracking.report.schema_names import names_in_schema_of

KNOWN = KnownNames(
    words=frozenset({"text", "title", "first", "gone", "query", "variables"}),
    schema=frozenset(
        {
            *("product", "search", "upc", "shelf", "ProductType", "OrderInput"),
            *("placeOrder", "order", "number", "LIVE", "tags", "OrderType"),
        }
    ),
)


def made(text, known=KNOWN):
    """Return what a test would send for the query *text*."""
    [kind] = PublicNames(known).kinds({"query": text}).values()
    return placeholder_for(kind)


class TestStructure:
    @pytest.mark.parametrize(
        ("query", "kept"),
        [
            (
                '{ product(upc: "4711-secret") { title shelf } }',
                '{ product(upc: "example") { title shelf } }',
            ),
            ("query { search { title } }", "{ search { title } }"),
            (
                'query($text: String = "x") { search(text: $text) { title } }',
                'query($text: String = "example") { search(text: $text) { title } }',
            ),
            (
                "query Anna { anna: product { title } }",
                "query field_2 { field_1: product { title } }",
            ),
            (
                "{ product { ...Anna } } fragment Anna on ProductType { title }",
                "{ product { ...field_1 } } fragment field_1 on ProductType { title }",
            ),
            (
                "{ product { ... on ProductType @include(if: true) { title } } }",
                "{ product { ... on ProductType @include(if: true) { title } } }",
            ),
            ("{ product { ... @skip(if: false) { title } } }",) * 2,
            (
                "{ product { anna { title } title } }",
                "{ product { __typename title } }",
            ),
            ("{ product { ... on Anna { title } } }", "{ product { __typename } }"),
            ('{ product(anna: "x") { title } }', "{ product { title } }"),
            (
                "{ product(upc: null, first: -321) { title } }",
                "{ product(upc: null, first: -100) { title } }",
            ),
            (
                "{ product(first: LIVE, upc: ANNA) { title } }",
                "{ product(first: LIVE) { title } }",
            ),
            (
                '{ product(upc: ["a", 7, ANNA]) { title } }',
                '{ product(upc: ["example", 1]) { title } }',
            ),
            (
                '{ product(order: {number: 1.25, anna: "x"}) { title } }',
                "{ product(order: {number: 1.5}) { title } }",
            ),
            (
                '{ product(upc: """a "b" c""") { title } }',
                '{ product(upc: "example") { title } }',
            ),
            (
                "{ product(upc: [Filtered]) { title } }",
                '{ product(upc: "example") { title } }',
            ),
            (
                "{ product @anna(x: 1) { title } } # anna\n,\ufeff }"[:-2],
                "{ product { title } }",
            ),
            ('{ search(text: "gone") { title } }',) * 2,
            ("subscription { search { title } }",) * 2,
        ],
    )
    def test_names_of_the_project_are_kept_and_no_other(self, query, kept):
        assert made(query) == kept

    def test_variables_have_the_names_that_their_values_have(self):
        kinds = PublicNames(KNOWN).kinds(
            {
                "operationName": "Find",
                "query": "query Find($anna: OrderInput!, $text: [String!]!)"
                " { search(text: $text, order: $anna) { title } }",
                "variables": {"anna": {"number": 3}, "text": "Anna"},
            }
        )
        operation, query, variables = kinds.values()
        name = variables and next(iter(variables))
        assert name.startswith("field_")
        assert f"${name}: OrderInput!" in query
        assert f"order: ${name}" in query
        assert f"query {placeholder_for(operation)}(" in query
        assert "Anna" not in str(kinds)

    def test_variable_that_is_not_used_any_more_is_left_out(self):
        query = (
            "query($a: String, $text: String) { search(anna: $a, text: $text) {title} }"
        )
        assert made(query) == ("query($text: String) { search(text: $text) { title } }")

    def test_fragments_use_variables_and_each_other(self):
        query = (
            "query($first: Int) { product { ...A } }"
            " fragment A on ProductType { ...B }"
            " fragment B on ProductType { similar(first: $first) { title } }"
            " fragment C on ProductType { title }"
        )
        text = made(query, KnownNames(frozenset({"similar"}), schema=KNOWN.schema))
        assert text.startswith("query($")
        assert text.count("fragment") == 2

    @pytest.mark.parametrize(
        "query",
        [
            "query($a: Anna) { search(text: $a) { title } }",
            "{ product { ...A } } fragment A on Anna { title }",
        ],
    )
    def test_query_that_cannot_do_without_an_unknown_type_is_omitted(self, query):
        assert made(query) == "example"

    def test_kinds_of_literals_are_kept_by_argument(self):
        names = PublicNames(KNOWN)
        names.kinds({"query": '{ product(upc: "4711") { search(first: 3) {title} } }'})
        assert names.query_arguments == {"upc": "digits:1000", "first": "int"}

    def test_nothing_of_it_is_kept_below_a_secret(self):
        kinds = PublicNames(KNOWN).kinds({"password": {"query": "{ product }"}})
        assert kinds == {"field_1": {"field_2": "text"}}


class TestMalformed:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "Anna",
            "{",
            "}",
            "{}",
            "{ product",
            "{ product }}",
            "{ product { } }",
            "{ 7 }",
            "{ product(upc) }",
            "{ product(upc: ) }",
            "{ product(upc: $) }",
            '{ product(upc: "a) }',
            '{ product(upc: """a) }',
            "{ ...on }",
            "fragment { product }",
            "fragment on ProductType { product }",
            "select { product }",
            "query(text: String) { product }",
            "query($text String) { product }",
            "query($text: [String) { product }",
            "query($text: String!! ) { product }",
            "Dear {name}, how are you?}",
            "{ §product }",
            "{" * 30 + "}" * 30,
            "{ a(b: " + "[" * 30 + "]" * 30 + ") }",
            "query($a: " + "[" * 30 + "A" + "]" * 30 + ") { a }",
            "{ " + "a " * graphql_document.TOKENS + "}",
            "{ " + "a" * graphql_document.QUERY_CHARS + " }",
        ],
    )
    def test_it_is_refused_and_never_raises_anything_else(self, text):
        with pytest.raises(MalformedError):
            parse_document(text)
        assert made(text) == placeholder_for(PublicNames(KNOWN).kinds(text))

    def test_any_beginning_and_any_swap_of_characters_is_read_or_refused(self):
        query = (
            'query F($a: [Int!]! = [1]) @x { b: c(d: {e: "f", g: $a}) { ...H ... on'
            " I { j } } } fragment H on I @k(l: null) { m }"
        )
        chance = random.Random(7)
        names = QueryNames(lambda _name: True, str, lambda _name, _value: "text")
        for end in range(len(query)):
            public_query(query[:end], names)
        for _ in range(2_000):
            letters = list(query)
            for _swap in range(chance.randint(1, 3)):
                one, other = chance.sample(range(len(letters)), 2)
                letters[one], letters[other] = letters[other], letters[one]
            public_query("".join(letters), names)


class TestLongQuery:
    """A query that is longer than what is stored of a text is stored without literals."""

    def stored(self, body):
        request = RequestFactory().post("/", json.dumps(body), "application/json")
        assert request.body
        share = Share(Size(characters=22_000, items=300))
        return setup_for(request, [], share).get("query", "")

    def test_its_structure_is_kept(self):
        fields = " ".join(f"similar{number}: title" for number in range(90))
        query = (
            f'{{ product(upc: "Anna", first: -321, order: {{number: 4711}}) '
            f'{{ {fields} }} }} # Anna "\n'
        )
        shown = self.stored({"query": query, "variables": {}})
        assert "Anna" not in shown
        assert "321" not in shown
        text = made(shown)
        assert text.startswith(
            '{ product(upc: "example", first: -100, order: {number: 1000}) { field_1:'
        )
        assert text.count("title") == 90

    @pytest.mark.parametrize(
        "body",
        [
            {"query": "{ product { title } }"},
            {"query": "{ " + "a " * 8_000 + "}"},
            {"query": 7, "text": "x" * 2_000},
            {"text": "x" * 2_000, "query": "{ a }"},
            ["query", "x" * 2_000],
        ],
    )
    def test_others_are_not_read(self, body):
        assert self.stored(body) == ""

    def test_malformed_body_costs_nothing_else(self):
        request = RequestFactory().post("/", '{"query": ' * 200, "application/json")
        assert request.body
        share = Share(Size(characters=22_000, items=300))
        assert setup_for(request, [], share) == {}


class Node:
    """A part of a schema as graphql-core has it."""

    def __init__(self, **values):
        self.__dict__.update(values)


SCHEMA = Node(
    directives=[Node(name="include", args={"if": None})],
    type_map={
        "Query": Node(fields={"product": Node(args={"upc": None})}),
        "Status": Node(values={"LIVE": None}),
        "ID": Node(),
    },
)
MADE = Node(graphql_schema=SCHEMA)


class TestSchemaOfView:
    NAMES = {"include", "if", "Query", "product", "upc", "Status", "LIVE", "ID"}

    def names(self, **attributes):
        def view(request):
            pass

        view.__dict__.update(attributes)
        return names_in_schema_of(path("graphql/", view))

    def test_schema_is_an_argument_of_the_view(self):
        for schema in (MADE, Node(_schema=SCHEMA), SCHEMA):
            assert self.names(view_initkwargs={"schema": schema}) == self.NAMES

    @pytest.mark.parametrize(
        ("module", "dotted", "names"),
        [
            ("graphene_django.views", f"{__name__}.MADE", NAMES),
            ("graphene_django.views", "never_imported.MADE", set()),
            ("shop.views", f"{__name__}.MADE", set()),
        ],
    )
    def test_view_of_graphene_has_that_of_the_settings(
        self, settings, module, dotted, names
    ):
        settings.GRAPHENE = {"SCHEMA": dotted}
        view_class = type("View", (), {"__module__": module})
        assert self.names(view_class=view_class, view_initkwargs={}) == names

    def test_schema_that_fails_has_no_names(self):
        broken = Node(type_map={})  # without directives
        assert self.names(view_initkwargs={"schema": broken}) == frozenset()
