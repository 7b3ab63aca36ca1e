"""Inspect logs, written with the real inspect_ai and read back by it, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from tests.export.conftest import BYTES

import worktrial
from worktrial.export.tables import fit
from worktrial.store.run import RunDir

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("inspect"), pytest.mark.timeout(600)]
CORE = Path(__file__).parents[2] / "requirements/core.txt"
READER = """
import json, sys
from pathlib import Path
from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries, read_eval_log_samples

by_trial = lambda sample: (sample.id, sample.epoch)
found = {}
for path in sorted(Path(sys.argv[1]).glob("*.eval")):
    log = read_eval_log(str(path))
    streamed = list(read_eval_log_samples(str(path), all_samples_required=False))
    summaries = read_eval_log_sample_summaries(str(path))
    found[path.stem] = {
        "log": json.loads(log.model_dump_json(exclude={"samples"})),
        "samples": [json.loads(one.model_dump_json()) for one in sorted(log.samples, key=by_trial)],
        "streamed": len(streamed),
        "summaries": [json.loads(one.model_dump_json()) for one in summaries],
    }
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def python(session_cache: Path) -> Path:
    """Return the interpreter of an environment with inspect_ai, made once and kept beside the tests' cache."""
    folder = session_cache / "inspect"
    python = folder / "bin/python"
    if not (folder / "ready").exists():
        uv = Path(sysconfig.get_path("scripts")) / "uv"
        commands = (
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder],
            [uv, "pip", "install", "--quiet", "--python", python, "-r", CORE, "inspect-ai>=0.3.100"],
        )  # fmt: skip
        for command in commands:
            done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"inspect_ai cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
        (folder / "ready").touch()
    return python


@pytest.fixture(scope="module")
def logs(python: Path, run: RunDir, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what inspect_ai reads of an exported run, by agent."""
    out = tmp_path_factory.mktemp("inspect") / "logs"
    env = {**os.environ, "PYTHONPATH": str(Path(worktrial.__file__).parents[1])}
    export = [python, "-m", "worktrial", "export", run.path, "--to", "inspect", "--out", out, "--json"]
    done = subprocess.run([*map(str, export)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["attempts"] == 19
    read = subprocess.run([python, "-c", READER, out], capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    found: dict[str, Any] = json.loads(read.stdout.splitlines()[-1])
    return found


def test_there_is_a_log_per_agent_with_a_sample_per_trial(logs: dict[str, Any]) -> None:
    assert sorted(logs) == ["alpha", "nop", "oracle"]
    assert {name: len(log["samples"]) for name, log in logs.items()} == {"alpha": 6, "nop": 6, "oracle": 6}
    assert all(log["streamed"] == len(log["summaries"]) == 6 for log in logs.values())
    alpha = logs["alpha"]["log"]
    assert (alpha["status"], alpha["eval"]["model"], alpha["eval"]["task"]) == ("success", "worktrial/m-1", "suite")
    assert alpha["eval"]["config"]["epochs"] == 2
    assert alpha["eval"]["metadata"]["attempts_set_aside"] == 1


def test_accuracy_is_the_mean_over_tasks_of_what_was_graded(logs: dict[str, Any]) -> None:
    rates = {name: log["log"]["results"]["scores"][0]["metrics"]["accuracy"]["value"] for name, log in logs.items()}
    assert rates == {"alpha": 0.25, "nop": 0.0, "oracle": 1.0}


def test_scores_and_errors_are_what_the_trials_came_to(logs: dict[str, Any]) -> None:
    samples = logs["alpha"]["samples"]
    scored = [(one["scores"] or {}).get("worktrial", {}).get("value") for one in samples]
    assert scored == ["C", "I", "I", None, None, None]
    assert [one["metadata"]["outcome"] for one in samples][3:] == ["infrastructure", "ungraded", "unfinished"]
    assert [one["error"] is None for one in samples] == [True, True, True, False, False, False]
    assert samples[0]["model_usage"]["worktrial/m-1"]["input_tokens"] == 84_000
    assert samples[1]["metadata"]["cost_usd"] is None


def test_the_prompt_and_the_trajectory_come_across_and_hostile_text_does_no_harm(logs: dict[str, Any]) -> None:
    first, failed = logs["alpha"]["samples"][0], logs["alpha"]["samples"][3]
    assert "Please keep the old spelling." in first["input"]
    assert [message["role"] for message in first["messages"]] == ["user", "assistant", "tool", "assistant", "tool"]
    call = first["messages"][1]["tool_calls"][0]
    assert (call["function"], call["arguments"]) == ("shell", {"command": "grep -n looking"})
    assert first["messages"][2]["tool_call_id"] == call["id"]
    assert "<script>" in first["messages"][3]["content"]
    assert "\x1b" not in json.dumps(first, ensure_ascii=False)
    assert fit(BYTES) in failed["messages"][1]["content"][1]["text"]
    assert fit(BYTES) in failed["error"]["message"]
