"""The mean over tasks with a 95% interval, by what tasks share."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.intervals import PSEUDO_TASKS, binomial_interval, wilson, yes_or_no

Floats = NDArray[np.float64]
Groups = NDArray[np.int_]
"""Shape (tasks,): the repository, pull request or session that a task is from, as a code."""

_PSEUDO_VALUES = 0.4
"""As `PSEUDO_TASKS`, for values that are lumpier than shares of trials: pass@2 of three is 0, 2/3 or 1."""


def clustered_error(values: Floats, groups: Groups | None = None) -> float:
    """Return the standard error of the mean of `values`, shape (tasks,), with errors that may be alike within a group.

    sqrt(G / (G - 1) * sum over the G groups of (sum of deviations)²) / tasks: Liang and Zeger (1986), Biometrika 73,
    13-22, as Miller (2024), "Adding Error Bars to Evals", section 2.2, uses it, with the correction for few groups.
    Without `groups` each task is one of its own, which gives s / sqrt(tasks). Infinite with fewer than two groups.
    """
    deviations = sums_of(values - np.mean(values), groups)
    count = len(deviations)
    if count < 2:
        return math.inf
    return math.sqrt(count / (count - 1) * float(deviations @ deviations)) / len(values)


def mean_interval(values: Floats, groups: Groups | None = None) -> tuple[float, float]:
    """Return the 95% interval of the mean of task values that lie within 0..1; `values` has shape (tasks,).

    Values that are all 0 or 1 are yes/no answers (`worktrial.analyse.intervals.binomial_interval`); else it is
    Wilson's with an effective sample size, as in `worktrial.analyse.intervals.solve_rate`, which within 0..1 is the
    number of tasks at least. With `groups` see `ratio_of_sums`. Fewer than two tasks or groups say nothing: 0..1.
    """
    count = len(values)
    if groups is not None:
        return ratio_of_sums(sums_of(values, groups), sums_of(np.ones(count), groups))
    if count < 2:
        return 0.0, 1.0
    if yes_or_no(values):
        return binomial_interval(round(float(np.sum(values))), count)
    mean, error, _ = steadied(values, (0.0, 1.0), _PSEUDO_VALUES)
    size = max(float(count), mean * (1 - mean) / error**2 * count / (count + 2 * _PSEUDO_VALUES))
    return wilson(float(np.mean(values)) * size, size)


def ratio_of_sums(sums: Floats, sizes: Floats) -> tuple[float, float]:
    """Return the 95% interval of sum(sums) / sum(sizes), a rate, over clusters of `sizes` answers; shape (clusters,).

    Wilson's with an effective sample size: the variance is that between the clusters' sums (Liang and Zeger 1986),
    steadied by `PSEUDO_TASKS` pseudo-clusters of usual size at either bound. Clusters of unlike size count for fewer
    than they are, (sum of sizes)² / sum of sizes² of them (Kish 1965, section 8.2; Carter, Schnepel and Steigerwald
    2017, Review of Economics and Statistics 99, 698-709), which is also the least the answers can amount to. With
    fewer than two clusters it is 0..1.
    """
    total = float(sizes.sum())
    if len(sums) < 2 or total <= 0:
        return 0.0, 1.0
    usual = float(sizes @ sizes) / total
    clusters = total / usual
    weight = PSEUDO_TASKS * usual
    mean = (float(sums.sum()) + weight) / (total + 2 * weight)
    deviations = sums - mean * sizes
    squares = float(deviations @ deviations) + weight * usual * ((1 - mean) ** 2 + mean**2)
    count = clusters + 2 * PSEUDO_TASKS
    variance = count / (count - 1) * squares / (total + 2 * weight) ** 2
    # The same number of clusters as there are without the pseudo ones.
    size = float(np.clip(mean * (1 - mean) / variance * clusters / count, clusters, total))
    return wilson(float(sums.sum()) / total * size, size)


def steadied(
    values: Floats, bounds: tuple[float, float], weight: float, groups: Groups | None = None
) -> tuple[float, float, float]:
    """Return mean, standard error and degrees of freedom with `weight` of a pseudo-task added at either of `bounds`.

    With `groups` it is a pseudo-group of usual size, and groups of unlike size count for fewer than they are (see
    `ratio_of_sums`).
    """
    sizes = np.ones(len(values)) if groups is None else sums_of(np.ones(len(values)), groups)
    size = float(sizes @ sizes / sizes.sum())
    tasks = len(values) + 2 * weight * size
    mean = (float(np.sum(values)) + weight * size * sum(bounds)) / tasks
    deviations = sums_of(values - mean, groups)
    squares = float(deviations @ deviations) + weight * size**2 * sum((bound - mean) ** 2 for bound in bounds)
    count = len(values) / size + 2 * weight
    return mean, math.sqrt(count / (count - 1) * squares) / tasks, count - 1


def sums_of(values: Floats, groups: Groups | None) -> Floats:
    """Return the sum of each group's values, shape (groups,); without `groups` each value is one."""
    if groups is None:
        return values
    _, codes = np.unique(groups, return_inverse=True)
    return np.bincount(codes, weights=values).astype(np.float64)
