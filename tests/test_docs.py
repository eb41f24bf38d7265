"""The documents say what the code does: settings, checks, signals, links, code."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.dispatch import Signal

from error_tracking import checks, conf, signals

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
SETTINGS = (ROOT / "docs/reference/settings.md").read_text()
CHECKS = (ROOT / "docs/reference/checks.md").read_text()
API = (ROOT / "docs/reference/api.md").read_text()
ADMIN = (ROOT / "docs/reference/admin.md").read_text()
MODELS = (ROOT / "docs/reference/models.md").read_text()
INDEX = (ROOT / "docs/index.md").read_text()


@pytest.mark.parametrize(
    "field", dataclasses.fields(conf.Settings), ids=lambda field: field.name
)
def test_every_setting_is_documented_with_its_default(field):
    [row] = [
        line for line in SETTINGS.splitlines() if line.startswith(f"| `{field.name}` |")
    ]
    default = row.split("|")[3].strip().strip("`")
    assert ast.literal_eval(default) == field.default


def test_no_document_names_a_setting_that_is_not_there():
    names = {field.name for field in dataclasses.fields(conf.Settings)}
    documented = re.findall(
        r"^\| `([A-Z_]+)` \|", SETTINGS + (ROOT / "README.md").read_text(), re.MULTILINE
    )
    assert set(documented) == names


def test_checks_and_their_page_agree():
    source = Path(checks.__file__).read_text()
    assert set(re.findall(r"error_tracking\.[EW]\d{3}", source)) == set(
        re.findall(r"error_tracking\.[EW]\d{3}", CHECKS)
    )


def test_every_signal_is_documented():
    for name, value in vars(signals).items():
        if isinstance(value, Signal):
            assert f"| `{name}` |" in API


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_tour_leads_to_functions_that_exist():
    page = ROOT / "docs/explanation/architecture.md"
    tour = page.read_text().partition("## A guided tour")[2].partition("\n## ")[0]
    stops = re.findall(r"\[`(\w+)\(\)`\]\(([^)]+)\)", tour)
    assert len(stops) > 4
    for name, target in stops:
        source = (page.parent / target).read_text()
        assert re.search(rf"^ *def {name}\(", source, re.MULTILINE), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_in_the_documents_is_python(page):
    for indent, block in re.findall(
        r"^( *)```python\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL
    ):
        ast.parse(re.sub(rf"^{indent}", "", block, flags=re.MULTILINE))


def test_readme_counts_the_settings():
    count = len(dataclasses.fields(conf.Settings))
    assert f"All {count} are in" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "model",
    [*apps.get_app_config("error_tracking").get_models()],
    ids=lambda each: each.__name__,
)
def test_every_model_is_documented_with_its_fields(model):
    named = set(re.findall(r"`(\w+)`", MODELS)) | set(
        re.findall(r"^## (\w+)$", MODELS, re.MULTILINE)
    )
    fields = {field.name for field in model._meta.local_fields} - {
        "id",
        "created",
        "modified",
    }
    assert {model.__name__} | fields <= named


def test_every_action_of_the_admin_is_documented():
    from django.contrib import admin

    ours = [
        each
        for model, each in admin.site._registry.items()
        if model._meta.app_label == "error_tracking"
    ]
    names = {action for each in ours for action in each.actions}
    assert names
    assert names <= set(re.findall(r"`(\w+)`", ADMIN))


def test_every_page_is_in_the_index():
    linked = {
        (ROOT / "docs" / target).resolve()
        for target in re.findall(r"\]\(([^)#:]+)\)", INDEX)
    }
    pages = {page.resolve() for page in PAGES if page.name != "index.md"}
    assert pages == linked
