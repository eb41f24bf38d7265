"""
The facts of a bug as lines ``key: JSON value``, written and read.

A bug file begins with them, for people and YAML readers. An issue carries them in a
hidden comment, from which ``error_tracking_pull`` writes the file in a checkout.
Whoever may edit the issue may edit that comment, so each value is checked on the way
back: its type, its length and its characters.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

from error_tracking.events.borders import TITLE_CHARS, yaml_text
from error_tracking.models import ErrorLog, KnownBug
from error_tracking.utils import clean_line

from .bug_report import BUG_ID, FRAMES, LARGEST_COUNT, BugReport, ReportFrame, one_of

# The comment in an issue. A body has 65,536 characters at most, of which the Markdown
# gets the greater part; outer frames are left out first.
COMMENT_CHARS = 20_000
_COMMENT_BEGIN = "<!-- error-tracking:front-matter"
_COMMENT_END = "-->"
# The same facts as one line of JSON, as issues had them before the comment above.
_FORMER_COMMENT = re.compile(
    r"<!-- error-tracking:data \{[^<>]{1,40000}\} -->[ \t\r]{0,9}"
)

# One column of the database, or a name that Python code has.
NAME_CHARS = 300
RELEASE_CHARS = 100
METHOD_CHARS = 20
BUG_ID_CHARS = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """
    One line of the front matter.

    Attributes:
        name: The key as it is written.
        field: The field of the report that has its value.
        read: Returns the value of the field from a JSON value, or raises ValueError.
        chars: The longest text that is written.

    """

    name: str
    field: str
    read: Callable[[Any], Any]
    chars: int = TITLE_CHARS


def _line_of(chars: int) -> Callable[[Any], str]:
    """Return a check for a text of one line without control characters."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value != clean_line(value, chars):
            raise ValueError("not one line of text")
        return value

    return read


def _matching(pattern: str) -> Callable[[Any], str]:
    compiled = re.compile(pattern, re.ASCII)

    def read(value: Any) -> str:
        if not isinstance(value, str) or compiled.fullmatch(value) is None:
            raise ValueError("not of this form")
        return value

    return read


def _uuid(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return str(uuid.UUID(value))


def _count(value: Any) -> int:
    # bool is a subclass of int.
    if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
        raise ValueError("not a count")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("not true or false")
    return value


def _time(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return dt.datetime.fromisoformat(value).isoformat(timespec="seconds")


def _frames(value: Any) -> tuple[ReportFrame, ...]:
    if not isinstance(value, list) or len(value) > FRAMES:
        raise ValueError("not a list of frames")
    read_name = _line_of(NAME_CHARS)
    frames = []
    for item in value:
        if not isinstance(item, list) or len(item) != 3:
            raise ValueError("not a frame")
        filename, lineno, function = item
        frame = ReportFrame(
            read_name(filename), _count(lineno), read_name(function), ""
        )
        frames.append(frame)
    return tuple(frames)


_STATUSES = [*KnownBug.Status.values, "merged"]

#: The front matter of a bug file.
FILE_KEYS = (
    Key("id", "bug_id", _matching(BUG_ID.pattern)),
    Key("uuid", "uuid", _uuid),
    Key("title", "title", _line_of(TITLE_CHARS)),
    Key("status", "status", one_of(_STATUSES)),
    Key("severity", "severity", one_of(KnownBug.Severity.values)),
    Key("kind", "kind", one_of(KnownBug.Kind.values)),
    Key("environment", "environment", _line_of(TITLE_CHARS)),
    Key("fingerprint", "fingerprint", _line_of(TITLE_CHARS)),
    Key("route", "route", _line_of(NAME_CHARS), NAME_CHARS),
    Key("occurrences", "count", _count),
    Key("users", "users", _count),
    Key("first_seen", "first_seen", _time),
    Key("last_seen", "last_seen", _time),
    Key("first_release", "first_release", _line_of(RELEASE_CHARS), RELEASE_CHARS),
    Key("last_release", "last_release", _line_of(RELEASE_CHARS), RELEASE_CHARS),
    Key(
        "resolved_in_release",
        "resolved_in_release",
        _line_of(RELEASE_CHARS),
        RELEASE_CHARS,
    ),
    Key("merged_into", "merged_into", _line_of(BUG_ID_CHARS), BUG_ID_CHARS),
    Key("issue", "issue_url", _line_of(NAME_CHARS), NAME_CHARS),
)
#: What an issue has besides: all that the text around the evidence is made of.
TASK_KEYS = (
    Key("error_type", "error_type", one_of(ErrorLog.ErrorType.values)),
    Key("exception_type", "exception_type", _line_of(NAME_CHARS), NAME_CHARS),
    Key("message", "message", _line_of(NAME_CHARS), NAME_CHARS),
    Key("cause", "cause", _line_of(NAME_CHARS), NAME_CHARS),
    Key("reason", "reason", _line_of(NAME_CHARS), NAME_CHARS),
    Key("method", "method", _line_of(METHOD_CHARS), METHOD_CHARS),
    Key("status_code", "status_code", _count),
    Key("view", "view", _line_of(NAME_CHARS), NAME_CHARS),
    Key("signed_in", "is_signed_in", _flag),
    Key("streamed", "is_streamed", _flag),
    Key("frames", "frames", _frames),
    Key("healthy_release", "healthy_release", _line_of(RELEASE_CHARS), RELEASE_CHARS),
    Key("failing_release", "failing_release", _line_of(RELEASE_CHARS), RELEASE_CHARS),
    Key("admin", "published_admin_url", _matching(r"https?://[\w.~:/%\[\]-]{1,500}")),
)
# The issue does not need its own address.
ISSUE_KEYS = tuple(key for key in FILE_KEYS if key.name != "issue") + TASK_KEYS


# Writing


def file_front_matter(report: BugReport) -> str:
    """Return the front matter of the bug file; JSON texts are YAML texts, too."""
    report = _with_shown_status(report)
    lines = ["---"]
    for key in FILE_KEYS:
        value = getattr(report, key.field)
        if isinstance(value, int):
            lines.append(f"{key.name}: {value}")
        elif value:
            lines.append(f"{key.name}: {yaml_text(value)}")
    lines.append("---")
    return "\n".join(lines)


def issue_front_matter(report: BugReport) -> str:
    """Return the front matter as a hidden comment for the body of an issue."""
    report = _with_shown_status(report)
    comment = _comment_of(report)
    while len(comment) > COMMENT_CHARS and report.frames:
        # The innermost frames matter most.
        report = dataclasses.replace(report, frames=report.frames[1:])
        comment = _comment_of(report)
    return comment


def _with_shown_status(report: BugReport) -> BugReport:
    if report.merged_into:
        return dataclasses.replace(report, status="merged")
    return report


def _comment_of(report: BugReport) -> str:
    lines = [_COMMENT_BEGIN]
    for key in ISSUE_KEYS:
        value = _plain(getattr(report, key.field), key.chars)
        if value not in (None, "", False, []):
            lines.append(f"{key.name}: {_json(value)}")
    lines.append(_COMMENT_END)
    return "\n".join(lines)


def _plain(value: Any, chars: int) -> Any:
    """Return *value* of a report as JSON has it, each text cut and on one line."""
    if isinstance(value, str):
        return clean_line(value, chars)
    if isinstance(value, tuple):
        frames = []
        for filename, lineno, function, _source in value[-FRAMES:]:
            name = clean_line(function, NAME_CHARS)
            frames.append([clean_line(filename, NAME_CHARS), lineno, name])
        return frames
    return value


def _json(value: Any) -> str:
    # No value ends the comment, and none looks like the begin of another.
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


# Replacing


def with_issue_front_matter(body: str, report: BugReport) -> str:
    """Return *body* with its hidden front matter replaced; unchanged without one."""
    place = _comment_in(body)
    if place is None:
        return body
    begin, end = place
    return body[:begin] + issue_front_matter(report) + body[end:]


def without_former_comment(body: str) -> tuple[str, str] | None:
    """
    Return the text before and after the comment that issues had in former versions.

    None when there is no such comment.
    """
    begin = 0
    for line in body.split("\n"):
        if _FORMER_COMMENT.fullmatch(line):
            return body[:begin], body[begin + len(line) :]
        begin += len(line) + 1
    return None


# Reading


def has_front_matter(body: str) -> bool:
    """Return whether *body* has hidden front matter, valid or not."""
    return _comment_in(body) is not None


def report_from_issue(body: str) -> BugReport | None:
    """
    Return the report that the hidden front matter of *body* describes.

    None when there is none: a person wrote the issue, or it is from before the front
    matter existed and its bug has not changed since.

    Raises:
        ValueError: A value is missing, or does not fit its key.
    """
    place = _comment_in(body)
    if place is None:
        return None
    begin, end = place
    values = _values_in(body[begin:end])
    for name in ("bug_id", "uuid"):
        if name not in values:
            raise ValueError(f"its front matter has no {name}")
    values.setdefault("title", "")
    if values.get("status") == "merged":
        # The status of a merged bug is that of the bug that it belongs to.
        values["status"] = KnownBug.Status.RESOLVED.value
    return BugReport(**values)


def _comment_in(body: str) -> tuple[int, int] | None:
    """Return where the hidden comment begins and ends in *body*."""
    begin = -1
    position = 0
    for line in body.split("\n"):
        text = line.rstrip(" \t\r")
        if begin < 0 and text == _COMMENT_BEGIN:
            begin = position
        elif begin >= 0 and text == _COMMENT_END:
            return begin, position + len(text)
        position += len(line) + 1
    return None


def _values_in(comment: str) -> dict[str, Any]:
    if len(comment) > COMMENT_CHARS * 2:
        raise ValueError("its front matter is too long")
    keys = {key.name: key for key in ISSUE_KEYS}
    values: dict[str, Any] = {}
    for line in comment.split("\n"):
        name, colon, text = line.rstrip("\r").partition(": ")
        key = keys.get(name)
        # Keys of a later version mean nothing here, and are not used.
        if key is None or not colon:
            continue
        try:
            values[key.field] = key.read(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{name} in its front matter is invalid") from error
    return values
