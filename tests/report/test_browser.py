"""The report in a real browser, opened from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.report.conftest import HOSTILE_TASK, Site

pytestmark = pytest.mark.browser
HOSTILE_TRIAL = f"trials/beta/{HOSTILE_TASK}/1.html"
PAGES = ("index.html", f"tasks/{HOSTILE_TASK}.html", HOSTILE_TRIAL, "trials/house%3Ascript/00-keep-the-default/1.html")


@pytest.fixture
def opened(chromium: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """Open a page of the report; what it asked for and complained of is checked at the end."""
    requests: list[str] = []
    complaints: list[str] = []
    context = chromium.new_context()

    def open_page(name: str, width: int = 1280) -> Page:
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(f"{site.out.as_uri()}/{name}")
        return page

    yield open_page
    context.close()
    assert requests
    assert all(url.startswith(site.out.as_uri()) for url in requests)
    assert complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_from_disk_with_its_style_and_asks_no_host(opened: Callable[..., Page], name: str) -> None:
    page = opened(name)
    assert page.locator("h1").count() == 1
    assert (
        page.evaluate("getComputedStyle(document.body).maxWidth + getComputedStyle(document.body).margin") == "none0px"
    )
    assert page.evaluate("document.styleSheets.length") == 1


@pytest.mark.parametrize("name", PAGES)
def test_hostile_text_does_nothing(opened: Callable[..., Page], name: str) -> None:
    page = opened(name)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.title() != "owned"
    assert page.locator("img, iframe, object, embed, form").count() == 0
    assert page.locator("script").count() == 1


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [320, 390, 800, 1280])
def test_no_page_scrolls_sideways(opened: Callable[..., Page], name: str, width: int) -> None:
    page = opened(name, width)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_first_screen_holds_the_decision_and_every_contender_at_either_width(opened: Callable[..., Page]) -> None:
    for width, count in ((1280, 3), (390, 1)):
        page = opened("index.html", width)
        for row in page.locator(".agents tbody:not(.controls) tr").all()[:count]:
            box = row.bounding_box()
            assert box
            assert box["y"] + box["height"] <= 900


def test_the_first_link_of_the_keyboard_skips_to_the_content_and_focus_is_seen(opened: Callable[..., Page]) -> None:
    page = opened("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_grid_can_be_reduced_to_the_tasks_that_agents_differ_on(opened: Callable[..., Page]) -> None:
    page = opened("index.html")
    rows = page.locator("table.grid tbody tr:visible")
    before = rows.count()
    page.locator("#differ").check()
    assert 0 < rows.count() < before


def test_a_mark_leads_to_its_trial_and_back(opened: Callable[..., Page]) -> None:
    page = opened("index.html")
    page.locator("table.grid a.m").first.click()
    assert page.locator("[aria-current=page]").count() == 1
    page.get_by_role("link", name="Report", exact=True).click()
    assert page.url.endswith("index.html")


def test_all_steps_of_a_trajectory_open_and_close_at_once(opened: Callable[..., Page]) -> None:
    page = opened(HOSTILE_TRIAL)
    steps = page.locator(".steps details[open]")
    assert steps.count() == 0
    page.get_by_role("button", name="Open all steps").click()
    assert steps.count() == 3
    page.get_by_role("button", name="Close all steps").click()
    assert steps.count() == 0


def test_everything_can_be_read_without_script(chromium: Browser, site: Site) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.out.as_uri()}/{HOSTILE_TRIAL}")
    page.locator(".steps summary").nth(1).click()
    assert page.locator(".steps pre").nth(1).is_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(chromium: Browser, site: Site, scheme: str) -> None:
    context = chromium.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    for name in PAGES:
        page.goto(f"{site.out.as_uri()}/{name}")
        assert page.evaluate(Path(__file__).with_name("contrast.js").read_text("utf-8")) == []
    context.close()
