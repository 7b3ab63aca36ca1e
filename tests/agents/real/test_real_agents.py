"""Real agents, installed from their registries, complete a task behind the gateway with no other network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.agents.real import scenario
from tests.agents.real.scenario import KEY, USED, Done
from tests.tools import mcp_server
from tests.tools.model_server import Fault, ToolUse, Turn

from worktrial import agents
from worktrial.errors import AgentError
from worktrial.formats.run import McpServer
from worktrial.sandboxes.protocol import Sandbox

LIGHT = ("claude_code", "gemini_cli", "mini_swe_agent")
"""An npm binary, an npm script and a pip package: these run wherever the tests do. All do when
$WORKTRIAL_TEST_AGENTS is `all`."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_agent,
    pytest.mark.xdist_group("real_agents"),
    pytest.mark.timeout(900),
]


async def _installed(kind: str, sandbox: Sandbox) -> None:
    if kind not in LIGHT and os.environ.get("WORKTRIAL_TEST_AGENTS") != "all":
        pytest.skip(f"{kind} is run by `make agents-real`")
    try:
        await scenario.installed(kind, sandbox)
    except AgentError as error:
        pytest.skip(f"{kind} cannot be installed here: {error}")


def _files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()


def _tokens_are_the_servers(done: Done) -> None:
    sent = done.answered
    used = done.trial.usage
    assert sent >= 1
    assert (used.input_tokens, used.output_tokens) == (sent * USED.input, sent * USED.output)
    assert used.cache_read_tokens == sent * USED.cache_read
    assert used.cost_usd == pytest.approx(sent * (700 * 2.0 + 300 * 1.0 + 20 * 10.0) / 1e6)
    final = done.trajectory.final_metrics
    assert final is not None
    assert (final.total_prompt_tokens, final.total_completion_tokens) == (used.input_tokens, used.output_tokens)


@pytest.mark.parametrize("kind", [kind for kind in agents.real_kinds() if kind != "goose"])
async def test_a_real_agent_solves_a_task(kind: str, suite: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    """Its patch is right, its tokens are the server's, its log a trajectory, and its home no part of its patch."""
    await _installed(kind, sandbox)
    done = await scenario.attempt(scenario.config(kind), suite, sandbox, tmp_path)
    log = (done.folder / "trials/it/fix/1/logs/agent.log").read_text(errors="replace")
    assert (done.trial.ended, done.trial.cause) == ("completed", ""), (done.trial, log[-2000:])
    assert done.verdict.outcome == "solved", (done.verdict, log[-2000:])
    assert done.trial.patch_files == 1
    assert done.trial.agent_version == agents.real_agent(kind).package.version
    _tokens_are_the_servers(done)
    steps = done.trajectory.steps
    assert [step.step_id for step in steps] == list(range(1, len(steps) + 1))
    assert any(step.source == "user" and "Titles keep the rest" in step.message for step in steps)
    use = done.trial.tool_use
    assert use is not None
    if kind == "aider":
        assert use.calls == {"edit": 1}
    else:
        assert {name: use.calls.get(name, 0) for name in ("edit", "run_test")} == {"edit": 1, "run_test": 1}
        assert use.tests_after_last_edit == 1
        mine = [step for step in steps if step.tool_calls]
        assert all(step.metrics is not None and step.metrics.prompt_tokens == USED.input for step in mine)
        assert "1 passed" in str(mine[1].observation) or "2 passed" in str(mine[1].observation)
    assert [path for path, data in _files(done.folder) if KEY.encode() in data] == []


@pytest.mark.parametrize("kind", ["claude_code", "gemini_cli", "codex"])
async def test_a_real_agent_gets_over_a_rate_limit(kind: str, suite: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    """A 429 is tried again by the agent itself; nothing is counted twice."""
    await _installed(kind, sandbox)
    faults = (Fault("status", status=429, retry_after="1", message="slow down"),)
    done = await scenario.attempt(
        scenario.config(kind), suite, sandbox, tmp_path, scripts=scenario.turns(kind, faults=faults)
    )
    assert (done.trial.ended, done.verdict.outcome) == ("completed", "solved"), done.trial
    assert [record.outcome for record in done.records].count("rate_limited") == 1
    _tokens_are_the_servers(done)


@pytest.mark.parametrize("dies", [False, True])
async def test_an_mcp_server_is_called_and_one_that_dies_is_no_end(
    dies: bool, suite: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Its tool's answer is in the trajectory; without it the agent goes on with its own tools."""
    await _installed("gemini_cli", sandbox)
    script = tmp_path / "tools" / "mcp_server.py"
    script.parent.mkdir()
    script.write_bytes(Path(mcp_server.__file__).read_bytes())
    server = McpServer(
        command="/usr/bin/python3", args=(str(script), *(["--die"] if dies else [])), env={"NUMBER": "93"}
    )
    config = scenario.config("gemini_cli", mcp={"numbers": server}, mounts=(str(script.parent),))
    first, *rest = scenario.turns("gemini_cli")
    asks = Turn(text="The number?", calls=(ToolUse("mcp_numbers_tell_number", {}),), usage=USED)
    done = await scenario.attempt(config, suite, sandbox, tmp_path, scripts=(first, asks, *rest))
    assert (done.trial.ended, done.verdict.outcome) == ("completed", "solved"), done.trial
    told = "the number is 93" in done.trajectory.model_dump_json()
    assert told is not dies
    _tokens_are_the_servers(done)


@pytest.mark.parametrize("kind", ["claude_code", "codex"])
async def test_a_real_agent_gets_over_a_stream_that_is_cut(
    kind: str, suite: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    """It asks again by itself; of the answer that broke off it is said that its tokens are an estimate."""
    await _installed(kind, sandbox)
    scripts = scenario.turns(kind, faults=(Fault("cut", after=3),))
    done = await scenario.attempt(scenario.config(kind), suite, sandbox, tmp_path, scripts=scripts)
    assert (done.trial.ended, done.verdict.outcome) == ("completed", "solved"), done.trial
    (cut,) = (record for record in done.records if record.outcome == "cut")
    whole = [record for record in done.records if record.outcome == "answered" and record.usage_source == "metered"]
    assert cut.usage_source == "estimated"
    assert sum(record.input_tokens or 0 for record in whole) == len(whole) * USED.input
    assert sum(record.output_tokens or 0 for record in whole) == len(whole) * USED.output
    assert done.trial.usage.input_tokens == len(whole) * USED.input + (cut.input_tokens or 0)
    # Codex asks with what it heard of the answer in the conversation, so that its body is another.
    assert any(record.retry_of == cut.id for record in done.records) is (kind == "claude_code")


async def test_an_agent_that_gives_up_on_a_stream_that_is_cut_is_not_to_blame(
    suite: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    await _installed("gemini_cli", sandbox)
    scripts = scenario.turns("gemini_cli", faults=(Fault("cut", after=3),) * 10)
    done = await scenario.attempt(scenario.config("gemini_cli"), suite, sandbox, tmp_path, scripts=scripts)
    assert (done.trial.ended, done.verdict.outcome) == ("infrastructure", "infrastructure"), done.trial
    assert {record.outcome for record in done.records} == {"cut"}
