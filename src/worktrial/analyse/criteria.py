"""The five figures that a score is made of, per agent, and how they would vary with other tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.acceptance import Reviews
from worktrial.analyse.bootstrap import resamples
from worktrial.analyse.columns import INFRASTRUCTURE, UNFINISHED, Columns, task_order
from worktrial.analyse.cost import costs
from worktrial.formats.config import Rates

Floats = NDArray[np.float64]
CriterionName = Literal["correctness", "p95_latency_s", "cost_per_completed_usd", "cache_hit_rate", "api_reliability"]
CRITERIA: tuple[CriterionName, ...] = (
    "correctness",
    "p95_latency_s",
    "cost_per_completed_usd",
    "cache_hit_rate",
    "api_reliability",
)
"""In the order of all arrays with one entry per criterion."""
HIGHER_IS_BETTER = np.array([True, False, False, True, True])
_WORK = 100_000_000
"""Trials times repetitions that a bootstrap may take: a second or two."""


@dataclass(frozen=True)
class Candidate:
    """An agent as the score sees it."""

    name: str
    figures: tuple[float | None, ...]
    """By `CRITERIA`; None is unknown. A cost per completed task is infinite when nothing was completed."""


def candidates(columns: Columns, rates: Rates, reviews: Reviews | None = None) -> list[Candidate]:
    """Return the figures of every contender in `columns`, by name."""
    found = []
    for agent in columns.contenders():
        sums = _Sums.of(columns, agent, rates, reviews)
        row = sums.figures(np.ones((1, len(columns.tasks))))[0]
        found.append(Candidate(agent, tuple(None if np.isnan(value) else float(value) for value in row)))
    return found


def resampled_figures(
    columns: Columns, rates: Rates, reviews: Reviews | None = None, *, repetitions: int | None = None, seed: int = 0
) -> Floats:
    """Return the figures of every contender over bootstrap samples of tasks, the same sample for all.

    Shape (repetitions, agents, criteria), agents by name; NaN is unknown. Without `repetitions` they are 200 to 2000,
    fewer the more trials there are.
    """
    every = [_Sums.of(columns, agent, rates, reviews) for agent in columns.contenders()]
    if repetitions is None:
        repetitions = int(np.clip(_WORK // max(1, len(columns)), 200, 2000))
    pieces = (
        [
            np.stack([sums.figures(drawn) for sums in every], axis=1)
            for drawn in resamples(len(columns.tasks), repetitions, seed=seed)
        ]
        if every and columns.tasks
        else []
    )
    return np.concatenate(pieces) if pieces else np.zeros((0, len(every), len(CRITERIA)))


@dataclass(frozen=True, eq=False)
class _Sums:
    """Of one agent, by task in the order of names: from these any sample of tasks gives the figures."""

    by_task: Floats
    """Shape (tasks, 8): task mean (0 where nothing is graded), whether graded, cost, completed, cached, input tokens,
    failed, asked."""
    latencies: Floats
    """Sorted."""
    latency_task: NDArray[np.int32]
    known: NDArray[np.bool_]
    """Shape (criteria,): what is known of cost, caching and reliability."""

    @classmethod
    def of(cls, columns: Columns, agent: str, rates: Rates, reviews: Reviews | None) -> _Sums:
        own = columns.of(agent)
        tasks, count = task_order(columns)[own.task], len(columns.tasks)

        def added(values: Floats | NDArray[np.bool_]) -> Floats:
            return np.bincount(tasks, weights=values, minlength=count).astype(np.float64)

        graded, value = ~np.isnan(own.value), np.nan_to_num(own.value)
        number = added(graded)
        mean = np.divide(added(value), number, out=np.zeros(count), where=number > 0)
        found = costs(own, rates, reviews)
        counted = ~np.isnan(own.input_tokens)
        asked = np.nan_to_num(own.asked_all)
        timed = ~np.isnan(own.agent_s) & (own.outcome != INFRASTRUCTURE) & (own.outcome != UNFINISHED)
        order = np.argsort(own.agent_s[timed], kind="stable")
        whole = bool(own.attempts.sum()) and not found.unknown.any()
        return cls(
            by_task=np.column_stack(
                [
                    mean,
                    number > 0,
                    added(found.total),
                    added(found.solved),
                    added(np.where(counted, own.cache_read_tokens, 0.0)),
                    added(np.where(counted, own.input_tokens, 0.0)),
                    added(np.nan_to_num(own.failed_all)),
                    added(asked),
                ]
            ),
            latencies=own.agent_s[timed][order],
            latency_task=tasks[timed][order],
            known=np.array([True, True, whole, True, True]),
        )

    def figures(self, drawn: Floats) -> Floats:
        """Return the figures of samples of tasks: `drawn` (samples, tasks) to (samples, criteria)."""
        sums = drawn @ self.by_task
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.column_stack(
                [
                    sums[:, 0] / sums[:, 1],
                    self._p95(drawn),
                    np.where(sums[:, 3] > 0, sums[:, 2] / sums[:, 3], np.inf),
                    sums[:, 4] / sums[:, 5],
                    1 - sums[:, 6] / sums[:, 7],
                ]
            )
        found[:, ~self.known] = np.nan
        return found

    def _p95(self, drawn: Floats) -> Floats:
        """Return the smallest latency that at least 95 of 100 trials do not exceed."""
        if not len(self.latencies):
            return np.full(len(drawn), np.nan)
        found = np.empty(len(drawn))
        for row, weights in enumerate(drawn):
            reached = np.cumsum(weights[self.latency_task])
            place = np.searchsorted(reached, 0.95 * reached[-1] - 1e-9)
            found[row] = self.latencies[min(int(place), len(reached) - 1)] if reached[-1] else np.nan
        return found
