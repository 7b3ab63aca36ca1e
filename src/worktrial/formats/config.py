"""`worktrial.toml`: who is tried and how, written by people and by `worktrial init`."""

from __future__ import annotations

from pydantic import Field

from worktrial.formats.base import Record
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


class Configuration(Record):
    """The whole file."""

    run: RunDefaults = Field(default_factory=RunDefaults)
    agents: dict[str, AgentTable] = Field(default_factory=dict)
    gateway: GatewayConfig = Field(default_factory=GatewayConfig)
