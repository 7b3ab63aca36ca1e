"""Choosing tests: pure functions."""

from __future__ import annotations

from worktrial.curate.selection import Measured, plan_for, select
from worktrial.formats.base import now
from worktrial.formats.candidate import Candidate, FileChange, Role
from worktrial.formats.evidence import Selection
from worktrial.languages import load

PYTHON = load("python")


def candidate(**files: Role) -> Candidate:
    changes = tuple(
        FileChange(path=path.replace("__", "/") + ".py", status="M", role=role, added=1, removed=0)
        for path, role in files.items()
    )
    return Candidate(
        id="c",
        commit="1" * 40,
        parent="2" * 40,
        kind="commit",
        commits=(),
        landed_at=now(),
        subject="s",
        message="m",
        prompt="p",
        removed=(),
        language="python",
        files=changes,
    )


CHANGE = candidate(pkg__parse="source", tests__test_parse="test", tests__helper="test")
LINES = {"pkg/parse.py": (1, 2, 3)}


def measured(covering: dict[str, dict[str, tuple[int, ...]]] | None = None, *more: str) -> Measured:
    files = {"tests/test_parse.py", "tests/test_other.py", "tests/test_parse_more.py", *more}
    return Measured("completed", complete=True, files=frozenset(files), covering=covering or {}, tests=3, wall_s=1.0)


def test_touched_files_are_those_that_have_tests() -> None:
    assert select(PYTHON, CHANGE, LINES, measured(), 10).touched == ("tests/test_parse.py",)


def test_tests_of_the_same_module_guard_and_are_not_named_twice() -> None:
    assert select(PYTHON, CHANGE, LINES, measured(), 10).same_module == ("tests/test_parse_more.py",)


def test_a_test_elsewhere_that_runs_a_changed_line_is_taken_alone() -> None:
    covering: dict[str, dict[str, tuple[int, ...]]] = {
        "tests/test_other.py::test_hit": {"pkg/parse.py": (2, 9)},
        "tests/test_other.py::test_miss": {"pkg/parse.py": (9,)},
        "tests/test_parse.py::test_own": {"pkg/parse.py": (1,)},
    }
    assert select(PYTHON, CHANGE, LINES, measured(covering), 10).covering == ("tests/test_other.py::test_hit",)


def test_of_too_many_covering_tests_those_that_reach_most_are_kept_and_the_rest_counted() -> None:
    covering: dict[str, dict[str, tuple[int, ...]]]
    covering = {f"tests/test_other.py::test_{n}": {"pkg/parse.py": tuple(range(1, n + 1))} for n in (1, 2, 3)}
    found = select(PYTHON, CHANGE, LINES, measured(covering), 2)
    assert found.covering == ("tests/test_other.py::test_2", "tests/test_other.py::test_3")
    assert found.dropped == 1


def test_what_coverage_came_to_is_said() -> None:
    assert select(PYTHON, CHANGE, LINES, measured(), 1).coverage == "measured"
    assert select(PYTHON, CHANGE, LINES, None, 1).coverage == "failed"
    assert select(PYTHON, CHANGE, {}, None, 1).coverage == "no_lines"


def test_without_a_measurement_the_touched_files_that_hold_tests_by_their_names_are_taken() -> None:
    assert select(PYTHON, CHANGE, {}, None, 1).touched == ("tests/test_parse.py",)


def test_a_run_for_which_there_was_no_time_says_nothing_against_a_file_it_did_not_come_to() -> None:
    cut = Measured("completed", complete=False, files=frozenset(), covering={}, tests=0, wall_s=1.0)
    assert select(PYTHON, CHANGE, LINES, cut, 1).touched == ("tests/test_parse.py",)


def test_a_plan_names_only_files_that_the_state_has() -> None:
    selection = Selection(
        touched=("a.py", "gone.py"), covering=("b.py::t", "gone.py::t"), same_module=("c.py",), coverage="measured"
    )
    plan = plan_for(selection, {"a.py", "b.py", "c.py"}, 7)
    assert (plan.files, plan.ids, plan.shuffle_seed) == (("a.py", "c.py"), ("b.py::t",), 7)
