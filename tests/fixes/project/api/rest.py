"""The REST API of the shop, with tokens."""

from __future__ import annotations

from rest_framework import permissions, serializers, viewsets
from rest_framework.decorators import action, api_view, permission_classes
from rest_framework.response import Response
from stock.models import Order, Product


class ProductSerializer(serializers.ModelSerializer):
    shelf = serializers.SerializerMethodField()
    note = serializers.CharField(required=False, allow_blank=True)

    class Meta:
        model = Product
        fields = ("id", "title", "upc", "status", "weight", "shelf", "note")

    def get_shelf(self, product):
        return product.category.name if product.category else None

    def create(self, validated_data):
        note = validated_data.pop("note", "")
        product = super().create(validated_data)
        product.note = note
        return product


class ProductViews(viewsets.ModelViewSet):
    queryset = Product.objects.order_by("pk")
    serializer_class = ProductSerializer
    permission_classes = (permissions.IsAuthenticatedOrReadOnly,)

    @action(detail=True, methods=["post"])
    def release(self, request, pk=None):
        product = self.get_object()
        shelf = request.data.get("shelf")
        if shelf is None:
            return Response({"shelf": "missing"}, status=202)
        return Response({"shelf": shelf["name"], "product": product.pk})


class OrderSerializer(serializers.ModelSerializer):
    customer = serializers.SerializerMethodField()

    class Meta:
        model = Order
        fields = ("number", "status", "customer")

    def get_customer(self, order):
        return order.user.username if order.user else ""


class OrderViews(viewsets.ReadOnlyModelViewSet):
    queryset = Order.objects.order_by("pk")
    serializer_class = OrderSerializer
    permission_classes = (permissions.IsAdminUser,)


@api_view(["GET"])
@permission_classes([permissions.IsAuthenticated])
def totals(request):
    found = Order.objects.filter(user=request.user)
    numbers = [each.lines.count() for each in found]
    return Response({"mean": sum(numbers) / max(len(numbers), 1)})
