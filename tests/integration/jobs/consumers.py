"""An ASGI application with a consumer that fails, for the story of Channels."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.site_settings")
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import path  # noqa: E402


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        raise ValueError("no echo")


class SyncEcho(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        raise LookupError("no echo")


application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter(
            [path("echo/", Echo.as_asgi()), path("sync/", SyncEcho.as_asgi())]
        ),
    }
)
