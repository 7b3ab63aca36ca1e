"""The weighted score: hard thresholds first, then figures against fixed ranges, and how firm the winner is.

Utilities are linear between floor and target, cut off at 0 and 1. What is unknown of one candidate may be anything:
its score is a range then, and it wins or loses only where the whole range does. What is unknown of all is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.criteria import CRITERIA, HIGHER_IS_BETTER, Candidate, CriterionName
from worktrial.formats.config import ScoreConfig, Thresholds

Floats = NDArray[np.float64]
CONCENTRATION = 50
"""Of the Dirichlet distribution that weights are drawn from: 30% vary by about 6 points either way."""
DRAWS = 10_000
_NEAR = 1e-12


@dataclass(frozen=True)
class Broken:
    """A hard threshold that a candidate breaks."""

    criterion: CriterionName
    value: float
    threshold: float


@dataclass(frozen=True)
class Scored:
    """A candidate with its score."""

    name: str
    figures: tuple[float | None, ...]
    """By `CRITERIA`."""
    utilities: tuple[float | None, ...]
    """0..1 by `CRITERIA`; None is unknown, or left out for all."""
    low: float
    """The score, 0..1, if all that is unknown were at its worst."""
    high: float
    broken: tuple[Broken, ...] = ()
    unproven: tuple[CriterionName, ...] = ()
    """Thresholds that it is not known to keep."""

    @property
    def score(self) -> float | None:
        """The score, 0..1; None: unknown, it lies between `low` and `high`."""
        return self.low if self.high - self.low < _NEAR else None


@dataclass(frozen=True)
class Flip:
    """The smallest change of weights with which another candidate wins."""

    to: str
    moved: float
    """Share of all weight that has to move, 0..1."""
    weights: tuple[float, ...]
    """By `CRITERIA`: the weights at which the two are level."""


@dataclass(frozen=True)
class Scoring:
    """The candidates by score, and how firm the first place is."""

    weights: tuple[float, ...]
    """By `CRITERIA`, in sum 1; 0 for what is left out."""
    left_out: tuple[CriterionName, ...]
    """Criteria that have weight but are unknown of every candidate: their weight went to the others."""
    ranked: tuple[Scored, ...]
    """Candidates that keep all thresholds, the highest score first."""
    out: tuple[Scored, ...]
    """Candidates that break a threshold, by name."""
    winner: str | None
    """None: no candidate is left, or what is unknown decides."""
    pareto: tuple[str, ...]
    """Candidates that no other is at least as good as in everything and better in something; by name."""
    winner_share: dict[str, float]
    """Share of weights drawn from Dirichlet(50 * weights) with which each wins; the rest to 1 is undecided."""
    p_best: dict[str, float]
    """Share of bootstrap samples of tasks in which each wins; empty when none were given."""
    flip: Flip | None
    """None: no weights make another win, or there is no winner."""


def score(
    found: Sequence[Candidate],
    config: ScoreConfig,
    thresholds: Thresholds,
    samples: Floats | None = None,
) -> Scoring:
    """Score candidates.

    `samples` are their figures over bootstrap samples, shape (repetitions, candidates, criteria) in the order of
    `found`, as `worktrial.analyse.criteria.resampled_figures` gives them.
    """
    places = sorted(range(len(found)), key=lambda place: found[place].name)
    checked = {place: _broken(found[place], thresholds) for place in places}
    kept = [place for place in places if not checked[place][0]]
    figures = _array([found[place] for place in kept])
    weights, left_out = _weights(figures, config)
    low, high = (utilities(figures, config, unknown) for unknown in (0.0, 1.0))
    order = _order(low @ weights, figures)
    scored = [_scored(found[kept[row]], checked[kept[row]][1], (low[row], high[row]), weights, config) for row in order]
    names = [found[place].name for place in kept]
    first = _winners(low @ weights[:, None], high @ weights[:, None], figures)[0]
    winner = None if first < 0 else names[first]
    out = [
        Scored(found[place].name, found[place].figures, _known(found[place], config), 0.0, 0.0, checked[place][0])
        for place in places
        if checked[place][0]
    ]
    return Scoring(
        weights=tuple(weights.tolist()),
        left_out=left_out,
        ranked=tuple(scored),
        out=tuple(out),
        winner=winner,
        pareto=tuple(pareto_set([found[place] for place in kept])),
        winner_share=_winner_share(names, low, high, weights, figures),
        p_best={} if samples is None else _p_best(names, samples[:, kept], config, weights),
        flip=_flip(names, figures, low, weights, int(first)),
    )


def utilities(figures: Floats, config: ScoreConfig, unknown: float) -> Floats:
    """Return what figures are worth, 0..1, shape as `figures` (…, criteria); NaN becomes `unknown`."""
    floors = np.array([getattr(config, name).floor for name in CRITERIA])
    targets = np.array([getattr(config, name).target for name in CRITERIA])
    with np.errstate(invalid="ignore"):
        worth = (figures - floors) / (targets - floors)
    return np.where(np.isnan(figures), unknown, np.clip(worth, 0.0, 1.0))


def pareto_set(found: Sequence[Candidate]) -> list[str]:
    """Return the names of candidates that no other dominates, sorted.

    One dominates another when it is known to be at least as good in every criterion that is known of any, and better
    in one.
    """
    figures = np.where(HIGHER_IS_BETTER, 1.0, -1.0) * _array(found)
    figures = figures[:, ~np.isnan(figures).all(axis=0)]
    return sorted(
        one.name
        for row, one in enumerate(found)
        if not any(np.all(other >= figures[row]) and np.any(other > figures[row]) for other in figures)
    )


def smallest_flip(names: Sequence[str], worth: Floats, weights: Floats, winner: int) -> Flip | None:
    """Return the smallest change of weights that brings another candidate level with the winner.

    The change is measured as the share of weight that moves from one criterion to another, half the sum of absolute
    differences. For one challenger the least is found by moving weight to the criterion where it gains the most on
    the winner, from those where it loses the most first: a fractional knapsack, which is what the linear program
    min |w' - w|_1 / 2 with w' on the simplex and (worth_challenger - worth_winner) w' >= 0 comes to.
    """
    best: Flip | None = None
    for row, name in enumerate(names):
        if row == winner:
            continue
        gain = worth[row] - worth[winner]
        moved = _least_move(gain, weights)
        if moved is not None:
            share = float(np.abs(moved - weights).sum() / 2)
            if best is None or share < best.moved - _NEAR:
                best = Flip(name, share, tuple(moved.tolist()))
    return best


def _flip(names: Sequence[str], figures: Floats, worth: Floats, weights: Floats, winner: int) -> Flip | None:
    """Leave out what is unknown of all; where something is unknown of some, no change of weights is known to do."""
    unknown = np.isnan(figures)
    known = ~unknown.all(axis=0) if len(figures) else np.zeros(len(weights), dtype=bool)
    if winner < 0 or unknown[:, known].any():
        return None
    found = smallest_flip(names, worth[:, known], weights[known], winner)
    if found is None:
        return None
    moved = np.zeros(len(weights))
    moved[known] = found.weights
    return Flip(found.to, found.moved, tuple(moved.tolist()))


def _least_move(gain: Floats, weights: Floats) -> Floats | None:
    to, moved = int(np.argmax(gain)), weights.copy()
    missing = -float(gain @ weights)
    if missing <= _NEAR:
        return moved  # level as it is
    if gain[to] <= 0:
        return None
    for source in np.argsort(gain):
        if missing <= 0 or source == to:
            break
        step = min(float(moved[source]), missing / float(gain[to] - gain[source]))
        moved[source] -= step
        moved[to] += step
        missing -= step * float(gain[to] - gain[source])
    return moved


def _winners(low: Floats, high: Floats, figures: Floats) -> NDArray[np.intp]:
    """Return the winner of each column of scores, shape (candidates, draws); -1 where what is unknown decides.

    Of level candidates the one with the better figures wins, the first criterion first.
    """
    if not len(low):
        return np.full(low.shape[1], -1)
    order = _order(np.zeros(len(low)), figures)
    first = order[np.argmax(low[order] >= low.max(axis=0) - _NEAR, axis=0)]
    others = high.copy()
    others[first, np.arange(low.shape[1])] = -np.inf
    return np.where(low[first, np.arange(low.shape[1])] >= others.max(axis=0) - _NEAR, first, -1)


def _order(scores: Floats, figures: Floats) -> NDArray[np.intp]:
    """Return the candidates, the highest score first; of level ones the better figures first; then by name."""
    better = np.where(HIGHER_IS_BETTER, -1.0, 1.0) * figures
    better = np.where(np.isnan(better), np.inf, better)
    keys = [*better.T[::-1], -np.round(scores, 12)]
    return np.lexsort(keys)


def _winner_share(
    names: Sequence[str], low: Floats, high: Floats, weights: Floats, figures: Floats
) -> dict[str, float]:
    used = np.flatnonzero(weights)
    if not names or not len(used):
        return dict.fromkeys(names, 0.0)
    drawn = np.zeros((len(weights), DRAWS))
    drawn[used] = np.random.default_rng(0).dirichlet(CONCENTRATION * weights[used], DRAWS).T
    first = _winners(low @ drawn, high @ drawn, figures)
    return {name: float(np.mean(first == row)) for row, name in enumerate(names)}


def _p_best(names: Sequence[str], samples: Floats, config: ScoreConfig, weights: Floats) -> dict[str, float]:
    if not len(samples) or not names:
        return {}
    low, high = (utilities(samples, config, unknown) @ weights for unknown in (0.0, 1.0))
    won = np.zeros(len(names))
    top = low.max(axis=1, keepdims=True)
    for row in range(len(names)):
        others = np.delete(high, row, axis=1).max(axis=1, initial=-np.inf)
        wins = (low[:, row] >= top[:, 0] - _NEAR) & (low[:, row] >= others - _NEAR)
        level = np.sum(low >= top - _NEAR, axis=1)  # a draw is shared
        won[row] = np.mean(wins / level)
    return dict(zip(names, won.tolist(), strict=True))


def _scored(
    one: Candidate,
    unproven: tuple[CriterionName, ...],
    worth: tuple[Floats, Floats],
    weights: Floats,
    config: ScoreConfig,
) -> Scored:
    low, high = (float(np.clip(row @ weights, 0.0, 1.0)) for row in worth)
    return Scored(one.name, one.figures, _known(one, config), low, high, unproven=unproven)


def _known(one: Candidate, config: ScoreConfig) -> tuple[float | None, ...]:
    worth = utilities(_array([one]), config, np.nan)[0]
    return tuple(None if np.isnan(value) else float(value) for value in worth)


def _weights(figures: Floats, config: ScoreConfig) -> tuple[Floats, tuple[CriterionName, ...]]:
    weights = np.array([getattr(config, name).weight for name in CRITERIA], dtype=np.float64)
    unknown = np.isnan(figures).all(axis=0) & np.full(len(CRITERIA), len(figures) > 0)
    left_out = tuple(name for name, gone, weight in zip(CRITERIA, unknown, weights, strict=True) if gone and weight)
    used = np.where(unknown, 0.0, weights)
    total = used.sum()
    return (used / total if total else used), left_out


def _array(found: Sequence[Candidate]) -> Floats:
    rows = [[np.nan if value is None else value for value in one.figures] for one in found]
    return np.array(rows, dtype=np.float64).reshape(len(found), len(CRITERIA))


def _broken(one: Candidate, thresholds: Thresholds) -> tuple[tuple[Broken, ...], tuple[CriterionName, ...]]:
    """Return the thresholds that a candidate breaks, and those that it is not known to keep."""
    broken, unproven = [], []
    for name, value, higher in zip(CRITERIA, one.figures, HIGHER_IS_BETTER, strict=True):
        threshold = getattr(thresholds, f"{'min' if higher else 'max'}_{name}")
        if threshold is None:
            continue
        if value is None:
            unproven.append(name)
        elif value < threshold if higher else value > threshold:
            broken.append(Broken(name, value, threshold))
    return tuple(broken), tuple(unproven)
