"""An attempt that fails for reasons that are not the agent's: what it took until then is not lost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from tests.tools.model_server import ModelServer, Script, Turn, Usage

from worktrial.agents.protocol import Agent, Attempt, Outcome
from worktrial.analyse.summary import summarise
from worktrial.analyse.table import collect
from worktrial.errors import InfrastructureError
from worktrial.formats.base import now
from worktrial.formats.run import AgentConfig, RunLock, RunRequest, TrialLimits
from worktrial.formats.trial import Trial
from worktrial.run.attempt import Attempts
from worktrial.run.budgets import Budgets
from worktrial.run.link import gateway_for
from worktrial.sandboxes.select import choose
from worktrial.store.run import RunDir
from worktrial.store.suite import Suite


@dataclass(frozen=True)
class Interrupted:
    """An agent that asks its model once, and then its machine fails."""

    config: AgentConfig
    asks: bool

    async def attempt(self, attempt: Attempt) -> Outcome:
        assert attempt.gateway is not None
        async with attempt.gateway.endpoint(attempt.trial, self.config, attempt.logs.parent) as endpoint:
            body = {"model": "m", "messages": [{"role": "user", "content": attempt.prompt}]}
            url = f"http://gateway{endpoint.path}/v1/chat/completions"
            connector = aiohttp.UnixConnector(str(endpoint.socket))
            async with aiohttp.ClientSession(connector=connector) as session:
                if self.asks:
                    async with session.post(url, json=body) as response:
                        assert response.status == 200
        raise InfrastructureError("the machine failed")


async def failed(suite: Path, folder: Path, *, asks: bool) -> tuple[RunDir, Trial]:
    """Return a run of one such trial, and the trial."""
    server = ModelServer([Script((Turn("hi", usage=Usage(1000, 10)),))])
    await server.start()
    config = AgentConfig(
        name="a",
        kind="basic",
        model="m",
        base_url=f"{server.url}/v1",
        input_usd_per_mtok=100.0,
        output_usd_per_mtok=0.0,
    )
    asked = RunRequest(suite=str(suite), agents=(config,), trials=1, tasks=("fix",), sandbox="none")
    budgets, opened = Budgets(asked), Suite.open(suite)
    run = RunDir(folder / "run")
    lock = RunLock(
        worktrial="0", python="3", git="2", sandbox="none", machine="", suite_digest="0", prices="", started_at=now()
    )
    run.create(asked, lock)
    try:
        link = gateway_for(asked, budgets)
        assert link is not None
        (folder / "s").mkdir()
        async with link.listening(folder / "s"):
            attempts = Attempts(opened, choose("none"), folder / "git", TrialLimits(), budgets.run, gateway=link)
            agent: Agent = Interrupted(config, asks)
            trial = await attempts.make(agent, config, opened.task("fix"), run.trial_dir("a", "fix", 1))
    finally:
        await server.stop()
    return run, trial


@pytest.mark.slow
async def test_what_was_asked_before_the_machine_failed_is_counted(suite: Path, tmp_path: Path) -> None:
    run, trial = await failed(suite, tmp_path, asks=True)
    assert (trial.ended, trial.detail) == ("infrastructure", "the machine failed")
    assert (trial.usage.requests, trial.usage.input_tokens) == (1, 1000)
    assert trial.usage.cost_usd == pytest.approx(0.1)
    assert trial.usage.cost_source == "metered"
    assert trial.timings.workspace_s > 0
    assert trial.timings.agent_s > 0
    cost = summarise(run, ()).agents[0].cost
    assert cost.attempts == 1
    assert cost.total_usd == pytest.approx(0.1)
    assert collect(run).cost_usd.tolist() == [pytest.approx(0.1)]


@pytest.mark.slow
async def test_where_nothing_was_asked_of_the_gateway_nothing_was_spent(suite: Path, tmp_path: Path) -> None:
    run, trial = await failed(suite, tmp_path, asks=False)
    assert (trial.usage.requests, trial.usage.cost_usd) == (0, 0)
    assert summarise(run, ()).agents[0].cost.total_usd == 0
