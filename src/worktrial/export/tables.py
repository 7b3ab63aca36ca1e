"""The tables that a run is exported as, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from worktrial.analyse.summary import outcome_of
from worktrial.errors import FormatError
from worktrial.formats.run import AgentConfig
from worktrial.formats.trial import ToolKind, Trial
from worktrial.formats.verdict import Verdict
from worktrial.store.files import read_model
from worktrial.store.run import RunDir, TrialDir

Kind = Literal["text", "integer", "real", "boolean", "time"]
Cell = str | int | float | bool | datetime | None
"""None is unknown, or does not apply."""

_SIGNS = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"} | {0x7F: "\N{SYMBOL FOR DELETE}"}
_SIGNS |= dict.fromkeys((*range(0x80, 0xA0), *range(0xD800, 0xE000)), "\N{REPLACEMENT CHARACTER}")


@dataclass(frozen=True)
class Attempt:
    """One attempt at a task: the one that counts, or one that was set aside."""

    config: AgentConfig
    control: bool
    task: str
    n: int
    set_aside: int | None
    """Number of an attempt that was cut off or retried, from 1; None: the attempt that counts."""
    trial: Trial | None
    """None: it did not come to its end, or was never begun."""
    verdict: Verdict | None
    folder: Path


@dataclass(frozen=True)
class Column:
    """A column of the table of trials."""

    name: str
    kind: Kind
    of: Callable[[Attempt], Cell]


@dataclass(frozen=True)
class Table:
    """A table: columns, and the rows that one attempt gives."""

    name: str
    columns: tuple[tuple[str, Kind], ...]
    rows: Callable[[Attempt], Iterator[tuple[Cell, ...]]]


def fit(text: str) -> str:
    """Return text that every file format can hold: NUL and other control characters become visible signs."""
    return text if text.isascii() and text.isprintable() else text.translate(_SIGNS)


def count_attempts(run: RunDir) -> int:
    """Return how many trials were asked for; the attempts set aside come on top."""
    request = run.request()
    return len(request.tasks) * sum(request.trials_of(config) for config in request.everyone())


def attempts(run: RunDir, controls: frozenset[str]) -> Iterator[Attempt]:
    """Yield every attempt by agent, task and number, the one that counts before those set aside; made or not.

    `controls` are the kinds of agent that measure the suite. Raises `FormatError` on a torn file.
    """
    request = run.request()
    for config in request.everyone():
        control = config.kind in controls
        for task in request.tasks:
            for n in range(1, request.trials_of(config) + 1):
                trial_dir = run.trial_dir(config.name, task, n)
                yield Attempt(config, control, task, n, None, _trial(trial_dir), trial_dir.verdict(), trial_dir.path)
                for k, folder in _set_aside(trial_dir):
                    path = folder / "trial.json"
                    trial = read_model(path, Trial, "trial") if path.exists() else None
                    yield Attempt(config, control, task, n, k, trial, None, folder)


def _trial(trial_dir: TrialDir) -> Trial | None:
    trial = trial_dir.trial()
    if trial is not None and (trial.agent, trial.task, trial.n) != (trial_dir.agent, trial_dir.task, trial_dir.n):
        raise FormatError(
            f"{trial_dir.path / 'trial.json'} is not of this trial",
            cause=f"it says {trial.agent}/{trial.task}/{trial.n}",
            hint="put the folder back where it was, or delete it and run again",
        )
    return trial


def _set_aside(trial_dir: TrialDir) -> Iterator[tuple[int, Path]]:
    if not trial_dir.path.parent.is_dir():
        return
    found = []
    for folder in trial_dir.path.parent.glob(f"{trial_dir.n}.attempt-*"):
        number = folder.name.rpartition("-")[2]
        if number.isdecimal():
            found.append((int(number), folder))
    yield from sorted(found)


def outcome(attempt: Attempt) -> str:
    """Return how an attempt counts; one that was set aside does not."""
    if attempt.set_aside is not None:
        return "set_aside"
    return "unfinished" if attempt.trial is None else outcome_of(attempt.trial, attempt.verdict)


def _tokens(name: str) -> Callable[[Attempt], Cell]:
    """Return a reader of a count of tokens: unknown where neither a request nor a cost was seen."""

    def of(attempt: Attempt) -> Cell:
        trial = attempt.trial
        if trial is None or (trial.usage.requests == 0 and trial.usage.cost_usd is None):
            return None
        return int(getattr(trial.usage, name))

    return of


def _of_trial(path: str) -> Callable[[Attempt], Cell]:
    parts = path.split(".")

    def of(attempt: Attempt) -> Cell:
        found = attempt.trial
        for part in parts:
            found = None if found is None else getattr(found, part)
        return found  # type: ignore[return-value]  # the columns' kinds are those of the fields

    return of


def _of_verdict(name: str) -> Callable[[Attempt], Cell]:
    return lambda attempt: None if attempt.verdict is None else getattr(attempt.verdict, name)


def _calls(kind: ToolKind) -> Callable[[Attempt], Cell]:
    def of(attempt: Attempt) -> Cell:
        use = attempt.trial.tool_use if attempt.trial else None
        return None if use is None else use.calls.get(kind, 0)

    return of


def _many(
    kind: Kind, of: Callable[[str], Callable[[Attempt], Cell]], *names: str, prefix: str = ""
) -> Iterator[Column]:
    for name in names:
        yield Column(prefix + name, kind, of(name))


KEY: tuple[Column, ...] = (
    Column("agent", "text", lambda attempt: attempt.config.name),
    Column("task", "text", lambda attempt: attempt.task),
    Column("n", "integer", lambda attempt: attempt.n),
    Column("set_aside", "integer", lambda attempt: attempt.set_aside),
)
_TRIAL: tuple[Column, ...] = (
    *KEY,
    Column("kind", "text", lambda attempt: attempt.config.kind),
    Column("model", "text", lambda attempt: attempt.config.model),
    Column("control", "boolean", lambda attempt: attempt.control),
    Column("outcome", "text", outcome),
    Column("started_at", "time", _of_trial("started_at")),
    *_many("text", _of_trial, "ended", "cause", "detail", "sandbox", "agent_version"),
    *_many("integer", _of_trial, "exit_code", "steps", "patch_files", "patch_bytes"),
    Column("requests", "integer", _of_trial("usage.requests")),
    *_many("integer", _tokens, "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
    Column("cost_usd", "real", _of_trial("usage.cost_usd")),
    Column("cost_source", "text", _of_trial("usage.cost_source")),
    *(
        Column(name, "real", _of_trial(f"timings.{name}"))
        for name in ("workspace_s", "agent_s", "patch_s", "grade_s", "test_s")
    ),
    *(Column(f"calls_{kind}", "integer", _calls(kind)) for kind in get_args(ToolKind)),
    Column("tests_after_last_edit", "integer", _of_trial("tool_use.tests_after_last_edit")),
    *_many("text", _of_verdict, "outcome", "cause", "detail", "ended", prefix="verdict_"),
    *_many("integer", _of_verdict, "expected", "passed", prefix="verdict_"),
    Column("verdict_test_s", "real", _of_verdict("test_s")),
    Column("graded_at", "time", _of_verdict("graded_at")),
)


def _key(attempt: Attempt) -> tuple[Cell, ...]:
    return tuple(column.of(attempt) for column in KEY)


def _trial_rows(attempt: Attempt) -> Iterator[tuple[Cell, ...]]:
    yield tuple(column.of(attempt) for column in _TRIAL)


def _tool_rows(attempt: Attempt) -> Iterator[tuple[Cell, ...]]:
    for tool, calls in (attempt.trial.tool_calls if attempt.trial else {}).items():
        yield (*_key(attempt), tool, calls)


def _test_rows(attempt: Attempt) -> Iterator[tuple[Cell, ...]]:
    if attempt.verdict is not None:
        for counted, tests in ((True, attempt.verdict.failed), (False, attempt.verdict.quarantined)):
            for test, status in tests.items():
                yield (*_key(attempt), test, status, counted)


def _columns(columns: tuple[Column, ...]) -> tuple[tuple[str, Kind], ...]:
    return tuple((column.name, column.kind) for column in columns)


TRIALS = Table("trials", _columns(_TRIAL), _trial_rows)
"""A row per attempt: what it came to, what it used, what the grader says."""
TOOL_CALLS = Table("tool_calls", (*_columns(KEY), ("tool", "text"), ("calls", "integer")), _tool_rows)
"""A row per attempt and tool that was called."""
FAILED_TESTS = Table(
    "failed_tests",
    (*_columns(KEY), ("test", "text"), ("status", "text"), ("counted", "boolean")),
    _test_rows,
)
"""A row per attempt and expected test that did not pass; not *counted*: it was in quarantine."""
TABLES = (TRIALS, TOOL_CALLS, FAILED_TESTS)
