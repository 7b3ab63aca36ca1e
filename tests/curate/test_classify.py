"""Telling tests apart: pure functions, so mostly properties."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worktrial.curate.classify import Classes, classify, judge, may_decide
from worktrial.formats.base import now
from worktrial.formats.evidence import Ended, State, Status, TestRun

TESTS = [f"tests/test_{file}.py::test_{name}" for file in "ab" for name in "xyz"]
FILES = ["tests/test_a.py", "tests/test_b.py"]


def run(
    statuses: dict[str, Status] | None = None, state: State = "solution", index: int = 0, ended: Ended = "completed"
) -> TestRun:
    outcomes: dict[Status, tuple[str, ...]] = {}
    for test, status in (statuses or {}).items():
        outcomes[status] = (*outcomes.get(status, ()), test)
    return TestRun(
        state=state,
        index=index,
        shuffle_seed=None,
        started_at=now(),
        wall_s=1.0,
        ended=ended,
        exit_code=0,
        outcomes=outcomes,
    )


def members(classes: Classes) -> dict[str, tuple[str, ...]]:
    return dict(vars(classes))


statuses = st.dictionaries(st.sampled_from(TESTS), st.sampled_from(get_args(Status)))
whole = st.fixed_dictionaries({}, optional=dict.fromkeys(FILES, st.sampled_from(["uncollected", "skipped"])))
runs = st.builds(
    lambda own, file, ended: run({**own, **file}, ended=ended), statuses, whole, st.sampled_from(get_args(Ended))
)
states = st.lists(runs, max_size=4)


@given(states, states, states)
def test_every_test_that_ran_is_in_exactly_one_class(base: Any, tests: Any, solution: Any) -> None:
    seen = {test for one in (*base, *tests, *solution) for test in one.statuses() if "::" in test}
    found = [test for group in members(classify(base, tests, solution)).values() for test in group]
    assert sorted(found) == sorted(seen)


@given(states, states, states, st.randoms())
def test_the_order_of_runs_does_not_matter(base: Any, tests: Any, solution: Any, random: Any) -> None:
    before = members(classify(base, tests, solution))
    for some in (base, tests, solution):
        random.shuffle(some)
    after = members(classify(base, tests, solution))
    assert {name: sorted(group) for name, group in before.items()} == {
        name: sorted(group) for name, group in after.items()
    }


@given(states, states, states)
def test_the_same_runs_again_change_nothing(base: Any, tests: Any, solution: Any) -> None:
    once, twice = classify(base, tests, solution), classify(base * 2, tests * 2, solution * 2)
    assert members(once) == members(twice)


@given(states, states, states)
def test_what_is_expected_passed_in_every_run_of_the_solution(base: Any, tests: Any, solution: Any) -> None:
    for test in classify(base, tests, solution).expected().all():
        assert solution
        assert {one.statuses().get(test) for one in solution} == {"passed"}


@given(states, states, states)
def test_a_deciding_test_never_passes_without_the_solution(base: Any, tests: Any, solution: Any) -> None:
    classes = classify(base, tests, solution)
    for test in (*classes.fail_to_pass, *classes.missing_to_pass, *classes.skip_to_pass):
        assert all(one.statuses().get(test) != "passed" for one in tests)


@given(states, states, states)
def test_a_task_is_accepted_only_with_a_deciding_test_and_none_broken(base: Any, tests: Any, solution: Any) -> None:
    classes = classify(base, tests, solution)
    accepted, reason, _ = judge(classes)
    assert accepted == (reason == "accepted")
    assert accepted == (bool(classes.fail_to_pass or classes.missing_to_pass) and not classes.broken)


@given(runs, runs, states)
def test_what_one_pair_of_runs_rules_out_no_more_runs_bring_back(tests: Any, solution: Any, more: Any) -> None:
    if not may_decide(tests, solution):
        later = classify((), [tests, *more], [solution, *more])
        assert not later.fail_to_pass
        assert not later.missing_to_pass


@pytest.mark.parametrize(
    ("base", "tests", "solution", "expected"),
    [
        ({}, {"t.py::a": "failed"}, {"t.py::a": "passed"}, "fail_to_pass"),
        ({}, {"t.py": "uncollected"}, {"t.py::a": "passed"}, "fail_to_pass"),
        ({}, {"t.py::a": "error"}, {"t.py::a": "passed"}, "fail_to_pass"),
        ({}, {}, {"t.py::a": "passed"}, "missing_to_pass"),
        ({}, {"t.py": "skipped"}, {"t.py::a": "passed"}, "skip_to_pass"),
        ({}, {"t.py::a": "skipped"}, {"t.py::a": "passed"}, "skip_to_pass"),
        ({"t.py::a": "passed"}, {"t.py::a": "passed"}, {"t.py::a": "passed"}, "pass_to_pass"),
        ({"t.py::a": "passed"}, {"t.py::a": "passed"}, {"t.py::a": "failed"}, "broken"),
        ({"t.py::a": "passed"}, {"t.py::a": "failed"}, {"t.py::a": "failed"}, "broken"),
        ({}, {"t.py::a": "failed"}, {"t.py::a": "failed"}, "failing"),
        ({"t.py::a": "failed"}, {"t.py::a": "failed"}, {"t.py": "uncollected"}, "failing"),
        ({}, {"t.py::a": "failed"}, {"t.py::a": "skipped"}, "uninformative"),
        ({}, {"t.py::a": "xfailed"}, {"t.py::a": "passed"}, "uninformative"),
        ({"t.py::a": "passed"}, {}, {}, "uninformative"),
    ],
)
def test_what_a_test_did_before_and_after_names_its_class(
    base: dict[str, Status], tests: dict[str, Status], solution: dict[str, Status], expected: str
) -> None:
    found = members(classify([run(base)], [run(tests)], [run(solution)]))
    assert {name: group for name, group in found.items() if group} == {expected: ("t.py::a",)}


def test_one_other_answer_in_any_state_makes_a_test_unstable() -> None:
    failed, passed = run({"t.py::a": "failed"}), run({"t.py::a": "passed"})
    assert classify([], [failed, failed], [passed, run({"t.py::a": "failed"})]).unstable == ("t.py::a",)
    assert classify([], [failed, passed], [passed, passed]).unstable == ("t.py::a",)
    assert classify([failed, passed], [failed, failed], [passed, passed]).unstable == ("t.py::a",)


def test_a_test_that_a_cut_off_run_did_not_reach_is_not_known_to_be_missing() -> None:
    cut = run({"t.py::slow": "timeout"}, ended="timeout")
    classes = classify([], [cut], [run({"t.py::slow": "passed", "t.py::later": "passed"})])
    assert classes.fail_to_pass == ("t.py::slow",)
    assert classes.unstable == ("t.py::later",)


def test_tests_that_cannot_even_start_without_the_solution_fail_without_it() -> None:
    """A conftest that imports what the change adds ends pytest before any test: that is a failure of all of them."""
    nothing = run({}, ended="crashed")
    classes = classify([run({"t.py::a": "passed"})], [nothing], [run({"t.py::a": "passed", "t.py::b": "passed"})])
    assert classes.fail_to_pass == ("t.py::a", "t.py::b")
