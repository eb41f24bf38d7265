"""An ASGI site whose consumers tell who is connected, and whose server logs at its start."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integration.units_settings")

import django

django.setup()

import asyncio  # noqa: E402

from channels.db import database_sync_to_async  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import path  # noqa: E402

from tests.integration.units_urls import fail, log, tell  # noqa: E402

log.info("job of the server, at its start")


class Room(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        verb, name = text_data.split()
        if verb == "tell":
            await database_sync_to_async(tell)(name)
        elif verb == "task":
            await asyncio.create_task(self.fail(name))
        else:
            await database_sync_to_async(fail)(name)
        await self.send("done")

    async def fail(self, name):
        fail(name)


application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([path("room/", Room.as_asgi())]),
    }
)
