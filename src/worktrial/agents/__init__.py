"""Agents: the contenders and the two controls, one file each, behind one Protocol and loaded when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from worktrial.errors import UsageError

if TYPE_CHECKING:
    from worktrial.agents.protocol import Agent
    from worktrial.formats.run import AgentConfig

_AGENTS = {
    "oracle": "worktrial.agents.oracle:Oracle",
    "nop": "worktrial.agents.nop:Nop",
    "basic": "worktrial.agents.basic:Basic",
    "ide": "worktrial.agents.ide:Ide",
    "command": "worktrial.agents.command:CommandAgent",
}
CONTROLS = ("oracle", "nop")
"""Kinds that measure the suite, not an agent: the one must solve all, the other nothing."""


def kinds() -> tuple[str, ...]:
    """Return the names of the kinds of agent there are."""
    return tuple(_AGENTS)


def load(config: AgentConfig) -> Agent:
    """Return the agent a configuration describes. Raises `UsageError` when it is unknown or lacks a setting."""
    if config.kind not in _AGENTS:
        raise UsageError(f"unknown agent {config.kind!r}", hint=f"there are: {', '.join(_AGENTS)}")
    module, attribute = _AGENTS[config.kind].split(":")
    agent: Agent = getattr(import_module(module), attribute)(config)
    return agent
