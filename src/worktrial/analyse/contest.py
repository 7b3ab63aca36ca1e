"""Two agents against each other, of one run or of two: what both did, and what that shows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from worktrial.analyse.acceptance import Reviews, read_acceptance
from worktrial.analyse.columns import (
    INFRASTRUCTURE,
    TAMPERED,
    UNFINISHED,
    UNGRADED,
    Columns,
    outcome_matrix,
)  # fmt: skip
from worktrial.analyse.cost import CostPerTask, cost_per_task, costs
from worktrial.analyse.estimate import CostRatio, Spent, cost_ratio
from worktrial.analyse.intervals import Outcomes, Rate, solve_rate, task_means
from worktrial.analyse.paired import Paired, compare
from worktrial.analyse.power import More, more_needed
from worktrial.analyse.quantiles import Quantile, quantile
from worktrial.analyse.reading import RunFiles
from worktrial.analyse.summary import AgentSummary, RunSummary
from worktrial.analyse.table import columns_of
from worktrial.formats.config import Rates
from worktrial.store.run import RunDir

LEAST = 0.001
"""A tenth of a point: agents that differ by less are level."""


@dataclass(frozen=True, eq=False)
class Contestant:
    """One agent of one run."""

    run: RunDir
    summary: RunSummary
    agent: AgentSummary
    columns: Columns
    """Its trials, finished or not."""
    rates: Rates
    reviews: Reviews | None
    """None: nothing was imported."""

    @property
    def name(self) -> str:
        """The agent's name."""
        return self.agent.name

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every task that was asked for."""
        return self.summary.request.tasks

    def on(self, tasks: tuple[str, ...]) -> Columns:
        """Return its trials of some tasks."""
        wanted = np.isin(np.array(self.columns.tasks, dtype=object), np.array(tasks, dtype=object))
        return self.columns.where(wanted[self.columns.task])


def contestant(files: RunFiles, summary: RunSummary, agent: AgentSummary, rates: Rates) -> Contestant:
    """Return one agent of a run that was read and summed up. Raises `FormatError` on a torn file of acceptance."""
    columns, reviews = columns_of(files).of(agent.name), read_acceptance(files.run) or None
    return Contestant(files.run, summary, agent, columns, rates, reviews)


@dataclass(frozen=True)
class Side:
    """What one agent did on some tasks."""

    rate: Rate | None
    """None when no trial is graded."""
    tampered: int
    infrastructure: int
    trials: int
    """Finished ones."""
    missing: int
    """Trials that are not finished, or not graded."""
    cost: CostPerTask
    latency_median_s: Quantile | None
    """Of the agent's part of finished trials, without infrastructure failures; None: there is none."""
    latency_p95_s: Quantile | None


@dataclass(frozen=True)
class Flip:
    """A task that one agent solved more often than the other; shares of graded trials."""

    task: str
    first: float
    second: float


@dataclass(frozen=True)
class Contest:
    """The second agent against the first, on the tasks that both were graded on."""

    first: Side
    second: Side
    shared: tuple[str, ...]
    only_first: tuple[str, ...]
    """Tasks left out since the second has no graded trial of them."""
    only_second: tuple[str, ...]
    changed: tuple[str, ...]
    """Tasks left out since the two suites ask different things under that name."""
    paired: Paired | None
    """Second minus first; None when fewer than two tasks are shared."""
    gained: tuple[Flip, ...]
    """Tasks that the second solved more often, the greatest difference first."""
    lost: tuple[Flip, ...]
    cost_ratio: CostRatio | None
    """Cost per completed task, second by first; None: unknown."""
    outcomes: tuple[Outcomes, Outcomes] = field(repr=False, compare=False)
    """Of both on the shared tasks, shape (tasks, trials) each."""

    def more(self, difference: float) -> More | None:
        """Return what would show a `difference` (0..1); None: level agents are told apart by no number of trials."""
        return more_needed(*self.outcomes, min(1.0, difference)) if difference >= LEAST else None

    def trials_of(self, more: More) -> tuple[int, int | None]:
        """Return how many trials of both agents together more tasks take, and more trials of each task."""
        per_task = sum(float(np.mean(np.sum(~np.isnan(one), axis=1))) for one in self.outcomes)
        by_trials = None if more.trials is None else more.trials * len(self.shared) * 2
        return round(more.tasks * per_task), by_trials

    @property
    def once(self) -> bool:
        """Whether an agent had one trial a task, which does not show how much it varies."""
        return any(one.shape[1] < 2 or not np.any(np.sum(~np.isnan(one), axis=1) > 1) for one in self.outcomes)


def hold(first: Contestant, second: Contestant, changed: tuple[str, ...] = ()) -> Contest:
    """Compare two contestants; `changed` are tasks of both that are not the same
    in spite of their name."""
    graded = [_graded(one).difference(changed) for one in (first, second)]
    shared = tuple(sorted(graded[0] & graded[1]))
    outcomes = _outcomes(first, shared), _outcomes(second, shared)
    means = [task_means(one) for one in outcomes]
    flips = [Flip(task, float(a), float(b)) for task, a, b in zip(shared, *means, strict=True) if a != b]
    flips.sort(key=lambda flip: (-abs(flip.second - flip.first), flip.task))
    return Contest(
        first=side(first, shared),
        second=side(second, shared),
        shared=shared,
        only_first=tuple(sorted(graded[0] - graded[1])),
        only_second=tuple(sorted(graded[1] - graded[0])),
        changed=changed,
        paired=compare(outcomes[1], outcomes[0]),
        gained=tuple(flip for flip in flips if flip.second > flip.first),
        lost=tuple(flip for flip in flips if flip.second < flip.first),
        cost_ratio=_cost_ratio(first, second, shared),
        outcomes=outcomes,
    )


def side(one: Contestant, tasks: tuple[str, ...]) -> Side:
    """Return what an agent did on `tasks`."""
    columns = one.on(tasks)
    outcome = columns.outcome
    seconds = columns.agent_s[outcome != INFRASTRUCTURE]
    return Side(
        rate=solve_rate(outcome_matrix(columns, one.name)),
        tampered=int(np.sum(outcome == TAMPERED)),
        infrastructure=int(np.sum(outcome == INFRASTRUCTURE)),
        trials=int(np.sum(outcome != UNFINISHED)),
        missing=int(np.sum((outcome == UNFINISHED) | (outcome == UNGRADED))),
        cost=cost_per_task(columns, one.name, one.rates, one.reviews),
        latency_median_s=quantile(seconds, 0.5),
        latency_p95_s=quantile(seconds, 0.95),
    )


def _graded(one: Contestant) -> set[str]:
    graded = one.columns.where(~np.isnan(one.columns.value))
    return {one.columns.tasks[code] for code in np.unique(graded.task).tolist()}


def _outcomes(one: Contestant, tasks: tuple[str, ...]) -> Outcomes:
    """Return outcomes of shape (tasks, trials), tasks in the order given, which is that of their names."""
    found = outcome_matrix(one.columns, one.name)
    place = {task: number for number, task in enumerate(sorted(one.columns.tasks))}
    return found[[place[task] for task in tasks]]


def _cost_ratio(first: Contestant, second: Contestant, tasks: tuple[str, ...]) -> CostRatio | None:
    found = [_by_task(one, tasks) for one in (first, second)]
    return cost_ratio(found[0], found[1]) if found[0] and found[1] else None


def _by_task(one: Contestant, tasks: tuple[str, ...]) -> Spent | None:
    """Return cost, completed trials and trials of each task; None when any cost is unknown."""
    columns = one.on(tasks)
    found = costs(columns, one.rates, one.reviews)
    if found.unknown.any():
        return None
    place = {task: number for number, task in enumerate(tasks)}
    codes = np.array([place.get(task, 0) for task in columns.tasks], dtype=np.int64)[columns.task]
    cost, completed, tries = (
        np.bincount(codes, weights=weights, minlength=len(tasks)).astype(np.float64)
        for weights in (found.total, found.solved, None)
    )
    return Spent(cost, completed, tries)
