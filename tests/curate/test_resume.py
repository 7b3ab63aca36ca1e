"""Validation that is killed: nothing is lost, nothing runs twice, nothing stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.workshop import Repository, Shell, finish, lines, living

from worktrial.store.suite import Suite


@pytest.fixture
def slow_suite(tmp_path: Path) -> Suite:
    """Return a suite of two candidates whose tests take a while each."""
    repo = Repository(tmp_path / "repo")
    names = ["m0", "m1"]
    test = (
        "import time\nfrom pkg import {name}\n\n\n"
        "def test_{name}():\n    time.sleep(0.2)\n    assert {name}.f() == {value}\n"
    )
    start = {"pkg/__init__.py": ""}
    for name in names:
        start |= {
            f"pkg/{name}.py": "def f():\n    return 1\n",
            f"tests/test_{name}.py": test.format(name=name, value=1),
        }
    repo.commit("Start", start)
    commits = {}
    for name in names:
        files = {f"pkg/{name}.py": "def f():\n    return 2\n", f"tests/test_{name}.py": test.format(name=name, value=2)}
        commits[name] = repo.commit(name, files)
    return repo.suite(tmp_path / "suite", commits)


def records(suite: Suite, kind: str) -> list[dict[str, Any]]:
    return [
        {**record, "candidate": path.stem}
        for path in sorted((suite.path / "evidence").glob("*.jsonl"))
        for record in lines(path)
        if record["record"] == kind
    ]


def wait_for(what: Any, process: Any, limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while not what():
        assert process.poll() is None, finish(process).err
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def whole_records(suite: Suite, kind: str) -> int:
    try:
        return len(records(suite, kind))
    except ValueError:  # it is being written
        return 0


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 7])
def test_a_killed_validation_goes_on_where_it_was(slow_suite: Suite, shell: Shell, after: int) -> None:
    straight = Suite(Path(shutil.copytree(slow_suite.path, shell.folder / "straight")))
    expected = shell("validate", straight.path, "--runs", "2", "--json")
    process = shell.start("validate", slow_suite.path, "--runs", "2", "--jobs", "2")
    wait_for(lambda: whole_records(slow_suite, "test_run") >= after, process)
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)
    before = [path.read_bytes() for path in sorted((slow_suite.path / "evidence").glob("*.jsonl"))]
    deadline = time.monotonic() + 5
    while living(str(shell.tmp)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living(str(shell.tmp)) == []
    ended = shell("validate", slow_suite.path, "--runs", "2", "--json")
    assert ended.json == expected.json, ended.err
    for old, path in zip(before, sorted((slow_suite.path / "evidence").glob("*.jsonl")), strict=False):
        assert path.read_bytes().startswith(old[: old.rfind(b"\n") + 1])
    done = [(record["candidate"], record["state"], record["index"]) for record in records(slow_suite, "test_run")]
    assert len(done) == len(set(done)) == 2 * 3 * 2
    assert len(records(slow_suite, "decision")) == 2
    assert slow_suite.digest() == straight.digest()
    assert list(shell.tmp.iterdir()) == []
    assert not [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(shell.tmp) in line]


def test_ctrl_c_ends_validation_at_once_with_the_command_that_goes_on(slow_suite: Suite, shell: Shell) -> None:
    process = shell.start("validate", slow_suite.path, "--runs", "2")
    wait_for(lambda: whole_records(slow_suite, "test_run") >= 2, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: everybody in the group hears it
    ended = finish(process)
    assert ended.code == 130, ended.err
    assert "Traceback" not in ended.err
    assert f"validate {slow_suite.path} --runs 2" in ended.err
    assert list(shell.tmp.iterdir()) == []
    assert {record["reason"] for record in records(slow_suite, "decision")} <= {"accepted"}
    again = shell("validate", slow_suite.path, "--runs", "2", "--json")
    assert again.json["accepted"] == 2, again.err


def test_a_second_validation_of_a_finished_suite_runs_nothing(suite: Path, shell: Shell) -> None:
    before = len(records(Suite(suite), "test_run"))
    ended = shell("validate", suite, "--runs", "1")
    assert ended.code == 0, ended.err
    assert "nothing had changed" in ended.err
    assert len(records(Suite(suite), "test_run")) == before > 0
