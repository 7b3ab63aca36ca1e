"""Runs that are stopped, killed, or out of money, and go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from tests.e2e.workshop import Shell, finish, lines, living

SOLVE = 'echo "def title(name): return name[:1].upper() + name[1:]" > shop/names.py'


def slow_agent(folder: Path, seconds: int) -> dict[str, Any]:
    """Return an agent that takes a while, until `hurry` is called for the folder that its run is started in."""
    (folder / "pace").write_text(str(seconds))
    return {"kind": "command", "command": ["sh", "-c", f'sleep "$(cat {folder}/pace)"; {SOLVE}'], "mounts": ["./pace"]}


def hurry(folder: Path) -> None:
    """Let the agent take no time in trials to come: what is shown with a slow one has been shown."""
    (folder / "pace").write_text("0")


@pytest.fixture
def sleepy(suite: Path, shell: Shell) -> list[str]:
    """Return a run of eight trials that take a while each."""
    tables = {"sleepy": slow_agent(shell.folder, seconds=1)}
    (shell.folder / "worktrial.toml").write_text(tomli_w.dumps({"agents": tables}))
    return [
        "run",
        str(suite),
        "--no-controls",
        "--agent",
        "sleepy",
        "--trials",
        "4",
        "--jobs",
        "2",
        "--out",
        "run",
        "--json",
    ]


def wait_for(what: Callable[[], Any], process: subprocess.Popen[bytes], limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while not what():
        assert process.poll() is None, finish(process).err
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def finished(run: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of every finished trial's record."""
    found = {}
    for path in run.glob("trials/*/*/*/trial.json"):
        if path.parent.name.isdigit():
            found[str(path.relative_to(run))] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


def begun(run: Path) -> int:
    return len([path for path in run.glob("trials/*/*/*") if path.name.isdigit()])


def graded(run: Path) -> int:
    return len(list(run.glob("trials/*/*/*/verdict.json")))


@pytest.mark.slow
def test_ctrl_c_lets_trials_finish_and_the_same_command_goes_on(sleepy: list[str], shell: Shell) -> None:
    run = shell.folder / "run"
    process = shell.start(*sleepy)
    wait_for(lambda: graded(run) >= 1 and begun(run) >= 3, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    ended = finish(process)
    assert ended.code == 130, ended.err
    assert ended.err.splitlines()[-1].startswith("  python -m worktrial run ")
    assert ended.err.splitlines()[-1].endswith(" --trials 4 --jobs 2 --out run --json")
    assert ended.json["agents"]["sleepy"]["trials"] == len(finished(run)) < 8
    assert ended.json["agents"]["sleepy"]["infrastructure"] == 0
    before = finished(run)
    assert begun(run) == len(before) == graded(run)
    assert [entry["event"] for entry in lines(run / "journal.jsonl")][-1] == "drained"
    hurry(shell.folder)
    again = shell(*sleepy)
    assert again.code == 0, again.err
    assert before.items() <= finished(run).items()
    assert not list(run.glob("trials/*/*/*.attempt-*"))
    assert again.json["agents"]["sleepy"]["trials"] == 8
    assert again.json["agents"]["sleepy"]["solved"] == 4  # all of `fix`, none of `add`
    done = [(entry["task"], entry["n"]) for entry in lines(run / "journal.jsonl") if entry["event"] == "trial"]
    assert len(done) == len(set(done)) == 8


@pytest.mark.parametrize("moments", [1, 3, 6])
def test_ctrl_c_while_an_agents_work_is_read_loses_nothing_of_it(suite: Path, shell: Shell, moments: int) -> None:
    """The terminal's signal reaches every process of the group; git must not be torn by it."""
    tables = {"big": {"kind": "command", "command": ["sh", "-c", SOLVE + "; mkdir d; cd d; for i in "
                      "$(seq 400); do head -c 20000 /dev/urandom > f$i.bin; done; touch /tmp/done"]}}  # fmt: skip
    (shell.folder / "worktrial.toml").write_text(tomli_w.dumps({"agents": tables}))
    run = shell.folder / "run"
    command = [
        "run",
        str(suite),
        "--no-controls",
        "--agent",
        "big",
        "--task",
        "fix",
        "--jobs",
        "1",
        "--out",
        "run",
        "--json",
    ]
    process = shell.start(*command)
    log = run / "trials/big/fix/1/logs/agent.log"
    wait_for(log.exists, process)
    time.sleep(moments * 0.03)
    os.killpg(process.pid, signal.SIGINT)
    ended = finish(process)
    assert ended.json["agents"]["big"]["solved"] == 1, ended.err
    assert (run / "trials/big/fix/1/patch.diff").read_bytes().count(b"\ndiff --git ") == 400


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once_and_the_cut_trials_are_made_again(sleepy: list[str], shell: Shell) -> None:
    run = shell.folder / "run"
    process = shell.start(*sleepy)
    wait_for(lambda: graded(run) >= 1 and begun(run) >= 3, process)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.3)
    started = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    ended = finish(process)
    assert time.monotonic() - started < 5
    assert ended.code == 130, ended.err
    assert "Traceback" not in ended.err
    assert "--trials 4 --jobs 2 --out run --json" in ended.err
    before = finished(run)
    hurry(shell.folder)
    again = shell(*sleepy)
    assert again.code == 0, again.err
    assert before.items() <= finished(run).items()
    assert again.json["agents"]["sleepy"]["solved"] == 4


@pytest.mark.slow
def test_a_killed_run_goes_on_and_touches_no_finished_trial(sleepy: list[str], shell: Shell) -> None:
    run = shell.folder / "run"
    process = shell.start(*sleepy)
    wait_for(lambda: graded(run) >= 2 and begun(run) > graded(run), process)
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)
    deadline = time.monotonic() + 5
    while living(str(shell.tmp)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living(str(shell.tmp)) == []
    before = finished(run)
    unfinished = begun(run) - len(before)
    assert len(before) >= 2
    hurry(shell.folder)
    again = shell(*sleepy)
    assert again.code == 0, again.err
    assert before.items() <= finished(run).items()
    assert len(list(run.glob("trials/*/*/*.attempt-1"))) == unfinished
    assert again.json["agents"]["sleepy"]["trials"] == 8
    assert again.json["agents"]["sleepy"]["solved"] == 4
    done = [(entry["task"], entry["n"]) for entry in lines(run / "journal.jsonl") if entry["event"] == "trial"]
    assert len(done) == len(set(done))
    assert list(shell.tmp.iterdir()) == []


# -- money --


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Return the address of a model server whose every conversation costs three requests."""
    look = {"calls": [{"name": "shell", "arguments": {"command": "ls"}}], "usage": {"input": 1000, "output": 0}}
    (tmp_path / "script.json").write_text(
        json.dumps([look, look, {"text": "done", "usage": {"input": 1000, "output": 0}}])
    )
    argv = [sys.executable, "-m", "tests.tools.model_server", "--script", str(tmp_path / "script.json")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def priced(shell: Shell, server: str, **more: Any) -> None:
    table = {"kind": "basic", "model": "m", "base_url": f"{server}/v1", "key_env": "MODEL_KEY", **more}
    (shell.folder / "worktrial.toml").write_text(tomli_w.dumps({"agents": {"model": table}}))
    shell.env["MODEL_KEY"] = "sk-test"


@pytest.mark.slow
def test_a_spent_budget_stops_the_run_and_a_larger_one_goes_on(suite: Path, shell: Shell, server: str) -> None:
    priced(shell, server, input_usd_per_mtok=100.0, output_usd_per_mtok=0.0)  # 0.10 USD a request, 0.30 a trial
    run = shell.folder / "run"
    command = [
        "run",
        str(suite),
        "--no-controls",
        "--agent",
        "model",
        "--trials",
        "2",
        "--jobs",
        "1",
        "--out",
        "run",
        "--json",
    ]
    ended = shell(*command, "--budget", "0.45")
    assert ended.code == 3, ended.err
    assert "a budget is spent" in ended.err
    assert "--budget" in ended.err
    done = {name for name in finished(run) if json.loads((run / name).read_text())["ended"] == "completed"}
    assert len(done) == 1
    before = finished(run)
    same = shell(*command, "--budget", "0.45")
    assert same.code == 3, same.err
    assert finished(run) == before
    graded_again = shell("grade", run, "--json")
    assert graded_again.json["agents"]["model"]["infrastructure"] == 0, graded_again.err
    # What the cut-off trial cost was spent: 0.30 + 0.20, and then 0.30 for each of three.
    more = shell(*command, "--budget", "1.05")
    assert more.code == 3, more.err
    enough = shell(*command, "--budget", "9")
    assert enough.code == 0, enough.err
    assert enough.json["agents"]["model"]["trials"] == 4
    assert all(before[name] == finished(run)[name] for name in done)
    total = sum(json.loads(path.read_text())["usage"]["cost_usd"] for path in run.glob("trials/*/*/*/trial.json"))
    assert 1.2 <= total <= 2.0


def test_an_agent_s_own_budget_stops_that_agent_alone_and_may_grow(suite: Path, shell: Shell, server: str) -> None:
    priced(shell, server, input_usd_per_mtok=100.0, output_usd_per_mtok=0.0, budget_usd=0.15)
    file = shell.folder / "worktrial.toml"
    other = tomllib.loads(file.read_text())["agents"]["model"]
    del other["budget_usd"]
    file.write_text(file.read_text() + tomli_w.dumps({"agents": {"other": other}}))
    command = ["run", str(suite), "--no-controls", "--jobs", "1", "--out", "run", "--json"]
    ended = shell(*command)
    assert ended.code == 3, ended.err
    assert ended.json["agents"]["other"]["trials"] == 2
    ends = [json.loads(path.read_text())["ended"] for path in shell.folder.glob("run/trials/model/*/1/trial.json")]
    assert ends == ["budget"]
    file.write_text(file.read_text().replace("budget_usd = 0.15", "budget_usd = 2.0"))
    more = shell(*command)
    assert (more.code, more.json["agents"]["model"]["trials"]) == (0, 2), more.err


def test_a_trial_s_own_budget_is_a_limit_and_the_trial_is_graded(suite: Path, shell: Shell, server: str) -> None:
    priced(shell, server, input_usd_per_mtok=100.0, output_usd_per_mtok=0.0)
    ended = shell("run", suite, "--no-controls", "--agent", "model", "--trial-budget", "0.15", "--out", "run", "--json")
    assert ended.code == 0, ended.err
    trials = [json.loads(path.read_text()) for path in shell.folder.glob("run/trials/*/*/1/trial.json")]
    assert [(trial["ended"], trial["cause"], trial["usage"]["cost_usd"]) for trial in trials] == [
        ("limit", "gateway_limit", pytest.approx(0.2))
    ] * 2
    assert ended.json["agents"]["model"]["infrastructure"] == 0


def test_a_budget_that_cannot_be_kept_is_refused(suite: Path, shell: Shell, server: str) -> None:
    priced(shell, server)
    ended = shell("run", suite, "--no-controls", "--agent", "model", "--budget", "1", "--out", "run")
    assert ended.is_clean_error("no price is known", code=4)
    assert not (shell.folder / "run").exists()


def test_no_money_starts_nothing(suite: Path, shell: Shell) -> None:
    ended = shell("run", suite, "--no-controls", "--agent", "nop", "--budget", "0", "--out", "run", "--json")
    assert ended.code == 3, ended.err
    assert ended.json["agents"]["nop"] == {
        "tasks": 0, "trials": 0, "solved": 0, "rate": None, "ci95": None, "infrastructure": 0,
    }  # fmt: skip
