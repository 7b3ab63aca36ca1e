"""Validating a whole suite: every candidate, newest first, several at a time, from where it was stopped."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from worktrial.analyse.ledger import Ledger
from worktrial.curate.activity import Activity, Watch
from worktrial.curate.bench import Bench, Settings
from worktrial.curate.environments import Environments
from worktrial.curate.prove import prove
from worktrial.curate.thorough import check
from worktrial.errors import StorageError, WorktrialError, first_error
from worktrial.formats.base import now
from worktrial.formats.candidate import Candidate
from worktrial.formats.evidence import Decision, Relevance, Started, TestRun, newest
from worktrial.formats.suite import SuiteInfo
from worktrial.sandboxes.protocol import Sandbox
from worktrial.store.authors import known_names
from worktrial.store.cache import digest
from worktrial.store.files import writing
from worktrial.store.git import objects_dir, open_repository, scratch_repository
from worktrial.store.scratch import scratch_folder
from worktrial.store.suite import Suite

_VERSION = "2"
"""Raised when validation itself changes, so that earlier decisions do not count."""

PASSING = ("infrastructure", "environment_failed")
"""Reasons that may lie in the machine or the network and not in the candidate."""
_HEARD_S = 0.1
"""A terminal's Ctrl-C can end what we started before we hear of it ourselves: then that is no reason."""


@dataclass(frozen=True)
class Summary:
    """What a validation came to."""

    funnel: dict[str, int]
    """Candidates by reason, most frequent first; accepted ones under `accepted`."""
    candidates: int
    accepted: int
    test_s: float
    """Summed wall-clock seconds of the test processes this call started."""
    decisions: tuple[Decision, ...]
    quarantined: tuple[tuple[str, str], ...]
    """Task and test of what the ledger sets aside since this call."""
    returned: tuple[tuple[str, str], ...]
    """The same of what has come back."""
    relevance: tuple[Relevance, ...] = ()
    """The newest ranking of each candidate's test files that was held against coverage."""


Listener = Callable[[Candidate, Decision | None], None]
"""Called when work on a candidate begins (no decision yet) and when it ends."""


async def validate(
    suite: Suite,
    sandbox: Sandbox,
    settings: Settings,
    *,
    limit: int | None = None,
    only: Collection[str] | None = None,
    skip: Collection[str] = (),
    retry_infrastructure: bool = False,
    listen: Listener | None = None,
    watch: Watch | None = None,
) -> Summary:
    """Validate the newest `limit` candidates (None: all) and return the funnel over them.

    `only` are the ids of the candidates it is about (None: all), `skip` of those that are left as they are.

    What was decided before with the same inputs is not run again, and neither are single test runs of a candidate that
    was stopped half-way; `retry_infrastructure` decides again what was rejected for a reason in `PASSING`. Raises
    `RepositoryError` when the suite's repository is gone, `StorageError` on a full disk.
    """
    info = suite.info()
    candidates = chosen(suite, limit, only=only, skip=skip)
    keys = {candidate.id: input_key(candidate, info, settings) for candidate in candidates}
    decisions = {candidate.id: decided(suite, candidate, keys[candidate.id]) for candidate in candidates}
    if retry_infrastructure:
        decisions = {name: done if done and done.reason not in PASSING else None for name, done in decisions.items()}
    pending = [candidate for candidate in candidates if _is_open(decisions[candidate.id], settings)]
    ledger = Ledger(suite)
    before = _set_aside(suite, ledger)
    test_s = 0.0
    if pending:
        async with _bench(suite, sandbox, settings, candidates, keys, activity=Activity(watch)) as bench:
            await _work_off(bench, ledger, pending, decisions, listen)
            test_s = bench.test_s
    reasons = Counter(decision.reason for decision in decisions.values() if decision is not None)
    after = _set_aside(suite, ledger)
    return Summary(
        funnel=dict(reasons.most_common()),
        candidates=len(candidates),
        accepted=reasons["accepted"],
        test_s=test_s,
        decisions=tuple(decision for decision in decisions.values() if decision is not None),
        quarantined=tuple(sorted(after - before)),
        returned=tuple(sorted(before - after)),
        relevance=_relevance(suite, candidates),
    )


@contextlib.asynccontextmanager
async def _bench(
    suite: Suite,
    sandbox: Sandbox,
    settings: Settings,
    candidates: list[Candidate],
    keys: dict[str, str],
    *,
    activity: Activity,
) -> AsyncIterator[Bench]:
    """Give a bench over the suite's repository, with every candidate put back."""
    info = suite.info()
    repository = open_repository(Path(info.repository))
    with scratch_folder() as scratch:
        bench = Bench(
            suite=suite,
            git=scratch_repository(scratch / "scratch.git", objects_dir(repository)),
            sandbox=sandbox,
            settings=settings,
            head=info.head,
            candidates=candidates,
            keys=keys,
            known=known_names(repository) if info.redacted else None,
            activity=activity,
        )
        with activity.doing("putting changes back"):
            await bench.prepare()
        yield bench


def chosen(
    suite: Suite, limit: int | None, *, only: Collection[str] | None = None, skip: Collection[str] = ()
) -> list[Candidate]:
    """Return the candidates a validation is about, newest first."""
    wanted = [one for one in suite.candidates if only is None or one.id in only][:limit]
    return [one for one in wanted if one.id not in skip]


def _relevance(suite: Suite, candidates: list[Candidate]) -> tuple[Relevance, ...]:
    told = (newest(suite.evidence(candidate.id), Relevance) for candidate in candidates)
    return tuple(one for one in told if one is not None)


def _is_open(decision: Decision | None, settings: Settings) -> bool:
    return decision is None or (settings.thorough and decision.accepted and decision.thorough is None)


def _set_aside(suite: Suite, ledger: Ledger) -> set[tuple[str, str]]:
    return {(task.id, test) for task in suite.tasks() for test in ledger.quarantined(task)}


async def _work_off(
    bench: Bench,
    ledger: Ledger,
    pending: list[Candidate],
    decisions: dict[str, Decision | None],
    listen: Listener | None,
) -> None:
    """Decide all pending candidates. More are begun than tests may run at once, so that no processor waits for git."""
    queue = iter(pending)
    environments = Environments(bench)

    async def work() -> None:
        for candidate in queue:
            if listen is not None:
                listen(candidate, None)
            decision = decisions[candidate.id]
            if decision is None:
                decision = await _decide(bench, environments, candidate)
                if decision.accepted:
                    _enter(bench, ledger, candidate, "validate")
            if _is_open(decision, bench.settings):
                decision = await _check(bench, ledger, candidate, decision)
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
        await asyncio.sleep(_HEARD_S)
        decision = bench.decide(candidate, accepted=False, reason="infrastructure", detail=str(error))
    if not decision.accepted:
        _withdraw(bench.suite.task_dir(candidate.id))
    bench.record(candidate, decision)
    return decision


async def _check(bench: Bench, ledger: Ledger, candidate: Candidate, decision: Decision) -> Decision:
    """Check an accepted candidate thoroughly and record the decision after it; one that fails leaves that before."""
    try:
        checked = await check(bench, candidate, decision)
    except StorageError:
        raise
    except WorktrialError as error:
        return decision.model_copy(update={"detail": f"could not be checked thoroughly: {error}"})
    _enter(bench, ledger, candidate, "thorough")
    if not checked.accepted:
        _withdraw(bench.suite.task_dir(candidate.id))
    bench.record(candidate, checked)
    return checked


def _enter(bench: Bench, ledger: Ledger, candidate: Candidate, source: Literal["validate", "thorough"]) -> None:
    """Add the runs with the solution to the suite's ledger: those of the validation, or of the check."""
    task = bench.suite.task(candidate.id)
    for run in bench.records(candidate):
        if isinstance(run, TestRun) and run.state == "solution" and (run.variant is None) == (source == "validate"):
            statuses = run.statuses()
            did = {test: statuses.get(test) or statuses.get(test.split("::", 1)[0]) for test in task.tests.all()}
            ledger.add(
                task,
                source,
                f"{run.started_at.isoformat()} {run.variant} {run.index}",
                failed={test: status for test, status in did.items() if status not in ("passed", None)},
                unseen=[test for test, status in did.items() if status is None],
            )


def _withdraw(task: Path) -> None:
    """Remove the task that an earlier validation, less thorough or of an older head, made of a candidate."""
    if task.exists():
        with writing(task):
            (task / "task.toml").unlink(missing_ok=True)  # first: a task without it is none
            shutil.rmtree(task)


def input_key(candidate: Candidate, info: SuiteInfo, settings: Settings) -> str:
    """Return the hash of all that a decision depends on."""
    kept = () if info.redacted is None else (f"redacted {info.redacted}",)
    return digest(_VERSION, candidate.model_dump_json(), info.head, settings.key(), *kept)


def decided(suite: Suite, candidate: Candidate, key: str) -> Decision | None:
    """Return the decision on a candidate if it was made from the same inputs; an accepted task must be there too."""
    decision = suite.decision(candidate.id)
    if decision is None or decision.input_key != key:
        return None
    if decision.accepted and not (suite.task_dir(candidate.id) / "task.toml").exists():
        return None
    return decision
