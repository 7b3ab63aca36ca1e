"""What a number of tasks and trials can show: before the money is spent, and after, from how outcomes varied."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.intervals import NORMAL, Outcomes, t_quantile, task_means
from worktrial.analyse.paired import ALPHA, POWER, STEPS, pseudo_pairs


@dataclass(frozen=True)
class Spread:
    """How outcomes vary, as variances of the difference of two agents' solve rates on one task."""

    between: float = 0.041
    """Of the true difference from task to task."""
    within: float = 0.081
    """Of one agent's single trial around its own rate on the task; at most .25."""


TYPICAL = Spread()
"""Where nothing was measured yet: gives 20 points at 50 tasks x 1 trial, 13 at 50 x 3 and 6 at 200 x 3, which is what
agents that solve about two thirds of their tasks show."""


def detectable_difference(tasks: int, trials: int, spread: Spread = TYPICAL) -> float:
    """Return the smallest true difference of solve rates (0..1) that a paired comparison shows with 80% power.

    delta = c + t_{1-beta} s, two-sided at 5%: the sample size formula of the paired t test with the variance
    s² = (between + 2 within / trials) / tasks split by source as in Miller (2024), "Adding Error Bars to Evals",
    section 5. The comparison takes both a sign-flip test and an interval to call a difference established, so c is
    the greater of what each asks for: t_{1-alpha/2} s + 1.5 / (tasks trials), the latter as the exact test counts in
    whole trials (a correction for continuity, and half as much again since it stays below its level: with 1 the power
    was .74 at 20 tasks by 1), and z_{1-alpha/2} s', with the interval's own error s', which is
    cautious on few tasks (see `worktrial.analyse.paired.difference_interval`). One task shows nothing: 1.
    """
    if tasks < 2:
        return 1.0
    variance, weight = spread.between + 2 * spread.within / trials, pseudo_pairs(trials**-0.5)
    count = tasks + 2 * weight
    error = math.sqrt(variance / tasks)
    squares = (tasks - 1) * variance + 2 * weight / trials
    reckoned = math.sqrt(squares / (count - 1) / count) * count / tasks
    flips = t_quantile(1 - ALPHA / 2, tasks - 1) * error + STEPS / (tasks * trials)
    interval = NORMAL * reckoned
    return min(1.0, max(flips, interval) + t_quantile(POWER, tasks - 1) * error)


def tasks_needed(difference: float, trials: int, spread: Spread = TYPICAL) -> int:
    """Return the fewest tasks with which `trials` trials each show a true `difference` (0..1] with 80% power."""
    if not 0 < difference <= 1:
        raise ValueError(f"a difference of solve rates is above 0 and at most 1, not {difference}")
    enough = 2
    while detectable_difference(enough, trials, spread) > difference:
        enough *= 2
    short = max(1, enough // 2)  # the last that was too few, or 1
    while enough - short > 1:
        middle = (short + enough) // 2
        if detectable_difference(middle, trials, spread) > difference:
            short = middle
        else:
            enough = middle
    return enough


def trials_needed(difference: float, tasks: int, spread: Spread = TYPICAL, most: int = 1000) -> int | None:
    """Return the fewest trials per task with which `tasks` tasks show a true `difference`; None: no number of them.

    The spread between tasks stays however often each is tried: only more tasks help against it.
    """
    if not 0 < difference <= 1:
        raise ValueError(f"a difference of solve rates is above 0 and at most 1, not {difference}")
    if detectable_difference(tasks, most, spread) > difference:
        return None
    return 1 + bisect_left(range(1, most), -difference, key=lambda k: -detectable_difference(tasks, k, spread))


def measured_spread(first: Outcomes, second: Outcomes) -> Spread | None:
    """Return how two agents' outcomes varied, for `tasks_needed` and `trials_needed`; None below two shared tasks.

    Both arrays have shape (tasks, trials), NaN is left out. Within a task the variance of a trial is K/(K-1) m(1-m),
    without bias, over tasks with two graded trials or more; where there are none `TYPICAL` stands in. What is left of
    the variance of task differences is that between tasks. Half a pseudo-task at either extreme keeps a spread of few
    tasks from being nothing.
    """
    differences = task_means(first) - task_means(second)
    kept = ~np.isnan(differences)
    differences = differences[kept]
    count = len(differences)
    if count < 2:
        return None
    graded = [np.sum(~np.isnan(one[kept]), axis=1) for one in (first, second)]
    means = [task_means(one[kept]) for one in (first, second)]
    within = [_within(m, k.astype(np.float64)) for m, k in zip(means, np.maximum(graded, 1), strict=True)]
    total = (float(np.sum((differences - differences.mean()) ** 2)) + 1.0) / count
    noise = sum(float(np.mean(one / k)) for one, k in zip(within, graded, strict=True))
    single = sum(within) / 2
    return Spread(between=max(0.0, total - noise), within=max(single, 1e-6))


def _within(means: NDArray[np.float64], graded: NDArray[np.float64]) -> float:
    """Return the variance of a trial within its task, over the tasks with two `graded` trials or more."""
    m, k = means[graded > 1], graded[graded > 1]
    return float(np.mean(m * (1 - m) * k / (k - 1))) if len(k) else TYPICAL.within


@dataclass(frozen=True)
class More:
    """What would show a difference, beyond what was run."""

    difference: float
    """0..1"""
    tasks: int
    """More tasks with as many trials each; 0: there are enough."""
    trials: int | None
    """More trials of each agent on each task there is; None: no number of them would do."""


def more_needed(first: Outcomes, second: Outcomes, difference: float | None = None) -> More | None:
    """Return what it takes to show a true `difference` with 80% power, told from how these outcomes varied.

    Without `difference` it is the one that was seen, which overstates what is there when it was picked for its size.
    None when the agents share fewer than two tasks or the difference is 0.
    """
    spread = measured_spread(first, second)
    differences = task_means(first) - task_means(second)
    differences = differences[~np.isnan(differences)]
    if spread is None:
        return None
    wanted = abs(float(np.mean(differences))) if difference is None else difference
    if wanted <= 1e-9:
        return None
    made = max(1, round(float(np.mean([np.mean(np.sum(~np.isnan(one), axis=1)) for one in (first, second)]))))
    tasks = max(0, tasks_needed(min(1.0, wanted), made, spread) - len(differences))
    trials = trials_needed(min(1.0, wanted), len(differences), spread)
    return More(wanted, tasks, None if trials is None else max(0, trials - made))
