"""
Python that reproduces a failure in a shell: a request, a task, a command.

Names of fields are real as far as the project knows them, values are placeholders.
Values in, text out: uses no Django and no database.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any
from urllib.parse import quote, urlencode

from error_tracking.utils import clean_text

from .bug_report import BugReport
from .placeholders import (
    HIDDEN,
    PythonSource,
    Shape,
    bytes_source,
    kind_of,
    placeholder_for,
)
from .setup import PathArgument

# Wider than the usual 88: data with an item per line is harder to read.
LINE_CHARS = 100
# The longest route that Django's resolver gives, with room for its placeholders.
ROUTE_CHARS = 1_000
SERVER_ERROR = 500
SHELL_HINT = "# In a shell, call django.test.utils.setup_test_environment() first."
UPLOAD_IMPORT = "from django.core.files.uploadedfile import SimpleUploadedFile"
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_METHODS_WITHOUT_BODY = frozenset({"GET", "HEAD", "TRACE"})
_CLIENT_METHODS = _METHODS_WITH_BODY | _METHODS_WITHOUT_BODY


@dataclasses.dataclass(frozen=True, slots=True)
class Recipe:
    """
    What reproduces a failure.

    Attributes:
        imports: Lines, in any order.
        lines: Statements; the last one holds once the bug is fixed. None of them when
            nobody knows how to reproduce the failure.

    """

    imports: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    def __add__(self, other: Recipe) -> Recipe:
        """Return both, one after the other."""
        return Recipe(self.imports + other.imports, self.lines + other.lines)


NO_RECIPE = Recipe()


# The two texts


def reproduction(report: BugReport) -> str:
    """
    Return Python that reproduces the failure, ``""`` when nobody knows how.

    Once the bug is fixed it ends without an error.
    """
    recipe = recipe_for(report)
    if not recipe.lines:
        return ""
    if is_request(report):
        strict = "enforce_csrf_checks=True" if report.error_type == "csrf" else ""
        client = Recipe(
            ("from django.test import Client",),
            (SHELL_HINT, f"client = Client({strict})"),
        )
        recipe = client + recipe
    return "\n".join([*sorted(recipe.imports), "", *recipe.lines])


# Recipes


def is_request(report: BugReport) -> bool:
    """Return whether the failure was one of a request whose route is known."""
    return report.route.startswith("/")


def has_unknown_origin(report: BugReport) -> bool:
    """Return whether it depends on the proxy and CSRF_TRUSTED_ORIGINS: a test has neither."""
    return report.reason.startswith(("Origin", "Referer"))


def recipe_for(report: BugReport) -> Recipe:
    """Return what reproduces the failure; without lines when nobody knows how."""
    if has_unknown_origin(report):
        return NO_RECIPE
    if is_request(report):
        return _request_recipe(report, "client")
    return other_recipe(report)


def other_recipe(report: BugReport) -> Recipe:
    """Return the call of the task or command; without lines for anything else."""
    kind, _, name = report.route.partition(" ")
    if kind == "task":
        return _task_recipe(report, name)
    if kind == "command":
        return _command_recipe(report, name)
    return NO_RECIPE


def _task_recipe(report: BugReport, name: str) -> Recipe:
    if report.mechanism == "celery":
        arguments = _task_arguments(report, "args={}", "kwargs={}")
        call = f"current_app.tasks[{python(name)}].apply({arguments}, throw=True)"
        return Recipe(
            ("from celery import current_app",),
            ("current_app.loader.import_default_modules()", call),
        )
    if report.mechanism == "django.tasks":
        arguments = _task_arguments(report, "*{}", "**{}")
        return Recipe(
            ("from django.utils.module_loading import import_string",),
            (f"import_string({python(name)}).call({arguments})",),
        )
    return NO_RECIPE


def _task_arguments(report: BugReport, args: str, kwargs: str) -> str:
    """Return the arguments of a task's call, in the form that *args*, *kwargs* give."""
    values: dict[str, Any] = {}
    if isinstance(report.body, dict):
        values = placeholder_for(report.body)
    if set(values) != {"args", "kwargs"}:
        return kwargs.format(python(values))
    # The call did not fit the task's signature, so its arguments have no names.
    positional = args.format(python(values["args"]))
    return f"{positional}, {kwargs.format(python(values['kwargs']))}"


def _command_recipe(report: BugReport, name: str) -> Recipe:
    if not name.isidentifier():
        return NO_RECIPE
    words = [python(word) for word in (name, *report.arguments)]
    files = NO_RECIPE
    for number, argument in enumerate(report.setup.paths, start=1):
        variable = "path" if number == 1 else f"path_{number}"
        files += _path_recipe(variable, argument)
        word = variable
        if argument.option:
            word = f'f"{argument.option}{{{variable}}}"'
        if argument.position + 1 < len(words):
            words[argument.position + 1] = word
    return files + Recipe(
        ("from django.core.management import call_command",),
        (f"call_command({', '.join(words)})",),
    )


def _path_recipe(variable: str, argument: PathArgument) -> Recipe:
    """Return the creation of what a command finds at a path."""
    if argument.kind == "folder":
        function, arguments = "make_folder", ""
    elif argument.kind == "missing":
        function, arguments = "missing_file", python(argument.name)
    else:
        content = bytes_source(argument.content, argument.encoding)
        function, arguments = "make_file", f"{python(argument.name)}, {content}"
    return Recipe(
        (f"from error_tracking.replay import {function}",),
        (f"{variable} = {function}({arguments})",),
    )


def _request_recipe(report: BugReport, client: str) -> Recipe:
    recipe = NO_RECIPE
    headers = [f"{python(name)}: {python(value)}" for name, value in report.headers]
    if report.is_signed_in:
        recipe += _login_recipe(client)
    if report.error_type == "csrf":
        recipe += token_recipe(report, client)
        headers.append('"x-csrftoken": token.value if token else ""')
    data = data_recipe(report)
    recipe += data
    call = _call(report, headers, has_data=bool(data.lines))
    return recipe + _outcome_recipe(report, f"response = {client}.{call}")


def _login_recipe(client: str) -> Recipe:
    return Recipe(
        ("from django.contrib.auth import get_user_model",),
        (f"{client}.force_login(get_user_model().objects.first())",),
    )


def token_recipe(report: BugReport, client: str) -> Recipe:
    """Return how a client gets a CSRF token."""
    page = f"{client}.get({python(report.setup.prefix + path_of(report))})"
    return Recipe(
        ("from django.conf import settings",),
        (
            f"{page}  # or the page that has the form, if that is another one",
            f"token = {client}.cookies.get(settings.CSRF_COOKIE_NAME)",
        ),
    )


def data_recipe(report: BugReport) -> Recipe:
    """Return the assignment of what is sent in the body; nothing without a body."""
    has_body = bool(report.body) or report.is_json
    if not has_body or method_of(report) not in _METHODS_WITH_BODY:
        return NO_RECIPE
    data = assigned("data", placeholder_for(report.body))
    imports: tuple[str, ...] = ()
    if "SimpleUploadedFile" in data:
        imports = (UPLOAD_IMPORT,)
    return Recipe(imports, (data,))


def _call(report: BugReport, headers: list[str], *, has_data: bool) -> str:
    """Return the call of the client's method, without the client."""
    method = method_of(report)
    path = report.setup.prefix + path_of(report)
    if report.query:
        values = placeholder_for(report.query)
        path += f"?{urlencode(values, doseq=True, errors='replace')}"
    arguments = [python(path)]
    if has_data:
        arguments.append("data")
        # Django's client encodes only the data of a POST as a form.
        if report.is_json or method != "POST":
            arguments.append('content_type="application/json"')
    if headers:
        arguments.append(f"headers={{{', '.join(headers)}}}")
    if report.setup.script_name:
        arguments.append(f"SCRIPT_NAME={python(report.setup.script_name)}")
    if method in _CLIENT_METHODS:
        return f"{method.lower()}({', '.join(arguments)})"
    return f"generic({', '.join([python(method), *arguments])})"


def _outcome_recipe(report: BugReport, call: str) -> Recipe:
    """Return *call*, and what holds after it once the bug is fixed."""
    if not report.status_code:
        # The project's own code handled the error, so its response was a good one.
        return Recipe(
            ("from error_tracking.testing import captured_events",),
            (
                "with captured_events() as events:",
                f"    {call}",
                "assert not events, events[0].title",
            ),
        )
    lines = [call]
    if report.is_streamed:
        lines.append('b"".join(response)')
    if report.status_code >= SERVER_ERROR:
        expected = f"< {SERVER_ERROR}"
    else:
        expected = f"!= {report.status_code}"
    lines.append(f"assert response.status_code {expected}, response.status_code")
    return Recipe(lines=tuple(lines))


def method_of(report: BugReport) -> str:
    """Return the HTTP method, GET where it is unknown."""
    return (report.method or "GET").upper()


def path_of(report: BugReport) -> str:
    """Return the path of the request: the route with placeholder values in it."""
    unnamed = _unnamed_shapes(report)

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name == "arg":
            shape = unnamed.pop(0) if unnamed else None
        else:
            shape = report.kwargs.get(name)
        if not shape:
            shape = kind_of(name, HIDDEN[0])
        return quote(str(placeholder_for(shape)), safe="/@:")

    return re.sub(r"\{(\w+)\}", value, clean_text(report.route, ROUTE_CHARS))


def _unnamed_shapes(report: BugReport) -> list[Shape | None]:
    """Return the shapes of the URL's unnamed groups, which are stored as ``arg``."""
    shapes = report.kwargs.get("arg")
    if isinstance(shapes, list):
        return list(shapes)
    return [shapes]


# Python source


def assigned(name: str, value: object) -> str:
    """Return the assignment of *value*, with an item per line when it is long."""
    line = f"{name} = {python(value)}"
    if len(line) <= LINE_CHARS or not isinstance(value, dict | list):
        return line
    if isinstance(value, dict):
        begin, end = "{", "}"
        items = [f"{python(key)}: {python(item)}" for key, item in value.items()]
    else:
        begin, end = "[", "]"
        items = [python(item) for item in value]
    lines = [f"{name} = {begin}"]
    lines += [f"    {item}," for item in items]
    lines.append(end)
    return "\n".join(lines)


def python(value: Any) -> str:
    """Return *value* as Python source with double quotes, as people write it."""
    if isinstance(value, PythonSource):
        return value
    if isinstance(value, dict):
        items = [f"{python(name)}: {python(item)}" for name, item in value.items()]
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(python(item) for item in value) + "]"
    if isinstance(value, str):
        return _string_source(value)
    return repr(value)


def _string_source(text: str) -> str:
    """Return *text* in the quotes that need no backslashes, double ones if it can choose."""
    source = json.dumps(text, ensure_ascii=False)
    needs_other_quotes = '"' in text and "'" not in text
    if needs_other_quotes and source.count("\\") == text.count('"'):
        # Nothing else in it is escaped.
        return f"'{text}'"
    return source
