"""`worktrial report` as it is called."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.report.fakerun import CONTROLS, FakeTrial, agent, by_chance, control, make_run, make_suite, simple_tasks

from worktrial.agents import CONTROLS as KINDS
from worktrial.analyse.summary import summarise
from worktrial.analyse.words import money
from worktrial.cli.grade_command import conclude
from worktrial.formats.run import AgentConfig
from worktrial.store.run import RunDir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    suite = make_suite(tmp_path / "suite", simple_tasks(4))
    outcomes = by_chance({"alpha": 0.5}, {"alpha": 0.25})
    return make_run(tmp_path / "run", suite, [agent("alpha"), *CONTROLS], 2, outcomes)


def worktrial(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "worktrial", "report", *map(str, args)], capture_output=True, text=True, check=False
    )


def test_json_is_the_last_line_of_standard_output_and_talk_is_elsewhere(run: RunDir, tmp_path: Path) -> None:
    done = worktrial(run.path, "--out", tmp_path / "report", "--json")
    assert done.returncode == 0, done.stderr
    agents = json.loads(done.stdout.splitlines()[-1])["agents"]
    assert list(agents) == ["alpha", "oracle", "nop"]
    assert set(agents["alpha"]) == {"tasks", "trials", "solved", "rate", "ci95", "infrastructure"}
    assert agents["oracle"] | {"ci95": None} == {
        "tasks": 4, "trials": 8, "solved": 8, "rate": 1.0, "ci95": None, "infrastructure": 0,
    }  # fmt: skip
    assert str(tmp_path / "report" / "index.html") in done.stderr
    assert "Smoke test" in done.stderr


def test_without_json_standard_output_stays_empty(run: RunDir, tmp_path: Path) -> None:
    done = worktrial(run.path, "--out", tmp_path / "report")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "report" / "report.json").is_file()


def test_a_folder_that_is_no_run_is_named_with_the_remedy(tmp_path: Path) -> None:
    done = worktrial(tmp_path / "nothing", "--out", tmp_path / "report")
    assert done.returncode == 1
    assert "error: there is no run at" in done.stderr
    assert "hint: make one: worktrial run" in done.stderr
    assert not (tmp_path / "report").exists()


def test_a_torn_run_file_is_named(run: RunDir, tmp_path: Path) -> None:
    (run.path / "run.toml").write_text("format = ")
    done = worktrial(run.path, "--out", tmp_path / "report")
    assert done.returncode == 1
    assert "run.toml is not a valid run file" in done.stderr
    assert "cause:" in done.stderr


def test_a_folder_that_holds_something_else_is_refused(run: RunDir, tmp_path: Path) -> None:
    done = worktrial(run.path, "--out", run.path)
    assert done.returncode == 4
    assert "won't write over" in done.stderr
    assert (run.path / "run.toml").is_file()


def test_the_end_of_a_run_tells_what_a_completed_task_cost(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    conclude(run, as_json=False)
    said = {line.split(":")[0]: line for line in capsys.readouterr().err.splitlines()}
    solved = summarise(run, KINDS).agents[0]
    assert solved.cost_per_completed_usd is not None
    assert (
        f"; {money(solved.cost_per_completed_usd)} per completed task, {money(solved.cost.total_usd)} in all"
        in (said["alpha"])
    )
    assert "$" not in said["oracle (control)"]


def test_a_control_that_ran_out_of_time_is_not_only_called_a_fault_of_the_suite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = make_suite(tmp_path / "suite", simple_tasks(2))

    def outcome(config: AgentConfig, task: str, n: int) -> FakeTrial:
        late = config.kind == "oracle" and task.startswith("01")
        return FakeTrial("not_solved", cause="tests_timed_out") if late else control(config)

    conclude(make_run(tmp_path / "run", suite, list(CONTROLS), 1, outcome), as_json=False)
    said = capsys.readouterr().err
    assert "the landed change does not solve 01-" in said
    assert "was the machine busy? Then grade again: worktrial grade" in said
