"""Pictures of the error pages, for the docs: ``python -m tests.browser.screenshots [FOLDER]``."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.browser.pages_settings")

import django
from playwright.sync_api import sync_playwright

django.setup()

from error_tracking.pages import preview  # noqa: E402  needs the apps

DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "images" / "error-pages"
#: Page, language, width, scheme.
PICTURES = [
    ("new", "en", 1280, "light"),
    ("open", "en", 1280, "light"),
    ("in_progress", "en", 1280, "dark"),
    ("resolved", "de", 1280, "light"),
    ("404_own", "fr", 1280, "light"),
    ("503_until", "es", 1280, "light"),
    ("csrf", "en", 320, "light"),
    ("open", "de", 320, "dark"),
]


def take(folder: Path, pictures: list[tuple[str, str, int, str]]) -> None:
    """Write one PNG for each of *pictures*, and print its path."""
    folder.mkdir(parents=True, exist_ok=True)
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        for name, language, width, scheme in pictures:
            page = browser.new_page(
                viewport={"width": width, "height": 720}, color_scheme=scheme
            )
            page.set_content(preview.page_for(name, language))
            path = folder / f"{name}-{language}-{width}-{scheme}.png"
            page.screenshot(path=path, full_page=True)
            print(path)
            page.close()
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS, PICTURES)
