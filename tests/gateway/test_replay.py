"""A run again with no provider: the same answers to the byte, and an error for what was not asked then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest
from tests.gateway.bench import APIS, Bench, asking
from tests.tools.model_server import Fault, ToolUse, Turn, Usage

from worktrial.errors import FormatError
from worktrial.formats.gateway import Api, GatewayConfig
from worktrial.gateway.limits import Budget
from worktrial.gateway.recording import read_trial
from worktrial.gateway.replay import canonical
from worktrial.gateway.server import Gateway, OpenTrial

Got = tuple[int, bytes, str | None]


async def play(bench: Bench, gateway: Gateway, trial: OpenTrial, asked: Sequence[tuple[Api, str, bool]]) -> list[Got]:
    """Ask, and return status, body and type of every answer; (0, b"", None) where it broke off."""
    seen: list[Got] = []
    for api, prompt, stream in asked:
        try:
            got = await bench.ask(gateway, trial, *asking(api, prompt, stream=stream))
            seen.append((got.status, got.body, got.headers.get("content-type")))
        except aiohttp.ClientError:
            seen.append((0, b"", None))
    return seen


async def replaying(bench: Bench, trial: str = "agent/task/1") -> tuple[Gateway, OpenTrial]:
    """Return a gateway that answers from the record of the run, with no upstream and no key."""
    gateway = Gateway(GatewayConfig(), replay=bench.folder / "run")
    await gateway.start(port=0)
    bench.gateways.append(gateway)
    return gateway, gateway.open(trial, bench.folder / "again/trials" / trial)


@pytest.mark.parametrize("api", APIS)
async def test_a_run_is_replayed_to_the_byte(bench: Bench, api: Api) -> None:
    """Streams and whole answers, failures and cuts, in the order they came; tokens and costs too."""
    faults = (Fault("status", status=429, retry_after="2"), Fault("cut", after=4), Fault("drop"))
    turn = Turn(
        "hello there, all of you", (ToolUse("shell", {"command": "ls"}),), faults=faults, usage=Usage(500, 20, 100)
    )
    gateway, trial = await bench.trial(turn)
    asked = [(api, "one", True)] * 5 + [(api, "two", False)] * 4
    first = await play(bench, gateway, trial, asked)
    await gateway.stop()
    seen = len(bench.server.requests)
    again, retrial = await replaying(bench)
    assert await play(bench, again, retrial, asked) == first
    assert len(bench.server.requests) == seen
    await again.stop()
    before, after = bench.records(), read_trial(retrial.meter.folder)[0]
    for old, new in zip(before, after, strict=True):
        assert (new.outcome, new.input_tokens, new.cost_usd, new.tool_calls) == (
            *(old.outcome, old.input_tokens, old.cost_usd),
            old.tool_calls,
        )
        assert (new.try_number, new.response_body, new.replayed) == (old.try_number, old.response_body, True)
    assert retrial.meter.usage().cost_usd == trial.meter.usage().cost_usd


async def test_what_was_not_recorded_fails_loudly(bench: Bench) -> None:
    """Another prompt, another trial, and one time more than it was asked: each an error of its own on record."""
    gateway, trial = await bench.trial(Turn("hi"))
    await play(bench, gateway, trial, [("openai_chat", "one", False)])
    await gateway.stop()
    again, retrial = await replaying(bench)
    asked: list[tuple[Api, str, bool]] = [("openai_chat", "one", False), ("openai_chat", "one", False)]
    seen = await play(bench, again, retrial, [*asked, ("openai_chat", "other", False), ("gemini", "one", False)])
    assert [status for status, _, _ in seen] == [200, 400, 400, 400]
    assert b"not recorded" in seen[1][1]
    other = again.open("agent/task/2", bench.folder / "again/trials/agent/task/2")
    assert (await play(bench, again, other, asked[:1]))[0][0] == 400
    assert other.meter.outcomes == {"not_recorded": 1}


async def test_the_end_of_a_budget_is_replayed_as_well(bench: Bench) -> None:
    """At the same request, whatever the budget is now."""
    gateway, trial = await bench.trial(Turn("hi", usage=Usage(60_000, 0)), budget=Budget(0.10))
    asked: list[tuple[Api, str, bool]] = [("openai_chat", f"{i}", False) for i in range(4)]
    first = await play(bench, gateway, trial, asked)
    assert [status for status, _, _ in first] == [200, 200, 400, 400]
    await gateway.stop()
    again, retrial = await replaying(bench)
    assert await play(bench, again, retrial, asked) == first
    assert retrial.meter.stopped == "budget"


async def test_what_changes_from_run_to_run_by_nature_is_no_difference(bench: Bench) -> None:
    """Durations, dates, random ids and temporary folders in what tools printed."""
    gateway, trial = await bench.trial(Turn("hi"))
    printed = "3 passed in {}s at {} in /tmp/{}/x, id {}"
    one = printed.format("0.03", "2026-01-02 03:04:05", "tmpabc", "01234567-89ab-cdef-0123-456789abcdef")
    two = printed.format("0.41", "2026-02-03 13:14:15", "tmpxyz", "fedcba98-89ab-cdef-0123-456789abcdef")
    first = await play(bench, gateway, trial, [("anthropic_messages", one, True)])
    await gateway.stop()
    again, retrial = await replaying(bench)
    other = one.replace("3 passed", "4 passed")
    seen = await play(bench, again, retrial, [("anthropic_messages", other, True), ("anthropic_messages", two, True)])
    assert [seen[0][0], seen[1]] == [400, first[0]]


def test_ids_that_agents_make_up_are_no_part_of_a_request() -> None:
    """The same body with other metadata, and keys in another order."""
    assert canonical(b'{"model": "m", "metadata": {"user_id": "a"}}') == canonical(
        b'{"prompt_cache_key":1,"model":"m"}'
    )
    assert canonical(b'{"model": "m"}') != canonical(b'{"model": "n"}')
    assert canonical(b"no json") != canonical(b"none")
    first, second = (
        canonical(b'{"input": [{"id": "msg_%s"}]}' % made)
        for made in (b"42d88139-1073-5395-b935-df0555dad730", b"aa1b386b-ad6c-5855-b325-ec9c2bd4dcbf")
    )
    assert first == second


def test_a_folder_without_a_record_is_refused(tmp_path: Path) -> None:
    """Before anything is started."""
    with pytest.raises(FormatError, match="no record"):
        Gateway(GatewayConfig(), replay=tmp_path)
