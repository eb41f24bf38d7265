"""A small GitHub on a Unix socket, which the real ``gh`` talks to: issues only, with failures on demand."""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest


def need_gh():
    """Skip the test when ``gh`` is not installed; fail it when it must be there."""
    if shutil.which("gh") is None:
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail("gh is not installed")
        pytest.skip("gh is not installed")


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def _body(handler):
    """Return the request's body; gh sends what it reads from a pipe in chunks."""
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    parts = []
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(parts)


class GitHubStub:
    """
    A context manager; ``environment`` is what a process needs so that its ``gh`` talks to the stub.

    ``issues`` are those that exist, oldest first; ``requests`` what was asked,
    as (method, path, payload).
    """

    def __init__(self, folder: Path, repo: str = "acme/shop"):
        need_gh()
        self.folder = Path(folder)
        self.repo = repo
        self.issues: list[dict] = []
        self.requests: list[tuple[str, str, object]] = []
        self.delay = 0.0
        self.loses_answer = False
        self.lock = threading.Lock()
        self._failures: list[tuple[int, dict, dict]] = []

    def fail_next(self, status, headers=None, message="stubbed", **body):
        """Answer the next request with *status*; call it again for the one after."""
        self._failures.append((status, headers or {}, {"message": message, **body}))

    @property
    def environment(self):
        home = str(self.folder)
        return {
            "HOME": home,
            "GH_CONFIG_DIR": str(self.folder / "config"),
            "XDG_CONFIG_HOME": home,
            "XDG_CACHE_HOME": home,
            "XDG_STATE_HOME": home,
            "GH_TOKEN": "ghp_stub",
        }

    def __enter__(self):
        config = self.folder / "config"
        config.mkdir(parents=True)
        # A path in the working folder would be too long for a socket on some machines.
        self._socket = Path("/tmp") / f"et-gh-{os.getpid()}-{id(self):x}.sock"
        (config / "config.yml").write_text(f"http_unix_socket: {self._socket}\n")
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                stub._answer(self, None)

            def do_POST(self):
                body = _body(self)
                stub._answer(self, json.loads(body))

            def address_string(self):
                return "stub"

            def log_message(self, *_):
                pass

        self._server = _Server(str(self._socket), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._socket.unlink(missing_ok=True)

    def _answer(self, handler, payload):
        with self.lock:
            self.requests.append((handler.command, handler.path, payload))
            failure = self._failures.pop(0) if self._failures else None
            if failure:
                status, headers, data = failure
            else:
                status, headers, data = self._work(handler, payload)
        if self.delay:
            time.sleep(self.delay)
        if self.loses_answer and handler.command == "POST" and not failure:
            self.loses_answer = False
            handler.connection.close()
            return
        body = json.dumps(data).encode()
        try:
            handler.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:
            pass  # gh was ended by its time-out

    def _work(self, handler, payload):
        url = urlsplit(handler.path)
        if url.path != f"/repos/{self.repo}/issues":
            return 404, {}, {"message": "Not Found"}
        if handler.command == "POST":
            issue = self.add(**payload)
            return 201, {}, issue
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        newest = list(reversed(self.issues))
        return 200, {}, newest[(page - 1) * size : page * size]

    def add(self, **values):
        """Add an issue, as somebody else would."""
        number = len(self.issues) + 1
        labels = [{"name": name} for name in values.pop("labels", [])]
        url = f"https://github.com/{self.repo}/issues/{number}"
        issue = {"number": number, "html_url": url, "state": "open", "labels": labels, **values}
        self.issues.append(issue)
        return issue
