"""The solve rate as a distribution: what decisions are made by, where tables show Wilson's interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

from worktrial.analyse.intervals import Outcomes, binomial_interval, task_means

Floats = NDArray[np.float64]

PRIOR = 1.0
"""Of the rate: Beta(1, 1), flat. At three trials a task and rates of 5 to 95% the central 95% covers .93 to .98 at 10,
13 and 20 tasks, but for .985 and .987 at 10 where tasks are all alike; Beta(1.2, 1.2) falls to .896 at 13."""
_RATES = 400
_LIKENESSES = ((np.arange(24) + 0.5) / 24) ** 2
"""How alike the trials of a task are, 0..1, denser near 0."""


@dataclass(frozen=True)
class Belief:
    """The posterior of a solve rate, on a grid."""

    rates: Floats
    """Shape (400,), rising."""
    density: Floats
    """Probability of each, in sum 1."""
    low: float
    high: float
    """Of the central 95%; at one trial a task the ends are those of `worktrial.analyse.intervals.binomial_interval`."""

    def above(self, rate: float) -> float:
        """Return the probability that the true rate is above `rate`."""
        return float(self.density[self.rates > rate].sum())


def belief(outcomes: Outcomes) -> Belief | None:
    """Return the posterior of the rate over tasks like these, or None when nothing was graded.

    The solved trials of a task are beta-binomial: rates differ from task to task by a beta distribution with mean m
    and intra-class correlation r (Skellam 1948, JRSS B 10, 257-261). The priors are Beta(`PRIOR`, `PRIOR`) on m and
    flat on r, which is summed out. `outcomes` has shape (tasks, trials), NaN is left out. One trial per task gives
    the beta posterior of the binomial; its central 95% is left then for the exact interval, since no prior of the
    family keeps that between .93 and .98 where whole numbers of solved tasks would allow it: at 10 tasks and a rate of
    30% it covers .924 with a flat prior and at 40% .982 with any.
    """
    means = task_means(outcomes)
    kept = ~np.isnan(means)
    if not kept.any():
        return None
    graded = np.sum(~np.isnan(outcomes[kept]), axis=1)
    solved = np.nansum(outcomes[kept], axis=1)
    rates = _grid(means[kept])
    density = _posterior(solved, graded, rates)
    if np.all(graded == 1):
        low, high = binomial_interval(round(float(solved.sum())), len(solved))
    else:
        step = rates[1] - rates[0]
        edges = np.concatenate([[rates[0] - step / 2], rates + step / 2])
        low, high = np.interp((0.025, 0.975), np.concatenate([[0.0], np.cumsum(density)]), edges)
    if not solved.sum():
        low = 0.0
    if solved.sum() == graded.sum():
        high = 1.0
    return Belief(rates, density, float(low), float(high))


def _grid(means: Floats) -> Floats:
    """Return rates around the mean, far enough that nothing of weight lies outside."""
    tasks, mean = len(means), float(np.mean(means))
    half = 8 * np.sqrt((np.var(means) + 1 / (tasks + 2)) / tasks) + 8 / tasks
    low, high = max(0.0, mean - half), min(1.0, mean + half)
    return np.asarray(low + (high - low) * (np.arange(_RATES) + 0.5) / _RATES, dtype=np.float64)


def _posterior(solved: Floats, graded: NDArray[np.int_], rates: Floats) -> Floats:
    kinds, times = np.unique(np.column_stack([solved, graded]), axis=0, return_counts=True)
    weight = 1 / _LIKENESSES - 1
    a, b = rates[:, None] * weight, (1 - rates)[:, None] * weight
    log = np.zeros_like(a)
    for (done, tried), count in zip(kinds, times, strict=True):
        log += count * (betaln(a + done, b + tried - done) - betaln(a, b))
    log += (PRIOR - 1) * (np.log(rates) + np.log1p(-rates))[:, None]
    found = np.exp(log - log.max()) @ np.gradient(_LIKENESSES)
    return np.asarray(found / found.sum(), dtype=np.float64)
