"""How good one agent is: its solve rate with a 95% interval that knows trials of one task are alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtri, stdtrit, xlogy

Outcomes = NDArray[np.float64]
"""Shape (tasks, trials): 1 solved, 0 not solved, NaN left out of the denominator."""

NORMAL = float(ndtri(0.975))
FEW_TASKS = 50
"""Below so many tasks the exact interval of yes/no answers is taken."""
STERNE_TAILS = 0.065
"""What the exact interval leaves out at most. The 95% interval of so few answers at a level of .95 covers .967 on
average at 10 tasks and is that much wider than it need be: at .935 the mean over all rates is .961 at 10 tasks, .955
at 20 and .950 at 35."""
PSEUDO_TASKS = 0.25
"""Weight of each of the two pseudo-tasks, one never and one always solved, that steady the spread of task means.

Without them a spread of zero, or one measured on few or skewed tasks, gives intervals that are far too short. The idea
is that of Agresti and Min (2005) and Bonett and Price (2012) for paired proportions, carried over to task means; the
weight is the one with the coverage nearest to .95 over 2 and 3 trials, 10 to 35 tasks and tasks from all alike to all
or nothing (exact, `make coverage-of-intervals`): at 1/2 it is .984 where tasks are alike."""


@dataclass(frozen=True)
class Rate:
    """A solve rate over a suite, all values in 0..1."""

    mean: float
    """Mean over tasks of the share of graded trials that were solved."""
    low: float
    high: float
    tasks: int
    """Tasks with at least one graded trial: the others drop out."""
    trials: int
    """Graded trials."""


def wilson(successes: float, trials: float, quantile: float = NORMAL) -> tuple[float, float]:
    """Return the Wilson score interval of a binomial rate.

    `trials` may be an effective sample size, `successes` then any real in 0..trials; `quantile` is that of the
    standard normal, or of a t distribution. Source: Wilson (1927), JASA 22, 209-212.
    """
    if trials <= 0 or math.isinf(quantile):
        return 0.0, 1.0
    rate = successes / trials
    z2 = quantile**2 / trials
    centre = (rate + z2 / 2) / (1 + z2)
    half = math.sqrt(rate * (1 - rate) * z2 + z2**2 / 4) / (1 + z2)
    low = 0.0 if rate <= 0 else max(0.0, centre - half)
    high = 1.0 if rate >= 1 else min(1.0, centre + half)
    return low, high


def binomial_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95% interval of a rate from so many independent yes/no answers.

    Below `FEW_TASKS` it is Sterne's: all rates under which the outcomes that are no likelier than this one are in sum
    likelier than `STERNE_TAILS` (Sterne 1954, Biometrika 41, 275-278), at the adjusted level of Reiczigel (2003),
    Statistics in Medicine 22, 611-621, so that it covers .95 on average and never less than .935. From there on
    Wilson's covers as well, and is told in one line.
    """
    if trials >= FEW_TASKS:
        return wilson(successes, trials)
    if trials <= 0:
        return 0.0, 1.0
    lows = _sterne_lows(trials)
    return lows[successes], 1 - lows[trials - successes]


@lru_cache(maxsize=FEW_TASKS)
def _sterne_lows(trials: int) -> tuple[float, ...]:
    """Return the lower ends for 0 .. `trials` successes; the upper ones are those of failures, from 1."""
    grid = np.linspace(0.0, 1.0, 1001)
    held = _sterne_p(grid, trials) > STERNE_TAILS
    first = np.argmax(held, axis=0)
    outcomes = np.arange(trials + 1)
    # The end is between the first rate of the grid that is held and the one below it.
    below, above = grid[np.maximum(first - 1, 0)], grid[first]
    for _ in range(30):
        middle = (below + above) / 2
        inside = _sterne_p(middle, trials)[outcomes, outcomes] > STERNE_TAILS
        below, above = np.where(inside, below, middle), np.where(inside, middle, above)
    return (0.0, *above[1:].tolist())


def _sterne_p(rates: NDArray[np.float64], trials: int) -> NDArray[np.float64]:
    """Return the probability of what is no likelier than an outcome, shape (rates, trials + 1)."""
    k = np.arange(trials + 1)
    ways = gammaln(trials + 1) - gammaln(k + 1) - gammaln(trials - k + 1)
    chance = np.exp(ways + xlogy(k, rates[:, None]) + xlogy(trials - k, 1 - rates[:, None]))
    # A hair of slack: outcomes that mirror each other are equally likely.
    no_likelier = chance[:, None, :] <= chance[:, :, None] * (1 + 1e-9)
    return np.asarray(np.einsum("ij,ikj->ik", chance, no_likelier), dtype=np.float64)


def t_quantile(probability: float, degrees: float) -> float:
    """Return a quantile of Student's t; infinite when there are no degrees of freedom."""
    return float(stdtrit(degrees, probability)) if degrees > 0 else math.inf


def task_means(outcomes: Outcomes) -> NDArray[np.float64]:
    """Return the share solved of each task's graded trials, shape (tasks,); NaN where no trial was graded."""
    graded = np.sum(~np.isnan(outcomes), axis=1)
    solved = np.nansum(outcomes, axis=1)
    means = np.full(len(outcomes), np.nan)
    np.divide(solved, graded, out=means, where=graded > 0)
    return means


def solve_rate(outcomes: Outcomes) -> Rate | None:
    """Return the mean of task means with a 95% interval for tasks like these, or None when nothing was graded.

    Tasks whose trials all agree are so many yes/no answers, with the interval of `binomial_interval`. Else it is
    Wilson's with an effective sample size (Kish 1965: the trials divided by the design effect, which is measured on
    the task means), after Korn and Graubard (1998) and Dean and Pagano (2015). The normal quantile, not t's: what few
    tasks say of their spread is steadied by `PSEUDO_TASKS`. Exact coverage at 10, 20 and 50 tasks by 3 trials, true
    rates of 5 to 95% and tasks from all alike to nearly all or nothing: see `make coverage-of-intervals`. A single
    task says nothing of others.
    """
    means = task_means(outcomes)
    kept = ~np.isnan(means)
    means = means[kept]
    if not len(means):
        return None
    graded = np.sum(~np.isnan(outcomes[kept]), axis=1)
    mean = float(np.mean(means))
    if len(means) < 2:
        low, high = 0.0, 1.0
    elif yes_or_no(means):
        low, high = binomial_interval(round(float(np.sum(means))), len(means))
    else:
        size = effective_tasks(means, graded)
        low, high = wilson(mean * size, size)
    return Rate(mean, low, high, len(means), int(np.sum(graded)))


def yes_or_no(values: NDArray[np.float64]) -> bool:
    """Return whether every value is 0 or 1."""
    return bool(np.all((values == 0) | (values == 1)))


def effective_tasks(means: NDArray[np.float64], graded: NDArray[np.int_] | NDArray[np.float64]) -> float:
    """Return to how many independent yes/no answers the tasks amount.

    `means` and `graded` have shape (tasks,), without NaN or zeros. The result lies between the number of tasks (all
    trials of a task agree) and tasks times the harmonic mean of trials (those of a task are no more alike than others).
    """
    tasks = len(means)
    total = tasks + 2 * PSEUDO_TASKS
    mean = (np.sum(means) + PSEUDO_TASKS) / total
    squares = np.sum((means - mean) ** 2) + PSEUDO_TASKS * ((1 - mean) ** 2 + mean**2)
    variance = squares / (total - 1)
    most = tasks**2 / float(np.sum(1 / graded))
    return float(np.clip(mean * (1 - mean) * tasks / variance, tasks, most))
