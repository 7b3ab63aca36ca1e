"""Who may ask the server of a review for what."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.review.conftest import HOSTILE_TASK
from yarl import URL

from worktrial.errors import UsageError
from worktrial.review.desk import Desk
from worktrial.review.server import ReviewServer


@pytest.fixture
async def browser(server: ReviewServer) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that was let in."""
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{server.port}", cookie_jar=aiohttp.CookieJar(unsafe=True)
    ) as client:
        async with client.get(URL(server.url).relative()) as answer:
            assert answer.status == 200
            assert "key=" not in str(answer.url)
        yield client


async def token(browser: aiohttp.ClientSession) -> str:
    async with browser.get("/item/1") as answer:
        found = re.search(r'name="token" value="([^"]+)"', await answer.text())
    assert found
    return found[1]


async def test_it_listens_on_the_loopback_only(server: ReviewServer) -> None:
    assert server.url.startswith("http://127.0.0.1:")
    with pytest.raises(UsageError, match=str(server.port)):
        await ReviewServer(server.desk).start(server.port)


@pytest.mark.parametrize("path", ["/", "/item/1", "/agreement", "/assets/review.js", "/?key=wrong"])
async def test_without_the_key_nothing_is_served(server: ReviewServer, path: str) -> None:
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{server.port}{path}") as answer:
        assert answer.status == 403
        assert "Content-Security-Policy" in answer.headers


async def test_another_name_for_the_address_is_refused(browser: aiohttp.ClientSession) -> None:
    async with browser.get("/", headers={"Host": "rebound.example"}) as answer:
        assert answer.status == 421


async def test_a_form_needs_the_token_of_the_session_and_its_origin(browser: aiohttp.ClientSession, desk: Desk) -> None:
    good = {"token": await token(browser), "kind": "bug_fix"}
    for form, headers in (
        ({"kind": "bug_fix"}, {}),
        ({**good, "token": "forged"}, {}),
        (good, {"Origin": "http://elsewhere.example"}),
        (good, {"Origin": "null"}),
    ):
        async with browser.post("/item/1", data=form, headers=headers) as answer:
            assert answer.status == 403
    assert not desk.mine()
    async with browser.post("/item/1", data=good, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/item/2")
    assert list(desk.mine()) == [desk.ids[0]]


async def test_what_cannot_be_done_is_said_in_words(browser: aiohttp.ClientSession, desk: Desk) -> None:
    good = {"token": await token(browser)}
    for method, path, form, status, words in (
        ("POST", "/item/1", good, 400, "nothing was labelled"),
        ("POST", "/item/1", {**good, "kind": "poetry"}, 400, "can't be stored"),
        ("POST", "/item/1/others", good, 400, "once you have given yours"),
        ("POST", "/item/1", {**good, "note": "x" * 300_000}, 413, ""),
        ("GET", "/item/0", None, 404, "no such item"),
        ("GET", "/item/99", None, 404, "no such item"),
        ("GET", "/assets/..%2f..%2fdesk.py", None, 404, ""),
        ("PUT", "/item/1", None, 403, "a form of another session"),
    ):
        async with browser.request(method, path, data=form) as answer:
            assert answer.status == status, path
            assert words in await answer.text()
    assert not desk.mine()


async def test_others_labels_are_in_no_page_before_ones_own(browser: aiohttp.ClientSession, desk: Desk) -> None:
    Desk(desk.suite, "ben", desk.ids).save(desk.ids[0], {"kind": "review", "note": "ben's own words"})

    async def text(path: str) -> str:
        async with browser.get(path) as answer:
            return await answer.text()

    for path in ("/", "/item/1", "/agreement"):
        assert "own words" not in await text(path)
        assert "the subject" not in await text(path)  # what the rule went by
    form = {"token": await token(browser), "kind": "bug_fix"}
    async with browser.post("/item/1", data=form):
        pass
    assert "own words" not in await text("/item/1")
    async with browser.post("/item/1/others", data=form) as answer:
        shown = await answer.text()
    assert "ben&#39;s own words" in shown
    assert "the subject" in shown


async def test_hostile_text_is_shown_as_text(browser: aiohttp.ClientSession, desk: Desk) -> None:
    async with browser.get(f"/item/{desk.ids.index(HOSTILE_TASK) + 1}") as answer:
        text = await answer.text()
    assert "<script>document" not in text
    assert "<img" not in text
    assert "\u202e" not in text
    assert "\x1b" not in text
