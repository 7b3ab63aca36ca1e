"""Reading runs from disk into columns, every attempt of every trial.

`trials("run")` is for notebooks: `pandas.DataFrame(trials("run"))` and `polars.DataFrame(trials("run"))` both work.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from worktrial.analyse.columns import OUTCOMES, Columns, from_codes
from worktrial.analyse.reading import SOURCES, RunFiles, TrialFiles, read_run
from worktrial.analyse.summary import outcome_of
from worktrial.formats.trial import ToolKind, Trial
from worktrial.formats.verdict import Verdict
from worktrial.store.run import RunDir

_KINDS: tuple[ToolKind, ...] = get_args(ToolKind)


def trials(*runs: str | Path) -> dict[str, NDArray[Any]]:
    """Return the trials of one or more runs as columns by name, one row each; for notebooks.

    `run`, `agent`, `task`, `outcome` and `source` are arrays of strings; `cost_usd` is that of all attempts. NaN is
    unknown. The other columns are those of `Columns`. Raises `FormatError` for what is no run.
    """
    return as_dict(collect(*(RunDir.open(Path(run)) for run in runs)))


def as_dict(columns: Columns) -> dict[str, NDArray[Any]]:
    """Return columns by name, codes as the strings they stand for."""
    names: dict[str, tuple[str, ...]] = {
        "run": columns.runs,
        "agent": columns.agents,
        "task": columns.tasks,
        "outcome": OUTCOMES,
        "source": SOURCES,
    }
    found: dict[str, NDArray[Any]] = {}
    for field in fields(columns):
        value = getattr(columns, field.name)
        if isinstance(value, np.ndarray):
            found[field.name] = np.array(names[field.name], dtype=object)[value] if field.name in names else value
    return found | {"cost_usd": columns.cost_usd}


def collect(*runs: RunDir) -> Columns:
    """Read every trial that was asked of `runs`, finished or not; see `read_run` and `columns_of`."""
    return columns_of(*map(read_run, runs))


def columns_of(*runs: RunFiles) -> Columns:
    """Return the trials of runs that were read, by run, agent, task and number."""
    lists: dict[str, list[Any]] = {}
    agents: dict[str, int] = {}
    tasks: dict[str, int] = {}
    for index, run in enumerate(runs):
        for trial in run.trials:
            control = trial.config in run.request.controls or trial.config.kind in ("oracle", "nop")
            row = _row(trial, free=control) | {
                "run": index,
                "agent": agents.setdefault(trial.config.name, len(agents)),
                "task": tasks.setdefault(trial.task, len(tasks)),
                "n": trial.n,
            }
            for name, value in row.items():
                lists.setdefault(name, []).append(value)
    codes = {name: np.array(values) for name, values in lists.items()} or {"agent": np.zeros(0)}
    names = tuple(str(run.run.path) for run in runs)
    return from_codes(codes, runs=names, agents=tuple(agents), tasks=tuple(tasks))


def _row(files: TrialFiles, *, free: bool) -> dict[str, Any]:
    if files.last is None or files.last.trial is None:
        return _sums(files, free=free) | {"outcome": OUTCOMES.index("unfinished"), "control": free} | _NOTHING
    trial = files.last.trial
    free = free or trial.control
    return _sums(files, free=free) | {"control": free} | _last(trial, files.last.verdict)


def _last(trial: Trial, verdict: Verdict | None) -> dict[str, Any]:
    usage = trial.usage
    silent = usage.requests == 0 and usage.cost_usd is None
    tools = {f"tools_{kind}": trial.tool_use.calls.get(kind, 0) for kind in _KINDS} if trial.tool_use else {}
    return {
        "outcome": OUTCOMES.index(outcome_of(trial, verdict)),
        "started": np.datetime64(trial.started_at.replace(tzinfo=None), "s"),
        "agent_s": trial.timings.agent_s,
        "requests": np.nan if silent else usage.requests,
        "input_tokens": np.nan if silent else usage.input_tokens,
        "output_tokens": np.nan if silent else usage.output_tokens,
        "cache_read_tokens": np.nan if silent else usage.cache_read_tokens,
        "cache_write_tokens": np.nan if silent else usage.cache_write_tokens,
        "steps": trial.steps,
        "patch_bytes": trial.patch_bytes,
        **{f"tools_{kind}": tools.get(f"tools_{kind}", np.nan) for kind in _KINDS},
        "tests_after_last_edit": trial.tool_use.tests_after_last_edit if trial.tool_use else np.nan,
    }


def _sums(files: TrialFiles, *, free: bool) -> dict[str, Any]:
    """Sum up all attempts."""
    amounts = [attempt.amount(free=free) for attempt in files.attempts]
    recorded = [attempt.requests for attempt in files.attempts if attempt.requests]
    timings = [attempt.trial.timings for attempt in files.attempts if attempt.trial]
    return {
        "attempts": len(files.attempts),
        "known_usd": sum(amount.usd for amount in amounts),
        "source": max((SOURCES.index(amount.source) for amount in amounts), default=0),
        "unpriced": sum(not amount.whole for amount in amounts),
        "untimed": len(files.attempts) - len(timings),
        "sandbox_s_all": sum(took.workspace_s + took.agent_s + took.patch_s for took in timings),
        "ci_s_all": sum(attempt.verdict.grade_s for attempt in files.attempts if attempt.verdict),
        "asked_all": sum(one.asked for one in recorded) if recorded else np.nan,
        "failed_all": sum(one.failed for one in recorded) if recorded else np.nan,
    }


_NOTHING = {
    "started": np.datetime64("NaT", "s"),
    **dict.fromkeys(
        ("agent_s", "requests", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"), np.nan
    ),
    "steps": 0,
    "patch_bytes": 0,
    **{f"tools_{kind}": np.nan for kind in _KINDS},
    "tests_after_last_edit": np.nan,
}
