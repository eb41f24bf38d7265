"""The GraphQL API of the shop."""

from __future__ import annotations

import graphene
from django.views.decorators.csrf import csrf_exempt
from graphene_django.views import GraphQLView
from stock.models import Product


class ProductType(graphene.ObjectType):
    title = graphene.String()
    shelf = graphene.String()

    def resolve_shelf(self, info):
        return self.category.name if self.category else ""


class Query(graphene.ObjectType):
    product = graphene.Field(ProductType, upc=graphene.String())
    search = graphene.List(ProductType, text=graphene.String(), first=graphene.Int())

    def resolve_product(self, info, upc):
        return Product.objects.filter(upc=upc).first()

    def resolve_search(self, info, text, first=None):
        found = Product.objects.filter(title__contains=text)
        return found[: abs(first or 10)]


schema = graphene.Schema(query=Query)
view = csrf_exempt(GraphQLView.as_view(schema=schema))
