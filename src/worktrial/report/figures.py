"""What the tables and charts of the first page show, as values that templates print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from worktrial.analyse.habits import Habits, habits
from worktrial.analyse.splits import Split, splits
from worktrial.analyse.summary import GRADED, AgentSummary, RunSummary, TrialRow, outcomes
from worktrial.analyse.words import duration, money
from worktrial.report.charts import LogAxis, parts_bar, spread_bar
from worktrial.report.landed import Landed
from worktrial.report.pareto import Point, frontier

COST_PARTS = ("solved trials", "failed trials", "retried, cut off, not graded")


@dataclass(frozen=True)
class CostView:
    """One agent's line of the table of costs."""

    name: str
    each: float | None
    each_text: str
    interval: str
    bar: Markup
    parts: tuple[float | None, ...]
    """In all, in the order of `COST_PARTS`; None is unknown."""
    total: str


@dataclass(frozen=True)
class TimeView:
    """One agent's line of the table of times, seconds."""

    name: str
    bar: Markup
    median: float
    p95: float
    p95_interval: str
    longest: float


def points(summary: RunSummary) -> tuple[list[Point], bool]:
    """Return the contenders as points, and whether their amounts are times since too few costs are known."""
    graded = [(agent, agent.rate) for agent in summary.contenders if agent.rate]
    by_cost = [Point(agent.name, rate, agent.cost_per_completed_usd) for agent, rate in graded]
    if sum(bool(point.amount) for point in by_cost) > 1:
        return by_cost, False
    return [Point(agent.name, rate, agent.agent_s_median) for agent, rate in graded], True


def beaten_by(points: Sequence[Point]) -> list[tuple[Point, list[str]]]:
    """Return each point with the names of those on the frontier that beat it on both sides."""
    front = frontier(points)
    return [
        (
            point,
            [
                other.name
                for other in front
                if point not in front
                and point.amount
                and other.amount
                and other.amount <= point.amount
                and other.rate.mean >= point.rate.mean
            ],
        )
        for point in points
    ]


def costs(summary: RunSummary) -> list[CostView]:
    """Return the costs of the contenders; empty when nothing is known of any."""
    agents = [agent for agent in summary.contenders if agent.cost.attempts]
    if not any(agent.cost.known_usd for agent in agents):
        return []
    rows = _by_agent(summary)
    parts = {agent.name: _parts(agent, rows[agent.name]) for agent in agents}
    most = max(
        (sum(part or 0 for part in parts[agent.name]) / agent.solved for agent in agents if agent.solved), default=0.0
    )
    return [_cost(agent, parts[agent.name], most) for agent in agents]


def _parts(agent: AgentSummary, rows: Sequence[TrialRow]) -> tuple[float | None, ...]:
    """Return what went into trials that were solved, into those that were not, and into all else."""
    solved = [row.cost_usd for row in rows if row.outcome == "solved"]
    failed = [row.cost_usd for row in rows if row.outcome in GRADED and row.outcome != "solved"]
    unknown = agent.cost.unknown - solved.count(None) - failed.count(None)
    rest = agent.cost.known_usd - sum(cost or 0 for cost in [*solved, *failed])
    return _sum(solved), _sum(failed), None if unknown > 0 else max(0.0, rest)


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _cost(agent: AgentSummary, parts: tuple[float | None, ...], most: float) -> CostView:
    each = agent.cost_per_completed_usd
    none_solved = each is None and agent.cost.total_usd is not None
    shown = [(part or 0.0) / agent.solved for part in parts] if agent.solved and each is not None else []
    label = ", ".join(f"{name} {money(part)}" for name, part in zip(COST_PARTS, parts, strict=True))
    known = agent.cost.known_usd
    return CostView(
        agent.name,
        each,
        "none solved" if none_solved else money(each),
        "",
        parts_bar(shown, most, label),
        parts,
        money(agent.cost.total_usd) if agent.cost.total_usd is not None else f"at least {money(known)}",
    )


def times(summary: RunSummary) -> tuple[list[TimeView], LogAxis]:
    """Return the contenders' times on one axis."""
    rows = _by_agent(summary)
    found = {}
    for agent in summary.contenders:
        seconds = [row.agent_s for row in rows[agent.name] if row.outcome in GRADED and row.agent_s is not None]
        if seconds:
            found[agent.name] = np.quantile(seconds, (0.25, 0.5, 0.75, 0.95, 1.0))
    axis = LogAxis(float(value) for own in found.values() for value in own)
    return [_time(name, [float(value) for value in own], axis) for name, own in found.items()], axis


def _time(name: str, quantiles: Sequence[float], axis: LogAxis) -> TimeView:
    low, middle, high, far, longest = quantiles
    label = f"median {duration(middle)}, half of trials {duration(low)} to {duration(high)}, 95 of 100 {duration(far)}"
    return TimeView(name, spread_bar(axis, low, middle, high, far, label), middle, far, "", longest)


def all_habits(summary: RunSummary) -> list[Habits]:
    """Return the contenders' use of tools, of those of which it is known."""
    rows = _by_agent(summary)
    return [found for agent in summary.contenders if (found := habits(agent.name, rows[agent.name]))]


def all_splits(summary: RunSummary, landed: Landed) -> list[Split]:
    """Return the contenders' solve rates by what tasks are like."""
    if not summary.contenders or not summary.request.tasks:
        return []
    rows = _by_agent(summary)
    return splits(
        {agent.name: outcomes(rows[agent.name], summary.request) for agent in summary.contenders},
        [agent.config for agent in summary.contenders],
        [landed.facts(task) for task in summary.request.tasks],
    )


def split_rows(found: Sequence[Split]) -> list[dict[str, object]]:
    """Return splits for `report.json`."""
    return [
        {
            "by": split.name,
            "groups": [
                {
                    "label": group.label,
                    "tasks": group.tasks,
                    "rates": {
                        agent: rate and {"rate": rate.mean, "ci95": [rate.low, rate.high], "trials": rate.trials}
                        for agent, rate in group.rates.items()
                    },
                }
                for group in split.groups
            ],
        }
        for split in found
    ]


def _by_agent(summary: RunSummary) -> dict[str, list[TrialRow]]:
    found: dict[str, list[TrialRow]] = {agent.name: [] for agent in summary.agents}
    for row in summary.rows:
        found[row.agent].append(row)
    return found
