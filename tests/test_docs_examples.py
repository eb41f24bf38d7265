"""The examples of the documentation are right: settings, imports, commands, addresses."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from error_tracking import conf
from error_tracking.setting_rules import RULES

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    page
    for page in [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
    if page.name not in {"CHANGELOG.md", "changelog.md"}
]
#: What stands in examples for a value of the environment: it suits every setting.
FROM_ENVIRONMENT = "https://hooks.slack.com/services/T0/B0/made-up"


def name_of(page):
    return str(page.relative_to(ROOT))


def python_blocks(page):
    """Yield the syntax trees of the Python blocks of *page*."""
    pattern = r"^( *)```python\n(.*?)^ *```"
    for indent, block in re.findall(
        pattern, page.read_text(), re.MULTILINE | re.DOTALL
    ):
        yield ast.parse(re.sub(rf"^{indent}", "", block, flags=re.MULTILINE))


class _WithoutEnvironment(ast.NodeTransformer):
    """Replaces ``os.environ[…]`` by a value."""

    def visit_Subscript(self, node):
        if ast.unparse(node.value) == "os.environ":
            return ast.Constant(FROM_ENVIRONMENT)
        return node


def settings_in(page):
    """Yield each dict that an example assigns to ERROR_TRACKING."""
    for tree in python_blocks(page):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Assign)
                and ast.unparse(node.targets[0]) == "ERROR_TRACKING"
            ):
                yield ast.literal_eval(_WithoutEnvironment().visit(node.value))


EXAMPLES = [
    pytest.param(given, id=f"{name_of(page)}: {', '.join(given)}")
    for page in PAGES
    for given in settings_in(page)
]


def test_documents_have_examples_of_settings():
    assert len(EXAMPLES) > 20


@pytest.mark.parametrize("given", EXAMPLES)
def test_settings_of_every_example_are_valid(given):
    assert conf.read(given).problems == ()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_settings_in_sentences_are_valid(page):
    """Such as ``DISABLE = ["mail"]`` in the middle of a line."""
    for name, text in re.findall(r"`([A-Z_]{4,}) = ([^`]+)`", page.read_text()):
        if name in RULES:
            value = ast.literal_eval(text)
            assert conf.read({name: value}).problems == (), f"{name} = {text}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_an_example_imports_from_us_is_there(page):
    for tree in python_blocks(page):
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "error_tracking"
            ):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name), alias.name


def dotted_names(page):
    """Yield what *page* names as ``error_tracking.….name``, as code."""
    found = re.findall(r"`(error_tracking(?:\.\w+)+)(?:\([^`]*\))?`", page.read_text())
    # Permissions, checks and tasks have names of the same form.
    permission = re.compile(r"\.(view|add|change|delete|file)_\w+$|\.[EW]\d+$")
    tasks = {"error_tracking.create_bug_task", "error_tracking.sync"}
    return [name for name in found if not permission.search(name) and name not in tasks]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_dotted_names_lead_to_something(page):
    for name in dotted_names(page):
        assert is_there(name), name


def is_there(name):
    module_name, _, attributes = name.partition(".")
    found = importlib.import_module(module_name)
    for attribute in attributes.split("."):
        module_name = f"{module_name}.{attribute}"
        if not hasattr(found, attribute):
            try:
                found = importlib.import_module(module_name)
            except ImportError:
                return False
        else:
            found = getattr(found, attribute)
    return True


def commands_in(page):
    """Yield our commands in *page* with their arguments, as lists of words."""
    text = page.read_text()
    found = re.findall(
        r"(?:manage\.py|^\$ sudo -u \S+ python manage\.py) (error_tracking_\w+[^\n`|]*)",
        text,
        re.MULTILINE,
    )
    found += re.findall(r"`(error_tracking_\w+ [a-z-][^`\[…]*)`", text)
    for command in found:
        words = shlex.split(command.rstrip(".,;:*)"), comments=True)
        if not any(word.isupper() and word.isalpha() for word in words):
            yield words


COMMANDS = [
    pytest.param(words, id=f"{name_of(page)}: {' '.join(words)}")
    for page in PAGES
    for words in commands_in(page)
]


def test_documents_have_examples_of_commands():
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_of_an_example_can_be_called_like_that(words):
    name, *arguments = words
    assert get_commands()[name] == "error_tracking"
    command = load_command_class("error_tracking", name)
    parser = command.create_parser("manage.py", name)
    parser.parse_args(arguments)
