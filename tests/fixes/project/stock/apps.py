from __future__ import annotations

from django.apps import AppConfig


class StockConfig(AppConfig):
    name = "stock"

    def ready(self):
        from . import signals  # noqa: F401
