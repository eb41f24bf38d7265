"""
Stand-ins for the chat services: each checks a message as the service does.

The schemas and limits are those that the services publish: Slack's Block Kit reference,
Discord's message resource, the Adaptive Card schema 1.2 and the limits of Teams' cards,
Google Chat's ``spaces.messages`` and ``cards.v2``, Mattermost's incoming webhooks, and
Telegram's Bot API. What a text would do there (mention, link, format) is found by
``active_parts``.
"""

from __future__ import annotations

import dataclasses
import html.parser
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jsonschema

WEB_URL = {"type": "string", "pattern": '^https?://[^\\s<>"|]+$', "maxLength": 2048}


def exactly(required, **optional):
    """Return the schema of an object that has no other keys than these."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


def text(most, least=1):
    return {"type": "string", "minLength": least, "maxLength": most}


def const(value):
    return {"const": value}


def listed(items, most, least=1):
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def plain_text(most):
    return exactly(
        {"type": const("plain_text"), "text": text(most)}, emoji={"type": "boolean"}
    )


MRKDWN = exactly({"type": const("mrkdwn"), "text": text(3000)})
SLACK = exactly(
    {
        "text": text(40_000),
        "blocks": listed(
            {
                "oneOf": [
                    exactly({"type": const("header"), "text": plain_text(150)}),
                    exactly({"type": const("section"), "text": plain_text(3000)}),
                    exactly(
                        {
                            "type": const("section"),
                            "fields": listed(plain_text(2000), 10),
                        }
                    ),
                    exactly({"type": const("context"), "elements": listed(MRKDWN, 10)}),
                ]
            },
            50,
        ),
    },
    unfurl_links={"type": "boolean"},
    unfurl_media={"type": "boolean"},
)
DISCORD = exactly(
    {
        "embeds": listed(
            exactly(
                {"title": text(256), "description": text(4096)},
                url=WEB_URL,
                color={"type": "integer", "minimum": 0, "maximum": 0xFFFFFF},
                fields=listed(
                    exactly(
                        {"name": text(256), "value": text(1024)},
                        inline={"type": "boolean"},
                    ),
                    25,
                ),
            ),
            10,
        ),
        "allowed_mentions": exactly({"parse": listed({"type": "string"}, 0, 0)}),
    }
)
TEXT_RUN = exactly(
    {"type": const("TextRun"), "text": text(5000)}, weight={"enum": ["bolder"]}
)
CARD = exactly(
    {
        "type": const("AdaptiveCard"),
        "version": const("1.2"),
        "body": listed(
            {
                "oneOf": [
                    exactly(
                        {"type": const("TextBlock"), "text": text(5000)},
                        weight={"enum": ["lighter", "default", "bolder"]},
                        size={"enum": ["small", "default", "medium", "large"]},
                        color={"enum": ["default", "good", "warning", "attention"]},
                        wrap={"type": "boolean"},
                    ),
                    exactly(
                        {
                            "type": const("RichTextBlock"),
                            "inlines": listed(TEXT_RUN, 100),
                        },
                        spacing={"enum": ["none", "small", "default"]},
                    ),
                ]
            },
            100,
        ),
    },
    **{"$schema": {"type": "string"}},
    msteams=exactly({"width": const("Full")}),
    actions=listed(
        exactly({"type": const("Action.OpenUrl"), "title": text(100), "url": WEB_URL}),
        6,
    ),
)
TEAMS = exactly(
    {
        "type": const("message"),
        "attachments": listed(
            exactly(
                {
                    "contentType": const("application/vnd.microsoft.card.adaptive"),
                    "content": CARD,
                },
                contentUrl={"type": "null"},
            ),
            1,
        ),
    }
)
BUTTON = exactly(
    {"text": text(100), "onClick": exactly({"openLink": exactly({"url": WEB_URL})})}
)
GOOGLE_CHAT = exactly(
    {
        "cardsV2": listed(
            exactly(
                {
                    "cardId": text(100),
                    "card": exactly(
                        {
                            "header": exactly({"title": text(200)}),
                            "sections": listed(
                                exactly(
                                    {
                                        "widgets": listed(
                                            {
                                                "oneOf": [
                                                    exactly(
                                                        {
                                                            "textParagraph": exactly(
                                                                {"text": text(4096)}
                                                            )
                                                        }
                                                    ),
                                                    exactly(
                                                        {
                                                            "decoratedText": exactly(
                                                                {"text": text(4096)},
                                                                topLabel=text(100),
                                                                wrapText={
                                                                    "type": "boolean"
                                                                },
                                                            )
                                                        }
                                                    ),
                                                    exactly(
                                                        {
                                                            "buttonList": exactly(
                                                                {
                                                                    "buttons": listed(
                                                                        BUTTON, 10
                                                                    )
                                                                }
                                                            )
                                                        }
                                                    ),
                                                ]
                                            },
                                            100,
                                        )
                                    }
                                ),
                                100,
                            ),
                        }
                    ),
                }
            ),
            10,
        )
    },
    fallbackText=text(4096),
)
MATTERMOST = exactly(
    {
        "attachments": listed(
            exactly(
                {"fallback": text(4000), "text": text(16_383)},
                color={"type": "string", "pattern": "^#[0-9a-f]{6}$"},
                title=text(1000),
                title_link=WEB_URL,
                fields=listed(
                    exactly(
                        {"title": text(1000), "value": text(16_383)},
                        short={"type": "boolean"},
                    ),
                    30,
                ),
            ),
            10,
        )
    }
)
TELEGRAM = exactly(
    {
        "chat_id": {"type": "string", "pattern": r"^(-?\d{1,20}|@\w{5,32})$"},
        "text": text(4096),
    },
    parse_mode=const("HTML"),
    link_preview_options=exactly({"is_disabled": const(True)}),
)


def units(value):
    return len(value.encode("utf-16-le")) // 2


def all_texts(value):
    """Yield every text in a payload."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from all_texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from all_texts(each)


# What a text does at a service: mentions, links and markup that are not ours.


class _Tags(html.parser.HTMLParser):
    """Collects tags, and the text outside of ``<code>``."""

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.outside = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs).get("href", "")))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, "tags are closed in order"

    def handle_data(self, data):
        if "code" not in self.open:
            self.outside += data


def _tags_of(value):
    parser = _Tags()
    parser.feed(value)
    parser.close()
    assert parser.open == []
    return parser


OWN_LINK = "https://shop.example/"
AUTOLINK = re.compile(r"\w+://\S|www\.\S|(?<!\w)@\w|(?<!\w)#\w", re.IGNORECASE)


def slack_parts(payload):
    for block in payload["blocks"]:
        for element in block.get("elements", ()):
            for link in re.findall(r"<([^>]*)>", element["text"]):
                if not link.startswith(OWN_LINK):
                    yield link
    plain = [payload["text"], *_plain_texts(payload["blocks"])]
    for value in plain:
        yield from re.findall(r"<[^>]*>", value)
        yield from AUTOLINK.findall(value)
        yield from re.findall(r"&(?!amp;|lt;|gt;)", value)


def _plain_texts(value):
    if isinstance(value, dict):
        if value.get("type") == "plain_text":
            yield value["text"]
        else:
            for each in value.values():
                yield from _plain_texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _plain_texts(each)


def _outside_of_code(value):
    """Return Markdown without its code spans, links of ours and escaped characters."""
    # From left to right: a backslash inside code escapes nothing.
    value = re.sub(r"\\[^a-zA-Z0-9\s]|`[^`]*`", "", value)
    return re.sub(rf"\[[\w ]+\]\({OWN_LINK}[^\s()]*\)", "", value)


def discord_parts(payload):
    [embed] = payload["embeds"]
    texts = [embed["title"], embed["description"]]
    texts += [field["value"] for field in embed["fields"]]
    for value in texts:
        rest = _outside_of_code(value)
        yield from re.findall(r"[`*_~|<>\[\]]", rest)
        yield from AUTOLINK.findall(rest)


def teams_parts(payload):
    """Yield Markdown in what has Markdown; a TextRun has none."""
    for block in payload["attachments"][0]["content"]["body"]:
        if block["type"] == "TextBlock":
            yield from re.findall(r"[`*_\[\]<>]", block["text"])
        else:
            for run in block["inlines"]:
                yield from AUTOLINK.findall(run["text"])


def google_chat_parts(payload):
    [section] = payload["cardsV2"][0]["card"]["sections"]
    for widget in section["widgets"]:
        for kind in ("textParagraph", "decoratedText"):
            if kind in widget:
                parsed = _tags_of(widget[kind]["text"])
                yield from (tag for tag, _ in parsed.tags if tag != "b")
                yield from AUTOLINK.findall(parsed.outside)
    yield from re.findall(r"<[^>]*>", payload["fallbackText"])


def mattermost_parts(payload):
    [attachment] = payload["attachments"]
    texts = [attachment["text"], attachment["title"], attachment["fallback"]]
    texts += [field["value"] for field in attachment["fields"]]
    for value in texts:
        # What Slack writes so is replaced everywhere, also in code.
        yield from re.findall(r"<[!@#][^>]*>", value)
        rest = _outside_of_code(value)
        yield from re.findall(r"[`*_~<>\[\]]", rest)
        yield from AUTOLINK.findall(rest)


def telegram_parts(payload):
    parsed = _tags_of(payload["text"])
    for tag, href in parsed.tags:
        if tag not in {"b", "code", "a"} or not href.startswith(
            ("", OWN_LINK)[tag == "a"]
        ):
            yield tag, href
    yield from AUTOLINK.findall(parsed.outside)
    yield from re.findall(r"(?<!\S)/\w", parsed.outside)


@dataclasses.dataclass(frozen=True)
class Service:
    """
    A chat service.

    *bytes_limit* is for the whole body; *answer* is what it says when all is well, and
    *busy* (status, headers, body) when there are too many requests.
    """

    schema: dict
    active_parts: object
    bytes_limit: int
    answer: tuple
    busy: tuple
    refusal: tuple


SERVICES = {
    "slack": Service(
        SLACK,
        slack_parts,
        100_000,
        (200, {}, "ok"),
        (429, {"Retry-After": "30"}, "rate_limited"),
        (400, {}, "invalid_payload"),
    ),
    "discord": Service(
        DISCORD,
        discord_parts,
        100_000,
        (204, {}, ""),
        (429, {}, {"message": "You are being rate limited.", "retry_after": 64.57}),
        (400, {}, {"message": "Cannot send an empty message", "code": 50006}),
    ),
    "teams": Service(
        TEAMS,
        teams_parts,
        28 * 1024,
        (202, {}, ""),
        (429, {"Retry-After": "17"}, {"error": {"code": "x", "message": "Too many"}}),
        (400, {}, {"error": {"code": "x", "message": "The request is invalid"}}),
    ),
    "google_chat": Service(
        GOOGLE_CHAT,
        google_chat_parts,
        32_000,
        (200, {}, {"name": "spaces/A/messages/B"}),
        (429, {}, {"error": {"code": 429, "message": "Quota exceeded"}}),
        (400, {}, {"error": {"code": 400, "message": "Invalid JSON payload"}}),
    ),
    "mattermost": Service(
        MATTERMOST,
        mattermost_parts,
        500_000,
        (200, {}, "ok"),
        (429, {"Retry-After": "1"}, "limit exceeded"),
        (400, {}, {"id": "x", "message": "Invalid webhook.", "status_code": 400}),
    ),
    "telegram": Service(
        TELEGRAM,
        telegram_parts,
        100_000,
        (200, {}, {"ok": True, "result": {"message_id": 1}}),
        (
            429,
            {},
            {
                "ok": False,
                "error_code": 429,
                "description": "Too Many Requests: retry after 35",
                "parameters": {"retry_after": 35},
            },
        ),
        (400, {}, {"ok": False, "description": "Bad Request: chat not found"}),
    ),
}
#: What each one asks for when it is busy, in seconds; None where it names no time.
BUSY_SECONDS = {
    "slack": 30,
    "discord": 64.57,
    "teams": 17,
    "google_chat": None,
    "mattermost": 1,
    "telegram": 35,
}


def check_message(name, body):
    """Check the *body* of a request as the service *name* does; return the payload."""
    service = SERVICES[name]
    assert len(body) <= service.bytes_limit
    payload = json.loads(body)
    jsonschema.validate(payload, service.schema)
    if name == "telegram":
        assert units(payload["text"]) <= 4096
    if name == "discord":
        [embed] = payload["embeds"]
        counted = [embed["title"], embed["description"]]
        for field in embed["fields"]:
            counted += [field["name"], field["value"]]
        assert sum(map(units, counted)) <= 6000
    for value in all_texts(payload):
        # A lone surrogate or a control character is refused by JSON readers.
        assert value.encode().decode() == value
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", value)
    return payload


class ChatServer(ThreadingHTTPServer):
    """One chat service on this machine: checks each message, and answers as it does."""

    def __init__(self, name):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name, self.service = name, SERVICES[name]
        self.messages, self.problems, self.paths = [], [], []
        self.next_answers = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook/s3cret-part-of-it"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc_info):
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.paths.append(self.path)
        status, headers, answer = server.service.answer
        try:
            assert self.headers["Content-Type"] == "application/json"
            payload = check_message(server.name, body)
        except Exception as error:
            server.problems.append(error)
            status, headers, answer = server.service.refusal
        else:
            if server.next_answers:
                status, headers, answer = server.next_answers.pop(0)
            else:
                server.messages.append(payload)
        content = answer if isinstance(answer, str) else json.dumps(answer)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content.encode())))
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *args):
        pass
