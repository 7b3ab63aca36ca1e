"""All that is reckoned of a run before a page is made: its rows, columns, costs and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worktrial.agents import CONTROLS
from worktrial.analyse.acceptance import Reviews, read_acceptance
from worktrial.analyse.columns import Columns
from worktrial.analyse.cost import CostPerTask, cost_per_task
from worktrial.analyse.criteria import candidates, resampled_figures
from worktrial.analyse.decision import Decision, decide
from worktrial.analyse.multiple import Comparisons, compare_all
from worktrial.analyse.reading import read_run
from worktrial.analyse.routing import Route, route
from worktrial.analyse.score import Scoring, score
from worktrial.analyse.summary import RunSummary, outcomes, summary_of
from worktrial.analyse.table import columns_of
from worktrial.formats.config import Configuration
from worktrial.store.run import RunDir

_CHAINS = 3
"""Chains of two agents that are simulated at most."""


@dataclass(frozen=True, eq=False)
class Reckoning:
    """A run in figures."""

    summary: RunSummary
    decision: Decision
    columns: Columns
    costs: Mapping[str, CostPerTask]
    """By contender."""
    comparisons: Comparisons | None
    """Of all contenders with each other; None with fewer than two that have a graded trial."""
    scoring: Scoring | None
    """None with fewer than two contenders that have a graded trial."""
    routes: tuple[Route, ...]
    """Two agents, the cheaper first; empty where costs are unknown or no chain costs less than its second alone."""

    def each_usd(self, agent: str) -> float | None:
        """Return what a completed task costs with an agent; None is unknown, or none was completed."""
        found = self.costs.get(agent)
        return found.per_completed.usd if found and found.per_completed else None


def reckon(run: RunDir, configuration: Configuration) -> Reckoning:
    """Read a run and reckon. Raises `FormatError` naming the file that is torn."""
    files = read_run(run)
    summary = summary_of(files, CONTROLS)
    columns, reviews = columns_of(files), read_acceptance(run)
    names = [agent.name for agent in summary.contenders if agent.name in columns.agents]
    costs = {name: cost_per_task(columns, name, configuration.rates, reviews) for name in names}
    each = {name: cost.per_completed.usd if cost.per_completed else None for name, cost in costs.items()}
    graded = [agent for agent in summary.contenders if agent.rate]
    rows = {agent.name: [row for row in summary.rows if row.agent == agent.name] for agent in graded}
    compared = compare_all({name: outcomes(own, summary.request) for name, own in rows.items()})
    return Reckoning(
        summary,
        decide(summary, each, compared),
        columns,
        costs,
        compared if len(graded) > 1 else None,
        _score(columns, configuration, reviews) if len(graded) > 1 else None,
        _routes(columns, [agent.name for agent in graded], each, configuration, reviews),
    )


def _score(columns: Columns, configuration: Configuration, reviews: Reviews) -> Scoring:
    return score(
        candidates(columns, configuration.rates, reviews),
        configuration.score,
        configuration.thresholds,
        resampled_figures(columns, configuration.rates, reviews),
    )


def _routes(
    columns: Columns,
    names: list[str],
    each: Mapping[str, float | None],
    configuration: Configuration,
    reviews: Reviews,
) -> tuple[Route, ...]:
    """Simulate asking a cheaper agent first and a better one where it fails, for the pairs where that means anything.

    `names` are in order of merit.
    """
    pairs = [
        (cheap, better)
        for place, better in enumerate(names)
        for cheap in names[place + 1 :]
        if (each[cheap] or 0) and (each[better] or 0) and (each[cheap] or 0) < (each[better] or 0)
    ]
    return tuple(route(columns, pair, configuration.rates, reviews) for pair in pairs[:_CHAINS])
