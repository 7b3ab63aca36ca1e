"""The scripted model server: as a program of its own, and streamed in every protocol it speaks."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.tools.model_server import Fault, ModelServer, Script, ToolUse, Turn, Usage

ROOT = Path(__file__).parents[2]
USED = Usage(input=1000, output=50, cache_read=600, cache_write=200, reasoning=20)
TURN = Turn("I will look at it first.", (ToolUse("shell", {"command": "ls -la"}),), usage=USED)
ASK = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "fix"}]}
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {**ASK, "stream": True, "stream_options": {"include_usage": True}}),
    "messages": ("/v1/messages", {**ASK, "stream": True}),
    "responses": ("/v1/responses", {"model": "m", "input": "fix", "stream": True}),
    "gemini": (
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "fix"}]}]},
    ),
}
HEADERS = {"anthropic-version": "2023-06-01", "Content-Type": "application/json"}


async def test_it_runs_as_a_program_and_answers_by_script(tmp_path: Path) -> None:
    """It prints its address, picks the script by the prompt, and records requests without headers."""
    script = tmp_path / "script.json"
    script.write_text(
        json.dumps([{"match": "blue", "turns": [{"text": "sky"}]}, {"turns": [{"text": "other", "usage": None}]}])
    )
    record = tmp_path / "record.jsonl"
    argv = ("-m", "tests.tools.model_server", "--script", str(script), "--key", "sk-test-key", "--record", str(record))
    process = await asyncio.create_subprocess_exec(sys.executable, *argv, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer sk-test-key"}) as session:
            for prompt, wanted in (("blue?", "sky"), ("red?", "other")):
                body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
                async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                    answer = await response.json()
                assert answer["choices"][0]["message"]["content"] == wanted
            async with session.post(
                f"{url}/v1/messages", json={"messages": []}, headers={"x-api-key": "x"}
            ) as response:
                assert response.status == 401
    finally:
        process.terminate()
        await process.wait()
    assert [json.loads(line)["status"] for line in record.read_text().splitlines()] == [200, 200, 401]
    assert "sk-test-key" not in record.read_text()


async def ask(server: ModelServer, api: str, **more: Any) -> tuple[int, bytes]:
    """Return status and body of a request."""
    path, body = REQUESTS[api]
    async with (
        aiohttp.ClientSession() as session,
        session.post(server.url + path, json=body | more, headers=HEADERS) as response,
    ):
        return response.status, await response.read()


def events(body: bytes) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in body.decode().splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("api", REQUESTS)
@pytest.mark.parametrize("split", [0, 5])
async def test_a_turn_is_streamed_in_every_protocol(api: str, split: int) -> None:
    """Text and arguments in pieces, the usage in the protocol's own fields, whatever the writes are."""
    server = ModelServer([Script((TURN,))], split=split)
    await server.start()
    try:
        status, body = await ask(server, api)
    finally:
        await server.stop()
    got = events(body)
    assert status == 200
    if api == "chat":
        assert got[-1]["usage"]["prompt_tokens_details"] == {"cached_tokens": 600}
        assert got[-2]["choices"][0]["finish_reason"] == "tool_calls"
        assert "".join(one["choices"][0]["delta"].get("content", "") for one in got[:-1]) == TURN.text
    elif api == "messages":
        assert got[0]["message"]["usage"]["input_tokens"] == 200
        assert got[-2]["usage"] == {"output_tokens": 50}
        pieces = [one["delta"].get("partial_json", "") for one in got if one["type"] == "content_block_delta"]
        assert json.loads("".join(pieces)) == {"command": "ls -la"}
    elif api == "responses":
        assert got[-1]["type"] == "response.completed"
        assert got[-1]["response"]["usage"]["output_tokens_details"] == {"reasoning_tokens": 20}
        assert [item["type"] for item in got[-1]["response"]["output"]] == ["message", "function_call"]
    else:
        assert got[-1]["usageMetadata"]["candidatesTokenCount"] == 30
        assert got[-1]["usageMetadata"]["thoughtsTokenCount"] == 20


@pytest.mark.parametrize("api", REQUESTS)
async def test_a_stream_can_be_cut_and_is_whole_the_next_time(api: str) -> None:
    """A fault is for one request."""
    server = ModelServer([Script((Turn("a long answer that is cut", faults=(Fault("cut", after=2),)),))])
    await server.start()
    try:
        with pytest.raises(aiohttp.ClientError):
            await ask(server, api)
        assert (await ask(server, api))[0] == 200
    finally:
        await server.stop()
    assert [seen.status for seen in server.requests] == [0, 200]


async def test_side_requests_can_have_a_script_of_their_own() -> None:
    """A title is asked for without tools, and may be about the same prompt."""
    server = ModelServer([Script((Turn("a title"),), tools=False), Script((TURN,), tools=True)])
    await server.start()
    try:
        side = (await ask(server, "messages", stream=False))[1]
        tools = [{"name": "shell", "input_schema": {"type": "object"}}]
        turn = (await ask(server, "messages", stream=False, tools=tools))[1]
    finally:
        await server.stop()
    assert json.loads(side)["content"][0]["text"] == "a title"
    assert json.loads(turn)["stop_reason"] == "tool_use"
