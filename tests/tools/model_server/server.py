"""The server: routes, faults and a record of what was asked."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from tests.tools.model_server.anthropic_messages import AnthropicMessages
from tests.tools.model_server.gemini import Gemini
from tests.tools.model_server.openai_chat import OpenAIChat
from tests.tools.model_server.openai_responses import OpenAIResponses
from tests.tools.model_server.script import Fault, Script, Turn, choose
from tests.tools.model_server.wire import Asked, Wire


@dataclass(frozen=True)
class Seen:
    """A request as it came, and what it was answered with."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    status: int
    """0: the connection was ended amid the answer, or before it."""


@dataclass(frozen=True)
class _Call:
    """A request being answered."""

    request: web.Request
    wire: Wire
    asked: Asked
    body: dict[str, Any]


class ModelServer:
    """The server. After the last turn a conversation is told `done`."""

    def __init__(
        self,
        scripts: Sequence[Script],
        *,
        key: str | None = None,
        record: Path | None = None,
        split: int = 0,
        pace_s: float = 0.0,
    ) -> None:
        """`split`: bytes of each write of a stream; 0: an event each. `pace_s`: seconds between them."""
        self.scripts = scripts
        self.key = key
        self.requests: list[Seen] = []
        self.url = ""
        self._record = record
        self._split = split
        self._pace_s = pace_s
        self._faults: Counter[str] = Counter()
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> str:
        """Listen on the loopback and return the address, without a path."""
        app = web.Application(client_max_size=256 * 1024 * 1024)
        add = app.router.add_post
        add("/{prefix:.*}chat/completions", self._answering(OpenAIChat()))
        add("/{prefix:.*}v1/messages", self._answering(AnthropicMessages()))
        add("/{prefix:.*}v1/messages/count_tokens", self._count_tokens)
        add("/{prefix:.*}responses", self._answering(OpenAIResponses()))
        add("/{prefix:.*}models/{model}:{method:(stream)?[gG]enerateContent}", self._answering(Gemini()))
        add("/{prefix:.*}models/{model}:countTokens", self._count_tokens)
        app.router.add_get("/{prefix:.*}models", self._models)
        app.router.add_get("/{prefix:.*}responses", self._no_websocket)
        app.router.add_get("/", self._root)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self.url

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _answering(self, wire: Wire) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = await request.json()
            return await self._answer(_Call(request, wire, wire.asked(request.path, request.headers, body), body))

        return handle

    async def _answer(self, call: _Call) -> web.StreamResponse:
        key = call.wire.key(call.request.headers, call.request.query)
        if self.key is not None and key != self.key:
            # As some providers do, it says the key back.
            return self._refuse(call, 401, "authentication_error", f"Incorrect API key: {key}")
        if call.asked.wrong:
            return self._refuse(call, 400, "invalid_request_error", call.asked.wrong)
        asked = call.asked
        script = choose(self.scripts, asked.prompt, tools=bool(asked.tools))
        turn = script.turns[asked.index] if asked.index < len(script.turns) else Turn(text="done")
        count = f"{asked.index} {asked.prompt}"
        fault = None
        if self._faults[count] < len(turn.faults):
            fault = turn.faults[self._faults[count]]
            self._faults[count] += 1
            if fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
                fault = None
        if fault is not None and fault.kind in ("status", "body", "drop"):
            return await self._fail(call, fault)
        if asked.stream:
            return await self._stream(call, call.wire.events(turn, asked, call.body), fault)
        answer = call.wire.answer(turn, asked, call.body)
        return self._send(call, 200, answer) if fault is None else await self._half(call, fault)

    async def _fail(self, call: _Call, fault: Fault) -> web.StreamResponse:
        if fault.kind == "status":
            headers = {"retry-after": fault.retry_after} if fault.retry_after else {}
            error = call.wire.error("scripted", fault.message, fault.status)
            return self._send(call, fault.status, error, headers)
        if fault.kind == "body":
            self._note(call, fault.status)
            return web.Response(text=fault.message, status=fault.status)
        self._note(call, 0)
        self._hang_up(call)
        return web.Response()

    async def _half(self, call: _Call, fault: Fault) -> web.StreamResponse:
        if fault.kind in ("malformed", "error_event"):
            self._note(call, 200)
            return web.Response(text='{"choices": [{"mess', content_type="application/json")
        self._note(call, 0)
        response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
        await response.prepare(call.request)
        await response.write(b'{"half": ')
        await asyncio.sleep(fault.seconds)
        self._hang_up(call)
        return response

    async def _stream(self, call: _Call, events: list[bytes], fault: Fault | None) -> web.StreamResponse:
        sse = not isinstance(call.wire, Gemini) or call.request.query.get("alt") == "sse"
        if fault is not None:
            events = events[: fault.after]
        if fault is not None and fault.kind == "malformed":
            events = [*events, b'data: {"half": \n\n']
        if fault is not None and fault.kind == "error_event":
            events = [*events, call.wire.error_event(fault.message)]
        if not sse:
            events = _as_array(events)
        self._note(call, 0 if fault is not None and fault.kind == "cut" else 200)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream" if sse else "application/json", "Cache-Control": "no-cache"}
        )
        await response.prepare(call.request)
        for piece in self._split_up(events):
            await response.write(piece)
            await asyncio.sleep(self._pace_s)  # with no pace too, so that each is a write of its own
        if fault is not None and fault.kind == "endless":
            loop = asyncio.get_running_loop()
            until = loop.time() + fault.seconds
            while loop.time() < until:
                await response.write(b": still there\n\n")
                await asyncio.sleep(0.01)
        if fault is not None and fault.kind in ("cut", "stall", "endless"):
            await asyncio.sleep(fault.seconds if fault.kind == "stall" else 0)
            self._hang_up(call)
            return response
        await response.write_eof()
        return response

    def _split_up(self, events: list[bytes]) -> list[bytes]:
        if not self._split:
            return events
        whole = b"".join(events)
        return [whole[i : i + self._split] for i in range(0, len(whole), self._split)]

    def _hang_up(self, call: _Call) -> None:
        if call.request.transport is not None:
            call.request.transport.abort()

    def _refuse(self, call: _Call, status: int, kind: str, message: str) -> web.Response:
        return self._send(call, status, call.wire.error(kind, message, status))

    def _send(
        self, call: _Call, status: int, answer: dict[str, Any], headers: dict[str, str] | None = None
    ) -> web.Response:
        self._note(call, status)
        return web.json_response(answer, status=status, headers=headers)

    def _note(self, call: _Call, status: int) -> None:
        seen = Seen(call.request.path, dict(call.request.headers), call.body, status)
        self.requests.append(seen)
        if self._record is not None:
            with self._record.open("a") as file:
                file.write(json.dumps({"path": seen.path, "status": status, "body": call.body}) + "\n")

    # -- the rest of what agents ask --

    async def _count_tokens(self, request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"input_tokens": 42, "totalTokens": 42})

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "scripted-1", "object": "model"}]})

    async def _no_websocket(self, request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "no WebSocket here"}}, status=426)

    async def _root(self, request: web.Request) -> web.Response:
        return web.Response()


def _as_array(events: list[bytes]) -> list[bytes]:
    """Return events as Gemini streams them without `alt=sse`: the elements of one JSON array."""
    elements = [event.strip().removeprefix(b"data: ") for event in events]
    first = [b"[" + elements[0]] if elements else [b"["]
    return [*first, *(b",\r\n" + element for element in elements[1:]), b"]"]
