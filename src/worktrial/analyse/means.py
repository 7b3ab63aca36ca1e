"""The mean over tasks with a 95% interval: by t below fifty tasks, by bootstrap above, by what tasks share."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.intervals import PSEUDO_TASKS, t_quantile

Floats = NDArray[np.float64]
Groups = NDArray[np.int_]
"""Shape (tasks,): the repository, pull request or session that a task is from, as a code."""

FEW_TASKS = 50
"""Below so many tasks the interval is by t."""
MANY_TASKS = 1000
"""Above so many it is by t again: both are then the same to a hair, and the bootstrap only adds noise."""
REPETITIONS = 10_000


def clustered_error(values: Floats, groups: Groups | None = None) -> float:
    """Return the standard error of the mean of `values`, shape (tasks,), with errors that may be alike within a group.

    sqrt(G / (G - 1) * sum over the G groups of (sum of deviations)²) / tasks: Liang and Zeger (1986), Biometrika 73,
    13-22, as Miller (2024), "Adding Error Bars to Evals", section 2.2, uses it, with the correction for few groups.
    Without `groups` each task is one of its own, which gives s / sqrt(tasks). Infinite with fewer than two groups.
    """
    deviations = _by_group(values - np.mean(values), groups)
    count = len(deviations)
    if count < 2:
        return math.inf
    return math.sqrt(count / (count - 1) * float(deviations @ deviations)) / len(values)


def mean_interval(
    values: Floats, bounds: tuple[float, float] = (0.0, 1.0), groups: Groups | None = None
) -> tuple[float, float]:
    """Return the 95% interval of the mean of task values that lie within `bounds`; `values` has shape (tasks,).

    Two half pseudo-tasks, one at either bound, steady it (see `worktrial.analyse.intervals.PSEUDO_TASKS`). Below
    `FEW_TASKS` and above `MANY_TASKS` it is by Student's t, in between by the percentile bootstrap (Efron and
    Tibshirani 1993, chapter 13); with `groups` always by t on the clusters (see `steadied`). Fewer than two tasks or
    groups say nothing: the result is `bounds`.
    """
    low, high = bounds
    if len(values) < 2 or (groups is not None and len(np.unique(groups)) < 2):
        return bounds
    if groups is None and FEW_TASKS <= len(values) <= MANY_TASKS:
        found = _bootstrap(values, bounds)
        return max(low, found[0]), min(high, found[1])
    mean, error, degrees = steadied(values, bounds, groups)
    half = t_quantile(0.975, degrees) * error
    return max(low, mean - half), min(high, mean + half)


def steadied(values: Floats, bounds: tuple[float, float], groups: Groups | None = None) -> tuple[float, float, float]:
    """Return mean, standard error and degrees of freedom with half a pseudo-task added at either bound.

    With `groups` half a pseudo-group of usual size is added, and groups of unlike size count for fewer than they are:
    (sum of sizes)² / sum of sizes² of them (Kish 1965, section 8.2; Carter, Schnepel and Steigerwald 2017, Review of
    Economics and Statistics 99, 698-709).
    """
    sizes = np.ones(len(values)) if groups is None else _by_group(np.ones(len(values)), groups)
    size = float(sizes @ sizes / sizes.sum())
    tasks = len(values) + 2 * PSEUDO_TASKS * size
    mean = (float(np.sum(values)) + PSEUDO_TASKS * size * sum(bounds)) / tasks
    deviations = _by_group(values - mean, groups)
    squares = float(deviations @ deviations) + PSEUDO_TASKS * size**2 * sum((bound - mean) ** 2 for bound in bounds)
    count = len(values) / size + 2 * PSEUDO_TASKS
    return mean, math.sqrt(count / (count - 1) * squares) / tasks, count - 1


def _by_group(deviations: Floats, groups: Groups | None) -> Floats:
    if groups is None:
        return deviations
    _, codes = np.unique(groups, return_inverse=True)
    return np.bincount(codes, weights=deviations).astype(np.float64)


def _bootstrap(values: Floats, bounds: tuple[float, float]) -> tuple[float, float]:
    """Draw from the distinct values: with few trials a task there are few, and the order of tasks changes nothing."""
    distinct, counts = np.unique(np.round(values, 12), return_counts=True)
    distinct = np.concatenate([distinct, bounds])
    weights = np.concatenate([counts, [PSEUDO_TASKS, PSEUDO_TASKS]])
    # Differences the other way round give the same interval the other way round.
    mirrored = bounds[0] == -bounds[1] and float(np.sum(values)) < 0
    order = np.argsort(-distinct if mirrored else distinct, kind="stable")
    drawn = np.random.default_rng(0).multinomial(len(values), (weights / weights.sum())[order], REPETITIONS)
    low, high = np.quantile(drawn @ distinct[order] / len(values), (0.025, 0.975))
    return float(low), float(high)
