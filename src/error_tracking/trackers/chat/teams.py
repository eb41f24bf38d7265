"""
Microsoft Teams: an Adaptive Card through a Workflow.

Its trigger is "When a Teams webhook request is received".
Text from outside is a ``TextRun``, which has no Markdown. A mention would need an entry
in ``msteams.entities``, and there is none.
"""

from __future__ import annotations

from typing import Any

from .message import ChatMessage, Fact, fitted

# A message has 28 KB at most; ten lines of this length in UTF-8 are below it.
LINE_CHARS = 400
# The first version with RichTextBlock.
CARD_VERSION = "1.2"
COLOURS = {
    "critical": "attention",
    "high": "attention",
    "medium": "warning",
    "low": "good",
}


def payload(message: ChatMessage) -> dict[str, Any]:
    """Return the body of the request."""
    body: list[dict[str, Any]] = [
        {
            "type": "TextBlock",
            "text": message.subject,
            "weight": "bolder",
            "size": "medium",
            "color": COLOURS[message.severity],
            "wrap": True,
        },
        {"type": "RichTextBlock", "inlines": [_run(message.title, is_bold=True)]},
    ]
    body += [_line(fact) for fact in message.facts]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": CARD_VERSION,
        "body": body,
        "msteams": {"width": "Full"},
    }
    if message.links:
        card["actions"] = [
            {"type": "Action.OpenUrl", "title": link.label, "url": link.url}
            for link in message.links
        ]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _line(fact: Fact) -> dict[str, Any]:
    label = _run(f"{fact.label}: ", is_bold=True)
    return {
        "type": "RichTextBlock",
        "spacing": "small",
        "inlines": [label, _run(fact.value)],
    }


def _run(text: str, *, is_bold: bool = False) -> dict[str, Any]:
    run = {"type": "TextRun", "text": fitted(text, LINE_CHARS, str)}
    if is_bold:
        run["weight"] = "bolder"
    return run
