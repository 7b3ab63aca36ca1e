"""How unlike a sample is to the whole it was taken from, and how unlike a random draw of its size would be.

Categories: total variation distance, half the sum of the absolute differences of shares (0: the same shares, 1: nothing
in common). Figures: the Kolmogorov-Smirnov statistic, the largest difference of the two distribution functions. Both
grow by chance alone when the sample is small, so each stands beside what draws without replacement give.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEW = 10
"""With fewer in the sample a distance says nothing: counts are shown alone."""
_DRAWS = 2000
_SEED = 20_240_501


@dataclass(frozen=True)
class Distance:
    """How unlike a sample is to its whole."""

    value: float
    """0..1."""
    usual: float
    """Median of random draws of the same size."""
    unusual: float
    """95% of random draws are no further away than this."""

    @property
    def by_chance(self) -> bool:
        """Whether a random draw may well be as far away."""
        return self.value <= self.unusual + 1e-12


def of_categories(sample: Iterable[Hashable], whole: Iterable[Hashable]) -> Distance | None:
    """Return the total variation distance; None with fewer than `FEW` in the sample.

    The sample is part of the whole. Raises `ValueError` when it holds more of something than the whole does.
    """
    return _distance(Counter(sample), Counter(whole), ordered=False)


def of_figures(sample: Sequence[float], whole: Sequence[float]) -> Distance | None:
    """Return the Kolmogorov-Smirnov statistic; otherwise as `of_categories`."""
    return _distance(Counter(sample), Counter(whole), ordered=True)


def _distance(sample: Mapping[Hashable, int], whole: Mapping[Hashable, int], *, ordered: bool) -> Distance | None:
    size, total = sum(sample.values()), sum(whole.values())
    if size < FEW:
        return None
    if any(count > whole.get(value, 0) for value, count in sample.items()):
        raise ValueError("a sample holds more than the whole it is of")
    values = sorted(whole, key=lambda value: value if ordered else repr(value))  # type: ignore[arg-type, return-value]
    counts = np.array([whole[value] for value in values], dtype=np.int64)
    found = np.array([[sample.get(value, 0) for value in values]], dtype=np.int64)
    draws = np.random.default_rng(_SEED).multivariate_hypergeometric(counts, size, size=_DRAWS, method="marginals")
    shares = counts / total
    value = float(_apart(found / size, shares, ordered=ordered)[0])
    by_chance = _apart(draws / size, shares, ordered=ordered)
    return Distance(value, float(np.median(by_chance)), float(np.quantile(by_chance, 0.95)))


def _apart(shares: NDArray[np.float64], whole: NDArray[np.float64], *, ordered: bool) -> NDArray[np.float64]:
    difference = shares - whole
    if ordered:
        found: NDArray[np.float64] = np.abs(np.cumsum(difference, axis=1)).max(axis=1)
        return found
    apart: NDArray[np.float64] = np.abs(difference).sum(axis=1) / 2
    return apart
