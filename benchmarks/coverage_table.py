"""How a table of coverages is printed and counted, and which coverages can be at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import betaincinv, gammaln, xlogy

Floats = NDArray[np.float64]
Ends = tuple[float, float]
LOW, HIGH = 0.93, 0.98


@dataclass(frozen=True)
class Cell:
    """One coverage."""

    coverage: float
    error: float = 0.0
    """Standard error of its simulation; 0: exact."""
    mark: str = ""
    """Why no interval could be inside of the band; empty: one could."""


class Table:
    """Prints coverages and counts those outside of the band."""

    def __init__(self) -> None:
        self.count = dict.fromkeys(("cells", "inside", "below", "above", "u", "c"), 0)
        self.outside: list[str] = []
        self.worst = 1.0

    def row(self, name: str, cells: Iterable[Cell], rates: Iterable[float]) -> None:
        """Print one row and note which cells are outside."""
        words = []
        for cell, rate in zip(cells, rates, strict=True):
            kind = "below" if cell.coverage < LOW - 2 * cell.error else "inside"
            kind = "above" if cell.coverage > HIGH + 2 * cell.error else kind
            if kind != "inside" and cell.mark:
                kind = cell.mark
            self.count["cells"] += 1
            self.count[kind] += 1
            if kind in ("below", "above"):
                self.outside.append(f"{name} at {rate:.2f}: {cell.coverage:.4f}")
            self.worst = min(self.worst, cell.coverage)
            mark = {"inside": " ", "below": "<", "above": ">"}.get(kind, kind)
            words.append(f"{cell.coverage:.3f}"[1 if cell.coverage < 0.9995 else 0 :].ljust(4)[:4] + mark)
        print(f"{name:<38}" + " ".join(words), flush=True)


def head(title: str, rates: Iterable[float]) -> None:
    print(f"\n{title}\n{'':<38}" + " ".join(f"{rate:<5.2f}"[1:] + " " for rate in rates), flush=True)


def share(truth: float, ends: list[Ends]) -> Cell:
    """Return the simulated coverage of `truth`."""
    held = float(np.mean([low - 1e-9 <= truth <= high + 1e-9 for low, high in ends]))
    return Cell(held, float(np.sqrt(0.95 * 0.05 / len(ends))))


def held(truth: float, ends: Floats, chance: Floats) -> Cell:
    """Return the exact coverage of `truth`: `ends` has shape (outcomes, 2), `chance` (outcomes,)."""
    inside = (ends[:, 0] - 1e-9 <= truth) & (truth <= ends[:, 1] + 1e-9)
    return Cell(float(chance[inside].sum() / chance.sum()))


def out_of_reach(tasks: int, rate: float) -> str:
    """Return why no interval of a rate can cover it within the band: `u`, `c`, or nothing if one can.

    An interval of a rate holds it after a range of numbers of solved tasks. `u`: no range has a probability within the
    band. `c`: only ranges with a number after which Clopper and Pearson's interval, which never covers less than .95,
    leaves the rate out: an interval wider than that one.
    """
    if not _reachable(stats.binom.pmf(np.arange(tasks + 1), tasks, rate)):
        return "u"
    low, high = clopper_pearson(tasks)
    kept = (low <= rate) & (rate <= high)
    return "" if _reachable(stats.binom.pmf(np.flatnonzero(kept), tasks, rate)) else "c"


def nearest(tasks: int, rate: float) -> tuple[float, float]:
    """Return the greatest coverage below the band and the least above it that a range of solved tasks has."""
    ranges = _ranges(stats.binom.pmf(np.arange(tasks + 1), tasks, rate))
    return float(ranges[ranges < LOW].max()), float(ranges[ranges > HIGH].min())


def clopper_pearson(tasks: int) -> tuple[Floats, Floats]:
    """Return the lower and upper ends for 0 .. `tasks` solved (Clopper and Pearson 1934, Biometrika 26, 404-413)."""
    solved = np.arange(1, tasks + 1)
    low = np.concatenate([[0.0], betaincinv(solved, tasks - solved + 1, 0.025)])
    return low, 1 - low[::-1]


def _reachable(chance: Floats) -> bool:
    ranges = _ranges(chance)
    return bool(np.any((ranges >= LOW) & (ranges <= HIGH)))


def _ranges(chance: Floats) -> Floats:
    below = np.concatenate([[0.0], np.cumsum(chance)])
    return np.asarray((below[None, :] - below[:, None])[np.triu_indices(len(below), 1)])


def counts(tasks: int, kinds: int) -> NDArray[np.int64]:
    """Return every way that `tasks` tasks can be of `kinds` kinds, shape (ways, kinds)."""
    return np.array(list(_counts(tasks, kinds)), dtype=np.int64)


def _counts(tasks: int, kinds: int) -> Iterator[list[int]]:
    for bars in combinations(range(tasks + kinds - 1), kinds - 1):
        edges = (-1, *bars, tasks + kinds - 1)
        yield [after - before - 1 for before, after in pairwise(edges)]


def multinomial(ways: NDArray[np.int64], chance: Floats) -> Floats:
    """Return the probability of each way, shape (ways,), where a task is of each kind with `chance`."""
    log = gammaln(ways[0].sum() + 1) - gammaln(ways + 1).sum(axis=1) + xlogy(ways, chance).sum(axis=1)
    return np.asarray(np.exp(log), dtype=np.float64)


def ends_of(ways: NDArray[np.int64], kinds: Floats, interval: Callable[[Floats], Ends]) -> Floats:
    """Return the interval of every way, shape (ways, 2); `kinds` are the values of one task of each kind."""
    return np.array([interval(np.repeat(kinds, way, axis=0)) for way in ways.tolist()])
