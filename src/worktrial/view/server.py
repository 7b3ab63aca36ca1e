"""The server of a run's pages: on loopback, and for reading alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Hashable

from aiohttp import web

from worktrial.errors import WorktrialError
from worktrial.pages.render import style
from worktrial.pages.serving import Loopback, guard, page
from worktrial.report.render import policy_of
from worktrial.view.pages import News, Page, Pages

LOOK_S = 1.0
"""Time between two looks whether the run has moved."""
_AGAIN = 10
"""Looks after which a browser is told anyway: what is said of the time changes by itself."""


class View:
    """A run's pages on a port of this machine."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._server = Loopback(
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

    async def start(self, port: int = 0) -> str:
        """Listen on `port` of 127.0.0.1 (0: any that is free) and return the address of the first page.

        Raises `UsageError` when the port is taken.
        """
        await self._server.start(port)
        return self._server.address

    async def stop(self) -> None:
        """End it; browsers that wait for news are let go."""
        await self._server.stop()

    async def _index(self, _: web.Request) -> web.Response:
        return await _page(self._pages.index)

    async def _json(self, _: web.Request) -> web.Response:
        return web.Response(text=await asyncio.to_thread(self._pages.json), content_type="application/json")

    async def _style(self, _: web.Request) -> web.Response:
        return web.Response(text=style(), content_type="text/css")

    async def _task(self, request: web.Request) -> web.Response:
        return await _page(self._pages.task, request.match_info["task"])

    async def _trial(self, request: web.Request) -> web.Response:
        return await _page(self._pages.trial, *(request.match_info[name] for name in ("agent", "task", "n")))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Say how far the run is whenever it has moved, and now and then, for as long as the browser listens.

        `of=AGENT/TASK/N` asks for news of that trial.
        """
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        guard(stream)
        await stream.prepare(request)
        of, seen, quiet = request.query.get("of", ""), None, 0
        try:
            while not self._server.ending.is_set():
                event, version, said = await asyncio.to_thread(_news, self._pages, of)
                if version != seen or quiet >= _AGAIN:
                    await stream.write(f"event: {event}\ndata: {json.dumps(said)}\n\n".encode())
                    seen, quiet = version, 0
                quiet += 1
                try:
                    await asyncio.wait_for(self._server.ending.wait(), LOOK_S)
                except TimeoutError:
                    continue
        except ConnectionResetError:
            pass  # the browser is gone, and with it whoever would want to know
        return stream


def _news(pages: Pages, of: str) -> tuple[str, Hashable, dict[str, str]]:
    """Return what to tell a browser: the event, what changes when there is more to see, and its data."""
    try:
        found: News = pages.news(of)
    except WorktrialError as error:  # a file that is torn now may be whole the next time
        return "trouble", str(error), {"said": error.message, "more": error.cause}
    return "run", found.version, {"kind": found.kind, "said": found.said, "more": found.more, "version": found.mark}


async def _page(make: Callable[..., Page | None], *of: str) -> web.Response:
    """Return a page, made in a thread: it reads files."""
    found = await asyncio.to_thread(make, *of)
    if found is None:
        raise web.HTTPNotFound
    # What pages may take from disk, they need not take from here.
    return page(found.text, policy_of(found.template, live=found.live).replace(" file:", ""))
