"""What `worktrial grade` does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from worktrial import agents
from worktrial.cli.controls import print_faults
from worktrial.cli.output import print_json, talk
from worktrial.cli.progress import working
from worktrial.cli.verified import print_verified
from worktrial.errors import first_error
from worktrial.formats.base import now
from worktrial.formats.journal import JournalEntry
from worktrial.grade.grader import Grader
from worktrial.sandboxes.protocol import Sandbox
from worktrial.store.run import RunDir, TrialDir
from worktrial.store.scratch import scratch_folder
from worktrial.store.suite import Suite

if TYPE_CHECKING:
    from worktrial.analyse.summary import AgentSummary


class Grading:
    """Grading a whole run again."""

    def __init__(self, run: RunDir, suite: Suite, sandbox: Sandbox, jobs: int, *, redact: bool = True) -> None:
        """`redact`: as for `Grader`."""
        self._redact = redact
        self._run = run
        self._suite = suite
        self._sandbox = sandbox
        self._jobs = jobs

    async def work(self, *, only_missing: bool) -> None:
        """Grade all finished trials, or those without a verdict; not those that the budget cut off.

        Raises `StorageError` on a full disk.
        """
        wanted = [
            trial_dir
            for trial_dir in self._run.trial_dirs()
            if (trial := trial_dir.trial()) is not None and trial.ended != "budget"
            if not (only_missing and trial_dir.verdict() is not None)
        ]
        places = asyncio.Semaphore(self._jobs)
        with scratch_folder() as scratch, working("Grading", len(wanted)) as work:
            limits, aside = self._run.request().limits, self._run.lock().quarantined
            store = scratch / "grader.git"
            grader = Grader(self._suite, self._sandbox, store, limits, aside, redact=self._redact)

            async def one(trial_dir: TrialDir) -> None:
                async with places:
                    verdict = await grader.grade(trial_dir, self._suite.task(trial_dir.task))
                name = {"agent": trial_dir.agent, "task": trial_dir.task, "n": trial_dir.n}
                entry = {"at": now(), "event": "graded", "outcome": verdict.outcome, **name}
                self._run.journal.append(JournalEntry.model_validate(entry))
                work.done(f"{trial_dir.agent} {trial_dir.task} #{trial_dir.n}: {verdict.outcome.replace('_', ' ')}")

            with first_error():
                async with asyncio.TaskGroup() as group:
                    for trial_dir in wanted:
                        group.create_task(one(trial_dir))


def conclude(run: RunDir, *, as_json: bool) -> None:
    """Print every agent's solve rate and cost, for people and, if asked for, as JSON."""
    from worktrial.analyse.summary import agents_json, summarise

    summary = summarise(run, agents.CONTROLS)
    for agent in summary.agents:
        talk.print(_agent_line(agent), markup=False, soft_wrap=True)
    faults = print_faults(run, summary)
    verified = print_verified(summary)
    if as_json:
        print_json({**agents_json(summary), **faults, **verified})


def _agent_line(agent: AgentSummary) -> str:
    from worktrial.analyse.words import count, money, percent

    rate = agent.rate
    if rate is None:
        said = "no graded trial"
    else:
        said = f"solved {percent(rate.mean)} (95% CI {percent(rate.low)} to {percent(rate.high)})"
    forged = f"; {count(agent.tampered, 'trial')} tampered with, not solved" if agent.tampered else ""
    if agent.control:
        return f"{agent.name} (control): {said}{forged}"
    cost = agent.cost.total_usd
    if cost is None:
        spent = "; cost unknown" if agent.cost.attempts else ""
    elif agent.solved:
        spent = f"; {money(agent.cost_per_completed_usd)} per completed task, {money(cost)} in all"
    else:
        spent = f"; {money(cost)} in all"
    return f"{agent.name}: {said}{forged}{spent}"
