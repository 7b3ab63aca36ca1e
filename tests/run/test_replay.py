"""A run that is replayed: no model, no key, and the same patches and verdicts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from tests.e2e.workshop import Shell

SOLVE = 'echo "def title(name): return name[:1].upper() + name[1:]" > shop/names.py'
TURNS = [
    {"text": "I will look first.", "calls": [{"name": "shell", "arguments": {"command": "ls; cat shop/names.py"}}]},
    {"calls": [{"name": "shell", "arguments": {"command": SOLVE}}]},
    {"text": "Done.", "usage": {"input": 900, "output": 12}},
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "script.json").write_text(json.dumps(TURNS))
    argv = [sys.executable, "-m", "tests.tools.model_server", "--script", str(tmp_path / "script.json")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        yield process
        process.kill()


def kept(run: Path) -> dict[str, Any]:
    """Return every trial's patch and what its verdict says of the work, without times."""
    found: dict[str, Any] = {}
    for trial in sorted(run.glob("trials/*/*/*")):
        verdict = json.loads((trial / "verdict.json").read_text())
        of_work = {name: verdict[name] for name in ("outcome", "cause", "expected", "passed", "failed", "restored")}
        found[str(trial.relative_to(run))] = ((trial / "patch.diff").read_bytes(), of_work)
    return found


@pytest.mark.slow
def test_a_replay_gives_the_same_patches_and_verdicts_without_a_model(
    suite: Path, shell: Shell, server: subprocess.Popen[str]
) -> None:
    """To the byte; and a request that was not recorded is no answer but a failure that says so."""
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    table = {"kind": "basic", "model": "m", "base_url": f"{url}/v1", "key_env": "MODEL_KEY"}
    (shell.folder / "worktrial.toml").write_text(tomli_w.dumps({"agents": {"model": table}}))
    run = ("run", suite, "--trials", "2", "--json")
    first = shell(*run, "--out", "first", env={"MODEL_KEY": "sk-test"})
    assert first.code == 0, first.err
    server.kill()
    server.wait()
    again = shell(*run, "--out", "again", "--replay", "first")
    assert again.code == 0, again.err
    assert kept(shell.folder / "again") == kept(shell.folder / "first")
    assert first.json["agents"]["model"]["solved"] == again.json["agents"]["model"]["solved"] == 2
    assert any(patch for patch, _ in kept(shell.folder / "again").values())

    more = shell(*run[:2], "--trials", "3", "--json", "--out", "more", "--replay", "first")
    assert more.json["agents"]["model"]["infrastructure"] == 2, more.err
    details = [
        json.loads(path.read_text())["detail"] for path in (shell.folder / "more").glob("trials/model/*/3/trial.json")
    ]
    assert len(details) == 2
    assert all("not recorded" in detail for detail in details), details


def test_a_replay_of_what_is_no_run_is_an_error(suite: Path, shell: Shell) -> None:
    ended = shell("run", suite, "--agent", "basic:m", "--out", "run", "--replay", "nothing")
    assert ended.is_clean_error("there is no run")
