"""
Mattermost: one attachment over an incoming webhook.

Values from outside are code, in which no mention counts. What Slack writes as
``<!channel>`` is replaced also inside code, so its first character stands alone.
"""

from __future__ import annotations

from typing import Any

from .message import ChatMessage, fitted, joined_links, markdown_link

# A post has 16,383 characters at most; ten values of this length are below it.
VALUE_CHARS = 600
LINKS_CHARS = 2_000
# Two short values fit beside each other.
SHORT_CHARS = 40
COLOURS = {
    "critical": "#b60205",
    "high": "#d93f0b",
    "medium": "#fbca04",
    "low": "#c2e0c6",
}


def payload(message: ChatMessage) -> dict[str, Any]:
    """Return the body of the request."""
    fields = [
        {
            "title": fact.label,
            "value": _code(fact.value),
            "short": len(fact.value) <= SHORT_CHARS,
        }
        for fact in message.facts
    ]
    attachment: dict[str, Any] = {
        "fallback": message.subject,
        "color": COLOURS[message.severity],
        "title": message.subject,
        "text": _code(message.title),
        "fields": fields,
    }
    if message.links:
        attachment["title_link"] = message.links[0].url
        links = joined_links(message.links, markdown_link, LINKS_CHARS)
        fields.append({"title": "Links", "value": links, "short": False})
    return {"attachments": [attachment]}


def _code(text: str) -> str:
    return f"`{fitted(text, VALUE_CHARS, _without_ticks)}`"


def _without_ticks(text: str) -> str:
    return text.replace("`", "'")
