"""A run as the command line and the demo show it: its work, its progress, and the words around it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from worktrial import agents
from worktrial.analyse.words import duration, money
from worktrial.cli.controls import enter_oracles
from worktrial.cli.output import talk
from worktrial.cli.progress import Work, working
from worktrial.cli.proofs import require_proofs
from worktrial.cli.stability import print_moves
from worktrial.errors import UsageError
from worktrial.formats.base import now
from worktrial.formats.journal import JournalEntry
from worktrial.formats.run import AgentConfig, RunRequest
from worktrial.formats.trial import Trial
from worktrial.formats.verdict import Verdict
from worktrial.gateway.limits import Budget
from worktrial.grade.grader import Grader
from worktrial.run.attempt import Attempts
from worktrial.run.plan import Quarantine, check_place, in_order, is_finished, make_lock, quarantine, start_or_resume
from worktrial.run.schedule import Crew, Progress, Stop, work_off
from worktrial.sandboxes.protocol import Sandbox
from worktrial.store.history import note_run
from worktrial.store.presence import beat, working_in
from worktrial.store.run import RunDir, TrialDir
from worktrial.store.scratch import scratch_folder
from worktrial.store.suite import Suite

if TYPE_CHECKING:
    from worktrial.agents.protocol import Agent
    from worktrial.run.budgets import Budgets
    from worktrial.run.link import GatewayLink


class Campaign:
    """A run: its plan, its progress, and its end."""

    def __init__(
        self, suite: Suite, run: RunDir, request: RunRequest, sandbox: Sandbox, jobs: int, *, each: bool = True
    ) -> None:
        """`each` says whether every trial gets a line of its own."""
        self._each = each
        self._suite = suite
        self._run = run
        self._request = request
        self._sandbox = sandbox
        self._jobs = jobs
        self._counts: Counter[tuple[str, str]] = Counter()
        self._stop = Stop()

    async def work(self, *, retry_infrastructure: bool = False) -> Progress:
        """Do all trials that are not done.

        Raises `UsageError` when the request does not fit what is there, or another process is at work there.
        """
        # The gateway's web server is not for those who only validate, or called this wrongly.
        from worktrial.agents.real.attempt import Real
        from worktrial.run.budgets import Budgets
        from worktrial.run.link import gateway_for

        loaded = {config.name: (agents.load(config), config) for config in self._request.everyone()}
        aside = quarantine(self._suite, self._run)
        versions = {name: agent.version for name, (agent, _) in loaded.items() if isinstance(agent, Real)}
        lock = make_lock(self._suite, self._sandbox, aside, versions)
        # What the gateway refuses is refused before anything is written.
        budgets = Budgets(self._request)
        gateway = gateway_for(self._request, budgets)
        check_place(self._run)
        async with self._at_work():
            resumed = start_or_resume(self._run, self._request, lock)
            note_run(self._run)
            self._note("resumed" if resumed else "started")
            progress = await self._work_off(loaded, aside, budgets, gateway, retry_infrastructure=retry_infrastructure)
            print_moves(*enter_oracles(self._suite, self._run))
            if progress.left:
                self._note("drained", "interrupted" if self.stopped else "budget")
            else:
                self._note("finished")
            return progress

    @contextlib.asynccontextmanager
    async def _at_work(self) -> AsyncIterator[None]:
        """Hold the run's folder, and let whoever looks see that somebody does."""
        with working_in(self._run.path) as sign:
            beating = asyncio.create_task(beat(sign))
            try:
                yield
            except asyncio.CancelledError:
                if self._run.exists:
                    self._note("drained", "interrupted")
                raise
            finally:
                beating.cancel()

    async def _work_off(
        self,
        loaded: Mapping[str, tuple[Agent, AgentConfig]],
        aside: Quarantine,
        budgets: Budgets,
        gateway: GatewayLink | None,
        *,
        retry_infrastructure: bool,
    ) -> Progress:
        trials = in_order(self._run.trial_dirs())
        budgets.charge_past(trials)
        finished = sum(is_finished(trial, retry_infrastructure=retry_infrastructure) for trial in trials)
        if finished:
            talk.print(f"{finished} of {len(trials)} trials are done already", markup=False)
        async with contextlib.AsyncExitStack() as stack:
            scratch = stack.enter_context(scratch_folder())
            if gateway is not None:
                await stack.enter_async_context(gateway.listening(scratch, port=self._sandbox.tier == "landlock"))
            work = stack.enter_context(working("Running", len(trials), finished))
            limits, tasks = self._request.limits, {task: self._suite.task(task) for task in self._request.tasks}
            store = scratch / "attempts.git"
            attempts = Attempts(self._suite, self._sandbox, store, limits, budgets.run, gateway=gateway)
            grader = Grader(self._suite, self._sandbox, scratch / "grader.git", limits, aside.tests)
            await require_proofs(self._suite, self._sandbox, tasks.values(), scratch / "proofs.git", self._jobs)
            crew = Crew(
                agents=loaded,
                tasks=tasks,
                attempts=attempts,
                grade=grader.grade,
                budgets=budgets,
                journal=self._run.journal,
                retry_infrastructure=retry_infrastructure,
            )
            stack.enter_context(self._interruptible())
            show = partial(self._show, work, budgets.run)
            return await work_off(crew, trials, jobs=self._jobs, stop=self._stop, listen=show)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Let Ctrl-C stop the run after the trials under way, and a second one at once."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._on_interrupt)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    @property
    def stopped(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stop.requested

    def _on_interrupt(self) -> None:
        if self._stop.requested:
            # A second time: now. The trials under way are cut off and made again when the run is resumed.
            for task in asyncio.all_tasks():
                task.cancel()
            return
        self._stop.requested = True
        talk.print("\nStopping after the trials under way; once more stops at once.", markup=False)

    def _note(self, event: str, why: str = "") -> None:
        self._run.journal.append(JournalEntry.model_validate({"at": now(), "event": event, "why": why}))

    def _show(
        self, work: Work, budget: Budget, trial_dir: TrialDir, trial: Trial | None, verdict: Verdict | None
    ) -> None:
        if trial is None:
            return
        outcome = verdict.outcome if verdict is not None else trial.ended
        self._counts[trial_dir.agent, outcome] += 1
        known = "" if budget.known else "at least "
        spent = f"; {known}{money(budget.spent_usd)}" if budget.spent_usd or not budget.known else ""
        why = verdict.cause if verdict is not None and verdict.cause else trial.cause
        line = (
            f"{_MARKS.get(outcome, '·')} {trial_dir.agent} {trial_dir.task} #{trial_dir.n}: "
            f"{outcome.replace('_', ' ')}{f' ({why})' if why else ''}, {duration(trial.timings.agent_s)}"
        )
        work.done(line if self._each else None)
        work.now(self._standing() + spent)

    def _standing(self) -> str:
        """Return what each contender has solved of its graded trials since this call; of many, the sum."""
        named = [agent.name for agent in self._request.agents] or [agent.name for agent in self._request.controls]
        scores = []
        for name in named:
            counts = {outcome: count for (agent, outcome), count in self._counts.items() if agent == name}
            graded = sum(counts.get(outcome, 0) for outcome in ("solved", "not_solved", "tampered"))
            scores.append((name, counts.get("solved", 0), graded))
        if len(scores) > _NAMED:
            scores = [("agents", sum(solved for _, solved, _ in scores), sum(graded for *_, graded in scores))]
        failures = sum(count for (_, outcome), count in self._counts.items() if outcome == "infrastructure")
        solved = "solved: " + ", ".join(f"{name} {solved} of {graded}" for name, solved, graded in scores)
        return solved + (f"; {failures} infrastructure" if failures else "")


_NAMED = 4
"""Contenders that the live line names; it has one line."""
_MARKS = {"solved": "✓", "not_solved": "✗", "tampered": "⚠", "infrastructure": "!"}


def check_names(configs: Sequence[AgentConfig]) -> None:
    """Raise `UsageError` when two agents have the same name."""
    for name, count in Counter(config.name for config in configs).items():
        if count > 1:
            raise UsageError(f"two agents are called {name!r}", hint="give each its own name in worktrial.toml")
