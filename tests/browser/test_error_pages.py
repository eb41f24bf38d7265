"""Every error page as people see it: it fits, it can be read, and it needs nothing else."""

from __future__ import annotations

import itertools
import os

import pytest
from axe_playwright_python.sync_playwright import Axe

from error_tracking.pages import preview

pytestmark = pytest.mark.integration

LANGUAGES = ("en", "de", "fr", "es")
WIDTHS = (320, 640, 1280)
SCHEMES = ("light", "dark")
#: All pages in all languages, widths and schemes take some minutes: ERROR_PAGES_ALL=1.
EVERYTHING = list(itertools.product(preview.NAMES, LANGUAGES, WIDTHS, SCHEMES))
SAMPLE = [
    (name, LANGUAGES[number % 4], WIDTHS[number % 3], SCHEMES[number % 2])
    for number, name in enumerate(preview.NAMES)
]
CASES = EVERYTHING if os.environ.get("ERROR_PAGES_ALL") else SAMPLE


def opened(browser, width=1280, scheme="light", **more):
    """Return a new page, and lists of what it asks for and complains about."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, **more
    )
    page = context.new_page()
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page, requests, complaints


def complaints_of(complaints):
    """Return *complaints* without the browser's note that the status is an error."""
    return [
        text for text in complaints if "the server responded with a status" not in text
    ]


@pytest.mark.parametrize(("name", "language", "width", "scheme"), CASES)
def test_page_fits_needs_nothing_and_can_be_read(
    browser, site, name, language, width, scheme
):
    address = f"{site}/page/{name}/?language={language}"
    page, requests, complaints = opened(browser, width, scheme)
    page.goto(address)
    assert page.locator("html").get_attribute("lang") == language
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate(
        "getComputedStyle(document.querySelector('main')).backgroundColor"
    )
    assert (
        background == {"light": "rgb(255, 255, 255)", "dark": "rgb(28, 34, 41)"}[scheme]
    )
    others = [url for url in requests if url != address and "favicon" not in url]
    assert others == []
    assert complaints_of(complaints) == []
    page.context.close()
    # Axe is a script, which the site's policy does not let in.
    page, _, _ = opened(browser, width, scheme, bypass_csp=True)
    page.goto(address)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.context.close()


@pytest.mark.parametrize("width", [320, 1280])
def test_page_from_right_to_left_is_mirrored(browser, site, width):
    page, _, complaints = opened(browser, width)
    page.goto(f"{site}/page/open/?dir=rtl")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    note = page.locator(".note").bounding_box()
    main = page.locator("main").bounding_box()
    home = page.locator(".links a").first.bounding_box()
    right_gap = main["x"] + main["width"] - (home["x"] + home["width"])
    left_gap = home["x"] - main["x"]
    assert right_gap < left_gap
    assert note["x"] >= main["x"]
    assert complaints_of(complaints) == []
    page.context.close()


def test_keyboard_reaches_each_link_and_shows_where_it_is(browser, site):
    page, _, _ = opened(browser)
    page.goto(f"{site}/page/404/")
    links = page.locator("a").count()
    seen = []
    for _ in range(links):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.textContent.trim()"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
    assert seen == ["Acme Shop", "Home page", "Search", "Contact us"]
    page.context.close()


def test_page_prints_without_buttons(browser, site):
    page, _, _ = opened(browser)
    page.goto(f"{site}/page/new/")
    page.emulate_media(media="print")
    assert not page.locator(".links").is_visible()
    assert page.locator("code").is_visible()
    page.context.close()


def test_failure_under_the_policy_of_a_middleware_around_ours_has_its_style(
    browser, site
):
    page, _, complaints = opened(browser)
    response = page.goto(f"{site}/crash/")
    assert response.status == 500
    assert "secret" not in page.content()
    radius = page.evaluate(
        "getComputedStyle(document.querySelector('main')).borderRadius"
    )
    assert radius == "16px"
    assert complaints_of(complaints) == []
    page.context.close()


def test_htmx_shows_the_message_of_a_failed_request_once(browser, site):
    page, _, complaints = opened(browser)
    page.goto(f"{site}/")
    for _ in range(2):
        page.get_by_role("button", name="Pay").click()
        page.locator(".error-tracking-error h2").wait_for()
    message = page.get_by_role("alert")
    assert message.count() == 1
    assert message.is_visible()
    assert "Something went wrong" in message.text_content() or (
        "We know about this problem" in message.text_content()
    )
    assert page.get_by_role("heading", name="Shop").is_visible()
    box = message.bounding_box()
    assert box["y"] + box["height"] <= 800
    left = [text for text in complaints_of(complaints) if "Response Status" not in text]
    assert left == []
    page.context.close()


def test_boosted_link_that_fails_gets_the_whole_page(browser, site):
    page, _, _ = opened(browser)
    response = page.request.get(
        f"{site}/crash/", headers={"HX-Request": "true", "HX-Boosted": "true"}
    )
    assert response.text().startswith("<!doctype html>")
    page.context.close()
