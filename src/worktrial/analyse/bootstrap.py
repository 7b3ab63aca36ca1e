"""Resampling tasks: the trials of one task belong together, and so do all agents' trials of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REPETITIONS = 2000
"""The standard error of the end of a 95% interval is then about .0035 in its coverage."""
_CELLS = 2_000_000
"""Numbers held at once."""


def resamples(tasks: int, repetitions: int = REPETITIONS, *, seed: int = 0) -> Iterator[Floats]:
    """Yield how often each task was drawn, in pieces of shape (some, tasks), `repetitions` rows in all.

    Draws are with replacement, as many as there are tasks (Efron 1979, Annals of Statistics 7, 1-26). The same seed
    gives the same draws: whoever wants results that do not depend on the order of tasks sorts them first.
    """
    random = np.random.default_rng(seed)
    most = max(1, _CELLS // max(1, tasks))
    for start in range(0, repetitions, most):
        rows = min(most, repetitions - start)
        drawn = random.integers(0, tasks, (rows, tasks), dtype=np.int32)
        drawn += (np.arange(rows, dtype=np.int32) * tasks)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * tasks).reshape(rows, tasks).astype(np.float64)
