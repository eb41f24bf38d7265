"""
A bug report as Markdown: the body of an issue, the file of a bug, a comment.

Text from outside only ever becomes code, from which no Markdown breaks out. The layout
is the template ``error_tracking/bug.md``, which a project may override.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any

from django.template import TemplateDoesNotExist, loader
from django.template.backends.django import DjangoTemplates

from error_tracking.events.borders import file_slug
from error_tracking.events.borders import markdown_fence as fence
from error_tracking.events.borders import markdown_span as code
from error_tracking.exceptions import TrackerError

from .bug_report import BugReport, News, published_fields
from .failing_test import failing_test
from .front_matter import (
    file_front_matter,
    issue_front_matter,
    with_issue_front_matter,
    without_former_comment,
)
from .markers import (
    evidence_in,
    parts_of,
    state_marker,
    with_state_marker,
    wrap_evidence,
    wrap_generated,
)
from .reproduction import reproduction
from .stack import exception_line

TEMPLATE = "error_tracking/bug.md"
# GitHub accepts 65,536 characters; the rest is for what people add to the body.
BODY_CHARS = 60_000
# What fits on a screen; more is folded.
LONG_STACK_LINES = 30
# Room for what closes a text that was cut: a fence and the note.
CUT_END_CHARS = 120
HEADER = (
    "<!-- Written by error_tracking. Nothing is read back from this file. The lines "
    "above the title and the part between the two markers are replaced when the bug "
    "changes; write your notes below. -->"
)
#: What may be read back as evidence, with the language of its block.
EVIDENCE_LANGUAGES = {
    "groups": "text",
    "description": "text",
    "stack": "text",
    "reproduction": "python",
    "test": "python",
    "details": "json",
}
# Made from the request, which retention removes after a month.
_FROM_REQUEST = ("reproduction", "test")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


# Issue and file


def issue_body(report: BugReport) -> str:
    """Return the body of a new issue: the Markdown, then three hidden lines of ours."""
    hidden = [
        report.marker,
        # An issue is always created open.
        state_marker("open", report.latest_activity_id),
        issue_front_matter(report),
    ]
    tail = "\n\n" + "\n\n".join(hidden)
    status = wrap_generated(status_facts(report))
    text = render_bug(report, status=status)
    return cut(text, BODY_CHARS - len(tail)) + tail


def with_status(body: str, report: BugReport, *, pushed_state: str = "") -> str:
    """
    Return the *body* of an issue with its status block and hidden lines replaced.

    What people wrote around them stays. Where somebody removed the status block, the
    body is theirs, and only the state marker is replaced.

    Args:
        body: The body as GitHub has it.
        report: The bug as it is now.
        pushed_state: The state that the same request gives the issue, ``""`` for none.
    """
    if pushed_state:
        body = with_state_marker(body, pushed_state, report.latest_activity_id)
    parts = parts_of(body)
    if parts is None:
        return body
    before, _status, after = parts
    status = wrap_generated(status_facts(report))
    return before + status + _with_hidden_lines(after, report, pushed_state)


def _with_hidden_lines(text: str, report: BugReport, pushed_state: str) -> str:
    former = without_former_comment(text)
    if former is None:
        return with_issue_front_matter(text, report)
    before, after = former
    state = pushed_state
    if not state:
        # The issue has the state that its bug wants, or it would be pushed now.
        state = "closed" if report.is_closed else "open"
    marker = state_marker(state, report.latest_activity_id)
    return f"{before}{marker}\n\n{issue_front_matter(report)}{after}"


def bug_file(report: BugReport, evidence: Mapping[str, str] | None = None) -> str:
    """
    Return the whole file of *report*, as it is when it is new.

    Args:
        report: The bug.
        evidence: As for :func:`render_bug`.
    """
    title = f"# {report.bug_id}: {code(report.title or 'error')}"
    sections = [
        file_front_matter(report),
        title,
        HEADER,
        generated_part(report, evidence=evidence),
        "## Notes",
    ]
    return "\n\n".join(sections) + "\n"


def generated_part(
    report: BugReport, before: str = "", evidence: Mapping[str, str] | None = None
) -> str:
    """
    Return the part of the bug file that is ours, between its markers.

    Args:
        report: The bug.
        before: The same part as it was. Once the request is removed, the reproduction
            and the test in it stay.
        evidence: As for :func:`render_bug`.
    """
    if evidence is None and report.personal_data_removed:
        known = evidence_in(before)
        kept = {name: known[name] for name in _FROM_REQUEST if name in known}
        evidence = {**evidence_of(report), **kept}
    return wrap_generated(render_bug(report, evidence=evidence))


def render_bug(
    report: BugReport, *, status: str = "", evidence: Mapping[str, str] | None = None
) -> str:
    """
    Return the Markdown of *report*.

    Args:
        report: The bug.
        status: The part that changes, in the form in which it is wanted here.
        evidence: Code by name, by default that of :func:`evidence_of`. What was read
            from an issue or a file becomes fenced code again.

    Raises:
        TrackerError: The project's own template does not work.
    """
    if evidence is None:
        evidence = evidence_of(report)
    test_name = f"test_{file_slug(report.bug_id).replace('-', '_')}"
    values: dict[str, Any] = {
        "report": {
            **published_fields(report),
            "marker": report.marker,
            "safe_title": report.safe_title,
        },
        "status": status or status_facts(report),
        "facts": facts(report),
        "test_file": f"tests/{test_name}.py",
        "test_module": f"tests.{test_name}",
        "commits": "\n".join(f"- {code(line)}" for line in report.commits),
    }
    values["stack_is_long"] = evidence.get("stack", "").count("\n") >= LONG_STACK_LINES
    for name, language in EVIDENCE_LANGUAGES.items():
        text = evidence.get(name, "")
        values[name] = wrap_evidence(name, fence(text, language)) if text else ""
    try:
        return _rendered(values).strip()
    except Exception as error:  # the project's own template may raise anything
        raise TrackerError(
            f"the template {TEMPLATE} does not work: {type(error).__name__}: {error}"
        ) from error


def _rendered(values: dict[str, Any]) -> str:
    """Render the template as the project's engines find it, else our own."""
    try:
        template: Any = loader.get_template(TEMPLATE)
    except TemplateDoesNotExist:
        # The project's engines do not search apps, or it has none.
        engine = DjangoTemplates(
            {"NAME": "error_tracking", "DIRS": [], "APP_DIRS": True, "OPTIONS": {}}
        )
        template = engine.get_template(TEMPLATE)
    return str(template.render(values))


def evidence_of(report: BugReport) -> dict[str, str]:
    """Return the code that *report* gives for each piece of evidence, by name."""
    pieces = {"groups": "\n".join(report.groups)}
    if not report.has_automatic_description:
        pieces["description"] = report.description
    if report.stack:
        pieces["stack"] = "\n".join(report.stack)
    elif report.frames:
        pieces["stack"] = stack_text(report)
    if report.kind == "error":
        pieces["reproduction"] = reproduction(report)
        pieces["test"] = failing_test(report)
    if report.details:
        pieces["details"] = json.dumps(report.details, indent=2, ensure_ascii=False)
    return pieces


def cut(text: str, limit: int) -> str:
    """Return *text* in *limit* characters: whole lines, and no fence left open."""
    if len(text) <= limit:
        return text
    lines = text[: limit - CUT_END_CHARS].split("\n")[:-1]
    open_fence = ""
    is_folded = False
    for line in lines:
        if not open_fence and line in {"<details>", "</details>"}:
            is_folded = line == "<details>"
        found = _FENCE.match(line)
        if found is None:
            continue
        if not open_fence:
            open_fence = found[1]
        elif found[1].startswith(open_fence) and line.strip() == found[1]:
            open_fence = ""
    end = "\n\n</details>" if is_folded else ""
    return "\n".join([*lines, open_fence]).rstrip() + f"{end}\n\n(cut here)"


# Lists of facts


def status_facts(report: BugReport) -> str:
    """Return what changes in the life of a bug, a line of Markdown per fact."""
    if report.merged_into:
        status = f"merged into {code(report.merged_into)}"
    else:
        status = report.status.replace("_", " ")
    return _list(
        {
            "Status": status,
            "Severity": report.severity,
            "Seen": _seen(report),
            "Releases": _releases(report),
        }
    )


def _seen(report: BugReport) -> str:
    text = times(report.count)
    if report.users > 1:
        text += f", by {report.users} users or addresses"
    first, last = _moment(report.first_seen), _moment(report.last_seen)
    if first and first == last:
        text += f", {first}"
    elif first:
        text += f", from {first} to {last}"
    return text


def _moment(time: str) -> str:
    """Return *time*, in ISO 8601, for people: to the minute, in UTC."""
    try:
        moment = dt.datetime.fromisoformat(time)
    except ValueError:
        return time
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def times(count: int) -> str:
    """Return *count* in words: ``once``, ``7 times``."""
    if count == 1:
        return "once"
    return f"{count} times"


def _releases(report: BugReport) -> str:
    releases = []
    if report.first_release:
        releases.append(f"first seen in {code(report.first_release)}")
    if report.last_release and report.last_release != report.first_release:
        releases.append(f"last seen in {code(report.last_release)}")
    if report.resolved_in_release:
        releases.append(f"resolved in {code(report.resolved_in_release)}")
    return ", ".join(releases)


def facts(report: BugReport) -> str:
    """Return what a bug is, a line of Markdown per fact."""
    return _list(
        {
            "Error": _kind(report),
            "Cause": _cause(report),
            "Where": _where(report),
            "Likely place": _likely_place(report),
            "Environment": code(report.environment) if report.environment else "",
            "Admin": _link(report.published_admin_url),
        }
    )


def _kind(report: BugReport) -> str:
    kind = report.exception_type or report.error_type or "error"
    if report.reason:
        return f"{code(kind)}: {code(report.reason)}"
    return code(exception_line(kind, report.message))


def _cause(report: BugReport) -> str:
    # The cause of most bugs is the exception itself, which is shown as the kind.
    is_same = report.cause.partition(" ")[0] == report.exception_type
    if not report.cause or is_same:
        return ""
    return code(report.cause)


def _where(report: BugReport) -> str:
    pieces = []
    if report.route:
        pieces.append(code(f"{report.method} {report.route}".strip()))
    if report.is_streamed:
        pieces.append("in the middle of a streamed response")
    elif report.status_code:
        pieces.append(f"HTTP {report.status_code}")
    elif report.route.startswith("/"):
        pieces.append("handled: the project's own code answered the request")
    if report.is_signed_in:
        pieces.append("by a signed-in user")
    return ", ".join(pieces)


def _likely_place(report: BugReport) -> str:
    if report.frames:
        frame = report.frames[-1]
        return code(f"{frame[0]}:{frame[1]} in {frame[2]}")
    if report.view:
        return code(report.view)
    return ""


def _link(url: str) -> str:
    """Return *url*, which is ours, as a link."""
    if not url:
        return ""
    return f"<{url}>"


def _list(named_facts: dict[str, str]) -> str:
    lines = [f"- {label}: {text}" for label, text in named_facts.items() if text]
    return "\n".join(lines)


def stack_text(report: BugReport) -> str:
    """Return the frames as text; the last one has the lines around it."""
    lines = []
    last = len(report.frames) - 1
    for number, (filename, lineno, function, source) in enumerate(report.frames):
        lines.append(f"{filename}:{lineno} in {function}")
        if number == last and report.source:
            lines += report.source
        elif source:
            lines.append(f"    {source.strip()}")
    if report.exception_type:
        lines.append(exception_line(report.exception_type, report.message))
    return "\n".join(lines)


def news_text(news: News) -> str:
    """Return one piece of news as a sentence, a note as the text that it is."""
    if news.verb == "comment":
        return f"{code(news.by)} wrote a note ({news.when}):\n\n{fence(news.text)}"
    if news.verb == "regressed":
        text = "It happened again"
    elif news.verb == "spiking":
        text = "It happens far more often than usual"
    else:
        text = news.verb.replace("_", " ")
    if news.text:
        text += f" {code(news.text)}"
    return f"{text} ({news.when})."
