"""
A failure as Python that makes it again: a request of Django's test client, a task, a command.

Names of fields are real, values are made up from the kind that theirs had.
Values in, text out: knows no Django and no database.
"""

from __future__ import annotations

import json
import keyword
import re
from typing import TYPE_CHECKING, Any

from .samples import kind_of, made_up

if TYPE_CHECKING:
    from .report import BugReport, Fields


def _values(fields: Fields, *, as_text: bool = False) -> dict[str, Any]:
    values = {name: made_up(kind) for name, kind in fields}
    if not as_text:
        return values
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def path_of(report: BugReport) -> str:
    """Return the path that the request is sent to: the route with made-up values in it."""
    kinds = dict(report.kwargs)

    def value(match: re.Match[str]) -> str:
        name = match[1]
        return str(made_up(kinds.get(name) or kind_of(name, "")))

    return re.sub(r"\{(\w+)\}", value, report.route)


def is_request(report: BugReport) -> bool:
    """Return whether the failure was one of a request whose route is known."""
    return report.route.startswith("/")


def call_for(report: BugReport, client: str) -> list[str]:
    """Return the lines that make the failure again and leave its answer in ``response``, if it has one."""
    if is_request(report):
        return _request_lines(report, client)
    kind, _, name = report.route.partition(" ")
    values = _python(_values(report.body))
    if report.mechanism == "celery" and kind == "task":
        return [
            "from celery import current_app",
            "",
            f"current_app.tasks[{_python(name)}].apply(kwargs={values}, throw=True)",
        ]
    if report.mechanism == "django.tasks" and kind == "task":
        given = _values(report.body)
        args, kwargs = given.get("args") or [], given.get("kwargs") or {}
        call = f"import_string({_python(name)}).func(*{_python(args)}, **{_python(kwargs)})"
        return ["from django.utils.module_loading import import_string", "", call]
    if report.mechanism == "command" and kind == "command":
        return ["from django.core.management import call_command", "", f"call_command({_python(name)})"]
    return []


def _request_lines(report: BugReport, client: str) -> list[str]:
    path, method = path_of(report), (report.method or "GET").upper()
    if report.query:
        text = "&".join(f"{name}={value}" for name, value in _values(report.query, as_text=True).items())
        path = f"{path}?{text}"
    arguments = [_python(path)]
    is_form = bool(report.body) and not report.is_json
    if is_form and method == "POST":
        arguments.append(_python(_values(report.body, as_text=True)))
    elif report.body:
        arguments += [_python(_values(report.body)), 'content_type="application/json"']
    headers = {"accept": "application/json"} if report.accepts_json else {}
    if headers:
        arguments.append(f"headers={_python(headers)}")
    if method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}:
        return [f"response = {client}.{method.lower()}({', '.join(arguments)})"]
    return [f"response = {client}.generic({_python(method)}, {arguments[0]})"]


def _python(value: Any) -> str:  # noqa: ANN401  made-up values
    """Return *value* as Python source with double quotes, as people write it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_python(name)}: {_python(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_python, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _checks(report: BugReport) -> list[str]:
    """Return what holds of ``response`` once the bug is fixed, as conditions."""
    status = report.status_code or 500
    if status < 400:  # noqa: PLR2004  the answer had begun, then its body failed
        return ['b"".join(response)']
    return ["response.status_code < 500" if status >= 500 else f"response.status_code != {status}"]  # noqa: PLR2004


def reproduction(report: BugReport) -> str:
    """Return Python that makes the failure again, ``""`` where nobody knows how; fixed, it ends without an error."""
    lines = call_for(report, "client")
    if not is_request(report) or not lines:
        return "\n".join(lines)
    strict = "enforce_csrf_checks=True" if report.error_type == "csrf" else ""
    head = [
        "from django.test import Client",
        "",
        "# In a test, or in a shell after django.test.utils.setup_test_environment().",
        f"client = Client({strict})",
    ]
    checks = [line if line.startswith("b") else f"assert {line}, response.status_code" for line in _checks(report)]
    return "\n".join([*head, *lines, *checks])


def failing_test(report: BugReport) -> str:
    """Return a test that fails as the bug does, and passes with the fix; it imports and runs."""
    name = re.sub(r"\W+", "_", report.title.lower()).strip("_")[:60].rstrip("_")
    name = f"test_{name or 'bug'}" if not keyword.iskeyword(name) else f"test_{name}_"
    head = [f"class {re.sub(r'[^A-Za-z0-9]', '', report.bug_id)}Tests(TestCase):", f"    def {name}(self):"]
    imports = ["from django.test import TestCase"]
    lines = call_for(report, "self.client")
    if is_request(report) and lines:
        if report.error_type == "csrf":
            imports = ["from django.test import Client, TestCase"]
            lines = ["client = Client(enforce_csrf_checks=True)", *call_for(report, "client")]
        checks = [line if line.startswith("b") else f"self.assertTrue({line})" for line in _checks(report)]
        body = [*lines, *checks]
    elif lines:
        imports += [lines[0]]
        body = lines[2:]
    else:
        place = report.frames[-1] if report.frames else ("", 0, report.route or "the code", "")
        words = f"call {place[2]} so that it raises {report.exception_type or 'the error'}"
        body = [f"self.fail({json.dumps(words)})"]
    return "\n".join([*sorted(imports), "", "", *head, *(f"        {line}" for line in body)])
