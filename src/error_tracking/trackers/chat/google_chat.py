"""
Google Chat: a card over a webhook.

Widgets have a subset of HTML, in which text from outside is escaped. Cards mention
nobody (Google Chat, "Format messages", "Cards v2").
"""

from __future__ import annotations

import html
from typing import Any

from .message import ChatMessage, fitted

# A message has 32,000 bytes at most; ten values of this length are below it.
VALUE_CHARS = 600


def payload(message: ChatMessage) -> dict[str, Any]:
    """Return the body of the request."""
    widgets: list[dict[str, Any]] = [
        {"textParagraph": {"text": f"<b>{_escaped(message.title)}</b>"}}
    ]
    for fact in message.facts:
        value = {
            "topLabel": fact.label,
            "text": _escaped(fact.value),
            "wrapText": True,
        }
        widgets.append({"decoratedText": value})
    if message.links:
        buttons = [
            {"text": link.label, "onClick": {"openLink": {"url": link.url}}}
            for link in message.links
        ]
        widgets.append({"buttonList": {"buttons": buttons}})
    card = {
        "header": {"title": message.subject},
        "sections": [{"widgets": widgets}],
    }
    return {
        "cardsV2": [{"cardId": "bug", "card": card}],
        # For notifications, which show no card.
        "fallbackText": message.subject,
    }


def _escaped(text: str) -> str:
    return fitted(text, VALUE_CHARS, _escape)


def _escape(text: str) -> str:
    return html.escape(text, quote=False)
