"""The thorough check: what depends on order, company or surroundings is found, dropped, and remembered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.workshop import Repository, Shell, lines

from worktrial.curate import thorough
from worktrial.formats.base import now
from worktrial.formats.evidence import State, Status, TestRun, Variant
from worktrial.formats.task import ExpectedTests
from worktrial.store.suite import Suite

OLD = "def old():\n    return 1\n"
NEW = OLD + "\n\ndef new():\n    return 2\n"
STEADY = """import os, time
from pkg import a

found = []


def test_first():
    found.append(1)
    assert a.old() == 1


def test_needs_the_first():
    assert found == [1]


def test_of_the_day():
    assert time.strftime('%d') == time.strftime('%d', time.gmtime())


def test_alone_or_not():
    assert a.old() == 1


def test_new():
    assert a.new() == 2
"""
SHAKY = """import os
from pkg import b


def test_old():
    assert b.old() == 1


def test_new():
    assert b.new() == 2
    assert os.environ['LANG'] != 'C'
"""


@pytest.fixture
def two(new_repository: Callable[[], Repository], tmp_path: Path) -> Suite:
    repo = new_repository()
    before = STEADY.partition("\n\ndef test_new")[0] + "\n"
    repo.commit(
        "Start",
        {"pkg/__init__.py": "", "pkg/a.py": OLD, "pkg/b.py": OLD, "tests/test_a.py": before, "tests/test_b.py": ""},
    )
    made = {
        "steady": repo.commit("Steady", {"pkg/a.py": NEW, "tests/test_a.py": STEADY}),
        "shaky": repo.commit("Shaky", {"pkg/b.py": NEW, "tests/test_b.py": SHAKY}),
    }
    return repo.suite(tmp_path / "suite", made)


def checks(suite: Suite, name: str) -> list[dict[str, Any]]:
    records = lines(suite.path / f"evidence/{name}.jsonl")
    return [record for record in records if record["record"] == "test_run" and record["variant"]]


@pytest.mark.slow
def test_what_flips_is_dropped_with_its_history_and_a_task_that_nothing_decides_any_more_is_rejected(
    two: Suite, shell: Shell
) -> None:
    assert shell("validate", two.path, "--runs", "1", "--json").json["funnel"] == {"accepted": 2}
    ended = shell("validate", two.path, "--runs", "1", "--thorough", "--json")
    assert ended.json["funnel"] == {"accepted": 1, "unstable": 1}, ended.err
    assert two.task_ids() == ["steady"]
    decision = two.decision("steady")
    assert decision is not None
    assert decision.thorough is not None
    flipped = decision.thorough.flipped
    # In shuffled order it passes or not as chance has it; reversed never.
    assert set(flipped) == {"tests/test_a.py::test_needs_the_first", "tests/test_a.py::test_of_the_day"}
    assert "solution, reversed 1: failed" in flipped["tests/test_a.py::test_needs_the_first"]
    assert flipped["tests/test_a.py::test_of_the_day"][0] == "solution, shifted 1: failed"
    assert not set(two.task("steady").tests.all()) & set(flipped)
    assert two.task("steady").tests.fail_to_pass == ("tests/test_a.py::test_new",)
    said = ended.json["thorough"]
    assert (said["tasks"], said["flipped"], said["rejected"], said["runs"]) == (2, 3, 1, 10)
    assert said["flip_bound_per_test"] == pytest.approx(1 - 0.05 ** (1 / 10))
    assert "one time in ten" in ended.err
    counted = {(run["state"], run["variant"]) for run in checks(two, "steady")}
    assert len(checks(two, "steady")) == 15
    assert {variant for state, variant in counted if state == "solution"} == {
        "default", "reversed", "shuffled", "alone", "parallel", "shifted",
    }  # fmt: skip
    again = shell("validate", two.path, "--runs", "1", "--thorough", "--json")
    assert again.json["funnel"] == {"accepted": 1, "unstable": 1}
    assert len(checks(two, "steady")) == 15
    assert "nothing had changed" in again.err
    # A validation without the check leaves what it found.
    assert shell("validate", two.path, "--runs", "1", "--json").json["funnel"] == {"accepted": 1, "unstable": 1}


@pytest.mark.slow
def test_a_check_that_was_cut_off_goes_on_where_it_was(two: Suite, shell: Shell) -> None:
    shell("validate", two.path, "--runs", "1", "--thorough")
    path = two.path / "evidence/steady.jsonl"
    whole = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole[:-3]))  # the decision and two runs are lost
    assert two.decision("steady") is not None  # that of the validation before
    ended = shell("validate", two.path, "--runs", "1", "--thorough", "--json")
    assert ended.json["accepted"] == 1, ended.err
    assert path.read_text().splitlines(keepends=True)[: len(whole) - 3] == whole[:-3]
    assert len(path.read_text().splitlines()) == len(whole)


def run(state: State, variant: Variant | None, **statuses: Status) -> TestRun:
    outcomes: dict[Status, tuple[str, ...]] = {}
    for test, status in statuses.items():
        outcomes[status] = (*outcomes.get(status, ()), f"t.py::{test}")
    return TestRun(
        state=state, index=0, variant=variant, shuffle_seed=None, started_at=now(), wall_s=1.0, ended="completed",
        exit_code=0, outcomes=outcomes,
    )  # fmt: skip


BEFORE = [run("solution", None, new="passed", old="passed"), run("tests", None, new="failed", old="passed")]
EXPECTED = ExpectedTests(fail_to_pass=("t.py::new",), pass_to_pass=("t.py::old",))


def test_a_test_flips_on_either_side() -> None:
    runs = [run("solution", "reversed", new="passed", old="error"), run("tests", "default", new="passed", old="passed")]
    assert thorough.flips(EXPECTED, BEFORE, runs) == {
        "t.py::new": ("tests, default 1: passed",),
        "t.py::old": ("solution, reversed 1: error",),
    }


def test_a_failure_of_another_kind_is_no_flip_and_tests_that_were_not_run_alone_say_nothing() -> None:
    runs = [run("tests", "shifted", new="error", old="passed"), run("solution", "alone", new="passed")]
    assert thorough.flips(EXPECTED, BEFORE, runs) == {}


def test_a_test_that_does_not_come_flips() -> None:
    assert thorough.flips(EXPECTED, BEFORE, [run("solution", "parallel", old="passed")]) == {
        "t.py::new": ("solution, parallel 1: missing",)
    }


@pytest.mark.parametrize("hour", range(24))
def test_the_shifted_day_is_another_than_that_of_utc(hour: int) -> None:
    sign, hours = thorough._shifted(datetime(2026, 1, 15, hour, 30, tzinfo=UTC))["TZ"].removeprefix("SHIFT")[0], 0
    hours = int(thorough._shifted(datetime(2026, 1, 15, hour, 30, tzinfo=UTC))["TZ"].removeprefix(f"SHIFT{sign}"))
    local = hour + 0.5 + (hours if sign == "-" else -hours)
    assert local < 0 or local >= 24


def test_files_are_dealt_over_processes_and_every_test_is_run_once() -> None:
    ids = [f"tests/test_{file}.py::test_{number}" for file in range(6) for number in range(3)]
    hands = thorough._dealt(ids)
    assert len(hands) == 4
    assert sorted(test for hand in hands for test in hand) == sorted(ids)
    assert [len(hand) for hand in thorough._dealt(ids[:3])] == [2, 1]
