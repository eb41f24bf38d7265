"""GitHub's issues as far as ``gh api`` needs them: a real HTTP server on a unix socket, for the real ``gh``."""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

REPO = "acme/shop"


def require_gh() -> None:
    """Skip where gh is missing; fail there when REQUIRE_SERVICES=1."""
    if shutil.which("gh"):
        return
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail("gh is not installed")
    pytest.skip("gh is not installed")


class GitHubStub:
    """
    A server that keeps issues in a list; a context manager.

    ``environment`` is what a process needs so that its ``gh`` talks to this
    server and to nothing else. ``issues`` are the issues as GitHub shows them,
    oldest first; ``requests`` are (method, path, payload) of every call.
    """

    def __init__(self, repo: str = REPO) -> None:
        self.repo = repo
        self.issues: list[dict] = []
        self.requests: list[tuple[str, str, object]] = []
        self.delay = 0.0
        self._failures: list[tuple[int, dict[str, str], object, bool]] = []
        self._lock = threading.Lock()
        # A short path: a unix socket's name has at most 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="gh-"))
        self.socket_path = self._folder / "api.sock"
        (self._folder / "config").mkdir()
        (self._folder / "config" / "config.yml").write_text(f"http_unix_socket: {self.socket_path}\n")
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "GH_CONFIG_DIR": str(self._folder / "config"),
            "XDG_CONFIG_HOME": str(self._folder / "config"),
            "XDG_CACHE_HOME": str(self._folder / "cache"),
            "XDG_STATE_HOME": str(self._folder / "state"),
            "XDG_DATA_HOME": str(self._folder / "data"),
            "GH_TOKEN": "made-up-token-of-the-tests",
        }
        self._server: socketserver.ThreadingUnixStreamServer | None = None

    def __enter__(self) -> GitHubStub:
        server = socketserver.ThreadingUnixStreamServer(str(self.socket_path), _Handler)
        server.daemon_threads = True
        server.block_on_close = False
        server.stub = self
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.05,), name="github-stub", daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def fail_next(
        self,
        status: int,
        headers: dict[str, str] | None = None,
        *,
        message: str = "made to fail",
        errors: object = None,
        after: bool = False,
    ) -> None:
        """
        Answer the next call with *status*; status 0 hangs up without an answer.

        With *after* the call does its work first: an issue is made, and only
        the answer is lost.
        """
        body = {"message": message, **({"errors": errors} if errors else {})}
        self._failures.append((status, headers or {}, body, after))

    def add_issue(self, *, title: str = "an issue", body: str = "", labels: tuple = (), **extra: object) -> dict:
        """Put an issue there, as somebody else would."""
        with self._lock:
            number = len(self.issues) + 1
            issue = {
                "number": number,
                "title": title,
                "body": body,
                "labels": [{"name": name} for name in labels],
                "state": "open",
                "html_url": f"https://github.com/{self.repo}/issues/{number}",
                **extra,
            }
            self.issues.append(issue)
            return issue

    def answer(self, method: str, target: str, payload: object) -> tuple[int, dict[str, str], object] | None:
        self.requests.append((method, target, payload))
        if self.delay:
            time.sleep(self.delay)
        failure = self._failures.pop(0) if self._failures else None
        if failure and not failure[3]:
            return failure[:3] if failure[0] else None
        answer = self._work(method, target, payload)
        if failure:
            return failure[:3] if failure[0] else None
        return answer

    def _work(self, method: str, target: str, payload) -> tuple[int, dict[str, str], object]:
        url = urlsplit(target)
        path = url.path.removeprefix("/api/v3")
        base = f"/repos/{self.repo}"
        if path == base:
            return 200, {}, {"full_name": self.repo, "private": True}
        if path == f"{base}/issues" and method == "GET":
            query = {name: values[-1] for name, values in parse_qs(url.query).items()}
            size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
            newest = self.issues[::-1]
            return 200, {}, newest[(page - 1) * size : page * size]
        if path == f"{base}/issues" and method == "POST":
            if not payload["title"].strip():
                return 422, {}, {"message": "Validation Failed", "errors": ["title can't be blank"]}
            if len(payload["body"]) > 65_536:
                return 422, {}, {"message": "Validation Failed", "errors": ["body is too long"]}
            return 201, {}, self.add_issue(title=payload["title"], body=payload["body"], labels=payload["labels"])
        if path.startswith(f"{base}/issues/"):
            number = path.rsplit("/", 1)[1]
            for issue in self.issues:
                if str(issue["number"]) == number:
                    if method == "PATCH":
                        issue.update(payload)
                    return 200, {}, issue
        return 404, {}, {"message": "Not Found"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _body(self) -> bytes:
        """Return the request's body; gh sends what it reads from a pipe in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _serve(self) -> None:
        data = self._body()
        answer = self.server.stub.answer(self.command, self.path, json.loads(data) if data else None)
        self.close_connection = True
        if answer is None:
            return
        status, headers, body = answer
        content = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            pass  # gh was killed: nobody listens

    do_GET = do_POST = do_PATCH = _serve

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *args: object) -> None:
        pass
