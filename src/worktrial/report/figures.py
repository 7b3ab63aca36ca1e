"""What the tables and charts of the first page show, as values that templates print; money is in `money`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from worktrial.analyse.bounds import Bounds, rate_bounds
from worktrial.analyse.decision import caveats
from worktrial.analyse.habits import Habits, habits
from worktrial.analyse.quantiles import Quantile, quantile
from worktrial.analyse.splits import Split, splits
from worktrial.analyse.summary import GRADED, RunSummary, TrialRow, outcomes
from worktrial.analyse.words import count, duration, listing
from worktrial.report.charts import SECONDS, LogAxis, spread_bar
from worktrial.report.landed import Landed
from worktrial.report.pareto import Point, frontier
from worktrial.report.reckoning import Reckoning

TELLING_S = 1.0


@dataclass(frozen=True)
class TimeView:
    """One agent's line of the table of times, seconds."""

    name: str
    bar: Markup
    median: float
    p95: float
    p95_interval: str
    longest: float


def points(found: Reckoning) -> tuple[list[Point], bool]:
    """Return the contenders as points, and whether their amounts are times since too few costs are known.

    There are none where neither says anything: times of less than a second are those of scripts.
    """
    by_cost = []
    by_time = []
    for agent in found.summary.contenders:
        if agent.rate is None:
            continue
        cost = found.costs[agent.name].per_completed
        high = cost.high if cost and np.isfinite(cost.high) else None
        low = cost.low if cost and high and cost.low > 0 else None
        by_cost.append(Point(agent.name, agent.rate, cost.usd if cost else None, low, high if low else None))
        by_time.append(Point(agent.name, agent.rate, agent.agent_s_median))
    if sum(bool(point.amount) for point in by_cost) > 1:
        return by_cost, False
    return [point for point in by_time if (point.amount or 0) >= TELLING_S], True


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


def tied(found: Reckoning) -> dict[str, list[str]]:
    """Return, for each contender, the others that it is not told apart from, the best first."""
    groups = found.comparisons.groups if found.comparisons else ()
    names = [agent.name for agent in found.summary.contenders]
    return {
        name: [other for other in names if other != name and any({name, other} <= set(group) for group in groups)]
        for name in names
    }


def times(summary: RunSummary) -> tuple[list[TimeView], LogAxis]:
    """Return the contenders' times on one axis."""
    rows = by_agent(summary)
    found: dict[str, tuple[list[float], Quantile]] = {}
    for agent in summary.contenders:
        seconds = np.array(
            [row.agent_s for row in rows[agent.name] if row.outcome in GRADED and row.agent_s is not None]
        )
        tail = quantile(seconds, 0.95) if len(seconds) else None
        if tail:
            found[agent.name] = [float(value) for value in np.quantile(seconds, (0.25, 0.5, 0.75, 1.0))], tail
    axis = LogAxis((value for own, tail in found.values() for value in (*own, tail.value)), SECONDS)
    return [_time(name, own, tail, axis) for name, (own, tail) in found.items()], axis


def _time(name: str, quantiles: Sequence[float], tail: Quantile, axis: LogAxis) -> TimeView:
    low, middle, high, longest = quantiles
    far = tail.value
    label = f"median {duration(middle)}, half of trials {duration(low)} to {duration(high)}, 95 of 100 {duration(far)}"
    interval = f"{duration(tail.low)} to {duration(tail.high)}" if tail.enough else f"of {tail.values} trials"
    bar = spread_bar(axis, (low, middle, high), max(far, high), label)
    return TimeView(name, bar, middle, far, interval, longest)


def missing(summary: RunSummary) -> list[tuple[str, Bounds]]:
    """Return, for the contenders with infrastructure failures, what their rates could be if none had failed so."""
    rows = by_agent(summary)
    listed = [agent.name for agent in summary.contenders if agent.infrastructure]
    found = [(name, rate_bounds(outcomes(rows[name], summary.request))) for name in listed]
    return [(name, bounds) for name, bounds in found if bounds]


def all_habits(summary: RunSummary) -> list[Habits]:
    """Return the contenders' use of tools, of those of which it is known."""
    rows = by_agent(summary)
    return [found for agent in summary.contenders if (found := habits(agent.name, rows[agent.name]))]


def all_caveats(summary: RunSummary, landed: Landed) -> list[str]:
    """Return what a reader has to know before leaning on the figures, the weightiest first."""
    tasks = summary.request.tasks
    found = caveats(summary)
    if doubted := landed.doubted(tasks):
        reviewed = sum(bool(landed.reviews(task)) for task in tasks)
        labels = Counter(label for own in doubted.values() for label in own)
        said = listing([f"{_FAULT_WORDS[label]} {number:,}" for label, number in labels.most_common()])
        found.append(
            f"Reviewers looked at {reviewed:,} of {count(len(tasks), 'task')} and find fault with {len(doubted):,} "
            f"({said}): their results are worth less."
        )
    return found + ([landed.problem] if landed.problem else [])


_FAULT_WORDS = {
    "testable": "not testable",
    "underspecified": "under-specified",
    "narrow": "tests too narrow",
    "leaks": "solution leaks",
    "fate": "to be retired",
}


def all_splits(summary: RunSummary, landed: Landed) -> list[Split]:
    """Return the contenders' solve rates by what tasks are like."""
    if not summary.contenders or not summary.request.tasks:
        return []
    rows = by_agent(summary)
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


def by_agent(summary: RunSummary) -> dict[str, list[TrialRow]]:
    """Return the rows of each agent."""
    found: dict[str, list[TrialRow]] = {agent.name: [] for agent in summary.agents}
    for row in summary.rows:
        found[row.agent].append(row)
    return found
