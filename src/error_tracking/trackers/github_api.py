"""
GitHub's REST API over one of two transports: HTTPS where there is a token, else the ``gh`` command.

A call gives an answer or a ``TrackerError`` that says in words what to do. No
outside text is ever an argument of ``gh`` (FAULTS X10, X11), which gets a minimal
environment and dies with its children at the timeout.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from error_tracking import conf
from error_tracking.exceptions import TrackerError
from error_tracking.scrubbing import Scrubber
from error_tracking.utils import clean_line

from .http import LIMITED, Response, UnreachableError, send, why_not_safe

TIMEOUT_SECONDS = 30
REASON_CHARS = 300
RETRY_AFTER_SECONDS = 60.0
FORBIDDEN = 403
PUBLIC_HOST = "github.com"
API_VERSION = "2022-11-28"
_REPO = re.compile(
    r"(?:(?P<scheme>https?)://)?(?:(?P<host>(?:localhost|[\w-]+(?:\.[\w-]+)+)(?::\d{1,5})?)/)?"
    r"(?P<name>(?!\.)[\w.-]{1,39}/(?!\.{1,2}(?:/|$))[\w.-]{1,100}?)(?:\.git)?/?",
    re.ASCII,
)
_TOKENS = ("GH_TOKEN", "GITHUB_TOKEN")
_ENTERPRISE_TOKENS = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
_PASSED_ON = (
    *("PATH", "HOME", "GH_CONFIG_DIR", "XDG_CONFIG_HOME", "GH_HOST", *_TOKENS, *_ENTERPRISE_TOKENS),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)
_MOVED = "the repository or the issue has moved: set GITHUB_REPO to the new name"
_PERMANENT = {
    **dict.fromkeys((301, 302, 303, 307, 308), _MOVED),
    401: "GitHub refused the token; set GITHUB_TOKEN or GH_TOKEN, or log in with 'gh auth login'",
    403: "the token may not do this, or the repository is archived: it needs 'Issues: read and write'",
    404: "the repository is not there, or the token may not see it: check GITHUB_REPO",
    410: "issues are switched off in the repository, or this one was deleted",
    422: "GitHub did not accept it",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Repository:
    """One repository: ``name`` is owner/name, ``api`` the address of its host's REST API."""

    host: str
    name: str
    api: str

    @classmethod
    def of(cls, text: str) -> Repository | None:
        """Return what GITHUB_REPO names: ``owner/name``, with a host in front for Enterprise; None when it is none."""
        match = _REPO.fullmatch(text)
        if match is None or (match["scheme"] and not match["host"]):
            return None
        host = (match["host"] or os.environ.get("GH_HOST") or PUBLIC_HOST).lower()
        root = f"{match['scheme'] or 'https'}://{host}"
        if why_not_safe(root, "GITHUB_REPO"):
            return None
        is_cloud = host == PUBLIC_HOST or host.endswith(".ghe.com")
        return cls(host, match["name"], f"https://api.{host}" if is_cloud else f"{root}/api/v3")


class RefusedError(TrackerError):
    """GitHub has answered with *status*, and not done it."""

    def __init__(self, reason: str, status: int, *, is_permanent: bool, retry_after: float | None) -> None:
        """Keep the *status* of the answer."""
        super().__init__(reason, is_permanent=is_permanent, retry_after=retry_after)
        self.status = status


class GitHubClient:
    """Calls the API of one repository's host."""

    def __init__(self, repo: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """Call for *repo*, as GITHUB_REPO names it; give ``gh`` *timeout* seconds per call."""
        self.repo = Repository.of(repo)
        self.timeout = timeout
        self._text = repo

    def why_not(self) -> str:
        """Return why this process cannot call, ``""`` when it can; asks no network."""
        if self.repo is None:
            return f"GITHUB_REPO must be 'owner/name' or 'host/owner/name', not {self._text!r}"
        if has_token(self.repo.host) or shutil.which("gh"):
            return ""
        return "this process has no token (GITHUB_TOKEN, GH_TOKEN), and no gh command in its PATH"

    @property
    def transport(self) -> str:
        """Return ``"https"`` or ``"gh"``."""
        return "https" if self.repo is not None and has_token(self.repo.host) else "gh"

    def call(self, method: str, path: str, payload: dict[str, Any] | None = None) -> Response:
        """
        Call *path*, below ``/repos/owner/name``, and return an answer of status 2xx.

        Raises:
            TrackerError: It was refused, or nobody knows whether it was done.
        """
        why_not = self.why_not()
        if why_not or self.repo is None:
            raise TrackerError(why_not, is_permanent=True)
        body = json.dumps(payload).encode() if payload is not None else b""
        if self.transport == "https":
            try:
                response = self._over_https(self.repo, method, path, body)
            except UnreachableError as error:
                if not shutil.which("gh"):
                    raise
                response = self._over_gh(self.repo, method, path, body, before=f"{error}; ")  # it may know a way
        else:
            response = self._over_gh(self.repo, method, path, body)
        if response.status // 100 != 2:  # noqa: PLR2004  success
            raise _error_from(response)
        return response

    @staticmethod
    def _over_https(repo: Repository, method: str, path: str, body: bytes) -> Response:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token_for(repo.host)}",
            "X-GitHub-Api-Version": API_VERSION,
            "User-Agent": "django-error-tracking",
            **({"Content-Type": "application/json"} if body else {}),
        }
        return send(method, f"{repo.api}/repos/{repo.name}{path}", headers, body)

    def _over_gh(self, repo: Repository, method: str, path: str, body: bytes, *, before: str = "") -> Response:
        target = ["--method", method, "--hostname", repo.host, f"repos/{repo.name}{path}"]
        output, errors = self._run(["gh", "api", "--include", *target, *(["--input", "-"] if body else [])], body)
        response = _response_from(output)
        if response is None:
            is_limited = re.search(r"rate limit|HTTP 429", errors, re.IGNORECASE)
            wait = RETRY_AFTER_SECONDS if is_limited else None
            if "gh auth login" in errors:
                errors = "gh is not logged in here: run 'gh auth login', or set GITHUB_TOKEN"
            raise TrackerError(_reason(before + (errors or "gh gave no answer")), retry_after=wait)
        return response

    def _run(self, command: list[str], data: bytes) -> tuple[str, str]:
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(  # noqa: S603  fixed words, validated repository, no shell
                command, stdin=pipe, stdout=pipe, stderr=pipe, env=_environment(), start_new_session=True
            )
        except OSError as error:
            raise TrackerError(f"gh could not be started: {error.strerror}") from error
        with process:
            try:
                output, errors = process.communicate(data, timeout=self.timeout)
            except BaseException as error:  # whatever interrupts us, no gh stays behind
                os.killpg(process.pid, signal.SIGKILL)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                raise TrackerError(f"gh gave no answer in {self.timeout:.0f} seconds") from None
        return output.decode("utf-8", "replace"), errors.decode("utf-8", "replace")


def has_token(host: str) -> bool:
    """Return whether there is a token for *host*; a function's is there when it is asked for."""
    return bool(conf.get_settings().GITHUB_TOKEN) or bool(_token_in_environment(host))


def token_for(host: str) -> str:
    """
    Return the token for *host*: GITHUB_TOKEN, itself or what its file or function says, else the environment's.

    Raises:
        TrackerError: There is none where the setting says.
    """
    setting = conf.get_settings().GITHUB_TOKEN
    try:
        if callable(setting):
            setting = setting()
        if isinstance(setting, Path) or (isinstance(setting, str) and setting.startswith("/")):
            setting = Path(setting).read_text(encoding="utf-8")
    except Exception as error:  # the function is the project's own, and asks a vault perhaps
        why = error.strerror if isinstance(error, OSError) else ""  # other words may tell the token
        raise TrackerError(f"GITHUB_TOKEN could not be read: {type(error).__name__} {why or ''}".rstrip()) from error
    token = str(setting or _token_in_environment(host)).strip()
    if not token or not token.isascii() or not token.isprintable():
        raise TrackerError("GITHUB_TOKEN is empty, or has characters that no token has", is_permanent=True)
    return token


def _token_in_environment(host: str) -> str:
    names = _TOKENS if host == PUBLIC_HOST else (*_ENTERPRISE_TOKENS, *_TOKENS)
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**kept, "GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "NO_COLOR": "1"}


def _response_from(output: str) -> Response | None:
    head, _, body = output.replace("\r\n", "\n").partition("\n\n")
    lines = head.split("\n")
    status = re.match(r"HTTP/\S+ (\d{3})", lines[0])
    if status is None:
        return None
    headers = ((name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:]))
    response = Response.of(int(status[1]), headers, body)
    return None if response.data is None and body.strip() else response  # half an answer is none


def _error_from(response: Response) -> RefusedError:
    answer = response.data if isinstance(response.data, dict) else {}
    said = str(answer.get("message", ""))
    details = json.dumps(answer["errors"]) if answer.get("errors") else ""
    wait = response.retry_after
    is_limited = response.status == LIMITED or (
        response.status == FORBIDDEN and (wait is not None or bool(re.search(r"rate limit|abuse", said, re.IGNORECASE)))
    )
    is_permanent = response.status in _PERMANENT and not is_limited
    reason = _PERMANENT.get(response.status, f"GitHub answered {response.status}")
    if is_limited:
        reason = "GitHub wants a rest"
        wait = wait if wait is not None else RETRY_AFTER_SECONDS
    message = _reason(f"{reason}: {said} {details}")
    return RefusedError(message, response.status, is_permanent=is_permanent, retry_after=None if is_permanent else wait)


def _reason(text: str) -> str:
    return Scrubber().line(clean_line(text, REASON_CHARS), REASON_CHARS)
