"""
A bug report as Markdown: the body of an issue, the file of a bug, a comment.

Outside text is only ever put into code, from which no Markdown breaks out. The
layout is the template ``error_tracking/bug.md``, which a project may override.
"""

from __future__ import annotations

import dataclasses
import json
import re

from . import conf
from .exceptions import TrackerError
from .report import TITLE_CHARS, BugReport, News, report_from_json
from .reproduction import failing_test, reproduction
from .utils import clean_line, clean_text

TEMPLATE = "error_tracking/bug.md"
BODY_CHARS = 60_000
FENCE_CHARS = 6_000
END_CHARS = 120  # what closes a text that was cut
DATA_CHARS = 20_000
DATA = "error-tracking:data"
BEGIN, END = "<!-- error-tracking:begin -->", "<!-- error-tracking:end -->"
HEADER = (
    "<!-- Written by error_tracking, one way: nothing is read back from here. The lines above the title and the part "
    "between the two markers are written anew when the bug changes; your notes belong below. -->"
)
FRONT_MATTER = (
    *("id", "uuid", "title", "status", "severity", "kind", "environment", "fingerprint", "route", "occurrences"),
    *("users", "first_seen", "last_seen", "first_release", "last_release", "resolved_in_release", "merged_into"),
    "issue",
)
_IN_REPORT = {"id": "bug_id", "occurrences": "count", "issue": "issue_url"}  # those that have another name there
_REQUEST = ("headers", "query", "body", "kwargs", "arguments", "is_json")  # what retention takes out of a log
_PYTHON = re.compile(r"^(`{3,})python\n.*?\n\1$", re.DOTALL | re.MULTILINE)
_DATA = re.compile(rf"<!-- {DATA} (\{{[^<>]{{1,{DATA_CHARS * 2}}}\}}) -->")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.2, 5.1


def code(text: str) -> str:
    """Return outside *text* as a code span on one line, from which no Markdown breaks out (FAULTS X16)."""
    text = _without_comments(clean_line(text, 300)) or "-"
    run = max((len(match) for match in re.findall(r"`+", text)), default=0)
    ticks = "`" * (run + 1)
    pad = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def fence(text: str, language: str = "") -> str:
    """Return outside *text* as a fenced block, one backtick longer than any run inside (FAULTS X16)."""
    text = re.sub(r"`{20,}", "`" * 20, _without_comments(clean_text(text, FENCE_CHARS)))
    ticks = "`" * max(3, *(len(match) + 1 for match in re.findall(r"`+", text)), 3)
    return f"{ticks}{language}\n{text}\n{ticks}"


def ours(text: str) -> str:
    """Return *text* between the markers of what is written anew."""
    return f"{BEGIN}\n{text}\n{END}"


def parts_of(text: str) -> tuple[str, str, str] | None:
    """Return what stands before, between and after the markers in *text*; None where somebody has taken them out."""
    before, begin, rest = text.partition(BEGIN)
    between, end, after = rest.partition(END)
    return (before, between, after) if begin and end else None


def _without_comments(text: str) -> str:
    """Return *text* without the begin of a comment: it may look like one of ours, which are searched for."""
    return text.replace("<!--", "<!- -")


def stack_text(report: BugReport) -> str:
    """Return the in-app frames as text, the raising one last and with the lines around it."""
    lines = []
    for filename, lineno, function, source in report.frames:
        lines += [f"{filename}:{lineno} in {function}", f"    {source.strip()}"]
    if report.source and lines:
        lines[-1:] = report.source
    if report.exception_type:
        lines.append(report.exception_type)
    return "\n".join(lines)


def status_facts(report: BugReport) -> str:
    """Return what changes in a bug's life, a line of Markdown per fact."""
    status = f"merged into {code(report.merged_into)}" if report.merged_into else report.status.replace("_", " ")
    seen = "once" if report.count == 1 else f"{report.count} times"
    seen += f", by {report.users} users or addresses" if report.users > 1 else ""
    if report.first_seen:
        is_once = report.first_seen == report.last_seen
        seen += f", {report.first_seen}" if is_once else f", from {report.first_seen} to {report.last_seen}"
    releases = {
        "first seen in": report.first_release,
        "last in": report.last_release if report.last_release != report.first_release else "",
        "resolved in": report.resolved_in_release,
    }
    known = ", ".join(f"{label} {code(name)}" for label, name in releases.items() if name)
    return _listed({"Status": status, "Severity": report.severity, "Seen": seen, "Releases": known})


def _listed(facts: dict[str, str]) -> str:
    return "\n".join(f"- {label}: {text}" for label, text in facts.items() if text)


def facts(report: BugReport) -> str:
    """Return what a bug is, a line of Markdown per fact."""
    kind = code(report.exception_type or report.error_type or "error")
    where = f"{report.frames[-1][0]}:{report.frames[-1][1]} in {report.frames[-1][2]}" if report.frames else report.view
    what = [code(f"{report.method} {report.route}".strip())] if report.route else []
    if report.is_streamed:
        what.append("in the middle of a streamed answer")
    elif report.status_code:
        what.append(f"HTTP {report.status_code}")
    elif report.route.startswith("/"):
        what.append("answered all the same: the project's own code has dealt with it")
    what += ["by somebody signed in"] if report.is_signed_in else []
    found = {
        "Kind": f"{kind}: {code(report.reason)}" if report.reason else kind,
        "Cause": code(report.cause) if report.cause.partition(" ")[0] != report.exception_type and report.cause else "",
        "Where": ", ".join(what),
        "Likely place": code(where) if where else "",
        "Environment": code(report.environment) if report.environment else "",
    }
    return _listed(found)


def markdown(report: BugReport, *, status: str = "") -> str:
    """
    Return the Markdown of *report*: what happens, where, how to see it again, when it is done.

    *status* is the part that changes, in the form that it has there.
    """
    is_error = report.kind == "error"
    again, test = (reproduction(report), failing_test(report)) if is_error else ("", "")
    details = json.dumps(report.details, indent=2, ensure_ascii=False) if report.details else ""
    values = {
        "report": report,
        "status": status or status_facts(report),
        "facts": facts(report),
        "description": fence(report.description, "text") if report.description else "",
        "groups": "\n".join(f"- {code(title)}" for title in report.groups),
        "stack": fence(stack_text(report), "text") if report.frames else "",
        "commits": "\n".join(f"- {code(line)}" for line in report.commits),
        "reproduction": fence(again, "python") if again else "",
        "test": fence(test, "python") if test else "",
        "details": fence(details, "json") if details else "",
    }
    try:
        return conf.rendered(TEMPLATE, values).strip()
    except Exception as error:  # the template may be the project's own, and raise anything
        raise TrackerError(f"the template {TEMPLATE} does not work: {type(error).__name__}: {error}") from error


def cut(text: str, limit: int) -> str:
    """Return *text* within *limit* characters: whole lines, and no fence left open (FAULTS X06)."""
    if len(text) <= limit:
        return text
    lines = text[: limit - END_CHARS].split("\n")[:-1]
    ticks = ""
    for line in lines:
        found = _FENCE.match(line)
        if found and not ticks:
            ticks = found[1]
        elif found and found[1].startswith(ticks) and line.strip() == found[1]:
            ticks = ""
    return "\n".join([*lines, ticks]).rstrip() + "\n\n(cut here)"


def issue_body(report: BugReport) -> str:
    """Return the body of an issue: the Markdown, the marker, and what ``error_tracking_pull`` makes the file of."""
    tail = "\n\n".join(["", report.marker, _hidden(report)]).rstrip()
    return cut(markdown(report, status=ours(status_facts(report))), BODY_CHARS - len(tail)) + tail


def _hidden(report: BugReport) -> str:
    """Return *report* as a comment that :func:`data_in` finds; what is long and not needed most is left out first."""
    for names in ((), ("details",), ("source", "groups", "arguments"), ("description", "body", "query"), ("frames",)):
        report = dataclasses.replace(report, **{name: type(getattr(report, name))() for name in names})
        if len(data := report.to_json()) <= DATA_CHARS:
            return f"<!-- {DATA} {data} -->"
    return ""


def data_in(body: str) -> str:
    """Return the JSON that :func:`issue_body` has hidden in *body*, ``""`` where there is none."""
    found = _DATA.search(body)
    return found[1] if found else ""


def report_in(body: str) -> BugReport | None:
    """Return the report that *body* was written from last, as far as it says; None where it does not."""
    try:
        return report_from_json(data_in(body))
    except ValueError:
        return None


def with_status(body: str, report: BugReport) -> str:
    """Return *body* with its part that changes written anew; what people wrote around it is kept."""
    if report.is_reduced and (known := report_in(body)):
        report = dataclasses.replace(report, **{name: getattr(known, name) for name in _REQUEST})
    parts, hidden = parts_of(body), _hidden(report)
    if parts is None:
        return body
    tail = _DATA.sub(lambda _match: hidden, parts[2]) if hidden else parts[2]
    return f"{parts[0]}{ours(status_facts(report))}{tail}"


def news_text(news: News) -> str:
    """Return one piece of news in words."""
    said = {"regressed": "It happened again", "spiking": "It happens far more often than usual"}
    text = f" {code(news.text)}" if news.text else ""
    return f"{said.get(news.verb, news.verb.replace('_', ' '))}{text} ({news.when})."


def front_matter(report: BugReport) -> str:
    """Return the YAML front matter of the bug file; every text is quoted as JSON, which YAML reads."""
    report = dataclasses.replace(report, status="merged" if report.merged_into else report.status)
    values = {name: getattr(report, _IN_REPORT.get(name, name)) for name in FRONT_MATTER}
    lines = [f"{name}: {_yaml(value)}" for name, value in values.items() if value != ""]
    return "\n".join(["---", *lines, "---"])


def _yaml(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    return json.dumps(_UNPRINTABLE.sub("\ufffd", clean_line(value, TITLE_CHARS)), ensure_ascii=False)


def bug_file(report: BugReport) -> str:
    """Return the whole file of *report*, as it is when it is new."""
    title = f"# {report.bug_id}: {code(report.title or 'error')}"
    return "\n\n".join([front_matter(report), title, HEADER, generated(report), "## Notes"]) + "\n"


def generated(report: BugReport, before: str = "") -> str:
    """
    Return the part of the bug file that is ours, between its markers.

    Its Python is that of *before*, which was there, where the request is known no more.
    """
    text = markdown(report)
    kept = iter([match[0] for match in _PYTHON.finditer(before)] if report.is_reduced else [])
    return ours(_PYTHON.sub(lambda match: next(kept, match[0]), text))
