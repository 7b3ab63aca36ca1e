"""The gate on runs made for real: one that regressed, one that did not, one too small to tell."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.e2e.workshop import Repository, Shell

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("gate"), pytest.mark.timeout(900)]

TASKS = 6
BASELINE = ("--baseline", "runs", "--baseline-agent", "base")
SOLVER = """#!/bin/sh
# Mends what the prompt names, unless it is told to do nothing.
prompt=$(cat)
[ -z "$1" ] || exit 0
for file in shop/part*.py; do
    name=$(basename "$file" .py)
    case "$prompt" in *"$name "*) sed -i 's/return None/return x * 2/' "$file" ;; esac
done
"""
CONFIG = """
[agents.base]
kind = "command"
command = ["./agent"]
mounts = ["./agent"]

[agents.same]
kind = "command"
command = ["./agent"]
mounts = ["./agent"]

[agents.worse]
kind = "command"
command = ["./agent", "nothing"]
mounts = ["./agent"]
"""


@pytest.fixture(scope="module")
def workshop(session_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Return a shell beside `runs` by the agents base, same and worse on six tasks, and `few`, on two of them."""
    folder = tmp_path_factory.mktemp("gate")
    shell = Shell(session_cache, folder / "shell")
    repo = Repository(folder / "repo")
    parts = {f"shop/part{n}.py": "def twice(x):\n    return None\n" for n in range(TASKS)}
    repo.commit("Start", {"shop/__init__.py": "", "tests/test_none.py": "def test_none():\n    assert True\n", **parts})
    for n in range(TASKS):
        repo.commit(
            f"Let part{n} double what it is given",
            {
                f"shop/part{n}.py": "def twice(x):\n    return x * 2\n",
                f"tests/test_part{n}.py": f"from shop.part{n} import twice\n\n\n"
                "def test_twice():\n    assert twice(2) == 4\n",
            },
        )
    suite = repo.suite(folder / "suite", {f"part{n}": commit for n, commit in enumerate(repo.commits[1:])})
    validated = shell("validate", suite.path, "--runs", "1", "--json", timeout=280)
    assert validated.code == 0, validated.err
    assert validated.json["accepted"] == TASKS, validated.err
    agent = shell.folder / "agent"
    agent.write_text(SOLVER)
    agent.chmod(0o755)
    (shell.folder / "worktrial.toml").write_text(CONFIG)
    for out, agents, tasks in (("runs", ("base", "same", "worse"), ()), ("few", ("same",), ("part0", "part1"))):
        chosen = [*(f"--agent={name}" for name in agents), *(f"--task={name}" for name in tasks)]
        ran = shell("run", suite.path, *chosen, "--no-controls", "--out", out, "--json", timeout=280)
        assert ran.code == 0, ran.err
        solved = {name: one["solved"] for name, one in ran.json["agents"].items()}
        assert solved == ({"base": TASKS, "same": TASKS, "worse": 0} if out == "runs" else {"same": 2}), ran.err
    return shell


@pytest.mark.parametrize(
    ("run", "margin", "code", "verdict"),
    [
        (("runs", "--agent", "same"), 40, 0, "pass"),
        (("runs", "--agent", "worse"), 40, 1, "regress"),
        (("runs", "--agent", "same"), 5, 2, "inconclusive"),
        (("few",), 5, 2, "inconclusive"),
    ],
)
def test_the_exit_code_is_the_verdict(
    workshop: Shell, run: tuple[str, ...], margin: int, code: int, verdict: str
) -> None:
    ended = workshop("gate", *run, *BASELINE, "--min-delta", margin, "--json")
    assert ended.code == code, ended.err
    assert ended.json["verdict"] == verdict
    assert (ended.json["more_trials"] is not None) == (verdict == "inconclusive")
    assert len(ended.out.splitlines()) == 1
    shared = 2 if run == ("few",) else TASKS
    assert ended.json["comparison"]["tasks"]["shared"] == shared
    assert len(ended.json["comparison"]["tasks"]["only_a"]) == TASKS - shared
    if verdict == "regress":
        assert [flip["task"] for flip in ended.json["comparison"]["lost"]] == [f"part{n}" for n in range(TASKS)]


def test_junit_and_the_summary_say_what_the_gate_says(workshop: Shell, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# Before\n")
    ended = workshop(
        "gate", "runs", "--agent", "worse", *BASELINE, "--min-delta", 40,
        "--junit", tmp_path / "gate.xml", "--markdown", tmp_path / "gate.md", env={"GITHUB_STEP_SUMMARY": str(summary)},
    )  # fmt: skip
    assert ended.code == 1
    assert ended.out.startswith("regress: worse against base\n")
    suite = ET.parse(tmp_path / "gate.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "0")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "points on 6 tasks" in str(failure.get("message"))
    text = (tmp_path / "gate.md").read_text()
    assert "regress" in text.splitlines()[0]
    assert "| part5 | 100% | 0% |" in text
    assert summary.read_text() == f"# Before\n{text}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("RUN",)),
        (("runs",), ("--baseline",)),
        (("few", "--baseline", "few"), ("itself", "--agent")),
        (("few", "--baseline", "nowhere"), ("there is no run at",)),
        (("few", *BASELINE, "--min-delta", "-3"), ("--min-delta",)),
        (("runs", *BASELINE), ("3 contenders", "base, same and worse")),
        (("runs", *BASELINE, "--agent", "wors"), ("did you mean 'worse'",)),
        (("few", *BASELINE, "--junit", "/proc/none/x.xml"), ("could not write",)),
    ],
)
def test_what_is_no_verdict_ends_with_another_code(
    workshop: Shell, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    ended = workshop("gate", *arguments)
    assert ended.code == 4, ended.err
    assert "error: " in ended.err
    assert "Traceback" not in ended.err
    assert not [word for word in words if word not in ended.err], ended.err


def test_a_fault_of_ours_is_no_verdict_either(workshop: Shell, tmp_path: Path) -> None:
    """A library that is broken on the machine, say."""
    (tmp_path / "scipy").mkdir()
    (tmp_path / "scipy/__init__.py").write_text("raise RuntimeError('broken')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ended = workshop("gate", "few", *BASELINE, env={"PYTHONPATH": path})
    assert ended.code == 4, ended.err
    assert "broken" in ended.err


def test_a_torn_trial_is_named(workshop: Shell, tmp_path: Path) -> None:
    shutil.copytree(workshop.folder / "few", tmp_path / "torn")
    path = tmp_path / "torn/trials/same/part0/1/trial.json"
    path.write_text(path.read_text()[:40])
    ended = workshop("gate", tmp_path / "torn", *BASELINE)
    assert ended.code == 4
    assert "trial.json is not a valid trial" in ended.err


def test_compare_names_the_tasks_that_went_either_way(workshop: Shell) -> None:
    ended = workshop.cold("compare", "runs", "--agent", "base", "--agent", "worse", "--json")
    assert ended.code == 0, ended.err
    found = ended.json
    assert (found["a"]["agent"], found["b"]["agent"]) == ("base", "worse")
    assert found["difference"] == -1
    assert found["established"]
    assert not found["gained"]
    back = workshop("compare", "runs", "runs", "--agent", "worse", "--agent", "base", "--json").json
    assert back["difference"] == 1
    assert [flip["task"] for flip in back["gained"]] == [flip["task"] for flip in found["lost"]]
    assert "B solved less often: 6 tasks" in ended.err
    assert "smoke test" in ended.err


def test_tasks_that_the_suite_changed_are_left_out_of_the_comparison(workshop: Shell, tmp_path: Path) -> None:
    """A run's lock says what its tasks asked and what decided them."""
    shutil.copytree(workshop.folder / "runs", tmp_path / "later")
    lock = json.loads((tmp_path / "later/lock.json").read_text())
    lock |= {"suite_digest": "of the next version", "suite_version": 2}
    lock["marks"]["part3"]["prompt"] = "another"
    (tmp_path / "later/lock.json").write_text(json.dumps(lock))
    found = workshop("compare", "runs", tmp_path / "later", "--agent", "same", "--json").json
    assert found["tasks"]["changed"] == ["part3"]
    assert found["tasks"]["shared"] == TASKS - 1
    assert f"{TASKS - 1} tasks that version 1 and version 2 of the suite share unchanged" in found["warnings"][0]
    del lock["marks"]
    (tmp_path / "later/lock.json").write_text(json.dumps(lock))
    older = workshop("compare", "runs", tmp_path / "later", "--agent", "same", "--json").json
    assert older["tasks"]["shared"] == TASKS
    assert "taken to be the same" in older["warnings"][0]
