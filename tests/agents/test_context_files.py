"""Instructions for agents in a repository: kept, taken away, or replaced, and in no case part of a patch."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.bench import Bench

from worktrial import agents
from worktrial.agents.context_files import switched
from worktrial.agents.protocol import Attempt
from worktrial.errors import UsageError
from worktrial.formats.run import AgentConfig

FILES = {
    "calc.py": "x = 1\n",
    "AGENTS.md": "Be brief.\n",
    "lib/CLAUDE.md": "Be kind.\n",
    ".github/copilot-instructions.md": "Be quick.\n",
    ".cursor/rules/style.mdc": "Be bold.\n",
    "docs/notes.md": "Not for agents.\n",
    "node_modules/x/AGENTS.md": "Of a dependency.\n",
}
CONTEXT = ["AGENTS.md", "lib/CLAUDE.md", ".github/copilot-instructions.md", ".cursor/rules/style.mdc"]


async def state(bench: Bench, attempt: Attempt) -> dict[str, str]:
    listed = (await bench.shell(attempt, "find . -type f -not -path './.git/*' -printf '%P\\n'")).decode().split()
    return {name: await bench.read(attempt, name) for name in listed}


@pytest.fixture
async def attempt(bench: Bench) -> Attempt:
    made = await bench.attempt("Do it.", files=FILES)
    await bench.shell(
        made, "git init -q && git add -A && git -c user.name=a -c user.email=a@b commit -q -m x && chmod 755 AGENTS.md"
    )
    return made


async def test_kept_files_stay_as_they_are(bench: Bench, attempt: Attempt) -> None:
    async with switched(attempt, "keep", "AGENTS.md") as prompt:
        assert prompt == "Do it."
        assert await state(bench, attempt) == FILES


async def test_without_context_all_of_them_are_gone_and_come_back(bench: Bench, attempt: Attempt) -> None:
    """At any depth, other tools' too; dependencies' stay. `git status` says nothing of it."""
    async with switched(attempt, "none", "AGENTS.md") as prompt:
        assert prompt == "Do it."
        assert sorted(await state(bench, attempt)) == sorted(set(FILES) - set(CONTEXT))
        assert await bench.shell(attempt, "git status --short") == b""
    assert await state(bench, attempt) == FILES
    assert await bench.shell(attempt, "stat -c %a AGENTS.md") == b"755\n"


async def test_another_file_stands_in_their_place(bench: Bench, attempt: Attempt, tmp_path: Path) -> None:
    """Under the name the agent reads, whether the repository had one or not."""
    other = tmp_path / "other.md"
    other.write_text("Use tabs.\n")
    for name in ("AGENTS.md", "GEMINI.md"):
        async with switched(attempt, str(other), name) as prompt:
            assert prompt == "Do it."
            assert await bench.read(attempt, name) == "Use tabs.\n"
            assert not set(CONTEXT) - {name} & set(await state(bench, attempt))
            assert await bench.shell(attempt, "git status --short") == b""
        assert await state(bench, attempt) == FILES


async def test_an_agent_that_reads_no_such_file_gets_it_before_its_prompt(attempt: Attempt, tmp_path: Path) -> None:
    other = tmp_path / "other.md"
    other.write_text("Use tabs.\n")
    async with switched(attempt, str(other), "") as prompt:
        assert prompt == "Use tabs.\n\nDo it."


async def test_what_the_agent_makes_of_them_meanwhile(bench: Bench, attempt: Attempt, tmp_path: Path) -> None:
    """A file of its own stays; one of ours that it changed goes; one behind a link it laid is not written through."""
    other = tmp_path / "other.md"
    other.write_text("Use tabs.\n")
    async with switched(attempt, str(other), "GEMINI.md"):
        await bench.shell(attempt, "echo mine > AGENTS.md; echo more >> GEMINI.md; rm -rf lib; ln -s /tmp lib")
    after = await state(bench, attempt)
    assert after["AGENTS.md"] == "mine\n"
    assert "GEMINI.md" not in after
    assert await bench.shell(attempt, "ls -d lib/CLAUDE.md 2>/dev/null || true") == b""


def test_a_file_that_is_not_there_is_refused_when_the_agent_is_loaded() -> None:
    with pytest.raises(UsageError, match="context file"):
        agents.load(AgentConfig(name="n", kind="nop", context="/no/such/file.md"))


def test_every_kind_says_what_it_reads() -> None:
    """A name of the root, or nothing."""
    names = {kind: agents.context_file(kind) for kind in agents.kinds()}
    assert names["claude_code"] == "CLAUDE.md"
    assert names["aider"] == ""
    assert all("/" not in name for name in names.values())
