"""Which tasks of two runs can be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.report.fakerun import CONTROLS, FakeTrial, agent, make_run, make_suite, simple_tasks

from worktrial.analyse.versions import mark_of, shared_tasks
from worktrial.formats.run import AgentConfig
from worktrial.formats.task import ExpectedTests
from worktrial.store.files import write_json
from worktrial.store.run import RunDir
from worktrial.store.suite import Suite


def solved(config: AgentConfig, task: str, n: int) -> FakeTrial:
    return FakeTrial()


def run_on(suite: Suite, folder: Path, *, marks: bool = True, version: int = 1) -> RunDir:
    run = make_run(folder, suite, [agent("a"), *CONTROLS], 1, solved)
    if marks:
        found = {task.id: mark_of(suite, task) for task in suite.tasks()}
        lock = run.lock().model_copy(update={"marks": found, "suite_version": version})
        write_json(run.path / "lock.json", lock)
    return run


def test_runs_on_the_same_suite_share_everything(tmp_path: Path) -> None:
    suite = make_suite(tmp_path / "suite", simple_tasks(3))
    shared = shared_tasks(run_on(suite, tmp_path / "one", marks=False), run_on(suite, tmp_path / "two", marks=False))
    assert (list(shared.tasks), shared.apart, shared.moved, shared.same_suite) == (suite.task_ids(), {}, (), True)
    assert shared.sentence() == "Both runs are on the same 3 tasks."


def test_a_task_is_shared_when_prompt_tests_and_way_back_are_the_same(tmp_path: Path) -> None:
    suite = make_suite(tmp_path / "suite", simple_tasks(6))
    one = run_on(suite, tmp_path / "one")
    kept, moved, prompt, tests, mode, gone = suite.task_ids()
    changed: dict[str, dict[str, Any]] = {
        moved: {
            "base_tree": "4" * 40,
            "tests": suite.task(moved).tests.model_copy(update={"pass_to_pass": ("t::new",)}),
        },
        tests: {"tests": ExpectedTests(fail_to_pass=("tests/test_core.py::test_other",))},
        mode: {"mode": "parent"},
        prompt: {},
    }
    for name, changes in changed.items():
        asked = "Something else" if name == prompt else suite.prompt(name)
        task = suite.task(name).model_copy(update=changes)
        suite.write_task(task, prompt=asked, solution=b"", tests=b"")
    (suite.task_dir(gone) / "task.toml").unlink()
    shared = shared_tasks(one, run_on(suite, tmp_path / "two", version=2))
    assert shared.tasks == (kept, moved)
    assert shared.moved == (moved,)
    assert shared.apart == {
        prompt: "other_prompt", tests: "other_tests", mode: "other_way_back", gone: "only_first",
    }  # fmt: skip
    assert shared.sentence().startswith(
        "Compared on the 2 tasks that version 1 and version 2 of the suite share unchanged"
    )


def test_a_run_that_does_not_say_what_its_tasks_were_shares_none_with_another_version(tmp_path: Path) -> None:
    suite = make_suite(tmp_path / "suite", simple_tasks(2))
    one = run_on(suite, tmp_path / "one", marks=False)
    first = suite.task_ids()[0]
    suite.write_task(suite.task(first), prompt="Something else", solution=b"", tests=b"")
    shared = shared_tasks(one, run_on(suite, tmp_path / "two", version=2))
    assert shared.tasks == ()
    assert shared.reasons() == {"not_recorded": 2}
