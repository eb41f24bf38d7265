"""
Discord: one embed over a webhook.

``allowed_mentions`` without any type mentions nobody, whatever the text says; Markdown
is escaped, and values are code (Discord, "Message resource").
"""

from __future__ import annotations

import re
from typing import Any

from .message import ChatMessage, Fact, fitted, joined_links, markdown_link

# Embed limits.
TITLE_CHARS = 256
DESCRIPTION_CHARS = 4_096
FIELDS = 25
FIELD_VALUE_CHARS = 1_024
# Two short values fit beside each other.
INLINE_CHARS = 40
COLOURS = {
    "critical": 0xB60205,
    "high": 0xD93F0B,
    "medium": 0xFBCA04,
    "low": 0xC2E0C6,
}
_MARKDOWN = re.compile(r"([\\`*_~|<>\[\]()#:-])")


def payload(message: ChatMessage) -> dict[str, Any]:
    """Return the body of the request."""
    embed: dict[str, Any] = {
        "title": fitted(message.subject, TITLE_CHARS, str),
        "description": fitted(message.title, DESCRIPTION_CHARS, _escape),
        "color": COLOURS[message.severity],
        "fields": [_field(fact) for fact in message.facts[: FIELDS - 1]],
    }
    if message.links:
        embed["url"] = message.links[0].url
        links = joined_links(message.links, markdown_link, FIELD_VALUE_CHARS)
        embed["fields"].append({"name": "Links", "value": links})
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def _field(fact: Fact) -> dict[str, Any]:
    return {
        "name": fact.label,
        # Two more are the ticks.
        "value": f"`{fitted(fact.value, FIELD_VALUE_CHARS - 2, _without_ticks)}`",
        "inline": len(fact.value) <= INLINE_CHARS,
    }


def _escape(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _without_ticks(text: str) -> str:
    """Return *text* for a code span, in which only the tick has a meaning."""
    return text.replace("`", "'")
