"""A model server that answers by a script, over real HTTP: OpenAI Chat Completions, Anthropic Messages; unstreamed.

A script is a list of turns. Which one is answered follows from the request alone: the number of replies that the
conversation holds already. So a request that is sent again gets the same answer, and conversations may run at the same
time. A turn's faults come first, one a request. Requests that a real provider would refuse are refused.

As a program: `python tests/tools/model_server.py --script FILE [--port N] [--key KEY] [--record FILE]`. FILE is JSON: a
list of turns, or a list of {"match": regex of the first prompt, "turns": […]}. Prints its address as the first line.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aiohttp import web


@dataclass(frozen=True)
class Usage:
    """Tokens a turn says it used; `input` includes what came from and went to the cache."""

    input: int = 100
    output: int = 10
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True)
class Fault:
    """What goes wrong before a turn is answered."""

    kind: Literal["status", "cut", "malformed", "slow", "body"]
    """*cut*: the connection ends amid the answer. *malformed*: half a JSON. *slow*: answers after `seconds`.
    *body*: `message` is sent as it is, with `status`."""
    status: int = 500
    message: str = "scripted failure"
    retry_after: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class ToolUse:
    """A tool call; arguments given as text are sent as they are, valid or not."""

    name: str
    arguments: dict[str, Any] | str
    id: str | None = None
    """None: a fresh one."""


@dataclass(frozen=True)
class Turn:
    """One answer."""

    text: str = ""
    calls: tuple[ToolUse, ...] = ()
    stop: Literal["", "length", "refused"] = ""
    usage: Usage | None = Usage()
    """None: the answer does not say."""
    faults: tuple[Fault, ...] = ()

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Turn:
        """Return the turn that JSON describes: the same names, all optional."""
        usage = raw.get("usage", {})
        return cls(
            text=raw.get("text", ""),
            calls=tuple(ToolUse(**call) for call in raw.get("calls", ())),
            stop=raw.get("stop", ""),
            usage=None if usage is None else Usage(**usage),
            faults=tuple(Fault(**fault) for fault in raw.get("faults", ())),
        )


@dataclass(frozen=True)
class Script:
    """The turns of conversations whose first prompt matches."""

    turns: tuple[Turn, ...]
    match: str = ""


@dataclass(frozen=True)
class Seen:
    """A request as it came, and what it was answered with."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    status: int


class ModelServer:
    """The server. After the last turn a conversation is told `done`."""

    def __init__(self, scripts: Sequence[Script], *, key: str | None = None, record: Path | None = None) -> None:
        self.scripts = scripts
        self.key = key
        self.requests: list[Seen] = []
        self.url = ""
        self._record = record
        self._faults: Counter[str] = Counter()
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> str:
        """Listen on the loopback and return the address, without a path."""
        app = web.Application(client_max_size=256 * 1024 * 1024)
        app.router.add_post("/{prefix:.*}chat/completions", self._openai)
        app.router.add_post("/{prefix:.*}v1/messages", self._anthropic)
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

    async def _openai(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        wrong = _wrong_openai(body)
        prompt = next((_words(m["content"]) for m in body.get("messages", []) if m.get("role") == "user"), "")
        return await self._answer(request, body, given, wrong, prompt, "openai")

    async def _anthropic(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        wrong = _wrong_anthropic(body)
        if "anthropic-version" not in request.headers:
            wrong = "anthropic-version: header is required"
        prompt = next((_words(m["content"]) for m in body.get("messages", []) if m.get("role") == "user"), "")
        return await self._answer(request, body, request.headers.get("x-api-key", ""), wrong, prompt, "anthropic")

    async def _answer(
        self, request: web.Request, body: dict[str, Any], key: str, wrong: str, prompt: str, api: str
    ) -> web.StreamResponse:
        if self.key is not None and key != self.key:
            # As some providers do, it says the key back.
            return self._send(request, body, 401, _error(api, "authentication_error", f"Incorrect API key: {key}"))
        if wrong:
            return self._send(request, body, 400, _error(api, "invalid_request_error", wrong))
        index = sum(message["role"] == "assistant" for message in body["messages"])
        script = next((one for one in self.scripts if re.search(one.match, prompt)), Script(()))
        turn = script.turns[index] if index < len(script.turns) else Turn(text="done")
        count = f"{index} {prompt}"
        if self._faults[count] < len(turn.faults):
            fault = turn.faults[self._faults[count]]
            self._faults[count] += 1
            if fault.kind != "slow":
                return await self._fail(request, body, fault, api)
            await asyncio.sleep(fault.seconds)
        answer = _openai_answer if api == "openai" else _anthropic_answer
        return self._send(request, body, 200, answer(turn, body["model"], index))

    async def _fail(self, request: web.Request, body: dict[str, Any], fault: Fault, api: str) -> web.StreamResponse:
        if fault.kind == "status":
            headers = {"retry-after": fault.retry_after} if fault.retry_after else {}
            error = _error(api, "scripted", fault.message)
            return self._send(request, body, fault.status, error, headers)
        if fault.kind == "body":
            self._note(request, body, fault.status)
            return web.Response(text=fault.message, status=fault.status)
        if fault.kind == "malformed":
            self._note(request, body, 200)
            return web.Response(text='{"choices": [{"mess', content_type="application/json")
        self._note(request, body, 0)
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"half": ')
        if request.transport is not None:
            request.transport.abort()
        return response

    def _send(
        self,
        request: web.Request,
        body: dict[str, Any],
        status: int,
        answer: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> web.Response:
        self._note(request, body, status)
        return web.json_response(answer, status=status, headers=headers)

    def _note(self, request: web.Request, body: dict[str, Any], status: int) -> None:
        seen = Seen(request.path, dict(request.headers), body, status)
        self.requests.append(seen)
        if self._record is not None:
            with self._record.open("a") as file:
                file.write(json.dumps({"path": seen.path, "status": status, "body": body}) + "\n")


def _openai_answer(turn: Turn, model: str, index: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
    if turn.stop == "refused":
        message |= {"content": None, "refusal": turn.text}
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{index}_{i}" if call.id is None else call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments),
                },
            }
            for i, call in enumerate(turn.calls)
        ]
    finish = turn.stop if turn.stop == "length" else "tool_calls" if turn.calls else "stop"
    answer: dict[str, Any] = {
        "id": f"chatcmpl-{index}",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    if turn.usage is not None:
        answer["usage"] = {
            "prompt_tokens": turn.usage.input,
            "completion_tokens": turn.usage.output,
            "total_tokens": turn.usage.input + turn.usage.output,
            "prompt_tokens_details": {"cached_tokens": turn.usage.cache_read},
        }
    return answer


def _anthropic_answer(turn: Turn, model: str, index: int) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": turn.text}]
    content += [
        {
            "type": "tool_use",
            "id": f"toolu_{index}_{i}" if call.id is None else call.id,
            "name": call.name,
            "input": call.arguments,
        }
        for i, call in enumerate(turn.calls)
    ]
    stops = {"length": "max_tokens", "refused": "refusal", "": "tool_use" if turn.calls else "end_turn"}
    answer: dict[str, Any] = {
        "id": f"msg_{index}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stops[turn.stop],
        "stop_sequence": None,
    }
    if turn.usage is not None:
        used = turn.usage
        answer["usage"] = {
            "input_tokens": used.input - used.cache_read - used.cache_write,
            "cache_read_input_tokens": used.cache_read,
            "cache_creation_input_tokens": used.cache_write,
            "output_tokens": used.output,
        }
    return answer


def _error(api: str, kind: str, message: str) -> dict[str, Any]:
    if api == "openai":
        return {"error": {"message": message, "type": kind, "code": None}}
    return {"type": "error", "error": {"type": kind, "message": message}}


def _words(content: Any) -> str:
    """Return the text of a message, whether a string or a list of blocks."""
    if isinstance(content, str):
        return content
    return "".join(block.get("text", "") for block in content)


def _wrong_openai(body: dict[str, Any]) -> str:
    """Return what OpenAI would complain of; empty when nothing."""
    if body.get("stream"):
        return "this server does not stream"
    if not isinstance(body.get("model"), str) or not body.get("messages"):
        return "you must provide a model and messages"
    open_calls: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                return f"no tool call {message['tool_call_id']!r} to answer"
            open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            return f"tool calls without an answer: {open_calls}"
        for call in message.get("tool_calls", ()):
            json.loads(call["function"]["arguments"])  # as the templates of many servers do
            open_calls.append(call["id"])
        if len(set(open_calls)) != len(open_calls) or "" in open_calls:
            return "tool call ids must be there and differ"
    return f"tool calls without an answer: {open_calls}" if open_calls else ""


def _wrong_anthropic(body: dict[str, Any]) -> str:
    """Return what Anthropic would complain of; empty when nothing."""
    if body.get("stream"):
        return "this server does not stream"
    if not isinstance(body.get("max_tokens"), int) or not isinstance(body.get("model"), str):
        return "max_tokens and model: Field required"
    messages = body.get("messages") or []
    if not messages or messages[0]["role"] != "user":
        return "messages: the first must be of the user"
    asked: list[str] = []
    for message in messages:
        blocks = message["content"] if isinstance(message["content"], list) else []
        if not message["content"] or any(block["type"] == "text" and not block["text"] for block in blocks):
            return "messages: text content blocks must be non-empty"
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(answered) != sorted(asked):
            return f"messages: tool_use ids {asked} were answered by tool_result {answered}"
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if any(not isinstance(block["input"], dict) for block in blocks if block["type"] == "tool_use"):
            return "messages: tool_use.input: Input should be a valid dictionary"
    return f"messages: tool_use ids {asked} have no tool_result" if asked else ""


def load_scripts(path: Path) -> list[Script]:
    """Read a script file: turns, or scripts with a regex each."""
    raw = json.loads(path.read_text("utf-8"))
    if raw and "turns" in raw[0]:
        return [Script(tuple(map(Turn.parse, one["turns"])), one.get("match", "")) for one in raw]
    return [Script(tuple(map(Turn.parse, raw)))]


async def _serve(options: argparse.Namespace) -> None:
    server = ModelServer(load_scripts(options.script), key=options.key, record=options.record)
    sys.stdout.write(await server.start(options.port) + "\n")
    sys.stdout.flush()
    try:
        await asyncio.Event().wait()
    finally:
        await server.stop()


def main() -> None:
    """Run as a program until interrupted."""
    parser = argparse.ArgumentParser(description="A scripted model server.")
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", help="the only key taken; without it any is")
    parser.add_argument("--record", type=Path, help="append each request's path, status and body, no headers")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
