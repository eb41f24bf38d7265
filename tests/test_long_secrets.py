"""Secrets that are longer than what is read behind the cut of a text, at each place around the cut."""

from __future__ import annotations

import base64
import json
import random
import string

import pytest

from error_tracking.events.size_budget import LOOKAHEAD_CHARS, scrubbed_beginning
from error_tracking.scrubbing.scrubber import Scrubber

CHARS = 2_000
# Eight characters in a row are not there by chance.
RUN = 8
BEFORE_THE_CUT = (10, 20, 40, 60, 90, 120, 150, 180)

_random = random.Random(5)


def letters(extra=""):
    alphabet = string.ascii_letters + extra
    return "".join(_random.choice(alphabet) for _ in range(CHARS))


def encoded():
    return base64.urlsafe_b64encode(_random.randbytes(CHARS)).decode().rstrip("=")


def web_token():
    parts = [
        {"alg": "RS256", "typ": "JWT", "kid": "a1"},
        {"sub": "1", "roles": [f"role{number}" for number in range(CHARS // 10)]},
    ]
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts]
    return ".".join([*(text.decode().rstrip("=") for text in texts), encoded()])


def private_key():
    lines = "\n".join(encoded()[:64] for _ in range(CHARS // 64))
    return f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----"


KINDS = {
    "web token": (web_token, "token was {} here"),
    "web token in JSON": (web_token, '{{"data": "{}", "next": 1}}'),
    "private key": (private_key, "key {} end"),
    "base64": (encoded, "blob {} end"),
    "password in JSON": (lambda: letters(" !#,;."), '{{"password": "{}", "x": 1}}'),
    "password in a repr": (lambda: letters(" !#,;."), "{{'password': '{}', 'x': 1}}"),
    "password in XML": (lambda: letters(" !#,;."), "<a><password>{}</password></a>"),
    "token in a query": (encoded, "GET /?a=1&token={}&b=2"),
    "cookie": (encoded, "Cookie: sessionid={}; a=b"),
    "SAML response": (encoded, "SAMLResponse={}&RelayState=x"),
    "signed value": (lambda: f"{encoded()}:1rWxyz:{encoded()[:43]}", "value {} end"),
    "authorization": (encoded, "Authorization: Bearer {}"),
    "password in an address": (letters, "postgres://user:{}@host/db"),
}


@pytest.mark.parametrize("limit", [200, 1_000, 4_000])
@pytest.mark.parametrize("kind", KINDS)
def test_secret_longer_than_what_is_read_leaves_nothing(kind, limit):
    make, frame = KINDS[kind]
    scrubber = Scrubber()
    for before in BEFORE_THE_CUT:
        secret = make()
        assert len(secret) > LOOKAHEAD_CHARS
        body = frame.format(secret)
        room = max(0, limit - before - body.index(secret))
        text = ("word and " * CHARS)[:room] + " " + body + " tail of words" * CHARS
        kept = scrubbed_beginning(text, limit, scrubber.text)
        runs = [secret[at : at + RUN] for at in range(len(secret) - RUN)]
        assert not [run for run in runs if run in kept]
        assert kept.startswith(text[: room // 2])
