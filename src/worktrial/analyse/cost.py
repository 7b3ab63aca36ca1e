"""What a completed task costs: models, sandboxes, tests and people's review, over every attempt that was made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.acceptance import Reviews
from worktrial.analyse.columns import INFRASTRUCTURE, SOLVED, UNFINISHED, Columns, task_order
from worktrial.analyse.estimate import ratio_interval
from worktrial.analyse.reading import SOURCES
from worktrial.formats.config import Rates

Floats = NDArray[np.float64]
PartName = Literal["model", "sandbox", "ci", "review"]
PARTS: tuple[PartName, ...] = ("model", "sandbox", "ci", "review")


@dataclass(frozen=True)
class Part:
    """One part of the cost of all attempts."""

    name: PartName
    counted: bool
    """False: `worktrial.toml` has no rate for it, and it is in no sum."""
    known_usd: float
    unknown: int
    """Attempts (of a review: patches) whose amount is unknown. 0 where the part is not counted."""
    known: int
    """Attempts (patches) whose amount is known."""

    @property
    def unknown_usd(self) -> float:
        """What the unknown amounts come to if they are like the known ones; infinite when none is known."""
        if not self.unknown:
            return 0.0
        return self.unknown * self.known_usd / self.known if self.known else math.inf


@dataclass(frozen=True)
class Ratio:
    """US dollars per completed task (or accepted change) with a 95% interval for tasks like these."""

    usd: float | None
    """None: nothing was completed, so that there is no such figure; the interval has no upper end then."""
    low: float
    high: float
    """May be infinite: with so few completed tasks there is no telling."""


@dataclass(frozen=True)
class CostPerTask:
    """What one agent's trials cost and came to."""

    agent: str
    parts: tuple[Part, ...]
    """In the order of `PARTS`."""
    source: str
    """The least sure source of a model's amount: metered, reported or estimated; empty when none is known."""
    attempts: int
    trials: int
    completed: int
    """Trials that were solved."""
    accepted: int | None
    """Changes that people took; None: nothing was imported."""
    undecided: int
    """Solved trials that nobody's decision was imported for."""
    known_usd: float
    """Sum of what is known: a lower bound where anything is unknown."""
    unknown_share: float
    """Of the total, 0..1: the unknown amounts reckoned like the known ones of their part; 1 when a part has none."""
    per_completed: Ratio | None
    """None: unknown, since some amount is."""
    per_accepted: Ratio | None
    """None: unknown, since some amount or decision is, or nothing was imported."""

    @property
    def total_usd(self) -> float | None:
        """The sum over all attempts; None is unknown."""
        return None if self.unknown_share else self.known_usd

    @property
    def at_least_usd(self) -> float | None:
        """What is known of the cost, per completed task; None when nothing was completed."""
        return self.known_usd / self.completed if self.completed else None


@dataclass(frozen=True, eq=False)
class Costs:
    """The cost of every trial, each array of shape (rows,) or, by `PARTS`, (rows, 4)."""

    known_usd: Floats
    """(rows, 4)"""
    known: NDArray[np.int64]
    """(rows, 4): attempts, of a review patches, whose amount is known."""
    unknown: NDArray[np.int64]
    """(rows, 4): those whose amount is not; 0 where a part is not counted."""
    counted: tuple[bool, ...]
    """By `PARTS`."""
    solved: NDArray[np.bool_]
    accepted: Floats
    """1 taken, 0 not; NaN: no decision was imported."""

    @property
    def total(self) -> Floats:
        """Known amounts of all parts, shape (rows,)."""
        return np.asarray(self.known_usd.sum(axis=1))


def costs(columns: Columns, rates: Rates, reviews: Reviews | None = None) -> Costs:
    """Return the cost of every row of `columns` at `rates`.

    A patch is reviewed when people said so in `reviews`, or, if a rate for review is set, when it is not empty. The
    minutes are those of the review or else `review_minutes_per_patch`; where there are neither, they are unknown.
    """
    minutes, accepted = _reviews(columns, reviews or {})
    timed = columns.attempts - columns.untimed
    patches = ((columns.patch_bytes > 0) & (columns.outcome != INFRASTRUCTURE)) | ~np.isnan(accepted)
    patches &= ~columns.control & (columns.outcome != UNFINISHED)
    if rates.review_minutes_per_patch is not None:
        minutes = np.where(np.isnan(minutes), rates.review_minutes_per_patch, minutes)
    reviewed = patches & ~np.isnan(minutes)
    counted = (True, *(rate is not None for rate in _per_minute(rates)))
    sandbox, ci, review = (rate or 0.0 for rate in _per_minute(rates))
    known_usd = np.column_stack(
        [
            columns.known_usd,
            columns.sandbox_s_all / 60 * sandbox,
            columns.ci_s_all / 60 * ci,
            np.where(reviewed, minutes, 0.0) * review,
        ]
    )
    known = np.column_stack([columns.attempts - columns.unpriced, timed, timed, reviewed])
    unknown = np.column_stack([columns.unpriced, columns.untimed, columns.untimed * 0, patches & ~reviewed])
    return Costs(
        known_usd=np.where(counted, known_usd, 0.0),
        known=np.where(counted, known, 0).astype(np.int64),
        unknown=np.where(counted, unknown, 0).astype(np.int64),
        counted=counted,
        solved=columns.outcome == SOLVED,
        accepted=accepted,
    )


def cost_per_task(columns: Columns, agent: str, rates: Rates, reviews: Reviews | None = None) -> CostPerTask:
    """Return what a completed task costs with `agent`, over all its trials in `columns`.

    [sum over all attempts of (model + sandbox minutes * rate + test minutes * rate) + review minutes * rate, those of
    rejected patches included] / completed tasks. A task that was tried K times can be completed K times.
    """
    own = columns.of(agent)
    found = costs(own, rates, reviews)
    parts = tuple(
        Part(
            name,
            found.counted[index],
            float(found.known_usd[:, index].sum()),
            int(found.unknown[:, index].sum()),
            int(found.known[:, index].sum()),
        )
        for index, name in enumerate(PARTS)
    )
    known = sum(part.known_usd for part in parts)
    decided = ~np.isnan(found.accepted)
    taken = found.accepted == 1
    undecided = int(np.sum(found.solved & ~decided)) if reviews else 0
    whole = not any(part.unknown for part in parts)
    tasks = task_order(own)[own.task] if len(own) else own.task
    return CostPerTask(
        agent=agent,
        parts=parts,
        source=SOURCES[int(own.source.max(initial=0))],
        attempts=int(own.attempts.sum()),
        trials=int(np.sum(own.outcome != UNFINISHED)),
        completed=int(np.sum(found.solved)),
        accepted=int(np.sum(taken)) if reviews else None,
        undecided=undecided,
        known_usd=known,
        unknown_share=_unknown_share(parts, known),
        per_completed=_per(found.total, found.solved, tasks) if whole else None,
        per_accepted=_per(found.total, taken, tasks) if whole and reviews and not undecided else None,
    )


def _per(total: Floats, done: NDArray[np.bool_], tasks: NDArray[np.int32]) -> Ratio:
    rank = int(tasks.max(initial=-1)) + 1
    tried = np.bincount(tasks, minlength=rank) > 0
    cost: Floats = np.bincount(tasks, weights=total, minlength=rank)[tried].astype(np.float64)
    completed: Floats = np.bincount(tasks, weights=done, minlength=rank)[tried].astype(np.float64)
    tries = np.bincount(tasks, minlength=rank)[tried].astype(np.float64)
    low, high = ratio_interval(cost, completed, tries)
    number = float(completed.sum())
    return Ratio(float(cost.sum()) / number if number else None, low, high if number else math.inf)


def _reviews(columns: Columns, reviews: Reviews) -> tuple[Floats, Floats]:
    """Return minutes and decision by row; NaN where there is none."""
    minutes, accepted = np.full(len(columns), np.nan), np.full(len(columns), np.nan)
    if reviews:
        agents = {name: code for code, name in enumerate(columns.agents)}
        tasks = {name: code for code, name in enumerate(columns.tasks)}
        place = {
            key: row
            for row, key in enumerate(
                zip(columns.agent.tolist(), columns.task.tolist(), columns.n.tolist(), strict=True)
            )
        }
        for (agent, task, n), review in reviews.items():
            row = place.get((agents.get(agent, -1), tasks.get(task, -1), n))
            if row is not None:
                accepted[row] = review.accepted
                minutes[row] = np.nan if review.review_minutes is None else review.review_minutes
    return minutes, accepted


def _per_minute(rates: Rates) -> tuple[float | None, float | None, float | None]:
    return rates.sandbox_usd_per_minute, rates.ci_usd_per_minute, rates.review_usd_per_minute


def _unknown_share(parts: tuple[Part, ...], known_usd: float) -> float:
    unknown = sum(part.unknown_usd for part in parts)
    if math.isinf(unknown):
        return 1.0
    if unknown == 0:
        # Known ones that cost nothing tell nothing of the share.
        return 1.0 if any(part.unknown for part in parts) else 0.0
    return unknown / (unknown + known_usd)
