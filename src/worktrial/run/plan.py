"""Planning a run: what to do in which order, what is done already, and whether a run may go on."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from os import cpu_count

from worktrial import __version__
from worktrial.agents import CONTROLS
from worktrial.analyse.ledger import Ledger, still_decides
from worktrial.analyse.reviews import retired_by_reviewers
from worktrial.analyse.versions import mark_of
from worktrial.errors import UsageError
from worktrial.formats.base import now
from worktrial.formats.run import AgentConfig, RunLock, RunRequest
from worktrial.sandboxes.protocol import Sandbox
from worktrial.store.git import Git
from worktrial.store.presence import NAME as PRESENCE
from worktrial.store.run import RunDir, TrialDir
from worktrial.store.suite import Suite

_MAY_CHANGE = {"budget_usd", "budget_tokens"}
"""Settings of a run that may differ when it is resumed: they do not change what a trial is."""


@dataclass(frozen=True)
class Quarantine:
    """What does not count in a run."""

    tests: dict[str, tuple[str, ...]]
    """Expected tests that have failed with the landed solution, by task."""
    tasks: tuple[str, ...]
    """Tasks none of whose deciding tests is left."""


def quarantine(suite: Suite, run: RunDir) -> Quarantine:
    """Return what is set aside: as it was when a run began, or by the suite's ledger now for one that has not."""
    if run.exists:
        lock = run.lock()
        return Quarantine(lock.quarantined, lock.set_aside)
    ledger = Ledger(suite)
    tasks = suite.tasks()
    tests = {task.id: found for task in tasks if (found := ledger.quarantined(task))}
    hollow = tuple(task.id for task in tasks if task.id in tests and not still_decides(task, tests[task.id]))
    return Quarantine(tests, hollow)


def controls_for(agents: Sequence[AgentConfig]) -> tuple[AgentConfig, ...]:
    """Return the controls that are not among `agents` already, under names that are free."""
    names, kinds = {agent.name for agent in agents}, {agent.kind for agent in agents}
    return tuple(
        AgentConfig(name=kind if kind not in names else f"control-{kind}", kind=kind)
        for kind in CONTROLS
        if kind not in kinds
    )


def make_lock(suite: Suite, sandbox: Sandbox, aside: Quarantine, agents: Mapping[str, str]) -> RunLock:
    """Return what this machine would run with now; `agents` are the versions of their programs by name."""
    tasks, retired = suite.tasks(), retired_by_reviewers(suite)
    try:
        prices = f"genai-prices {version('genai-prices')}"
    except PackageNotFoundError:
        prices = "unknown"
    return RunLock(
        worktrial=__version__,
        python=platform.python_version(),
        git=Git(suite.store).text("--version").removeprefix("git version "),
        sandbox=sandbox.tier,
        sandbox_detail=sandbox.detail,
        machine=f"{sys.platform} {platform.release()} {platform.machine()}, {cpu_count()} processors",
        suite_digest=suite.digest(),
        suite_version=suite.info().version,
        marks={task.id: mark_of(suite, task, aside.tests.get(task.id, ())) for task in tasks},
        retired={task.id: retired[task.id] for task in tasks if task.id in retired},
        quarantined=aside.tests,
        set_aside=aside.tasks,
        prices=prices,
        agents=dict(agents),
        started_at=now(),
    )


def check_place(run: RunDir) -> None:
    """Raise `UsageError` when the folder of a run that has not begun holds something else."""
    if run.exists or not run.path.exists():
        return
    if not run.path.is_dir():
        raise UsageError(f"{run.path} is not a folder", hint="choose another with --out")
    # A lock without its run.toml was left by one that was killed while it began.
    ours = ("lock.json", PRESENCE)
    if any(not path.name.lstrip(".").startswith(ours) for path in run.path.iterdir()):
        raise UsageError(f"{run.path} is not empty and holds no run", hint="choose another folder with --out")


def start_or_resume(run: RunDir, request: RunRequest, lock: RunLock) -> bool:
    """Write the run's files, or check that what is asked is what was asked before; return whether it resumes.

    Raises `UsageError` when the folder holds another request, or the suite or sandbox has changed.
    """
    if not run.exists:
        run.create(request, lock)
        return False
    before, lock_before = run.request(), run.lock()
    changed = [
        name
        for name in RunRequest.model_fields
        if name not in _MAY_CHANGE and _asked(before, name) != _asked(request, name)
    ]
    if changed:
        raise UsageError(
            f"{run.path} holds a run that was asked for differently",
            cause=f"these differ: {', '.join(changed)}",
            hint="choose another folder with --out, or ask for the same to resume it",
        )
    for name, what in (
        ("suite_digest", "the suite"),
        ("sandbox", "the isolation"),
        ("agents", "the version of an agent"),
    ):
        if getattr(lock_before, name) != getattr(lock, name):
            raise UsageError(
                f"{what} is not what the run in {run.path} was started with",
                cause=f"{getattr(lock_before, name)} then, {getattr(lock, name)} now",
                hint="choose another folder with --out",
            )
    if before != request:
        run.create(request, lock_before)
    return True


def _asked(request: RunRequest, name: str) -> object:
    """Return a setting as it is compared: what may be spent on an agent does not change what its trials are."""
    return [agent.without_budget() for agent in request.agents] if name == "agents" else getattr(request, name)


def in_order(trials: Iterable[TrialDir]) -> list[TrialDir]:
    """Return trials so that every agent gets on equally: all first trials before any second, task by task."""
    return sorted(trials, key=lambda trial: (trial.n, trial.task))


def is_finished(trial_dir: TrialDir, *, retry_infrastructure: bool) -> bool:
    """Whether a trial needs no further attempt. One that the budget stopped was never finished."""
    trial = trial_dir.trial()
    if trial is None or trial.ended == "budget":
        return False
    if not retry_infrastructure:
        return True
    verdict = trial_dir.verdict()
    return trial.ended != "infrastructure" and (verdict is None or verdict.outcome != "infrastructure")
