"""What a run may spend: as a whole, on each agent, and on each trial."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from worktrial.formats.run import RunRequest
from worktrial.formats.trial import Trial
from worktrial.gateway.limits import Budget
from worktrial.gateway.recording import RECORDS, read_records
from worktrial.gateway.trials import tokens_of
from worktrial.store.files import read_model
from worktrial.store.run import TrialDir


class Budgets:
    """The budgets of one run. The gateway charges them; when one is spent, what it stands for is over."""

    def __init__(self, request: RunRequest) -> None:
        self.run = Budget(request.budget_usd, limit_tokens=request.budget_tokens)
        self.agents = {
            agent.name: Budget(agent.budget_usd, limit_tokens=agent.budget_tokens) for agent in request.agents
        }
        self._limits = request.limits

    def trial(self) -> Budget:
        """Return the budget of a trial that begins: reaching it is a limit like others, and the trial is graded."""
        return Budget(self._limits.cost_usd, limit_tokens=self._limits.tokens)

    def exhausted(self, agent: str) -> bool:
        """Whether no further trial of an agent can be begun: the run's budget is spent, or its own."""
        return self.run.exhausted or (agent in self.agents and self.agents[agent].exhausted)

    def charge_past(self, trials: Iterable[TrialDir]) -> None:
        """Charge what the trials of a run that is resumed cost before, attempts that were set aside included."""
        for trial_dir in trials:
            for folder in trial_dir.folders():
                usd, tokens = spent(folder)
                self.run.charge(usd, tokens)
                if trial_dir.agent in self.agents:
                    self.agents[trial_dir.agent].charge(usd, tokens)

    @property
    def bounded_in_usd(self) -> bool:
        """Whether any limit is one of money, so that prices have to be known."""
        limits = [self.run.limit_usd, self._limits.cost_usd, *(one.limit_usd for one in self.agents.values())]
        return any(limit is not None for limit in limits)


def spent(attempt: Path) -> tuple[float, int]:
    """Return what an attempt cost as far as it is known, USD, and its tokens: by the gateway's record, whether or not
    it came to its end, else as the trial says. Nothing for a folder that is not there."""
    if (attempt / RECORDS).exists():
        paid = [record for record in read_records(attempt) if not record.replayed]
        return sum(record.cost_usd or 0.0 for record in paid), sum(map(tokens_of, paid))
    if (attempt / "trial.json").exists():
        usage = read_model(attempt / "trial.json", Trial, "trial").usage
        return usage.cost_usd or 0.0, usage.input_tokens + usage.output_tokens
    return 0.0, 0
