"""The oracle control: it applies the landed change, so whatever it does not solve is a fault of the suite."""

from __future__ import annotations

import tempfile
from pathlib import Path

from worktrial.agents.protocol import Attempt, Outcome
from worktrial.errors import InfrastructureError
from worktrial.formats.run import AgentConfig
from worktrial.formats.trial import Usage
from worktrial.store.git import scratch_repository


class Oracle:
    """Applies the solution from outside of the sandbox."""

    def __init__(self, config: AgentConfig) -> None:
        self.config = config

    async def attempt(self, attempt: Attempt) -> Outcome:
        """Apply the landed patch. One that does not apply is an infrastructure failure: no agent had a part in it."""
        usage = Usage(cost_usd=0.0, cost_source="metered")
        try:
            await _apply(attempt)
        except InfrastructureError as error:
            return Outcome("infrastructure", cause="solution_does_not_apply", detail=error.cause, usage=usage)
        return Outcome("completed", usage=usage)


async def _apply(attempt: Attempt) -> None:
    """Run `git apply` on the workspace's files, through a scratch repository.

    The workspace has a `.git` and perhaps `.gitattributes` of its own; neither may have a say in what is written.
    """
    with tempfile.TemporaryDirectory(prefix="worktrial-oracle-") as folder:
        git = scratch_repository(Path(folder)).with_index(Path(folder, "index"), Path("{workspace}"))
        command = git.argv("-C", "{workspace}", "apply", "--whitespace=nowarn", "-")
        await attempt.workspace.host(command, env=git.environment(), data=attempt.solution())
