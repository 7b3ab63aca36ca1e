"""`init`: a configuration that runs as it stands, whatever is here."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest
from tests.e2e.workshop import Repository, Shell

from worktrial.cli.configuration import configured_agents, read_configuration
from worktrial.cli.init_command import Found, configuration

KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY")
REAL = ("claude_code", "codex", "gemini_cli", "qwen_code", "aider")


@pytest.mark.parametrize("installed", [(), REAL])
def test_every_configuration_it_can_write_is_short_and_valid(installed: tuple[str, ...], tmp_path: Path) -> None:
    """For every set of keys."""
    for count in range(len(KEYS) + 1):
        for keys in itertools.combinations(KEYS, count):
            text = configuration(Found("repo", "python", 3, keys, installed, ()))
            assert len(text.splitlines()) <= 25
            (tmp_path / "worktrial.toml").write_text(text)
            found = configured_agents(read_configuration(tmp_path / "worktrial.toml"))
            assert found, text
            assert all(config.model for config in found.values() if config.kind not in ("oracle", "nop"))


def test_what_it_writes_runs_as_it_stands(suite: Path, shell: Shell, library_repo: Repository) -> None:
    """With no key there are only the controls to run, and they are run."""
    nothing = dict.fromkeys(KEYS, "")
    ended = shell.cold("init", library_repo.path, "--json", env=nothing)
    assert ended.code == 0, ended.err
    assert ended.json["language"] == "python"
    assert ended.json["keys"] == []
    assert "worktrial mine" in ended.err
    run = shell("run", suite, "--out", "run", "--trials", "1", "--json", env=nothing)
    assert run.code == 0, run.err
    assert run.json["agents"]["oracle"]["rate"] == 1.0


def test_a_key_that_is_there_gives_an_agent_and_is_not_written_down(shell: Shell, library_repo: Repository) -> None:
    ended = shell("init", library_repo.path, env={**dict.fromkeys(KEYS, ""), "OPENAI_API_KEY": "sk-canary-1"})
    written = (shell.folder / "worktrial.toml").read_text()
    assert "canary" not in written + ended.out + ended.err
    assert next(iter(tomllib.loads(written)["agents"].values()))["model"] == "gpt-5-mini"


def test_a_file_that_is_there_is_left_alone_unless_told(shell: Shell, library_repo: Repository) -> None:
    (shell.folder / "worktrial.toml").write_text("[agents.mine]\nkind = 'nop'\n")
    assert shell("init", library_repo.path).is_clean_error("is there already", "--force", code=4)
    assert "mine" in (shell.folder / "worktrial.toml").read_text()
    assert shell("init", library_repo.path, "--force").code == 0
    assert "mine" not in (shell.folder / "worktrial.toml").read_text()


def test_what_is_no_repository_is_an_error_and_writes_nothing(shell: Shell, tmp_path: Path) -> None:
    assert shell("init", tmp_path / "nothing").is_clean_error("there is no folder")
    assert not (shell.folder / "worktrial.toml").exists()


def test_the_command_line_goes_before_the_file_and_the_file_before_the_default(suite: Path, shell: Shell) -> None:
    (shell.folder / "worktrial.toml").write_text("[run]\ntrials = 2\nbudget_usd = 1\n\n[agents.nop]\n")
    asked = ("run", suite, "--out", "run", "--dry-run", "--json")
    assert shell(*asked).json["trials"] == 2
    assert shell(*asked, "--trials", "3").json["trials"] == 3
    (shell.folder / "worktrial.toml").write_text("[agents.nop]\n")
    assert shell(*asked).json["trials"] == 1


def test_with_no_agent_anywhere_it_says_how_to_get_one(suite: Path, shell: Shell) -> None:
    assert shell("run", suite, "--out", "run").is_clean_error("no agent was named", "worktrial init", code=4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[run]\ntrails = 2\n", "run.trails"),
        ("[agents.a]\nkind = 'basic'\nmodle = 'x'\n", "agents.a.modle"),
        ("[agents]\na = 1\n", "agents.a"),
        ("[gateway.upstreams.x]\n", "gateway.upstreams.x"),
        ("[run\n", "Expected"),
    ],
)
def test_a_slip_in_the_file_is_named(suite: Path, shell: Shell, text: str, said: str) -> None:
    (shell.folder / "worktrial.toml").write_text(text)
    assert shell("run", suite, "--out", "run").is_clean_error("worktrial.toml is not a valid configuration", said)


@pytest.mark.parametrize(
    ("text", "cause", "hint"),
    [
        ("[run]\ntrails = 2\n", "run.trails: there is no such setting", "did you mean 'trials'?"),
        ("[agents.a]\nmodle = 'x'\n", "agents.a.modle: there is no such setting", "did you mean 'model'?"),
        ("[gateway.upstreams.x]\nbase_ulr = 'y'\n", "gateway.upstreams.x.base_ulr: there is no", "'base_url'?"),
        ("[agent.a]\nkind = 'nop'\n", "agent: there is no such setting", "did you mean 'agents'?"),
        ("[rates]\nbeer = 1\n", "rates.beer: there is no such setting", "there are: sandbox_usd_per_minute, "),
    ],
)
def test_a_setting_that_there_is_none_of_gets_a_suggestion(
    suite: Path, shell: Shell, text: str, cause: str, hint: str
) -> None:
    (shell.folder / "worktrial.toml").write_text(text)
    assert shell("run", suite, "--out", "run").is_clean_error(
        "worktrial.toml is not a valid configuration", cause, hint
    )
