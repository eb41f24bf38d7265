"""The formats of chat services: one module each, which renders a ``ChatMessage``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import discord, google_chat, mattermost, slack, teams, telegram
from .message import ChatMessage, message_for

__all__ = ["PAYLOADS", "ChatMessage", "message_for"]

#: The body of the request for a message, by the name of the format.
PAYLOADS: dict[str, Callable[[ChatMessage], dict[str, Any]]] = {
    "slack": slack.payload,
    "discord": discord.payload,
    "teams": teams.payload,
    "google_chat": google_chat.payload,
    "mattermost": mattermost.payload,
    "telegram": telegram.payload,
}
