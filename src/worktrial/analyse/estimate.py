"""Estimates with 95% intervals that are no solve rates: quantiles, and ratios of sums over tasks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000
"""Bootstrap samples: the ends of an interval are then those of the 100th sample from either side."""
_SEED = 0


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval."""

    value: float
    low: float | None
    """None: too few data for an interval."""
    high: float | None
    """None: too few data for an interval, or no upper end."""
    count: int
    """What it rests on: trials of a quantile, tasks of a ratio."""


def quantile(values: NDArray[np.float64], share: float) -> Estimate | None:
    """Return the quantile of `values` (shape (n,), no NaN) below which a `share` of them lies; None without values.

    The interval needs no distribution: order statistics l and u with P(l <= B < u) >= .95 for B binomial(n, share)
    (David and Nagaraja 2003, section 7.1); none where the data are too few for both ends, which for the 95th
    percentile is below 72 values, since .95^72 < .025.
    """
    from scipy.special import bdtr

    count = len(values)
    if not count:
        return None
    ordered = np.sort(values)
    value = float(ordered[min(count - 1, math.ceil(share * count) - 1)])
    # cumulative[k] = P(B <= k): the l-th smallest value is above the quantile when fewer than l lie below it.
    cumulative = bdtr(np.arange(count, dtype=np.float64), count, share)
    below = int(np.searchsorted(cumulative, 0.025, side="right"))
    above = int(np.searchsorted(cumulative, 0.975, side="left")) + 1
    if below < 1 or above > count:
        return Estimate(value, None, None, count)
    return Estimate(value, float(ordered[below - 1]), float(ordered[above - 1]), count)


def ratio(amounts: NDArray[np.float64], counts: NDArray[np.float64]) -> Estimate | None:
    """Return sum(amounts) / sum(counts), both of shape (tasks,); None when nothing was counted.

    The interval is that of a bootstrap by task (Efron and Tibshirani 1993, chapter 13: percentiles), since trials of
    one task cost alike. It has no upper end where one resample in forty counts nothing.
    """
    total = float(np.sum(counts))
    if total <= 0:
        return None
    top, bottom = _resampled(amounts, counts)
    return _between(float(np.sum(amounts)) / total, _divided(top, bottom), len(counts))


def ratio_of_ratios(
    amounts: tuple[NDArray[np.float64], NDArray[np.float64]],
    counts: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Estimate | None:
    """Return the second's sum(amounts) / sum(counts) by the first's, all of shape (tasks,), the same tasks throughout.

    None when either counts nothing, or the first's amounts are 0. The bootstrap draws tasks for both together.
    """
    parts = amounts[0], counts[0], amounts[1], counts[1]
    sums = [float(np.sum(part)) for part in parts]
    if min(sums[0], sums[1], sums[3]) <= 0:
        return None
    drawn = _resampled(*parts)
    values = _divided(_divided(drawn[2], drawn[3]), _divided(drawn[0], drawn[1]))
    return _between((sums[2] / sums[3]) / (sums[0] / sums[1]), values, len(amounts[0]))


def _resampled(*parts: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the sums of each part over `RESAMPLES` draws of tasks, shape (resamples,) each."""
    tasks = len(parts[0])
    random = np.random.default_rng(_SEED)
    together = np.stack(parts)
    # Weights in blocks: 4,000 draws of 100,000 tasks at once would take 3 GB.
    block = max(1, 2_000_000 // tasks)
    sums = []
    for start in range(0, RESAMPLES, block):
        drawn = random.multinomial(tasks, np.full(tasks, 1 / tasks), min(block, RESAMPLES - start))
        sums.append(drawn @ together.T)
    return list(np.concatenate(sums).T)


def _divided(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quotient, infinite where nothing was counted."""
    quotient = np.full(len(top), np.inf)
    np.divide(top, bottom, out=quotient, where=bottom > 0)
    return quotient


def _between(value: float, values: NDArray[np.float64], tasks: int) -> Estimate:
    if tasks < 2:
        return Estimate(value, None, None, tasks)
    ordered = np.sort(np.nan_to_num(values, nan=np.inf))
    edge = RESAMPLES // 40
    low, high = float(ordered[edge]), float(ordered[-edge - 1])
    return Estimate(value, low if math.isfinite(low) else None, high if math.isfinite(high) else None, tasks)
