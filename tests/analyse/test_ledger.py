"""The ledger: each run counts once, for the tests it had, of the task as it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from worktrial.analyse.flips import Seen
from worktrial.analyse.ledger import Ledger, still_decides
from worktrial.formats.base import now
from worktrial.formats.task import ExpectedTests, Task
from worktrial.store.suite import Suite


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path / "suite")


def task(tests: Iterable[str] = ("t.py::new", "t.py::old"), solution_tree: str = "s") -> Task:
    first, *rest = tests
    return Task(
        id="a", language="python", mode="backout", commit="c", landed_at=now(), base_tree="b", tests_tree="t",
        solution_tree=solution_tree, environment="e", source_files=(), test_files=("t.py",), test_timeout_s=60.0,
        tests=ExpectedTests(fail_to_pass=(first,), pass_to_pass=tuple(rest)),
    )  # fmt: skip


def test_each_run_counts_once_however_often_it_is_added(suite: Suite) -> None:
    for _ in range(2):
        ledger = Ledger(suite)
        ledger.add(task(), "validate", "1", failed={})
        ledger.add(task(), "oracle", "1", failed={"t.py::new": "failed"})
        ledger.add(task(), "oracle", "2", failed={}, unseen=["t.py::old"])
    for read in (ledger, Ledger(suite)):
        assert read.seen(task()) == {"t.py::new": Seen(3, 1), "t.py::old": Seen(2, 0)}
    assert [entry.record for entry in suite.ledger] == ["tests", "run", "run", "run"]


def test_a_test_that_failed_is_set_aside_until_enough_runs_were_clean(suite: Suite) -> None:
    ledger = Ledger(suite)
    ledger.add(task(), "oracle", "bad", failed={"t.py::new": "failed"})
    assert ledger.quarantined(task()) == ("t.py::new",)
    assert not still_decides(task(), ledger.quarantined(task()))
    for number in range(28):
        assert ledger.quarantined(task()) == ("t.py::new",)
        ledger.add(task(), "oracle", f"good {number}", failed={})
    assert ledger.quarantined(task()) == ()
    assert still_decides(task(), ())


def test_what_was_seen_of_other_trees_does_not_count(suite: Suite) -> None:
    ledger = Ledger(suite)
    ledger.add(task(), "oracle", "1", failed={"t.py::new": "failed"})
    assert ledger.quarantined(task(solution_tree="other")) == ()
    ledger.add(task(solution_tree="other"), "oracle", "1", failed={})
    assert Ledger(suite).seen(task(solution_tree="other"))["t.py::new"] == Seen(1, 0)


def test_a_test_that_joins_later_has_only_its_own_runs(suite: Suite) -> None:
    ledger = Ledger(suite)
    ledger.add(task(), "validate", "1", failed={})
    ledger.add(task(["t.py::new", "t.py::old", "t.py::more"]), "validate", "2", failed={})
    assert Ledger(suite).seen(task(["t.py::new", "t.py::more"])) == {"t.py::new": Seen(2), "t.py::more": Seen(1)}


def test_no_ledger_quarantines_nothing(suite: Suite) -> None:
    assert Ledger(suite).quarantined(task()) == ()
    assert not suite.ledger.path.exists()
