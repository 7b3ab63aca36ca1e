"""`worktrial gateway` as a user calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.gateway.bench import KEY, Bench, asking
from tests.tools.model_server import Turn, Usage

from worktrial.cli.gateway_command import summarise


def call(*argv: str, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    command = [sys.executable, "-m", "worktrial", "gateway", *argv]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_what_cannot_work_is_told_before_it_starts(tmp_path: Path) -> None:
    """No folder, no upstream, no such trial: the three-line form and exit code 2."""
    for argv, word in (
        ((), "--out"),
        (("--out", "o"), "no upstream"),
        (("--out", "o", "--trial", "x"), "AGENT/TASK/N"),
    ):
        ended = call(*argv, folder=tmp_path)
        assert ended.returncode == 4, ended.stderr
        assert word in ended.stderr
        assert "Traceback" not in ended.stderr
    (tmp_path / "worktrial.toml").write_text("[gateway.upstreams.x]\nbase_url = 1\n")
    ended = call("--out", "o", folder=tmp_path)
    assert ended.returncode == 1
    assert "gateway.upstreams.x.base_url" in ended.stderr


async def test_a_record_is_summed_up(bench: Bench) -> None:
    """By the sums of its trials and the reliability of its upstreams."""
    gateway, trial = await bench.trial(Turn("hi", usage=Usage(1000, 100, 500)))
    await bench.ask(gateway, trial, *asking("openai_chat"))
    await gateway.stop()
    summary = summarise([bench.records()])
    assert (summary["requests"], summary["input_tokens"], summary["cost_usd"]) == (1, 1000, 0.002)
    assert summary["upstreams"][0]["answered"] == 1
    ended = call("--summary", str(bench.folder / "run"), "--json", folder=bench.folder)
    assert json.loads(ended.stdout) == json.loads(json.dumps(summary))
    assert KEY not in ended.stdout
