"""What the gateway saw of a trial, and how it is joined with the agent's own log: its counts are the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from worktrial.formats.trajectory import FinalMetrics, Step, StepMetrics, ToolCall
from worktrial.formats.trial import Usage


@dataclass(frozen=True)
class AskedCall:
    """A tool call that a model asked for."""

    id: str
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One request of an agent to its model, as the gateway recorded it, in the order they came."""

    status: int | None
    """What the agent was answered; None when there was no answer, or it broke off."""
    started_at: datetime | None = None
    model: str = ""
    input_tokens: int | None = None
    """Including those read from and written to a cache; None when the answer did not say."""
    output_tokens: int | None = None
    """Including reasoning."""
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cost_usd: float | None = None
    """None: no price is known."""
    side: bool = False
    """No turn of the conversation: a title, a commit message, a choice of model. It costs all the same."""
    text: str = ""
    reasoning: str = ""
    calls: tuple[AskedCall, ...] = ()
    error: str = ""
    """What the provider said of a failure."""

    @property
    def answered(self) -> bool:
        """Whether the agent got an answer from the model."""
        return self.status is not None and 200 <= self.status < 300


Stopped = Literal["", "budget", "limit"]
"""Why the gateway answered no more: the run's *budget*, or a *limit* of the trial or the agent."""


@dataclass(frozen=True)
class Metered:
    """What the gateway has of one trial."""

    requests: tuple[Request, ...] = ()
    stopped: Stopped = ""


def usage(requests: Sequence[Request]) -> Usage:
    """Return the sums over all requests, side requests and failures included.

    The cost is unknown (None) as soon as that of one answered request is.
    """
    answered = [one for one in requests if one.answered]
    known = all(one.cost_usd is not None for one in answered)
    return Usage(
        requests=len(requests),
        input_tokens=sum(one.input_tokens or 0 for one in requests),
        output_tokens=sum(one.output_tokens or 0 for one in requests),
        cache_read_tokens=sum(one.cache_read_tokens or 0 for one in requests),
        cache_write_tokens=sum(one.cache_write_tokens or 0 for one in requests),
        cost_usd=sum(one.cost_usd or 0.0 for one in requests) if known else None,
        cost_source="metered" if known else None,
    )


def merge(steps: Sequence[Step], requests: Sequence[Request]) -> tuple[Step, ...]:
    """Return the agent's steps with the gateway's metrics in the place of the agent's own.

    A step belongs to the request that asked for the step's tool calls, by their ids; those between two such pairs
    belong together in order where there are as many steps as requests. What finds no partner has no metrics, as what
    it used is unknown. Side requests and failures belong to no step. With no step of the agent, steps are made from
    the requests.
    """
    turns = [one for one in requests if one.answered and not one.side]
    mine = [i for i, step in enumerate(steps) if step.source == "agent"]
    if not mine:
        return (*steps, *(_as_step(len(steps) + i, one) for i, one in enumerate(turns, 1)))
    partners = _pairs([steps[i] for i in mine], turns)
    merged = [step.model_copy(update={"metrics": None}) for step in steps]
    for position, i in enumerate(mine):
        if (turn := partners.get(position)) is not None:
            merged[i] = steps[i].model_copy(update={"metrics": _metrics(turns[turn])})
    return tuple(merged)


def totals(requests: Sequence[Request], steps: Sequence[Step]) -> FinalMetrics:
    """Return the sums of a whole trajectory by the gateway's record; a sum with an unknown part is unknown."""
    answered = [one for one in requests if one.answered]
    used = usage(requests)
    known = all(one.input_tokens is not None and one.output_tokens is not None for one in answered)
    return FinalMetrics(
        total_prompt_tokens=used.input_tokens if known else None,
        total_completion_tokens=used.output_tokens if known else None,
        total_cached_tokens=used.cache_read_tokens if known else None,
        total_cost_usd=used.cost_usd,
        total_steps=len(steps),
    )


def _pairs(steps: Sequence[Step], turns: Sequence[Request]) -> dict[int, int]:
    """Return which turn each step belongs to, as positions in the two; both only ever rise."""
    by_call = {call.id: i for i, turn in enumerate(turns) for call in turn.calls if call.id}
    anchors = [(-1, -1)]
    for position, step in enumerate(steps):
        asked = {by_call[call.tool_call_id] for call in step.tool_calls or () if call.tool_call_id in by_call}
        turn = min((one for one in asked if one > anchors[-1][1]), default=None)
        if turn is not None:
            anchors.append((position, turn))
    anchors.append((len(steps), len(turns)))
    found = dict(anchors[1:-1])
    for (i, j), (next_i, next_j) in pairwise(anchors):
        if next_i - i == next_j - j:
            found.update(zip(range(i + 1, next_i), range(j + 1, next_j), strict=True))
    return found


def _metrics(request: Request) -> StepMetrics:
    return StepMetrics(
        prompt_tokens=request.input_tokens,
        completion_tokens=request.output_tokens,
        cached_tokens=request.cache_read_tokens,
        cost_usd=request.cost_usd,
    )


def _as_step(number: int, request: Request) -> Step:
    calls = tuple(
        ToolCall(tool_call_id=call.id, function_name=call.name, arguments=call.arguments) for call in request.calls
    )
    return Step(
        step_id=number,
        timestamp=request.started_at,
        source="agent",
        message=request.text,
        reasoning_content=request.reasoning or None,
        tool_calls=calls or None,
        metrics=_metrics(request),
    )
