"""Reading runs from disk into columns, every attempt of every trial.

`trials("run")` is for notebooks: `pandas.DataFrame(trials("run"))` and `polars.DataFrame(trials("run"))` both work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from worktrial.analyse.columns import OUTCOMES, SOURCES, Columns, from_codes
from worktrial.analyse.summary import outcome_of
from worktrial.errors import FormatError
from worktrial.formats.gateway import UNSENT
from worktrial.formats.run import AgentConfig
from worktrial.formats.trial import ToolKind, Trial
from worktrial.formats.verdict import Verdict
from worktrial.gateway.recording import OPEN, RECORDS
from worktrial.gateway.reliability import FAILED
from worktrial.gateway.trials import GENERATING
from worktrial.store.files import explain, read_model
from worktrial.store.run import RunDir, TrialDir

_OBJECT = TypeAdapter(dict[str, Any])
_KINDS: tuple[ToolKind, ...] = get_args(ToolKind)


@dataclass
class _Requests:
    """What the gateway recorded of one attempt."""

    asked: int = 0
    failed: int = 0
    known_usd: float = 0.0
    unpriced: bool = False
    source: int = 0


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
    """Read every trial that was asked of `runs`, finished or not.

    Rows come by run, agent, task and number. Raises `FormatError` naming the file when one is torn or is not of the
    trial whose folder it lies in.
    """
    lists: dict[str, list[Any]] = {}
    agents: dict[str, int] = {}
    tasks: dict[str, int] = {}
    for index, run in enumerate(runs):
        request = run.request()
        for config in request.everyone():
            control = config in request.controls or config.kind in ("oracle", "nop")
            for task in request.tasks:
                folders = _attempts(run, config, task)
                for n in range(1, request.trials_of(config) + 1):
                    row = _row(run.trial_dir(config.name, task, n), folders.get(n, []), free=control)
                    row |= {
                        "run": index,
                        "agent": agents.setdefault(config.name, len(agents)),
                        "task": tasks.setdefault(task, len(tasks)),
                        "n": n,
                    }
                    for name, value in row.items():
                        lists.setdefault(name, []).append(value)
    codes = {name: np.array(values) for name, values in lists.items()} or {"agent": np.zeros(0)}
    names = tuple(str(run.path) for run in runs)
    return from_codes(codes, runs=names, agents=tuple(agents), tasks=tuple(tasks))


def _attempts(run: RunDir, config: AgentConfig, task: str) -> dict[int, list[Path]]:
    """Return the folders of all attempts at a task by the number of the trial; one listing in place of many globs."""
    found: dict[int, list[Path]] = {}
    folder = run.trial_dir(config.name, task, 1).path.parent
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        number = path.name.partition(".attempt-")[0]
        if number.isdecimal():
            found.setdefault(int(number), []).append(path)
    return found


def _row(trial_dir: TrialDir, folders: list[Path], *, free: bool) -> dict[str, Any]:
    trial = trial_dir.trial()
    if trial is None:
        return _sums(folders, None, None, free=free) | {"outcome": OUTCOMES.index("unfinished"), "control": free}
    if (trial.agent, trial.task, trial.n) != (trial_dir.agent, trial_dir.task, trial_dir.n):
        raise FormatError(
            f"{trial_dir.path / 'trial.json'} is not of this trial",
            cause=f"it says {trial.agent}/{trial.task}/{trial.n}",
            hint="put the folder back where it was, or delete it and run again",
        )
    verdict, usage = trial_dir.verdict(), trial.usage
    free = free or trial.control
    silent = usage.requests == 0 and usage.cost_usd is None
    tools = {f"tools_{kind}": trial.tool_use.calls.get(kind, 0) for kind in _KINDS} if trial.tool_use else {}
    return _sums(folders, (trial_dir.path, trial), verdict, free=free) | {
        "outcome": OUTCOMES.index(outcome_of(trial, verdict)),
        "control": free,
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


def _sums(
    folders: list[Path], last: tuple[Path, Trial] | None, verdict: Verdict | None, *, free: bool
) -> dict[str, Any]:
    """Sum up all attempts; `last` is the one that is read already, with its `verdict`."""
    known, source, unpriced, untimed, sandbox, grading = 0.0, 0, 0, 0, 0.0, 0.0
    asked = failed = 0
    recorded = False
    for folder in folders:
        trial = last[1] if last and folder == last[0] else _trial(folder)
        requests = _requests(folder)
        recorded = recorded or requests is not None
        amount, by, sure = _amount(trial, requests, free=free)
        known, source, unpriced = known + amount, max(source, by), unpriced + (not sure)
        asked, failed = asked + (requests.asked if requests else 0), failed + (requests.failed if requests else 0)
        judged = verdict if last and folder == last[0] else _verdict(folder)
        grading += judged.grade_s if judged else 0.0
        untimed += trial is None
        if trial:
            sandbox += trial.timings.workspace_s + trial.timings.agent_s + trial.timings.patch_s
    return {
        "attempts": len(folders),
        "known_usd": known,
        "source": source,
        "unpriced": unpriced,
        "untimed": untimed,
        "sandbox_s_all": sandbox,
        "ci_s_all": grading,
        "asked_all": asked if recorded else np.nan,
        "failed_all": failed if recorded else np.nan,
        **({} if last else _NOTHING),
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


def _amount(trial: Trial | None, requests: _Requests | None, *, free: bool) -> tuple[float, int, bool]:
    """Return what models took in an attempt as far as it is known, its source, and whether that is all of it.

    What `trial.json` does not say, since the attempt was killed or failed, the gateway's record may.
    """
    if trial and trial.usage.cost_usd is not None:
        return trial.usage.cost_usd, SOURCES.index(trial.usage.cost_source or ""), True
    if free:  # controls call no model: that a killed one left no bill is no riddle
        return 0.0, 0, True
    if requests is None:
        return 0.0, 0, False
    return requests.known_usd, requests.source, not requests.unpriced


def _trial(folder: Path) -> Trial | None:
    path = folder / "trial.json"
    return read_model(path, Trial, "trial") if path.exists() else None


def _verdict(folder: Path) -> Verdict | None:
    path = folder / "verdict.json"
    return read_model(path, Verdict, "verdict") if path.exists() else None


def _requests(folder: Path) -> _Requests | None:
    """Return the sums of an attempt's `gateway.jsonl`; None when there is none."""
    path = folder / RECORDS
    if not path.exists():
        return None
    found, done = _Requests(), set()
    for record in _lines(path):
        done.add(record.get("id"))
        outcome = record.get("outcome")
        if record.get("gen_ai.operation.name") not in GENERATING or outcome in UNSENT:
            continue
        if not record.get("replayed"):
            found.asked += 1
            found.failed += outcome in FAILED
        cost = record.get("cost_usd")
        found.unpriced |= cost is None
        found.known_usd += cost or 0.0
        if cost is not None:
            found.source = max(found.source, SOURCES.index(record.get("cost_source") or ""))
    # What was under way when the gateway died has been sent, and nobody knows what it took.
    if (folder / OPEN).exists():
        found.unpriced |= any(begun.get("id") not in done for begun in _lines(folder / OPEN))
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of a file as they are; the models that check every field would take most of the time."""
    data = path.read_bytes()
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            record: dict[str, Any] = _OBJECT.validate_json(line)
        except ValidationError as error:
            raise FormatError(f"{path} line {number} is not a valid record", cause=explain(error)) from error
        yield record
