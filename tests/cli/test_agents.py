"""`worktrial agents`: what there is, what is installed, and clear words about what is not."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.workshop import Shell

NAMES = [
    *("claude_code", "codex", "gemini_cli", "qwen_code", "opencode", "mini_swe_agent", "aider", "openhands", "goose"),
]


def test_all_agents_are_listed_with_what_they_need(shell: Shell, tmp_path: Path) -> None:
    """The same as JSON and as lines; nothing is installed in a fresh cache."""
    fresh = {"WORKTRIAL_CACHE": str(tmp_path / "fresh"), "PATH": "/usr/bin:/bin"}
    ended = shell.cold("agents", "--json", env=fresh)
    assert ended.code == 0, ended.err
    assert [agent["name"] for agent in ended.json["agents"]] == NAMES
    for agent in ended.json["agents"]:
        assert agent["installed"] == []
        assert agent["size_mib"] is None
        assert agent["default"] or agent["package"].startswith("path: ")
    lines = shell("agents", env=fresh)
    assert [line.split()[0] for line in lines.out.splitlines()] == NAMES
    assert "worktrial agents install" in lines.err


def test_an_agent_that_is_not_there_is_a_usage_error(shell: Shell) -> None:
    assert shell("agents", "install", "no_such_agent").is_clean_error("no_such_agent", "claude_code", code=4)


def test_a_version_that_cannot_be_one_is_refused(shell: Shell) -> None:
    assert shell("agents", "install", "codex@../../x").is_clean_error("no version of a package")


def test_an_agent_of_no_registry_is_told_how_to_get_it(shell: Shell) -> None:
    ended = shell("agents", "install", "goose", env={"PATH": "/usr/bin:/bin"})
    assert ended.is_clean_error("no goose on PATH", "its own documentation")


def test_a_run_with_an_agent_that_is_not_installed_says_so_before_it_begins(
    suite: Path, shell: Shell, tmp_path: Path
) -> None:
    """With the command that installs it; an agent without a model is told that first."""
    fresh = {"WORKTRIAL_CACHE": str(tmp_path / "fresh")}
    ended = shell("run", suite, "--agent", "codex:gpt-5.5", "--out", "run", env=fresh)
    assert ended.is_clean_error("Codex CLI", "is not installed", "worktrial agents install codex")
    assert not (shell.folder / "run").exists()
    ended = shell("run", suite, "--agent", "codex", "--out", "run", env=fresh)
    assert ended.is_clean_error("has no model", "codex:MODEL", code=4)
