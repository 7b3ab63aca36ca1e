"""Trajectories: what an agent said and did, in the Agent Trajectory Interchange Format (ATIF) 1.8."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from worktrial.formats.base import Record, Timestamp


class ToolCall(Record):
    """A call the agent asked for."""

    tool_call_id: str
    function_name: str
    arguments: dict[str, Any]


class ObservationResult(Record):
    """What one call gave back."""

    source_call_id: str | None = None
    content: str | None = None


class Observation(Record):
    """What the step's calls gave back, in order."""

    results: tuple[ObservationResult, ...]


class StepMetrics(Record):
    """What a step's model request used; None is unknown."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: float | None = None


class Step(Record):
    """One turn."""

    step_id: int
    """From 1, without gaps."""
    timestamp: Timestamp | None = None
    source: Literal["system", "user", "agent"]
    message: str
    reasoning_content: str | None = None
    tool_calls: tuple[ToolCall, ...] | None = None
    observation: Observation | None = None
    metrics: StepMetrics | None = None


class AgentInfo(Record):
    """Who acted."""

    name: str
    version: str
    model_name: str | None = None
    tool_definitions: tuple[dict[str, Any], ...] | None = None


class FinalMetrics(Record):
    """Sums over the trajectory; None is unknown."""

    total_prompt_tokens: int | None = None
    total_completion_tokens: int | None = None
    total_cached_tokens: int | None = None
    total_cost_usd: float | None = None
    total_steps: int | None = None


class Trajectory(Record):
    """The whole of `trajectory.json`. ATIF allows no extra fields."""

    schema_version: Literal["ATIF-v1.8"] = "ATIF-v1.8"
    session_id: str
    agent: AgentInfo
    steps: tuple[Step, ...] = Field(default=())
    final_metrics: FinalMetrics | None = None
