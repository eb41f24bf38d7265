"""Pictures of the admin's pages, for the docs: ``python -m tests.browser.admin_screenshots [FOLDER]``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import filled, running

DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "images" / "admin"
ADMIN = "/admin/error_tracking/"
#: Name, address, width, scheme.
PICTURES = [
    ("dashboard", f"{ADMIN}dashboard/?period=30d", 1440, "light"),
    ("dashboard", f"{ADMIN}dashboard/?period=30d", 1440, "dark"),
    ("dashboard", f"{ADMIN}dashboard/?period=30d", 360, "light"),
    ("bugs", f"{ADMIN}knownbug/", 1440, "light"),
    ("bugs", f"{ADMIN}knownbug/", 360, "dark"),
    ("bug", "", 1440, "light"),
    ("bug", "", 1440, "dark"),
    ("bug", "", 360, "light"),
    ("error-logs", f"{ADMIN}errorlog/", 1440, "light"),
    ("not-bugs", f"{ADMIN}errorgroup/", 1440, "light"),
]


def take(folder: Path, address: str) -> None:
    """Write one PNG for each of ``PICTURES``, and print its path."""
    folder.mkdir(parents=True, exist_ok=True)
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        for name, path, width, scheme in PICTURES:
            page = browser.new_page(
                viewport={"width": width, "height": 900}, color_scheme=scheme
            )
            page.goto(f"{address}/admin/login/")
            page.fill("#id_username", "admin")
            page.fill("#id_password", "admin")
            page.click("[type=submit]")
            if path:
                page.goto(f"{address}{path}")
            else:
                # The bug that needs somebody most.
                page.goto(f"{address}{ADMIN}dashboard/")
                page.locator(".et-need a").first.click()
            target = folder / f"{name}-{width}-{scheme}.png"
            page.screenshot(path=target)
            print(target)
            page.close()
        browser.close()


if __name__ == "__main__":
    wanted = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    with tempfile.TemporaryDirectory() as temporary:
        site = running("tests.browser.admin_settings", Path(temporary), filled)
        with site as (served, _manage):
            take(wanted, served)
