"""Installing from the registries: once, whole or not at all, and with named failures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from worktrial import agents
from worktrial.agents.real.install import find, install, layer, missing, receipts
from worktrial.errors import AgentError
from worktrial.sandboxes.protocol import Sandbox

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here")


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKTRIAL_CACHE", str(tmp_path / "cache"))


async def failure(kind: str, version: str, sandbox: Sandbox) -> AgentError:
    """Return how installing fails."""
    agent = agents.real_agent(kind)
    if lacking := missing(agent.package):
        pytest.skip(f"{kind} cannot be installed here: {lacking}")
    with pytest.raises(AgentError) as caught:
        await install(agent, version, sandbox, lambda _: None)
    assert not layer(kind, version).exists()
    assert list(receipts(agent)) == []
    assert [path for path in layer(kind, version).parent.iterdir() if not path.name.endswith(".lock")] == []
    return caught.value


@pytest.mark.real_agent
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "version"), [("codex", "0.0.99999"), ("aider", "0.0.99999")])
async def test_a_version_that_is_not_there_leaves_nothing_behind(kind: str, version: str, sandbox: Sandbox) -> None:
    error = await failure(kind, version, sandbox)
    if "not reached" in error.hint:
        pytest.skip(f"no registry is reached: {error}")
    assert version in error.message
    assert error.cause
    assert error.hint == "check the version"


@needs_npm
async def test_a_registry_that_is_not_reached_is_told_so(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is one that nobody listens at."""
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    error = await failure("codex", "0.169.0", sandbox)
    assert "the registry was not reached" in error.hint, error


def test_what_is_not_installed_says_how_to_install_it() -> None:
    """With the versions that are there, when there are others."""
    agent = agents.real_agent("codex")
    with pytest.raises(AgentError, match="is not installed") as caught:
        find(agent, None)
    assert caught.value.hint == "worktrial agents install codex"
    with pytest.raises(AgentError) as caught:
        find(agent, "0.1.2")
    assert caught.value.hint == "worktrial agents install codex@0.1.2"


def test_a_layer_without_its_receipt_is_not_installed() -> None:
    layer("codex", "0.169.0").mkdir(parents=True)
    with pytest.raises(AgentError, match="is not installed"):
        find(agents.real_agent("codex"), None)
    (layer("codex", "0.169.0") / "installed.json").write_text("{torn")
    assert list(receipts(agents.real_agent("codex"))) == []
