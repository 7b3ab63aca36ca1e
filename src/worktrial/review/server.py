"""The local web server of a review: loopback only, one session, one reviewer.

Whatever runs on this machine, a page of a browser included, can reach a loopback port. So every request needs the name
that we gave (against DNS rebinding), the session's cookie (against other users and programs), and what changes
anything a token that only our own pages hold (against forged forms).
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from worktrial.errors import InfrastructureError, UsageError, WorktrialError
from worktrial.pages.render import asset, style
from worktrial.review.desk import Desk
from worktrial.review.pages import Pages

HOST = "127.0.0.1"
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with none at all a browser does not say where a form came from
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_FORM_BYTES = 256 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ReviewServer:
    """The pages of one reviewer."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.port = 0
        self._entry = secrets.token_urlsafe(24)
        self._session = secrets.token_urlsafe(24)
        self._form_token = secrets.token_urlsafe(24)
        self._pages = Pages(desk, self._form_token)
        self._runner: web.AppRunner | None = None
        self._assets = {
            "report.css": (style(), "text/css"),
            "review.css": (asset("worktrial.review", "review.css"), "text/css"),
            "review.js": (asset("worktrial.review", "review.js"), "text/javascript"),
        }

    @property
    def url(self) -> str:
        """The address to open: it lets a browser in, and is then not needed any more."""
        return f"http://{HOST}:{self.port}/?key={self._entry}"

    async def start(self, port: int = 0) -> None:
        """Listen on the loopback (0: on any port that is free). Raises `InfrastructureError`."""
        app = web.Application(middlewares=[self._guard, _errors], client_max_size=_FORM_BYTES)
        app.add_routes(
            [
                web.get("/", self._list),
                web.get("/item/{at:[0-9]{1,6}}", self._item),
                web.post("/item/{at:[0-9]{1,6}}", self._save),
                web.post("/item/{at:[0-9]{1,6}}/others", self._look),
                web.get("/agreement", self._agreement),
                web.get("/assets/{name}", self._asset),
                web.get("/favicon.ico", _nothing),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, port)
        try:
            await site.start()
        except OSError as error:
            raise InfrastructureError(
                f"could not listen on {HOST}:{port}", cause=error.strerror or str(error), hint="give another --port"
            ) from error
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    # -- who may come in --

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await self._admitted(request, handler)
        response.headers.update(_HEADERS)
        return response

    async def _admitted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Host") not in (f"{HOST}:{self.port}", f"localhost:{self.port}"):
            return web.Response(status=421, text="not the name of this server\n")
        cookie = f"worktrial_review_{self.port}"  # cookies are not kept apart by port
        if request.path == "/" and _same(request.query.get("key"), self._entry):
            response = _see_other("/")
            response.set_cookie(cookie, self._session, httponly=True, samesite="Strict", path="/")
            return response
        if not _same(request.cookies.get(cookie), self._session):
            return web.Response(status=403, text="open the address that worktrial review printed\n")
        if request.method == "POST" and (why := await self._forged(request)):
            return web.Response(status=403, text=f"{why}\n")
        return await handler(request)

    async def _forged(self, request: web.Request) -> str:
        """Return why a form is not one of this session's pages; empty when it is."""
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{request.headers['Host']}":
            return "a form of another page"
        if not _same((await request.post()).get("token"), self._form_token):
            return "a form of another session: load the page again"
        return ""

    # -- pages --

    async def _list(self, _: web.Request) -> web.Response:
        return await _page(self._pages.index)

    async def _item(self, request: web.Request) -> web.Response:
        return await _page(partial(self._pages.item, self._id(request)))

    async def _save(self, request: web.Request) -> web.Response:
        item, form = self._id(request), {name: str(value) for name, value in (await request.post()).items()}
        await asyncio.to_thread(self.desk.save, item, form)
        following = await asyncio.to_thread(self.desk.next_open, item)
        return _see_other("/" if following is None else f"/item/{self.desk.ids.index(following) + 1}")

    async def _look(self, request: web.Request) -> web.Response:
        await asyncio.to_thread(self.desk.look, self._id(request))
        return _see_other(f"/item/{request.match_info['at']}#others")

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


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer expected failures in words; nothing that was typed is lost, as the browser can go back."""
    try:
        return await handler(request)
    except web.HTTPException as answer:
        return web.Response(status=answer.status, text=answer.text)
    except WorktrialError as error:
        lines = [f"error: {error.message}"]
        lines += [f"{label}: {text}" for label, text in (("cause", error.cause), ("hint", error.hint)) if text]
        status = 400 if isinstance(error, UsageError) else 500
        return web.Response(status=status, text="\n".join(lines) + "\n")


async def _page(make: Callable[[], str]) -> web.Response:
    """Return a page, made in a thread: it reads files and asks git."""
    text = await asyncio.to_thread(make)
    body = text.encode("utf-8", "replace")
    return web.Response(body=body, content_type="text/html", charset="utf-8")


async def _nothing(_: web.Request) -> web.Response:
    return web.Response(status=204)


def _see_other(path: str) -> web.Response:
    """Return the answer to a form: load that page."""
    return web.Response(status=303, headers={"Location": path})


def _same(given: Any, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
