"""The no-op control: it does nothing, so whatever it solves was not a task."""

from __future__ import annotations

from worktrial.agents.protocol import Attempt, Outcome
from worktrial.formats.run import AgentConfig
from worktrial.formats.trial import Usage


class Nop:
    """Ends at once and leaves the workspace as it was."""

    def __init__(self, config: AgentConfig) -> None:
        self.config = config

    async def attempt(self, attempt: Attempt) -> Outcome:
        """Do nothing."""
        return Outcome("completed", usage=Usage(cost_usd=0.0, cost_source="metered"))
