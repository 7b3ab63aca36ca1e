"""Of k attempts at a task: does any solve it, do all?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.intervals import Outcomes
from worktrial.analyse.means import Groups, mean_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PassK:
    """A mean over tasks, all values in 0..1."""

    k: int
    mean: float
    low: float
    high: float
    tasks: int
    """Tasks with at least k graded trials: the others say nothing of it."""


def pass_at_k(outcomes: Outcomes, k: int) -> Floats:
    """Return for each task the unbiased estimate that at least one of `k` attempts solves it; NaN below k trials.

    1 - C(n - c, k) / C(n, k) with c of n trials solved: Chen et al. (2021), "Evaluating Large Language Models Trained
    on Code", equation 1. 1 - (1 - c/n)^k would be too low. `outcomes` has shape (tasks, trials), the result (tasks,).
    """
    solved, graded = _counts(outcomes)
    return 1 - _chosen(graded - solved, graded, k)


def pass_hat_k(outcomes: Outcomes, k: int) -> Floats:
    """Return for each task the unbiased estimate that all of `k` attempts solve it; NaN below k trials.

    C(c, k) / C(n, k): Yao et al. (2024), "tau-bench", section 3. (c/n)^k would be too high.
    """
    solved, graded = _counts(outcomes)
    return _chosen(solved, graded, k)


def over_tasks(values: Floats, k: int, groups: Groups | None = None) -> PassK | None:
    """Return the mean of `pass_at_k` or `pass_hat_k` over tasks, with a 95% interval; None when no task has k trials.

    `groups`: see `worktrial.analyse.means`.
    """
    kept = ~np.isnan(values)
    if not kept.any():
        return None
    low, high = mean_interval(values[kept], groups=None if groups is None else groups[kept])
    return PassK(k, float(np.mean(values[kept])), low, high, int(kept.sum()))


def _counts(outcomes: Outcomes) -> tuple[Floats, Floats]:
    return np.nansum(outcomes, axis=1), np.sum(~np.isnan(outcomes), axis=1).astype(np.float64)


def _chosen(some: Floats, every: Floats, k: int) -> Floats:
    """Return C(some, k) / C(every, k), as a product since the binomials themselves overflow; NaN where every < k."""
    if k < 1:
        raise ValueError(f"k is at least 1, not {k}")
    found = np.where(every >= k, 1.0, np.nan)
    for taken in range(k):
        found *= np.maximum(some - taken, 0.0) / np.maximum(every - taken, 1.0)
    return found
