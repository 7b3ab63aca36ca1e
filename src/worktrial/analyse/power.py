"""What a number of tasks and trials can show, before the money is spent."""

from __future__ import annotations

import math
from dataclasses import dataclass

from worktrial.analyse.intervals import t_quantile
from worktrial.analyse.paired import ALPHA, POWER


@dataclass(frozen=True)
class Spread:
    """How outcomes vary, as variances of the difference of two agents' solve rates on one task."""

    between: float = 0.022
    """Of the true difference from task to task."""
    within: float = 0.12
    """Of one agent's single trial around its own rate on the task; at most .25."""


TYPICAL = Spread()
"""Where nothing was measured yet: gives 32 points at 20 tasks x 1 trial, 20 at 20 x 3 and 6 at 200 x 3, which is what
agents that solve about two thirds of their tasks show."""


def detectable_difference(tasks: int, trials: int, spread: Spread = TYPICAL) -> float:
    """Return the smallest true difference of solve rates (0..1) that a paired comparison shows with 80% power.

    delta = (t_{1-alpha/2} + t_{1-beta}) sqrt((between + 2 within / trials) / tasks), two-sided at 5%, with `tasks` - 1
    degrees of freedom: the sample size formula of the paired t test, the variance split by source as in Miller (2024),
    "Adding Error Bars to Evals", section 5. One task shows nothing: 1.
    """
    if tasks < 2:
        return 1.0
    quantiles = t_quantile(1 - ALPHA / 2, tasks - 1) + t_quantile(POWER, tasks - 1)
    return min(1.0, quantiles * math.sqrt((spread.between + 2 * spread.within / trials) / tasks))


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
