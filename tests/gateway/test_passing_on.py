"""What goes through: every protocol byte for byte, whole and streamed, and nothing else."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.gateway.bench import APIS, HEADERS, KEY, Bench, asking
from tests.tools.model_server import ToolUse, Turn, Usage
from yarl import URL

from worktrial.formats.gateway import Api, ModelRoute
from worktrial.gateway.server import Gateway

TURN = Turn("I will look at it first.", (ToolUse("shell", {"command": "ls"}),), usage=Usage(1000, 50, 600, 0, 20))


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("split", [0, 3])
async def test_an_answer_is_passed_on_byte_for_byte(bench: Bench, api: Api, stream: bool, split: int) -> None:
    """The agent gets what it would get from the provider itself."""
    server = await bench.serve(TURN, split=split)
    gateway = await bench.gateway()
    path, body = asking(api, stream=stream)
    if api == "openai_chat" and stream:
        body["stream_options"] = {"include_usage": True}
    direct = {**HEADERS, "Authorization": f"Bearer {KEY}", "x-api-key": KEY, "x-goog-api-key": KEY}
    async with bench.session.post(server.url + path, json=body, headers=direct) as response:
        wanted = await response.read()
        kind = response.headers["Content-Type"]
    got = await bench.ask(gateway, bench.open(gateway), path, body)
    assert (got.status, got.body, got.headers["Content-Type"]) == (200, wanted, kind)
    sent_direct, sent_on = server.requests
    assert (sent_on.path, sent_on.body) == (sent_direct.path, sent_direct.body)
    (record,) = bench.records()
    assert (record.outcome, record.api, record.stream, record.changes) == ("answered", api, stream, ())


async def test_the_key_is_replaced_and_the_agents_other_headers_stay(bench: Bench) -> None:
    """Whatever header an agent has its dummy in, and a key in the query too."""
    gateway, trial = await bench.trial(TURN)
    path, body = asking("anthropic_messages")
    more = {
        "anthropic-beta": "tools-1",
        "x-goog-api-key": "g",
        "Cookie": "c=1",
        "Connection": "x-private",
        "x-private": "p",
    }
    assert (await bench.ask(gateway, trial, path + "?beta=true&key=sk-dummy", body, headers=more)).status == 200
    sent = {name.lower(): value for name, value in bench.server.requests[0].headers.items()}
    assert sent["x-api-key"] == KEY
    assert sent["anthropic-beta"] == "tools-1"
    assert not {"authorization", "x-goog-api-key", "cookie", "x-private"} & set(sent)
    assert "dummy" not in json.dumps(sent)


async def test_a_streamed_chat_request_is_made_to_tell_its_usage(bench: Bench) -> None:
    """Agents that do not ask are answered with one chunk more; that the body was changed is recorded."""
    gateway, trial = await bench.trial(TURN)
    path, body = asking("openai_chat", stream=True)
    choices: tuple[dict[str, Any], ...] = (
        {},
        {"stream_options": {}},
        {"stream_options": {"include_usage": False, "x": 1}},
    )
    for options in choices:
        got = await bench.ask(gateway, trial, path, body | options)
        assert b'"usage"' in got.body
    assert [seen.body["stream_options"]["include_usage"] for seen in bench.server.requests] == [True] * 3
    assert bench.server.requests[2].body["stream_options"]["x"] == 1
    for record in bench.records():
        assert record.changes == ("include_usage",)
        assert record.input_tokens == 1000
        assert record.sent_body != record.request_body


@pytest.mark.parametrize("api", APIS)
async def test_a_model_goes_where_its_route_says_and_under_another_name(bench: Bench, api: Api) -> None:
    """An agent that knows only some names can be given any model."""
    await bench.serve(TURN)
    config = bench.config(models={"m": ModelRoute(upstream="up", model="real-model")})
    gateway = await bench.gateway(config)
    path, body = asking(api)
    assert (await bench.ask(gateway, bench.open(gateway), path, body)).status == 200
    seen = bench.server.requests[0]
    assert "real-model" in (seen.path if api == "gemini" else seen.body["model"])
    (record,) = bench.records()
    assert (record.request_model, record.response_model, record.changes) == ("m", "real-model", ("model",))


async def test_the_small_operations_are_passed_on(bench: Bench) -> None:
    """Counting tokens, listing models, and the HEAD that Claude Code begins with. None of them is a turn."""
    gateway, trial = await bench.trial(TURN)
    _, body = asking("anthropic_messages")
    assert (await bench.ask(gateway, trial, "/", method="HEAD")).status == 200
    assert (await bench.ask(gateway, trial, "/v1/messages/count_tokens", body)).json["input_tokens"] == 42
    counted = await bench.ask(gateway, trial, "/v1beta/models/m:countTokens", asking("gemini")[1])
    assert counted.json["totalTokens"] == 42
    assert (await bench.ask(gateway, trial, "/v1/models", method="GET")).json["data"][0]["id"] == "scripted-1"
    assert [record.operation for record in bench.records()] == ["count_tokens", "count_tokens", "list_models"]
    assert trial.meter.usage().requests == 0
    assert trial.meter.usage().cost_usd == 0


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_compressed_request_is_decoded(bench: Bench, encoding: str) -> None:
    """The record and the upstream get it plain."""
    gateway, trial = await bench.trial(TURN)
    path, body = asking("openai_responses")
    raw = json.dumps(body).encode()
    packed = gzip.compress(raw) if encoding == "gzip" else zlib.compress(raw)
    assert (await bench.ask(gateway, trial, path, packed, headers={"Content-Encoding": encoding})).status == 200
    assert bench.server.requests[0].body == body
    broken = await bench.ask(gateway, trial, path, packed[:-9], headers={"Content-Encoding": encoding})
    assert broken.status == 400
    assert (await bench.ask(gateway, trial, path, packed, headers={"Content-Encoding": "br"})).status == 415
    assert [record.outcome for record in bench.records()] == ["answered", "bad_request", "bad_request"]


async def test_websocket_upgrades_are_answered_426(bench: Bench) -> None:
    """So that Codex falls back to plain HTTP at once."""
    gateway, trial = await bench.trial()
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "eA==",
    }
    got = await bench.ask(gateway, trial, "/v1/responses", method="GET", headers=upgrade)
    assert got.status == 426
    assert "message" in got.json["error"]
    assert not bench.server.requests


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/v1/embeddings", "openai"),
        ("POST", "/v1/messages/batches", "anthropic"),
        ("POST", "/v1beta/models/m:embedContent", "gemini"),
        ("DELETE", "/v1/responses/resp_1", "openai"),
        ("GET", "/etc/passwd", "openai"),
        ("POST", "/../../v1/messages/../x", "anthropic"),
    ],
)
async def test_an_unknown_route_is_an_error_in_the_protocols_shape(
    bench: Bench, method: str, path: str, kind: str
) -> None:
    """And goes nowhere."""
    gateway, trial = await bench.trial(TURN)
    url = URL(gateway.url + trial.path + path, encoded=True)
    headers = {"anthropic-version": "1"} if kind == "anthropic" else {}
    async with bench.session.request(
        method, url, data=b"{}" if method == "POST" else None, headers=headers
    ) as response:
        body = await response.json()
    assert response.status == 404
    error: Any = body["error"]
    assert error["message"].startswith("worktrial: ")
    assert ("code" in error, body.get("type")) == (kind != "anthropic", "error" if kind == "anthropic" else None)
    assert not bench.server.requests


async def test_a_trial_cannot_be_guessed_or_used_by_another(bench: Bench) -> None:
    """Without its token nothing is asked, and a closed trial's is worth nothing."""
    gateway, trial = await bench.trial(TURN)
    other = bench.open(gateway, "agent/task/2")
    assert trial.path != other.path
    assert "task" not in trial.path
    path, body = asking("openai_chat")
    for prefix in ("", "/run", "/run/", "/run/agent/task/1", trial.path[:-1], trial.path + "x"):
        async with bench.session.post(gateway.url + prefix + path, json=body) as response:
            assert response.status == 404
    assert (await bench.ask(gateway, other, path, body)).status == 200
    gateway.close(other)
    assert (await bench.ask(gateway, other, path, body)).status == 404
    assert (len(bench.records()), len(bench.records("agent/task/2"))) == (0, 1)


async def test_it_listens_on_a_unix_socket(bench: Bench, tmp_path: Path) -> None:
    """The only thing of the network that a sandbox has."""
    await bench.serve(TURN)
    gateway = Gateway(bench.config(), keys={"UP_KEY": KEY})
    await gateway.start(socket=tmp_path / "gw.sock")
    bench.gateways.append(gateway)
    trial = bench.open(gateway)
    assert gateway.url == ""
    path, body = asking("anthropic_messages", stream=True)
    connector = aiohttp.UnixConnector(str(tmp_path / "gw.sock"))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post("http://x" + trial.path + path, json=body, headers=HEADERS) as response,
    ):
        assert b"message_stop" in await response.read()
    await gateway.stop()
    assert not (tmp_path / "gw.sock").exists()


async def test_two_upstreams_serve_their_own_models(bench: Bench) -> None:
    """By pattern; a trial that is tied to one goes there with any model; what nobody serves is named."""
    left = await bench.serve(Turn("left"))
    right = await bench.serve(Turn("right"))
    config = bench.config(left.url)
    upstream = config.upstreams["up"]
    both = config.model_copy(
        update={
            "upstreams": {"left": upstream, "right": upstream.model_copy(update={"base_url": right.url})},
            "models": {"r-*": "right"},
        }
    )
    gateway = await bench.gateway(both)
    trial, tied = bench.open(gateway), bench.open(gateway, "tied/task/1", upstream="right")
    path, body = asking("anthropic_messages")
    for opened, model, word in ((trial, "m", b"left"), (trial, "r-1", b"right"), (tied, "m", b"right")):
        assert word in (await bench.ask(gateway, opened, path, body | {"model": model})).body
    nowhere = bench.open(gateway, "lost/task/1", upstream="gone")
    got = await bench.ask(gateway, nowhere, path, body)
    assert (got.status, got.json["error"]["type"]) == (404, "not_found_error")
    assert bench.records("lost/task/1")[0].outcome == "unknown_model"
