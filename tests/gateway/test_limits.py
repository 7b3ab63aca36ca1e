"""Budgets that hold, and a pace that is fair."""

from __future__ import annotations

import asyncio

import pytest
from tests.gateway.bench import APIS, Bench, asking
from tests.tools.model_server import Turn, Usage

from worktrial.formats.gateway import Api
from worktrial.gateway.limits import Budget
from worktrial.gateway.pacing import Pace
from worktrial.gateway.server import Gateway, OpenTrial

TEN_CENTS = Usage(input=40_000, output=0)
"""Four cents a request."""


async def spend(bench: Bench, gateway: Gateway, trial: OpenTrial, api: Api, times: int) -> list[int]:
    """Ask so often, and return the statuses."""
    return [(await bench.ask(gateway, trial, *asking(api, f"{i}"))).status for i in range(times)]


@pytest.mark.parametrize("api", APIS)
async def test_ten_cents_stop_a_run_within_one_request(bench: Bench, api: Api) -> None:
    """The refusal is an error in the protocol's shape, with a status that no agent tries again."""
    budget = Budget(0.10)
    gateway, trial = await bench.trial(Turn("hi", usage=TEN_CENTS), budget=budget)
    assert await spend(bench, gateway, trial, api, 6) == [200, 200, 200, 400, 400, 400]
    assert budget.spent_usd == pytest.approx(0.12)
    assert len(bench.server.requests) == 3
    refused = await bench.ask(gateway, trial, *asking(api))
    assert "the budget of the run is spent" in refused.json["error"]["message"]
    assert (refused.headers["x-should-retry"], refused.headers["x-worktrial-stop"]) == ("false", "budget")
    assert bench.records()[-1].outcome == "budget"
    assert (trial.meter.stopped, trial.meter.usage().requests) == ("budget", 3)


async def test_a_budget_of_tokens_holds_too(bench: Bench) -> None:
    """Input and output together, also where no price is known."""
    budget = Budget(None, limit_tokens=250)
    gateway, trial = await bench.trial(Turn("hi", usage=Usage(90, 10)), budget=budget, prices={})
    assert await spend(bench, gateway, trial, "openai_chat", 5) == [200, 200, 200, 400, 400]
    assert (budget.spent_tokens, budget.known) == (300, False)


async def test_with_a_budget_in_money_a_model_nobody_has_a_price_for_is_refused(bench: Bench) -> None:
    """An agent may ask models beside the one it is configured with, and could spend anything by them."""
    gateway, trial = await bench.trial(Turn("hi", usage=TEN_CENTS), budget=Budget(0.10), prices={})
    refused = await bench.ask(gateway, trial, *asking("openai_chat"))
    assert (refused.status, bench.records()[-1].outcome) == (400, "no_price")
    assert "no price is known" in refused.json["error"]["message"]
    assert not bench.server.requests


async def test_budgets_of_trial_agent_and_run_stop_each_their_own(bench: Bench) -> None:
    """One trial's end is not another's; one agent's not another's."""
    await bench.serve(Turn("hi", usage=TEN_CENTS))
    gateway = await bench.gateway(budget=Budget(0.30), agent_budgets={"a": Budget(0.15)})
    first = bench.open(gateway, "a/task/1", budget=Budget(0.05))
    assert await spend(bench, gateway, first, "openai_chat", 3) == [200, 200, 400]
    assert first.meter.stopped == "limit"
    second = bench.open(gateway, "a/task/2")
    assert await spend(bench, gateway, second, "openai_chat", 4) == [200, 200, 400, 400]
    assert "budget of the agent" in bench.records("a/task/2")[-1].error
    other = bench.open(gateway, "b/task/1")
    assert await spend(bench, gateway, other, "openai_chat", 6) == [200, 200, 200, 200, 400, 400]
    assert "budget of the run" in bench.records("b/task/1")[-1].error


async def test_trials_at_once_pass_the_budget_by_one_request_together(bench: Bench) -> None:
    """What is under way is reckoned with: the others wait until it is known what it cost."""
    budget = Budget(0.10)
    usage = Usage(input=0, output=1000)  # one cent, as is expected of a request
    gateway, _ = await bench.trial(Turn("hi", usage=usage), budget=budget)
    trials = [bench.open(gateway, f"a/task/{n}") for n in range(40)]
    statuses = await asyncio.gather(*(spend(bench, gateway, trial, "openai_chat", 1) for trial in trials))
    answered = sum(status == [200] for status in statuses)
    assert answered in (10, 11)
    assert budget.spent_usd <= 0.11 + 1e-9


async def test_a_failure_frees_what_was_held_for_it(bench: Bench) -> None:
    """An upstream that is down costs nothing, and nobody waits for its money."""
    await bench.serve()
    gateway = await bench.gateway(bench.config("http://127.0.0.1:9"), budget=Budget(0.02))
    trial = bench.open(gateway)
    assert await spend(bench, gateway, trial, "openai_chat", 5) == [502] * 5


async def test_an_earlier_record_is_charged_when_a_trial_is_opened_again(bench: Bench) -> None:
    """So that a run that was stopped goes on with what is left."""
    gateway, trial = await bench.trial(Turn("hi", usage=TEN_CENTS), budget=Budget(0.10))
    await spend(bench, gateway, trial, "openai_chat", 2)
    await gateway.stop()
    budget = Budget(0.10)
    again = await bench.gateway(budget=budget)
    reopened = bench.open(again)
    assert budget.spent_usd == pytest.approx(0.08)
    assert await spend(bench, again, reopened, "openai_chat", 2) == [200, 400]
    assert reopened.meter.usage().requests == 3
    assert [record.id for record in bench.records()] == ["r00001", "r00002", "r00003", "r00004"]


# -- pace --


async def test_requests_a_minute_are_kept() -> None:
    """Six hundred a minute are ten a second; the first ones go at once."""
    pace = Pace(600)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(pace.enter("a") for _ in range(15)))
    assert loop.time() - began >= 0.45


async def test_trials_take_turns_whoever_asks_more() -> None:
    """A trial with many requests waiting holds nobody up."""
    pace = Pace(6000)
    order: list[str] = []

    async def enter(trial: str) -> None:
        await pace.enter(trial)
        order.append(trial)

    for _ in range(100):
        await pace.enter("warm")
    greedy = [asyncio.create_task(enter("greedy")) for _ in range(20)]
    await asyncio.sleep(0)
    modest = [asyncio.create_task(enter("modest")) for _ in range(3)]
    await asyncio.gather(*greedy, *modest)
    assert "modest" not in order[10:]
    assert len(order) == 23


async def test_one_who_stops_waiting_takes_nobodys_turn() -> None:
    """The others go on."""
    pace = Pace(3000)
    for _ in range(50):
        await pace.enter("warm")
    leaving = [asyncio.create_task(pace.enter("leaving")) for _ in range(5)]
    staying = [asyncio.create_task(pace.enter("staying")) for _ in range(5)]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*staying)
    await pace.enter("leaving")


async def test_no_limit_is_no_wait() -> None:
    """None: as fast as they come."""
    pace = Pace(None)
    await asyncio.gather(*(pace.enter("a") for _ in range(1000)))


async def test_the_wait_is_recorded(bench: Bench) -> None:
    """A slow limit is the gateway's doing, not the provider's."""
    await bench.serve(Turn("hi"))
    gateway = await bench.gateway(bench.config(upstream={"requests_per_minute": 300}))
    trial = bench.open(gateway)
    await asyncio.gather(*(bench.ask(gateway, trial, *asking("openai_chat", f"{i}")) for i in range(7)))
    assert max(record.queued_s for record in bench.records()) >= 0.3
