"""When the model server fails: what passes is tried again, what does not is named, and neither is the agent's fault."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
from tests.agents.bench import Bench, Serve
from tests.agents.test_basic import APIS, Api, agent, call
from tests.tools.model_server import Fault, Turn, Usage

from worktrial.agents.basic.client import Retry
from worktrial.sandboxes.select import choose

DONE = Turn("done")


def failing(*faults: Fault) -> Turn:
    """Return a turn that is answered after some faults."""
    return Turn("done", faults=faults, usage=Usage(100, 10))


@APIS
@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=429),
        Fault("status", status=500),
        Fault("status", status=503),
        Fault("status", status=529),
        Fault("cut"),
        Fault("malformed"),
        Fault("body", status=200, message="<html>busy</html>"),
        Fault("body", status=200, message="[]"),
        Fault("body", status=200, message='{"error": {"message": "overloaded"}}'),
        Fault("body", status=200, message='{"choices": [], "content": null}'),
        Fault("body", status=200, message='{"choices": [{"message": "x"}], "content": ["x"]}'),
        Fault("body", status=502, message="<html>bad gateway</html>"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
async def test_what_passes_is_tried_again(bench: Bench, serve: Serve, api: Api, fault: Fault) -> None:
    """The attempt goes on as if nothing had been, and only the answer counts as a step; the record has all."""
    server = await serve(failing(fault, fault))
    outcome = await agent(server, api).attempt(await bench.attempt())
    assert (outcome.ended, outcome.steps, outcome.usage.requests) == ("completed", 1, 3)
    assert len(server.requests) == 3
    assert (bench.logs / "agent.log").read_text().count("request failed") == 2


@pytest.mark.parametrize("fault", [Fault("status", status=500, message="on fire"), Fault("cut")])
async def test_what_does_not_pass_is_an_infrastructure_failure(bench: Bench, serve: Serve, fault: Fault) -> None:
    """After so many tries it ends with the provider's words, and the work so far is kept on record."""
    server = await serve(Turn(calls=(call("shell", command="true"),)), failing(*[fault] * 9))
    outcome = await agent(server).attempt(await bench.attempt())
    assert (outcome.ended, outcome.cause) == ("infrastructure", "provider_error")
    assert "3 times" in outcome.detail
    assert fault.kind == "cut" or "status 500: on fire" in outcome.detail
    assert len(server.requests) == 1 + 3
    assert (outcome.steps, outcome.tool_calls) == (1, {"shell": 1})
    assert outcome.trajectory is not None


async def test_a_server_that_is_not_there_is_an_infrastructure_failure(bench: Bench) -> None:
    """Nothing listens at the address."""
    outcome = await agent("http://127.0.0.1:9").attempt(await bench.attempt())
    assert (outcome.ended, outcome.cause) == ("infrastructure", "provider_error")
    assert "no connection" in outcome.detail


@APIS
@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "key_env"), (403, "permissions"), (404, "model's name"), (400, ""), (307, "")],
)
async def test_a_refusal_is_not_tried_again(bench: Bench, serve: Serve, api: Api, status: int, hint: str) -> None:
    """It would be refused again; the status is told, with what to check. Redirects are not followed with a key."""
    server = await serve(failing(Fault("status", status=status, message="no\n such thing")))
    outcome = await agent(server, api).attempt(await bench.attempt())
    assert (outcome.ended, outcome.cause) == ("infrastructure", "provider_refused")
    assert f"status {status}: no such thing" in outcome.detail
    assert hint in outcome.detail
    assert len(server.requests) == 1


async def test_the_server_is_left_alone_for_as_long_as_it_asks(bench: Bench, serve: Serve) -> None:
    """In whole or broken seconds; but never for longer than our own bound."""
    basic = agent(await serve(failing(Fault("status", status=429, retry_after="0.4"))))
    basic._retry = Retry(tries=2, first_s=0.0, longest_s=5)
    started = time.monotonic()
    assert (await basic.attempt(await bench.attempt())).ended == "completed"
    assert 0.4 <= time.monotonic() - started < 4
    basic = agent(await serve(failing(Fault("status", status=429, retry_after="3600"))))
    started = time.monotonic()
    assert (await basic.attempt(await bench.attempt())).ended == "completed"
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("asked", ["soon", "-5", "", format_datetime(datetime(2020, 1, 1, tzinfo=UTC))])
async def test_a_strange_retry_after_is_no_harm(bench: Bench, serve: Serve, asked: str) -> None:
    """Words, the past, nothing: our own backoff, or no wait."""
    server = await serve(failing(Fault("status", status=429, retry_after=asked)))
    assert (await agent(server).attempt(await bench.attempt())).ended == "completed"


def test_backoff_grows_to_its_bound() -> None:
    """It doubles with some jitter; what the server asks for goes first."""
    retry = Retry(tries=5, first_s=1, longest_s=10)
    waits = [retry.wait_s(failures, None) for failures in range(1, 7)]
    for wait, least in zip(waits, (1, 2, 4, 8, 10, 10), strict=True):
        assert least <= wait <= min(least * 1.25, 10)
    assert retry.wait_s(1, 3.0) == 3.0
    assert retry.wait_s(1, 99.0) == 10


async def test_a_server_that_wants_the_other_name_of_the_output_limit_gets_it(bench: Bench, serve: Serve) -> None:
    """OpenAI's newer models refuse `max_tokens`, also behind a gateway; it is found out once."""
    refuses = Fault("status", status=400, message="Unsupported parameter: use 'max_completion_tokens' instead.")
    server = await serve(Turn(calls=(call("shell", command="true"),), faults=(refuses,)), DONE)
    outcome = await agent(server).attempt(await bench.attempt())
    assert outcome.ended == "completed"
    assert "max_tokens" in server.requests[0].body
    assert all("max_completion_tokens" in request.body for request in server.requests[1:])
    assert all("max_tokens" not in request.body for request in server.requests[1:])


async def test_an_absurdly_long_answer_does_not_fill_the_memory(bench: Bench, serve: Serve) -> None:
    """It is given up as a failure of the server."""
    huge = Fault("body", status=200, message="x" * (33 * 1024 * 1024))
    outcome = await agent(await serve(failing(*[huge] * 3))).attempt(await bench.attempt())
    assert (outcome.ended, outcome.cause) == ("infrastructure", "provider_error")
    assert "longer than" in outcome.detail


async def test_a_sandbox_that_fails_is_an_infrastructure_failure(tmp_path: Path, serve: Serve) -> None:
    """What the model cost by then is still told."""
    attempt = await Bench(choose("none"), tmp_path).attempt()
    await attempt.workspace.close()
    server = await serve(Turn(calls=(call("shell", command="true"),)), DONE)
    outcome = await agent(server, input_usd_per_mtok=1.0, output_usd_per_mtok=1.0).attempt(attempt)
    assert (outcome.ended, outcome.cause) == ("infrastructure", "sandbox_failed")
    assert outcome.usage.cost_usd == 110 / 1e6
    assert outcome.trajectory is not None
