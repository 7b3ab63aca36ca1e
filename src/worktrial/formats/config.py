"""`worktrial.toml`: who is tried and how, written by people and by `worktrial init`."""

from __future__ import annotations

from pydantic import Field, model_validator

from worktrial.formats.base import Record
from worktrial.formats.gate import GateConfig
from worktrial.formats.gateway import GatewayConfig
from worktrial.formats.run import AgentConfig


class RunDefaults(Record):
    """The table `[run]`: what `worktrial run` does when the command line does not say."""

    trials: int = Field(default=1, ge=1, le=1000)
    """Attempts per task."""
    jobs: int | None = Field(default=None, ge=1)
    """Trials at once; None: one per processor."""
    budget_usd: float | None = Field(default=None, ge=0)
    """The run stops when this much is spent; None: no limit. An agent's own `budget_usd` stops that agent alone."""
    budget_tokens: int | None = Field(default=None, ge=0)
    """The run stops when so many tokens were used, input and output together."""
    trial_budget_usd: float | None = Field(default=None, ge=0)
    """A trial that has cost this much gets no further answer, and is graded as it is."""
    trial_tokens: int | None = Field(default=None, ge=0)
    """The same for tokens, input and output together."""
    timeout_s: float = Field(default=1800.0, ge=1)
    """Wall-clock seconds of an agent's part."""
    steps: int = Field(default=100, ge=1)
    """Model requests a built-in harness may make."""
    sandbox: str = "auto"
    runtime: str | None = None
    """Of docker or podman."""


class AgentTable(AgentConfig):
    """A table `[agents.NAME]`. Name and kind are that of the table where they are not given."""

    name: str = ""
    kind: str = ""


class Rates(Record):
    """The table `[rates]`: what there is to pay besides the model. A part without a rate is not counted, and the report
    says so."""

    sandbox_usd_per_minute: float | None = Field(default=None, ge=0)
    """Of an agent's sandbox."""
    ci_usd_per_minute: float | None = Field(default=None, ge=0)
    """Of running the tests."""
    review_usd_per_minute: float | None = Field(default=None, ge=0)
    """Of a person who reads a patch."""
    review_minutes_per_patch: float | None = Field(default=None, ge=0)
    """Where `acceptance.jsonl` does not say; None: unknown there."""


class Criterion(Record):
    """How much a figure weighs in the score, and between which values."""

    weight: float = Field(ge=0)
    """In the sum of all weights, whatever that is."""
    floor: float
    """The value that is worth nothing, as is all that is worse."""
    target: float
    """The value that is worth all, as is all that is better."""

    @model_validator(mode="after")
    def _apart(self) -> Criterion:
        if self.floor == self.target:
            raise ValueError("floor and target are the same: every value would be worth nothing or all")
        return self


class Correctness(Criterion):
    """`[score.correctness]`: the solve rate, 0..1."""

    weight: float = Field(default=0.30, ge=0)
    floor: float = 0.0
    target: float = 1.0


class P95Latency(Criterion):
    """`[score.p95_latency_s]`: the time that 95 of 100 trials stay below, seconds."""

    weight: float = Field(default=0.20, ge=0)
    floor: float = 1800.0
    target: float = 60.0


class CostPerCompleted(Criterion):
    """`[score.cost_per_completed_usd]`: what a completed task costs, all attempts counted, US dollars."""

    weight: float = Field(default=0.20, ge=0)
    floor: float = 10.0
    target: float = 0.0


class CacheHitRate(Criterion):
    """`[score.cache_hit_rate]`: context efficiency, the share of input tokens that were read from a cache, 0..1."""

    weight: float = Field(default=0.15, ge=0)
    floor: float = 0.0
    target: float = 1.0


class ApiReliability(Criterion):
    """`[score.api_reliability]`: the share of requests that the provider did not fail at, 0..1."""

    weight: float = Field(default=0.15, ge=0)
    floor: float = 0.9
    target: float = 1.0


class ScoreConfig(Record):
    """The table `[score]`. Floors and targets are fixed here, since ranges taken from the candidates let one more
    candidate reorder the others."""

    correctness: Correctness = Field(default_factory=Correctness)
    p95_latency_s: P95Latency = Field(default_factory=P95Latency)
    cost_per_completed_usd: CostPerCompleted = Field(default_factory=CostPerCompleted)
    cache_hit_rate: CacheHitRate = Field(default_factory=CacheHitRate)
    api_reliability: ApiReliability = Field(default_factory=ApiReliability)

    @model_validator(mode="after")
    def _weighs(self) -> ScoreConfig:
        if not any(criterion.weight for _, criterion in self):
            raise ValueError("all weights are 0")
        return self


class Thresholds(Record):
    """The table `[thresholds]`: a candidate that breaks one is out, whatever its score. None: no threshold."""

    min_correctness: float | None = Field(default=None, ge=0, le=1)
    max_p95_latency_s: float | None = Field(default=None, ge=0)
    max_cost_per_completed_usd: float | None = Field(default=None, ge=0)
    min_cache_hit_rate: float | None = Field(default=None, ge=0, le=1)
    min_api_reliability: float | None = Field(default=None, ge=0, le=1)


class Configuration(Record):
    """The whole file."""

    run: RunDefaults = Field(default_factory=RunDefaults)
    agents: dict[str, AgentTable] = Field(default_factory=dict)
    gateway: GatewayConfig = Field(default_factory=GatewayConfig)
    rates: Rates = Field(default_factory=Rates)
    score: ScoreConfig = Field(default_factory=ScoreConfig)
    thresholds: Thresholds = Field(default_factory=Thresholds)
    gate: GateConfig = Field(default_factory=GateConfig)
