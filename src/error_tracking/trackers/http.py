"""
One HTTPS request, bounded in time and size.

Follows no redirect, so a token never goes to another host. Plain HTTP is for this
machine only. Of the proxy settings only ``HTTPS_PROXY`` and ``NO_PROXY`` count.
"""

from __future__ import annotations

import dataclasses
import email.utils
import http.client
import io
import json
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from error_tracking import own_connections
from error_tracking.exceptions import TrackerError

# A host that does not accept a connection in this time is down.
CONNECT_SECONDS = 5.0
# For the whole response. GitHub gives up its own requests after ten seconds.
READ_SECONDS = 20.0
# A hundred issues whose bodies have the greatest size.
ANSWER_BYTES = 32 * 1024 * 1024
# A server that asks for more is misconfigured.
LONGEST_REST_SECONDS = 86_400.0
LIMITED = 429
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class UnreachableError(TrackerError):
    """There was no connection: nothing was sent."""


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    """
    A response.

    Attributes:
        status: Its status code.
        headers: With lower-case names.
        data: The JSON of the body, None when it is none.

    """

    status: int
    headers: dict[str, str]
    data: Any

    @classmethod
    def of(
        cls, status: int, headers: Iterable[tuple[str, str]], body: str | bytes
    ) -> Response:
        """Return the response with these *headers* and this *body*."""
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = None
        return cls(status, {name.lower(): value for name, value in headers}, data)

    @property
    def retry_after(self) -> float | None:
        """
        How long the server asks us to wait, in seconds; None when it does not.

        From ``Retry-After`` (RFC 9110, 10.2.3) or the headers of GitHub's rate limits.
        """
        seconds = _seconds_from(self.headers.get("retry-after", ""))
        if seconds is None and self.is_exhausted:
            reset = self.headers.get("x-ratelimit-reset", "")
            if reset.isdecimal():
                seconds = max(1.0, float(reset) - time.time())
        if seconds is None:
            return None
        return min(max(0.0, seconds), LONGEST_REST_SECONDS)

    @property
    def is_exhausted(self) -> bool:
        """Whether the current window of GitHub's rate limit has no request left."""
        return self.headers.get("x-ratelimit-remaining") == "0"


def _seconds_from(retry_after: str) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, a number or a date."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        moment = email.utils.parsedate_to_datetime(retry_after)
        return moment.timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def why_not_safe(url: str, name: str) -> str:
    """
    Return why nothing is sent to *url*, ``""`` when it is safe.

    Args:
        url: Where to send.
        name: The setting that has it, for the message.
    """
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:  # the port or the address is invalid
        is_whole = False
    if not is_whole:
        return f"{name} must be a URL with a host and without a user"
    is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if parts.scheme == "https" or is_local:
        return ""
    return f"{name} must begin with https://"


def send(method: str, url: str, headers: dict[str, str], body: bytes = b"") -> Response:
    """
    Send one request and return the response, whatever its status.

    Raises:
        UnreachableError: There was no connection: nothing was sent.

        TrackerError: There was no complete response; nobody knows whether it was done.
    """
    # A connection to the database must not be held while a service answers.
    own_connections.release()
    host = urlsplit(url).hostname
    began = time.monotonic()
    try:
        request = urllib.request.Request(  # noqa: S310  the schemes are checked before
            url, body or None, headers, method=method
        )
        with _opener().open(request, timeout=CONNECT_SECONDS) as answer:
            content = _content_of(answer)
            status, answer_headers = answer.status, answer.headers.items()
    except (OSError, ValueError, http.client.HTTPException) as error:
        if time.monotonic() - began >= READ_SECONDS:
            reason = f"in {READ_SECONDS:.0f} seconds"
        else:
            reason = f"{type(error).__name__}: {error}"
        raise TrackerError(f"no complete response from {host}: {reason}") from error
    return Response.of(status, answer_headers, content)


def _content_of(answer: http.client.HTTPResponse) -> bytes:
    content = answer.read(ANSWER_BYTES)
    has_more = bool(answer.read(1))
    # Without a second look, a body that was cut off would pass as a short one.
    is_cut_off = bool(answer.length)
    if has_more or is_cut_off:
        raise http.client.IncompleteRead(b"", answer.length)
    return content


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener that returns every response, redirects and errors included."""
    opener = urllib.request.OpenerDirector()
    proxy = urllib.request.getproxies().get("https")
    if proxy:
        # Applies NO_PROXY as well.
        opener.add_handler(urllib.request.ProxyHandler({"https": proxy}))
    opener.add_handler(_HTTPHandler())
    opener.add_handler(_HTTPSHandler())
    return opener


# A time-out of a socket counts from the last byte. A server that sends a byte now and
# then would hold the filer for hours, so the time that is left is set before each read.


class _DeadlineReader(io.RawIOBase):
    """Reads from *sock* until *deadline*, a time of ``time.monotonic()``."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the response took too long")
        self._sock.settimeout(seconds)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """A response whose head and body have to arrive within ``READ_SECONDS``."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        deadline = time.monotonic() + READ_SECONDS
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_DeadlineReader(raw, sock, deadline))


class _HTTPConnection(http.client.HTTPConnection):
    response_class = _Response

    def connect(self) -> None:
        _connect(self, super().connect)


class _HTTPSConnection(http.client.HTTPSConnection):
    response_class = _Response

    def connect(self) -> None:
        _connect(self, super().connect)


def _connect(connection: http.client.HTTPConnection, connect: Any) -> None:
    """Connect, and report that nothing was sent when it fails."""
    try:
        connect()
    except (OSError, UnicodeError, http.client.HTTPException) as error:
        raise UnreachableError(
            f"{connection.host} cannot be reached: {type(error).__name__}: {error}"
        ) from error
    # For sending; each read sets its own.
    connection.sock.settimeout(READ_SECONDS)


class _HTTPHandler(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_HTTPConnection, request)


class _HTTPSHandler(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(
            _HTTPSConnection, request, context=ssl.create_default_context()
        )
