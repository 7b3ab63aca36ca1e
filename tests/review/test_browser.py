"""A review in a real browser, by keyboard."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from tests.e2e.workshop import Shell
from tests.review.conftest import HOSTILE_TASK, TURNED_DOWN

from worktrial.formats.review import Labels, Review
from worktrial.review.sample import sample
from worktrial.store.suite import Suite

pytestmark = pytest.mark.browser
WIDER = """(width) => document.documentElement.scrollWidth <= width ? [] : [...document.querySelectorAll("body *")]
  .filter((e) => e.scrollWidth > width && !e.closest(".scroll"))
  .map((e) => `${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 40)}`)"""
"""What sticks out where a page scrolls sideways."""
CONTRAST = Path(__file__).parents[1] / "report/contrast.js"


@pytest.fixture
def address(shell: Shell, suite_for_people: Suite) -> Iterator[str]:
    """The command itself, serving; it ends by Ctrl-C."""
    process = shell.start("review", suite_for_people.path, "--reviewer", "ann", "--rejected", "--json")
    assert process.stderr
    try:
        found = next(match[0] for line in process.stderr if (match := re.search(r"http://\S+", line.decode())))
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b'"reviewer": "ann"' in out


@pytest.fixture
def opened(chromium: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Open the review at some width; what pages asked for and complained of is checked at the end."""
    complaints: list[str] = []
    asked: list[str] = []
    contexts: list[BrowserContext] = []

    def open_page(width: int = 1280, *, dark: bool = False, script: bool = True) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 850},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert all(url.startswith(address.split("?", maxsplit=1)[0]) for url in asked)
    assert complaints == []


def press(page: Page, key: str) -> None:
    with page.expect_navigation():
        page.keyboard.press(key)


def labels(suite: Suite) -> dict[str, Labels]:
    return {entry.item: entry.labels for entry in suite.reviews if isinstance(entry, Review)}


def test_a_whole_review_by_keyboard_alone(opened: Callable[..., Page], suite_for_people: Suite) -> None:
    ids = sample(suite_for_people, None, 0, rejected=True)
    page = opened()
    press(page, "Enter")
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    for key in "2tuunllr":
        page.keyboard.press(key)
    page.keyboard.press("m")
    page.keyboard.type("jks? all of it is text")
    page.keyboard.press("Escape")
    press(page, "s")
    assert page.url.endswith("/item/2")
    expected = Labels(kind="bug_fix", testable=True, underspecified=False, narrow=True, leaks=False, fate="keep")
    assert labels(suite_for_people) == {ids[0]: expected}
    for _ in ids[1:]:
        page.keyboard.press("6")
        press(page, "s")
    assert page.locator("h1").inner_text() == "5 of 5 items labelled"
    assert set(labels(suite_for_people)) == set(ids)
    press(page, "a")
    assert page.locator("h1").inner_text() == "How far reviewers agree"
    press(page, "g")
    assert page.locator(".sample .done").count() == 5


def test_what_was_not_saved_is_kept_while_one_looks_elsewhere(
    opened: Callable[..., Page], suite_for_people: Suite
) -> None:
    page = opened()
    press(page, "Enter")
    page.keyboard.press("s")
    assert "Choose a label first" in page.locator("#draft").inner_text()
    page.keyboard.press("3")
    page.keyboard.press("t")
    assert page.locator("#draft").inner_text() == "Not saved yet."
    press(page, "j")
    assert page.locator("input[name=kind]:checked").count() == 0
    press(page, "k")
    assert page.locator("input[name=kind]:checked").get_attribute("value") == "refactoring"
    assert page.locator("input[name=testable]:checked").get_attribute("value") == "yes"
    assert labels(suite_for_people) == {}
    page.keyboard.press("3")  # once more: not said
    page.keyboard.press("o")  # nothing to show yet
    press(page, "s")
    assert list(labels(suite_for_people).values()) == [Labels(testable=True)]
    press(page, "k")
    press(page, "o")
    assert "Rules" in page.locator("#others").inner_text()


def test_it_can_be_done_without_script_and_by_touch(opened: Callable[..., Page], suite_for_people: Suite) -> None:
    page = opened(390, script=False)
    page.get_by_text("Begin with item 1").click()
    page.locator(".fab").click()
    page.locator("label", has_text="Bug fix").click()
    page.locator("input[name=fate][value=retire]").check(force=True)
    with page.expect_navigation():
        page.get_by_role("button", name="Save").click()
    assert list(labels(suite_for_people).values()) == [Labels(kind="bug_fix", fate="retire")]


@pytest.mark.parametrize("width", [320, 390, 800, 1280])
def test_no_page_scrolls_sideways_and_hostile_text_does_nothing(
    opened: Callable[..., Page], suite_for_people: Suite, width: int
) -> None:
    ids = sample(suite_for_people, None, 0, rejected=True)
    page = opened(width)
    for path in ("/", "/agreement", *(f"/item/{ids.index(item) + 1}" for item in (HOSTILE_TASK, TURNED_DOWN))):
        page.goto(f"{page.url.split('/', 3)[0]}//{page.url.split('/', 3)[2]}{path}")
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate(WIDER, width) == [], path
        assert page.title() != "owned"
        assert page.locator("img, iframe, object, embed").count() == 0


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_background(opened: Callable[..., Page], suite_for_people: Suite, dark: bool) -> None:
    page = opened(dark=dark)
    assert page.evaluate(CONTRAST.read_text("utf-8")) == []
    press(page, "Enter")
    for key in "2t":
        page.keyboard.press(key)
    assert page.evaluate(CONTRAST.read_text("utf-8")) == []
    press(page, "s")
    press(page, "k")
    press(page, "o")
    assert page.evaluate(CONTRAST.read_text("utf-8")) == []
    page.keyboard.press("?")
    assert page.evaluate(CONTRAST.read_text("utf-8")) == []
