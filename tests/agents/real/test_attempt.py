"""What all real agents share, shown by a small one: start, bridge, logs, limits, and how each attempt ends."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agents.bench import FILES, Bench
from tests.agents.real.scenario import KEY, gateway_for
from tests.agents.real.toy import Toy, put_on_path
from tests.tools.model_server import Fault, ModelServer, Script, ToolUse, Turn, Usage

from worktrial.agents.protocol import Attempt, Outcome
from worktrial.agents.real.attempt import Real, unpacked
from worktrial.errors import AgentError, UsageError
from worktrial.formats.run import AgentConfig, McpServer, TrialLimits
from worktrial.run.link import GatewayLink
from worktrial.sandboxes.protocol import Sandbox

FIX = Turn(
    text="I fix it.",
    calls=(ToolUse("bash", {"command": "sed -i 's/a - b/a + b/' calc.py; echo fixed; mkdir .toy-cache.v1"}),),
    usage=Usage(input=50, output=5, cache_read=20),
)


@pytest_asyncio.fixture
async def bench(tmp_path: Path, strongest: Sandbox) -> AsyncIterator[Bench]:
    """Return a bench over the strongest isolation, or over none: the agent is the same."""
    made = Bench(strongest, tmp_path / "bench")
    (tmp_path / "bench").mkdir()
    yield made
    for workspace in made.opened:
        await workspace.close()


@pytest.fixture(autouse=True)
def _on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", put_on_path(tmp_path / "bin"))


def toy(**more: Any) -> Real:
    return Real(Toy(), AgentConfig(name="t", kind="toy", model="test-model", **more))


async def tried(
    bench: Bench, prompt: str, *turns: Turn, key: str = KEY, limits: TrialLimits | None = None, **more: Any
) -> tuple[Outcome, Attempt, ModelServer]:
    """Let the agent attempt a prompt, its model saying `turns`."""
    server = ModelServer([Script(turns or (Turn(text="done"),))], key=key)
    await server.start()
    try:
        async with gateway_for(server, bench.folder) as gateway:
            attempt = await bench.attempt(prompt, limits=limits, gateway=GatewayLink(gateway, {}))
            return await toy(**more).attempt(attempt), attempt, server
    finally:
        await server.stop()


async def test_an_agent_works_behind_the_gateway(bench: Bench) -> None:
    """Prompt verbatim, work in the workspace, tokens by the gateway, log as trajectory, leftovers gone."""
    prompt = 'Fix @HOME@ "it"\n$(rm -rf) é @PROMPT@'
    outcome, attempt, server = await tried(bench, prompt, FIX)
    assert (outcome.ended, outcome.cause, outcome.exit_code) == ("completed", "", 0), outcome
    assert "a + b" in await bench.read(attempt, "calc.py")
    assert server.requests[0].body["messages"][0]["content"] == prompt
    used = outcome.usage
    assert (used.requests, used.input_tokens, used.output_tokens, used.cache_read_tokens) == (1, 50, 5, 20)
    assert outcome.trajectory is not None
    user, agent = outcome.trajectory.steps
    assert user.message == prompt
    assert agent.observation is not None
    assert agent.observation.results[0].content == "fixed\n"
    assert agent.metrics is not None
    assert agent.metrics.prompt_tokens == 50
    assert (outcome.version, dict(outcome.tool_calls), outcome.steps) == ("1.2.3", {"bash": 1}, 1)
    assert outcome.tool_use is not None
    assert outcome.tool_use.calls == {"edit": 1}
    assert sorted((await bench.shell(attempt, "ls -A")).decode().split()) == sorted({p.split("/")[0] for p in FILES})
    log = json.loads((bench.logs / "session/log/session.jsonl").read_text().splitlines()[0])
    assert log["settings"] == f"home is {log['settings'].split()[2][:-1]}, root is {attempt.workspace.root}"


async def test_keys_stay_out_of_the_sandbox_and_the_logs(bench: Bench) -> None:
    """The server got the real key; nothing that the agent saw or left has it."""
    outcome, _, server = await tried(
        bench, "show", Turn(calls=(ToolUse("bash", {"command": "env; cat /proc/*/environ"}),))
    )
    assert outcome.ended == "completed"
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    kept = [path for path in bench.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in kept if KEY.encode() in path.read_bytes()] == []


async def test_an_agent_that_never_ends_is_a_timeout_and_its_log_is_read(bench: Bench) -> None:
    outcome, attempt, _ = await tried(bench, "forever", FIX, limits=TrialLimits(timeout_s=6))
    assert (outcome.ended, outcome.cause) == ("timeout", "timeout")
    assert outcome.usage.input_tokens == 50
    assert outcome.trajectory is not None
    assert [step.source for step in outcome.trajectory.steps] == ["user", "agent"]
    assert "a + b" in await bench.read(attempt, "calc.py")


async def test_an_agent_that_floods_its_log_is_stopped(bench: Bench) -> None:
    outcome, _, _ = await tried(bench, "flood", FIX, limits=TrialLimits(timeout_s=60, output_mib=2))
    assert (outcome.ended, outcome.cause) == ("limit", "output_flood")
    assert outcome.usage.requests == 1
    assert sum(path.stat().st_size for path in bench.logs.rglob("*") if path.is_file()) < 40 * 1024 * 1024


async def test_an_agent_may_say_much_within_its_limit(bench: Bench) -> None:
    """What it printed is kept whole among its logs, where the sandbox cuts the middle."""
    outcome, _, _ = await tried(bench, "loud")
    assert outcome.ended == "completed"
    assert (bench.logs / "session/worktrial/stdout").stat().st_size == 3_000_001


async def test_an_agent_that_fails_by_itself_is_an_error(bench: Bench) -> None:
    outcome, _, _ = await tried(bench, "fail", FIX)
    assert (outcome.ended, outcome.cause, outcome.exit_code) == ("error", "exit_code", 3)


async def test_a_model_that_refuses_is_infrastructure(bench: Bench) -> None:
    """A wrong key, whether the agent ends politely or not."""
    for prompt in ("ask", "polite"):
        outcome, _, _ = await tried(bench, prompt, key="another")
        assert (outcome.ended, outcome.cause) == ("infrastructure", "model_refused"), outcome
        assert "401" in outcome.detail


async def test_a_provider_that_is_down_is_infrastructure(bench: Bench) -> None:
    down = Turn(faults=(Fault("status", status=503, message="overloaded"),) * 3)
    outcome, _, _ = await tried(bench, "ask", down)
    assert (outcome.ended, outcome.cause) == ("infrastructure", "provider_error"), outcome


async def test_an_agent_that_cannot_reach_its_model_is_told_so(bench: Bench) -> None:
    """The gateway's socket is there and nobody listens."""
    server = ModelServer([])
    await server.start()
    async with gateway_for(server, bench.folder) as gateway:
        await server.stop()
        attempt = await bench.attempt("ask", gateway=GatewayLink(gateway, {}))
        outcome = await toy().attempt(attempt)
    assert outcome.ended == "infrastructure", outcome
    assert outcome.cause in ("model_unreachable", "provider_error")


async def test_an_agent_that_does_not_ask_its_model_is_told_so(bench: Bench) -> None:
    outcome, _, _ = await tried(bench, "silent")
    assert (outcome.ended, outcome.cause) == ("error", "no_model_request")
    assert outcome.usage.cost_usd == 0.0


async def test_without_a_gateway_nothing_is_tried(bench: Bench) -> None:
    outcome = await toy().attempt(replace(await bench.attempt("ask"), gateway=None))
    assert (outcome.ended, outcome.cause) == ("infrastructure", "no_gateway")


async def test_an_agent_that_went_away_is_infrastructure(bench: Bench, tmp_path: Path) -> None:
    """It was there when the run began."""
    agent = toy()
    (tmp_path / "bin" / Toy.package.name).unlink()
    server = ModelServer([])
    await server.start()
    async with gateway_for(server, bench.folder) as gateway:
        attempt = await bench.attempt("ask", gateway=GatewayLink(gateway, {}))
        outcome = await agent.attempt(attempt)
    await server.stop()
    assert (outcome.ended, outcome.cause) == ("infrastructure", "agent_changed")
    with pytest.raises(AgentError, match="not installed"):
        toy()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"model": None}, "no model"),
        ({"mcp": {"x": McpServer(command="y")}}, "takes none"),
        ({"command": ("x",)}, "has a command"),
        ({"mounts": ("relative",)}, "mounts relative"),
    ],
)
def test_settings_that_cannot_work_are_refused_when_it_is_loaded(settings: dict[str, Any], complaint: str) -> None:
    config = AgentConfig.model_validate({"name": "t", "kind": "toy", "model": "m", **settings})
    with pytest.raises(UsageError, match=complaint):
        Real(Toy(), config)


@given(st.binary(max_size=2000))
@settings(deadline=None)
def test_a_report_that_is_no_tar_has_no_files(data: bytes) -> None:
    assert isinstance(unpacked(data), dict)


@given(
    st.dictionaries(st.sampled_from(["a", "../../etc/passwd", "/abs", "d/e"]), st.binary(max_size=50)),
    st.integers(0, 3000),
)
@settings(deadline=None)
def test_a_torn_report_gives_what_came_before_the_tear(files: dict[str, bytes], at: int) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    whole = stream.getvalue()
    assert unpacked(whole) == files
    assert all(files[name].startswith(content) for name, content in unpacked(whole[:at]).items())
