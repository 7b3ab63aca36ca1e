"""What a completed task costs: models, sandboxes, tests and people's review, over every attempt that was made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.acceptance import Reviews
from worktrial.analyse.bootstrap import percentile_interval, resampled_sums
from worktrial.analyse.columns import INFRASTRUCTURE, SOLVED, SOURCES, UNFINISHED, Columns, task_order
from worktrial.analyse.intervals import PSEUDO_TASKS, effective_tasks, t_quantile, wilson
from worktrial.analyse.means import FEW_TASKS, MANY_TASKS
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


def ratio_interval(cost: Floats, completed: Floats, tries: Floats | None = None) -> tuple[float, float]:
    """Return the 95% interval of sum(cost) / sum(completed) for tasks like these; the upper end may be infinite.

    All have shape (tasks,); `tries` are the trials of each task, None: as many as were completed at most. Below
    `FEW_TASKS` and above `MANY_TASKS` it is Fieller's with t (Fieller 1954, JRSS B 16, 175-185): all r for which a
    paired t test does not reject that cost - r * completed has mean zero; two half pseudo-tasks of average cost, one
    completed and one not, steady what few tasks say of the spread (see `worktrial.analyse.intervals.PSEUDO_TASKS`). In
    between it is the expanded percentile bootstrap by task. The lower end is never above the mean cost over the upper
    end of the rate of completion (Wilson's, effective size): where few tasks are completed either method takes their
    number for surer than it is, and covered .88 in place of .95.
    """
    if len(cost) < 2:
        return 0.0, math.inf
    if tries is None:
        tries = np.full(len(cost), max(1.0, float(completed.max())))
    size = effective_tasks(completed / tries, tries)
    _, most = wilson(float(np.mean(completed / tries)) * size, size, t_quantile(0.975, len(cost) - 1))
    low, high = _few_or_many(cost, completed)
    return min(low, float(cost.sum() / tries.sum()) / most), high


def _few_or_many(cost: Floats, completed: Floats) -> tuple[float, float]:
    if not FEW_TASKS <= len(cost) <= MANY_TASKS:
        return _fieller(cost, completed)
    order = np.lexsort((completed, cost))  # so that the order of tasks changes nothing
    sums = resampled_sums(np.column_stack([cost, completed])[order])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(sums[:, 1] > 0, sums[:, 0] / sums[:, 1], math.inf)
    return percentile_interval(ratios, len(cost))


def _fieller(cost: Floats, completed: Floats) -> tuple[float, float]:
    most = max(1.0, float(completed.max()))
    mean = float(cost.mean())
    weights = np.concatenate([np.ones(len(cost)), [PSEUDO_TASKS, PSEUDO_TASKS]])
    both = np.column_stack([np.concatenate([cost, [mean, mean]]), np.concatenate([completed, [0.0, most]])])
    count = float(weights.sum())
    centre = weights @ both / count
    spread = (both - centre).T @ ((both - centre) * weights[:, None]) / (count - 1) / count
    t2 = t_quantile(0.975, count - 1) ** 2
    # a r² - 2 b r + c <= 0
    a = centre[1] ** 2 - t2 * spread[1, 1]
    b = centre[0] * centre[1] - t2 * spread[0, 1]
    c = centre[0] ** 2 - t2 * spread[0, 0]
    a, b, c = float(a), float(b), float(c)
    root = math.sqrt(max(0.0, b * b - a * c))
    if a > 0:
        return max(0.0, (b - root) / a), (b + root) / a
    # The number of completed tasks is not told from none: there is no upper end.
    if c <= 0:
        return 0.0, math.inf
    return (c / (b + root) if b + root > 0 else 0.0), math.inf


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
