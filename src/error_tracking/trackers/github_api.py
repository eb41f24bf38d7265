"""
GitHub's REST API over one of two transports: HTTPS with a token, else ``gh``.

A call returns a response or raises a ``TrackerError`` that says what to do. Text from
outside is never an argument of ``gh``, which gets a minimal environment and is killed
with its children when it takes too long.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from error_tracking import conf, own_connections
from error_tracking.exceptions import TrackerError
from error_tracking.scrubbing.scrubber import Scrubber
from error_tracking.utils import clean_line

from .http import LIMITED, Response, UnreachableError, send, why_not_safe

# For one call of gh, which may try again itself.
TIMEOUT_SECONDS = 30
# The column of the outbox that stores it.
REASON_CHARS = 300
SERVER_ERROR = 500
FORBIDDEN, NOT_FOUND, UNPROCESSABLE = 403, 404, 422
PUBLIC_HOST = "github.com"
API_VERSION = "2022-11-28"
_REPO = re.compile(
    r"(?:(?P<scheme>https?)://)?"
    r"(?:(?P<host>(?:localhost|[\w-]+(?:\.[\w-]+)+)(?::\d{1,5})?)/)?"
    r"(?P<name>(?!\.)[\w.-]{1,39}/(?!\.{1,2}(?:/|$))[\w.-]{1,100}?)(?:\.git)?/?",
    re.ASCII,
)
# The names that gh uses, in its order.
_TOKENS = ("GH_TOKEN", "GITHUB_TOKEN")
_ENTERPRISE_TOKENS = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
# What gh needs of our environment; the rest may have secrets of the project.
_PASSED_ON = (
    "PATH",
    "HOME",
    "GH_CONFIG_DIR",
    "XDG_CONFIG_HOME",
    "GH_HOST",
    *_TOKENS,
    *_ENTERPRISE_TOKENS,
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
# GitHub's messages when it wants fewer requests, whatever the status: primary and
# secondary rate limits, the older "abuse detection", too many new issues in a row, too
# many wrong logins (REST API, "Rate limits"; cli/cli#4801).
_RATE_LIMIT = re.compile(
    r"rate.?limit|abuse detection|submitted too quickly|too many requests|"
    r"temporarily blocked|login attempts exceeded|re-?try your request|"
    r"try again later",
    re.IGNORECASE,
)
_MOVED = "the repository or the issue has moved: set GITHUB_REPO to the new name"
# Refusals that only a person can change, with what to do.
_PERMANENT = {
    **dict.fromkeys((301, 302, 303, 307, 308), _MOVED),
    401: (
        "GitHub refused the token; set GITHUB_TOKEN or GH_TOKEN, or log in with "
        "'gh auth login'"
    ),
    403: (
        "the token may not do this, or the repository is archived: it needs "
        "'Issues: read and write'"
    ),
    404: (
        "the repository does not exist, or the token may not see it: check GITHUB_REPO"
    ),
    410: (
        "issues are switched off in the repository (switch them on in its settings, "
        "or unset GITHUB_REPO), or this one was deleted"
    ),
    422: "GitHub did not accept it",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Repository:
    """
    One repository.

    Attributes:
        host: For example ``github.com``.
        name: ``owner/name``.
        api: The address of the host's REST API.

    """

    host: str
    name: str
    api: str

    @classmethod
    def of(cls, text: str) -> Repository | None:
        """
        Return the repository that GITHUB_REPO names, None when it names none.

        Args:
            text: ``owner/name``, with a host in front for GitHub Enterprise.
        """
        match = _REPO.fullmatch(text)
        if match is None:
            return None
        if match["scheme"] and not match["host"]:
            return None
        host = (match["host"] or os.environ.get("GH_HOST") or PUBLIC_HOST).lower()
        root = f"{match['scheme'] or 'https'}://{host}"
        if why_not_safe(root, "GITHUB_REPO"):
            return None
        if host == PUBLIC_HOST or host.endswith(".ghe.com"):
            api = f"https://api.{host}"
        else:
            api = f"{root}/api/v3"
        return cls(host, match["name"], api)


class RefusedError(TrackerError):
    """GitHub answered with *status*, and did not do it."""

    def __init__(self, reason: str, status: int, **values: Any) -> None:
        """Store the *status*; *values* are those of :class:`TrackerError`."""
        super().__init__(reason, **values)
        self.status = status


class GitHubClient:
    """Calls the API of one repository's host."""

    def __init__(self, repo: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """
        Call for *repo*.

        Args:
            repo: In one of the forms of GITHUB_REPO.
            timeout: For one call of ``gh``, in seconds.
        """
        self.repo = Repository.of(repo)
        self.timeout = timeout
        self._text = repo

    def unavailable_reason(self) -> str:
        """Return why this process cannot call, ``""`` when it can; uses no network."""
        if self.repo is None:
            return (
                "GITHUB_REPO must be 'owner/name' or 'host/owner/name', "
                f"not {self._text!r}"
            )
        if has_token(self.repo.host) or shutil.which("gh"):
            return ""
        return (
            "this process has no token (GITHUB_TOKEN, GH_TOKEN), and no gh command in "
            "its PATH"
        )

    @property
    def transport(self) -> str:
        """``"https"`` or ``"gh"``."""
        if self.repo is not None and has_token(self.repo.host):
            return "https"
        return "gh"

    def call(
        self, method: str, path: str, payload: dict[str, Any] | None = None
    ) -> Response:
        """
        Call *path*, below ``/repos/owner/name``, and return a response of status 2xx.

        Raises:
            TrackerError: It was refused, or nobody knows whether it was done.
        """
        repo = self._require_repo()
        return self._call(repo, method, f"repos/{repo.name}{path}", payload)

    def login(self) -> str:
        """
        Return the login of the account whose token is used.

        Raises:
            TrackerError: There is none, as with the token of a GitHub Action.
        """
        response = self._call(self._require_repo(), "GET", "user", None)
        login = ""
        if isinstance(response.data, dict):
            login = str(response.data.get("login") or "")
        if not login:
            raise TrackerError("GitHub did not name the account of the token")
        return login

    def _require_repo(self) -> Repository:
        reason = self.unavailable_reason()
        if reason or self.repo is None:
            raise TrackerError(reason, is_permanent=True)
        return self.repo

    def _call(
        self, repo: Repository, method: str, target: str, payload: dict[str, Any] | None
    ) -> Response:
        body = b""
        if payload is not None:
            body = json.dumps(payload).encode()
        response = self._response(repo, method, target, body)
        is_success = response.status // 100 == 2
        if not is_success or _is_graphql_limit(response.data):
            raise _error_from(response)
        return response

    def _response(
        self, repo: Repository, method: str, target: str, body: bytes
    ) -> Response:
        if self.transport == "gh":
            return self._over_gh(repo, method, target, body)
        try:
            return _over_https(repo, method, target, body)
        except UnreachableError as error:
            if not shutil.which("gh"):
                raise
            # It may know a proxy, and nothing was sent yet.
            return self._over_gh(repo, method, target, body, before=f"{error}; ")

    def _over_gh(
        self,
        repo: Repository,
        method: str,
        target: str,
        body: bytes,
        *,
        before: str = "",
    ) -> Response:
        command = ["gh", "api", "--include", "--method", method]
        command += ["--hostname", repo.host, target]
        if body:
            command += ["--input", "-"]
        output, errors = self._run(command, body)
        response = _response_from(output)
        if response is None:
            raise _error_from_words(errors, before)
        return response

    def _run(self, command: list[str], data: bytes) -> tuple[str, str]:
        """Run ``gh`` and return what it wrote to standard output and error."""
        # A connection to the database must not be held while GitHub answers.
        own_connections.release()
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(  # noqa: S603  fixed words, checked repository
                command,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env=_environment(),
                start_new_session=True,
            )
        except OSError as error:
            raise TrackerError(f"gh could not be started: {error.strerror}") from error
        with process:
            try:
                output, errors = process.communicate(data, timeout=self.timeout)
            except BaseException as error:  # whatever interrupts us, gh must end
                os.killpg(process.pid, signal.SIGKILL)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                raise TrackerError(
                    f"gh gave no answer in {self.timeout:.0f} seconds"
                ) from None
        return output.decode("utf-8", "replace"), errors.decode("utf-8", "replace")


def _over_https(repo: Repository, method: str, target: str, body: bytes) -> Response:
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token_for(repo.host)}",
        "X-GitHub-Api-Version": API_VERSION,
        "User-Agent": "django-error-tracking",
    }
    if body:
        headers["Content-Type"] = "application/json"
    return send(method, f"{repo.api}/{target}", headers, body)


# Tokens


def has_token(host: str) -> bool:
    """Return whether there is a token for *host*; calls no function of the project."""
    return bool(conf.get_settings().GITHUB_TOKEN) or bool(_token_in_environment(host))


def token_for(host: str) -> str:
    """
    Return the token for *host*.

    GITHUB_TOKEN is a token, the path of a file or a function; without it the variables
    of ``gh`` count.

    Raises:
        TrackerError: There is none, or it cannot be read.
    """
    setting = conf.get_settings().GITHUB_TOKEN
    try:
        if callable(setting):
            setting = setting()
        if isinstance(setting, str) and setting.startswith("/"):
            setting = Path(setting)
        if isinstance(setting, Path):
            setting = setting.read_text(encoding="utf-8")
    except Exception as error:  # the project's function may raise anything
        reason = type(error).__name__
        if isinstance(error, OSError) and error.strerror:
            # Other messages may contain the token.
            reason = f"{reason} {error.strerror}"
        raise TrackerError(f"GITHUB_TOKEN could not be read: {reason}") from error
    token = str(setting or _token_in_environment(host)).strip()
    if not token or not token.isascii() or not token.isprintable():
        raise TrackerError(
            "GITHUB_TOKEN is empty, or has characters that no token has",
            is_permanent=True,
        )
    return token


def _token_in_environment(host: str) -> str:
    names: tuple[str, ...] = _TOKENS
    if host != PUBLIC_HOST:
        names = (*_ENTERPRISE_TOKENS, *_TOKENS)
    for name in names:
        if os.environ.get(name):
            return os.environ[name]
    return ""


def _environment() -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        **passed_on,
        "GH_PROMPT_DISABLED": "1",
        "GH_NO_UPDATE_NOTIFIER": "1",
        "NO_COLOR": "1",
    }


# Responses of gh, and errors


def _response_from(output: str) -> Response | None:
    """Return the response that ``gh api --include`` printed, None without one."""
    head, _, body = output.replace("\r\n", "\n").partition("\n\n")
    first_line, *header_lines = head.split("\n")
    status = re.match(r"HTTP/\S+ (\d{3})", first_line)
    if status is None:
        return None
    headers = []
    for line in header_lines:
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    response = Response.of(int(status[1]), headers, body)
    is_cut_off = response.data is None and body.strip() != ""
    if is_cut_off:
        return None
    return response


def _error_from(response: Response) -> RefusedError:
    """Return the error for a refusal."""
    answer: dict[str, Any] = {}
    if isinstance(response.data, dict):
        answer = response.data
    message = str(answer.get("message", ""))
    details = json.dumps(answer["errors"]) if answer.get("errors") else ""
    status = response.status
    is_rate_limit = _is_rate_limit(response, [message, *_messages_in(answer)])
    is_outage = status >= SERVER_ERROR
    if is_rate_limit:
        reason = "GitHub asks us to wait"
    else:
        reason = _PERMANENT.get(status, f"GitHub answered {status}")
    retry_after = None
    if is_rate_limit or is_outage:
        retry_after = response.retry_after
    return RefusedError(
        _reason(f"{reason}: {message} {details}"),
        status,
        is_permanent=status in _PERMANENT and not is_rate_limit,
        retry_after=retry_after,
        is_rate_limit=is_rate_limit,
        is_outage=is_outage,
    )


def _is_rate_limit(response: Response, messages: Iterable[str]) -> bool:
    """Return whether a refusal only means that there were too many requests."""
    if response.status == LIMITED or _is_graphql_limit(response.data):
        return True
    if response.status not in {FORBIDDEN, UNPROCESSABLE}:
        return False
    names_a_time = response.headers.get("retry-after") is not None
    # GitHub documents 403 and 429 as the responses of an exhausted window. A refusal of
    # another status can merely have been the window's last request.
    is_exhausted = response.status == FORBIDDEN and response.is_exhausted
    if names_a_time or is_exhausted:
        return True
    return any(_RATE_LIMIT.search(message) for message in messages)


def _messages_in(answer: dict[str, Any]) -> list[str]:
    """Return the messages in the ``errors`` of *answer*, without the values we sent."""
    errors = answer.get("errors")
    if not isinstance(errors, list):
        errors = [errors]
    messages = []
    for error in errors:
        if isinstance(error, dict):
            messages.append(str(error.get("message", "")))
        elif isinstance(error, str):
            messages.append(error)
    return messages


def _is_graphql_limit(data: Any) -> bool:
    """Return whether *data* is GraphQL's form of a rate limit, which has status 200."""
    if not isinstance(data, dict) or not isinstance(data.get("errors"), list):
        return False
    errors = data["errors"]
    types = [error.get("type") for error in errors if isinstance(error, dict)]
    return "RATE_LIMITED" in types


def _error_from_words(errors: str, before: str) -> TrackerError:
    """Return the error for the messages of ``gh``, which printed no response."""
    reason = _reason(before + (errors or "gh gave no answer"))
    if _RATE_LIMIT.search(errors):
        return TrackerError(reason, is_rate_limit=True)
    status = re.search(r"\bHTTP (\d{3})\b", errors)
    if status is not None:
        answer = {"message": before + errors}
        return _error_from(Response(int(status[1]), {}, answer))
    if "gh auth login" in errors:
        advice = "gh is not logged in here: run 'gh auth login', or set GITHUB_TOKEN"
        return TrackerError(_reason(before + advice))
    return TrackerError(reason)


def _reason(text: str) -> str:
    return Scrubber().line(clean_line(text, REASON_CHARS), REASON_CHARS)
