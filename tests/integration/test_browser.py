"""The friendly page in a real browser: a whole page that needs nothing from the network."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess

import pytest

from error_tracking.pages import preview

from .site import Site, database

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return name
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail("Chromium is not installed")
    pytest.skip("Chromium is not installed")


def browse(chromium, folder, url, *arguments):
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={folder / 'profile'}",
        *arguments,
        url,
    ]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=90
    )


@pytest.mark.django_db
def test_name_beside_a_logo_without_a_size_stays_on_one_line(
    tmp_path, chromium, configure
):
    """A browser knows the width of such a logo only after it has measured the link."""
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'></svg>")
    configure(SITE={"name": "Acme Shop", "logo": str(logo)})
    page = tmp_path / "page.html"
    script = (
        "<script>"
        "const name = document.querySelector('.site span');"
        "const line = parseFloat(getComputedStyle(name).lineHeight);"
        "document.title = 'lines: ' + Math.round(name.offsetHeight / line);"
        "</script></body>"
    )
    page.write_text(preview.page_for("new", "en").replace("</body>", script))
    dom = browse(chromium, tmp_path, page.as_uri(), "--dump-dom").stdout
    assert "lines: 1<" in dom


def test_friendly_page_is_a_whole_page_in_a_browser(tmp_path, chromium):
    with (
        database("sqlite", tmp_path) as environment,
        Site(tmp_path, environment) as site,
    ):
        url = f"http://127.0.0.1:{site.port}/crash/"
        dom = browse(chromium, tmp_path, url, "--dump-dom").stdout
        assert (
            "<h1>Something went wrong</h1>" in dom
            or "<h1>We know about this problem</h1>" in dom
        )
        assert re.search(r"<code[^>]*>[0-9a-f]{10}</code>", dom)
        assert 'lang="en"' in dom
        assert not re.search(r'(?:src|href)="(?!/")', dom), "the page loads nothing"
        picture = tmp_path / "page.png"
        browse(
            chromium, tmp_path, url, "--window-size=390,844", f"--screenshot={picture}"
        )
        width, height = struct.unpack(">II", picture.read_bytes()[16:24])
        assert (width, height) == (390, 844)
