"""The admin as the person on call uses it: the first screens answer, and every step works."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = pytest.mark.integration

DASHBOARD = "/admin/error_tracking/dashboard/"
BUGS = "/admin/error_tracking/knownbug/"
LISTS = (BUGS, "/admin/error_tracking/errorlog/", "/admin/error_tracking/errorgroup/")
NEW_BUG = "unsupported operand"
FIRST_SCREEN = 900

#: The questions of whoever is on call, and where the page of a bug answers them.
QUESTIONS = {
    "what broke": "h1.et-message",
    "since when": ".et-facts dt:has-text('Since') + dd",
    "for how many people": ".et-facts dt:has-text('People') + dd",
    "where in the code": ".et-failing >> nth=0",
    "with which input": ".et-variables >> nth=0",
    "whether it is new in this release": ".et-badge:has-text('new in')",
    "who works on it": ".et-facts dt:has-text('Who') + dd",
    "what to do next": ".et-actions button:has-text('Resolve') >> nth=0",
}
#: Elements that stick out of the page's content.
TOO_WIDE = """() => {
  const limit = document.querySelector('#content').getBoundingClientRect();
  const found = [];
  for (const each of document.querySelectorAll('#content *')) {
    if (!each.checkVisibility()) continue;
    const box = each.getBoundingClientRect();
    if (box.width && (box.right > limit.right + 1 || box.left < limit.left - 1)) {
      found.push(each.tagName + '.' + each.className + ' ' + Math.round(box.right));
    }
  }
  return found;
}"""


class Visit:
    """A signed-in browser window that keeps what the page complains about."""

    def __init__(self, browser, address, width=1440, scheme="light", **more):
        self.address = address
        context = browser.new_context(
            viewport={"width": width, "height": FIRST_SCREEN},
            color_scheme=scheme,
            **more,
        )
        self.page = context.new_page()
        self.complaints = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.open("/admin/login/")
        self.page.fill("#id_username", "admin")
        self.page.fill("#id_password", "admin")
        self.page.click("[type=submit]")

    def open(self, path):
        response = self.page.goto(f"{self.address}{path}")
        assert response.status == 200, path
        return self.page

    def said(self):
        return " ".join(self.page.locator(".messagelist, .et-undo").all_inner_texts())


@pytest.fixture(autouse=True)
def _shop_as_it_was(shop):
    """Put back what a test resolves or deletes, so that the order of the tests does not matter."""
    yield
    restore = shop[2]
    restore()


@pytest.fixture
def visit(browser, shop):
    visits = []

    def begin(**values):
        begun = Visit(browser, shop[0], **values)
        visits.append(begun)
        return begun

    yield begin
    for begun in visits:
        assert begun.complaints == []
        begun.page.context.close()


def follow(control):
    """Click *control*, and wait for the page that it leads to."""
    with control.page.expect_navigation():
        control.click()


def new_bug(window):
    """Open the page of the new bug from the dashboard."""
    page = window.open(DASHBOARD)
    follow(page.locator(".et-need a", has_text=NEW_BUG).first)
    return page


def act(page, menu, label):
    """Open a *menu* of the page of a bug, where it has one, and press *label*."""
    if menu:
        page.locator("summary", has_text=menu).first.click()
    follow(page.locator("button:visible", has_text=label).first)


@pytest.mark.parametrize("question", QUESTIONS)
def test_first_screen_of_a_bug_answers(visit, question):
    page = new_bug(visit())
    answer = page.locator(QUESTIONS[question]).first
    assert answer.is_visible()
    assert answer.inner_text().strip() not in {"", "-"}
    box = answer.bounding_box()
    assert box["y"] >= 0
    assert box["y"] + min(box["height"], 40) <= FIRST_SCREEN


def test_first_screen_of_the_dashboard_is_what_needs_attention(visit):
    page = visit().open(DASHBOARD)
    rows = page.locator(".et-need")
    assert NEW_BUG in rows.first.inner_text()
    assert "which runs now" in rows.first.inner_text()
    last = page.locator(".et-needs").bounding_box()
    assert last["y"] + last["height"] <= FIRST_SCREEN


def test_person_on_call_takes_a_bug_from_the_dashboard_to_the_end(visit, shop):
    window = visit()
    page = new_bug(window)
    bug_page = page.url.partition("?")[0]
    name = page.locator(".et-id").inner_text()
    page.locator("summary", has_text="Copy for an agent").click()
    text = page.locator("textarea[data-et-copy]").input_value()
    assert "TypeError" in text
    assert "acme/orders/services.py" in text
    act(page, "", "Assign to me")
    assert "Assigned to you" in window.said()
    act(page, "", "Resolve")
    assert "Resolved" in window.said()
    shop[1](
        "shell",
        "-v0",
        "-c",
        "from django.utils import timezone\n"
        "from error_tracking.models import KnownBug\n"
        f"bugs = KnownBug.objects.filter(bug_id={name!r})\n"
        "assert bugs.regress(timezone.now(), '9999.1')",
    )
    page.goto(bug_page)
    assert "regressed" in page.locator(".et-badges").inner_text().lower()
    page.locator("summary", has_text="Mute").first.click()
    page.locator("label", has_text="10 more times").locator("input[type=radio]").check()
    follow(page.locator("button:visible", has_text="Mute").last)
    assert "Muted until it happened 10 more times" in window.said()
    assert "muted for 10 more times" in page.locator(".et-badges").inner_text()
    # The same error was a bug before: the new one is merged into it.
    page.goto(f"{window.address}{BUGS}?view=open")
    other = page.locator(".field-bug_id").first.inner_text()
    page.goto(bug_page)
    page.locator("summary", has_text="More").click()
    page.locator("input[name=into]").fill(other)
    follow(page.locator("button:visible", has_text="Merge…"))
    page.locator("label", has_text=other).locator("input").check()
    follow(page.locator(".et-actions button", has_text="Merge"))
    assert f"1 bug merged into {other}." in window.said()
    page.goto(bug_page)
    assert f"Merged into {other}" in page.locator(".et-banner").first.inner_text()
    follow(page.locator(".et-undo button"))
    assert "Undone" in window.said()
    page.goto(bug_page)
    assert "muted for 10 more times" in page.locator(".et-badges").inner_text()
    assert "Merged into" not in page.locator(".et-bug").inner_text()


def test_two_bugs_are_merged_and_separated_again(visit):
    window = visit()
    page = window.open(f"{BUGS}?view=open")
    before = page.locator("input[name=_selected_action]").count()
    for number in (1, 2):
        page.locator("input[name=_selected_action]").nth(number).check()
    follow(page.locator(".et-bulk button[value=merge]"))
    assert page.locator("input[name=survivor]").count() == 2
    follow(page.locator(".et-actions button", has_text="Merge"))
    assert "merged" in window.said()
    follow(page.locator(".et-undo button"))
    page.goto(f"{window.address}{BUGS}?view=open")
    assert page.locator("input[name=_selected_action]").count() == before


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("width", [1280, 360])
def test_nothing_of_a_list_sticks_out(visit, path, width):
    page = visit(width=width).open(path)
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1280, 360])
def test_menus_of_a_bug_open_one_at_a_time_and_stay_on_the_page(visit, width):
    page = new_bug(visit(width=width))
    menus = page.locator(".et-actions .et-menu")
    assert menus.count() >= 5
    for number in range(menus.count()):
        menus.nth(number).locator("summary").click()
        assert page.locator(".et-actions .et-menu[open]").count() == 1
        panel = page.locator(".et-menu[open] > :not(summary)").bounding_box()
        assert panel["x"] >= 0
        assert panel["x"] + panel["width"] <= width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Escape")
    assert page.locator(".et-menu[open]").count() == 0
    # Whoever works with the keyboard goes on where the menu was.
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_where_a_bug_was_filed_fits(visit):
    page = new_bug(visit(width=1280))
    table = page.locator(".et-filings")
    assert table.evaluate("each => each.scrollWidth <= each.parentElement.clientWidth")


def test_occurrences_are_stepped_through_with_the_keyboard(visit):
    page = new_bug(visit())
    shown = page.locator(".et-occurrence strong")
    assert shown.inner_text().startswith("Occurrence 1 of ")
    for key, number in (("j", 2), ("j", 3), ("k", 2)):
        with page.expect_navigation():
            page.keyboard.press(key)
        assert shown.inner_text().startswith(f"Occurrence {number} of ")


def test_buttons_show_the_focus(visit):
    page = new_bug(visit())
    page.locator("h1.et-message").evaluate("each => each.scrollIntoView()")
    button = page.locator(".et-actions button", has_text="Start work")
    page.locator(".et-actions button").first.focus()
    for _ in range(9):
        page.keyboard.press("Tab")
        if button.evaluate("each => each === document.activeElement"):
            break
    outline = "each => getComputedStyle(each).outlineStyle"
    assert button.evaluate(outline) == "solid"


@pytest.mark.parametrize("path", [DASHBOARD, "/errors/"])
@pytest.mark.parametrize("width", [1440, 360])
def test_dashboard_fits(visit, path, width):
    page = visit(width=width).open(f"{path}?period=90d")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [DASHBOARD, "/errors/", *LISTS, "bug"])
def test_axe_finds_no_fault_of_ours(visit, path, scheme):
    # Axe is a script, which the site's policy does not let in.
    window = visit(scheme=scheme, bypass_csp=True)
    if path == "bug":
        page = new_bug(window)
    else:
        page = window.open(path)
    found = Axe().run(page, context={"include": [["#content"]]})
    assert found.violations_count == 0, found.generate_report()


def test_dashboard_prints_without_navigation_and_buttons(visit):
    page = visit().open(DASHBOARD)
    page.emulate_media(media="print")
    for name in ("#header", ".et-choices", ".et-do"):
        assert not page.locator(name).first.is_visible()
    assert page.locator(".et-need").first.is_visible()
    page.emulate_media(media="screen")


@pytest.mark.parametrize("path", [*LISTS, "bug"])
def test_lists_and_bugs_print_their_content_on_the_whole_page(visit, path):
    window = visit(width=1280)
    page = new_bug(window) if path == "bug" else window.open(path)
    page.emulate_media(media="print")
    hidden = ("#header", "#nav-sidebar", "#toggle-nav-sidebar", ".breadcrumbs")
    for name in (*hidden, ".et-search", ".et-bulk", ".et-actions", ".et-views"):
        assert page.locator(f"{name}:visible").count() == 0, name
    content = page.locator(".et-bug, .et-list").bounding_box()
    assert content["width"] > 1100
    if path != "bug":
        # Which list it is stands above it.
        assert page.locator("#result_list caption").bounding_box()["height"] > 10
    page.emulate_media(media="screen")


def test_buttons_and_the_chosen_period_are_seen_in_forced_colours(visit):
    page = visit(forced_colors="active").open(DASHBOARD)
    button = page.locator(".et-need .button").first
    width = "each => getComputedStyle(each).borderTopWidth"
    assert button.evaluate(width) == "1px"
    chosen = page.locator(".et-choices a[aria-current]").first
    outline = "each => getComputedStyle(each).outlineStyle"
    assert chosen.evaluate(outline) == "solid"
    other = page.locator(".et-choices a:not([aria-current])").first
    assert other.evaluate(outline) == "none"


def test_menu_of_the_search_box_looks_the_same_on_every_page(visit):
    window = visit()
    looks = []
    for path in (DASHBOARD, *LISTS):
        summary = window.open(path).locator(".et-help > summary")
        looks.append(
            summary.evaluate(
                "each => { const style = getComputedStyle(each);"
                "return [style.listStyleType, style.backgroundColor,"
                " style.borderTopColor, each.getBoundingClientRect().height] }"
            )
        )
    assert looks == [looks[0]] * 4
    assert looks[0][0] == "none"


@pytest.mark.parametrize("path", LISTS)
def test_trail_of_our_pages_looks_like_django_s(visit, path):
    window = visit()
    look = (
        "() => { const style = getComputedStyle(document.querySelector('.breadcrumbs'));"
        "return [style.backgroundColor, style.paddingLeft, style.color] }"
    )
    assert window.open(path).evaluate(look) == window.open(DASHBOARD).evaluate(look)


def test_bars_of_the_chart_differ_from_the_page(visit):
    for scheme in ("light", "dark"):
        page = visit(scheme=scheme).open("/errors/?period=90d")
        colors = page.evaluate(
            "() => [...document.querySelectorAll('.et-legend .et-bar')].map("
            "each => getComputedStyle(each).fill)"
            ".concat(getComputedStyle(document.body).backgroundColor)"
        )
        *bars, background = map(luminance, colors)
        for bar in bars:
            lighter, darker = max(bar, background), min(bar, background)
            assert (lighter + 0.05) / (darker + 0.05) >= 3


def luminance(color):
    """Return the relative luminance of ``rgb(…)`` as WCAG 2.2 defines it."""
    parts = color.partition("(")[2].rstrip(")").split(",")[:3]
    linear = []
    for part in parts:
        value = float(part) / 255
        if value <= 0.04045:
            linear.append(value / 12.92)
        else:
            linear.append(((value + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
