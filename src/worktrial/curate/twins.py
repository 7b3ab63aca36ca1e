"""Finding a task's twins: changed copies of its tests that the validated solution fails every time, by an assertion."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping

from worktrial.curate.bench import Bench
from worktrial.errors import first_error
from worktrial.formats.candidate import Candidate
from worktrial.formats.task import ExpectedTests, Twin
from worktrial.languages import load
from worktrial.languages.protocol import BuiltEnvironment, TestPlan, TwinFile

_SEEDS = 2
"""Twins of a file: each changes another place of a test that has several."""
_RUNS = 2
"""Runs of each with the solution: a test that passes once, or fails otherwise, is left out."""
_ASSERTIONS = frozenset({"AssertionError", "Failed"})


async def find_twins(
    bench: Bench, candidate: Candidate, environment: BuiltEnvironment, expected: ExpectedTests, timeout_s: float
) -> tuple[Twin, ...]:
    """Return the twins of the deciding tests' files that hold on the solution, one for each file and seed."""
    by_file: dict[str, list[str]] = {}
    for test in expected.deciding():
        by_file.setdefault(test.split("::", 1)[0], []).append(test)
    found: list[Twin] = []
    for seed in range(_SEEDS):
        files = await asyncio.to_thread(_changed, bench, candidate, by_file, seed)
        fresh = {path: twin for path, twin in files.items() if _digest(twin) not in {one.sha256 for one in found}}
        if fresh:
            found += await _hold(bench, candidate, environment, fresh, seed=seed, timeout_s=timeout_s)
    return tuple(found)


def _changed(bench: Bench, candidate: Candidate, by_file: Mapping[str, list[str]], seed: int) -> dict[str, TwinFile]:
    language, tree = load(candidate.language), bench.trees(candidate).solution_tree
    found = {}
    for path, tests in by_file.items():
        try:
            text = (bench.git.blob(tree, path) or b"").decode("utf-8")
        except UnicodeDecodeError:
            continue
        if twin := language.twin(text, tests, seed):
            found[path] = twin
    return found


async def _hold(
    bench: Bench,
    candidate: Candidate,
    environment: BuiltEnvironment,
    files: Mapping[str, TwinFile],
    *,
    seed: int,
    timeout_s: float,
) -> list[Twin]:
    """Return twins of `files` with those of their tests that fail as they must in every run on the solution."""
    solution = bench.trees(candidate).solution_tree
    texts = {path: twin.text.encode() for path, twin in files.items()}
    tree = await asyncio.to_thread(bench.git.with_files, solution, texts)
    plan = TestPlan(ids=tuple(test for twin in files.values() for test in twin.tests))
    language = load(candidate.language)
    with first_error():
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(bench.test(language, tree, environment, plan, timeout_s, near=solution))
                for _ in range(_RUNS)
            ]
    reports = [task.result() for task in running]

    def holds(test: str, by_exception: bool) -> bool:
        return all(
            report.ended == "completed"
            and report.statuses.get(test) == "failed"
            and (by_exception or report.exceptions.get(test) in _ASSERTIONS)
            for report in reports
        )

    found = []
    for path, twin in files.items():
        if tests := tuple(test for test, by_exception in twin.tests.items() if holds(test, by_exception)):
            found.append(Twin(file=path, seed=seed, sha256=_digest(twin), tests=tests, changes=twin.changes))
    return found


def _digest(twin: TwinFile) -> str:
    return hashlib.sha256(twin.text.encode()).hexdigest()
