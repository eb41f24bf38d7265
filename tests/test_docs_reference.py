"""The reference pages name what the code has: signatures, log lines, events, templates."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import error_tracking
from error_tracking import replay, services, tasks, testing
from error_tracking.events.event import Event, ExceptionInfo, Frame
from error_tracking.exceptions import TrackerError
from error_tracking.recorder import Health
from error_tracking.report.bug_report import LOCAL, PUBLISHED, BugReport
from error_tracking.trackers import Filed, Tracker

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "error_tracking"
REFERENCE = ROOT / "docs" / "reference"
API = (REFERENCE / "api.md").read_text()
#: Keyword arguments of these are for our integrations, and documented as "…".
HAS_OWN_ARGUMENTS = {"capture_exception", "capture_message"}


def signature_of(name, function):
    """Return *function* as the page writes it: without annotations and ``self``."""
    parts = []
    has_star = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            parts.append(f"**{parameter.name}")
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not has_star:
            has_star = True
            parts.append("*")
        parts.append(parameter.name + default_of(parameter))
    return f"{name}({', '.join(parts)})"


def default_of(parameter):
    default = parameter.default
    if default is parameter.empty:
        return ""
    if isinstance(default, type):
        return f"={default.__name__}"
    return f"={default!r}".replace("'", '"')


def public_functions():
    found = {
        name: signature_of(name, getattr(error_tracking, name))
        for name in error_tracking.__all__
        if name != "__version__"
    }
    for each in (services.ErrorCaptureService, services.BugCreationService, Tracker):
        for name, function in vars(each).items():
            if not name.startswith("_") and callable(function):
                text = signature_of(name, function)
                if each is services.ErrorCaptureService and name in HAS_OWN_ARGUMENTS:
                    text = text.partition("*, ")[0] + "*, …)"
                found[f"{each.__name__}.{name}"] = text
    for name in replay.__all__:
        found[name] = signature_of(name, getattr(replay, name))
    for name in ("captured_events", "recording"):
        text = signature_of(name, getattr(testing, name))
        found[name] = f"error_tracking.testing.{text}"
    found["BugCreationService"] = signature_of(
        "BugCreationService", services.BugCreationService
    )
    found["TrackerError"] = signature_of("TrackerError", TrackerError)
    text = signature_of("create_bug_task", tasks.run)
    found["create_bug_task"] = f"error_tracking.tasks.{text}"
    return found


@pytest.mark.parametrize(
    "signature", [*public_functions().values()], ids=[*public_functions()]
)
def test_every_public_signature_is_documented_as_it_is(signature):
    assert f"`{signature}`" in API


def test_state_of_health_is_documented():
    rows = " ".join(re.findall(r"^\| (`.*?`) \|", API, re.MULTILINE))
    names = {field.name for field in dataclasses.fields(Health)}
    assert names <= set(re.findall(r"`(\w+)`", rows))


def first_columns(page, heading):
    """Return the names in the first column of the tables below *heading*."""
    text = (REFERENCE / page).read_text()
    section = text.partition(f"\n{heading}\n")[2]
    section = re.split(r"\n## ", section)[0]
    cells = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_field_of_an_event_is_documented():
    names = {field.name for field in dataclasses.fields(Event)}
    assert first_columns("event.md", "## Event") == names
    parts = {
        field.name
        for each in (ExceptionInfo, Frame)
        for field in dataclasses.fields(each)
    }
    documented = first_columns("event.md", "## ExceptionInfo and Frame")
    assert documented - {"ExceptionInfo", "Frame"} == parts


def test_every_field_of_a_bug_report_is_documented_with_who_may_see_it():
    page = (ROOT / "docs/how-to/own-tracker.md").read_text()
    rows = re.findall(r"^\| (`.+?`) \| (yes|no) \|", page, re.MULTILINE)
    public = {n for names, is_public in rows for n in names_in(names, is_public, "yes")}
    local = {n for names, is_public in rows for n in names_in(names, is_public, "no")}
    assert public == PUBLISHED
    assert local == LOCAL
    for each in ("marker", "labels", "is_closed", "safe_title", "path_name"):
        assert isinstance(vars(BugReport)[each], property)
        assert f"`{each}`" in page


def names_in(text, value, wanted):
    return re.findall(r"`(\w+)`", text) if value == wanted else []


def test_what_a_tracker_returns_is_documented():
    [sentence] = re.findall(r"`Filed` has (.*?)\.", API, re.DOTALL)
    fields = {field.name for field in dataclasses.fields(Filed)}
    documented = set(re.findall(r"`(\w+)`", sentence))
    assert documented
    assert documented <= fields


#: What waits in an outage: the argument of ``Outage()``.
OUTAGES = ("events wait", "new bugs and their filing wait")


def log_texts():
    """Yield each text of the source that is logged, with the file it is in."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = logged_text(node)
            if text:
                yield pytest.param(text, id=f"{path.stem}: {text[:40]}")


def logged_text(node):
    """Return the text that a call logs, "" where there is none or it is a variable."""
    if not isinstance(node, ast.Call):
        return ""
    name = ast.unparse(node.func)
    is_logger = re.search(
        r"(logger|getLogger\(.*\))\.(debug|info|warning|error|exception)$", name
    )
    is_ours = name.split(".")[-1] in {"log_hourly", "count_failure"}
    if not (is_logger or is_ours) or not node.args:
        return ""
    argument = node.args[0]
    if isinstance(argument, ast.JoinedStr):
        parts = [
            part.value if isinstance(part, ast.Constant) else "…"
            for part in argument.values
        ]
        return "".join(parts)
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value
    return ""


def as_documented(text):
    return re.sub(r"%(\.0)?[sdrf]", "…", text)


@pytest.mark.parametrize("text", [*log_texts()])
def test_every_log_line_is_documented(text):
    page = (REFERENCE / "logging.md").read_text()
    line = as_documented(text)
    # Of a line that begins with a variable, the page has each value it may have.
    beginnings = OUTAGES if line.startswith("…:") else [""]
    for beginning in beginnings:
        documented = beginning + line.removeprefix("…" if beginning else "")
        assert f"`{documented}`" in page or documented.startswith("…; or set")


def test_log_lines_that_are_kept_in_variables_are_documented():
    page = (REFERENCE / "logging.md").read_text()
    source = (SOURCE / "recorder/intake.py").read_text()
    texts = re.findall(r'"(the journals? [^"]*|no journal can be [^"]*)"', source)
    assert len(texts) == 6
    for text in texts:
        line = text.replace("%s", "…").replace("%r", "…")
        assert f"`{line}`" in page


def test_no_log_line_is_documented_that_is_not_there():
    page = (REFERENCE / "logging.md").read_text()
    source = "".join(path.read_text() for path in SOURCE.rglob("*.py"))
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # texts that are split over lines
    for line in re.findall(r"^\| `(.+?)` \| [A-Z]+ \|", page, re.MULTILINE):
        text = line.partition(":")[0] if line.startswith(OUTAGES) else line
        words = max(re.split(r"…|=", text), key=len).strip()
        assert words in source, line


PAGES = ("base_page", "base_fragment", "error", "known_bug", "base_dashboard")


@pytest.mark.parametrize("name", PAGES)
def test_every_block_of_the_pages_is_documented(name):
    page = (REFERENCE / "templates.md").read_text()
    template = SOURCE / f"templates/error_tracking/{name}.html"
    assert f"`error_tracking/{name}.html`" in page
    for block in re.findall(r"{% block (\w+) %}", template.read_text()):
        assert f"`{block}`" in page


def test_every_template_outside_the_admin_is_documented():
    page = (REFERENCE / "templates.md").read_text()
    for path in (SOURCE / "templates/error_tracking").glob("*.*"):
        assert f"`error_tracking/{path.name}`" in page


def test_every_variable_of_the_error_pages_is_documented():
    documented = first_columns("templates.md", "## Error pages")
    source = (SOURCE / "pages/rendering.py").read_text()
    body = source.partition("context: dict[str, Any] = {")[2].partition("}\n")[0]
    names = set(re.findall(r'^\s+"(\w+)":', body, re.MULTILINE))
    names |= {"reference", "bug_id", "public_message", "workaround", "link"}
    assert len(names) > 15
    assert names <= documented


def test_every_template_tag_is_documented():
    from error_tracking.templatetags.error_tracking import register

    page = (REFERENCE / "templates.md").read_text()
    for name in register.tags:
        assert f"{{% {name} %}}" in page
