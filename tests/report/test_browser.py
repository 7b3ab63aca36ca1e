"""The report in a real browser, opened from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from tests.report.conftest import HOSTILE_TASK, Site
from tests.report.fakerun import CONTROLS, FakeTrial, agent, control, make_run, make_suite, simple_tasks

from worktrial.report.site import build

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


@pytest.mark.parametrize("width", [320, 390, 800, 1280])
def test_a_report_without_costs_and_times_that_tell_anything_fits_too(
    chromium: Browser, tmp_path: Path, width: int
) -> None:
    suite = make_suite(tmp_path / "suite", simple_tasks(3))
    quick = FakeTrial("solved", cost_usd=None, agent_s=0.1)
    run = make_run(
        tmp_path / "run", suite, [agent("alpha"), agent("beta"), *CONTROLS], 1,
        lambda config, task, n: control(config) if config.kind in ("oracle", "nop") else quick,
    )  # fmt: skip
    page = chromium.new_page(viewport={"width": width, "height": 800})
    page.goto(build(run, tmp_path / "report").index.as_uri())
    assert page.locator(".pareto").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_the_first_screen_says_what_to_take_how_sure_that_is_and_what_it_costs(opened: Callable[..., Page]) -> None:
    for width, height, seen in (
        (1280, 800, (".badge", "h1", ".versus", ".pareto", ".agents tbody tr")),
        (390, 844, (".badge", "h1", ".certainty", ".difference")),
    ):
        page = opened("index.html", width)
        for selector in seen:
            box = page.locator(selector).first.bounding_box()
            assert box
            assert box["y"] + box["height"] <= height, (width, selector)


def test_the_first_link_of_the_keyboard_skips_to_the_content_and_focus_is_seen(opened: Callable[..., Page]) -> None:
    page = opened("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_page_is_as_long_before_it_is_scrolled_as_after(opened: Callable[..., Page]) -> None:
    """Where rows are not drawn before they are seen, the scroll bar and the links within the page lie."""
    page = opened("index.html")
    before = page.evaluate("document.documentElement.scrollHeight")
    page.keyboard.press("End")
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollHeight") == before


def test_at_first_only_the_tasks_are_listed_that_agents_differ_on(opened: Callable[..., Page]) -> None:
    page = opened("index.html")
    rows = page.locator("table.grid tbody tr:visible")
    differ = rows.count()
    assert all(row.get_attribute("data-d") == "differ" for row in rows.all())
    page.locator("#show").select_option("any")
    assert rows.count() == 25 > differ > 0
    assert page.locator("#shown").text_content() == "25 of 25 tasks"


def test_tasks_are_found_by_title_id_and_kind_and_the_address_leads_back(opened: Callable[..., Page]) -> None:
    page = opened("index.html")
    page.locator("#show").select_option("any")
    page.keyboard.press("/")
    page.locator("#q").press_sequentially("PAGER bug fix")
    rows = page.locator("table.grid tbody tr:visible")
    found = [row.inner_text() for row in rows.all()]
    assert found
    assert all("pager" in text and "bug fix" in text for text in found)
    again = opened(f"index.html{page.evaluate('location.hash')}")
    assert again.locator("#q").input_value() == "PAGER bug fix"
    assert again.locator("table.grid tbody tr:visible").count() == len(found)


def test_rows_are_walked_with_j_and_k_and_opened_with_enter(opened: Callable[..., Page]) -> None:
    page = opened("index.html")
    for key in "jjjk":
        page.keyboard.press(key)
    second = page.locator("table.grid tbody tr:visible").nth(1)
    assert "at" in (second.get_attribute("class") or "")
    target = second.locator("a").first.get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{target}")
    page.keyboard.press("u")
    page.wait_for_url("**/index.html")


def test_a_question_mark_shows_the_keys_and_escape_puts_them_away(opened: Callable[..., Page]) -> None:
    page = opened("index.html")
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0


def test_n_and_p_lead_from_task_to_task(opened: Callable[..., Page]) -> None:
    page = opened(f"tasks/{HOSTILE_TASK}.html")
    page.keyboard.press("p")
    page.wait_for_url("**/tasks/23-*.html")
    page.keyboard.press("n")
    page.wait_for_url(f"**/tasks/{HOSTILE_TASK}.html")


def test_the_colours_can_be_chosen(opened: Callable[..., Page]) -> None:
    page = opened("index.html")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    button = page.get_by_role("button", name="Colours")
    button.click()
    assert page.evaluate(paper) == light
    button.click()
    assert page.evaluate(paper) != light


def test_a_mark_leads_to_its_trial_and_back(opened: Callable[..., Page]) -> None:
    page = opened("index.html")
    page.locator("table.grid a.m:visible").first.click()
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


def test_steps_are_filtered_by_kind_by_error_and_by_text_and_the_address_leads_back(
    opened: Callable[..., Page],
) -> None:
    page = opened(HOSTILE_TRIAL)
    steps = page.locator(".steps > li:visible")
    assert steps.count() == 3
    page.get_by_label("user 1").check()
    page.get_by_label("search 1").check()
    assert steps.count() == 2
    page.locator("#q").fill("word word")
    assert steps.count() == 1
    again = opened(f"{HOSTILE_TRIAL}{page.evaluate('location.hash')}")
    assert again.locator(".steps > li:visible").count() == 1
    again.locator("#q").fill("")
    again.get_by_label("user 1").uncheck()
    again.get_by_label("search 1").uncheck()
    again.get_by_label("only what looks like an error").check()
    assert again.locator(".steps > li:visible").count() == 1


def test_the_address_of_a_step_opens_it(opened: Callable[..., Page]) -> None:
    page = opened(f"{HOSTILE_TRIAL}#step-2")
    assert page.locator("#step-2 details[open]").count() == 1


def test_everything_can_be_read_without_script(chromium: Browser, site: Site) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.out.as_uri()}/{HOSTILE_TRIAL}")
    page.locator(".steps summary").nth(1).click()
    assert page.locator(".steps pre").nth(1).is_visible()
    context.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(chromium: Browser, site: Site, scheme: str, width: int) -> None:
    context = chromium.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=True,
        viewport={"width": width, "height": 844},
    )
    page = context.new_page()
    for name in PAGES:
        page.goto(f"{site.out.as_uri()}/{name}")
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        found = Axe().run(page).response["violations"]
        serious = [
            (name, one["id"], node["html"][:200], node["failureSummary"][:200])
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"][:3]
        ]
        assert serious == []
    context.close()


def test_printed_it_shows_every_listed_task_on_white(chromium: Browser, site: Site) -> None:
    context = chromium.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(f"{site.out.as_uri()}/index.html")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".filters").is_visible()
    assert page.locator("table.grid tbody tr").first.evaluate("row => getComputedStyle(row).color") == "rgb(0, 0, 0)"
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(chromium: Browser, site: Site, scheme: str) -> None:
    context = chromium.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    for name in PAGES:
        page.goto(f"{site.out.as_uri()}/{name}")
        assert page.evaluate(Path(__file__).with_name("contrast.js").read_text("utf-8")) == []
    context.close()
