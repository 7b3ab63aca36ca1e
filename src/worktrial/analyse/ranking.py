"""How stable an order of agents is: who would be first with other tasks of the same kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.bootstrap import REPETITIONS, resamples
from worktrial.analyse.power import TYPICAL, Spread

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stability:
    """How often each agent came where, over bootstrap samples of tasks."""

    places: Floats
    """Shape (agents, places): probability that the agent is first, second, …; draws are shared."""
    same_order: float
    """Share of samples, 0..1, with the order that was observed."""

    @property
    def p_best(self) -> Floats:
        """Probability that an agent is first, shape (agents,)."""
        return np.asarray(self.places[:, 0])


def stability(means: Floats, repetitions: int = REPETITIONS) -> Stability:
    """Resample tasks, the same for all agents; `means` are task means, shape (agents, tasks), NaN where not graded.

    Tasks are best sorted by name, so that their order in the files changes nothing.
    """
    agents, tasks = means.shape
    value, graded = np.nan_to_num(means).T, (~np.isnan(means)).T.astype(np.float64)
    places, same, drawn_in_all = np.zeros((agents, agents)), 0, 0
    observed = _order(np.divide(value.sum(0), graded.sum(0), out=np.full(agents, -1.0), where=graded.sum(0) > 0))
    for drawn in resamples(tasks, repetitions) if tasks else ():
        sums, number = drawn @ value, drawn @ graded
        rates = np.divide(sums, number, out=np.full(sums.shape, -1.0), where=number > 0).round(12)
        above = np.sum(rates[:, :, None] < rates[:, None, :], axis=2)
        level = np.sum(rates[:, :, None] == rates[:, None, :], axis=2)
        for place in range(agents):
            places[:, place] += np.sum(((above <= place) & (place < above + level)) / level, axis=0)
        same += int(np.sum(np.all(np.diff(rates[:, observed], axis=1) <= 0, axis=1)))
        drawn_in_all += len(drawn)
    return Stability(places / max(1, drawn_in_all), same / max(1, drawn_in_all))


def p_best_first(
    rates: Sequence[float], tasks: int, trials: int, spread: Spread = TYPICAL, *, repetitions: int = 100_000
) -> float:
    """Return the probability that the agent with the highest of the true `rates` also comes out first.

    Before a run: what its order will be worth. Observed rates are normal around the true ones. What makes a task hard
    for all agents alike moves all rates together and changes no order; what is left is, per agent, half of
    `spread.between` (its own likings among tasks) and `spread.within` / `trials`, by the number of tasks.
    """
    true = np.asarray(rates, dtype=np.float64)
    error = math.sqrt((spread.between / 2 + spread.within / trials) / tasks)
    seen = np.random.default_rng(0).normal(true, error, (repetitions, len(true)))
    return float(np.mean(np.argmax(seen, axis=1) == np.argmax(true)))


def _order(rates: Floats) -> NDArray[np.intp]:
    return np.argsort(-rates, kind="stable")
