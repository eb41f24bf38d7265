"""The documents say what the code does: settings, checks, signals, links, code."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import tomllib
from pathlib import Path

import pytest
from django.apps import apps
from django.dispatch import Signal

from error_tracking import checks, conf, signals

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text()
SETTINGS = (ROOT / "docs/reference/settings.md").read_text()
CHECKS = (ROOT / "docs/reference/checks.md").read_text()
SIGNALS = (ROOT / "docs/reference/signals.md").read_text()
ADMIN = (ROOT / "docs/reference/admin.md").read_text()
MODELS = (ROOT / "docs/reference/models.md").read_text()


def name_of(page):
    return str(page.relative_to(ROOT))


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
    documented = re.findall(r"^\| `([A-Z_]+)` \|", SETTINGS + README, re.MULTILINE)
    assert set(documented) == names


def test_checks_and_their_page_agree():
    source = Path(checks.__file__).read_text()
    assert set(re.findall(r"error_tracking\.[EW]\d{3}", source)) == set(
        re.findall(r"error_tracking\.[EW]\d{3}", CHECKS)
    )


def test_checks_are_in_order():
    rows = re.findall(r"^\| (error_tracking\.[EW]\d{3}) \|", CHECKS, re.MULTILINE)
    assert rows == sorted(rows)


def test_every_signal_is_documented():
    for name, value in vars(signals).items():
        if isinstance(value, Signal):
            assert f"| `{name}` |" in SIGNALS


@pytest.mark.parametrize("page", PAGES, ids=name_of)
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


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_in_the_documents_is_python(page):
    for indent, block in re.findall(
        r"^( *)```python\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL
    ):
        ast.parse(re.sub(rf"^{indent}", "", block, flags=re.MULTILINE))


def test_readme_counts_the_settings():
    count = len(dataclasses.fields(conf.Settings))
    assert f"All {count} are in" in README


def test_defaults_in_the_readme_are_those_of_the_code():
    rows = re.findall(r"^\| `([A-Z_]+)` \| `(.*?)` \|", README, re.MULTILINE)
    assert rows
    defaults = conf.Settings()
    for name, text in rows:
        default = getattr(defaults, name)
        if isinstance(default, tuple):
            default = [*default]
        assert ast.literal_eval(text) == default


def test_links_of_the_readme_are_absolute_and_lead_to_files_of_the_repository():
    """A package index shows the page, and has no other file of ours."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    repository = project["urls"]["Repository"]
    targets = re.findall(r"\]\(([^)]+)\)", README)
    ours = [target for target in targets if target.startswith(repository)]
    assert len(ours) > 15
    for target in ours:
        kind, branch, path = target.removeprefix(f"{repository}/").split("/", 2)
        is_image = path.endswith(".png")
        assert (kind, branch) == ("raw" if is_image else "blob", "main")
        assert (ROOT / path).is_file(), path
    for target in set(targets) - set(ours):
        assert target.startswith("https://cli.github.com")


def test_numbers_of_the_readme_are_those_of_the_benchmarks():
    found = json.loads((ROOT / "docs/benchmarks.json").read_text())
    attacks = found["attacks"].values()
    assert "3 bugs were created each time" in README
    assert {attack["bugs"] for attack in attacks} == {3}
    assert min(attack["served"] for attack in attacks) > 2_000
    assert "filed within 2 seconds" in README
    assert max(attack["seconds to bug"] for attack in attacks) < 2
    assert "less than 50 µs" in README
    assert max(found["page"].values()) < 50
    secrets = found["secrets"]
    ours, theirs = secrets["django-error-tracking"], secrets["sentry-sdk"]
    assert f"Of {ours['plants']} planted secrets none is stored" in README
    assert ours["whole"] == ours["part"] == 0
    assert f"sends {theirs['whole']} of them" in README


def test_ratios_of_the_readme_are_near_those_of_the_benchmarks():
    found = json.loads((ROOT / "docs/benchmarks.json").read_text())
    paired = found["paired"]
    assert "without an error is 2 % slower" in README
    assert paired["request without an error"]["ratio"] < 1.03
    assert "takes about twice as long, a repeated one about a sixth longer" in README
    assert 1.5 < paired["failing request, stored whole"]["ratio"] < 2.5
    assert 1.05 < paired["failing request, repeated"]["ratio"] < 1.3
    assert "a third fewer requests per second" in README
    threads = found["storms"]["1 worker, 8 threads"]["django-error-tracking"]
    assert 0.55 < threads["share"] < 0.8


def test_readme_and_the_bug_file_agree_about_generated_tests():
    page = (ROOT / "docs/reference/bug-file.md").read_text()
    assert "| fails for the right reason, passes with the fix | 73 |" in page
    assert "| is green with the bug | 0 |" in page
    assert "Of 81 generated tests, 73 fail for the right reason" in README


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


def pages_below(index):
    """Return the pages that the tables of contents of *index* lead to, and its own."""
    found = {index}
    for entries in re.findall(r"```{toctree}\n(.*?)```", index.read_text(), re.DOTALL):
        for entry in entries.splitlines():
            if entry and not entry.startswith(":"):
                found |= pages_below((index.parent / f"{entry}.md").resolve())
    return found


def test_every_page_is_in_a_table_of_contents():
    pages = {page.resolve() for page in (ROOT / "docs").rglob("*.md")}
    assert pages_below(ROOT / "docs/index.md") == pages


def test_every_how_to_says_in_its_title_what_it_is_about():
    titles = [
        page.read_text().partition("\n")[0]
        for page in sorted((ROOT / "docs/how-to").glob("*.md"))
    ]
    assert len(titles) > 20
    assert all(title.startswith("# ") for title in titles)
    assert len(set(titles)) == len(titles)
