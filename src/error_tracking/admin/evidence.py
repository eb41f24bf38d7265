"""
One stored occurrence as people read it: its stack with the source, its request, its trail.

Plain values for the templates. Everything here was written by a visitor or by the
failing code, so that nothing is marked as safe and nothing becomes a link.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from django.conf import settings as django_settings

from error_tracking import conf
from error_tracking.checkout import checkout_root
from error_tracking.events.message_pattern import message_pattern
from error_tracking.models.base import moment_from
from error_tracking.report.stack import checkout_path
from error_tracking.trackers.github_api import Repository
from error_tracking.utils import clean_text

if TYPE_CHECKING:
    from error_tracking.models import ErrorLog

#: Where a request is sent again: Django's development server.
DEVELOPMENT_HOST = "localhost:8000"

#: Frames that are open at first: the failing one and who called it.
OPEN_FRAMES = 2

#: Headers that a client adds by itself, or that belong to another host.
OWN_HEADERS = frozenset({"host", "content-length", "connection", "content-type"})

# GitHub finds a commit by its hash or the beginning of it; a branch would move on.
_COMMIT = re.compile(r"[0-9a-f]{7,64}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclasses.dataclass(frozen=True, slots=True)
class SourceLine:
    """One line of source; ``is_failing`` is the one that raised."""

    number: int
    text: str
    is_failing: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class FrameView:
    """A frame of the project's own code, or of a library."""

    filename: str
    function: str
    line_number: int
    is_in_app: bool
    is_open: bool
    lines: tuple[SourceLine, ...]
    variables: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class FoldedFrames:
    """Frames of libraries that follow each other, folded to one line."""

    frames: tuple[FrameView, ...]
    package: str

    @property
    def count(self) -> int:
        """Return how many there are."""
        return len(self.frames)


@dataclasses.dataclass(frozen=True, slots=True)
class ExceptionView:
    """An exception of the chain, its failing frame first."""

    heading: str
    relation: str
    parts: tuple[FrameView | FoldedFrames, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Crumb:
    """One breadcrumb, and how long before the error it was left."""

    before: str
    category: str
    level: str
    message: str
    data: str


def message_of(log: ErrorLog) -> str:
    """Return what went wrong in one line: "TypeError: unsupported operand …"."""
    text = log.exception_message.strip()
    first_line = text.splitlines()[0] if text else ""
    name = log.exception_type.rpartition(".")[2]
    if name and first_line:
        return f"{name}: {first_line}"
    if name or first_line:
        return name or first_line
    if log.status_code:
        return f"HTTP {log.status_code}"
    return str(log.get_error_type_display())


def location_of(log: ErrorLog) -> tuple[str, str]:
    """
    Return where the project's own code failed, and its address on GitHub.

    That is file, line and function of the innermost in-app frame; both are ``""``
    without one.
    """
    for info in log.stacktrace[:1]:
        for frame in reversed(info.get("frames", [])):
            if frame.get("in_app"):
                place = (
                    f"{frame.get('filename', '')}:{frame.get('lineno', 0)} "
                    f"in {frame.get('function', '')}"
                )
                return place, code_url(frame, log.release)
    return "", ""


def code_url(frame: dict[str, Any], release: str) -> str:
    """
    Return the address of the line of a stored *frame* on GitHub, as *release* has it.

    ``""`` where it is unknown: the release has to be a commit, and the site to run in a
    checkout, or the path in the repository would be a guess.
    """
    base = getattr(django_settings, "BASE_DIR", None)
    repo = Repository.of(conf.get_settings().GITHUB_REPO or "")
    if not base or repo is None or not _COMMIT.fullmatch(release):
        return ""
    if checkout_root(Path(str(base))) is None:
        return ""
    path = quote(checkout_path(frame))
    line = frame.get("lineno") or 1
    return f"https://{repo.host}/{repo.name}/blob/{release}/{path}#L{line}"


def exceptions_of(log: ErrorLog, *, shows_variables: bool) -> list[ExceptionView]:
    """Return the chain of exceptions of *log*, the raised one first."""
    views = []
    for position, info in enumerate(log.stacktrace):
        name = str(info.get("type", ""))
        message = str(info.get("message", ""))
        if not shows_variables:
            # The values in it are those of the variables.
            message = message_pattern(message)
        heading = f"{name}: {message}" if message else name
        frames = [
            _frame_view(frame, shows_variables=shows_variables)
            for frame in reversed(info.get("frames", []))
        ]
        views.append(
            ExceptionView(
                heading=clean_text(heading, 1_000),
                relation=str(info.get("relation", "")),
                parts=_folded(frames, opens=position == 0),
            )
        )
    return views


def _frame_view(frame: dict[str, Any], *, shows_variables: bool) -> FrameView:
    number = int(frame.get("lineno") or 0)
    before = frame.get("pre_context") or []
    after = frame.get("post_context") or []
    lines = []
    for offset, text in enumerate(before):
        lines.append(SourceLine(number - len(before) + offset, str(text)))
    if frame.get("context_line"):
        lines.append(SourceLine(number, str(frame["context_line"]), is_failing=True))
    for offset, text in enumerate(after, start=1):
        lines.append(SourceLine(number + offset, str(text)))
    variables: list[tuple[str, str]] = []
    if shows_variables:
        for name, value in (frame.get("vars") or {}).items():
            variables.append((str(name), json.dumps(value, ensure_ascii=False)))
    return FrameView(
        filename=str(frame.get("filename", "")),
        function=str(frame.get("function", "")),
        line_number=number,
        is_in_app=bool(frame.get("in_app")),
        is_open=False,
        lines=tuple(lines),
        variables=tuple(variables),
    )


def _folded(
    frames: list[FrameView], *, opens: bool
) -> tuple[FrameView | FoldedFrames, ...]:
    """Fold frames of libraries that follow each other; open the first of the project's own."""
    parts: list[FrameView | FoldedFrames] = []
    library: list[FrameView] = []
    opened = 0
    for frame in frames:
        if not frame.is_in_app:
            library.append(frame)
            continue
        if library:
            parts.append(_fold(library))
            library = []
        is_open = opens and opened < OPEN_FRAMES
        opened += is_open
        parts.append(dataclasses.replace(frame, is_open=is_open))
    if library:
        parts.append(_fold(library))
    return tuple(parts)


def _fold(frames: list[FrameView]) -> FoldedFrames:
    # A path of a library begins with its package: "django/core/handlers/base.py".
    package = frames[0].filename.rpartition("/")[0].replace("/", ".")
    return FoldedFrames(tuple(frames), package or frames[0].filename)


def breadcrumbs_of(log: ErrorLog) -> list[Crumb]:
    """Return the breadcrumbs of *log*, the latest last."""
    found = []
    crumbs = log.context.get("breadcrumbs")
    for crumb in crumbs if isinstance(crumbs, list) else []:
        moment = moment_from(float(crumb.get("timestamp", 0)))
        seconds = (log.created - moment).total_seconds()
        data = crumb.get("data")
        found.append(
            Crumb(
                before=f"-{max(seconds, 0.0):.1f} s",
                category=str(crumb.get("category", "")),
                level=str(crumb.get("level", "")),
                message=str(crumb.get("message", "")),
                data=json.dumps(data, ensure_ascii=False) if data else "",
            )
        )
    return found


def tags_of(log: ErrorLog) -> list[tuple[str, str]]:
    """Return the tags of *log*."""
    tags = log.context.get("tags")
    if not isinstance(tags, dict):
        return []
    return [(str(name), str(value)) for name, value in tags.items()]


def details_of(log: ErrorLog) -> list[tuple[str, str]]:
    """Return what else is known of *log*, without what people sent."""
    names = (
        *("mechanism", "release", "environment", "server_name"),
        *("fingerprint", "event_id"),
    )
    details = []
    for name in names:
        value = str(getattr(log, name) or "")
        if value:
            field: Any = log._meta.get_field(name)
            details.append((str(field.verbose_name), value))
    return details


def work_of(log: ErrorLog) -> str:
    """Return what else is known: the task, the command, extra values; as JSON."""
    rest = {
        name: value
        for name, value in log.context.items()
        if name not in {"tags", "breadcrumbs", "runtime", "setup"}
    }
    return json.dumps(rest, indent=2, ensure_ascii=False) if rest else ""


@dataclasses.dataclass(frozen=True, slots=True)
class RequestView:
    """The request of one occurrence, and how to send it again."""

    client_call: str
    curl: str
    headers: tuple[tuple[str, str], ...]
    query: str
    body: str


def request_of(log: ErrorLog) -> RequestView | None:
    """Return the request of *log*, None where there was none."""
    if not log.method:
        return None
    data = log.request_data
    headers = data.get("headers") if isinstance(data.get("headers"), dict) else {}
    body = data.get("body")
    query = data.get("query")
    return RequestView(
        client_call=_client_call(log, headers, body),
        curl=_curl(log, headers, body),
        headers=tuple((str(name), str(value)) for name, value in headers.items()),
        query=json.dumps(query, indent=2, ensure_ascii=False) if query else "",
        body=json.dumps(body, indent=2, ensure_ascii=False) if body else "",
    )


def _path_of(log: ErrorLog) -> str:
    """Return path and query of the URL, on the development server."""
    try:
        parts = urlsplit(log.full_url)
    except ValueError:
        return "/"
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _is_json(headers: dict[str, str]) -> bool:
    return "json" in str(headers.get("Content-Type", ""))


def _client_call(log: ErrorLog, headers: dict[str, str], body: Any) -> str:
    """Return the request as a call of Django's test client."""
    arguments = [repr(_path_of(log))]
    if body is not None:
        arguments.append(f"data={body!r}")
        if _is_json(headers):
            arguments.append('content_type="application/json"')
    sent = {
        str(name).lower(): str(value)
        for name, value in headers.items()
        if str(name).lower() not in OWN_HEADERS
    }
    if sent:
        arguments.append(f"headers={sent!r}")
    method = log.method.lower()
    known = {"get", "post", "put", "patch", "delete", "head", "options", "trace"}
    if method not in known:
        arguments.insert(0, repr(log.method))
        method = "generic"
    joined = ",\n    ".join(arguments)
    return (
        f"from django.test import Client\n\nresponse = Client().{method}(\n"
        f"    {joined},\n)"
    )


def _curl(log: ErrorLog, headers: dict[str, str], body: Any) -> str:
    """Return the request as a curl command; every part is quoted for a POSIX shell."""
    parts = [f"curl --request {_shell_word(log.method)}"]
    for name, value in headers.items():
        if str(name).lower() in OWN_HEADERS - {"content-type"}:
            continue
        parts.append("--header " + _shell_word(f"{name}: {value}"))
    if body is not None:
        text = json.dumps(body)
        if isinstance(body, str):
            text = body
        elif isinstance(body, dict) and not _is_json(headers):
            text = urlencode(body, doseq=True, errors="replace")
        parts.append("--data-raw " + _shell_word(text))
    parts.append(_shell_word(f"http://{DEVELOPMENT_HOST}{_path_of(log)}"))
    return " \\\n  ".join(parts)


def _shell_word(word: str) -> str:
    """Return *word* quoted for a shell; control characters are written as escapes."""
    if not _CONTROL.search(word) and "\n" not in word:
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    escaped = "".join(
        f"\\x{ord(character):02x}"
        if ord(character) < 32 or character == "\x7f"
        else character
        for character in escaped
    )
    return f"$'{escaped}'"


def browser_of(user_agent: str) -> str:
    """Return the browser or program that *user_agent* names: "Firefox", "python-requests"."""
    for mark, name in (
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ):
        if mark in user_agent:
            return name
    return user_agent.partition("/")[0].partition(" ")[0][:40]
