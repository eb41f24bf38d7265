"""
GitHub's issues as far as we use them: one state behind a unix socket for the real ``gh``, HTTP and HTTPS.

It behaves as GitHub does, or as badly as a test tells it to.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import json
import os
import shutil
import socketserver
import ssl
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

REPO = "acme/shop"
TOKEN = "ghp_MadeUpTokenOfTheTests0123456789abcdef"
TRANSPORTS = ("gh", "http", "https")
TOKEN_NAMES = (
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GH_HOST",
)


def require_gh() -> None:
    """Skip where gh is missing; fail there when REQUIRE_SERVICES=1."""
    if shutil.which("gh"):
        return
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail("gh is not installed")
    pytest.skip("gh is not installed")


@functools.cache
def certificate() -> tuple[ssl.SSLContext, bytes]:
    """Return a server's context for ``localhost``, and the authority that a client must trust."""
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context, authority.cert_pem.bytes()


@dataclasses.dataclass
class Fault:
    """
    How a call goes wrong, before or *after* its work is done.

    *how* is ``answer`` (with *status*), ``drop``, ``half`` (a cut answer),
    ``garbage``, ``hang``, ``drip`` or ``drip_headers`` (byte by byte).
    """

    how: str = "answer"
    status: int = 500
    headers: dict = dataclasses.field(default_factory=dict)
    body: object = None
    after: bool = False
    only: str = ""  # part of "METHOD /path"


class GitHubStub:
    """
    A server that keeps issues in a list; a context manager.

    ``environment`` is what a process needs so that its ``gh`` talks to this
    server and to nothing else. ``issues`` are the issues as GitHub shows them,
    oldest first; ``requests`` are (method, path, payload) of every call, and
    ``tokens`` the credentials that came with it.
    """

    def __init__(self, repo: str = REPO) -> None:
        self.repo = repo
        self.issues: list[dict] = []
        self.comments: dict[int, list[dict]] = {}
        self.labels: set[str] = set()
        self.requests: list[tuple[str, str, object]] = []
        self.tokens: list[str] = []
        self.delay = 0.0
        self.faults: list[Fault] = []
        self.chance = None  # a function that may give a Fault for "METHOD /path"
        self.can_label = self.can_push = self.has_issues = True
        self.can_read_pulls = True
        self.pulls: dict[int, dict] = {}  # what only a pull request has, by number
        self.is_archived = False
        self.is_private = True
        self.time = time.time
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._servers: dict[str, socketserver.BaseServer] = {}
        # A short path: a unix socket's name has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="gh-"))
        self.socket_path = self.folder / "api.sock"
        config = self.folder / "config"
        config.mkdir()
        (config / "config.yml").write_text(f"http_unix_socket: {self.socket_path}\n")
        (config / "hosts.yml").write_text(
            f"github.com:\n    oauth_token: {TOKEN}\n    user: ada\n"
        )
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "GH_CONFIG_DIR": str(config),
            "XDG_CONFIG_HOME": str(config),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_DATA_HOME": str(self.folder / "data"),
        }

    def __enter__(self) -> GitHubStub:
        self._start(
            "gh",
            socketserver.ThreadingUnixStreamServer(str(self.socket_path), _Handler),
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        for server in self._servers.values():
            server.shutdown()
            server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, name: str, server: socketserver.BaseServer) -> None:
        server.daemon_threads = True
        server.block_on_close = False
        server.stub = self
        self._servers[name] = server
        threading.Thread(
            target=server.serve_forever, args=(0.05,), name="github-stub", daemon=True
        ).start()

    def port(self, transport: str) -> int:
        """Return the port of the server for ``http`` or ``https``, which is started when it is first asked for."""
        if transport not in self._servers:
            server = _Quiet(("127.0.0.1", 0), _Handler)
            if transport == "https":
                context, authority = certificate()
                (self.folder / "authority.pem").write_bytes(authority)
                server.socket = context.wrap_socket(
                    server.socket, server_side=True, do_handshake_on_connect=False
                )
            self._start(transport, server)
        return self._servers[transport].server_address[1]

    def repo_over(self, transport: str) -> str:
        """Return GITHUB_REPO for *transport*."""
        hosts = {
            "gh": "",
            "http": "http://127.0.0.1:{}/",
            "https": "https://localhost:{}/",
        }
        return (
            hosts[transport].format(self.port(transport) if transport != "gh" else 0)
            + self.repo
        )

    def environment_over(self, transport: str) -> dict[str, str]:
        """Return what a process needs for *transport*, its token included."""
        if transport == "gh":
            return self.environment
        self.port(transport)
        return {
            "GITHUB_TOKEN": TOKEN,
            "SSL_CERT_FILE": str(self.folder / "authority.pem"),
            "PATH": os.environ["PATH"],
        }

    def use(self, monkeypatch, transport: str) -> str:
        """Have this process use *transport*, and return GITHUB_REPO for it."""
        for name in TOKEN_NAMES:
            monkeypatch.delenv(name, raising=False)
        for name, value in self.environment_over(transport).items():
            monkeypatch.setenv(name, value)
        return self.repo_over(transport)

    def fail(self, how: str = "answer", status: int = 500, **values: object) -> None:
        """Have one call go wrong as *how* says: the next one that *only* names."""
        self.faults.append(Fault(how, status, **values))

    def fail_next(
        self,
        status: int,
        headers: dict[str, str] | None = None,
        *,
        message: str = "made to fail",
        errors: object = None,
        after: bool = False,
        only: str = "",
    ) -> None:
        """
        Answer one call, the next that *only* names, with *status*; status 0 hangs up without an answer.

        With *after* the call does its work first: an issue is made, and only
        the answer is lost.
        """
        body = {"message": message, **({"errors": errors} if errors else {})}
        self.faults.append(
            Fault(
                "answer" if status else "drop", status, headers or {}, body, after, only
            )
        )

    def moment(self) -> str:
        return f"{dt.datetime.fromtimestamp(self.time(), tz=dt.UTC):%Y-%m-%dT%H:%M:%SZ}"

    def add_issue(
        self,
        *,
        title: str = "an issue",
        body: str = "",
        labels: tuple = (),
        **extra: object,
    ) -> dict:
        """Put an issue there, as somebody else would."""
        with self._lock:
            number = len(self.issues) + 1
            issue = {
                "number": number,
                "title": title,
                "body": body,
                "labels": [{"name": name} for name in labels],
                "state": "open",
                "state_reason": None,
                "html_url": f"https://github.com/{self.repo}/issues/{number}",
                "user": {"login": "ada", "type": "User"},
                "author_association": "OWNER",
                "created_at": self.moment(),
                "updated_at": self.moment(),
                **extra,
            }
            self.issues.append(issue)
            return issue

    def edit(self, number: int, **values: object) -> None:
        """Change an issue, as a person would."""
        with self._lock:
            self.issues[number - 1].update({"updated_at": self.moment(), **values})

    def add_pull_request(
        self,
        body: str,
        *,
        author: str = "ada",
        association: str = "MEMBER",
        base: str = "main",
        **extra: object,
    ) -> int:
        """Open a pull request, as somebody else would. Return its number."""
        issue = self.add_issue(
            body=body,
            user={"login": author, "type": "User"},
            author_association=association,
            pull_request={"merged_at": None},
            **{"title": "Guard against empty baskets", **extra},
        )
        number = issue["number"]
        issue["html_url"] = f"https://github.com/{self.repo}/pull/{number}"
        self.pulls[number] = {
            "number": number,
            "merge_commit_sha": None,
            "base": {"ref": base, "repo": {"default_branch": "main"}},
        }
        return number

    def merge(self, number: int, commit: str, *, closes: int | None = None) -> None:
        """Merge a pull request, and close the issue that it closes, as GitHub does."""
        merged = {"merged_at": self.moment()}
        self.edit(number, state="closed", pull_request=merged)
        self.pulls[number]["merge_commit_sha"] = commit
        if closes is not None:
            self.edit(closes, state="closed", state_reason="completed")

    def answer(
        self, method: str, target: str, payload, authorization: str
    ) -> tuple[Fault, tuple | None]:
        """Return how the call goes wrong, and what the right answer is, None where the work was not done."""
        call = f"{method} {urlsplit(target).path.removeprefix('/api/v3')}"
        with self._lock:
            self.requests.append((method, target, payload))
            self.tokens.append(authorization)
            fault = next((each for each in self.faults if each.only in call), None)
            if fault:
                self.faults.remove(fault)
            elif self.chance:
                fault = self.chance(call)
        if self.delay:
            time.sleep(self.delay)
        if fault and not fault.after:
            return fault, None
        with self._lock:
            if authorization not in {f"Bearer {TOKEN}", f"token {TOKEN}"}:
                answer = (
                    401,
                    {},
                    {
                        "message": "Bad credentials"
                        if authorization
                        else "Requires authentication"
                    },
                )
            else:
                answer = self._work(method, target, payload)
            status, headers, body = answer
            return fault or Fault(), (status, headers, json.dumps(body).encode())

    def _work(
        self, method: str, target: str, payload
    ) -> tuple[int, dict[str, str], object]:
        url = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        path = url.path.removeprefix("/api/v3")
        base = f"/repos/{self.repo}"
        if path == "/user":
            return 200, {}, {"login": "ada", "type": "User"}
        if path == base:
            permissions = {
                "admin": False,
                "push": self.can_push,
                "triage": True,
                "pull": True,
            }
            flags = {
                "archived": self.is_archived,
                "has_issues": self.has_issues,
                "private": self.is_private,
            }
            return (
                200,
                {},
                {"full_name": self.repo, "permissions": permissions, **flags},
            )
        if not path.startswith(base):
            return 404, {}, {"message": "Not Found"}
        if self.is_archived and method != "GET":
            return 403, {}, {"message": "Repository was archived so is read-only."}
        if path == f"{base}/labels" and method == "POST":
            return self._make_label(payload)
        if path == f"{base}/labels":
            return 200, {}, [{"name": name} for name in sorted(self.labels)]
        if path.startswith(f"{base}/pulls"):
            return self._pull_request(path.removeprefix(f"{base}/pulls").strip("/"))
        if not self.has_issues:
            return 410, {}, {"message": "Issues are disabled for this repo"}
        if path == f"{base}/issues":
            return (
                self._make_issue(payload)
                if method == "POST"
                else self._list(self._filtered(query), target, query)
            )
        return self._work_on(
            path.removeprefix(f"{base}/issues/"), method, target, query, payload
        )

    def _pull_request(self, number: str) -> tuple:
        if not self.can_read_pulls:
            message = "Resource not accessible by personal access token"
            return 403, {}, {"message": message}
        if not number:
            return 200, {}, list(self.pulls.values())
        if int(number) not in self.pulls:
            return 404, {}, {"message": "Not Found"}
        return 200, {}, self.pulls[int(number)]

    def _work_on(self, path, method, target, query, payload) -> tuple:
        number, _, rest = path.partition("/")
        issue = next(
            (each for each in self.issues if str(each["number"]) == number), None
        )
        if issue is None or rest.partition("/")[0] not in {"", "comments", "labels"}:
            return 404, {}, {"message": "Not Found"}
        if issue.get("is_deleted"):
            return 410, {}, {"message": "This issue was deleted"}
        if rest.startswith("labels"):
            return self._label_issue(issue, rest.partition("/")[2], method, payload)
        if rest:
            return self._comments(method, issue, target, query, payload)
        return self._change(issue, payload) if method == "PATCH" else (200, {}, issue)

    def _label_issue(self, issue, label, method, payload) -> tuple:
        names = [each["name"] for each in issue["labels"]]
        if method == "DELETE":
            if label not in names:
                return 404, {}, {"message": "Label does not exist"}
            names.remove(label)
        else:
            refused = self._take_labels(payload["labels"])
            if refused:
                return refused
            names += [name for name in payload["labels"] if name not in names]
        issue["labels"] = [{"name": name} for name in names]
        return 200, {}, issue["labels"]

    def _make_label(self, payload) -> tuple:
        if not self.can_label:
            return (
                403,
                {},
                {"message": "Resource not accessible by personal access token"},
            )
        if payload["name"] in self.labels:
            errors = [{"resource": "Label", "code": "already_exists", "field": "name"}]
            return 422, {}, {"message": "Validation Failed", "errors": errors}
        self.labels.add(payload["name"])
        return 201, {}, payload

    def _take_labels(self, names) -> tuple | None:
        if not self.can_label and not self.labels.issuperset(names):
            return (
                403,
                {},
                {
                    "message": "You do not have permission to create labels on this repository."
                },
            )
        self.labels.update(names)
        return None

    def _make_issue(self, payload) -> tuple:
        if not payload["title"].strip():
            return (
                422,
                {},
                {"message": "Validation Failed", "errors": ["title can't be blank"]},
            )
        if len(payload["body"]) > 65_536:
            return (
                422,
                {},
                {"message": "Validation Failed", "errors": ["body is too long"]},
            )
        refused = self._take_labels(payload.get("labels", ()))
        return refused or (201, {}, self.add_issue(**payload))

    def _change(self, issue, payload) -> tuple:
        if "labels" in payload:
            refused = self._take_labels(payload["labels"])
            if refused:
                return refused
            payload = {
                **payload,
                "labels": [{"name": name} for name in payload["labels"]],
            }
        if not payload.keys() <= {"state", "state_reason", "body", "labels", "title"}:
            return 422, {}, {"message": "Validation Failed"}
        issue.update(payload, updated_at=self.moment())
        return 200, {}, issue

    def _comments(self, method, issue, target, query, payload) -> tuple:
        comments = self.comments.setdefault(issue["number"], [])
        if method == "POST":
            moment = self.moment()
            comments.append(
                {"id": len(comments) + 1, "body": payload["body"], "updated_at": moment}
            )
            issue["updated_at"] = moment
            return 201, {}, comments[-1]
        return self._list(
            [each for each in comments if each["updated_at"] >= query.get("since", "")],
            target,
            query,
        )

    def _filtered(self, query) -> list[dict]:
        state, labels = (
            query.get("state", "open"),
            [name for name in query.get("labels", "").split(",") if name],
        )
        field = {"created": "created_at", "updated": "updated_at"}[
            query.get("sort", "created")
        ]
        found = [
            issue
            for issue in self.issues
            if state in {"all", issue["state"]}
            and issue["updated_at"] >= query.get("since", "")
            and {label["name"] for label in issue["labels"]}.issuperset(labels)
            and not issue.get("is_deleted")
            and (self.can_read_pulls or "pull_request" not in issue)
        ]
        return sorted(
            found,
            key=lambda each: (each[field], each["number"]),
            reverse=query.get("direction", "desc") == "desc",
        )

    @staticmethod
    def _list(items, target, query) -> tuple:
        size, page = min(100, int(query.get("per_page", 30))), int(query.get("page", 1))
        more = f'<https://api.github.com{target.split("?")[0]}?page={page + 1}>; rel="next"'
        headers = {"Link": more} if len(items) > page * size else {}
        return 200, headers, items[(page - 1) * size : page * size]


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request, client_address) -> None:
        """Say nothing: clients that hang up, or do not trust us, are what tests are about."""


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
        stub = self.server.stub
        payload = json.loads(data) if data else None
        fault, answer = stub.answer(
            self.command, self.path, payload, self.headers.get("Authorization", "")
        )
        self.close_connection = True
        is_bad = fault.how != "answer" or answer is None or fault.after
        if fault.how == "drop":
            return
        if fault.how == "hang":
            stub._over.wait(30)
            return
        status, headers, content = answer or (fault.status, fault.headers, b"")
        if fault.how == "answer" and is_bad:
            status, headers = fault.status, fault.headers
            content = json.dumps(
                {"message": "made to fail"} if fault.body is None else fault.body
            ).encode()
        if answer is None and fault.how in {"half", "garbage", "drip"}:
            status, content = 502, b'{"message": "Bad Gateway, after a while"}'
        if fault.how == "garbage":
            content = b"<html>\xff\x00 not what you think"
        length = len(content) + (100 if fault.how == "half" else 0)
        if fault.how == "half":
            content = content[: len(content) // 2]
        lines = [
            f"HTTP/1.1 {status} Made-Up",
            "Content-Type: application/json; charset=utf-8",
            "Connection: close",
        ]
        lines += [
            f"Content-Length: {length}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        head = "\r\n".join([*lines, "", ""]).encode()
        with contextlib.suppress(OSError):  # the client was killed: nobody listens
            if fault.how == "drip_headers":
                self._drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000)
            self.wfile.write(head)
            self._drip(content) if fault.how == "drip" else self.wfile.write(content)

    def _drip(self, content: bytes) -> None:
        for byte in content:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.server.stub._over.wait(0.1):
                return

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def log_message(self, *args: object) -> None:
        pass
