"""The thorough check of an accepted task: its tests in changed order, alone, in parallel, in shifted surroundings."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import get_args

from worktrial.analyse.flips import flip_bound
from worktrial.analyse.ledger import still_decides
from worktrial.curate.bench import KEPT_TAIL, Bench, by_status
from worktrial.curate.classify import Kind, kind
from worktrial.formats.base import now
from worktrial.formats.candidate import Candidate
from worktrial.formats.evidence import Decision, Ended, State, Status, TestRun, Thorough, Variant
from worktrial.formats.task import ExpectedTests, Task
from worktrial.languages import load
from worktrial.languages.protocol import BuiltEnvironment, TestPlan, TestReport
from worktrial.sandboxes.layers import tree_layer

_RUNS: tuple[tuple[State, Variant, int], ...] = (
    *(("solution", "default", index) for index in range(4)),
    ("solution", "reversed", 0),
    *(("solution", "shuffled", index) for index in range(2)),
    ("solution", "alone", 0),
    ("solution", "parallel", 0),
    ("solution", "shifted", 0),
    *(("tests", variant, 0) for variant in ("default", "reversed", "shuffled", "shifted")),
    ("base", "default", 0),
)
"""Ten runs with the solution and five without. None has network, so that is no run of its own."""
_MOST_ALONE = 40
"""Deciding tests that are run alone, the first by name; each costs a process."""
_PROCESSES = 4
"""Of a parallel run."""


async def check(bench: Bench, candidate: Candidate, decision: Decision) -> Decision:
    """Return the decision on an accepted candidate after a thorough check, and write its task anew if tests flipped.

    Runs that are in the evidence are not made again. Raises `SandboxError` and the like: the decision before stands.
    """
    task = bench.suite.task(candidate.id)
    language = load(candidate.language)
    base = tree_layer(bench.git, task.base_tree)
    environment = await language.build(bench.suite.environment(task.environment), bench.sandbox, base.files)
    runs = [await _run(bench, candidate, environment, task, which) for which in _RUNS]
    before = [record for record in bench.records(candidate) if isinstance(record, TestRun) and record.variant is None]
    flipped = flips(task.tests, before, runs)
    solution_runs = [run for run in (*before, *runs) if run.state == "solution"]
    clean = sum(run.variant != "alone" for run in solution_runs)
    thorough = Thorough(
        solution_runs=len(solution_runs),
        before_runs=len(before) + len(runs) - len(solution_runs),
        clean_runs=clean,
        flipped=flipped,
        flip_bound=flip_bound(0, clean),
    )
    changed = {"thorough": thorough, "decided_at": now(), "unstable": (*decision.unstable, *flipped)}
    if not still_decides(task, flipped):
        detail = f"{len(flipped)} tests flip, {next(iter(flipped))} among them; none that decides is left"
        return decision.model_copy(update={**changed, "accepted": False, "reason": "unstable", "detail": detail})
    if flipped:
        suite = bench.suite
        patches = {which: suite.patch(task.id, which) for which in ("solution", "tests")}
        suite.write_task(without(task, flipped), prompt=suite.prompt(task.id), **patches)
    return decision.model_copy(update=changed)


def flips(expected: ExpectedTests, before: Sequence[TestRun], runs: Sequence[TestRun]) -> dict[str, tuple[str, ...]]:
    """Return the expected tests that did something else in `runs` than in those `before`, and what it was."""
    usual: dict[State, dict[str, set[Kind]]] = {state: {} for state in get_args(State)}
    for run in before:
        statuses = run.statuses()
        for test in expected.all():
            usual[run.state].setdefault(test, set()).add(kind(test, run, statuses))
    found: dict[str, list[str]] = {}
    for run in runs:
        statuses = run.statuses()
        for test in expected.all():
            if run.variant == "alone" and test not in statuses:
                continue
            did = kind(test, run, statuses)
            if usual[run.state].get(test, {did}) != {did}:
                said = statuses.get(test) or statuses.get(test.split("::", 1)[0]) or did
                found.setdefault(test, []).append(f"{run.state}, {run.variant} {run.index + 1}: {said}")
    return {test: tuple(said) for test, said in found.items()}


def without(task: Task, tests: Iterable[str]) -> Task:
    """Return a task that does not expect `tests`."""
    gone = set(tests)
    kept = {
        name: tuple(test for test in getattr(task.tests, name) if test not in gone)
        for name in ExpectedTests.model_fields
    }
    expected = ExpectedTests(**kept)
    files = tuple(sorted({test.split("::", 1)[0] for test in expected.all()}))
    return task.model_copy(update={"tests": expected, "test_files": files})


async def _run(
    bench: Bench,
    candidate: Candidate,
    environment: BuiltEnvironment,
    task: Task,
    which: tuple[State, Variant, int],
) -> TestRun:
    """Return one run of the check, from the evidence when it is there."""
    state, variant, index = which
    for record in bench.records(candidate):
        if isinstance(record, TestRun) and (record.state, record.variant, record.index) == which:
            return record
    tree, language, started_at = bench.tree(candidate, state), load(candidate.language), now()
    plans = _plans(task, bench.files(tree), variant, zlib.crc32(task.id.encode()) % 100_000 + index, started_at)
    reports: list[TestReport] = []
    for together in plans:
        reports += await bench.test_together(language, tree, environment, together, task.test_timeout_s)
    run = TestRun(
        state=state,
        variant=variant,
        index=index,
        shuffle_seed=plans[0][0].shuffle_seed,
        started_at=started_at,
        wall_s=round(sum(report.wall_s for report in reports), 3),
        ended=_worst(reports),
        exit_code=next((report.exit_code for report in reports if report.exit_code), reports[0].exit_code),
        outcomes=by_status(_merged(reports)),
        output_tail=bench.printed("".join(report.output[-KEPT_TAIL:] for report in reports if report.exit_code != 0)),
    )
    bench.record(candidate, run)
    return run


def _plans(
    task: Task, present: Iterable[str], variant: Variant, seed: int, at: datetime
) -> Sequence[Sequence[TestPlan]]:
    """Return what to run: one fresh copy for each inner sequence, whose plans run at the same time."""
    files = set(present)
    ids = tuple(test for test in task.tests.all() if test.split("::", 1)[0] in files)
    if variant == "alone":
        deciding = sorted({*ids}.difference(task.tests.pass_to_pass))[:_MOST_ALONE]
        return [[TestPlan(ids=(test,))] for test in deciding] or [[TestPlan(ids=ids)]]
    if variant == "parallel":
        return [[TestPlan(ids=part) for part in _dealt(ids)]]
    if variant == "shifted":
        return [[TestPlan(ids=ids, env=_shifted(at))]]
    return [[TestPlan(ids=ids, reverse=variant == "reversed", shuffle_seed=seed if variant == "shuffled" else None)]]


def _dealt(ids: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the tests dealt file by file over processes; those of a single file in two halves."""
    by_file: dict[str, list[str]] = {}
    for test in ids:
        by_file.setdefault(test.split("::", 1)[0], []).append(test)
    if len(by_file) == 1:
        half = (len(ids) + 1) // 2
        return [part for part in (tuple(ids[:half]), tuple(ids[half:])) if part]
    hands: list[list[str]] = [[] for _ in range(min(_PROCESSES, len(by_file)))]
    for place, tests in enumerate(by_file.values()):
        hands[place % len(hands)] += tests
    return [tuple(hand) for hand in hands] or [()]


def _shifted(at: datetime) -> Mapping[str, str]:
    """Return surroundings in which it is another day than in UTC, with another hash seed and another language.

    The clock itself cannot be moved without a library that a repository may not have: the day is, by the time zone.
    """
    zone = "SHIFT-14" if at.hour >= 10 else "SHIFT+12"  # POSIX: the sign is of what to add to get UTC
    return {"TZ": zone, "PYTHONHASHSEED": "4242", "LANG": "C", "LC_ALL": "C"}


def _merged(reports: Iterable[TestReport]) -> dict[str, Status]:
    found: dict[str, Status] = {}
    for report in reports:
        for test, status in report.statuses.items():
            if found.get(test, "passed") == "passed":  # a file of two halves may fail to import in one of them
                found[test] = status
    return found


def _worst(reports: Sequence[TestReport]) -> Ended:
    return next((report.ended for report in reports if report.ended != "completed"), "completed")
