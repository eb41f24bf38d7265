"""The friendly page in a real browser: a whole page that needs nothing from the network."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess

import pytest

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
