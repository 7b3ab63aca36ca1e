"""How many more tasks or trials would settle a comparison that is still open."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from worktrial.analyse.intervals import Outcomes, t_quantile, task_means
from worktrial.analyse.paired import ALPHA, POWER, steadied
from worktrial.analyse.power import TYPICAL, Spread, tasks_needed

MOST_TRIALS = 1000
"""Trials of each task beyond which nobody would go: more than that counts as none being enough."""

LEAST_GAP = 0.001
"""A tenth of a point: agents that differ by less are level."""


@dataclass(frozen=True)
class Settling:
    """What would show, with 80% power, that a difference of `gap` is there, at the spread that was seen."""

    gap: float
    """Difference of solve rates, 0..1."""
    tasks: int
    """More tasks, with as many trials of each agent as now."""
    task_trials: int
    """Trials of both agents that those take."""
    trials_per_task: int | None
    """More trials of each of the same tasks, by each agent; None: no number of them is enough."""
    trials: int
    """Trials to be made for the cheaper of the two ways, of both agents together."""
    assumed: bool
    """Whether the spread between trials of one task is that of agents in general, with one trial a task to go by."""


def settling(first: Outcomes, second: Outcomes, gap: float) -> Settling | None:
    """Return what would show a difference of `gap` between two agents, both of shape (tasks, trials).

    The variance of task differences is split as in Miller (2024), "Adding Error Bars to Evals", section 5: between +
    within_A / K_A + within_B / K_B; more trials of a task shrink the last two only. None when fewer than two tasks are
    graded for both, or `gap` is below `LEAST_GAP`: level agents are shown to differ by no number of trials.
    """
    kept = ~np.isnan(task_means(first) - task_means(second))
    if np.sum(kept) < 2 or not LEAST_GAP <= gap <= 1:
        return None
    first, second = first[kept], second[kept]
    _, deviation, _ = steadied(task_means(first) - task_means(second))
    tasks = len(first)
    wanted = max(0, tasks_needed(gap, 1, Spread(between=deviation**2, within=0.0)) - tasks)
    per_task, assumed = _trials_wanted(first, second, deviation**2, gap)
    by_tasks = math.ceil(wanted * (_trials(first) + _trials(second)))
    trials = by_tasks if per_task is None else min(by_tasks, per_task * tasks * 2)
    return Settling(gap, wanted, by_tasks, per_task, trials, assumed)


def within_variance(outcomes: Outcomes) -> float | None:
    """Return the mean variance of one trial around its task's rate; None with fewer than two trials of any task.

    The unbiased p(1 - p) k / (k - 1) of each task with k >= 2 graded trials, averaged.
    """
    counts = np.sum(~np.isnan(outcomes), axis=1)
    several = counts >= 2
    if not np.any(several):
        return None
    means = task_means(outcomes[several])
    counts = counts[several]
    return float(np.mean(means * (1 - means) * counts / (counts - 1)))


def _trials_wanted(first: Outcomes, second: Outcomes, variance: float, gap: float) -> tuple[int | None, bool]:
    measured = [within_variance(one) for one in (first, second)]
    within = [TYPICAL.within if one is None else one for one in measured]
    made = [_trials(one) for one in (first, second)]
    # What one trial varies by cannot be more than all the variance there is.
    noise = sum(one / k for one, k in zip(within, made, strict=True))
    share = min(1.0, variance / noise) if noise else 0.0
    between = max(0.0, variance - noise)
    tasks = len(first)
    quantiles = t_quantile(1 - ALPHA / 2, tasks - 1) + t_quantile(POWER, tasks - 1)
    allowed = (gap / quantiles) ** 2 * tasks

    def enough(more: int) -> bool:
        left = sum(share * one / (k + more) for one, k in zip(within, made, strict=True))
        return between + left <= allowed

    assumed = None in measured
    if not enough(MOST_TRIALS):
        return None, assumed
    low, high = -1, MOST_TRIALS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high, assumed


def _trials(outcomes: Outcomes) -> float:
    """Return the mean number of graded trials per task, at least one."""
    return max(1.0, float(np.mean(np.sum(~np.isnan(outcomes), axis=1))))
