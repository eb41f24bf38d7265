"""
A bug report as Markdown: the body of an issue, the file of a bug, a comment.

Outside text is only ever put into code, from which no Markdown breaks out. The
layout is the template ``error_tracking/bug.md``, which a project may override.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from django.template.loader import render_to_string

from .report import TITLE_CHARS
from .reproduction import failing_test, reproduction
from .utils import clean_line, clean_text

if TYPE_CHECKING:
    from .report import BugReport, News

TEMPLATE = "error_tracking/bug.md"
BODY_CHARS = 60_000
FENCE_CHARS = 6_000  # a body has six at most, and must not lose its marker at the end
DATA_CHARS = 12_000
DATA = "error-tracking:data"
BEGIN, END = "<!-- error-tracking:begin -->", "<!-- error-tracking:end -->"
_DATA = re.compile(rf"<!-- {DATA} (\{{[^<>]{{1,{DATA_CHARS * 2}}}\}}) -->")


def code(text: str) -> str:
    """Return outside *text* as a code span on one line, from which no Markdown breaks out (FAULTS X16)."""
    text = clean_line(text, 300) or "-"
    run = max((len(match) for match in re.findall(r"`+", text)), default=0)
    ticks = "`" * (run + 1)
    pad = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def fence(text: str, language: str = "") -> str:
    """Return outside *text* as a fenced block, one backtick longer than any run inside (FAULTS X16)."""
    text = re.sub(r"`{20,}", "`" * 20, clean_text(text, FENCE_CHARS))
    ticks = "`" * max(3, *(len(match) + 1 for match in re.findall(r"`+", text)), 3)
    return f"{ticks}{language}\n{text}\n{ticks}"


def stack_text(report: BugReport) -> str:
    """Return the in-app frames as text, the raising one last."""
    lines = []
    for filename, lineno, function, source in report.frames:
        lines += [f"{filename}:{lineno} in {function}", f"    {source.strip()}"]
    if report.exception_type:
        lines.append(report.exception_type)
    return "\n".join(lines)


def status_facts(report: BugReport) -> list[tuple[str, str]]:
    """Return what changes in a bug's life, as label and Markdown."""
    times = "once" if report.count == 1 else f"{report.count} times"
    users = f", by {report.users} or more users or addresses" if report.users > 1 else ""
    return [
        (
            "Status",
            f"merged into {code(report.merged_into)}" if report.merged_into else report.status.replace("_", " "),
        ),
        ("Severity", report.severity),
        ("Seen", f"{times}{users}, first {report.first_seen or '-'}, last {report.last_seen or '-'}"),
        *([("First release", code(report.first_release))] if report.first_release else []),
        *([("Last release", code(report.last_release))] if report.last_release else []),
        *([("Resolved in release", code(report.resolved_in_release))] if report.resolved_in_release else []),
    ]


def facts(report: BugReport) -> list[tuple[str, str]]:
    """Return what a bug is, as label and Markdown."""
    where = report.frames[-1] if report.frames else None
    return [
        ("Kind", code(report.exception_type or report.error_type or "error")),
        *([("HTTP status", str(report.status_code))] if report.status_code else []),
        *([("Route", code(f"{report.method} {report.route}".strip()))] if report.route else []),
        *([("Likely place", code(f"{where[0]}:{where[1]} in {where[2]}"))] if where else []),
        ("Environment", code(report.environment)),
        ("Fingerprint", code(report.fingerprint)),
    ]


def status_block(report: BugReport) -> str:
    """Return the part of an issue that is written anew when the bug's state changes."""
    lines = [f"- {label}: {text}" for label, text in status_facts(report)]
    return "\n".join([BEGIN, *lines, END])


def markdown(report: BugReport, *, status: str = "") -> str:
    """
    Return the Markdown of *report*: what happens, where, how to see it again, when it is done.

    *status* is the part that changes, in the form that it has there.
    """
    again, test = reproduction(report), failing_test(report)
    text = render_to_string(
        TEMPLATE,
        {
            "report": report,
            "status": status or "\n".join(f"- {label}: {text}" for label, text in status_facts(report)),
            "facts": [(label, text) for label, text in facts(report)],
            "description": fence(report.description, "text") if report.description else "",
            "groups": [code(title) for title in report.groups],
            "stack": fence(stack_text(report), "text") if report.frames else "",
            "source": fence("\n".join(report.source), "text") if report.source else "",
            "commits": [code(line) for line in report.commits],
            "reproduction": fence(again, "python") if again else "",
            "test": fence(test, "python") if test else "",
            "details": fence(json.dumps(report.details, indent=2, ensure_ascii=False), "json")
            if report.details
            else "",
        },
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def issue_body(report: BugReport) -> str:
    """Return the body of an issue: the Markdown, the marker, and what ``error_tracking_pull`` makes the file of."""
    data = report.to_json()
    hidden = f"\n<!-- {DATA} {data} -->" if len(data) <= DATA_CHARS else ""
    tail = f"\n\n{report.marker}{hidden}"
    return markdown(report, status=status_block(report))[: BODY_CHARS - len(tail)] + tail


def data_in(body: str) -> str:
    """Return the JSON that :func:`issue_body` has hidden in *body*, ``""`` where there is none."""
    found = _DATA.search(body)
    return found[1] if found else ""


def with_status(body: str, report: BugReport) -> str:
    """Return *body* with its part that changes written anew; what people wrote around it is kept."""
    head, begin, rest = body.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        return body
    data = report.to_json()
    hidden = f"<!-- {DATA} {data} -->"
    tail = _DATA.sub(lambda _match: hidden, tail) if len(data) <= DATA_CHARS else tail
    return f"{head}{status_block(report)}{tail}"


def news_text(news: News) -> str:
    """Return one piece of news in words."""
    said = {"regressed": "It happened again", "spiking": "It happens far more often than usual"}
    text = f" {code(news.text)}" if news.text else ""
    return f"{said.get(news.verb, news.verb.replace('_', ' '))}{text} ({news.when})."


def front_matter(report: BugReport) -> str:
    """Return the YAML front matter of the bug file; every text is quoted as JSON, which YAML reads."""
    values: dict[str, Any] = {
        "id": report.bug_id,
        "uuid": report.uuid,
        "title": clean_line(report.title, TITLE_CHARS),
        "status": "merged" if report.merged_into else report.status,
        "severity": report.severity,
        "kind": report.kind,
        "environment": report.environment,
        "fingerprint": report.fingerprint,
        "route": report.route,
        "occurrences": report.count,
        "users": report.users,
        "first_seen": report.first_seen,
        "last_seen": report.last_seen,
        "first_release": report.first_release,
        "last_release": report.last_release,
        "resolved_in_release": report.resolved_in_release,
        "merged_into": report.merged_into,
        "issue": report.issue_url,
    }
    lines = [f"{name}: {json.dumps(value, ensure_ascii=True)}" for name, value in values.items()]
    return "\n".join(["---", *lines, "---"])
