"""What `worktrial grade` does."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from worktrial import agents
from worktrial.cli.output import print_json, talk
from worktrial.cli.progress import working
from worktrial.errors import WorktrialError
from worktrial.formats.base import now
from worktrial.formats.journal import JournalEntry
from worktrial.grade.grader import Grader
from worktrial.sandboxes.protocol import Sandbox
from worktrial.store.run import RunDir, TrialDir
from worktrial.store.suite import Suite


class Grading:
    """Grading a whole run again."""

    def __init__(self, run: RunDir, suite: Suite, sandbox: Sandbox, jobs: int) -> None:
        self._run = run
        self._suite = suite
        self._sandbox = sandbox
        self._jobs = jobs

    async def work(self, *, only_missing: bool) -> None:
        """Grade all finished trials, or those without a verdict. Raises `StorageError` on a full disk."""
        wanted = [
            trial_dir
            for trial_dir in self._run.trial_dirs()
            if trial_dir.trial() is not None and not (only_missing and trial_dir.verdict() is not None)
        ]
        places = asyncio.Semaphore(self._jobs)
        with tempfile.TemporaryDirectory(prefix="worktrial-") as scratch, working("Grading", len(wanted)) as work:
            limits = self._run.request().limits
            grader = Grader(self._suite, self._sandbox, Path(scratch) / "grader.git", limits)

            async def one(trial_dir: TrialDir) -> None:
                async with places:
                    verdict = await grader.grade(trial_dir, self._suite.task(trial_dir.task))
                name = {"agent": trial_dir.agent, "task": trial_dir.task, "n": trial_dir.n}
                entry = {"at": now(), "event": "graded", "outcome": verdict.outcome, **name}
                self._run.journal.append(JournalEntry.model_validate(entry))
                work.done(f"{trial_dir.agent} {trial_dir.task} #{trial_dir.n}: {verdict.outcome.replace('_', ' ')}")

            try:
                async with asyncio.TaskGroup() as group:
                    for trial_dir in wanted:
                        group.create_task(one(trial_dir))
            except* WorktrialError as failed:
                raise failed.exceptions[0] from None


def conclude(run: RunDir, *, as_json: bool) -> None:
    """Print every agent's solve rate, for people and, if asked for, as JSON."""
    from worktrial.analyse.summary import agents_json, summarise

    summary = summarise(run, agents.CONTROLS)
    for agent in summary.agents:
        rate = agent.rate
        said = "no graded trial" if rate is None else f"{rate.mean:.0%} (95% CI {rate.low:.0%} to {rate.high:.0%})"
        talk.print(f"{agent.name}: solved {said}", markup=False)
    if as_json:
        print_json(agents_json(summary))
