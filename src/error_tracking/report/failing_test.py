"""
The generated test of a bug: it repeats the failure, and is never content without it.

Names are real as far as the project knows them, values are placeholders. What the test
decides itself is in :mod:`error_tracking.replay`. Values in, text out: uses no database.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from .bug_report import BugReport
from .placeholders import placeholder_for
from .reproduction import (
    NO_RECIPE,
    Recipe,
    data_recipe,
    has_unknown_origin,
    is_request,
    method_of,
    other_recipe,
    path_of,
    python,
    token_recipe,
)
from .setup import CodePlace, Row

TEST_NAME_CHARS = 60
LINE_CHARS = 88
CLIENT_ERROR = range(400, 500)
_INDENT = "    "


def failing_test(report: BugReport) -> str:
    """
    Return a test that fails as the bug does, and passes with the fix.

    Where nobody knows how to reproduce the failure, it says what to call.
    """
    recipe = Recipe(("from django.test import TestCase",))
    attempt = _attempt_recipe(report)
    if attempt.lines:
        recipe += attempt
        failure = _failure_lines(report)
    else:
        recipe += Recipe(lines=(_not_written(report),))
        failure = []
    lines = [*_import_lines(recipe.imports), "", *failure, ""]
    lines.append(f"class {_class_name(report)}(TestCase):")
    lines.append(f"    def test_{_test_name(report)}(self):")
    # A statement may have several lines.
    for line in "\n".join(recipe.lines).split("\n"):
        lines.append(f"        {line}")  # noqa: PERF401  reads better than a list
    return "\n".join(lines)


def _import_lines(imports: tuple[str, ...]) -> list[str]:
    """Return *imports* in order; names of one module share a line."""
    names: dict[str, set[str]] = {}
    for line in imports:
        module, _, imported = line.partition(" import ")
        names.setdefault(module, set()).update(imported.split(", "))
    groups: dict[bool, list[str]] = {False: [], True: []}
    for module, found in sorted(names.items()):
        is_ours = "error_tracking" in module
        groups[is_ours].append(f"{module} import {', '.join(sorted(found))}")
    if groups[True]:
        return [*groups[False], "", *groups[True]]
    return groups[False]


def _not_written(report: BugReport) -> str:
    if report.frames:
        filename, _lineno, function, *_source = report.frames[-1]
        place = f"{function} ({filename})"
    else:
        place = report.route or "the code"
    failure = report.exception_type or report.reason or "this error"
    text = f"Not written yet: call {place} so that it fails with {failure}."
    return f"self.fail({python(text)})"


def _class_name(report: BugReport) -> str:
    return "Test" + re.sub(r"[^A-Za-z0-9]", "", report.bug_id)


def _test_name(report: BugReport) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", report.title.lower()).strip("_")
    return words[:TEST_NAME_CHARS].strip("_") or "bug"


# What was recorded


def _failure_lines(report: BugReport) -> list[str]:
    setup = report.setup
    values: list[tuple[str, str]] = []
    if report.exception_type:
        values.append(("type", python(report.exception_type)))
    elif report.status_code:
        values.append(("status", python(report.status_code)))
    else:
        values.append(("title", python(report.title)))
    is_refusal = not report.exception_type and report.status_code in CLIENT_ERROR
    if not is_refusal:
        if setup.places:
            stack = [f"        {_place_source(place)}," for place in setup.places]
            values.append(("stack", "\n".join(["[", *stack, "    ]"])))
        if setup.line:
            values.append(("line", python(setup.line)))
        if setup.app[1]:
            name, digest = setup.app
            values.append(("app", f"({python(name)}, {python(digest)})"))
    lines = [f"    {name}={value}," for name, value in values]
    return ["FAILURE = Failure(", *lines, ")", ""]


def _place_source(place: CodePlace) -> str:
    return f"({', '.join(python(text) for text in place)})"


# What repeats it


def _attempt_recipe(report: BugReport) -> Recipe:
    if has_unknown_origin(report):
        return NO_RECIPE
    imports = ("from error_tracking.replay import Failure",)
    if is_request(report):
        attempt = _replay_recipe(report)
    else:
        attempt = _code_recipe(report)
    if not attempt.lines:
        return NO_RECIPE
    return Recipe(imports) + _rows_recipe(report.setup.rows) + attempt


def _code_recipe(report: BugReport) -> Recipe:
    recipe = other_recipe(report)
    if not recipe.lines:
        return NO_RECIPE
    *before, call = recipe.lines
    return Recipe(
        (*recipe.imports, "from error_tracking.replay import failing_as"),
        (*before, "with failing_as(FAILURE):", f"    {call}"),
    )


def _replay_recipe(report: BugReport) -> Recipe:
    setup = report.setup
    recipe = Recipe(("from error_tracking.replay import replay",))
    client = "self.client"
    headers = [f"{python(name)}: {python(value)}" for name, value in report.headers]
    if report.error_type == "csrf":
        # The client of a TestCase checks no CSRF tokens.
        client = "client"
        recipe += Recipe(
            ("from django.test import Client",),
            ("client = Client(enforce_csrf_checks=True)",),
        )
        recipe += token_recipe(report, client)
        headers.append('"x-csrftoken": token.value if token else ""')
    is_signed_in = setup.user_kind in {"plain", "staff", "superuser"}
    if is_signed_in or report.is_signed_in:
        recipe += _user_recipe(report)
    data = data_recipe(report)
    recipe += data
    arguments = [client, python(method_of(report)), python(_address(report))]
    if data.lines:
        arguments.append("data")
    if is_signed_in or report.is_signed_in:
        arguments.append("user=user")
    if headers:
        arguments.append(f"headers={{{', '.join(headers)}}}")
    if setup.credentials:
        arguments.append(f"credentials={python(list(setup.credentials))}")
    if setup.session:
        session = python(placeholder_for(setup.session))
        arguments.append(f"session={session}")
    is_json = report.is_json or (method_of(report) != "POST" and not setup.is_form)
    if data.lines and is_json:
        arguments.append('content_type="application/json"')
    if setup.host:
        arguments.append(f"host={python(setup.host)}")
    if setup.is_secure:
        arguments.append("secure=True")
    if setup.script_name:
        arguments.append(f"script_name={python(setup.script_name)}")
    arguments.append("failure=FAILURE")
    return recipe + Recipe(lines=(_call("replay", arguments),))


def _address(report: BugReport) -> str:
    path = report.setup.prefix + path_of(report)
    if report.query:
        values = placeholder_for(report.query)
        path += f"?{urlencode(values, doseq=True, errors='replace')}"
    return path


def _user_recipe(report: BugReport) -> Recipe:
    """Return the creation of the user, unless a row needs it earlier."""
    if any(row.name == "user" for row in report.setup.rows):
        return NO_RECIPE
    return Recipe(
        ("from error_tracking.replay import make_user",), (_user_line(report),)
    )


def _user_line(report: BugReport) -> str:
    setup = report.setup
    arguments = []
    if setup.user_kind in {"staff", "superuser"}:
        arguments.append(python(setup.user_kind))
    if setup.permissions:
        arguments.append(f"permissions={python(list(setup.permissions))}")
    return f"user = make_user({', '.join(arguments)})"


def _rows_recipe(rows: tuple[Row, ...]) -> Recipe:
    if not rows:
        return NO_RECIPE
    lines = [
        "# Rows as the failing code had them. Check this: values are placeholders."
    ]
    for row in rows:
        arguments = [python(row.label)]
        arguments += [f"{name}={source}" for name, source in row.columns]
        call = _call("make_row", arguments)
        if row.times > 1:
            lines.append(f"for _ in range({row.times}):")
            lines.append(_INDENT + call.replace("\n", f"\n{_INDENT}"))
            continue
        lines.append(f"{row.name} = {call}")
        lines += [f"{row.name}.{name} = {source}" for name, source in row.later]
        if row.later:
            lines.append(f"{row.name}.save()")
    return Recipe(("from error_tracking.replay import make_row",), tuple(lines))


def _call(function: str, arguments: list[str]) -> str:
    """Return the call, with an argument per line when it is long."""
    line = f"{function}({', '.join(arguments)})"
    if len(line) + 2 * len(_INDENT) <= LINE_CHARS:
        return line
    lines = [f"{_INDENT}{argument}," for argument in arguments]
    return "\n".join([f"{function}(", *lines, ")"])
