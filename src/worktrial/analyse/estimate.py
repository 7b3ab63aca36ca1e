"""What a completed task costs, and what one agent costs in terms of another, with 95% intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.intervals import t_quantile
from worktrial.analyse.means import ratio_of_sums

Floats = NDArray[np.float64]
Distances = tuple[float, float]
"""From the logarithm of a value to those of its lower and its upper end; may be infinite."""


@dataclass(frozen=True)
class CostRatio:
    """Cost per completed task of the second agent by that of the first."""

    value: float
    low: float
    high: float
    """May be infinite: with so few completed tasks there is no telling."""


@dataclass(frozen=True)
class Spent:
    """What one agent's trials of each task cost and came to, each of shape (tasks,)."""

    cost: Floats
    """US dollars, over all attempts."""
    completed: Floats
    """Trials, or shares of them, that were completed."""
    tries: Floats
    """Trials; at least as many as were completed."""


def ratio_interval(cost: Floats, completed: Floats, tries: Floats) -> tuple[float, float]:
    """Return the 95% interval of sum(cost) / sum(completed) for tasks like these; the upper end may be infinite.

    All have shape (tasks,), as in `Spent`. The figure is the mean cost of a trial by the rate of completion. The rate
    has its own interval (`worktrial.analyse.means.ratio_of_sums`), the mean cost that of t, and both are put together
    on the log scale (see `_of_difference`). Where all trials cost the same it is that of the rate, the other way up.
    Fieller's and the bootstrap take the number of completed tasks for surer than it is where it is small.
    """
    spent = Spent(cost, completed, tries)
    if len(cost) < 2 or cost.sum() <= 0:
        return 0.0, math.inf
    below, above = _distances(spent)
    if not completed.sum():  # there is no figure then, but what a completed task costs at least
        rate, mean = ratio_of_sums(completed, tries)[1], float(cost.sum() / tries.sum())
        return mean * math.exp(-_cost_distances(cost)[0]) / rate, math.inf
    value = float(cost.sum() / completed.sum())
    return value * math.exp(-below), value * math.exp(above)


def cost_ratio(first: Spent, second: Spent) -> CostRatio | None:
    """Return (second's cost / completed) / (first's cost / completed), both on the same tasks in the same order.

    The interval puts those of the two figures together in the same way (see `ratio_interval`), both agents' trials of a
    task being alike. None when either completed nothing or cost nothing, or with fewer than two tasks.
    """
    if len(first.cost) < 2 or any(min(one.cost.sum(), one.completed.sum()) <= 0 for one in (first, second)):
        return None
    figures = [float(one.cost.sum() / one.completed.sum()) for one in (first, second)]
    moved = [_pull(one.cost, one.tries) - _pull(one.completed, one.tries) for one in (second, first)]
    below, above = _of_difference(_distances(second), _distances(first), _shared(moved[0], moved[1]))
    value = figures[1] / figures[0]
    return CostRatio(value, value * math.exp(-below), value * math.exp(above))


def _distances(spent: Spent) -> Distances:
    """Return how far the ends of the cost per completed task are from it, as logarithms."""
    cost, completed, tries = spent.cost, spent.completed, spent.tries
    rate = float(completed.sum() / tries.sum())
    low, high = ratio_of_sums(completed, tries)
    of_rate = _log(rate, low), _log(high, rate)
    shared = _shared(_pull(cost, tries), _pull(completed, tries))
    return _of_difference(_cost_distances(cost), of_rate, shared)


def _cost_distances(cost: Floats) -> Distances:
    """Return how far the ends of the mean cost are from it, as logarithms: t's, on the scale of the cost."""
    count, mean = len(cost), float(cost.mean())
    half = t_quantile(0.975, count - 1) * float(cost.std(ddof=1)) / math.sqrt(count)
    return _log(mean, mean - half), _log(mean + half, mean)


def _of_difference(first: Distances, second: Distances, shared: float) -> Distances:
    """Return the distances of the first minus the second, of whose variances a share is common to both.

    sqrt((a² + b²) (1 - shared)), a and b the distances that add up when the two err apart: MOVER, the method of
    variance estimates recovered (Zou and Donner 2008, Statistics in Medicine 27, 1693-1702; Donner and Zou 2012,
    Statistical Methods in Medical Research 21, 347-359). They write 2 corr a b for (a² + b²) shared, which is the same
    where a and b are as the standard errors are; as it is here, two figures that are one have no distance at all.
    """
    return _root(first[0], second[1], shared), _root(first[1], second[0], shared)


def _root(one: float, other: float, shared: float) -> float:
    return 0.0 if shared >= 1 else math.hypot(one, other) * math.sqrt(1 - shared)


def _pull(values: Floats, tries: Floats) -> Floats:
    """Return by how much each task moves the logarithm of sum(values) / sum(tries), but for a factor."""
    total = float(values.sum())
    return np.asarray(values / total - tries / tries.sum() if total > 0 else values, dtype=np.float64)


def _shared(one: Floats, other: Floats) -> float:
    """Return 2 cov / (var + var) of what moves two figures, at most 1: 0 where they vary apart, 1 where they are one.

    Where they are not one they are taken for less alike, by one task more of the largest pull on either: with a few
    completed tasks that happen to be the same ones they would seem to be.
    """
    both, squares = 2 * float(one @ other), float(one @ one + other @ other)
    if squares <= 1e-18 or both >= squares * (1 - 1e-9):
        return float(squares > 1e-18)
    return both / (squares + (float(np.max(one**2) + np.max(other**2)) if both > 0 else 0.0))


def _log(above: float, below: float) -> float:
    return math.log(above / below) if below > 0 and above > 0 else math.inf
