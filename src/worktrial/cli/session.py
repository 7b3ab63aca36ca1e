"""The long commands as objects that the command line and the demo share: work, progress, and the words around it."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from worktrial import agents
from worktrial.cli.controls import enter_oracles
from worktrial.cli.output import print_funnel, talk
from worktrial.cli.progress import Work, seconds, working
from worktrial.cli.proofs import require_proofs
from worktrial.cli.retired import print_retired
from worktrial.cli.stability import print_moves
from worktrial.curate.bench import Settings
from worktrial.curate.validate import PASSING, Summary, chosen, validate
from worktrial.errors import FormatError, UsageError
from worktrial.formats.base import now
from worktrial.formats.candidate import Candidate
from worktrial.formats.evidence import Decision
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

REASONS = {
    "accepted": "a stable test fails without the change and passes with it",
    "no_fail_to_pass": "no test tells the change from its absence",
    "unstable": "its tests do not do the same every time",
    "broken_by_solution": "a test that passed before fails with the change",
    "solution_fails": "no test passes even with the change",
    "environment_failed": "its environment could not be built",
    "needs_build": "touches sources that need a compiler",
    "no_test_change": "its tests are the same before and after",
    "no_source_change": "its source is the same before and after",
    "no_tests_ran": "no test was found to run",
    "missing_objects": "the clone lacks objects of it",
    "needs_secret": "its code names people or holds keys, and may not do the same without",
    "leaks_solution": "an agent could find the change in its workspace or packages",
    "infrastructure": "the sandbox failed",
}


class Validation:
    """`validate` with progress on the terminal."""

    def __init__(
        self,
        suite: Suite,
        sandbox: Sandbox,
        settings: Settings,
        limit: int | None = None,
        *,
        only: Collection[str] | None = None,
        retry_infrastructure: bool = False,
    ) -> None:
        """`only` are the ids of the candidates it is about; None: all."""
        self._only = only
        self._suite = suite
        self._sandbox = sandbox
        self._settings = settings
        self._limit = limit
        self._retry_infrastructure = retry_infrastructure
        self._reasons: Counter[str] = Counter()

    async def run(self) -> Summary:
        """Validate, and return what it came to. Raises `FormatError` for a suite without candidates."""
        left_out = print_retired(self._suite, [one.id for one in chosen(self._suite, self._limit, only=self._only)])
        total = len(chosen(self._suite, self._limit, only=self._only, skip=left_out))
        if not total and self._only is None and not left_out:
            raise FormatError(
                f"{self._suite.path} has no candidates", hint="find some: worktrial mine REPO --suite DIR"
            )
        with working("Validating", total) as work:

            def listen(candidate: Candidate, decision: Decision | None) -> None:
                if decision is not None:
                    self._reasons[decision.reason] += 1
                    work.done(_decision_line(candidate, decision))

            def watch(doing: Mapping[str, int]) -> None:
                under_way = ", ".join(f"{what} ({count})" if count > 1 else what for what, count in doing.items())
                work.now("; ".join([f"{self._reasons['accepted']} accepted", *([under_way] if under_way else [])]))

            return await validate(
                self._suite,
                self._sandbox,
                self._settings,
                limit=self._limit,
                only=self._only,
                skip=left_out,
                retry_infrastructure=self._retry_infrastructure,
                listen=listen,
                watch=watch,
            )

    @property
    def decided(self) -> int:
        """How many candidates were decided by this call."""
        return sum(self._reasons.values())

    def print_funnel(self, summary: Summary) -> None:
        """Print how many candidates ended how."""
        rows = [(reason, count, REASONS.get(reason, "")) for reason, count in summary.funnel.items()]
        print_funnel("Candidates", rows)
        if any(reason in PASSING for reason in summary.funnel):
            again = shlex.join(("worktrial", "validate", str(self._suite.path), "--retry-infrastructure"))
            talk.print(f"Was it the network, or this machine? Then: {again}", markup=False, soft_wrap=True)


def _decision_line(candidate: Candidate, decision: Decision) -> str:
    if decision.accepted:
        counts = decision.counts
        deciding = counts.get("fail_to_pass", 0) + counts.get("missing_to_pass", 0)
        detail = f"{deciding} deciding, {counts.get('pass_to_pass', 0)} guarding tests"
    else:
        detail = f"{decision.reason}: {decision.detail}" if decision.detail else decision.reason
    mark = "✓" if decision.accepted else "·"
    return f"{mark} {candidate.commit[:10]} {_title(candidate)[:60]} — {detail[:160]}"


def _title(candidate: Candidate) -> str:
    """Return what a change is told by: what it asks for, where its subject names a branch and no more."""
    if not candidate.subject.startswith("Merge "):
        return candidate.subject
    return next((line.strip() for line in candidate.prompt.splitlines() if line.strip()), candidate.subject)


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
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            scratch = stack.enter_context(scratch_folder())
            if gateway is not None:
                await stack.enter_async_context(gateway.listening(scratch, port=self._sandbox.tier == "landlock"))
            work = stack.enter_context(working("Running", len(trials), finished))
            limits = self._request.limits
            store = scratch / "attempts.git"
            attempts = Attempts(self._suite, self._sandbox, store, limits, budgets.run, gateway=gateway)
            grader = Grader(self._suite, self._sandbox, scratch / "grader.git", limits, aside.tests)
            tasks = {task: self._suite.task(task) for task in self._request.tasks}
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
            loop.add_signal_handler(signal.SIGINT, self._on_interrupt)
            try:
                progress = await work_off(
                    crew,
                    trials,
                    jobs=self._jobs,
                    stop=self._stop,
                    listen=lambda *what: self._show(work, budgets.run, *what),
                )
            finally:
                loop.remove_signal_handler(signal.SIGINT)
        return progress

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
        money = f"; {known}${budget.spent_usd:.2f}" if budget.spent_usd or not budget.known else ""
        why = verdict.cause if verdict is not None and verdict.cause else trial.cause
        took = seconds(trial.timings.agent_s)
        line = (
            f"{_MARKS.get(outcome, '·')} {trial_dir.agent} {trial_dir.task} #{trial_dir.n}: "
            f"{outcome.replace('_', ' ')}{f' ({why})' if why else ''}, {took}"
        )
        work.done(line if self._each else None)
        work.now(self._standing() + money)

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
