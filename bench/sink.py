"""A server on loopback that takes what sentry-sdk sends, and counts it."""

from __future__ import annotations

import contextlib
import http.server
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sink(http.server.BaseHTTPRequestHandler):
    """Answers each envelope as the service would."""

    received = 0

    def do_POST(self) -> None:
        """Count the events of an envelope."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if body:
            type(self).received += 1
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_args: object) -> None:
        """Log nothing."""


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Serve until the block ends; yields the DSN for sentry-sdk."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://key@127.0.0.1:{server.server_port}/1"
    finally:
        server.shutdown()
        server.server_close()
