"""The templates for GitHub and GitLab: their scripts, run as the servers would, on runs of all three kinds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from tests.report.fakerun import FakeTrial, agent, make_run, make_suite, simple_tasks

from worktrial.formats.run import AgentConfig

CI = Path(__file__).parents[2] / "ci"
CODES = {"same": 0, "worse": 1, "few": 2}
VERDICTS = {"same": "pass", "worse": "regress", "few": "inconclusive"}
_INPUT = re.compile(r"\$\{\{ inputs\.([\w-]+) \}\}")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the runs `base`, `same`, `worse` and `few`."""
    folder = tmp_path_factory.mktemp("ci")
    suites = {size: make_suite(folder / f"suite{size}", simple_tasks(size)) for size in (45, 6)}
    for name, size, share in (("base", 45, 0.8), ("same", 45, 0.8), ("worse", 45, 0.3), ("few", 6, 0.8)):
        ids = suites[size].task_ids()

        def outcome(_: AgentConfig, task: str, n: int, ids: list[str] = ids, share: float = share) -> FakeTrial:
            return FakeTrial("solved" if ids.index(task) % 10 < share * 10 else "not_solved", patch=None)

        make_run(folder / name, suites[size], [agent("alpha")], 1, outcome)
    return folder


def environment(folder: Path, first: Path | None = None) -> dict[str, str]:
    """Return the variables of a job, `worktrial` on its PATH."""
    path = [*([str(first)] if first else []), str(Path(sys.executable).parent), os.environ["PATH"]]
    return {**os.environ, "PATH": os.pathsep.join(path), "RUNNER_TEMP": str(folder)}


@pytest.mark.parametrize("stream", [("gate.xml",), ("gate.xml", "--json")])
def test_a_reader_that_went_away_is_no_verdict(runs: Path, tmp_path: Path, stream: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = ["worktrial", "gate", str(runs / "same"), "--baseline", str(runs / "base"), "--junit", *stream]
    try:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment(tmp_path), stdout=writing, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writing)
    assert done.returncode == 141, done.stderr
    assert (tmp_path / "gate.xml").exists()


# -- GitHub --


def action() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CI / "github/action.yml").read_text())
    return loaded


def act(
    folder: Path, inputs: dict[str, str], *, first: Path | None = None
) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Run the action's step as a runner does, with `first` first on PATH; return how it ended and its outputs."""
    known = {name: str(one.get("default", "")) for name, one in action()["inputs"].items()}
    chosen = next(one for one in action()["runs"]["steps"] if one.get("id") == "gate")
    given = {**known, **inputs}
    env = {name: _INPUT.sub(lambda found: given[found[1]], value) for name, value in chosen["env"].items()}
    output, summary = folder / "output", folder / "summary"
    output.write_text("")
    env |= {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", chosen["run"]],
        cwd=folder, env={**environment(folder, first), **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = output.read_text().splitlines()
    return done, dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("run", CODES)
def test_the_action_ends_as_the_gate_says(runs: Path, tmp_path: Path, run: str) -> None:
    done, outputs = act(tmp_path, {"run": str(runs / run), "baseline": str(runs / "base")})
    assert done.returncode == (0 if run == "few" else CODES[run]), done.stdout + done.stderr
    assert outputs["verdict"] == VERDICTS[run]
    assert ("::warning" in done.stdout) == (run == "few")
    assert VERDICTS[run] in (tmp_path / "summary").read_text().splitlines()[0]
    assert ET.parse(Path(outputs["reports"]) / "gate.xml").getroot().tag == "testsuites"


def test_an_inconclusive_run_can_fail_the_job(runs: Path, tmp_path: Path) -> None:
    inputs = {"run": str(runs / "few"), "baseline": str(runs / "base"), "inconclusive": "fail"}
    assert act(tmp_path, inputs)[0].returncode == 2


def test_all_inputs_reach_the_gate(runs: Path, tmp_path: Path) -> None:
    config = tmp_path / "limits.toml"
    config.write_text("[gate]\nmin_solve_rate = 0.99\n")
    inputs = {"run": str(runs / "same"), "baseline": str(runs / "base"), "agent": "alpha", "baseline-agent": "alpha"}
    assert act(tmp_path, {**inputs, "config": str(config)})[0].returncode == 1
    assert act(tmp_path, {**inputs, "min-delta": "0.5"})[1]["verdict"] == "inconclusive"


@pytest.mark.parametrize("program", [None, "exit 1", "exit 2", 'echo \'{"verdict": "pass"}\'; exit 1'])
def test_what_cannot_be_run_is_no_verdict(runs: Path, tmp_path: Path, program: str | None) -> None:
    """Neither a folder that is no run, nor a program that breaks before it has said anything."""
    inputs = {"run": str(runs / "same"), "baseline": str(runs / "nothing")}
    if program is not None:
        broken = tmp_path / "worktrial"
        broken.write_text(f"#!/bin/sh\n{program}\n")
        broken.chmod(0o755)
    done, outputs = act(tmp_path, inputs, first=None if program is None else tmp_path)
    assert done.returncode == 4, done.stdout + done.stderr
    assert not outputs


def test_hostile_inputs_stay_text(runs: Path, tmp_path: Path) -> None:
    evil = '"; touch owned; echo "$(touch owned)`touch owned`'
    for name in ("run", "agent", "min-delta", "config"):
        inputs = {"run": str(runs / "same"), "baseline": str(runs / "base"), name: evil}
        assert act(tmp_path, inputs)[0].returncode == 4
    assert act(tmp_path, {"run": "--help", "baseline": str(runs / "base")})[0].returncode == 4
    assert not (tmp_path / "owned").exists()


def test_no_script_of_the_action_has_an_expression_in_it_and_all_inputs_exist() -> None:
    steps = action()["runs"]["steps"]
    assert not [step["name"] for step in steps if "${{" in step["run"]]
    used = {name for step in steps for value in step["env"].values() for name in _INPUT.findall(value)}
    assert used == set(action()["inputs"])
    assert action()["runs"]["using"] == "composite"
    assert all(step["shell"] == "bash" for step in steps)


# -- GitLab --


def job() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CI / "gitlab/gate.yml").read_text())[".worktrial-gate"]
    return loaded


@pytest.mark.parametrize("run", CODES)
def test_the_gitlab_job_ends_as_the_gate_says_and_leaves_its_reports(runs: Path, tmp_path: Path, run: str) -> None:
    variables = {**job()["variables"], "WORKTRIAL_RUN": str(runs / run), "WORKTRIAL_BASELINE": str(runs / "base")}
    script = "\n".join([*job()["before_script"], *job()["script"]])
    done = subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=tmp_path, env={**environment(tmp_path), **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == CODES[run], done.stderr
    assert done.stdout.startswith(VERDICTS[run])
    for name in job()["artifacts"]["paths"]:
        assert (tmp_path / name).stat().st_size
    assert job()["artifacts"]["reports"]["junit"] == "worktrial-gate.xml"


def test_only_an_inconclusive_gate_may_fail_in_gitlab() -> None:
    assert job()["allow_failure"] == {"exit_codes": [2]}
    assert job()["artifacts"]["when"] == "always"
