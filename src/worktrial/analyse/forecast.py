"""What a run will take and cost, from trials of the same agent that were made before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from worktrial.analyse.intervals import t_quantile

LEAST = 3
"""Past trials below which nothing is foretold."""
COVERED = 0.95
"""Share of runs that end below the upper end of a range."""


@dataclass(frozen=True)
class PastTrial:
    """What one finished trial took."""

    wall_s: float
    """Agent, workspace and grading together."""
    cost_usd: float | None
    """None is unknown."""


@dataclass(frozen=True)
class Range:
    """A sum that is not known yet: in nine runs of ten it lies between `low` and `high`."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """Of `trials` trials still to be made."""

    trials: int
    wall_s: Range | None
    """Of all trials one after another; None: too few past trials to tell from."""
    cost_usd: Range | None
    """None: unknown, since there are too few past trials or the cost of one is unknown."""


def forecast(past: Sequence[PastTrial], trials: int) -> Forecast:
    """Return what `trials` more trials like `past` will take.

    The range is the 90% prediction interval of a sum, mean ± t s sqrt(m + m²/n) for m trials told from n: it holds
    both the trials' own spread and that the mean of few is itself uncertain (e.g. Hahn and Meeker 1991, section 4.7).
    """
    if not trials:
        return Forecast(0, Range(0, 0, 0), Range(0, 0, 0))
    if len(past) < LEAST:
        return Forecast(trials, None, None)
    costs = [trial.cost_usd for trial in past]
    known = [cost for cost in costs if cost is not None]
    return Forecast(
        trials,
        _sum_of([trial.wall_s for trial in past], trials),
        _sum_of(known, trials) if len(known) == len(costs) else None,
    )


def _sum_of(values: Sequence[float], trials: int) -> Range:
    data = np.asarray(values, dtype=np.float64)
    mean, spread = float(data.mean()), float(data.std(ddof=1))
    half = t_quantile(COVERED, len(data) - 1) * spread * math.sqrt(trials + trials**2 / len(data))
    return Range(max(0.0, trials * mean - half), trials * mean, trials * mean + half)
