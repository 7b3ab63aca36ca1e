"""Validating a whole suite: every candidate, newest first, several at a time, from where it was stopped."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from worktrial.curate.bench import Bench, Settings
from worktrial.curate.environments import Environments
from worktrial.curate.prove import prove
from worktrial.errors import StorageError, WorktrialError, first_error
from worktrial.formats.base import now
from worktrial.formats.candidate import Candidate
from worktrial.formats.evidence import CoverageRun, Decision, EnvironmentUse, Started, TestRun
from worktrial.sandboxes.protocol import Sandbox
from worktrial.store.cache import digest
from worktrial.store.files import writing
from worktrial.store.git import objects_dir, open_repository, scratch_repository
from worktrial.store.scratch import scratch_folder
from worktrial.store.suite import Suite

_VERSION = "2"
"""Raised when validation itself changes, so that earlier decisions do not count."""

PASSING = ("infrastructure", "environment_failed")
"""Reasons that may lie in the machine or the network and not in the candidate."""


@dataclass(frozen=True)
class Summary:
    """What a validation came to."""

    funnel: dict[str, int]
    """Candidates by reason, most frequent first; accepted ones under `accepted`."""
    candidates: int
    accepted: int
    test_s: float
    """Summed wall-clock seconds of the test processes this call started."""


Listener = Callable[[Candidate, Decision | None], None]
"""Called when work on a candidate begins (no decision yet) and when it ends."""


async def validate(
    suite: Suite,
    sandbox: Sandbox,
    settings: Settings,
    *,
    limit: int | None = None,
    retry_infrastructure: bool = False,
    listen: Listener | None = None,
) -> Summary:
    """Validate the newest `limit` candidates (None: all) and return the funnel over them.

    What was decided before with the same inputs is not run again, and neither are single test runs of a candidate that
    was stopped half-way; `retry_infrastructure` decides again what was rejected for a reason in `PASSING`. Raises
    `RepositoryError` when the suite's repository is gone, `StorageError` on a full disk.
    """
    info = suite.info()
    candidates = list(suite.candidates)[:limit]
    keys = {candidate.id: input_key(candidate, info.head, settings) for candidate in candidates}
    decisions = {candidate.id: decided(suite, candidate, keys[candidate.id]) for candidate in candidates}
    if retry_infrastructure:
        decisions = {name: done if done and done.reason not in PASSING else None for name, done in decisions.items()}
    pending = [candidate for candidate in candidates if decisions[candidate.id] is None]
    test_s = 0.0
    if pending:
        repository = open_repository(Path(info.repository))
        with scratch_folder() as scratch:
            git = scratch_repository(scratch / "scratch.git", objects_dir(repository))
            bench = Bench(
                suite=suite,
                git=git,
                sandbox=sandbox,
                settings=settings,
                head=info.head,
                candidates=candidates,
                keys=keys,
            )
            await bench.prepare()
            await _work_off(bench, pending, decisions, listen)
            test_s = bench.test_s
    reasons = Counter(decision.reason for decision in decisions.values() if decision is not None)
    return Summary(dict(reasons.most_common()), len(candidates), reasons["accepted"], test_s)


async def _work_off(
    bench: Bench, pending: list[Candidate], decisions: dict[str, Decision | None], listen: Listener | None
) -> None:
    """Decide all pending candidates. More are begun than tests may run at once, so that no processor waits for git."""
    queue = iter(pending)
    environments = Environments(bench)

    async def work() -> None:
        for candidate in queue:
            if listen is not None:
                listen(candidate, None)
            decision = await _decide(bench, environments, candidate)
            decisions[candidate.id] = decision
            if listen is not None:
                listen(candidate, decision)

    with first_error():
        async with asyncio.TaskGroup() as workers:
            for _ in range(bench.settings.jobs + 2):
                workers.create_task(work())


async def _decide(bench: Bench, environments: Environments, candidate: Candidate) -> Decision:
    """Prove one candidate and record the decision; its own failures are its own, a full disk is everybody's."""
    key = bench.keys[candidate.id]
    if not any(isinstance(record, Started) and record.input_key == key for record in bench.records(candidate)):
        bench.record(candidate, Started(input_key=key, started_at=now()))
    try:
        decision = await prove(bench, environments, candidate)
    except StorageError:
        raise
    except WorktrialError as error:
        decision = bench.decide(candidate, accepted=False, reason="infrastructure", detail=str(error))
    if not decision.accepted:
        _withdraw(bench.suite.task_dir(candidate.id))
    bench.record(candidate, decision)
    return decision


def _withdraw(task: Path) -> None:
    """Remove the task that an earlier validation, less thorough or of an older head, made of a candidate."""
    if task.exists():
        with writing(task):
            (task / "task.toml").unlink(missing_ok=True)  # first: a task without it is none
            shutil.rmtree(task)


def input_key(candidate: Candidate, head: str, settings: Settings) -> str:
    """Return the hash of all that a decision depends on."""
    return digest(_VERSION, candidate.model_dump_json(), head, settings.key())


def decided(suite: Suite, candidate: Candidate, key: str) -> Decision | None:
    """Return the decision on a candidate if it was made from the same inputs; an accepted task must be there too."""
    decision = suite.decision(candidate.id)
    if decision is None or decision.input_key != key:
        return None
    if decision.accepted and not (suite.task_dir(candidate.id) / "task.toml").exists():
        return None
    return decision


def test_seconds(suite: Suite) -> float:
    """Return the summed wall-clock seconds of every test process in the suite's evidence."""
    return sum(
        record.wall_s
        for candidate in suite.candidates
        for record in suite.evidence(candidate.id)
        if isinstance(record, TestRun | CoverageRun | EnvironmentUse)
    )
