"""Many comparisons at once: adjusted p-values, and groups of agents that are not told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.intervals import Outcomes, task_means
from worktrial.analyse.means import Groups
from worktrial.analyse.paired import ALPHA, Paired, compare

Floats = NDArray[np.float64]


def holm(p: Floats) -> Floats:
    """Return p-values adjusted so that the chance of any false alarm among them stays below the level.

    For decisions. `p` has shape (tests,). Source: Holm (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def benjamini_hochberg(p: Floats) -> Floats:
    """Return p-values adjusted so that the expected share of false alarms among the alarms stays below the level.

    For exploration. `p` has shape (tests,). Source: Benjamini and Hochberg (1995), JRSS B 57, 289-300.
    """
    order = np.argsort(p, kind="stable")[::-1]
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1)))
    return adjusted


@dataclass(frozen=True)
class Pair:
    """Two agents compared, the first minus the second."""

    first: str
    second: str
    paired: Paired
    p_adjusted: float
    """Over all pairs of the family."""

    @property
    def established(self) -> bool:
        """Whether there is a difference, whatever else was looked at."""
        return self.p_adjusted < ALPHA and self.paired.established


@dataclass(frozen=True)
class Comparisons:
    """Every pair of agents, and what that leaves undecided between them."""

    pairs: tuple[Pair, ...]
    """Pairs that share at least two graded tasks, the better agent first, by name."""
    groups: tuple[tuple[str, ...], ...]
    """Tie groups, the best first: no two agents within one are told apart, and no group can be enlarged. An agent may
    be in several, as being alike is not handed on: a and b, b and c, but not a and c."""


def compare_all(
    outcomes: Mapping[str, Outcomes],
    family: Literal["holm", "bh"] = "holm",
    groups: Groups | None = None,
) -> Comparisons:
    """Compare every pair of agents; all arrays have the same tasks in the same order.

    `groups`: see `worktrial.analyse.means`. Agents without a graded trial are left out.
    """
    rates = {name: float(np.nanmean(means)) for name, one in outcomes.items() if _any(means := task_means(one))}
    names = sorted(rates, key=lambda name: (-rates[name], name))
    found = [
        (first, second, paired)
        for first, second in combinations(names, 2)
        if (paired := compare(outcomes[first], outcomes[second], groups)) is not None
    ]
    adjust = holm if family == "holm" else benjamini_hochberg
    adjusted = adjust(np.array([paired.p for _, _, paired in found]))
    pairs = tuple(
        Pair(first, second, paired, float(p)) for (first, second, paired), p in zip(found, adjusted, strict=True)
    )
    apart = {frozenset((pair.first, pair.second)) for pair in pairs if pair.established}
    return Comparisons(pairs, tie_groups(names, apart))


def tie_groups(names: Sequence[str], apart: set[frozenset[str]]) -> tuple[tuple[str, ...], ...]:
    """Return the largest sets of agents of which no two are `apart`, those with the first names first.

    `names` are in order of merit. These are the groups of a compact letter display (Piepho 2004, Journal of
    Computational and Graphical Statistics 13, 456-466), by its insert-and-absorb: every pair that is told apart
    splits the groups that hold both.
    """
    groups = {frozenset(names)} if names else set()
    for pair in sorted(apart, key=sorted):
        split = {group - {name} if pair <= group else group for group in groups for name in pair}
        groups = {one for one in split if not any(one < other for other in split)}
    place = {name: number for number, name in enumerate(names)}
    ordered = [tuple(sorted(group, key=place.__getitem__)) for group in groups]
    return tuple(sorted(ordered, key=lambda group: [place[name] for name in group]))


def _any(means: Floats) -> bool:
    return bool(np.any(~np.isnan(means)))
