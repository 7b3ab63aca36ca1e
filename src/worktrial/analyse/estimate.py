"""What one agent costs per completed task in terms of another, with a 95% interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.bootstrap import percentile_interval, resampled_sums

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CostRatio:
    """Cost per completed task of the second agent by that of the first."""

    value: float
    low: float
    high: float
    """May be infinite: with so few completed tasks there is no telling."""


def cost_ratio(cost: tuple[Floats, Floats], completed: tuple[Floats, Floats]) -> CostRatio | None:
    """Return (second's cost / completed) / (first's cost / completed), each of shape (tasks,), the same tasks.

    The interval is the expanded percentile bootstrap by task (Efron and Tibshirani 1993, chapter 13), both agents' trials of a
    task drawn together. None when either completed nothing or the first cost nothing, or with fewer than two tasks.
    """
    columns = np.column_stack([cost[0], completed[0], cost[1], completed[1]])
    sums = columns.sum(axis=0)
    if len(columns) < 2 or min(sums[0], sums[1], sums[3]) <= 0:
        return None
    # Sorted, so that the order of tasks changes nothing.
    drawn = resampled_sums(columns[np.lexsort(columns.T)])
    top, bottom = drawn[:, 2] * drawn[:, 1], drawn[:, 3] * drawn[:, 0]
    ratios = np.full(len(drawn), math.inf)
    np.divide(top, bottom, out=ratios, where=bottom > 0)
    low, high = percentile_interval(ratios, len(columns))
    return CostRatio(float(sums[2] * sums[1] / (sums[3] * sums[0])), low, high)
