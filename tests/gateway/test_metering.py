"""What a request used and cost, whoever asks and however it ends."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from tests.gateway.bench import APIS, Bench, asking
from tests.tools.model_server import Fault, Script, ToolUse, Turn, Usage

from worktrial.formats.gateway import Api, GatewayRecord
from worktrial.gateway.conversation import conversation
from worktrial.gateway.reliability import reliability
from worktrial.gateway.trials import side_requests

USED = Usage(input=1000, output=50, cache_read=600, cache_write=200, reasoning=20)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("stream", [True, False])
async def test_tokens_are_what_the_server_sent_in_every_protocol(bench: Bench, api: Api, stream: bool) -> None:
    """Input includes the cached part, output the reasoning, whatever the protocol counts."""
    turn = Turn("hello", (ToolUse("shell", {"command": "ls"}), ToolUse("edit", {"path": "x"})), usage=USED)
    gateway, trial = await bench.trial(turn)
    assert (await bench.ask(gateway, trial, *asking(api, stream=stream))).status == 200
    (record,) = bench.records()
    assert (record.input_tokens, record.output_tokens, record.cache_read_tokens) == (1000, 50, 600)
    assert record.cache_write_tokens == (200 if api == "anthropic_messages" else 0)
    assert record.reasoning_tokens == (None if api == "anthropic_messages" else 20)
    assert record.cost_usd == pytest.approx((1000 + 500) / 1e6)
    assert record.cost_source == "metered"
    assert (record.usage_source, record.tools_offered) == ("metered", 1)
    assert [call.name for call in record.tool_calls] == ["shell", "edit"]
    assert len(record.finish_reasons) == 1
    assert record.first_byte_s is not None
    assert record.total_s is not None
    assert 0 < record.first_byte_s <= record.total_s
    assert (record.first_chunk_s is not None) == stream
    used = trial.meter.usage()
    assert (used.requests, used.input_tokens, used.output_tokens, used.cache_read_tokens) == (1, 1000, 50, 600)
    assert (used.cost_usd, used.cost_source) == (record.cost_usd, "metered")
    (said,) = conversation(trial.meter.folder)
    assert "".join(said.reading.text) == "hello"
    assert [json.loads(call.arguments) for call in said.reading.calls] == [{"command": "ls"}, {"path": "x"}]


async def test_records_have_opentelemetrys_names(bench: Bench) -> None:
    """So that other tools read them."""
    gateway, trial = await bench.trial(Turn("hi"))
    await bench.ask(gateway, trial, *asking("openai_chat"))
    raw = json.loads((trial.meter.folder / "gateway.jsonl").read_text())
    assert raw["format"] == "worktrial/gateway@1"
    assert raw["gen_ai.usage.input_tokens"] == 100
    assert raw["gen_ai.operation.name"] == "chat"
    assert raw["gen_ai.response.finish_reasons"] == ["stop"]
    assert GatewayRecord.model_validate(raw) == bench.records()[0]


async def test_unknown_usage_and_unknown_prices_are_not_zero(bench: Bench) -> None:
    """The cost of the trial is unknown as soon as that of one request is."""
    gateway, trial = await bench.trial(Turn("hi", usage=None), prices={})
    await bench.ask(gateway, trial, *asking("openai_chat"))
    assert bench.records()[0].input_tokens is None
    gateway, trial = await bench.trial(Turn("hi"), prices={})
    await bench.ask(gateway, trial, *asking("openai_chat"))
    record = bench.records()[-1]
    assert (record.input_tokens, record.cost_usd, record.cost_source) == (100, None, None)
    assert record.prices.startswith("genai-prices ")
    assert trial.meter.usage().cost_usd is None


@pytest.mark.parametrize("api", APIS)
async def test_a_retry_is_known_by_its_body(bench: Bench, api: Api) -> None:
    """After a 429 and a cut; failures that nobody bills cost nothing, and tokens are counted once."""
    faults = (Fault("status", status=429, retry_after="1"), Fault("status", status=503))
    gateway, trial = await bench.trial(Turn("done", faults=faults, usage=USED))
    first = await bench.ask(gateway, trial, *asking(api))
    assert (first.status, first.headers["retry-after"]) == (429, "1")
    assert (await bench.ask(gateway, trial, *asking(api))).status == 503
    assert (await bench.ask(gateway, trial, *asking(api))).status == 200
    records = bench.records()
    assert [record.outcome for record in records] == ["rate_limited", "provider_error", "answered"]
    assert [record.try_number for record in records] == [1, 2, 3]
    assert [record.retry_of for record in records] == ["", "r00001", "r00001"]
    assert "scripted failure" in records[0].error
    assert [record.cost_usd for record in records[:2]] == [0.0, 0.0]
    assert trial.meter.usage().input_tokens == 1000


async def test_a_turn_asked_for_again_unstreamed_is_a_retry(bench: Bench) -> None:
    """As Claude Code does after a stream was cut."""
    gateway, trial = await bench.trial(Turn("a long answer", faults=(Fault("cut", after=4),), usage=USED))
    path, body = asking("anthropic_messages", stream=True)
    with pytest.raises(aiohttp.ClientError):
        await bench.ask(gateway, trial, path, body)
    del body["stream"]
    assert (await bench.ask(gateway, trial, path, body)).status == 200
    cut, again = bench.records()
    assert (cut.outcome, again.outcome, again.try_number, again.retry_of) == ("cut", "answered", 2, cut.id)


@pytest.mark.parametrize("api", APIS)
async def test_what_was_metered_of_a_cut_stream_counts(bench: Bench, api: Api) -> None:
    """What the provider had said by then holds, the rest is estimated, and it says so."""
    gateway, trial = await bench.trial(Turn("word " * 200, faults=(Fault("cut", after=60),), usage=USED))
    with pytest.raises(aiohttp.ClientError):
        await bench.ask(gateway, trial, *asking(api, stream=True))
    (record,) = bench.records()
    assert (record.outcome, record.status) == ("cut", 200)
    assert (record.usage_source, record.cost_source) == ("estimated", "estimated")
    if api in ("anthropic_messages", "gemini"):
        assert record.input_tokens == 1000
    assert record.output_tokens is not None
    assert 60 < record.output_tokens < 130
    assert record.cost_usd is not None
    assert record.cost_usd > 0
    assert trial.meter.usage().cost_source == "estimated"


async def test_malformed_tool_calls_are_counted(bench: Bench) -> None:
    """Arguments that are no JSON, or no object."""
    calls = (ToolUse("shell", '{"command": "ls'), ToolUse("shell", "[1]"), ToolUse("shell", {"command": "ls"}))
    for stream in (True, False):
        gateway, trial = await bench.trial(Turn(calls=calls))
        await bench.ask(gateway, trial, *asking("openai_chat", stream=stream))
        assert [call.malformed for call in bench.records()[-1].tool_calls] == [True, True, False]
    (summary,) = reliability(bench.records())
    assert (summary.tool_calls, summary.malformed_tool_calls) == (6, 4)


async def test_side_requests_are_told_apart(bench: Bench) -> None:
    """They have no tools where the others do; the first of all can be one."""
    await bench.serve(scripts=[Script((Turn("A title"),), tools=False), Script((Turn("work"),))])
    gateway = await bench.gateway()
    trial = bench.open(gateway)
    for tools in (False, True, False):
        await bench.ask(gateway, trial, *asking("openai_chat", f"{tools}", tools=tools))
    assert side_requests(bench.records()) == {"r00001", "r00003"}
    assert [said.side for said in conversation(trial.meter.folder)] == [True, False, True]
    assert trial.meter.usage().requests == 3  # they are billed all the same
    assert side_requests(bench.records()[:1]) == set()


async def test_an_upstreams_own_amount_counts_as_reported(bench: Bench) -> None:
    """OpenRouter and other gateways name it, where no list has a price."""
    answer = {"model": "m", "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}
    answer["usage"] = {"prompt_tokens": 5, "completion_tokens": 1, "cost": 0.25}  # type: ignore[assignment]
    turn = Turn(faults=(Fault("body", status=200, message=json.dumps(answer)),))
    gateway, trial = await bench.trial(turn, prices={})
    await bench.ask(gateway, trial, *asking("openai_chat"))
    (record,) = bench.records()
    assert (record.cost_usd, record.cost_source) == (0.25, "reported")


async def test_a_provider_is_judged_by_its_records(bench: Bench) -> None:
    """Rate of errors, of limits, of cuts, and of malformed calls; refusals of ours are not the provider's."""
    faults = (Fault("status", status=429), Fault("status", status=529), Fault("drop"), Fault("status", status=400))
    gateway, trial = await bench.trial(Turn("ok", (ToolUse("a", "{"),), faults=faults))
    for _ in range(5):
        await bench.ask(gateway, trial, *asking("openai_chat"))
    await bench.ask(gateway, trial, "/v1/nonsense", {})
    (summary,) = reliability(bench.records())
    assert (summary.requests, summary.answered, summary.retries) == (5, 1, 4)
    assert summary.outcomes == {
        "rate_limited": 1,
        "provider_error": 1,
        "cut": 1,
        "provider_refused": 1,
        "answered": 1,
    }
    assert summary.error_rate == pytest.approx(3 / 5)
    assert summary.malformed_tool_calls == 1


async def test_many_trials_are_metered_apart(bench: Bench) -> None:
    """Whoever asks at the same time."""
    gateway, _ = await bench.trial(Turn("hi", usage=USED))
    trials = [bench.open(gateway, f"agent/task/{n}") for n in range(1, 21)]

    async def work(number: int) -> None:
        for i in range(number):
            await bench.ask(gateway, trials[number - 1], *asking(APIS[i % 4], f"{number} {i}", stream=i % 2 == 0))

    await asyncio.gather(*(work(number) for number in range(1, 21)))
    assert [trial.meter.usage().requests for trial in trials] == list(range(1, 21))
    assert [len(bench.records(f"agent/task/{n}")) for n in range(1, 21)] == list(range(1, 21))
