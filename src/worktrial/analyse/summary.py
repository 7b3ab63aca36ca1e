"""A run in figures: one row per trial, sums per agent, and the comparison of the best two."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from worktrial.analyse.reading import RunFiles, TrialFiles, read_run
from worktrial.formats.run import AgentConfig, RunLock, RunRequest
from worktrial.formats.trial import ToolUse, Trial
from worktrial.formats.verdict import Verdict
from worktrial.store.run import RunDir

if TYPE_CHECKING:
    from worktrial.analyse.intervals import Outcomes, Rate
    from worktrial.analyse.paired import Paired

Outcome = Literal["solved", "not_solved", "tampered", "infrastructure", "ungraded", "unfinished"]
"""*tampered*: not solved, because the result is forged or cannot be. *ungraded*: attempted, but no verdict yet (or the
money ran out). *unfinished*: no attempt came to its end. Only the first three are in the denominator."""

GRADED: tuple[Outcome, ...] = ("solved", "not_solved", "tampered")
"""The outcomes in the denominator."""


@dataclass(frozen=True)
class TrialRow:
    """What tables say of one trial."""

    agent: str
    task: str
    n: int
    outcome: Outcome
    cause: str = ""
    """Machine-readable, of the verdict or else of the attempt's end; empty when solved."""
    detail: str = ""
    started_at: datetime | None = None
    cost_usd: float | None = None
    """None is unknown."""
    agent_s: float | None = None
    """Wall-clock seconds of the agent's part; None is unknown."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    steps: int = 0
    tool_use: ToolUse | None = None
    """None: the agent's calls are not known."""


@dataclass(frozen=True)
class Cost:
    """What all attempts of an agent cost, those of retried, killed and failed trials included."""

    attempts: int
    known_usd: float
    """Sum over the attempts whose cost is known: a lower bound when some are not."""
    unknown: int
    """Attempts whose cost is unknown."""

    @property
    def total_usd(self) -> float | None:
        """The sum, or None when the cost of any attempt is unknown or there was none."""
        return self.known_usd if self.attempts and not self.unknown else None


@dataclass(frozen=True)
class AgentSummary:
    """One agent over the whole run."""

    config: AgentConfig
    control: bool
    """Whether it measures the suite and is no contender."""
    tasks: int
    """Tasks with at least one finished trial."""
    trials: int
    """Finished trials: every attempt that came to its end, whatever the end."""
    solved: int
    tampered: int
    """Trials that are failures because their result is forged or cannot be."""
    infrastructure: int
    ungraded: int
    unfinished: int
    rate: Rate | None
    """None when no trial is graded."""
    cost: Cost
    agent_s_median: float | None
    """Over finished trials that are not infrastructure failures; None when there is none."""
    agent_s_total: float
    input_tokens: int | None
    """Sum over finished trials; None when unknown for any of them."""
    output_tokens: int | None

    @property
    def name(self) -> str:
        """The agent's name, unique within the run."""
        return self.config.name

    @property
    def cost_per_trial_usd(self) -> float | None:
        """Cost of all attempts divided by the finished trials; None is unknown."""
        total = self.cost.total_usd
        return None if total is None or not self.trials else total / self.trials

    @property
    def cost_per_completed_usd(self) -> float | None:
        """Cost of all attempts, failed ones included, divided by the solved trials; None: unknown, or none solved."""
        total = self.cost.total_usd
        return None if total is None or not self.solved else total / self.solved


@dataclass(frozen=True)
class Lead:
    """The best contender against the runner-up."""

    best: AgentSummary
    second: AgentSummary
    paired: Paired | None
    """Best minus second; None when they share fewer than two graded tasks."""


@dataclass(frozen=True)
class RunSummary:
    """What `run --json` and `report` say of a run."""

    request: RunRequest
    lock: RunLock
    agents: tuple[AgentSummary, ...]
    """In the order they were asked for."""
    rows: tuple[TrialRow, ...]
    """Every trial that was asked for, finished or not, by agent, task and number."""
    lead: Lead | None
    """None with fewer than two contenders that have a graded trial."""

    @property
    def contenders(self) -> list[AgentSummary]:
        """The agents that are not controls, the highest rate first, those without one last."""
        chosen = [agent for agent in self.agents if not agent.control]
        return sorted(chosen, key=lambda agent: (-(agent.rate.mean if agent.rate else -1.0), agent.name))

    @property
    def controls(self) -> list[AgentSummary]:
        """The controls, as asked for."""
        return [agent for agent in self.agents if agent.control]

    def count(self, *outcomes: Outcome) -> int:
        """Return how many trials ended in any of `outcomes`."""
        return sum(row.outcome in outcomes for row in self.rows)


def summarise(run: RunDir, controls: Collection[str]) -> RunSummary:
    """Read every trial of `run` once and sum up; see `read_run` and `summary_of`."""
    return summary_of(read_run(run), controls)


def summary_of(files: RunFiles, controls: Collection[str]) -> RunSummary:
    """Sum up a run that was read.

    `controls` are the kinds of agent that measure the suite (`worktrial.agents.CONTROLS`).
    """
    request = files.request
    rows: list[TrialRow] = []
    agents = []
    for config in request.everyone():
        own = [trial for trial in files.trials if trial.config.name == config.name]
        free = config.kind in controls
        mine = [row_of(trial, free=free) for trial in own]
        agents.append(_agent(config, free, mine, _cost(own, free=free), request))
        rows += mine
    return RunSummary(request, files.lock, tuple(agents), tuple(rows), _lead(agents, rows, request))


def agents_json(summary: RunSummary) -> dict[str, Any]:
    """Return what `--json` prints.

    `solved` counts trials; `rate` (0..1) and `ci95` ([low, high]) are null without a graded trial.
    """
    return {
        "agents": {
            agent.name: {
                "tasks": agent.tasks,
                "trials": agent.trials,
                "solved": agent.solved,
                "rate": agent.rate.mean if agent.rate else None,
                "ci95": [agent.rate.low, agent.rate.high] if agent.rate else None,
                "infrastructure": agent.infrastructure,
            }
            for agent in summary.agents
        }
    }


def row_of(files: TrialFiles, *, free: bool) -> TrialRow:
    """Return the row of one trial; `free`: its agent calls no model."""
    name = files.config.name
    if files.last is None or files.last.trial is None:
        return TrialRow(name, files.task, files.n, "unfinished")
    trial, verdict, amount = files.last.trial, files.last.verdict, files.last.amount(free=free)
    outcome = outcome_of(trial, verdict)
    # What the attempt ended with explains an ungraded or failed trial better than silence does.
    cause = (verdict.cause if verdict else "") or (trial.cause or trial.ended if outcome != "solved" else "")
    silent = trial.usage.requests == 0 and trial.usage.cost_usd is None
    return TrialRow(
        name,
        files.task,
        files.n,
        outcome,
        cause=cause,
        detail=(verdict.detail if verdict else "") or trial.detail,
        started_at=trial.started_at,
        cost_usd=amount.usd if amount.whole else None,
        agent_s=trial.timings.agent_s,
        input_tokens=None if silent else trial.usage.input_tokens,
        output_tokens=None if silent else trial.usage.output_tokens,
        steps=trial.steps,
        tool_use=trial.tool_use,
    )


def outcome_of(trial: Trial, verdict: Verdict | None) -> Outcome:
    """Return how a finished trial counts; a verdict goes before what the attempt said of itself."""
    if verdict is not None:
        return verdict.outcome
    return "infrastructure" if trial.ended == "infrastructure" else "ungraded"


def _cost(trials: list[TrialFiles], *, free: bool) -> Cost:
    amounts = [attempt.amount(free=free) for trial in trials for attempt in trial.attempts]
    return Cost(len(amounts), sum(amount.usd for amount in amounts), sum(not amount.whole for amount in amounts))


def _agent(config: AgentConfig, control: bool, rows: list[TrialRow], cost: Cost, request: RunRequest) -> AgentSummary:
    from worktrial.analyse.intervals import solve_rate

    finished = [row for row in rows if row.outcome != "unfinished"]
    seconds = [row.agent_s for row in finished if row.agent_s is not None and row.outcome != "infrastructure"]
    return AgentSummary(
        config=config,
        control=control,
        tasks=len({row.task for row in finished}),
        trials=len(finished),
        solved=sum(row.outcome == "solved" for row in rows),
        tampered=sum(row.outcome == "tampered" for row in rows),
        infrastructure=sum(row.outcome == "infrastructure" for row in rows),
        ungraded=sum(row.outcome == "ungraded" for row in rows),
        unfinished=len(rows) - len(finished),
        rate=solve_rate(outcomes(rows, request)),
        cost=cost,
        agent_s_median=statistics.median(seconds) if seconds else None,
        agent_s_total=sum(row.agent_s or 0.0 for row in finished),
        input_tokens=_sum_known(row.input_tokens for row in finished),
        output_tokens=_sum_known(row.output_tokens for row in finished),
    )


def outcomes(rows: list[TrialRow], request: RunRequest) -> Outcomes:
    """Return one agent's rows as an array of shape (tasks, trials).

    1 is solved, 0 not solved or tampered, NaN anything else.
    """
    import numpy as np

    value = {"solved": 1.0, "not_solved": 0.0, "tampered": 0.0}
    flat = np.array([value.get(row.outcome, np.nan) for row in rows], dtype=np.float64)
    return flat.reshape(len(request.tasks), len(rows) // len(request.tasks) if request.tasks else 0)


def _lead(agents: list[AgentSummary], rows: list[TrialRow], request: RunRequest) -> Lead | None:
    from worktrial.analyse.paired import compare

    ranked = sorted(
        ((agent.rate.mean, agent) for agent in agents if agent.rate and not agent.control),
        key=lambda pair: (-pair[0], pair[1].name),
    )
    if len(ranked) < 2:
        return None
    (_, best), (_, second) = ranked[:2]
    first, other = (outcomes([row for row in rows if row.agent == agent.name], request) for agent in (best, second))
    return Lead(best, second, compare(first, other))


def _sum_known(values: Iterable[int | None]) -> int | None:
    total = 0
    empty = True
    for value in values:
        if value is None:
            return None
        total += value
        empty = False
    return None if empty else total
