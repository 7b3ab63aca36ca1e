"""A cheap agent first and a better one where it fails: what that would have solved and cost on these trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.acceptance import Reviews
from worktrial.analyse.columns import Columns, matrix
from worktrial.analyse.cost import Ratio, costs
from worktrial.analyse.estimate import ratio_interval
from worktrial.analyse.intervals import Rate, solve_rate
from worktrial.formats.config import Rates

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Route:
    """What a chain of agents would have done, each asked only where those before it failed."""

    agents: tuple[str, ...]
    """In the order they are asked."""
    rate: Rate | None
    """Share of tasks that the chain solves; None when no task was graded for all of them."""
    escalated: float
    """Share of tasks, 0..1, that came to the last agent of the chain."""
    cost_per_task_usd: float | None
    """None is unknown."""
    per_completed: Ratio | None
    """None is unknown."""


def route(columns: Columns, agents: Sequence[str], rates: Rates, reviews: Reviews | None = None) -> Route:
    """Simulate `agents` in this order on the trials that were made.

    On a task the chain of m agents with solve rates p_i and mean costs c_i solves 1 - prod(1 - p_i) and costs
    sum_i c_i prod_{j<i} (1 - p_j): the mean over every way to pick one trial of each. It is told at once by the tests
    whether an agent solved the task, as it is where they are there before the change; trials are independent given
    the task. Tasks that are not graded for all of them are left out.
    """
    means, spent = _by_task(columns, agents, rates, reviews)
    kept = ~np.isnan(means).any(axis=0)
    means, spent = means[:, kept], spent[:, kept]
    failing = np.cumprod(1 - means, axis=0)
    reached = np.vstack([np.ones(means.shape[1]), failing[:-1]])
    solved = 1 - failing[-1]
    # Where nobody is asked an unknown cost does not matter.
    cost = np.where(reached > 0, reached * spent, 0.0).sum(axis=0)
    known = bool(kept.any()) and not np.isnan(cost).any()
    number = float(solved.sum())
    per_completed = None
    if known:
        low, high = ratio_interval(cost, solved, np.ones(len(solved)))
        per_completed = Ratio(float(cost.sum()) / number if number else None, low, high)
    return Route(
        agents=tuple(agents),
        rate=solve_rate(solved[:, None]),
        escalated=float(reached[-1].mean()) if kept.any() else 0.0,
        cost_per_task_usd=float(cost.mean()) if known else None,
        per_completed=per_completed,
    )


def _by_task(columns: Columns, agents: Sequence[str], rates: Rates, reviews: Reviews | None) -> tuple[Floats, Floats]:
    """Return task means and mean costs of an attempt at the task, both of shape (agents, tasks); NaN is unknown."""
    means, spent = [], []
    for agent in agents:
        own = columns.of(agent)
        found = costs(own, rates, reviews)
        value = matrix(own, own.value)
        amount = matrix(own, np.where(found.unknown.any(axis=1), np.nan, found.total))
        tried = matrix(own, (own.attempts > 0).astype(np.float64)) == 1
        graded = np.sum(~np.isnan(value), axis=1)
        number = np.sum(tried, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            means.append(np.where(graded > 0, np.nansum(value, axis=1) / graded, np.nan))
            spent.append(np.where(tried, amount, 0.0).sum(axis=1) / number)
    return np.array(means), np.array(spent)
