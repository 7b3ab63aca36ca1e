"""Scheduling: as many trials at once as asked for, until all are done, the budget is spent, or somebody says stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from worktrial.agents.protocol import Agent
from worktrial.errors import first_error
from worktrial.formats.base import now
from worktrial.formats.journal import JournalEntry
from worktrial.formats.run import AgentConfig
from worktrial.formats.task import Task
from worktrial.formats.trial import Trial
from worktrial.formats.verdict import Verdict
from worktrial.run.attempt import Attempts
from worktrial.run.budgets import Budgets
from worktrial.run.plan import is_finished
from worktrial.store.journal import Journal
from worktrial.store.run import TrialDir

Grade = Callable[[TrialDir, Task], Awaitable[Verdict]]
Listener = Callable[[TrialDir, Trial | None, Verdict | None], None]
"""Called when a trial begins (neither given), and when it is over."""


@dataclass
class Stop:
    """Set from outside to let what runs finish and start nothing more."""

    requested: bool = False


@dataclass
class Progress:
    """What a call of `work_off` came to."""

    done: int = 0
    """Trials finished, by this call or before."""
    left: int = 0
    """Trials not started, because of a stop or a budget."""
    overheads_s: list[float] = field(default_factory=list)
    """Of the trials this call made: wall-clock seconds that were neither agent nor tests."""


@dataclass(frozen=True)
class Crew:
    """Who does the work of a run."""

    agents: Mapping[str, tuple[Agent, AgentConfig]]
    tasks: Mapping[str, Task]
    attempts: Attempts
    grade: Grade
    budgets: Budgets
    journal: Journal[JournalEntry]
    retry_infrastructure: bool = False


async def work_off(
    crew: Crew, trials: list[TrialDir], *, jobs: int, stop: Stop, listen: Listener | None = None
) -> Progress:
    """Finish every trial that is not, `jobs` at a time.

    Raises `StorageError` on a full disk; trials that were finished stay finished.
    """
    progress = Progress()
    queue = iter(trials)

    async def work() -> None:
        for trial_dir in queue:
            if stop.requested or (crew.budgets.exhausted(trial_dir.agent) and not _needs_grading_only(crew, trial_dir)):
                progress.left += not _is_over(crew, trial_dir)
                progress.done += _is_over(crew, trial_dir)
                continue
            if not _is_over(crew, trial_dir):
                if listen is not None:
                    listen(trial_dir, None, None)
                trial, verdict = await _one(crew, trial_dir, progress)
                if trial.ended == "budget":
                    progress.left += 1
                    continue
                if listen is not None:
                    listen(trial_dir, trial, verdict)
            progress.done += 1

    with first_error():
        async with asyncio.TaskGroup() as workers:
            for _ in range(max(1, jobs)):
                workers.create_task(work())
    return progress


def _is_over(crew: Crew, trial_dir: TrialDir) -> bool:
    finished = is_finished(trial_dir, retry_infrastructure=crew.retry_infrastructure)
    return finished and trial_dir.verdict() is not None


def _needs_grading_only(crew: Crew, trial_dir: TrialDir) -> bool:
    return is_finished(trial_dir, retry_infrastructure=crew.retry_infrastructure) and trial_dir.verdict() is None


async def _one(crew: Crew, trial_dir: TrialDir, progress: Progress) -> tuple[Trial, Verdict | None]:
    """Attempt and grade one trial, or only grade it when the attempt was finished before."""
    started = time.monotonic()
    task = crew.tasks[trial_dir.task]
    trial = trial_dir.trial()
    crew.journal.append(_entry(trial_dir, "begun"))
    if trial is None or not is_finished(trial_dir, retry_infrastructure=crew.retry_infrastructure):
        await crew.attempts.set_aside(trial_dir)
        agent, config = crew.agents[trial_dir.agent]
        trial = await crew.attempts.make(agent, config, task, trial_dir)
    if trial.ended == "budget":
        return trial, None
    verdict = await crew.grade(trial_dir, task)
    overhead_s = round(time.monotonic() - started - trial.timings.agent_s - verdict.test_s, 4)
    progress.overheads_s.append(overhead_s)
    crew.journal.append(_entry(trial_dir, "trial", outcome=verdict.outcome, overhead_s=overhead_s))
    return trial, verdict


def _entry(of: TrialDir, event: Literal["begun", "trial"], **more: Any) -> JournalEntry:
    return JournalEntry(at=now(), event=event, agent=of.agent, task=of.task, n=of.n, **more)
