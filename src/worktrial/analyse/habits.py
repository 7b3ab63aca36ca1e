"""What agents do with their tools, and whether those of their trials that were solved did something else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from worktrial.analyse.intervals import Rate, solve_rate
from worktrial.analyse.summary import GRADED, TrialRow
from worktrial.formats.trial import ToolKind

KINDS: tuple[ToolKind, ...] = get_args(ToolKind)


@dataclass(frozen=True)
class Habits:
    """One agent's use of tools over its graded trials whose calls are known."""

    agent: str
    solved: int
    """Trials, as the next."""
    not_solved: int
    calls: tuple[tuple[ToolKind, float | None, float | None], ...]
    """Mean calls of a trial by kind, when solved and when not; None where there is no such trial. Kinds that never
    occurred are left out."""
    steps: tuple[float | None, float | None]
    """Median steps, when solved and when not."""
    tested: Rate | None
    """Solve rate of the trials that ran tests after their last edit; None when there are none."""
    untested: Rate | None
    """Solve rate of the others."""


def habits(agent: str, rows: Sequence[TrialRow]) -> Habits | None:
    """Return an agent's habits, or None when the calls of none of its graded trials are known.

    What goes with solving need not be its reason: easy tasks are solved with few calls because they are easy.
    """
    known = [row for row in rows if row.agent == agent and row.outcome in GRADED and row.tool_use is not None]
    if not known:
        return None
    solved = [row for row in known if row.outcome == "solved"]
    failed = [row for row in known if row.outcome != "solved"]
    calls = [(kind, _mean_calls(solved, kind), _mean_calls(failed, kind)) for kind in KINDS]
    return Habits(
        agent,
        len(solved),
        len(failed),
        tuple((kind, one, other) for kind, one, other in calls if one or other),
        (_median_steps(solved), _median_steps(failed)),
        tested=_rate(row for row in known if _tests_after(row)),
        untested=_rate(row for row in known if not _tests_after(row)),
    )


def _tests_after(row: TrialRow) -> bool:
    return row.tool_use is not None and row.tool_use.tests_after_last_edit > 0


def _mean_calls(rows: list[TrialRow], kind: ToolKind) -> float | None:
    counts = [row.tool_use.calls.get(kind, 0) for row in rows if row.tool_use is not None]
    return sum(counts) / len(counts) if counts else None


def _median_steps(rows: list[TrialRow]) -> float | None:
    return float(np.median([row.steps for row in rows])) if rows else None


def _rate(rows: Iterable[TrialRow]) -> Rate | None:
    """Return the solve rate of some of an agent's trials, those of a task taken together."""
    by_task: dict[str, list[float]] = {}
    for row in rows:
        by_task.setdefault(row.task, []).append(float(row.outcome == "solved"))
    most = max(map(len, by_task.values()), default=0)
    table = np.full((len(by_task), most), np.nan)
    for place, own in enumerate(by_task.values()):
        table[place, : len(own)] = own
    return solve_rate(table)
