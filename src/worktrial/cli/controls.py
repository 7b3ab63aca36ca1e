"""The controls of a run: what they say of the suite, aloud, and what its ledger keeps of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worktrial.cli.output import talk
from worktrial.store.run import RunDir
from worktrial.store.suite import Suite

if TYPE_CHECKING:
    from worktrial.analyse.summary import RunSummary

_MOST = 5
Moves = tuple[list[tuple[str, str]], list[tuple[str, str]]]
"""Task and test of what went into quarantine, and of what came back."""


def print_faults(run: RunDir, summary: RunSummary) -> dict[str, Any]:
    """Warn when the landed change does not solve a task or nothing does, naming the tests; return it for JSON."""
    kinds = {agent.name: agent.config.kind for agent in summary.controls}
    oracle: dict[str, set[str]] = {}
    nop: set[str] = set()
    late: set[str] = set()
    for row in summary.rows:
        kind = kinds.get(row.agent)
        if kind == "oracle" and row.outcome == "not_solved":
            verdict = run.trial_dir(row.agent, row.task, row.n).verdict()
            oracle.setdefault(row.task, set()).update(verdict.failed if verdict is not None else ())
            late |= {row.task} if row.cause == "tests_timed_out" else set()
        elif kind == "nop" and row.outcome == "solved":
            nop.add(row.task)
    for task, tests in sorted(oracle.items()):
        named = ", ".join(sorted(tests)[:_MOST]) + (f" and {len(tests) - _MOST} more" if len(tests) > _MOST else "")
        _warn(f"the landed change does not solve {task}: {named or 'its tests did not come to their end'}")
    if late:
        _warn(f"tests ran out of time; was the machine busy? Then grade again: worktrial grade {run.path}")
    for task in sorted(nop):
        _warn(f"doing nothing solves {task}: its tests do not tell the change from its absence")
    if oracle or nop:
        _warn("what this run says of the agents on these tasks cannot be trusted")
    return {
        "controls": {
            "present": sorted(set(kinds.values())),
            "oracle_fails": {task: sorted(tests) for task, tests in sorted(oracle.items())},
            "nop_solves": sorted(nop),
        }
    }


def _warn(text: str) -> None:
    talk.print(f"WARNING: {text}", markup=False, soft_wrap=True, style="bold red")


def enter_oracles(suite: Suite, run: RunDir) -> Moves:
    """Add the oracle's graded trials of a run to the suite's ledger, each once, and return what that moved."""
    from worktrial.analyse.ledger import Ledger

    ledger = Ledger(suite)
    request, lock = run.request(), run.lock()
    tasks = [suite.task(task) for task in request.tasks]
    before = {(task.id, test) for task in tasks for test in ledger.quarantined(task)}
    for config in request.everyone():
        for task in tasks if config.kind == "oracle" else ():
            for n in range(1, request.trials_of(config) + 1):
                trial_dir = run.trial_dir(config.name, task.id, n)
                trial, verdict = trial_dir.trial(), trial_dir.verdict()
                if trial is None or verdict is None or verdict.ended is None:
                    continue  # not the tests' doing
                did = {**verdict.failed, **verdict.quarantined}
                # Where the runner did not come to its end, a test it had no time for has not failed.
                missing = [test for test, status in did.items() if status == "missing" and verdict.ended != "completed"]
                failed = {test: status for test, status in did.items() if status != "passed" and test not in missing}
                key = f"{lock.started_at.isoformat()} {config.name} {n} {trial.started_at.isoformat()}"
                ledger.add(task, "oracle", key, failed=failed, unseen=missing)
    after = {(task.id, test) for task in tasks for test in ledger.quarantined(task)}
    return sorted(after - before), sorted(before - after)
