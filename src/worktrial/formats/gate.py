"""What a change of an agent must not break, the table `[gate]` in `worktrial.toml`."""

from __future__ import annotations

from pydantic import Field

from worktrial.formats.base import Record


class GateConfig(Record):
    """Limits that `worktrial gate` judges a run by. None: not judged."""

    min_delta_points: float = Field(default=5.0, ge=0, le=100)
    """Smallest loss against the baseline that matters, in percentage points of the solve rate."""
    min_solve_rate: float | None = Field(default=None, ge=0, le=1)
    max_cost_per_completed_usd: float | None = Field(default=None, ge=0)
    """US dollars of all attempts, failed and retried ones included, by trials solved."""
    max_cost_ratio: float | None = Field(default=None, gt=0)
    """Cost per completed task by that of the baseline, on the tasks both share."""
    max_p95_latency_s: float | None = Field(default=None, ge=0)
    """Seconds of the agent's part of a trial that 95 in 100 trials stay below."""
    max_tampered: int | None = Field(default=0, ge=0)
    """Trials of which the result is forged or cannot be."""
    max_infrastructure_share: float | None = Field(default=0.1, ge=0, le=1)
    """Of finished trials, those that failed for reasons that are not the agent's. More, and nothing is decided."""
