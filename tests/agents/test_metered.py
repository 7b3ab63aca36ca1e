"""The gateway's record and the agent's log, joined."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from worktrial.agents.metered import AskedCall, Request, merge, totals, usage
from worktrial.formats.trajectory import Step, StepMetrics, ToolCall


def step(number: int, *calls: str, source: str = "agent", tokens: int | None = None) -> Step:
    return Step.model_validate(
        {
            "step_id": number,
            "source": source,
            "message": f"step {number}",
            "tool_calls": tuple(ToolCall(tool_call_id=call, function_name="f", arguments={}) for call in calls) or None,
            "metrics": None if tokens is None else StepMetrics(prompt_tokens=tokens),
        }
    )


def request(
    tokens: int, *calls: str, status: int | None = 200, side: bool = False, cost: float | None = 0.1
) -> Request:
    asked = tuple(AskedCall(call, "f") for call in calls)
    return Request(status, input_tokens=tokens, output_tokens=1, cost_usd=cost, calls=asked, side=side)


def tokens(steps: tuple[Step, ...]) -> list[int | None]:
    return [one.metrics.prompt_tokens if one.metrics else None for one in steps if one.source == "agent"]


def test_steps_get_the_metrics_of_the_request_that_asked_for_their_calls() -> None:
    """Not what the agent says of them."""
    steps = [step(1, source="user"), step(2, "a", tokens=5), step(3, "b", tokens=5), step(4, tokens=5)]
    assert tokens(merge(steps, [request(10, "a"), request(20, "b"), request(30)])) == [10, 20, 30]


def test_failed_and_side_requests_belong_to_no_step() -> None:
    steps = [step(1, "a"), step(2)]
    asked = [request(1, status=429), request(2, side=True), request(10, "a"), request(3, status=None), request(20)]
    assert tokens(merge(steps, asked)) == [10, 20]


def test_what_has_no_partner_is_unknown() -> None:
    """An agent that left steps out, or says more than it asked."""
    assert tokens(merge([step(1, "b"), step(2)], [request(1, "a"), request(2, "b"), request(3), request(4)])) == [
        2,
        None,
    ]
    assert tokens(merge([step(1), step(2, "x"), step(3)], [request(7, "x")])) == [None, 7, None]


def test_without_steps_of_the_agent_they_are_made_from_the_requests() -> None:
    asked = [Request(200, text="hello", calls=(AskedCall("a", "shell", {"command": "ls"}),), input_tokens=3)]
    made = merge([step(1, source="user")], asked)
    assert [(one.step_id, one.source, one.message) for one in made] == [(1, "user", "step 1"), (2, "agent", "hello")]
    assert made[1].tool_calls is not None
    assert made[1].tool_calls[0].arguments == {"command": "ls"}


def test_the_cost_is_unknown_as_soon_as_one_is() -> None:
    """A failure costs nothing that anybody knows of."""
    assert usage([request(1), request(2, cost=None)]).cost_usd is None
    assert usage([request(1), request(0, cost=None, status=500)]).cost_usd == 0.1
    assert usage([]).cost_usd == 0.0
    assert totals([Request(200)], ()).total_prompt_tokens is None


calls = st.lists(st.sampled_from("abcdefgh"), max_size=2, unique=True)


@given(st.lists(calls, max_size=6), st.lists(calls, max_size=6))
@settings(deadline=None)
def test_partners_keep_their_order_and_are_used_once(of_steps: list[list[str]], of_requests: list[list[str]]) -> None:
    """Whatever calls are where: each request is told of at most once, in order."""
    steps = [step(i, *names) for i, names in enumerate(of_steps, 1)]
    merged = merge(steps, [request(i, *names) for i, names in enumerate(of_requests, 1)])
    found = [one for one in tokens(merged) if one is not None]
    assert found == sorted(set(found))
    if len(of_steps) == len(of_requests) and not any(of_steps):
        assert found == list(range(1, len(of_requests) + 1))
