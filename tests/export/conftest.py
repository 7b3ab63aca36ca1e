"""A run with everything in it that an export has to get across."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.report.fakerun import (
    CONTROLS,
    HOSTILE,
    FakeTrial,
    agent,
    control,
    make_run,
    make_suite,
    simple_tasks,
    trajectory,
)

from worktrial.formats.run import AgentConfig
from worktrial.store.run import RunDir

FORMULA = '=HYPERLINK("https://evil.example","click")'
BYTES = "caf\udce9 \x00 \x1b[31m"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """Return a run of three tasks, two trials each: one of every outcome, one set aside, hostile text."""
    folder = tmp_path_factory.mktemp("export")
    suite = make_suite(folder / "suite", simple_tasks(3))
    ids = suite.task_ids()
    kinds = {
        (0, 1): FakeTrial("solved", 0.5, trajectory=trajectory("looking", HOSTILE)),
        (0, 2): FakeTrial("not_solved", None, detail=FORMULA, failed={"tests/a.py::test_x[=1+1]": "failed"}),
        (1, 1): FakeTrial("tampered", 0.25, cause="forged_report", detail=BYTES),
        (1, 2): FakeTrial("infrastructure", cause="gateway", detail=BYTES, trajectory=trajectory(BYTES)),
        (2, 1): FakeTrial("ungraded"),
        (2, 2): FakeTrial("unfinished"),
    }

    def outcome(config: AgentConfig, task: str, n: int) -> FakeTrial:
        return kinds[ids.index(task), n] if config.name == "alpha" else control(config)

    made = make_run(folder / "run", suite, [agent("alpha", model="m-1"), *CONTROLS], 2, outcome)
    first = made.trial_dir("alpha", ids[0], 1)
    shutil.copytree(first.path, first.path.with_name("1.attempt-1"))
    (first.path.with_name("1.attempt-1") / "verdict.json").unlink()
    trial = json.loads((first.path / "trial.json").read_text())
    trial["tool_use"] = {"calls": {"edit": 2, "run_test": 1}, "tests_after_last_edit": 1}
    (first.path / "trial.json").write_text(json.dumps(trial))
    return made
