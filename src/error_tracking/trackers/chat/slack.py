"""
Slack: Block Kit over an incoming webhook.

Text from outside is ``plain_text``, in which Slack finds neither mentions nor markup;
``&``, ``<`` and ``>`` are escaped as well (Slack, "Formatting text for app surfaces").
"""

from __future__ import annotations

from typing import Any

from .message import ChatMessage, Link, fitted, joined_links

# Block Kit reference: header block, section block.
HEADER_CHARS = 150
SECTION_CHARS = 3_000
FIELD_CHARS = 2_000
FIELDS = 10


def payload(message: ChatMessage) -> dict[str, Any]:
    """Return the body of the request."""
    fields = [
        _plain(f"{fact.label}: {fact.value}", FIELD_CHARS) for fact in message.facts
    ]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(message.subject, HEADER_CHARS)},
        {"type": "section", "text": _plain(message.title, SECTION_CHARS)},
        {"type": "section", "fields": fields[:FIELDS]},
    ]
    links = joined_links(message.links, _link, SECTION_CHARS)
    if links:
        element = {"type": "mrkdwn", "text": links}
        blocks.append({"type": "context", "elements": [element]})
    return {
        # Shown in notifications, in place of the blocks.
        "text": fitted(message.subject, HEADER_CHARS, _escape),
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _plain(text: str, limit: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": fitted(text, limit, _escape), "emoji": False}


def _link(link: Link) -> str:
    return f"<{_escape(link.url)}|{link.label}>"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
