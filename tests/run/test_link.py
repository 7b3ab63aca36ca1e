"""The gateway of a run: started for agents that ask models, and what all attempts cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.tools.model_server import ModelServer, Script, Turn, Usage

from worktrial.errors import UsageError
from worktrial.formats.run import AgentConfig, RunRequest, TrialLimits
from worktrial.run.budgets import Budgets, spent
from worktrial.run.link import gateway_for


def request(*agents: AgentConfig, **more: Any) -> RunRequest:
    return RunRequest(suite="/suite", agents=agents, trials=1, tasks=("t",), sandbox="none", **more)


def test_agents_without_a_model_need_no_gateway() -> None:
    """Nothing listens for them."""
    asked = request(AgentConfig(name="nop", kind="nop"), budget_usd=1.0)
    assert gateway_for(asked, Budgets(asked)) is None


@pytest.mark.parametrize("deep", [False, True])
async def test_an_endpoint_reaches_the_agents_own_server_and_is_charged(tmp_path: Path, deep: bool) -> None:
    """By the price of its configuration; the run's budget knows, and so does the next run on the folder.

    Also where a folder's path is too long for a socket's.
    """
    folder = tmp_path / ("d" * 100 if deep else "d")
    folder.mkdir()
    server = ModelServer([Script((Turn("hi", usage=Usage(1000, 0)),))])
    await server.start()
    config = AgentConfig(
        name="a",
        kind="basic",
        model="m",
        base_url=f"{server.url}/v1",
        input_usd_per_mtok=100.0,
        output_usd_per_mtok=1.0,
    )
    asked = request(config, budget_usd=1.0)
    budgets = Budgets(asked)
    try:
        link = gateway_for(asked, budgets)
        assert link is not None
        async with link.listening(folder), link.endpoint("a/t/1", config, tmp_path / "trial") as endpoint:
            body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
            url = f"http://gateway{endpoint.path}/v1/chat/completions"
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(endpoint.socket))) as session,
                session.post(url, json=body) as response,
            ):
                assert response.status == 200
            metered = endpoint.metered()
        assert not endpoint.socket.exists()
    finally:
        await server.stop()
    assert [one.input_tokens for one in metered.requests] == [1000]
    assert budgets.run.spent_usd == budgets.agents["a"].spent_usd == pytest.approx(0.1)
    usd, tokens = spent(tmp_path / "trial")
    assert usd == pytest.approx(0.1)
    assert tokens == 1000
    assert spent(tmp_path / "none") == (0.0, 0)


@pytest.mark.parametrize("kind", ["basic", "aider"])
def test_a_budget_in_money_for_a_model_without_a_price_is_refused(kind: str) -> None:
    """It could not be kept."""
    config = AgentConfig(name="a", kind=kind, model="nobodys-model", base_url="http://127.0.0.1:9/v1")
    limits = TrialLimits(cost_usd=1.0)
    for asked in (
        request(config, budget_usd=1.0),
        request(config.model_copy(update={"budget_usd": 1.0})),
        request(config, limits=limits),
    ):
        with pytest.raises(UsageError, match="could not be kept"):
            gateway_for(asked, Budgets(asked))
    asked = request(config, budget_tokens=1000)
    assert gateway_for(asked, Budgets(asked)) is not None
