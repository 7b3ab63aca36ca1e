"""Resampling tasks: the trials of one task belong together, and so do all agents' trials of it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from worktrial.analyse.intervals import t_quantile

Floats = NDArray[np.float64]

REPETITIONS = 2000
"""The standard error of the end of a 95% interval is then about .0035 in its coverage."""
_CELLS = 2_000_000
"""Numbers held at once."""


def resamples(tasks: int, repetitions: int = REPETITIONS, *, seed: int = 0) -> Iterator[Floats]:
    """Yield how often each task was drawn, in pieces of shape (some, tasks), `repetitions` rows in all.

    Draws are with replacement, as many as there are tasks (Efron 1979, Annals of Statistics 7, 1-26). The same seed
    gives the same draws: whoever wants results that do not depend on the order of tasks sorts them first.
    """
    random = np.random.default_rng(seed)
    most = max(1, _CELLS // max(1, tasks))
    for start in range(0, repetitions, most):
        rows = min(most, repetitions - start)
        drawn = random.integers(0, tasks, (rows, tasks), dtype=np.int32)
        drawn += (np.arange(rows, dtype=np.int32) * tasks)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * tasks).reshape(rows, tasks).astype(np.float64)


def resampled_sums(values: Floats, repetitions: int = REPETITIONS, *, seed: int = 0) -> Floats:
    """Return the sums of resampled tasks; `values` has shape (tasks, figures), the result (repetitions, figures)."""
    return np.concatenate([drawn @ values for drawn in resamples(len(values), repetitions, seed=seed)])


def percentile_interval(estimates: Floats, tasks: int) -> tuple[float, float]:
    """Return the expanded 95% percentile interval of bootstrap estimates, shape (repetitions,), of so many tasks.

    The tails are those of the normal at sqrt(n / (n - 1)) times the quantile of t, since resampling shows a spread that
    is too small by that much (Hesterberg 2015, The American Statistician 69, 371-386). Infinite ones count as large.
    """
    ordered = np.sort(estimates)
    tail = float(ndtr(-math.sqrt(tasks / (tasks - 1)) * t_quantile(0.975, tasks - 1)))
    last = len(ordered) - 1
    return float(ordered[math.floor(tail * last)]), float(ordered[math.ceil((1 - tail) * last)])
