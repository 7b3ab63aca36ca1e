"""Quantiles of times and costs, with intervals that assume nothing of how they are distributed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Quantile:
    """A quantile of the values of single trials."""

    q: float
    value: float
    low: float | None
    """None: too few values for a lower end."""
    high: float | None
    """None: too few values for an upper end."""
    values: int
    needed: int
    """Values that an interval takes: 72 for the 95th percentile."""

    @property
    def enough(self) -> bool:
        """Whether there are values enough for an interval."""
        return self.values >= self.needed


def values_needed(q: float, confidence: float = 0.95) -> int:
    """Return the fewest values with which a two-sided interval of the `q` quantile has both ends."""
    tail = (1 - confidence) / 2
    return math.ceil(math.log(tail) / math.log(max(q, 1 - q)))


def quantile(values: Floats, q: float = 0.95, confidence: float = 0.95) -> Quantile | None:
    """Return the `q` quantile of `values`, shape (trials,), with its interval; NaN is left out, None: nothing is left.

    The value is the smallest that at least a share `q` do not exceed. The interval runs from one order statistic to
    another, X(l) to X(u), with P(Binomial(n, q) in l .. u-1) at least `confidence` (David and Nagaraja 2003, Order
    Statistics, section 7.1): of all such pairs the one that covers least too much. Trials count as independent.
    """
    ordered = np.sort(values[~np.isnan(values)])
    count = len(ordered)
    if not count:
        return None
    needed = values_needed(q, confidence)
    value = float(ordered[max(0, math.ceil(q * count - 1e-9) - 1)])
    if count < needed:
        tail = (1 - confidence) / 2
        below = bdtr(np.arange(count), count, q)  # P(Binomial <= l - 1) for l = 1..n
        lower = int(np.sum(below <= tail))
        upper = int(np.sum(below < 1 - tail))
        return Quantile(
            q,
            value,
            float(ordered[lower - 1]) if lower else None,
            float(ordered[upper]) if upper < count else None,
            count,
            needed,
        )
    low, high = _ranks(count, q, confidence)
    return Quantile(q, value, float(ordered[low - 1]), float(ordered[high - 1]), count, needed)


def _ranks(count: int, q: float, confidence: float) -> tuple[int, int]:
    """Return l and u, from 1, for the interval X(l) to X(u) that covers at least `confidence` and least beyond it."""
    centre, reach = q * count, 6 * math.sqrt(count * q * (1 - q)) + 6
    lows = np.arange(max(1, int(centre - reach)), min(count, int(centre + reach)) + 1)
    below = bdtr(lows - 1, count, q)
    cover = below[None, :] - below[:, None]
    # Neither tail may take it all: at most three quarters of what may be missed.
    most = (1 - confidence) * 0.75
    allowed = (cover >= confidence) & (below[:, None] <= most) & (1 - below[None, :] <= most)
    if not allowed.any():
        tail = (1 - confidence) / 2
        return max(1, int(np.sum(bdtr(np.arange(count), count, q) <= tail))), count
    low, high = np.unravel_index(int(np.argmin(np.where(allowed, cover, np.inf))), cover.shape)
    return int(lows[low]), int(lows[high])
