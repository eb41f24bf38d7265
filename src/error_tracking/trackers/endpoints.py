"""
Where WEBHOOK_URL and WEBHOOKS send: address, format, events, and what is missing.

The address is a secret: whoever has it may post. Nothing here shows more of it than its
host.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from error_tracking.conf import Settings
from error_tracking.setting_rules import EVENTS

from .http import why_not_safe

JSON = "json"
TELEGRAM = "telegram"
#: What a chat is told about without ``events``: what a mail is sent about.
CHAT_EVENTS = frozenset({"created", "regressed", "spiking"})
HIDDEN = "[webhook]"
# Shorter parts of an address, such as "services", are no secret.
SECRET_CHARS = 8

_DISCORD_HOSTS = frozenset(
    {"discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"}
)
_SLACK_HOSTS = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})
# Services behind which anything may be: Teams as well as a flow of one's own.
_AMBIGUOUS_HOSTS = (".logic.azure.com", ".api.powerplatform.com")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """
    One address.

    Attributes:
        name: The name of its tracker, which the outbox stores.
        setting: The setting that has it, as messages name it.
        url: Where to post; a secret, as ``secret``.
        format: The name of the format, ``""`` where it is neither given nor certain.
        events: What is sent.
        chat_id: The chat of Telegram.
        secret: The key of the signature of our own JSON.

    """

    name: str
    setting: str
    url: str = dataclasses.field(repr=False)
    format: str = JSON
    events: frozenset[str] = frozenset(EVENTS)
    chat_id: str = ""
    secret: str = dataclasses.field(default="", repr=False)

    @property
    def host(self) -> str:
        """The host, which is no secret."""
        try:
            return urlsplit(self.url).hostname or ""
        except ValueError:
            return ""

    @property
    def problem(self) -> str:
        """Why nothing can be sent there, ``""`` when it can; never shows the address."""
        unsafe = why_not_safe(self.url, self.setting)
        if unsafe:
            return unsafe
        if not _PRINTABLE.fullmatch(self.url):
            return f"{self.setting} must be a URL of printable ASCII characters"
        if not self.format:
            return (
                f"{self.setting} needs a format, because {self.host} does not "
                "determine it"
            )
        if self.format == TELEGRAM and not self.chat_id:
            return (
                f"{self.setting} needs a chat_id, because Telegram's URL does "
                "not name the chat"
            )
        return ""

    def scrubbed(self, text: str) -> str:
        """Return *text* without the address and the secret parts of it."""
        parts = urlsplit(self.url)
        secrets = [self.url, self.url.partition("://")[2], self.secret]
        pieces = re.split(r"[/?&=]", f"{parts.path}?{parts.query}")
        secrets += [piece for piece in pieces if len(piece) >= SECRET_CHARS]
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text


def endpoints_of(settings: Settings) -> list[Endpoint]:
    """
    Return what WEBHOOK_URL and WEBHOOKS name.

    They are named after their format and counted: ``chat:slack``, ``chat:slack-2``. So
    a new address in the same place goes on where the old one stopped.
    """
    endpoints = []
    if settings.WEBHOOK_URL:
        url = settings.WEBHOOK_URL
        endpoints.append(_endpoint("webhook", "WEBHOOK_URL", {"url": url}))
    # "webhook" itself is the name of WEBHOOK_URL.
    used = Counter({"webhook": 1})
    for number, entry in enumerate(settings.WEBHOOKS):
        values = entry
        if isinstance(values, str):
            values = {"url": values}
        format_name = _format_of(values)
        name = "webhook"
        if format_name not in {JSON, ""}:
            name = f"chat:{format_name}"
        used[name] += 1
        if used[name] > 1:
            name = f"{name}-{used[name]}"
        endpoints.append(_endpoint(name, f"WEBHOOKS[{number}]", values))
    return endpoints


def _endpoint(name: str, setting: str, values: dict[str, Any]) -> Endpoint:
    format_name = _format_of(values)
    events = values.get("events")
    if events is None:
        events = EVENTS if format_name == JSON else CHAT_EVENTS
    url = values["url"]
    if format_name == TELEGRAM:
        url = url.rstrip("/").removesuffix("/sendMessage") + "/sendMessage"
    return Endpoint(
        name=name,
        setting=setting,
        url=url,
        format=format_name,
        events=frozenset(events),
        chat_id=str(values.get("chat_id") or ""),
        secret=values.get("secret") or "",
    )


def _format_of(values: dict[str, Any]) -> str:
    return values.get("format") or guessed_format(values["url"])


def guessed_format(url: str) -> str:
    """
    Return the format that the host of *url* understands; JSON for an unknown host.

    ``""`` where a known host has several.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return JSON
    if host in _SLACK_HOSTS:
        # Triggers of Slack's workflows have variables of their own.
        return "slack" if parts.path.startswith("/services/") else ""
    if host in _DISCORD_HOSTS:
        # An address of Discord that ends so understands Slack's format instead.
        return "" if parts.path.endswith(("/slack", "/github")) else "discord"
    if host == "chat.googleapis.com":
        return "google_chat"
    if host == "api.telegram.org":
        return TELEGRAM
    if host.endswith(".webhook.office.com"):
        return "teams"
    if host.endswith(_AMBIGUOUS_HOSTS):
        return ""
    return JSON
