"""Two agents against each other, of one run or of two: what both did, and what that shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.estimate import Estimate, quantile, ratio, ratio_of_ratios
from worktrial.analyse.intervals import Outcomes, Rate, solve_rate, task_means
from worktrial.analyse.paired import Paired, compare
from worktrial.analyse.settle import Settling, settling
from worktrial.analyse.summary import GRADED, AgentSummary, RunSummary, TrialRow
from worktrial.formats.trial import Trial
from worktrial.store.files import read_model
from worktrial.store.run import RunDir


@dataclass(frozen=True)
class Contestant:
    """One agent of one run."""

    run: RunDir
    summary: RunSummary
    agent: AgentSummary
    rows: Mapping[str, tuple[TrialRow, ...]]
    """Its trials by task, finished or not."""
    set_aside_usd: Mapping[str, tuple[float | None, ...]]
    """Cost of attempts that were moved aside, by task; None is unknown."""

    @property
    def name(self) -> str:
        """The agent's name."""
        return self.agent.name

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks with at least one finished trial."""
        return tuple(task for task, rows in self.rows.items() if any(row.outcome != "unfinished" for row in rows))


def contestant(run: RunDir, summary: RunSummary, agent: AgentSummary) -> Contestant:
    """Return one agent of a run that was summed up. Raises `FormatError` on a torn file of an attempt set aside."""
    rows: dict[str, list[TrialRow]] = {task: [] for task in summary.request.tasks}
    for row in summary.rows:
        if row.agent == agent.name:
            rows[row.task].append(row)
    aside = {task: tuple(_set_aside(run, agent.name, task)) for task in rows}
    return Contestant(run, summary, agent, {task: tuple(own) for task, own in rows.items()}, aside)


def _set_aside(run: RunDir, agent: str, task: str) -> Iterator[float | None]:
    for folder in run.trial_dir(agent, task, 1).path.parent.glob("*.attempt-*"):
        path = folder / "trial.json"
        yield read_model(path, Trial, "trial").usage.cost_usd if path.exists() else None


@dataclass(frozen=True)
class Side:
    """What one agent did on some tasks."""

    rate: Rate | None
    """None when no trial is graded."""
    solved: int
    tampered: int
    infrastructure: int
    trials: int
    """Finished ones."""
    missing: int
    """Trials that are not finished, or not graded."""
    cost_usd: float | None
    """Of all attempts, those set aside included; None is unknown."""
    unknown_costs: int
    """Attempts of which the cost is not known."""
    cost_per_completed_usd: Estimate | None
    """None: unknown, or nothing was solved."""
    latency_median_s: Estimate | None
    """Of the agent's part of finished trials, without infrastructure failures; None: there is none."""
    latency_p95_s: Estimate | None


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
    cost_ratio: Estimate | None
    """Cost per completed task, second by first; None: unknown."""
    outcomes: tuple[Outcomes, Outcomes] = field(repr=False, compare=False)
    """Of both on the shared tasks, shape (tasks, trials) each."""

    def settling(self, gap: float) -> Settling | None:
        """Return what would show a difference of `gap` (0..1); None when nothing would."""
        return settling(*self.outcomes, gap)


def hold(first: Contestant, second: Contestant, changed: tuple[str, ...] = ()) -> Contest:
    """Compare two contestants; `changed` are tasks of both that are not the same in spite of their name."""
    graded = [
        {task for task, rows in one.rows.items() if any(row.outcome in GRADED for row in rows)}.difference(changed)
        for one in (first, second)
    ]
    shared = tuple(task for task in first.rows if task in graded[0] & graded[1])
    outcomes = [outcomes_of(one, shared) for one in (first, second)]
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
        outcomes=(outcomes[0], outcomes[1]),
    )


def side(one: Contestant, tasks: tuple[str, ...]) -> Side:
    """Return what an agent did on `tasks`."""
    rows = [row for task in tasks for row in one.rows[task]]
    costs, unknown = _costs(one, tasks)
    solved = _solved(one, tasks)
    seconds = [row.agent_s for row in rows if row.agent_s is not None and row.outcome != "infrastructure"]
    latency = np.array(seconds, dtype=np.float64)
    return Side(
        rate=solve_rate(outcomes_of(one, tasks)),
        solved=int(np.sum(solved)),
        tampered=sum(row.outcome == "tampered" for row in rows),
        infrastructure=sum(row.outcome == "infrastructure" for row in rows),
        trials=sum(row.outcome != "unfinished" for row in rows),
        missing=sum(row.outcome in ("unfinished", "ungraded") for row in rows),
        cost_usd=None if costs is None else float(np.sum(costs)),
        unknown_costs=unknown,
        cost_per_completed_usd=None if costs is None else ratio(costs, solved),
        latency_median_s=quantile(latency, 0.5),
        latency_p95_s=quantile(latency, 0.95),
    )


def outcomes_of(one: Contestant, tasks: tuple[str, ...]) -> Outcomes:
    """Return outcomes of shape (tasks, trials): 1 solved, 0 not solved or tampered, NaN anything else."""
    value = {"solved": 1.0, "not_solved": 0.0, "tampered": 0.0}
    most = max((len(rows) for rows in one.rows.values()), default=0)
    found = np.full((len(tasks), most), np.nan)
    for number, task in enumerate(tasks):
        for n, row in enumerate(one.rows[task]):
            found[number, n] = value.get(row.outcome, np.nan)
    return found


def _solved(one: Contestant, tasks: tuple[str, ...]) -> NDArray[np.float64]:
    return np.array([sum(row.outcome == "solved" for row in one.rows[task]) for task in tasks], dtype=np.float64)


def _costs(one: Contestant, tasks: tuple[str, ...]) -> tuple[NDArray[np.float64] | None, int]:
    """Return what all attempts at each task cost, shape (tasks,), and how many costs are unknown; None if any is."""
    unknown = 0
    sums = []
    for task in tasks:
        costs = [row.cost_usd for row in one.rows[task] if row.outcome != "unfinished"]
        costs += one.set_aside_usd[task]
        if one.agent.control:
            # Controls call no model: that a killed one left no bill is no riddle.
            costs = [cost or 0.0 for cost in costs]
        known = [cost for cost in costs if cost is not None]
        unknown += len(costs) - len(known)
        sums.append(sum(known))
    return (None if unknown else np.array(sums, dtype=np.float64)), unknown


def _cost_ratio(first: Contestant, second: Contestant, tasks: tuple[str, ...]) -> Estimate | None:
    (mine, _), (theirs, _) = _costs(first, tasks), _costs(second, tasks)
    if mine is None or theirs is None or not tasks:
        return None
    return ratio_of_ratios((mine, theirs), (_solved(first, tasks), _solved(second, tasks)))
