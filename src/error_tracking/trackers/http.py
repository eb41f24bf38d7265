"""
One HTTPS request, bounded in time and size; follows no redirect, so a token never goes to another host.

Plain HTTP is for this machine only. Uses the standard library; honours no proxy
settings but ``HTTPS_PROXY`` and ``NO_PROXY``.
"""

from __future__ import annotations

import dataclasses
import email.utils
import http.client
import json
import ssl
import time
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from error_tracking.exceptions import TrackerError

if TYPE_CHECKING:
    import socket

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
ANSWER_BYTES = 8 * 1024 * 1024
LIMITED = 429
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class UnreachableError(TrackerError):
    """There was no connection: nothing was sent."""


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    """What was answered; ``headers`` have lower-case names, ``data`` is the JSON of the body or None."""

    status: int
    headers: dict[str, str]
    data: Any

    @property
    def retry_after(self) -> float | None:
        """Return how long the server wants to be left alone, in seconds (RFC 9110, 10.2.3; GitHub's rate limits)."""
        asked = self.headers.get("retry-after", "")
        if asked.isdigit():
            return float(asked)
        moment = email.utils.parsedate_tz(asked) if asked else None
        if moment is not None:
            return max(0.0, email.utils.mktime_tz(moment) - time.time())
        reset = self.headers.get("x-ratelimit-reset", "")
        if self.headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
            return max(1.0, float(reset) - time.time())
        return None


def why_not_safe(url: str, name: str) -> str:
    """Return why nothing is sent to *url*, the setting *name*; ``""`` when it may be (FAULTS B08)."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None:
        return f"{name} must be a URL with a host and without a user"
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return ""
    return f"{name} must begin with https://"


def send(method: str, url: str, headers: dict[str, str], body: bytes = b"") -> Response:
    """
    Send one request and return the answer, whatever its status.

    Raises:
        UnreachableError: There was no connection: nothing was sent.

        TrackerError: There was no whole answer; nobody knows whether it was done.
    """
    parts = urlsplit(url)
    connection = _connection(parts.scheme, parts.hostname or "", parts.port)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    deadline = time.monotonic() + READ_SECONDS
    try:
        connection.connect()
    except (OSError, http.client.HTTPException) as error:
        msg = f"{parts.hostname} cannot be reached: {type(error).__name__}: {error}"
        raise UnreachableError(msg) from error
    try:
        sock = connection.sock  # the connection lets go of it when the server is going to close
        sock.settimeout(READ_SECONDS)
        connection.request(method, target, body or None, headers)
        answer = connection.getresponse()
        content = _read(answer, sock, deadline)
    except (OSError, http.client.HTTPException) as error:
        msg = f"no answer from {parts.hostname}: {type(error).__name__}: {error}"
        raise TrackerError(msg) from error
    finally:
        connection.close()
    try:
        data = json.loads(content) if content.strip() else None
    except (ValueError, RecursionError):
        data = None
    return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, data)


def _read(answer: http.client.HTTPResponse, sock: socket.socket, deadline: float) -> bytes:
    """Return the body; a server that sends it byte by byte gets no more time than one that is silent."""
    parts: list[bytes] = []
    size = 0
    while chunk := answer.read1(65_536):
        parts.append(chunk)
        size += len(chunk)
        left = deadline - time.monotonic()
        if left <= 0 or size > ANSWER_BYTES:
            msg = "the answer took too long" if left <= 0 else "the answer is too large"
            raise TimeoutError(msg)
        if sock.fileno() >= 0:
            sock.settimeout(left)
    if answer.length:  # fewer bytes than were announced
        raise http.client.IncompleteRead(b"".join(parts), answer.length)
    return b"".join(parts)


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
    proxy = urllib.request.getproxies().get("https", "")
    context = ssl.create_default_context()
    if not proxy or urllib.request.proxy_bypass(host):
        return http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=context)
    parts = urlsplit(proxy)
    tunnel = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=CONNECT_SECONDS, context=context)
    tunnel.set_tunnel(host, port)
    return tunnel
