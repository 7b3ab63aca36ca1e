"""The local web server of a review: loopback only, one session, one reviewer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from aiohttp import web

from worktrial.pages.render import asset, style
from worktrial.pages.serving import Entrance, Loopback, page, see_other
from worktrial.review.desk import Desk
from worktrial.review.pages import Pages

_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'"
_FORM_BYTES = 256 * 1024


class ReviewServer:
    """The pages of one reviewer."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._entrance = Entrance("review")
        self._pages = Pages(desk, self._entrance.token)
        self._assets = {
            "report.css": (style(), "text/css"),
            "review.css": (asset("worktrial.review", "review.css"), "text/css"),
            "review.js": (asset("worktrial.review", "review.js"), "text/javascript"),
        }
        routes = [
            web.get("/", self._list),
            web.get("/item/{at:[0-9]{1,6}}", self._item),
            web.post("/item/{at:[0-9]{1,6}}", self._save),
            web.post("/item/{at:[0-9]{1,6}}/others", self._look),
            web.get("/agreement", self._agreement),
            web.get("/assets/{name}", self._asset),
            web.get("/favicon.ico", _nothing),
        ]
        self._server = Loopback(routes, admit=self._entrance.admit, most_bytes=_FORM_BYTES)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    @property
    def url(self) -> str:
        """The address to open: it lets a browser in, and is then not needed any more."""
        return self._entrance.address(self._server)

    async def start(self, port: int = 0) -> None:
        """Listen on the loopback (0: on any port that is free). Raises `UsageError` when the port is taken."""
        await self._server.start(port)

    async def close(self) -> None:
        """Stop listening."""
        await self._server.stop()

    async def _list(self, _: web.Request) -> web.Response:
        return await _page(self._pages.index)

    async def _item(self, request: web.Request) -> web.Response:
        return await _page(partial(self._pages.item, self._id(request)))

    async def _save(self, request: web.Request) -> web.Response:
        item, form = self._id(request), {name: str(value) for name, value in (await request.post()).items()}
        await asyncio.to_thread(self.desk.save, item, form)
        following = await asyncio.to_thread(self.desk.next_open, item)
        return see_other("/" if following is None else f"/item/{self.desk.ids.index(following) + 1}")

    async def _look(self, request: web.Request) -> web.Response:
        await asyncio.to_thread(self.desk.look, self._id(request))
        return see_other(f"/item/{request.match_info['at']}#others")

    async def _agreement(self, _: web.Request) -> web.Response:
        return await _page(self._pages.agreement)

    async def _asset(self, request: web.Request) -> web.Response:
        text, kind = self._assets.get(request.match_info["name"], ("", ""))
        if not kind:
            raise web.HTTPNotFound(text="there is no such file\n")
        return web.Response(text=text, content_type=kind, charset="utf-8")

    def _id(self, request: web.Request) -> str:
        at = int(request.match_info["at"])
        if not 1 <= at <= len(self.desk.ids):
            raise web.HTTPNotFound(text="there is no such item in this sample\n")
        return self.desk.ids[at - 1]


async def _page(make: Callable[[], str]) -> web.Response:
    """Return a page, made in a thread: it reads files and asks git."""
    return page(await asyncio.to_thread(make), _POLICY)


async def _nothing(_: web.Request) -> web.Response:
    return web.Response(status=204)
