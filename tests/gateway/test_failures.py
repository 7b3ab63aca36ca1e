"""Whatever goes wrong on either side has its own name, and the gateway goes on."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.gateway.bench import APIS, Bench, asking
from tests.tools.model_server import Fault, Turn

from worktrial.errors import InfrastructureError, UsageError
from worktrial.formats.gateway import Api, GatewayConfig, Outcome, UpstreamConfig
from worktrial.gateway.server import Gateway


async def only_outcome(bench: Bench) -> Outcome:
    """Return the outcome of the only request."""
    (record,) = bench.records()
    return record.outcome


@pytest.mark.parametrize("api", APIS)
async def test_an_upstream_that_is_down_is_named(bench: Bench, api: Api) -> None:
    """502 in the protocol's shape: agents try again, and the record says whose fault it is."""
    gateway = await bench.gateway(bench.config("http://127.0.0.1:9"))
    got = await bench.ask(gateway, bench.open(gateway), *asking(api))
    assert (got.status, await only_outcome(bench)) == (502, "upstream_down")
    assert "no connection" in got.json["error"]["message"]
    assert bench.records()[0].cost_usd == 0


@pytest.mark.parametrize(
    ("fault", "status", "outcome"),
    [
        (Fault("status", status=429), 429, "rate_limited"),
        (Fault("status", status=500), 500, "provider_error"),
        (Fault("status", status=529), 529, "provider_error"),
        (Fault("status", status=400), 400, "provider_refused"),
        (Fault("status", status=403), 403, "provider_auth"),
        (Fault("status", status=404), 404, "unknown_model"),
        (Fault("status", status=307), 307, "provider_refused"),
        (Fault("drop"), 502, "cut"),
        (Fault("malformed"), 200, "malformed"),
        (Fault("body", status=200, message="<html>busy</html>"), 200, "malformed"),
        (Fault("body", status=200, message="[]"), 200, "malformed"),
        (Fault("body", status=502, message="<html>bad gateway</html>"), 502, "provider_error"),
        (Fault("body", status=200, message='{"error": {"message": "overloaded"}}'), 200, "stream_error"),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else str(value),
)
@pytest.mark.parametrize("api", APIS)
async def test_a_failing_provider_is_passed_on_and_named(
    bench: Bench, api: Api, fault: Fault, status: int, outcome: Outcome
) -> None:
    """The agent sees what the provider said, and the next request is answered."""
    gateway, trial = await bench.trial(Turn("ok", faults=(fault,)))
    got = await bench.ask(gateway, trial, *asking(api))
    assert (got.status, await only_outcome(bench)) == (status, outcome)
    if fault.kind == "status":
        assert b"scripted failure" in got.body
        assert "scripted failure" in bench.records()[0].error
    assert (await bench.ask(gateway, trial, *asking(api))).status == 200


@pytest.mark.parametrize("api", APIS)
async def test_a_wrong_key_is_the_providers_refusal(bench: Bench, api: Api) -> None:
    """401, and the key that it says back is not passed on."""
    await bench.serve(Turn("ok"))
    bench.server.key = "another"
    gateway = await bench.gateway()
    got = await bench.ask(gateway, bench.open(gateway), *asking(api))
    assert (got.status, await only_outcome(bench)) == (401, "provider_auth")
    assert b"Incorrect API key: [key]" in got.body


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault("cut", after=3), "cut"),
        (Fault("malformed", after=3), "malformed"),
        (Fault("error_event", after=3, message="overloaded"), "stream_error"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_failing_stream_is_passed_on_and_named(bench: Bench, api: Api, fault: Fault, outcome: Outcome) -> None:
    """As far as it came; where the connection broke, so does the agent's."""
    gateway, trial = await bench.trial(Turn("many words " * 9, faults=(fault,)))
    try:
        got = await bench.ask(gateway, trial, *asking(api, stream=True))
        assert fault.kind != "cut"
        assert got.status == 200
    except aiohttp.ClientError:
        assert fault.kind == "cut"
    assert await only_outcome(bench) == outcome


async def test_a_silent_upstream_is_given_up(bench: Bench) -> None:
    """Before its answer with a 504; amid it the agent's connection ends too."""
    silent = (Fault("slow", seconds=30), Fault("stall", after=3, seconds=30))
    gateway, trial = await bench.trial(Turn("many words " * 9, faults=silent), read_timeout_s=0.3)
    got = await bench.ask(gateway, trial, *asking("anthropic_messages", stream=True))
    assert (got.status, got.json["error"]["type"]) == (504, "timeout_error")
    with pytest.raises(aiohttp.ClientError):
        await bench.ask(gateway, trial, *asking("anthropic_messages", stream=True))
    assert [record.outcome for record in bench.records()] == ["upstream_timeout", "upstream_timeout"]
    assert bench.records()[1].input_tokens == 100  # which it had told by then


@pytest.mark.parametrize("limit", [{"answer_timeout_s": 0.5}, {"max_answer_mib": 0.001}])
async def test_an_upstream_that_never_ends_is_given_up(bench: Bench, limit: dict[str, Any]) -> None:
    """By the time an answer may take as a whole, and by its length."""
    gateway, trial = await bench.trial(Turn("x", faults=(Fault("endless", seconds=30),)), **limit)
    with pytest.raises(aiohttp.ClientError):
        await bench.ask(gateway, trial, *asking("openai_chat", stream=True))
    assert await only_outcome(bench) == "upstream_endless"


async def test_a_hundred_megabytes_are_refused_without_being_read(bench: Bench) -> None:
    """With their length told and without, and within the limit they are passed on."""
    gateway, trial = await bench.trial(Turn("ok"), max_body_mib=8)
    path, body = asking("anthropic_messages", "x" * 7_000_000)
    assert (await bench.ask(gateway, trial, path, body)).status == 200

    async def chunks() -> Any:
        for _ in range(100):
            yield b" " * 1_000_000

    for data in (io.BytesIO(b" " * 100_000_000), chunks()):
        url = gateway.url + trial.path + path
        try:
            async with bench.session.post(url, data=data, headers={"Content-Type": "application/json"}) as response:
                assert response.status == 413
                assert (await response.json())["error"]["type"] == "request_too_large"
        except aiohttp.ClientError:
            pass  # it may hang up before all is sent; the record says why
    assert [record.outcome for record in bench.records()] == ["answered", "too_large", "too_large"]
    assert (trial.meter.folder / "gateway.bodies").stat().st_size < 100_000


async def test_a_packed_bomb_is_refused(bench: Bench) -> None:
    """The limit is on what it unpacks to."""
    gateway, trial = await bench.trial(Turn("ok"), max_body_mib=1)
    bomb = gzip.compress(b" " * 50_000_000)
    got = await bench.ask(gateway, trial, "/v1/messages", bomb, headers={"Content-Encoding": "gzip"})
    assert (got.status, await only_outcome(bench)) == (413, "too_large")


async def test_an_agent_that_sends_slowly_is_given_up(bench: Bench) -> None:
    """A body of which nothing more comes: 408, and the connection ends."""
    gateway, trial = await bench.trial(Turn("ok"), client_timeout_s=0.3)
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {trial.path}/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    writer.write(head.encode() + b'{"model')
    assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert await only_outcome(bench) == "client_slow"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"messages": []}', b"\xff\xfe", b"[" * 100_000])
async def test_a_request_that_cannot_be_read_is_refused(bench: Bench, body: bytes) -> None:
    """Nothing is sent on that we could not meter."""
    gateway, trial = await bench.trial(Turn("ok"))
    got = await bench.ask(gateway, trial, "/v1/chat/completions", body)
    assert (got.status, await only_outcome(bench)) == (400, "bad_request")
    assert not bench.server.requests


@pytest.mark.parametrize("stream", [True, False])
async def test_an_agent_that_hangs_up_ends_the_upstreams_work(bench: Bench, stream: bool) -> None:
    """Nobody pays for what nobody reads, and the record says so."""
    gateway, trial = await bench.trial(Turn("x", faults=(Fault("endless", seconds=60),)))
    path, body = asking("anthropic_messages", stream=stream)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await bench.ask(gateway, trial, path, body)
    for _ in range(200):
        if bench.records():
            break
        await asyncio.sleep(0.05)
    assert await only_outcome(bench) == "client_gone"


async def test_a_full_disk_stops_the_gateway_and_says_so(bench: Bench, tmp_path: Path) -> None:
    """Nothing is asked that could not be recorded; whoever runs the trials can see why."""
    gateway, trial = await bench.trial(Turn("ok"))
    trial.meter.folder.parent.mkdir(parents=True, exist_ok=True)
    trial.meter.folder.write_text("in the way")
    got = await bench.ask(gateway, trial, *asking("openai_chat"))
    assert got.status == 503
    assert gateway.failure is not None
    assert not bench.server.requests
    assert (await bench.ask(gateway, trial, *asking("openai_chat"))).status == 503


# -- configuration --


@pytest.mark.parametrize(
    ("upstream", "complaint"),
    [
        ({"base_url": "localhost:8000"}, "no http address"),
        ({"base_url": "http://me:secret@host/v1"}, "credentials"),
        ({"base_url": "http://host/v1?key=secret"}, "credentials"),
        ({"key_env": "NO_SUCH_KEY"}, "has no key"),
        ({"key_env": "BAD_KEY"}, "is no key"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(upstream: dict[str, str], complaint: str) -> None:
    """Before anything is started; what may be a secret is not repeated."""
    one = {"base_url": "http://127.0.0.1:1/v1", "apis": ["openai_chat"], **upstream}
    made = GatewayConfig(upstreams={"up": UpstreamConfig.model_validate(one)})
    with pytest.raises(UsageError, match=complaint) as caught:
        Gateway(made, keys={"BAD_KEY": "sk-\u20ac"})
    assert "secret" not in str(caught.value)


def test_a_model_of_an_unknown_upstream_is_refused() -> None:
    """With the names there are."""
    with pytest.raises(UsageError, match="unknown upstream 'x'"):
        Gateway(GatewayConfig(models={"m": "x"}))


async def test_a_port_that_is_taken_is_named(bench: Bench) -> None:
    """And nothing is left listening."""
    gateway, _ = await bench.trial()
    port = int(gateway.url.rsplit(":", 1)[1])
    with pytest.raises(InfrastructureError, match="cannot listen"):
        await Gateway(bench.config(), keys={"UP_KEY": "k" * 9}).start(port=port)


async def test_stopping_breaks_off_and_records_what_is_under_way(bench: Bench) -> None:
    """Nothing is lost."""
    gateway, trial = await bench.trial(Turn("x", faults=(Fault("endless", seconds=60),)))
    asked = asyncio.create_task(bench.ask(gateway, trial, *asking("anthropic_messages", stream=True)))
    for _ in range(200):
        if bench.server.requests:
            break
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
    await gateway.stop()
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await asked
    (record,) = bench.records()
    assert record.outcome == "client_gone"
    assert record.input_tokens == 100
    assert json.loads((trial.meter.folder / "gateway.jsonl").read_text())["outcome"] == "client_gone"
