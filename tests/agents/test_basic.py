"""The basic agent end to end: a real server, a real sandbox, both wire formats."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from tests.agents.bench import Bench, Serve
from tests.tools.model_server import Fault, ModelServer, ToolUse, Turn, Usage

from worktrial.agents.basic import Basic
from worktrial.agents.basic.client import Retry
from worktrial.errors import UsageError
from worktrial.formats.gateway import GatewayConfig
from worktrial.formats.run import AgentConfig, TrialLimits
from worktrial.formats.trajectory import Trajectory
from worktrial.gateway.bodies import read_bodies
from worktrial.gateway.configure import for_agents
from worktrial.gateway.limits import Budget
from worktrial.gateway.server import Gateway

Api = Literal["openai", "anthropic"]
APIS = pytest.mark.parametrize("api", ["openai", "anthropic"])
KEY = "sk-canary-0123456789abcdef"
QUICK = Retry(tries=3, first_s=0.01, longest_s=0.05)


def agent(server: ModelServer | str, api: Api = "openai", **settings: object) -> Basic:
    """Return a basic agent for a server; `window` goes to the agent, all else into its configuration."""
    window = int(str(settings.pop("window", 100_000)))
    url = server if isinstance(server, str) else server.url + ("/v1" if api == "openai" else "")
    config = {"name": "b", "kind": "basic", "model": "scripted-1", "base_url": url, "api": api, **settings}
    return Basic(AgentConfig.model_validate(config), retry=QUICK, window=window)


def call(name: str, **arguments: object) -> ToolUse:
    """Return a tool call."""
    return ToolUse(name, arguments)


FIX = (
    Turn(
        "Let me look.",
        (call("search", pattern="def add"), call("read", path="calc.py")),
        usage=Usage(1000, 50, cache_write=800),
    ),
    Turn(calls=(call("edit", path="calc.py", old="a - b", new="a + b"),), usage=Usage(1200, 60, cache_read=800)),
    Turn(
        calls=(call("shell", command="python3 -c 'import calc; print(calc.add(2, 3))'"),),
        usage=Usage(1300, 40, cache_read=1000),
    ),
    Turn("Fixed the sign in add.", usage=Usage(1400, 20, cache_read=1200)),
)


@APIS
async def test_it_solves_a_task_with_its_tools(bench: Bench, serve: Serve, api: Api) -> None:
    """Search, read, edit and run; then it says so and is done. Everything is in the trajectory."""
    server = await serve(*FIX)
    attempt = await bench.attempt("add subtracts; fix it.")
    outcome = await agent(server, api, input_usd_per_mtok=1.0, output_usd_per_mtok=10.0).attempt(attempt)
    assert (outcome.ended, outcome.cause) == ("completed", "")
    assert await bench.read(attempt, "calc.py") == "def add(a, b):\n    return a + b\n"
    assert outcome.steps == 4
    assert outcome.tool_calls == {"search": 1, "read": 1, "edit": 1, "shell": 1}
    _check_usage(outcome.usage.model_dump(), cache_write=800 if api == "anthropic" else 0)
    assert outcome.trajectory is not None
    _check_trajectory(outcome.trajectory)
    assert [request.status for request in server.requests] == [200] * 4


async def test_further_prompts_follow_when_it_is_done_in_the_same_conversation(bench: Bench, serve: Serve) -> None:
    server = await serve(Turn("Read it."), FIX[1], Turn("Fixed."), Turn("Documented."))
    attempt = replace(await bench.attempt("What does add do?"), then=("Then fix it.", "And say so in the readme."))
    outcome = await agent(server).attempt(attempt)
    assert (outcome.ended, outcome.steps) == ("completed", 4)
    assert await bench.read(attempt, "calc.py") == "def add(a, b):\n    return a + b\n"
    assert outcome.trajectory is not None
    said = [step.message for step in outcome.trajectory.steps if step.source == "user"]
    assert said == ["What does add do?", "Then fix it.", "And say so in the readme."]
    asked = [message["role"] for message in server.requests[-1].body["messages"]]
    assert asked == ["system", "user", "assistant", "user", "assistant", "tool", "assistant", "user"]


def _check_usage(usage: dict[str, object], cache_write: int) -> None:
    assert usage == {
        "requests": 4,
        "input_tokens": 4900,
        "output_tokens": 170,
        "cache_read_tokens": 3000,
        "cache_write_tokens": cache_write,
        "cost_usd": pytest.approx((4900 * 1 + 170 * 10) / 1e6),
        "cost_source": "metered",
    }


def _check_trajectory(trajectory: Trajectory) -> None:
    steps = trajectory.steps
    assert [step.step_id for step in steps] == [1, 2, 3, 4, 5, 6]
    assert [step.source for step in steps] == ["system", "user", "agent", "agent", "agent", "agent"]
    assert steps[1].message == "add subtracts; fix it."
    assert steps[2].message == "Let me look."
    assert steps[2].tool_calls is not None
    assert steps[2].observation is not None
    assert [one.function_name for one in steps[2].tool_calls] == ["search", "read"]
    assert [one.source_call_id for one in steps[2].observation.results] == [
        one.tool_call_id for one in steps[2].tool_calls
    ]
    assert steps[2].observation.results[0].content == "calc.py:1:def add(a, b):"
    assert steps[4].observation is not None
    assert steps[4].observation.results[0].content == "exit code: 0\n5\n"
    assert steps[3].metrics is not None
    assert (steps[3].metrics.prompt_tokens, steps[3].metrics.cached_tokens) == (1200, 800)
    assert trajectory.agent.model_name == "scripted-1"
    assert trajectory.final_metrics is not None
    assert trajectory.final_metrics.total_prompt_tokens == 4900
    assert Trajectory.model_validate_json(trajectory.model_dump_json(exclude_none=True)) == trajectory


@APIS
async def test_parallel_calls_run_in_order(bench: Bench, serve: Serve, api: Api) -> None:
    """Each sees what the one before it did."""
    calls = tuple(call("shell", command=f"echo {n} >> order; cat order") for n in (1, 2, 3))
    outcome = await agent(await serve(Turn(calls=calls)), api).attempt(await bench.attempt())
    assert outcome.trajectory is not None
    observation = outcome.trajectory.steps[2].observation
    assert observation is not None
    assert observation.results[2].content == "exit code: 0\n1\n2\n3\n"


async def test_malformed_calls_are_answered_and_the_work_goes_on(bench: Bench, serve: Serve) -> None:
    """Bad JSON, an unknown tool, wrong arguments, ids missing and repeated: answered, counted, survived."""
    broken = (
        ToolUse("shell", '{"command": "ls'),
        ToolUse("shell", '["ls"]'),
        ToolUse("shell", '{"command": "\\ud800", "timeout_s": NaN}'),
        ToolUse("browse", {"url": "x"}, id="same"),
        ToolUse("read", {"file": "calc.py"}, id="same"),
        ToolUse("shell", {"command": "echo ok"}, id=""),
        ToolUse("shell", "[" * 5000),
    )
    server = await serve(Turn(calls=broken), Turn("I give up."))
    outcome = await agent(server).attempt(await bench.attempt())
    assert outcome.ended == "completed"
    assert outcome.tool_calls == {"(malformed)": 6, "shell": 1}
    assert [request.status for request in server.requests] == [200, 200]
    answers = [message["content"] for message in server.requests[1].body["messages"] if message["role"] == "tool"]
    assert sum(answer.startswith("error: ") for answer in answers) == 6
    assert "exit code: 0\nok\n" in answers


async def test_anthropic_input_that_is_no_object_is_answered(bench: Bench, serve: Serve) -> None:
    """The server gets back something it takes."""
    server = await serve(Turn(calls=(ToolUse("shell", "ls"),)), Turn("done"))
    outcome = await agent(server, "anthropic").attempt(await bench.attempt())
    assert outcome.ended == "completed"
    assert outcome.tool_calls == {"(malformed)": 1}


@APIS
async def test_the_request_is_what_the_provider_expects(
    bench: Bench, serve: Serve, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key, version, system prompt, output limit, temperature and tools are where the protocol wants them."""
    monkeypatch.setenv("MY_KEY", KEY)
    server = await serve(Turn("ok"), key=KEY)
    basic = agent(server, api, key_env="MY_KEY", max_output_tokens=1234, temperature=0.5)
    assert (await basic.attempt(await bench.attempt())).ended == "completed"
    seen = server.requests[0]
    assert seen.body["max_tokens"] == 1234
    assert seen.body["temperature"] == 0.5
    assert len(seen.body["tools"]) == 4
    if api == "openai":
        assert seen.path == "/v1/chat/completions"
        assert seen.body["messages"][0]["role"] == "system"
    else:
        assert seen.path == "/v1/messages"
        assert seen.headers["anthropic-version"] == "2023-06-01"
        assert seen.body["system"][0]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/gateway/run/7"])
async def test_anthropic_base_urls_with_and_without_v1_work(bench: Bench, serve: Serve, suffix: str) -> None:
    """Both are seen in the wild, and gateways add a path."""
    server = await serve(Turn("ok"))
    outcome = await agent(server.url + suffix, "anthropic").attempt(await bench.attempt())
    assert outcome.ended == "completed"
    assert server.requests[0].path.endswith("/v1/messages")


@APIS
async def test_an_answer_cut_at_the_output_limit_is_gone_on_with(bench: Bench, serve: Serve, api: Api) -> None:
    """It is not taken for the end."""
    outcome = await agent(await serve(Turn("I will now", stop="length"), Turn("Done.")), api).attempt(
        await bench.attempt()
    )
    assert (outcome.ended, outcome.steps) == ("completed", 2)
    assert outcome.trajectory is not None
    assert [step.source for step in outcome.trajectory.steps][2:] == ["agent", "user", "agent"]
    assert "cut off" in outcome.trajectory.steps[3].message


@APIS
async def test_an_empty_answer_is_not_sent_back(bench: Bench, serve: Serve, api: Api) -> None:
    """Providers refuse it; the model is asked again until its steps are used up."""
    server = await serve(Turn("", stop="length"))
    outcome = await agent(server, api).attempt(await bench.attempt(limits=TrialLimits(steps=3, timeout_s=60)))
    assert (outcome.ended, outcome.cause) == ("limit", "step_limit")
    assert [request.status for request in server.requests] == [200] * 3


@APIS
async def test_a_refusal_is_the_agents_own_failure(bench: Bench, serve: Serve, api: Api) -> None:
    """It counts as not solved, and says what the model said."""
    outcome = await agent(await serve(Turn("I won't.", stop="refused")), api).attempt(await bench.attempt())
    assert (outcome.ended, outcome.cause, outcome.detail) == ("error", "refused", "I won't.")


# -- limits --


async def test_steps_are_limited(bench: Bench, serve: Serve) -> None:
    """No request is made beyond the limit; what was done stays to be graded."""
    turn = Turn(calls=(call("shell", command="true"),))
    server = await serve(*[turn] * 10)
    outcome = await agent(server).attempt(await bench.attempt(limits=TrialLimits(steps=3, timeout_s=60)))
    assert (outcome.ended, outcome.cause, outcome.steps) == ("limit", "step_limit", 3)
    assert len(server.requests) == 3


async def test_time_is_limited_while_the_model_thinks(bench: Bench, serve: Serve) -> None:
    """A request that hangs ends with the attempt's time."""
    server = await serve(Turn("late", faults=(Fault("slow", seconds=30),)))
    outcome = await agent(server).attempt(await bench.attempt(limits=TrialLimits(timeout_s=0.5)))
    assert (outcome.ended, outcome.cause) == ("timeout", "timeout")
    assert outcome.trajectory is not None


async def test_time_is_limited_while_a_tool_runs(bench: Bench, serve: Serve) -> None:
    """The tool is killed, calls after it are not started, and no further request is made."""
    server = await serve(Turn(calls=(call("shell", command="sleep 60"), call("shell", command="touch late"))))
    attempt = await bench.attempt(limits=TrialLimits(timeout_s=1))
    outcome = await agent(server).attempt(attempt)
    assert (outcome.ended, outcome.cause) == ("timeout", "timeout")
    assert len(server.requests) == 1
    await bench.shell(attempt, "test ! -e late")


async def test_the_runs_budget_is_never_passed_by_more_than_one_request(bench: Bench, serve: Serve) -> None:
    """Each request is charged when it is answered, and none is made when nothing is left."""
    server = await serve(*[Turn(calls=(call("shell", command="true"),), usage=Usage(1_000_000, 0))] * 10)
    budget = Budget(limit_usd=2.5)
    basic = agent(server, input_usd_per_mtok=1.0, output_usd_per_mtok=0.0)
    outcome = await basic.attempt(await bench.attempt(budget=budget))
    assert (outcome.ended, outcome.cause) == ("budget", "budget_exhausted")
    assert (len(server.requests), budget.spent_usd) == (3, 3.0)
    again = await basic.attempt(await bench.attempt(budget=budget))
    assert (again.ended, len(server.requests)) == ("budget", 3)


async def test_unknown_usage_makes_the_cost_unknown(bench: Bench, serve: Serve) -> None:
    """One request that is not known is enough: the sum would be a lower bound."""
    no_usage = await serve(Turn(calls=(call("shell", command="true"),)), Turn("ok", usage=None))
    budget = Budget(None)
    outcome = await agent(no_usage, input_usd_per_mtok=1.0, output_usd_per_mtok=1.0).attempt(
        await bench.attempt(budget=budget)
    )
    assert (outcome.usage.requests, outcome.usage.cost_usd, outcome.usage.cost_source) == (2, None, None)
    assert not budget.known
    assert outcome.trajectory is not None
    assert outcome.trajectory.final_metrics is not None
    assert outcome.trajectory.final_metrics.total_prompt_tokens is None


async def test_an_unknown_price_makes_the_cost_unknown(bench: Bench, serve: Serve) -> None:
    """The tokens are known all the same."""
    no_price = await agent(await serve(Turn("ok"))).attempt(await bench.attempt())
    assert (no_price.usage.input_tokens, no_price.usage.cost_usd) == (100, None)


# -- context --


def _outputs(server: ModelServer, request: int) -> list[str]:
    return [one["content"] for one in server.requests[request].body["messages"] if one["role"] == "tool"]


async def test_old_tool_outputs_are_cut_when_the_context_grows(bench: Bench, serve: Serve) -> None:
    """The model is sent less; the trajectory keeps all."""
    noisy = Turn(calls=(call("shell", command="seq 1 2000"),))
    server = await serve(*[noisy] * 8, Turn("done"))
    outcome = await agent(server, window=15_000).attempt(await bench.attempt())
    assert outcome.ended == "completed"
    outputs = _outputs(server, -1)
    assert "were cut here" in outputs[0]
    assert outputs[-1].endswith("2000\n")
    assert outcome.trajectory is not None
    assert all(
        one.observation is None or (one.observation.results[0].content or "").endswith("2000\n")
        for one in outcome.trajectory.steps
    )


async def test_a_window_smaller_than_thought_is_found_out(bench: Bench, serve: Serve) -> None:
    """When the server says it is too long, more is cut and it is asked again; when nothing is left, it ends."""
    overflow = Fault("status", status=400, message="This model's maximum context length is 4096 tokens.")
    noisy = Turn(calls=(call("shell", command="seq 1 2000"),))
    server = await serve(*[noisy] * 4, Turn("done", faults=(overflow,)))
    outcome = await agent(server).attempt(await bench.attempt())
    assert outcome.ended == "completed"
    assert "were cut here" in _outputs(server, -1)[0]
    stuck = await serve(*[noisy] * 4, Turn("done", faults=(overflow,) * 5))
    outcome = await agent(stuck).attempt(await bench.attempt())
    assert (outcome.ended, outcome.cause) == ("limit", "context_overflow")


async def test_a_prompt_that_does_not_fit_is_not_the_agents_failure(bench: Bench, serve: Serve) -> None:
    """Nothing was asked of it yet: the settings are wrong."""
    overflow = Fault("status", status=400, message="maximum context length is 512 tokens")
    outcome = await agent(await serve(Turn("x", faults=(overflow,)))).attempt(await bench.attempt())
    assert (outcome.ended, outcome.cause) == ("infrastructure", "provider_refused")


# -- keys --


@APIS
@pytest.mark.parametrize("right", [True, False])
async def test_the_key_is_nowhere_but_in_the_request(
    bench: Bench,
    serve: Serve,
    api: Api,
    right: bool,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Not in any file, message or record, nor in the sandbox, even when the server says it back."""
    monkeypatch.setenv("MY_KEY", KEY)
    echo = Fault("status", status=500, message=f"upstream refused {KEY}")
    turn = Turn(f"your key is {KEY}", (call("shell", command="env; cat /proc/*/environ"),), faults=(echo,))
    server = await serve(turn, key=KEY if right else "another")
    attempt = await bench.attempt()
    basic = agent(server, api, key_env="MY_KEY")
    outcome = await basic.attempt(attempt)
    assert outcome.ended == ("completed" if right else "infrastructure")
    assert KEY in json.dumps(server.requests[0].headers)
    written = repr(outcome) + basic.config.model_dump_json() + "".join(capfd.readouterr())
    written += "".join(path.read_bytes().decode("latin-1") for path in bench.folder.rglob("*") if path.is_file())
    written += "".join(body.decode() for body in read_bodies(bench.folder / "gateway.bodies").values())
    written += (await bench.shell(attempt, "grep -r . . || true")).decode()
    assert KEY not in written
    assert "[key]" in written


def test_a_missing_key_is_found_before_any_trial_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable's name, when the gateway is set up."""
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    monkeypatch.setenv("BAD_KEY", "sk-\u20ac")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)

    def start(**settings: str) -> None:
        config = AgentConfig.model_validate({"name": "b", "kind": "basic", "model": "m", **settings})
        Gateway(for_agents(GatewayConfig(), [config])[0])

    with pytest.raises(UsageError) as caught:
        start(key_env="NO_SUCH_KEY")
    assert "NO_SUCH_KEY" in caught.value.cause
    with pytest.raises(UsageError) as caught:
        start(api="anthropic")
    assert "ANTHROPIC_API_KEY" in caught.value.cause
    with pytest.raises(UsageError, match="is no key"):
        start(key_env="BAD_KEY")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"model": None}, "has no model"),
        ({"base_url": "localhost:8000"}, "no http address"),
        ({"base_url": "http://me:secret@host/v1"}, "credentials"),
        ({"base_url": "http://host/v1?key=secret"}, "credentials"),
        ({"input_usd_per_mtok": 1.0}, "one price of two"),
        ({"input_usd_per_mtok": -1.0, "output_usd_per_mtok": 1.0}, "negative price"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], complaint: str) -> None:
    """When the agent is loaded; what may be a secret is not repeated."""
    with pytest.raises(UsageError, match=complaint) as caught:
        agent("http://127.0.0.1:1", "openai", **settings)
    assert "secret" not in str(caught.value)


async def test_one_agent_works_on_many_attempts_at_once(bench: Bench, serve: Serve) -> None:
    """Nothing of an attempt is kept in the agent."""
    server = await serve(*FIX)
    basic = agent(server)
    attempts = [await bench.attempt() for _ in range(4)]
    outcomes = await asyncio.gather(*(basic.attempt(attempt) for attempt in attempts))
    assert [outcome.steps for outcome in outcomes] == [4] * 4
    for attempt in attempts:
        assert "a + b" in await bench.read(attempt, "calc.py")


async def test_the_log_tells_what_happened_as_it_happens(bench: Bench, serve: Serve) -> None:
    """One line a request and call, so that a killed trial leaves a trace."""
    await agent(await serve(*FIX)).attempt(await bench.attempt())
    log = Path(bench.logs / "agent.log").read_text()
    assert log.count("reply after") == 4
    assert "edit done" in log
    assert "ended: completed" in log
