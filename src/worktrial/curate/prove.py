"""Proving one candidate: cheap reasons to reject first, test runs last."""

from __future__ import annotations

import asyncio
import functools

from worktrial.curate.bench import Bench
from worktrial.curate.classify import Classes, classify, judge, may_decide
from worktrial.curate.environments import Environments
from worktrial.curate.leaks import Secret, prove_no_leaks, refusal
from worktrial.curate.relevance import Change, against_coverage, rank
from worktrial.curate.selection import Measured, select
from worktrial.curate.twins import find_twins
from worktrial.errors import EnvironmentBuildError, RepositoryError, first_error
from worktrial.formats.base import now
from worktrial.formats.candidate import Candidate
from worktrial.formats.evidence import CoverageRun, Decision, LeakProof, Relevance, Selection, State, TestRun
from worktrial.formats.task import Environment, Task, Twin
from worktrial.languages import load
from worktrial.languages.protocol import BuiltEnvironment
from worktrial.sandboxes.crowded import crowding

_SLACK = 10.0
"""How many times as long as with the solution a test process may take before it is ended."""
_LEAST_TIMEOUT_S = 60.0


async def prove(bench: Bench, environments: Environments, candidate: Candidate) -> Decision:
    """Return the decision on a candidate, writing its task when it is accepted and evidence on the way."""
    if (hopeless := _without_running(bench, candidate)) is not None:
        return hopeless
    try:
        recipe, environment = await environments.choose(candidate)
    except EnvironmentBuildError as error:
        return bench.decide(candidate, accepted=False, reason="environment_failed", detail=str(error))
    selection = await _select(bench, candidate, environment)
    bench.record(candidate, selection)
    if not (selection.touched or selection.covering or selection.same_module):
        return bench.decide(candidate, accepted=False, reason="no_tests_ran", detail="no test was found to run")
    return await _run(bench, candidate, recipe, environment, selection)


def _without_running(bench: Bench, candidate: Candidate) -> Decision | None:
    """Return the decision on a candidate that its trees alone rule out."""
    language = load(candidate.language)
    if built := [path for path in candidate.paths("source") if language.needs_build(path)]:
        return bench.decide(candidate, accepted=False, reason="needs_build", detail=", ".join(built[:3]))
    if (private := bench.withheld(candidate)) is not None:
        return bench.decide(candidate, accepted=False, reason="needs_secret", detail=private)
    try:
        trees = bench.trees(candidate)
    except RepositoryError as error:
        return bench.decide(candidate, accepted=False, reason="missing_objects", detail=str(error))
    bench.record(candidate, trees)
    if trees.tests_tree == trees.base_tree:
        return bench.decide(candidate, accepted=False, reason="no_test_change")
    if trees.solution_tree == trees.tests_tree:
        return bench.decide(candidate, accepted=False, reason="no_source_change")
    return None


async def _select(bench: Bench, candidate: Candidate, environment: BuiltEnvironment) -> Selection:
    lines = bench.lines(candidate)
    measured: Measured | None = None
    if lines:
        measured, started = await bench.measure(candidate, environment)
        wall_s = measured.wall_s if started else 0.0
        bench.record(candidate, CoverageRun(wall_s=round(wall_s, 3), ended=measured.ended, tests=measured.tests))
        if measured.ended != "completed" or not measured.files:
            # What it did not come to is not known to have no tests: one that hangs must not cost the others.
            measured = None
    present = bench.files(bench.trees(candidate).solution_tree)
    limit = bench.settings.covering_limit
    if measured is not None:
        bench.record(candidate, await asyncio.to_thread(_relevance, bench, candidate, measured))
    selection = select(load(candidate.language), candidate, lines, measured, limit, present=present)
    return selection.model_copy(update={"environment": environment.key})


def _relevance(bench: Bench, candidate: Candidate, measured: Measured) -> Relevance:
    """Return how the test files rank for a candidate, held against what its changed lines were run by."""
    tests, trees, lines = bench.test_texts(candidate), bench.trees(candidate), bench.lines(candidate)
    source = candidate.paths("source")
    words = bench.git.diff(trees.tests_tree, trees.solution_tree, source).decode("utf-8", "replace")
    change = Change(
        prompt=candidate.prompt,
        source=source,
        words="\n".join(line[1:] for line in words.split("\n") if line.startswith(("+", "-"))),
    )
    covering = {
        test.split("::", 1)[0]
        for test, ran in measured.covering.items()
        if any(set(lines.get(path, ())) & set(numbers) for path, numbers in ran.items())
    }
    return against_coverage(rank(change, tests, bench.together(candidate), load(candidate.language)), covering)


async def _run(
    bench: Bench, candidate: Candidate, recipe: Environment, environment: BuiltEnvironment, selection: Selection
) -> Decision:
    timeout_s = bench.settings.timeout_s

    async def run(state: State, index: int) -> TestRun:
        return await bench.run(candidate, environment, selection, state=state, index=index, timeout_s=timeout_s)

    solution = await run("solution", 0)
    if solution.ended != "completed":
        detail = f"with the solution, the tests ended by: {solution.ended.replace('_', ' ')}"
        return bench.decide(candidate, accepted=False, reason=f"solution_{solution.ended}", detail=detail)
    if not solution.outcomes.get("passed"):
        detail = "no test passes with the solution"
        return bench.decide(candidate, accepted=False, reason="solution_fails", detail=detail)
    timeout_s = min(timeout_s, max(_LEAST_TIMEOUT_S, _SLACK * solution.wall_s) * crowding())
    tests = await run("tests", 0)
    if not may_decide(tests, solution):
        return _conclude(bench, candidate, classify((), [tests], [solution]))
    more = [(state, index) for index in range(1, bench.settings.runs) for state in ("solution", "tests")]
    wanted: list[tuple[State, int]] = [("base", index) for index in range(bench.settings.runs)]
    wanted += [("solution" if state == "solution" else "tests", index) for state, index in more]
    with first_error():
        async with asyncio.TaskGroup() as group:
            begun = [group.create_task(run(state, index)) for state, index in wanted]
    runs = [solution, tests, *(task.result() for task in begun)]
    by_state = {state: [run for run in runs if run.state == state] for state in ("base", "tests", "solution")}
    classes = classify(by_state["base"], by_state["tests"], by_state["solution"])
    decision = _conclude(bench, candidate, classes)
    if decision.accepted:
        proof = await _look_for_answers(bench, candidate, environment)
        if proof.findings:
            return decision.model_copy(update=refusal(proof))
        bench.suite.write_leak_proof(candidate.id, proof)
        twins = await find_twins(bench, candidate, environment, classes.expected(), timeout_s)
        write = functools.partial(_write_task, solution=by_state["solution"], twins=twins)
        await asyncio.to_thread(write, bench, candidate, recipe, classes)
    return decision


async def _look_for_answers(bench: Bench, candidate: Candidate, environment: BuiltEnvironment) -> LeakProof:
    """Search the workspace as an agent would get it, and record what was looked at."""
    trees = bench.trees(candidate)
    secret = Secret(trees.base_tree, trees.tests_tree, trees.solution_tree)
    async with bench.processors:
        with bench.activity.doing("looking for answers in reach"):
            proof = await prove_no_leaks(bench.git, bench.sandbox, load(candidate.language), environment, secret)
    bench.record(candidate, proof)
    return proof


def _conclude(bench: Bench, candidate: Candidate, classes: Classes) -> Decision:
    accepted, reason, detail = judge(classes)
    return Decision(
        input_key=bench.keys[candidate.id],
        accepted=accepted,
        reason=reason,
        detail=detail,
        counts=classes.counts(),
        unstable=classes.unstable,
        broken=classes.broken,
        decided_at=now(),
    )


def _write_task(
    bench: Bench,
    candidate: Candidate,
    recipe: Environment,
    classes: Classes,
    *,
    solution: list[TestRun],
    twins: tuple[Twin, ...],
) -> None:
    trees = bench.trees(candidate)
    expected = classes.expected()
    slowest_s = max(run.wall_s for run in solution)
    bench.suite.keep_tree(bench.git, trees.base_tree)
    bench.suite.write_environment(recipe)
    task = Task(
        id=candidate.id,
        language=candidate.language,
        mode=trees.mode,
        commit=candidate.commit,
        landed_at=candidate.landed_at,
        base_tree=trees.base_tree,
        tests_tree=trees.tests_tree,
        solution_tree=trees.solution_tree,
        environment=recipe.key,
        source_files=candidate.paths("source", "docs", "config", "other"),
        test_files=tuple(sorted({test.split("::", 1)[0] for test in expected.all()})),
        tests=expected,
        test_timeout_s=max(_LEAST_TIMEOUT_S, _SLACK * slowest_s),
        unproven=tuple(sorted({test for run in solution for test in run.unproven} & set(expected.all()))),
        evidence=tuple(sorted({kind for run in solution for kind in run.evidence})),
        twins=twins,
        prompt_kind=candidate.prompt_kind,
        prompts=candidate.prompts,
        provenance=candidate.provenance,
        work=candidate.work,
    )
    bench.suite.write_task(
        task,
        prompt=candidate.prompt,
        solution=bench.git.diff(trees.tests_tree, trees.solution_tree),
        tests=bench.git.diff(trees.base_tree, trees.tests_tree),
    )
