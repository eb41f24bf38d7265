"""
The generated test of a bug: it repeats the failure, and is never content without it.

Names are real as far as the project knows them, values are placeholders. What the test
decides itself is in :mod:`error_tracking.replay`. Values in, text out: uses no database.
"""

from __future__ import annotations

import re
import textwrap
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
DIGEST_HINT = (
    "# The failure as it was recorded. The hexadecimal digits are digests of source code:\n"
    "# they show whether the code has changed since."
)
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
    name = re.sub(r"[^a-z0-9]+", "_", report.title.lower()).strip("_")
    if len(name) > TEST_NAME_CHARS:
        # Whole words, as far as they fit.
        whole_words = name[: TEST_NAME_CHARS + 1].rpartition("_")[0]
        name = whole_words or name[:TEST_NAME_CHARS]
    return name or "bug"


# What was recorded


def _failure_lines(report: BugReport) -> list[str]:
    arguments = [_what_failed(report)]
    is_refusal = not report.exception_type and report.status_code in CLIENT_ERROR
    if not is_refusal:
        arguments += _where_it_failed(report)
    lines = [f"FAILURE = {_call('Failure', arguments, indent=0)}", ""]
    if any(argument.startswith(("stack=", "app=")) for argument in arguments):
        lines.insert(0, DIGEST_HINT)
    return lines


def _what_failed(report: BugReport) -> str:
    """Return the argument that says by what the failure is recognised."""
    if report.exception_type:
        return f"type={python(report.exception_type)}"
    if report.status_code:
        return f"status={python(report.status_code)}"
    return f"title={python(report.title)}"


def _where_it_failed(report: BugReport) -> list[str]:
    """Return the arguments that say through which code the failure came."""
    setup = report.setup
    arguments = []
    if setup.places:
        places = [f"{_INDENT}{_place_source(place)}," for place in setup.places]
        arguments.append("\n".join(["stack=[", *places, "]"]))
    if setup.line:
        arguments.append(f"line={python(setup.line)}")
    app, digest = setup.app
    if digest:
        arguments.append(f"app=({python(app)}, {python(digest)})")
    return arguments


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
    has_user = _has_user(report)
    if has_user:
        recipe += _user_recipe(report)
    data = data_recipe(report)
    recipe += data
    has_data = bool(data.lines)
    arguments = [client, python(method_of(report)), python(_address(report))]
    if has_data:
        arguments.append("data")
    if has_user:
        arguments.append("user=user")
    if headers:
        arguments.append(f"headers={{{', '.join(headers)}}}")
    arguments += _setup_arguments(report, has_data=has_data)
    arguments.append("failure=FAILURE")
    return recipe + Recipe(lines=(_call("replay", arguments),))


def _has_user(report: BugReport) -> bool:
    is_known_user = report.setup.user_kind in {"plain", "staff", "superuser"}
    return is_known_user or report.is_signed_in


def _setup_arguments(report: BugReport, *, has_data: bool) -> list[str]:
    """Return the arguments for what the request had besides address, data and user."""
    setup = report.setup
    arguments = []
    if setup.credentials:
        arguments.append(f"credentials={python(list(setup.credentials))}")
    if setup.session:
        arguments.append(f"session={python(placeholder_for(setup.session))}")
    is_json = report.is_json or (method_of(report) != "POST" and not setup.is_form)
    if has_data and is_json:
        arguments.append('content_type="application/json"')
    if setup.host:
        arguments.append(f"host={python(setup.host)}")
    if setup.is_secure:
        arguments.append("secure=True")
    if setup.script_name:
        arguments.append(f"script_name={python(setup.script_name)}")
    return arguments


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


def _call(function: str, arguments: list[str], *, indent: int = 2) -> str:
    """
    Return the call, with an argument per line when it is long.

    Args:
        function: Its name.
        arguments: Python source; one of several lines begins a new line in each of them.
        indent: How deeply the test has it.
    """
    line = f"{function}({', '.join(arguments)})"
    if "\n" not in line and len(line) + indent * len(_INDENT) <= LINE_CHARS:
        return line
    lines = [textwrap.indent(f"{argument},", _INDENT) for argument in arguments]
    return "\n".join([f"{function}(", *lines, ")"])
