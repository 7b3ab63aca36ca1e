"""Serving pages to the browsers of this machine and to nobody else: what all servers of ours refuse and send along.

Whatever runs on this machine, a page of a browser included, can reach a loopback port. So every request has to ask for
the name that we gave: a page of somebody else can have its own name lead here (DNS rebinding), but not change the name
it asks for. What changes anything, or is for one person alone, also has an `Entrance`.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from worktrial.errors import UsageError, WorktrialError

HOST = "127.0.0.1"
BARE = "default-src 'none'; frame-ancestors 'none'"
"""The content policy of what is no page."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with none at all a browser does not say where a form came from
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Admit = Callable[[web.Request], Awaitable[web.Response | None]]
"""Answers who may not come in; None: come in."""


class Loopback:
    """A web server on a port of 127.0.0.1."""

    def __init__(self, routes: Iterable[web.RouteDef], *, admit: Admit | None = None, most_bytes: int = 1024) -> None:
        """`most_bytes` is the largest body that may be sent here."""
        self.ending = asyncio.Event()
        """Set when answers that go on and on have to end."""
        self.port = 0
        self._admit = admit
        self._application = web.Application(middlewares=[self._guard], client_max_size=most_bytes)
        self._application.add_routes(routes)
        self._application.on_shutdown.append(self._end)
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        """Where it listens, with a slash at the end."""
        return f"http://{HOST}:{self.port}/"

    async def start(self, port: int = 0) -> None:
        """Listen on `port`; 0: any that is free. Raises `UsageError` when it is taken."""
        self._runner = web.AppRunner(self._application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, HOST, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise UsageError(
                f"could not listen on port {port} of {HOST}", cause=error.strerror or str(error), hint="try --port 0"
            ) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End it; browsers that wait for news are let go."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _end(self, _: web.Application) -> None:
        self.ending.set()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await self._answer(request, handler)
        if not answer.prepared:
            guard(answer)
        return answer

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer, expected failures in words."""
        names = [f"{name}:{self.port}" for name in (HOST, "localhost")]
        if request.headers.get("Host", "").lower() not in names:
            return web.Response(status=421, text="not the name of this server\n")
        try:
            refusal = await self._admit(request) if self._admit is not None else None
            return await handler(request) if refusal is None else refusal
        except web.HTTPException as error:
            return web.Response(status=error.status, text=error.text or f"{error.reason}\n")
        except WorktrialError as error:
            lines = [f"error: {error.message}"]
            lines += [f"{label}: {text}" for label, text in (("cause", error.cause), ("hint", error.hint)) if text]
            return web.Response(status=400 if isinstance(error, UsageError) else 500, text="\n".join(lines) + "\n")


class Entrance:
    """Lets in the one person who was given the address: by a key in it, and from then on by a cookie.

    The cookie keeps out other users and programs of this machine; a token that only our own pages hold keeps out forms
    of others.
    """

    def __init__(self, server: str) -> None:
        """`server` names the cookie, and the command whose address is needed."""
        self._server = server
        self._key = secrets.token_urlsafe(24)
        self._session = secrets.token_urlsafe(24)
        self.token = secrets.token_urlsafe(24)
        """To be sent with every form, as `token`."""

    def address(self, of: Loopback) -> str:
        """Return the address to open: it lets a browser in, and is then not needed any more."""
        return f"{of.address}?key={self._key}"

    async def admit(self, request: web.Request) -> web.Response | None:
        """See `Admit`."""
        port = request.url.port
        cookie = f"worktrial_{self._server}_{port}"  # cookies are not kept apart by port
        if request.path == "/" and _same(request.query.get("key"), self._key):
            answer = see_other("/")
            answer.set_cookie(cookie, self._session, httponly=True, samesite="Strict", path="/")
            return answer
        if not _same(request.cookies.get(cookie), self._session):
            return web.Response(status=403, text=f"open the address that worktrial {self._server} printed\n")
        if request.method not in ("GET", "HEAD") and (why := await self._forged(request)):
            return web.Response(status=403, text=f"{why}\n")
        return None

    async def _forged(self, request: web.Request) -> str:
        """Return why a form is not one of this session's pages; empty when it is."""
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{request.headers['Host']}":
            return "a form of another page"
        if not _same((await request.post()).get("token"), self.token):
            return "a form of another session: load the page again"
        return ""


def guard(answer: web.StreamResponse) -> None:
    """Set what every answer says to browsers; a policy that it has is kept."""
    answer.headers.update(_HEADERS)
    answer.headers.setdefault("Content-Security-Policy", BARE)


def page(text: str, policy: str) -> web.Response:
    """Return a page with its content policy; nobody may frame it."""
    headers = {
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
        "Content-Type": "text/html; charset=utf-8",
    }
    return web.Response(body=text.encode("utf-8", "replace"), headers=headers)


def see_other(path: str) -> web.Response:
    """Return the answer to a form: load that page."""
    return web.Response(status=303, headers={"Location": path})


def _same(given: Any, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
