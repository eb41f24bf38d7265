"""
Telegram: ``sendMessage`` of the Bot API with HTML.

Values from outside are code, in which Telegram finds no mention, command or link; ``&``,
``<`` and ``>`` are escaped (Bot API, "HTML style").
"""

from __future__ import annotations

import html
from typing import Any

from .message import ChatMessage, Link, fitted, joined_links, units

# In UTF-16 units; Telegram does not count tags, so this is on the safe side.
TEXT_CHARS = 4_096
# Ten values of this length leave room for the links.
VALUE_CHARS = 250


def payload(message: ChatMessage) -> dict[str, Any]:
    """Return the body of the request, to which the chat is added."""
    lines = [f"<b>{message.subject}</b>", _code(message.title), ""]
    lines += [f"{fact.label}: {_code(fact.value)}" for fact in message.facts]
    text = "\n".join(lines)
    links = joined_links(message.links, _link, TEXT_CHARS - units(text) - 2)
    if links:
        text += f"\n\n{links}"
    return {
        "text": text,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }


def _link(link: Link) -> str:
    return f'<a href="{html.escape(link.url)}">{link.label}</a>'


def _code(text: str) -> str:
    return f"<code>{fitted(text, VALUE_CHARS, _escape)}</code>"


def _escape(text: str) -> str:
    return html.escape(text, quote=False)
