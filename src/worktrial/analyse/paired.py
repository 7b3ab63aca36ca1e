"""Whether one agent is better than another: compared task by task, on the tasks both were graded on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.intervals import PSEUDO_TASKS, Outcomes, t_quantile, task_means

EXACT_TASKS = 16
"""Up to so many differing tasks all sign flips are tried; 2^16 of them take a few milliseconds."""
FLIPS = 100_000
"""Random sign flips above that: the standard error of a p-value of .05 is then .0007."""
ALPHA = 0.05
POWER = 0.8


@dataclass(frozen=True)
class Paired:
    """The difference of two agents' solve rates, first minus second, in -1..1."""

    difference: float
    """Mean over the shared tasks of the difference of task means."""
    low: float
    high: float
    p: float
    """Two-sided: how often chance alone gives a difference at least as large."""
    tasks: int
    """Tasks both were graded on."""
    detectable: float
    """Smallest true difference that as many tasks as these would show with 80% power."""

    @property
    def established(self) -> bool:
        """Whether test and interval agree that there is a difference."""
        return self.p < ALPHA and (self.low > 0 or self.high < 0)


def compare(first: Outcomes, second: Outcomes) -> Paired | None:
    """Compare two agents; both arrays have the same tasks in the same order, any number of trials.

    Returns None when fewer than two tasks are graded for both.
    """
    differences = task_means(first) - task_means(second)
    differences = differences[~np.isnan(differences)]
    if len(differences) < 2:
        return None
    low, high = difference_interval(differences)
    return Paired(
        difference=float(np.mean(differences)),
        low=low,
        high=high,
        p=sign_flip_p(differences),
        tasks=len(differences),
        detectable=detectable_difference(differences),
    )


def sign_flip_p(differences: NDArray[np.float64], *, seed: int = 0) -> float:
    """Return the two-sided p-value of the sign-flip permutation test of a zero mean.

    `differences` has shape (tasks,). Exact for up to `EXACT_TASKS` that are not zero (at one trial per task it is then
    McNemar's exact test), else by `FLIPS` random flips with a fixed seed, the observed one counted among them so that p
    is never 0 (Phipson and Smyth 2010). Source: Fisher (1935), The Design of Experiments, §21.
    """
    # Sorted, so that the order of tasks changes nothing even where the flips are random.
    sizes = np.sort(np.abs(differences[differences != 0]))
    count = len(sizes)
    if not count:
        return 1.0
    # A hair of slack: sums of the same numbers in another order differ in the last bits.
    observed = abs(float(np.sum(differences))) * (1 - 1e-9) - 1e-12
    if count <= EXACT_TASKS:
        flips = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        sums = (1 - 2 * flips) @ sizes
        return float(np.mean(np.abs(sums) >= observed))
    random = np.random.default_rng(seed)
    extreme = 0
    for _ in range(FLIPS // 1000):
        signs = random.integers(0, 2, (1000, count), dtype=np.int8) * 2 - 1
        extreme += int(np.sum(np.abs(signs @ sizes) >= observed))
    return (extreme + 1) / (FLIPS + 1)


def difference_interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95% interval of the mean difference, t on task differences and two pseudo-tasks; within -1..1.

    `differences` has shape (tasks,), values in -1..1. Why the pseudo-tasks: see `PSEUDO_TASKS`.
    """
    mean, spread, count = _steadied(differences)
    half = t_quantile(0.975, count - 1) * spread / math.sqrt(count)
    return max(-1.0, mean - half), min(1.0, mean + half)


def detectable_difference(differences: NDArray[np.float64]) -> float:
    """Return the true difference that a paired t test on as many tasks shows with 80% power, at most 1.

    delta = (t_{1-alpha/2} + t_{1-beta}) s / sqrt(tasks), with the spread s of the task differences as observed: it
    holds both the spread between tasks and that of the trials of one task.
    """
    _, spread, count = _steadied(differences)
    quantiles = t_quantile(1 - ALPHA / 2, count - 1) + t_quantile(POWER, count - 1)
    return min(1.0, quantiles * spread / math.sqrt(count))


def _steadied(differences: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return mean, standard deviation and number of the differences with a pseudo-task at +1 and at -1 added."""
    count = len(differences) + 2 * PSEUDO_TASKS
    mean = float(np.sum(differences)) / count
    squares = float(np.sum((differences - mean) ** 2)) + PSEUDO_TASKS * ((1 - mean) ** 2 + (1 + mean) ** 2)
    return mean, math.sqrt(squares / (count - 1)), count
