"""What infrastructure failures could hide: rates and differences if all that is missing were solved, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worktrial.analyse.intervals import Outcomes, task_means


@dataclass(frozen=True)
class Bounds:
    """Of a rate (0..1) or a difference of rates (-1..1) over all tasks, whatever the missing trials would have been.

    They hold for certain, with no assumption why trials are missing (Manski 2003, Partial Identification of
    Probability Distributions, chapter 1). They say nothing of chance: that is what intervals are for.
    """

    low: float
    high: float
    missing: int
    """Trials without a grade."""


def rate_bounds(outcomes: Outcomes) -> Bounds | None:
    """Return the solve rate with all missing trials failed, and with all solved; None without trials.

    `outcomes` has shape (tasks, trials): NaN is a trial that was asked for and has no grade.
    """
    if not outcomes.size:
        return None
    low, high = (float(np.mean(task_means(_filled(outcomes, value)))) for value in (0.0, 1.0))
    return Bounds(low, high, int(np.isnan(outcomes).sum()))


def difference_bounds(first: Outcomes, second: Outcomes) -> Bounds | None:
    """Return the first rate minus the second, at its worst and at its best for the first; None without trials."""
    one, other = rate_bounds(first), rate_bounds(second)
    if one is None or other is None:
        return None
    return Bounds(one.low - other.high, one.high - other.low, one.missing + other.missing)


def _filled(outcomes: Outcomes, value: float) -> Outcomes:
    return np.where(np.isnan(outcomes), value, outcomes)
