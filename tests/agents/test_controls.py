"""The two controls: one does nothing, the other what was landed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.agents.bench import Bench

from worktrial.agents import CONTROLS, kinds, load, real_kinds
from worktrial.errors import AgentError, UsageError
from worktrial.formats.run import AgentConfig


def _git(folder: Path, *args: str) -> bytes:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        **{f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    return subprocess.run(["git", *args], cwd=folder, env=environment, check=True, capture_output=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository of text, binary and CRLF files, with attributes that would convert them."""
    folder = tmp_path / "repository"
    folder.mkdir()
    _git(folder, "init", "-q")
    (folder / ".gitattributes").write_text("*.txt text eol=crlf\n*.py filter=evil ident\n")
    (folder / "a.py").write_text("one\ntwo\n")
    (folder / "gone.py").write_text("bye\n")
    (folder / "old name.py").write_text("same\n" * 20)
    (folder / "data.bin").write_bytes(bytes(range(256)))
    (folder / "crlf.dat").write_bytes(b"a\r\nb\r\n")
    _git(folder, "-c", "core.attributesFile=/dev/null", "add", "-A")
    _git(folder, "commit", "-q", "-m", "base")
    return folder


def _change(folder: Path) -> bytes:
    """Make every kind of change and return it as a patch."""
    (folder / "a.py").write_text("one\n2\n")
    (folder / "gone.py").unlink()
    (folder / "old name.py").rename(folder / "new ñame.py")
    (folder / "data.bin").write_bytes(bytes(reversed(range(256))))
    (folder / "crlf.dat").write_bytes(b"a\r\nB\r\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    _git(folder, "add", "-A")
    patch = _git(folder, "diff", "--cached", "--binary", "--full-index", "--no-renames")
    _git(folder, "reset", "-q", "--hard")
    return patch


async def test_the_no_op_leaves_the_workspace_as_it_was(bench: Bench) -> None:
    """Nothing is changed, nothing is spent, and that is known."""
    attempt = await bench.attempt()
    outcome = await load(AgentConfig(name="nop", kind="nop")).attempt(attempt)
    assert outcome.ended == "completed"
    assert outcome.usage.cost_usd == 0
    assert await bench.read(attempt, "calc.py") == "def add(a, b):\n    return a - b\n"


async def test_the_oracle_applies_every_kind_of_change(
    bench: Bench, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edited, deleted, renamed, binary, CRLF and executable files arrive byte for byte, whatever git was told to do."""
    patch = _change(repository)
    hostile = bench.folder / "gitconfig"
    hostile.write_text('[apply]\n\twhitespace = error-all\n[filter "evil"]\n\tsmudge = false\n\trequired = true\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(hostile))
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    attempt = await bench.attempt(files={}, solution=patch)
    await attempt.workspace.host(["cp", "-a", f"{repository}/.", "{workspace}/"], env=os.environ)
    outcome = await load(AgentConfig(name="oracle", kind="oracle")).attempt(attempt)
    assert outcome.ended == "completed", outcome
    assert await bench.read(attempt, "a.py") == "one\n2\n"
    assert await bench.shell(attempt, "cat data.bin") == bytes(reversed(range(256)))
    assert await bench.shell(attempt, "cat crlf.dat") == b"a\r\nB\r\n"
    await bench.shell(
        attempt, "test ! -e gone.py && test ! -e 'old name.py' && test -f 'new ñame.py' && test -x run.sh"
    )


async def test_a_solution_that_does_not_apply_is_the_suites_fault(bench: Bench, repository: Path) -> None:
    """The oracle ends as an infrastructure failure with git's words, and half of the patch is not left behind."""
    attempt = await bench.attempt(solution=_change(repository))
    outcome = await load(AgentConfig(name="oracle", kind="oracle")).attempt(attempt)
    assert (outcome.ended, outcome.cause) == ("infrastructure", "solution_does_not_apply")
    assert "error" in outcome.detail
    await bench.shell(attempt, "test ! -e run.sh")


def test_every_agent_of_the_table_loads_and_others_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table names classes that exist; an unknown kind is answered with the known ones."""
    assert set(CONTROLS) <= set(kinds())
    for kind in kinds():
        command = ("true",) if kind == "command" else ()
        config = AgentConfig(name=kind, kind=kind, model="m", base_url="http://127.0.0.1:1", command=command)
        try:
            load(config)
        except AgentError as error:  # a program of others, which need not be here
            assert kind in real_kinds()
            assert "is not installed" in str(error)  # noqa: PT017 - it may load as well
    with pytest.raises(UsageError, match="unknown agent 'claude'") as caught:
        load(AgentConfig(name="x", kind="claude"))
    assert "basic" in caught.value.hint
