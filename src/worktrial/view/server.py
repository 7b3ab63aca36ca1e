"""The server of a run's pages: on loopback, for reading alone, and for nobody whom a name server sends here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from aiohttp import web

from worktrial.errors import UsageError, WorktrialError
from worktrial.pages.render import style
from worktrial.report.render import policy_of
from worktrial.view.pages import Pages

LOOK_S = 1.0
"""Time between two looks whether the run has moved."""
_HEARTBEAT = 15
"""Looks after which a browser is told that the server is still there."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_BARE = "default-src 'none'; frame-ancestors 'none'"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class View:
    """A run's pages on a port of this machine."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._hosts: set[str] = set()
        self._ending = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> str:
        """Listen on `port` of 127.0.0.1 (0: any that is free) and return the address of the first page.

        Raises `UsageError` when the port is taken.
        """
        application = web.Application(middlewares=[self._guard])
        application.add_routes(
            [
                web.get("/", self._index),
                web.get("/index.html", self._index),
                web.get("/report.json", self._json),
                web.get("/assets/report.css", self._style),
                web.get("/tasks/{task}.html", self._task),
                web.get("/trials/{agent}/{task}/{n}.html", self._trial),
                web.get("/events", self._events),
            ]
        )
        application.on_shutdown.append(self._end)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise UsageError(
                f"could not listen on port {port} of 127.0.0.1", cause=error.strerror or str(error), hint="try --port 0"
            ) from error
        port = self._runner.addresses[0][1]
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        return f"http://127.0.0.1:{port}/"

    async def stop(self) -> None:
        """End it; browsers that wait for news are let go."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _end(self, _: web.Application) -> None:
        self._ending.set()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer only who asked for this machine by its own name, and only what reads.

        A page of somebody else can have its own name lead here (DNS rebinding), but not change the name it asks for.
        """
        answer: web.StreamResponse
        if request.headers.get("Host", "").lower() not in self._hosts:
            answer = web.Response(status=403, text="this address is for this machine's own browser\n")
        elif request.method not in ("GET", "HEAD"):
            answer = web.Response(status=405, text="this is for reading alone\n", headers={"Allow": "GET, HEAD"})
        else:
            try:
                answer = await handler(request)
            except web.HTTPException as error:
                answer = web.Response(status=error.status, text=f"{error.reason}\n")
            except WorktrialError as error:
                answer = web.Response(status=500, text=f"{error}\n")
        if not answer.prepared:
            answer.headers.update(_HEADERS)
            answer.headers.setdefault("Content-Security-Policy", _BARE)
        return answer

    async def _index(self, _: web.Request) -> web.Response:
        return _page(await asyncio.to_thread(self._pages.index), "index.html")

    async def _json(self, _: web.Request) -> web.Response:
        return web.Response(text=await asyncio.to_thread(self._pages.json), content_type="application/json")

    async def _style(self, _: web.Request) -> web.Response:
        return web.Response(text=style(), content_type="text/css")

    async def _task(self, request: web.Request) -> web.Response:
        page = await asyncio.to_thread(self._pages.task, request.match_info["task"])
        return _page(page, "task.html")

    async def _trial(self, request: web.Request) -> web.Response:
        found = request.match_info
        page = await asyncio.to_thread(self._pages.trial, found["agent"], found["task"], found["n"])
        return _page(page, "trial.html", live=False)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Say how far the run is whenever it has moved, for as long as the browser listens."""
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", **_HEADERS})
        stream.headers["Content-Security-Policy"] = _BARE
        await stream.prepare(request)
        seen: tuple[int, int] | None = None
        quiet = 0
        try:
            while not self._ending.is_set():
                version = self._pages.version()
                if version != seen:
                    state = await asyncio.to_thread(self._pages.state)
                    await stream.write(f"event: run\ndata: {json.dumps(asdict(state))}\n\n".encode())
                    seen, quiet = version, 0
                elif quiet >= _HEARTBEAT:
                    await stream.write(b": still here\n\n")
                    quiet = 0
                quiet += 1
                try:
                    await asyncio.wait_for(self._ending.wait(), LOOK_S)
                except TimeoutError:
                    continue
        except ConnectionResetError:
            pass  # the browser is gone, and with it whoever would want to know
        return stream


def _page(text: str | None, template: str, *, live: bool = True) -> web.Response:
    if text is None:
        raise web.HTTPNotFound
    # Pages that don't refresh are those of a report; what those may take from disk, these need not.
    policy = f"{policy_of(template, live=live)}; frame-ancestors 'none'".replace(" file:", "")
    body = text.encode("utf-8", "replace")
    headers = {"Content-Security-Policy": policy, "Content-Type": "text/html; charset=utf-8"}
    return web.Response(body=body, headers=headers)
