"""Calls that begin where all is imported come to what a user's call does."""

from __future__ import annotations

import subprocess

import pytest
from tests.e2e.workshop import Shell


@pytest.mark.parametrize(
    "arguments",
    [("--version",), (), ("gate", "--help"), ("run", "nothing", "--agent", "nop", "--out", "x"), ("doctor", "--jsn")],
)
def test_a_call_comes_to_the_same_with_an_interpreter_of_its_own(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert shell(*arguments) == shell.cold(*arguments)


def test_folder_environment_and_surrogates_are_the_calls_own(shell: Shell) -> None:
    """Nothing of one call is left for the next."""
    for name in ("a\udcff", "b"):
        assert shell("grade", name, env={"NO_COLOR": name}).is_clean_error("there is no run")
    assert shell("agents", "install", "goose", env={"PATH": "/usr/bin:/bin"}).is_clean_error("no goose on PATH")
    (shell.folder / "worktrial.toml").write_text("[gateway.upstreams.x]\nbase_url = 1\n")
    assert shell("gateway", "--out", "o").is_clean_error("gateway.upstreams.x.base_url")


def test_a_call_that_does_not_end_is_killed(shell: Shell) -> None:
    upstream = '[gateway.upstreams.x]\nbase_url = "http://127.0.0.1:1"\napis = ["openai_chat"]\n'
    (shell.folder / "worktrial.toml").write_text(upstream)
    with pytest.raises(subprocess.TimeoutExpired):
        shell("gateway", "--out", "o", timeout=2)
    assert shell("--version").code == 0
