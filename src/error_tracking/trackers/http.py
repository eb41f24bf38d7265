"""
One HTTPS request, bounded in time and size; follows no redirect, so a token never goes to another host.

Plain HTTP is for this machine only. Uses the standard library; honours no proxy
settings but ``HTTPS_PROXY`` and ``NO_PROXY``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import email.utils
import http.client
import json
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from error_tracking.exceptions import TrackerError

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
ANSWER_BYTES = 32 * 1024 * 1024  # a hundred issues of the greatest size
LONGEST_REST_SECONDS = 86_400.0
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

    @classmethod
    def of(cls, status: int, headers: Iterable[tuple[str, str]], body: str | bytes) -> Response:
        """Return the response that has these *headers* and this *body*."""
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = None
        return cls(status, {name.lower(): value for name, value in headers}, data)

    @property
    def retry_after(self) -> float | None:
        """Return how long the server wants to be left alone, in seconds (RFC 9110, 10.2.3; GitHub's rate limits)."""
        asked, reset = (self.headers.get(name, "") for name in ("retry-after", "x-ratelimit-reset"))
        seconds: float | None = None
        if asked.isdecimal():
            seconds = float(asked)
        elif asked:
            with contextlib.suppress(ValueError, OverflowError):  # no date: as if nothing was asked
                seconds = email.utils.parsedate_to_datetime(asked).timestamp() - time.time()
        elif self.headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
            seconds = max(1.0, float(reset) - time.time())
        return None if seconds is None else min(max(0.0, seconds), LONGEST_REST_SECONDS)


def why_not_safe(url: str, name: str) -> str:
    """Return why nothing is sent to *url*, the setting *name*; ``""`` when it may be (FAULTS B08)."""
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:  # a port or an address that is none
        is_whole = False
    if not is_whole:
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
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection = _connection(parts.scheme, parts.hostname or "", parts.port)
        connection.connect()
    except (OSError, UnicodeError, http.client.HTTPException) as error:
        raise UnreachableError(f"{parts.hostname} cannot be reached: {type(error).__name__}: {error}") from error
    # A server that sends byte by byte gets no more time than one that is silent.
    watch = threading.Timer(READ_SECONDS, _hang_up, [connection.sock])
    watch.daemon = True
    began = time.monotonic()
    try:
        connection.sock.settimeout(READ_SECONDS)
        watch.start()
        connection.request(method, target, body or None, headers)
        with connection.getresponse() as answer:
            content = answer.read(ANSWER_BYTES)
            if answer.length or answer.read(1):  # fewer bytes than were announced, or more than are taken
                raise http.client.IncompleteRead(content[:0], answer.length)
    except (OSError, http.client.HTTPException) as error:
        is_slow = time.monotonic() - began >= READ_SECONDS
        what = f"in {READ_SECONDS:.0f} seconds" if is_slow else f"{type(error).__name__}: {error}"
        raise TrackerError(f"no whole answer from {parts.hostname}: {what}") from error
    finally:
        watch.cancel()
        connection.close()
    return Response.of(answer.status, answer.getheaders(), content)


def _hang_up(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was closed in this very moment
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # below TLS, which another thread is reading


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
    proxy = urllib.request.getproxies().get("https", "")
    context = ssl.create_default_context()
    if not proxy or urllib.request.proxy_bypass(host):
        return http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=context)
    parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    tunnel = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=CONNECT_SECONDS, context=context)
    tunnel.set_tunnel(host, port)
    return tunnel
