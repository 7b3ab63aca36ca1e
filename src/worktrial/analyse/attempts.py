"""Trying again: what each further attempt at a task still solves, and how fast that wears off."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from worktrial.analyse.intervals import Outcomes

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ByAttempt:
    """Attempts in their order, each array of shape (attempts,)."""

    tried: NDArray[np.int_]
    """Tasks that no earlier attempt had solved and that were tried again."""
    solved: NDArray[np.int_]
    """Of those, the ones that this attempt solved."""
    effectiveness: Floats
    """The share of those, 0..1; NaN where none was tried."""
    cumulative: Floats
    """Share of all tasks, 0..1, that were solved by this attempt or an earlier one."""


def by_attempt(outcomes: Outcomes) -> ByAttempt:
    """Return what each attempt added; `outcomes` has shape (tasks, attempts), in order, NaN was not made or graded.

    What comes after the attempt that solved a task does not count.
    """
    missing = np.isnan(outcomes)
    done = np.nancumsum(outcomes, axis=1) > 0
    before = np.column_stack([np.zeros(len(outcomes), dtype=bool), done[:, :-1]])[:, : outcomes.shape[1]]
    tried = np.sum(~missing & ~before, axis=0)
    solved = np.sum((np.nan_to_num(outcomes) > 0) & ~before, axis=0)
    effectiveness = np.full(outcomes.shape[1], np.nan)
    np.divide(solved, tried, out=effectiveness, where=tried > 0)
    tasks = int(np.sum(~missing.all(axis=1)))
    cumulative = done.sum(axis=0) / tasks if tasks else np.full(outcomes.shape[1], np.nan)
    return ByAttempt(tried, solved, effectiveness, cumulative)


@dataclass(frozen=True)
class Decay:
    """E(t) = start * exp(-rate * t) with t = 0, 1, … the attempts."""

    start: float
    """E0: what the first attempt solves."""
    rate: float
    """Lambda, per attempt; not above 0 where nothing wears off."""
    r2: float
    """Share of the variation that the curve explains; at most 1. Low: it is no such decay."""

    @property
    def half_life(self) -> float | None:
        """Attempts after which half of it is gone; None: nothing wears off."""
        return math.log(2) / self.rate if self.rate > 0 else None

    def attempts_until(self, lost: float) -> float | None:
        """Return after how many attempts a share `lost` (0..1) of the first one's effectiveness is gone."""
        return -math.log(1 - lost) / self.rate if self.rate > 0 else None


def fit_decay(effectiveness: Floats) -> Decay | None:
    """Fit the decay of `effectiveness`, shape (attempts,), by least squares; None below three attempts that were made.

    The debugging decay index of Adnan and Kuhn (2025), "Measuring and mitigating debugging effectiveness decay in
    code language models". For each rate the best start is known, so that only the rate has to be searched.
    """
    times = np.flatnonzero(~np.isnan(effectiveness)).astype(np.float64)
    values = effectiveness[~np.isnan(effectiveness)]
    if len(values) < 3 or not values.any():
        return None

    def start(rate: float) -> float:
        curve = np.exp(-rate * times)
        return float(values @ curve / (curve @ curve))

    def missed(rate: float) -> float:
        return float(np.sum((values - start(rate) * np.exp(-rate * times)) ** 2))

    coarse = np.linspace(-2.0, 10.0, 241)
    near = coarse[int(np.argmin([missed(rate) for rate in coarse]))]
    found = minimize_scalar(missed, bounds=(near - 0.05, near + 0.05), method="bounded", options={"xatol": 1e-10})
    rate = float(found.x)
    total = float(np.sum((values - values.mean()) ** 2))
    return Decay(start(rate), rate, 1 - missed(rate) / total if total else 1.0)
