"""
How Sphinx builds the documentation: Markdown by MyST, the theme Furo.

``make docs`` runs it, and treats each warning as an error: a link that leads nowhere,
a page that is in no table of contents, code that cannot be highlighted.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
#: Where links to files outside of docs/ lead, such as those to the source.
REPOSITORY = PYPROJECT["project"]["urls"]["Repository"]

project = PYPROJECT["project"]["name"]
author = "the django-error-tracking contributors"
version = release = re.findall(
    r'^__version__ = "(.+)"',
    (ROOT / "src/error_tracking/__init__.py").read_text(encoding="utf-8"),
    re.MULTILINE,
)[0]

extensions = ["myst_parser"]
language = "en"

# Headings have the same anchors as on GitHub, so that links work in both places.
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"{project} {version}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["docs.css"]

# Addresses of examples, of the project itself until it is public, and those that answer
# programs otherwise than people. Only `make docs LINKS=1` asks the others.
linkcheck_ignore = [
    r"https?://(localhost|127\.0\.0\.1)",
    r"https?://[\w.-]+\.example\b",
    re.escape(REPOSITORY),
]
linkcheck_timeout = 20
linkcheck_anchors = False


def link_to_repository(app: Sphinx, page: str, source: list[str]) -> None:
    """Make links that leave docs/ lead to the public repository."""
    folder = (DOCS / page).parent

    def absolute(match: re.Match[str]) -> str:
        target = (folder / match[1]).resolve()
        if target.is_relative_to(DOCS):
            return match[0]
        path = target.relative_to(ROOT).as_posix()
        anchor = match[2] or ""
        return f"]({REPOSITORY}/blob/main/{path}{anchor})"

    source[0] = re.sub(r"\]\((\.\./[^)#\s]+)(#[^)\s]*)?\)", absolute, source[0])


def setup(app: Sphinx) -> None:
    """Connect what is ours to Sphinx."""
    app.connect("source-read", link_to_repository)
