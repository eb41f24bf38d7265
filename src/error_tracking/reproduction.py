"""
A failure as Python that makes it again: a request of Django's test client, a task, a command.

Names of fields are real, values are made up from the kind that theirs had.
Values in, text out: knows no Django and no database.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any
from urllib.parse import quote, urlencode

from .report import BugReport
from .samples import HIDDEN, Code, kind_of, made_up
from .utils import clean_text

LINE_CHARS = 100
SERVER_ERROR = 500
SHELL = "# In a shell call django.test.utils.setup_test_environment() before."
UPLOAD = "from django.core.files.uploadedfile import SimpleUploadedFile"
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_WITHOUT_BODY = frozenset({"GET", "HEAD", "TRACE"})


@dataclasses.dataclass(slots=True)
class Recipe:
    """What makes a failure again: imports, and statements, which end with what holds with the fix."""

    imports: list[str] = dataclasses.field(default_factory=list)
    lines: list[str] = dataclasses.field(default_factory=list)


def is_request(report: BugReport) -> bool:
    """Return whether the failure was one of a request whose route is known."""
    return report.route.startswith("/")


def path_of(report: BugReport) -> str:
    """Return the path that the request is sent to: the route with made-up values in it."""
    unnamed = report.kwargs.get("arg")
    shapes = iter(unnamed if isinstance(unnamed, list) else [unnamed])

    def value(match: re.Match[str]) -> str:
        shape = next(shapes, None) if match[1] == "arg" else report.kwargs.get(match[1])
        return quote(str(made_up(shape or kind_of(match[1], HIDDEN[0]))), safe="/@:")

    return re.sub(r"\{(\w+)\}", value, clean_text(report.route, 1_000))


def recipe_for(report: BugReport, client: str, *, is_test: bool) -> Recipe:
    """Return what makes the failure again with the test client named *client*; without lines where nobody knows how."""
    if report.reason.startswith(("Origin", "Referer")):
        return Recipe()  # what the proxy and CSRF_TRUSTED_ORIGINS say is not the test client's
    if is_request(report):
        return _request_recipe(report, client, is_test=is_test)
    kind, _, name = report.route.partition(" ")
    if kind == "task" and report.mechanism == "celery":
        tasks = "current_app.loader.import_default_modules()"
        call = f"current_app.tasks[{_python(name)}].apply({_given(report, 'args={}', 'kwargs={}')}, throw=True)"
        return Recipe(["from celery import current_app"], [tasks, call])
    if kind == "task" and report.mechanism == "django.tasks":
        call = f"import_string({_python(name)}).call({_given(report, '*{}', '**{}')})"
        return Recipe(["from django.utils.module_loading import import_string"], [call])
    if kind == "command" and name.isidentifier():
        words = ", ".join(_python(each) for each in (name, *report.arguments))
        return Recipe(["from django.core.management import call_command"], [f"call_command({words})"])
    return Recipe()


def _given(report: BugReport, args: str, kwargs: str) -> str:
    """Return the arguments of a task as it is called; those without names are in two lists."""
    values = made_up(report.body if isinstance(report.body, dict) else {})
    if set(values) != {"args", "kwargs"}:
        return kwargs.format(_python(values))
    return f"{args.format(_python(values['args']))}, {kwargs.format(_python(values['kwargs']))}"


def _request_recipe(report: BugReport, client: str, *, is_test: bool) -> Recipe:
    made = Recipe()
    headers = [f"{_python(name)}: {_python(value)}" for name, value in report.headers]
    if report.is_signed_in:
        made.imports.append("from django.contrib.auth import get_user_model")
        user = 'create_user("user@example.com")' if is_test else "first()"
        made.lines.append(f"{client}.force_login(get_user_model().objects.{user})")
    if report.error_type == "csrf":
        made.imports.append("from django.conf import settings")
        made.lines += [
            f"{client}.get({_python(path_of(report))})  # or the page that has the form, if that is another one",
            f"token = {client}.cookies.get(settings.CSRF_COOKIE_NAME)",
        ]
        headers.append('"x-csrftoken": token.value if token else ""')
    call = f"response = {client}.{_call(report, made, headers)}"
    if not report.status_code:  # the host's own code has dealt with the error, and the answer was a good one
        made.imports.append("from error_tracking.testing import captured_events")
        made.lines += ["with captured_events() as events:", f"    {call}", "assert not events, events[0].title"]
        return made
    made.lines.append(call)
    if report.is_streamed:
        made.lines.append('b"".join(response)')
    wanted = f"< {SERVER_ERROR}" if report.status_code >= SERVER_ERROR else f"!= {report.status_code}"
    made.lines.append(f"assert response.status_code {wanted}, response.status_code")
    return made


def _call(report: BugReport, made: Recipe, headers: list[str]) -> str:
    """Return the call of the client's method; what is sent becomes a line of *made*."""
    method, path = (report.method or "GET").upper(), path_of(report)
    if report.query:
        path += f"?{urlencode(made_up(report.query), doseq=True, errors='replace')}"
    arguments = [_python(path)]
    if method not in _WITH_BODY | _WITHOUT_BODY:
        arguments.insert(0, _python(method))
    elif method in _WITH_BODY and (report.body or report.is_json):
        data = _assigned("data", made_up(report.body))
        made.lines.append(data)
        made.imports += [UPLOAD] if UPLOAD.rpartition(" ")[2] in data else []
        arguments.append("data")
        if report.is_json or method != "POST":
            arguments.append('content_type="application/json"')
    if headers:
        arguments.append(f"headers={{{', '.join(headers)}}}")
    function = method.lower() if method in _WITH_BODY | _WITHOUT_BODY else "generic"
    return f"{function}({', '.join(arguments)})"


def _assigned(name: str, value: object) -> str:
    """Return the assignment of *value*, an item a line where it is long."""
    line = f"{name} = {_python(value)}"
    if len(line) <= LINE_CHARS or not isinstance(value, (dict, list)):
        return line
    pairs = value.items() if isinstance(value, dict) else ()
    items = [f"{_python(key)}: {_python(each)}" for key, each in pairs] or map(_python, value)
    begin, end = "{}" if pairs else "[]"
    return "\n".join([f"{name} = {begin}", *(f"    {item}," for item in items), end])


def _python(value: Any) -> str:  # noqa: ANN401  made-up values
    """Return *value* as Python source with double quotes, as people write it."""
    if isinstance(value, Code):
        return value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_python(name)}: {_python(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_python, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def reproduction(report: BugReport) -> str:
    """Return Python that makes the failure again, ``""`` where nobody knows how; fixed, it ends without an error."""
    made = recipe_for(report, "client", is_test=False)
    if not made.lines:
        return ""
    imports, lines = made.imports, made.lines
    if is_request(report):
        imports = [*imports, "from django.test import Client"]
        strict = "enforce_csrf_checks=True" if report.error_type == "csrf" else ""
        lines = [SHELL, f"client = Client({strict})", *lines]
    return "\n".join([*sorted(imports), "", *lines])


def failing_test(report: BugReport) -> str:
    """Return a test that fails as the bug does, and passes with the fix; it imports and runs also where it cannot."""
    is_strict = report.error_type == "csrf"
    made = recipe_for(report, "client" if is_strict else "self.client", is_test=True)
    imports, lines = [*made.imports, "from django.test import TestCase"], made.lines
    if is_strict and lines:
        imports[-1] = "from django.test import Client, TestCase"
        lines = ["client = Client(enforce_csrf_checks=True)", *lines]
    if not lines:
        place = f"{report.frames[-1][2]} ({report.frames[-1][0]})" if report.frames else report.route or "the code"
        what = report.exception_type or report.reason or "this error"
        words = f"Not written yet: call {place} so that it fails with {what}."
        lines = [f"self.fail({_python(words)})"]
    name = re.sub(r"[^a-z0-9]+", "_", report.title.lower()).strip("_")[:60].strip("_")
    case = f"class Test{re.sub(r'[^A-Za-z0-9]', '', report.bug_id)}(TestCase):"
    body = "\n".join(lines).split("\n")
    return "\n".join(
        [*sorted(imports), "", "", case, f"    def test_{name or 'bug'}(self):", *(f"        {line}" for line in body)]
    )
