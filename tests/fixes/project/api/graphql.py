"""The GraphQL API of the shop."""

from __future__ import annotations

import graphene
from django.views.decorators.csrf import csrf_exempt
from graphene_django.views import GraphQLView
from stock.models import Product


class ProductType(graphene.ObjectType):
    title = graphene.String()
    shelf = graphene.String()

    per_kilo = graphene.Float(digits=graphene.Int())

    def resolve_shelf(self, info):
        return self.category.name if self.category else ""

    def resolve_per_kilo(self, info, digits=0):
        return round(1000 / (self.weight or 1), digits)


class Query(graphene.ObjectType):
    product = graphene.Field(ProductType, upc=graphene.String())
    by_status = graphene.List(ProductType, status=graphene.String())
    search = graphene.List(ProductType, text=graphene.String(), first=graphene.Int())

    def resolve_product(self, info, upc):
        return Product.objects.filter(upc=upc).first()

    def resolve_by_status(self, info, status):
        found = Product.objects.filter(status=status)
        if status == Product.Status.GONE:
            return [found.first()] if found else []
        return list(found)

    def resolve_search(self, info, text, first=None):
        found = Product.objects.filter(title__contains=text)
        return found[: abs(first or 10)]


class OrderInput(graphene.InputObjectType):
    number = graphene.String(required=True)
    coupon = graphene.String()


class PlaceOrder(graphene.Mutation):
    """Orders nothing, but says what it would order."""

    class Arguments:
        order = OrderInput(required=True)

    number = graphene.String()
    coupon = graphene.String()

    def mutate(self, info, order):
        coupon = order.get("coupon") or ""
        return PlaceOrder(number=order["number"], coupon=coupon.upper())


class Mutation(graphene.ObjectType):
    place_order = PlaceOrder.Field()


schema = graphene.Schema(query=Query, mutation=Mutation)
view = csrf_exempt(GraphQLView.as_view(schema=schema))
