"""Trials as columns: one array per figure, one row per trial, of one run or of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.intervals import Outcomes, task_means
from worktrial.analyse.summary import Outcome
from worktrial.errors import UsageError

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]

OUTCOMES: tuple[Outcome, ...] = ("solved", "not_solved", "tampered", "infrastructure", "ungraded", "unfinished")
"""What the codes of `Columns.outcome` stand for."""
SOLVED, NOT_SOLVED, TAMPERED, INFRASTRUCTURE, UNGRADED, UNFINISHED = range(6)
_VALUE = np.array([1.0, 0.0, 0.0, np.nan, np.nan, np.nan])
"""Of each outcome in the denominator; NaN is left out."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Trials as columns, all of shape (rows,). NaN is unknown in every float column, NaT in `started`.

    A row is a trial that was asked for. Amounts and times ending in `_all` are sums over all its attempts: those that
    were retried, set aside or killed included. Everything else is of the last attempt.
    """

    runs: tuple[str, ...]
    """Names of the runs: the paths as given."""
    agents: tuple[str, ...]
    tasks: tuple[str, ...]
    run: Integers
    """Index into `runs`."""
    agent: Integers
    """Index into `agents`."""
    task: Integers
    """Index into `tasks`."""
    n: Integers
    """Number of the trial, from 1."""
    outcome: NDArray[np.int8]
    """Index into `OUTCOMES`."""
    control: NDArray[np.bool_]
    """Whether the agent measures the suite and is no contender."""
    started: NDArray[np.datetime64]
    attempts: Integers
    """Attempts that were begun, the last one included; 0: none."""
    unpriced: Integers
    """Attempts whose cost is unknown."""
    untimed: Integers
    """Attempts whose time is unknown: they were killed."""
    known_usd: Floats
    """What models took over all attempts, as far as it is known: a lower bound where `unpriced` is above 0."""
    source: NDArray[np.int8]
    """Index into `worktrial.analyse.reading.SOURCES`: the least sure source of an amount in `known_usd`."""
    sandbox_s_all: Floats
    """Seconds that sandboxes were open over all attempts, as far as they are known."""
    ci_s_all: Floats
    """Seconds of grading over all attempts, as far as they are known."""
    agent_s: Floats
    """Wall-clock seconds of the agent's part."""
    requests: Floats
    """Model requests that were answered."""
    input_tokens: Floats
    """Those read from and written to a cache included."""
    output_tokens: Floats
    cache_read_tokens: Floats
    cache_write_tokens: Floats
    asked_all: Floats
    """Requests for generation that went to a provider, over all attempts; NaN: no gateway recorded any."""
    failed_all: Floats
    """Of those, the ones that the provider failed at, its limits included."""
    steps: Integers
    patch_bytes: NDArray[np.int64]
    tools_read: Floats
    tools_search: Floats
    tools_edit: Floats
    tools_run_test: Floats
    tools_validate: Floats
    tools_other: Floats
    tests_after_last_edit: Floats

    def __len__(self) -> int:
        return len(self.run)

    @property
    def cost_usd(self) -> Floats:
        """What models took over all attempts; NaN where the cost of any is unknown."""
        return np.where(self.unpriced > 0, np.nan, self.known_usd)

    @property
    def value(self) -> Floats:
        """1 solved, 0 not solved or tampered with, NaN left out of the denominator."""
        return _VALUE[self.outcome]

    def contenders(self) -> list[str]:
        """Return the agents that are not controls, sorted."""
        free = np.ones(len(self.agents), dtype=bool)
        free[self.agent[self.control]] = False
        return sorted(name for name, chosen in zip(self.agents, free, strict=True) if chosen)

    def where(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Columns:
        """Return some of the rows; names and their codes stay as they are."""
        changed: dict[str, Any] = {
            field.name: value[rows] if isinstance(value := getattr(self, field.name), np.ndarray) else value
            for field in fields(self)
        }
        return Columns(**changed)

    def of(self, agent: str) -> Columns:
        """Return the rows of one agent. Raises `UsageError` when there is none of that name."""
        if agent not in self.agents:
            raise UsageError(f"there is no agent {agent!r} here", hint=f"there are: {', '.join(self.agents)}")
        return self.where(self.agent == self.agents.index(agent))


def from_codes(
    codes: Mapping[str, NDArray[Any]], *, runs: tuple[str, ...], agents: tuple[str, ...], tasks: tuple[str, ...]
) -> Columns:
    """Return `Columns` of the arrays that are there; the others are unknown, or 0 where they count something.

    `agent`, `task` and `outcome` have to be there. All have shape (rows,).
    """
    rows = len(codes["agent"])
    found: dict[str, Any] = {}
    for field in fields(Columns):
        if field.name in ("runs", "agents", "tasks"):
            continue
        kind = _kind(field.name)
        if field.name in codes:
            found[field.name] = np.ascontiguousarray(codes[field.name], dtype=kind)
        else:
            found[field.name] = np.full(rows, _absent(field.name), dtype=kind)
    return Columns(runs=runs, agents=agents, tasks=tasks, **found)


def task_order(columns: Columns) -> NDArray[np.int32]:
    """Return the rank of each task by its name, shape (tasks,): in whatever order rows come, results are the same."""
    order = np.argsort(np.array(columns.tasks, dtype=object), kind="stable")
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank


def outcome_matrix(columns: Columns, agent: str) -> Outcomes:
    """Return one agent's outcomes, shape (tasks, trials): 1 solved, 0 not, NaN left out or not there.

    Tasks are all of the table, sorted by name; a row holds the agent's trials of it over all runs, by run and number.
    """
    return matrix(columns.of(agent), columns.of(agent).value)


def task_mean_matrix(columns: Columns, agents: Sequence[str]) -> Floats:
    """Return task means, shape (agents, tasks), tasks sorted by name; NaN where no trial was graded."""
    return np.array([task_means(outcome_matrix(columns, agent)) for agent in agents])


def matrix(columns: Columns, values: Floats) -> Floats:
    """Return `values`, one per row, in the shape (tasks, trials) with NaN where a task has fewer trials.

    Tasks are all of the table, sorted by name; each task's rows are in the order of agent, run and number.
    """
    tasks = task_order(columns)[columns.task] if len(columns) else columns.task
    order = np.lexsort((columns.n, columns.run, columns.agent, tasks))
    sorted_tasks = tasks[order]
    counts = np.bincount(sorted_tasks, minlength=len(columns.tasks))
    first = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(counts) else np.zeros(0, dtype=np.int64)
    place = np.arange(len(order)) - first[sorted_tasks]
    found = np.full((len(columns.tasks), int(counts.max(initial=0))), np.nan)
    found[sorted_tasks, place] = values[order]
    return found


_INTEGERS = ("run", "agent", "task", "n", "attempts", "unpriced", "untimed", "steps")
_KINDS: dict[str, Any] = {
    **dict.fromkeys(_INTEGERS, np.int32),
    "outcome": np.int8,
    "source": np.int8,
    "control": np.bool_,
    "started": "datetime64[s]",
    "patch_bytes": np.int64,
}
_SUMS = ("known_usd", "sandbox_s_all", "ci_s_all")


def _kind(name: str) -> Any:
    return _KINDS.get(name, np.float64)


def _absent(name: str) -> Any:
    if name == "started":
        return np.datetime64("NaT", "s")
    return 0 if name in _KINDS or name in _SUMS else np.nan
